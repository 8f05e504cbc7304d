"""Elementwise operations: arithmetic, exponentials, trigonometry, selection.

Each primitive is one block, made by ``definition.elementwise``. The simple rules come first, the
tricky ones after.
"""

from __future__ import annotations

import numpy as np

from chainrule.core.errors import DtypeError
from chainrule.core.graph import Example, Primitive, example
from chainrule.core.tensor import Number, Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import BOOL, Array, Dtype, is_float
from chainrule.ops.comparison import logical_or
from chainrule.ops.definition import EXAMPLES, elementwise
from chainrule.ops.erf import erf_array
from chainrule.ops.promotion import as_float, cast, promote

# Arithmetic ----------------------------------------------------------------------------------

identity_p: Primitive = elementwise(
    "identity", lambda x: x, lambda g, ans, x: g, symbol="{0}", lower=lambda f, x: x
)

#: A node of its own, so that whatever copies a graph and differentiates the copy stops here, too.
stop_gradient_p: Primitive = elementwise(
    "stop_gradient",
    lambda x: x,
    lambda g, ans, x: Tensor(np.zeros(x.shape, x.dtype)),
    symbol="{0}",
    lower=lambda f, x: x,
)

negative_p: Primitive = elementwise(
    "negative", np.negative, lambda g, ans, x: -g, symbol="-{0}", lower=lambda f, x: f.neg(x)
)

add_p: Primitive = elementwise(
    "add",
    np.add,
    lambda g, ans, x, y: g,
    lambda g, ans, x, y: g,
    symbol="{0} + {1}",
    lower=lambda f, x, y: f.add(x, y),
)

subtract_p: Primitive = elementwise(
    "subtract",
    np.subtract,
    lambda g, ans, x, y: g,
    lambda g, ans, x, y: -g,
    symbol="{0} - {1}",
    lower=lambda f, x, y: f.sub(x, y),
)

multiply_p: Primitive = elementwise(
    "multiply",
    np.multiply,
    lambda g, ans, x, y: g * y,
    lambda g, ans, x, y: g * x,
    symbol="{0} × {1}",
    lower=lambda f, x, y: f.mul(x, y),
)

divide_p: Primitive = elementwise(
    "divide",
    np.divide,
    lambda g, ans, x, y: g / y,
    lambda g, ans, x, y: -g * x / square(y),
    domain=(0.5, 2.0),
    symbol="{0} / {1}",
    lower=lambda f, x, y: f.div(x, y),
)

square_p: Primitive = elementwise(
    "square",
    np.square,
    lambda g, ans, x: g * 2.0 * x if is_float(x.dtype) else g,
    symbol="{0}²",
    lower=lambda f, x: f.mul(x, x),
)


def _power_by_x(g: Tensor, ans: Tensor, x: Tensor, y: Tensor) -> Tensor:
    if y.data is not None and not y.tracked and y.data.all():
        return g * (y * power(x, y - 1.0))
    # y = 0 gives the constant 1, also at x = 0, where x**(y - 1) is infinite.
    return g * where(y == 0, 0.0, y * power(x, where(y == 0, 1.0, y - 1.0)))


power_p: Primitive = elementwise(
    "power",
    np.power,
    _power_by_x,
    # x = 0 gives the constant 0 for y > 0; the logarithm there is not wanted.
    lambda g, ans, x, y: g * ans * log(where(x == 0, 1.0, x)),
    domain=(0.5, 2.0),
    symbol="{0} ** {1}",
    lower=lambda f, x, y: f.power(x, y),
)


def identity(x: TensorLike) -> Tensor:
    """Return the same values as a node of their own: ``y = x``.

    >>> identity(2.0)
    Tensor(2., dtype=float32)
    """
    return bind(identity_p, as_tensor(x))


def negative(x: TensorLike) -> Tensor:
    """Negate: ``y = -x``.

    >>> negative([1.0, -2.0])
    Tensor([-1.,  2.], dtype=float32)
    """
    return bind(negative_p, as_tensor(x))


def add(x: TensorLike, y: TensorLike) -> Tensor:
    """Add: ``x + y``, broadcasting.

    >>> add([1.0, 2.0], 1.0)
    Tensor([2., 3.], dtype=float32)
    """
    return bind(add_p, *promote(x, y))


def subtract(x: TensorLike, y: TensorLike) -> Tensor:
    """Subtract: ``x - y``, broadcasting.

    >>> subtract([1.0, 2.0], 1.0)
    Tensor([0., 1.], dtype=float32)
    """
    return bind(subtract_p, *promote(x, y))


