"""Keras's metrics of answers: accuracies, precision, recall, F1, AUC, counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.keras.metrics import functions
from chainrule.keras.metrics.base import Averaged, Metric, weights_of
from chainrule.metrics.base import one_of
from chainrule.metrics.ranking import roc_auc
from chainrule.ops.elementwise import sigmoid


class BinaryAccuracy(Averaged):
    """Share of yes-or-no answers that are right.

    >>> BinaryAccuracy()([[1.0], [0.0]], [[0.7], [0.6]])
    0.5
    """

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        self.threshold = threshold
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        self.take(functions.binary_accuracy(y_true, y_pred, self.threshold), sample_weight)


class CategoricalAccuracy(Averaged):
    """Share of samples whose largest output is that of their class; targets are one-hot rows.

    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.2, 0.8], [0.1, 0.9]])
    0.5
    """

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        hits = functions.sparse_categorical_accuracy(y_true, y_pred)
        self.take(hits, sample_weight)


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """The same with integer labels.

    >>> SparseCategoricalAccuracy()([1, 0], [[0.2, 0.8], [0.1, 0.9]])
    0.5
    """

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)


class TopKCategoricalAccuracy(Averaged):
    """Share of samples whose class is among the k largest outputs.

    >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1]], [[0.1, 0.5, 0.4]])
    1.0
    """

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        self.k = k
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        y, p = np.asarray(y_true), np.asarray(y_pred)
        hits = functions.sparse_top_k_categorical_accuracy(functions.labels_of(y, p), p, self.k)
        self.take(hits, sample_weight)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """The same with integer labels.

    >>> SparseTopKCategoricalAccuracy(k=2)([2], [[0.1, 0.5, 0.4]])
    1.0
    """

    def __init__(
        self, k: int = 5, name: str | None = "sparse_top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(k, name, dtype)


class Resolved(Averaged):
    """``"accuracy"``: binary, categorical or sparse, by the shapes of targets and output.

    One output is a yes-or-no answer; else rows of targets are classes, one-hot (of several
    yes-or-no outputs too, as in Keras: use ``"binary_accuracy"`` there), and else labels.

    >>> Resolved("accuracy")([1, 0], [[0.2, 0.8], [0.1, 0.9]])
    0.5
    """

    core_name = "accuracy"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        y, p = np.asarray(y_true), np.asarray(y_pred)
        one = p.ndim < 2 or p.shape[-1] == 1
        find = functions.binary_accuracy if one else functions.sparse_categorical_accuracy
        self.take(find(y, p), sample_weight)


class Accuracy(Averaged):
    """Share of predictions that equal their targets.

    >>> Accuracy()([1, 2], [1, 3])
    0.5
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = np.asarray(y_pred)
        equal = np.asarray(y_true).reshape(p.shape) == p
        self.take(equal.astype(np.float64), sample_weight)


class _Counts(Metric):
    """Counts of true and false answers, of all outputs together."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        given = 0.5 if thresholds is None else thresholds
        self.is_array = isinstance(given, Sequence | np.ndarray)
        self.thresholds = np.atleast_1d(np.asarray(given, np.float64))
        if ((self.thresholds < 0) | (self.thresholds > 1)).any():
            raise ArgumentError("thresholds", repr(thresholds), "numbers from 0 to 1")
        super().__init__(name, dtype)

    def reset_state(self) -> None:
        """Forget all answers."""
        self.tp = self.fp = self.fn = self.tn = np.zeros(len(self.thresholds))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = np.asarray(y_pred, np.float64)
        right = one_hot_like(np.asarray(y_true), p) > 0.5
        w = weights_of(sample_weight, p)
        axes = tuple(range(1, p.ndim + 1))
        yes = p > self.thresholds.reshape(-1, *[1] * p.ndim)
        self.tp = self.tp + (w * (yes & right)).sum(axis=axes)
        self.fp = self.fp + (w * (yes & ~right)).sum(axis=axes)
        self.fn = self.fn + (w * (~yes & right)).sum(axis=axes)
        self.tn = self.tn + (w * (~yes & ~right)).sum(axis=axes)

    def _returned(self, values: Array) -> Any:
        return values if self.is_array else float(values[0])


def one_hot_like(y: Array, p: Array) -> Array:
    """Return targets in the shape of predictions; labels of classes become one-hot rows."""
    if y.size == p.size:
        return y.reshape(p.shape)
    return np.eye(p.shape[-1])[functions.labels_of(y, p)]


class Precision(_Counts):
    """Share of right ones among the answers yes: ``tp / (tp + fp)``.

    >>> Precision()([0, 1, 1], [0.9, 0.9, 0.1])
    0.5
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: Any = None,
        class_id: Any = None,
        name: str | None = "precision",
        dtype: Any = None,
    ) -> None:
        _refuse_limits(top_k=top_k, class_id=class_id)
        super().__init__(thresholds, name, dtype)

    def result(self) -> Any:
        """Return the precision; 0 where nothing was answered yes."""
        return self._returned(_share(self.tp, self.tp + self.fp))


