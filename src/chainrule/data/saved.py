"""Reading back what was saved: nothing in a model's file is trusted before it is checked."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

from chainrule.core.errors import DataError
from chainrule.data.values import quoted


def malformed(came: str, expected: str) -> DataError:
    """What ``from_dict`` raises."""
    return DataError("preprocessing", came, expected, "The saved model is damaged; train it again.")


def saved_text(saved: Mapping[str, Any], key: str) -> str:
    """A text out of a saved dict.

    Raises:
        DataError: it is missing, or something else.
    """
    value = saved.get(key)
    if not isinstance(value, str):
        raise malformed(f"{key} = {value!r}", "text")
    return value


def saved_number(saved: Mapping[str, Any], key: str, *, positive: bool = False) -> float:
    """A finite number out of a saved dict.

    Raises:
        DataError: it is missing, or something else.
    """
    value = saved.get(key)
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # JSON knows whole numbers beyond float64
            number = float(value)
    if not math.isfinite(number) or (positive and number <= 0):
        raise malformed(f"{key} = {value!r}", f"a {'positive' if positive else 'finite'} number")
    return number


def saved_list(saved: Mapping[str, Any], key: str, kinds: tuple[type, ...]) -> list[Any]:
    """A list of different values of one kind, at least one, out of a saved dict.

    Raises:
        DataError: it is missing, or something else.
    """
    values = saved.get(key)
    names = " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(values, list | tuple) or not values:
        raise malformed(f"{key} = {values!r}", f"a list of {names}")
    kind = type(values[0])
    if kind not in kinds or any(type(v) is not kind for v in values):
        raise malformed(f"{key} = {quoted(values)}", f"a list of {names}, all of one type")
    if len(set(values)) != len(values):
        raise malformed(f"{key} = {quoted(values)}", "a list without repetitions")
    return list(values)
