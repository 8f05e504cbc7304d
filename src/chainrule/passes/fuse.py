"""Fusion: the nodes of a graph, partitioned into kernels that read and write memory once.

Kernels have ranks, and every edge between two kernels leads from a lower rank to a higher one. So
no merge of kernels of equal rank, and no rise of a kernel that nothing outside has read yet, can
close a cycle: one sweep over the nodes suffices, and nothing is searched.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from chainrule.core.graph import Graph, Node
from chainrule.core.types import Shape
from chainrule.passes.cost import MOVEMENTS, Cost, bytes_of, cost

#: Operations that turn a row at a time into one of the same shape.
ROWWISE = frozenset({"softmax", "log_softmax", "softmax_residual"})
#: Operations that end a chain: their results are there when all has been read.
REDUCTIONS = frozenset({"sum", "max", "min", "logsumexp"})
#: Operations whose names are written out before a kernel's name is shortened.
_MAX_LABELS = 4


class Kernel:
    """Nodes that are computed together.

    Attributes:
        nodes: in an order of execution.
        inputs: values from outside: the graph's inputs, constants, other kernels' outputs.
        outputs: nodes that are used outside.
    """

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[Node], outputs: Sequence[Node]
    ) -> None:
        self.nodes = tuple(nodes)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    @cached_property
    def name(self) -> str:
        """What it does, for reading: ``matmul+add+relu``, ``sum of exp·subtract``."""
        work = [node for node in self.nodes if not _is_movement(node)] or list(self.nodes)
        names = [_name(node) for node in work]
        for i, node in enumerate(work):
            if _primitive(node) == "matmul":
                return _joined("+", [names[i], *names[:i], *names[i + 1 :]])
        ends = [n for n, node in zip(names, work, strict=True) if _primitive(node) in REDUCTIONS]
        chain = [
            n for n, node in zip(names, work, strict=True) if _primitive(node) not in REDUCTIONS
        ]
        if ends and chain:
            return f"{', '.join(dict.fromkeys(ends))} of {_joined('·', chain)}"
        return _joined("·", names)

    @cached_property
    def cost(self) -> Cost:
        """Floating-point operations, and how many of them are transcendental functions."""
        return sum(map(cost, self.nodes), Cost())

    @property
    def flops(self) -> int:
        """Floating-point operations; a transcendental function counts as one."""
        return self.cost.flops

    @property
    def transcendental(self) -> int:
        """How many of the operations are transcendental functions."""
        return self.cost.transcendental

    @cached_property
    def bytes(self) -> int:
        """Bytes read from outside and written for outside.

        Of an input that only a slice or a gather reads, no more than that takes is counted.
        """
        return sum(self._read(x) for x in self.inputs) + sum(map(bytes_of, self.outputs))

    def _read(self, x: Node) -> int:
        most = 0
        for node in self.nodes:
            if any(x is read for read in node.inputs):  # tensors compare by value
                takes = _primitive(node) in ("slice", "gather") and x is node.inputs[0]
                most = max(most, bytes_of(node) if takes else bytes_of(x))
        return min(most, bytes_of(x))

    def __repr__(self) -> str:
        return f"<Kernel {self.name}>"


def _primitive(node: Node) -> str:
    assert node.primitive is not None
    return node.primitive.name


def _is_movement(node: Node) -> bool:
    return node.primitive is not None and node.primitive.name in MOVEMENTS


def _name(node: Node) -> str:
    name = _primitive(node)
    if name == "maximum":
        for x in node.inputs:
            if x.primitive is None and x.data is not None and x.data.ndim == 0 and x.data == 0:
                return "relu"
    return name


def _joined(sign: str, names: list[str]) -> str:
    if len(names) <= _MAX_LABELS:
        return sign.join(names)
    shown = sign.join(names[: _MAX_LABELS - 1])
    return f"{shown}{sign}… ({len(names)} operations)"


class _Group:
    """A kernel in the making.

    Attributes:
        rank: every group that it reads has a lower one.
        read: whether another group reads it; from then on its rank stands.
        domain: shape that its chain runs over; ``None``: nothing can join.
        product: whether it begins with a matrix product.
        rows: axes of row-wise operations in it.
        reduces: whether it has reductions.
    """

    __slots__ = ("domain", "nodes", "product", "rank", "read", "reduces", "rows")

    def __init__(self, rank: int, domain: Shape | None) -> None:
        self.nodes: list[Node] = []
        self.rank = rank
        self.domain = domain
        self.read = False
        self.product = False
        self.rows: tuple[int, ...] | None = None
        self.reduces = False

    def takes(self, node: Node, domain: Shape) -> bool:
        """Whether a node whose inputs here are elements of the chain may become part of it."""
        if self.domain != domain:
            return False
        if node.primitive is None or node.primitive.is_elementwise:
            return True
        if self.product:
            return False
        if _primitive(node) in ROWWISE:
            return self.rows is None or self.rows == tuple(node.attrs["axes"])
        return True

    def goes_with(self, other: _Group) -> bool:
        """Whether two groups of one domain may become one."""
        if self.product or other.product:
            return not (self.product and other.product) and not any(
                group.reduces or group.rows is not None for group in (self, other)
            )
        return self.rows is None or other.rows is None or self.rows == other.rows


def fuse(graph: Graph, after: Mapping[Node, Sequence[Node]] | None = None) -> list[Kernel]:
    """Partition the nodes of a graph into kernels, in an order of execution.

    Fused are elementwise chains of one shape (what they read may broadcast); reductions at their
    end; a matrix product and the elementwise chain after it, whose other sources are read or
    computed beside it; softmax and its like with elementwise neighbors. Movements belong to the
    kernel that reads them first. What needs its result whole is a kernel of its own. Groups are
    convex: no path leads out of a kernel and back into it.

    Args:
        graph: the graph.
        after: for a node, others that must run before it although it does not read them (it
            writes to where they read).

    Returns:
        The kernels; each node is in exactly one.

    >>> import chainrule as cr
    >>> def f(x, w):
    ...     h = cr.relu(x @ w)
    ...     return h - cr.log(cr.exp(h).sum())
    >>> fuse(cr.trace(f)(cr.zeros((2, 3)), cr.zeros((3, 4))))
    [<Kernel matmul+relu+exp>, <Kernel sum>, <Kernel log>, <Kernel subtract>]
    """
    return _Fusion(graph, after or {}).kernels()


class _Fusion:
    """The sweep: each node joins the groups of what it reads, or begins one."""

    def __init__(self, graph: Graph, after: Mapping[Node, Sequence[Node]]) -> None:
        self.graph = graph
        self.after = after
        #: Group of each node that is placed; groups that were merged lead on to others.
        self.group_of: dict[Node, _Group] = {}
        self.merged_into: dict[_Group, _Group] = {}
        #: Nodes whose elements a chain can go on with.
        self.streamed: set[Node] = set()
        #: Movements that no kernel reads yet.
        self.floating: dict[Node, None] = {}
        #: Position of each node.
        self.place = {node: i for i, node in enumerate(graph.nodes)}

    def find(self, node: Node) -> _Group | None:
        """Return the group that a node is in."""
        group = self.group_of.get(node)
        if group is None:
            return None
        while group in self.merged_into:
            group = self.merged_into[group]
        self.group_of[node] = group
        return group

    def kernels(self) -> list[Kernel]:
        """Place all nodes, and put the groups in order."""
        for node in self.graph.nodes:
            self._place(node)
        for node in list(self.floating):
            if node in self.floating:
                base = self._base(node)
                group = self.find(base) or _Group(0, None)
                self._settle(node, group)
        return self._ordered()

    def _base(self, node: Node) -> Node:
        while node in self.floating:
            node = node.inputs[0]
        return node

    def _place(self, node: Node) -> None:
        name = _primitive(node)
        if name in MOVEMENTS:
            self.floating[node] = None
            return
        if name == "item":
            group = self.find(node.inputs[0])
            if group is not None:
                self._settle(node, group)
                return
        elementwise = node.primitive is not None and node.primitive.is_elementwise
        joins = elementwise or name in REDUCTIONS or name in ROWWISE
        domain = node.inputs[0].type.shape if joins and not elementwise else None
        if elementwise or name == "matmul":
            domain = node.type.shape
        group = self._join(node, domain) if joins and domain is not None else None
        if group is None:
            group = _Group(self._rank(self._sources(node)), domain)
        self._settle(node, group)
        if name == "matmul":
            group.product = True
        elif name in REDUCTIONS:
            group.reduces = True
        elif name in ROWWISE:
            group.rows = tuple(node.attrs["axes"])
        if domain is not None and name not in REDUCTIONS:
            self.streamed.add(node)

    def _sources(self, node: Node) -> dict[_Group, bool]:
        """Return the groups that a node depends on, and whether it could join each."""
        sources: dict[_Group, bool] = {}
        for x in node.inputs:
            moved = x in self.floating
            base = self._base(x) if moved else x
            group = self.find(base)
            if group is not None:
                sources[group] = sources.get(group, True) and not moved and x in self.streamed
        for x in self.after.get(node, ()):
            group = self.find(x)
            if group is not None and group not in sources:
                sources[group] = False
        return sources

    def _rank(self, sources: Iterable[_Group]) -> int:
        rank = 0
        for group in sources:
            group.read = True
            rank = max(rank, group.rank + 1)
        return rank

    def _join(self, node: Node, domain: Shape) -> _Group | None:
        """Return the group that a node can be part of, merged from all that it can be."""
        sources = self._sources(node)
        fits = [g for g, could in sources.items() if could and g.takes(node, domain)]
        # Those whose ranks stand and those with products first: they are hardest to join later.
        fits.sort(key=lambda g: (g.rank, g.read, g.product), reverse=True)
        chosen: list[_Group] = []
        for group in fits:
            if all(group.goes_with(other) for other in chosen):
                chosen.append(group)
        if not chosen:
            return None
        needed = max((g.rank + 1 for g in sources if g not in chosen), default=0)
        rank = max(needed, chosen[0].rank)
        chosen = [g for g in chosen if g.rank == rank or not g.read]
        if not chosen:
            return None
        for group in sources:
            if group not in chosen:
                group.read = True
        return self._merge(chosen, rank)

    def _merge(self, groups: list[_Group], rank: int) -> _Group:
        kept = max(groups, key=lambda g: len(g.nodes))
        for group in groups:
            if group is not kept:
                kept.nodes += group.nodes
                kept.read |= group.read
                kept.product |= group.product
                kept.reduces |= group.reduces
                kept.rows = kept.rows or group.rows
                self.merged_into[group] = kept
        kept.rank = rank
        return kept

    def _settle(self, node: Node, group: _Group) -> None:
        """Put a node into a group, with the movements through which it reads."""
        for read in node.inputs:
            chain = []
            x = read
            while x in self.floating:
                del self.floating[x]
                chain.append(x)
                x = x.inputs[0]
            for moved in reversed(chain):
                self.group_of[moved] = group
                group.nodes.append(moved)
                # What it moves is outside the group: whoever reads a movement of something in a
                # group cannot join that.
                if moved.type.shape == group.domain:
                    self.streamed.add(moved)
        self.floating.pop(node, None)
        self.group_of[node] = group
        group.nodes.append(node)

    def _ordered(self) -> list[Kernel]:
        """Return the kernels: of those that are ready, the one that begins first runs first."""
        groups = list(dict.fromkeys(filter(None, map(self.find, self.graph.nodes))))
        first = {}
        waits: dict[_Group, int] = {}
        readers: dict[_Group, list[_Group]] = {group: [] for group in groups}
        for group in groups:
            group.nodes.sort(key=self.place.__getitem__)
            first[group] = self.place[group.nodes[0]]
            sources = {
                source
                for node in group.nodes
                for x in (*node.inputs, *self.after.get(node, ()))
                if (source := self.find(x)) is not None and source is not group
            }
            waits[group] = len(sources)
            for source in sources:
                readers[source].append(group)
        ready = [(first[group], i) for i, group in enumerate(groups) if not waits[group]]
        number = {group: i for i, group in enumerate(groups)}
        heapq.heapify(ready)
        used_outside = self._used_outside()
        kernels = []
        while ready:
            group = groups[heapq.heappop(ready)[1]]
            kernels.append(self._kernel(group, used_outside))
            for reader in readers[group]:
                waits[reader] -= 1
                if not waits[reader]:
                    heapq.heappush(ready, (first[reader], number[reader]))
        return kernels

    def _used_outside(self) -> set[Node]:
        used = set(self.graph.outputs)
        for node in self.graph.nodes:
            group = self.find(node)
            used.update(x for x in node.inputs if self.find(x) is not group)
        return used

    def _kernel(self, group: _Group, used_outside: set[Node]) -> Kernel:
        inside = set(group.nodes)
        inputs = dict.fromkeys(x for node in group.nodes for x in node.inputs if x not in inside)
        return Kernel(
            group.nodes, list(inputs), [node for node in group.nodes if node in used_outside]
        )
