"""The order in each rank, chosen so that few lines cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

_LARGE = 3000  # segments; above it there are fewer sweeps and no exchange of neighbors
_SWEEPS, _SWEEPS_LARGE = 24, 8
_PATIENCE = 4
_EXCHANGES = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a line between two ranks that follow each other.

    Attributes:
        source: the upper box, or bend.
        target: the lower one.
        leaves: where it starts, right of the upper one's center.
        arrives: where it ends, right of the lower one's center.
        weight: how much it should be vertical.
    """

    source: int
    target: int
    leaves: float = 0.0
    arrives: float = 0.0
    weight: float = 1.0


#: Offsets within a box count as fractions of a place.
_FRACTION = 1e-5


def count_crossings(ranks: Sequence[Sequence[int]], segments: Sequence[Segment]) -> int:
    """Return how many pairs of segments cross.

    Args:
        ranks: the boxes of each rank, from left to right.
        segments: lines between ranks that follow each other.

    >>> count_crossings([[0, 1], [2, 3]], [Segment(0, 3), Segment(1, 2)])
    1
    """
    place, rank = _places(ranks)
    by_rank: dict[int, list[tuple[float, float]]] = {}
    for s in segments:
        ends = place[s.source] + s.leaves * _FRACTION, place[s.target] + s.arrives * _FRACTION
        by_rank.setdefault(rank[s.source], []).append(ends)
    return sum(map(_inversions, by_rank.values()))


def _inversions(ends: list[tuple[float, float]]) -> int:
    seen: list[float] = []
    total = 0
    for _, lower in sorted(ends):
        total += len(seen) - bisect_right(seen, lower)
        insort(seen, lower)
    return total


def _places(ranks: Sequence[Sequence[int]]) -> tuple[dict[int, int], dict[int, int]]:
    place = {v: i for boxes in ranks for i, v in enumerate(boxes)}
    rank = {v: r for r, boxes in enumerate(ranks) for v in boxes}
    return place, rank


class _Ends:
    """The segments of each box, upwards and downwards: other end, offset there, offset here."""

    def __init__(self, ranks: Sequence[Sequence[int]], segments: Sequence[Segment]) -> None:
        self.up: dict[int, list[tuple[int, float, float]]] = {v: [] for b in ranks for v in b}
        self.down: dict[int, list[tuple[int, float, float]]] = {v: [] for b in ranks for v in b}
        for s in segments:
            self.up[s.target].append((s.source, s.leaves * _FRACTION, s.arrives * _FRACTION))
            self.down[s.source].append((s.target, s.arrives * _FRACTION, s.leaves * _FRACTION))


def reduce_crossings(
    ranks: Sequence[Sequence[int]], segments: Sequence[Segment]
) -> list[list[int]]:
    """Reorder the boxes within their ranks so that fewer lines cross, never more.

    Sweeps down and up put each box at the mean place of its neighbors in the rank before; then
    neighbors change places where that helps. The best order seen is kept.

    Args:
        ranks: the boxes of each rank; the order is where the search starts.
        segments: lines between ranks that follow each other.

    >>> reduce_crossings([[0, 1], [2, 3]], [Segment(0, 3), Segment(1, 2)])
    [[0, 1], [3, 2]]

    Source: Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system
    structures" (1981); Gansner et al. (1993), section 3.
    """
    current = [list(boxes) for boxes in ranks]
    best, fewest = [list(boxes) for boxes in current], count_crossings(current, segments)
    ends = _Ends(current, segments)
    large = len(segments) > _LARGE
    unchanged = 0
    for sweep in range(_SWEEPS_LARGE if large else _SWEEPS):
        if fewest == 0 or unchanged == _PATIENCE:
            break
        _sweep(current, ends.up if sweep % 2 == 0 else ends.down, sweep % 2 == 1)
        crossings = count_crossings(current, segments)
        unchanged = 0 if crossings < fewest else unchanged + 1
        if crossings < fewest:
            best, fewest = [list(boxes) for boxes in current], crossings
    if fewest and not large:
        _exchange(best, ends)
    return best


def _sweep(
    ranks: list[list[int]],
    neighbors: dict[int, list[tuple[int, float, float]]],
    upwards: bool,
) -> None:
    order = range(len(ranks) - 2, -1, -1) if upwards else range(1, len(ranks))
    for r in order:
        boxes = ranks[r]
        beside = ranks[r + 1] if upwards else ranks[r - 1]
        place = {v: i for i, v in enumerate(beside)}
        scale = len(beside) / max(len(boxes), 1)
        key = {}
        for i, v in enumerate(boxes):
            ends = neighbors[v]
            key[v] = (
                sum(place[u] + there for u, there, _ in ends) / len(ends) if ends else i * scale
            )
        boxes.sort(key=key.__getitem__)


def _exchange(ranks: list[list[int]], ends: _Ends) -> None:
    """Let neighbors change places as long as that removes crossings."""
    for _ in range(_EXCHANGES):
        improved = False
        for r, boxes in enumerate(ranks):
            sides = []
            for neighbors, other in ((ends.up, r - 1), (ends.down, r + 1)):
                if 0 <= other < len(ranks):
                    place = {v: i for i, v in enumerate(ranks[other])}
                    sides.append(
                        {v: [place[u] + there for u, there, _ in neighbors[v]] for v in boxes}
                    )
            for i in range(len(boxes) - 1):
                v, w = boxes[i], boxes[i + 1]
                now = then = 0
                for side in sides:
                    now += sum(a > b for a in side[v] for b in side[w])
                    then += sum(b > a for a in side[v] for b in side[w])
                if then < now:
                    boxes[i], boxes[i + 1] = w, v
                    improved = True
        if not improved:
            return
