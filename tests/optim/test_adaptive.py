from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.types import Array
from chainrule.optim import Adam

STEPS = 50
RNG = np.random.default_rng(0)
START, CENTER = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))


def gradient_of(w: Array) -> Array:
    return np.sinh(w - CENTER)


def trajectory(optimizer: Adam, dtype: str = "float64", rates: list[float] | None = None) -> Array:
    w = cr.Parameter(START.astype(dtype))
    path = []
    for t in range(STEPS):
        if rates is not None:
            optimizer.learning_rate = rates[t]
        optimizer.apply([w], [cr.tensor(gradient_of(w.numpy()).astype(dtype))])
        assert w.dtype == dtype
        path.append(w.numpy().copy())
    return np.stack(path)


def reference(
    rates: list[float], beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8
) -> Array:
    """Kingma and Ba, arXiv 1412.6980, algorithm 1, line by line."""
    theta, m, v = START.copy(), np.zeros_like(START), np.zeros_like(START)
    path = []
    for t, alpha in enumerate(rates, start=1):
        g = gradient_of(theta)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        theta = theta - alpha * m_hat / (np.sqrt(v_hat) + epsilon)
        path.append(theta.copy())
    return np.stack(path)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"beta_1": 0.5, "beta_2": 0.9},
        {"beta_1": 0.0},
        {"epsilon": 0.1},
        {"beta_2": 0.0, "epsilon": 1e-3},
    ],
    ids=str,
)
@pytest.mark.parametrize("rate", [0.001, 0.1])
def test_adam_follows_the_paper(arguments: dict[str, float], rate: float) -> None:
    found = trajectory(Adam(rate, **arguments))
    np.testing.assert_allclose(found, reference([rate] * STEPS, **arguments), rtol=1e-11, atol=0)


def test_the_defaults_are_the_papers() -> None:
    np.testing.assert_allclose(trajectory(Adam()), reference([0.001] * STEPS), rtol=1e-12, atol=0)


def test_the_first_step_has_the_size_of_the_learning_rate() -> None:
    found = trajectory(Adam(0.01))
    np.testing.assert_allclose(np.abs(found[0] - START), 0.01, rtol=1e-5)


def test_the_learning_rate_may_change_midway() -> None:
    rates = [0.1] * 20 + [0.01] * 10 + [0.0] * 5 + [0.05] * 15
    found = trajectory(Adam(0.1), rates=rates)
    np.testing.assert_allclose(found, reference(rates), rtol=1e-11, atol=0)
    np.testing.assert_array_equal(found[29], found[34])


def test_float32_parameters_stay_float32() -> None:
    found = trajectory(Adam(0.01), dtype="float32")
    np.testing.assert_allclose(found, reference([0.01] * STEPS), rtol=1e-3, atol=1e-5)


def test_gradients_of_zero_change_nothing() -> None:
    optimizer, w = Adam(0.1), cr.Parameter([1.0, 2.0])
    for _ in range(3):
        optimizer.apply([w], [cr.tensor([0.0, 0.0])])
    assert w.tolist() == [1.0, 2.0]


def test_many_steps_forget_the_correction_for_the_start() -> None:
    optimizer, w = Adam(1e-3), cr.Parameter(np.zeros(1))
    for _ in range(3000):
        optimizer.apply([w], [cr.tensor(np.ones(1))])
    # A constant gradient gives steps of α throughout.
    assert w.numpy()[0] == pytest.approx(-3.0, rel=1e-6)