def multiply(x: TensorLike, y: TensorLike) -> Tensor:
    """Multiply elementwise: ``x · y``, broadcasting.

    >>> multiply([1.0, 2.0], 3.0)
    Tensor([3., 6.], dtype=float32)
    """
    return bind(multiply_p, *promote(x, y))


def divide(x: TensorLike, y: TensorLike) -> Tensor:
    """Divide: ``x / y``, broadcasting; integers become float32 first.

    >>> divide([1, 2], 2)
    Tensor([0.5, 1. ], dtype=float32)
    """
    x, y = promote(x, y)
    return bind(divide_p, as_float(x), as_float(y))


def square(x: TensorLike) -> Tensor:
    """Square: ``y = x²``.

    >>> square([1.0, -2.0])
    Tensor([1., 4.], dtype=float32)
    """
    return bind(square_p, as_tensor(x))


def power(x: TensorLike, y: TensorLike) -> Tensor:
    """Raise to a power: ``x ** y``, broadcasting.

    The derivative by ``x`` is 0 where ``y = 0``; the derivative by ``y`` is 0 where ``x = 0``.

    >>> power([2.0, 3.0], 3.0)
    Tensor([ 8., 27.], dtype=float32)
    """
    if type(y) is not Number and isinstance(y, int | float) and y == 2:
        return square(x)
    x, y = promote(x, y)
    return bind(power_p, x, y)


# Exponentials, roots, trigonometry -----------------------------------------------------------

exp_p: Primitive = elementwise(
    "exp", np.exp, lambda g, ans, x: g * ans, symbol="exp({0})", lower=lambda f, x: f.math("exp", x)
)
log_p: Primitive = elementwise(
    "log",
    np.log,
    lambda g, ans, x: g / x,
    domain=(0.2, 3.0),
    symbol="log({0})",
    lower=lambda f, x: f.math("log", x),
)
log1p_p: Primitive = elementwise(
    "log1p",
    np.log1p,
    lambda g, ans, x: g / (x + 1.0),
    domain=(-0.8, 2.0),
    lower=lambda f, x: f.math("log1p", x),
)
expm1_p: Primitive = elementwise(
    "expm1", np.expm1, lambda g, ans, x: g * (ans + 1.0), lower=lambda f, x: f.math("expm1", x)
)
sqrt_p: Primitive = elementwise(
    "sqrt",
    np.sqrt,
    lambda g, ans, x: g * 0.5 / ans,
    domain=(0.2, 3.0),
    lower=lambda f, x: f.sqrt(x),
)
rsqrt_p: Primitive = elementwise(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    lambda g, ans, x: g * -0.5 * ans / x,
    domain=(0.2, 3.0),
    into=lambda out, x: np.divide(1, np.sqrt(x, out), out),
    lower=lambda f, x: f.div(f.like(x, 1.0), f.sqrt(x)),
)
sin_p: Primitive = elementwise(
    "sin", np.sin, lambda g, ans, x: g * cos(x), lower=lambda f, x: f.math("sin", x)
)
cos_p: Primitive = elementwise(
    "cos", np.cos, lambda g, ans, x: -g * sin(x), lower=lambda f, x: f.math("cos", x)
)
tanh_p: Primitive = elementwise(
    "tanh", np.tanh, lambda g, ans, x: g * (1.0 - square(ans)), lower=lambda f, x: f.math("tanh", x)
)


def _sigmoid(x: Array) -> Array:
    # exp of a negative number only: it cannot overflow, and small results keep all their digits.
    e = np.exp(-np.abs(x))
    result: Array = np.where(x < 0, e, x.dtype.type(1)) / (1 + e)
    return result


def _sigmoid_into(out: Array, x: Array) -> None:
    negative = x < 0
    np.exp(np.negative(np.abs(x, out), out), out)
    top = np.where(negative, out, x.dtype.type(1))
    np.divide(top, np.add(1, out, out), out)


sigmoid_p: Primitive = elementwise(
    "sigmoid",
    _sigmoid,
    lambda g, ans, x: g * ans * (1.0 - ans),
    into=_sigmoid_into,
    lower=lambda f, x: f.math("sigmoid", x),
)


def _softplus_into(out: Array, x: Array) -> None:
    top = np.maximum(x, 0)
    np.exp(np.negative(np.abs(x, out), out), out)
    np.add(top, np.log1p(out, out), out)


softplus_p: Primitive = elementwise(
    "softplus",
    # log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), which cannot overflow
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    lambda g, ans, x: g * sigmoid(x),
    into=_softplus_into,
    lower=lambda f, x: f.math("softplus", x),
)

