"""Loop nests: what stands between a graph's kernels and machine code, as data that can be printed.

A nest runs over a domain of indices. At each it reads values through views, computes a chain of
elementwise operations, and stores results or accumulates them. A matrix product is a nest whose
value at each index is a sum over a further one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chainrule.core.graph import Node
from chainrule.core.types import Shape
from chainrule.native.views import View

Kind: TypeAlias = Literal[
    "map", "reduce", "product", "rows", "gather", "scatter", "copy",
    "argmax", "cumsum", "join", "check", "random",
]  # fmt: skip


@dataclass
class Nest:
    """One loop nest.

    Attributes:
        kind: ``map`` stores at each index; ``reduce`` accumulates over axes; ``product`` is a
            matrix product with a chain after it; ``rows`` normalizes rows (softmax and its like);
            ``gather``, ``scatter``, ``copy`` and ``join`` move elements; ``check`` copies what it
            checks; ``argmax``, ``cumsum`` and ``random`` are what they say.
        domain: sizes of the indices.
        nodes: the operations of the chain, in order; of a product or a row operation, it is first.
        reads: the view through which each value from memory is read.
        stores: values that are written, each in a buffer of its own.
        axes: axes that are reduced.
        name: what it is for, for reading.
        targets: where values are written that do not fill their buffers.
    """

    kind: Kind
    domain: Shape
    nodes: list[Node]
    reads: dict[Node, View]
    stores: list[Node]
    axes: tuple[int, ...] = ()
    name: str = ""
    targets: dict[Node, View] = field(default_factory=dict)


@dataclass
class Program:
    """All nests of a graph, and where its values lie.

    Attributes:
        nests: in order of execution.
        offsets: place in the arena, in bytes, of the values that lie there.
        arena_bytes: size of the arena.
        outputs: for each output of the graph, the value that it is.
    """

    nests: list[Nest]
    offsets: dict[Node, int]
    arena_bytes: int
    outputs: list[Node] = field(default_factory=list)

    def show(self, names: dict[Node, str]) -> str:
        """Return the nests as text, with the names that a graph gives its values."""
        return "\n".join(line for nest in self.nests for line in _lines(nest, names))


def _lines(nest: Nest, names: dict[Node, str]) -> list[str]:
    def name(node: Node) -> str:
        if node in names:
            return names[node]
        data = node.data
        return f"{data.item():.7g}" if data is not None and data.ndim == 0 else "constant"

    indices = [f"i{i}" for i in range(len(nest.domain))]
    sizes = ", ".join(f"{i} < {n}" for i, n in zip(indices, nest.domain, strict=True))
    lines = [f"{nest.kind} {nest.name}".rstrip() + (f" for {sizes}" if sizes else "") + ":"]
    for node, view in nest.reads.items():
        if not (view.base.data is not None and view.base.data.ndim == 0):
            lines.append(f"  {name(node)} = {name(view.base)}[{view}]")
    for node in nest.nodes:
        assert node.primitive is not None
        given = ", ".join(name(x) for x in node.inputs)
        lines.append(f"  {name(node)} = {node.primitive.name}({given})")
    if nest.stores:
        over = f" over {', '.join(indices[i] for i in nest.axes)}" if nest.axes else ""
        lines.append(f"  store {', '.join(map(name, nest.stores))}{over}")
    return lines


def merged_axes(
    domain: Shape, views: Sequence[tuple[int, ...]], kept_apart: Sequence[int] = ()
) -> tuple[list[int], list[tuple[int, ...]], list[list[int]]]:
    """Merge neighboring axes over which all views run on as over one.

    Args:
        domain: sizes.
        views: strides of each view along each axis.
        kept_apart: axes that merge only among themselves (those that are reduced).

    Returns:
        The merged sizes, each view's strides along them, and the axes that each is made of.
    """
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in views]
    parts: list[list[int]] = []
    for axis, n in enumerate(domain):
        if n == 1:
            continue
        joins = bool(sizes) and (axis in kept_apart) == (parts[-1][-1] in kept_apart)
        if joins and all(s[-1] == view[axis] * n for s, view in zip(strides, views, strict=True)):
            sizes[-1] *= n
            parts[-1].append(axis)
            for s, view in zip(strides, views, strict=True):
                s[-1] = view[axis]
        else:
            sizes.append(n)
            parts.append([axis])
            for s, view in zip(strides, views, strict=True):
                s.append(view[axis])
    return sizes, [tuple(s) for s in strides], parts
