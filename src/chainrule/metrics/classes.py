"""Metrics of classes: how outputs and targets become labels; accuracy and top-k."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import as_tensor
from chainrule.core.types import Array, ArrayType
from chainrule.losses.output import Output, Reading
from chainrule.metrics.base import ExactSum, Metric, arrays, spread
from chainrule.ops.functional import check_labels


@dataclass(frozen=True)
class Labels:
    """What was right and what was guessed, one row a decision.

    Attributes:
        kind: ``"binary"`` (one yes-or-no question), ``"multi-class"``, or ``"multi-label"`` (one
            question a unit).
        right: integer labels, shape (n,), or (n, units) for several questions.
        scores: output, shape (n,), (n, classes) or (n, units).
        weights: weight of each row, shape (n,).
    """

    kind: str
    right: Array
    scores: Array
    weights: Array | None


class ClassMetric(Metric):
    """A metric of classes, of a yes-or-no answer, or of several.

    Args:
        threshold: probability above which an answer is yes (default: one half). Of outputs that
            are no probabilities, the output itself.
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own, rather than being one class of
            several (default: what the loss says, or no).
        name: name in logs.

    Raises:
        ArgumentError: an argument out of its range.
    """

    settings: ClassVar[tuple[str, ...]] = ("threshold", "from_logits", "multi_label", "name")
    #: Whether it matters above which output an answer is yes.
    has_boundary: ClassVar[bool] = True

    def __init__(
        self,
        threshold: float | None = None,
        *,
        from_logits: bool | None = None,
        multi_label: bool | None = None,
        name: str | None = None,
    ) -> None:
        self.threshold = None if threshold is None else _number("threshold", threshold)
        if from_logits and self.threshold is not None and not 0.0 < self.threshold < 1.0:
            raise ArgumentError("threshold", f"{self.threshold:g}", "a probability in (0, 1)")
        self.from_logits, self.multi_label = from_logits, multi_label
        self.name = name or self.default_name()
        self._reading = Reading()

    def default_name(self) -> str:
        """Return the name in logs where none was given."""
        return type(self).name

    def read(self, reading: Reading) -> None:
        """Be told by the model how to read the network's output."""
        self._reading = reading

    @property
    def output(self) -> Output | None:
        """What the outputs stand for: as was given, or as the loss says."""
        if self.from_logits is None:
            return self._reading.output
        return Output.LOGITS if self.from_logits else Output.PROBABILITIES

    def check(self, y: Array, prediction: ArrayType) -> None:
        """Refuse targets that are no classes, and shapes that do not go together."""
        nothing = np.zeros((), prediction.dtype)  # only the shape is looked at
        labels = self.labels(y, np.broadcast_to(nothing, (len(y), *prediction.shape[1:])), None)
        is_known = self.output is not None or self.threshold is not None
        if self.has_boundary and labels.kind != "multi-class" and not is_known:
            raise self._unread(
                "an output that may be probabilities, logits or scores",
                "from_logits=False for probabilities, or ",
            )

    def labels(self, y: Array, prediction: Array, sample_weight: Array | None) -> Labels:
        """Bring a batch into one row a decision.

        Raises:
            ArgumentError: targets that are no classes.
            ShapeError: shapes that do not go together.
        """
        y, prediction = arrays(y, prediction)
        if prediction.ndim == 1:
            prediction = prediction[:, None]
        units = prediction.shape[-1]
        weights = None
        if sample_weight is not None:
            weights = spread(sample_weight, prediction.shape[:-1]).ravel()
        if units == 1:
            if y.size != prediction.size or len(y) != len(prediction):
                raise self._misfit(y, f"one label an output, shape {prediction.shape[:-1]}")
            right = self._yes_or_no(y, one=True).reshape(-1)
            return Labels("binary", right, prediction.reshape(-1), weights)
        scores = prediction.reshape(-1, units)
        per_unit = self._reading.per_unit if self.multi_label is None else self.multi_label
        places = prediction.shape[:-1]
        if y.shape == prediction.shape:
            rows = y.reshape(-1, units)
            if per_unit:
                right = self._yes_or_no(rows, one=False)
                return Labels("multi-label", right, scores, weights)
            return Labels("multi-class", rows.argmax(axis=-1), scores, weights)
        if per_unit or y.shape not in (places, (*places, 1)):
            labels = "" if per_unit else f"labels of shape {places}, or one-hot "
            raise self._misfit(y, f"{labels}rows of shape {prediction.shape}")
        return Labels("multi-class", self._classes(y, units), scores, weights)

    def guesses(self, labels: Labels) -> Array:
        """Return the label that each row of scores stands for, in the shape of ``labels.right``."""
        if labels.kind == "multi-class":
            guessed: Array = labels.scores.argmax(axis=-1)
            return guessed
        return (labels.scores > self._boundary(labels.scores)).astype(np.int64)

    def _boundary(self, scores: Array) -> float:
        """Return the score above which an answer is yes."""
        output = self.output
        if output is Output.LOGITS:
            p = 0.5 if self.threshold is None else self.threshold
            return math.log(p / (1.0 - p)) if 0.0 < p < 1.0 else math.copysign(math.inf, p - 0.5)
        if self.threshold is not None:
            return self.threshold
        if output is Output.SCORES:
            return 0.0
        if output is None and scores.size and not (scores.min() >= 0 and scores.max() <= 1):
            raise self._unread(f"numbers from {scores.min():.4g} to {scores.max():.4g}")
        return 0.5

    def _unread(self, came: str, also: str = "") -> ArgumentError:
        return ArgumentError(
            f"prediction for the metric {self.name!r}",
            came,
            "probabilities, from 0 to 1",
            f"Say what they are: cr.metrics.{type(self).__name__}(from_logits=True), or {also}"
            "threshold=0.0 for scores.",
        )

    def _classes(self, y: Array, classes: int) -> Array:
        """Return integer labels from 0 to ``classes - 1``, shape (n,)."""
        right: Array = y.reshape(-1).astype(np.int64)
        argument = f"y for the metric {self.name!r}"
        if y.dtype.kind == "f" and (right != y.reshape(-1)).any():
            raise ArgumentError(argument, "numbers with fractions", "integer labels from 0")
        check_labels(as_tensor(right), classes, argument)
        return right

    def _yes_or_no(self, y: Array, one: bool) -> Array:
        if not (((y >= 0) & (y <= 1)) | (y == -1)).all():
            came = "a network with one output" if one else "units that each answer yes or no"
            raise ArgumentError(
                "metrics",
                f"{self.name!r} for {came}, and targets from {y.min():g} to {y.max():g}",
                "targets 0 and 1, or -1 and 1",
                "For a target that is a quantity use 'r2', 'mae' or 'mse'; for classes give the "
                "last layer one unit a class.",
            )
        return (y > 0.5).astype(np.int64)

    def _misfit(self, y: Array, expected: str) -> ShapeError:
        return ShapeError(f"y for the metric {self.name!r}", f"shape {y.shape}", expected)


