"""Initializers that draw nothing."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT32, Dtype, Shape
from chainrule.nn.initializers.initializer import Initializer, keep_number
from chainrule.ops import creation


class Zeros(Initializer):
    """Start at zero: ``w = 0``, as biases do.

    >>> Zeros()((2,)).tolist()
    [0.0, 0.0]
    """

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return zeros."""
        return creation.zeros(shape, dtype)


class Ones(Initializer):
    """Start at one: ``w = 1``, as scales do.

    >>> Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return ones."""
        return creation.ones(shape, dtype)


@dataclass(frozen=True)
class Constant(Initializer):
    """Start at one value: ``w = c``.

    Args:
        value: c.

    Raises:
        ArgumentError: ``value`` is not a finite number.

    >>> Constant(0.25)((2,)).tolist()
    [0.25, 0.25]
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        keep_number(self, "value")

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return the value, in the shape."""
        return creation.full(shape, self.value, dtype)
