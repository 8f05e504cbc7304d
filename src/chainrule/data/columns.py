"""Feature columns as numbers: standardized, or one-hot by category."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from chainrule.core.errors import DataError
from chainrule.data.lazy import pl
from chainrule.data.saved import malformed, saved_list, saved_number, saved_text
from chainrule.data.values import (
    anonymous,
    check_present,
    counts_rows,
    is_number,
    is_text,
    mean_and_scale,
    numbers,
    quoted,
    standardize,
    take,
)

MIN_IDENTIFIERS = 20

#: Standard deviations beyond which a value counts as this far: one outlier, or a column that hardly
#: ever moved in training, must not drive the whole network.
LIMIT = 5.0


class UnseenCategoryWarning(UserWarning):
    """A text column holds a value that training never saw; it is encoded as all zeros."""


@final
@dataclass(frozen=True, slots=True)
class NumericColumn:
    """x → (x - mean) / scale, limited to ±5, with the mean and deviation of the training rows."""

    name: str
    mean: float
    scale: float

    @classmethod
    def fit(cls, series: pl.Series, rows: np.ndarray) -> tuple[Self, str]:
        """Measure the training rows; also return a note, or an empty one."""
        where = f"column {series.name!r}"
        mean, scale = mean_and_scale(numbers(series, where, rows), where)
        if scale > 0:
            return cls(series.name, mean, scale), ""
        note = f"{where} has the same value in every training row: it tells nothing"
        return cls(series.name, mean, 1.0), note

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    def encode(self, series: pl.Series) -> np.ndarray:
        """Standardize and limit a column: (n,) → float32 (n, 1)."""
        where = f"column {self.name!r}"
        values = numbers(series, where)
        scaled = standardize(values, self.mean, self.scale, where)
        limited: np.ndarray = np.clip(scaled, -LIMIT, LIMIT)
        return limited[:, None]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` takes it back."""
        return {"kind": "numeric", "name": self.name, "mean": self.mean, "scale": self.scale}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Take back what ``to_dict`` gave."""
        mean, scale = saved_number(saved, "mean"), saved_number(saved, "scale", positive=True)
        return cls(saved_text(saved, "name"), mean, scale)


@final
@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """Text → one-hot over the categories of the training rows, sorted."""

    name: str
    categories: tuple[str, ...]

    @classmethod
    def fit(cls, series: pl.Series, rows: np.ndarray) -> tuple[Self, str]:
        """Collect the training rows' categories; also return a note, or an empty one."""
        name, series = series.name, anonymous(series)
        where = f"column {name!r}"
        check_present(series, where, rows)
        categories = tuple(sorted(series.cast(pl.String).unique().to_list()))
        note = f"{where} has the same value in every training row: it tells nothing"
        return cls(name, categories), note if len(categories) == 1 else ""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each category: ``color=red``."""
        return tuple(f"{self.name}={category}" for category in self.categories)

    def encode(self, series: pl.Series) -> np.ndarray:
        """One-hot a column: (n,) → float32 (n, k). A category never seen is a row of zeros."""
        where, series = f"column {self.name!r}", anonymous(series)
        check_present(series, where)
        if not is_text(series.dtype) and not is_number(series.dtype):
            raise DataError(where, f"the type {series.dtype}", "text, as in training")
        text = series.cast(pl.String)
        codes = text.replace_strict(
            list(self.categories), range(len(self.categories)), default=-1, return_dtype=pl.Int64
        ).to_numpy()
        if unseen := sorted(text.filter(codes == -1).unique().to_list()):
            warnings.warn(
                f"{where}: {quoted(unseen)} did not occur in training and "
                f"{'counts' if len(unseen) == 1 else 'count'} as none of the known values "
                f"({quoted(self.categories)})",
                UnseenCategoryWarning,
                stacklevel=3,
            )
        one_hot: np.ndarray = codes[:, None] == np.arange(len(self.categories))
        return one_hot.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` takes it back."""
        return {"kind": "category", "name": self.name, "categories": list(self.categories)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Take back what ``to_dict`` gave."""
        categories = saved_list(saved, "categories", (str,))
        return cls(saved_text(saved, "name"), tuple(categories))


FeatureColumn = NumericColumn | CategoryColumn


def fit_column(series: pl.Series, rows: np.ndarray) -> tuple[FeatureColumn | None, str]:
    """Choose the encoding of a feature column; None leaves the column out, with a note."""
    part = take(series, rows)
    if is_text(series.dtype):
        different = part.n_unique()
        if different > MIN_IDENTIFIERS and 2 * different > len(part):
            return None, (
                f"column {series.name!r} was left out: {different} different texts in "
                f"{len(part)} training rows look like names or identifiers"
            )
        return CategoryColumn.fit(part, rows)
    if is_number(series.dtype) or series.dtype == pl.Null:  # Null: every value is missing
        column, note = NumericColumn.fit(part, rows)
        if len(series) > MIN_IDENTIFIERS and counts_rows(series):
            note = (
                f"column {series.name!r} numbers the rows: where their order says something "
                "about the target, leave it out"
            )
        return column, note
    fix = "Leave the column out."
    if series.dtype.is_temporal():
        fix = "Turn it into numbers (year, month, days since a date, ...) or leave it out."
    raise DataError(
        f"column {series.name!r}", f"the type {series.dtype}", "numbers, text or true/false", fix
    )


def load_column(saved: object) -> FeatureColumn:
    """Take back what a column's ``to_dict`` gave.

    Raises:
        DataError: it is malformed.
    """
    kinds: dict[str, type[NumericColumn] | type[CategoryColumn]]
    kinds = {"numeric": NumericColumn, "category": CategoryColumn}
    if not isinstance(saved, Mapping):
        raise malformed(f"the column {saved!r}", "a dict")
    kind = kinds.get(str(saved.get("kind")))
    if kind is None:
        raise malformed(f"a column of kind {saved.get('kind')!r}", f"one of {', '.join(kinds)}")
    return kind.from_dict(saved)
