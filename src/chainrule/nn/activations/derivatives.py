"""Closed-form derivatives of the activations: the textbook's table, extended.

Each is a function of the net input ``x``, in Chainrule's operations, so it can be differentiated
itself. None of them overflows, and none asks automatic differentiation.
"""

from __future__ import annotations

import math

from chainrule.core.tensor import Tensor, TensorLike
from chainrule.ops.comparison import equal, logical_and
from chainrule.ops.creation import eye, ones_like
from chainrule.ops.elementwise import (
    abs,
    add,
    divide,
    erf,
    exp,
    minimum,
    multiply,
    sigmoid,
    softplus,
    square,
    subtract,
    tanh,
    where,
)
from chainrule.ops.functional import SELU_ALPHA, SELU_LAMBDA
from chainrule.ops.promotion import as_float, cast
from chainrule.ops.reduce import max, sum
from chainrule.ops.shape import expand_dims, reshape
from chainrule.ops.softmax import softmax


def indicator(condition: Tensor, like: Tensor) -> Tensor:
    """Return I(condition): 1 where it holds and 0 elsewhere, in the dtype of ``like``."""
    return cast(condition, like.dtype)


def linear(x: TensorLike) -> Tensor:
    """Return ``f′(x) = 1``."""
    return ones_like(as_float(x))


def logistic(x: TensorLike) -> Tensor:
    """Return ``f′(x) = f(x) (1 - f(x))``."""
    x = as_float(x)
    return multiply(sigmoid(x), sigmoid(-x))  # 1 - σ(x) = σ(-x), without cancellation


def hyperbolic_tangent(x: TensorLike) -> Tensor:
    """Return ``f′(x) = 1 - f(x)²``."""
    # 1 - tanh² = 4 σ(2x) σ(-2x), without cancellation
    return 4.0 * logistic(multiply(2.0, as_float(x)))


def relu(x: TensorLike) -> Tensor:
    """Return ``f′(x) = I(x > 0)``."""
    x = as_float(x)
    return indicator(x > 0, x)


def leaky_relu(x: TensorLike, gamma: TensorLike) -> Tensor:
    """Return ``f′(x) = I(x > 0) + γ I(x ≤ 0)``."""
    x = as_float(x)
    return where(x > 0, ones_like(x), ones_like(x) * gamma)


def elu(x: TensorLike, gamma: float) -> Tensor:
    """Return ``f′(x) = I(x > 0) + I(x ≤ 0) γ exp(x)``."""
    x = as_float(x)
    return where(x > 0, 1.0, gamma * exp(minimum(x, 0.0)))


def selu(x: TensorLike) -> Tensor:
    """Return ``f′(x) = λ (I(x > 0) + I(x ≤ 0) α exp(x))``."""
    return multiply(SELU_LAMBDA, elu(x, SELU_ALPHA))


def gelu(x: TensorLike) -> Tensor:
    """Return ``f′(x) = Φ(x) + x φ(x)``."""
    x = as_float(x)
    density = math.sqrt(0.5 / math.pi) * exp(-0.5 * square(x))
    return add(0.5 * (1.0 + erf(x * math.sqrt(0.5))), x * density)


def gelu_tanh(x: TensorLike) -> Tensor:
    """Return ``f′(x) = ½ (1 + tanh(u)) + ½ x (1 - tanh(u)²) u′``, u as in ``gelu_tanh``."""
    x = as_float(x)
    u = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * square(x))
    slope = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * square(x))
    return add(sigmoid(2.0 * u), 0.5 * x * hyperbolic_tangent(u) * slope)


def silu(x: TensorLike) -> Tensor:
    """Return ``f′(x) = σ(x) + x σ(x) (1 - σ(x))``."""
    x = as_float(x)
    return add(sigmoid(x), x * logistic(x))


def mish(x: TensorLike) -> Tensor:
    """Return ``f′(x) = tanh(s) + x σ(x) (1 - tanh(s)²)``, where s = softplus(x)."""
    x = as_float(x)
    s = softplus(x)
    return add(tanh(s), x * sigmoid(x) * hyperbolic_tangent(s))


def softsign(x: TensorLike) -> Tensor:
    """Return ``f′(x) = 1 / (1 + |x|)²``."""
    return divide(1.0, square(1.0 + abs(as_float(x))))


def box(x: TensorLike, low: float, high: float, height: float = 1.0) -> Tensor:
    """Return ``f′(x) = height · I(low < x < high)``."""
    x = as_float(x)
    return height * indicator(logical_and(x > low, x < high), x)


def hard_silu(x: TensorLike) -> Tensor:
    """Return ``f′(x) = I(x ≥ 3) + I(-3 < x < 3) (2x + 3) / 6``."""
    x = as_float(x)
    inside = (2.0 * x + 3.0) / 6.0
    return where(x >= 3, 1.0, where(x > -3, inside, 0.0))


def log_sigmoid(x: TensorLike) -> Tensor:
    """Return ``f′(x) = σ(-x)``."""
    return sigmoid(-as_float(x))


def softmax_jacobian(x: TensorLike) -> Tensor:
    """Return ``diag(y) - y yᵀ``, shape (..., n, n) for ``x`` of shape (..., n)."""
    y = softmax(x)
    return expand_dims(y, -1) * (_identity(y) - expand_dims(y, -2))


def log_softmax_jacobian(x: TensorLike) -> Tensor:
    """Return ``δᵢⱼ - softmax(x)ⱼ``, shape (..., n, n) for ``x`` of shape (..., n)."""
    y = softmax(x)
    return subtract(_identity(y), expand_dims(y, -2))


def maxout_jacobian(x: TensorLike, pieces: int) -> Tensor:
    """Return ``∂yᵢ/∂xⱼ``: 1 for the largest of output i's pieces, evenly shared where they tie."""
    x = as_float(x)
    units = x.shape[-1] // pieces
    each = reshape(x, (*x.shape[:-1], units, pieces))
    wins = indicator(equal(each, max(each, -1, keepdims=True)), x)
    shares = wins / sum(wins, -1, keepdims=True)
    own = expand_dims(eye(units, dtype=x.dtype), -1)  # (units, units, 1)
    rows = own * expand_dims(shares, -3)  # (..., units, units, pieces)
    return reshape(rows, (*x.shape[:-1], units, units * pieces))


def _identity(y: Tensor) -> Tensor:
    return eye(y.shape[-1], dtype=y.dtype)
