"""Normalization: over the batch, over a sample's features, by their root mean square."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import ArrayType, Dtype, Shape, normalize_axes, normalize_axis
from chainrule.nn.arguments import axes_of, epsilon_of, number, whole_number
from chainrule.nn.initializers import InitializerLike, describe_initializer, initialized
from chainrule.nn.initializers import initializer as find_initializer
from chainrule.nn.layers import Example, Layer, register
from chainrule.nn.regularizers import RegularizerLike
from chainrule.nn.regularizers import regularizer as find_regularizer
from chainrule.ops.elementwise import rsqrt, square
from chainrule.ops.functional import stop_gradient
from chainrule.ops.reduce import mean
from chainrule.ops.shape import reshape


class Normalization(Layer):
    """What BatchNorm and LayerNorm have in common: ``y = γ x̂ + β``, with γ and β learned.

    Attributes:
        gamma: γ, or ``None`` without ``scale``.
        beta: β, or ``None`` without ``center``.
    """

    has_weight_matrices = False

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: InitializerLike,
        gamma_initializer: InitializerLike,
        beta_regularizer: RegularizerLike,
        gamma_regularizer: RegularizerLike,
    ) -> None:
        self.epsilon = epsilon_of(epsilon)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = find_initializer(beta_initializer, "beta_initializer")
        self.gamma_initializer = find_initializer(gamma_initializer, "gamma_initializer")
        self.beta_regularizer = find_regularizer(beta_regularizer, "beta_regularizer")
        self.gamma_regularizer = find_regularizer(gamma_regularizer, "gamma_regularizer")
        self.gamma: Parameter | None = None
        self.beta: Parameter | None = None

    def make_scale_and_shift(self, shape: Shape, dtype: Dtype) -> None:
        """Make γ and β."""
        if self.scale:
            self.gamma = initialized(self.gamma_initializer, shape, dtype, "gamma")
        if self.center:
            self.beta = initialized(self.beta_initializer, shape, dtype, "beta")

    def scaled_and_shifted(self, x: Tensor, shape: Shape) -> Tensor:
        """Return ``γ x + β``, with γ and β reshaped so that they broadcast."""
        if self.gamma is not None:
            x = x * reshape(self.gamma, shape)
        return x if self.beta is None else x + reshape(self.beta, shape)

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return γ and β with their regularizers."""
        return ((self.gamma_regularizer, self.gamma), (self.beta_regularizer, self.beta))

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": describe_initializer(self.beta_initializer),
            "gamma_initializer": describe_initializer(self.gamma_initializer),
            **self.regularizer_config("beta_regularizer", "gamma_regularizer"),
        }


