"""The area under the receiver operating characteristic, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.tensor import as_tensor, known
from chainrule.core.types import Array
from chainrule.losses.output import Output
from chainrule.metrics.base import one_of
from chainrule.metrics.classes import ClassMetric, Labels
from chainrule.ops.softmax import softmax


class RocAuc(ClassMetric):
    """Area under the ROC curve: the chance that a sample of a class scores above one that is not.

    ``AUC = Σ_{i: yᵢ = 1} Σ_{j: yⱼ = 0} wᵢ wⱼ (I(sᵢ > sⱼ) + ½ I(sᵢ = sⱼ)) / (Σ wᵢ Σ wⱼ)``

    It is exact: all scores are kept (in the network's dtype), and ties count one half. For more
    than one class, each against the rest by its probability. NaN where a class, or all the
    others, did not occur; averages leave such classes out.

    Args:
        average: for several classes ``"macro"``: mean of the classes' areas; ``"weighted"``: mean
            weighted by how often a class occurs; ``None``: one for each class.
        from_logits: whether the output is logits (default: what the loss says, or probabilities).
        multi_label: whether each unit answers a question of its own (default: what the loss says).
        name: name in logs (default: with the average, where it is not macro).

    Raises:
        ArgumentError: an unknown average; targets that are no classes.

    Source: Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve (1982); one
    against the rest: Provost and Domingos, Well-Trained PETs (2000).

    >>> metric = RocAuc()
    >>> metric.update(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> metric.result()
    0.75
    """

    name = "roc_auc"
    settings = ("average", "from_logits", "multi_label", "name")
    is_quick = False
    has_boundary = False

    def __init__(
        self,
        average: str | None = "macro",
        *,
        from_logits: bool | None = None,
        multi_label: bool | None = None,
        name: str | None = None,
    ) -> None:
        self.average = one_of("average", average, ("macro", "weighted", None))
        super().__init__(from_logits=from_logits, multi_label=multi_label, name=name)
        self.is_array = average is None
        self._batches: list[Labels] = []

    def default_name(self) -> str:
        """Return the name, with the average where it is not macro."""
        suffix = "" if self.average == "macro" else f"_{self.average or 'per_class'}"
        return f"{type(self).name}{suffix}"

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in one batch."""
        labels = self.labels(y, prediction, sample_weight)
        # Whoever gave the batch may use its memory again.
        scores = labels.scores.copy()
        self._batches.append(Labels(labels.kind, labels.right, scores, labels.weights))

    def result(self) -> Any:
        """Return the area, or one for each class."""
        if not self._batches:
            return np.full(0, np.nan) if self.average is None else float("nan")
        kind = self._batches[0].kind
        right = np.concatenate([batch.right for batch in self._batches])
        scores = np.concatenate([batch.scores for batch in self._batches])
        weights = np.concatenate(
            [
                np.ones(len(batch.right)) if batch.weights is None else batch.weights
                for batch in self._batches
            ]
        )
        if kind == "binary":
            area = roc_auc(right == 1, scores, weights)
            return np.array([area]) if self.average is None else area
        if kind == "multi-class":
            if self.output is Output.LOGITS:
                scores = known(softmax(as_tensor(scores.astype(np.float64))), "roc_auc")
            right = right[:, None] == np.arange(scores.shape[1])
        else:
            right = right == 1
        areas = np.array([roc_auc(r, s, weights) for r, s in zip(right.T, scores.T, strict=True)])
        if self.average is None:
            return areas
        support = weights @ right
        defined = ~np.isnan(areas)
        if not defined.any():
            return float("nan")
        by = support[defined] if self.average == "weighted" else None
        return float(np.average(areas[defined], weights=by))


def roc_auc(positive: Array, scores: Array, weights: Array) -> float:
    """Return the area under the ROC curve of one yes-or-no question.

    Args:
        positive: which samples are of the class, shape (n,).
        scores: larger for more likely, shape (n,).
        weights: weight of each sample, shape (n,).

    Returns:
        NaN where one side has no weight, or a score is NaN.
    """
    if np.isnan(scores).any():
        return float("nan")
    _, level = np.unique(scores, return_inverse=True)
    yes = np.bincount(level, weights * positive)
    no = np.bincount(level, weights * ~positive)
    pairs = yes.sum() * no.sum()
    if not pairs > 0:
        return float("nan")
    below = np.cumsum(no) - no
    return float((yes * (below + 0.5 * no)).sum() / pairs)
