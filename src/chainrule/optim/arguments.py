"""Checks of the arguments of optimizers and schedules."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array


def float64(value: float) -> Array:
    """Return a number that keeps its digits: by itself, it would become a float32 tensor."""
    return np.array(value, np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def checked(argument: str, value: float, below: float = float("inf")) -> float:
    """Return a number from 0 up to a limit.

    Raises:
        ArgumentError: anything else.
    """
    if not _is_number(value) or not 0 <= value < below:
        expected = (
            "a finite number from 0" if below == float("inf") else f"a number in [0, {below:g})"
        )
        raise ArgumentError(argument, repr(value), expected)
    return float(value)


def positive(argument: str, value: float) -> float:
    """Return a finite number above 0.

    Raises:
        ArgumentError: anything else.
    """
    if not _is_number(value) or not 0 < value < float("inf"):
        raise ArgumentError(argument, repr(value), "a finite number above 0")
    return float(value)


def whole(argument: str, value: int, least: int = 1) -> int:
    """Return a whole number from ``least``.

    Raises:
        ArgumentError: anything else.
    """
    if not _is_number(value) or not least <= value < float("inf") or value != int(value):
        raise ArgumentError(argument, repr(value), f"a whole number from {least}")
    return int(value)
