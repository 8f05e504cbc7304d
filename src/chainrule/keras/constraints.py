"""Constraints under Keras's names: what a parameter is brought back to after each update.

>>> NonNeg()([-1.0, 2.0]).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.core.tensor import Tensor
from chainrule.keras.arguments import missing
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
)
from chainrule.ops.elementwise import maximum, sqrt, square
from chainrule.ops.functional import clip
from chainrule.ops.promotion import as_float
from chainrule.ops.reduce import sum as sum_

#: Keras's ε, which keeps divisions finite.
EPSILON = 1e-7


class Constraint:
    """A function of a parameter to what it may be: write ``__call__`` and ``get_config``.

    >>> class Small(Constraint):
    ...     def __call__(self, w):
    ...         return clip(w, -0.1, 0.1)
    >>> Small().get_config()
    {}
    """

    def __call__(self, w: Any) -> Tensor:
        """Return what the parameter becomes."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(self, w)")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make one from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({settings})"


class MaxNorm(Constraint):
    """Shorten the columns that are longer than m: ``w ← w min(1, m / ‖w‖)``.

    Args:
        max_value: m.
        axis: along which the norm is taken: 0 for the weights into each unit of a ``Dense``.

    >>> MaxNorm(1.0)([[3.0], [4.0]]).numpy().round(3).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        """Return the parameter, shortened."""
        norms = _norms(w, self.axis)
        return as_float(w) * (clip(norms, 0.0, self.max_value) / (norms + EPSILON))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Keep weights from 0: ``w ← max(w, 0)``.

    >>> NonNeg()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Tensor:
        """Return the parameter, without what is negative."""
        return maximum(w, 0.0)


class UnitNorm(Constraint):
    """Make the columns' norms 1: ``w ← w / ‖w‖``.

    >>> UnitNorm()([[3.0], [4.0]]).numpy().round(3).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """Return the parameter, with norms 1."""
        return as_float(w) / (_norms(w, self.axis) + EPSILON)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Bring the columns' norms into [low, high], all the way or a part of it.

    ``w ← w (r clip(‖w‖, low, high) + (1 - r) ‖w‖) / ‖w‖``

    >>> MinMaxNorm(1.0, 2.0)([[3.0], [4.0]]).numpy().round(3).tolist()
    [[1.2000000476837158], [1.600000023841858]]
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        """Return the parameter, with other norms."""
        norms = _norms(w, self.axis)
        wanted = self.rate * clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return as_float(w) * (wanted / (norms + EPSILON))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

#: Every constraint by Keras's names.
_BY_NAME: dict[str, type[Constraint]] = {
    "max_norm": MaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
    "min_max_norm": MinMaxNorm,
    **{kind.__name__: kind for kind in (MaxNorm, NonNeg, UnitNorm, MinMaxNorm)},
}


def get(identifier: Any, argument: str = "constraint") -> Callable[[Any], Tensor] | None:
    """Return a constraint by its name, or the one that was given.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> get("non_neg")
    NonNeg()
    """
    if is_serialized(identifier):
        made: Callable[[Any], Tensor] = deserialize_keras_object(identifier)
        return made
    if isinstance(identifier, str):
        if identifier not in _BY_NAME:
            known = [name for name in _BY_NAME if name.islower()]
            raise ArgumentError(
                argument,
                repr(identifier),
                f"one of {', '.join(known)}",
                nearest(identifier, known),
            )
        return _BY_NAME[identifier]()
    if identifier is None or callable(identifier):
        found: Callable[[Any], Tensor] | None
        found = identifier() if isinstance(identifier, type) else identifier
        return found
    raise DtypeError(argument, f"a {type(identifier).__name__}", "a name or a constraint")


def serialize(constraint: Any) -> Any:
    """Return a constraint as JSON values."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    return deserialize_keras_object(config, custom_objects)


def _norms(w: Any, axis: int | Sequence[int]) -> Tensor:
    along = axis if isinstance(axis, int) else tuple(axis)
    return sqrt(sum_(square(as_float(w)), axis=along, keepdims=True))


__getattr__ = missing(__name__, globals())
