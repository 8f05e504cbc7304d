"""Optimizers that scale each parameter's step by the size of its gradients."""

from __future__ import annotations

from typing import Any

from chainrule.core.tensor import Parameter, Tensor
from chainrule.ops.elementwise import power, sqrt, square
from chainrule.optim.optimizer import Optimizer, checked, float64, slot


class Adam(Optimizer):
    """Adam: steps by the ratio of the gradient's running mean to its running size.

    ``m ← β₁ m + (1 - β₁) g``, ``v ← β₂ v + (1 - β₂) g²``,
    ``w ← w - α (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)``

    Args:
        learning_rate: α.
        beta_1: β₁, from 0 up to 1.
        beta_2: β₂, from 0 up to 1.
        epsilon: ε.

    Raises:
        ArgumentError: a number out of range.

    >>> Adam()
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08)

    Source: Kingma and Ba, arXiv 1412.6980, algorithm 1.
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = checked("beta_1", beta_1, below=1.0)
        self.beta_2 = checked("beta_2", beta_2, below=1.0)
        self.epsilon = checked("epsilon", epsilon)
        self._step = Parameter(float64(0.0), "step", trainable=False)

    def begin_step(self) -> None:
        """Count the step, t."""
        self._step.assign(self._step + 1.0)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the running moments m and v."""
        return slot(parameter), slot(parameter)

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        mean, size = state
        t, dtype = self._step.value, parameter.dtype
        mean.assign(mean * self.beta_1 + gradient * (1.0 - self.beta_1))
        size.assign(size * self.beta_2 + square(gradient) * (1.0 - self.beta_2))
        # The corrections for the start at zero are numbers: they scale α and √v once.
        correction_1 = 1.0 - power(self.beta_1, t)
        correction_2 = sqrt(1.0 - power(self.beta_2, t))
        rate = (self._learning_rate.value / correction_1).astype(dtype)
        scale = sqrt(size) / correction_2.astype(dtype) + self.epsilon
        parameter.assign(parameter - mean * rate / scale)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        betas = {"beta_1": self.beta_1, "beta_2": self.beta_2}
        return {**super().config(), **betas, "epsilon": self.epsilon}
