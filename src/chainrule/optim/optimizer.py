"""What optimizers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Parameter, Tensor, no_grad
from chainrule.core.types import Array
from chainrule.ops.creation import zeros_like


class Optimizer:
    """A rule that changes parameters, given their gradients.

    The learning rate, the step counter and the state are parameters themselves, so that a
    compiled step takes them as inputs.

    Args:
        learning_rate: size of a step, α.

    Raises:
        ArgumentError: a learning rate that is not a number from 0.
    """

    name: str

    def __init__(self, learning_rate: float) -> None:
        self._learning_rate = Parameter(
            float64(checked("learning_rate", learning_rate)), "learning_rate", trainable=False
        )
        self._state: dict[Parameter, tuple[Parameter, ...]] = {}

    @property
    def learning_rate(self) -> float:
        """Size of a step, α; it may be changed at any time."""
        return float(self._learning_rate.item())

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate.assign(float64(checked("learning_rate", value)))

    def apply(self, parameters: Sequence[Parameter], gradients: Sequence[Tensor]) -> None:
        """Change the parameters by one step.

        Args:
            parameters: what to change.
            gradients: one for each, of its shape.
        """
        with no_grad():
            self.begin_step()
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if parameter not in self._state:
                    self._state[parameter] = self.slots(parameter)
                self.update(parameter, gradient, *self._state[parameter])

    def begin_step(self) -> None:
        """Prepare what all parameters share, such as the step counter."""

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the state that is kept for one parameter."""
        return ()

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter and its state."""
        raise NotImplementedError

    def rate(self, parameter: Parameter) -> Tensor:
        """Return the learning rate in the parameter's dtype."""
        return self._learning_rate.value.astype(parameter.dtype)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {"learning_rate": self.learning_rate}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value:g}" for key, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


def float64(value: float) -> Array:
    """Return a number that keeps its digits: by itself, it would become a float32 tensor."""
    return np.array(value, np.float64)


def slot(parameter: Parameter) -> Parameter:
    """Return a parameter's companion of zeros."""
    return Parameter(zeros_like(parameter), trainable=False)


def checked(argument: str, value: float, below: float = float("inf")) -> float:
    """Return a number from 0 up to a limit.

    Raises:
        ArgumentError: anything else.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not 0 <= value < below:
        expected = (
            "a finite number from 0" if below == float("inf") else f"a number in [0, {below:g})"
        )
        raise ArgumentError(argument, repr(value), expected)
    return float(value)
