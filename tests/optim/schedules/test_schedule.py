from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.optim.schedules import (
    SCHEDULES,
    Constant,
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    FunctionOfStep,
    InverseTimeDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
    Schedule,
    StepDecay,
    Warmup,
    as_schedule,
    from_config,
)

EVERY = [
    Constant(0.1),
    PiecewiseConstantDecay((5, 9), (0.1, 0.05, 0.01)),
    StepDecay(0.1, 5),
    ExponentialDecay(0.1, 5, 0.5, staircase=True),
    InverseTimeDecay(0.1, 5, 0.5),
    PolynomialDecay(0.1, 5, 0.01, 2.0, cycle=True),
    CosineDecay(0.1, 5, 0.1, warmup_target=0.2, warmup_steps=3),
    CosineDecayRestarts(0.1, 5, 1.5, 0.9, 0.1),
    OneCycle(0.1, 30, anneal="linear", three_phase=True),
    Warmup(Warmup(StepDecay(0.1, 5), 4), 3, 0.01),
]


def test_every_schedule_is_tried_here() -> None:
    assert {type(s) for s in EVERY} == set(SCHEDULES.values())


@pytest.mark.parametrize("schedule", EVERY, ids=lambda s: type(s).__name__)
def test_round_trip_through_json(schedule: Schedule) -> None:
    again = from_config(json.loads(json.dumps(schedule.config())))
    assert again == schedule
    assert repr(again) == repr(schedule)
    steps = np.arange(40)
    np.testing.assert_array_equal(again(steps).numpy(), schedule(steps).numpy())
    assert as_schedule(schedule.config()) == schedule
    assert not schedule.is_python


@pytest.mark.parametrize("schedule", EVERY, ids=lambda s: type(s).__name__)
def test_schedules_are_computed_by_chainrules_operations(schedule: Schedule) -> None:
    """From the step's tensor: they trace, and nothing of the step is baked in."""
    graph = cr.trace(lambda t: schedule(t))(cr.tensor(np.float64(0.0)))
    for t in range(40):
        found = graph(cr.tensor(np.float64(t)))
        assert found.item() == schedule(t).item()
        assert found.dtype == "float64"


@pytest.mark.parametrize(
    "step", [3, 3.0, np.int32(3), np.float32(3), cr.tensor(3), cr.Parameter(3.0)]
)
def test_steps_of_any_kind(step: Any) -> None:
    found = ExponentialDecay(0.1, 3, 0.3)(step)
    assert found.item() == pytest.approx(0.03, rel=1e-15)
    assert found.dtype == "float64"


def test_the_step_keeps_its_digits() -> None:
    """float32 cannot count beyond 2²⁴."""
    schedule = PiecewiseConstantDecay([2**24], [1.0, 2.0])
    assert schedule(2**24).item() == 1.0
    assert schedule(2**24 + 1).item() == 2.0


def test_a_constant() -> None:
    assert Constant(0.1)([0, 1, 10**9]).tolist() == [0.1, 0.1, 0.1]


# Warm-up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", EVERY, ids=lambda s: type(s).__name__)
def test_a_warm_up_goes_before_any_schedule(inner: Schedule) -> None:
    first = inner(0).item()
    found = Warmup(inner, steps=8, start=0.02)(np.arange(50)).numpy()
    ramp = 0.02 + (first - 0.02) * np.arange(8) / 8
    np.testing.assert_allclose(found[:8], ramp, rtol=1e-14)
    np.testing.assert_array_equal(found[8:], inner(np.arange(42)).numpy())


def test_a_warm_up_before_a_number_or_a_function() -> None:
    assert Warmup(1.0, 4)([0, 1, 2, 3, 4, 99]).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    schedule = Warmup(lambda step: 1.0 / (step + 1), 2)
    assert schedule([0, 1, 2, 3, 5]).tolist() == [0.0, 0.5, 1.0, 0.5, 0.25]
    assert schedule.is_python
    assert not schedule.is_named
    with pytest.raises(ArgumentError, match="which is code"):
        schedule.config()


