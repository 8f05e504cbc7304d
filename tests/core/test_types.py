from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.types import (
    FLOAT32,
    FLOAT64,
    INT64,
    ArrayType,
    as_dtype,
    broadcast_shapes,
    is_float,
    normalize_axes,
    normalize_axis,
    promote_dtypes,
)

SUPPORTED = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
             "float32", "float64"]  # fmt: skip


def test_array_type() -> None:
    kind = ArrayType((2, 3), FLOAT32)
    assert str(kind) == "float32[2,3]"
    assert str(ArrayType((), INT64)) == "int64[]"
    assert (kind.ndim, kind.size) == (2, 6)
    assert ArrayType((), FLOAT32).size == 1
    assert ArrayType((0, 3), FLOAT32).size == 0
    assert kind == ArrayType((2, 3), np.dtype("float32"))
    assert kind != ArrayType((2, 3), FLOAT64)
    assert hash(kind) == hash(ArrayType((2, 3), np.dtype("float32")))
    with pytest.raises(AttributeError):
        kind.shape = (3,)  # type: ignore[misc]


@pytest.mark.parametrize("name", SUPPORTED)
def test_supported_dtypes(name: str) -> None:
    assert as_dtype(name) == as_dtype(np.dtype(name)) == np.dtype(name)
    assert is_float(as_dtype(name)) == name.startswith("float")


@pytest.mark.parametrize("dtype", ["float16", "complex64", "object", "U3", "datetime64[s]", "V8"])
def test_dtypes_that_are_not_supported(dtype: str) -> None:
    name = re.escape(str(np.dtype(dtype)))
    with pytest.raises(
        DtypeError,
        match=rf"dtype: got {name}; expected float32, float64, an integer type, or bool\.",
    ):
        as_dtype(dtype)


def test_what_is_no_dtype() -> None:
    with pytest.raises(DtypeError, match=r"dtype: got 'f33'; expected a NumPy dtype such as 'floa"):
        as_dtype("f33")
    assert as_dtype(float) == FLOAT64
    assert as_dtype(None) == FLOAT64  # as in NumPy


@pytest.mark.parametrize("first", SUPPORTED)
@pytest.mark.parametrize("second", SUPPORTED)
def test_promotion(first: str, second: str) -> None:
    a, b = np.dtype(first), np.dtype(second)
    found = promote_dtypes(a, b)
    assert found == promote_dtypes(b, a)
    if is_float(a) or is_float(b):
        floats = [d for d in (a, b) if is_float(d)]
        assert found == max(floats, key=lambda d: d.itemsize)
    elif "uint64" in (first, second) and np.promote_types(a, b).kind == "f":
        assert found == INT64
    else:
        assert found == np.promote_types(a, b)


@settings(deadline=None, derandomize=True)
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_dims=4))
def test_broadcast_shapes(shapes: Any) -> None:
    assert broadcast_shapes(*shapes.input_shapes) == shapes.result_shape
    assert broadcast_shapes(shapes.input_shapes[0]) == shapes.input_shapes[0]


def test_broadcast_shapes_error() -> None:
    text = (
        "shapes: got (2, 3) and (2,); expected shapes that broadcast: from the right, sizes that "
        "are equal or 1."
    )
    with pytest.raises(ShapeError, match=re.escape(text)):
        broadcast_shapes((2, 3), (2,))


def test_normalize_axis() -> None:
    assert [normalize_axis(i, 3) for i in (-3, -1, 0, 2)] == [0, 2, 0, 2]
    for axis in (3, -4):
        text = f"axis: got {axis}; expected an axis of a 3-dimensional array (-3 to 2)."
        with pytest.raises(ArgumentError, match=re.escape(text)):
            normalize_axis(axis, 3)
    with pytest.raises(ArgumentError, match=r"\(none: the array has no axes\)"):
        normalize_axis(0, 0)


def test_normalize_axes() -> None:
    assert normalize_axes(None, 3) == (0, 1, 2)
    assert normalize_axes(None, 0) == normalize_axes((), 2) == ()
    assert normalize_axes(-1, 3) == normalize_axes(np.int64(2), 3) == (2,)
    assert normalize_axes((2, -3), 3) == normalize_axes([0, 2], 3) == (0, 2)
    with pytest.raises(
        ArgumentError, match=r"axis: got \(0, -3\); expected each axis at most once"
    ):
        normalize_axes((0, -3), 3)
