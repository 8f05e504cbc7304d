"""What a table holds, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from chainrule.data.lazy import pl
from chainrule.data.table import TableLike, as_frame
from chainrule.data.values import anonymous, get_column, is_missing, is_number, is_text

Kind = Literal["numeric", "boolean", "category", "time", "other"]


@dataclass(frozen=True)
class ColumnReport:
    """One column of a table.

    Attributes:
        name: the column's name.
        dtype: its type as polars calls it: ``Int64``, ``String``.
        kind: ``numeric``, ``boolean``, ``category`` (text), ``time`` or ``other``.
        is_target: whether it is the column to predict.
        missing: rows without a value (null or NaN).
        distinct: different values, the missing ones aside; None where values cannot be compared.
        minimum: the least number; None if the column is not numeric, or has no value.
        mean: the mean of the numbers, or the share of true.
        maximum: the greatest number.
    """

    name: str
    dtype: str
    kind: Kind
    is_target: bool
    missing: int
    distinct: int | None
    minimum: float | None
    mean: float | None
    maximum: float | None


def describe(frame: TableLike, target: str | None = None) -> list[ColumnReport]:
    """Describe every column of a table.

    Args:
        frame: the table.
        target: the column to predict, if there is one.

    Raises:
        DataError: there is no column ``target``.
    """
    frame = as_frame(frame)
    if target is not None:
        get_column(frame, target, "target")
    return [_describe(series, series.name == target) for series in frame]


def _describe(series: pl.Series, is_target: bool) -> ColumnReport:
    name, series = series.name, anonymous(series)
    missing = is_missing(series)
    present = series.filter(~missing)
    minimum = mean = maximum = None
    if is_number(series.dtype) and len(present):
        values = present.cast(pl.Float64).to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):  # infinite values are reported too
            mean = float(values.mean())
        minimum, maximum = float(values.min()), float(values.max())
    return ColumnReport(
        name=name,
        dtype=str(series.dtype),
        kind=_kind(series.dtype),
        is_target=is_target,
        missing=int(missing.sum()),
        distinct=_distinct(present),
        minimum=minimum,
        mean=mean,
        maximum=maximum,
    )


def _kind(dtype: pl.DataType) -> Kind:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "numeric"
    if is_text(dtype):
        return "category"
    return "time" if dtype.is_temporal() else "other"


def _distinct(series: pl.Series) -> int | None:
    try:
        return series.n_unique()
    except pl.exceptions.PolarsError:  # Python objects, some nested types
        return None
