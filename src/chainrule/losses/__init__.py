"""Losses: how far a prediction is from what was observed, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.core.tensor import Tensor
from chainrule.losses.base import CustomLoss, Loss, UnitLoss
from chainrule.losses.cross_entropy import (
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalFocal,
    CrossEntropy,
    KLDivergence,
)
from chainrule.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from chainrule.losses.output import LastLayer, Output, Reading
from chainrule.losses.regression import (
    AbsoluteError,
    AbsolutePercentageError,
    CosineSimilarity,
    Huber,
    LogCosh,
    Poisson,
    Quantile,
    SquaredError,
    SquaredLogError,
)
from chainrule.losses.targets import finite

__all__ = [
    "LOSSES",
    "NAMES",
    "AbsoluteError",
    "AbsolutePercentageError",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalFocal",
    "CategoricalHinge",
    "CosineSimilarity",
    "CrossEntropy",
    "CustomLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LastLayer",
    "LogCosh",
    "Loss",
    "Output",
    "Poisson",
    "Quantile",
    "Reading",
    "SquaredError",
    "SquaredHinge",
    "SquaredLogError",
    "UnitLoss",
    "finite",
    "loss",
    "loss_from_config",
    "loss_to_config",
]

#: Every loss by its name.
LOSSES: dict[str, type[Loss]] = {
    kind.name: kind
    for kind in (
        CrossEntropy,
        BinaryCrossEntropy,
        SquaredError,
        AbsoluteError,
        Huber,
        LogCosh,
        Quantile,
        Poisson,
        KLDivergence,
        BinaryFocal,
        CategoricalFocal,
        Hinge,
        SquaredHinge,
        CategoricalHinge,
        CosineSimilarity,
        SquaredLogError,
        AbsolutePercentageError,
    )
}

#: Other names: Keras's, PyTorch's, scikit-learn's. They mean Chainrule's own forms, from logits.
_ALIASES = {
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "softmax_cross_entropy": "cross_entropy",
    "bce": "binary_cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "bce_with_logits": "binary_cross_entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy",
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "mse_loss": "squared_error",
    "mae": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "l1_loss": "absolute_error",
    "huber_loss": "huber",
    "smooth_l1": "huber",
    "smooth_l1_loss": "huber",
    "logcosh": "log_cosh",
    "pinball": "quantile",
    "pinball_loss": "quantile",
    "poisson_nll": "poisson",
    "poisson_nll_loss": "poisson",
    "kl": "kl_divergence",
    "kld": "kl_divergence",
    "kl_div": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "binary_focal_crossentropy": "binary_focal",
    "focal": "categorical_focal",
    "categorical_focal_crossentropy": "categorical_focal",
    "hinge_loss": "hinge",
    "cosine": "cosine_similarity",
    "msle": "squared_log_error",
    "mean_squared_logarithmic_error": "squared_log_error",
    "mape": "absolute_percentage_error",
    "mean_absolute_percentage_error": "absolute_percentage_error",
}

#: All names that ``loss`` knows.
NAMES = frozenset([*LOSSES, *_ALIASES])


def loss(given: str | Loss | type[Loss] | Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """Return a loss by its name, or wrap a function of (y, prediction).

    Args:
        given: a name (Keras's and PyTorch's are understood, too), a loss, or a function.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones; settings that are missing.

    >>> loss("mse").name
    'squared_error'
    """
    if isinstance(given, Loss):
        return given
    if isinstance(given, type) and issubclass(given, Loss):
        return given()
    if callable(given) and not isinstance(given, type):
        return CustomLoss(given)
    expected = f"one of {', '.join(LOSSES)}, or a function of (y, prediction)"
    if not isinstance(given, str):
        raise DtypeError("loss", f"a {type(given).__name__}", expected)
    name = _ALIASES.get(given, given)
    if name not in LOSSES:
        raise ArgumentError("loss", repr(given), expected, nearest(given, [*LOSSES, *_ALIASES]))
    return LOSSES[name]()


def loss_to_config(given: Loss) -> str | dict[str, Any] | None:
    """Return a loss's name, with its settings where they are not the defaults, as JSON values.

    Returns:
        ``None`` for a loss that is code.

    >>> loss_to_config(CrossEntropy())
    'cross_entropy'
    >>> loss_to_config(Huber(delta=2.0))
    {'name': 'huber', 'delta': 2.0}
    """
    name = given.name
    if LOSSES.get(name) is not type(given):
        return None
    defaults, config = LOSSES[name]().config(), given.config()
    changed = {key: value for key, value in config.items() if value != defaults[key]}
    return {"name": name, **changed} if changed else name


def loss_from_config(config: str | Mapping[str, Any]) -> Loss:
    """Return the loss that ``loss_to_config`` has described.

    Raises:
        ArgumentError: an unknown name.
        TypeError: settings that the loss does not have.

    >>> loss_from_config({"name": "huber", "delta": 2.0})
    Huber(delta=2.0)
    """
    if isinstance(config, str):
        return loss(config)
    settings = dict(config)
    name = settings.pop("name")
    if name not in LOSSES:
        raise ArgumentError("loss", repr(name), f"one of {', '.join(LOSSES)}")
    return LOSSES[name](**settings)
