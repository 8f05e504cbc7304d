from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.optim import SGD, Lion

STEPS = 50
RNG = np.random.default_rng(0)
START = [RNG.normal(size=(3, 2)), RNG.normal(size=(2,))]
CENTER = [RNG.normal(size=(3, 2)), RNG.normal(size=(2,))]


def gradient_of(i: int, w: Array) -> Array:
    """Gradient of Σ cosh(w - c): no parabola, so every step's point matters."""
    return np.sinh(w - CENTER[i])


def trajectory(optimizer: SGD, dtype: str = "float64", rates: list[float] | None = None) -> Array:
    """All parameters after each step, as one row."""
    parameters = [cr.Parameter(w.astype(dtype)) for w in START]
    path = []
    for t in range(STEPS):
        if rates is not None:
            optimizer.learning_rate = rates[t]
        gradients = [cr.tensor(gradient_of(i, p.numpy())) for i, p in enumerate(parameters)]
        optimizer.apply(parameters, [g.astype(dtype) for g in gradients])
        assert all(p.dtype == dtype for p in parameters)
        path.append(np.concatenate([p.numpy().ravel() for p in parameters]))
    return np.stack(path)


def reference(rates: list[float], momentum: float, nesterov: bool) -> Array:
    """Sutskever et al. 2013, section 2: equations 1 and 2 (momentum), 3 and 4 (Nesterov).

    Nesterov's gradient is taken at θ + μ v, which is what a network in training holds.
    """
    theta = [w.copy() for w in START]
    velocity = [np.zeros_like(w) for w in START]
    path = []
    for rate in rates:
        for i in range(2):
            ahead = theta[i] + momentum * velocity[i] if nesterov else theta[i]
            velocity[i] = momentum * velocity[i] - rate * gradient_of(i, ahead)
            theta[i] = theta[i] + velocity[i]
        held = [t + momentum * v if nesterov else t for t, v in zip(theta, velocity, strict=True)]
        path.append(np.concatenate([w.ravel() for w in held]))
    return np.stack(path)


def test_sgd_is_the_lectures_step() -> None:
    w = [p.copy() for p in START]
    path = []
    for _ in range(STEPS):
        w = [p - 0.1 * gradient_of(i, p) for i, p in enumerate(w)]
        path.append(np.concatenate([p.ravel() for p in w]))
    np.testing.assert_allclose(trajectory(SGD(0.1)), np.stack(path), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)]
)
def test_momentum_follows_the_paper(momentum: float, nesterov: bool) -> None:
    found = trajectory(SGD(0.05, momentum, nesterov))
    wanted = reference([0.05] * STEPS, momentum, nesterov)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ArgumentError) as caught:
        SGD(nesterov=True)
    assert str(caught.value) == (
        "nesterov: got True without momentum; expected a momentum to look ahead along, such as 0.9."
    )


def test_the_three_rules_differ() -> None:
    paths = [trajectory(SGD(0.05, m, n)) for m, n in ((0.0, False), (0.9, False), (0.9, True))]
    assert np.abs(paths[0] - paths[1]).max() > 0.01
    assert np.abs(paths[1] - paths[2]).max() > 0.01


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_learning_rate_may_change_midway(momentum: float) -> None:
    rates = [0.1] * 20 + [0.01] * 10 + [0.0] * 5 + [0.05] * 15
    found = trajectory(SGD(0.1, momentum), rates=rates)
    wanted = reference(rates, momentum, nesterov=False)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)
    if momentum == 0.0:  # a rate of 0 stands still
        np.testing.assert_array_equal(found[29], found[34])


def test_float32_parameters_stay_float32() -> None:
    found = trajectory(SGD(0.05, 0.9), dtype="float32")
    wanted = reference([0.05] * STEPS, 0.9, nesterov=False)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_every_parameter_has_its_own_velocity() -> None:
    optimizer = SGD(1.0, momentum=0.5)
    a, b = cr.Parameter(0.0), cr.Parameter(0.0)
    optimizer.apply([a, b], [cr.tensor(1.0), cr.tensor(-2.0)])
    optimizer.apply([b], [cr.tensor(0.0)])
    optimizer.apply([a, b], [cr.tensor(0.0), cr.tensor(0.0)])
    assert a.item() == -1.0 - 0.5
    assert b.item() == 2.0 + 1.0 + 0.5


@pytest.mark.parametrize("nesterov", [False, True])
def test_weights_decay_apart_from_the_gradient(valley: Any, nesterov: bool) -> None:
    """Loshchilov and Hutter, arXiv 1711.05101, algorithm 1: neither in g nor in v."""
    rate, momentum, decay = 0.05, 0.9, 0.3

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        v = kept["v"] = momentum * kept.get("v", 0.0) - rate * g
        lam = decay if w.ndim > 1 else 0.0
        return np.asarray(w * (1 - rate * lam) + (momentum * v - rate * g if nesterov else v))

    found = valley.path(SGD(rate, momentum, nesterov, weight_decay=decay))
    np.testing.assert_allclose(found, valley.reference(rule), rtol=1e-11, atol=1e-13)


# Lion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [None, 0.5])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.95, 0.98), (0.0, 0.0)])
def test_lion_follows_the_paper(
    valley: Any, betas: tuple[float, float], decay: float | None
) -> None:
    """Chen et al., arXiv 2302.06675, algorithm 2."""
    rate, (beta_1, beta_2) = 0.01, betas

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        m = kept.get("m", np.zeros_like(w))
        c = beta_1 * m + (1 - beta_1) * g
        kept["m"] = beta_2 * m + (1 - beta_2) * g
        lam = (decay or 0.0) if w.ndim > 1 else 0.0
        return np.asarray(w - rate * (np.sign(c) + lam * w))

    found = valley.path(Lion(rate, beta_1, beta_2, weight_decay=decay))
    np.testing.assert_allclose(found, valley.reference(rule), rtol=1e-11, atol=1e-13)


def test_lion_moves_every_weight_by_the_learning_rate() -> None:
    w = cr.Parameter([0.0, 0.0, 0.0])
    Lion(0.5).apply([w], [cr.tensor([1e-30, -1e30, 0.0])])
    assert w.tolist() == [-0.5, 0.5, 0.0]


def test_lion_keeps_float32(valley: Any) -> None:
    found = valley.path(Lion(0.01), 50, "float32")
    np.testing.assert_allclose(found, valley.path(Lion(0.01), 50), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("argument", ["beta_1", "beta_2"])
def test_lions_arguments_that_do_not_fit(argument: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Lion(**{argument: 1.0})
    assert str(caught.value) == f"{argument}: got 1.0; expected a number in [0, 1)."
