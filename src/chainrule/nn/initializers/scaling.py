"""Initializers whose variance suits the number of connections: Glorot, He, LeCun."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT32, Dtype, Shape
from chainrule.nn.initializers.distributions import standard_truncated
from chainrule.nn.initializers.initializer import RandomInitializer, keep_number
from chainrule.ops.random import Generator

#: Standard deviation of the normal distribution cut off at ±2.
_TRUNCATED_STD = 0.87962566103423978


@dataclass(frozen=True)
class VarianceScaling(RandomInitializer):
    """Draw with a variance that suits the number of connections: ``Var(w) = s / n``, mean 0.

    Args:
        scale: s.
        mode: what n is: ``"fan_in"``, ``"fan_out"``, or ``"fan_avg"``, their mean.
        distribution: ``"truncated_normal"``, ``"untruncated_normal"`` or ``"uniform"``.
        seed: for the same values at each call.

    Raises:
        ArgumentError: a scale that is not above 0; an unknown mode or distribution.

    >>> VarianceScaling(2.0, "fan_in", "uniform")((6, 3)).shape
    (6, 3)

    Source: the family that He, Glorot and LeCun belong to, in Keras's form.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "scale", least=0.0)
        if not self.scale:
            fix = "For zeros there is cr.initializers.Zeros()."
            raise ArgumentError("scale", "0.0", "a finite number above 0", fix)
        _check_choice("mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        _check_choice("distribution", self.distribution, tuple(_DISTRIBUTIONS))

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return draws."""
        return _scaled(self.generator(), shape, dtype, self.scale, self.mode, self.distribution)


class _Scaled(RandomInitializer):
    """A member of the family with a name of its own."""

    _scale: ClassVar[float] = 1.0
    _mode: ClassVar[str] = "fan_in"
    _distribution: ClassVar[str] = "truncated_normal"

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return draws."""
        return _scaled(self.generator(), shape, dtype, self._scale, self._mode, self._distribution)


class GlorotUniform(_Scaled):
    """Keep the variance in both directions: ``w ~ U(-l, l)``, ``l = √(6 / (fan_in + fan_out))``.

    Args:
        seed: for the same values at each call.

    >>> bool((abs(GlorotUniform()((3, 3))) <= 1.0).min())
    True

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.
    """

    _mode, _distribution = "fan_avg", "uniform"


class GlorotNormal(_Scaled):
    """Keep the variance in both directions: ``Var(w) = 2 / (fan_in + fan_out)``, cut off at 2σ.

    Args:
        seed: for the same values at each call.

    >>> GlorotNormal()((3, 3)).shape
    (3, 3)

    Source: Glorot and Bengio, AISTATS 2010, equation 12.
    """

    _mode = "fan_avg"


class HeUniform(_Scaled):
    """Keep the variance through ReLU: ``w ~ U(-l, l)``, ``l = √(6 / fan_in)``.

    Args:
        seed: for the same values at each call.

    >>> bool((abs(HeUniform()((6, 3))) <= 1.0).min())
    True

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, section 2.2.
    """

    _scale, _distribution = 2.0, "uniform"


class HeNormal(_Scaled):
    """Keep the variance through ReLU: ``Var(w) = 2 / fan_in``, cut off at 2σ.

    Args:
        seed: for the same values at each call.

    >>> HeNormal()((6, 3)).shape
    (6, 3)

    Source: He, Zhang, Ren and Sun, ICCV 2015, equation 10.
    """

    _scale = 2.0


class LecunUniform(_Scaled):
    """Keep the variance forward: ``w ~ U(-l, l)``, ``l = √(3 / fan_in)``.

    Args:
        seed: for the same values at each call.

    >>> bool((abs(LecunUniform()((3, 3))) <= 1.0).min())
    True

    Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.
    """

    _distribution = "uniform"


class LecunNormal(_Scaled):
    """Keep the variance forward: ``Var(w) = 1 / fan_in``, cut off at 2σ; what SELU expects.

    Args:
        seed: for the same values at each call.

    >>> LecunNormal()((6, 3)).shape
    (6, 3)

    Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, equation 16.
    """


def fans(shape: Shape) -> tuple[int, int]:
    """Return fan_in and fan_out, as Keras counts them.

    Args:
        shape: (fan_in, fan_out); (n,) is its own fan; axes before the last two multiply both.

    >>> fans((3, 4)), fans((5,)), fans((2, 3, 4))
    ((3, 4), (5, 5), (6, 8))
    """
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field_size = math.prod(shape[:-2])
    return shape[-2] * field_size, shape[-1] * field_size


def _scaled(
    generator: Generator, shape: Shape, dtype: Dtype, scale: float, mode: str, distribution: str
) -> Tensor:
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    return _DISTRIBUTIONS[distribution](generator, shape, dtype, math.sqrt(scale / max(1.0, n)))


def _uniform(generator: Generator, shape: Shape, dtype: Dtype, std: float) -> Tensor:
    limit = math.sqrt(3.0) * std
    return generator.uniform(-limit, limit, shape, dtype)


_DISTRIBUTIONS: dict[str, Callable[[Generator, Shape, Dtype, float], Tensor]] = {
    "truncated_normal": lambda generator, shape, dtype, std: (
        standard_truncated(generator, shape, dtype) * (std / _TRUNCATED_STD)
    ),
    "untruncated_normal": lambda generator, shape, dtype, std: generator.normal(
        0.0, std, shape, dtype
    ),
    "uniform": _uniform,
}


def _check_choice(argument: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = nearest(str(value), choices)
        raise ArgumentError(argument, repr(value), f"one of {', '.join(choices)}", hint)
