from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.optim import OPTIMIZERS, SGD, Adam, Optimizer, optimizer


@pytest.mark.parametrize("given", ["sgd", "SGD", "adam", "Adam"])
def test_by_name(given: str) -> None:
    found = optimizer(given)
    assert type(found) is OPTIMIZERS[given.lower()]
    assert optimizer(found) is found
    assert optimizer(given) is not optimizer(given)  # state is never shared


@pytest.mark.parametrize(
    ("given", "hint"), [("adm", " Did you mean 'adam'?"), ("zzz", ""), (SGD, ""), (None, "")]
)
def test_unknown_names_get_the_nearest(given: Any, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        optimizer(given)
    assert str(caught.value) == (
        f"optimizer: got {given!r}; expected one of sgd, adam, or a chainrule.optim.Optimizer."
        f"{hint}"
    )


BAD = [-0.1, math.nan, math.inf, "0.1", None, True, [0.1]]


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("value", BAD)
def test_learning_rates_that_do_not_fit(kind: type[SGD | Adam], value: Any) -> None:
    text = f"learning_rate: got {value!r}; expected a finite number from 0."
    with pytest.raises(ArgumentError) as caught:
        kind(value)
    assert str(caught.value) == text
    found = kind(0.5)
    with pytest.raises(ArgumentError) as caught:
        found.learning_rate = value
    assert str(caught.value) == text
    assert found.learning_rate == 0.5


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda value: SGD(0.1, momentum=value), "momentum"),
        (lambda value: Adam(0.1, beta_1=value), "beta_1"),
        (lambda value: Adam(0.1, beta_2=value), "beta_2"),
    ],
)
@pytest.mark.parametrize("value", [*BAD, 1.0, 1.5])
def test_decay_rates_that_do_not_fit(make: Any, argument: str, value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        make(value)
    assert str(caught.value) == f"{argument}: got {value!r}; expected a number in [0, 1)."


def test_epsilon_must_be_a_number_from_0() -> None:
    with pytest.raises(ArgumentError) as caught:
        Adam(epsilon=-1.0)
    assert str(caught.value) == "epsilon: got -1.0; expected a finite number from 0."


def test_numbers_of_numpy_and_bounds_are_taken() -> None:
    for value in (0, 0.0, np.float32(0.5), np.int64(1)):
        assert SGD(value).learning_rate == value
    assert SGD(0.1, momentum=0.0).momentum == 0.0


def test_the_learning_rate_keeps_its_digits() -> None:
    assert SGD(0.1).learning_rate == 0.1
    assert Adam(1 / 3).learning_rate == 1 / 3


@pytest.mark.parametrize(
    "made",
    [SGD(0.1), SGD(0.3, momentum=0.9, nesterov=True), Adam(), Adam(0.1, 0.8, 0.99, 1e-4)],
    ids=repr,
)
def test_configurations_round_trip(made: SGD | Adam) -> None:
    config = json.loads(json.dumps(made.config()))
    again = type(made)(**config)
    assert again.config() == config
    assert repr(again) == repr(made)


def test_the_configuration_has_the_learning_rate_of_the_moment() -> None:
    made = Adam(0.1)
    made.learning_rate = 0.25
    assert made.config()["learning_rate"] == 0.25


def test_repr() -> None:
    assert repr(SGD(0.1, 0.9, True)) == "SGD(learning_rate=0.1, momentum=0.9, nesterov=1)"
    assert repr(Adam(0.1)) == "Adam(learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-08)"


def test_one_gradient_for_each_parameter() -> None:
    w = cr.Parameter([1.0])
    with pytest.raises(ValueError, match="shorter"):
        SGD(0.1).apply([w, cr.Parameter([1.0])], [cr.tensor([1.0])])


def test_steps_are_not_recorded() -> None:
    w = cr.Parameter([1.0, 2.0])
    SGD(0.1, momentum=0.9).apply([w], [cr.tensor([1.0, 1.0])])
    (w * w).sum().backward()  # through the new value only
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.numpy(), rtol=1e-6)
    assert w.value.primitive is None


def test_an_optimizer_of_ones_own() -> None:
    class Sign(Optimizer):
        name = "sign"

        def update(
            self, parameter: cr.Parameter, gradient: cr.Tensor, *state: cr.Parameter
        ) -> None:
            assert not (parameter * 1.0).tracked  # nothing is recorded
            parameter.assign(parameter - cr.sign(gradient) * self.rate(parameter))

    w = cr.Parameter([1.0, 2.0])
    Sign(0.5).apply([w], [cr.tensor([-3.0, 0.1])])
    assert w.tolist() == [1.5, 1.5]
    assert repr(optimizer(Sign(0.5))) == "Sign(learning_rate=0.5)"
    with pytest.raises(NotImplementedError):
        Optimizer(0.5).apply([w], [w.value])
