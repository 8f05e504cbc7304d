"""Array types: shape and dtype, how they broadcast, and how dtypes promote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Dtype: TypeAlias = np.dtype[Any]

FLOAT32: Dtype = np.dtype("float32")
FLOAT64: Dtype = np.dtype("float64")
INT64: Dtype = np.dtype("int64")
UINT32: Dtype = np.dtype("uint32")
UINT64: Dtype = np.dtype("uint64")
BOOL: Dtype = np.dtype("bool")

#: The dtype of floats that come without one: Python numbers and lists of them.
DEFAULT_FLOAT: Dtype = FLOAT32

_SUPPORTED = frozenset(
    map(
        np.dtype,
        (
            *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
            *("float32", "float64"),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class ArrayType:
    """What is known of an array before its values are: its shape and its dtype.

    >>> print(ArrayType((2, 3), FLOAT32))
    float32[2,3]
    """

    shape: Shape
    dtype: Dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class TupleType:
    """The type of a value that is several arrays: what an operation with several results returns.

    >>> print(TupleType((ArrayType((2,), FLOAT32), ArrayType((), FLOAT32))))
    (float32[2], float32[])
    """

    items: tuple[ArrayType, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


def as_dtype(dtype: npt.DTypeLike) -> Dtype:
    """Return the NumPy dtype; raise ``DtypeError`` for one that Chainrule does not support."""
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DtypeError("dtype", repr(dtype), "a NumPy dtype such as 'float32'") from error
    if found not in _SUPPORTED:
        raise DtypeError(
            "dtype",
            str(found),
            "float32, float64, an integer type, or bool",
            "Convert first, for example with x.astype('float32').",
        )
    return found


def is_float(dtype: Dtype) -> bool:
    """Whether values of this dtype can carry a gradient."""
    return dtype.kind == "f"


def promote_dtypes(first: Dtype, second: Dtype) -> Dtype:
    """Return the dtype in which two arrays meet.

    NumPy's rule, except that an integer or bool array takes the float dtype of the other (as in
    PyTorch and JAX): int64 with float32 is float32, where NumPy goes to float64.
    """
    if first == second:
        return first
    if is_float(first) != is_float(second):
        return first if is_float(first) else second
    promoted = np.promote_types(first, second)
    # NumPy leaves the integers for uint64 with a signed type; we do not turn indices into floats.
    return INT64 if is_float(promoted) and not is_float(first) else promoted


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that arrays of these shapes broadcast to (NumPy's rule)."""
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeError(
            "shapes",
            " and ".join(map(str, shapes)),
            "shapes that broadcast: from the right, sizes that are equal or 1",
        ) from error


def normalize_axis(axis: int, ndim: int) -> int:
    """Turn an axis counted from the end into one counted from the start."""
    if not -ndim <= axis < ndim:
        valid = f"{-ndim} to {ndim - 1}" if ndim else "none: the array has no axes"
        raise ArgumentError("axis", str(axis), f"an axis of a {ndim}-dimensional array ({valid})")
    return int(axis) % ndim


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes as a sorted tuple counted from the start; ``None`` means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = [axis] if isinstance(axis, int | np.integer) else list(axis)
    found = tuple(sorted(normalize_axis(int(a), ndim) for a in axes))
    if len(set(found)) != len(found):
        raise ArgumentError("axis", str(axis), "each axis at most once")
    return found
