"""Rewrites to one form: what does nothing goes, and equal things come to look equal.

None makes a graph larger. Where a rule changes more than rounding (the sign of a zero, what becomes
of infinities) its docstring says so.

NaN: arithmetic never hides it, so ``0 * x → 0`` and ``x - x → 0`` are not here. A selection may:
what ``where``, or a factor that is a mask of bools, leaves out of a product counts as 0, whatever
is there: a compiled function may have 0 where the eager one has NaN. No selection does the reverse.
"""

from __future__ import annotations

import math

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor
from chainrule.ops.comparison import greater_equal, less_equal
from chainrule.ops.contract import matmul
from chainrule.ops.elementwise import abs, cos, divide, square, where
from chainrule.ops.promotion import cast
from chainrule.ops.shape import swapaxes
from chainrule.passes.movement import movement
from chainrule.passes.patterns import is_normal, number, once, p, value_of, variables
from chainrule.passes.rules import Rules
from chainrule.passes.sums import sums

#: Signs and what does nothing: all that is done before differentiation, beside ``stabilize``.
arithmetic = Rules()
#: What folds numbers, or looks at their values, and so may differ from batch size to batch size.
numbers = Rules()

x, y, z, c, axes = variables("x y z c axes")
a, b = number("a", math.isfinite), number("b", math.isfinite)


# Neutral elements ------------------------------------------------------------------------------


@arithmetic.rule(p.add(x, 0.0), p.subtract(x, 0.0), floats_only=False)
def plus_zero(x: Tensor) -> Tensor:
    """`x + 0` → `x`, `x - 0` → `x`.

    Of -0.0 + 0.0 it makes -0.0.
    """
    return x


@arithmetic.rule(p.subtract(0.0, x))
def zero_minus(x: Tensor) -> Tensor:
    """`0 - x` → `-x`.

    Of 0.0 - 0.0 it makes -0.0.
    """
    return -x


@arithmetic.rule(p.multiply(x, 1.0), p.divide(x, 1.0), p.power(x, 1.0), floats_only=False)
def times_one(x: Tensor) -> Tensor:
    """`x * 1` → `x`, `x / 1` → `x`, `x ** 1.0` → `x`."""
    return x


@arithmetic.rule(p.multiply(x, -1.0), p.divide(x, -1.0))
def times_minus_one(x: Tensor) -> Tensor:
    """`x * -1` → `-x`, `x / -1` → `-x`."""
    return -x


@arithmetic.rule(p.identity(x), floats_only=False)
def identity_of(x: Tensor) -> Tensor:
    """`identity(x)` → `x`."""
    return x


@arithmetic.rule(p.log(p.exp(x)))
def log_of_exp(x: Tensor) -> Tensor:
    """`log(exp(x))` → `x`.

    Where exp overflows, x comes out instead of infinity.
    """
    return x


@arithmetic.rule(p.sqrt(p.square(x)), p.sqrt(p.multiply(x, x)))
def root_of_square(x: Tensor) -> Tensor:
    """`sqrt(square(x))` → `abs(x)`.

    Where the square overflows, abs(x) comes out instead of infinity; the derivative at 0 is 0.
    """
    return abs(x)


# Signs -----------------------------------------------------------------------------------------


@arithmetic.rule(p.negative(p.negative(x)), floats_only=False)
def double_negative(x: Tensor) -> Tensor:
    """`-(-x)` → `x`."""
    return x


@arithmetic.rule(p.negative(p.cast(p.negative(x))), where=lambda x: x.dtype.kind == "f")
def double_negative_across_cast(x: Tensor, node: Node) -> Tensor:
    """`-cast(-x, "float64")` → `cast(x, "float64")`: between floats, both round alike."""
    return cast(x, node.type.dtype)


@arithmetic.rule(p.cast(once(p.negative(x))), where=lambda x: x.dtype.kind == "f")
def cast_of_negative(x: Tensor, node: Node) -> Tensor:
    """`cast(-x, "float64")` → `-cast(x, "float64")`: between floats."""
    return -cast(x, node.type.dtype)


@arithmetic.rule(p.add(x, p.negative(y)), floats_only=False)
def plus_negative(x: Tensor, y: Tensor) -> Tensor:
    """`x + (-y)` → `x - y`, `(-y) + x` → `x - y`."""
    return x - y


@arithmetic.rule(p.subtract(x, p.negative(y)), floats_only=False)
def minus_negative(x: Tensor, y: Tensor) -> Tensor:
    """`x - (-y)` → `x + y`."""
    return x + y


@arithmetic.rule(p.negative(once(p.subtract(x, y))))
def negative_difference(x: Tensor, y: Tensor) -> Tensor:
    """`-(x - y)` → `y - x`.

    Of -(x - x) it makes 0.0, not -0.0.
    """
    return y - x


