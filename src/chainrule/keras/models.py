"""Models under Keras's names: ``Sequential``, ``Model`` to subclass or of layers in a graph.

>>> model = Sequential([layers.Dense(3, input_shape=(4,), name="out")], name="small")
>>> model.summary()
Model: "small"
layer (type)  output shape  parameters
────────────  ────────────  ──────────
out (Dense)      (None, 3)          15
Total params: 15 (60 bytes)
Trainable params: 15
Non-trainable params: 0
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.core.errors import ArgumentError
from chainrule.keras import layers
from chainrule.keras.arguments import missing
from chainrule.keras.model import Model
from chainrule.keras.sequential import Sequential
from chainrule.keras.serialization import (
    deserialize_keras_object,
)

__all__ = [
    "Model",
    "Sequential",
    "clone_model",
    "load_model",  # noqa: F822 - found by __getattr__
    "model_from_json",
    "save_model",  # noqa: F822
]


def clone_model(
    model: Model, input_tensors: Any = None, clone_function: Callable[[Any], Any] | None = None
) -> Any:
    """Return a model with the same layers and new parameters.

    Args:
        model: a ``Sequential`` or a model of the functional API.
        input_tensors: only ``None``.
        clone_function: returns a new layer for a layer (default: from its configuration).

    >>> clone_model(Sequential([layers.Dense(3, input_shape=(4,))])).count_params()
    15
    """
    if input_tensors is not None:
        raise ArgumentError("input_tensors", "tensors", "None: Chainrule lacks this")
    if clone_function is None:
        return type(model).from_config(model.get_config())
    made = {id(layer): clone_function(layer) for layer in model.layers}
    if isinstance(model, Sequential):
        first = [] if model.input_shape is None else [layers.Input(model.input_shape)]
        return Sequential([*first, *(made[id(layer)] for layer in model.layers)], name=model.name)
    from chainrule.keras.functional import Functional

    return Functional.from_config(model.get_config(), made=list(made.values()))


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model from what ``to_json`` returned, Keras's too, with new parameters.

    >>> model = Sequential([layers.Dense(3, input_shape=(4,))])
    >>> model_from_json(model.to_json()).count_params()
    15
    """
    return deserialize_keras_object(json.loads(json_string), custom_objects)


_missing = missing(__name__, globals())


def __getattr__(name: str) -> Any:
    if name in ("load_model", "save_model"):
        from chainrule.keras import saving  # which needs these models

        return getattr(saving, name)
    return _missing(name)
