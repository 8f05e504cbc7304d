"""A function to walk down, and the path that an optimizer takes on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.types import Array
from chainrule.optim import Optimizer

Rule = Callable[[int, Array, Array, dict[str, Any]], Array]


@dataclass
class Valley:
    """Σ cosh(w - c) over a matrix and a vector: no parabola, so every step's point matters."""

    names: tuple[str, ...] = ("kernel", "bias")
    start: list[Array] = field(default_factory=list)
    center: list[Array] = field(default_factory=list)

    def gradient(self, i: int, w: Array) -> Array:
        return np.asarray(np.sinh(w - self.center[i]))

    def path(self, optimizer: Optimizer, steps: int = 100, dtype: str = "float64") -> Array:
        """All parameters after each step, as one row."""
        parameters = [
            cr.Parameter(w.astype(dtype), name)
            for name, w in zip(self.names, self.start, strict=True)
        ]
        rows = []
        for _ in range(steps):
            gradients = [
                cr.tensor(self.gradient(i, p.numpy()).astype(dtype))
                for i, p in enumerate(parameters)
            ]
            optimizer.apply(parameters, gradients)
            assert all(p.dtype == dtype for p in parameters)
            rows.append(np.concatenate([p.numpy().ravel() for p in parameters]))
        return np.stack(rows)

    def reference(self, rule: Rule, steps: int = 100) -> Array:
        """The path by a rule in NumPy: of t (from 1), w, g and a dict to keep things in, to w."""
        w = [x.copy() for x in self.start]
        kept: list[dict[str, Any]] = [{} for _ in w]
        rows = []
        for t in range(1, steps + 1):
            w = [rule(t, x, self.gradient(i, x), kept[i]) for i, x in enumerate(w)]
            rows.append(np.concatenate([x.ravel() for x in w]))
        return np.stack(rows)


@pytest.fixture
def valley() -> Valley:
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (3,)]
    return Valley(
        start=[rng.normal(size=s) for s in shapes], center=[rng.normal(size=s) for s in shapes]
    )
