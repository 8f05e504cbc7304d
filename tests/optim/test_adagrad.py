from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.optim import Adadelta, Adagrad, RMSprop


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("initial", [0.0, 0.1])
@pytest.mark.parametrize("epsilon", [1e-7, 0.1])
def test_adagrad_follows_the_paper(
    valley: Any, inside: bool, initial: float, epsilon: float
) -> None:
    """Duchi, Hazan and Singer 2011, figure 1: H = δ I + diag(Σ g²)^½."""

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        kept["s"] = kept.get("s", initial) + g * g
        h = np.sqrt(kept["s"] + epsilon) if inside else np.sqrt(kept["s"]) + epsilon
        return w - 0.3 * g / h

    made = Adagrad(0.3, initial, epsilon, epsilon_inside_root=inside)
    np.testing.assert_allclose(valley.path(made), valley.reference(rule), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_follows_graves(valley: Any, inside: bool, centered: bool, momentum: float) -> None:
    """Graves, arXiv 1308.0850, equations 38 to 41."""
    rho, epsilon, rate = 0.95, 1e-4, 0.01

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        n = kept["n"] = rho * kept.get("n", 0.0) + (1 - rho) * g**2
        if centered:
            mean = kept["g"] = rho * kept.get("g", 0.0) + (1 - rho) * g
            n = n - mean**2
        root = np.sqrt(n + epsilon) if inside else np.sqrt(n) + epsilon
        delta = kept["delta"] = momentum * kept.get("delta", 0.0) - rate * g / root
        return w + delta

    made = RMSprop(rate, rho, momentum, epsilon, centered, epsilon_inside_root=inside)
    np.testing.assert_allclose(valley.path(made), valley.reference(rule), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("epsilon", [0.0, 1e-7])
def test_a_constant_gradient_has_no_deviation(epsilon: float) -> None:
    """Centered, v - m² is 0 but for rounding, which must not get under the root."""
    optimizer = RMSprop(0.01, 0.3, centered=True, epsilon=max(epsilon, 1e-12))
    w = cr.Parameter(np.zeros(50))
    g = cr.tensor(np.random.default_rng(0).normal(size=50) * 1e3)
    for _ in range(300):
        optimizer.apply([w], [g])
    assert np.isfinite(w.numpy()).all()


@pytest.mark.parametrize(("rate", "epsilon"), [(1.0, 1e-6), (0.5, 1e-2), (1.0, 1e-2)])
def test_adadelta_follows_the_paper(valley: Any, rate: float, epsilon: float) -> None:
    """Zeiler, arXiv 1212.5701, algorithm 1 (which has no learning rate)."""
    rho = 0.95

    def rms(x: Array) -> Array:
        return np.asarray(np.sqrt(x + epsilon))

    def rule(t: int, w: Array, g: Array, kept: dict[str, Any]) -> Array:
        kept["g"] = rho * kept.get("g", 0.0) + (1 - rho) * g**2
        delta = -rms(kept.get("x", 0.0)) / rms(kept["g"]) * g
        kept["x"] = rho * kept.get("x", 0.0) + (1 - rho) * delta**2
        return w + rate * delta

    made = Adadelta(rate, rho, epsilon)
    np.testing.assert_allclose(valley.path(made), valley.reference(rule), rtol=1e-11, atol=1e-13)


def test_defaults() -> None:
    """The papers' where they speak; see the docstrings for where Keras and PyTorch differ."""
    assert Adagrad().config() == {
        "learning_rate": 0.01,
        "initial_accumulator_value": 0.0,
        "epsilon": 1e-7,
    }
    assert Adadelta().config() == {"learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-6}
    assert RMSprop().config() == {
        "learning_rate": 1e-3,
        "rho": 0.9,
        "momentum": 0.0,
        "epsilon": 1e-7,
        "centered": False,
        "epsilon_inside_root": True,
    }


@pytest.mark.parametrize("kind", [Adagrad, Adadelta, RMSprop])
def test_gradients_of_zero_change_nothing(kind: Any) -> None:
    optimizer, w = kind(0.1), cr.Parameter([1.0, 2.0])
    for _ in range(3):
        optimizer.apply([w], [cr.tensor([0.0, 0.0])])
    assert w.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", [Adagrad, Adadelta, RMSprop])
def test_float32_parameters_stay_float32(valley: Any, kind: Any) -> None:
    found = valley.path(kind(0.005), 50, "float32")
    np.testing.assert_allclose(found, valley.path(kind(0.005), 50), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Adadelta(rho=1.0), "rho: got 1.0; expected a number in [0, 1)."),
        (lambda: RMSprop(rho=-0.1), "rho: got -0.1; expected a number in [0, 1)."),
        (lambda: RMSprop(momentum=2), "momentum: got 2; expected a number in [0, 1)."),
        (
            lambda: Adagrad(initial_accumulator_value=-1.0),
            "initial_accumulator_value: got -1.0; expected a finite number from 0.",
        ),
        (lambda: Adagrad(epsilon="x"), "epsilon: got 'x'; expected a finite number from 0."),
    ],
)
def test_arguments_that_do_not_fit(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text
