"""What a loss takes the network's output to be, and the last activations that do not fit that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array


class Output(Enum):
    """What the numbers that a network puts out stand for."""

    #: Any numbers, of which softmax or sigmoid makes probabilities.
    LOGITS = "logits"
    #: Numbers from 0 to 1.
    PROBABILITIES = "probabilities"
    #: Any numbers; above 0 is yes, below is no.
    SCORES = "scores"
    #: Positive numbers, the expected counts.
    RATES = "rates"
    #: Logarithms of the expected counts.
    LOG_RATES = "log rates"
    #: The quantity itself.
    VALUES = "values"


@dataclass(frozen=True)
class Reading:
    """How a metric is to read the network's output.

    Attributes:
        output: what the numbers stand for, or ``None`` where nobody knows (a custom loss).
        per_unit: whether each unit answers a yes-or-no question of its own, so that rows of 0 and
            1 are several answers and not one class.
    """

    output: Output | None = None
    per_unit: bool = False


@dataclass(frozen=True)
class LastLayer:
    """What is known of a network's last layer.

    Attributes:
        activation: name of its activation.
        low: the least value that it comes near to, or -∞.
        high: the greatest, or ∞.
        units: number of units.
    """

    activation: str
    low: float
    high: float
    units: int

    def __str__(self) -> str:
        return f"a last layer with {self.activation!r}"


def check_units(last: LastLayer) -> None:
    """Raise ``ArgumentError`` for a last layer that always gives the same: softmax on one unit.

    Args:
        last: the network's last layer.
    """
    if last.units == 1 and last.activation in _SHARED_OUT:
        always = "0" if last.activation == "log_softmax" else "1"
        raise ArgumentError(
            "activation",
            f"{last.activation!r} for a last layer with one unit, whose output is always {always}",
            "'sigmoid', or no activation and loss='binary_cross_entropy'",
            "Softmax shares 1 out among the units: it takes one unit a class, two for yes or no.",
        )


#: Activations that share a probability of 1 out among the units.
_SHARED_OUT = ("softmax", "log_softmax")


def check_reach(targets: Array, last: LastLayer) -> None:
    """Raise ``ArgumentError`` for targets that the last layer surely cannot give.

    Surely: none of them lies in its range; or they are whole numbers, and some lie outside of a
    range that is bounded (class labels beside a sigmoid).

    Args:
        targets: the targets of a loss for quantities.
        last: the network's last layer.
    """
    outside = (targets < last.low) | (targets > last.high)
    if not outside.any():
        return
    bounded = math.isfinite(last.low) and math.isfinite(last.high)
    whole = bool((targets == np.floor(targets)).all())
    if outside.all() or (whole and bounded):
        fix = " For classes use loss='cross_entropy'." if whole and targets.min() >= 0 else ""
        bounds = [f"from {last.low:g}"] if math.isfinite(last.low) else []
        bounds += [f"to {last.high:g}"] if math.isfinite(last.high) else []
        raise ArgumentError(
            "y",
            f"targets from {targets.min():g} to {targets.max():g} for {last}",
            f"targets {' '.join(bounds)}, which is all that it can give",
            f"Leave the last layer's activation out, or scale the targets.{fix}",
        )
