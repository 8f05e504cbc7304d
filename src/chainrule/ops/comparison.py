"""Comparison and logic, elementwise; the results are bools and have no derivatives."""

from __future__ import annotations

import numpy as np

from chainrule.core.graph import Primitive, Rule
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import BOOL
from chainrule.ops.definition import elementwise
from chainrule.ops.promotion import promote


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
