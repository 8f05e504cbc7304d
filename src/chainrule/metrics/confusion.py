"""Metrics that count which class was taken for which: confusion matrix, precision, recall, F1."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.losses.base import between
from chainrule.metrics.base import ExactSum, one_of, spread
from chainrule.metrics.classes import ClassMetric, Labels


class _Counting(ClassMetric):
    """A metric that is computed from counts of (right, guessed) pairs.

    For classes the counts are a matrix C, ``C[i, j]`` the weight of samples of class i that were
    taken for class j; for several yes-or-no answers there is a 2 × 2 matrix for each unit.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind = ""
        self._shape: tuple[int, ...] = ()
        #: Samples that count 1, by cell.
        self._counts = np.zeros(0, np.int64)
        #: Weights of the others, by cell.
        self._sums: dict[int, ExactSum] = {}

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in one batch."""
        labels = self.labels(y, prediction, sample_weight)
        guesses = self.guesses(labels)
        if not self._shape:
            self.kind, self._shape = labels.kind, _shape(labels)
            self._counts = np.zeros(math.prod(self._shape), np.int64)
        pairs = [labels.right, guesses]
        if labels.kind == "multi-label":
            pairs.insert(0, np.broadcast_to(np.arange(guesses.shape[1]), guesses.shape))
        cells = np.ravel_multi_index(tuple(pairs), self._shape)
        if labels.weights is None:
            self._counts += np.bincount(cells.ravel(), minlength=len(self._counts))
            return
        weights = spread(labels.weights, cells.shape)
        for cell in np.unique(cells).tolist():
            self._sums.setdefault(cell, ExactSum()).add(weights[cells == cell])

    def counts(self) -> Array:
        """Return the matrix of counts, shape (classes, classes) or (units, 2, 2), in float64."""
        counts = self._counts.astype(np.float64)
        for cell, total in self._sums.items():
            counts[cell] += total.value()
        return counts.reshape(self._shape)


def _shape(labels: Labels) -> tuple[int, ...]:
    if labels.kind == "binary":
        return (2, 2)
    units = labels.scores.shape[1]
    return (units, 2, 2) if labels.kind == "multi-label" else (units, units)


class ConfusionMatrix(_Counting):
    """Counts of what was taken for what: ``C[i, j] = Σ w I(y = i) I(guess = j)``.

    For several yes-or-no answers there is one 2 × 2 matrix a unit, as in scikit-learn's
    ``multilabel_confusion_matrix``. Logs leave it out; ``evaluate(return_dict=True)`` gives it.

    Args:
        normalize: ``"true"``, ``"pred"`` or ``"all"``: divide by the sums of the rows, of the
            columns, or of all; ``None``: counts.
        threshold: probability above which an answer is yes (default: one half).
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own (default: what the loss says).
        name: name in results.

    Raises:
        ArgumentError: an argument out of its range; targets that are no classes.

    >>> metric = ConfusionMatrix()
    >>> metric.update(np.array([0, 1, 1]), np.array([[2.0, 1.0], [0.0, 1.0], [2.0, 1.0]]))
    >>> metric.result()
    array([[1, 0],
           [1, 1]])
    """

    name = "confusion_matrix"
    settings = ("normalize", *ClassMetric.settings)
    is_array = True

    def __init__(
        self,
        normalize: str | None = None,
        *,
        threshold: float | None = None,
        from_logits: bool | None = None,
        multi_label: bool | None = None,
        name: str | None = None,
    ) -> None:
        self.normalize = one_of("normalize", normalize, (None, "true", "pred", "all"))
        super().__init__(threshold, from_logits=from_logits, multi_label=multi_label, name=name)

    def result(self) -> Array:
        """Return the matrix: integers for samples that all count 1."""
        if not self._shape:
            return np.zeros((0, 0), np.int64)
        counts = self.counts()
        if self.normalize is None:
            whole = (counts == np.floor(counts)).all()
            return counts.astype(np.int64) if whole else counts
        axes = {"true": (-1,), "pred": (-2,), "all": (-2, -1)}[self.normalize]
        total = counts.sum(axis=axes, keepdims=True)
        shares: Array = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
        return shares


#: How one number is made of one for each class.
AVERAGES = ("auto", "binary", "macro", "micro", "weighted", None)


class _Rate(_Counting):
    """Precision, recall, and what is made of them.

    ``tp``, ``fp`` and ``fn`` are the weights of samples that were rightly taken for a class,
    wrongly taken for it, and wrongly not.
    """

    settings: ClassVar[tuple[str, ...]] = ("average", *ClassMetric.settings, "zero_division")

    def __init__(
        self,
        average: str | None = "auto",
        *,
        threshold: float | None = None,
        from_logits: bool | None = None,
        multi_label: bool | None = None,
        zero_division: float | str = 0.0,
        name: str | None = None,
    ) -> None:
        self.average = one_of("average", average, AVERAGES)
        super().__init__(threshold, from_logits=from_logits, multi_label=multi_label, name=name)
        undefined = str(zero_division) == "nan"
        self.zero_division = (
            math.nan if undefined else between("zero_division", zero_division, 0.0, 1.0)
        )
        self.is_array = average is None

    def default_name(self) -> str:
        """Return the name, with the average where one was asked for."""
        name = super().default_name()
        return name if self.average == "auto" else f"{name}_{self.average or 'per_class'}"

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values; JSON lacks NaN."""
        undefined = math.isnan(self.zero_division)
        return {**super().config(), "zero_division": "nan" if undefined else self.zero_division}

    def rate(self, tp: Array, fp: Array, fn: Array) -> Array:
        """Return the rate of each class."""
        raise NotImplementedError

    def ratio(self, part: Array, whole: Array) -> Array:
        """Return ``part / whole``, or ``zero_division`` where there is nothing to divide by."""
        ratio = np.full(np.shape(whole), self.zero_division)
        np.divide(part, whole, out=ratio, where=whole > 0)
        return ratio

    def result(self) -> Any:
        """Return the rate, or one for each class."""
        if not self._shape:
            return np.full(0, np.nan) if self.average is None else float("nan")
        tp, fp, fn = self._parts()
        average = self._average(len(tp))
        if average == "binary":
            return float(self.rate(tp[1:], fp[1:], fn[1:])[0])
        if average == "micro":
            return float(self.rate(*(x.sum(keepdims=True) for x in (tp, fp, fn)))[0])
        rates = self.rate(tp, fp, fn)
        if average is None:
            return rates
        support = tp + fn
        # As in scikit-learn: a class that neither occurs nor is guessed does not count.
        weights = support if average == "weighted" else 1.0 * (support + fp > 0)
        if self.kind == "multi-label" and (average == "macro" or not support.any()):
            weights = np.ones(len(tp))
        counted = ~np.isnan(rates) & (weights > 0)
        if not counted.any():
            return float("nan")
        return float(np.average(rates[counted], weights=weights[counted]))

    def _average(self, classes: int) -> str | None:
        one_question = self.kind == "binary" or (self.kind == "multi-class" and classes == 2)
        if self.average == "auto":
            return "binary" if one_question else "macro"
        if self.average == "binary" and not one_question:
            raise ArgumentError(
                "average",
                f"'binary' for {classes} classes",
                "'macro', 'micro', 'weighted' or None",
            )
        average: str | None = self.average
        return average

    def _parts(self) -> tuple[Array, Array, Array]:
        """Return tp, fp and fn of each class (of no and yes, for one question) or unit."""
        counts = self.counts()
        if self.kind == "multi-label":
            return counts[:, 1, 1], counts[:, 0, 1], counts[:, 1, 0]
        tp = np.diagonal(counts)
        return tp, counts.sum(axis=0) - tp, counts.sum(axis=1) - tp


