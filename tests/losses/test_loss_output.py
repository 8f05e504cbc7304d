"""Last layers that do not fit the loss, and targets that they cannot give: each is explained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError
from chainrule.losses import (
    LOSSES,
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalFocal,
    CrossEntropy,
    KLDivergence,
    LastLayer,
    Loss,
    Poisson,
    Reading,
    SquaredError,
    loss,
)
from chainrule.losses.output import Output, check_reach
from chainrule.nn.activations import ACTIVATIONS, get

Y = np.zeros(1)


def last(name: str, units: int = 3) -> LastLayer:
    known = get(name)
    return LastLayer(known.name, known.range.low, known.range.high, units)


def error_of(given: Loss, name: str, units: int = 3) -> str:
    with pytest.raises(ArgumentError) as caught:
        given.check_last_layer(last(name, units), Y)
    assert caught.value.argument == "loss"
    return str(caught.value)


@pytest.mark.parametrize("kind", [CrossEntropy, CategoricalFocal, KLDivergence])
def test_softmax_before_a_loss_that_applies_it(kind: type[Loss]) -> None:
    assert error_of(kind(), "softmax", 10) == (
        f"loss: got {kind.name!r}, which expects logits and applies the softmax itself, for a last "
        "layer with 'softmax'; expected a last layer without an activation. Leave the activation "
        f"out, as in cr.Dense(10), or keep it and use loss=cr.losses.{kind.__name__}"
        "(from_logits=False)."
    )


@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
def test_sigmoid_before_softmax(activation: str) -> None:
    assert error_of(CrossEntropy(), activation) == (
        "loss: got 'cross_entropy', which expects logits and applies the softmax itself, for a "
        f"last layer with {activation!r}; expected a last layer without an activation. Leave the "
        "activation out, as in cr.Dense(3)."
    )


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, BinaryFocal])
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid", "softmax"])
def test_sigmoid_before_a_loss_that_applies_it(kind: type[Loss], activation: str) -> None:
    assert error_of(kind(), activation, 1) == (
        f"loss: got {kind.name!r}, which expects logits and applies the sigmoid itself, for a last "
        f"layer with {activation!r}; expected a last layer without an activation. Leave the "
        f"activation out, as in cr.Dense(1), or keep it and use loss=cr.losses.{kind.__name__}"
        "(from_logits=False)."
    )


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, BinaryFocal])
@pytest.mark.parametrize(
    ("activation", "reach"),
    [("linear", "-∞ to ∞"), ("tanh", "-1 to 1"), ("relu", "0 to ∞"), ("relu6", "0 to 6")],
)
def test_numbers_that_are_no_probabilities(kind: Any, activation: str, reach: str) -> None:
    assert error_of(kind(from_logits=False), activation, 1) == (
        f"loss: got {kind.name!r} of probabilities, for a last layer with {activation!r}, whose "
        f"values reach from {reach}; expected a last layer with 'sigmoid'. Give the last layer "
        "that activation, or none and the loss from_logits=True."
    )


@pytest.mark.parametrize("kind", [CrossEntropy, CategoricalFocal, KLDivergence])
def test_negative_numbers_are_no_probabilities_of_classes(kind: Any) -> None:
    of_probabilities = kind(from_logits=False)
    for activation, reach in (("linear", "-∞ to ∞"), ("softsign", "-1 to 1"), ("elu", "-1 to ∞")):
        assert error_of(of_probabilities, activation) == (
            f"loss: got {kind.name!r} of probabilities, for a last layer with {activation!r}, "
            f"whose values reach from {reach}; expected a last layer with 'softmax'. Give the last "
            "layer that activation, or none and the loss from_logits=True."
        )
    for activation in ("softmax", "sigmoid", "relu", "softplus"):  # these are normalized
        of_probabilities.check_last_layer(last(activation), Y)


def test_rates_and_their_logarithms() -> None:
    assert error_of(Poisson(), "softplus", 1) == (
        "loss: got 'poisson', which expects log rates and applies the exponential itself, for a "
        "last layer with 'softplus'; expected a last layer without an activation. Leave the "
        "activation out, as in cr.Dense(1), or keep it and use loss=cr.losses.Poisson"
        "(log_input=False)."
    )
    assert error_of(Poisson(log_input=False), "linear", 1) == (
        "loss: got 'poisson' of rates, for a last layer with 'linear', whose values reach from -∞ "
        "to ∞; expected a last layer with 'softplus'. Give the last layer that activation, or none "
        "and the loss log_input=True."
    )
    Poisson(log_input=False).check_last_layer(last("softplus"), Y)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("activation", ["linear", "leaky_relu", "selu", "silu"])
def test_no_alarm_for_numbers_of_any_size(name: str, activation: str) -> None:
    loss(name).check_last_layer(last(activation), np.array([-1.0, 3.0, 0.5]))


@pytest.mark.parametrize("name", ["hinge", "categorical_hinge", "squared_hinge"])
@pytest.mark.parametrize("activation", [*ACTIVATIONS])
def test_scores_may_come_from_anywhere(name: str, activation: str) -> None:
    loss(name).check_last_layer(last(activation), np.array([-1.0, 1.0]))


# --------------------------------------------------------------------- targets out of reach


@pytest.mark.parametrize(
    ("y", "activation", "text"),
    [
        (
            [120.5, 340.0],
            "sigmoid",
            "y: got targets from 120.5 to 340 for a last layer with 'sigmoid'; expected targets "
            "from 0 to 1, which is all that it can give. Leave the last layer's activation out, or "
            "scale the targets.",
        ),
        (
            [0, 1, 2],
            "sigmoid",
            "y: got targets from 0 to 2 for a last layer with 'sigmoid'; expected targets from 0 "
            "to 1, which is all that it can give. Leave the last layer's activation out, or scale "
            "the targets. For classes use loss='cross_entropy'.",
        ),
        (
            [-3.5, -0.25],
            "relu",
            "y: got targets from -3.5 to -0.25 for a last layer with 'relu'; expected targets from "
            "0, which is all that it can give. Leave the last layer's activation out, or scale the "
            "targets.",
        ),
        (
            [-2, 0, 1],
            "tanh",
            "y: got targets from -2 to 1 for a last layer with 'tanh'; expected targets from -1 to "
            "1, which is all that it can give. Leave the last layer's activation out, or scale the "
            "targets.",
        ),
        (
            [0.5, 1.0],
            "log_sigmoid",
            "y: got targets from 0.5 to 1 for a last layer with 'log_sigmoid'; expected targets to "
            "0, which is all that it can give. Leave the last layer's activation out, or scale the "
            "targets.",
        ),
    ],
)
@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "log_cosh"])
def test_targets_that_the_last_layer_cannot_give(
    name: str, y: list[float], activation: str, text: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        loss(name).check_last_layer(last(activation), np.array(y, float))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("y", "activation"),
    [
        ([0, 1, 1], "sigmoid"),
        ([0.0, 1.0], "softmax"),
        ([-1, 1], "tanh"),
        ([-0.2, 0.3, 1.1], "sigmoid"),  # noise about what is possible
        ([-1.0, 2.0, 0.5], "relu"),  # standardized: half of it is possible
        ([-1.0, 2.0], "relu"),
        ([-5.0, 300.0], "linear"),
    ],
)
def test_no_alarm_for_targets_that_are_mostly_possible(y: list[float], activation: str) -> None:
    SquaredError().check_last_layer(last(activation), np.array(y, float))


def test_reach_is_asked_only_of_losses_of_values() -> None:
    with pytest.raises(ArgumentError):
        check_reach(np.array([5.0]), LastLayer("sigmoid", 0.0, 1.0, 1))
    check_reach(np.array([5.0]), LastLayer("linear", -math.inf, math.inf, 1))
    loss("hinge").check_last_layer(last("sigmoid"), np.array([-1.0]))


# ------------------------------------------------------------------------------ for metrics


def test_how_metrics_read_the_output() -> None:
    zeros = np.zeros((2, 1))
    assert CrossEntropy().reading(zeros) == Reading(Output.LOGITS)
    assert BinaryCrossEntropy().reading(zeros) == Reading(Output.LOGITS, per_unit=True)
    probabilities = Reading(Output.PROBABILITIES, per_unit=True)
    assert BinaryCrossEntropy(from_logits=False).reading(zeros) == probabilities
    assert loss("hinge").reading(zeros) == Reading(Output.SCORES, per_unit=True)
    assert loss("categorical_hinge").reading(zeros) == Reading(Output.SCORES)
    assert SquaredError().reading(np.array([0.0, 1.0])) == Reading(Output.VALUES)
    # targets -1 and 1: above 0 is yes
    assert SquaredError().reading(np.array([-1.0, 1.0])) == Reading(Output.SCORES)
    assert SquaredError().reading(np.array([1.0, 1.0])) == Reading(Output.VALUES)
    assert SquaredError().reading(np.array([-1.0, 0.5])) == Reading(Output.VALUES)
    assert loss(lambda y, p: p).reading(zeros) == Reading(None)
