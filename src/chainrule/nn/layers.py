"""Layers: the modules that networks are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError, nearest
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import ArrayType
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.activations import Activation as ActivationFunction
from chainrule.nn.activations import activation as find_activation
from chainrule.nn.initializers import INITIALIZERS, Initializer
from chainrule.nn.initializers import initializer as find_initializer
from chainrule.nn.module import Module
from chainrule.ops.elementwise import as_float


class Layer(Module):
    """A module with a configuration, from which it can be made again."""

    #: Name of the activation, for summaries.
    activation_name: str = ""

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values.

        Raises:
            ArgumentError: an argument has no name that could be written down.
        """
        raise NotImplementedError


class Dense(Layer):
    """Fully connected layer: ``z = x W + b``, ``a = f(z)``.

    The kernel has Keras's shape, (fan_in, units): it is the transpose of the lecture's
    W^(l) ∈ R^(M_l × M_(l-1)), since rows of ``x`` are samples.

    Args:
        units: number of neurons, M_l.
        activation: name or function of f_l (default: identity).
        use_bias: whether to add ``b``.
        kernel_initializer: name or function of the initial ``W``.
        bias_initializer: name or function of the initial ``b``.

    Attributes:
        kernel: W, shape (fan_in, units), made when the size of the input is known.
        bias: b, shape (units,), or ``None``.

    Raises:
        ArgumentError: ``units`` is not a whole number from 1; an unknown activation or initializer.

    >>> layer = Dense(3, activation="relu")
    >>> layer([[1.0, 2.0]]).shape
    (1, 3)
    >>> layer.kernel.shape
    (2, 3)
    """

    def __init__(
        self,
        units: int,
        activation: str | ActivationFunction | None = None,
        *,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
    ) -> None:
        if not isinstance(units, int | np.integer) or isinstance(units, bool) or units < 1:
            raise ArgumentError("units", repr(units), "a whole number from 1")
        self.units = int(units)
        self.activation_name, self.activation = find_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = find_initializer(kernel_initializer)
        self.bias_initializer = find_initializer(bias_initializer)
        self.kernel: Parameter | None = None
        self.bias: Parameter | None = None

    def build(self, input_type: ArrayType) -> None:
        """Make the kernel and the bias."""
        if not input_type.ndim:
            raise ShapeError("input of Dense", "a single number", "shape (batch, features)")
        fan_in = input_type.shape[-1]
        self.kernel = Parameter(self.kernel_initializer((fan_in, self.units), input_type.dtype))
        if self.use_bias:
            self.bias = Parameter(self.bias_initializer((self.units,), input_type.dtype))

    def __call__(self, x: Any, training: bool = False) -> Tensor:
        """Compute the output; integers become float32 first."""
        return super().__call__(as_float(x), training)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``f(x W + b)`` for ``x`` of shape (..., fan_in)."""
        assert self.kernel is not None
        if x.shape[-1] != self.kernel.shape[0]:
            raise ShapeError(
                "input of Dense",
                f"{x.shape[-1]} features (shape {x.shape})",
                f"{self.kernel.shape[0]} features, as in the first call",
            )
        z = x @ self.kernel
        return self.activation(z if self.bias is None else z + self.bias)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {
            "units": self.units,
            "activation": _name_of(self.activation, ACTIVATIONS, "activation"),
            "use_bias": self.use_bias,
            "kernel_initializer": _name_of(self.kernel_initializer, INITIALIZERS, "initializer"),
            "bias_initializer": _name_of(self.bias_initializer, INITIALIZERS, "initializer"),
        }

    def __repr__(self) -> str:
        return f"Dense({self.units}, activation={self.activation_name!r})"


class Activation(Layer):
    """An activation as a layer of its own: ``a = f(x)``.

    Args:
        activation: name or function of f.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> Activation("relu")([-1.0, 2.0])
    Tensor([0., 2.], dtype=float32)
    """

    def __init__(self, activation: str | ActivationFunction) -> None:
        self.activation_name, self.activation = find_activation(activation)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``f(x)``."""
        return self.activation(x)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {"activation": _name_of(self.activation, ACTIVATIONS, "activation")}

    def __repr__(self) -> str:
        return f"Activation({self.activation_name!r})"


#: Layers that a file may name.
LAYERS: dict[str, type[Layer]] = {"Dense": Dense, "Activation": Activation}


def layer_to_config(layer: Layer) -> dict[str, Any]:
    """Return a layer's type and configuration as JSON values.

    Raises:
        ArgumentError: a layer that ``layer_from_config`` could not make again.
    """
    name = type(layer).__name__
    if LAYERS.get(name) is not type(layer):
        raise ArgumentError(
            "layer",
            f"a {name}, which is code",
            f"one of {', '.join(LAYERS)}",
            "Keep the class, and save the weights with model.get_weights().",
        )
    return {"type": name, **layer.config()}


def layer_from_config(config: dict[str, Any]) -> Layer:
    """Make a layer from its type and configuration.

    Raises:
        ArgumentError: an unknown type of layer, or arguments that do not fit.

    >>> layer_from_config({"type": "Dense", "units": 3})
    Dense(3, activation='linear')
    """
    arguments = dict(config)
    name = arguments.pop("type", None)
    if name not in LAYERS:
        raise ArgumentError(
            "layer", repr(name), f"one of {', '.join(LAYERS)}", nearest(str(name), LAYERS)
        )
    try:
        return LAYERS[name](**arguments)
    except TypeError as error:
        raise ArgumentError(f"layer {name}", str(arguments), f"its arguments ({error})") from error


def _name_of(function: Any, known: dict[str, Any], kind: str) -> str:
    for name, candidate in known.items():
        if candidate is function:
            return name
    raise ArgumentError(
        kind,
        f"the function {getattr(function, '__name__', function)!r}",
        f"one of {', '.join(known)}",
        "A file can name only what Chainrule knows: save the weights with model.get_weights().",
    )
