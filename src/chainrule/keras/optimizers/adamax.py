"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from typing import Unpack

from chainrule import optim as core
from chainrule.core.tensor import Parameter, Tensor
from chainrule.keras.optimizers.base import Optimizer, translated
from chainrule.ops.elementwise import abs as abs_
from chainrule.ops.elementwise import maximum, power
from chainrule.optim.optimizer import Options, checked, slot
from chainrule.optim.schedules import Rate


@translated
class Adamax(Optimizer, core.Optimizer):
    """Adam with the gradient's decaying maximum in place of its running size.

    ``m ← β₁ m + (1 - β₁) g``, ``u ← max(β₂ u, |g|)``, ``w ← w - α / (1 - β₁ᵗ) m / (u + ε)``

    >>> Adamax().beta_2
    0.999

    Source: Kingma and Ba, arXiv 1412.6980, algorithm 2.
    """

    name = "adamax"
    arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = checked("beta_1", beta_1, below=1.0)
        self.beta_2 = checked("beta_2", beta_2, below=1.0)
        self.epsilon = checked("epsilon", epsilon)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return m and u."""
        return slot(parameter, "mean"), slot(parameter, "norm")

    def numbers(self, rate: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """Return the corrected α."""
        return (rate / (1.0 - power(self.beta_1, t)),)

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        m, u = state
        (rate,) = self.shared(parameter)
        m.assign(m * self.beta_1 + gradient * (1.0 - self.beta_1))
        u.assign(maximum(u * self.beta_2, abs_(gradient)))
        parameter.assign(parameter - m * rate / (u + self.epsilon))
