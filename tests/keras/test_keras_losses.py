"""The losses: stable from probabilities, fitted targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_networks import LABELS, X, network

import chainrule as cr
from chainrule import keras
from chainrule.core.errors import ArgumentError


@pytest.mark.parametrize(
    ("activation", "loss", "own"),
    [
        ("softmax", "categorical_crossentropy", cr.losses.CrossEntropy()),
        ("sigmoid", "binary_crossentropy", cr.losses.BinaryCrossEntropy()),
    ],
)
@pytest.mark.parametrize("as_layer", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_gradients_are_those_from_logits(
    activation: str, loss: str, own: Any, as_layer: bool, scale: float
) -> None:
    rng = np.random.default_rng(1)
    kernel, x = scale * rng.choice([-1.0, 1.0], (4, 3)), np.eye(4)
    y = np.eye(3)[[0, 1, 2, 1]]
    last = [keras.layers.Dense(3, dtype="float64", activation=None if as_layer else activation)]
    last += [keras.layers.Activation(activation)] if as_layer else []
    model = keras.Sequential([*last])
    model.build((None, 4))
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.set_weights([kernel, np.zeros(3)])
    evaluated = model.evaluate(x, y)

    w = cr.Parameter(kernel)
    value = own(cr.tensor(y, dtype="float64"), cr.tensor(x, dtype="float64") @ w).mean()
    value.backward()
    assert evaluated == pytest.approx(value.item(), rel=1e-12)
    assert model.train_on_batch(x, y) == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(
        kernel - model.get_weights()[0], w.grad.numpy(), rtol=1e-9, atol=1e-9
    )
    assert np.isfinite(model.get_weights()[0]).all()


def test_probabilities_that_nobody_knows_the_logits_of_are_clipped() -> None:
    loss = keras.losses.categorical_crossentropy([[0.0, 1.0]], [[1.0, 0.0]])
    assert loss.item() == pytest.approx(-np.log(1e-7), rel=1e-5)
    p = keras.activations.softmax([[1000.0, -1000.0]])
    assert keras.losses.categorical_crossentropy([[0.0, 1.0]], p).item() == 2000.0
    p = keras.activations.softmax(cr.tensor([[1000.0], [-1000.0]]), axis=0)
    assert keras.losses.binary_crossentropy([[1.0], [0.0]], p).numpy() == pytest.approx(0, abs=1e-6)


def test_logits_of_another_kind_are_not_taken() -> None:
    p = keras.activations.sigmoid([[2.0, 1.0]])
    expected = -np.log(1 / (1 + np.exp(-2.0)) / (1 / (1 + np.exp(-2.0)) + 1 / (1 + np.exp(-1.0))))
    assert keras.losses.categorical_crossentropy([[1.0, 0.0]], p).item() == pytest.approx(expected)


class Absolute(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        assert y_true.shape == y_pred.shape
        assert y_true.dtype == y_pred.dtype
        return abs(y_true - y_pred)


def absolute(y_true: Any, y_pred: Any) -> Any:
    assert y_true.shape == y_pred.shape
    return abs(y_true - y_pred)


@pytest.mark.parametrize("loss", [Absolute(), absolute])
@pytest.mark.parametrize("shape", [(60,), (60, 1)])
def test_targets_have_the_shape_of_the_prediction(loss: Any, shape: tuple[int, ...]) -> None:
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", loss)
    expected = np.mean(np.abs(LABELS[:, None] - model.predict(X)))
    assert model.evaluate(X, LABELS.reshape(shape)) == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(X, LABELS.reshape(shape)) == pytest.approx(expected, rel=1e-5)
    if isinstance(loss, keras.losses.Loss):
        assert loss(LABELS, np.ones((60, 1))).item() == pytest.approx(np.mean(np.abs(LABELS - 1)))


def test_labels_reach_functions_as_floats() -> None:
    seen: list[Any] = []

    def of_labels(y: Any, p: Any) -> Any:
        seen.append((y.shape, str(y.dtype)))
        rows = cr.one_hot(y.astype("int64"), 3)
        return -(rows * cr.log(p)).sum(axis=1)

    model = network()
    model.compile("sgd", of_labels)
    value = model.evaluate(X, LABELS)
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert value == pytest.approx(model.evaluate(X, LABELS), rel=1e-5)
    assert {kind for _, kind in seen} == {"float32"}


@pytest.mark.parametrize("name", ["hinge", "squared_hinge"])
def test_hinges_take_soft_targets(name: str) -> None:
    y, p = np.array([[0.3], [-0.5], [1.0]]), np.array([[0.2], [1.5], [-2.0]])
    power = 2 if name == "squared_hinge" else 1
    expected = np.maximum(1 - y * p, 0) ** power
    found = getattr(keras.losses, name)(y, p)
    np.testing.assert_allclose(np.asarray(found), expected[:, 0], rtol=1e-6)
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", name)
    soft = np.linspace(-1, 1, 60)
    expected = np.mean(np.maximum(1 - soft[:, None] * model.predict(X), 0) ** power)
    assert model.evaluate(X, soft) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "last", "units", "text"),
    [
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "softmax",
            3,
            r"keras.layers.Dense\(3\), or keep it and use loss=keras.losses."
            r"SparseCategoricalCrossentropy\(from_logits=False\)",
        ),
        (
            "binary_crossentropy",
            None,
            1,
            r"loss: got 'binary_crossentropy' .* loss=keras.losses.BinaryCrossentropy\(from_logits",
        ),
        ("binary_crossentropy", "softmax", 1, "expected 'sigmoid', and loss='binary_crossentr"),
    ],
)
def test_errors_speak_of_keras(loss: Any, last: Any, units: int, text: str) -> None:
    model = keras.Sequential([keras.layers.Dense(units, activation=last, input_shape=(4,))])
    model.compile("sgd", loss)
    with pytest.raises(ArgumentError, match=text) as caught:
        model.fit(X, LABELS if units > 1 else LABELS % 2, verbose=0)
    assert "cr." not in str(caught.value)
    assert "cross_entropy" not in str(caught.value)
