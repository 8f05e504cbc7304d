"""Predict the target for each row of a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.evaluate import add_rows_argument
from chainrule.cli.terminal import UsageError, console, is_terminal, plural, print_table
from chainrule.core.errors import DataError
from chainrule.core.types import Array
from chainrule.training.run import Run

if TYPE_CHECKING:
    import polars as pl

#: Rows that a terminal shows.
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("run", metavar="RUN", type=Path, help="directory that `fit` wrote")
    parser.add_argument("data", metavar="DATA", help="file, or a built-in name")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the table with its predictions: .csv, .tsv, .parquet or .arrow",
    )
    add_rows_argument(parser, "which rows of the table that the run was trained on (default: all)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N of the rows")


def run(arguments: argparse.Namespace) -> None:
    """Predict, and print or write the predictions."""
    from chainrule.data import read_table, write_table

    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit: got {arguments.limit}; expected a whole number from 1")
    made, frame = Run.load(arguments.run), read_table(arguments.data)
    rows = made.rows(frame, arguments.rows or "all")[: arguments.limit]
    part = frame[rows]
    predicted = made.predict(part)
    if arguments.out is not None:
        write_table(_joined(part, predicted), arguments.out)
        console().print(f"{plural(part.height, 'prediction')} written to {arguments.out}")
        return
    target = made.preprocessor.target
    result = predicted.insert_column(0, _row_numbers(rows))
    if target in part.columns:
        observed = part[target].rename("observed")
        result = result.insert_column(1, observed)
    if is_terminal():
        _show(result, arguments.limit or _SHOWN)
    else:
        print(result.write_csv(), end="")


def _row_numbers(rows: Array) -> pl.Series:
    """Return the rows as a person counts them, from 1."""
    import polars

    return polars.Series("row", rows) + 1


def _joined(part: pl.DataFrame, predicted: pl.DataFrame) -> pl.DataFrame:
    clash = [name for name in predicted.columns if name in part.columns]
    if clash:
        raise DataError(
            "column",
            f"a table that has a column {clash[0]!r} already",
            "a table without it",
            "Rename that column first.",
        )
    return part.hstack(predicted)


def _show(result: pl.DataFrame, limit: int) -> None:
    out = console()
    cells = [list(map(_cell, result.columns, row)) for row in result.head(limit).iter_rows()]
    print_table(out, result.columns, cells, numeric=range(result.width))
    if result.height > limit:
        rest = plural(result.height - limit, "more row")
        out.print(f"{rest}: --limit {result.height} shows all, --out FILE writes them")


def _cell(column: str, value: Any) -> str:
    if column == "probability":
        return f"{100 * value:.1f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
