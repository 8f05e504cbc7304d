"""Activations by name: the functions f_l that a layer applies to its net input z."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.core.tensor import Tensor
from chainrule.ops import elementwise, functional

Activation: TypeAlias = Callable[[Tensor], Tensor]

#: Every activation by its name.
ACTIVATIONS: dict[str, Activation] = {
    "linear": functional.linear,
    "sigmoid": elementwise.sigmoid,
    "tanh": elementwise.tanh,
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "softplus": elementwise.softplus,
    "softmax": functional.softmax,
}

#: Other names that people use for them.
_ALIASES = {"logistic": "sigmoid", "identity": "linear", "none": "linear"}


def activation(given: str | Activation | None) -> tuple[str, Activation]:
    """Return an activation's name and function.

    Args:
        given: a name, a function of a tensor, or ``None`` for the identity.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> activation("logistic")[0]
    'sigmoid'
    """
    if given is None:
        given = "linear"
    if callable(given):
        known = [name for name, function in ACTIVATIONS.items() if function is given]
        return (known[0] if known else getattr(given, "__name__", "custom")), given
    if not isinstance(given, str):
        raise DtypeError("activation", f"a {type(given).__name__}", "a name or a function")
    name = _ALIASES.get(given, given)
    if name not in ACTIVATIONS:
        raise ArgumentError(
            "activation",
            repr(given),
            f"one of {', '.join(ACTIVATIONS)}, or a function of a tensor",
            nearest(given, [*ACTIVATIONS, *_ALIASES]),
        )
    return name, ACTIVATIONS[name]
