from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import PRIMITIVES
from chainrule.core.tensor import bind

RNG = np.random.default_rng(0)
INTEGERS = ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64"]


def subsets(rank: int) -> list[tuple[int, ...]]:
    return [axes for n in range(rank + 1) for axes in combinations(range(rank), n)]


def reduced(name: str, x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    return bind(PRIMITIVES[name], x, axes=axes, keepdims=keepdims)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(), (1,), (37,), (5, 7), (3, 1, 19), (2, 3, 4, 5), (33, 2), (1, 130), (40, 40)]
)
def test_all_axes(shape: tuple[int, ...], dtype: str, agrees: Any) -> None:
    x = RNG.standard_normal(shape).astype(dtype)

    def f(x: Any) -> list[Any]:
        given = [x, x.T, x[..., ::-1] if x.ndim else x][: 3 if x.ndim < 4 else 1]
        return [
            reduced(name, v, axes, keepdims)
            for v in given
            for name in ("sum", "max", "min")
            for axes in subsets(x.ndim)
            for keepdims in ((False, True) if x.ndim < 3 else (False,))
        ]

    agrees(f, x, ulps=60, of_largest=True)


def test_the_chain_before(agrees: Any) -> None:
    x, y = RNG.standard_normal((2, 19, 35)).astype("f4")

    def f(x: Any, y: Any) -> list[Any]:
        return [
            (cr.square(x) * y).sum(axis=0),
            (x * y.T.T).max(axis=1),
            cr.exp(x).sum(),
            (x[::2] - y[::2]).min(axis=(0, 1)),
            (cr.broadcast_to(x[0], (19, 35)) + 1.0).sum(axis=1),
        ]

    agrees(f, x, y, ulps=40, of_largest=True)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_and_bools(dtype: str, agrees: Any) -> None:
    x = RNG.integers(0, 2, (9, 21)).astype(bool)
    if dtype != "bool":
        info = np.iinfo(dtype)
        x = RNG.integers(info.min, info.max, (9, 21), dtype, endpoint=True)

    def f(x: Any) -> list[Any]:
        found = [reduced(n, x, axes) for n in ("sum", "max", "min") for axes in subsets(2)]
        return [*found, cr.argmax(x, axis=0), cr.argmax(x, axis=1), cr.sum(x), cr.cumsum(x, 1)]

    agrees(f, x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinities(dtype: str, agrees: Any) -> None:
    x = RNG.standard_normal((40, 21)).astype(dtype)
    flat = x.ravel()
    flat[::37], flat[::53], flat[::71], flat[::29] = np.nan, np.inf, -np.inf, 0.0
    x[3], x[4], x[5] = -np.inf, np.nan, 1.0

    def f(x: Any) -> list[Any]:
        found = [reduced(n, x, axes) for n in ("max", "min") for axes in subsets(2)]
        return [*found, cr.argmax(x, axis=0), cr.argmax(x, axis=1), cr.argmax(x)]

    agrees(f, x)


def test_argmax_takes_the_first_of_those_that_tie(agrees: Any) -> None:
    x = RNG.integers(0, 3, (17, 33)).astype("f4")
    agrees(
        lambda x: [cr.argmax(x, 0), cr.argmax(x, 1), cr.argmax(x.T, 0), cr.argmax(x[:, :1], 1)], x
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_cumulative_sums_have_the_bits_of_numpys(dtype: str, agrees: Any) -> None:
    x = (10 * RNG.standard_normal((5, 9, 19))).astype(dtype)
    if dtype != "int64":
        x[0] = -0.0

    def f(x: Any) -> list[Any]:
        return [
            bind(PRIMITIVES["cumsum"], v, axis=axis, reverse=reverse)
            for v in (x, x.T, x[:, :1])
            for axis in range(3)
            for reverse in (False, True)
        ]

    got = agrees(f, x)
    if dtype != "int64":
        assert np.signbit(got[0][0]).all()


def test_nothing_to_reduce(agrees: Any) -> None:
    def f(x: Any) -> list[Any]:
        return [
            x.sum(axis=0), x.sum(axis=1), x.sum(), x.max(axis=1), cr.argmax(x, axis=1),
            cr.logsumexp(x, axis=0), cr.cumsum(x, 0),
        ]  # fmt: skip

    agrees(f, np.zeros((0, 3), "f4"))


def test_long_sums_are_as_accurate_as_several_accumulators_make_them(agrees: Any) -> None:
    x = RNG.uniform(0, 1, 100_003).astype("f4")
    (got,) = agrees(lambda x: x.sum(), x, ulps=100)
    assert abs(float(got) / np.sum(x, dtype="f8") - 1) < 2e-6
