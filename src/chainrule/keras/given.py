"""What users give to compile, fit, evaluate and predict, checked and brought into form."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule import metrics as core_metrics
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.keras import metrics
from chainrule.keras.arguments import renamed
from chainrule.keras.callbacks.base import Callback
from chainrule.losses.targets import as_array
from chainrule.training import callbacks as core_callbacks
from chainrule.training.arrays import check_count


def known_arguments(
    function: str, method: Callable[..., Any], given: dict[str, Any], old: Sequence[str]
) -> dict[str, Any]:
    """Return arguments of older versions, or say which of all there are is nearest."""
    today = [name for name in inspect.signature(method).parameters if name != "old"]
    return renamed(function, given, {}, [*today, *old])


def metrics_of(given: Any) -> list[core_metrics.Metric]:
    """Return the metrics that were given by name, as objects, or as functions."""
    if given is None:
        return []
    if isinstance(given, dict):
        raise ArgumentError("metrics", "a dict", "a list: models have one output")
    if isinstance(given, str) or not isinstance(given, list | tuple):
        given = [given]
    flat = [m for one in given for m in (one if isinstance(one, list | tuple) else [one])]
    return [metrics.get(metric) for metric in flat]


def make_unique(given: list[core_metrics.Metric]) -> None:
    """Number metrics of one name, as Keras does."""
    seen: dict[str, int] = {}
    for metric in given:
        name = metric.name
        count = seen.get(name, 0)
        seen[name] = count + 1
        if count:
            metric.name = f"{name}_{count}"


def sorted_callbacks(given: Any) -> tuple[list[Callback], list[core_callbacks.Callback]]:
    """Return Keras's callbacks and Chainrule's."""
    if given is None:
        return [], []
    many = list(given) if isinstance(given, list | tuple) else [given]
    for one in many:
        if not isinstance(one, Callback | core_callbacks.Callback):
            fix = "Did you forget the parentheses?" if isinstance(one, type) else ""
            raise ArgumentError(
                "callbacks", f"a {type(one).__name__}", "instances of keras.callbacks.Callback", fix
            )
    ours = [one for one in many if isinstance(one, Callback)]
    return ours, [one for one in many if isinstance(one, core_callbacks.Callback)]


def split_off(x: Array, y: Array, weight: Any, share: Any) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    """Return the samples but for the last ones, and these to validate on."""
    n = len(x)
    is_share = isinstance(share, int | float | np.number) and 0 < share < 1
    kept = math.floor(n * (1.0 - share)) if is_share else 0
    if not 0 < kept < n:
        raise ArgumentError(
            "validation_split", f"{share} of {n} samples", "a share that leaves both sides some"
        )
    if weight is None:
        return x[:kept], y[:kept], None, (x[kept:], y[kept:])
    w = np.asarray(weight)
    return x[:kept], y[:kept], w[:kept], (x[kept:], y[kept:], w[kept:])


def check_array(x: Any) -> None:
    """Refuse what gives its batches one after the other."""
    if hasattr(x, "__len__") and hasattr(x, "__getitem__") and not hasattr(x, "__next__"):
        is_data_set = hasattr(x, "on_epoch_end")
    else:
        is_data_set = hasattr(x, "__iter__") or hasattr(x, "__next__") or not hasattr(x, "shape")
    if is_data_set:
        raise ArgumentError(
            "x",
            f"a {type(x).__name__}, which gives batches one after the other",
            "an array of samples",
            "Chainrule takes arrays: collect what it gives, x = np.concatenate([x for x, y in ...])"
            ", or call train_on_batch for each.",
        )


def check_present(x: Any, y: Any) -> None:
    """Refuse samples without targets, and what is no array."""
    if x is None:
        raise ArgumentError("x", "None", "an array of samples")
    check_array(x)
    if y is None:
        raise ArgumentError("y", "None", "an array of targets, one for each sample")


def first_batches(
    data: tuple[Any, ...], argument: str, steps: int | None, size: int
) -> tuple[Any, ...]:
    """Return so many batches of samples, targets and weights, the first ones."""
    if steps is None:
        return data
    count = check_count(argument, steps) * size
    return tuple(np.asarray(part)[:count] for part in data)


def all_classes(given: Any, y: Any) -> Any:
    """Return the weights of classes, with 1 for those that were not named, as in Keras."""
    if not isinstance(given, Mapping):
        return given
    labels = as_array(y)
    labels = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.ravel()
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        return given
    return {**{int(label): 1.0 for label in np.unique(labels)}, **given}


def named_metric(described: Any) -> Any:
    """Return a metric that ``get_compile_config`` has described."""
    return described if isinstance(described, str) else metrics.deserialize(described)


def is_due(frequency: int | Sequence[int]) -> Callable[[int], bool]:
    """Return whether an epoch is one to validate in."""
    if isinstance(frequency, int):
        every = check_count("validation_freq", frequency)
        return lambda epoch: (epoch + 1) % every == 0
    epochs = set(frequency)
    return lambda epoch: epoch + 1 in epochs
