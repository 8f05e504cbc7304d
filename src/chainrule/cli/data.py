"""List the built-in data sets, or describe a table column by column."""

from __future__ import annotations

import argparse
from pathlib import Path

from chainrule.cli.terminal import console, number, plural, print_table
from chainrule.data import DATASETS

#: Blanks between two columns of a table.
_GAP = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="file or built-in name to describe (default: list the built-in sets)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table to a file")


def run(arguments: argparse.Namespace) -> None:
    """Print the list, or the description of one table."""
    if arguments.data is None:
        _list()
    else:
        _describe(arguments)


def _list() -> None:
    head = ["name", "rows", "columns", "target", "task", "description"]
    rows = []
    for info in DATASETS.values():
        task = f"{info.classes} classes" if info.classes else "a number"
        size, width = f"{info.rows:,}", str(info.features)
        rows.append([info.name, size, width, info.target, task, info.description])
    out = console()
    others = [max(map(len, column)) for column in zip(head, *rows, strict=True)][:-1]
    room = out.width - sum(others) - _GAP * len(others)
    for row in rows:  # a line each, also on a narrow terminal
        row[-1] = row[-1] if len(row[-1]) <= room else row[-1][: max(room - 1, 0)] + "…"
    print_table(out, head, rows, numeric=(1, 2))
    out.print()
    out.print("Use a name wherever a file is asked for: chainrule fit iris")


def _describe(arguments: argparse.Namespace) -> None:
    from chainrule.data import describe, read_table, write_table

    frame = read_table(arguments.data)
    out = console()
    if arguments.out is not None:
        write_table(frame, arguments.out)
        out.print(f"{plural(frame.height, 'row')} written to {arguments.out}", markup=False)
        return
    target = DATASETS[arguments.data].target if arguments.data in DATASETS else None
    size = f"{plural(frame.height, 'row')}, {plural(frame.width, 'column')}"
    out.print(f"{arguments.data}: {size}", markup=False)
    rows = [
        [
            f"{c.name} (target)" if c.is_target else c.name,
            c.dtype,
            f"{c.missing:,}",
            number(c.distinct),
            number(c.minimum),
            number(c.mean),
            number(c.maximum),
        ]
        for c in describe(frame, target)
    ]
    head = ["column", "type", "missing", "distinct", "least", "mean", "greatest"]
    print_table(out, head, rows, numeric=range(2, 7))
