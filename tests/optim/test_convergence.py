"""Every optimizer gets down two slopes that are hard for one reason each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.optim import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    Lion,
    Muon,
    Nadam,
    Optimizer,
    RMSprop,
)
from chainrule.optim.schedules import CosineDecay

STEPS = 800


def falling(rate: float) -> CosineDecay:
    """Steps of one size never settle; these get smaller."""
    return CosineDecay(rate, STEPS)


def rosenbrock(w: Any) -> Any:
    """A bent valley: 24.2 at the start, 0 at (1, 1), and about 4 where its floor is reached."""
    return 100.0 * (w[1] - w[0] ** 2) ** 2 + (1.0 - w[0]) ** 2


#: For each optimizer: how to make it, steps, and the loss that it must reach.
BENT: dict[str, tuple[Callable[[], Optimizer], int, float]] = {
    "sgd": (lambda: SGD(1e-3, 0.95, nesterov=True), STEPS, 1e-6),
    "adagrad": (lambda: Adagrad(0.5), STEPS, 0.3),
    "adadelta": (lambda: Adadelta(epsilon=1e-4), STEPS, 4.0),
    "rmsprop": (lambda: RMSprop(falling(0.05)), STEPS, 0.1),
    "adam": (lambda: Adam(0.1), STEPS, 1e-3),
    "adamw": (lambda: AdamW(0.1), STEPS, 1e-3),
    "nadam": (lambda: Nadam(0.05), STEPS, 0.1),
    "amsgrad": (lambda: AMSGrad(0.2), STEPS, 1e-3),
    "lion": (lambda: Lion(falling(0.02)), STEPS, 1e-2),
    "muon": (lambda: Muon(0.5, adam_lr_ratio=0.2), STEPS, 1e-3),
    "lbfgs": (LBFGS, 5, 1e-10),
}

#: How much of the loss may be left.
STEEP: dict[str, tuple[Callable[[], Optimizer], int, float]] = {
    "sgd": (lambda: SGD(1e-3, 0.9, nesterov=True), STEPS, 1e-6),
    "adagrad": (lambda: Adagrad(1.0), STEPS, 1e-3),
    "adadelta": (lambda: Adadelta(epsilon=1e-4), STEPS, 0.3),
    "rmsprop": (lambda: RMSprop(falling(0.05)), STEPS, 1e-3),
    "adam": (lambda: Adam(0.1), STEPS, 1e-4),
    "adamw": (lambda: AdamW(0.1, weight_decay=1e-6), STEPS, 1e-4),
    "nadam": (lambda: Nadam(0.05), STEPS, 1e-2),
    "amsgrad": (lambda: AMSGrad(0.1), STEPS, 1e-4),
    "lion": (lambda: Lion(falling(0.02)), STEPS, 1e-2),
    "muon": (lambda: Muon(falling(0.1)), STEPS, 1e-6),
    "lbfgs": (LBFGS, 5, 1e-12),
}


def test_every_optimizer_is_tried() -> None:
    assert set(BENT) == set(STEEP) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", BENT)
def test_rosenbrocks_valley(name: str) -> None:
    make, steps, limit = BENT[name]
    w, optimizer = cr.Parameter(np.array([-1.2, 1.0])), make()
    for _ in range(steps):
        optimizer.minimize(lambda: rosenbrock(w), [w])
    assert rosenbrock(w).item() < limit


@pytest.mark.parametrize("name", STEEP)
def test_a_quadratic_a_thousand_times_steeper_one_way(name: str) -> None:
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    A = (Q * np.geomspace(1.0, np.sqrt(1e3), 6)) @ Q.T
    solution = rng.normal(size=(6, 4))
    make, steps, limit = STEEP[name]
    W, optimizer = cr.Parameter(np.zeros((6, 4))), make()

    def loss() -> cr.Tensor:
        return 0.5 * cr.square(A @ (W - solution)).sum()

    before = loss().item()
    for _ in range(steps):
        optimizer.minimize(loss, [W])
    assert loss().item() < limit * before
