"""Losses under Keras's names, from probabilities by default; the logits behind them are found.

>>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4).tolist()
[0.6930999755859375]
>>> MeanSquaredError()([[0.0], [1.0]], [[1.0], [1.0]]).item()
0.5
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from chainrule import losses as core
from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.keras.arguments import missing
from chainrule.keras.losses.base import Bound as Bound
from chainrule.keras.losses.base import FunctionLoss, KnownLoss, Loss
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
from chainrule.keras.losses.functions import CLASSES as CLASSES
from chainrule.keras.losses.functions import (
    KLD,
    MAE,
    MAPE,
    MSE,
    MSLE,
    bce,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_proximity,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    kld,
    kullback_leibler_divergence,
    log_cosh,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from chainrule.keras.serialization import (
    custom_object_scope,
    deserialize_keras_object,
    get_registered_object,
    is_serialized,
    serialize_keras_object,
)

__all__ = [
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_proximity",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

#: Keras's class by every name that it may have.
NAMES: dict[str, type[KnownLoss]] = {
    **{
        name: CLASSES[f]
        for name, f in list(globals().items())
        if inspect.isfunction(f) and f in CLASSES
    },
    **{kind.__name__: kind for kind in CLASSES.values()},
}


def get(identifier: Any) -> Loss | None:  # noqa: PLR0911
    """Return a loss by its name, or the one that was given; a function becomes a loss.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.
        DtypeError: something else.

    >>> get("mse").name, get(categorical_crossentropy).name
    ('mean_squared_error', 'categorical_crossentropy')
    """
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, Bound):
        return identifier.loss
    if is_serialized(identifier):
        return get(deserialize_keras_object(identifier))
    if isinstance(identifier, core.Loss):
        return of_core(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if isinstance(identifier, str):
        if identifier in NAMES:
            return NAMES[identifier]()
        if get_registered_object(identifier) is not None:
            return get(get_registered_object(identifier))
        raise ArgumentError(
            "loss",
            repr(identifier),
            f"one of {', '.join(f.__name__ for f in CLASSES)}, or a function of (y_true, y_pred)",
            nearest(identifier, reversed(NAMES)),
        )
    if inspect.isfunction(identifier) and identifier in CLASSES:
        return CLASSES[identifier]()
    if callable(identifier) and not isinstance(identifier, type):
        return FunctionLoss(identifier)
    raise DtypeError(
        "loss",
        f"a {type(identifier).__name__}",
        "a name, a Loss, or a function of (y_true, y_pred)",
    )


class OfCore(KnownLoss):
    """A loss of Chainrule's own, as it is: its ``from_logits`` is Chainrule's default."""

    def __init__(self, loss: core.Loss) -> None:
        super().__init__(loss.name)
        self.given = loss
        self.core = loss
        if isinstance(loss, core.CrossEntropy | core.BinaryCrossEntropy) and not loss.from_logits:
            self.kind = "softmax" if isinstance(loss, core.CrossEntropy) else "sigmoid"
            settings = {**loss.config(), "from_logits": True}
            self.from_logits_core = type(loss)(**settings)
            self._is_probability = True

    def get_config(self) -> dict[str, Any]:
        """Return what Chainrule's files hold.

        Raises:
            ArgumentError: a loss that is code.
        """
        described = core.loss_to_config(self.given)
        if described is None:
            raise ArgumentError("loss", f"{self.given!r}, which is code", "one of Keras's losses")
        return {"loss": described}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> OfCore:
        """Make a loss from what ``get_config`` returned."""
        return cls(core.loss_from_config(config["loss"]))


def of_core(loss: core.Loss) -> Loss:
    """Return one of Chainrule's own losses as Keras's."""
    return OfCore(loss)


def serialize(loss: Any) -> Any:
    """Return a loss as JSON values: the name of a function, or a class and its configuration."""
    return serialize_keras_object(loss.function if isinstance(loss, FunctionLoss) else loss)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    with custom_object_scope(custom_objects):
        return get(config)


__getattr__ = missing(__name__, globals())
