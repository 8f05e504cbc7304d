"""Columns of values: what is missing, what is a number, how it is standardized.

Rows are counted from 1 in messages; a header line is not a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.core.errors import DataError, nearest
from chainrule.data.lazy import pl

FIX_MISSING = "Fill in or remove these rows first."
FLOAT32_MAX = float(np.finfo(np.float32).max)


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column of this type holds categories by name."""
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column of this type holds numbers, or true/false, which count as 1 and 0."""
    return dtype.is_numeric() or dtype == pl.Boolean


def anonymous(series: pl.Series) -> pl.Series:
    """Return a column under a plain name: polars takes a name such as ``^x$`` for a pattern."""
    return series.alias("values")


def take(series: pl.Series, rows: np.ndarray) -> pl.Series:
    """Return some rows of a column, whatever its name is."""
    return anonymous(series).gather(rows).alias(series.name)


def is_missing(series: pl.Series) -> pl.Series:
    """Which rows hold null or NaN."""
    series = anonymous(series)
    missing = series.is_null()
    return missing | series.is_nan().fill_null(False) if series.dtype.is_float() else missing


def check_present(series: pl.Series, where: str, rows: np.ndarray | None = None) -> None:
    """Refuse a column that misses values.

    Args:
        series: the column.
        where: how to call it: ``column 'age'``.
        rows: the row of the user's table that each value stands in (default: 0 to n-1).

    Raises:
        DataError: with the number of missing values and the first row.
    """
    missing = is_missing(series)
    if count := int(missing.sum()):
        first = row_number(int(missing.arg_max() or 0), rows)
        raise DataError(
            where,
            f"{_values(count, 'missing')}, first in row {first}",
            "a value in every row",
            FIX_MISSING,
        )


def numbers(series: pl.Series, where: str, rows: np.ndarray | None = None) -> np.ndarray:
    """Read a column as finite float64 numbers; text that parses as numbers will do.

    Args:
        series: numbers, true/false, or text.
        where: how to call it: ``column 'age'``.
        rows: the row of the user's table that each value stands in (default: 0 to n-1).

    Raises:
        DataError: a value is missing, infinite, or no number; with the first row.
    """
    series = anonymous(series)
    check_present(series, where, rows)
    if is_text(series.dtype):
        parsed = series.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        if parsed.has_nulls():
            row = int(parsed.is_null().arg_max() or 0)
            raise DataError(
                where,
                f"the text {series[row]!r} in row {row_number(row, rows)}",
                "a number in every row",
                "Correct the value or remove the row.",
            )
        series = parsed
        check_present(series, where, rows)  # the text "nan" parses
    elif not is_number(series.dtype):
        raise DataError(
            where, f"the type {series.dtype}", "numbers", "Turn it into numbers before."
        )
    values: np.ndarray = series.cast(pl.Float64).to_numpy()
    infinite = np.isinf(values)
    if count := int(infinite.sum()):
        first = row_number(int(infinite.argmax()), rows)
        raise DataError(
            where,
            f"{_values(count, 'infinite')}, first in row {first}",
            "finite numbers",
            "Correct or remove these rows first.",
        )
    return values


def counts_rows(series: pl.Series) -> bool:
    """Whether a column only numbers the rows: 0, 1, 2, ... or 1, 2, 3, ..."""
    series = anonymous(series)
    if not series.dtype.is_integer() or series.is_empty() or series[0] not in {0, 1}:
        return False
    count = pl.int_range(series[0], series[0] + len(series), eager=True)
    return bool((series == count).fill_null(False).all())


def row_number(index: int, rows: np.ndarray | None) -> int:
    """The row as a person counts it."""
    return int(index if rows is None else rows[index]) + 1


def mean_and_scale(values: np.ndarray, where: str) -> tuple[float, float]:
    """Mean and population standard deviation; a scale of 0 says that all values are equal.

    Raises:
        DataError: the values are so large that their mean or deviation overflows.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:  # the computed deviation of [0.1, 0.1, 0.1] is not 0
        return low, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean())
        largest = np.abs(values - mean).max()
        # Squares of numbers below 1e-162 would vanish.
        scale = float(largest * np.sqrt(np.mean(np.square((values - mean) / largest))))
    if not math.isfinite(mean) or not math.isfinite(scale):
        raise DataError(
            where,
            f"numbers from {low:.3g} to {high:.3g}",
            "numbers with a finite mean and deviation",
            "Divide the column first.",
        )
    return mean, scale


def standardize(values: np.ndarray, mean: float, scale: float, where: str) -> np.ndarray:
    """(values - mean) / scale, as float32.

    Raises:
        DataError: a result does not fit float32.
    """
    with np.errstate(over="ignore"):
        scaled = (values - mean) / scale
    if (np.abs(scaled) > FLOAT32_MAX).any():
        row = int((np.abs(scaled) > FLOAT32_MAX).argmax())
        raise DataError(
            where,
            f"{values[row]:.3g} in row {row + 1}",
            f"numbers near those of training ({mean:.3g} ± {scale:.3g})",
            "Correct the value or remove the row.",
        )
    return scaled.astype(np.float32)


def quoted(values: Sequence[object], limit: int = 5) -> str:
    """The first few values, as Python writes them."""
    text = ", ".join(repr(v) for v in values[:limit])
    return text + (f" and {len(values) - limit} more" if len(values) > limit else "")


def _values(count: int, kind: str) -> str:
    return f"{count} {kind} value{'s' * (count != 1)}"


def get_column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Take a column by name.

    Args:
        frame: the table.
        name: the column.
        what: how to call it in an error: ``target``.

    Raises:
        DataError: there is none; with the nearest names.
    """
    if name in frame.columns:
        return frame[name]
    raise DataError(
        f"{what} column {name!r}",
        f"a table without it (columns {quoted(frame.columns, 10)})",
        "a column of that name",
        nearest(name, frame.columns),
    )
