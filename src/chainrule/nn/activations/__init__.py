"""Activations: the functions f_l that layers apply to net inputs, and what is known of them."""

from chainrule.nn.activations.description import (
    Activation,
    ActivationFunction,
    FiniteSet,
    Interval,
    Range,
)
from chainrule.nn.activations.kinds import KINDS
from chainrule.nn.activations.names import (
    ACTIVATIONS,
    ALIASES,
    activation,
    activation_config,
    describe,
    get,
)

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "KINDS",
    "Activation",
    "ActivationFunction",
    "FiniteSet",
    "Interval",
    "Range",
    "activation",
    "activation_config",
    "describe",
    "get",
]
