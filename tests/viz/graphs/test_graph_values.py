"""Values and adjoints on nodes, against explain, NumPy and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.recording import record
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.viz.graphs.values import values_and_adjoints


def lecture(x: object, w: object, b: object) -> cr.Tensor:
    return 1 / (cr.exp(-(x * w + b)) + 1)


@pytest.mark.parametrize("point", [(1.0, 0.0, 0.0), (0.3, -1.2, 0.7)])
def test_lecture_graph_has_the_numbers_of_its_table(point: tuple[float, ...]) -> None:
    table = cr.explain(lecture, **dict(zip("xwb", point, strict=True)))
    args = [np.float64(p) for p in point]
    graph = cr.trace(lecture)(*args)
    values, adjoints = values_and_adjoints(graph, args)
    assert [graph.names[n] for n in graph.nodes] == [row.name for row in table.rows]
    for node, row in zip(graph.nodes, table.rows, strict=True):
        np.testing.assert_allclose(values[node], row.value)
        np.testing.assert_allclose(adjoints[node], row.adjoint)
    for x in graph.inputs:
        np.testing.assert_allclose(adjoints[x], table.gradient[graph.names[x]])


def test_adjoints_are_finite_differences_of_what_follows() -> None:
    def f(x: cr.Tensor, w: cr.Tensor) -> cr.Tensor:
        h = cr.tanh(x @ w)
        return (h * h + cr.exp(h)).sum()

    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    graph = cr.trace(f)(x, w)
    _, adjoints = values_and_adjoints(graph, {"x": x, "w": w})
    tanh = next(n for n in graph.nodes if n.primitive.name == "tanh")
    h = np.tanh(x @ w)
    np.testing.assert_allclose(adjoints[tanh], 2 * h + np.exp(h), rtol=1e-12)
    step = 1e-6
    for index in np.ndindex(*w.shape):
        up, down = w.copy(), w.copy()
        up[index] += step
        down[index] -= step
        slope = (graph.evaluate(x, up)[0] - graph.evaluate(x, down)[0]) / (2 * step)
        np.testing.assert_allclose(adjoints[graph.inputs[1]][index], slope, rtol=1e-6)


def test_an_input_that_the_result_does_not_depend_on_has_adjoint_zero() -> None:
    graph = cr.trace(lambda x, y: x * 2)(1.0, 1.0)
    _, adjoints = values_and_adjoints(graph, [1.0, 5.0])
    assert adjoints[graph.inputs[1]] == 0


def test_no_adjoints_without_one_float_as_the_result() -> None:
    for f in (lambda x: x * 2, lambda x: (x.sum(), x.mean()), lambda x: cr.argmax(x)):
        graph = cr.trace(f)([1.0, 2.0])
        values, adjoints = values_and_adjoints(graph, [[3.0, 4.0]])
        assert adjoints == {}
        assert set(graph.nodes) <= set(values)


def test_parameters_have_their_values_of_the_moment_unless_given() -> None:
    w = cr.Parameter(3.0, name="w")
    graph = cr.trace(lambda x: x * w)(1.0)
    w.assign(4.0)
    (h,) = graph.nodes
    assert values_and_adjoints(graph, [2.0])[0][h] == 8
    assert values_and_adjoints(graph, [2.0, 10.0])[0][h] == 20
    assert values_and_adjoints(graph, {"x": 2.0, "w": 5.0})[0][h] == 10


def test_a_traced_graph_without_inputs_has_no_values() -> None:
    assert values_and_adjoints(cr.trace(lambda x: x * 2)(1.0)) == ({}, {})


def test_a_recorded_graph_has_the_values_that_it_had() -> None:
    x, w = cr.tensor(2.0), cr.Parameter(3.0, name="w")
    with record() as recording:
        y = cr.square(x * w)
    graph = recording.graph(y)
    values, adjoints = values_and_adjoints(graph)
    assert [float(values[n]) for n in graph.nodes] == [6, 36]
    by_name = {graph.names[n]: float(a) for n, a in adjoints.items()}
    assert by_name == {"x": 36, "w": 24, "h1": 12, "h2": 1}


def test_wrong_inputs_are_explained() -> None:
    w = cr.Parameter(3.0, name="w")
    graph = cr.trace(lambda value, other: value * w + other)(1.0, 2.0)
    with pytest.raises(ArgumentError, match=r"1 arrays.*one for each of value, other \(and for"):
        values_and_adjoints(graph, [1.0])
    with pytest.raises(ArgumentError, match="Did you mean 'value'"):
        values_and_adjoints(graph, {"valu": 1.0, "other": 1.0})
    with pytest.raises(ArgumentError, match="nothing for other"):
        values_and_adjoints(graph, {"value": 1.0})
    with pytest.raises(ShapeError, match=r"input 'other'.*trace again"):
        values_and_adjoints(graph, [1.0, [1.0, 2.0]])
