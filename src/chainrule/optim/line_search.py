"""A line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from chainrule.core.tensor import Tensor


@dataclass(frozen=True)
class Trial:
    """A point on the line ``w + a d``.

    Attributes:
        step: a.
        value: φ(a) = f(w + a d).
        slope: φ′(a) = ∇f(w + a d) · d.
        gradient: ∇f(w + a d).
    """

    step: float
    value: float
    slope: float
    gradient: Tensor

    @property
    def is_finite(self) -> bool:
        """Whether the function can be computed there."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


@dataclass(frozen=True)
class StrongWolfe:
    """Search a line for a step that is long enough and falls far enough.

    ``φ(a) ≤ φ(0) + c₁ a φ′(0)`` (it falls enough), ``|φ′(a)| ≤ -c₂ φ′(0)`` (it is flat enough)

    Args:
        c1: c₁.
        c2: c₂, above c₁.
        shortest: an interval of steps shorter than this is not cut further.

    Source: Nocedal and Wright, "Numerical optimization", 2nd edition, algorithms 3.5 and 3.6; the
    trial steps are minima of cubics, equation 3.59.
    """

    c1: float = 1e-4
    c2: float = 0.9
    shortest: float = 1e-12

    def __call__(
        self, evaluate: Callable[[float], Trial], start: Trial, step: float, budget: int
    ) -> Trial:
        """Return a point that satisfies both conditions, or the lowest one that was found.

        Args:
            evaluate: computes the point of a step.
            start: the point of step 0; its slope is negative.
            step: the first step to try.
            budget: how often ``evaluate`` may be called, at least once.
        """
        before = start
        for used in range(1, budget + 1):
            trial = evaluate(step)
            if not self._falls(trial, start) or (used > 1 and trial.value >= before.value):
                return self._zoom(evaluate, start, before, trial, budget - used)
            if self._is_flat(trial, start):
                return trial
            if trial.slope >= 0:
                return self._zoom(evaluate, start, trial, before, budget - used)
            # Still falling: go on, to the minimum that the two points suggest, within bounds.
            nearest, farthest = step + 0.01 * (step - before.step), 10.0 * step
            suggested = _minimum_of_cubic(before, trial)
            step = farthest if suggested is None else min(max(suggested, nearest), farthest)
            before = trial
        return before

    def _zoom(
        self,
        evaluate: Callable[[float], Trial],
        start: Trial,
        low: Trial,
        high: Trial,
        budget: int,
    ) -> Trial:
        """Narrow an interval that holds a point which satisfies both conditions.

        ``low`` is the lowest point so far that falls enough, and its slope points towards ``high``.
        """
        was_near_an_end = False
        for _ in range(budget):
            left, right = sorted((low.step, high.step))
            tenth = 0.1 * (right - left)
            if right - left < self.shortest:
                break
            suggested = _minimum_of_cubic(low, high)
            step = 0.5 * (left + right) if suggested is None else suggested
            # Near an end the interval may hardly shrink: once is fine, the minimum can be there.
            is_near_an_end = not left + tenth <= step <= right - tenth
            if is_near_an_end and (was_near_an_end or not left < step < right):
                step, is_near_an_end = min(max(step, left + tenth), right - tenth), False
            was_near_an_end = is_near_an_end
            trial = evaluate(step)
            if not self._falls(trial, start) or trial.value >= low.value:
                high = trial
                continue
            if self._is_flat(trial, start):
                return trial
            if trial.slope * (high.step - low.step) >= 0:
                high = low
            low = trial
        return low

    def _falls(self, trial: Trial, start: Trial) -> bool:
        limit = start.value + self.c1 * trial.step * start.slope
        return trial.is_finite and trial.value <= limit

    def _is_flat(self, trial: Trial, start: Trial) -> bool:
        return abs(trial.slope) <= -self.c2 * start.slope


def _minimum_of_cubic(x: Trial, y: Trial) -> float | None:
    """Return where the cubic through two values and slopes is lowest, if it is anywhere."""
    if not (x.is_finite and y.is_finite):
        return None
    d1 = x.slope + y.slope - 3.0 * (x.value - y.value) / (x.step - y.step)
    square = d1 * d1 - x.slope * y.slope
    if square < 0.0 or not math.isfinite(square):
        return None
    d2 = math.copysign(math.sqrt(square), y.step - x.step)
    divisor = y.slope - x.slope + 2.0 * d2
    if divisor == 0.0:
        return None
    return y.step - (y.step - x.step) * (y.slope + d2 - d1) / divisor
