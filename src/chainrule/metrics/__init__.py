"""Metrics: what a person wants to know of a model, exact over any split into batches."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.losses import NAMES as LOSS_NAMES
from chainrule.losses import Loss, loss_from_config, loss_to_config
from chainrule.losses import loss as find_loss
from chainrule.metrics.base import MeanLoss, MeanMetric, MeanOf, Metric
from chainrule.metrics.classes import Accuracy, ClassMetric, ErrorRate, TopK
from chainrule.metrics.confusion import F1, ConfusionMatrix, FBeta, Precision, Recall
from chainrule.metrics.ranking import RocAuc
from chainrule.metrics.regression import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)

__all__ = [
    "F1",
    "METRICS",
    "R2",
    "Accuracy",
    "ClassMetric",
    "ConfusionMatrix",
    "ErrorRate",
    "FBeta",
    "MeanAbsoluteError",
    "MeanLoss",
    "MeanMetric",
    "MeanOf",
    "MeanSquaredError",
    "Metric",
    "MetricLike",
    "MetricsLike",
    "Precision",
    "Recall",
    "RocAuc",
    "RootMeanSquaredError",
    "TopK",
    "grows",
    "metric_from_config",
    "metric_maker",
    "metric_makers",
    "metric_names",
    "metric_to_config",
]

#: Every metric by its name.
METRICS: dict[str, type[Metric]] = {
    kind.name: kind
    for kind in (
        Accuracy,
        ErrorRate,
        TopK,
        Precision,
        Recall,
        F1,
        FBeta,
        RocAuc,
        ConfusionMatrix,
        MeanSquaredError,
        MeanAbsoluteError,
        RootMeanSquaredError,
        R2,
    )
}

_ALIASES = {
    "acc": "accuracy",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "top_5": "top_k",
    "top_k_accuracy": "top_k",
    "top_k_categorical_accuracy": "top_k",
    "sparse_top_k_categorical_accuracy": "top_k",
    "f1_score": "f1",
    "fbeta_score": "fbeta",
    "auc": "roc_auc",
    "AUC": "roc_auc",
    "roc_auc_score": "roc_auc",
    "confusion": "confusion_matrix",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "R2": "r2",
    "r2_score": "r2",
}

#: Names of metrics of which more is better, Keras's among them.
_GROWING = re.compile(
    r"\w*accuracy|acc|top_\w+|precision\w*|recall\w*|f[\d.]+\w*|(roc_)?auc\w*|r2(_score)?"
)


#: What names or makes a metric, and several of them.
MetricLike: TypeAlias = str | Metric | Loss | Callable[[], Metric] | Callable[[Any, Any], Any]
MetricsLike: TypeAlias = MetricLike | Sequence[MetricLike] | None


def metric_maker(given: MetricLike) -> Callable[[], Metric]:
    """Return what makes a metric, from its name.

    Args:
        given: a name, that of a loss, too; a metric (it is only copied, never changed); what makes
            one, such as a subclass of ``Metric``; a function of (y, prediction), two arrays, which
            returns one value a sample; or a loss.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> metric_maker("acc") is Accuracy
    True
    >>> metric_maker(Precision(average="macro"))().name
    'precision_macro'
    """
    if isinstance(given, Metric):
        return given.fresh
    if isinstance(given, Loss):
        return MeanLoss(given).fresh
    if isinstance(given, type) and issubclass(given, Loss):
        return MeanLoss(given()).fresh
    if callable(given):
        make: Any = given
        return MeanOf(make).fresh if _takes_two(make) else make
    expected = f"names among {', '.join(METRICS)}"
    if not isinstance(given, str):
        raise DtypeError("metrics", f"a {type(given).__name__}", f"{expected}, or metrics")
    name = _ALIASES.get(given, given)
    if name not in METRICS and given in LOSS_NAMES:
        return MeanLoss(find_loss(given), by_name=True).fresh
    if name not in METRICS:
        raise ArgumentError("metrics", repr(given), expected, nearest(given, [*METRICS, *_ALIASES]))
    return METRICS[name]


def metric_makers(given: MetricsLike) -> list[Callable[[], Metric]]:
    """Return what makes each of several metrics; one may stand for itself.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.
    """
    if given is None:
        return []
    if isinstance(given, str | Metric | Loss) or callable(given):
        given = [given]
    if isinstance(given, Mapping):
        raise ArgumentError(
            "metrics",
            "a dict of metrics by output",
            "a list, such as ['accuracy']",
            f"A model has one output: metrics={list(given.values())}.",
        )
    return [metric_maker(one) for one in given]


def _takes_two(given: Any) -> bool:
    """Whether this is a function of (y, prediction), and not one that makes a metric."""
    if isinstance(given, type):
        return False
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):  # of a builtin
        return False
    for count, wanted in ((0, False), (2, True)):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            if wanted:
                return False
        else:
            if not wanted:
                return False
    return True


def metric_names(metrics: Sequence[Metric], weighted: Sequence[Metric] = ()) -> list[str]:
    """Return the names in logs: of metrics, and of those in which samples count by their weight.

    A weighted metric whose name is taken is called ``weighted_`` and that.

    Raises:
        ArgumentError: a name that comes twice.

    >>> metric_names([Accuracy()], [Accuracy(), F1()])
    ['accuracy', 'weighted_accuracy', 'f1']
    """
    names = ["loss", "mean_loss", "penalty"]
    for i, metric in enumerate([*metrics, *weighted]):
        name = metric.name
        if i >= len(metrics) and name in names:
            name = f"weighted_{name}"
        if name in names:
            raise ArgumentError(
                "metrics",
                f"a second {name!r}",
                "each name once",
                f"Give one another name: {type(metric).__name__}(name=...).",
            )
        names.append(name)
    return names[3:]


def metric_to_config(make: Callable[[], Metric]) -> str | dict[str, Any] | None:
    """Return the name of what a maker makes, with the settings that differ, as JSON values.

    Returns:
        ``None`` for a metric that is code.

    >>> metric_to_config(TopK(k=2).fresh)
    {'name': 'top_k', 'settings': {'k': 2, 'name': 'top_2'}}
    """
    metric = make()
    if isinstance(metric, MeanLoss):
        described = loss_to_config(metric.loss)
        settings = {"by_name": metric.by_name, "name": metric.name}
        return None if described is None else {"loss": described, "settings": settings}
    name = type(metric).name if isinstance(getattr(type(metric), "name", None), str) else ""
    if METRICS.get(name) is not type(metric):
        return None
    defaults, config = METRICS[name]().config(), metric.config()
    changed = {key: value for key, value in config.items() if repr(value) != repr(defaults[key])}
    return {"name": name, "settings": changed} if changed else name


def metric_from_config(config: str | Mapping[str, Any]) -> Callable[[], Metric]:
    """Return what makes the metric that ``metric_to_config`` has described.

    Raises:
        ArgumentError: an unknown name.
        TypeError: settings that the metric does not have.
    """
    if isinstance(config, str):
        return metric_maker(config)
    if "loss" in config:
        return MeanLoss(loss_from_config(config["loss"]), **config["settings"]).fresh
    if config["name"] not in METRICS:
        raise ArgumentError("metrics", repr(config["name"]), f"names among {', '.join(METRICS)}")
    return METRICS[config["name"]](**config["settings"]).fresh


def grows(name: str) -> bool:
    """Whether more of a logged quantity is better, by its name.

    >>> grows("val_accuracy"), grows("val_loss")
    (True, False)
    """
    return bool(_GROWING.fullmatch(name.removeprefix("val_").removeprefix("weighted_")))
