"""Activations with parameters of their own: PReLU and Maxout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from chainrule.core.errors import ShapeError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import ArrayType, Dtype, Shape, normalize_axes
from chainrule.nn.arguments import axes_of, whole_number
from chainrule.nn.initializers import (
    Constant,
    InitializerLike,
    RandomInitializer,
    describe_initializer,
    initial,
    initialized,
)
from chainrule.nn.initializers import initializer as find_initializer
from chainrule.nn.layers import Example, Layer, register
from chainrule.nn.regularizers import RegularizerLike
from chainrule.nn.regularizers import regularizer as find_regularizer
from chainrule.ops import functional
from chainrule.ops.shape import reshape, stack

#: Where the paper starts the slopes of PReLU.
_QUARTER = Constant(0.25)


@register
class PReLU(Layer):
    """Parametric ReLU, with a slope for each unit: ``aᵢ = max(0, xᵢ) + γᵢ min(0, xᵢ)``.

    ``∂a/∂x = I(x > 0) + γ I(x ≤ 0)``, ``∂a/∂γ = min(0, x)``. The slopes γ are learned; Keras calls
    them alpha, and so does the parameter here. With inputs of shape (n, M) there are M of them.

    Args:
        alpha_initializer: initial γ (default: 0.25, as in the paper; Keras starts at 0, as ReLU).
        alpha_regularizer: penalty of γ; the paper has none, since decay would pull it to ReLU.
        shared_axes: axes along which units share their γ, counted with the batch axis as 0.

    Attributes:
        alpha: γ, the shape of one sample, with size 1 along the shared axes.

    Raises:
        ArgumentError: an unknown initializer; an axis that the input lacks.

    >>> PReLU()([[-1.0, 2.0]]).tolist()
    [[-0.25, 2.0]]

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, section 2.1.
    """

    activation_name = "prelu"
    has_weight_matrices = False
    examples = (
        Example({}, (4, 2)),
        Example(
            {
                "alpha_initializer": "lecun_uniform",
                "alpha_regularizer": {"name": "l2", "l2": 0.1},
                "shared_axes": [1],
            },
            (2, 3, 4),
        ),
    )

    def __init__(
        self,
        alpha_initializer: InitializerLike = _QUARTER,
        alpha_regularizer: RegularizerLike = None,
        shared_axes: int | Iterable[int] | None = None,
    ) -> None:
        self.alpha_initializer = find_initializer(alpha_initializer, "alpha_initializer")
        self.alpha_regularizer = find_regularizer(alpha_regularizer, "alpha_regularizer")
        self.shared_axes = None if shared_axes is None else axes_of(shared_axes, "shared_axes")
        self.alpha: Parameter | None = None

    def build(self, input_type: ArrayType) -> None:
        """Make the slopes."""
        if not input_type.ndim:
            raise ShapeError("input of PReLU", "a single number", "shape (batch, units)")
        shared = (
            () if self.shared_axes is None else normalize_axes(self.shared_axes, input_type.ndim)
        )
        shape = tuple(1 if i in shared else n for i, n in enumerate(input_type.shape))[1:]
        self.alpha = initialized(self.alpha_initializer, shape, input_type.dtype, "alpha")

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return the slopes with their regularizer."""
        return ((self.alpha_regularizer, self.alpha),)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``max(0, x) + γ min(0, x)`` for ``x`` of shape (batch, ...)."""
        assert self.alpha is not None
        fits = x.ndim == self.alpha.ndim + 1 and all(
            size in (1, n) for size, n in zip(self.alpha.shape, x.shape[1:], strict=True)
        )
        if not fits:
            raise ShapeError(
                "input of PReLU",
                f"shape {x.shape}",
                f"slopes of shape {self.alpha.shape} for each sample, as in the first call",
            )
        return functional.prelu(x, self.alpha.value)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        shared = self.shared_axes
        return {
            "alpha_initializer": describe_initializer(self.alpha_initializer),
            "shared_axes": list(shared) if isinstance(shared, tuple) else shared,
            **self.regularizer_config("alpha_regularizer"),
        }


@register
class Maxout(Layer):
    """Units that take the largest of several linear pieces: ``aᵢ = maxₖ (Wₖ x + bₖ)ᵢ``.

    With enough pieces a unit is any convex function of its net input; two make ReLU and |z|.

    Args:
        units: number of neurons, M_l.
        pieces: K, how many linear functions a unit chooses from.
        use_bias: whether to add ``b``.
        kernel_initializer: initial ``W`` of each piece, a matrix (fan_in, units).
        bias_initializer: initial ``b`` of each piece.
        kernel_regularizer: penalty of ``W``.
        bias_regularizer: penalty of ``b``.
        activity_regularizer: penalty of ``a``, as the mean over samples.

    Attributes:
        kernel: W, shape (fan_in, units · K); the K columns of a unit lie side by side.
        bias: b, shape (units · K,), or ``None``.

    Raises:
        ArgumentError: ``units`` or ``pieces`` is not a whole number from 1; an unknown initializer
            or regularizer.

    >>> layer = Maxout(3, pieces=2)
    >>> layer([[1.0, 2.0]]).shape, layer.kernel.shape
    ((1, 3), (2, 6))

    Source: Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout networks", ICML 2013.
    """

    activation_name = "maxout"
    examples = (
        Example({"units": 3}, (4, 2)),
        Example({"units": 2, "pieces": 3, "use_bias": False}, (2, 3, 4)),
        Example(
            {
                "units": 2,
                "pieces": 4,
                "kernel_initializer": "orthogonal",
                "bias_initializer": "normal",
                "kernel_regularizer": {"name": "l1_l2", "l1": 0.1, "l2": 0.2},
                "bias_regularizer": {"name": "l2", "l2": 0.3},
                "activity_regularizer": {"name": "l2", "l2": 0.3},
            },
            (5, 3),
        ),
    )

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        *,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
    ) -> None:
        self.units = self.neurons = whole_number("units", units)
        self.pieces = whole_number("pieces", pieces)
        self.use_bias = use_bias
        self.kernel_initializer = find_initializer(kernel_initializer, "kernel_initializer")
        self.bias_initializer = find_initializer(bias_initializer, "bias_initializer")
        self.kernel_regularizer = find_regularizer(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = find_regularizer(bias_regularizer, "bias_regularizer")
        self.activity_regularizer = find_regularizer(activity_regularizer, "activity_regularizer")
        self.kernel: Parameter | None = None
        self.bias: Parameter | None = None

    def build(self, input_type: ArrayType) -> None:
        """Make the kernel and the bias, each piece like a layer of its own."""
        if not input_type.ndim:
            raise ShapeError("input of Maxout", "a single number", "shape (batch, features)")
        fan_in, dtype = input_type.shape[-1], input_type.dtype
        self.kernel = self._of_pieces(
            self.kernel_initializer, (fan_in, self.units), dtype, "kernel"
        )
        if self.use_bias:
            self.bias = self._of_pieces(self.bias_initializer, (self.units,), dtype, "bias")

    def _of_pieces(
        self, function: Callable[[Shape, Dtype], Tensor], shape: Shape, dtype: Dtype, name: str
    ) -> Parameter:
        values = [initial(_for_piece(function, k), shape, dtype, name) for k in range(self.pieces)]
        side_by_side = (*shape[:-1], shape[-1] * self.pieces)
        return Parameter(reshape(stack(values, axis=-1), side_by_side), name)

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return the kernel and the bias with their regularizers."""
        return ((self.kernel_regularizer, self.kernel), (self.bias_regularizer, self.bias))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``maxₖ (x Wₖ + bₖ)`` for ``x`` of shape (..., fan_in)."""
        assert self.kernel is not None
        self.check_size(x.shape[-1], self.kernel.shape[0], x)
        z = x @ self.kernel
        return functional.maxout(z if self.bias is None else z + self.bias, self.pieces)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {
            "units": self.units,
            "pieces": self.pieces,
            "use_bias": self.use_bias,
            "kernel_initializer": describe_initializer(self.kernel_initializer),
            "bias_initializer": describe_initializer(self.bias_initializer),
            **self.regularizer_config(
                "kernel_regularizer", "bias_regularizer", "activity_regularizer"
            ),
        }

    def __repr__(self) -> str:
        return f"Maxout({self.units}, pieces={self.pieces})"


def _for_piece(
    function: Callable[[Shape, Dtype], Tensor], k: int
) -> Callable[[Shape, Dtype], Tensor]:
    """Return the initializer of a piece: equal pieces, of equal seeds, would stay equal."""
    if isinstance(function, RandomInitializer) and function.seed is not None:
        return replace(function, seed=(function.seed + k) % 2**64)
    return function
