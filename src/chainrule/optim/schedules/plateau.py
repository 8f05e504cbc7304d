"""The learning rate lowered when training no longer gets anywhere."""

from __future__ import annotations

import math

from chainrule.core.errors import ArgumentError
from chainrule.optim.arguments import checked, whole


class ReduceOnPlateau:
    """Lower the learning rate when a quantity no longer improves: ``α ← max(α f, α_min)``.

    An epoch improves on the best one if its value is lower (or higher, for ``mode="max"``) by more
    than ``min_delta``. After ``patience`` epochs without, the rate falls, and the count begins
    again.

    Args:
        factor: f, below 1.
        patience: how many epochs without improvement lower the rate.
        min_delta: what counts as an improvement must be larger than this.
        mode: ``"min"`` or ``"max"``: where the quantity should go.
        cooldown: epochs after a fall that are not counted.
        min_lr: α_min; a rate that is lower already stays.

    Attributes:
        best: the best value so far.
        waited: epochs without improvement so far.

    Raises:
        ArgumentError: an argument out of range.

    >>> plateau = ReduceOnPlateau(factor=0.5, patience=2)
    >>> rate = 0.1
    >>> for loss in (1.0, 0.5, 0.5, 0.5, 0.5):
    ...     rate = plateau.step(loss, rate)
    >>> rate
    0.05

    Source: Keras's ``ReduceLROnPlateau``, whose counting and defaults these are.
    """

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 10,
        *,
        min_delta: float = 1e-4,
        mode: str = "min",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.factor = checked("factor", factor, below=1.0)
        self.patience = whole("patience", patience, least=0)
        self.min_delta = checked("min_delta", min_delta)
        if mode not in ("min", "max"):
            raise ArgumentError("mode", repr(mode), "'min' or 'max'")
        self.mode = mode
        self.cooldown = whole("cooldown", cooldown, least=0)
        self.min_lr = checked("min_lr", min_lr)
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self.best = math.inf if self.mode == "min" else -math.inf
        self.waited = 0
        self._cooling = 0

    def step(self, value: float, learning_rate: float) -> float:
        """Take in an epoch's value, and return the learning rate to go on with.

        Args:
            value: the quantity after the epoch. NaN is no improvement.
            learning_rate: the rate of the moment.
        """
        if self._cooling:
            self._cooling -= 1
            self.waited = 0
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.waited = value, 0
            return learning_rate
        if self._cooling:
            return learning_rate
        self.waited += 1
        if self.waited < self.patience or learning_rate <= self.min_lr:
            return learning_rate
        self.waited, self._cooling = 0, self.cooldown
        return max(learning_rate * self.factor, self.min_lr)
