from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import ArgumentError
from chainrule.optim.schedules import CosineDecay, CosineDecayRestarts, OneCycle, Schedule

STEPS = range(80)


def wave(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def cosine(t: int, first: float, n: int, a: float) -> float:
    return first * ((1 - a) * wave(min(t, n) / n) + a)


def warmed(t: int, first: float, n: int, a: float, target: float, warm: int) -> float:
    if t < warm:
        return first + (target - first) * t / warm
    return cosine(t - warm, target, n, a)


def restarts(t: int, first: float, n: int, q: float, m: float, a: float) -> float:
    """Wave by wave, counting."""
    length, height = float(n), 1.0
    begin = 0.0
    while t >= begin + length:
        begin, length, height = begin + length, length * q, height * m
    return first * ((1 - a) * height * wave((t - begin) / length) + a)


CASES: list[tuple[Schedule, Callable[[int], float]]] = [
    (CosineDecay(0.1, 50), lambda t: cosine(t, 0.1, 50, 0.0)),
    (CosineDecay(0.1, 50, 0.2), lambda t: cosine(t, 0.1, 50, 0.2)),
    (
        CosineDecay(0.01, 40, 0.2, warmup_target=0.1, warmup_steps=15),
        lambda t: warmed(t, 0.01, 40, 0.2, 0.1, 15),
    ),
    (CosineDecay(0.01, 40, warmup_target=0.1), lambda t: cosine(t, 0.1, 40, 0.0)),
    (CosineDecayRestarts(0.1, 5), lambda t: restarts(t, 0.1, 5, 2.0, 1.0, 0.0)),
    (CosineDecayRestarts(0.1, 5, 1.0, 0.5), lambda t: restarts(t, 0.1, 5, 1.0, 0.5, 0.0)),
    (CosineDecayRestarts(0.1, 3, 3.0, 0.8, 0.1), lambda t: restarts(t, 0.1, 3, 3.0, 0.8, 0.1)),
    (CosineDecayRestarts(0.1, 4, 1.5, 1.0, 0.1), lambda t: restarts(t, 0.1, 4, 1.5, 1.0, 0.1)),
]


@pytest.mark.parametrize(("schedule", "formula"), CASES)
def test_values(schedule: Schedule, formula: Callable[[int], float]) -> None:
    wanted = [formula(t) for t in STEPS]
    np.testing.assert_allclose(schedule(list(STEPS)).numpy(), wanted, rtol=1e-12, atol=1e-16)
    for t in STEPS:
        assert schedule(t).shape == ()
        assert schedule(t).item() == pytest.approx(wanted[t], rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("q", [2.0, 3.0, 5.0, 10.0])
@pytest.mark.parametrize("first", [1, 3, 7, 1000])
def test_every_restart_is_met(q: float, first: int) -> None:
    """The logarithm that finds the wave rounds; at a restart the rate must be the full one."""
    schedule = CosineDecayRestarts(1.0, first, q)
    begins = [round(first * (q**i - 1) / (q - 1)) for i in range(12)]
    np.testing.assert_allclose(schedule(begins).numpy(), 1.0, rtol=1e-9)
    lasts = schedule([b - 1 for b in begins[4:]]).numpy()
    assert (lasts < 0.2).all()


CORNERS = {"max_learning_rate": 1.0, "total_steps": 100}


def test_one_cycle_in_two_phases() -> None:
    schedule = OneCycle(1.0, 100, pct_start=0.3, div_factor=10.0, final_div_factor=100.0)
    corners = schedule([0, 29, 99, 500]).numpy()
    np.testing.assert_allclose(corners, [0.1, 1.0, 1e-3, 1e-3], rtol=1e-12)
    middles = schedule([14.5, 64.0]).numpy()
    np.testing.assert_allclose(middles, [0.55, (1 + 1e-3) / 2], rtol=1e-12)
    quarter = schedule(29 / 4).item()
    assert quarter == pytest.approx(0.1 + 0.9 * (1 - wave(0.25)), rel=1e-12)


def test_one_cycle_in_three_phases() -> None:
    schedule = OneCycle(1.0, 101, 0.3, 10.0, 100.0, anneal="linear", three_phase=True)
    up = 0.3 * 101 - 1
    corners = schedule(np.array([0, up, 2 * up, 100.0])).numpy()
    np.testing.assert_allclose(corners, [0.1, 1.0, 0.1, 1e-3], rtol=1e-12)
    middles = schedule(np.array([up / 2, up * 1.5, (2 * up + 100) / 2])).numpy()
    np.testing.assert_allclose(middles, [0.55, 0.55, 0.0505], rtol=1e-12)


def test_one_cycle_without_room_to_rise_only_falls() -> None:
    for schedule in (OneCycle(1.0, 10, 0.0), OneCycle(1.0, 2, 0.3), OneCycle(1.0, 3, 0.2)):
        rates = schedule(np.arange(12)).numpy()
        assert rates[0] == 1.0
        assert (np.diff(rates) <= 0).all()


POSITIVE = st.floats(1e-6, 10.0)


@given(
    top=POSITIVE,
    total=st.integers(2, 500),
    pct=st.floats(0.0, 0.49),
    div=st.floats(1.0, 100.0),
    final=st.floats(1.0, 1e6),
    anneal=st.sampled_from(["cos", "linear"]),
    three=st.booleans(),
)
def test_one_cycle_stays_within_bounds_and_has_no_jumps(
    top: float, total: int, pct: float, div: float, final: float, anneal: str, three: bool
) -> None:
    schedule = OneCycle(top, total, pct, div, final, anneal, three)
    t = np.linspace(0, total + 10.0, 2000)
    rates = schedule(t).numpy()
    assert (rates <= top * (1 + 1e-12)).all()
    assert (rates >= top / div / final * (1 - 1e-9)).all()
    assert rates[-1] == pytest.approx(top / div / final, rel=1e-9)
    bends = np.array([pct * total - 1, 2 * (pct * total - 1), total - 1.0])
    bends = bends[bends > 1e-3]
    before, after = schedule(bends - 1e-9).numpy(), schedule(bends + 1e-9).numpy()
    assert (np.abs(before - after) < 1e-5 * top).all()


@given(first=POSITIVE, n=st.integers(1, 100), a=st.floats(0.0, 1.0), t=st.floats(0.0, 1000.0))
def test_a_cosine_stays_between_its_ends_and_has_no_jumps(
    first: float, n: int, a: float, t: float
) -> None:
    schedule = CosineDecay(first, n, a)
    here, near = schedule(np.array([t, t + 1e-9])).numpy()
    assert first * a * (1 - 1e-12) <= here <= first * (1 + 1e-12)
    assert abs(here - near) < 1e-7 * first


@given(
    first=POSITIVE,
    n=st.integers(1, 50),
    q=st.floats(1.0, 4.0),
    m=st.floats(0.1, 1.0),
    a=st.floats(0.0, 1.0),
    t=st.integers(0, 100_000),
)
def test_restarts_stay_within_bounds(
    first: float, n: int, q: float, m: float, a: float, t: int
) -> None:
    rate = CosineDecayRestarts(first, n, q, m, a)(t).item()
    assert first * a * (1 - 1e-9) <= rate <= first * (1 + 1e-9)


def test_a_warm_up_meets_the_decay() -> None:
    schedule = CosineDecay(0.0, 40, warmup_target=0.1, warmup_steps=15)
    before, at = schedule(np.array([15 - 1e-9, 15.0])).numpy()
    assert abs(before - at) < 1e-10


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CosineDecay(0.1, 0), "decay_steps: got 0; expected a whole number from 1."),
        (lambda: CosineDecay(0.1, 5, -1), "alpha: got -1; expected a finite number from 0."),
        (
            lambda: CosineDecay(0.1, 5, warmup_steps=-1),
            "warmup_steps: got -1; expected a whole number from 0.",
        ),
        (
            lambda: CosineDecay(0.1, 5, warmup_target="x"),
            "warmup_target: got 'x'; expected a finite number from 0.",
        ),
        (
            lambda: CosineDecayRestarts(0.1, 5, t_mul=0.5),
            "t_mul: got 0.5; expected a finite number from 1.",
        ),
        (
            lambda: CosineDecayRestarts(0.1, True),
            "first_decay_steps: got True; expected a whole number from 1.",
        ),
        (lambda: OneCycle(0.1, 1), "total_steps: got 1; expected a whole number from 2."),
        (lambda: OneCycle(0.1, 9, 1.0), "pct_start: got 1.0; expected a share in [0, 1)."),
        (
            lambda: OneCycle(0.1, 9, 0.5, three_phase=True),
            "pct_start: got 0.5; expected a share in [0, 0.5).",
        ),
        (
            lambda: OneCycle(0.1, 9, anneal="sin"),
            "anneal: got 'sin'; expected 'cos' or 'linear'.",
        ),
        (
            lambda: OneCycle(0.1, 9, div_factor=0),
            "div_factor: got 0; expected a finite number above 0.",
        ),
    ],
)
def test_arguments_that_do_not_fit(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text
