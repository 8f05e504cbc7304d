"""cr.record: the dynamic graph with its values."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError


def test_the_path_that_was_taken() -> None:
    x, w = cr.tensor([1.0, 2.0]), cr.Parameter([0.5, 0.25], name="weights")
    with cr.record() as recording:
        h = x * w
        for _ in range(2):
            h = cr.tanh(h) if h.sum() > 0 else -h
        loss = h.sum()
    graph = recording.graph(loss)
    assert [n.primitive.name for n in graph.nodes if n.primitive] == [
        "multiply", "tanh", "tanh", "sum",
    ]  # fmt: skip
    assert [graph.names[i] for i in graph.inputs] == ["x", "w"]
    assert graph.nodes[-1].data is not None
    assert graph.nodes[-1].data == loss.item()
    other = graph.evaluate(np.array([1.0, 1.0], np.float32), np.array([0.1, 0.2], np.float32))
    assert np.isclose(other[0], np.tanh(np.tanh([0.1, 0.2])).sum())


def test_where_it_came_from() -> None:
    x, layer = cr.tensor([[1.0, 2.0]]), cr.Dense(2, activation="relu")
    layer(x)
    with cr.record() as recording:
        y = layer(x) * 3.0
    origins = [node.origin for node in recording.nodes]
    assert all(o is not None and o.source is not None for o in origins)
    assert {o.source.file for o in origins if o and o.source} == {__file__}
    assert {o.source.text for o in origins if o and o.source} == {"y = layer(x) * 3.0"}
    assert next(o.scope for o in origins if o) == ("Dense",)
    assert [o.scope for o in origins if o][-1] == ()
    assert recording.graph().outputs == (y,)


def test_all_results_by_default() -> None:
    x = cr.tensor(2.0)
    with cr.record() as recording:
        y, z = x * x, x + 1.0
    assert recording.graph().outputs == (y, z)
    assert "return h1, h2" in str(recording.graph())


def test_inputs_that_were_computed_before_are_inputs() -> None:
    w = cr.Parameter(3.0, name="w")
    before = w * 2.0
    with cr.record() as recording:
        y = before * w
    graph = recording.graph(y)
    assert [graph.names[x] for x in graph.inputs] == ["w", "before"]
    assert len(graph.nodes) == 1


def test_backward_is_recorded_as_the_gradient() -> None:
    w = cr.Parameter(3.0, name="w")
    with cr.record() as recording:
        cr.square(w).backward()
    parts = [node.origin.part for node in recording.nodes if node.origin]
    assert parts[0] == "forward"
    assert set(parts[1:]) == {"gradient"}


def test_a_recording_inside_a_recording() -> None:
    x = cr.tensor(0.3)
    with cr.record() as outer:
        a = x * 2.0
        with cr.record() as inner:
            b = a * 3.0
        c = b + 1.0
    assert len(inner.graph(b).nodes) == 1
    assert len(outer.graph(c).nodes) == 3


def test_compiled_functions_gradients_and_stopped_gradients_are_recorded() -> None:
    x = cr.tensor(0.3)
    fast = cr.compile(lambda x: cr.exp(x) * 2.0)
    with cr.record() as recording:
        y = fast(x) + cr.stop_gradient(x * x)
    names = [n.primitive.name for n in recording.graph(y).nodes if n.primitive]
    assert sorted(names) == ["add", "exp", "multiply", "multiply", "stop_gradient"]
    with cr.record() as recording:
        slope = cr.grad(lambda t: cr.sin(t) * t)(x) * 2.0
    graph = recording.graph(slope)
    assert [graph.names[i] for i in graph.inputs] == ["x"]
    assert np.isclose(graph.evaluate(np.float32(0.5))[0], 2 * (0.5 * np.cos(0.5) + np.sin(0.5)))


def test_names_are_those_at_the_beginning() -> None:
    x, w = cr.tensor(2.0), cr.tensor(3.0)
    with cr.record() as recording:
        h = x
        x = h * w
    graph = recording.graph(x)
    assert [graph.names[i] for i in graph.inputs] == ["x", "w"]


def test_results_from_elsewhere() -> None:
    with cr.record() as recording:
        cr.tensor(2.0) * 3.0
    for wrong in (cr.tensor(1.0), 3.0):
        with pytest.raises(ArgumentError, match="tensors that were computed inside the block"):
            recording.graph(wrong)  # type: ignore[arg-type]


def test_nothing_is_recorded_afterwards() -> None:
    x = cr.tensor(2.0)
    with pytest.raises(ZeroDivisionError), cr.record() as recording:
        1 / 0  # noqa: B018
    y = x * x
    assert y.primitive is None
    with pytest.raises(ArgumentError, match="a block in which nothing was computed"):
        recording.graph()
