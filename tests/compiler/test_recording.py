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
    assert [o.scope for o in origins if o][0] == ("Dense",)
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


def test_nothing_is_recorded_afterwards() -> None:
    x = cr.tensor(2.0)
    with pytest.raises(ZeroDivisionError), cr.record() as recording:
        1 / 0  # noqa: B018
    y = x * x
    assert y.primitive is None
    with pytest.raises(ArgumentError, match="a block in which nothing was computed"):
        recording.graph()