@arithmetic.rule(p.multiply(p.negative(x), p.negative(y)), floats_only=False)
def product_of_negatives(x: Tensor, y: Tensor) -> Tensor:
    """`(-x) * (-y)` → `x * y`."""
    return x * y


@arithmetic.rule(p.divide(p.negative(x), p.negative(y)))
def quotient_of_negatives(x: Tensor, y: Tensor) -> Tensor:
    """`(-x) / (-y)` → `x / y`."""
    return x / y


@arithmetic.rule(p.multiply(p.negative(x), a))
def negative_times_number(x: Tensor, a: Tensor) -> Tensor:
    """`(-x) * 3.0` → `x * -3.0`."""
    return x * -a


@arithmetic.rule(p.divide(p.negative(x), a))
def negative_over_number(x: Tensor, a: Tensor) -> Tensor:
    """`(-x) / 3.0` → `x / -3.0`."""
    return x / -a


@arithmetic.rule(p.negative(once(p.multiply(x, a))))
def negative_multiple(x: Tensor, a: Tensor) -> Tensor:
    """`-(x * 3.0)` → `x * -3.0`."""
    return x * -a


@arithmetic.rule(p.negative(once(p.divide(x, a))))
def negative_fraction(x: Tensor, a: Tensor) -> Tensor:
    """`-(x / 3.0)` → `x / -3.0`."""
    return x / -a


@arithmetic.rule(p.multiply(once(p.negative(x)), y))
def negative_factor(x: Tensor, y: Tensor) -> Tensor:
    """`(-x) * y` → `-(x * y)`: the sign moves outward, where it meets others."""
    return -(x * y)


@arithmetic.rule(p.divide(once(p.negative(x)), y))
def negative_numerator(x: Tensor, y: Tensor) -> Tensor:
    """`(-x) / y` → `-(x / y)`."""
    return -(x / y)


@arithmetic.rule(p.divide(x, once(p.negative(y))))
def negative_denominator(x: Tensor, y: Tensor) -> Tensor:
    """`x / (-y)` → `-(x / y)`."""
    return -(x / y)


@arithmetic.rule(p.matmul(once(p.negative(x)), y), p.matmul(x, once(p.negative(y))))
def product_of_negative(x: Tensor, y: Tensor) -> Tensor:
    """`(-x) @ W` → `-(x @ W)`, `x @ (-W)` → `-(x @ W)`."""
    return -matmul(x, y)


@arithmetic.rule(p.square(p.negative(x)), p.square(p.abs(x)), floats_only=False)
def square_of_sign(x: Tensor) -> Tensor:
    """`square(-x)` → `square(x)`, `square(abs(x))` → `square(x)`."""
    return square(x)


@arithmetic.rule(p.abs(p.negative(x)), p.abs(p.abs(x)))
def abs_of_sign(x: Tensor) -> Tensor:
    """`abs(-x)` → `abs(x)`, `abs(abs(x))` → `abs(x)`."""
    return abs(x)


@arithmetic.rule(p.cos(p.negative(x)))
def cos_of_negative(x: Tensor) -> Tensor:
    """`cos(-x)` → `cos(x)`."""
    return cos(x)


@arithmetic.rule(p.abs(x), where=lambda x: _is_nonnegative(x))
def abs_of_nonnegative(x: Tensor) -> Tensor:
    """`abs(square(x))` → `square(x)`, `abs(exp(x))` → `exp(x)`."""
    return x


def _is_nonnegative(x: Node) -> bool:
    return x.primitive is not None and x.primitive.name in (
        *("square", "exp", "sigmoid", "softmax", "softplus", "sqrt"),
    )


# Numbers ---------------------------------------------------------------------------------------


def _product(a: Tensor, b: Tensor) -> bool:
    """Whether a product that two numbers are folded into keeps its digits."""
    return is_normal(value_of(a) * value_of(b), a.dtype)


def _quotient(a: Tensor, b: Tensor) -> bool:
    return value_of(b) != 0 and is_normal(value_of(a) / value_of(b), a.dtype)


