"""Which classes are taken for which: the confusion matrix as an HTML table, recall, precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.viz.markup import Markup, clip, element, name_of
from chainrule.viz.page import table
from chainrule.viz.wording import NOTHING, count, percent

#: A matrix of more classes cannot be read.
MAX_CLASSES = 20
#: The strongest tint of a cell; text stays readable on it in light and in dark mode.
_STRONGEST = 0.55
_FAINTEST = 0.2


@dataclass(frozen=True, eq=False)
class ClassScores:
    """How well each class is found; NaN where there is nothing to divide by.

    Attributes:
        observed: rows of the class (C,).
        predicted: rows that are taken for the class (C,).
        hits: rows of the class that are taken for it (C,).
    """

    observed: Array
    predicted: Array
    hits: Array

    @classmethod
    def of(cls, observed: Array, predicted: Array, n_classes: int) -> ClassScores:
        """Count.

        Args:
            observed: labels from 0 (n,).
            predicted: labels from 0 (n,).
            n_classes: number of classes.
        """
        right = observed[observed == predicted]
        return cls(*(np.bincount(x, minlength=n_classes) for x in (observed, predicted, right)))

    @property
    def recall(self) -> Array:
        """Share of a class's rows that are taken for it (C,)."""
        return _share(self.hits, self.observed)

    @property
    def precision(self) -> Array:
        """Share of the rows taken for a class that are of it (C,)."""
        return _share(self.hits, self.predicted)


def confusion_matrix(observed: Array, predicted: Array, n_classes: int) -> Array:
    """Count how often each class was predicted for each.

    Args:
        observed: labels from 0 (n,).
        predicted: labels from 0 (n,).
        n_classes: number of classes.

    Returns:
        int64 (n_classes, n_classes): rows by observed, columns by predicted class.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    cells = np.asarray(observed, np.int64) * n_classes + np.asarray(predicted, np.int64)
    counts: Array = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
    return counts


def confusion_table(counts: Array, names: Sequence[str]) -> Markup:
    """Show a confusion matrix, its cells tinted by their share of the row.

    Args:
        counts: rows by observed, columns by predicted class (C, C).
        names: the classes' names (C).

    Returns:
        A ``<table>`` element, for a page of ``chainrule.viz.page``.

    Raises:
        ArgumentError: a matrix that does not fit the names.

    >>> "<td" in confusion_table(np.array([[3, 0], [1, 2]]), ["no", "yes"])
    True
    """
    if counts.shape != (len(names), len(names)):
        raise ArgumentError(
            "counts", f"shape {counts.shape}", f"({len(names)}, {len(names)}), as there are names"
        )
    upright = len(names) > 6 and max(map(len, names)) > 3
    heads = [
        element("th", name_of(name, 18), scope="col", class_="upright" if upright else None)
        for name in names
    ]
    body = [_matrix_row(i, row, names) for i, row in enumerate(counts.tolist())]
    return element(
        "table",
        element("caption", "rows: observed class; columns: predicted class"),
        element("thead", element("tr", element("td"), *heads)),
        element("tbody", *body),
        class_="matrix",
    )


def class_table(scores: ClassScores, names: Sequence[str]) -> Markup:
    """Show recall and precision of each class; of many classes those with the least recall."""
    order = np.arange(len(names))
    if len(names) > MAX_CLASSES:
        order = np.argsort(np.where(np.isnan(scores.recall), np.inf, scores.recall), kind="stable")
    rows = [
        [
            name_of(names[i], 30),
            f"{scores.observed[i]:,}",
            _bar(scores.recall[i]),
            _bar(scores.precision[i]),
        ]
        for i in order[:MAX_CLASSES].tolist()
    ]
    rest = len(names) - len(rows)
    return table(
        ["class", "rows", "recall", "precision"],
        rows,
        numeric=(1, 2, 3),
        more=f"and {count(rest, 'class', 'classes')} with at least that recall" if rest else "",
    )


def pair_table(observed: Array, predicted: Array, names: Sequence[str]) -> Markup:
    """Show the pairs of classes that are confused most often, where a matrix would be too large."""
    wrong = observed != predicted
    pairs = np.stack([observed[wrong], predicted[wrong]], axis=1)
    found, times = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-times, kind="stable")
    rows = [
        [name_of(names[found[i, 0]], 30), name_of(names[found[i, 1]], 30), f"{times[i]:,}"]
        for i in order[:MAX_CLASSES].tolist()
    ]
    rest = len(order) - len(rows)
    return table(
        ["observed", "predicted", "rows"],
        rows,
        numeric=(2,),
        more=f"and {count(rest, 'pair')} not more frequent" if rest else "",
    )


def _matrix_row(i: int, row: list[int], names: Sequence[str]) -> Markup:
    total = sum(row)
    cells = []
    for j, times in enumerate(row):
        share = times / total if total else 0.0
        tint = _FAINTEST + (_STRONGEST - _FAINTEST) * share
        cells.append(
            element(
                "td",
                f"{times:,}",
                class_="zero" if not times else "hit" if i == j else "miss",
                style=f"--tint:{tint:.2f}" if times else None,
                title=f"observed {clip(names[i], 40)}, predicted {clip(names[j], 40)}: "
                f"{count(times, 'row')}" + (f", {percent(share)} of the class" if total else ""),
            )
        )
    return element("tr", element("th", name_of(names[i], 18), scope="row"), *cells)


def _share(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares


def _bar(share: float) -> Markup:
    if np.isnan(share):
        return Markup(NOTHING)
    bar = element("i", style=f"--share:{share:.3f}", class_="bar", aria_hidden="true")
    return element("span", bar, percent(float(share)), class_="with-bar")
