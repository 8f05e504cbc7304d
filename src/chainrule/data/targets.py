"""The column to predict: found to be a class or a number, encoded, and decoded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from chainrule.core.errors import ArgumentError, DataError, ShapeError, nearest
from chainrule.data.datasets import Task
from chainrule.data.lazy import pl
from chainrule.data.saved import saved_list, saved_number, saved_text
from chainrule.data.values import (
    anonymous,
    check_present,
    is_missing,
    is_number,
    is_text,
    mean_and_scale,
    numbers,
    quoted,
    row_number,
    standardize,
    take,
)

MAX_NUMERIC_CLASSES = 20
TASKS: tuple[Task, ...] = ("classification", "regression")

ClassValue = bool | int | float | str


def find_task(series: pl.Series) -> Task:
    """Tell from the target column whether to predict classes or numbers.

    Text, categories and true/false are classes. Integers are classes if there are at most 20
    different ones. Floats are numbers, unless they are whole, at most 20 different ones, and
    each occurs at least twice (a CSV file writes the classes 1.0, 2.0, 3.0 where a row misses).

    Args:
        series: the target column; missing values are passed over.

    Raises:
        DataError: the column's type is neither.
    """
    dtype = series.dtype
    if is_text(dtype) or dtype == pl.Boolean:
        return "classification"
    if not dtype.is_numeric():
        raise DataError(
            f"target column {series.name!r}",
            f"the type {dtype}",
            "numbers, text or true/false",
            "Choose another column with --target (target=).",
        )
    present = anonymous(series).filter(~is_missing(series))
    if dtype.is_integer():
        return "classification" if present.n_unique() <= MAX_NUMERIC_CLASSES else "regression"
    values, counts = np.unique(present.cast(pl.Float64).to_numpy(), return_counts=True)
    few = 0 < len(values) <= MAX_NUMERIC_CLASSES and counts.min() >= 2
    whole = np.array_equal(values, np.floor(values))
    return "classification" if few and whole else "regression"


def check_task(task: str) -> Task:
    """Refuse a task that is neither classification nor regression.

    Raises:
        ArgumentError: with the nearest one.
    """
    for known in TASKS:
        if task == known:
            return known
    raise ArgumentError("task", repr(task), f"one of {', '.join(TASKS)}", nearest(str(task), TASKS))


@final
@dataclass(frozen=True, slots=True)
class ClassTarget:
    """Class value ↔ label 0 ... C-1, in the order of the sorted values of the training rows."""

    name: str
    classes: tuple[ClassValue, ...]

    @classmethod
    def fit(cls, series: pl.Series, rows: np.ndarray) -> Self:
        """Collect the training rows' classes.

        Raises:
            DataError: a value is missing, or there is one class only.
        """
        name, where = series.name, f"target column {series.name!r}"
        check_present(series, where, rows)
        if is_text(series.dtype):
            series = series.cast(pl.String)
        elif series.dtype.is_float() or series.dtype.is_decimal():
            series = pl.Series(name, numbers(series, where, rows))
        elif not is_number(series.dtype):
            find_task(series)  # says what is wrong with the type
        classes = tuple(sorted(anonymous(series).unique().to_list()))
        if len(classes) < 2:
            raise constant(where, classes[0])
        return cls(name, classes)

    def encode(self, series: pl.Series) -> np.ndarray:
        """Class values → int64 labels (n,).

        Raises:
            DataError: a value is missing, or is not one of the classes.
        """
        where, series = f"target column {self.name!r}", anonymous(series)
        check_present(series, where)
        labels = self._aligned(series).replace_strict(
            list(self.classes), range(len(self.classes)), default=None, return_dtype=pl.Int64
        )
        if labels.has_nulls():
            unseen = series.filter(labels.is_null()).unique(maintain_order=True).to_list()
            row = row_number(int(labels.is_null().arg_max() or 0), None)
            raise DataError(
                where,
                f"{quoted(unseen)}, first in row {row}",
                f"a class that occurred in training ({quoted(self.classes, 10)})",
                "Remove these rows, or train with them.",
            )
        return np.asarray(labels.to_numpy(), dtype=np.int64)

    def _aligned(self, series: pl.Series) -> pl.Series:
        """Bring a column to the classes' own type (null where it cannot be): 3.0 or "3" is 3."""
        kind = type(self.classes[0])
        if kind is str:
            return series.cast(pl.String) if _castable(series) else _nothing(series)
        if series.dtype == pl.Boolean and kind is not bool:
            return _nothing(series)
        if series.dtype.is_integer() and kind is int:
            return series.cast(pl.Int128)  # UInt8 could not be compared with the class -1
        text = series.cast(pl.String).str.strip_chars() if _castable(series) else _nothing(series)
        if kind is bool:
            meaning = {"true": True, "1": True, "1.0": True}
            meaning |= {"false": False, "0": False, "0.0": False}
            lower = text.str.to_lowercase()
            return lower.replace_strict(meaning, default=None, return_dtype=pl.Boolean)
        values = (text if is_text(series.dtype) else series).cast(pl.Float64, strict=False)
        if kind is float:
            return values
        return values.set(values != values.floor(), None).cast(pl.Int128, strict=False)

    def decode(self, labels: np.ndarray) -> pl.Series:
        """Labels (n,) → the class values, as they stood in the training table.

        Raises:
            ShapeError: not one dimension.
            ArgumentError: not integers from 0 to C-1.
        """
        labels, last = np.asarray(labels), len(self.classes) - 1
        if labels.ndim != 1:
            raise ShapeError(
                "outputs",
                f"shape {labels.shape}",
                "class indices of shape (n,)",
                "For scores of every class, take argmax(axis=1) first.",
            )
        if labels.dtype.kind not in "iu":
            raise ArgumentError("outputs", f"dtype {labels.dtype}", "integers: class indices")
        if labels.size and (labels.min() < 0 or labels.max() > last):
            came = f"class indices from {labels.min()} to {labels.max()}"
            raise ArgumentError("outputs", came, f"0 to {last}")
        return take(pl.Series(self.name, list(self.classes)), labels.astype(np.int64))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` takes it back."""
        return {"task": "classification", "name": self.name, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Take back what ``to_dict`` gave."""
        classes = saved_list(saved, "classes", (str, int, bool, float))
        return cls(saved_text(saved, "name"), tuple(classes))


@final
@dataclass(frozen=True, slots=True)
class NumberTarget:
    """y ↔ (y - mean) / scale, with the mean and the standard deviation of the training rows."""

    name: str
    mean: float
    scale: float

    @classmethod
    def fit(cls, series: pl.Series, rows: np.ndarray) -> Self:
        """Measure the training rows.

        Raises:
            DataError: a value is missing or no number, or all are equal.
        """
        where = f"target column {series.name!r}"
        mean, scale = mean_and_scale(numbers(series, where, rows), where)
        if scale == 0:
            raise constant(where, series[0])
        return cls(series.name, mean, scale)

    def encode(self, series: pl.Series) -> np.ndarray:
        """Numbers in their own unit → standardized float32 (n, 1)."""
        where = f"target column {self.name!r}"
        return standardize(numbers(series, where), self.mean, self.scale, where)[:, None]

    def decode(self, outputs: np.ndarray) -> pl.Series:
        """Standardized predictions (n,) or (n, 1) → float64 in the column's own unit.

        Raises:
            ShapeError: another shape.
        """
        outputs = np.asarray(outputs, dtype=np.float64)
        if outputs.ndim == 2 and outputs.shape[1] == 1:
            outputs = outputs[:, 0]
        if outputs.ndim != 1:
            raise ShapeError("outputs", f"shape {outputs.shape}", "predictions (n,) or (n, 1)")
        return pl.Series(self.name, outputs * self.scale + self.mean)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` takes it back."""
        return {"task": "regression", "name": self.name, "mean": self.mean, "scale": self.scale}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Take back what ``to_dict`` gave."""
        mean, scale = saved_number(saved, "mean"), saved_number(saved, "scale", positive=True)
        return cls(saved_text(saved, "name"), mean, scale)


Target = ClassTarget | NumberTarget


def constant(where: str, value: object) -> DataError:
    """A target that is the same in every training row leaves nothing to learn."""
    return DataError(
        where,
        f"the same value in every training row ({value!r})",
        "at least two different values",
        "Choose another column to predict.",
    )


def _castable(series: pl.Series) -> bool:
    """Whether every value has a plain text form."""
    return is_text(series.dtype) or is_number(series.dtype)


def _nothing(series: pl.Series) -> pl.Series:
    return pl.Series(series.name, [None] * len(series), dtype=pl.String)
