from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import ArgumentError
from chainrule.optim.schedules import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    Schedule,
    StepDecay,
)

STEPS = range(60)


def polynomial(t: int, n: int, first: float, end: float, power: float, cycle: bool) -> float:
    """Keras's documented formula, in Python."""
    if cycle:
        n *= max(1, math.ceil(t / n))
    return float((first - end) * (1 - min(t, n) / n) ** power + end)


CASES: list[tuple[Schedule, Callable[[int], float]]] = [
    (StepDecay(0.1, 7, 0.5), lambda t: 0.1 * 0.5 ** (t // 7)),
    (StepDecay(0.1, 7), lambda t: 0.1 * 0.1 ** (t // 7)),
    (ExponentialDecay(0.1, 7, 0.5), lambda t: 0.1 * 0.5 ** (t / 7)),
    (ExponentialDecay(0.1, 7, 0.5, staircase=True), lambda t: 0.1 * 0.5 ** (t // 7)),
    (ExponentialDecay(0.1, 7, 1.5), lambda t: 0.1 * 1.5 ** (t / 7)),
    (InverseTimeDecay(0.1, 7, 0.5), lambda t: 0.1 / (1 + 0.5 * t / 7)),
    (InverseTimeDecay(0.1, 7, 0.5, staircase=True), lambda t: 0.1 / (1 + 0.5 * (t // 7))),
    (PolynomialDecay(0.1, 20, 0.01), lambda t: polynomial(t, 20, 0.1, 0.01, 1, False)),
    (PolynomialDecay(0.1, 20), lambda t: polynomial(t, 20, 0.1, 1e-4, 1, False)),
    (PolynomialDecay(0.1, 20, 0.0, 2.0), lambda t: polynomial(t, 20, 0.1, 0.0, 2, False)),
    (PolynomialDecay(0.0, 20, 0.2, 0.5), lambda t: polynomial(t, 20, 0.0, 0.2, 0.5, False)),
    (PolynomialDecay(0.1, 7, 0.01, 0.5, True), lambda t: polynomial(t, 7, 0.1, 0.01, 0.5, True)),
    (
        PiecewiseConstantDecay([3, 10], [0.1, 0.03, 0.01]),
        lambda t: 0.1 if t <= 3 else 0.03 if t <= 10 else 0.01,
    ),
    (PiecewiseConstantDecay([], [0.1]), lambda t: 0.1),
]


@pytest.mark.parametrize(("schedule", "formula"), CASES)
def test_values(schedule: Schedule, formula: Callable[[int], float]) -> None:
    wanted = [formula(t) for t in STEPS]
    np.testing.assert_allclose(schedule(list(STEPS)).numpy(), wanted, rtol=1e-13, atol=1e-17)
    for t in STEPS:
        rate = schedule(t)
        assert rate.shape == ()
        assert rate.dtype == "float64"
        assert rate.item() == pytest.approx(wanted[t], rel=1e-13, abs=1e-17)


@given(
    first=st.floats(1e-6, 10.0),
    end=st.floats(0.0, 10.0),
    steps=st.integers(1, 1000),
    power=st.floats(0.1, 5.0),
    cycle=st.booleans(),
    t=st.integers(0, 10**6),
)
def test_a_polynomial_stays_between_its_ends(
    first: float, end: float, steps: int, power: float, cycle: bool, t: int
) -> None:
    rate = PolynomialDecay(first, steps, end, power, cycle)(t).item()
    assert min(first, end) * (1 - 1e-12) <= rate <= max(first, end) * (1 + 1e-12)


@given(rate=st.floats(0.0, 1.0), first=st.floats(1e-6, 10.0), steps=st.integers(1, 100))
def test_decays_fall_and_stay_positive(rate: float, first: float, steps: int) -> None:
    for schedule in (
        StepDecay(first, steps, rate),
        ExponentialDecay(first, steps, rate),
        InverseTimeDecay(first, steps, rate),
    ):
        rates = schedule(np.arange(300)).numpy()
        assert rates[0] == first
        assert (np.diff(rates) <= 0).all()
        assert (rates >= 0).all()


@given(steps=st.integers(1, 50), rate=st.floats(0.1, 1.0), t=st.floats(0, 200))
def test_what_is_not_a_staircase_is_continuous(steps: int, rate: float, t: float) -> None:
    for schedule in (
        ExponentialDecay(1.0, steps, rate),
        InverseTimeDecay(1.0, steps, rate),
        PolynomialDecay(1.0, steps, 0.1, 2.0),
    ):
        here, near = schedule(np.array([t, t + 1e-9])).numpy()
        assert abs(here - near) < 1e-7


@pytest.mark.parametrize("kind", [StepDecay, ExponentialDecay, InverseTimeDecay])
@pytest.mark.parametrize(
    ("position", "value", "text"),
    [
        (0, -0.1, "initial_learning_rate: got -0.1; expected a finite number from 0."),
        (0, "x", "initial_learning_rate: got 'x'; expected a finite number from 0."),
        (1, 0, "decay_steps: got 0; expected a whole number from 1."),
        (1, 2.5, "decay_steps: got 2.5; expected a whole number from 1."),
        (2, -1.0, "decay_rate: got -1.0; expected a finite number from 0."),
    ],
)
def test_arguments_that_do_not_fit(kind: Any, position: int, value: Any, text: str) -> None:
    arguments: list[Any] = [0.1, 10, 0.5]
    arguments[position] = value
    with pytest.raises(ArgumentError) as caught:
        kind(*arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: PiecewiseConstantDecay([3, 3], [1, 2, 3]),
            "boundaries: got [3, 3]; expected steps that grow.",
        ),
        (
            lambda: PiecewiseConstantDecay([-1], [1, 2]),
            "boundaries: got -1; expected a whole number from 0.",
        ),
        (
            lambda: PiecewiseConstantDecay([3], [1.0]),
            "values: got 1 of them; expected 2, one more than boundaries.",
        ),
        (
            lambda: PiecewiseConstantDecay([3], [1.0, -1.0]),
            "values: got -1.0; expected a finite number from 0.",
        ),
        (
            lambda: PolynomialDecay(0.1, 10, power=0),
            "power: got 0; expected a finite number above 0.",
        ),
        (
            lambda: PolynomialDecay(0.1, 10, end_learning_rate=math.nan),
            "end_learning_rate: got nan; expected a finite number from 0.",
        ),
    ],
)
def test_further_arguments_that_do_not_fit(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text
