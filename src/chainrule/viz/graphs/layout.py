"""A layered layout (Sugiyama's method): boxes in ranks, lines that go down around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from chainrule.viz.graphs.coordinates import assign_x
from chainrule.viz.graphs.crossings import Segment, reduce_crossings
from chainrule.viz.graphs.ranks import assign_ranks

_BETWEEN, _BESIDE_BEND = 22.0, 9.0  # free space beside a box, and beside a bend
_GAP, _SLANT, _WIDEST = 38.0, 0.05, 80.0  # between ranks; more where lines run far across
_APART = 48.0  # between parts that no line connects
_ASPECT = 2.0
#: A line's pieces are the more vertical, the longer it is (Gansner et al., section 4).
_WEIGHTS = {0: 1.0, 1: 2.0, 2: 8.0}


@dataclass(frozen=True, slots=True)
class Box:
    """What is placed: its width and height."""

    width: float
    height: float


@dataclass(slots=True)
class Line:
    """A line from one box down to another.

    Attributes:
        source: number of the upper box.
        target: number of the lower one.
        leaves: where it starts, right of the upper one's center.
        arrives: where it ends, right of the lower one's center.
    """

    source: int
    target: int
    leaves: float = 0.0
    arrives: float = 0.0


@dataclass(slots=True)
class Layout:
    """Where everything stands.

    Attributes:
        x: center of each box.
        rank: rank of each box.
        bends: for each line, where it passes the ranks between its boxes: x, from above.
        top: where each rank begins.
        bottom: where each rank ends.
        width: width of the whole.
        height: height of the whole.
    """

    x: list[float]
    rank: list[int]
    bends: list[list[float]]
    top: list[float] = field(default_factory=list)
    bottom: list[float] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def y(self, box: int) -> float:
        """Return the center of a box, in the middle of its rank."""
        return (self.top[self.rank[box]] + self.bottom[self.rank[box]]) / 2


def arrange(
    boxes: Sequence[Box],
    lines: Sequence[Line],
    first: Sequence[int] = (),
    last: Sequence[int] = (),
    corner: int | None = None,
) -> Layout:
    """Place boxes in ranks and lead the lines around them.

    No two boxes overlap; every line goes down; lines of one source and start share their way as
    long as they go together. Parts that no line connects stand beside each other, in rows. The
    result depends on nothing but the arguments.

    Args:
        boxes: the boxes, by number.
        lines: the lines, without a cycle.
        first: boxes that stand alone in the first rank; nothing leads to them.
        last: boxes that stand alone in the last rank; they lead to nothing.
        corner: one of ``first`` that stands in the upper left corner.

    Raises:
        GraphError: the lines form a cycle.

    >>> layout = arrange([Box(40, 20)] * 3, [Line(0, 1), Line(1, 2), Line(0, 2)])
    >>> layout.rank, [len(xs) for xs in layout.bends]
    ([0, 1, 2], [0, 0, 1])

    Source: Sugiyama, Tagawa, Toda (1981); Gansner, Koutsofios, North, Vo (1993).
    """
    rank = assign_ranks(len(boxes), [(a.source, a.target) for a in lines], first, last)
    whole = Layout([0.0] * len(boxes), rank, [[] for _ in lines])
    parts = [list(range(len(boxes)))] if first or last else _parts(len(boxes), lines)
    of_part = {v: i for i, members in enumerate(parts) for v in members}
    lines_of: list[list[int]] = [[] for _ in parts]
    for k, a in enumerate(lines):
        lines_of[of_part[a.source]].append(k)
    widths = [
        _place(boxes, lines, members, mine, whole, corner)
        for members, mine in zip(parts, lines_of, strict=True)
    ]
    _pack(parts, lines_of, widths, boxes, whole)
    _assign_y(boxes, lines, whole)
    return whole


def _parts(count: int, lines: Sequence[Line]) -> list[list[int]]:
    """Return the connected parts, each in the order of its boxes' numbers."""
    leader = list(range(count))

    def find(v: int) -> int:
        while leader[v] != v:
            leader[v] = leader[leader[v]]
            v = leader[v]
        return v

    for a in lines:
        low, high = sorted((find(a.source), find(a.target)))
        leader[high] = low
    members: dict[int, list[int]] = {}
    for v in range(count):
        members.setdefault(find(v), []).append(v)
    return list(members.values())


