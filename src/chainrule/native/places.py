"""Places in a nest's domain, and a nest's sizes and strides as code is written for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from chainrule.core.graph import Node
from chainrule.core.types import Dtype
from chainrule.native.ir import KINDS, Kind, Value
from chainrule.native.loops import Nest, merged_axes
from chainrule.native.views import View, whole

#: A number that is known when the code is written, or computed by it.
Index: TypeAlias = Value | int


def kind_of(dtype: Dtype) -> Kind:
    """Return the kind of register that holds values of a dtype."""
    return KINDS[str(dtype)]


def stored_kind(dtype: Dtype) -> Kind:
    """Return the kind in which values of a dtype lie in memory."""
    kind = kind_of(dtype)
    return "i8" if kind == "i1" else kind


@dataclass
class Place:
    """Where in its domain a nest stands: an index on each axis, on one of them several lanes.

    Attributes:
        indices: index on each axis; on the axis of the lanes, that of the first lane.
        axis: axis of the lanes.
        lanes: how many elements are worked on at once.
        count: how many of the lanes are inside the domain.
        values: what was computed here already.
    """

    indices: list[Index]
    axis: int
    lanes: int
    count: int
    values: dict[Node, Value] = field(default_factory=dict)


@dataclass
class Shaped:
    """A nest's sizes and strides, with axes merged over which all its views run on.

    Attributes:
        sizes: sizes of the axes.
        reads: view of each value that is read, and its strides along the axes.
        writes: where each value that is stored begins, and its strides; 0 along reduced axes.
        reduced: axes that are reduced.
        axis: axis of the lanes.
        is_smooth: whether neighbors on that axis are neighbors in memory everywhere.
        dtypes: of all that is read and computed.
    """

    sizes: list[int]
    reads: dict[Node, tuple[View, tuple[int, ...]]]
    writes: dict[Node, tuple[int, tuple[int, ...]]]
    reduced: set[int]
    axis: int
    is_smooth: bool
    dtypes: list[Dtype]


def merged(nest: Nest) -> Shaped:
    """Return a nest's sizes and strides with as few axes as possible."""
    return _shaped(nest, True)


def unmerged(nest: Nest) -> Shaped:
    """Return a nest's sizes and strides as they are."""
    return _shaped(nest, False)


def _shaped(nest: Nest, merges: bool) -> Shaped:
    domain = nest.domain
    reads = {x: view.broadcast(domain) for x, view in nest.reads.items()}
    writes = {node: _write_view(nest, node) for node in nest.stores}
    strides = [view.strides for view in (*reads.values(), *writes.values())]
    sizes, found, parts = list(domain), strides, [[i] for i in range(len(domain))]
    if merges:
        sizes, found, parts = merged_axes(domain, strides, nest.axes)
    if not sizes:
        sizes, found, parts = [1], [(0,)] * len(strides), [[0]]
    reduced = {i for i, part in enumerate(parts) if nest.axes and part[0] in nest.axes}
    placed = dict(zip(reads, found[: len(reads)], strict=True))
    written = dict(zip(writes, found[len(reads) :], strict=True))
    smooth = [i for i in range(len(sizes)) if all(s[i] in (0, 1) for s in found)]
    # The last axis first: it is where most arrays are dense. One of size 1 carries no lanes.
    axis = max(smooth, key=lambda i: (sizes[i] > 1, i), default=len(sizes) - 1)
    values = [view.base for view in reads.values()] + nest.nodes
    return Shaped(
        sizes,
        {x: (reads[x], placed[x]) for x in reads},
        {x: (writes[x].offset, written[x]) for x in writes},
        reduced,
        axis,
        bool(smooth),
        [node.type.dtype for node in values],
    )


def _write_view(nest: Nest, node: Node) -> View:
    if node in nest.targets:
        return nest.targets[node]
    if not nest.axes or node.type.shape == nest.domain:
        return whole(node)
    strides, size = [], 1
    for i, n in reversed(list(enumerate(nest.domain))):
        strides.append(0 if i in nest.axes or n == 1 else size)
        size *= 1 if i in nest.axes else n
    return View(node, nest.domain, tuple(reversed(strides)))
