"""Losses between probability distributions: cross-entropies, focal losses, the KL divergence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.types import Array, ArrayType
from chainrule.losses.base import (
    Loss,
    UnitLoss,
    between,
    clipped,
    floor_of,
    log_normalized,
    log_of_complement,
    per_sample,
    refuse_outside,
    refuse_twice,
)
from chainrule.losses.output import LastLayer, Output, Reading
from chainrule.losses.targets import class_targets, distribution_targets, yes_or_no
from chainrule.ops.elementwise import expm1, log, maximum, power, sigmoid, softplus, where
from chainrule.ops.index import take_along_axis
from chainrule.ops.reduce import mean
from chainrule.ops.reduce import sum as sum_
from chainrule.ops.shape import expand_dims, squeeze
from chainrule.ops.softmax import log_softmax, softmax

#: Activations whose values are probabilities.
PROBABLE = ("softmax", "sigmoid", "hard_sigmoid")


class ClassLoss(Loss):
    """A loss for one class of several: the output's last axis is the classes'."""

    from_logits: bool
    epsilon: float = 0.0
    #: The loss to use where there is one output only.
    one_unit = "binary_cross_entropy"

    @property
    def expects(self) -> Output:
        """Logits, or probabilities."""
        return Output.LOGITS if self.from_logits else Output.PROBABILITIES

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return integer labels of shape (n,), or probabilities of shape (n, classes)."""
        return class_targets(y, prediction, self.name, self.one_unit)

    def check_last_layer(self, last: LastLayer, y: Array) -> None:
        """Refuse softmax or sigmoid before logits, and negative numbers as probabilities."""
        if self.from_logits:
            kept = "from_logits=False" if last.activation == "softmax" else ""
            refuse_twice(self, last, PROBABLE, "applies the softmax", kept)
        else:  # anything from 0 up is normalized, as Keras does
            refuse_outside(self, last, 0.0, math.inf, "softmax", "from_logits=True")

    def log_probabilities(self, prediction: Tensor) -> Tensor:
        """Return log p of every class, shape (n, ..., classes)."""
        if self.from_logits:
            return log_softmax(prediction)
        return log_normalized(prediction, self.epsilon)

    def probabilities(self, prediction: Tensor) -> Tensor:
        """Return the probabilities that an output stands for."""
        return softmax(prediction) if self.from_logits else prediction


class CrossEntropy(ClassLoss):
    """Cross-entropy over classes: ``L = -yᵀ log ŷ``, with ``ŷ = softmax(z)``.

    From logits, the default, the network ends in z, without an activation: the logarithm and the
    exponential are taken together, ``L = log Σⱼ exp(zⱼ) - z_y``, so nothing overflows and no digits
    are lost. From probabilities the network ends in softmax, as in Keras.

    Targets are integer labels from 0, or one-hot rows (or any rows of probabilities). Label
    smoothing trains for ``y ← (1 - ε) y + ε / classes``.

    Args:
        label_smoothing: ε, from 0 up to 1.
        from_logits: whether the output is logits; else probabilities, which are normalized.
        epsilon: clip probabilities to [epsilon, 1 - epsilon]; Keras uses 1e-7. By default only
            log 0 is avoided.

    Raises:
        ArgumentError: an argument out of its range.

    Source: the lecture, "Parameter learning"; label smoothing: Szegedy et al., arXiv 1512.00567,
    section 7.

    >>> loss = CrossEntropy()
    >>> loss(as_tensor([0]), as_tensor([[0.0, 0.0]])).tolist()
    [0.6931471824645996]
    >>> loss = CrossEntropy(from_logits=False)
    >>> loss(as_tensor([0]), as_tensor([[0.5, 0.5]])).tolist()
    [0.6931471824645996]
    """

    name = "cross_entropy"
    settings = ("label_smoothing", "from_logits", "epsilon")

    def __init__(
        self, label_smoothing: float = 0.0, *, from_logits: bool = True, epsilon: float = 0.0
    ) -> None:
        self.label_smoothing = between("label_smoothing", label_smoothing, 0.0, 1.0, (True, False))
        self.from_logits = bool(from_logits)
        self.epsilon = between("epsilon", epsilon, 0.0, 0.5, (True, False))

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        log_p = self.log_probabilities(prediction)
        loss = -expected(y, log_p)
        if self.label_smoothing:
            even = -mean(log_p, axis=-1)
            loss = (1.0 - self.label_smoothing) * loss + self.label_smoothing * even
        return per_sample(loss)


