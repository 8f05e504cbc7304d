"""Numbers as a person reads them."""

from __future__ import annotations

import math

#: What stands where a number does not exist.
NOTHING = "–"


def is_finite(value: object) -> bool:
    """Whether a value is a number, and neither NaN nor infinite."""
    return isinstance(value, int | float) and math.isfinite(value)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with a few significant digits; whole numbers keep all theirs.

    Args:
        value: the number; None where there is none.
        digits: how many significant digits a number has that is not whole.

    >>> number(41.50249), number(41.5), number(-0.0300652), number(1797), number(2.5e-7)
    ('41.50', '41.5', '−0.03007', '1797', '2.5e−7')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if value == int(value) and size < 1e7:
        text = str(int(value))
    elif 1e-4 <= size < 1e7:
        exponent = int(f"{size:.{digits - 1}e}".split("e")[1])  # of the number as rounded
        decimals = max(0, digits - 1 - exponent)
        text = f"{value:.{decimals}f}"
        if decimals and float(text) == value:  # zeros say how exact a rounded number is
            text = text.rstrip("0").rstrip(".")
    else:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    return text.replace("-", "−")


def percent(share: float | None) -> str:
    """Return a share in percent; only what is exact reads 0% or 100%.

    >>> percent(0.9638), percent(0.99999), percent(1.0), percent(0.0002), percent(None)
    ('96.4%', '>99.9%', '100%', '<0.1%', '–')
    """
    if share is None or not math.isfinite(share):
        return NOTHING
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}".replace("-", "−")


def count(n: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> count(1, "row"), count(1797, "row"), count(2, "class", "classes")
    ('1 row', '1,797 rows', '2 classes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Return a time as a clock would be read out.

    >>> duration(0.0123), duration(75.2), duration(7322)
    ('0.01 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the 95% confidence interval of a share.

    ``(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`` with ``p = hits/n``, ``z = 1.96``

    Args:
        hits: how often it happened.
        n: among how many.

    >>> low, high = wilson_interval(25, 30)
    >>> round(low, 3), round(high, 3)
    (0.664, 0.927)

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).
    """
    z = 1.959963984540054
    p = hits / n
    center = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)
