"""Schedules that fall: in steps, exponentially, like 1/t, by a polynomial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.ops.elementwise import floor, maximum, power, where
from chainrule.optim.arguments import checked, positive, whole
from chainrule.optim.schedules.schedule import Schedule, check, keep, named


@named
@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """A step at each boundary: ``α(t) = vᵢ``, where i is the number of boundaries below t.

    As in Keras a boundary is the last step of the piece before it (PyTorch's milestones are the
    first step of the next: ``milestone - 1`` here).

    Args:
        boundaries: steps, growing.
        values: rates of the pieces, one more than there are boundaries.

    Raises:
        ArgumentError: boundaries that do not grow; another number of values.

    >>> PiecewiseConstantDecay([2, 4], [0.1, 0.01, 0.001])([2, 3, 5]).tolist()
    [0.1, 0.01, 0.001]
    """

    boundaries: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        steps = tuple(whole("boundaries", b, least=0) for b in self.boundaries)
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ArgumentError("boundaries", repr(list(steps)), "steps that grow")
        values = tuple(checked("values", v) for v in self.values)
        if len(values) != len(steps) + 1:
            raise ArgumentError(
                "values", f"{len(values)} of them", f"{len(steps) + 1}, one more than boundaries"
            )
        keep(self, boundaries=steps, values=values)

    def rate(self, t: Tensor) -> Tensor:
        """Return the value of the piece that t lies in."""
        result = t * 0.0 + self.values[-1]
        for boundary, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            result = where(t <= boundary, value, result)
        return result


@named
@dataclass(frozen=True)
class StepDecay(Schedule):
    """A step every n: ``α(t) = α₀ γ^⌊t / n⌋``.

    Args:
        initial_learning_rate: α₀.
        decay_steps: n.
        decay_rate: γ.

    >>> StepDecay(1.0, decay_steps=2, decay_rate=0.5)([0, 1, 2, 3, 4]).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float = 0.1

    def __post_init__(self) -> None:
        check(self, checked, "initial_learning_rate", "decay_rate")
        check(self, whole, "decay_steps")

    def rate(self, t: Tensor) -> Tensor:
        """Return α₀ γ^⌊t / n⌋."""
        return self.initial_learning_rate * power(self.decay_rate, floor(t / self.decay_steps))


@named
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Exponential decay: ``α(t) = α₀ γ^(t / n)``.

    Args:
        initial_learning_rate: α₀.
        decay_steps: n, the steps in which the rate falls by γ.
        decay_rate: γ.
        staircase: whether to fall at once every n steps: ⌊t / n⌋ in place of t / n.

    >>> ExponentialDecay(1.0, decay_steps=2, decay_rate=0.25)([0, 1, 2]).tolist()
    [1.0, 0.5, 0.25]
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        check(self, checked, "initial_learning_rate", "decay_rate")
        check(self, whole, "decay_steps")

    def rate(self, t: Tensor) -> Tensor:
        """Return α₀ γ^(t / n)."""
        share = t / self.decay_steps
        exponent = floor(share) if self.staircase else share
        return self.initial_learning_rate * power(self.decay_rate, exponent)


@named
@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """Decay like 1/t: ``α(t) = α₀ / (1 + γ t / n)``.

    Args:
        initial_learning_rate: α₀.
        decay_steps: n.
        decay_rate: γ.
        staircase: whether to fall at once every n steps: ⌊t / n⌋ in place of t / n.

    >>> InverseTimeDecay(1.0, decay_steps=1, decay_rate=1.0)([0, 1, 3]).tolist()
    [1.0, 0.5, 0.25]
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        check(self, checked, "initial_learning_rate", "decay_rate")
        check(self, whole, "decay_steps")

    def rate(self, t: Tensor) -> Tensor:
        """Return α₀ / (1 + γ t / n)."""
        share = t / self.decay_steps
        share = floor(share) if self.staircase else share
        return self.initial_learning_rate / (self.decay_rate * share + 1.0)


@named
@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """Polynomial decay: ``α(t) = (α₀ - α₁) (1 - t / n)ᵖ + α₁``, and α₁ from step n on.

    Args:
        initial_learning_rate: α₀.
        decay_steps: n.
        end_learning_rate: α₁.
        power: p; 1 is linear.
        cycle: whether to start again whenever the end is reached, each time from a lower rate: n is
            then the next multiple of ``decay_steps`` that is not below t.

    >>> PolynomialDecay(1.0, decay_steps=4, end_learning_rate=0.0)([0, 1, 4, 9]).tolist()
    [1.0, 0.75, 0.0, 0.0]
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 1e-4
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        check(self, checked, "initial_learning_rate", "end_learning_rate")
        check(self, whole, "decay_steps")
        check(self, positive, "power")

    def rate(self, t: Tensor) -> Tensor:
        """Return (α₀ - α₁) (1 - t / n)ᵖ + α₁."""
        share = t / self.decay_steps
        if self.cycle:
            share = share / maximum(-floor(-share), 1.0)
        remaining = maximum(1.0 - share, 0.0)
        height = self.initial_learning_rate - self.end_learning_rate
        return height * power(remaining, self.power) + self.end_learning_rate