@given(
    steps=st.integers(1, 100),
    start=st.floats(0.0, 1.0),
    first=st.floats(0.0, 1.0),
    t=st.floats(0.0, 300.0),
)
def test_a_warm_up_stays_within_bounds_and_has_no_jumps(
    steps: int, start: float, first: float, t: float
) -> None:
    schedule = Warmup(CosineDecay(first, 100), steps, start)
    here, near = schedule(np.array([t, t + 1e-9])).numpy()
    assert -1e-15 <= here <= max(start, first) * (1 + 1e-12)
    assert abs(here - near) < 1e-7


# Functions and files ---------------------------------------------------------------------------


def test_functions_get_whole_steps() -> None:
    came: list[Any] = []

    def rate(step: int) -> float:
        came.append(step)
        return 0.1 * step

    schedule = as_schedule(rate)
    assert isinstance(schedule, FunctionOfStep)
    assert schedule.is_python
    np.testing.assert_allclose(schedule([[0, 1], [2, 3]]).numpy(), [[0, 0.1], [0.2, 0.3]])
    assert [(type(step), step) for step in came] == [(int, 0), (int, 1), (int, 2), (int, 3)]


def test_a_number_stays_a_number() -> None:
    assert as_schedule(1) == 1.0
    assert type(as_schedule(np.float32(0.5))) is float


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"type": "StepDacay"},
            "learning_rate: got a schedule of type 'StepDacay'; expected one of Constant, ",
        ),
        ({"type": "StepDacay"}, "Did you mean 'StepDecay'"),
        ({}, "learning_rate: got a schedule of type None; expected one of Constant, "),
        ({"type": "FunctionOfStep", "function": 1}, "got a schedule of type 'FunctionOfStep'"),
        (
            {"type": "StepDecay", "rate": 1},
            "schedule StepDecay: got {'rate': 1}; expected its arguments (StepDecay.__init__() got",
        ),
        (
            {"type": "Warmup", "schedule": {"type": "Constant", "learning_rate": -1}, "steps": 3},
            "learning_rate: got -1; expected a finite number from 0.",
        ),
        ({"type": "PiecewiseConstantDecay", "boundaries": 3, "values": 3}, "not iterable"),
    ],
)
def test_configurations_that_do_not_fit(config: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        from_config(config)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Constant(-0.1), "learning_rate: got -0.1; expected a finite number from 0."),
        (lambda: Warmup("x", 3), "schedule: got 'x'; expected a finite number from 0."),
        (lambda: Warmup(0.1, 0), "steps: got 0; expected a whole number from 1."),
        (lambda: Warmup(0.1, 3, -1), "start: got -1; expected a finite number from 0."),
        (
            lambda: Warmup(StepDecay, 3),
            "schedule: got the class StepDecay; expected an instance. StepDecay(...)",
        ),
    ],
)
def test_arguments_that_do_not_fit(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text


def test_schedules_of_ones_own() -> None:
    class Mine(Schedule):
        def rate(self, t: cr.Tensor) -> cr.Tensor:
            return 0.1 / cr.sqrt(t + 1.0)

    np.testing.assert_allclose(Mine()([0, 3]).numpy(), [0.1, 0.05], rtol=1e-15)
    assert not Mine().is_named
    optimizer, w = cr.optim.SGD(Mine()), cr.Parameter(np.float64(0.0))
    optimizer.apply([w], [cr.tensor(np.float64(1.0))])
    assert w.item() == pytest.approx(-0.1)
    with pytest.raises(NotImplementedError):
        Schedule()(0)


def test_a_plateau_is_a_callbacks_matter() -> None:
    with pytest.raises(ArgumentError, match=r"learning_rate: got a ReduceOnPlateau.*cr\.Reduce"):
        cr.optim.SGD(cr.optim.schedules.ReduceOnPlateau())  # type: ignore[arg-type]
