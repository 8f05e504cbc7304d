"""What the commands share: the console, numbers in words, tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.core.errors import ChainruleError

if TYPE_CHECKING:
    from rich.console import Console


class UsageError(ChainruleError):
    """The command line asks for something that cannot be."""


def console() -> Console:
    """Return the console on standard output; lines are not wrapped where nobody reads them."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = 10_000
        made.soft_wrap = True
    return made


def is_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def print_table(
    out: Console,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int] = (),
) -> None:
    """Print a table without borders.

    Args:
        out: the console.
        head: titles of the columns.
        rows: cells as text.
        numeric: columns to align at the right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for j, title in enumerate(head):
        table.add_column(title, justify="right" if j in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    out.print(table)


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: ``1 row``, ``1,797 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number(value: Any) -> str:
    """Return a number shortly, or nothing for ``None``."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def scores_in_words(scores: Mapping[str, float | None]) -> str:
    """Return scores as a reader of reports expects them: ``accuracy 97.5 %``."""
    words = []
    for name, value in scores.items():
        if value is None:
            words.append(f"{_TITLES.get(name, name)} not defined")
        elif name == "accuracy":
            words.append(f"accuracy {100 * value:.1f} %")
        else:
            words.append(f"{_TITLES.get(name, name)} {value:.4g}")
    return ", ".join(words)


_TITLES = {"r2": "R²", "mae": "mean absolute error", "rmse": "RMSE"}
