"""Optimizers: how parameters change, given their gradients."""

from __future__ import annotations

from chainrule.core.errors import ArgumentError, nearest
from chainrule.optim.adaptive import Adam
from chainrule.optim.gradient_descent import SGD
from chainrule.optim.optimizer import Optimizer

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Optimizer", "optimizer"]

#: Every optimizer by its name.
OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


def optimizer(given: str | Optimizer) -> Optimizer:
    """Return an optimizer by its name, with its default arguments.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> optimizer("sgd")
    SGD(learning_rate=0.01, momentum=0, nesterov=0)
    """
    if isinstance(given, Optimizer):
        return given
    if not isinstance(given, str) or given.lower() not in OPTIMIZERS:
        raise ArgumentError(
            "optimizer",
            repr(given),
            f"one of {', '.join(OPTIMIZERS)}, or a chainrule.optim.Optimizer",
            nearest(str(given), OPTIMIZERS),
        )
    return OPTIMIZERS[given.lower()]()
