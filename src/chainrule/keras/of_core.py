"""Chainrule's own models and optimizers as Keras's."""

from __future__ import annotations

from typing import Any

from chainrule import optim
from chainrule.keras import layers
from chainrule.keras.layers.base import Adapted
from chainrule.keras.layers.weighted import Weighted
from chainrule.keras.optimizers import OPTIMIZERS, Optimizer
from chainrule.keras.sequential import Sequential
from chainrule.nn.module import Module
from chainrule.training import sequential as core

#: Keras's layer for each of Chainrule's.
_KERAS: dict[str, type[Adapted]] = {
    "Dense": layers.Dense,
    "Activation": layers.Activation,
    "Dropout": layers.Dropout,
    "GaussianNoise": layers.GaussianNoise,
    "Flatten": layers.Flatten,
    "Embedding": layers.Embedding,
    "BatchNorm": layers.BatchNormalization,
    "LayerNorm": layers.LayerNormalization,
    "RMSNorm": layers.RMSNormalization,
    "PReLU": layers.PReLU,
    "Maxout": layers.MaxoutDense,
}


def keras_model(found: core.Sequential) -> Sequential:
    """Return Keras's form of one of Chainrule's models; they share their parameters."""
    model = Sequential()
    model.__dict__ |= {
        k: v
        for k, v in found.__dict__.items()
        if k not in ("layers", "setup", "_steps", "_forward")
    }
    model.layers = [_layer(layer) for layer in found.layers]
    return model


def _layer(layer: Module) -> Module:
    if isinstance(layer, core.Sequential):
        return keras_model(layer)
    kind = _KERAS.get(type(layer).__name__)
    if kind is None or isinstance(layer, Weighted):
        return layer
    made = kind.__new__(kind)
    made.__dict__ |= layer.__dict__
    made.adopt({})
    return made


def keras_optimizer(optimizer: optim.Optimizer) -> Any:
    """Return Keras's form of one of Chainrule's own optimizers, where there is one."""
    kind: Any = OPTIMIZERS.get(optimizer.name)
    if isinstance(optimizer, Optimizer) or kind is None or optimizer.name == "muon":
        return optimizer
    return kind(**optimizer.config())
