"""Regularizers under Keras's names, with Keras's meaning: ``L2(λ)`` adds ``λ Σ w²``.

>>> l2(0.1)
L2(l2=0.1)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.keras.arguments import missing
from chainrule.nn.regularizers import L1, L1L2, L2, Regularizer
from chainrule.nn.regularizers import regularizer as _find

l1, l2 = L1, L2

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2"]


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Return both together; unlike the class, as in Keras 2, with 0.01 for each.

    >>> l1_l2()
    L1L2(l1=0.01, l2=0.01)
    """
    return L1L2(l1, l2)


def get(identifier: Any, argument: str = "regularizer") -> Callable[[Tensor], Tensor] | None:
    """Return a regularizer by its name, or the one that was given.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> get("l1")
    L1(l1=0.01)
    """
    return _find(identifier, argument)


__getattr__ = missing(__name__, globals())
