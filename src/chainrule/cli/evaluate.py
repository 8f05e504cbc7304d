"""Measure a run on a table that has the target column."""

from __future__ import annotations

import argparse
from pathlib import Path

from chainrule.cli.terminal import console, plural, scores_in_words
from chainrule.training.run import Rows, Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("run", metavar="RUN", type=Path, help="directory that `fit` wrote")
    parser.add_argument("data", metavar="DATA", help="file, or a built-in name")
    add_rows_argument(
        parser,
        "which rows of the table that the run was trained on (default: the held-out ones of that "
        "table, all rows of any other)",
    )


def add_rows_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--rows``."""
    parser.add_argument(
        "--rows",
        choices=["all", "held-out", "validation", "train"],
        help=help,
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the scores."""
    from chainrule.data import read_table

    made, frame = Run.load(arguments.run), read_table(arguments.data)
    own = made.is_own(frame)
    which: Rows = arguments.rows or (
        "held-out" if own and made.facts["rows"]["held-out"] else "all"
    )
    scores = made.score(frame, which)
    count = plural(len(made.rows(frame, which)), f"{which} row" if which != "all" else "row")
    out = console()
    out.print(f"{count}: [bold]{scores_in_words(scores)}[/bold]")
    if own and which in ("all", "train"):
        out.print("the run was trained on some of these rows: new ones will score lower")
    elif own and arguments.rows is None:
        out.print("this is the table that the run was trained on; --rows all measures all of it")