class BinaryCrossEntropy(UnitLoss):
    """Cross-entropy of yes-or-no answers: ``L = -(y log p + (1 - y) log(1 - p))``, ``p = σ(z)``.

    From logits, ``L = w y softplus(-z) + (1 - y) softplus(z)``: a sum of positive terms, which
    neither overflows nor cancels. One unit is one question; of several, which are independent
    (several labels a sample), the mean is taken.

    Targets are 0 or 1, false or true, or the probability of 1.

    Args:
        label_smoothing: ε, from 0 up to 1: ``y ← (1 - ε) y + ε / 2``.
        from_logits: whether the output is logits; else probabilities.
        pos_weight: w, how much more a 1 counts than a 0: a number, or one for each unit.
        epsilon: clip probabilities to [epsilon, 1 - epsilon]; Keras uses 1e-7. By default only
            log 0 is avoided.

    Raises:
        ArgumentError: an argument out of its range.

    Source: Bishop, Pattern Recognition and Machine Learning, equation 4.90.

    >>> loss = BinaryCrossEntropy()
    >>> loss(as_tensor([[1.0], [0.0]]), as_tensor([[0.0], [-200.0]])).tolist()
    [0.6931471824645996, 0.0]
    """

    name = "binary_cross_entropy"
    settings: ClassVar[tuple[str, ...]] = (
        "label_smoothing",
        "from_logits",
        "pos_weight",
        "epsilon",
    )

    def __init__(
        self,
        label_smoothing: float = 0.0,
        *,
        from_logits: bool = True,
        pos_weight: float | Sequence[float] = 1.0,
        epsilon: float = 0.0,
    ) -> None:
        self.label_smoothing = between("label_smoothing", label_smoothing, 0.0, 1.0, (True, False))
        self.from_logits = bool(from_logits)
        self.pos_weight = _numbers("pos_weight", pos_weight)
        self.epsilon = between("epsilon", epsilon, 0.0, 0.5, (True, False))

    @property
    def expects(self) -> Output:
        """Logits, or probabilities."""
        return Output.LOGITS if self.from_logits else Output.PROBABILITIES

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return labels 0 to 1 in the shape of the predictions."""
        if isinstance(self.pos_weight, list):
            _one_each("pos_weight", self.pos_weight, prediction)
        return yes_or_no(y, prediction)

    def check_last_layer(self, last: LastLayer, y: Array) -> None:
        """Refuse sigmoid or softmax before logits, and what leaves 0 to 1 as a probability."""
        if self.from_logits:
            refuse_twice(self, last, PROBABLE, "applies the sigmoid", "from_logits=False")
        else:
            refuse_outside(self, last, 0.0, 1.0, "sigmoid", "from_logits=True")

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each unit."""
        no, yes = self._logs(prediction)
        y = smoothed(y, self.label_smoothing)
        weighted = y if self.pos_weight == 1.0 else _like(self.pos_weight, y) * y
        return -(weighted * yes + (1.0 - y) * no)

    def _logs(self, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """Return log(1 - p) and log p."""
        if self.from_logits:
            return -softplus(prediction), -softplus(-prediction)
        p = clipped(prediction, self.epsilon)
        return log_of_complement(p), log(p)

    def reading(self, y: Array) -> Reading:
        """Return how metrics are to read the output."""
        return Reading(self.expects, per_unit=True)

    def probabilities(self, prediction: Tensor) -> Tensor:
        """Return the probabilities that an output stands for."""
        return sigmoid(prediction) if self.from_logits else prediction


class BinaryFocal(BinaryCrossEntropy):
    """Focal loss of yes-or-no answers: ``L = -α_t (1 - p_t)^γ log p_t``.

    ``p_t`` is the probability of the right answer, ``p`` for y = 1 and ``1 - p`` for y = 0: samples
    that are right already count little. ``α_t`` is α for y = 1 and ``1 - α`` for y = 0. γ = 0 is
    the cross-entropy. Between 0 and 1, y mixes the two answers, as in Keras.

    Args:
        gamma: γ, from 0.
        alpha: α, from 0 to 1; ``None`` (Keras's default) leaves α_t out. The paper takes 0.25.
        label_smoothing: ε, from 0 up to 1: ``y ← (1 - ε) y + ε / 2``.
        from_logits: whether the output is logits; else probabilities.
        epsilon: clip probabilities to [epsilon, 1 - epsilon]; Keras uses 1e-7.

    Raises:
        ArgumentError: an argument out of its range.

    Source: Lin et al., arXiv 1708.02002, equation 5.

    >>> loss = BinaryFocal(gamma=2.0)
    >>> loss(as_tensor([[1.0]]), as_tensor([[0.0]])).tolist()
    [0.1732867956161499]
    """

    name = "binary_focal"
    settings = ("gamma", "alpha", "label_smoothing", "from_logits", "epsilon")

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | None = None,
        *,
        label_smoothing: float = 0.0,
        from_logits: bool = True,
        epsilon: float = 0.0,
    ) -> None:
        super().__init__(label_smoothing, from_logits=from_logits, epsilon=epsilon)
        self.gamma = between("gamma", gamma, 0.0, math.inf)
        self.alpha = None if alpha is None else between("alpha", alpha, 0.0, 1.0)

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each unit."""
        no, yes = self._logs(prediction)
        y = smoothed(y, self.label_smoothing)
        # 1 - p_t from both sides, so that it keeps its digits where p_t is near 1.
        if self.from_logits:
            missing = y * sigmoid(-prediction) + (1.0 - y) * sigmoid(prediction)
        else:
            p = clipped(prediction, self.epsilon)
            missing = y * (1.0 - p) + (1.0 - y) * p
        loss = -(y * yes + (1.0 - y) * no) * focus(missing, self.gamma)
        if self.alpha is None:
            return loss
        return (y * self.alpha + (1.0 - y) * (1.0 - self.alpha)) * loss


class CategoricalFocal(ClassLoss):
    """Focal loss over classes: ``L = -Σⱼ αⱼ yⱼ (1 - pⱼ)^γ log pⱼ``, ``p = softmax(z)``.

    Args:
        gamma: γ, from 0; γ = 0 with α = 1 is the cross-entropy.
        alpha: α, a number or one for each class.
        label_smoothing: ε, from 0 up to 1: ``y ← (1 - ε) y + ε / classes``.
        from_logits: whether the output is logits; else probabilities, which are normalized.
        epsilon: clip probabilities to [epsilon, 1 - epsilon]; Keras uses 1e-7.

    Raises:
        ArgumentError: an argument out of its range.

    Source: Lin et al., arXiv 1708.02002, equation 5; the defaults are Keras's.

    >>> loss = CategoricalFocal(gamma=2.0, alpha=1.0)
    >>> loss(as_tensor([0]), as_tensor([[0.0, 0.0]])).tolist()
    [0.1732867956161499]
    """

    name = "categorical_focal"
    settings = ("gamma", "alpha", "label_smoothing", "from_logits", "epsilon")
    one_unit = "binary_focal"

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | Sequence[float] = 0.25,
        *,
        label_smoothing: float = 0.0,
        from_logits: bool = True,
        epsilon: float = 0.0,
    ) -> None:
        self.gamma = between("gamma", gamma, 0.0, math.inf)
        self.alpha = _numbers("alpha", alpha)
        self.label_smoothing = between("label_smoothing", label_smoothing, 0.0, 1.0, (True, False))
        self.from_logits = bool(from_logits)
        self.epsilon = between("epsilon", epsilon, 0.0, 0.5, (True, False))

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return integer labels of shape (n,), or probabilities of shape (n, classes)."""
        if isinstance(self.alpha, list):
            _one_each("alpha", self.alpha, prediction)
        return super().check(y, prediction)

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        log_p = self.log_probabilities(prediction)
        terms = _like(self.alpha, log_p) * focus(-expm1(log_p), self.gamma) * log_p
        loss = -expected(y, terms)
        if self.label_smoothing:
            even = -mean(terms, axis=-1)
            loss = (1.0 - self.label_smoothing) * loss + self.label_smoothing * even
        return per_sample(loss)


