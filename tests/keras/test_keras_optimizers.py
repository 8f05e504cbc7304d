"""Keras's optimizers: arguments, weight decay, schedules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_networks import ONE_HOT, X, network

import chainrule as cr
from chainrule import keras


def test_weight_decay_acts_on_all_but_the_excluded() -> None:
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.2)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    bias, scale = cr.Parameter([1.0], name="bias"), cr.Parameter([1.0], name="scale")
    matrix = cr.Parameter([[1.0]], name="kernel")
    zeros = [cr.tensor([0.0]), cr.tensor([0.0]), cr.tensor([[0.0]])]
    optimizer.apply([bias, scale, matrix], zeros)
    assert [bias.item(), scale.item(), matrix.item()] == pytest.approx([1.0, 0.9, 0.9])
    assert optimizer.weight_decay == 0.2


def test_a_schedule_of_ones_own() -> None:
    class Falling(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return 0.5 / (step + 1)

    optimizer = keras.optimizers.SGD(Falling())
    w = cr.Parameter([1.0])
    for _ in range(2):
        optimizer.apply([w], [cr.tensor([1.0])])
    assert w.item() == pytest.approx(1.0 - 0.5 - 0.25)


def test_learning_rates_of_functions_and_by_assignment() -> None:
    for rate in (lambda: 0.1, lambda step: 0.1):
        optimizer = keras.optimizers.SGD(learning_rate=rate)
        w = cr.Parameter([1.0])
        optimizer.apply([w], [cr.tensor([1.0])])
        assert w.item() == pytest.approx(0.9)
    optimizer.learning_rate.assign(0.5)
    assert (optimizer.learning_rate, optimizer.lr) == (0.5, 0.5)
    optimizer.apply([cr.tensor([1.0])], [w])  # Keras's order
    assert w.item() == pytest.approx(0.4)
    optimizer.apply_gradients([(cr.tensor([1.0]), w)])
    assert w.item() == pytest.approx(-0.1)


@pytest.mark.parametrize("name", ["adamax", "muon", "Adamax", "Muon"])
def test_more_optimizers_by_name(name: str) -> None:
    model = network()
    model.compile(name, "categorical_crossentropy")
    model.optimizer.learning_rate = 0.02
    losses = model.fit(X, ONE_HOT, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_adamax_by_hand() -> None:
    optimizer = keras.optimizers.Adamax(0.1, weight_decay=0.5)
    w = cr.Parameter(np.array([1.0, -2.0]))
    m = u = np.zeros(2)
    expected = np.array([1.0, -2.0])
    for t in range(1, 6):
        g = np.array([0.3, -1.0]) / t
        optimizer.apply([w], [cr.tensor(g)])
        expected = expected - 0.1 * 0.5 * expected
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g))
        expected = expected - 0.1 / (1 - 0.9**t) * m / (u + 1e-7)
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-10)