class Precision(_Rate):
    """Share of right ones among those taken for a class: ``P = tp / (tp + fp)``.

    Args:
        average: ``"binary"``: of class 1; ``"macro"``: mean over the classes that occur or are
            guessed; ``"micro"``: of all decisions together; ``"weighted"``: mean weighted by how
            often a class occurs; ``None``: one for each class. ``"auto"``: binary for two
            classes or one output, else macro.
        threshold: probability above which an answer is yes (default: one half).
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own (default: what the loss says).
        zero_division: what 0 / 0 is: a number from 0 to 1, or NaN, which averages leave out.
        name: name in logs (default: with the average).

    Raises:
        ArgumentError: an argument out of its range; targets that are no classes.

    >>> metric = Precision()
    >>> metric.update(np.array([0, 1, 1]), np.array([0.9, 0.8, 0.3]))
    >>> metric.result()
    0.5
    """

    name = "precision"

    def rate(self, tp: Array, fp: Array, fn: Array) -> Array:
        """Return the precision of each class."""
        return self.ratio(tp, tp + fp)


class Recall(_Rate):
    """Share of a class that was found: ``R = tp / (tp + fn)``.

    Args:
        average: as for ``Precision``.
        threshold: probability above which an answer is yes (default: one half).
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own (default: what the loss says).
        zero_division: what 0 / 0 is: a number from 0 to 1, or NaN, which averages leave out.
        name: name in logs (default: with the average).

    Raises:
        ArgumentError: an argument out of its range; targets that are no classes.

    >>> metric = Recall()
    >>> metric.update(np.array([0, 1, 1]), np.array([0.9, 0.8, 0.3]))
    >>> metric.result()
    0.5
    """

    name = "recall"

    def rate(self, tp: Array, fp: Array, fn: Array) -> Array:
        """Return the recall of each class."""
        return self.ratio(tp, tp + fn)


