"""Layers under Keras's names, with Keras's arguments and defaults.

>>> Dense(3, activation="relu")([[1.0, 2.0]]).shape
(1, 3)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.keras.arguments import missing
from chainrule.keras.layers.custom import Layer
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
from chainrule.keras.layers.inputs import Input, InputLayer
from chainrule.keras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from chainrule.keras.layers.preprocessing import Identity, Lambda, Normalization, Rescaling
from chainrule.keras.layers.regular import (
    ActivityRegularization,
    AlphaDropout,
    BatchNormalization,
    Dropout,
    Embedding,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    LayerNormalization,
    RMSNormalization,
)
from chainrule.keras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "Input",
    "InputLayer",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "MaxoutDense",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "RMSNormalization",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]


def serialize(layer: Any) -> Any:
    """Return a layer as JSON values: its class and its configuration."""
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a layer from what ``serialize`` returned."""
    return deserialize_keras_object(config, custom_objects)


__getattr__ = missing(__name__, globals())