class _Share(ClassMetric):
    """Share of decisions that are right: ``Σ w hit / Σ w``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hits, self._all = ExactSum(), ExactSum()

    def hits(self, labels: Labels) -> Array:
        """Return which decisions are right, in the shape of ``labels.right``."""
        raise NotImplementedError

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in one batch."""
        labels = self.labels(y, prediction, sample_weight)
        hits = self.hits(labels)
        if labels.weights is None:
            self._hits.add(np.array([float(np.count_nonzero(hits))]))
            self._all.add(np.array([float(hits.size)]))
        else:
            weights = spread(labels.weights, hits.shape)
            self._hits.add(weights[hits])
            self._all.add(weights)

    def result(self) -> float:
        """Return the share."""
        total = self._all.value()
        return self._hits.value() / total if total else float("nan")


class Accuracy(_Share):
    """Share of right answers: ``mean I(guess = y)``.

    The guess is the class with the largest output, ``argmax z``; for one output, whether it lies
    above the threshold: of logits the one of probability one half, 0. Of several yes-or-no outputs
    each answer counts.

    Args:
        threshold: probability above which an answer is yes (default: one half). Of outputs that
            are no probabilities, the output itself.
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own, rather than being one class of
            several (default: what the loss says, or no).
        name: name in logs.

    Raises:
        ArgumentError: an argument out of its range; targets that are no classes.

    >>> metric = Accuracy()
    >>> metric.update(np.array([0, 1]), np.array([[2.0, 1.0], [2.0, 1.0]]))
    >>> metric.result()
    0.5
    """

    name = "accuracy"

    def hits(self, labels: Labels) -> Array:
        """Return which guesses are right."""
        hits: Array = self.guesses(labels) == labels.right
        return hits


class ErrorRate(Accuracy):
    """Share of wrong answers: ``mean I(guess ≠ y)``, the lecture's error rate.

    The arguments are those of ``Accuracy``.

    >>> metric = ErrorRate()
    >>> metric.update(np.array([0, 1, 1, 1]), np.array([[2.0, 1.0]] * 4))
    >>> metric.result()
    0.75
    """

    name = "error_rate"

    def result(self) -> float:
        """Return the share."""
        return 1.0 - super().result()


class TopK(_Share):
    """Share of samples whose class is among the k with the largest outputs.

    Of outputs that tie, the first counts as the largest, as in ``argmax``: k = 1 is the accuracy.

    Args:
        k: how many guesses a sample has.
        name: name in logs (default: ``top_k`` with the number).

    Raises:
        ArgumentError: ``k`` is no whole number from 1, or not less than the number of classes.

    >>> metric = TopK(k=2)
    >>> metric.update(np.array([0, 1]), np.array([[2.0, 3.0, 1.0], [2.0, 1.0, 3.0]]))
    >>> metric.result()
    0.5
    """

    name = "top_k"
    settings = ("k", "name")

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
            raise ArgumentError("k", repr(k), "a whole number from 1")
        self.k = int(k)
        super().__init__(name=name)

    def default_name(self) -> str:
        """Return the name with the number."""
        return f"top_{self.k}"

    def labels(self, y: Array, prediction: Array, sample_weight: Array | None) -> Labels:
        """Bring a batch into one row a decision; only classes have ranks."""
        labels = super().labels(y, prediction, sample_weight)
        if labels.kind != "multi-class":
            raise ArgumentError(
                "metrics", f"{self.name!r} for yes-or-no answers", "one output a class"
            )
        classes = labels.scores.shape[1]
        if self.k >= classes:
            raise ArgumentError(
                "metrics",
                f"{self.name!r} for {classes} classes",
                f"k less than {classes}: else it is always 1",
                f"Use cr.metrics.TopK(k={max(1, classes - 1)}), or a smaller k.",
            )
        return labels

    def hits(self, labels: Labels) -> Array:
        """Return whose class is among the k largest."""
        of_right = np.take_along_axis(labels.scores, labels.right[:, None], axis=1)
        before = np.arange(labels.scores.shape[1]) < labels.right[:, None]
        ahead = (labels.scores > of_right) | ((labels.scores == of_right) & before)
        # NaN is larger than nothing; a diverged network hits nothing.
        hits: Array = (ahead.sum(axis=1) < self.k) & ~np.isnan(of_right[:, 0])
        return hits


def _number(argument: str, value: Any) -> float:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ArgumentError(argument, repr(value), "a finite number")
    return float(value)
