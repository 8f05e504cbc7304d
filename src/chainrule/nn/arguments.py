"""Checks of the arguments that layers have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError


def whole_number(argument: str, value: Any, least: int | None = 1) -> int:
    """Return a whole number from ``least`` (``None``: any).

    Raises:
        ArgumentError: anything else.

    >>> whole_number("units", 3)
    3
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or (least is not None and value < least):
        bound = "" if least is None else f" from {least}"
        raise ArgumentError(argument, repr(value), f"a whole number{bound}")
    return int(value)


def number(
    argument: str, value: Any, low: float, high: float, expected: str, fix: str = ""
) -> float:
    """Return a number in [low, high).

    Args:
        argument: what the caller calls it.
        value: what came.
        low: lower bound, included.
        high: upper bound, excluded.
        expected: the bounds in words.
        fix: the usual fix.

    Raises:
        ArgumentError: anything else.

    >>> number("rate", 0.5, 0.0, 1.0, "a number in [0, 1)")
    0.5
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not low <= value < high:
        raise ArgumentError(argument, repr(value), expected, fix)
    return float(value)


def epsilon_of(value: Any) -> float:
    """Return ε, which keeps a division finite.

    Raises:
        ArgumentError: not a finite number above 0.

    >>> epsilon_of(1e-3)
    0.001
    """
    return number("epsilon", value, math.ulp(0.0), math.inf, "a finite number above 0")


def axes_of(axis: Any, argument: str = "axis") -> int | tuple[int, ...]:
    """Return an axis, or several of them, as Python's integers.

    Raises:
        ArgumentError: neither a whole number nor a sequence of them.

    >>> axes_of(-1), axes_of([1, 2])
    (-1, (1, 2))
    """
    if isinstance(axis, int | np.integer) and not isinstance(axis, bool):
        return int(axis)
    if isinstance(axis, Sequence) and axis and all(isinstance(a, int | np.integer) for a in axis):
        return tuple(int(a) for a in axis)
    raise ArgumentError(argument, repr(axis), "a whole number, or several of them")
