"""Layers: the modules that networks are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from chainrule.core.errors import ArgumentError, ShapeError, nearest
from chainrule.core.tensor import Parameter, Tensor, TensorLike
from chainrule.core.types import ArrayType, Shape
from chainrule.nn.activations import ActivationFunction, activation_config
from chainrule.nn.activations import activation as find_activation
from chainrule.nn.arguments import whole_number
from chainrule.nn.initializers import InitializerLike, describe_initializer, initialized
from chainrule.nn.initializers import initializer as find_initializer
from chainrule.nn.module import Module, add_penalty
from chainrule.nn.regularizers import RegularizerLike, describe_regularizer
from chainrule.nn.regularizers import regularizer as find_regularizer
from chainrule.ops.promotion import as_float


class Example(NamedTuple):
    """A layer that must work; the conformance tests run every one of them.

    Attributes:
        arguments: of the constructor, as a file holds them.
        shape: shape of the input, batch first.
        below: the input holds whole numbers from 0, below this; ``None``: any numbers.
    """

    arguments: Mapping[str, Any]
    shape: Shape
    below: int | None = None


class Layer(Module):
    """A module with a configuration, from which it can be made again."""

    #: Name of the activation, for summaries.
    activation_name: str = ""
    #: M_l, the number of its neurons, where it is a layer ``a = f(W a + b)`` of the lecture's.
    neurons: int | None = None
    #: Penalty of its output: each sample's mean counts.
    activity_regularizer: Callable[[Tensor], Tensor] | None = None
    #: Whether integers are left as they are; otherwise they become float32 first.
    takes_integers: ClassVar[bool] = False
    #: For the conformance tests.
    examples: ClassVar[tuple[Example, ...]] = ()

    def __call__(self, x: TensorLike, training: bool | None = None) -> Tensor:
        """Compute the output, after making the parameters if this is the first call."""
        y = super().__call__(x if self.takes_integers else as_float(x), training)
        if self.activity_regularizer is not None and y.shape:
            add_penalty(self.activity_regularizer(y) / float(max(y.shape[0], 1)))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values.

        Raises:
            ArgumentError: an argument has no name that could be written down.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Make a layer from what ``config`` returned."""
        return cls(**config)

    def regularizer_config(self, *arguments: str) -> dict[str, Any]:
        """Return those of the regularizers that are there, as JSON values."""
        given = {argument: getattr(self, argument) for argument in arguments}
        return {name: describe_regularizer(r) for name, r in given.items() if r is not None}

    def check_size(self, size: int, expected: int, x: Tensor, what: str = "features") -> None:
        """Raise ``ShapeError`` if the input has another size than that of the first call."""
        if size != expected:
            raise ShapeError(
                f"input of {type(self).__name__}",
                f"{size} {what} (shape {x.shape})",
                f"{expected} {what}, as in the first call",
            )


#: How a model that holds code gets into a file.
_WAYS_OUT = (
    "Derive the class from cr.Layer, write its config(), and decorate it with @cr.register; or "
    "keep the class, and save the weights with model.get_weights()."
)

Kind = TypeVar("Kind", bound=type[Layer])

#: Layers that a file may name.
LAYERS: dict[str, type[Layer]] = {}


