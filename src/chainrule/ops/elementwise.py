"""Elementwise operations: arithmetic, comparison, exponentials, trigonometry, selection.

Each primitive is one block. ``partials`` holds, for each argument, ``(g, ans, *xs)`` to ``g`` times
the partial derivative; being elementwise, it is its own transpose, and so serves both as the VJP
and as the JVP. The simple rules come first, the tricky ones after.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DtypeError
from chainrule.core.graph import Example, Primitive, Rule, example
from chainrule.core.tensor import Number, Parameter, Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import (
    BOOL,
    DEFAULT_FLOAT,
    Array,
    ArrayType,
    Dtype,
    as_dtype,
    broadcast_shapes,
    is_float,
    promote_dtypes,
)
from chainrule.ops.erf import erf_array

_EXAMPLES: dict[int, tuple[Example, ...]] = {
    1: (example((2, 3)), example(()), example((0, 3))),
    2: (
        example((2, 3), (2, 3)),
        example((2, 3), (3,)),
        example((2, 1), (1, 3)),
        example((), (2,)),
        example((), ()),
        example((0, 3), (1, 3)),
    ),
}


def elementwise(
    name: str,
    eval: Rule,
    *partials: Rule | None,
    arity: int | None = None,
    result: Dtype | None = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    examples: Sequence[Example] | None = None,
    symbol: str = "",
    into: Rule | None = None,
    lower: Rule | None = None,
) -> Primitive:
    """Define an elementwise primitive.

    Args:
        name: unique name.
        eval: the NumPy function; it broadcasts.
        partials: for each argument, ``(g, ans, *xs)`` to ``g · ∂ans/∂x`` (none for an operation
            whose result is an integer or bool).
        arity: number of arguments, where there are no partials to count.
        result: dtype of the result (default: that of the last argument).
        domain: open interval from which the arguments may come.
        examples: where the standard ones (shapes that broadcast, 0-d, zero-size) do not fit.
        symbol: how to write it in a formula.
        into: ``eval`` into a given array (see ``Primitive``); a ufunc needs none.
        lower: its native code (see ``Primitive``).
    """

    def type_rule(*types: ArrayType, **attrs: Any) -> ArrayType:
        return ArrayType(broadcast_shapes(*[x.shape for x in types]), result or types[-1].dtype)

    def jvp(ts: Sequence[Tensor | None], ans: Tensor, *xs: Tensor, **attrs: Any) -> Tensor:
        terms = [
            partial(t, ans, *xs, **attrs)
            for t, partial in zip(ts, partials, strict=True)
            if t is not None and partial is not None
        ]
        total: Tensor = reduce(add, terms)
        return total

    return Primitive(
        name,
        eval=eval,
        type_rule=type_rule,
        vjp=partials or (None,) * (arity or 1),
        jvp=jvp,
        domain=domain,
        examples=_EXAMPLES[arity or len(partials)] if examples is None else examples,
        symbol=symbol,
        is_elementwise=True,
        into=into,
        lower=lower,
    )


# Arguments -----------------------------------------------------------------------------------


def promote(x: TensorLike, y: TensorLike) -> tuple[Tensor, Tensor]:
    """Return two operands as tensors of one dtype; Python numbers take the other's dtype."""
    if type(x) is Parameter:
        x = x.tensor()
    if type(y) is Parameter:
        y = y.tensor()
    if type(x) is Tensor and type(y) is Tensor:
        a, b = x.data, y.data
        if a is not None and b is not None and a.dtype is b.dtype:
            return x, y
    elif type(y) is float or (type(y) is int and not isinstance(x, int)):
        x = as_tensor(x)
        return _meet_number(x, y)
    elif type(x) is float or type(x) is int:
        y, x = _meet_number(as_tensor(y), x)
        return x, y
    x, y = _as_operand(x, y), _as_operand(y, x)
    dtype = promote_dtypes(x.dtype, y.dtype)
    return cast(x, dtype), cast(y, dtype)


def _meet_number(x: Tensor, number: int | float | Number) -> tuple[Tensor, Tensor]:
    """Promote ``x`` with a Python number, which is weak: it takes the dtype of the array."""
    dtype = x.dtype
    if dtype.kind != "f":
        if isinstance(number, float) or (type(number) is Number and number.kind is float):
            dtype = DEFAULT_FLOAT
        elif dtype == BOOL:
            dtype = np.dtype("int64")
        x = cast(x, dtype)
    return x, number.in_dtype(dtype) if type(number) is Number else Tensor(
        np.asarray(number, dtype)
    )


def _as_operand(x: TensorLike, other: TensorLike) -> Tensor:
    """Turn a number met by an array into the array's dtype, where its kind allows."""
    if type(x) is Number:
        return x.tensor() if type(other) is Number else _meet_number(as_tensor(other), x)[1]
    if isinstance(x, float | int | bool):
        number = float(x) if isinstance(x, float) else x
        if not isinstance(other, float | int | bool):
            return (
                _meet_number(as_tensor(other), number)[1] if type(x) is not bool else as_tensor(x)
            )
        return as_tensor(number)
    return as_tensor(x)


def as_float(x: TensorLike) -> Tensor:
    """Return ``x`` as a tensor of floats; integers and bools become float32."""
    x = as_tensor(x)
    return x if is_float(x.dtype) else cast(x, DEFAULT_FLOAT)


# Cast ----------------------------------------------------------------------------------------

