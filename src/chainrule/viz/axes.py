"""Axes: from values to places, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: A loss that spans more than so many decades is shown on a logarithmic axis.
_LOG_DECADES = 2.0
#: Beyond this, arithmetic on ranges could overflow: such values are drawn as gaps.
LARGEST = 1e100
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """One direction of a chart.

    Attributes:
        low: the value at its beginning.
        high: the value at its end.
        ticks: values to mark.
        labels: their texts.
        log: whether equal ratios take equal space.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the beginning, 1 at the end."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(value) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


def drawable(value: object) -> bool:
    """Whether a value has a place on an axis: a finite number, and not absurdly large."""
    return isinstance(value, int | float) and abs(value) <= LARGEST


def wants_log(values: Sequence[float]) -> bool:
    """Whether positive values span so much that a linear axis would hide the small ones.

    >>> wants_log([0.001, 0.5]), wants_log([0.1, 0.5]), wants_log([0.0, 0.5])
    (True, False, False)
    """
    low, high = min(values, default=1.0), max(values, default=1.0)
    return low >= 1 / LARGEST and math.log10(high) - math.log10(low) > _LOG_DECADES


def linear_axis(values: Sequence[float], count: int = 5) -> Axis:
    """Return an axis that begins and ends at a tick.

    Args:
        values: what it must hold; finite, at least one.
        count: about how many ticks.

    >>> linear_axis([0.09, 2.1]).labels
    ('0.0', '0.5', '1.0', '1.5', '2.0', '2.5')
    """
    low, high = min(values), max(values)
    # Constant, or as good as: from zero to the value.
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1 / LARGEST):
        low, high = (min(low, 0.0), max(high, 0.0)) if high or low else (0.0, 1.0)
        if high - low < 1 / LARGEST:  # too small to be divided
            low, high = 0.0, 1.0
    digit, exponent = _step(high - low, count)
    step = _power(digit, exponent)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(_power(i * digit, exponent) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, _labels(ticks, exponent))


def exact_axis(low: float, high: float, count: int = 5) -> Axis:
    """Return an axis of just this range, with ticks at round numbers within.

    >>> exact_axis(-6.0, 6.0).ticks
    (-5.0, 0.0, 5.0)
    """
    wide = linear_axis([low, high], count)
    slack = 1e-9 * (high - low)
    inner = [i for i, tick in enumerate(wide.ticks) if low - slack <= tick <= high + slack]
    ticks, labels = (wide.ticks[i] for i in inner), (wide.labels[i] for i in inner)
    return Axis(low, high, tuple(ticks), tuple(labels))


def count_axis(first: int, last: int, count: int = 6) -> Axis:
    """Return an axis of whole numbers, such as epochs, from the first to the last.

    >>> count_axis(1, 20).ticks
    (5.0, 10.0, 15.0, 20.0)
    """
    if first == last:
        return Axis(first - 1, last + 1, (float(first),), (f"{first:,}",))
    digit, exponent = _step(max(last - first, count), count)
    ticks = round_ticks(first, last, _power(digit, exponent))
    return Axis(first, last, ticks, tuple(f"{tick:,.0f}" for tick in ticks))


def round_ticks(low: float, high: float, step: float) -> tuple[float, ...]:
    """Return the multiples of a step within a range.

    >>> round_ticks(0.9, 4.2, 1.0)
    (1.0, 2.0, 3.0, 4.0)
    """
    places = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return tuple(i * step for i in places)


def log_axis(values: Sequence[float]) -> Axis:
    """Return a logarithmic axis, with ticks at powers of ten, or at 1, 2, 5 times them.

    It begins at a tick, so that the least value is not below the last label.

    Args:
        values: what it must hold; positive, finite, at least one.

    >>> log_axis([0.0013, 2.0]).labels
    ('0.001', '0.01', '0.1', '1')
    """
    low, high = math.log10(min(values)), math.log10(max(values))
    first, last = math.floor(low), math.floor(high)
    fine = [(m, e) for e in range(first - 1, last + 2) for m in (1, 2, 5)]
    begin = [mark for mark in fine if math.log10(_power(*mark)) <= low + 1e-9][-1]
    if last - first > 5:
        marks = [(1, e) for e in range(first, last + 1, math.ceil((last - first + 1) / 8))]
    elif last - math.ceil(low) >= 2:
        marks = [begin, *[(1, e) for e in range(begin[1] + 1, last + 1)]]
    else:
        high = max(high, math.log10(_power(*begin)) + 0.6)  # room for a tick or two
        marks = [mark for mark in fine[fine.index(begin) :] if math.log10(_power(*mark)) <= high]
    ticks = tuple(_power(m, e) for m, e in marks)
    plain = all(-4 <= exponent < 6 for _, exponent in marks)
    labels = tuple(_plain_power(m, e) if plain else _short_power(m, e) for m, e in marks)
    return Axis(ticks[0], 10.0**high, ticks, labels, log=True)


def _step(span: float, count: int) -> tuple[int, int]:
    """Return (1, 2 or 5, e): the least round step that cuts the span into at most ``count``."""
    raw = span / count
    exponent = math.floor(math.log10(raw))
    for digit in (1, 2, 5):
        if _power(digit, exponent) >= raw * (1 - 1e-9):
            return digit, exponent
    return 1, exponent + 1


def _power(digits: int, exponent: int) -> float:
    """Return digits · 10^exponent, correctly rounded: 3e-1 is 0.3."""
    return float(f"{digits}e{exponent}")


def _labels(ticks: tuple[float, ...], exponent: int) -> tuple[str, ...]:
    largest = max(map(abs, ticks))
    top = math.floor(math.log10(largest)) if largest else 0
    if exponent >= -4 and top < 6:
        texts = [f"{tick:,.{max(0, -exponent)}f}" for tick in ticks]
    else:  # one exponent for all of them
        decimals = max(0, top - exponent)
        texts = [f"{tick / _power(1, top):.{decimals}f}e{top}" if tick else "0" for tick in ticks]
    return tuple(text.replace("-", "−") for text in texts)


def _plain_power(digit: int, exponent: int) -> str:
    return f"{_power(digit, exponent):,.{max(0, -exponent)}f}"


def _short_power(digit: int, exponent: int) -> str:
    power = "10" + str(exponent).translate(_SUPERSCRIPTS)
    return power if digit == 1 else f"{digit}·{power}"
