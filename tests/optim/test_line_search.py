from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.optim.line_search import StrongWolfe, Trial, _minimum_of_cubic

Function = Callable[[float], tuple[float, float]]


def search(
    function: Function, step: float, budget: int = 50, c1: float = 1e-4, c2: float = 0.9
) -> tuple[Trial, Trial, int]:
    """Return the start, the point found, and how often the function was evaluated."""
    calls = 0
    none = cr.tensor(0.0)

    def evaluate(a: float) -> Trial:
        nonlocal calls
        calls += 1
        return Trial(a, *function(a), none)

    start = Trial(0.0, *function(0.0), none)
    found = StrongWolfe(c1, c2)(evaluate, start, step, budget)
    return start, found, calls


def satisfies(start: Trial, found: Trial, c1: float = 1e-4, c2: float = 0.9) -> bool:
    falls = found.value <= start.value + c1 * found.step * start.slope
    return falls and abs(found.slope) <= -c2 * start.slope


def more_thuente_1(a: float, beta: float = 2.0) -> tuple[float, float]:
    """More and Thuente 1994, function 1: -a / (a² + β)."""
    return -a / (a * a + beta), (a * a - beta) / (a * a + beta) ** 2


def more_thuente_2(a: float, beta: float = 0.004) -> tuple[float, float]:
    """Function 2: (a + β)⁵ - 2 (a + β)⁴."""
    return (a + beta) ** 5 - 2 * (a + beta) ** 4, 5 * (a + beta) ** 4 - 8 * (a + beta) ** 3


def more_thuente_3(a: float, beta: float = 0.01, el: float = 39.0) -> tuple[float, float]:
    """Function 3: a kink at 1, smoothed, with a wave on it."""
    if a <= 1 - beta:
        phi, slope = 1 - a, -1.0
    elif a >= 1 + beta:
        phi, slope = a - 1, 1.0
    else:
        phi, slope = (a - 1) ** 2 / (2 * beta) + beta / 2, (a - 1) / beta
    wave = 2 * (1 - beta) / (el * math.pi) * math.sin(el * math.pi / 2 * a)
    return phi + wave, slope + (1 - beta) * math.cos(el * math.pi / 2 * a)


def yanai(b1: float, b2: float) -> Function:
    """Functions 4 to 6, of Yanai, Ozawa and Kaneko."""

    def gamma(b: float) -> float:
        return math.sqrt(1 + b * b) - b

    def function(a: float) -> tuple[float, float]:
        left, right = math.hypot(1 - a, b2), math.hypot(a, b1)
        value = gamma(b1) * left + gamma(b2) * right
        return value, -gamma(b1) * (1 - a) / left + gamma(b2) * a / right

    return function


HARD: list[tuple[Function, float, float]] = [
    (more_thuente_1, 1e-3, 0.1),
    (more_thuente_2, 0.1, 0.1),
    (more_thuente_3, 0.1, 0.1),
    (yanai(0.001, 0.001), 1e-3, 1e-3),
    (yanai(0.01, 0.001), 1e-3, 1e-3),
    (yanai(0.001, 0.01), 1e-3, 1e-3),
]


@pytest.mark.parametrize("step", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize("problem", range(len(HARD)))
def test_the_problems_of_more_and_thuente(problem: int, step: float) -> None:
    """Their six functions from their four first steps: tables I to VI, at most 50 evaluations."""
    function, c1, c2 = HARD[problem]
    c1 = min(c1, c2 / 2)  # where they take equal constants
    start, found, calls = search(function, step, 60, c1, c2)
    assert satisfies(start, found, c1, c2), (found.step, calls)
    assert calls <= 40


@settings(max_examples=200, deadline=None)
@given(
    curvature=st.floats(1e-3, 1e3),
    slope=st.floats(-1e3, -1e-3),
    step=st.floats(1e-4, 1e4),
    c2=st.floats(0.1, 0.95),
)
def test_a_parabola_is_searched_in_few_evaluations(
    curvature: float, slope: float, step: float, c2: float
) -> None:
    def parabola(a: float) -> tuple[float, float]:
        return a * (slope + 0.5 * curvature * a), slope + curvature * a

    start, found, calls = search(parabola, step, c2=c2)
    assert satisfies(start, found, c2=c2)
    assert calls <= 25


def test_a_good_first_step_is_taken_as_it_is() -> None:
    _, found, calls = search(lambda a: ((a - 1) ** 2, 2 * (a - 1)), 1.0)
    assert (found.step, calls) == (1.0, 1)


def test_points_where_the_function_is_not_finite_are_stepped_back_from() -> None:
    def barrier(a: float) -> tuple[float, float]:
        if a >= 1.0:  # infinite, not a number, or (what one does not believe) low without a slope
            return (
                (math.inf, math.nan) if a < 5 else (math.nan, 1.0) if a < 50 else (-9e9, math.nan)
            )
        return -math.log(1 - a) - 5 * a, 1 / (1 - a) - 5

    for step in (2.0, 20.0, 100.0):
        start, found, _ = search(barrier, step)
        assert satisfies(start, found)
        assert found.step < 1.0


@pytest.mark.parametrize("step", [0.3, 1.9, 3.0, 10.0, 100.0])
def test_a_wall_is_found_although_cubics_suggest_its_foot(step: float) -> None:
    """Far beyond the wall the cubic's minimum is hardly off the start, again and again."""

    def wall(a: float) -> tuple[float, float]:
        beyond = max(0.0, a - 1.0)
        return 1e10 * beyond**2 - a, 2e10 * beyond - 1.0

    start, found, calls = search(wall, step, 70)
    assert satisfies(start, found)
    assert calls < 70


def test_a_budget_that_runs_out_gives_the_lowest_point() -> None:
    for budget in range(1, 8):
        start, found, calls = search(more_thuente_3, 1e3, budget, 0.1, 0.1)
        assert calls <= budget
        assert found.value <= start.value
    start, found, calls = search(lambda a: (-a, -1.0), 1.0, 5)  # falls for ever
    assert calls == 5
    assert found.step == 10.0**4


def test_nothing_lower_gives_the_start() -> None:
    """A slope that promises what the function does not keep, as by rounding."""
    start, found, calls = search(lambda a: (1.0 if a else 0.0, -1.0), 1.0, 100)
    assert found is start
    assert calls < 100  # the interval gets too short to cut


@given(
    coefficients=st.tuples(*[st.floats(-10, 10)] * 4),
    ends=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
def test_the_minimum_of_a_cubic(coefficients: tuple[float, ...], ends: tuple[float, float]) -> None:
    if abs(ends[0] - ends[1]) < 1e-2:
        return
    cubic = np.polynomial.Polynomial(coefficients)
    slope = cubic.deriv()
    none = cr.tensor(0.0)
    x, y = (Trial(a, float(cubic(a)), float(slope(a)), none) for a in ends)
    found = _minimum_of_cubic(x, y)
    if found is None or abs(coefficients[3]) < 0.1:
        return  # nearly a parabola: the minimum may be far away
    assert abs(slope(found)) < 1e-6 * (1 + abs(found)) ** 2
    assert slope.deriv()(found) >= -1e-6 * (1 + abs(found))
