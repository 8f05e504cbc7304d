from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.graph import PRIMITIVES, Graph
from chainrule.core.tensor import bind, unknown
from chainrule.core.types import Array, ArrayType
from chainrule.native.engine import NativeExecutor

RNG = np.random.default_rng(0)


def made(f: Any, *arrays: Array) -> NativeExecutor:
    given_ = [unknown(ArrayType(x.shape, x.dtype)) for x in arrays]
    return NativeExecutor(Graph(given_, [f(*given_)]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "uint8"])
@pytest.mark.parametrize("width", [(), (1,), (3,), (16,), (17,), (50,), (3, 5), (0,)])
def test_rows(width: tuple[int, ...], dtype: str, agrees: Any) -> None:
    x = (10 * RNG.standard_normal((7, *width))).astype(dtype)
    i = np.array([0, -1, 6, 3, 3, -7, 2])
    pairs = np.array([[0, 2], [6, -1]])
    v = (10 * RNG.standard_normal((7, *width))).astype(dtype)

    def f(x: Any, i: Any, pairs: Any, v: Any) -> list[Any]:
        add = PRIMITIVES["scatter_add"]
        return [
            bind(PRIMITIVES["gather"], x, i),
            bind(PRIMITIVES["gather"], x, pairs),
            bind(PRIMITIVES["gather"], x[::-1], i),
            bind(add, x, v, i),
            bind(add, cr.zeros(x.shape, dtype=x.dtype), v, i),
            bind(add, x, v[::-1], i[::-1]),
            bind(add, x[::-1], v[:4].reshape(2, 2, *width), pairs),
        ]

    agrees(f, x, i, pairs, v)


def test_several_indices_and_strided_rows(agrees: Any) -> None:
    x = RNG.standard_normal((4, 5, 6)).astype("f4")
    rows, columns = np.array([[0], [3], [-1]]), np.array([4, -5])
    v = RNG.standard_normal((3, 2, 6)).astype("f4")
    gather, add = PRIMITIVES["gather"], PRIMITIVES["scatter_add"]

    def f(x: Any, rows: Any, columns: Any, v: Any) -> list[Any]:
        return [
            bind(gather, x, rows, columns),
            bind(gather, x.T, columns, columns),
            bind(gather, x.transpose(0, 2, 1), rows),
            bind(gather, x[:, :, ::-2], rows, columns),
            bind(add, x, v, rows, columns),
            bind(add, x, v[:, :, ::-1], rows, columns),
            bind(add, x, cr.broadcast_to(v[0, 0], (3, 2, 6)), rows, columns),
            bind(gather, x, cr.cast(columns > 0, "uint8")),
            cr.take_along_axis(x, np.zeros((4, 1, 6), int), axis=1),
        ]

    agrees(f, x, rows, columns, v)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_indices_out_of_bounds_are_errors_like_eager_ones(dtype: str) -> None:
    x = RNG.standard_normal((200, 3)).astype("f4")
    good = np.array([0, 199, 5, 128], np.int64)
    good = np.minimum(good, min(199, np.iinfo(dtype).max)).astype(dtype)
    gather = made(lambda x, i: bind(PRIMITIVES["gather"], x, i), x, good)
    scatter = made(lambda x, v, i: bind(PRIMITIVES["scatter_add"], x, v, i), x, x[:4], good)
    np.testing.assert_array_equal(gather.run([x, good])[0], x[good])
    info = np.iinfo(dtype)
    for bad in {200, 201, -201, int(info.max), int(info.min), 2**31, -(2**31)}:
        if not info.min <= bad <= info.max or -200 <= bad < 200 or bad >= 2**63:
            continue
        for place in (0, 3):
            wrong = good.copy()
            wrong[place] = bad
            with pytest.raises((IndexError, OverflowError)) as expected:
                x[wrong]  # NumPy's own error for indices that no array can have
            with pytest.raises(type(expected.value)) as error:
                gather.run([x, wrong])
            assert str(error.value) == str(expected.value)
            with pytest.raises((IndexError, OverflowError)):
                scatter.run([x, x[:4], wrong])
    if dtype == "uint64":  # as NumPy reads it
        good[1] = 2**64 - 1
    np.testing.assert_array_equal(gather.run([x, good])[0], x[good])


@pytest.mark.parametrize("axis", [0, 1])
def test_each_of_several_indices_is_checked(axis: int) -> None:
    x, indices = RNG.standard_normal((4, 5)).astype("f4"), [np.array([1, 3]), np.array([0, 4])]
    executor = made(lambda x, i, j: bind(PRIMITIVES["gather"], x, i, j), x, *indices)
    np.testing.assert_array_equal(executor.run([x, *indices])[0], x[tuple(indices)])
    for bad in (9, -9):
        indices[axis] = np.array([bad, 1])
        with pytest.raises(IndexError, match=f"index {bad} is out of bounds for axis {axis}"):
            executor.run([x, *indices])


def test_nothing_is_read_or_written_outside(agrees: Any) -> None:
    empty = np.zeros((0, 3), "f4")
    none = np.zeros(0, np.int64)
    gather = made(lambda x, i: bind(PRIMITIVES["gather"], x, i), empty, np.array([0]))
    with pytest.raises(IndexError):
        gather.run([empty, np.array([0])])
    agrees(lambda x, i: bind(PRIMITIVES["gather"], x, i), empty, none)
    # An index that comes from a float that is no integer.
    x = np.arange(5, dtype="f4")

    def f(x: Any) -> Any:
        return bind(PRIMITIVES["gather"], x, cr.cast(x * np.inf, "int64"))

    with pytest.raises(IndexError), np.errstate(invalid="ignore"):
        made(f, x).run([x])
    # A scatter far outside, into a page that is not there, would end the process.
    big = np.full(5, 2**40)
    with pytest.raises(IndexError):
        made(lambda x, i: bind(PRIMITIVES["scatter_add"], x, x, i), x, big).run([x, big])


@settings(max_examples=15)
@given(st.data())
def test_numpys_indexing(data: st.DataObject) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 5)).astype("f4")

    def part(size: int) -> Any:
        kind = data.draw(st.sampled_from(["slice", "int", "array"]))
        if kind == "int":
            return data.draw(st.integers(-size, size - 1))
        if kind == "array":
            return np.array(
                data.draw(st.lists(st.integers(-size, size - 1), min_size=2, max_size=2))
            )
        ends = st.none() | st.integers(-size, size)
        return slice(data.draw(ends), data.draw(ends), data.draw(st.sampled_from([1, 2, -1, -2])))

    key = tuple(part(n) for n in x.shape[: data.draw(st.integers(1, 3))])
    (got,) = made(lambda v: v[key] + 0.0, x).run([x])
    np.testing.assert_array_equal(got, x[key])