cast_p: Primitive = Primitive(
    "cast",
    eval=lambda x, *, dtype: x.astype(dtype),
    type_rule=lambda x, *, dtype: ArrayType(x.shape, dtype),
    vjp=(lambda g, ans, x, *, dtype: cast(g, x.dtype),),
    jvp=lambda ts, ans, x, *, dtype: cast(ts[0], dtype),
    examples=(
        example((2, 3), dtype=np.dtype("float64")),
        example((), dtype=np.dtype("int32")),
        example((0,), dtype=BOOL),
    ),
    is_elementwise=True,
    lower=lambda f, x, *, dtype: f.cast(x, dtype),
    into=lambda out, x, *, dtype: np.copyto(out, x, casting="unsafe"),
)


def cast(x: TensorLike, dtype: npt.DTypeLike) -> Tensor:
    """Convert to another dtype; between floats it carries gradients.

    Args:
        x: array of any shape.
        dtype: the dtype to convert to.

    Returns:
        Array of the same shape.

    Raises:
        DtypeError: ``dtype`` is not one that Chainrule computes with.

    >>> cast([1, 0], "bool")
    Tensor([ True, False], dtype=bool)
    """
    given = as_tensor(x)
    if given.data is not None and given.data.dtype is dtype:
        return given
    dtype = as_dtype(dtype)
    return given if given.dtype == dtype else bind(cast_p, given, dtype=dtype)


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
    examples=[Example(e.shapes, {"share": s}, {}) for s in (0.0, 0.5) for e in _EXAMPLES[2]],
    symbol="max({0}, {1})",
    into=np.maximum,
    lower=lambda f, x, y, *, share: f.maximum(x, y),
)

minimum_p: Primitive = elementwise(
    "minimum",
    lambda x, y, *, share: np.minimum(x, y),
    lambda g, ans, x, y, *, share: g * _winner(x < y, x == y, share, g.dtype),
    lambda g, ans, x, y, *, share: g * _winner(y < x, x == y, 1.0 - share, g.dtype),
    examples=[Example(e.shapes, {"share": s}, {}) for s in (1.0, 0.5) for e in _EXAMPLES[2]],
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


# Comparison and logic ------------------------------------------------------------------------


def _comparison(name: str, eval: Rule, symbol: str, lower: Rule) -> Primitive:
    formula = f"{{0}} {symbol} {{1}}"
    return elementwise(name, eval, arity=2, result=BOOL, symbol=formula, lower=lower)


def _compare(how: str) -> Rule:
    return lambda f, x, y: f.compare(how, x, y)


equal_p: Primitive = _comparison("equal", np.equal, "==", _compare("eq"))
not_equal_p: Primitive = _comparison("not_equal", np.not_equal, "!=", _compare("ne"))
less_p: Primitive = _comparison("less", np.less, "<", _compare("lt"))
less_equal_p: Primitive = _comparison("less_equal", np.less_equal, "≤", _compare("le"))
greater_p: Primitive = _comparison("greater", np.greater, ">", _compare("gt"))
greater_equal_p: Primitive = _comparison("greater_equal", np.greater_equal, "≥", _compare("ge"))
logical_and_p: Primitive = _comparison(
    "logical_and", np.logical_and, "and", lambda f, x, y: f.bits_and(f.truth(x), f.truth(y))
)
logical_or_p: Primitive = _comparison(
    "logical_or", np.logical_or, "or", lambda f, x, y: f.bits_or(f.truth(x), f.truth(y))
)
logical_not_p: Primitive = elementwise(
    "logical_not",
    np.logical_not,
    arity=1,
    result=BOOL,
    lower=lambda f, x: f.bits_xor(f.truth(x), f.like(f.truth(x), 1)),
)
isfinite_p: Primitive = elementwise(
    "isfinite", np.isfinite, arity=1, result=BOOL, lower=lambda f, x: f.is_finite(x)
)
isnan_p: Primitive = elementwise(
    "isnan", np.isnan, arity=1, result=BOOL, lower=lambda f, x: f.is_nan(x)
)


def equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Compare: ``x == y``, elementwise."""
    return bind(equal_p, *promote(x, y))


def not_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Compare: ``x != y``, elementwise."""
    return bind(not_equal_p, *promote(x, y))


def less(x: TensorLike, y: TensorLike) -> Tensor:
    """Compare: ``x < y``, elementwise."""
    return bind(less_p, *promote(x, y))


def less_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Compare: ``x <= y``, elementwise."""
    return bind(less_equal_p, *promote(x, y))


def greater(x: TensorLike, y: TensorLike) -> Tensor:
    """Compare: ``x > y``, elementwise."""
    return bind(greater_p, *promote(x, y))


def greater_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Compare: ``x >= y``, elementwise."""
    return bind(greater_equal_p, *promote(x, y))


def logical_and(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether both hold, elementwise."""
    return bind(logical_and_p, *promote(x, y))


def logical_or(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether one of the two holds, elementwise."""
    return bind(logical_or_p, *promote(x, y))


def logical_not(x: TensorLike) -> Tensor:
    """Whether it does not hold, elementwise."""
    return bind(logical_not_p, as_tensor(x))


def isfinite(x: TensorLike) -> Tensor:
    """Whether it is neither infinite nor NaN, elementwise."""
    return bind(isfinite_p, as_tensor(x))


def isnan(x: TensorLike) -> Tensor:
    """Whether it is NaN, elementwise."""
    return bind(isnan_p, as_tensor(x))
