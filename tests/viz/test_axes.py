from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chainrule.viz.axes import (
    Axis,
    count_axis,
    drawable,
    exact_axis,
    linear_axis,
    log_axis,
    round_ticks,
    wants_log,
)

VALUES = st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=6)
POSITIVE = st.lists(st.floats(1e-100, 1e100), min_size=1, max_size=6)


def steps(axis: Axis) -> set[Fraction]:
    """Differences between neighbors, exact in decimals."""
    ticks = [Fraction(repr(tick)) for tick in axis.ticks]
    return {b - a for a, b in itertools.pairwise(ticks)}


def mantissa(value: Fraction) -> Fraction:
    while value >= 10:
        value /= 10
    while value < 1:
        value *= 10
    return value


@given(VALUES)
def test_linear_axis_holds_the_values_between_round_ticks(values: list[float]) -> None:
    axis = linear_axis(values)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low <= min(values) + slack
    assert axis.high >= max(values) - slack
    assert (axis.ticks[0], axis.ticks[-1]) == (axis.low, axis.high)
    assert 2 <= len(axis.ticks) <= 8
    assert len(axis.labels) == len(axis.ticks)
    assert list(axis.ticks) == sorted(set(axis.ticks))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_linear_ticks_are_equal_steps_of_one_two_or_five(values: list[float]) -> None:
    low, high = min(values), max(values)
    assume(high - low > 1e-3 * max(abs(low), abs(high)))
    axis = linear_axis(values)
    (step,) = steps(axis)
    assert mantissa(step) in (1, 2, 5)
    assert all((Fraction(repr(tick)) / step).denominator == 1 for tick in axis.ticks)


@given(st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=6))
def test_labels_read_as_their_ticks(values: list[float]) -> None:
    axis = linear_axis(values)
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        read = float(label.replace("−", "-").replace(",", ""))
        assert read == pytest.approx(tick, rel=1e-9, abs=1e-9 * (axis.high - axis.low))
    assert len(set(axis.labels)) == len(axis.labels)


def test_linear_axis_of_equal_values_reaches_to_zero() -> None:
    assert (linear_axis([0.7]).low, linear_axis([0.7, 0.7]).high) == (0.0, 0.8)
    assert (linear_axis([-3.0]).low, linear_axis([-3.0]).high) == (-3.0, 0.0)
    assert (linear_axis([0.0]).low, linear_axis([0.0]).high) == (0.0, 1.0)
    assert (linear_axis([1e-320]).low, linear_axis([1e-320]).high) == (0.0, 1.0)
    assert (linear_axis([0.0, 5e-324]).low, linear_axis([0.0, 5e-324]).high) == (0.0, 1.0)
    assert linear_axis([1e9, 1e9 + 1e-6]).low == 0


def test_linear_labels() -> None:
    assert linear_axis([0, 1]).labels == ("0.0", "0.2", "0.4", "0.6", "0.8", "1.0")
    assert linear_axis([-20_000, 20_000]).labels == ("−20,000", "−10,000", "0", "10,000", "20,000")
    assert linear_axis([0, 3e7]).labels == ("0", "1e7", "2e7", "3e7")
    assert linear_axis([1e-9, 2e-9]).labels[0] == "1.0e−9"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_exact_axis_is_the_range_with_round_ticks_inside(low: float, span: float) -> None:
    axis = exact_axis(low, low + span)
    assume(axis.high - axis.low > 1e-6 * max(abs(axis.low), abs(axis.high)))
    assert (axis.place(low), axis.place(low + span)) == (0.0, 1.0)
    assert len(axis.ticks) == len(axis.labels) >= 1
    assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in axis.ticks)
    assert set(axis.ticks) <= set(linear_axis([low, low + span]).ticks)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_count_axis_marks_whole_numbers_in_range(first: int, span: int) -> None:
    axis = count_axis(first, first + span)
    assert 1 <= len(axis.ticks) <= 7
    assert all(tick == int(tick) and first <= tick <= first + span for tick in axis.ticks)
    assert [int(label.replace(",", "")) for label in axis.labels] == list(axis.ticks)
    assert 0 <= axis.place(first) <= axis.place(first + span) <= 1


def test_count_axis_of_one_is_in_the_middle() -> None:
    assert count_axis(1, 1).place(1) == 0.5
    assert count_axis(1, 1).labels == ("1",)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e6), st.sampled_from([0.01, 0.2, 1.0, 50.0]))
def test_round_ticks_are_multiples_in_range(low: float, span: float, step: float) -> None:
    assume(span / step < 1000)
    slack = 1e-6 * step + 1e-9 * abs(low)
    for tick in round_ticks(low, low + span, step):
        assert low - slack <= tick <= low + span + slack
        assert tick / step == pytest.approx(round(tick / step), rel=1e-9)


@given(POSITIVE)
def test_log_axis(values: list[float]) -> None:
    axis = log_axis(values)
    assert axis.low < min(values) * (1 + 1e-9)
    assert axis.high > max(values) * (1 - 1e-9)
    assert 1 <= len(axis.ticks) <= 9
    assert len(set(axis.labels)) == len(axis.labels) == len(axis.ticks)
    for tick in axis.ticks:
        assert axis.low * (1 - 1e-9) <= tick <= axis.high * (1 + 1e-9)
        assert mantissa(Fraction(repr(tick))) in (1, 2, 5)


def test_log_axis_gives_equal_ratios_equal_space() -> None:
    axis = log_axis([0.01, 100.0])
    places = [axis.place(value) for value in (0.01, 0.1, 1.0, 10.0, 100.0)]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    assert gaps == pytest.approx([gaps[0]] * 4)
    assert axis.place(1.0) == pytest.approx(0.5)


@given(POSITIVE)
def test_a_log_axis_begins_at_a_label_below_the_least_value(values: list[float]) -> None:
    axis = log_axis(values)
    assert axis.ticks[0] == axis.low <= min(values) * (1 + 1e-8)
    assert len(axis.ticks) >= 2


def test_log_labels() -> None:
    assert log_axis([0.001, 10.0]).labels == ("0.001", "0.01", "0.1", "1", "10")
    assert log_axis([1e-6, 1.0]).labels[0] == "10⁻⁶"
    assert log_axis([2.0, 3.0]).labels == ("2", "5")
    assert log_axis([1.2e-7, 3e-7]).labels == ("10⁻⁷", "2·10⁻⁷")
    assert len(log_axis([1e-30, 1e30]).labels) <= 8


def test_wants_log_above_two_decades_of_positive_values() -> None:
    assert wants_log([1.0, 101.0])
    assert not wants_log([1.0, 100.0])
    assert not wants_log([0.0, 1000.0])
    assert not wants_log([-1.0, 1000.0])
    assert not wants_log([])


def test_drawable() -> None:
    given = [0.0, -1e100, 1e101, math.nan, -math.inf, None]
    assert [drawable(value) for value in given] == [True, True, False, False, False, False]