erf_p: Primitive = elementwise(
    "erf",
    erf_array,
    lambda g, ans, x: g * 1.1283791670955126 * exp(-square(x)),  # 2/√π
    lower=lambda f, x: f.math("erf", x),
)


def exp(x: TensorLike) -> Tensor:
    """Exponential: ``y = exp(x)``.

    >>> exp([0.0])
    Tensor([1.], dtype=float32)
    """
    return bind(exp_p, as_float(x))


def log(x: TensorLike) -> Tensor:
    """Natural logarithm: ``y = log(x)``.

    >>> log([1.0])
    Tensor([0.], dtype=float32)
    """
    return bind(log_p, as_float(x))


def log1p(x: TensorLike) -> Tensor:
    """Logarithm near one: ``y = log(1 + x)``, accurate for small ``x``.

    >>> log1p([0.0])
    Tensor([0.], dtype=float32)
    """
    return bind(log1p_p, as_float(x))


def expm1(x: TensorLike) -> Tensor:
    """Exponential minus one: ``y = exp(x) - 1``, accurate for small ``x``.

    >>> expm1([0.0])
    Tensor([0.], dtype=float32)
    """
    return bind(expm1_p, as_float(x))


def sqrt(x: TensorLike) -> Tensor:
    """Square root: ``y = √x``.

    >>> sqrt([4.0])
    Tensor([2.], dtype=float32)
    """
    return bind(sqrt_p, as_float(x))


def rsqrt(x: TensorLike) -> Tensor:
    """Reciprocal square root: ``y = 1/√x``.

    >>> rsqrt([4.0])
    Tensor([0.5], dtype=float32)
    """
    return bind(rsqrt_p, as_float(x))


def sin(x: TensorLike) -> Tensor:
    """Sine: ``y = sin(x)``, ``x`` in radians.

    >>> sin([0.0])
    Tensor([0.], dtype=float32)
    """
    return bind(sin_p, as_float(x))


def cos(x: TensorLike) -> Tensor:
    """Cosine: ``y = cos(x)``, ``x`` in radians.

    >>> cos([0.0])
    Tensor([1.], dtype=float32)
    """
    return bind(cos_p, as_float(x))


def tanh(x: TensorLike) -> Tensor:
    """Hyperbolic tangent: ``y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))``, ``y′ = 1 - y²``.

    >>> tanh([0.0])
    Tensor([0.], dtype=float32)
    """
    return bind(tanh_p, as_float(x))


def sigmoid(x: TensorLike) -> Tensor:
    """Logistic function: ``y = 1 / (1 + exp(-x))``, ``y′ = y (1 - y)``.

    >>> sigmoid([0.0])
    Tensor([0.5], dtype=float32)
    """
    return bind(sigmoid_p, as_float(x))


def softplus(x: TensorLike) -> Tensor:
    """Softplus: ``y = log(1 + exp(x))``, ``y′ = sigmoid(x)``.

    >>> softplus([100.0])
    Tensor([100.], dtype=float32)
    """
    return bind(softplus_p, as_float(x))


def erf(x: TensorLike) -> Tensor:
    """Error function: ``y = 2/√π ∫₀ˣ exp(-t²) dt``.

    >>> erf([0.0])
    Tensor([0.], dtype=float32)
    """
    return bind(erf_p, as_float(x))


# Steps, kinks, selection ---------------------------------------------------------------------

sign_p: Primitive = elementwise(
    "sign", np.sign, lambda g, ans, x: g * 0.0, lower=lambda f, x: f.sign(x)
)
floor_p: Primitive = elementwise(
    "floor", np.floor, lambda g, ans, x: g * 0.0, lower=lambda f, x: f.floor(x)
)
abs_p: Primitive = elementwise(
    "abs", np.abs, lambda g, ans, x: g * sign(x), symbol="|{0}|", lower=lambda f, x: f.magnitude(x)
)


def _winner(wins: Tensor, ties: Tensor, share: float, dtype: Dtype) -> Tensor:
    """Return 1 where an argument wins, its share where it ties, and 0 elsewhere."""
    if share in (0.0, 1.0):
        return cast(wins if share == 0.0 else logical_or(wins, ties), dtype)
    return cast(wins, dtype) + share * cast(ties, dtype)


maximum_p: Primitive = elementwise(
    "maximum",
    lambda x, y, *, share: np.maximum(x, y),
    lambda g, ans, x, y, *, share: g * _winner(x > y, x == y, share, g.dtype),
    lambda g, ans, x, y, *, share: g * _winner(y > x, x == y, 1.0 - share, g.dtype),
    examples=[Example(e.shapes, {"share": s}, {}) for s in (0.0, 0.5) for e in EXAMPLES[2]],
    symbol="max({0}, {1})",
    into=np.maximum,
    lower=lambda f, x, y, *, share: f.maximum(x, y),
)

