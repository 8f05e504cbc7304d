"""Networks whose last layer does not fit the loss: explained before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import unknown
from chainrule.core.types import FLOAT32, ArrayType
from chainrule.losses import LastLayer, Output, Reading, loss
from chainrule.training.last_layer import last_layer_of, reading_of

X = np.random.default_rng(0).normal(size=(12, 4))
LABELS = np.arange(12) % 3
YES = np.arange(12) % 2


class Written(cr.Model):
    """A model whose last activation only its code tells."""

    def __init__(self, units: int, activation: Callable[[cr.Tensor], cr.Tensor]) -> None:
        self.out, self.apply = cr.Dense(units), activation

    def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
        return self.apply(self.out(x))


def networks(units: int, name: str) -> list[cr.Model]:
    """The same network, written in several ways."""
    function = getattr(cr, name)
    return [
        cr.Sequential([cr.Dense(5), cr.Dense(units, activation=name)]),
        cr.Sequential([cr.Dense(units, activation=function)]),
        cr.Sequential([cr.Dense(units), cr.Activation(name)]),
        cr.Sequential([cr.Dense(units, activation=name), cr.Dropout(0.5)]),
        cr.Sequential([cr.Dense(5), cr.Sequential([cr.Dense(units, activation=name)])]),
        Written(units, function),
        Written(units, lambda z: function(z).reshape(-1, units)),
    ]


def errors_of(model: cr.Model, y: Any, given: Any) -> str:
    """The same error comes from fit, evaluate and validation, and nothing is trained."""
    model.compile("sgd", given)
    model.make_parameters((4,))
    before = model.get_weights()
    texts = set()
    for call in (
        lambda: model.fit(X, y, verbose=0),
        lambda: model.evaluate(X, y),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        texts.add(str(caught.value))
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    [text] = texts
    return text


@pytest.mark.parametrize("i", range(7))
def test_softmax_twice(i: int) -> None:
    model = networks(3, "softmax")[i]
    for y in (LABELS, np.eye(3)[LABELS]):
        assert errors_of(model, y, "categorical_crossentropy") == (
            "loss: got 'cross_entropy', which expects logits and applies the softmax itself, for a "
            "last layer with 'softmax'; expected a last layer without an activation. Leave the "
            "activation out, as in cr.Dense(3), or keep it and use loss=cr.losses.CrossEntropy"
            "(from_logits=False)."
        )
    model.compile("sgd", cr.losses.CrossEntropy(from_logits=False), ["accuracy"])
    model.fit(X, LABELS, verbose=0)


@pytest.mark.parametrize("i", range(7))
def test_sigmoid_twice(i: int) -> None:
    model = networks(1, "sigmoid")[i]
    assert errors_of(model, YES, "bce") == (
        "loss: got 'binary_cross_entropy', which expects logits and applies the sigmoid itself, "
        "for a last layer with 'sigmoid'; expected a last layer without an activation. Leave the "
        "activation out, as in cr.Dense(1), or keep it and use loss=cr.losses.BinaryCrossEntropy"
        "(from_logits=False)."
    )
    model.compile("sgd", cr.losses.BinaryCrossEntropy(from_logits=False), ["accuracy"])
    model.fit(X, YES, verbose=0)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    "given",
    ["squared_error", cr.losses.BinaryCrossEntropy(from_logits=False), lambda y, p: abs(y - p)],
)
def test_softmax_on_one_unit(name: str, given: Any) -> None:
    models = networks(1, name)[: None if name == "softmax" else 5]
    always = {"softmax": 1, "log_softmax": 0}[name]
    for model in models:
        assert errors_of(model, YES, given) == (
            f"activation: got '{name}' for a last layer with one unit, whose output is always "
            f"{always}; expected 'sigmoid', or no activation and loss='binary_cross_entropy'. "
            "Softmax shares 1 out among the units: it takes one unit a class, two for yes or no."
        )


def test_softmax_over_places_may_end_in_one_unit() -> None:
    model = Written(3, lambda z: cr.softmax(z).reshape(-1, 3, 1))
    model.compile("sgd", "mse")
    model.fit(X, np.eye(3)[LABELS][:, :, None], verbose=0)


def test_logits_for_a_loss_of_probabilities() -> None:
    model = cr.Sequential([cr.Dense(3)])
    assert errors_of(model, LABELS, cr.losses.CrossEntropy(from_logits=False)) == (
        "loss: got 'cross_entropy' of probabilities, for a last layer with 'linear', whose values "
        "reach from -∞ to ∞; expected a last layer with 'softmax'. Give the last layer that "
        "activation, or none and the loss from_logits=True."
    )
    model = cr.Sequential([cr.Dense(1, activation="tanh")])
    assert errors_of(model, YES, cr.losses.BinaryCrossEntropy(from_logits=False)) == (
        "loss: got 'binary_cross_entropy' of probabilities, for a last layer with 'tanh', whose "
        "values reach from -1 to 1; expected a last layer with 'sigmoid'. Give the last layer that "
        "activation, or none and the loss from_logits=True."
    )


def test_targets_out_of_reach() -> None:
    model = cr.Sequential([cr.Dense(1, activation="sigmoid")])
    assert errors_of(model, 100.0 + X[:, 0], "mse").startswith("y: got targets from ")
    assert errors_of(model, LABELS, "mse") == (
        "y: got targets from 0 to 2 for a last layer with 'sigmoid'; expected targets from 0 to 1, "
        "which is all that it can give. Leave the last layer's activation out, or scale the "
        "targets. For classes use loss='cross_entropy'."
    )
    model.compile("sgd", "mse")
    with pytest.raises(
        ArgumentError, match=r"^validation_data\[1\]: got targets from 0 to 2 for a"
    ):
        model.fit(X, YES, validation_data=(X, LABELS), verbose=0)


def test_rates_by_exp() -> None:
    model = Written(1, cr.exp)
    assert errors_of(model, LABELS, "poisson").startswith(
        "loss: got 'poisson', which expects log rates and applies the exponential itself, for a "
        "last layer with 'exponential'; expected a last layer without an activation."
    )
    model.compile("sgd", cr.losses.Poisson(log_input=False))
    model.fit(X, LABELS, verbose=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: cr.Sequential([cr.Dense(3)]),
        lambda: cr.Sequential([cr.Dense(3, activation=lambda z: 2.0 * z)]),
        lambda: cr.Sequential([cr.Dense(3, activation="softmax"), cr.Dense(3)]),
        lambda: cr.Sequential([cr.Dense(3, activation="softmax"), cr.BatchNorm()]),
        lambda: cr.Sequential([cr.Dense(3), cr.Activation("relu")]),
        lambda: cr.Sequential([cr.Dense(3), cr.LayerNorm()]),
        lambda: Written(3, lambda z: z + cr.softmax(z)),
        lambda: Written(3, lambda z: cr.exp(-z)),
        lambda: Written(3, cr.log_softmax),
    ],
)
def test_no_false_alarm(make: Callable[[], cr.Model]) -> None:
    model = make()
    model.compile("sgd", "cross_entropy", ["accuracy"])
    model.fit(X, LABELS, verbose=0)
    model.evaluate(X, LABELS)


def found(model: cr.Model) -> LastLayer | None:
    return last_layer_of(model, model(unknown(ArrayType((2, 4), FLOAT32))))


def test_what_is_found() -> None:
    assert found(cr.Sequential([cr.Dense(3, activation="tanh")])) == LastLayer("tanh", -1.0, 1.0, 3)
    assert found(cr.Sequential([cr.Dense(2, activation="leaky_relu(0.2)")])) == LastLayer(
        "leaky_relu", -np.inf, np.inf, 2
    )
    assert found(cr.Sequential([cr.Dense(2), cr.Maxout(1)])) is None
    assert found(Written(2, lambda z: cr.relu(z))) is None
    assert found(Written(2, cr.softplus)) == LastLayer("softplus", 0.0, np.inf, 2)
    assert found(Written(2, lambda z: cr.sigmoid(z)[:, 0])) is None
    places = cr.Sequential([cr.Dense(2, activation="tanh")])
    output = places(unknown(ArrayType((6, 5, 4), FLOAT32)))
    assert last_layer_of(places, output) == LastLayer("tanh", -1.0, 1.0, 2)
    flat = Written(1, lambda z: cr.tanh(z).reshape(-1))
    assert found(flat) == LastLayer("tanh", -1.0, 1.0, 1)


def test_readings() -> None:
    custom = loss(lambda y, p: p)
    zeros = np.zeros(2)
    sigmoid = LastLayer("sigmoid", 0.0, 1.0, 1)
    assert reading_of(custom, zeros, sigmoid) == Reading(Output.PROBABILITIES)
    assert reading_of(custom, zeros, None) == Reading(None)
    assert reading_of(custom, zeros, LastLayer("tanh", -1.0, 1.0, 1)) == Reading(None)
    assert reading_of(loss("mse"), zeros, sigmoid) == Reading(Output.VALUES)
