from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array
from chainrule.optim import LBFGS
from chainrule.optim.schedules import StepDecay


def rosenbrock(w: Any) -> Any:
    return (100.0 * (w[1:] - w[:-1] ** 2) ** 2 + (1.0 - w[:-1]) ** 2).sum()


def minimized(
    f: Callable[[Any], Any], start: Any, calls: int = 1, dtype: str = "float64", **arguments: Any
) -> tuple[Array, LBFGS]:
    w, optimizer = cr.Parameter(np.array(start, dtype), "w"), LBFGS(**arguments)
    for _ in range(calls):
        optimizer.minimize(lambda: f(w), [w])
    return w.numpy(), optimizer


@pytest.mark.parametrize("n", [2, 5, 20])
def test_rosenbrock(n: int) -> None:
    start = np.tile([-1.2, 1.0], n)[:n]
    found, optimizer = minimized(rosenbrock, start, max_iter=500, tolerance_change=0.0)
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)
    scipys = scipy.optimize.minimize(
        scipy.optimize.rosen, start, jac=scipy.optimize.rosen_der, method="L-BFGS-B"
    )
    assert optimizer.evaluations < 2.5 * scipys.nfev + 20


@pytest.mark.parametrize(("condition", "tolerance"), [(1e2, 1e-7), (1e5, 1e-4)])
def test_a_badly_conditioned_quadratic(condition: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    A = cr.tensor((Q * np.geomspace(1.0, condition, 30)) @ Q.T)
    solution = rng.normal(size=30)
    b = A.numpy() @ solution

    found, _ = minimized(
        lambda w: 0.5 * (w @ (A @ w)) - (cr.tensor(b) * w).sum(),
        np.zeros(30),
        max_iter=2000,
        history_size=30,
        tolerance_change=0.0,
        tolerance_grad=1e-8,
    )
    np.testing.assert_allclose(found, solution, atol=tolerance)


def test_the_two_loops_are_the_bfgs_matrix() -> None:
    """Nocedal and Wright, equation 7.16: H ← Vᵀ H V + ρ s sᵀ, from γ I, pair by pair."""
    w, optimizer = cr.Parameter(np.array([-1.2, 1.0, 0.5, -0.3]), "w"), LBFGS(max_iter=1)
    for _ in range(4):
        optimizer.minimize(lambda: rosenbrock(w), [w])
    state = optimizer.state()
    pairs = list(zip(state["w/s"], state["w/y"], strict=True))
    assert len(pairs) == 4
    s, y = pairs[-1]
    H = np.eye(4) * (s @ y) / (y @ y)
    for s, y in pairs:
        rho = 1.0 / (y @ s)
        V = np.eye(4) - rho * np.outer(y, s)
        H = V.T @ H @ V + rho * np.outer(s, s)
    g = np.array([0.3, -0.2, 0.9, 1.7])
    np.testing.assert_allclose(optimizer._direction(cr.tensor(g)).numpy(), -H @ g, rtol=1e-10)


def test_every_change_satisfies_the_wolfe_conditions() -> None:
    w, optimizer = cr.Parameter(np.array([-1.2, 1.0, -1.2]), "w"), LBFGS(max_iter=1)

    def value_and_gradient(x: Array) -> tuple[float, Array]:
        return float(scipy.optimize.rosen(x)), np.asarray(scipy.optimize.rosen_der(x))

    for _ in range(60):
        before = w.numpy()
        optimizer.minimize(lambda: rosenbrock(w), [w])
        s = w.numpy() - before
        if not s.any():
            break
        (f0, g0), (f1, g1) = value_and_gradient(before), value_and_gradient(w.numpy())
        assert f1 <= f0 + 1e-4 * (g0 @ s) + 1e-15
        assert abs(g1 @ s) <= -0.9 * (g0 @ s) + 1e-15
    assert f1 < 1e-3


def test_the_history_is_limited() -> None:
    w, optimizer = cr.Parameter(np.array([-1.2, 1.0]), "w"), LBFGS(max_iter=20, history_size=3)
    optimizer.minimize(lambda: rosenbrock(w), [w])
    assert optimizer.state()["w/s"].shape == (3, 2)


def test_several_calls_go_on_where_one_would() -> None:
    """But for the evaluation that each begins with."""
    arguments = {"tolerance_change": 0.0, "max_eval": 1000}
    once, first = minimized(rosenbrock, [-1.2, 1.0], max_iter=12, **arguments)
    often, second = minimized(rosenbrock, [-1.2, 1.0], calls=12, max_iter=1, **arguments)
    np.testing.assert_allclose(often, once, rtol=1e-12)
    assert second.evaluations == first.evaluations
    assert (first.iterations, second.iterations) == (1, 12)


def test_the_budget_of_evaluations_is_kept() -> None:
    for budget in (2, 3, 7):
        calls = 0
        w, optimizer = cr.Parameter(np.array([-1.2, 1.0])), LBFGS(max_eval=budget)

        def loss(w: cr.Parameter = w) -> cr.Tensor:
            nonlocal calls
            calls += 1
            return rosenbrock(w)

        before = float(scipy.optimize.rosen(w.numpy()))
        assert optimizer.minimize(loss, [w]).item() == pytest.approx(before)
        assert calls <= budget
        after = float(scipy.optimize.rosen(w.numpy()))
        assert after <= before if budget < 7 else after < before


def test_it_stops_at_a_minimum() -> None:
    w, optimizer = cr.Parameter(np.array([1.0, 1.0])), LBFGS()
    optimizer.minimize(lambda: rosenbrock(w), [w])
    assert optimizer.evaluations == 0  # beyond the first
    assert w.tolist() == [1.0, 1.0]


def test_float32() -> None:
    found, _ = minimized(rosenbrock, [-1.2, 1.0], calls=10, dtype="float32", max_iter=20)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, 1.0, rtol=1e-2)
    assert np.isfinite(found).all()


