"""Regularizers: what a parameter's size adds to the risk.

They follow Keras: ``L2(λ)`` adds ``λ Σ w²``. The lecture's structured risk adds ``½ λ ‖W‖²_F``,
with a half that its derivative, ``λ W``, takes away; that one is ``model.compile(l2=λ)``. So
``l2=λ`` for all weight matrices at once is the same as ``kernel_regularizer=L2(λ / 2)`` for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor, TensorLike
from chainrule.nn.named import Named, Names
from chainrule.ops.elementwise import abs as abs_
from chainrule.ops.elementwise import square
from chainrule.ops.reduce import sum as sum_


class Regularizer(Named):
    """A function of a parameter to one number: subclass it as a frozen dataclass."""

    def __call__(self, w: TensorLike) -> Tensor:
        """Return the penalty of a parameter, shape ()."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        for argument, value in self.config().items():
            object.__setattr__(self, argument, _strength(argument, value))  # it is frozen


#: What layers take for a regularizer: a name, a number (λ of ``L2``), an object, or a function.
RegularizerLike: TypeAlias = (
    str | float | Regularizer | Callable[[Tensor], Tensor] | Mapping[str, Any] | None
)


@dataclass(frozen=True)
class L1(Regularizer):
    """Sum of absolute values: ``r(w) = λ Σ |w|``; it drives small weights to exactly 0.

    Args:
        l1: λ.

    Raises:
        ArgumentError: λ is not a finite number from 0.

    >>> L1(0.5)([1.0, -3.0]).item()
    2.0

    Source: Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
    """

    l1: float = 0.01

    def __call__(self, w: TensorLike) -> Tensor:
        """Return ``λ Σ |w|``."""
        return sum_(abs_(w)) * self.l1


@dataclass(frozen=True)
class L2(Regularizer):
    """Sum of squares: ``r(w) = λ Σ w²``, with derivative ``2 λ w``.

    This is Keras's form. The lecture writes ``½ λ ‖W‖²_F``: the same with λ twice as large.

    Args:
        l2: λ.

    Raises:
        ArgumentError: λ is not a finite number from 0.

    >>> L2(0.5)([1.0, -3.0]).item()
    5.0

    Source: Krogh and Hertz, "A simple weight decay can improve generalization", NIPS 1991.
    """

    l2: float = 0.01

    def __call__(self, w: TensorLike) -> Tensor:
        """Return ``λ Σ w²``."""
        return sum_(square(w)) * self.l2


@dataclass(frozen=True)
class L1L2(Regularizer):
    """Elastic net, both together: ``r(w) = λ₁ Σ |w| + λ₂ Σ w²``.

    Args:
        l1: λ₁ (by the name ``"l1_l2"`` or ``"elastic"``: 0.01, both).
        l2: λ₂.

    Raises:
        ArgumentError: λ₁ or λ₂ is not a finite number from 0.

    >>> L1L2(1.0, 0.5)([1.0, -3.0]).item()
    9.0

    Source: Zou and Hastie, "Regularization and variable selection via the elastic net", 2005.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __call__(self, w: TensorLike) -> Tensor:
        """Return ``λ₁ Σ |w| + λ₂ Σ w²``."""
        return sum_(abs_(w)) * self.l1 + sum_(square(w)) * self.l2


#: Every regularizer by its name.
REGULARIZERS: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}

_NAMES = Names(
    "regularizer",
    REGULARIZERS,
    {"elastic": "l1_l2", "elastic_net": "l1_l2", "lasso": "l1", "ridge": "l2"},
    "a number (λ of l2), or a function of a tensor",
)


def regularizer(
    given: RegularizerLike, argument: str = "regularizer"
) -> Callable[[Tensor], Tensor] | None:
    """Return a regularizer by its name or by λ of ``L2``, or the one that was given.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones; a strength out of range.

    >>> regularizer("l1"), regularizer(0.5), regularizer(None)
    (L1(l1=0.01), L2(l2=0.5), None)
    """
    if given is None:
        return None
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        return L2(_strength(argument, given))
    found = _NAMES.find(given, argument)
    # By its name alone it would be Keras's default, which does nothing.
    return L1L2(0.01, 0.01) if isinstance(given, str) and found == L1L2() else found


def describe_regularizer(function: Any) -> dict[str, Any]:
    """Return a regularizer as JSON values, from which ``regularizer`` makes it again.

    Raises:
        ArgumentError: a function that a file cannot name.

    >>> describe_regularizer(L2(0.5))
    {'name': 'l2', 'l2': 0.5}
    """
    return _NAMES.describe(function)


def _strength(argument: str, value: Any) -> float:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise ArgumentError(argument, repr(value), "a finite number from 0")
    return float(value)
