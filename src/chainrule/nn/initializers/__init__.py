"""Initializers: the values with which parameters start.

An initializer is a function of a shape and a dtype. Draws come from ``cr.random``, so that
``cr.random.seed`` reproduces them; one with a ``seed`` of its own gives the same values each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from chainrule.core.errors import ShapeError
from chainrule.core.tensor import Parameter, Tensor, as_tensor
from chainrule.core.types import Dtype, Shape
from chainrule.nn.initializers.constants import Constant, Ones, Zeros
from chainrule.nn.initializers.distributions import (
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from chainrule.nn.initializers.initializer import Initializer, RandomInitializer
from chainrule.nn.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    fans,
)
from chainrule.nn.named import Names
from chainrule.ops.promotion import cast

__all__ = [
    "INITIALIZERS",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerLike",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "describe_initializer",
    "fans",
    "initial",
    "initialized",
    "initializer",
]

#: What layers take for an initializer: a name, an object, or a function of shape and dtype.
InitializerLike: TypeAlias = (
    str | Initializer | Callable[[Shape, Dtype], Tensor] | Mapping[str, Any]
)

#: Every initializer by its name.
INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
    "variance_scaling": VarianceScaling,
}

_NAMES = Names(
    "initializer",
    INITIALIZERS,
    {
        "zero": "zeros",
        "one": "ones",
        "random_normal": "normal",
        "random_uniform": "uniform",
        "xavier_uniform": "glorot_uniform",
        "xavier_normal": "glorot_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
    },
    "a function of shape and dtype",
)


def initializer(
    given: InitializerLike, argument: str = "initializer"
) -> Callable[[Shape, Dtype], Tensor]:
    """Return an initializer by its name, or the one that was given.

    Args:
        given: a name; an object such as ``Orthogonal(gain=2.0)``; a function of shape and dtype.
        argument: what the caller calls it.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> initializer("he_normal"), initializer("Orthogonal")
    (HeNormal(seed=None), Orthogonal(seed=None, gain=1.0))
    """
    return _NAMES.find(given, argument)


def describe_initializer(function: Any) -> str | dict[str, Any]:
    """Return an initializer as JSON values, from which ``initializer`` makes it again.

    Raises:
        ArgumentError: a function that a file cannot name.

    >>> describe_initializer(Zeros()), describe_initializer(Constant(0.5))
    ('zeros', {'name': 'constant', 'value': 0.5})
    """
    described = _NAMES.describe(function)
    name: str = described["name"]
    return name if function == INITIALIZERS[name]() else described


def initial(
    function: Callable[[Shape, Dtype], Tensor], shape: Shape, dtype: Dtype, name: str
) -> Tensor:
    """Return the initial value of a parameter.

    Raises:
        ShapeError: the initializer returned another shape.
    """
    value = as_tensor(function(shape, dtype))
    if value.shape != shape:
        raise ShapeError(f"initial value of {name}", f"shape {value.shape}", f"shape {shape}")
    return cast(value, dtype)


def initialized(
    function: Callable[[Shape, Dtype], Tensor],
    shape: Shape,
    dtype: Dtype,
    name: str,
    trainable: bool = True,
) -> Parameter:
    """Return a new parameter.

    Args:
        function: its initializer.
        shape: its shape.
        dtype: its dtype.
        name: its name in the layer.
        trainable: whether training changes it.

    Raises:
        ShapeError: the initializer returned another shape.
    """
    return Parameter(initial(function, shape, dtype, name), name, trainable)
