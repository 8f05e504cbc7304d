"""Loops that repeat each other are merged, unused results go; the values stay, bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.trace import traced
from chainrule.core.graph import Graph
from chainrule.core.tensor import Tensor, as_tensor, unknown
from chainrule.ops.control import apply_graph, inner_graphs
from chainrule.passes import optimize, stabilized
from chainrule.passes.loops import merge_loops

RNG = np.random.default_rng(0)
W, X, H = (RNG.normal(size=shape) * 0.5 for shape in ((3, 3), (4, 3), (3,)))


def recurrent(w: Any, x: Any, h: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        h = cr.tanh(h @ w + row)
        return h, (h * h).sum()

    h, ys = cr.scan(step, h, x)
    return (h * cr.exp(ys).sum()).sum()


def nested(w: Any, x: Any, h: Any) -> Any:
    def outer(c: Any, row: Any) -> Any:
        c, ys = cr.scan(lambda c, v: (cr.sin(c @ w) * v, c.sum()), c, row)
        return c, ys

    c, ys = cr.scan(outer, h, x)
    return (c * c).sum() * ys.sum()


def merged(f: Callable[..., Any], *xs: Any, rewriter: Any = None) -> tuple[Graph, Counter[str]]:
    """Return the graph after the pass, having checked that it computes the same."""
    inputs = [unknown(as_tensor(x).type) for x in xs]
    graph = traced(f, xs, inputs, [f"x{i}" for i in range(len(xs))], None, rewriter)
    new, counts = merge_loops(graph)
    new.verify()
    assert new.inputs == graph.inputs
    arrays = [as_tensor(x).numpy() for x in xs]
    for a, b in zip(new.evaluate(*arrays), graph.evaluate(*arrays), strict=True):
        np.testing.assert_array_equal(a, b)
    return new, counts


def loops(graph: Graph, name: str = "scan") -> list[Any]:
    return [node for node in graph.nodes if node.primitive and node.primitive.name == name]


@pytest.mark.parametrize("rewriter", [None, stabilized])
@pytest.mark.parametrize("f", [recurrent, nested])
def test_a_value_and_its_gradient_run_forward_once(f: Any, rewriter: Any) -> None:
    graph, counts = merged(cr.value_and_grad(f, (0, 1, 2)), W, X, H, rewriter=rewriter)
    forward, backward = loops(graph)
    assert counts["merge_scans"] == (1 if f is recurrent else 2)
    assert (forward.attrs["reverse"], backward.attrs["reverse"]) == (False, True)
    inside = loops(inner_graphs(forward)["body"])
    assert len(inside) == (0 if f is recurrent else 1)  # inside of the bodies, too


def test_second_derivatives_share_their_loops() -> None:
    first = cr.grad(recurrent, (0, 1, 2))
    second = cr.grad(lambda *xs: sum((g * g).sum() for g in first(*xs)), (0, 1, 2))
    graph, counts = merged(second, W, X, H)
    assert counts["merge_scans"] == 4
    assert len(loops(graph)) == 5


def test_the_same_scan_twice_is_one() -> None:
    def f(x: Any) -> Any:
        def once() -> Any:
            return cr.scan(lambda c, v: (c * v + 1.0, c), 0.0, x)

        return once(), once()

    graph, counts = merged(f, np.float32([1, 2, 3]))
    assert len(loops(graph)) == 1
    assert counts == {"merge_scans": 1}


@pytest.mark.parametrize(
    "other",
    [
        lambda x: cr.scan(lambda c, v: (c * v + 2.0, c), 0.0, x),
        lambda x: cr.scan(lambda c, v: (v * c * 1.0, c), 0.0, x),
        lambda x: cr.scan(lambda c, v: (c * v + 1.0, c), 1.0, x),
        lambda x: cr.scan(lambda c, v: (c * v + 1.0, c), 0.0, x, reverse=True),
        lambda x: cr.scan(lambda c, v: (c * v + 1.0, c), 0.0, x * 2.0),
        lambda x: cr.scan(lambda c, v: (c * v + 1.0, v), 0.0, x),
    ],
)
def test_scans_that_differ_stay(other: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        return cr.scan(lambda c, v: (c * v + 1.0, c), 0.0, x), other(x)

    graph, counts = merged(f, np.float32([1, 2, 3]))
    assert len(loops(graph)) == 2
    assert not counts


def test_bodies_with_branches_are_compared_by_content() -> None:
    def scan(x: Any, a: float) -> Any:
        def step(c: Any, v: Any) -> Any:
            return cr.cond(v > 0, lambda: c + a, lambda: c - v), c

        return cr.scan(step, 0.0, x)

    x = np.float32([1, -2, 3])
    assert len(loops(merged(lambda x: (scan(x, 1.0), scan(x, 1.0)), x)[0])) == 1
    assert len(loops(merged(lambda x: (scan(x, 1.0), scan(x, 2.0)), x)[0])) == 2


def test_unused_results_of_a_scan_go() -> None:
    def f(x: Any, a: Any, b: Any) -> Any:
        def step(c: Any, v: Any) -> Any:
            used, needed, useless = c
            return (used + needed, needed * a, useless * b), (v, used)

        (used, _, _), (_, rows) = cr.scan(step, (0.0, 1.0, 1.0), x)
        return used, rows

    graph, counts = merged(f, np.float32([1, 2, 3]), np.float32(2), np.float32(3))
    (node,) = loops(graph)
    assert counts == {"prune_loops": 1}
    assert node.attrs["carries"] == 2
    assert node.attrs["xs"] == 0
    assert node.attrs["length"] == 3
    assert [str(x.type) for x in node.inputs] == ["float32[]"] * 3  # two carries and a
    assert str(node.type) == "(float32[], float32[], float32[3])"


def test_unused_results_of_a_branch_go() -> None:
    def f(p: Any, x: Any, y: Any) -> Any:
        first, _ = cr.cond(p, lambda: (x * 2.0, y + 1.0), lambda: (-x, y))
        return first

    graph, counts = merged(f, np.array(True), np.float32(1), np.float32(2))
    (node,) = loops(graph, "cond")
    assert counts == {"prune_loops": 1}
    assert len(node.inputs) == 2
    assert all(len(inner.outputs) == 1 for inner in inner_graphs(node).values())


def test_unused_results_of_a_while_go() -> None:
    def f(n: Any, x: Any, y: Any) -> Any:
        def body(c: Any) -> Any:
            i, x, y = c
            return i + 1, x * 2.0, y * 3.0

        return cr.while_loop(lambda c: c[0] < n, body, (0, x, y))[1]

    graph, counts = merged(f, np.array(3), np.float32(1), np.float32(2))
    (node,) = loops(graph, "while")
    assert counts == {"prune_loops": 1}
    assert node.attrs["carries"] == 2
    assert len(node.inputs) == 3
    assert [str(x.type) for x in node.inputs] == ["int64[]", "float32[]", "int64[]"]


def test_bodies_can_be_optimized_in_the_same_pass() -> None:
    def whole(graph: Graph) -> tuple[Graph, Counter[str]]:
        graph, counts = optimize(graph)
        graph, more = merge_loops(graph, whole)
        return graph, counts + more

    def f(x: Any) -> Any:
        return cr.scan(lambda c, v: (c + cr.log(1.0 + cr.exp(v)), None), cr.zeros(()), x)[0]

    x = np.float32([-100.0, 0.0, 100.0])
    graph, counts = whole(cr.trace(f)(x))
    assert counts["log1p_of_exp"] == 1
    (node,) = loops(graph)
    assert [n.primitive.name for n in inner_graphs(node)["body"].nodes] == ["softplus", "add"]
    assert graph.evaluate(x)[0] == pytest.approx(np.logaddexp(0, x.astype(float)).sum())


def test_stopped_gradients_survive() -> None:
    """The pass may come before a differentiation."""

    def f(x: Tensor) -> Any:
        def step(c: Any, v: Any) -> Any:
            return c * cr.stop_gradient(cr.sin(v)) + cr.stop_gradient(v), (c, v)

        c = cr.scan(step, x[0], x)[0]
        with cr.no_grad():
            scale = cr.sin(c)
        return c * scale

    x = unknown(cr.zeros(3).type, tracked=True)
    graph = Graph([x], [f(x)])
    new, _ = merge_loops(graph)
    at = cr.tensor([0.3, 0.5, 0.7])
    expected = cr.grad(f)(at).numpy()
    found = cr.grad(lambda x: apply_graph(new, [x])[0])(at).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.count_nonzero(found) == 1
