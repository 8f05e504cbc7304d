"""Activations as a subject: call them, ask them for their derivative and properties, see them.

Each name is an ``Activation``: a function that knows its closed-form derivative and what the
textbook says of it.

>>> import chainrule as cr
>>> cr.activations.tanh.derivative([0.0])
Tensor([1.], dtype=float32)
>>> print(cr.activations.tanh.derivative_formula, cr.activations.tanh.saturates)
1 − f(x)² both
>>> cr.Dense(8, activation=cr.activations.LeakyReLU(0.2))
Dense(8, activation='leaky_relu(gamma=0.2)')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from chainrule.activations.table import ActivationTable
from chainrule.core.errors import ArgumentError
from chainrule.nn.activations import (
    ACTIVATIONS,
    KINDS,
    Activation,
    ActivationFunction,
    FiniteSet,
    Interval,
    describe,
    get,
)
from chainrule.nn.activations.families import elu as ELU  # noqa: N812 - the lecture's notation
from chainrule.nn.activations.families import leaky_relu as LeakyReLU  # noqa: N812

if TYPE_CHECKING:
    from chainrule.activations.picture import ActivationPlot

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "Activation",
    "ActivationFunction",
    "ActivationTable",
    "FiniteSet",
    "Interval",
    "LeakyReLU",
    "elu",
    "gelu",
    "gelu_tanh",
    "get",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "logistic",
    "maxout",
    "mish",
    "plot",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "sine",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "table",
    "tanh",
]

#: What ``table`` and ``plot`` take: names, activations, functions such as ``cr.relu``.
Names: TypeAlias = str | ActivationFunction | Iterable[str | ActivationFunction] | None

logistic = sigmoid = get("sigmoid")
tanh = get("tanh")
relu = get("relu")
leaky_relu = get("leaky_relu")
prelu = get("prelu")
elu = get("elu")
softplus = get("softplus")
selu = get("selu")
gelu = get("gelu")
gelu_tanh = get("gelu_tanh")
swish = silu = get("silu")
mish = get("mish")
softsign = get("softsign")
hard_sigmoid = get("hard_sigmoid")
hard_tanh = get("hard_tanh")
hard_silu = get("hard_silu")
relu6 = get("relu6")
log_sigmoid = get("log_sigmoid")
sine = get("sine")
linear = get("linear")
maxout = get("maxout")
softmax = get("softmax")
log_softmax = get("log_softmax")


def table(names: Names = None) -> ActivationTable:
    """Return the textbook's table of activations: function, derivative, properties.

    It prints in a terminal, at any width, and renders in a notebook; ``rows`` are its data.

    Args:
        names: which ones: names, activations, functions such as ``cr.relu`` (default: all).

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> for row in table(["relu", LeakyReLU(0.2)]):
    ...     print(row["activation"], row["derivative"], row["derivative_range"])
    ReLU I(x > 0) {0, 1}
    LeakyReLU I(x > 0) + I(x ≤ 0) · γ {0.2, 1}
    """
    return ActivationTable(_chosen(names))


def plot(
    names: Names = None,
    *,
    interval: tuple[float, float] | None = None,
    columns: int | None = None,
) -> ActivationPlot:
    """Draw f and f′ of each activation, its kinks marked.

    Of a function of vectors the first output is drawn as a function of the first input, the
    second being 0: softmax of (x, 0).

    Args:
        names: which ones: names, activations, functions such as ``cr.relu`` (default: all).
        interval: the range of x (default: -4 to 4, and more where a kink lies beyond).
        columns: how many charts stand side by side (default: by their number, at most 4).

    Returns:
        The picture: it shows itself in a notebook, ``str`` of it is SVG, ``save`` writes a file.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones; an interval without extent;
            no column.

    >>> plot(["relu", "elu(0.5)"])
    <plot of relu, elu(gamma=0.5)>
    """
    from chainrule.activations.picture import draw

    return draw(_chosen(names), interval, columns)


def _chosen(names: Names) -> tuple[Activation, ...]:
    if names is None:
        return KINDS
    given = [names] if isinstance(names, str) or callable(names) else list(names)
    return tuple(_known(each) for each in given)


def _known(given: str | ActivationFunction) -> Activation:
    if not callable(given):
        return get(given)
    found = describe(given)
    if found is None:
        raise ArgumentError(
            "names",
            f"the function {getattr(given, '__name__', given)!r}",
            "activations of which something is known, or their names",
        )
    return found