class KLDivergence(ClassLoss):
    """Kullback-Leibler divergence: ``L = Σⱼ yⱼ (log yⱼ - log ŷⱼ)``, ``ŷ = softmax(z)``.

    It is the cross-entropy less the entropy of the targets: 0 where ŷ = y. Targets are rows of
    probabilities. ``0 log 0`` is 0.

    Args:
        from_logits: whether the output is logits; else probabilities, which are normalized.
        epsilon: clip both distributions to [epsilon, 1]; Keras uses 1e-7, and does not normalize.

    Raises:
        ArgumentError: an argument out of its range.

    Source: Kullback and Leibler, On Information and Sufficiency (1951).

    >>> loss = KLDivergence()
    >>> loss(as_tensor([[0.5, 0.5]]), as_tensor([[3.0, 3.0]])).tolist()
    [0.0]
    """

    name = "kl_divergence"
    settings = ("from_logits", "epsilon")

    def __init__(self, *, from_logits: bool = True, epsilon: float = 0.0) -> None:
        self.from_logits = bool(from_logits)
        self.epsilon = between("epsilon", epsilon, 0.0, 0.5, (True, False))

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return rows of probabilities in the shape of the predictions."""
        return distribution_targets(y, prediction, self.name)

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        if self.epsilon:
            y = maximum(y, self.epsilon)
            p = softmax(prediction) if self.from_logits else prediction
            log_p = log(maximum(p, self.epsilon))
        else:
            log_p = self.log_probabilities(prediction)
        return per_sample(sum_(y * (log(where(y > 0, y, 1.0)) - log_p), axis=-1))


# Parts of equations --------------------------------------------------------------------------


def expected(y: Tensor, terms: Tensor) -> Tensor:
    """Return ``Σⱼ yⱼ termsⱼ`` over the last axis, for labels as integers or as rows."""
    if y.ndim == terms.ndim:
        return sum_(y * terms, axis=-1)
    return squeeze(take_along_axis(terms, expand_dims(y, y.ndim), axis=-1), axis=-1)


def smoothed(y: Tensor, epsilon: float) -> Tensor:
    """Return yes-or-no targets moved toward one half: ``(1 - ε) y + ε / 2``."""
    return (1.0 - epsilon) * y + 0.5 * epsilon if epsilon else y


def focus(missing: Tensor, gamma: float) -> Tensor:
    """Return ``missing ** γ``, whose derivative is 0 at 0 for γ below 1, too."""
    return power(maximum(missing, floor_of(missing.dtype)), gamma)


def _numbers(argument: str, given: float | Sequence[float]) -> float | list[float]:
    """Return a number from 0, or a list of them."""
    if isinstance(given, Sequence | np.ndarray):
        return [between(argument, value, 0.0, math.inf) for value in given]
    return between(argument, given, 0.0, math.inf)


def _one_each(argument: str, numbers: list[float], prediction: ArrayType) -> None:
    units = prediction.shape[-1] if prediction.ndim > 1 else 1
    if len(numbers) != units:
        raise ArgumentError(argument, f"{len(numbers)} numbers", f"one for each of {units} outputs")


def _like(numbers: float | list[float], x: Tensor) -> Tensor:
    """Return one number, or one for each unit, in the dtype of ``x``."""
    return as_tensor(np.asarray(numbers, x.dtype))
