"""Derivatives of control flow: eager recording, traced nodes and finite differences agree."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.trace import traced
from chainrule.core.graph import Graph
from chainrule.core.tensor import Tensor, as_tensor, unknown
from chainrule.core.tree import leaves
from chainrule.ops.control import inner_graphs
from chainrule.passes import stabilized

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Tensor:
    return cr.tensor(RNG.normal(size=shape) * 0.5, "float64")


W, X, H = drawn(3, 3), drawn(4, 3), drawn(3)


def derivatives(f: Callable[..., Any], count: int) -> dict[str, Callable[..., Any]]:
    """Return f and its derivatives of first and second order, in every combination of the modes."""
    numbers = tuple(range(count))
    reverse = cr.grad(f, argnums=numbers)

    def moved(x: Tensor) -> Tensor:
        return x * 0.5 + 1.0

    def pushed(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *xs: cr.jvp(f, xs, [moved(x) for x in xs])[1]

    forward = pushed(f)
    return {
        "value": f,
        "grad": reverse,
        "jvp": forward,
        "grad of grad": cr.grad(
            lambda *xs: sum((g * g).sum() for g in reverse(*xs)), argnums=numbers
        ),
        "grad of jvp": cr.grad(forward, argnums=numbers),
        "jvp of grad": pushed(reverse),
        "jvp of jvp": pushed(forward),
    }


def agree(f: Callable[..., Any], *xs: Tensor) -> None:
    """Hold eager derivatives against traced ones, and against finite differences."""
    cr.check_grads(f, xs, order=2)
    for name, derivative in derivatives(f, len(xs)).items():
        eager = leaves(derivative(*xs))
        for rewriter in (None, stabilized):
            inputs = [unknown(as_tensor(x).type) for x in xs]
            graph = traced(
                derivative, xs, inputs, [f"x{i}" for i in range(len(xs))], None, rewriter
            )
            for a, b in zip(eager, leaves(graph(*xs)), strict=True):
                np.testing.assert_allclose(
                    b.numpy(), a.numpy(), rtol=1e-9, atol=1e-12, err_msg=name
                )


def recurrent(**options: Any) -> Callable[..., Any]:
    def f(w: Tensor, x: Tensor, h: Tensor) -> Tensor:
        def step(h: Any, row: Any) -> Any:
            h = cr.tanh(h @ w + row)
            return h, (h * h).sum()

        h, ys = cr.scan(step, h, x, **options)
        return (h * cr.exp(ys).sum()).sum()

    return f


@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan(remat: bool, reverse: bool) -> None:
    agree(recurrent(remat=remat, reverse=reverse), W, X, H)


@pytest.mark.parametrize("remat", [False, True])
def test_scan_of_one_step(remat: bool) -> None:
    agree(recurrent(remat=remat), W, X[:1], H)


def test_scan_of_no_step() -> None:
    f = cr.grad(lambda *xs: recurrent()(*xs[:1], cr.zeros((0, 3), "float64"), *xs[1:]), (0, 1))
    for at in (f, lambda *xs: cr.trace(f)(*xs)(*xs)):
        by_w, by_h = at(W, H)
        np.testing.assert_array_equal(by_w.numpy(), np.zeros((3, 3)))
        np.testing.assert_array_equal(by_h.numpy(), np.zeros(3))


def test_scan_without_xs_and_with_integers() -> None:
    def f(w: Tensor, h: Tensor) -> Tensor:
        def step(carry: Any, nothing: None) -> Any:
            i, h, largest = carry
            h = cr.sin(h @ w) * cr.cast(i, h.dtype) + h
            return (i + 1, h, cr.maximum(largest, cr.cast(i, "int32"))), (i, h[0])

        start = (1, h, cr.zeros((), "int32"))
        (i, h, _), (_, firsts) = cr.scan(step, start, length=3)
        return (h * h).sum() * cr.cast(i, h.dtype) + (firsts**3.0).sum()

    agree(f, W, H)


def test_trees_of_carries_and_rows() -> None:
    def f(w: Tensor, x: Tensor, h: Tensor) -> Tensor:
        def step(c: Any, row: Any) -> Any:
            a, b = c["a"], c["b"]
            return {"b": cr.tanh(a @ w), "a": b * row["x"]}, [a.sum(), (b, row["y"])]

        c, ys = cr.scan(step, {"a": h, "b": h * 2.0}, {"x": x, "y": x[:, 0]})
        return sum((leaf * leaf).sum() for leaf in leaves((c, ys)))  # type: ignore[return-value]

    agree(f, W, X, H)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond(sign: float) -> None:
    def f(w: Tensor, h: Tensor) -> Tensor:
        def first(h: Tensor) -> Any:
            return cr.tanh(h @ w), cr.ones((), "float64"), 3

        def second(h: Tensor) -> Any:
            return h * h, h.sum() * w[0, 0], 4

        a, b, n = cr.cond(sign * (h * h).sum() > 0, first, second, h)
        return (a * b).sum() * cr.cast(n, a.dtype)

    agree(f, W, H)


@pytest.mark.parametrize("max_steps", [None, 7])
def test_while(max_steps: int | None) -> None:
    def f(w: Tensor, h: Tensor) -> Tensor:
        def body(c: Any) -> Any:
            return c[0] + 1, cr.sin(c[1] @ w) + c[1] * 1.3

        n, h = cr.while_loop(lambda c: (c[1] * c[1]).sum() < 5.0, body, (0, h), max_steps)
        return (h**2.0).sum() * cr.cast(n, h.dtype)

    agree(f, W, H)


@pytest.mark.parametrize("max_steps", [None, 3])
def test_while_that_never_runs(max_steps: int | None) -> None:
    def f(h: Tensor) -> Tensor:
        return (
            cr.while_loop(lambda c: c.sum() > 100.0, lambda c: c * c, h, max_steps) ** 2.0
        ).sum()

    agree(f, H)


@pytest.mark.parametrize("remat", [False, True])
def test_nested(remat: bool) -> None:
    def f(w: Tensor, x: Tensor, h: Tensor) -> Tensor:
        def outer(c: Any, row: Any) -> Any:
            scale = (c * c).sum()

            def inner(c: Any, v: Any) -> Any:
                c = cr.cond(
                    v > 0, lambda c: cr.tanh(c @ w) * v, lambda c: c - cr.sin(c * v * scale), c
                )
                return c, c.sum()

            c, ys = cr.scan(inner, c, row, remat=remat)
            return c, (ys * ys).sum()

        def both() -> Tensor:
            c, ys = cr.scan(outer, h, x, remat=remat)
            return (c * c).sum() + ys.sum()

        return cr.cond(h.sum() > -100.0, both, lambda: h.sum())

    agree(f, W, X, H)


def test_a_gradient_inside_of_a_body() -> None:
    """Newton's method, step by step, differentiated through."""

    def f(a: Tensor) -> Tensor:
        def step(x: Any, nothing: None) -> Any:
            def energy(x: Any) -> Any:
                return (x**4.0 / 4.0 + a * x * x - x).sum()

            slope = cr.grad(energy)(x)
            curvature = cr.jvp(cr.grad(energy), (x,), (cr.ones_like(x),))[1]
            return x - slope / curvature, None

        return cr.scan(step, cr.ones_like(a), length=4)[0].sum()

    agree(f, cr.tensor([0.5, 1.5], "float64"))


