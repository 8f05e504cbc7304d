"""What users give as data, brought into arrays that a loop over batches can use."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DataError, ShapeError
from chainrule.core.tensor import as_tensor, known
from chainrule.core.types import Array, Dtype


def as_features(x: Any, dtype: Dtype, argument: str = "x") -> Array:
    """Return samples as a float array, batch first.

    Args:
        x: array-like of shape (n, ...): NumPy, lists, tensors, pandas, polars, pyarrow.
        dtype: the model's dtype.
        argument: what to call it in errors.

    Raises:
        ShapeError: no axis of samples.
        DataError: NaN or infinite values.
    """
    array = known(as_tensor(_as_matrix(x)), argument)
    if array.ndim < 2:
        raise ShapeError(
            argument,
            f"shape {array.shape}",
            "samples first: shape (n, features)",
            "One feature: x.reshape(-1, 1). One sample: x.reshape(1, -1).",
        )
    check_finite(array, argument)
    return np.ascontiguousarray(array, dtype=dtype)


def _as_matrix(x: Any) -> Any:
    # A pyarrow table's __array__ gives columns of mixed types; polars and pandas give rows.
    return x.to_pandas() if type(x).__module__.startswith("pyarrow") else x


def check_finite(array: Array, argument: str) -> None:
    """Raise ``DataError`` if a value is NaN or infinite."""
    if array.dtype.kind != "f":
        return
    finite = np.isfinite(array)
    if not finite.all():
        rows = np.flatnonzero(~finite.reshape(len(array), -1).all(axis=1))
        raise DataError(
            argument,
            f"{int((~finite).sum())} values that are NaN or infinite, first in row {rows[0]}",
            "finite numbers",
            "Fill in or drop missing values first.",
        )


def check_lengths(x: Array, y: Array) -> None:
    """Raise ``ShapeError`` unless there is one target a sample."""
    if len(x) != len(y):
        raise ShapeError("y", f"{len(y)} targets", f"{len(x)}, one for each sample of x")


def check_count(argument: str, value: Any, least: int = 1) -> int:
    """Return a whole number from ``least``.

    Raises:
        ArgumentError: anything else.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise ArgumentError(argument, repr(value), f"a whole number from {least}")
    return int(value)
