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


def adjoints_by_name(graph: cr.core.graph.Graph, inputs: object = None) -> dict[str, float]:
    _, adjoints = values_and_adjoints(graph, inputs)
    return {graph.names[n]: float(a) for n, a in adjoints.items() if n in graph.names}


def test_a_recorded_graph_has_the_derivatives_that_backward_finds() -> None:
    x, w = cr.tensor(2.0), cr.Parameter(3.0, name="w")
    with record() as recording:
        with cr.no_grad():
            a = x * w
        y = a * w
    y.backward()
    graph = recording.graph(y)
    found = adjoints_by_name(graph)
    assert found == {"x": 0, "w": float(w.grad), "h2": 1}
    assert found["w"] == 6
    svg = graph.to_svg()
    assert "∂ 6" in svg
    assert "∂ 12" not in svg


def test_gradients_stop_where_they_were_stopped() -> None:
    w, frozen = cr.Parameter(3.0, name="w"), cr.Parameter(5.0, name="frozen")
    frozen.trainable = False
    with record() as recording:
        y = cr.stop_gradient(w * w) * w * frozen
    y.backward()
    found = adjoints_by_name(recording.graph(y))
    assert found["w"] == float(w.grad) == 45
    assert "frozen" not in found
    traced = cr.trace(lambda w: cr.stop_gradient(w * w) * w)(1.0)
    assert adjoints_by_name(traced, [3.0])["w"] == 9


def test_values_that_no_parameter_leads_to_have_derivatives() -> None:
    x = cr.tensor(3.0)
    with record() as recording:
        y = x * x + 1.0
    assert adjoints_by_name(recording.graph(y)) == {"x": 6, "h1": 1, "h2": 1}


def test_items_of_control_flow_have_values_and_derivatives() -> None:
    def f(w: cr.Tensor) -> cr.Tensor:
        carry, ys = cr.scan(lambda c, x: (c * w + x, c), np.ones(()), np.arange(3.0))
        return 2 * carry + ys.sum()

    graph = cr.trace(f)(np.float64(0.5))
    values, adjoints = values_and_adjoints(graph, [np.float64(0.5)])
    items = [n for n in graph.nodes if n.primitive.name == "item"]
    assert [values[n].tolist() for n in items] == [2.625, [1, 0.5, 1.25]]
    assert [adjoints[n].tolist() for n in items] == [2, [1, 1, 1]]


@pytest.mark.parametrize("wrong", [5, "abc", b"abc", None.__class__])
def test_inputs_of_another_kind_are_refused(wrong: object) -> None:
    graph = cr.trace(lambda x: x * 2)(1.0)
    with pytest.raises(ArgumentError, match=r"inputs: got .*the arguments in a list.*\[x\]"):
        graph.to_svg(wrong)


def test_arguments_may_be_containers_as_they_were_traced() -> None:
    b = cr.Parameter(1.0, name="b")
    graph = cr.trace(lambda x, p: x * p["w"] + p["more"][0] * b)(1.0, {"w": 1.0, "more": (1.0,)})
    y = graph.outputs[0]
    nested = {"w": 3.0, "more": (4.0,)}
    for inputs in ([2.0, nested], (2.0, nested), {"x": 2.0, "p": nested}, [2.0, 3.0, 4.0]):
        assert values_and_adjoints(graph, inputs)[0][y] == 10
    assert values_and_adjoints(graph, [2.0, nested, 5.0])[0][y] == 26
    with pytest.raises(ArgumentError, match="2 arrays"):
        values_and_adjoints(graph, [2.0, 3.0])
    with pytest.raises(ArgumentError, match="got 'pp'; expected names among x, p_1, p_2, b"):
        values_and_adjoints(graph, {"x": 2.0, "pp": nested})
