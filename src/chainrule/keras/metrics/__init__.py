"""Metrics under Keras's names, with Keras's meaning; sums are exact over any split into batches.

>>> metric = BinaryAccuracy()
>>> metric.update_state([[1.0], [0.0]], [[0.7], [0.6]])
>>> metric.result()
0.5
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import metrics as core
from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.core.tensor import as_tensor
from chainrule.keras import losses
from chainrule.keras.arguments import missing
from chainrule.keras.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from chainrule.keras.metrics.base import Averaged, Mean, MeanMetricWrapper, Metric, Sum
from chainrule.keras.metrics.classes import (
    AUC,
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    F1Score,
    FalseNegatives,
    FalsePositives,
    FBetaScore,
    Precision,
    Recall,
    Resolved,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)
from chainrule.keras.metrics.functions import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from chainrule.keras.serialization import (
    custom_object_scope,
    deserialize_keras_object,
    get_registered_object,
    is_serialized,
    serialize_keras_object,
)
from chainrule.ops.promotion import as_float

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]


class OfLoss(Averaged):
    """The mean of one of Keras's losses.

    Args:
        loss: a loss of ``chainrule.keras.losses``.
        name: name in logs.
        core_name: name of Chainrule's own metric that does the same.
    """

    def __init__(
        self, loss: losses.Loss, name: str, core_name: str = "", dtype: Any = None
    ) -> None:
        self._loss, self.core_name = loss, core_name  # type: ignore[misc]
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = as_float(np.asarray(y_pred))
        y = self._loss.fitted(as_tensor(np.asarray(y_true)), p)
        self.take(as_tensor(self._loss.call(y, p)).numpy(), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        given = vars(self).get("_of_class", {})
        return {"name": self.name, "dtype": self.dtype, **given}


def _of_loss(kind: str, loss: str, core_name: str = "", name: str = "") -> type[OfLoss]:
    make: Any = getattr(losses, loss)
    usual = name or inspect.signature(make).parameters["name"].default
    settings = [
        n for n in inspect.signature(make).parameters if n not in ("reduction", "name", "dtype")
    ]

    def __init__(  # noqa: N807
        self: OfLoss, *args: Any, name: str | None = None, dtype: Any = None, **options: Any
    ) -> None:
        # Keras has (name, dtype, *settings)
        if args and (isinstance(args[0], str) or args[0] is None):
            name, args = args[0], args[2:]
        options |= dict(zip(settings, args, strict=False))
        vars(self)["_of_class"] = {
            n: options.get(n, inspect.signature(make).parameters[n].default) for n in settings
        }
        OfLoss.__init__(self, make(**options), name or usual, core_name, dtype)

    found = type(kind, (OfLoss,), {"__init__": __init__, "__module__": __name__})
    found.__doc__ = f"The mean of ``keras.losses.{loss}``; its arguments, and a name."
    return found


CategoricalCrossentropy = _of_loss("CategoricalCrossentropy", "CategoricalCrossentropy")
SparseCategoricalCrossentropy = _of_loss(
    "SparseCategoricalCrossentropy", "SparseCategoricalCrossentropy"
)
BinaryCrossentropy = _of_loss("BinaryCrossentropy", "BinaryCrossentropy")
KLDivergence = _of_loss("KLDivergence", "KLDivergence")
MeanSquaredError = _of_loss("MeanSquaredError", "MeanSquaredError", "mse")
MeanAbsoluteError = _of_loss("MeanAbsoluteError", "MeanAbsoluteError", "mae")
MeanAbsolutePercentageError = _of_loss("MeanAbsolutePercentageError", "MeanAbsolutePercentageError")
MeanSquaredLogarithmicError = _of_loss("MeanSquaredLogarithmicError", "MeanSquaredLogarithmicError")
Poisson = _of_loss("Poisson", "Poisson")
Hinge, SquaredHinge = _of_loss("Hinge", "Hinge"), _of_loss("SquaredHinge", "SquaredHinge")
CategoricalHinge = _of_loss("CategoricalHinge", "CategoricalHinge")
LogCoshError = _of_loss("LogCoshError", "LogCosh", name="logcosh")


class CosineSimilarity(OfLoss):
    """The mean cosine between target and prediction: of the loss, the negative.

    >>> CosineSimilarity()([[1.0, 0.0]], [[2.0, 0.0]])
    1.0
    """

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None) -> None:
        super().__init__(losses.CosineSimilarity(), name, dtype=dtype)

    def result(self) -> float:
        """Return the mean."""
        return -super().result()


class RootMeanSquaredError(OfLoss):
    """Root of the mean squared error.

    >>> RootMeanSquaredError()([[0.0]], [[2.0]])
    2.0
    """

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanSquaredError(), name, "rmse", dtype)

    def result(self) -> float:
        """Return the root."""
        return float(np.sqrt(super().result()))


class R2Score(Metric):
    """Share of the variance that is explained, as the mean over outputs.

    >>> R2Score()([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0]])
    0.5
    """

    core_name = "r2"

    def __init__(
        self,
        class_aggregation: str = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        if class_aggregation != "uniform_average":
            raise ArgumentError("class_aggregation", repr(class_aggregation), "'uniform_average'")
        if num_regressors:
            raise ArgumentError("num_regressors", repr(num_regressors), "0: Chainrule lacks this")
        super().__init__(name, dtype)

    def reset_state(self) -> None:
        """Forget all samples."""
        self._core = core.R2()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = np.asarray(y_pred, np.float64)
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        self._core.update(np.asarray(y_true).reshape(p.shape), p, weight)

    def result(self) -> float:
        """Return R²."""
        return self._core.result()


#: What each name makes; the names of functions and of classes.
NAMES: dict[str, Callable[[], Metric]] = {
    "accuracy": lambda: Resolved("accuracy"),
    "acc": lambda: Resolved("acc"),
    "Accuracy": lambda: Resolved("accuracy"),
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "rmse": RootMeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "r2_score": R2Score,
    "auc": AUC,
    "precision": Precision,
    "recall": Recall,
    "f1_score": lambda: F1Score("macro"),
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "kl_divergence": KLDivergence,
    "poisson": Poisson,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge,
    "cosine_similarity": CosineSimilarity,
    "log_cosh": LogCoshError,
    **{
        kind.__name__: kind
        for kind in (
            *(BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy),
            *(TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy),
            *(AUC, Precision, Recall, F1Score, FBetaScore, R2Score, RootMeanSquaredError),
            *(TruePositives, TrueNegatives, FalsePositives, FalseNegatives),
            *(MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError),
            *(MeanSquaredLogarithmicError, CosineSimilarity, LogCoshError, Poisson, KLDivergence),
            *(Hinge, SquaredHinge, CategoricalHinge),
            *(BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy),
        )
    },
}


def get(identifier: Any) -> core.Metric:  # noqa: PLR0911
    """Return a metric by its name, which is its name in logs too, or the one that was given.

    Args:
        identifier: a name, a metric (Chainrule's own will do), its class, or a function of
            (y_true, y_pred).

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.
        DtypeError: something else.

    >>> get("mae").name
    'mae'
    """
    if isinstance(identifier, core.Metric):
        return identifier
    if is_serialized(identifier):
        return get(deserialize_keras_object(identifier))
    if isinstance(identifier, type) and issubclass(identifier, core.Metric):
        return identifier()
    if isinstance(identifier, str):
        if identifier not in NAMES and get_registered_object(identifier) is not None:
            return get(get_registered_object(identifier))
        if identifier not in NAMES:
            raise ArgumentError(
                "metrics",
                repr(identifier),
                f"names among {', '.join(NAMES)}, or metrics",
                nearest(identifier, reversed(NAMES)),
            )
        metric = NAMES[identifier]()
        metric.name = identifier
        return metric
    if inspect.isfunction(identifier) and identifier in losses.CLASSES:
        return OfLoss(losses.CLASSES[identifier](), identifier.__name__)
    if callable(identifier) and not isinstance(identifier, type):
        return MeanMetricWrapper(identifier)
    raise DtypeError("metrics", f"a {type(identifier).__name__}", "a name, a metric, or a function")


def core_of(metric: core.Metric) -> core.Metric:
    """Return Chainrule's own metric that does the same, where there is one, by the same name."""
    name = getattr(metric, "core_name", "")
    if not name:
        return metric
    made: Any = core.METRICS[name]
    return made(name=metric.name)  # type: ignore[no-any-return]


def serialize(metric: Any) -> Any:
    """Return a metric as JSON values: its name, if that is enough, or class and configuration."""
    if isinstance(metric, Resolved):
        return metric.name
    if not isinstance(metric, Metric):
        described = core.metric_to_config(metric.fresh)
        if described is None:
            raise ArgumentError("metrics", f"{metric!r}, which is code", "Keras's metrics")
        return {"chainrule": described}
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    if isinstance(config, Mapping) and "chainrule" in config:
        return core.metric_from_config(config["chainrule"])()
    with custom_object_scope(custom_objects):
        return get(config)


__getattr__ = missing(__name__, globals())