def test_several_parameters_of_any_shape() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    W, b = cr.Parameter(np.zeros((3, 2)), "W"), cr.Parameter(np.zeros(2), "b")
    unused, scale = cr.Parameter(np.ones(4), "unused"), cr.Parameter(np.array(1.0), "scale")
    optimizer = LBFGS(max_iter=100, tolerance_change=0.0)

    def loss() -> cr.Tensor:
        return cr.square(X @ W + b - y).mean() + (scale - 3.0) ** 2

    optimizer.minimize(loss, [W, unused, b, scale])
    solution, *_ = np.linalg.lstsq(np.c_[X, np.ones(50)], y, rcond=None)
    np.testing.assert_allclose(np.vstack([W.numpy(), b.numpy()]), solution, atol=1e-6)
    assert unused.tolist() == [1.0] * 4
    assert scale.item() == pytest.approx(3.0)


def test_other_parameters_begin_a_new_history() -> None:
    optimizer = LBFGS()
    for _ in range(2):
        w = cr.Parameter(np.array([-1.2, 1.0]), "w")
        optimizer.minimize(lambda w=w: rosenbrock(w), [w])
        found, _ = minimized(rosenbrock, [-1.2, 1.0])
        np.testing.assert_array_equal(w.numpy(), found)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_changes_nothing(value: float) -> None:
    w = cr.Parameter(np.array([1.0]))
    before = LBFGS().minimize(lambda: (w * value).sum(), [w])
    assert not np.isfinite(before.item())
    assert w.item() == 1.0


def test_a_learning_rate_of_its_own() -> None:
    """The first step that the line search tries, from a schedule as well."""
    w = cr.Parameter(np.array([0.5]))
    seen: list[float] = []

    def loss() -> cr.Tensor:
        seen.append(w.item())
        return 0.01 * (w * w).sum()

    optimizer = LBFGS(StepDecay(0.5, 1, 0.5), max_iter=1, max_eval=2)
    optimizer.minimize(loss, [w])
    assert seen[1] == pytest.approx(0.5 - 0.5 * 0.01)
    assert optimizer.learning_rate == 0.25


# State -----------------------------------------------------------------------------------------


