"""What initializers have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT32, Dtype, Shape
from chainrule.nn.named import Named
from chainrule.ops.random import Generator, default_generator


class Initializer(Named):
    """A function of a shape and a dtype to a tensor: a frozen dataclass, if it has arguments."""

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return initial values.

        Args:
            shape: shape of the parameter; of a kernel (fan_in, fan_out).
            dtype: float32 or float64.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class RandomInitializer(Initializer):
    """An initializer that draws.

    Args:
        seed: for the same values at each call (default: draw from ``cr.random``).
    """

    seed: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.generator()  # says what is wrong with a seed

    def generator(self) -> Generator:
        """Return what to draw from."""
        return default_generator if self.seed is None else Generator(self.seed)


def keep_number(of: Initializer, argument: str, *, least: float | None = None) -> None:
    """Keep an argument as a Python float.

    Raises:
        ArgumentError: not a finite number, or below ``least``.
    """
    value = getattr(of, argument)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or (least is not None and value < least):
        suffix = "" if least is None else f" from {least:g}"
        raise ArgumentError(argument, repr(value), f"a finite number{suffix}")
    object.__setattr__(of, argument, float(value))  # it is frozen
