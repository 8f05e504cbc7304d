"""Sums and products written out so that the numbers on the page give the result on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

Item = TypeVar("Item")

#: More digits than these say nothing of a float64.
_ALL_DIGITS = 17
#: Equations up to this long are written in one line.
_WIDE = 72


@dataclass(frozen=True)
class Term:
    """One term of a sum: a product of numbers.

    Attributes:
        factors: the numbers.
        note: what the term is, such as ``j = 2``.
    """

    factors: tuple[float, ...]
    note: str = ""

    @property
    def value(self) -> float:
        """The product."""
        return math.prod(self.factors)


def number(x: float, digits: int) -> str:
    """Write a number with so many significant digits.

    >>> number(-0.0, 6), number(1 / 3, 6), number(1e-9, 6)
    ('0', '0.333333', '1e-09')
    """
    return f"{float(x) + 0.0:.{digits}g}"  # adding 0 turns -0 into 0


def operand(text: str) -> str:
    """Put a negative number in parentheses, as it stands behind an operator.

    >>> operand("-0.5"), operand("0.5")
    ('(-0.5)', '0.5')
    """
    return f"({text})" if text.startswith("-") else text


def last_place(x: float, digits: int) -> float:
    """Return what one unit in the last of so many significant digits is worth.

    >>> last_place(0.25, 3)
    0.001
    """
    if x == 0.0 or not math.isfinite(x):
        return 0.0
    return float(10.0 ** (math.floor(math.log10(abs(x))) - digits + 1))


def settle(
    operands: Sequence[float],
    evaluate: Callable[[Sequence[float]], float],
    result: float,
    digits: int,
) -> tuple[list[str], str]:
    """Write operands with as many digits as it takes for them to give a result as it is written.

    Args:
        operands: the numbers that the result is computed from.
        evaluate: how.
        result: the result, as the network computed it; it is written with ``digits``.
        digits: significant digits to begin with.

    Returns:
        The operands' texts, and what must be added, as the network's own rounding shows: mostly
        nothing, ``""``.

    >>> settle([0.1, 0.2], sum, 0.3, 3)
    (['0.1', '0.2'], '')
    >>> settle([1000.123, -1000.0], sum, 0.123, 3)
    (['1000.123', '-1000'], '')
    >>> settle([0.1, 0.2], sum, 0.4, 3)
    (['0.1', '0.2'], '0.1')
    """
    shown, unit = float(number(result, digits)), last_place(result, digits)
    exact = evaluate(operands)
    if not math.isfinite(shown) or not math.isfinite(exact):
        return [number(x, digits) for x in operands], ""
    for rounding in (False, True):
        for n in range(digits, _ALL_DIGITS + 1):
            texts = [number(x, n) for x in operands]
            rest = number(result - exact, n) if rounding else ""
            given = evaluate([float(text) for text in texts])
            if abs(math.fsum([shown, -given, -float(rest or 0.0)])) <= unit:
                return texts, rest
    return texts, rest


def spell_sum(
    terms: Sequence[Term], result: float, digits: int, *, rounding: str, noted: bool = False
) -> tuple[str, ...]:
    """Write a sum of products, and its result.

    Args:
        terms: what is added.
        result: the result, as the network computed it.
        digits: significant digits of the result; the terms get as many as they need.
        rounding: what to call a difference that only the network's own rounding explains.
        noted: whether the terms' notes must be seen.

    Returns:
        Lines that begin with ``=`` or ``+``: one line for a short sum, else one a term.

    >>> spell_sum([Term((0.5, -1.0)), Term((0.25,), "b")], -0.25, 6, rounding="rounding")
    ('= 0.5 × (-1) + 0.25', '= -0.25')
    """
    counts = [len(term.factors) for term in terms]
    texts, rest = settle(
        [x for term in terms for x in term.factors],
        lambda xs: math.fsum(math.prod(factors) for factors in _grouped(xs, counts)),
        result,
        digits,
    )
    products = [" × ".join(map(operand, factors)) for factors in _grouped(texts, counts)]
    if products[0].startswith("("):
        products[0] = products[0].replace("(", "", 1).replace(")", "", 1)  # it leads the line
    notes = [term.note for term in terms]
    if rest:
        products.append(operand(rest))
        notes.append(rounding)
    inline = " + ".join(products)
    if len(inline) <= _WIDE and not (noted or rest):
        lines = [f"= {inline}"]
    else:
        wide = max(map(len, products))
        lines = [
            f"{'+' if k else '='} {product.ljust(wide)}" + (f"   ({note})" if note else "")
            for k, (product, note) in enumerate(zip(products, notes, strict=True))
        ]
    return (*(line.rstrip() for line in lines), f"= {number(result, digits)}")


def _grouped(items: Sequence[Item], counts: Sequence[int]) -> list[Sequence[Item]]:
    ends = list(accumulate(counts))
    return [items[end - count : end] for end, count in zip(ends, counts, strict=True)]
