"""The textbook's table of activations, with its further columns, as text, as HTML and as data."""

from __future__ import annotations

import itertools
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from chainrule.nn.activations import Activation
from chainrule.nn.activations.description import SYMBOLS, number

_GAP = "  "
_NBSP = "\u00a0"  # where no line may end
_SIGNS = ("+", "−")
#: Titles of the columns: what an activation is called and computes, and its properties.
FORMULAS = ("activation", "name", "f(x)", "f′(x)")
PROPERTIES = (
    "range of f",
    "range of f′",
    "zero-centered",
    "saturates",
    "monotone",
    "smooth",
    "kinks (f′)",
)
LEGEND = (
    "I(·) is 1 where the condition holds, else 0.",
    "zero-centered: f is odd, so inputs symmetric about 0 give the mean 0.",
    "range of f′: its values where f is differentiable, kinks left out.",
    "saturates: f′ → 0 as x → −∞ (left), as x → ∞ (right).",
    "smooth: Cᵏ has k continuous derivatives.",
    "kinks: where f is not differentiable, and the value that f′ is given there.",
)


@final
@dataclass(frozen=True, repr=False)
class ActivationTable:
    """A table of activations: prints in a terminal, renders in a notebook, and is data.

    Attributes:
        activations: what it shows, in order.
    """

    activations: tuple[Activation, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The data, a dict for each activation; all values are JSON values.

        ``range`` and ``derivative_range`` are texts; the objects are those of ``activations``.
        """
        return [
            {
                "activation": each.title,
                "name": each.name,
                "parameters": dict(each.parameters),
                "f": each.formula,
                "derivative": each.derivative_formula,
                "range": str(each.range),
                "derivative_range": str(each.derivative_range),
                "zero_centered": each.zero_centered,
                "saturates": each.saturates,
                "monotone": each.monotone,
                "smoothness": smoothness(each),
                "smooth": each.smooth,
                "not_differentiable": list(each.kinks) or each.ties,
                "derivative_there": list(each.kinks.values()),
                "source": each.source,
            }
            for each in self.activations
        ]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.activations)

    def cells(self) -> list[list[str]]:
        """Return the table as texts, its head first."""
        return [[*FORMULAS, *PROPERTIES], *[_cells(each) for each in self.activations]]

    def notes(self) -> list[str]:
        """Return what the formulas and the columns mean."""
        titles: dict[str, list[str]] = {}
        for each in self.activations:
            for note in _notes(each):
                titles.setdefault(note, []).append(each.title)
        own = [f"{'; '.join(owners)}: {note}." for note, owners in titles.items()]
        return [*own, *LEGEND]

    def to_text(self, width: int | None = None) -> str:
        """Return the table as lines of text.

        Where the columns do not fit beside each other, the properties follow the formulas as a
        table of their own, and long cells are wrapped.

        Args:
            width: how many characters fit into a line (default: what the terminal has).
        """
        width = width or shutil.get_terminal_size().columns
        columns: list[Any] = list(zip(*self.cells(), strict=True))
        blocks: list[Any] = [columns]
        if _total(map(_longest, columns)) > width:
            formulas, properties = columns[: len(FORMULAS)], columns[len(FORMULAS) :]
            blocks = [*_packed(formulas, width), *_packed([columns[0], *properties], width)]
        lines = [line for block in blocks for line in [*_lines(block, width), ""]]
        notes = [part for note in self.notes() for part in wrap(note, width)]
        return "\n".join([*lines, *notes])

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        from chainrule.viz.markup import element

        head, *body = self.cells()
        style = "text-align: left; white-space: nowrap; padding: 0.2em 1em 0.2em 0;"
        heads = [element("th", title, scope="col", style=style) for title in head]
        rows = [element("tr", *[element("td", cell, style=style) for cell in row]) for row in body]
        table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
        notes = [element("div", note) for note in self.notes()]
        small = element("div", *notes, style="font-size: 0.875em; opacity: 0.8;")
        return str(element("div", table, small, style="overflow-x: auto;"))


def smoothness(each: Activation) -> str:
    """Return C^∞, C⁰, C¹ as text."""
    return "C∞" if each.smoothness == math.inf else "C" + "⁰¹²"[int(each.smoothness)]


def _cells(each: Activation) -> list[str]:
    kinks = ", ".join(f"{number(x)}{_NBSP}({number(slope, 3)})" for x, slope in each.kinks.items())
    return [
        each.title.replace(" ", _NBSP),
        each.name,
        each.formula,
        each.derivative_formula,
        str(each.range),
        str(each.derivative_range),
        "yes" if each.zero_centered else "no",
        {"none": "no"}.get(each.saturates, each.saturates),
        "yes" if each.monotone else "no",
        smoothness(each),
        kinks or each.ties or "none",
    ]


def _notes(each: Activation) -> list[str]:
    values = [f"{SYMBOLS[k]} = {number(v)}" for k, v in each.parameters.items()]
    return ["; ".join([", ".join(values), *each.notes])] if values else list(each.notes)


def _longest(column: Sequence[str]) -> int:
    return max(map(len, column))


def _least(column: Sequence[str]) -> int:
    return max(len(word) for cell in column for word in _words(cell))


def _total(widths: Iterable[int]) -> int:
    return sum(width + len(_GAP) for width in widths) - len(_GAP)


def _packed(columns: Sequence[Sequence[str]], width: int) -> list[list[Sequence[str]]]:
    """Cut a table between columns where not even wrapped cells fit; the first stays in each."""
    title, *others = columns
    blocks: list[list[Sequence[str]]] = [[title]]
    for column in others:
        if len(blocks[-1]) > 1 and _total(map(_least, [*blocks[-1], column])) > width:
            blocks.append([title])
        blocks[-1].append(column)
    return blocks


def _lines(columns: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return a table as lines; its columns are narrowed, and their cells wrapped, until it fits."""
    widths, least = [*map(_longest, columns)], [*map(_least, columns)]
    while _total(widths) > width:
        spare = [j for j in range(len(widths)) if widths[j] > least[j]]
        if not spare:
            break
        # Where it takes the fewest lines; among these the widest.
        widths[min(spare, key=lambda j: (_taller(columns[j], widths[j]), -widths[j]))] -= 1
    lines = []
    for i, row in enumerate(zip(*columns, strict=True)):
        wrapped = [wrap(cell, w) for cell, w in zip(row, widths, strict=True)]
        for parts in itertools.zip_longest(*wrapped, fillvalue=""):
            padded = [part.ljust(w) for part, w in zip(parts, widths, strict=True)]
            lines.append(_GAP.join(padded).rstrip().replace(_NBSP, " "))
        if i == 0:
            lines.append(_GAP.join("─" * w for w in widths))
    return lines


def _taller(column: Sequence[str], width: int) -> int:
    """Return how many lines a column grows by if it is narrowed by one character."""
    return sum(len(wrap(cell, width - 1)) - len(wrap(cell, width)) for cell in column)


def _words(text: str) -> list[str]:
    """Cut a text wherever a line may end: at spaces, and after a hyphen."""
    return re.findall(r"[^ -]+-?|-", text)


def _phrases(text: str) -> list[str]:
    """Cut a text where a line ends best: a sum before its signs, words at any space."""
    phrases, words = [""], text.split(" ")
    depths = [0, *itertools.accumulate(_depth(word) for word in words)]
    signs = [word in _SIGNS and depth == 0 for word, depth in zip(words, depths, strict=False)]
    for word, sign in zip(words, signs, strict=True):
        if phrases[-1] and (sign or "(" not in text):
            phrases.append(word)
        else:
            phrases[-1] += f" {word}" if phrases[-1] else word
    return phrases


def _depth(word: str) -> int:
    return sum(word.count(c) for c in "([{") - sum(word.count(c) for c in ")]}")


def _pieces(phrase: str, width: int) -> list[str]:
    """Cut a phrase that is longer than a line: a fraction in two, or anything between words."""
    numerator, slash, denominator = phrase.partition(")/(")
    halves = [f"{numerator})", f"/({denominator}"]
    return halves if slash and max(map(len, halves)) <= width else _words(phrase)


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines, outside of parentheses where that is possible.

    >>> wrap("I(x > 0) + I(x ≤ 0) · γ exp(x)", 24)
    ['I(x > 0)', '+ I(x ≤ 0) · γ exp(x)']
    """
    lines = [""]
    for phrase in _phrases(text):
        for i, piece in enumerate([phrase] if len(phrase) <= width else _pieces(phrase, width)):
            joined = bool(i) and (lines[-1].endswith("-") or piece.startswith("/("))
            glue = "" if joined or not lines[-1] else " "
            if not lines[-1] or len(lines[-1]) + len(glue) + len(piece) <= width:
                lines[-1] += glue + piece
            else:
                lines.append(piece)
    return lines