class FBeta(_Rate):
    """Weighted harmonic mean of precision and recall: ``F = (1 + β²) P R / (β² P + R)``.

    Computed as ``(1 + β²) tp / ((1 + β²) tp + β² fn + fp)``.

    Args:
        beta: β, how many times as important recall is.
        average: as for ``Precision``.
        threshold: probability above which an answer is yes (default: one half).
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own (default: what the loss says).
        zero_division: what 0 / 0 is: a number from 0 to 1, or NaN, which averages leave out.
        name: name in logs (default: with β and the average).

    Raises:
        ArgumentError: an argument out of its range; targets that are no classes.

    Source: van Rijsbergen, Information Retrieval (1979), chapter 7.

    >>> metric = FBeta(beta=2.0)
    >>> metric.update(np.array([0, 1, 1]), np.array([0.9, 0.8, 0.3]))
    >>> metric.result()
    0.5
    """

    name = "fbeta"
    settings: ClassVar[tuple[str, ...]] = ("beta", *_Rate.settings)

    def __init__(self, beta: float = 1.0, average: str | None = "auto", **options: Any) -> None:
        self.beta = between("beta", beta, 0.0, math.inf, (False, True))
        super().__init__(average, **options)

    def default_name(self) -> str:
        """Return the name with β, and with the average where one was asked for."""
        return super().default_name().replace("fbeta", f"f{self.beta:g}", 1)

    def rate(self, tp: Array, fp: Array, fn: Array) -> Array:
        """Return F of each class."""
        square = self.beta**2
        return self.ratio((1.0 + square) * tp, (1.0 + square) * tp + square * fn + fp)


class F1(FBeta):
    """Harmonic mean of precision and recall: ``F₁ = 2 P R / (P + R) = 2 tp / (2 tp + fn + fp)``.

    Args:
        average: as for ``Precision``.
        options: as for ``FBeta``.

    Raises:
        ArgumentError: an argument out of its range; targets that are no classes.

    >>> metric = F1()
    >>> metric.update(np.array([0, 1, 1]), np.array([0.9, 0.8, 0.3]))
    >>> metric.result()
    0.5
    """

    name = "f1"
    settings = _Rate.settings

    def __init__(self, average: str | None = "auto", **options: Any) -> None:
        super().__init__(1.0, average, **options)
