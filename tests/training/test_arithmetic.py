"""What is written gives, computed with the numbers as they are written, the result as written."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.training.arithmetic import Term, last_place, number, settle, spell_sum

sizes = st.floats(-9.0, 9.0).map(lambda e: 10.0**e)
numbers = st.one_of(
    st.just(0.0), st.builds(lambda s, x: s * x, sizes, st.floats(-1.0, 1.0)), st.floats(-10.0, 10.0)
)
products = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12)


def computed(lines: tuple[str, ...]) -> float:
    """Compute what the lines before the last one say."""
    text = " ".join(re.sub(r"   \(.*\)$", "", line) for line in lines[:-1])
    assert text.startswith("= ")
    total = []
    for term in text[2:].split(" + "):
        total.append(math.prod(float(factor.strip("() ")) for factor in term.split(" × ")))
    return math.fsum(total)


def adds_up(lines: tuple[str, ...], digits: int) -> bool:
    result = float(lines[-1].removeprefix("= "))
    slack = 4 * np.finfo(float).eps * abs(result)
    return abs(computed(lines) - result) <= last_place(result, digits) + slack


@settings(max_examples=300, deadline=None)
@given(products, st.integers(1, 17), st.booleans())
def test_a_sum_adds_up_as_it_is_written(
    pairs: list[tuple[float, float]], digits: int, noted: bool
) -> None:
    total = math.fsum(w * a for w, a in pairs)
    terms = [Term(pair, f"j = {j}") for j, pair in enumerate(pairs)]
    lines = spell_sum(terms, total, digits, rounding="rounding", noted=noted)
    assert adds_up(lines, digits)
    assert lines[-1] == f"= {number(total, digits)}"


@settings(max_examples=300, deadline=None)
@given(products, st.integers(3, 9))
def test_a_sum_in_float32_adds_up_too(pairs: list[tuple[float, float]], digits: int) -> None:
    w, a = np.float32(pairs).T
    with np.errstate(all="ignore"):
        total = float(w @ a)
    if math.isfinite(total):
        terms = [Term((float(x), float(y))) for x, y in zip(w, a, strict=True)]
        assert adds_up(spell_sum(terms, total, digits, rounding="rounding"), digits)


def test_short_sums_take_one_line_and_long_ones_a_line_a_term() -> None:
    terms = [Term((0.5, -1.0), "j = 0"), Term((-0.25, 2.0), "j = 1"), Term((1.0,), "b")]
    short = ("= 0.5 × (-1) + (-0.25) × 2 + 1", "= 0")
    assert spell_sum(terms, 0.0, 6, rounding="") == short
    assert spell_sum(terms, 0.0, 6, rounding="", noted=True) == (
        "= 0.5 × (-1)    (j = 0)",
        "+ (-0.25) × 2   (j = 1)",
        "+ 1             (b)",
        "= 0",
    )
    long = spell_sum([Term((1 / 3, 1 / 7))] * 9, 9 / 21, 6, rounding="")
    assert len(long) == 10
    assert long[0] == "= 0.333333 × 0.142857"
    assert spell_sum([Term((-2.0, 3.0))], -6.0, 6, rounding="") == ("= -2 × 3", "= -6")


def test_operands_get_the_digits_that_cancellation_needs() -> None:
    lines = spell_sum([Term((1.0000001,)), Term((-1.0,))], 1e-7, 3, rounding="")
    assert lines == ("= 1.0000001 + (-1)", "= 1e-07")


def test_what_only_rounding_explains_is_a_term_of_its_own() -> None:
    lines = spell_sum([Term((1.0,), "j = 0"), Term((2.0,), "b")], 3.5, 6, rounding="rounding in x")
    assert lines == ("= 1     (j = 0)", "+ 2     (b)", "+ 0.5   (rounding in x)", "= 3.5")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_shown_as_it_is(wrong: float) -> None:
    assert settle([wrong, 1.0], sum, wrong, 6) == ([f"{wrong}", "1"], "")
    assert settle([1.0], sum, wrong, 6) == (["1"], "")
    assert last_place(wrong, 3) == 0.0


def test_last_place() -> None:
    assert last_place(123.4, 4) == pytest.approx(0.1)
    assert last_place(-0.0123, 2) == pytest.approx(0.001)
    assert last_place(0.0, 6) == 0.0
