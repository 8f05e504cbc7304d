"""Graphs for any number of rows: traces at two sizes, unified into one in which sizes are affine.

Nothing symbolic passes through user code. A function is traced with ordinary integers at two
numbers of rows, n₁ and n₂; where the two graphs differ only in integers v = a n + c and in
constants that follow n, they are one graph for every n. Whether it is what the function would do
at a further n is found by tracing there, which is quick, and comparing: ``matches``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from chainrule.core.graph import Graph, Node
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import Array, ArrayType, TupleType

AnyGraph = TypeVar("AnyGraph", bound=Graph)


class NotUniform(Exception):  # noqa: N818 - an answer, caught by whoever asked
    """The graphs differ in more than what follows the number of rows."""


@dataclass(frozen=True, slots=True)
class Affine:
    """An integer that follows the number of rows: ``v = a n + c``."""

    a: int
    c: int

    def at(self, n: int) -> int:
        """Return the value for ``n`` rows."""
        return self.a * n + self.c

    def __str__(self) -> str:
        product = "n" if self.a == 1 else f"{self.a}n"
        return product if not self.c else f"{product}{self.c:+d}"


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Numbers that follow the number of rows: ``v = k n^p``, ``p`` being 0, 1 or -1 for each."""

    k: Array
    p: Array
    dtype: np.dtype[Any]

    def at(self, n: int) -> Array:
        """Return the values for ``n`` rows."""
        products, quotients = self.k * n, self.k / n if n else np.full_like(self.k, np.inf)
        values = np.where(self.p == 1, products, np.where(self.p == -1, quotients, self.k))
        return np.asarray(values, self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """An array of equal rows, whose number follows the number of rows."""

    row: Any  # an array, or Scaled
    count: Affine

    def at(self, n: int) -> Array:
        """Return the array for ``n`` rows."""
        row = at(self.row, n)
        return np.array(np.broadcast_to(row, (self.count.at(n), *row.shape)))


@dataclass(frozen=True, slots=True)
class Filled:
    """An array of one value whose shape follows the number of rows."""

    value: Any  # a 0-d array, or Scaled
    shape: tuple[Any, ...]

    def at(self, n: int) -> Array:
        """Return the array for ``n`` rows."""
        return np.full(at(self.shape, n), at(self.value, n))


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers from 0 along one axis, whose size follows the number of rows."""

    axis: int
    shape: tuple[Any, ...]
    dtype: np.dtype[Any]

    def at(self, n: int) -> Array:
        """Return the array for ``n`` rows."""
        shape: Any = at(self.shape, n)
        along = [1] * len(shape)
        along[self.axis] = shape[self.axis]
        numbers = np.arange(shape[self.axis], dtype=self.dtype).reshape(along)
        return np.array(np.broadcast_to(numbers, shape))


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity matrix, whose size follows the number of rows."""

    size: Affine
    dtype: np.dtype[Any]

    def at(self, n: int) -> Array:
        """Return the array for ``n`` rows."""
        return np.eye(self.size.at(n), dtype=self.dtype)


_FOLLOWING = (Affine, Scaled, Repeated, Filled, Counted, Identity)


def at(pattern: Any, n: int) -> Any:
    """Return what a pattern stands for at ``n`` rows."""
    if isinstance(pattern, _FOLLOWING):
        return pattern.at(n)
    if type(pattern) is tuple:
        return tuple(at(part, n) for part in pattern)
    if isinstance(pattern, BatchGraph):
        return pattern.at(n)
    return pattern


def _follows(pattern: Any) -> bool:
    if type(pattern) is tuple:
        return any(map(_follows, pattern))
    return isinstance(pattern, (*_FOLLOWING, BatchGraph))


class BatchGraph:
    """A graph for any number of rows.

    Args:
        first: the graph at ``n1`` rows.
        second: the graph of the same function at ``n2`` rows.
        n1: number of rows of the first.
        n2: number of rows of the second.

    Raises:
        NotUniform: they differ in more than what follows the number of rows.
    """

    def __init__(self, first: Graph, second: Graph, n1: int, n2: int) -> None:
        self.template = first
        self.sizes = (n1, n2)
        #: What is not the same for all numbers of rows: shapes of types, attributes, constants.
        self.shapes: dict[Node, Any] = {}
        self.attrs: dict[Node, dict[str, Any]] = {}
        self.values: dict[Node, Any] = {}
        self._unify(first, second)

    def _unify(self, first: Graph, second: Graph) -> None:
        n1, n2 = self.sizes
        for a, b, same in _pairs(first, second):
            if a.data is not None:
                assert b.data is not None
                value = _unify_arrays(a.data, b.data, n1, n2)
                if value is not None:
                    self.values[a] = value
                continue
            shape = _unify_values(_shape(a), _shape(b), n1, n2)
            if _follows(shape):
                self.shapes[a] = shape
            if a.primitive is not None:
                _check(a.primitive is b.primitive and same and a.attrs.keys() == b.attrs.keys())
                attrs = {k: _unify_values(v, b.attrs[k], n1, n2) for k, v in a.attrs.items()}
                if any(map(_follows, attrs.values())):
                    self.attrs[a] = attrs

    def at(self, n: int) -> Graph:
        """Return the graph for ``n`` rows."""
        if n == self.sizes[0]:
            return self.template
        made: dict[Node, Node] = {}
        for node in (*self.template.inputs, *self.template.constants, *self.template.nodes):
            made[node] = self._node_at(node, made, n)
        return self.template.moved(made)

    def _node_at(self, node: Node, made: Mapping[Node, Node], n: int) -> Node:
        if node.data is not None and node.primitive is None:
            return Tensor(self.values[node].at(n)) if node in self.values else node
        if node.data is not None:
            return node
        kind = (
            _with_shape(node.type, at(self.shapes[node], n)) if node in self.shapes else node.type
        )
        attrs = node.attrs
        if node in self.attrs:
            attrs = {key: at(value, n) for key, value in self.attrs[node].items()}
        inputs = tuple(made[x] for x in node.inputs)
        new = unknown(kind, node.primitive, inputs, attrs, node.tracked)
        new._origin = node.origin
        return new

    def matches(self, graph: Graph, n: int) -> bool:
        """Whether this graph at ``n`` rows is the given one."""
        try:
            return all(self._is_at(a, b, same, n) for a, b, same in _pairs(self.template, graph))
        except (NotUniform, ValueError):  # sizes below 0
            return False

    def _is_at(self, a: Node, b: Node, same: bool, n: int) -> bool:
        if a.data is not None:
            expected = self.values[a].at(n) if a in self.values else a.data
            return b.data is not None and _are_equal(expected, b.data)
        if _shape(b) != (at(self.shapes[a], n) if a in self.shapes else _shape(a)):
            return False
        if a.primitive is None:
            return b.primitive is None
        mine = self.attrs.get(a, a.attrs)
        return (
            same
            and a.primitive is b.primitive
            and mine.keys() == b.attrs.keys()
            and all(_holds_at(value, b.attrs[key], n) for key, value in mine.items())
        )

    def shape_of(self, node: Node) -> str:
        """Return the shape of one of the template's nodes as text, ``n`` being the rows."""
        kind: Any = node.type
        if node not in self.shapes or isinstance(kind, TupleType):
            return str(kind)
        return f"{kind.dtype}[{','.join(map(str, self.shapes[node][:-1]))}]"


def _check(is_uniform: bool) -> None:
    if not is_uniform:
        raise NotUniform


def _pairs(first: Graph, second: Graph) -> Sequence[tuple[Node, Node, bool]]:
    """Return the nodes of two graphs side by side, and whether their inputs correspond."""
    index_1, index_2 = _numbered(first), _numbered(second)
    _check(len(index_1) == len(index_2))
    _check(len(first.inputs) == len(second.inputs) and len(first.nodes) == len(second.nodes))
    ends = zip(first.outputs, second.outputs, strict=False)
    _check(len(first.outputs) == len(second.outputs))
    _check(all(index_1[a] == index_2[b] for a, b in ends))
    return [
        (a, b, [index_1.get(x) for x in a.inputs] == [index_2.get(x) for x in b.inputs])
        for a, b in zip(index_1, index_2, strict=True)
    ]


def _numbered(graph: Graph) -> dict[Node, int]:
    return {node: i for i, node in enumerate((*graph.inputs, *graph.constants, *graph.nodes))}


def _shape(node: Node) -> Any:
    kind: Any = node.type
    if isinstance(kind, TupleType):
        return tuple((*item.shape, str(item.dtype)) for item in kind.items)
    return (*kind.shape, str(kind.dtype))


def _with_shape(kind: Any, shape: Any) -> ArrayType:
    if isinstance(kind, TupleType):
        items = zip(kind.items, shape, strict=True)
        return TupleType(  # type: ignore[return-value]
            tuple(ArrayType(sizes[:-1], item.dtype) for item, sizes in items)
        )
    return ArrayType(shape[:-1], kind.dtype)


def _unify_values(first: Any, second: Any, n1: int, n2: int) -> Any:
    """Return a value that both are, or a pattern that gives the first at n₁, the second at n₂."""
    if type(first) is not type(second):
        raise NotUniform
    if isinstance(first, Graph):
        return first if first is second else BatchGraph(first, second, n1, n2)
    if type(first) is tuple:
        _check(len(first) == len(second))
        pairs = zip(first, second, strict=True)
        parts = tuple(_unify_values(a, b, n1, n2) for a, b in pairs)
        return parts if any(map(_follows, parts)) else first
    if first == second:
        return first
    if type(first) is int:
        a, rest = divmod(second - first, n2 - n1)
        _check(not rest)
        return Affine(a, first - a * n1)
    raise NotUniform


def _holds_at(pattern: Any, value: Any, n: int) -> bool:
    if isinstance(pattern, BatchGraph):
        return isinstance(value, Graph) and pattern.matches(value, n)
    if isinstance(pattern, Graph) and isinstance(value, Graph):
        return pattern is value or BatchGraph(pattern, pattern, 0, 1).matches(value, n)
    found = at(pattern, n)
    return type(found) is type(value) and bool(found == value)


def _unify_arrays(first: Array, second: Array, n1: int, n2: int) -> Any:
    """Return ``None`` if both are equal, or a pattern that gives each at its number of rows."""
    _check(first.dtype == second.dtype and first.ndim == second.ndim)
    if first.shape == second.shape and _are_equal(first, second):
        return None
    candidates: list[Callable[[], Any]] = [
        lambda: _scaled(first, second, n1, n2),
        lambda: _filled(first, second, n1, n2),
        lambda: _repeated(first, second, n1, n2),
        lambda: _counted(first, second, n1, n2),
        lambda: _identity(first, second, n1, n2),
    ]
    for candidate in candidates:
        pattern = candidate()
        fits = pattern is not None and (
            _are_equal(pattern.at(n1), first) and _are_equal(pattern.at(n2), second)
        )
        if fits:
            return pattern
    raise NotUniform


def _are_equal(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _scaled(first: Array, second: Array, n1: int, n2: int) -> Scaled | None:
    if first.shape != second.shape or first.dtype.kind != "f":
        return None
    x, y = first.astype(np.float64), second.astype(np.float64)
    k, p = np.array(x), np.zeros(x.shape, np.int64)
    for power, factor in ((1, x / n1), (-1, x * n1)):
        # The nearest simple factor first, so that the constants' rounding does not carry over.
        for candidate in (np.round(factor), factor):
            scaled = Scaled(candidate, np.full(x.shape, power), first.dtype)
            fits = (scaled.at(n1) == first) & (scaled.at(n2) == second) & (p == 0) & (x != y)
            k[fits], p[fits] = candidate[fits], power
    return Scaled(k, p, first.dtype)


def _repeated(first: Array, second: Array, n1: int, n2: int) -> Repeated | None:
    if not first.ndim or not first.size or not second.size:
        return None
    if first.shape[1:] != second.shape[1:]:
        return None
    if not (first == first[:1]).all() or not (second == second[:1]).all():
        return None
    count = _unify_values(first.shape[0], second.shape[0], n1, n2)
    if not isinstance(count, Affine):
        return None
    if _are_equal(first[0], second[0]):
        return Repeated(np.array(first[0]), count)
    row = _scaled(first[0], second[0], n1, n2)
    return None if row is None else Repeated(row, count)


def _filled(first: Array, second: Array, n1: int, n2: int) -> Filled | None:
    if not first.size or not second.size:
        return None
    x, y = first.flat[0], second.flat[0]
    if not (first == x).all() or not (second == y).all():
        return None
    shape = _unify_values(first.shape, second.shape, n1, n2)
    if x == y:
        return Filled(np.asarray(x), shape)
    value = _scaled(np.asarray(x), np.asarray(y), n1, n2)
    return None if value is None else Filled(value, shape)


def _counted(first: Array, second: Array, n1: int, n2: int) -> Counted | None:
    shape = _unify_values(first.shape, second.shape, n1, n2)
    for axis, size in enumerate(shape):
        if isinstance(size, Affine):
            pattern = Counted(axis, shape, first.dtype)
            if _are_equal(pattern.at(n1), first):
                return pattern
    return None


def _identity(first: Array, second: Array, n1: int, n2: int) -> Identity | None:
    size = _unify_values(first.shape, second.shape, n1, n2)
    if first.ndim != 2 or size[0] != size[1] or not isinstance(size[0], Affine):
        return None
    return Identity(size[0], first.dtype)
