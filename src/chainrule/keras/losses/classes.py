"""Keras's losses as classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import losses as core
from chainrule.core.types import Array, ArrayType
from chainrule.keras.losses.base import KnownLoss
from chainrule.losses.targets import like_output


class CategoricalCrossentropy(KnownLoss):
    """Cross-entropy with one-hot rows: ``L = -Σⱼ yⱼ log pⱼ``."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(
            core.CrossEntropy, "softmax", from_logits=from_logits, label_smoothing=label_smoothing
        )


class SparseCategoricalCrossentropy(KnownLoss):
    """Cross-entropy with integer labels: ``L = -log p_y``."""

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.CrossEntropy, "softmax", from_logits=from_logits)


class BinaryCrossentropy(KnownLoss):
    """Cross-entropy of yes-or-no answers: ``L = -(y log p + (1 - y) log(1 - p))``."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(
            core.BinaryCrossEntropy,
            "sigmoid",
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class CategoricalFocalCrossentropy(KnownLoss):
    """Focal loss over classes: ``L = -Σⱼ αⱼ yⱼ (1 - pⱼ)^γ log pⱼ``."""

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(
            core.CategoricalFocal,
            "softmax",
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class KLDivergence(KnownLoss):
    """Kullback-Leibler divergence: ``L = Σⱼ yⱼ log(yⱼ / pⱼ)``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.KLDivergence, "softmax")


class MeanSquaredError(KnownLoss):
    """Squared error: ``L = mean (y - ŷ)²``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.SquaredError)


class MeanAbsoluteError(KnownLoss):
    """Absolute error: ``L = mean |y - ŷ|``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.AbsoluteError)


class MeanAbsolutePercentageError(KnownLoss):
    """Absolute error in percent of the target."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.AbsolutePercentageError)


class MeanSquaredLogarithmicError(KnownLoss):
    """Squared error of logarithms."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.SquaredLogError)


class Huber(KnownLoss):
    """Squared near 0, linear beyond δ."""

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.Huber, delta=delta)


class LogCosh(KnownLoss):
    """Logarithm of the error's hyperbolic cosine."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.LogCosh)


class Poisson(KnownLoss):
    """Poisson loss of rates: ``L = mean (ŷ - y log(ŷ + ε))``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.Poisson, log_input=False)


class CosineSimilarity(KnownLoss):
    """Negative cosine between target and prediction."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.CosineSimilarity)


def _signs(y: Any, prediction: ArrayType) -> Array:
    """Return targets as Keras takes them: 0 and 1 become -1 and 1, others stay, soft ones too."""
    targets = like_output(y, prediction, labels_fit="categorical_hinge")
    is_binary = np.isin(targets, (0, 1)).all()
    return 2 * targets - 1 if is_binary else targets


class _Hinge(core.Hinge):
    """A hinge that takes soft targets, too."""

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets in the shape of the predictions."""
        return _signs(y, prediction)


class _SquaredHinge(core.SquaredHinge):
    """A squared hinge that takes soft targets, too."""

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets in the shape of the predictions."""
        return _signs(y, prediction)


class Hinge(KnownLoss):
    """Hinge: ``L = mean max(1 - y ŷ, 0)``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(_Hinge)


class SquaredHinge(KnownLoss):
    """Squared hinge."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(_SquaredHinge)


class CategoricalHinge(KnownLoss):
    """Hinge over classes."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(core.CategoricalHinge)


class BinaryFocalCrossentropy(KnownLoss):
    """Focal loss of yes-or-no answers: ``L = -α_t (1 - p_t)^γ log p_t``; α_t only if balanced."""

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction)
        self._adopt(
            core.BinaryFocal,
            "sigmoid",
            from_logits=from_logits,
            gamma=gamma,
            alpha=alpha if apply_class_balancing else None,
            label_smoothing=label_smoothing,
        )
