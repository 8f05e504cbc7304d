"""Control flow held against ``jax.lax``: values, gradients, second derivatives, forward mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax

RNG = np.random.default_rng(0)
W, X, H = RNG.normal(size=(3, 3)) * 0.5, RNG.normal(size=(4, 3)), RNG.normal(size=3)


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def recurrent(np_like: Any, scan: Any, **options: Any) -> Callable[..., Any]:
    def f(w: Any, x: Any, h: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            n, h = carry
            h = np_like.tanh(h @ w + row["x"]) * row["s"]
            return (n + 1, h), (h * h).sum()

        (n, h), ys = scan(step, (0, h), {"x": x, "s": x[:, 0]}, **options)
        return (h * ys.sum()).sum() * n

    return f


def branching(cond: Any, np_like: Any) -> Callable[..., Any]:
    def f(w: Any, x: Any, h: Any) -> Any:
        total = 0.0
        for i in range(4):
            total = total + cond(
                x[i, 0] > 0,
                lambda h, row: np_like.tanh(h @ w + row).sum(),
                lambda h, row: (h * row * row).sum(),
                h,
                x[i],
            )
        return total

    return f


def repeating(while_loop: Any, np_like: Any, **options: Any) -> Callable[..., Any]:
    def f(w: Any, x: Any, h: Any) -> Any:
        def body(c: Any) -> Any:
            return c[0] + 1, np_like.sin(c[1] @ w) + c[1] * 1.3

        n, h = while_loop(lambda c: (c[1] * c[1]).sum() < 5.0, body, (0, h), **options)
        return (h * h * x).sum() * n

    return f


PAIRS = {
    "scan": (recurrent(cr, cr.scan), recurrent(jnp, lax.scan)),
    "remat": (recurrent(cr, cr.scan, remat=True), recurrent(jnp, lax.scan)),
    "reverse": (recurrent(cr, cr.scan, reverse=True), recurrent(jnp, lax.scan, reverse=True)),
    "cond": (branching(cr.cond, cr), branching(lax.cond, jnp)),
    "while": (repeating(cr.while_loop, cr), repeating(lax.while_loop, jnp)),
    "bounded while": (
        repeating(cr.while_loop, cr, max_steps=8),
        repeating(lax.while_loop, jnp),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("tracing", [False, True])
def test_against_jax(name: str, tracing: bool) -> None:
    ours, theirs = PAIRS[name]
    args = (W, X, H)
    tangents = (W * W, X * 0.5, H + 1.0)

    def run(f: Callable[..., Any]) -> Any:
        given = [cr.tensor(a) for a in args]
        return cr.trace(f)(*given)(*given) if tracing else f(*given)

    def pushed(f: Any, jvp: Any) -> Any:
        return lambda *xs: jvp(f, xs, tangents)[1]

    np.testing.assert_allclose(run(ours).numpy(), theirs(*args), rtol=1e-12)
    forward = pushed(theirs, jax.jvp)
    np.testing.assert_allclose(run(pushed(ours, cr.jvp)).numpy(), forward(*args), rtol=1e-11)
    if "while" in name:  # JAX has no reverse mode here: its forward mode, direction by direction
        expected = [
            np.array(
                [
                    jax.jvp(
                        theirs,
                        args,
                        tuple(
                            np.reshape(e, a.shape) if i == k else np.zeros_like(b)
                            for i, b in enumerate(args)
                        ),
                    )[1]
                    for e in np.eye(a.size)
                ]
            ).reshape(a.shape)
            for k, a in enumerate(args)
        ]
    else:
        expected = jax.grad(theirs, (0, 1, 2))(*args)
        curved = jax.grad(forward, (0, 1, 2))(*args)
        for g, e in zip(run(cr.grad(pushed(ours, cr.jvp), (0, 1, 2))), curved, strict=True):
            np.testing.assert_allclose(g.numpy(), e, rtol=1e-9, atol=1e-12)
    for g, e in zip(run(cr.grad(ours, (0, 1, 2))), expected, strict=True):
        np.testing.assert_allclose(g.numpy(), e, rtol=1e-10, atol=1e-13)
