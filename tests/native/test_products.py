from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.graph import Graph
from chainrule.core.tensor import unknown
from chainrule.core.types import Array, ArrayType
from chainrule.native.engine import NativeExecutor

#: How an operand lies in memory: as it is, transposed, as a part, backwards, or repeated.
LAYOUTS = ["plain", "transposed", "sliced", "stepped", "flipped", "repeated"]


def stored(rng: np.random.Generator, shape: tuple[int, int], layout: str, dtype: str) -> Array:
    n, m = shape
    sizes = {
        "transposed": (m, n), "sliced": (n + 2, m + 3), "stepped": (2 * n, 3 * m),
        "repeated": (1, m),
    }.get(layout, (n, m))  # fmt: skip
    return rng.standard_normal(sizes).astype(dtype)


def operand(x: Any, shape: tuple[int, int], layout: str) -> Any:
    n, m = shape
    if layout == "transposed":
        return x.T
    if layout == "sliced":
        return x[1 : n + 1, 2 : m + 2]
    if layout == "stepped":
        return x[::2, ::3]
    if layout == "flipped":
        return x[::-1, ::-1]
    return cr.broadcast_to(x, shape) if layout == "repeated" else x


def check_products(shapes: list[tuple[int, int, int]], dtype: str, first: str, second: str) -> None:
    """Hold products of many sizes, in one module, against NumPy in float64."""
    rng = np.random.default_rng(len(shapes))
    pairs = [
        (stored(rng, (n, k), first, dtype), stored(rng, (k, m), second, dtype))
        for n, k, m in shapes
    ]
    arrays = [x for pair in pairs for x in pair]
    given_ = [unknown(ArrayType(x.shape, x.dtype)) for x in arrays]
    outputs = []
    for i, (n, k, m) in enumerate(shapes):
        x, y = given_[2 * i], given_[2 * i + 1]
        outputs.append(operand(x, (n, k), first) @ operand(y, (k, m), second))
    got = NativeExecutor(Graph(given_, outputs)).run(arrays)
    for (n, k, m), (x, y), z in zip(shapes, pairs, got, strict=True):
        a, b = (
            np.asarray(operand(cr.tensor(v), s, layout), "f8")
            for v, s, layout in ((x, (n, k), first), (y, (k, m), second))
        )
        assert z.dtype == dtype
        bound = k * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
        assert (np.abs(z - a @ b) <= bound).all(), (n, k, m, first, second)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 17])
def test_small_sizes(rows: int, dtype: str) -> None:
    sizes = [1, 2, 3, 4, 7, 8, 9, 16, 17, 20]
    check_products([(rows, k, m) for k in sizes for m in sizes], dtype, "plain", "plain")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", range(1, 21))
def test_all_small_sizes(rows: int, dtype: str) -> None:
    for k in range(1, 21):
        check_products([(rows, k, m) for m in range(1, 21)], dtype, "plain", "plain")


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("second", LAYOUTS)
def test_layouts(first: str, second: str) -> None:
    shapes = [(1, 1, 1), (3, 5, 1), (1, 7, 1), (5, 2, 3), (2, 19, 1), (18, 4, 17), (7, 40, 2)]
    check_products(shapes, "float32", first, second)
    check_products(shapes[1:4], "float64", first, second)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(*[st.integers(1, 70)] * 3), min_size=1, max_size=3),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(LAYOUTS),
    st.sampled_from(LAYOUTS),
)
def test_random_sizes(
    shapes: list[tuple[int, int, int]], dtype: str, first: str, second: str
) -> None:
    check_products(shapes, dtype, first, second)


@pytest.mark.parametrize(
    ("n", "k", "m"), [(5, 3, 1), (5, 3, 2), (33, 70, 17), (1, 9, 4), (40, 8, 50)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epilogues(n: int, k: int, m: int, dtype: str, agrees: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
    b, g = rng.standard_normal(m).astype(dtype), rng.standard_normal((n, m)).astype(dtype)

    def f(x: Any, w: Any, b: Any, g: Any) -> list[Any]:
        z = x @ w
        dw = x.T @ g
        dx = g @ w.T
        return [
            cr.tanh(z + b), z, cr.relu(z * g), w - 0.1 * (dw + 0.01 * w), dx * cr.square(x),
            (z + g).sum(axis=0), cr.softmax(z), x @ (w * 2.0),
        ]  # fmt: skip

    agrees(f, x, w, b, g, ulps=2 * k + 10, of_largest=True)


def test_batches_and_empty_products(agrees: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 2, 3)).astype("f4"), rng.standard_normal((5, 3, 2)).astype("f4")
    many, one = rng.standard_normal((2, 1, 4, 3)), rng.standard_normal((6, 3, 1))
    agrees(
        lambda x, y: [x @ y + 1.0, y.transpose(0, 2, 1) @ y, x[::-1] @ y],
        x,
        y,
        ulps=9,
        of_largest=True,
    )
    agrees(lambda x, y: cr.matmul(x, y), many, one, ulps=9, of_largest=True)
    for n, k, m in [(0, 2, 3), (2, 0, 3), (2, 3, 0), (1, 0, 1)]:
        agrees(lambda x, y: x @ y + 1.0, np.ones((n, k), "f4"), np.ones((k, m), "f4"))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_products_of_integers(dtype: str, agrees: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 99, (7, 20)).astype(dtype), rng.integers(0, 99, (20, 9)).astype(dtype)
    agrees(lambda x, y: [x @ y, x @ y[:, :1], y.T @ x.T], x, y)


def test_an_operand_that_the_chain_reads_again(agrees: Any) -> None:
    x = np.random.default_rng(0).standard_normal((17, 17)).astype("f4")
    agrees(lambda x: [x @ x + x, x.T @ x * x, x @ x.T - x.T], x, ulps=40, of_largest=True)