class Recall(_Counts):
    """Share of those that are that were answered yes: ``tp / (tp + fn)``.

    >>> Recall()([0, 1, 1], [0.9, 0.9, 0.1])
    0.5
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: Any = None,
        class_id: Any = None,
        name: str | None = "recall",
        dtype: Any = None,
    ) -> None:
        _refuse_limits(top_k=top_k, class_id=class_id)
        super().__init__(thresholds, name, dtype)

    def result(self) -> Any:
        """Return the recall; 0 where there were none."""
        return self._returned(_share(self.tp, self.tp + self.fn))


class TruePositives(_Counts):
    """Weight of answers yes that are right.

    >>> TruePositives()([0, 1], [0.9, 0.9])
    1.0
    """

    def result(self) -> Any:
        """Return the count."""
        return self._returned(self.tp)


class FalsePositives(_Counts):
    """Weight of answers yes that are wrong.

    >>> FalsePositives()([0, 1], [0.9, 0.9])
    1.0
    """

    def result(self) -> Any:
        """Return the count."""
        return self._returned(self.fp)


class TrueNegatives(_Counts):
    """Weight of answers no that are right.

    >>> TrueNegatives()([0, 1], [0.9, 0.9])
    0.0
    """

    def result(self) -> Any:
        """Return the count."""
        return self._returned(self.tn)


class FalseNegatives(_Counts):
    """Weight of answers no that are wrong.

    >>> FalseNegatives()([0, 1], [0.9, 0.9])
    0.0
    """

    def result(self) -> Any:
        """Return the count."""
        return self._returned(self.fn)


class FBetaScore(Metric):
    """F-score of each class: ``(1 + β²) P R / (β² P + R)``.

    Args:
        average: ``None``: one for each class; ``"micro"``, ``"macro"`` or ``"weighted"``.
        beta: β.
        threshold: answers above it are yes; ``None``: only the largest output is.

    >>> FBetaScore("macro")([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])
    0.3333333333333333
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        if average not in (None, "micro", "macro", "weighted"):
            raise ArgumentError("average", repr(average), "None, 'micro', 'macro' or 'weighted'")
        self.average, self.beta, self.threshold = average, float(beta), threshold
        self.is_array = average is None
        super().__init__(name, dtype)

    def reset_state(self) -> None:
        """Forget all answers."""
        self.tp: Any = 0.0
        self.fp: Any = 0.0
        self.fn: Any = 0.0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = np.asarray(y_pred, np.float64)
        right = one_hot_like(np.asarray(y_true), p) > 0.5
        largest = p == p.max(axis=-1, keepdims=True)
        yes = largest if self.threshold is None else p > self.threshold
        w = weights_of(sample_weight, p)
        self.tp = self.tp + (w * (yes & right)).sum(axis=0)
        self.fp = self.fp + (w * (yes & ~right)).sum(axis=0)
        self.fn = self.fn + (w * (~yes & right)).sum(axis=0)

    def result(self) -> Any:
        """Return the score."""
        tp, fp, fn = np.atleast_1d(self.tp), np.atleast_1d(self.fp), np.atleast_1d(self.fn)
        occurs = tp + fn
        if self.average == "micro":
            tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
        b = self.beta**2
        scores = _share((1.0 + b) * tp, (1.0 + b) * tp + b * fn + fp)
        if self.average is None:
            return scores
        if self.average == "weighted":
            return float(_share((scores * occurs).sum(), occurs.sum()))
        return float(np.mean(scores))