def test_a_variable_of_an_eager_gradient_inside_a_trace() -> None:
    """A value that is known and tracked is no constant of the body."""

    def f(x: Any) -> Any:
        w = cr.tensor(3.0)
        return cr.grad(lambda w: cr.scan(lambda c, v: (c + w * w * v, None), 0.0, x)[0])(w)

    assert cr.trace(f)([1.0, 2.0])([1.0, 2.0]).item() == 18.0


def test_parameters_read_in_bodies_get_gradients() -> None:
    model = cr.Sequential([cr.Dense(3, activation="tanh")])
    x = X.astype("float32")
    model(x)

    def run(x: Any) -> Any:
        for p in model.parameters().values():
            p.grad = None

        def step(h: Any, row: Any) -> Any:
            return cr.cond(row.sum() > 0, lambda: model((h + row)[None])[0], lambda: h * 0.5), None

        loss = (cr.scan(step, cr.zeros(3), x)[0] ** 2.0).sum()
        loss.backward()
        return loss

    run(x)
    expected = [p.grad.numpy() for p in model.parameters().values()]  # type: ignore[union-attr]
    assert any(g.any() for g in expected)
    cr.trace(run)(x)(x)
    for p, g in zip(model.parameters().values(), expected, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["scan", "while", "cond"])
def test_stopped_gradients_stay_stopped(kind: str) -> None:
    def step(c: Any) -> Any:
        with cr.no_grad():
            scale = c * c
        return c * cr.stop_gradient(cr.sin(c)) + scale

    def f(x: Any) -> Any:
        if kind == "scan":
            return cr.scan(lambda c, _: (step(c), None), x, length=3)[0]
        if kind == "while":
            return cr.while_loop(lambda c: c < 5.0, step, x, max_steps=9)
        return cr.cond(x > 0, step, lambda c: c, x)

    x = cr.tensor(1.2, "float64")
    for derivative in derivatives(f, 1).values():
        for a, b in zip(leaves(derivative(x)), leaves(cr.trace(derivative)(x)(x)), strict=True):
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12)