def test_a_state_round_trips_exactly() -> None:
    def walk(optimizer: LBFGS, w: cr.Parameter, b: cr.Parameter, steps: int) -> None:
        for _ in range(steps):
            optimizer.minimize(lambda: rosenbrock(w) + cr.square(b - w.sum()).sum(), [w, b])

    w, b = cr.Parameter(np.array([-1.2, 1.0, 0.4]), "w"), cr.Parameter(np.ones((2, 2)), "b")
    first = LBFGS(max_iter=2, history_size=4)
    walk(first, w, b, 3)
    state = first.state()
    assert {k: v.shape for k, v in state.items()} == {
        "step": (),
        "learning_rate": (),
        "w/s": (4, 3),
        "w/y": (4, 3),
        "b/s": (4, 2, 2),
        "b/y": (4, 2, 2),
    }
    held_w, held_b = cr.Parameter(w.numpy(), "w"), cr.Parameter(b.numpy(), "b")
    walk(first, w, b, 3)
    second = LBFGS(max_iter=2, history_size=4)
    other = cr.Parameter(np.zeros(3), "running_mean", trainable=False)
    second.load_state(state, {"w": held_w, "running_mean": other, "b": held_b})
    for name, array in second.state().items():
        np.testing.assert_array_equal(array, state[name])
    walk(second, held_w, held_b, 3)
    np.testing.assert_array_equal(held_w.numpy(), w.numpy())
    np.testing.assert_array_equal(held_b.numpy(), b.numpy())


def test_a_state_without_a_history() -> None:
    w = cr.Parameter(np.array([1.0, 2.0]), "w")
    optimizer = LBFGS()
    optimizer.load_state(LBFGS(0.5).state(), [w])
    assert optimizer.learning_rate == 0.5
    optimizer.minimize(lambda: rosenbrock(w), [w])


def test_states_that_do_not_fit() -> None:
    w, optimizer = cr.Parameter(np.array([-1.2, 1.0]), "w"), LBFGS(max_iter=5)
    optimizer.minimize(lambda: rosenbrock(w), [w])
    state = optimizer.state()
    with pytest.raises(ArgumentError) as caught:
        LBFGS().load_state({k: v for k, v in state.items() if k != "w/y"}, [w])
    assert str(caught.value) == ("state: got no array 'w/y'; expected one for each that is kept.")
    with pytest.raises(ShapeError) as caught:
        LBFGS().load_state(state, [cr.Parameter(np.zeros(3), "w")])
    assert str(caught.value) == "state['w/s']: got shape (5, 2); expected shape (5, 3)."
    with pytest.raises(ArgumentError, match=r"state: got an array 'w/s'; expected those of step"):
        LBFGS().load_state(state, [cr.Parameter(np.zeros(2), "v")])


def test_tracing_is_refused() -> None:
    w = cr.Parameter(np.array([-1.2, 1.0]))
    with pytest.raises(TypeError, match="has none: it is being traced"):
        cr.trace(lambda: LBFGS().minimize(lambda: rosenbrock(w), [w]))()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_iter": 0}, "max_iter: got 0; expected a whole number from 1."),
        ({"max_eval": 1}, "max_eval: got 1; expected a whole number from 2."),
        ({"history_size": 1.5}, "history_size: got 1.5; expected a whole number from 1."),
        ({"tolerance_grad": -1}, "tolerance_grad: got -1; expected a finite number from 0."),
        ({"tolerance_change": "x"}, "tolerance_change: got 'x'; expected a finite number from 0."),
        ({"c1": 0.0}, "c1: got 0.0; expected a finite number above 0."),
        ({"c1": 1.0}, "c1: got 1.0; expected a number in [0, 1)."),
        ({"c2": 1.0}, "c2: got 1.0; expected a number in [0, 1)."),
        (
            {"c1": 0.5, "c2": 0.1},
            "c2: got 0.1; expected a number above c1 (0.5) and below 1.",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        LBFGS(**arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize("limit", [1.0, 1e-3])
def test_it_stops_at_a_gradient_that_is_small_enough(limit: float) -> None:
    arguments = {"max_iter": 500, "tolerance_change": 0.0}
    found, optimizer = minimized(rosenbrock, [-1.2, 1.0], tolerance_grad=limit, **arguments)
    _, on = minimized(rosenbrock, [-1.2, 1.0], tolerance_grad=0.0, **arguments)
    assert np.abs(scipy.optimize.rosen_der(found)).max() <= limit
    assert optimizer.evaluations < on.evaluations


def test_it_stops_at_changes_that_are_too_small() -> None:
    arguments = {"max_iter": 500, "tolerance_grad": 0.0}
    _, optimizer = minimized(rosenbrock, [-1.2, 1.0], tolerance_change=1e-2, **arguments)
    _, on = minimized(rosenbrock, [-1.2, 1.0], tolerance_change=0.0, **arguments)
    assert 2 < optimizer.evaluations < on.evaluations
