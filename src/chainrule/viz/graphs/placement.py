"""Groups placed: the size of every leaf and frame, and the way of every line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule.viz.graphs.groups import Group, Wire
from chainrule.viz.graphs.layout import Box, Layout, Line, arrange, spans
from chainrule.viz.graphs.leaves import Leaf, Value
from chainrule.viz.markup import clip, text_width

SIZE, SMALL = 13.0, 11.0  # of type
ROW = 15.0  # height of a line of small type
LEAF, CLOSED = 30.0, 46.0  # heights
TITLE = 20.0
MARGIN = 14.0  # between a frame and what stands in it
_PORT = 10.0
_NAME_GAP = 7.0
_COLUMNS = 5  # of layers that no line connects
#: So many values share one place at the border of a closed frame.
MANY = 12
_LONGEST_NAME, _LONGEST_KERNEL = 34, 46
#: So many bends may stand for each box; the longest lines become references beyond that.
_BENDS, _BENDS_AT_LEAST = 5, 400


@dataclass(slots=True)
class Item:
    """What stands in a frame.

    Attributes:
        kind: a leaf, a group, the frame's title, a port (where a line crosses the frame), or a
            reference that stands for a line too long to draw.
        width: its width, as it is now.
        height: its height, as it is now.
        leaf: the leaf, or the one that a reference refers to.
        inside: the placed group.
        outs: where lines leave, right of the center, by value.
        ins: where lines arrive, right of the center: by operand for a leaf, else by value.
        room: the width to keep free for it, labels of its lines included.
    """

    kind: str
    width: float
    height: float
    leaf: Leaf | None = None
    inside: Placed | None = None
    outs: dict[Value, float] = field(default_factory=dict)
    ins: dict[Value | int, float] = field(default_factory=dict)
    room: float = 0.0


@dataclass(slots=True)
class Placed:
    """A group with everything in it placed, from its frame's upper left corner.

    Attributes:
        group: the group.
        items: what stands in it.
        lines: the lines between the items, by position.
        values: what each line carries.
        layout: where the items stand.
        width: width of the open frame.
        height: height of the open frame.
        left: where the layout begins in the frame.
        top: likewise.
        ports_in: where each of the values that the group needs comes in: positions of items.
        ports_out: likewise, those that it gives.
        closed: size of the closed frame.
        summary: what is written on the closed frame below its title.
    """

    group: Group
    items: list[Item]
    lines: list[Line]
    values: list[Value]
    layout: Layout
    width: float
    height: float
    left: float
    top: float
    ports_in: list[int]
    ports_out: list[int]
    closed: tuple[float, float] = (0.0, 0.0)
    summary: str = ""

    def branches(self) -> list[bool]:
        """Return for each line whether another one draws all of its way but the last piece."""
        longest: dict[tuple[int, float], int] = {}
        for k, a in enumerate(self.lines):
            way = a.source, a.leaves
            if way not in longest or len(self.layout.bends[k]) > len(
                self.layout.bends[longest[way]]
            ):
                longest[way] = k
        return [
            longest[a.source, a.leaves] != k and bool(self.layout.bends[k])
            for k, a in enumerate(self.lines)
        ]


def place(group: Group, leaves: Sequence[Leaf]) -> Placed:
    """Place a group, and the groups in it first.

    Args:
        group: the whole picture, or a frame in it.
        leaves: all leaves.
    """
    items = [
        _leaf(leaves[m], m) if isinstance(m, int) else _frame(place(m, leaves), leaves)
        for m in group.members
    ]
    wires = group.wires
    first: list[int] = []
    last: list[int] = []
    ports_in: dict[Value, int] = {}
    ports_out: dict[Value, int] = {}
    has_ports = bool(group.needs or group.gives)
    if group.frame is not None and has_ports:
        first.append(len(items))
        items.append(Item("title", title_width(group), TITLE))
    for values, ports, rank, height in (
        (group.needs, ports_in, first, TITLE),
        (group.gives, ports_out, last, 0.0),
    ):
        together = [values] if len(values) > MANY else [[value] for value in values]
        for bundle in together:
            ports.update(dict.fromkeys(bundle, len(items)))
            rank.append(len(items))
            port = Item("port", _PORT, height, outs=dict.fromkeys(bundle, 0.0))
            port.ins.update(port.outs)
            items.append(port)
    lines, values_of = [], []
    for wire in wires:
        source = ports_in[wire.value] if wire.source is None else wire.source
        target = ports_out[wire.value] if wire.target is None else wire.target
        if _is_left_out(group, wire):
            continue
        lines.append(_line(items, source, target, wire))
        values_of.append(wire.value)
    if group.frame is None or group.frame.kind != "body":
        _refer(items, lines, values_of, leaves)
    boxes = [Box(max(item.width, item.room), item.height) for item in items]
    corner = first[0] if group.frame is not None and has_ports else None
    if group.frame_kind() == "run":
        arranged = _in_column(lines, len(group.members))
    else:
        arranged = [*lines, *_bodies_below(items)]
    layout = arrange(boxes, arranged, first, last, corner)
    _sort_commuting(items, lines, layout)
    ends = [ports_in[v] for v in group.needs], [ports_out[v] for v in group.gives]
    return _framed(group, items, lines, values_of, layout, leaves, ends)


def _is_left_out(group: Group, wire: Wire) -> bool:
    """Whether a line is not drawn: of a bundle inside of an open frame, all but the nearest."""
    last = len(group.members) - 1
    if wire.target is None and len(group.gives) > MANY:
        return wire.source != last
    return wire.source is None and len(group.needs) > MANY and wire.target != 0


def _in_column(lines: Sequence[Line], count: int) -> list[Line]:
    """Return the lines of a run for its layout: its layers stand in a column, or in rows of five.

    A line counts as if it led from middle to middle: else each layer would stand a little beside
    the one before.
    """
    found = [Line(a.source, a.target) for a in lines]
    joined = {i for a in lines for i in (a.source, a.target) if max(a.source, a.target) < count}
    alone = [i for i in range(count) if i not in joined]
    return found + [Line(i, k) for i, k in zip(alone, alone[_COLUMNS:], strict=False)]


def _bodies_below(items: Sequence[Item]) -> list[Line]:
    """Return lines, not to be drawn, that keep the bodies of a loop below its operation."""
    bodies = [
        i
        for i, item in enumerate(items)
        if item.inside is not None and item.inside.group.frame_kind() == "body"
    ]
    operations = [
        i for i, item in enumerate(items) if item.leaf is not None and item.leaf.holds_bodies
    ]
    return [Line(i, k) for i in operations for k in bodies]


def _framed(
    group: Group,
    items: list[Item],
    lines: list[Line],
    values: list[Value],
    layout: Layout,
    leaves: Sequence[Leaf],
    ports: tuple[list[int], list[int]],
) -> Placed:
    if group.frame is None:
        size = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN + ROW
        return Placed(group, items, lines, values, layout, *size, MARGIN, MARGIN, *ports)
    above = 0.0 if group.needs or group.gives else TITLE + MARGIN
    below = 0.0 if group.gives else MARGIN + ROW
    width = max(layout.width, title_width(group)) + 2 * MARGIN
    height = layout.height + above + below
    placed = Placed(group, items, lines, values, layout, width, height, MARGIN, above, *ports)
    inside = [leaves[n] for n in group.leaves()]
    placed.summary = _summary(inside)
    labels = [text_width("".join(label), SMALL) for label in border_labels(group, leaves)]
    wide = max(
        title_width(group),
        text_width(placed.summary, SMALL),
        len(labels) * (max(labels, default=0.0) + 14),
        len(group.needs) * 12.0 if len(group.needs) <= MANY else 0.0,
    )
    placed.closed = wide + 2 * MARGIN, CLOSED
    return placed


def border_labels(group: Group, leaves: Sequence[Leaf]) -> list[tuple[str, str, str]]:
    """Return what is written where lines leave a closed frame: type, value, derivative.

    Where there are many they leave in one bundle, which has one label.
    """
    if len(group.gives) > MANY:
        return [(f"{len(group.gives)} values", "", "")]
    found = []
    for n, port in group.gives:
        leaf = leaves[n]
        value, adjoint = leaf.port_values.get(port, ""), leaf.port_adjoints.get(port, "")
        found.append((leaf.ports[port], value and f" {value}", adjoint and f" ∂ {adjoint}"))
    return found


def closed_places(count: int, width: float) -> list[float]:
    """Return where lines meet a closed frame, right of its center."""
    if count > MANY:
        return [0.0] * count
    return [width * 0.86 * ((i + 0.5) / count - 0.5) for i in range(count)]


def _summary(inside: Sequence[Leaf]) -> str:
    counts = [
        (sum(leaf.kind == "operation" for leaf in inside), "operation"),
        (sum(leaf.kind == "parameter" for leaf in inside), "parameter"),
        (sum(leaf.kind == "state" for leaf in inside), "state value"),
    ]
    return ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counts if n)


def title_of(group: Group) -> str:
    """Return what is written on a frame."""
    assert group.frame is not None
    what = {"gradient": " · gradient", "update": " · update"}.get(group.frame.part, "")
    named = group.frame.kind in ("kernel", "body") or group.frame.label.startswith(group.frame.part)
    most = _LONGEST_KERNEL if group.frame.kind == "kernel" else _LONGEST_NAME
    return clip(group.frame.label, most) + ("" if named else what)


def title_width(group: Group) -> float:
    """Return how much room a frame's title takes, with its mark."""
    return text_width(title_of(group), SMALL) * 1.08 + 20


