"""Targets, brought once into the form that a loss computes with, or refused with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DataError, ShapeError
from chainrule.core.tensor import as_tensor
from chainrule.core.types import FLOAT64, Array, ArrayType, Dtype, Shape
from chainrule.ops.functional import check_labels


def as_array(y: Any) -> Array:
    """Return targets as an array; numbers in lists keep their digits.

    Raises:
        ArgumentError: something else than numbers.
    """
    try:
        data = as_tensor(y).data
        if isinstance(y, list | tuple) and data is not None and data.dtype.kind == "f":
            data = as_tensor(y, FLOAT64).data  # float32 otherwise, whatever the network's dtype
    except ArgumentError as error:
        raise type(error)("y", error.came, error.expected, error.fix) from None
    assert data is not None
    return data


def finite(array: Array, dtype: Dtype, argument: str) -> Array:
    """Return an array in a dtype, without copying where possible.

    Raises:
        DataError: a value is NaN, infinite, or too large for the dtype.
    """
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, copy=False)
    wrong = ~np.isfinite(cast)
    if not wrong.any():
        return cast
    what = "values that are NaN or infinite, first"
    expected, fix = "finite numbers", "Fill in or drop missing values first."
    if np.isfinite(array).all():
        what = f"values that are too large for {dtype}, first"
        expected, fix = f"numbers up to {np.finfo(dtype).max:.2g}", "Scale them first."
    row = int(np.argwhere(wrong)[0][0]) if wrong.ndim else 0
    raise DataError(argument, f"{int(wrong.sum())} {what} in row {row}", expected, fix)


# Classes -------------------------------------------------------------------------------------


def class_targets(y: Any, prediction: ArrayType, name: str, one_unit: str) -> Array:
    """Return integer labels of shape (n, ...), or rows of probabilities of shape (n, ..., classes).

    Args:
        y: integers from 0, or one-hot rows (or any rows of probabilities).
        prediction: type of the network's output, shape (n, ..., classes).
        name: name of the loss.
        one_unit: name of the loss for a network with one output.

    Raises:
        ArgumentError: targets that do not fit.
    """
    labels = as_array(y)
    labels = finite(labels, labels.dtype, "y")
    if prediction.ndim < 2 or prediction.shape[-1] < 2:
        raise ArgumentError(
            "loss",
            f"{name!r} for a network with one output",
            "one output a class",
            "Give the last layer as many units as there are classes (two for yes or no), or keep "
            f"one unit and use loss={one_unit!r}.",
        )
    *places, classes = prediction.shape[1:]
    if labels.ndim == prediction.ndim and labels.shape[1:] == prediction.shape[1:]:
        return _distributions(labels.astype(prediction.dtype))
    if labels.ndim == prediction.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if not labels.ndim or labels.shape[1:] != tuple(places):
        raise ShapeError(
            "y",
            f"shape {labels.shape}",
            f"integer labels of shape {_rows(places)}, or one-hot rows of shape "
            f"{_rows((*places, classes))}",
        )
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise ArgumentError(
            "y",
            "numbers with fractions",
            f"integer labels from 0 to {classes - 1}",
            "For a target that is a quantity use loss='squared_error'.",
        )
    labels = labels.astype(np.int64)
    check_labels(as_tensor(labels), classes, "y")
    return labels


def distribution_targets(y: Any, prediction: ArrayType, name: str) -> Array:
    """Return rows of probabilities in the shape of the predictions.

    Raises:
        ArgumentError: integer labels, rows that are no distributions, another shape.
    """
    rows = finite(as_array(y), prediction.dtype, "y")
    if prediction.ndim < 2 or prediction.shape[-1] < 2:
        raise ArgumentError(
            "loss",
            f"{name!r} for a network with one output",
            "one output a class",
            "Give the last layer as many units as there are classes.",
        )
    if rows.ndim != prediction.ndim or rows.shape[1:] != prediction.shape[1:]:
        wanted = f"rows of probabilities, floats of shape {_rows(prediction.shape[1:])}"
        if _are_labels(as_array(y), prediction.shape[-1]):
            raise ArgumentError(
                "y",
                f"integer labels, shape {rows.shape}",
                wanted,
                "For labels use loss='cross_entropy': it is the same but for a constant.",
            )
        raise ShapeError("y", f"shape {rows.shape}", wanted)
    return _distributions(rows)


def _distributions(rows: Array) -> Array:
    wrong = ~np.isclose(rows.sum(axis=-1), 1.0, atol=1e-4) | (rows < 0).any(axis=-1)
    if not wrong.any():
        return rows
    at = tuple(np.argwhere(wrong)[0])
    row, where = rows[at], at[0] if len(at) == 1 else tuple(map(int, at))
    several = rows.min() == 0 and ((rows == 0) | (rows == 1)).all() and row.sum() > 1
    raise ArgumentError(
        "y",
        f"row {where} with sum {row.sum():.4g} and smallest value {row.min():.4g}",
        "one-hot rows: from 0, with sum 1",
        "For several labels a sample use loss='binary_cross_entropy'." if several else "",
    )


# One target a unit ---------------------------------------------------------------------------


def like_output(y: Any, prediction: ArrayType, labels_fit: str = "cross_entropy") -> Array:
    """Return targets in the shape and dtype of the predictions.

    Args:
        y: one number a unit; (n,) will do for one unit.
        prediction: type of the network's output.
        labels_fit: name of the loss that takes integer labels for these outputs.

    Raises:
        ArgumentError: another shape; integer labels for several units.
    """
    given = as_array(y)
    targets = finite(given, prediction.dtype, "y")
    units = prediction.shape[1:]
    if targets.ndim == 1 and units == (1,):
        targets = targets[:, None]
    elif units == () and targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim and targets.shape[1:] == units:
        return targets
    if units and targets.shape[1:] in ((), (1,)) and _are_labels(given, units[-1]):
        raise ArgumentError(
            "y",
            f"integer labels from {given.min()} to {given.max()}, shape {given.shape}, for a "
            f"network with {units[-1]} outputs",
            f"floats of shape {_rows(units)}, as the network's output",
            f"For classes use loss={labels_fit!r}; for quantities give one column a unit.",
        )
    raise ShapeError(
        "y",
        f"shape {targets.shape}",
        f"shape {_rows(units)}, as the network's output",
        "Give the last layer as many units as there are targets.",
    )


def yes_or_no(y: Any, prediction: ArrayType) -> Array:
    """Return labels 0 and 1 (or the probability of 1) in the shape of the predictions.

    Raises:
        ArgumentError: another shape, or numbers outside of 0 to 1.
    """
    _refuse_one_hot_for_one_unit(y, prediction)
    targets = like_output(y, prediction)
    if targets.size and (targets.min() < 0 or targets.max() > 1):
        signs = bool(np.isin(targets, (-1, 1)).all())
        raise ArgumentError(
            "y",
            f"labels from {targets.min():g} to {targets.max():g}",
            "0 or 1, false or true, or the probability of 1",
            "Use (y + 1) / 2, or loss='hinge', which takes -1 and 1."
            if signs
            else "For several classes use loss='cross_entropy', for a quantity 'squared_error'.",
        )
    return targets


def signs(y: Any, prediction: ArrayType) -> Array:
    """Return labels -1 and 1 in the shape of the predictions, from these or from 0 and 1.

    Raises:
        ArgumentError: another shape, or other numbers.
    """
    _refuse_one_hot_for_one_unit(y, prediction)
    targets = like_output(y, prediction, labels_fit="categorical_hinge")
    if not np.isin(targets, (-1, 1)).all():
        if not np.isin(targets, (0, 1)).all():
            kinds = np.unique(targets)
            shown = ", ".join(f"{value:g}" for value in kinds[:4]) + ", ..." * (len(kinds) > 4)
            raise ArgumentError(
                "y",
                f"labels {shown}",
                "-1 and 1, or 0 and 1",
                "For several classes use loss='categorical_hinge'.",
            )
        targets = 2 * targets - 1
    return targets


def _refuse_one_hot_for_one_unit(y: Any, prediction: ArrayType) -> None:
    shape = as_array(y).shape
    if prediction.shape[1:] in ((), (1,)) and len(shape) == 2 and shape[1] > 1:
        raise ShapeError(
            "y",
            f"shape {shape} for a network with one output",
            "one label a sample, shape (n,)",
            "One-hot rows: y.argmax(axis=1), or one unit a class and loss='cross_entropy'.",
        )


def at_least(y: Array, low: float, name: str, fix: str, strictly: bool = False) -> Array:
    """Return targets, or raise ``ArgumentError`` if one lies below a limit (or at it)."""
    if y.size and (y.min() < low or (strictly and y.min() == low)):
        limit = f"above {low:g}" if strictly else f"from {low:g}"
        raise ArgumentError("y", f"a smallest value of {y.min():g} for {name!r}", limit, fix)
    return y


def _are_labels(y: Array, classes: int) -> bool:
    """Whether these are surely class labels: of an integer dtype, from 0, below the classes."""
    return bool(y.dtype.kind in "biu" and y.size and y.min() >= 0 and y.max() < classes)


def _rows(units: Any) -> str:
    sizes: Shape = tuple(units)
    return f"(n,{' ' * bool(sizes)}{', '.join(map(str, sizes))})"
