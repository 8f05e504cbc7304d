"""Initializers that draw from one distribution, whatever the shape; and orthogonal matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chainrule.core.tensor import Tensor, known
from chainrule.core.types import FLOAT32, FLOAT64, Dtype, Shape
from chainrule.nn.initializers.initializer import RandomInitializer, keep_number
from chainrule.ops import creation
from chainrule.ops.elementwise import erf, exp, maximum, minimum, power
from chainrule.ops.random import Generator


@dataclass(frozen=True)
class RandomNormal(RandomInitializer):
    """Draw from the normal distribution: ``w ~ N(μ, σ²)``.

    Args:
        mean: μ.
        stddev: σ.
        seed: for the same values at each call.

    Raises:
        ArgumentError: ``mean`` is not a finite number; ``stddev`` is not one from 0.

    >>> RandomNormal(stddev=0.1, seed=0)((2, 3)).shape
    (2, 3)
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "mean")
        keep_number(self, "stddev", least=0.0)

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return draws."""
        return self.generator().normal(self.mean, self.stddev, shape, dtype)


class TruncatedNormal(RandomNormal):
    """Draw from the normal distribution without its tails: ``w ~ N(μ, σ²)`` given ``|w - μ| ≤ 2σ``.

    The standard deviation of the draws is 0.8796 σ: what is cut off takes some of it away.

    Args:
        mean: μ.
        stddev: σ.
        seed: for the same values at each call.

    Raises:
        ArgumentError: ``mean`` is not a finite number; ``stddev`` is not one from 0.

    >>> bool((abs(TruncatedNormal(stddev=1.0)((1000,))) <= 2.0).min())
    True
    """

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return draws."""
        return standard_truncated(self.generator(), shape, dtype) * self.stddev + self.mean


@dataclass(frozen=True)
class RandomUniform(RandomInitializer):
    """Draw from the uniform distribution: ``w ~ U(a, b)``.

    Args:
        minval: a.
        maxval: b.
        seed: for the same values at each call.

    Raises:
        ArgumentError: a bound that is not a finite number; an upper bound below the lower one.

    >>> bool((abs(RandomUniform(-0.5, 0.5)((1000,))) <= 0.5).min())
    True
    """

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "minval")
        keep_number(self, "maxval", least=self.minval)

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return draws."""
        return self.generator().uniform(self.minval, self.maxval, shape, dtype)


@dataclass(frozen=True)
class Orthogonal(RandomInitializer):
    """Draw rows or columns that are orthonormal, every such matrix equally likely: ``W Wᵀ = g² I``.

    ``A = Q R`` for A of independent normal draws; the signs of R's diagonal go into Q. With more
    rows than columns it is ``Wᵀ W = g² I``. All axes but the last count as rows together; a vector
    is one row.

    Args:
        gain: g.
        seed: for the same values at each call.

    Raises:
        ArgumentError: ``gain`` is not a finite number.

    >>> W = Orthogonal(gain=2.0, seed=0)((2, 3)).numpy()
    >>> (abs(W @ W.T)).round(4).tolist()
    [[4.0, 0.0], [0.0, 4.0]]

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", ICLR 2014; the signs: Mezzadri, "How to generate random matrices
    from the classical compact groups", 2007.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "gain")

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return draws; they cannot be traced, since the decomposition is NumPy's."""
        rows, columns = math.prod(shape[:-1]), math.prod(shape[-1:])
        tall = (max(rows, columns), min(rows, columns))
        draws = known(self.generator().normal(shape=tall, dtype=FLOAT64), "Orthogonal")
        q, r = np.linalg.qr(draws)
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        q = q if rows >= columns else q.T
        return creation.tensor(self.gain * q.reshape(shape), dtype)


def standard_truncated(generator: Generator, shape: Shape, dtype: Dtype) -> Tensor:
    """Draw standard normal numbers given that they lie in [-2, 2], by the quantile function.

    The start is Tukey's lambda distribution, λ = 0.1349, off by 0.002 at most; each of Halley's
    steps, ``d = (Φ(z) - p) / φ(z)``, ``z ← z - d / (1 + z d / 2)``, cubes the error.

    Source: Joiner and Rosenblatt, "Some properties of the range in samples from Tukey's symmetric
    lambda distributions", 1971.
    """
    low = 0.5 * math.erfc(math.sqrt(2.0))  # Φ(-2)
    p = low + generator.uniform(shape=shape, dtype=dtype) * (1.0 - 2.0 * low)
    z = (power(p, 0.1349) - power(1.0 - p, 0.1349)) / 0.1975
    for _ in range(2):
        below = 0.5 + 0.5 * erf(z * math.sqrt(0.5))
        d = (below - p) * exp(0.5 * z * z) * math.sqrt(2.0 * math.pi)
        z = z - d / (1.0 + 0.5 * z * d)
    return minimum(maximum(z, -2.0), 2.0)
