"""Layers under Keras's names, with Keras's arguments and defaults.

>>> Dense(3, activation="relu")([[1.0, 2.0]]).shape
(1, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import ArgumentError
from chainrule.keras.arguments import missing
from chainrule.keras.layers.base import Layer
from chainrule.keras.layers.dense import (
    ELU,
    Activation,
    Dense,
    LeakyReLU,
    MaxoutDense,
    PReLU,
    ReLU,
    Reshape,
    Softmax,
)
from chainrule.keras.layers.regular import (
    ActivityRegularization,
    Add,
    BatchNormalization,
    Concatenate,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    LayerNormalization,
    RMSNormalization,
)
from chainrule.nn.shapes import Input as InputLayer

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxoutDense",
    "PReLU",
    "RMSNormalization",
    "ReLU",
    "Reshape",
    "Softmax",
]


def Input(  # noqa: N802 - Keras's name
    shape: int | Sequence[int] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
) -> InputLayer:
    """Return the shape of one sample, as the first of a ``Sequential``'s layers.

    Args:
        shape: of one sample.
        batch_size: not needed: models take batches of any size.
        dtype: not needed: models take numbers of any dtype.
        batch_shape: shape with the batch, in place of ``shape``.
        name: not needed.

    Raises:
        ArgumentError: no shape, or both.

    >>> Input(shape=(4,)), Input(batch_shape=(None, 4))
    (Input((4,)), Input((4,)))
    """
    if (shape is None) == (batch_shape is None):
        raise ArgumentError(
            "shape", "nothing" if shape is None else "batch_shape, too", "one shape"
        )
    if batch_shape is not None:
        shape = [int(n or 0) for n in batch_shape[1:]]
    assert shape is not None
    return InputLayer(shape)


__getattr__ = missing(__name__, globals())
