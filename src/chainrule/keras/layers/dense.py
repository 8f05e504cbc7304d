"""Layers ``a = f(W x + b)``, activations, and what goes between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Tensor
from chainrule.keras import activations
from chainrule.keras.initializers import check as initializer
from chainrule.keras.layers.base import Adapted, translated
from chainrule.keras.logits import remember
from chainrule.keras.regularizers import check as regularizer
from chainrule.nn import layers as core
from chainrule.nn import learned_activations as learned
from chainrule.nn.activations import get as describe
from chainrule.ops.shape import reshape


@translated(lacks=("kernel_constraint", "bias_constraint"))
class Dense(Adapted, core.Dense):
    """Fully connected layer: ``a = f(x W + b)``; also by Keras 1's names.

    Args:
        units: number of neurons (Keras 1: output_dim).
        activation: f.
        use_bias: whether to add b (Keras 1: bias).
        kernel_initializer: initial W (Keras 1: init).
        bias_initializer: initial b.
        kernel_regularizer: penalty of W (Keras 1: W_regularizer).
        bias_regularizer: penalty of b (Keras 1: b_regularizer).
        activity_regularizer: penalty of a.

    >>> Dense(output_dim=64, input_dim=100).units
    64
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
    ) -> None:
        super().__init__(
            units,
            activations.described(activation),
            use_bias=bool(use_bias),
            kernel_initializer=initializer(kernel_initializer, "kernel_initializer"),
            bias_initializer=initializer(bias_initializer, "bias_initializer"),
            kernel_regularizer=regularizer(kernel_regularizer, "kernel_regularizer"),
            bias_regularizer=regularizer(bias_regularizer, "bias_regularizer"),
            activity_regularizer=regularizer(activity_regularizer, "activity_regularizer"),
        )

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``f(x W + b)``; of a softmax or sigmoid, z is remembered for the loss."""
        if self.activation_name not in ("softmax", "sigmoid"):
            return super().forward(x, training)
        assert self.kernel is not None
        self.check_size(x.shape[-1], self.kernel.shape[0], x)
        z = x @ self.kernel
        z = z if self.bias is None else z + self.bias
        return remember(self.activation_name, self.activation(z), z)


@translated()
class Activation(Adapted, core.Activation):
    """An activation as a layer of its own.

    >>> Activation("relu")([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    def __init__(self, activation: Any) -> None:
        super().__init__(activations.described(activation))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``f(x)``; of a softmax or sigmoid, x is remembered for the loss."""
        y = super().forward(x, training)
        if self.activation_name in ("softmax", "sigmoid"):
            remember(self.activation_name, y, x)
        return y


@translated(alpha="negative_slope")
class LeakyReLU(Activation):
    """Leaky ReLU: ``max(0, x) + slope · min(0, x)`` (Keras 1 and 2: alpha).

    >>> LeakyReLU(negative_slope=0.5)([-2.0]).tolist()
    [-1.0]
    """

    def __init__(self, negative_slope: float = 0.3) -> None:
        super().__init__(describe("leaky_relu", gamma=negative_slope))
        self.negative_slope = float(negative_slope)


@translated()
class ELU(Activation):
    """Exponential linear unit: x above 0, else ``α (exp(x) - 1)``.

    >>> ELU()([2.0]).tolist()
    [2.0]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(describe("elu", gamma=alpha))
        self.alpha = float(alpha)


@translated(alpha="negative_slope")
class ReLU(Activation):
    """Rectifier, with an upper limit, a slope below the threshold, and a threshold.

    >>> ReLU(max_value=6.0)([8.0]).tolist()
    [6.0]
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0
    ) -> None:
        given_numbers = {"negative_slope": negative_slope, "threshold": threshold}
        if max_value is not None:
            given_numbers["max_value"] = max_value
        for name, value in given_numbers.items():
            if not isinstance(value, int | float) or value < 0:
                raise ArgumentError(name, repr(value), "a number from 0")
        given = (max_value, negative_slope, threshold)
        self.max_value, self.negative_slope, self.threshold = given
        if given == (None, 0.0, 0.0):
            super().__init__("relu")
        elif given == (6.0, 0.0, 0.0):
            super().__init__("relu6")
        elif max_value is None and not threshold:
            super().__init__(describe("leaky_relu", gamma=negative_slope))
        else:
            super().__init__(_Rectifier(max_value, negative_slope, threshold))


@dataclass(frozen=True)
class _Rectifier:
    """A rectifier with a limit or a threshold, which Chainrule's own activations lack."""

    max_value: float | None
    negative_slope: float
    threshold: float
    __name__ = "relu"

    def __call__(self, x: Tensor) -> Tensor:
        return activations.relu(x, self.negative_slope, self.max_value, self.threshold)


@dataclass(frozen=True)
class _Shares:
    """Softmax over another axis than the last one."""

    axis: int
    __name__ = "softmax over an axis"

    def __call__(self, x: Tensor) -> Tensor:
        return activations.softmax(x, self.axis)


@translated()
class Softmax(Activation):
    """Softmax over an axis.

    >>> Softmax()([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
        super().__init__("softmax" if axis == -1 else _Shares(axis))


@translated(lacks=("alpha_constraint",), init="alpha_initializer")
class PReLU(Adapted, learned.PReLU):
    """Leaky ReLU with a learned slope for each unit; in Keras it starts at 0.

    >>> PReLU()([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        shared_axes: int | Iterable[int] | None = None,
    ) -> None:
        super().__init__(
            initializer(alpha_initializer, "alpha_initializer"),
            regularizer(alpha_regularizer, "alpha_regularizer"),
            shared_axes,
        )


@translated(nb_feature="pieces")
class MaxoutDense(Adapted, learned.Maxout):
    """Maxout as Keras 1 had it: units that take the largest of ``nb_feature`` linear pieces.

    >>> MaxoutDense(output_dim=3, nb_feature=2)([[1.0, 2.0]]).shape
    (1, 3)
    """

    def __init__(
        self,
        units: int,
        pieces: int = 4,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
    ) -> None:
        super().__init__(
            units,
            pieces,
            use_bias=bool(use_bias),
            kernel_initializer=initializer(kernel_initializer, "kernel_initializer"),
            bias_initializer=initializer(bias_initializer, "bias_initializer"),
            kernel_regularizer=regularizer(kernel_regularizer, "kernel_regularizer"),
            bias_regularizer=regularizer(bias_regularizer, "bias_regularizer"),
            activity_regularizer=regularizer(activity_regularizer, "activity_regularizer"),
        )


@translated(dims="target_shape")
class Reshape(Adapted):
    """Reshape each sample; one size may be -1.

    >>> Reshape((2, 2))([[1.0, 2.0, 3.0, 4.0]]).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """

    takes_integers = True

    def __init__(self, target_shape: Sequence[int]) -> None:
        self.target_shape = tuple(int(n) for n in target_shape)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Reshape."""
        sizes, count = self.target_shape, x.size // max(x.shape[0], 1)
        known = 1
        for n in sizes:
            known *= n if n != -1 else 1
        fits = count % known == 0 if sizes.count(-1) == 1 else known == count
        if not fits or sizes.count(-1) > 1:
            raise ShapeError("target_shape", str(sizes), f"a shape of {count} numbers")
        return reshape(x, (x.shape[0], *(count // known if n == -1 else n for n in sizes)))

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {"target_shape": list(self.target_shape)}
