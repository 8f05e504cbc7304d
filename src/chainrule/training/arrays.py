"""What users give as data, brought into arrays that a loop over batches can use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Operand, as_tensor, known
from chainrule.core.types import FLOAT64, Array, Dtype
from chainrule.losses import finite
from chainrule.optim import Optimizer


def as_features(x: Any, dtype: Dtype, argument: str = "x") -> Array:
    """Return samples as a float array, batch first.

    Args:
        x: array-like of shape (n, ...): NumPy, lists, tensors, pandas, polars, pyarrow.
        dtype: the model's dtype.
        argument: what to call it in errors.

    Raises:
        ShapeError: no axis of samples.
        DtypeError: something else than numbers.
        DataError: values that are NaN, infinite, or too large for the dtype.
    """
    with naming(array=argument):
        array = known(as_tensor(_as_numbers(x), FLOAT64), argument)
    if array.ndim < 2:
        raise ShapeError(
            argument,
            f"shape {array.shape}",
            "samples first: shape (n, features)",
            "One feature: x.reshape(-1, 1). One sample: x.reshape(1, -1).",
        )
    return np.ascontiguousarray(finite(array, dtype, argument))


def _as_numbers(x: Any) -> Any:
    if isinstance(x, Operand | list | tuple) or not hasattr(x, "__array__"):
        return x
    array = np.asarray(x)
    # Columns of bools beside columns of numbers come as objects. Text does not become numbers.
    if array.dtype.kind == "O" and not any(isinstance(value, str) for value in array.flat):
        with contextlib.suppress(TypeError, ValueError):
            return array.astype(FLOAT64)
    return array


@contextlib.contextmanager
def naming(**names: str) -> Iterator[None]:
    """Call arguments in errors what the caller calls them."""
    try:
        yield
    except ArgumentError as error:
        if error.argument not in names:
            raise
        name = names[error.argument]
        raise type(error)(name, error.came, error.expected, error.fix) from None


def check_lengths(x: Array, y: Array) -> None:
    """Raise ``ShapeError`` unless there is one target a sample."""
    if len(x) != len(y):
        raise ShapeError("y", f"{len(y)} targets", f"{len(x)}, one for each sample")


def check_batches(optimizer: Optimizer, batch_size: int, n: int) -> None:
    """Raise ``ArgumentError`` if an optimizer that needs all samples at once gets fewer."""
    if optimizer.full_batch and batch_size < n:
        raise ArgumentError(
            "batch_size",
            f"{batch_size} of {n} samples",
            f"all of them in one batch, as {type(optimizer).__name__} needs",
            f"Use batch_size={n}, or another optimizer for batches.",
        )


def check_count(argument: str, value: Any, least: int = 1) -> int:
    """Return a whole number from ``least``.

    Raises:
        ArgumentError: anything else.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise ArgumentError(argument, repr(value), f"a whole number from {least}")
    return int(value)
