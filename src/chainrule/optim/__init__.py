"""Optimizers: how parameters change, given their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from chainrule.core.errors import ArgumentError, nearest
from chainrule.optim import schedules
from chainrule.optim.adagrad import Adadelta, Adagrad, RMSprop
from chainrule.optim.adaptive import Adam, AdamW, AMSGrad, Nadam
from chainrule.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from chainrule.optim.gradient_descent import SGD, Lion
from chainrule.optim.lbfgs import LBFGS
from chainrule.optim.muon import Muon
from chainrule.optim.optimizer import Optimizer

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "optimizer",
    "schedules",
]

#: Every optimizer by its name.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    kind.name: kind
    for kind in (
        *(SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, Nadam, AMSGrad, Lion, Muon, LBFGS),
    )
}


def optimizer(given: str | Optimizer | type[Optimizer]) -> Optimizer:
    """Return an optimizer by its name or its class, with its default arguments.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> optimizer("sgd")
    SGD(learning_rate=0.01, momentum=0, nesterov=False)
    """
    if isinstance(given, Optimizer):
        return given
    if isinstance(given, type) and issubclass(given, Optimizer):
        return cast("Callable[[], Optimizer]", given)()
    name = given.lower().replace("-", "") if isinstance(given, str) else ""
    if name not in OPTIMIZERS:
        raise ArgumentError(
            "optimizer",
            repr(given),
            f"one of {', '.join(OPTIMIZERS)}, or a chainrule.optim.Optimizer",
            nearest(given, OPTIMIZERS) if isinstance(given, str) else "",
        )
    return OPTIMIZERS[name]()
