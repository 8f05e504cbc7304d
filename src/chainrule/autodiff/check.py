"""Derivatives held against finite differences and against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.autodiff.forward import jvp
from chainrule.autodiff.reverse import grad, vjp
from chainrule.core.errors import ChainruleError
from chainrule.core.tensor import as_tensor
from chainrule.core.types import Array, is_float
from chainrule.ops.creation import tensor


class GradientError(ChainruleError, AssertionError):
    """A derivative does not agree with finite differences, or the two modes disagree."""


def numerical_jvp(
    f: Callable[..., Any], xs: Sequence[Array], ts: Sequence[Array], step: float = 1e-5
) -> Array:
    """Return ``∂f/∂x · t`` by a central difference of fourth order, in float64.

    ``(8 (f(x + h t) - f(x - h t)) - (f(x + 2 h t) - f(x - 2 h t))) / (12 h)``

    Args:
        f: function of arrays to an array.
        xs: float64 arrays.
        ts: directions, one for each of ``xs``.
        step: ``h``.
    """

    def at(k: int) -> Array:
        moved = [tensor(x + k * step * t) for x, t in zip(xs, ts, strict=True)]
        return np.asarray(as_tensor(f(*moved)).data, dtype=np.float64)

    slope: Array = (8.0 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12.0 * step)
    return slope


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Hold forward mode against finite differences, and reverse mode against forward mode.

    For random directions ``t`` and ``v``: ``∂f/∂x · t`` against a central difference, and
    ``⟨v, ∂f/∂x · t⟩`` against ``⟨vᵀ ∂f/∂x, t⟩``; then the same for the derivative, ``order`` times.

    Args:
        f: function of arrays to an array.
        args: float arrays, converted to float64; ``f`` should compute in the dtype it is given.
        order: how many derivatives to check.
        rtol: tolerance relative to the larger of the two.
        atol: absolute tolerance.
        seed: seed of the directions.

    Raises:
        GradientError: with the largest difference, and which of the two checks found it.

    >>> import chainrule as cr
    >>> check_grads(lambda x: cr.exp(x) * x, [[0.5, 1.0]])
    """
    rng = np.random.default_rng(seed)
    xs = [np.asarray(as_tensor(x).data, dtype=np.float64) for x in args]
    _check(f, xs, order, rtol, atol, rng, level=1)


def _check(
    f: Callable[..., Any],
    xs: list[Array],
    order: int,
    rtol: float,
    atol: float,
    rng: np.random.Generator,
    level: int,
) -> None:
    ts = [np.asarray(rng.standard_normal(x.shape)) for x in xs]
    y, moved = jvp(f, [tensor(x) for x in xs], [tensor(t) for t in ts])
    if not is_float(as_tensor(y).dtype):
        raise GradientError(f"check_grads: the result has dtype {y.dtype} and no derivative")
    scale = 10.0 ** (level - 1)  # each derivative loses about a digit
    _compare(
        "forward mode against finite differences",
        moved.numpy(),
        numerical_jvp(f, xs, ts),
        rtol * scale,
        atol * scale,
        level,
    )
    v = np.asarray(rng.standard_normal(y.shape))
    pulled = vjp(f, *[tensor(x) for x in xs])[1](tensor(v))
    inner = sum(np.vdot(g.numpy(), t) for g, t in zip(pulled, ts, strict=True))
    _compare(
        "reverse mode against forward mode",
        np.asarray(inner),
        np.asarray(np.vdot(v, moved.numpy())),
        rtol * scale,
        atol * scale,
        level,
    )
    if order > 1:
        for i in range(len(xs)):
            derivative = grad(lambda *zs: (f(*zs) * tensor(v)).sum(), argnums=i)
            _check(derivative, xs, order - 1, rtol, atol, rng, level + 1)


def _compare(
    what: str, found: Array, expected: Array, rtol: float, atol: float, level: int
) -> None:
    limit = atol + rtol * np.maximum(np.abs(found), np.abs(expected))
    wrong = ~(np.abs(found - expected) <= limit)  # NaN is wrong, too
    if wrong.any():
        at = np.unravel_index(np.argmax(np.where(wrong, np.abs(found - expected), -1)), found.shape)
        raise GradientError(
            f"check_grads: {what}, derivative {level}: {found[at]:.10g} and {expected[at]:.10g} "
            f"at index {tuple(int(i) for i in at)}; {int(wrong.sum())} of {wrong.size} differ by "
            f"more than {rtol:g} relative and {atol:g} absolute"
        )