@numbers.rule(p.multiply(p.multiply(x, a), b), where=_product)
def multiple_of_multiple(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`x * 3.0 * 5.0` → `x * 15.0`."""
    return x * (a * b)


@numbers.rule(p.divide(p.divide(x, a), b), where=_product)
def fraction_of_fraction(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`x / 3.0 / 5.0` → `x / 15.0`."""
    return x / (a * b)


@numbers.rule(p.divide(p.multiply(x, a), b), where=_quotient)
def fraction_of_multiple(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`x * 15.0 / 5.0` → `x * 3.0`."""
    return x * (a / b)


@numbers.rule(p.multiply(p.divide(x, a), b), where=lambda a, b: _quotient(b, a))
def multiple_of_fraction(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`x / 5.0 * 15.0` → `x * 3.0`."""
    return x * (b / a)


@numbers.rule(p.multiply(p.divide(a, x), b), where=_product)
def multiple_of_reciprocal(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`3.0 / y * 5.0` → `15.0 / y`."""
    return divide(a * b, x)


@arithmetic.rule(p.multiply(x, once(p.divide(1.0, y))))
def times_reciprocal(x: Tensor, y: Tensor) -> Tensor:
    """`x * (1 / y)` → `x / y`: one rounding less."""
    return x / y


@arithmetic.rule(p.power(x, -1.0))
def power_minus_one(x: Tensor) -> Tensor:
    """`x ** -1.0` → `1.0 / x`."""
    return divide(1.0, x)


# Selection -------------------------------------------------------------------------------------


@arithmetic.rule(p.where(a, x, y), floats_only=False)
def where_known(a: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`where(True, x, y)` → `x`, `where(False, x, y)` → `y`."""
    return x if value_of(a) else y


@arithmetic.rule(p.where(c, x, x), floats_only=False)
def where_same(x: Tensor) -> Tensor:
    """`where(c, x, x)` → `x`."""
    return x


@arithmetic.rule(p.where(p.logical_not(c), x, y), floats_only=False)
def where_not(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`where(logical_not(c), x, y)` → `where(c, y, x)`."""
    return where(c, y, x)


@arithmetic.rule(p.where(c, p.where(c, x, y), z), floats_only=False)
def where_in_first(c: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """`where(c, where(c, x, y), z)` → `where(c, x, z)`."""
    return where(c, x, z)


@arithmetic.rule(p.where(c, x, p.where(c, y, z)), floats_only=False)
def where_in_second(c: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """`where(c, x, where(c, y, z))` → `where(c, x, z)`."""
    return where(c, x, z)


@arithmetic.rule(p.multiply(once(p.where(c, 0.0, x)), y))
def product_of_masked(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`where(c, 0.0, x) * y` → `where(c, 0.0, x * y)`: selections meet.

    Where y is infinite or NaN and left out, 0 comes out instead of NaN.
    """
    return where(c, 0.0, x * y)


@arithmetic.rule(p.multiply(once(p.where(c, x, 0.0)), y))
def product_of_kept(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`where(c, x, 0.0) * y` → `where(c, x * y, 0.0)`.

    Where y is infinite or NaN and left out, 0 comes out instead of NaN.
    """
    return where(c, x * y, 0.0)


@arithmetic.rule(p.add(p.where(c, x, 0.0), p.where(c, 0.0, y)))
def sum_of_selections(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`where(c, x, 0.0) + where(c, 0.0, y)` → `where(c, x, y)`: the two branches' gradients.

    Of -0.0 + 0.0 it makes -0.0.
    """
    return where(c, x, y)


@arithmetic.rule(p.logical_or(p.less(x, y), p.equal(x, y)), floats_only=False)
def less_or_equal(x: Tensor, y: Tensor) -> Tensor:
    """`logical_or(x < y, x == y)` → `x <= y`."""
    return less_equal(x, y)


@arithmetic.rule(p.logical_or(p.greater(x, y), p.equal(x, y)), floats_only=False)
def greater_or_equal(x: Tensor, y: Tensor) -> Tensor:
    """`logical_or(x > y, x == y)` → `x >= y`."""
    return greater_equal(x, y)


@arithmetic.rule(p.logical_not(p.logical_not(c)), floats_only=False)
def double_not(c: Tensor) -> Tensor:
    """`logical_not(logical_not(c))` → `c`."""
    return c


@arithmetic.rule(p.logical_and(c, c), p.logical_or(c, c), floats_only=False)
def same_twice(c: Tensor) -> Tensor:
    """`logical_and(c, c)` → `c`, `logical_or(c, c)` → `c`."""
    return c


@arithmetic.rule(p.maximum(x, x), p.minimum(x, x), floats_only=False)
def extremum_of_same(x: Tensor) -> Tensor:
    """`maximum(x, x)` → `x`, `minimum(x, x)` → `x`."""
    return x


# Transposed products ---------------------------------------------------------------------------


@arithmetic.rule(
    p.transpose(once(p.matmul(x, y)), axes=axes),
    where=lambda axes: axes == (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2),
)
def transposed_product(x: Tensor, y: Tensor) -> Tensor:
    """`(x @ W).T` → `W.T @ x.T`: transposes are read in place, and meet others."""
    return matmul(swapaxes(y, -1, -2), swapaxes(x, -1, -2))


canonicalize = movement + sums + arithmetic + numbers
