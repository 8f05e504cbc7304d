"""Schedules made of half cosine waves: decay, restarts, one cycle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.ops.elementwise import cos, floor, log, maximum, minimum, power, where
from chainrule.optim.arguments import checked, positive, whole
from chainrule.optim.schedules.schedule import Schedule, check, keep, named


@named
@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine wave: ``α(t) = α₀ ((1 - a) ½ (1 + cos(π t / n)) + a)``, then α₀ a from step n.

    With a warm-up the rate first grows evenly from α₀ to the target over the warm-up's steps, and
    then decays from the target.

    Args:
        initial_learning_rate: α₀.
        decay_steps: n.
        alpha: a, the share of the rate that is left at the end.
        warmup_target: rate at the end of the warm-up (default: no warm-up).
        warmup_steps: steps of the warm-up; they come before the n steps.

    >>> CosineDecay(0.1, decay_steps=10, alpha=0.01)(10)
    Tensor(0.001, dtype=float64)

    Source: Loshchilov and Hutter, arXiv 1608.03983, equation 5.
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        check(self, checked, "initial_learning_rate", "alpha")
        check(self, whole, "decay_steps")
        keep(self, warmup_steps=whole("warmup_steps", self.warmup_steps, least=0))
        if self.warmup_target is not None:
            check(self, checked, "warmup_target")

    def rate(self, t: Tensor) -> Tensor:
        """Return the rate of the warm-up, or of the wave after it."""
        first, top, steps = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if top is None:
            return first * half_wave(t / self.decay_steps, self.alpha)
        decaying = top * half_wave(maximum(t - steps, 0.0) / self.decay_steps, self.alpha)
        growing = first + (top - first) * t / max(steps, 1)
        return where(t < steps, growing, decaying)


@named
@dataclass(frozen=True)
class CosineDecayRestarts(Schedule):
    """Half cosine waves, one after the other: ``α(t) = α₀ ((1 - a) mⁱ ½ (1 + cos(π uᵢ)) + a)``.

    ``i`` counts the restarts before t, and ``uᵢ`` is the share of wave i that has passed. Wave i is
    ``n qⁱ`` steps long.

    Args:
        initial_learning_rate: α₀.
        first_decay_steps: n.
        t_mul: q, at least 1.
        m_mul: m, by which each wave is lower than the one before.
        alpha: a, the share of the rate that is left at the end of a wave.

    >>> CosineDecayRestarts(1.0, first_decay_steps=2)([0, 1, 2, 4, 6]).numpy().round(3).tolist()
    [1.0, 0.5, 1.0, 0.5, 1.0]

    Source: Loshchilov and Hutter, arXiv 1608.03983, section 3.
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        check(self, checked, "initial_learning_rate", "t_mul", "m_mul", "alpha")
        check(self, whole, "first_decay_steps")
        if self.t_mul < 1.0:
            raise ArgumentError("t_mul", repr(self.t_mul), "a finite number from 1")

    def rate(self, t: Tensor) -> Tensor:
        """Return the rate of the wave that t lies in."""
        share, q = t / self.first_decay_steps, self.t_mul
        if q == 1.0:
            wave = floor(share)
            passed = share - wave
        else:
            # Wave i begins at (qⁱ - 1) / (q - 1). The logarithm may miss i by one, by rounding.
            guess = floor(log(share * (q - 1.0) + 1.0) / math.log(q))
            after = (power(q, guess + 1.0) - 1.0) / (q - 1.0)
            before = (power(q, guess) - 1.0) / (q - 1.0)
            wave = guess + where(share >= after, 1.0, 0.0) - where(share < before, 1.0, 0.0)
            passed = (share - (power(q, wave) - 1.0) / (q - 1.0)) / power(q, wave)
        height = power(self.m_mul, wave)
        return self.initial_learning_rate * (
            (1.0 - self.alpha) * height * half_wave(passed, 0.0) + self.alpha
        )


@named
@dataclass(frozen=True)
class OneCycle(Schedule):
    """One cycle: up to the largest rate, then down to almost nothing.

    From ``α₁ / d`` to ``α₁`` in the first ``p`` of the steps, then to ``α₁ / (d f)`` in the rest;
    with three phases back to ``α₁ / d`` in as many steps as up, then to ``α₁ / (d f)``. The last
    rate is kept after the cycle.

    Args:
        max_learning_rate: α₁.
        total_steps: number of steps of the cycle.
        pct_start: p, between 0 and 1 (below ½ with three phases).
        div_factor: d.
        final_div_factor: f.
        anneal: ``"cos"``, half a cosine wave, or ``"linear"``.
        three_phase: as in the paper; otherwise in two phases.

    >>> OneCycle(1.0, total_steps=11, div_factor=10.0, anneal="linear", pct_start=6 / 11)(5)
    Tensor(1., dtype=float64)

    Source: Smith and Topin, arXiv 1708.07120; names and defaults are PyTorch's ``OneCycleLR``.
    """

    max_learning_rate: float
    total_steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    anneal: str = "cos"
    three_phase: bool = False

    def __post_init__(self) -> None:
        check(self, checked, "max_learning_rate")
        check(self, positive, "div_factor", "final_div_factor")
        keep(self, total_steps=whole("total_steps", self.total_steps, least=2))
        limit = 0.5 if self.three_phase else 1.0
        if not 0 <= checked("pct_start", self.pct_start) < limit:
            raise ArgumentError("pct_start", repr(self.pct_start), f"a share in [0, {limit:g})")
        if self.anneal not in ("cos", "linear"):
            raise ArgumentError("anneal", repr(self.anneal), "'cos' or 'linear'")

    def rate(self, t: Tensor) -> Tensor:
        """Return the rate of the phase that t lies in."""
        top = self.max_learning_rate
        low = top / self.div_factor
        last, up = self.total_steps - 1.0, self.pct_start * self.total_steps - 1.0
        if up <= 0:  # no step is left for the first phase
            bends = [(0.0, top), (last, low / self.final_div_factor)]
        elif self.three_phase:
            bends = [(0.0, low), (up, top), (2.0 * up, low), (last, low / self.final_div_factor)]
        else:
            bends = [(0.0, low), (up, top), (last, low / self.final_div_factor)]
        phases = list(pairwise(bends))
        result = t * 0.0 + bends[-1][1]
        for (start, begin), (stop, end) in reversed(phases):
            share = minimum(maximum((t - start) / (stop - start), 0.0), 1.0)
            share = 1.0 - half_wave(share, 0.0) if self.anneal == "cos" else share
            result = where(t <= stop, begin + (end - begin) * share, result)
        return result


def half_wave(share: Tensor, alpha: float) -> Tensor:
    """Half a cosine wave, from 1 at 0 down to ``alpha`` at 1 and after it."""
    height = 0.5 * (cos(minimum(share, 1.0) * math.pi) + 1.0)
    return (1.0 - alpha) * height + alpha
