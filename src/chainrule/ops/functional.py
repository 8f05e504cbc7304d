"""What is composed of the primitives: activations, moments, one-hot."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.mode import mode
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import FLOAT32, normalize_axis
from chainrule.ops.checks import check_range
from chainrule.ops.comparison import equal
from chainrule.ops.elementwise import (
    abs,
    divide,
    erf,
    expm1,
    maximum,
    minimum,
    multiply,
    sigmoid,
    softplus,
    sqrt,
    square,
    stop_gradient_p,
    tanh,
    where,
)
from chainrule.ops.promotion import as_float, cast
from chainrule.ops.reduce import Axis, max, mean
from chainrule.ops.shape import expand_dims, reshape, slice_axis

#: Of SELU: with them, the mean 0 and the variance 1 of a layer's inputs are a fixed point.
SELU_LAMBDA = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def relu(x: TensorLike) -> Tensor:
    """Rectified linear unit: ``y = max(0, x)``, ``y′ = I(x > 0)``.

    >>> relu([-1.0, 2.0])
    Tensor([0., 2.], dtype=float32)
    """
    return maximum(as_float(x), 0.0)


def leaky_relu(x: TensorLike, gamma: float = 0.01) -> Tensor:
    """Leaky rectified linear unit: ``y = max(0, x) + γ min(0, x)``.

    >>> leaky_relu([-1.0, 2.0], gamma=0.5)
    Tensor([-0.5,  2. ], dtype=float32)
    """
    x = as_float(x)
    return where(x > 0, x, x * gamma)


def elu(x: TensorLike, gamma: float = 1.0) -> Tensor:
    """Exponential linear unit: ``y = max(0, x) + min(0, γ (exp(x) - 1))``.

    Source: Clevert, Unterthiner and Hochreiter, arXiv 1511.07289.

    >>> elu([0.0, 2.0])
    Tensor([0., 2.], dtype=float32)
    """
    x = as_float(x)
    # The branch that is not chosen must not overflow, or its gradient would be 0 · inf.
    return where(x > 0, x, gamma * expm1(minimum(x, 0.0)))


def prelu(x: TensorLike, gamma: TensorLike) -> Tensor:
    """Parametric rectified linear unit: ``yᵢ = max(0, xᵢ) + γᵢ min(0, xᵢ)``; it has two gradients.

    Args:
        x: net inputs (..., units).
        gamma: the slope γᵢ left of 0 for each unit (units,), or one number for all of them.

    Returns:
        Array of the shape of ``x``: ``∂yᵢ/∂xᵢ = I(xᵢ > 0) + γᵢ I(xᵢ ≤ 0)`` and
        ``∂yᵢ/∂γᵢ = min(0, xᵢ)``.

    Source: He, Zhang, Ren and Sun, arXiv 1502.01852, section 2.1.

    >>> prelu([[-1.0, -1.0, 2.0]], [0.25, 0.5, 0.5])
    Tensor([[-0.25, -0.5 ,  2.  ]], dtype=float32)
    """
    x = as_float(x)
    return where(x > 0, x, x * gamma)


def selu(x: TensorLike) -> Tensor:
    """Scaled exponential linear unit: ``y = λ (max(0, x) + min(0, α (exp(x) - 1)))``.

    λ = 1.0507... and α = 1.6732... keep mean 0 and variance 1 from layer to layer.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, arXiv 1706.02515.

    >>> selu([0.0, 1.0])
    Tensor([0.      , 1.050701], dtype=float32)
    """
    return multiply(SELU_LAMBDA, elu(x, SELU_ALPHA))


def gelu(x: TensorLike) -> Tensor:
    """Gaussian error linear unit: ``y = x Φ(x)``, ``Φ(x) = ½ (1 + erf(x/√2))``.

    Source: Hendrycks and Gimpel, arXiv 1606.08415.

    >>> gelu([0.0, 100.0])
    Tensor([  0., 100.], dtype=float32)
    """
    x = as_float(x)
    return multiply(0.5 * x, 1.0 + erf(x * math.sqrt(0.5)))


def gelu_tanh(x: TensorLike) -> Tensor:
    """GELU by a hyperbolic tangent: ``y = ½ x (1 + tanh(u))``, ``u = √(2/π) (x + 0.044715 x³)``.

    It differs from ``gelu`` by less than 0.0005.

    Source: Hendrycks and Gimpel, arXiv 1606.08415, section 2.

    >>> gelu_tanh([0.0, 100.0])
    Tensor([  0., 100.], dtype=float32)
    """
    x = as_float(x)
    # ½ (1 + tanh(u)) = sigmoid(2u), which does not cancel where u is far below 0.
    u = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * square(x))
    return multiply(x, sigmoid(2.0 * u))


def silu(x: TensorLike) -> Tensor:
    """Sigmoid linear unit, Swish: ``y = x σ(x)``.

    Source: Elfwing, Uchibe and Doya, arXiv 1702.03118; Ramachandran, Zoph and Le, 1710.05941.

    >>> silu([0.0, 100.0])
    Tensor([  0., 100.], dtype=float32)
    """
    x = as_float(x)
    return multiply(x, sigmoid(x))


def mish(x: TensorLike) -> Tensor:
    """Mish: ``y = x tanh(softplus(x))``.

    Source: Misra, arXiv 1908.08681.

    >>> mish([0.0, 100.0])
    Tensor([  0., 100.], dtype=float32)
    """
    x = as_float(x)
    return multiply(x, tanh(softplus(x)))


def softsign(x: TensorLike) -> Tensor:
    """Softsign: ``y = x / (1 + |x|)``, ``y′ = 1 / (1 + |x|)²``.

    Source: Glorot and Bengio, AISTATS 2010.

    >>> softsign([-1.0, 3.0])
    Tensor([-0.5 ,  0.75], dtype=float32)
    """
    x = as_float(x)
    return divide(x, 1.0 + abs(x))


def relu6(x: TensorLike) -> Tensor:
    """Rectified linear unit up to 6: ``y = min(max(0, x), 6)``, ``y′ = I(0 < x < 6)``.

    Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.

    >>> relu6([-1.0, 2.0, 8.0])
    Tensor([0., 2., 6.], dtype=float32)
    """
    x = as_float(x)
    return where(x >= 6.0, 6.0, maximum(x, 0.0))


def hard_tanh(x: TensorLike) -> Tensor:
    """Piecewise linear tanh: ``y = min(max(-1, x), 1)``, ``y′ = I(-1 < x < 1)``.

    Source: Collobert, Large Scale Machine Learning, 2004.

    >>> hard_tanh([-2.0, 0.5, 2.0])
    Tensor([-1. ,  0.5,  1. ], dtype=float32)
    """
    x = as_float(x)
    return where(x >= 1.0, 1.0, maximum(x, -1.0))


def hard_sigmoid(x: TensorLike) -> Tensor:
    """Piecewise linear sigmoid: ``y = relu6(x + 3) / 6``, ``y′ = I(-3 < x < 3) / 6``.

    Source: Courbariaux, Bengio and David, arXiv 1511.00363; the slope is that of Howard and
    others, arXiv 1905.02244, as in Keras 3 and PyTorch.

    >>> hard_sigmoid([-3.0, 0.0, 4.0])
    Tensor([0. , 0.5, 1. ], dtype=float32)
    """
    return relu6(as_float(x) + 3.0) / 6.0


def hard_silu(x: TensorLike) -> Tensor:
    """Hard Swish: ``y = x relu6(x + 3) / 6``.

    Source: Howard and others, arXiv 1905.02244.

    >>> hard_silu([-4.0, 0.0, 4.0])
    Tensor([-0.,  0.,  4.], dtype=float32)
    """
    x = as_float(x)
    return multiply(x, hard_sigmoid(x))


def log_sigmoid(x: TensorLike) -> Tensor:
    """Logarithm of the logistic function: ``y = log σ(x) = -softplus(-x)``, ``y′ = σ(-x)``.

    >>> log_sigmoid([-1000.0])
    Tensor([-1000.], dtype=float32)
    """
    return -softplus(-as_float(x))


def maxout(x: TensorLike, pieces: int) -> Tensor:
    """Maxout: ``yⱼ = max over k of xⱼₖ``, the largest of each unit's pieces.

    Pieces that tie share the derivative evenly.

    Args:
        x: net inputs (..., units · pieces); the pieces of a unit lie side by side.
        pieces: how many each unit has.

    Returns:
        Array (..., units).

    Raises:
        ArgumentError: ``pieces`` is no whole number from 1, or does not divide the last axis.

    Source: Goodfellow, Warde-Farley, Mirza, Courville and Bengio, arXiv 1302.4389.

    >>> maxout([[1.0, 3.0, -1.0, -2.0]], pieces=2)
    Tensor([[ 3., -1.]], dtype=float32)
    """
    x = as_float(x)
    if not isinstance(pieces, int | np.integer) or isinstance(pieces, bool) or pieces < 1:
        raise ArgumentError("pieces", repr(pieces), "a whole number from 1")
    if not x.ndim:
        raise ShapeError("input of maxout", "a single number", "shape (..., units · pieces)")
    units, remainder = divmod(x.shape[-1], int(pieces))
    if remainder:
        raise ArgumentError(
            "pieces", str(pieces), f"a divisor of the size of the last axis, {x.shape[-1]}"
        )
    return max(reshape(x, (*x.shape[:-1], units, int(pieces))), -1)


def linear(x: TensorLike) -> Tensor:
    """Identity: ``y = x``, the activation of an output that is any number."""
    return as_tensor(x)


def clip(x: TensorLike, low: float, high: float) -> Tensor:
    """Limit to an interval: ``y = min(max(x, low), high)``; the derivative is 0 outside of it.

    >>> clip([-2.0, 0.5, 2.0], -1.0, 1.0)
    Tensor([-1. ,  0.5,  1. ], dtype=float32)
    """
    return minimum(maximum(x, low), high)


def var(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Variance over axes: ``y = mean((x - mean(x))²)``.

    >>> var([1.0, 3.0])
    Tensor(1., dtype=float32)
    """
    x = as_float(x)
    return mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims)


