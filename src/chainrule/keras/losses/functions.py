"""Keras's losses as functions: one number a sample, the mean over the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.keras.losses.base import KnownLoss
from chainrule.keras.losses.classes import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """Return the loss of each sample; see ``CategoricalCrossentropy``."""
    return CategoricalCrossentropy(from_logits=from_logits, label_smoothing=label_smoothing).call(
        y_true, y_pred
    )


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False) -> Tensor:
    """Return the loss of each sample; see ``SparseCategoricalCrossentropy``."""
    return SparseCategoricalCrossentropy(from_logits=from_logits).call(y_true, y_pred)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """Return the loss of each sample; see ``BinaryCrossentropy``."""
    return BinaryCrossentropy(from_logits=from_logits, label_smoothing=label_smoothing).call(
        y_true, y_pred
    )


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of each sample; see ``CategoricalFocalCrossentropy``."""
    return CategoricalFocalCrossentropy(
        alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing
    ).call(y_true, y_pred)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``KLDivergence``."""
    return KLDivergence().call(y_true, y_pred)


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``MeanSquaredError``."""
    return MeanSquaredError().call(y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``MeanAbsoluteError``."""
    return MeanAbsoluteError().call(y_true, y_pred)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``MeanAbsolutePercentageError``."""
    return MeanAbsolutePercentageError().call(y_true, y_pred)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``MeanSquaredLogarithmicError``."""
    return MeanSquaredLogarithmicError().call(y_true, y_pred)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Return the loss of each sample; see ``Huber``."""
    return Huber(delta=delta).call(y_true, y_pred)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``LogCosh``."""
    return LogCosh().call(y_true, y_pred)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``Poisson``."""
    return Poisson().call(y_true, y_pred)


def cosine_similarity(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``CosineSimilarity``."""
    return CosineSimilarity().call(y_true, y_pred)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``Hinge``."""
    return Hinge().call(y_true, y_pred)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``SquaredHinge``."""
    return SquaredHinge().call(y_true, y_pred)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Return the loss of each sample; see ``CategoricalHinge``."""
    return CategoricalHinge().call(y_true, y_pred)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of each sample; see ``BinaryFocalCrossentropy``."""
    loss = BinaryFocalCrossentropy(
        apply_class_balancing, alpha, gamma, from_logits, label_smoothing
    )
    return loss.call(y_true, y_pred)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
bce, logcosh, cosine_proximity = binary_crossentropy, log_cosh, cosine_similarity

#: Keras's class for each of its functions.
CLASSES: dict[Callable[..., Tensor], type[KnownLoss]] = {
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    binary_crossentropy: BinaryCrossentropy,
    categorical_focal_crossentropy: CategoricalFocalCrossentropy,
    kl_divergence: KLDivergence,
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    huber: Huber,
    log_cosh: LogCosh,
    poisson: Poisson,
    cosine_similarity: CosineSimilarity,
    hinge: Hinge,
    squared_hinge: SquaredHinge,
    categorical_hinge: CategoricalHinge,
    binary_focal_crossentropy: BinaryFocalCrossentropy,
}
