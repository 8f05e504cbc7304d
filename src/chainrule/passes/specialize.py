"""Rewrites to cheaper operations: squares, roots, powers, and what need not be inside a sum."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.types import Shape
from chainrule.ops.elementwise import divide, exp, multiply, rsqrt, sqrt, square, where
from chainrule.ops.reduce import sum_bound
from chainrule.passes.patterns import is_normal, number, once, p, value_of, variables
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
    """`a ** -0.5` → `rsqrt(a)`, `1.0 / sqrt(a)` → `rsqrt(a)`.

    Of (-0.0) ** -0.5 it makes -inf, as 1 / sqrt(-0.0) is, and of (-inf) ** -0.5 NaN.
    """
    return rsqrt(x)


def _is_power_of_two(value: float) -> bool:
    return value != 0 and math.frexp(value)[0] in (0.5, -0.5)


@specialize.rule(
    p.divide(x, number("a", _is_power_of_two)),
    where=lambda x, a: is_normal(value_of(a), x.dtype) and is_normal(1 / value_of(a), x.dtype),
)
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


def _outside(
    operation: Callable[[Tensor, Tensor], Tensor], x: Tensor, a: Tensor, axes: Shape, keepdims: bool
) -> Tensor | None:
    """Apply an operation by a number to the sum, not to what is summed."""
    if not axes or x.size == 1:
        return None
    return operation(sum_bound(x, axes, keepdims), Tensor(np.asarray(value_of(a), x.dtype)))


def _grows(value: float) -> bool:
    return 1 <= math.fabs(value) < math.inf


def _shrinks(value: float) -> bool:
    return 0 < math.fabs(value) <= 1


@specialize.rule(p.sum(once(p.multiply(x, number("a", _grows))), axes=axes, keepdims=keepdims))
def sum_of_multiple(x: Tensor, a: Tensor, axes: Shape, keepdims: bool) -> Tensor | None:
    """`sum(x * 2.0)` → `sum(x) * 2.0`, `sum(x * 3.0, 1)` → `sum(x, 1) * 3.0`.

    Only for numbers of which is known that they are not below 1: the sum of what a factor would
    have made smaller may overflow.
    """
    return _outside(multiply, x, a, axes, keepdims)


@specialize.rule(p.sum(once(p.divide(x, number("a", _shrinks))), axes=axes, keepdims=keepdims))
def sum_of_fraction(x: Tensor, a: Tensor, axes: Shape, keepdims: bool) -> Tensor | None:
    """`sum(x / 0.3)` → `sum(x) / 0.3`, `sum(x / 0.3, 1)` → `sum(x, 1) / 0.3`.

    Only for numbers of which is known that they are not above 1: the sum of what a divisor would
    have made smaller may overflow.
    """
    return _outside(divide, x, a, axes, keepdims)


@specialize.rule(p.sum(once(p.negative(x)), axes=axes, keepdims=keepdims))
def sum_of_negative(x: Tensor, axes: Shape, keepdims: bool) -> Tensor:
    """`sum(-x, 1)` → `-sum(x, 1)`."""
    return -sum_bound(x, axes, keepdims)


@specialize.rule(p.multiply(x, p.cast(c)), where=lambda c: c.dtype.kind == "b")
def product_with_mask(x: Tensor, c: Tensor) -> Tensor:
    """`x * cast(c, "float32")` → `where(c, x, 0.0)`: as in the derivative of ReLU.

    Where x is infinite or NaN and masked out, 0 comes out instead of NaN: a mask of bools is a
    selection (see ``canonicalize``).
    """
    return where(c, x, 0.0)
