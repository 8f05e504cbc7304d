"""Leaves in their frames: groups that can be opened and closed without a line going up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule.viz.graphs.leaves import Frame, Leaf, Value


@dataclass(slots=True)
class Group:
    """A frame and what stands in it.

    Attributes:
        frame: what is written on it; ``None`` for the whole picture.
        members: the leaves (by number) and groups directly in it, in an order of execution.
        is_open: whether what is in it shows.
        needs: the values that come in from outside.
        gives: the values that go out.
        wires: the lines directly in it.
    """

    frame: Frame | None
    members: list[int | Group] = field(default_factory=list)
    is_open: bool = True
    needs: list[Value] = field(default_factory=list)
    gives: list[Value] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    def frame_kind(self) -> str:
        """Return what it groups by."""
        return self.frame.kind if self.frame is not None else ""

    def groups(self) -> list[Group]:
        """Return the groups directly in it."""
        return [m for m in self.members if isinstance(m, Group)]

    def leaves(self) -> list[int]:
        """Return the numbers of all leaves in it, at any depth."""
        found: list[int] = []
        stack: list[int | Group] = list(reversed(self.members))
        while stack:
            member = stack.pop()
            if isinstance(member, Group):
                stack += reversed(member.members)
            else:
                found.append(member)
        return found

    def walk(self) -> list[Group]:
        """Return the group and all groups in it, outer ones first."""
        found = [self]
        for group in found:
            found += group.groups()
        return found


@dataclass(frozen=True, slots=True)
class Wire:
    """A line among the members of one group.

    Attributes:
        value: what it carries.
        source: position of the member that it comes from; ``None``: from outside.
        target: position of the member that it leads to; ``None``: to outside.
        operand: which operand of a leaf it is.
    """

    value: Value
    source: int | None
    target: int | None
    operand: int = 0


def group(leaves: Sequence[Leaf]) -> Group:
    """Return the leaves in groups by their paths, with the lines in each group.

    Leaves of equal frames stand in one group, unless a line would have to leave it and come back:
    then a second group of that name begins. A frame around a single leaf is left out, unless it is
    a kernel's.

    Args:
        leaves: in an order of execution.
    """
    root = Group(None)
    _fill(root, list(range(len(leaves))), leaves, 0)
    _wire(root, leaves)
    return root


def _fill(parent: Group, numbers: Sequence[int], leaves: Sequence[Leaf], depth: int) -> None:
    for part in convex_parts(numbers, leaves, depth):
        path = leaves[part[0]].path
        frame = path[depth] if depth < len(path) else None
        if frame is None or (len(part) == 1 and frame.kind != "kernel"):
            parent.members += part
            continue
        inner = Group(frame)
        _fill(inner, part, leaves, depth + 1)
        only = inner.members[0] if len(inner.members) == 1 else None
        if isinstance(only, Group) and frame.kind == "scope" == only.frame_kind():
            assert only.frame is not None
            label = f"{frame.label} / {only.frame.label}"
            only.frame = only.frame._replace(label=label)
            inner = only  # one frame around nothing but another: written as one
        parent.members.append(inner)


def convex_parts(numbers: Sequence[int], leaves: Sequence[Leaf], depth: int) -> list[list[int]]:
    """Split leaves by their frame at a depth, so that between the parts lines form no cycle.

    Args:
        numbers: the leaves, in an order of execution.
        leaves: all leaves.
        depth: which frame of their paths.

    Returns:
        The parts, in an order of execution; a leaf without a frame is one of its own.
    """
    parts: list[list[int]] = []
    part_of: dict[int, int] = {}
    latest: dict[Frame, int] = {}
    before: list[int] = []  # for each part, a bit for each part that leads to it
    after: list[set[int]] = []
    for n in numbers:
        path = leaves[n].path
        frame = path[depth] if depth < len(path) else None
        sources = {part_of[v.leaf] for v in leaves[n].arguments if v.leaf in part_of}
        p = latest.get(frame) if frame is not None else None
        if p is None or any(before[q] >> p & 1 for q in sources if q != p):
            p = len(parts)
            parts.append([])
            before.append(0)
            after.append(set())
            if frame is not None:
                latest[frame] = p
        parts[p].append(n)
        part_of[n] = p
        for q in sources - {p}:
            after[q].add(p)
            _spread(p, before[q] | 1 << q, before, after)
    return _in_order(parts, before)


def _spread(start: int, bits: int, before: list[int], after: Sequence[set[int]]) -> None:
    stack = [start]
    while stack:
        p = stack.pop()
        if bits & ~before[p]:
            before[p] |= bits
            stack += after[p]


def _in_order(parts: list[list[int]], before: Sequence[int]) -> list[list[int]]:
    """Sort parts so that each comes after those that lead to it, else by their first leaf."""
    return [parts[p] for p in sorted(range(len(parts)), key=lambda p: (before[p].bit_count(), p))]


def _wire(root: Group, leaves: Sequence[Leaf]) -> None:
    chains: dict[int, list[tuple[Group, int]]] = {}
    stack: list[tuple[Group, list[tuple[Group, int]]]] = [(root, [])]
    while stack:
        parent, chain = stack.pop()
        for i, member in enumerate(parent.members):
            here = [*chain, (parent, i)]
            if isinstance(member, Group):
                stack.append((member, here))
            else:
                chains[member] = here
    seen: set[tuple[int, Wire]] = set()

    def connect(where: Group, wire: Wire) -> None:
        if (id(where), wire) not in seen:
            seen.add((id(where), wire))
            where.wires.append(wire)

    for n, leaf in enumerate(leaves):
        for k, value in enumerate(leaf.arguments):
            source, target = chains[value.leaf], chains[n]
            d = 0
            while source[d] == target[d]:
                d += 1
            operand = k if d == len(target) - 1 else 0
            connect(source[d][0], Wire(value, source[d][1], target[d][1], operand))
            for inner, i in source[d + 1 :]:
                if value not in inner.gives:
                    inner.gives.append(value)
                    connect(inner, Wire(value, i, None))
            for j, (inner, i) in enumerate(target[d + 1 :], start=d + 1):
                if value not in inner.needs:
                    inner.needs.append(value)
                connect(inner, Wire(value, None, i, k if j == len(target) - 1 else 0))


def fold(root: Group, leaves: Sequence[Leaf], collapsed: bool | None, most: int = 60) -> None:
    """Close groups: all, none, or as many as it takes for the picture to stay readable.

    Args:
        root: the whole picture.
        leaves: all leaves.
        collapsed: whether to close the innermost groups; ``None``: where there are many leaves.
        most: how many leaves are many; outer groups close, too, while more than so many show.
    """
    everything = root.walk()
    if collapsed is None and len(leaves) <= most:
        return
    if collapsed is False:
        return
    for inner in everything[1:]:
        inner.is_open = inner.frame_kind() != "run" and bool(
            [g for g in inner.groups() if g.frame_kind() != "body"]
        )
    level = [g for g in everything[1:] if g.is_open]
    while level and _showing(root) > most:
        level.pop().is_open = False  # the innermost come last


def _showing(root: Group) -> int:
    stack: list[Group] = [root]
    total = 0
    while stack:
        for member in stack.pop().members:
            if isinstance(member, Group) and member.is_open:
                stack.append(member)
            else:
                total += 1
    return total
