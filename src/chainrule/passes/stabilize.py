"""Rewrites for accuracy: what is written naively is computed as it is not lost to rounding.

They hold in exact arithmetic, wherever both sides are defined; where the left side overflows or
rounds to 0 or 1 the right side keeps the digits. Applied before differentiation, so that gradients
are those of the accurate form, and again after. A rule's docstring is its test.
"""

from __future__ import annotations

from chainrule.core.tensor import Tensor
from chainrule.ops.elementwise import exp, expm1, log1p, sigmoid, softplus, tanh
from chainrule.passes.logarithms import logarithms
from chainrule.passes.patterns import Moves, moved, p, variables
from chainrule.passes.rules import Rules
from chainrule.passes.softmaxes import softmaxes

#: Of single values: exponentials, sigmoid, tanh.
forms = Rules()

x, y, m = variables("x y m")


# Exponentials and logarithms near 1 ------------------------------------------------------------


@forms.rule(p.log(p.add(1.0, x)))
def log_of_one_plus(x: Tensor) -> Tensor:
    """`log(1 + x)` → `log1p(x)`."""
    return log1p(x)


@forms.rule(p.log(p.subtract(1.0, x)))
def log_of_one_minus(x: Tensor) -> Tensor:
    """`log(1 - abs(x) / 4)` → `log1p(-(abs(x) / 4))`."""
    return log1p(-x)


@forms.rule(p.log1p(p.exp(x)))
def log1p_of_exp(x: Tensor) -> Tensor:
    """`log1p(exp(x))` → `softplus(x)`."""
    return softplus(x)


@forms.rule(p.subtract(p.exp(x), 1.0), p.add(p.exp(x), -1.0))
def exp_minus_one(x: Tensor) -> Tensor:
    """`exp(x) - 1` → `expm1(x)`, `exp(x) + -1` → `expm1(x)`."""
    return expm1(x)


@forms.rule(p.add(p.expm1(x), 1.0))
def expm1_plus_one(x: Tensor) -> Tensor:
    """`expm1(x) + 1` → `exp(x)`: as in the derivative of ELU."""
    return exp(x)


@forms.rule(p.subtract(1.0, p.exp(x)))
def one_minus_exp(x: Tensor) -> Tensor:
    """`1 - exp(x)` → `-expm1(x)`."""
    return -expm1(x)


@forms.rule(p.subtract(p.softplus(x), x))
def softplus_minus_its_argument(x: Tensor) -> Tensor:
    """`softplus(x) - x` → `softplus(-x)`."""
    return softplus(-x)


@forms.rule(p.subtract(x, p.softplus(x)))
def argument_minus_softplus(x: Tensor) -> Tensor:
    """`x - softplus(x)` → `-softplus(-x)`."""
    return -softplus(-x)


# Sigmoid ---------------------------------------------------------------------------------------


@forms.rule(p.divide(1.0, p.exp(x)))
def reciprocal_of_exp(x: Tensor) -> Tensor:
    """`1 / exp(x)` → `exp(-x)`."""
    return exp(-x)