# What is kept and what is computed -----------------------------------------------------------


def scans(graph: Graph) -> list[Any]:
    return [node for node in graph.nodes if node.primitive and node.primitive.name == "scan"]


def stacked(node: Any) -> list[tuple[int, ...]]:
    return [kind.shape for kind in node.type.items[node.attrs["carries"] :]]


def deep(h: Any, row: Any) -> Any:
    for _ in range(4):
        h = cr.tanh(cr.sin(h) * row)
    return h, None


@pytest.mark.parametrize(("remat", "kept"), [(False, 12), (True, 1)])
def test_what_is_stored_for_the_way_back(remat: bool, kept: int) -> None:
    """Of each of four layers sin, its derivative and that of tanh; with remat the carry only."""

    def f(x: Any, h: Any) -> Any:
        return (cr.scan(deep, h, x, remat=remat)[0] ** 2.0).sum()

    primal, forward, backward = scans(cr.trace(cr.grad(f, (0, 1)))(X, H))
    assert stacked(primal) == []
    assert stacked(forward) == [(4, 3)] * kept
    assert stacked(backward) == [(4, 3)]  # the cotangents of x
    inside = [n.primitive.name for n in inner_graphs(backward)["body"].nodes]
    assert ("tanh" in inside) is remat  # computed again, or not


def test_captures_are_not_stacked() -> None:
    def f(w: Any, x: Any, h: Any) -> Any:
        big = cr.exp(w)
        return cr.scan(lambda h, row: (cr.tanh(h @ big + row), None), h, x)[0].sum()

    graph = cr.trace(cr.grad(f))(W, X, H)
    assert not any((4, 3, 3) in stacked(node) for node in scans(graph))


def test_what_is_only_moved_is_not_stored_again() -> None:
    """h @ w needs the transposes of both: of h the carry is kept, that of w is made once."""
    graph = cr.trace(cr.grad(recurrent(), (0, 1, 2)))(W, X, H)
    _, forward, _ = scans(graph)
    assert set(stacked(forward)[1:]) == {(4, 3)}


def test_what_is_the_same_in_every_step_is_computed_once() -> None:
    def f(w: Any, x: Any, h: Any) -> Any:
        return cr.scan(lambda h, row: (cr.tanh(h @ cr.exp(w) + row), None), h, x)[0].sum()

    graph = cr.trace(cr.grad(f, argnums=(0, 2)))(W, X, H)
    forward, backward = scans(graph)
    assert set(stacked(forward)) == {(4, 3)}
    inside = [n.primitive.name for n in inner_graphs(backward)["body"].nodes]
    assert "exp" not in inside
    assert "exp" in [n.primitive.name for n in graph.nodes if n.primitive]


def test_a_linear_body_keeps_nothing() -> None:
    def f(w: Any, x: Any) -> Any:
        return cr.scan(lambda c, row: (c * 0.5 + row * w, None), cr.zeros(3, "float64"), x)[0].sum()

    graph = cr.trace(cr.grad(f))(H, X)
    found = scans(graph)
    assert len(found) <= 2
    assert all(not stacked(node) for node in found)


def test_only_what_is_wanted_is_computed() -> None:
    def f(w: Any, x: Any, h: Any) -> Any:
        return cr.scan(lambda h, row: (cr.tanh(h @ w + row), None), h, x)[0].sum()

    graph = cr.trace(cr.grad(f, argnums=2))(W, X, H)
    backward = scans(graph)[-1]
    assert backward.attrs["carries"] == 1  # of h, no sums for w
    assert stacked(backward) == []  # none for x


def test_eager_gradients_are_linear_in_the_length(
    count_calls: Callable[[Callable[[], object]], int],
) -> None:
    def calls(length: int) -> int:
        x = cr.zeros((length, 2))
        f = cr.value_and_grad(
            lambda x: cr.scan(lambda c, v: (c + v * v, c), cr.ones(2), x)[1].sum()
        )
        return count_calls(lambda: f(x))

    calls(10)
    assert calls(1600) < 17 * calls(100)  # of sixteen times the steps


def test_traced_gradients_do_not_grow_with_the_length() -> None:
    def nodes(length: int) -> int:
        graph = cr.trace(cr.grad(recurrent(), (0, 1, 2)))(W, cr.zeros((length, 3), "float64"), H)
        return len(graph.nodes)

    assert nodes(2) == nodes(2000)


def test_remat_and_plain_scans_have_the_same_gradients() -> None:
    results = []
    for remat, trace in itertools.product((False, True), repeat=2):
        f = cr.grad(recurrent(remat=remat), argnums=(0, 1, 2))
        results.append((cr.trace(f)(W, X, H) if trace else f)(W, X, H))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12)
