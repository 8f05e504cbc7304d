"""Shapes: of the input, said in advance; and samples flattened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Tensor
from chainrule.core.types import Shape
from chainrule.nn.layers import Example, Layer, register
from chainrule.ops.shape import reshape


class Input:
    """The shape of one sample, as the first of a model's layers: the model then has its parameters.

    It is not a layer, and the model does not list it among them.

    Args:
        shape: shape of one sample, without the batch; a number for a vector of that size.

    Raises:
        ArgumentError: not a shape.

    >>> import chainrule as cr
    >>> model = cr.Sequential([cr.Input((4,)), cr.Dense(3)])
    >>> [w.shape for w in model.get_weights()]
    [(4, 3), (3,)]
    """

    def __init__(self, shape: int | Sequence[int]) -> None:
        sizes = (shape,) if isinstance(shape, int | np.integer) else shape
        is_shape = isinstance(sizes, list | tuple) and all(
            isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in sizes
        )
        if not is_shape or not sizes:
            raise ArgumentError(
                "shape",
                repr(shape),
                "sizes from 1, such as (4,)",
                "The batch does not belong to it.",
            )
        self.shape: Shape = tuple(int(n) for n in sizes)

    def __repr__(self) -> str:
        return f"Input({self.shape})"


@register
class Flatten(Layer):
    """Make one row of each sample: (batch, ...) → (batch, features).

    Raises:
        ShapeError: in a call, a single number.

    >>> Flatten()([[[1.0, 2.0], [3.0, 4.0]]])
    Tensor([[1., 2., 3., 4.]], dtype=float32)
    """

    takes_integers = True
    examples = (Example({}, (2, 3, 4)), Example({}, (5,)), Example({}, (2, 3)))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Reshape."""
        if not x.ndim:
            raise ShapeError("input of Flatten", "a single number", "shape (batch, ...)")
        return reshape(x, (x.shape[0], math.prod(x.shape[1:])))

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor: none."""
        return {}