@register
class BatchNorm(Normalization):
    """Batch normalization: each feature gets mean β and standard deviation γ over the batch.

    In training ``y = γ (x - m) / √(v + ε) + β``, with m and v the batch's mean and variance; then
    ``moving_mean ← μ moving_mean + (1 - μ) m``, and ``moving_variance`` likewise. Elsewhere the
    moving ones take the place of m and v, so that a sample's output does not depend on its company.

    As in Keras, v is the biased variance, ``(1/n) Σ (x - m)²``, in both places. (PyTorch puts the
    unbiased one into its running variance, and its momentum is ``1 - μ``.)

    Args:
        axis: the axis of the features; all others are averaged over.
        momentum: μ, how much of the moving statistics stays.
        epsilon: ε, which keeps the division finite.
        center: whether to add β.
        scale: whether to multiply by γ.
        beta_initializer: initial β.
        gamma_initializer: initial γ.
        moving_mean_initializer: initial moving mean.
        moving_variance_initializer: initial moving variance.
        beta_regularizer: penalty of β.
        gamma_regularizer: penalty of γ.

    Attributes:
        gamma, beta: γ and β, shape (features,), or ``None``.
        moving_mean, moving_variance: shape (features,); not trainable.

    Raises:
        ArgumentError: an argument out of range; an unknown initializer or regularizer.

    >>> layer = BatchNorm(momentum=0.5, epsilon=1e-6)
    >>> layer([[1.0], [3.0]], training=True).numpy().round(3).tolist()
    [[-1.0], [1.0]]
    >>> layer.moving_mean.tolist(), layer.moving_variance.tolist()
    ([1.0], [1.0])

    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithm 1.
    """

    examples = (
        Example({}, (5, 3)),
        Example({"momentum": 0.5, "epsilon": 0.01, "center": False}, (2, 4, 3)),
        Example(
            {
                "axis": 1,
                "scale": False,
                "beta_initializer": "normal",
                "moving_mean_initializer": "normal",
                "moving_variance_initializer": {"name": "constant", "value": 2.0},
                "beta_regularizer": {"name": "l1", "l1": 0.1},
            },
            (3, 2, 2),
        ),
        Example(
            {"gamma_initializer": "normal", "gamma_regularizer": {"name": "l2", "l2": 0.1}}, (6, 2)
        ),
    )

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
        )
        self.axis = whole_number("axis", axis, least=None)
        self.momentum = number("momentum", momentum, 0.0, 1.0, "a number in [0, 1)")
        self.moving_mean_initializer = find_initializer(
            moving_mean_initializer, "moving_mean_initializer"
        )
        self.moving_variance_initializer = find_initializer(
            moving_variance_initializer, "moving_variance_initializer"
        )
        self.moving_mean: Parameter | None = None
        self.moving_variance: Parameter | None = None

    def build(self, input_type: ArrayType) -> None:
        """Make γ, β and the moving statistics."""
        axis = _feature_axis(self, input_type.shape)
        shape, dtype = (input_type.shape[axis],), input_type.dtype
        self.make_scale_and_shift(shape, dtype)
        self.moving_mean = initialized(
            self.moving_mean_initializer, shape, dtype, "moving_mean", trainable=False
        )
        self.moving_variance = initialized(
            self.moving_variance_initializer, shape, dtype, "moving_variance", trainable=False
        )

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``γ (x - m) / √(v + ε) + β`` for ``x`` of shape (batch, ..., features)."""
        assert self.moving_mean is not None
        assert self.moving_variance is not None
        axis = _feature_axis(self, x.shape)
        self.check_size(x.shape[axis], self.moving_mean.shape[0], x)
        shape = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))
        if training and self.trainable:
            others = tuple(i for i in range(x.ndim) if i != axis)
            self._check_batch(x, axis)
            centered = x - mean(x, others, keepdims=True)
            variance = mean(square(centered), others, keepdims=True)
            self._follow(self.moving_mean, mean(x, others))
            self._follow(self.moving_variance, reshape(variance, self.moving_variance.shape))
        else:
            centered = x - reshape(self.moving_mean, shape)
            variance = reshape(self.moving_variance, shape)
        return self.scaled_and_shifted(centered * rsqrt(variance + self.epsilon), shape)

    def _follow(self, moving: Parameter, statistic: Tensor) -> None:
        moving.assign(moving * self.momentum + stop_gradient(statistic) * (1.0 - self.momentum))

    def _check_batch(self, x: Tensor, axis: int) -> None:
        values = x.size // max(x.shape[axis], 1)
        if values < 2:
            raise ShapeError(
                "input of BatchNorm",
                f"a batch of {values} in training (shape {x.shape})",
                "at least two samples: the mean of a single one is the sample itself, so that the "
                "output would be β, whatever the input",
                "Choose a batch_size that leaves no single sample over, or use cr.LayerNorm.",
            )

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {
            "axis": self.axis,
            "momentum": self.momentum,
            **super().config(),
            "moving_mean_initializer": describe_initializer(self.moving_mean_initializer),
            "moving_variance_initializer": describe_initializer(self.moving_variance_initializer),
        }


@register
class LayerNorm(Normalization):
    """Layer normalization: each sample's features get mean 0 and standard deviation 1.

    ``y = γ (x - m) / √(v + ε) + β``, with m and v the mean and the (biased) variance over the
    features of one sample: the same in training and elsewhere, for any size of batch.

    Args:
        axis: the axis or axes of the features.
        epsilon: ε, which keeps the division finite (Keras's default; PyTorch's is 1e-5).
        center: whether to add β.
        scale: whether to multiply by γ.
        beta_initializer: initial β.
        gamma_initializer: initial γ.
        beta_regularizer: penalty of β.
        gamma_regularizer: penalty of γ.

    Attributes:
        gamma, beta: γ and β, in the shape of the features, or ``None``.

    Raises:
        ArgumentError: an argument out of range; an unknown initializer or regularizer.

    >>> LayerNorm(epsilon=1e-6)([[1.0, 3.0], [10.0, 30.0]]).numpy().round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]

    Source: Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, equation 3.
    """

    examples = (
        Example({}, (4, 3)),
        Example({"epsilon": 1e-5, "center": False, "gamma_initializer": "normal"}, (2, 3, 4)),
        Example(
            {
                "axis": [1, 2],
                "scale": False,
                "beta_initializer": "normal",
                "beta_regularizer": {"name": "l2", "l2": 0.1},
            },
            (2, 3, 2),
        ),
    )

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
        )
        self.axis = axes_of(axis)
        self._sizes: Shape = ()

    def build(self, input_type: ArrayType) -> None:
        """Make γ and β."""
        axes = _feature_axes(self, self.axis, input_type.shape)
        self._sizes = tuple(input_type.shape[i] for i in axes)
        self.make_scale_and_shift(self._sizes, input_type.dtype)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``γ (x - m) / √(v + ε) + β``."""
        axes = _feature_axes(self, self.axis, x.shape)
        _check_sizes(self, axes, self._sizes, x)
        centered = x - mean(x, axes, keepdims=True)
        variance = mean(square(centered), axes, keepdims=True)
        shape = tuple(n if i in axes else 1 for i, n in enumerate(x.shape))
        return self.scaled_and_shifted(centered * rsqrt(variance + self.epsilon), shape)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        axis = list(self.axis) if isinstance(self.axis, tuple) else self.axis
        return {"axis": axis, **super().config()}


