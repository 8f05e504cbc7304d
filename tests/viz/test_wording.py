from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from chainrule.viz.wording import count, duration, is_finite, number, percent, wilson_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3, "3"),
        (2024.0, "2024"),
        (1234567, "1234567"),
        (13.0006, "13.00"),
        (41.5, "41.5"),
        (-149.1234, "−149.1"),
        (123456.7, "123457"),
        (0.00012345, "0.0001234"),
        (0.99999, "1.000"),
        (1e-5, "1e−5"),
        (-2.5e9, "−2.5e9"),
        (1e300, "1e300"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_four_digits(value: float) -> None:
    read = float(number(value).replace("−", "-"))
    assert read == pytest.approx(value, rel=5.1e-4, abs=1e-322)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (1, "100%"),
        (0.5, "50.0%"),
        (0.9994, "99.9%"),
        (0.9996, ">99.9%"),
        (0.0004, "<0.1%"),
        (-0.25, "−25.0%"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_counts_and_times() -> None:
    assert [count(n, "row") for n in (0, 1, 12345)] == ["0 rows", "1 row", "12,345 rows"]
    assert count(2, "class", "classes") == "2 classes"
    times = [duration(s) for s in (0.004, 0.999, 59.9, 59.97, 60, 3599.6, 3600, 90061)]
    assert times == [
        "0.00 s", "1.00 s", "59.9 s", "1 min 0 s", "1 min 0 s", "1 h 0 min", "1 h 0 min",
        "25 h 1 min",
    ]  # fmt: skip


def test_is_finite() -> None:
    given = [1, 2.5, math.nan, math.inf, None, "1"]
    assert [is_finite(v) for v in given] == [True, True, False, False, False, False]


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_against_scipy(case: tuple[int, int]) -> None:
    hits, n = case
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
