"""Tensors from nothing: from data, constants, ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.tensor import Tensor, TensorLike, as_tensor, known
from chainrule.core.types import DEFAULT_FLOAT, FLOAT64, Array, as_dtype
from chainrule.ops.promotion import cast


def tensor(x: TensorLike, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Make a tensor from data; the data is copied.

    Args:
        x: numbers, nested lists, or anything array-like (NumPy, pandas, polars, pyarrow, DLPack).
        dtype: dtype (default: float32 for Python floats, else the data's own).

    Raises:
        DtypeError: text, objects, or a dtype that Chainrule does not compute with.
        ShapeError: nested lists of uneven lengths.

    >>> tensor([[1.0, 2.0]])
    Tensor([[1., 2.]], dtype=float32)
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(x, np.ndarray | np.generic | list | tuple | float | int):
        return Tensor(np.array(as_tensor(x, wanted).data, dtype=wanted))
    found = as_tensor(x)
    if wanted is not None:
        return cast(found, wanted)
    return found if found is x else Tensor(np.array(known(found, "tensor()")))


def asarray(x: TensorLike, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Make a tensor from data without a copy where possible; do not change the data afterwards.

    >>> asarray([1.0, 2.0])
    Tensor([1., 2.], dtype=float32)
    """
    found = as_tensor(x, None if dtype is None else as_dtype(dtype))
    return found if dtype is None else cast(found, dtype)


def _of(array: Array, dtype: npt.DTypeLike) -> Tensor:
    return Tensor(array.astype(as_dtype(dtype), copy=False))


def zeros(shape: Any, dtype: npt.DTypeLike = DEFAULT_FLOAT) -> Tensor:
    """Make a tensor of zeros.

    >>> zeros(2)
    Tensor([0., 0.], dtype=float32)
    """
    return Tensor(np.zeros(shape, as_dtype(dtype)))


def ones(shape: Any, dtype: npt.DTypeLike = DEFAULT_FLOAT) -> Tensor:
    """Make a tensor of ones.

    >>> ones(2)
    Tensor([1., 1.], dtype=float32)
    """
    return Tensor(np.ones(shape, as_dtype(dtype)))


def full(shape: Any, value: float, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Make a tensor of one value.

    >>> full(2, 7.0)
    Tensor([7., 7.], dtype=float32)
    """
    filled = np.full(shape, value)
    return _of(filled, dtype or (DEFAULT_FLOAT if filled.dtype == FLOAT64 else filled.dtype))


def zeros_like(x: TensorLike) -> Tensor:
    """Make zeros of the shape and dtype of ``x``.

    >>> zeros_like([1.0, 2.0])
    Tensor([0., 0.], dtype=float32)
    """
    kind = as_tensor(x).type
    return zeros(kind.shape, kind.dtype)


def ones_like(x: TensorLike) -> Tensor:
    """Make ones of the shape and dtype of ``x``.

    >>> ones_like([1.0, 2.0])
    Tensor([1., 1.], dtype=float32)
    """
    kind = as_tensor(x).type
    return ones(kind.shape, kind.dtype)


def arange(*bounds: float, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Count: ``arange(stop)``, ``arange(start, stop)`` or ``arange(start, stop, step)``.

    >>> arange(3)
    Tensor([0, 1, 2], dtype=int64)
    """
    counted = np.arange(*bounds)
    return _of(counted, dtype or (DEFAULT_FLOAT if counted.dtype == FLOAT64 else counted.dtype))


def linspace(
    start: float, stop: float, num: int = 50, dtype: npt.DTypeLike = DEFAULT_FLOAT
) -> Tensor:
    """Make ``num`` evenly spaced numbers, both ends included.

    >>> linspace(0.0, 1.0, 3)
    Tensor([0. , 0.5, 1. ], dtype=float32)
    """
    return _of(np.linspace(start, stop, num), dtype)


def eye(n: int, m: int | None = None, dtype: npt.DTypeLike = DEFAULT_FLOAT) -> Tensor:
    """Make an identity matrix of ``n`` rows and ``m`` columns (default: ``n``).

    >>> eye(2)
    Tensor([[1., 0.],
            [0., 1.]], dtype=float32)
    """
    return Tensor(np.eye(n, m, dtype=as_dtype(dtype)))
