from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.optim import Adam, AdamW, AMSGrad, Nadam

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


# Adam's kin ------------------------------------------------------------------------------------


def test_epsilon_hat_is_added_before_the_correction(valley: Any) -> None:
    """Kingma and Ba, the end of section 2: α_t = α √(1 - β₂ᵗ) / (1 - β₁ᵗ), θ - α_t m / (√v + ε̂)."""
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-2

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        m = kept["m"] = beta_1 * kept.get("m", 0.0) + (1 - beta_1) * g
        v = kept["v"] = beta_2 * kept.get("v", 0.0) + (1 - beta_2) * g**2
        alpha = 0.05 * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return np.asarray(w - alpha * m / (np.sqrt(v) + epsilon))

    found = valley.path(Adam(0.05, beta_1, beta_2, epsilon, epsilon_hat=True))
    np.testing.assert_allclose(found, valley.reference(rule), rtol=1e-11, atol=1e-13)
    other = valley.path(Adam(0.05, beta_1, beta_2, epsilon))
    assert np.abs(found - other).max() > 1e-3


@pytest.mark.parametrize("as_option", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_adamw_follows_the_paper(valley: Any, decay: float, as_option: bool) -> None:
    """Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, λ multiplied by α; no bias decays."""
    rate, beta_1, beta_2, epsilon = 0.05, 0.9, 0.99, 1e-8

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        m = kept["m"] = beta_1 * kept.get("m", 0.0) + (1 - beta_1) * g
        v = kept["v"] = beta_2 * kept.get("v", 0.0) + (1 - beta_2) * g**2
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        lam = decay if w.ndim > 1 else 0.0
        return np.asarray(w - rate * (m_hat / (np.sqrt(v_hat) + epsilon) + lam * w))

    kind = Adam if as_option else AdamW
    found = valley.path(kind(rate, beta_1, beta_2, epsilon, weight_decay=decay))
    np.testing.assert_allclose(found, valley.reference(rule), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("as_option", [False, True])
def test_amsgrad_follows_the_paper(valley: Any, as_option: bool) -> None:
    """Reddi, Kale and Kumar, arXiv 1904.09237, algorithm 2, with Adam's corrections."""
    rate, beta_1, beta_2, epsilon = 0.1, 0.9, 0.9, 1e-8

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        m = kept["m"] = beta_1 * kept.get("m", 0.0) + (1 - beta_1) * g
        v = kept["v"] = beta_2 * kept.get("v", 0.0) + (1 - beta_2) * g**2
        top = kept["top"] = np.maximum(kept.get("top", 0.0), v)
        root = np.sqrt(top / (1 - beta_2**t)) + epsilon
        return np.asarray(w - rate * m / (1 - beta_1**t) / root)

    arguments = (rate, beta_1, beta_2, epsilon)
    found = valley.path(Adam(*arguments, amsgrad=True) if as_option else AMSGrad(*arguments))
    np.testing.assert_allclose(found, valley.reference(rule), rtol=1e-11, atol=1e-13)
    assert np.abs(found - valley.path(Adam(*arguments))).max() > 1e-3


@pytest.mark.parametrize("decay", [0.004, 1.0])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_nadam_follows_the_report(valley: Any, decay: float, epsilon: float) -> None:
    """Dozat 2015 (CS229), algorithm 8, with its schedule of μ."""
    rate, mu, nu = 0.05, 0.9, 0.99

    def momentum(t: int) -> float:
        return float(mu * (1 - 0.5 * 0.96 ** (t * decay)))

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        g_hat = g / (1 - np.prod([momentum(i) for i in range(1, t + 1)]))
        m = kept["m"] = mu * kept.get("m", 0.0) + (1 - mu) * g
        m_hat = m / (1 - np.prod([momentum(i) for i in range(1, t + 2)]))
        n = kept["n"] = nu * kept.get("n", 0.0) + (1 - nu) * g**2
        n_hat = n / (1 - nu**t)
        m_bar = (1 - momentum(t)) * g_hat + momentum(t + 1) * m_hat
        return np.asarray(w - rate * m_bar / (np.sqrt(n_hat) + epsilon))

    found = valley.path(Nadam(rate, mu, nu, epsilon, decay))
    np.testing.assert_allclose(found, valley.reference(rule), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", [AdamW, AMSGrad, Nadam])
def test_kin_keeps_float32(valley: Any, kind: Any) -> None:
    found = valley.path(kind(0.01), 50, "float32")
    np.testing.assert_allclose(found, valley.path(kind(0.01), 50), rtol=1e-3, atol=1e-5)


def test_the_kins_defaults() -> None:
    common = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    assert AdamW().config() == {**common, "weight_decay": 0.004}
    assert AMSGrad().config() == common
    assert Nadam().config() == {**common, "momentum_decay": 0.004}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Nadam(momentum_decay=-1),
            "momentum_decay: got -1; expected a finite number from 0.",
        ),
        (lambda: Nadam(beta_1=1.0), "beta_1: got 1.0; expected a number in [0, 1)."),
        (lambda: AMSGrad(beta_2=1.5), "beta_2: got 1.5; expected a number in [0, 1)."),
        (
            lambda: AdamW(weight_decay=-0.1),
            "weight_decay: got -0.1; expected a finite number from 0.",
        ),
    ],
)
def test_the_kins_arguments_that_do_not_fit(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text
