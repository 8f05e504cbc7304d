"""Memory planning: one arena for all values in between, laid out before anything runs.

A value needs its place from the step that writes it to the last step that reads it, or anything
that lies in it (a reshape, a transpose). Two values that are never needed at once may share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from chainrule.core.graph import Graph, Node
from chainrule.ops.control.subgraph import inner_graphs
from chainrule.passes.cost import MOVEMENTS, bytes_of
from chainrule.passes.fuse import fuse

#: Offsets are multiples of this: a cache line, and the widest vector registers.
ALIGNMENT = 64
#: Pairs of values needed at once, per value, up to which the largest values choose first.
_MAX_OVERLAPS = 64


@dataclass(frozen=True)
class MemoryPlan:
    """Where each value in between lies.

    Attributes:
        offsets: for each value with a place in the arena, its offset in bytes.
        arena_bytes: size of the arena.
        naive_bytes: what the same values take if each has its own place.
        taken_over: for each value written in place, the input whose place it takes.
    """

    offsets: Mapping[Node, int]
    arena_bytes: int
    naive_bytes: int
    taken_over: Mapping[Node, Node]

    @property
    def in_place(self) -> int:
        """Number of values that are written in place of one of their inputs."""
        return len(self.taken_over)


def plan_memory(
    graph: Graph,
    order: Sequence[Node] | None = None,
    views: Mapping[Node, Sequence[Node]] | None = None,
    unplanned: Set[Node] = frozenset(),
    matches: Callable[[Node, Node], bool] | None = None,
) -> MemoryPlan:
    """Give every value in between a place in one arena.

    Inputs and constants have places of their own, and so have outputs, which are the caller's.
    An elementwise node takes over the place of an input that is dead afterwards, of the same shape
    and dtype, and in which nothing else lies that is still needed.

    Args:
        graph: the graph.
        order: its nodes in the order of execution (default: that of ``fuse``).
        views: nodes that have no place of their own, and the nodes in which they lie
            (default: what is moved without a copy where all arrays are in C order).
        unplanned: nodes whose places are not in the arena.
        matches: whether a node may take over the place of an input, for all that the caller knows
            of layouts (default: always).

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda x: cr.exp(cr.sin(x) * 2.0).sum())(cr.zeros(100))
    >>> plan = plan_memory(graph)
    >>> plan.arena_bytes, plan.naive_bytes, plan.in_place
    (448, 1344, 2)

    Source: Pisarchyk and Lee, arXiv 2001.03288 (greedy by size).
    """
    if order is None:
        order = [node for kernel in fuse(graph) for node in kernel.nodes]
    if views is None:
        views = contiguous_views(order)
    values = _Values(graph, order, views, unplanned)
    slots, taken_over = values.slots(matches)
    offsets, size = _place(slots)
    return MemoryPlan(
        {node: offsets[i] for i, slot in enumerate(slots) for node in slot.nodes},
        size,
        sum(_aligned(bytes_of(node)) for slot in slots for node in slot.nodes),
        taken_over,
    )


def contiguous_views(order: Sequence[Node]) -> dict[Node, tuple[Node, ...]]:
    """Return the nodes that are views where all arrays are in C order, and what they lie in.

    A reshape is one unless it follows a transpose or its like. What control flow returns may lie
    in what it was given.
    """
    views: dict[Node, tuple[Node, ...]] = {}
    strided: set[Node] = set()
    for node in order:
        assert node.primitive is not None
        name = node.primitive.name
        if inner_graphs(node):
            views[node] = node.inputs
        elif name in MOVEMENTS or name == "item":
            x = node.inputs[0]
            if name == "reshape" and x in strided:
                continue
            views[node] = (x,)
            if x in strided or name not in ("reshape", "identity", "item"):
                strided.add(node)
    return views


@dataclass(slots=True)
class Slot:
    """A place that one value has, or several of one size, each taking over from the one before.

    Attributes:
        nodes: the values.
        size: bytes, rounded up.
        start: first step at which it is needed (it is written there).
        stop: last step at which it is needed (it is read there).
    """

    nodes: list[Node]
    size: int
    start: int
    stop: int


class _Values:
    """What lies where, and when it is last read."""

    def __init__(
        self,
        graph: Graph,
        order: Sequence[Node],
        views: Mapping[Node, Sequence[Node]],
        unplanned: Set[Node],
    ) -> None:
        self.order = order
        outputs = set(graph.outputs)
        #: For each node, those with places in the arena that it lies in: often itself.
        self.homes: dict[Node, tuple[Node, ...]] = {}
        self.owners: set[Node] = set()
        #: The last step at which a value is read, itself or what lies in it.
        self.last_read: dict[Node, int] = {}
        for step, node in enumerate(order):
            for x in node.inputs:
                for home in self.homes.get(x, ()):
                    self.last_read[home] = step
            if node in views:
                found = dict.fromkeys(h for x in views[node] for h in self.homes.get(x, ()))
                self.homes[node] = tuple(found)
            elif node in unplanned or node in outputs:
                self.homes[node] = ()
            else:
                self.homes[node] = (node,)
                self.owners.add(node)
                self.last_read[node] = step
        for node in graph.outputs:  # copied at the end
            for home in self.homes.get(node, ()):
                self.last_read[home] = len(order)

    def slots(
        self, matches: Callable[[Node, Node], bool] | None
    ) -> tuple[list[Slot], dict[Node, Node]]:
        """Return the places that are needed, and which values take over whose."""
        slot_of: dict[Node, Slot] = {}
        taken_over: dict[Node, Node] = {}
        slots: list[Slot] = []
        for step, node in enumerate(self.order):
            if node not in self.owners:
                continue
            dying = self._dying(node, step, matches)
            if dying is None:
                slot = Slot([node], _aligned(bytes_of(node)), step, self.last_read[node])
                slots.append(slot)
            else:
                slot = slot_of[self.homes[dying][0]]
                slot.nodes.append(node)
                slot.stop = self.last_read[node]
                taken_over[node] = dying
            slot_of[node] = slot
        return slots, taken_over

    def _dying(
        self, node: Node, step: int, matches: Callable[[Node, Node], bool] | None
    ) -> Node | None:
        """Return the input whose place a node can take over."""
        assert node.primitive is not None
        if not node.primitive.is_elementwise:
            return None
        kind = node.type
        for x in node.inputs:
            homes = self.homes.get(x, ())
            if (
                len(homes) == 1
                and self.last_read[homes[0]] == step
                and x.type == kind
                and homes[0].type.size == kind.size
                and homes[0].type.dtype == kind.dtype
                and all(
                    self._lies_alike(other, x)
                    for other in node.inputs
                    if any(home is homes[0] for home in self.homes.get(other, ()))
                )
                and (matches is None or matches(node, x))
            ):
                return x
        return None

    def _lies_alike(self, other: Node, x: Node) -> bool:
        """Whether two inputs in one place have each element at the same position."""
        return other is x or (_unmoved(other) is _unmoved(x) and other.type == x.type)


def _unmoved(node: Node) -> Node:
    while node.primitive is not None and node.primitive.name in ("reshape", "identity"):
        node = node.inputs[0]
    return node


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _place(slots: Sequence[Slot]) -> tuple[list[int], int]:
    """Return an offset for each slot, and the size of the arena."""
    overlaps = _overlaps(slots)
    if overlaps is None:
        return _place_in_order(slots)
    offsets = [-1] * len(slots)
    for i in sorted(range(len(slots)), key=lambda i: (-slots[i].size, slots[i].start)):
        size = slots[i].size
        best, best_gap, end = -1, -1, 0
        for offset, stop in sorted(
            (offsets[j], offsets[j] + slots[j].size) for j in overlaps[i] if offsets[j] >= 0
        ):
            gap = offset - end
            if gap >= size and (best < 0 or gap < best_gap):
                best, best_gap = end, gap
            end = max(end, stop)
        offsets[i] = best if best >= 0 else end
    return offsets, max((o + s.size for o, s in zip(offsets, slots, strict=True)), default=0)


def _overlaps(slots: Sequence[Slot]) -> list[list[int]] | None:
    """Return for each slot those needed at the same time; ``None`` where they are too many."""
    found: list[list[int]] = [[] for _ in slots]
    left = _MAX_OVERLAPS * len(slots)
    active: list[int] = []
    for i, slot in enumerate(slots):  # by their starts
        active = [j for j in active if slots[j].stop >= slot.start]
        for j in active:
            found[i].append(j)
            found[j].append(i)
        left -= len(active)
        if left < 0 and len(slots) > _MAX_OVERLAPS:
            return None
        active.append(i)
    return found


def _place_in_order(slots: Sequence[Slot]) -> tuple[list[int], int]:
    """Place the slots as they begin, each in the smallest gap that holds it.

    For graphs in which so much is needed at once that comparing all pairs would take too long.
    """
    offsets = [0] * len(slots)
    ending: dict[int, list[int]] = {}
    free: list[tuple[int, int]] = []  # (offset, size), by offset, never adjacent
    size, expired = 0, -1
    stops = sorted({slot.stop for slot in slots})
    position = 0
    for i, slot in enumerate(slots):
        while position < len(stops) and stops[position] < slot.start:
            for j in ending.pop(stops[position], ()):
                _release(free, offsets[j], slots[j].size)
            expired = stops[position]
            position += 1
        assert slot.stop > expired
        fits = [k for k, (_, room) in enumerate(free) if room >= slot.size]
        if fits:
            k = min(fits, key=lambda k: free[k][1])
            offset, room = free[k]
            offsets[i] = offset
            free[k : k + 1] = [(offset + slot.size, room - slot.size)] if room > slot.size else []
        elif free and sum(free[-1]) == size:  # the last gap grows with the arena
            offsets[i] = free.pop()[0]
            size = offsets[i] + slot.size
        else:
            offsets[i] = size
            size += slot.size
        ending.setdefault(slot.stop, []).append(i)
    return offsets, size


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    """Return a place to the list of gaps, joined with its neighbors."""
    if not size:
        return
    k = 0
    while k < len(free) and free[k][0] < offset:
        k += 1
    if k < len(free) and offset + size == free[k][0]:
        size += free.pop(k)[1]
    if k and sum(free[k - 1]) == offset:
        k -= 1
        before = free.pop(k)
        offset, size = before[0], before[1] + size
    free.insert(k, (offset, size))
