"""Keras's module tree on Chainrule: replace ``keras`` by ``chainrule.keras`` in a script's imports.

Keras 3's names, arguments and defaults, and those of Keras 1 and 2 (``output_dim``, ``nb_epoch``,
``lr``, ...), with ``Sequential``, the functional API, and ``Model`` and ``Layer`` to subclass.

>>> from chainrule.keras.models import Sequential
>>> from chainrule.keras.layers import Dense, Activation
>>> model = Sequential()
>>> model.add(Dense(output_dim=3, input_dim=4))
>>> model.add(Activation("softmax"))
>>> model.count_params()
15
"""

from chainrule.keras import (
    activations,
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    regularizers,
    saving,
    utils,
)
from chainrule.keras.arguments import missing
from chainrule.keras.layers import Input, Layer
from chainrule.keras.losses import Loss
from chainrule.keras.metrics import Metric
from chainrule.keras.models import Model, Sequential
from chainrule.keras.optimizers import Optimizer
from chainrule.keras.symbolic import KerasTensor
from chainrule.keras.variables import Variable

__all__ = [
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "Variable",
    "activations",
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "regularizers",
    "saving",
    "utils",
]

__getattr__ = missing(__name__, globals())