def _leaf(leaf: Leaf, number: int) -> Item:
    name = text_width(clip(leaf.name, _LONGEST_NAME), SMALL) + _NAME_GAP if leaf.name else 0.0
    rows = [text_width(leaf.value, SMALL), text_width(leaf.adjoint, SMALL)]
    width = max(text_width(leaf.text, SIZE) + name, *rows) + 20
    below = [leaf.port_values, leaf.port_adjoints]
    height = LEAF + ROW * (bool(leaf.value) + bool(leaf.adjoint) + sum(map(bool, below)))
    count = len(leaf.arguments)
    ins: dict[Value | int, float] = {
        k: width * 0.7 * ((k + 1) / (count + 1) - 0.5) for k in range(count)
    }
    item = Item("leaf", max(width, 34.0), height, leaf, ins=ins)
    labels = [text_width(label, SMALL) for label in leaf.ports]
    shown = [text_width(f"∂ {text}", SMALL) for texts in below for text in texts.values()]
    if len(leaf.ports) > 1:
        step = max(*labels, *shown) + 14
        item.width = max(item.width, step * len(labels))
        for k in range(len(labels)):
            item.outs[Value(number, k)] = step * (k - (len(labels) - 1) / 2)
    else:
        item.width = max(item.width, max(shown, default=0.0) + 14)
        item.outs[Value(number)] = 0.0
    item.room = 2 * max(labels, default=0.0) + 8 if leaf.kind != "output" else 0.0
    return item


