"""What is known of a network's last layer: found among its layers, or read off its graph."""

from __future__ import annotations

import math

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor
from chainrule.core.types import Array
from chainrule.losses import LastLayer, Loss, Output, Reading
from chainrule.losses.cross_entropy import PROBABLE
from chainrule.nn.activations import ACTIVATIONS, Activation
from chainrule.nn.module import Module
from chainrule.ops.elementwise import exp_p, identity_p, sigmoid_p, softplus_p, tanh_p
from chainrule.ops.promotion import cast_p
from chainrule.ops.shape import reshape_p
from chainrule.ops.softmax import log_softmax_p, softmax_p

#: Layers behind which the output is still that of the layer before them.
_TRANSPARENT = ("Dropout", "GaussianNoise", "Flatten")
_PASSING = (cast_p, identity_p, reshape_p)
_BY_PRIMITIVE = {
    sigmoid_p: "sigmoid",
    tanh_p: "tanh",
    softplus_p: "softplus",
    softmax_p: "softmax",
}


def last_layer_of(model: Module, output: Tensor) -> LastLayer | None:
    """Return what is known of the last layer, or ``None`` if its activation is not known.

    Args:
        model: the network.
        output: what it made of an input, traced.

    >>> import chainrule as cr
    >>> from chainrule.core.tensor import unknown
    >>> from chainrule.core.types import FLOAT32, ArrayType
    >>> model = cr.Sequential([cr.Dense(3, activation="softmax")])
    >>> print(last_layer_of(model, model(unknown(ArrayType((1, 2), FLOAT32)))))
    a last layer with 'softmax'
    """
    units = output.shape[-1] if output.ndim > 1 else 1
    found = _of_layers(model) or _of_graph(output)
    if isinstance(found, Activation):
        return LastLayer(found.name, found.range.low, found.range.high, units)
    return None if found is None else LastLayer(found, 0.0, math.inf, units)


def reading_of(loss: Loss, y: Array, last: LastLayer | None) -> Reading:
    """Return how metrics are to read the network's output.

    Args:
        loss: it says so, unless it is a function.
        y: all targets, as the loss has checked them.
        last: the last layer, which tells probabilities where the loss does not.
    """
    reading = loss.reading(y)
    if reading.output is None and last is not None and last.activation in PROBABLE:
        return Reading(Output.PROBABILITIES)
    return reading


def _of_layers(model: Module) -> Activation | None:
    """Return the activation of the last of a sequence of layers."""
    layers = getattr(model, "layers", None)
    if not isinstance(layers, list):
        activation = getattr(model, "activation", None)
        return activation if isinstance(activation, Activation) else None
    for layer in reversed(layers):
        if type(layer).__name__ not in _TRANSPARENT:
            return _of_layers(layer)
    return None


def _of_graph(output: Tensor) -> Activation | str | None:
    """Return the activation that an output comes from, whoever applied it."""
    node: Node = output
    while node.primitive in _PASSING:
        node = node.inputs[0]
    if node.primitive is exp_p:
        is_softmax = node.inputs[0].primitive is log_softmax_p
        return ACTIVATIONS["softmax"] if is_softmax else "exponential"
    name = _BY_PRIMITIVE.get(node.primitive) if node.primitive is not None else None
    return None if name is None else ACTIVATIONS[name]
