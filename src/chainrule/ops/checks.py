"""Checks of values that are part of the graph, so that compiled functions make them, too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import Array, ArrayType


def _check_range(
    x: Array, *, low: int, high: int, argument: str, what: str, unit: str, fix: str
) -> Array:
    if x.size:
        smallest, largest = x.min(), x.max()
        if smallest < low or largest >= high:
            raise ArgumentError(
                argument,
                f"{what} from {smallest} to {largest}",
                f"integers from {low} to {high - 1} ({high} {unit})",
                fix,
            )
    return x


def _same(x: ArrayType, **attrs: object) -> ArrayType:
    return x


check_range_p: Primitive = Primitive(
    "check_range",
    eval=_check_range,
    type_rule=_same,
    vjp=(None,),
    examples=(
        example(
            (3,),
            arrays={0: np.array([0, 2, 1])},
            low=0,
            high=3,
            argument="labels",
            what="labels",
            unit="classes",
            fix="",
        ),
    ),
)


def check_range(
    x: Tensor, high: int, argument: str, what: str, unit: str, fix: str = "", low: int = 0
) -> Tensor:
    """Return integers as they are, or raise: ``low ≤ x < high``.

    A traced or compiled function checks when it runs, as the result is used. What is never used is
    not checked.

    Args:
        x: integers, of any shape.
        high: first number that is too large.
        argument: name of the argument, for the error.
        what: what the numbers are, in the plural: ``"labels"``.
        unit: what there are ``high`` of: ``"classes"``.
        fix: the usual fix, as a sentence.
        low: smallest number.

    Raises:
        ArgumentError: a number out of range.

    >>> import chainrule as cr
    >>> check_range(cr.tensor([0, 1]), 2, "labels", "labels", "classes")
    Tensor([0, 1], dtype=int64)
    """
    return bind(
        check_range_p, x, low=low, high=high, argument=argument, what=what, unit=unit, fix=fix
    )


def _check(x: Array, *, check: Callable[[Array], None]) -> Array:
    check(x)
    return x


def _accept(x: Array) -> None:
    """Find nothing wrong."""


check_p: Primitive = Primitive(
    "check",
    eval=_check,
    type_rule=_same,
    vjp=(lambda g, ans, x, *, check: g,),
    jvp=lambda ts, ans, x, *, check: ts[0],
    examples=(example((2, 3), check=_accept),),
)


def checked(x: Tensor, check: Callable[[Array], None]) -> Tensor:
    """Return an array as it is, after a function has looked at its values, and raised or not.

    Args:
        x: array.
        check: raises if it finds something wrong.
    """
    return bind(check_p, x, check=check)
