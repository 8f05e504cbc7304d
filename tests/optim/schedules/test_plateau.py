from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import ArgumentError
from chainrule.optim.schedules import ReduceOnPlateau


def rates(plateau: ReduceOnPlateau, values: list[float], rate: float = 1.0) -> list[float]:
    found = []
    for value in values:
        rate = plateau.step(value, rate)
        found.append(rate)
    return found


def test_it_waits_and_then_lowers() -> None:
    plateau = ReduceOnPlateau(0.5, patience=2)
    assert rates(plateau, [3, 2, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5]) == [
        *(1.0, 1.0, 1.0, 1.0),
        *(0.5, 0.5, 0.25, 0.25, 0.25, 0.125),
    ]
    assert plateau.best == 0.5


def test_patience_0_and_1_lower_at_once() -> None:
    for patience in (0, 1):
        assert rates(ReduceOnPlateau(0.5, patience), [1, 1, 1]) == [1.0, 0.5, 0.25]


def test_an_improvement_is_larger_than_min_delta() -> None:
    assert rates(ReduceOnPlateau(0.5, 1, min_delta=0.1), [1.0, 0.95, 0.89, 0.80]) == [
        *(1.0, 0.5, 0.5, 0.25),
    ]


def test_upwards() -> None:
    assert rates(ReduceOnPlateau(0.5, 1, mode="max"), [0.1, 0.2, 0.2, 0.3]) == [1, 1, 0.5, 0.5]


def test_cooldown_is_not_counted() -> None:
    plateau = ReduceOnPlateau(0.5, 2, cooldown=3)
    # lowered after 2 bad epochs; 2 more are not counted, the third begins the count again
    assert rates(plateau, [1.0] * 8) == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_cooldown_holds_against_the_shortest_patience() -> None:
    assert rates(ReduceOnPlateau(0.5, 1, cooldown=2), [1.0] * 6) == [
        1.0,
        0.5,
        0.5,
        0.25,
        0.25,
        0.125,
    ]


def test_the_rate_has_a_floor() -> None:
    plateau = ReduceOnPlateau(0.1, 1, min_lr=0.05)
    assert rates(plateau, [1.0] * 4) == [1.0, 0.1, 0.05, 0.05]
    assert rates(ReduceOnPlateau(0.1, 1, min_lr=2.0), [1.0] * 4) == [1.0] * 4


def test_nan_is_no_improvement() -> None:
    assert rates(ReduceOnPlateau(0.5, 2), [1.0, math.nan, math.nan, math.inf, 0.1]) == [
        *(1.0, 1.0, 0.5, 0.5, 0.5),
    ]


def test_reset_forgets() -> None:
    plateau = ReduceOnPlateau(0.5, 2, cooldown=5)
    rates(plateau, [0.0, 1.0, 1.0])
    plateau.reset()
    assert plateau.best == math.inf
    assert rates(plateau, [9.0, 9.0, 9.0]) == [1.0, 1.0, 0.5]


@given(
    values=st.lists(st.floats(-10, 10), max_size=50),
    patience=st.integers(0, 5),
    cooldown=st.integers(0, 5),
    floor=st.floats(0.0, 0.5),
)
def test_the_rate_only_falls_and_stays_above_its_floor(
    values: list[float], patience: int, cooldown: int, floor: float
) -> None:
    plateau = ReduceOnPlateau(0.3, patience, cooldown=cooldown, min_lr=floor)
    found = [1.0, *rates(plateau, values)]
    assert all(later <= earlier for earlier, later in pairwise(found))
    assert found[-1] >= floor
    assert len(set(found)) - 1 <= len(values) / max(1, patience)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"factor": 1.0}, "factor: got 1.0; expected a number in [0, 1)."),
        ({"patience": -1}, "patience: got -1; expected a whole number from 0."),
        ({"patience": 1.5}, "patience: got 1.5; expected a whole number from 0."),
        ({"cooldown": "2"}, "cooldown: got '2'; expected a whole number from 0."),
        ({"mode": "auto"}, "mode: got 'auto'; expected 'min' or 'max'."),
        ({"min_delta": -1.0}, "min_delta: got -1.0; expected a finite number from 0."),
        (
            {"min_lr": math.inf},
            "min_lr: got inf; expected a finite number from 0.",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ReduceOnPlateau(**arguments)
    assert str(caught.value) == text