class F1Score(FBetaScore):
    """Harmonic mean of precision and recall of each class.

    >>> F1Score("micro")([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])
    0.5
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)


class AUC(Metric):
    """Area under a curve of all outputs together, from thresholds as in Keras, or exact.

    Args:
        num_thresholds: how many thresholds from 0 to 1, as in Keras; ``None``, the default, takes
            all of them: the area is exact then (Keras takes 200).
        curve: ``"ROC"``, or ``"PR"``, precision over recall.
        summation_method: ``"interpolation"``, or ``"minoring"`` and ``"majoring"``: from below and
            from above. Only with thresholds.
        name: name in logs.
        thresholds: the thresholds between 0 and 1, in place of their number.
        multi_label: only ``False``: all outputs count together.
        num_labels: only ``None``.
        label_weights: only ``None``.
        from_logits: whether the outputs are logits.

    >>> AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
    0.75
    """

    is_quick = False

    def __init__(
        self,
        num_thresholds: int | None = None,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = "auc",
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        one_of("curve", curve, ("ROC", "PR"))
        one_of("summation_method", summation_method, ("interpolation", "minoring", "majoring"))
        for argument, value in (("multi_label", multi_label), ("num_labels", num_labels)):
            if value:
                raise ArgumentError(argument, repr(value), "its default: Chainrule lacks this")
        if label_weights is not None:
            raise ArgumentError("label_weights", "weights", "None: Chainrule lacks this")
        if num_thresholds is not None and num_thresholds < 2:
            raise ArgumentError("num_thresholds", repr(num_thresholds), "a whole number from 2")
        self.curve, self.summation_method, self.from_logits = curve, summation_method, from_logits
        inner = None if thresholds is None else sorted(float(t) for t in thresholds)
        if inner is None and num_thresholds is None and (curve, summation_method) != _EXACT:
            num_thresholds = 200
        if inner is None and num_thresholds is not None:
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        self.num_thresholds = None if inner is None else len(inner) + 2
        self._curve = None if inner is None else np.array([-1e-7, *inner, 1.0 + 1e-7])

    def reset_state(self) -> None:
        """Forget all answers."""
        self._parts: list[tuple[Array, Array, Array]] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = np.asarray(y_pred, np.float64)
        if self.from_logits:
            p = np.asarray(sigmoid(p))
        right = one_hot_like(np.asarray(y_true), p) > 0.5
        self._parts.append(
            (right.ravel(), p.ravel(), np.array(weights_of(sample_weight, p).ravel()))
        )

    def result(self) -> float:
        """Return the area; 0 where one of the answers did not occur, as in Keras."""
        if not self._parts:
            return 0.0
        right, scores, weights = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        if self._curve is None:
            if right.all() or not right.any():
                return 0.0
            return float(roc_auc(right, scores, weights))
        order = np.argsort(scores)
        below = np.searchsorted(scores[order], self._curve, side="right")  # p > threshold is yes
        sums = [
            np.concatenate([[0.0], np.cumsum((weights * kind)[order])]) for kind in (right, ~right)
        ]
        tp, fp = (total[-1] - total[below] for total in sums)
        return self._area(tp, fp, *(total[-1] for total in sums))

    def _area(self, tp: Array, fp: Array, positive: float, negative: float) -> float:
        """Return the area from the counts at each threshold, which fall along it."""
        recall = _share(tp, np.full_like(tp, positive))
        if self.curve == "ROC":
            x, y = _share(fp, np.full_like(fp, negative)), recall
        elif self.summation_method == "interpolation":
            return self._area_of_precision(tp, tp + fp, positive)
        else:
            x, y = recall, _share(tp, tp + fp)
        ends = y[:-1], y[1:]
        heights = {
            "interpolation": (ends[0] + ends[1]) / 2.0,
            "minoring": np.minimum(*ends),
            "majoring": np.maximum(*ends),
        }[self.summation_method]
        return float(((x[:-1] - x[1:]) * heights).sum())

    def _area_of_precision(self, tp: Array, yes: Array, positive: float) -> float:
        """Return the area under precision, between thresholds as Davis and Goadrich have it.

        TP and TP + FP are taken to be linear there; precision then is not.
        """
        slope = _share(tp[:-1] - tp[1:], yes[:-1] - yes[1:])
        intercept = tp[1:] - slope * yes[1:]
        both = (yes[:-1] > 0) & (yes[1:] > 0)
        ratio = np.divide(yes[:-1], yes[1:], out=np.ones_like(slope), where=both)
        parts = slope * (tp[:-1] - tp[1:] + intercept * np.log(ratio))
        return float(parts.sum() / positive) if positive else 0.0


#: What can be computed from all scores, without thresholds.
_EXACT = ("ROC", "interpolation")


def _refuse_limits(**limits: Any) -> None:
    for argument, value in limits.items():
        if value is not None:
            raise ArgumentError(argument, repr(value), "None: Chainrule lacks this")


def _share(part: Any, whole: Any) -> Any:
    return np.divide(part, whole, out=np.zeros_like(np.asarray(part, np.float64)), where=whole > 0)