@forms.rule(
    p.divide(
        p.subtract(p.exp(x), p.exp(p.negative(x))),
        p.add(p.exp(x), p.exp(p.negative(x))),
    )
)
def tanh_of_exp(x: Tensor) -> Tensor:
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))` → `tanh(x)`."""
    return tanh(x)


@forms.rule(p.divide(p.expm1(x), p.add(1.0, p.exp(x))))
def tanh_of_expm1(x: Tensor) -> Tensor:
    """`expm1(x) / (exp(x) + 1)` → `tanh(x * 0.5)`."""
    return tanh(x * 0.5)


@forms.rule(p.divide(p.negative(p.expm1(x)), p.add(1.0, p.exp(x))))
def tanh_of_minus_expm1(x: Tensor) -> Tensor:
    """`-expm1(x) / (1 + exp(x))` → `-tanh(x * 0.5)`."""
    return -tanh(x * 0.5)


@forms.rule(p.divide(p.exp(x), p.add(1.0, p.exp(x))))
def sigmoid_of_exp(x: Tensor) -> Tensor:
    """`exp(x) / (1 + exp(x))` → `sigmoid(x)`."""
    return sigmoid(x)


@forms.rule(p.divide(y, p.add(1.0, p.exp(p.negative(x)))))
def over_one_plus_exp_of_negative(x: Tensor, y: Tensor) -> Tensor:
    """`y / (1 + exp(-x))` → `y * sigmoid(x)`, `1 / (1 + exp(-x))` → `1 * sigmoid(x)`."""
    return y * sigmoid(x)


@forms.rule(p.divide(y, p.add(1.0, p.exp(x))))
def over_one_plus_exp(x: Tensor, y: Tensor) -> Tensor:
    """`y / (1 + exp(x))` → `y * sigmoid(-x)`, `1 / (exp(x) + 1)` → `1 * sigmoid(-x)`."""
    return y * sigmoid(-x)


@forms.rule(p.exp(p.negative(p.softplus(x))))
def exp_of_minus_softplus(x: Tensor) -> Tensor:
    """`exp(-softplus(x))` → `sigmoid(-x)`."""
    return sigmoid(-x)


@forms.rule(p.subtract(1.0, moved("m", p.sigmoid(x))))
def one_minus_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`1 - sigmoid(x)` → `sigmoid(-x)`, `1 - sigmoid(x)[0]` → `sigmoid(-x)[0]`."""
    return m(sigmoid(-x))


@forms.rule(p.subtract(moved("m", p.sigmoid(x)), 1.0), p.add(moved("m", p.sigmoid(x)), -1.0))
def sigmoid_minus_one(x: Tensor, m: Moves) -> Tensor:
    """`sigmoid(x) - 1` → `-sigmoid(-x)`."""
    return -m(sigmoid(-x))


@forms.rule(p.log(moved("m", p.sigmoid(x))))
def log_of_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`log(sigmoid(x))` → `-softplus(-x)`, `log(sigmoid(x).T)` → `(-softplus(-x)).T`."""
    return m(-softplus(-x))


@forms.rule(
    p.log(p.subtract(1.0, moved("m", p.sigmoid(x)))),
    p.log1p(p.negative(moved("m", p.sigmoid(x)))),
)
def log_of_one_minus_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`log(1 - sigmoid(x))` → `-softplus(x)`, `log1p(-sigmoid(x))` → `-softplus(x)`."""
    return m(-softplus(x))


@forms.rule(
    p.divide(p.sigmoid(x), p.subtract(1.0, p.sigmoid(x))),
    p.divide(p.sigmoid(x), p.sigmoid(p.negative(x))),
)
def odds_of_sigmoid(x: Tensor) -> Tensor:
    """`sigmoid(x) / (1 - sigmoid(x))` → `exp(x)`, `sigmoid(x) / sigmoid(-x)` → `exp(x)`."""
    return exp(x)


@forms.rule(
    p.subtract(p.multiply(p.sigmoid(x), 2.0), 1.0), p.add(p.multiply(p.sigmoid(x), 2.0), -1.0)
)
def twice_sigmoid_minus_one(x: Tensor) -> Tensor:
    """`2 * sigmoid(x) - 1` → `tanh(x * 0.5)`."""
    return tanh(x * 0.5)


@forms.rule(p.subtract(1.0, p.multiply(p.sigmoid(x), 2.0)))
def one_minus_twice_sigmoid(x: Tensor) -> Tensor:
    """`1 - 2 * sigmoid(x)` → `-tanh(x * 0.5)`."""
    return -tanh(x * 0.5)


@forms.rule(p.add(1.0, p.tanh(x)))
def one_plus_tanh(x: Tensor) -> Tensor:
    """`1 + tanh(x)` → `2.0 * sigmoid(x * 2.0)`: which is not 0 where tanh rounds to -1."""
    return 2.0 * sigmoid(x * 2.0)


@forms.rule(p.subtract(1.0, p.tanh(x)))
def one_minus_tanh(x: Tensor) -> Tensor:
    """`1 - tanh(x)` → `2.0 * sigmoid(x * -2.0)`."""
    return 2.0 * sigmoid(x * -2.0)


stabilize = forms + softmaxes + logarithms
