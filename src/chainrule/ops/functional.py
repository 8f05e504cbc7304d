"""What is composed of the primitives: activations, softmax, moments, one-hot."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.core.tensor import Tensor, TensorLike, as_tensor
from chainrule.core.types import FLOAT32, normalize_axis
from chainrule.ops.elementwise import (
    as_float,
    cast,
    equal,
    exp,
    expm1,
    identity,
    maximum,
    minimum,
    sqrt,
    square,
    subtract,
    where,
)
from chainrule.ops.reduce import Axis, logsumexp, mean
from chainrule.ops.shape import expand_dims, slice_axis


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


def linear(x: TensorLike) -> Tensor:
    """Identity: ``y = x``, the activation of an output that is any number."""
    return as_tensor(x)


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Softmax: ``yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)``, without overflow.

    Args:
        x: logits.
        axis: the axis over which the result sums to 1.

    >>> softmax([0.0, 0.0])
    Tensor([0.5, 0.5], dtype=float32)
    """
    return exp(log_softmax(x, axis))


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Logarithm of softmax: ``yᵢ = xᵢ - log Σⱼ exp(xⱼ)``.

    >>> log_softmax([0.0, 1000.0])
    Tensor([-1000.,     0.], dtype=float32)
    """
    logits = as_float(x)
    return subtract(logits, logsumexp(logits, axis=axis, keepdims=True))


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
        ArgumentError: labels out of range (not checked while tracing).

    >>> one_hot([1, 0], 2)
    Tensor([[0., 1.],
            [1., 0.]], dtype=float32)
    """
    labels = as_tensor(labels)
    if labels.dtype.kind not in "iu":
        raise DtypeError("labels", f"dtype {labels.dtype}", "integers")
    check_labels(labels, num_classes)
    return cast(equal(expand_dims(labels, labels.ndim), np.arange(num_classes)), dtype)


def check_labels(labels: Tensor, num_classes: int, argument: str = "labels") -> None:
    """Raise ``ArgumentError`` unless every known label lies from 0 to ``num_classes - 1``."""
    data: Any = labels.data
    if data is None or not data.size:
        return
    low, high = data.min(), data.max()
    if low < 0 or high >= num_classes:
        raise ArgumentError(
            argument,
            f"labels from {low} to {high}",
            f"integers from 0 to {num_classes - 1} ({num_classes} classes)",
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
    cut = identity(x) if x.data is None else Tensor(x.data)
    cut.tracked = False
    return cut
