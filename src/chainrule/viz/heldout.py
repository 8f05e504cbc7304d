"""What a run predicts for the rows that were held out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.types import Array
from chainrule.data import UnseenCategoryWarning
from chainrule.data.values import numbers

if TYPE_CHECKING:
    import polars as pl

    from chainrule.training.run import Run


@dataclass(frozen=True, eq=False)
class HeldOutClasses:
    """Predicted classes.

    Attributes:
        rows: the rows' numbers in the table, from 0 (n,).
        observed: labels (n,).
        predicted: labels (n,).
        probability: of the predicted class (n,).
        names: the classes' own values, as text.
        notes: what was strange about the rows, one sentence each.
    """

    rows: Array
    observed: Array
    predicted: Array
    probability: Array
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def hits(self) -> int:
        """How many rows are predicted rightly."""
        return int((self.observed == self.predicted).sum())

    def mistakes(self) -> Array:
        """Return the places of the wrong predictions, the most confident first."""
        wrong = np.flatnonzero(self.observed != self.predicted)
        return wrong[np.argsort(-self.probability[wrong], kind="stable")]


@dataclass(frozen=True, eq=False)
class HeldOutNumbers:
    """Predicted numbers, in the target's own unit.

    Attributes:
        rows: the rows' numbers in the table, from 0 (n,).
        observed: values of the target (n,).
        predicted: predictions (n,).
        notes: what was strange about the rows, one sentence each.
    """

    rows: Array
    observed: Array
    predicted: Array
    notes: tuple[str, ...] = ()

    @property
    def residuals(self) -> Array:
        """Observed minus predicted (n,)."""
        difference: Array = self.observed - self.predicted
        return difference

    def mistakes(self) -> Array:
        """Return all places, the largest errors first."""
        return np.argsort(-np.abs(self.residuals), kind="stable")


def held_out(run: Run, frame: pl.DataFrame) -> HeldOutClasses | HeldOutNumbers | None:
    """Predict the held-out rows.

    Args:
        run: a run.
        frame: the table that it was trained on.

    Returns:
        Observed and predicted values, or None if no rows were held out.

    Raises:
        ArgumentError: the table is another one.
    """
    rows = run.rows(frame, "held-out")
    if not len(rows):
        return None
    part = frame[rows]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnseenCategoryWarning)
        predictions = run.predict(part)
    notes = []
    for warning in caught:  # unseen categories are facts to report; the rest is shown as ever
        if issubclass(warning.category, UnseenCategoryWarning):
            notes.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    pre = run.preprocessor
    predicted = predictions["prediction"]
    if not pre.classes:
        observed = numbers(part[pre.target], f"target column {pre.target!r}")
        return HeldOutNumbers(rows, observed, predicted.to_numpy(), tuple(notes))
    return HeldOutClasses(
        rows,
        pre.transform_target(part),
        pre.transform_target(predicted.alias(pre.target).to_frame()),
        predictions["probability"].to_numpy(),
        tuple(class_name(value) for value in pre.classes),
        tuple(notes),
    )


def class_name(value: object) -> str:
    """Return a class's own value as text; true and false in lower case, as tables write them."""
    return str(value).lower() if isinstance(value, bool) else str(value)
