from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.core.graph import PRIMITIVES
from chainrule.core.tensor import bind
from chainrule.native.engine import NativeExecutor

RNG = np.random.default_rng(0)
NAMES = ["softmax", "log_softmax", "logsumexp"]


def applied(name: str, x: Any, axes: tuple[int, ...]) -> Any:
    attrs = {"keepdims": False} if name == "logsumexp" else {}
    return bind(PRIMITIVES[name], x, axes=axes, **attrs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(), (1,), (10,), (3, 5), (2, 3, 4), (7, 33), (1, 1), (3, 300), (50, 3)]
)
def test_all_axes(shape: tuple[int, ...], dtype: str, agrees: Any) -> None:
    x = (3 * RNG.standard_normal(shape)).astype(dtype)
    g = RNG.standard_normal(shape).astype(dtype)

    def f(x: Any, g: Any) -> list[Any]:
        found = []
        for n in range(x.ndim + 1):
            for axes in combinations(range(x.ndim), n):
                found += [applied(name, x, axes) for name in NAMES]
                found += [applied(name, x.T, axes) for name in NAMES if x.ndim < 3]
                found.append(bind(PRIMITIVES["softmax_residual"], x, g, axes=axes))
        return found

    agrees(f, x, g, ulps=30, of_largest=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 10, 17, 100, 257, 1000])
def test_ties_and_infinities(n: int, dtype: str, agrees: Any) -> None:
    x = RNG.integers(-2, 3, (12, n)).astype(dtype)
    g = RNG.standard_normal((12, n)).astype(dtype)
    x[1], x[2, 0], x[3, -1], x[4], x[5, 0] = 2.0, np.inf, -np.inf, -np.inf, np.nan
    x[6, :2], x[7] = np.inf, 1e30
    x[8, 0], x[9, 0], x[10] = 1000.0, -1000.0, np.linspace(-100, 100, n)

    def f(x: Any, g: Any) -> list[Any]:
        residual = bind(PRIMITIVES["softmax_residual"], x, g, axes=(1,))
        return [*[applied(name, x, (1,)) for name in NAMES], residual]

    agrees(f, x, g, ulps=40, of_largest=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [3, 10, 40, 500])
def test_accuracy_of_small_shares(n: int, dtype: str) -> None:
    data = RNG.uniform(-40, 40, (200, n)).astype(dtype)
    graph = cr.trace(lambda x: [cr.softmax(x), cr.log_softmax(x), cr.logsumexp(x, axis=-1)])(data)
    softmax, logarithm, total = NativeExecutor(graph).run([data])
    exact = data.astype(np.longdouble)
    wanted = special.log_softmax(exact, axis=1)
    eps = np.finfo(dtype).eps
    normal = np.exp(wanted) > np.finfo(dtype).tiny
    relative = np.abs(softmax / np.exp(wanted) - 1)[normal]
    assert relative.max() <= 4 * eps
    large = np.abs(wanted) > 1e-2  # SciPy loses the digits of others
    assert np.abs(logarithm[large] / wanted[large] - 1).max() <= 4 * eps
    ours = graph.evaluate(data)[1]
    assert np.abs(logarithm - ours).max(where=~large, initial=0) <= 0.01 * eps
    assert np.abs(total / special.logsumexp(exact, axis=1) - 1).max() <= 4 * eps


@pytest.mark.parametrize("rows", [1, 40])
def test_the_residual_of_a_sure_row_keeps_its_digits(rows: int) -> None:
    """``1 - p`` of a share close to 1 is the sum of the others."""
    x = np.tile(np.array([30.0, 0.0, -1.0, 2.0], "f4"), (rows, 1))
    g = np.tile(np.array([-1.0, 0.0, 0.0, 0.0], "f4"), (rows, 1))

    def f(x: Any, g: Any) -> Any:
        return bind(PRIMITIVES["softmax_residual"], x, g, axes=(1,))

    (got,) = NativeExecutor(cr.trace(f)(x, g)).run([x, g])
    wanted = special.softmax(x.astype("f8"), axis=1)[:, 1:].sum(axis=1)
    np.testing.assert_allclose(-got[:, 0], wanted, rtol=1e-6)


@pytest.mark.parametrize("rows", [4, 15, 16, 17, 33, 64])
@pytest.mark.parametrize("n", [2, 10, 20, 21])
def test_many_short_rows_at_once(rows: int, n: int, agrees: Any) -> None:
    x, g = (4 * RNG.standard_normal((2, rows, n))).astype("f4")

    def f(x: Any, g: Any) -> list[Any]:
        residual = bind(PRIMITIVES["softmax_residual"], x, g, axes=(1,))
        return [*[applied(name, x, (1,)) for name in NAMES], residual, cr.softmax(x[::-1, ::-1])]

    agrees(f, x, g, ulps=20, of_largest=True)


def test_rows_read_what_a_chain_made(agrees: Any) -> None:
    x = RNG.standard_normal((6, 12)).astype("f4")

    def f(x: Any) -> list[Any]:
        p = cr.softmax(x * 2.0 + 1.0)
        return [cr.log(p), (p * x).sum(axis=1), cr.log_softmax(x[:, ::-1] - 1.0)[:, 3], p]

    agrees(f, x, ulps=30, of_largest=True)