def _place(
    boxes: Sequence[Box],
    lines: Sequence[Line],
    members: Sequence[int],
    mine: Sequence[int],
    whole: Layout,
    corner: int | None,
) -> float:
    """Place one connected part from x = 0 on; return its width."""
    rank = whole.rank
    start = min(rank[v] for v in members)
    for v in members:
        rank[v] -= start
    place_of: dict[int, int] = {v: i for i, v in enumerate(members)}
    ranks: list[list[int]] = [[] for _ in range(max(rank[v] for v in members) + 1)]
    widths = [boxes[v].width for v in members]
    gaps = [_BETWEEN if boxes[v].width else _BESIDE_BEND for v in members]
    levels = [rank[v] for v in members]
    shared: dict[tuple[int, float], list[int]] = {}  # source and start: bends by rank
    segments: dict[tuple[int, int, float, float], Segment] = {}
    bends_of: dict[int, list[int]] = {}

    def connect(u: int, v: int, leaves: float, arrives: float) -> None:
        weight = _WEIGHTS[(u >= len(members)) + (v >= len(members))]
        segments[u, v, leaves, arrives] = Segment(u, v, leaves, arrives, weight)

    for k in mine:
        a = lines[k]
        u, v = place_of[a.source], place_of[a.target]
        chain = shared.setdefault((u, a.leaves), [])
        span = rank[a.target] - rank[a.source] - 1
        while len(chain) < span:
            bend = len(widths)
            widths.append(0.0)
            gaps.append(_BESIDE_BEND)
            levels.append(rank[a.source] + 1 + len(chain))
            connect(chain[-1] if chain else u, bend, 0.0 if chain else a.leaves, 0.0)
            chain.append(bend)
        bends_of[k] = chain[:span]
        connect(chain[span - 1] if span else u, v, 0.0 if span else a.leaves, a.arrives)
    pieces = list(segments.values())
    for v in _in_depth_order(len(widths), pieces):
        ranks[levels[v]].append(v)
    pinned = [] if corner is None else [place_of[corner]]
    ranks[0] = [v for v in ranks[0] if v not in pinned]
    order = reduce_crossings(ranks, pieces)  # without what stands in the corner
    chains = [chain for chain in shared.values() if len(chain) > 1]
    x = assign_x(order, widths, gaps, pieces, chains)
    for v in pinned:
        ends = [x[w] - widths[w] / 2 for w in order[0]]
        missing = max(0.0, widths[v] + _BETWEEN - min(ends, default=widths[v] + _BETWEEN))
        x = [place + missing for place in x]
        x[v] = widths[v] / 2
    for i, v in enumerate(members):
        whole.x[v] = x[i]
    for k, bends in bends_of.items():
        whole.bends[k] = [x[b] for b in bends]
    return max(x[i] + widths[i] / 2 for i in range(len(widths)))


def _in_depth_order(count: int, segments: Sequence[Segment]) -> list[int]:
    """Number what is connected close together: depth first, whatever the direction."""
    beside: list[list[int]] = [[] for _ in range(count)]
    for s in segments:
        beside[s.source].append(s.target)
        beside[s.target].append(s.source)
    seen = [False] * count
    found = []
    for start in range(count):
        stack = [start]
        while stack:
            v = stack.pop()
            if not seen[v]:
                seen[v] = True
                found.append(v)
                stack += [w for w in reversed(beside[v]) if not seen[w]]
    return found


def _pack(
    parts: Sequence[Sequence[int]],
    lines_of: Sequence[Sequence[int]],
    widths: Sequence[float],
    boxes: Sequence[Box],
    whole: Layout,
) -> None:
    """Stand the parts beside each other, in rows where one would become too wide."""
    heights = [
        sum(_GAP + max(boxes[v].height for v in members) for _ in {whole.rank[v] for v in members})
        for members in parts
    ]
    area = sum((w + _APART) * (h + _APART) for w, h in zip(widths, heights, strict=True))
    limit = max([(area * _ASPECT) ** 0.5, *widths], default=0.0)
    x, row = 0.0, 0
    row_ranks = 0
    for members, mine, width in zip(parts, lines_of, widths, strict=True):
        if x > 0 and x + width > limit:
            x, row, row_ranks = 0.0, row + row_ranks, 0
        row_ranks = max(row_ranks, 1 + max(whole.rank[v] for v in members))
        for v in members:
            whole.x[v] += x
            whole.rank[v] += row
        for k in mine:
            whole.bends[k] = [bend + x for bend in whole.bends[k]]
        whole.width = max(whole.width, x + width)
        x += width + _APART


def _assign_y(boxes: Sequence[Box], lines: Sequence[Line], whole: Layout) -> None:
    count = max(whole.rank, default=-1) + 1
    height = [0.0] * count
    for box, r in zip(boxes, whole.rank, strict=True):
        height[r] = max(height[r], box.height)
    across = [0.0] * count
    for a, bends in zip(lines, whole.bends, strict=True):
        r = whole.rank[a.source]
        places = [whole.x[a.source] + a.leaves, *bends, whole.x[a.target] + a.arrives]
        for i in range(len(places) - 1):
            across[r + i] = max(across[r + i], abs(places[i + 1] - places[i]))
    y = 0.0
    for r in range(count):
        whole.top.append(y)
        whole.bottom.append(y + height[r])
        y += height[r] + min(_GAP + _SLANT * across[r], _WIDEST)
    whole.height = whole.bottom[-1] if count else 0.0


def spans(count: int, lines: Sequence[tuple[int, int]], ports: Collection[int] = ()) -> list[int]:
    """Return how many ranks each line passes between its ends, were it drawn."""
    rank = assign_ranks(count, lines, [v for v in ports if all(t != v for _, t in lines)])
    return [rank[target] - rank[source] - 1 for source, target in lines]
