"""Regularizers under Keras's names, with Keras's meaning: ``L2(λ)`` adds ``λ Σ w²``.

>>> l2(0.1)
L2(l2=0.1)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.keras.arguments import missing
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
)
from chainrule.nn import regularizers as core

__all__ = ["L1", "L1L2", "L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2"]
__all__ += ["serialize"]


class Regularizer(core.Regularizer):
    """A function of a parameter to one number: write ``__call__`` and ``get_config``.

    >>> class Cubes(Regularizer):
    ...     def __call__(self, x):
    ...         return (abs(x) ** 3).sum()
    >>> from chainrule import tensor
    >>> Cubes()(tensor([1.0, -2.0])).item()
    9.0
    """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return self.config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make one from what ``get_config`` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, core.Regularizer) or type(self).__name__ != type(other).__name__:
            return NotImplemented
        return self.config() == other.config()

    __hash__ = core.Regularizer.__hash__


class L1(Regularizer, core.L1):
    """Sum of absolute values: ``λ Σ |w|``.

    >>> L1(0.5)([1.0, -3.0]).item()
    2.0
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(0.01 if l1 is None else l1)


class L2(Regularizer, core.L2):
    """Sum of squares: ``λ Σ w²``.

    >>> L2(0.5)([1.0, -3.0]).item()
    5.0
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(0.01 if l2 is None else l2)


class L1L2(Regularizer, core.L1L2):
    """Both together: ``λ₁ Σ |w| + λ₂ Σ w²``.

    >>> L1L2(1.0, 0.5)([1.0, -3.0]).item()
    9.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__(l1 or 0.0, l2 or 0.0)


l1, l2 = L1, L2

_KERAS: dict[type, type[Regularizer]] = {core.L1: L1, core.L2: L2, core.L1L2: L1L2}


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Return both together; unlike the class, as in Keras 2, with 0.01 for each.

    >>> l1_l2()
    L1L2(l1=0.01, l2=0.01)
    """
    return L1L2(l1, l2)


def get(identifier: Any, argument: str = "regularizer") -> Callable[[Tensor], Tensor] | None:
    """Return a regularizer by its name, or the one that was given.

    Args:
        identifier: a name, a regularizer, a function, or what ``serialize`` returned.
        argument: what the caller calls it.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> get("l1")
    L1(l1=0.01)
    """
    if is_serialized(identifier):
        made: Callable[[Tensor], Tensor] = deserialize_keras_object(identifier)
        return made
    if isinstance(identifier, Mapping) and "name" not in identifier:
        raise ArgumentError(
            argument,
            f"a dict with {', '.join(map(repr, identifier)) or 'nothing in it'}",
            "'class_name' and 'config', as regularizers.serialize() returns them",
        )
    found: Any = core.regularizer(identifier, argument)
    kind = _KERAS.get(type(found))
    return found if kind is None else kind(**found.config())


def serialize(regularizer: Any) -> Any:
    """Return a regularizer as JSON values."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    return deserialize_keras_object(config, custom_objects)


def check(given: Any, argument: str) -> Callable[[Tensor], Tensor] | None:
    """Return a layer's regularizer in Chainrule's own form, where there is one."""
    found: Any = get(given, argument)
    own = next((o for o, kind in _KERAS.items() if type(found) is kind), None)
    return found if own is None else own(**found.config())  # type: ignore[no-any-return]


__getattr__ = missing(__name__, globals())