def register(kind: Kind) -> Kind:
    """Let files name a layer: a decorator for its class, which says its ``config``.

    A layer of your own can then be saved and loaded, wherever its class was imported before.

    Raises:
        ArgumentError: another class has the name.

    >>> @register
    ... class Doubled(Layer):
    ...     def forward(self, x, training=False):
    ...         return 2.0 * x
    ...
    ...     def config(self):
    ...         return {}
    >>> type(layer_from_config({"type": "Doubled"})).__name__
    'Doubled'
    >>> del LAYERS["Doubled"]
    """
    name = kind.__name__
    other = LAYERS.get(
        name, kind
    )  # the same class comes again where a notebook's cell is run again
    if (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ArgumentError("kind", f"a second class {name}", "a name that no other layer has")
    LAYERS[name] = kind
    return kind


@register
class Dense(Layer):
    """Fully connected layer: ``z = x W + b``, ``a = f(z)``.

    The kernel has Keras's shape, (fan_in, units): it is the transpose of the lecture's
    W^(l) ∈ R^(M_l × M_(l-1)), since rows of ``x`` are samples.

    Args:
        units: number of neurons, M_l.
        activation: name or function of f_l (default: identity); a name may carry parameters, such
            as ``"leaky_relu(gamma=0.2)"``; a layer such as ``cr.PReLU()`` brings its own.
        use_bias: whether to add ``b``.
        kernel_initializer: initial ``W``: a name, or one of ``cr.initializers``.
        bias_initializer: initial ``b``.
        kernel_regularizer: penalty of ``W``: a name, λ of ``L2``, or one of ``cr.regularizers``.
        bias_regularizer: penalty of ``b``.
        activity_regularizer: penalty of ``a``, as the mean over samples.

    Attributes:
        kernel: W, shape (fan_in, units), made when the size of the input is known.
        bias: b, shape (units,), or ``None``.

    Raises:
        ArgumentError: ``units`` is not a whole number from 1; an unknown activation, initializer or
            regularizer.

    >>> layer = Dense(3, activation="relu")
    >>> layer([[1.0, 2.0]]).shape
    (1, 3)
    >>> layer.kernel.shape
    (2, 3)
    """

    examples = (
        Example({"units": 3, "activation": "tanh"}, (4, 2)),
        Example({"units": 2, "use_bias": False, "kernel_initializer": "he_normal"}, (2, 3, 4)),
        Example(
            {
                "units": 3,
                "kernel_regularizer": {"name": "l2", "l2": 0.1},
                "bias_regularizer": {"name": "l1", "l1": 0.2},
                "activity_regularizer": {"name": "l1_l2", "l1": 0.1, "l2": 0.3},
                "bias_initializer": {"name": "constant", "value": 0.5},
            },
            (4, 2),
        ),
        Example({"units": 3, "activation": {"type": "PReLU"}}, (4, 2)),
    )

    def __init__(
        self,
        units: int,
        activation: str | Mapping[str, Any] | ActivationFunction | None = None,
        *,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
    ) -> None:
        self.units = self.neurons = whole_number("units", units)
        self.kernel: Parameter | None = None
        self.bias: Parameter | None = None
        self.activation_name, self.activation = _find_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = find_initializer(kernel_initializer, "kernel_initializer")
        self.bias_initializer = find_initializer(bias_initializer, "bias_initializer")
        self.kernel_regularizer = find_regularizer(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = find_regularizer(bias_regularizer, "bias_regularizer")
        self.activity_regularizer = find_regularizer(activity_regularizer, "activity_regularizer")

    def build(self, input_type: ArrayType) -> None:
        """Make the kernel and the bias."""
        if not input_type.ndim:
            raise ShapeError("input of Dense", "a single number", "shape (batch, features)")
        shape, dtype = (input_type.shape[-1], self.units), input_type.dtype
        self.kernel = initialized(self.kernel_initializer, shape, dtype, "kernel")
        if self.use_bias:
            self.bias = initialized(self.bias_initializer, (self.units,), dtype, "bias")

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return the kernel and the bias with their regularizers."""
        return ((self.kernel_regularizer, self.kernel), (self.bias_regularizer, self.bias))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``f(x W + b)`` for ``x`` of shape (..., fan_in)."""
        assert self.kernel is not None
        self.check_size(x.shape[-1], self.kernel.shape[0], x)
        z = x @ self.kernel
        return self.activation(z if self.bias is None else z + self.bias)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {
            "units": self.units,
            "activation": _activation_config(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": describe_initializer(self.kernel_initializer),
            "bias_initializer": describe_initializer(self.bias_initializer),
            **self.regularizer_config(
                "kernel_regularizer", "bias_regularizer", "activity_regularizer"
            ),
        }

    def __repr__(self) -> str:
        return f"Dense({self.units}, activation={self.activation_name!r})"


@register
class Activation(Layer):
    """An activation as a layer of its own: ``a = f(x)``.

    Args:
        activation: name or function of f; a name may carry parameters.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> Activation("relu")([-1.0, 2.0])
    Tensor([0., 2.], dtype=float32)
    """

    examples = (
        Example({"activation": "sigmoid"}, (4, 2)),
        Example({"activation": {"name": "elu", "gamma": 0.5}}, (2, 3)),
    )

    def __init__(self, activation: str | Mapping[str, Any] | ActivationFunction) -> None:
        self.activation_name, self.activation = _find_activation(activation)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``f(x)``."""
        return self.activation(x)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {"activation": _activation_config(self.activation)}

    def __repr__(self) -> str:
        return f"Activation({self.activation_name!r})"


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
            _WAYS_OUT,
        )
    return {"type": name, **layer.config()}


def layers_to_config(layers: Sequence[Module]) -> list[dict[str, Any]]:
    """Return layers as JSON values.

    Raises:
        ArgumentError: a module that is not a ``Layer``, or one that could not be made again.
    """
    described = []
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ArgumentError(
                "model",
                f"a layer of type {type(layer).__name__}, which is code",
                "a cr.Layer with a config",
                _WAYS_OUT,
            )
        described.append(layer_to_config(layer))
    return described


def layer_from_config(config: Mapping[str, Any]) -> Layer:
    """Make a layer from its type and configuration.

    Raises:
        ArgumentError: an unknown type of layer, or arguments that do not fit.

    >>> layer_from_config({"type": "Dense", "units": 3})
    Dense(3, activation='linear')
    """
    if not isinstance(config, Mapping):
        raise ArgumentError("layer", repr(config), "a mapping with a 'type'")
    arguments = dict(config)
    name = arguments.pop("type", None)
    if not isinstance(name, str) or name not in LAYERS:
        raise ArgumentError(
            "layer", repr(name), f"one of {', '.join(LAYERS)}", nearest(str(name), LAYERS)
        )
    try:
        return LAYERS[name].from_config(arguments)
    except (TypeError, LookupError) as error:
        raise ArgumentError(f"layer {name}", str(arguments), f"its arguments ({error})") from error


def _find_activation(given: Any) -> tuple[str, ActivationFunction]:
    """Return the name and the function of an activation, which may be a layer such as PReLU."""
    if isinstance(given, Mapping) and "type" in given:
        given = layer_from_config(given)
    return (_layer_name(given), given) if isinstance(given, Layer) else find_activation(given)


def _layer_name(layer: Layer) -> str:
    return layer.activation_name or type(layer).__name__


def _activation_config(function: ActivationFunction) -> str | dict[str, Any]:
    return layer_to_config(function) if isinstance(function, Layer) else activation_config(function)
