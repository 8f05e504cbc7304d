"""Initializers under Keras's names.

>>> get("he_normal")
HeNormal(seed=None)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.core.errors import ShapeError
from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT32, Dtype, Shape
from chainrule.keras.arguments import missing
from chainrule.nn import initializers as core
from chainrule.nn.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    VarianceScaling,
    Zeros,
)
from chainrule.ops.creation import eye

OrthogonalInitializer = Orthogonal


class RandomNormal(core.RandomNormal):
    """Draw from N(mean, stddev²).

    >>> RandomNormal(0.0, 0.1, seed=0)((2,)).shape
    (2,)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean, stddev, seed=seed)


class TruncatedNormal(core.TruncatedNormal):
    """Draw from N(mean, stddev²), cut off at two stddev.

    >>> TruncatedNormal(0.0, 0.1, seed=0)((2,)).shape
    (2,)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean, stddev, seed=seed)


class RandomUniform(core.RandomUniform):
    """Draw from U(minval, maxval).

    >>> RandomUniform(0.0, 0.1, seed=0)((2,)).shape
    (2,)
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(minval, maxval, seed=seed)


@dataclass(frozen=True)
class Identity(Initializer):
    """A multiple of the identity matrix.

    >>> Identity(2.0)((2, 2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """

    gain: float = 1.0

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return gain · I."""
        if len(shape) != 2:
            raise ShapeError("Identity", f"shape {shape}", "a matrix")
        return eye(*shape, dtype=dtype) * self.gain


IdentityInitializer = Identity
zeros, ones, constant = Zeros, Ones, Constant
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
orthogonal, identity, variance_scaling = Orthogonal, Identity, VarianceScaling
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
normal, uniform, zero, one = RandomNormal, RandomUniform, Zeros, Ones


def get(identifier: Any, argument: str = "initializer") -> Callable[[Shape, Dtype], Tensor]:
    """Return an initializer by its name, or the one that was given.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> get("zeros")
    Zeros()
    """
    if identifier in ("identity", "Identity"):
        return Identity()
    found: Callable[[Shape, Dtype], Tensor] = plain(core.initializer(plain(identifier), argument))
    return found


def plain(given: Any) -> Any:
    """Return Keras's form of an initializer as Chainrule's own, which files can name."""
    for kind in (RandomNormal, TruncatedNormal, RandomUniform):
        if isinstance(given, kind):
            own: Any = kind.__mro__[1]
            return own(**given.config())
    return given


__getattr__ = missing(__name__, globals())
