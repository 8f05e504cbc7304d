"""Gradient descent and its momentum."""

from __future__ import annotations

from typing import Any

from chainrule.core.tensor import Parameter, Tensor
from chainrule.optim.optimizer import Optimizer, checked, slot


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    ``v ← μ v - α g``, ``w ← w + v``; with Nesterov's momentum ``w ← w + μ v - α g``. Without
    momentum this is the lecture's ``w ← w - α g``.

    Args:
        learning_rate: α.
        momentum: μ, from 0 up to 1.
        nesterov: whether to look ahead along the momentum.

    Raises:
        ArgumentError: a number out of range.

    >>> SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=0)

    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum
    in deep learning", ICML 2013, section 2 (in Keras's form of Nesterov's step).
    """

    name = "sgd"

    def __init__(
        self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = checked("momentum", momentum, below=1.0)
        self.nesterov = bool(nesterov)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the velocity v."""
        return (slot(parameter),) if self.momentum else ()

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        step = gradient * self.rate(parameter)
        if not state:
            parameter.assign(parameter - step)
            return
        (velocity,) = state
        velocity.assign(velocity * self.momentum - step)
        move = velocity * self.momentum - step if self.nesterov else velocity.value
        parameter.assign(parameter + move)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {**super().config(), "momentum": self.momentum, "nesterov": self.nesterov}
