"""Helpers under Keras's names.

>>> to_categorical([0, 2], num_classes=3).tolist()
[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
"""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.keras.arguments import missing
from chainrule.keras.layers.weighted import clear_names
from chainrule.keras.serialization import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from chainrule.keras.symbolic import KerasTensor
from chainrule.ops import random

__all__ = [
    "CustomObjectScope",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "is_keras_tensor",
    "normalize",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]


def to_categorical(
    x: Any, num_classes: int | None = None, dtype: Any = "float32", nb_classes: int | None = None
) -> Array:
    """Return one-hot rows for integer labels.

    Args:
        x: labels from 0, of any shape; a last axis of size 1 is dropped.
        num_classes: how many classes (default: one more than the largest label). Keras 1:
            nb_classes.
        dtype: of the result.
        nb_classes: the old name of num_classes.

    Returns:
        The shape of ``x``, and one more axis for the classes.

    Raises:
        ArgumentError: labels that are no whole numbers, or out of range.

    >>> to_categorical([[1], [0]]).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    given = np.asarray(x)
    if given.size and (given.dtype.kind not in "biuf" or (given != np.floor(given)).any()):
        raise ArgumentError("x", f"an array of {given.dtype}", "whole numbers from 0")
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = nb_classes if num_classes is None else num_classes
    if count is None:
        count = int(labels.max(initial=-1)) + 1
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        raise ArgumentError(
            "x",
            f"labels from {labels.min()} to {labels.max()}",
            f"labels from 0 to {count - 1}",
            "Give num_classes, one more than the largest label." if labels.min() >= 0 else "",
        )
    rows: Array = labels[..., None] == np.arange(count)
    return rows.astype(dtype)


def normalize(x: Any, axis: int = -1, order: Any = 2) -> Array:
    """Return vectors along an axis divided by their norms; those of norm 0 stay.

    >>> normalize([[3.0, 4.0]]).tolist()
    [[0.6, 0.8]]
    """
    array = np.asarray(x, np.float64) if np.asarray(x).dtype.kind != "f" else np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    result: Array = array / np.expand_dims(norms, axis)
    return result


def set_random_seed(seed: int) -> None:
    """Fix the random numbers of Python, NumPy and Chainrule.

    >>> set_random_seed(0)
    """
    random.seed(seed)
    python_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what Keras's does, and what scripts rely on


def is_keras_tensor(x: Any) -> bool:
    """Whether this is a placeholder of the functional API."""
    return isinstance(x, KerasTensor)


def clear_session() -> None:
    """Begin to count the names of layers anew.

    >>> clear_session()
    """
    clear_names()


__getattr__ = missing(__name__, globals())