def _frame(placed: Placed, leaves: Sequence[Leaf]) -> Item:
    group = placed.group
    is_open = group.is_open
    width, height = (placed.width, placed.height) if is_open else placed.closed
    item = Item("group", width, height, inside=placed)
    for values, ends in ((group.needs, item.ins), (group.gives, item.outs)):
        order = sorted(values, key=lambda v: _port_x(placed, v, values is group.needs))
        closed = closed_places(len(order), placed.closed[0])
        for value, closed_at in zip(order, closed, strict=True):
            open_at = _port_x(placed, value, values is group.needs) - placed.width / 2
            ends[value] = open_at if is_open else closed_at
    if not is_open:
        labels = zip(border_labels(group, leaves), group.gives, strict=False)
        item.room = max(
            (2 * (item.outs[v] + text_width("".join(t), SMALL) + 8) for t, v in labels),
            default=0.0,
        )
    return item


def _port_x(placed: Placed, value: Value, enters: bool) -> float:
    group = placed.group
    ports, values = (placed.ports_in, group.needs) if enters else (placed.ports_out, group.gives)
    return placed.left + placed.layout.x[ports[values.index(value)]]


def _line(items: Sequence[Item], source: int, target: int, wire: Wire) -> Line:
    ins = items[target].ins
    arrives = ins[wire.operand] if items[target].kind == "leaf" else ins[wire.value]
    return Line(source, target, items[source].outs[wire.value], arrives)


def _refer(
    items: list[Item], lines: list[Line], values: list[Value], leaves: Sequence[Leaf]
) -> None:
    """Replace the longest lines, where there are too many bends, by references at their ends."""
    ports = [i for i, item in enumerate(items) if item.kind in ("port", "title")]
    length = spans(len(items), [(a.source, a.target) for a in lines], ports)
    ways: dict[tuple[int, float], int] = {}
    for a, span in zip(lines, length, strict=True):
        ways[a.source, a.leaves] = max(ways.get((a.source, a.leaves), 0), span)
    allowed = max(_BENDS_AT_LEAST, _BENDS * len(items))
    total = sum(ways.values())
    if total <= allowed:
        return
    longest = max(length)
    while total > allowed:  # the greatest length at which what is left fits
        longest -= max(1, longest // 10)
        kept: dict[tuple[int, float], int] = {}
        for a, span in zip(lines, length, strict=True):
            if span <= longest:
                kept[a.source, a.leaves] = max(kept.get((a.source, a.leaves), 0), span)
        total = sum(kept.values())
    made: dict[tuple[Value, int], int] = {}
    for k, span in enumerate(length):
        if span <= longest:
            continue
        value = values[k]
        leaf = leaves[value.leaf]
        key = value, lines[k].target
        if key not in made:
            name = leaf.name or leaf.text
            text = Leaf("reference", leaf.part, clip(name, _LONGEST_NAME), tip=leaf.tip)
            made[key] = len(items)
            items.append(Item("reference", text_width(text.text, SMALL) + 14, 20.0, text))
        lines[k].source, lines[k].leaves = made[key], 0.0


def _sort_commuting(items: Sequence[Item], lines: Sequence[Line], layout: Layout) -> None:
    """Let operands whose order means nothing arrive in the order in which they come."""
    arriving: dict[int, list[int]] = {}
    for k, a in enumerate(lines):
        leaf = items[a.target].leaf
        if leaf is not None and leaf.commutes:
            arriving.setdefault(a.target, []).append(k)

    def comes_from(k: int) -> float:
        bends = layout.bends[k]
        return bends[-1] if bends else layout.x[lines[k].source] + lines[k].leaves

    for mine in arriving.values():
        slots = sorted(lines[k].arrives for k in mine)
        for k, slot in zip(sorted(mine, key=comes_from), slots, strict=True):
            lines[k].arrives = slot
