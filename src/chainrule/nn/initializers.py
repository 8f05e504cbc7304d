"""Initial values of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.tensor import Tensor
from chainrule.core.types import Dtype, Shape
from chainrule.ops import creation, random

Initializer: TypeAlias = Callable[[Shape, Dtype], Tensor]


def zeros(shape: Shape, dtype: Dtype) -> Tensor:
    """Start at zero: ``w = 0``, as biases do.

    >>> import numpy as np
    >>> zeros((2,), np.dtype("float32")).tolist()
    [0.0, 0.0]
    """
    return creation.zeros(shape, dtype)


def _uniform(limit: float, shape: Shape, dtype: Dtype) -> Tensor:
    return random.uniform(-limit, limit, shape, dtype)


def _fans(shape: Shape) -> tuple[int, int]:
    """Return fan_in and fan_out; a bias, (n,), is its own fan."""
    return shape[-2:][0], shape[-1]


def glorot_uniform(shape: Shape, dtype: Dtype) -> Tensor:
    """Keep the variance in both directions: ``w ~ U(-l, l)``, ``l = √(6 / (fan_in + fan_out))``.

    Args:
        shape: (fan_in, fan_out).
        dtype: float32 or float64.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.

    >>> import numpy as np
    >>> bool((abs(glorot_uniform((3, 3), np.dtype("float32"))) <= 1.0).min())
    True
    """
    return _uniform(math.sqrt(6.0 / sum(_fans(shape))), shape, dtype)


def he_uniform(shape: Shape, dtype: Dtype) -> Tensor:
    """Keep the variance through ReLU: ``w ~ U(-l, l)``, ``l = √(6 / fan_in)``.

    Args:
        shape: (fan_in, fan_out).
        dtype: float32 or float64.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, section 2.2.

    >>> import numpy as np
    >>> bool((abs(he_uniform((6, 3), np.dtype("float32"))) <= 1.0).min())
    True
    """
    fan_in, _ = _fans(shape)
    return _uniform(math.sqrt(6.0 / fan_in), shape, dtype)


#: Every initializer by its name.
INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros,
    "glorot_uniform": glorot_uniform,
    "he_uniform": he_uniform,
}


def initializer(given: str | Initializer) -> Initializer:
    """Return an initializer by its name, or the function that was given.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> initializer("zeros") is zeros
    True
    """
    if callable(given):
        return given
    if given not in INITIALIZERS:
        raise ArgumentError(
            "initializer",
            repr(given),
            f"one of {', '.join(INITIALIZERS)}, or a function of shape and dtype",
            nearest(given, INITIALIZERS),
        )
    return INITIALIZERS[given]
