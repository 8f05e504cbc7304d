"""Activations under Keras's names, with Keras's parameters.

>>> relu([-2.0, 3.0, 8.0], max_value=6.0).tolist()
[0.0, 3.0, 6.0]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.core.tensor import Tensor, TensorLike
from chainrule.keras.arguments import missing
from chainrule.keras.logits import remember
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
)
from chainrule.nn.activations import Activation as Description
from chainrule.nn.activations import activation as find_activation
from chainrule.ops import elementwise, functional
from chainrule.ops import softmax as shares
from chainrule.ops.promotion import as_float

_gelu, _gelu_tanh = functional.gelu, functional.gelu_tanh
hard_sigmoid, hard_silu, hard_swish = (
    functional.hard_sigmoid,
    functional.hard_silu,
    functional.hard_silu,
)
hard_tanh, log_sigmoid, mish = functional.hard_tanh, functional.log_sigmoid, functional.mish
relu6, selu, silu, swish = functional.relu6, functional.selu, functional.silu, functional.silu
softplus, softsign, tanh = elementwise.softplus, functional.softsign, elementwise.tanh
exponential = elementwise.exp


def linear(x: TensorLike) -> Tensor:
    """Return ``x``.

    >>> linear([1.0]).tolist()
    [1.0]
    """
    return as_float(x)


def sigmoid(x: TensorLike) -> Tensor:
    """Logistic function: ``y = 1 / (1 + exp(-x))``; a loss finds x again.

    >>> sigmoid([0.0]).tolist()
    [0.5]
    """
    z = as_float(x)
    return remember("sigmoid", elementwise.sigmoid(z), z)


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Softmax over an axis: ``yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)``; a loss finds x again.

    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    z = as_float(x)
    p = shares.softmax(z, axis)
    return remember("softmax", p, z) if axis in (-1, z.ndim - 1) else p


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Logarithm of softmax over an axis.

    >>> log_softmax([0.0]).tolist()
    [0.0]
    """
    return shares.log_softmax(x, axis)


def relu(
    x: TensorLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Tensor:
    """Rectifier: x above the threshold θ and up to ``max_value``, below it ``slope · (x - θ)``.

    >>> relu([-1.0, 2.0], negative_slope=0.5).tolist()
    [-0.5, 2.0]
    """
    x = as_float(x)
    if threshold:
        y = elementwise.where(x > threshold, x, negative_slope * (x - threshold))
    else:
        y = functional.leaky_relu(x, negative_slope) if negative_slope else functional.relu(x)
    return y if max_value is None else elementwise.minimum(y, max_value)


def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> Tensor:
    """Leaky ReLU: ``y = max(0, x) + slope · min(0, x)``; Keras's slope is 0.2.

    >>> leaky_relu([-1.0]).numpy().round(6).tolist()
    [-0.20000000298023224]
    """
    return functional.leaky_relu(x, negative_slope)


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """Exponential linear unit: x above 0, else ``α (exp(x) - 1)``.

    >>> elu([2.0]).tolist()
    [2.0]
    """
    return functional.elu(x, alpha)


def gelu(x: TensorLike, approximate: bool = False) -> Tensor:
    """Gaussian error linear unit, exact or by a hyperbolic tangent.

    >>> gelu([0.0]).tolist()
    [0.0]
    """
    return _gelu_tanh(x) if approximate else _gelu(x)


#: Every activation by Keras's name.
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "elu": elu,
    "exponential": exponential,
    "gelu": gelu,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_swish,
    "hard_tanh": hard_tanh,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_sigmoid": log_sigmoid,
    "log_softmax": log_softmax,
    "mish": mish,
    "relu": relu,
    "relu6": relu6,
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": softmax,
    "softplus": softplus,
    "softsign": softsign,
    "swish": swish,
    "tanh": tanh,
}

#: Functions of Keras's with a description of Chainrule's, which summaries and files can name.
_DESCRIBED: dict[Any, str | dict[str, Any]] = {
    elu: "elu",
    gelu: "gelu",
    hard_silu: "hard_silu",
    leaky_relu: {"name": "leaky_relu", "gamma": 0.2},
    linear: "linear",
    relu: "relu",
    sigmoid: "sigmoid",
    softmax: "softmax",
    log_softmax: "log_softmax",
}


def get(identifier: Any) -> Callable[..., Tensor]:
    """Return an activation by Keras's name, or the function that was given.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> get("relu") is relu, get(None) is linear
    (True, True)
    """
    if identifier is None:
        return linear
    if is_serialized(identifier):
        found: Callable[..., Tensor] = deserialize_keras_object(identifier)
        return found
    if isinstance(identifier, str):
        if identifier in ACTIVATIONS:
            return ACTIVATIONS[identifier]
        raise ArgumentError(
            "activation",
            repr(identifier),
            f"one of {', '.join(ACTIVATIONS)}, or a function of a tensor",
            nearest(identifier, ACTIVATIONS),
        )
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    raise DtypeError("activation", f"a {type(identifier).__name__}", "a name or a function")


def described(identifier: Any) -> Any:
    """Return what Chainrule's layers take for one of Keras's activations.

    A name with parameters, such as ``"elu(gamma=0.5)"``, and other names of Chainrule's own, such
    as ``"sine"``, pass, too.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> described("leaky_relu")
    {'name': 'leaky_relu', 'gamma': 0.2}
    """
    if isinstance(identifier, str) and identifier not in ACTIVATIONS:
        try:
            return find_activation(identifier)[1]
        except ArgumentError:
            get(identifier)  # says it with Keras's names
            raise
    if is_serialized(identifier):
        identifier = get(identifier)
    if identifier is None or isinstance(identifier, Mapping | Description):
        return identifier
    function = get(identifier)
    return _DESCRIBED.get(function, function)


def serialize(activation: Any) -> Any:
    """Return an activation as JSON values: its name, if it is one of Keras's.

    >>> serialize(relu), serialize(None)
    ('relu', 'linear')
    """
    if activation is None:
        return "linear"
    if isinstance(activation, str):
        activation = ACTIVATIONS.get(activation, activation)  # swish is silu
    for name, known in ACTIVATIONS.items():
        if activation is known:
            return name
    if isinstance(activation, Description):
        return activation.spelled
    return serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    if isinstance(config, str):
        return get(config)
    return deserialize_keras_object(config, custom_objects)


__getattr__ = missing(__name__, globals())
