"""Rewrites to cheaper operations: squares, roots, powers, and what need not be inside a sum."""

from __future__ import annotations

import math

from chainrule.core.tensor import Tensor
from chainrule.core.types import Shape
from chainrule.ops.elementwise import divide, exp, rsqrt, sqrt, square, where
from chainrule.ops.reduce import sum_bound
from chainrule.ops.shape import reshape
from chainrule.passes.patterns import is_even, number, once, p, value_of, variables
from chainrule.passes.rules import Rules

specialize = Rules()

x, y, c, axes, keepdims = variables("x y c axes keepdims")


@specialize.rule(p.multiply(x, x))
def product_with_itself(x: Tensor) -> Tensor:
    """`x * x` → `square(x)`."""
    return square(x)


@specialize.rule(p.power(x, 0.5))
def power_half(x: Tensor) -> Tensor:
    """`a ** 0.5` → `sqrt(a)`.

    Of -0.0 it makes -0.0, and of -inf NaN.
    """
    return sqrt(x)


@specialize.rule(p.power(x, -0.5), p.divide(1.0, p.sqrt(x)))
def power_minus_half(x: Tensor) -> Tensor:
    """`a ** -0.5` → `rsqrt(a)`, `1.0 / sqrt(a)` → `rsqrt(a)`."""
    return rsqrt(x)


def _is_power_of_two(value: float) -> bool:
    return value != 0 and math.frexp(value)[0] in (0.5, -0.5) and 1e-30 < math.fabs(value) < 1e30


@specialize.rule(p.divide(x, number("a", _is_power_of_two)))
def over_power_of_two(x: Tensor, a: Tensor) -> Tensor:
    """`x / 4.0` → `x * 0.25`: exact."""
    return x * divide(1.0, a)


def _is_small_integer(value: float) -> bool:
    return value == int(value) and 2 <= math.fabs(value) <= 16 if math.isfinite(value) else False


@specialize.rule(p.power(x, number("n", _is_small_integer)))
def integer_power(x: Tensor, n: Tensor) -> Tensor:
    """`x ** 3.0` → `x * square(x)`, `x ** 6.0` → `square(x) * square(square(x))`.

    `a ** -2.0` → `1.0 / square(a)`. By repeated squaring, up to 16.
    """
    exponent = int(value_of(n))
    result: Tensor | None = None
    factor = x
    rest = exponent if exponent > 0 else -exponent
    while rest:
        if rest % 2:
            result = factor if result is None else result * factor
        rest //= 2
        if rest:
            factor = square(factor)
    assert result is not None
    return result if exponent > 0 else divide(1.0, result)


@specialize.rule(p.multiply(once(p.exp(x)), once(p.exp(y))))
def product_of_exp(x: Tensor, y: Tensor) -> Tensor:
    """`exp(x) * exp(y)` → `exp(x + y)`.

    Where one overflows and the other vanishes, the product comes out instead of NaN.
    """
    return exp(x + y)


def _outside(y: Tensor, whole: Shape, axes: Shape, keepdims: bool) -> Tensor:
    """Return a factor as it meets the sum: without the axes that are summed."""
    if keepdims:
        return y
    if y.size == 1:
        return reshape(y, ())
    padded = (1,) * (len(whole) - y.ndim) + y.shape
    return reshape(y, tuple(n for i, n in enumerate(padded) if i not in axes))


@specialize.rule(p.sum(once(p.multiply(x, y)), axes=axes, keepdims=keepdims))
def sum_of_multiple(x: Tensor, y: Tensor, axes: Shape, keepdims: bool) -> Tensor | None:
    """`sum(x * s)` → `sum(x) * s`, `sum(x * 3.0, 1)` → `sum(x, 1) * 3.0`.

    `sum(x * sum(x, 1, keepdims=True), 1)` → `sum(x, 1) * reshape(sum(x, 1, keepdims=True), 3)`.
    """
    if not axes or not is_even(y.shape, x.shape, axes) or x.size == 1:
        return None
    return sum_bound(x, axes, keepdims) * _outside(y, x.shape, axes, keepdims)


@specialize.rule(p.sum(once(p.divide(x, y)), axes=axes, keepdims=keepdims))
def sum_of_fraction(x: Tensor, y: Tensor, axes: Shape, keepdims: bool) -> Tensor | None:
    """`sum(x / s)` → `sum(x) / s`, `sum(x / 3.0, 1)` → `sum(x, 1) / 3.0`."""
    if not axes or not is_even(y.shape, x.shape, axes) or x.size == 1:
        return None
    return sum_bound(x, axes, keepdims) / _outside(y, x.shape, axes, keepdims)


@specialize.rule(p.sum(once(p.negative(x)), axes=axes, keepdims=keepdims))
def sum_of_negative(x: Tensor, axes: Shape, keepdims: bool) -> Tensor:
    """`sum(-x, 1)` → `-sum(x, 1)`."""
    return -sum_bound(x, axes, keepdims)


@specialize.rule(p.multiply(x, p.cast(c)), where=lambda c: c.dtype.kind == "b")
def product_with_mask(x: Tensor, c: Tensor) -> Tensor:
    """`x * cast(c, "float32")` → `where(c, x, 0.0)`: as in the derivative of ReLU.

    Where x is infinite or NaN and masked out, 0 comes out instead of NaN.
    """
    return where(c, x, 0.0)
