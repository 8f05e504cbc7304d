"""The functional API's placeholders: tensors that know which layer made them from which others.

A layer that is called on a ``KerasTensor`` computes nothing but the shape of its output; what it
was called with is kept as a ``Node``. ``Functional`` runs the nodes later, with values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.errors import DtypeError, ShapeError
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import ArrayType, as_dtype

Shape = tuple[int | None, ...]


class History(NamedTuple):
    """Where a ``KerasTensor`` comes from: ``node`` is its number among the layer's calls."""

    operation: Any
    node_index: int
    tensor_index: int


class KerasTensor:
    """A placeholder for a batch of samples.

    Attributes:
        shape: with ``None`` for the batch.
        dtype: name of its dtype.
        name: its name.

    >>> from chainrule.keras import Input, layers
    >>> layers.Dense(3)(Input((4,)))
    <KerasTensor shape=(None, 3), dtype=float32>
    """

    __array_ufunc__ = None  # NumPy leaves the operators to this class
    node: Node

    def __init__(self, shape: Shape, dtype: Any = "float32", name: str | None = None) -> None:
        self.shape: Shape = tuple(None if n is None else int(n) for n in shape)
        self.dtype = str(as_dtype(dtype))
        self.name = name or "keras_tensor"
        self._keras_history: History | None = None

    @property
    def ndim(self) -> int:
        """Number of axes, that of the batch among them."""
        return len(self.shape)

    def example(self) -> Tensor:
        """Return a tensor without data of this shape, with one sample."""
        for size in self.shape[1:]:
            if size is None:
                raise ShapeError(
                    "shape", str(self.shape), "sizes that are known, but for the batch"
                )
        return unknown(ArrayType((1, *(int(n or 1) for n in self.shape[1:])), as_dtype(self.dtype)))

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}>"

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise self._has_no_values()

    def __bool__(self) -> bool:
        raise self._has_no_values()

    def __float__(self) -> float:
        raise self._has_no_values()

    def __iter__(self) -> Iterator[Any]:
        raise self._has_no_values()

    def _has_no_values(self) -> DtypeError:
        return DtypeError(
            "x",
            "a KerasTensor, which has no values",
            "an array",
            "Use layers or keras.ops on it; values come with model.predict(x).",
        )

    def __getitem__(self, key: Any) -> Any:
        return _operation("get_item")(self, key)

    def __neg__(self) -> Any:
        return _operation("negative")(self)

    def __add__(self, other: Any) -> Any:
        return _operation("add")(self, other)

    def __radd__(self, other: Any) -> Any:
        return _operation("add")(other, self)

    def __sub__(self, other: Any) -> Any:
        return _operation("subtract")(self, other)

    def __rsub__(self, other: Any) -> Any:
        return _operation("subtract")(other, self)

    def __mul__(self, other: Any) -> Any:
        return _operation("multiply")(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _operation("multiply")(other, self)

    def __truediv__(self, other: Any) -> Any:
        return _operation("divide")(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _operation("divide")(other, self)

    def __pow__(self, other: Any) -> Any:
        return _operation("power")(self, other)

    def __matmul__(self, other: Any) -> Any:
        return _operation("matmul")(self, other)


def _operation(name: str) -> Callable[..., Any]:
    from chainrule.keras import ops

    found: Callable[..., Any] = getattr(ops, name)
    return found


@dataclass(eq=False)
class Node:
    """One call of a layer, or of another operation, on placeholders.

    Attributes:
        operation: what was called.
        args: what it was called with, placeholders among them.
        kwargs: the same by name.
        outputs: what came out.
        index: its number among the operation's calls.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[KerasTensor] = field(default_factory=list)
    index: int = 0

    @property
    def inputs(self) -> list[KerasTensor]:
        """The placeholders among its arguments."""
        return symbols((self.args, self.kwargs))


def map_structure(function: Callable[[Any], Any], value: Any) -> Any:
    """Return lists, tuples and dicts with a function applied to what is in them.

    >>> map_structure(abs, {"a": [-1, -2], "b": -3})
    {'a': [1, 2], 'b': 3}
    """
    if isinstance(value, dict):
        return {key: map_structure(function, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        made = [map_structure(function, inner) for inner in value]
        return tuple(made) if isinstance(value, tuple) else made
    return function(value)


def flat(value: Any) -> list[Any]:
    """Return what is in lists, tuples and dicts.

    >>> flat({"a": [1, 2], "b": 3})
    [1, 2, 3]
    """
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in flat(inner)]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in flat(inner)]
    return [value]


def symbols(value: Any) -> list[KerasTensor]:
    """Return the placeholders in lists, tuples and dicts."""
    if isinstance(value, KerasTensor):
        return [value]
    if isinstance(value, dict):
        return [s for inner in value.values() for s in symbols(inner)]
    if isinstance(value, list | tuple) and not (value and isinstance(value[0], int | float)):
        return [s for inner in value for s in symbols(inner)]
    return []


def apply(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a layer on placeholders: its parameters are made, and what comes out has a shape.

    Args:
        operation: the layer; its calls are kept in its ``inbound_nodes``.
        args: what it is called with.
        kwargs: the same by name.

    Returns:
        Placeholders, in the structure in which the layer returns tensors.
    """

    def example(leaf: Any) -> Any:
        return leaf.example() if isinstance(leaf, KerasTensor) else leaf

    result = operation(*map_structure(example, args), **map_structure(example, kwargs))
    calls: list[Node] = operation.inbound_nodes
    node = Node(operation, args, kwargs, index=len(calls))

    def placeholder(y: Any) -> KerasTensor:
        if not isinstance(y, Tensor):
            raise DtypeError(
                f"output of {operation.name}", f"a {type(y).__name__}", "a tensor for each output"
            )
        made = KerasTensor((None, *y.shape[1:]), y.dtype, operation.name)
        made.node = node
        made._keras_history = History(operation, node.index, len(node.outputs))
        node.outputs.append(made)
        return made

    outputs = map_structure(placeholder, result)
    calls.append(node)
    return outputs


def array_of(value: Any) -> Any:
    """Return what a file may hold of an argument of a call: arrays as lists."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