@register
class RMSNorm(Layer):
    """Root mean square normalization: ``y = s x / √(mean(x²) + ε)``, over each sample's features.

    LayerNorm without the centering, and without a shift.

    Args:
        axis: the axis or axes of the features.
        epsilon: ε, which keeps the division finite.

    Attributes:
        scale: s, in the shape of the features.

    Raises:
        ArgumentError: an argument out of range.

    >>> y = RMSNorm()([[3.0, 4.0]])
    >>> round(float((y * y).mean()), 3)
    1.0

    Source: Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019, equation 4.
    """

    has_weight_matrices = False
    examples = (
        Example({}, (4, 3)),
        Example({"axis": [1, 2], "epsilon": 0.01}, (2, 3, 2)),
        Example({"axis": 1}, (2, 3, 2)),
    )

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6) -> None:
        self.axis = axes_of(axis)
        self.epsilon = epsilon_of(epsilon)
        self.scale: Parameter | None = None

    def build(self, input_type: ArrayType) -> None:
        """Make the scale."""
        axes = _feature_axes(self, self.axis, input_type.shape)
        sizes = tuple(input_type.shape[i] for i in axes)
        self.scale = initialized(find_initializer("ones"), sizes, input_type.dtype, "scale")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``s x / √(mean(x²) + ε)``."""
        assert self.scale is not None
        axes = _feature_axes(self, self.axis, x.shape)
        _check_sizes(self, axes, self.scale.shape, x)
        shape = tuple(n if i in axes else 1 for i, n in enumerate(x.shape))
        size = rsqrt(mean(square(x), axes, keepdims=True) + self.epsilon)
        return x * size * reshape(self.scale, shape)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        axis = list(self.axis) if isinstance(self.axis, tuple) else self.axis
        return {"axis": axis, "epsilon": self.epsilon}


#: Keras's names.
BatchNormalization = BatchNorm
LayerNormalization = LayerNorm
RMSNormalization = RMSNorm


def _feature_axis(layer: BatchNorm, shape: Shape) -> int:
    if len(shape) < 2:
        raise ShapeError("input of BatchNorm", f"shape {shape}", "shape (batch, features)")
    axis = normalize_axis(layer.axis, len(shape))
    if axis == 0:
        raise ArgumentError(
            "axis", f"{layer.axis} for an input of shape {shape}", "an axis of features, not axis 0"
        )
    return axis


def _feature_axes(layer: Layer, axis: int | tuple[int, ...], shape: Shape) -> tuple[int, ...]:
    if not shape:
        name = type(layer).__name__
        raise ShapeError(f"input of {name}", "a single number", "shape (batch, features)")
    axes = normalize_axes(axis, len(shape))
    if 0 in axes and len(shape) > 1:
        raise ArgumentError(
            "axis", f"{axis} for an input of shape {shape}", "axes of features, not axis 0"
        )
    return axes


def _check_sizes(layer: Layer, axes: tuple[int, ...], expected: Shape, x: Tensor) -> None:
    sizes = tuple(x.shape[i] for i in axes)
    if sizes != expected:
        raise ShapeError(
            f"input of {type(layer).__name__}",
            f"features of shape {sizes} (shape {x.shape})",
            f"features of shape {expected}, as in the first call",
        )