def std(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Standard deviation over axes: ``y = √var(x)``.

    >>> std([1.0, 3.0])
    Tensor(1., dtype=float32)
    """
    return sqrt(var(x, axis, keepdims))


def one_hot(labels: TensorLike, num_classes: int, dtype: npt.DTypeLike = FLOAT32) -> Tensor:
    """Encode integers as unit vectors: ``y[..., j] = I(labels[...] = j)``.

    Args:
        labels: integers from 0 to ``num_classes - 1``, of any shape.
        num_classes: size of the new last axis.
        dtype: dtype of the result.

    Raises:
        DtypeError: labels that are not integers.
        ArgumentError: labels out of range; of a traced function, when it is evaluated.

    >>> one_hot([1, 0], 2)
    Tensor([[0., 1.],
            [1., 0.]], dtype=float32)
    """
    labels = as_tensor(labels)
    if labels.dtype.kind not in "iu":
        raise DtypeError("labels", f"dtype {labels.dtype}", "integers")
    labels = check_labels(labels, num_classes)
    return cast(equal(expand_dims(labels, labels.ndim), np.arange(num_classes)), dtype)


def check_labels(labels: Tensor, num_classes: int, argument: str = "labels") -> Tensor:
    """Return the labels; raise ``ArgumentError`` unless all lie from 0 to ``num_classes - 1``.

    While tracing nothing is known of them: the check is made when the graph is evaluated.
    """
    return check_range(
        labels,
        num_classes,
        argument,
        "labels",
        "classes",
        "Number the classes from 0, or give the last layer one unit a class.",
    )


def split(x: TensorLike, parts: int, axis: int = 0) -> list[Tensor]:
    """Cut an axis into equal parts.

    Raises:
        ArgumentError: the size is not a multiple of ``parts``.

    >>> [part.tolist() for part in split([1.0, 2.0, 3.0, 4.0], 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x.ndim)
    size, remainder = divmod(x.shape[axis], parts)
    if remainder:
        raise ArgumentError("parts", str(parts), f"a divisor of the axis's size, {x.shape[axis]}")
    return [slice_axis(x, axis, i * size, (i + 1) * size) for i in range(parts)]


def stop_gradient(x: TensorLike) -> Tensor:
    """Return the same values, cut off from what they were computed from: ``y = x``, ``y′ = 0``.

    >>> stop_gradient([1.0]).tracked
    False
    """
    x = as_tensor(x)
    is_seen = x.data is None or mode.notebook is not None
    cut = bind(stop_gradient_p, x) if is_seen else Tensor(x.data)
    cut.tracked = False
    return cut