minimum_p: Primitive = elementwise(
    "minimum",
    lambda x, y, *, share: np.minimum(x, y),
    lambda g, ans, x, y, *, share: g * _winner(x < y, x == y, share, g.dtype),
    lambda g, ans, x, y, *, share: g * _winner(y < x, x == y, 1.0 - share, g.dtype),
    examples=[Example(e.shapes, {"share": s}, {}) for s in (1.0, 0.5) for e in EXAMPLES[2]],
    symbol="min({0}, {1})",
    into=np.minimum,
    lower=lambda f, x, y, *, share: f.minimum(x, y),
)

_MASK = np.array([[True, False, True], [False, True, True]])


def _where_into(out: Array, c: Array, x: Array, y: Array) -> None:
    # Arrays that share memory with ``out`` are ``out`` itself.
    if out is c:
        np.copyto(out, np.where(c, x, y))
    elif out is x:
        np.copyto(out, y, where=np.logical_not(c))
    else:
        if out is not y:
            np.copyto(out, y)
        np.copyto(out, x, where=c)


where_p: Primitive = elementwise(
    "where",
    np.where,
    None,
    lambda g, ans, c, x, y: where(c, g, 0.0),
    lambda g, ans, c, x, y: where(c, 0.0, g),
    examples=(
        example((2, 3), (2, 3), (2, 3), arrays={0: _MASK}),
        example((2, 3), (3,), (2, 1), arrays={0: _MASK}),
        example((), (2,), (), arrays={0: np.array(True)}),
        example((), (), (), arrays={0: np.array(False)}),
        example((0,), (0,), (1,), arrays={0: np.zeros(0, bool)}),
    ),
    symbol="{1} if {0} else {2}",
    into=_where_into,
    lower=lambda f, c, x, y: f.select(c, x, y),
)


def sign(x: TensorLike) -> Tensor:
    """Sign: -1, 0 or 1; its derivative is 0 everywhere.

    >>> sign([-2.0, 0.0])
    Tensor([-1.,  0.], dtype=float32)
    """
    return bind(sign_p, as_tensor(x))


def floor(x: TensorLike) -> Tensor:
    """Round down to a whole number; its derivative is 0 everywhere.

    >>> floor([1.5])
    Tensor([1.], dtype=float32)
    """
    return bind(floor_p, as_float(x))


def abs(x: TensorLike) -> Tensor:
    """Absolute value: ``y = |x|``, ``y′ = sign(x)``, 0 at the kink.

    >>> abs([-2.0])
    Tensor([2.], dtype=float32)
    """
    return bind(abs_p, as_tensor(x))


def maximum(x: TensorLike, y: TensorLike) -> Tensor:
    """Return the larger of each pair; NaN where either is NaN.

    At a tie two arrays share the derivative evenly. A Python number takes the tie from the array,
    so that ``maximum(x, 0)`` has the derivative I(x > 0) that the textbook gives ReLU.

    >>> maximum([-1.0, 2.0], 0)
    Tensor([0., 2.], dtype=float32)
    """
    share = 0.0 if isinstance(y, int | float) else 1.0 if isinstance(x, int | float) else 0.5
    return bind(maximum_p, *promote(x, y), share=share)


def minimum(x: TensorLike, y: TensorLike) -> Tensor:
    """Return the smaller of each pair; NaN where either is NaN.

    At a tie two arrays share the derivative evenly. An array takes the tie from a Python number:
    ``minimum(x, 0)`` has the derivative I(x ≤ 0), so that LeakyReLU, max(0, x) + γ min(0, x), has
    the textbook's derivative at 0.

    >>> minimum([-1.0, 2.0], 0)
    Tensor([-1.,  0.], dtype=float32)
    """
    share = 1.0 if isinstance(y, int | float) else 0.0 if isinstance(x, int | float) else 0.5
    return bind(minimum_p, *promote(x, y), share=share)


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """Choose elementwise: ``x`` where the condition holds, ``y`` elsewhere.

    Both branches are computed. A branch that is infinite or NaN where it is not chosen can still
    make the gradient NaN (0 · inf): make its argument safe first, with another ``where``.

    >>> where([True, False], 1.0, 0.0)
    Tensor([1., 0.], dtype=float32)
    """
    condition = as_tensor(condition)
    if condition.dtype != BOOL:
        raise DtypeError("condition", f"dtype {condition.dtype}", "bool", "Compare first: x != 0.")
    return bind(where_p, condition, *promote(x, y))
