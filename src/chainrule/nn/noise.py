"""Noise, in training only: Dropout and GaussianNoise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import ShapeError
from chainrule.core.tensor import Tensor
from chainrule.core.types import Shape
from chainrule.nn.arguments import number, whole_number
from chainrule.nn.layers import Example, Layer, register
from chainrule.ops.elementwise import where
from chainrule.ops.random import Generator, default_generator


class Noise(Layer):
    """A layer that draws in training, from ``cr.random`` or from a stream of its own.

    Args:
        seed: starts a stream of its own; the draws still differ from call to call.
    """

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.generator = default_generator if seed is None else Generator(seed)


@register
class Dropout(Noise):
    """Drop units at random in training: ``y = x m / (1 - p)``, mᵢ = 0 with probability p, else 1.

    The division keeps the mean, so that elsewhere ``y = x`` (inverted dropout).

    Args:
        rate: p, the share of units that is dropped, in [0, 1).
        noise_shape: shape of m; where it has 1 (``None``: the input's size), units along that axis
            are dropped together.
        seed: starts a stream of its own (default: draw from ``cr.random``).

    Raises:
        ArgumentError: ``rate`` outside [0, 1). At 0 nothing is dropped, as in Keras and PyTorch, so
            that a search over rates may begin there.

    >>> Dropout(0.5, seed=0)([[1.0, 1.0, 1.0, 1.0]], training=True)
    Tensor([[0., 2., 2., 2.]], dtype=float32)
    >>> Dropout(0.5, seed=0)([[1.0, 1.0, 1.0, 1.0]])
    Tensor([[1., 1., 1., 1.]], dtype=float32)

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to
    prevent neural networks from overfitting", JMLR 2014, section 4 and (for the division) 10.
    """

    examples = (
        Example({"rate": 0.4}, (6, 5)),
        Example({"rate": 0.5, "noise_shape": [None, 1, 3], "seed": 3}, (2, 4, 3)),
        Example({"rate": 0.0}, (2, 3)),
    )

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        fix = "It is the share that is dropped; 0.5 for a half."
        self.rate = number("rate", rate, 0.0, 1.0, "a number in [0, 1)", fix)
        self.noise_shape = (
            None
            if noise_shape is None
            else tuple(None if n is None else whole_number("noise_shape", n) for n in noise_shape)
        )

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Drop units, in training."""
        if not training or not self.rate:
            return x
        keep = self.generator.uniform(shape=self._mask_shape(x.shape)) >= self.rate
        return where(keep, x * (1.0 / (1.0 - self.rate)), 0.0)

    def _mask_shape(self, shape: Shape) -> Shape:
        if self.noise_shape is None:
            return shape
        fits = len(self.noise_shape) == len(shape) and all(
            m in (None, 1, n) for m, n in zip(self.noise_shape, shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                "noise_shape",
                f"{self.noise_shape} for an input of shape {shape}",
                "for each axis its size, 1, or None",
            )
        return tuple(n if m is None else m for m, n in zip(self.noise_shape, shape, strict=True))

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        noise_shape = None if self.noise_shape is None else list(self.noise_shape)
        return {"rate": self.rate, "noise_shape": noise_shape, "seed": self.seed}

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


@register
class GaussianNoise(Noise):
    """Add normal noise in training: ``y = x + e``, ``e ~ N(0, σ²)``; elsewhere ``y = x``.

    Args:
        stddev: σ.
        seed: starts a stream of its own (default: draw from ``cr.random``).

    Raises:
        ArgumentError: ``stddev`` is not a finite number from 0.

    >>> GaussianNoise(0.1)([[1.0, 2.0]])
    Tensor([[1., 2.]], dtype=float32)

    Source: Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995.
    """

    examples = (Example({"stddev": 0.3}, (4, 3)), Example({"stddev": 2.0, "seed": 5}, (2, 3, 2)))

    def __init__(self, stddev: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.stddev = number("stddev", stddev, 0.0, math.inf, "a finite number from 0")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Add the noise, in training."""
        if not training or not self.stddev:
            return x
        return x + self.generator.normal(0.0, self.stddev, x.shape, x.dtype)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {"stddev": self.stddev, "seed": self.seed}

    def __repr__(self) -> str:
        return f"GaussianNoise({self.stddev:g})"
