"""Layers that make one tensor of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.keras.layers.base import Adapted, translated
from chainrule.ops import elementwise
from chainrule.ops import shape as shape_ops


class Merge(Adapted):
    """A layer of a list of tensors."""

    takes_several = True
    takes_integers = True

    def is_several(self, x: Any) -> bool:
        """Refuse anything but a list.

        Raises:
            ArgumentError: fewer than two tensors.
        """
        if not isinstance(x, list | tuple) or len(x) < 2:
            raise ArgumentError(
                "inputs", "one thing", "a list of at least two tensors", "One list: layer([a, b])."
            )
        return True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Merge the tensors."""
        return self.merge(list(inputs))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Merge the tensors of the list that this was called with."""
        inputs, _ = self._given
        return self.call([as_tensor(one) for one in inputs])

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """Return the result."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor: none."""
        return {}


class _Elementwise(Merge):
    """A layer that goes element by element, with broadcasting over axes of size 1."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """Return the result."""
        for x in tensors[1:]:
            first = tensors[0].shape
            fits = len(first) == len(x.shape) and all(
                m == n or 1 in (m, n) for m, n in zip(first, x.shape, strict=True)
            )
            if not fits:
                raise ShapeError("inputs", f"shapes {first} and {x.shape}", "one shape")
        return self.combine(tensors)

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Return the result, of tensors that fit."""
        raise NotImplementedError


@translated()
class Concatenate(Merge):
    """Join tensors along an axis.

    >>> Concatenate()([[[1.0]], [[2.0]]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """Join them."""
        return shape_ops.concatenate(tensors, axis=self.axis)


@translated()
class Add(_Elementwise):
    """Add tensors of one shape.

    >>> Add()([[1.0], [2.0]]).tolist()
    [3.0]
    """

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Add them."""
        return reduce(elementwise.add, tensors)


@translated()
class Subtract(_Elementwise):
    """Subtract the second of two tensors from the first.

    >>> Subtract()([[3.0], [2.0]]).tolist()
    [1.0]
    """

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Subtract."""
        if len(tensors) != 2:
            raise ArgumentError("inputs", f"{len(tensors)} tensors", "two")
        return tensors[0] - tensors[1]


@translated()
class Multiply(_Elementwise):
    """Multiply tensors of one shape, element by element.

    >>> Multiply()([[3.0], [2.0]]).tolist()
    [6.0]
    """

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Multiply them."""
        return reduce(elementwise.multiply, tensors)


@translated()
class Average(_Elementwise):
    """Take the mean of tensors of one shape.

    >>> Average()([[3.0], [2.0]]).tolist()
    [2.5]
    """

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Average them."""
        return reduce(elementwise.add, tensors) / float(len(tensors))


@translated()
class Maximum(_Elementwise):
    """Take the larger of tensors of one shape, element by element.

    >>> Maximum()([[3.0], [2.0]]).tolist()
    [3.0]
    """

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Take the larger."""
        return reduce(elementwise.maximum, tensors)


@translated()
class Minimum(_Elementwise):
    """Take the smaller of tensors of one shape, element by element.

    >>> Minimum()([[3.0], [2.0]]).tolist()
    [2.0]
    """

    def combine(self, tensors: list[Tensor]) -> Tensor:
        """Take the smaller."""
        return reduce(elementwise.minimum, tensors)


def add(inputs: Sequence[Any], **options: Any) -> Any:
    """Add tensors; see ``Add``."""
    return Add(**options)(inputs)


def subtract(inputs: Sequence[Any], **options: Any) -> Any:
    """Subtract one tensor from another; see ``Subtract``."""
    return Subtract(**options)(inputs)


def multiply(inputs: Sequence[Any], **options: Any) -> Any:
    """Multiply tensors; see ``Multiply``."""
    return Multiply(**options)(inputs)


def average(inputs: Sequence[Any], **options: Any) -> Any:
    """Average tensors; see ``Average``."""
    return Average(**options)(inputs)


def maximum(inputs: Sequence[Any], **options: Any) -> Any:
    """Take the larger elements; see ``Maximum``."""
    return Maximum(**options)(inputs)


def minimum(inputs: Sequence[Any], **options: Any) -> Any:
    """Take the smaller elements; see ``Minimum``."""
    return Minimum(**options)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **options: Any) -> Any:
    """Join tensors; see ``Concatenate``."""
    return Concatenate(axis=axis, **options)(inputs)
