"""Horizontal coordinates: lines as straight as the order and the widths of the boxes allow."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.viz.graphs.crossings import Segment

_SWEEPS, _SWEEPS_LARGE, _LARGE = 24, 10, 4000
_STAY = 1e-3  # weight of staying where nothing pulls


def assign_x(
    ranks: Sequence[Sequence[int]],
    widths: Sequence[float],
    gaps: Sequence[float],
    segments: Sequence[Segment],
    chains: Sequence[Sequence[int]] = (),
) -> list[float]:
    """Return the center of each box.

    Rank by rank, down and up, the boxes move to where ``Σ weight (x_source + leaves - x_target -
    arrives)²`` over their segments is least while each keeps its distance from the next: an
    isotonic regression, which is solved exactly. Bends of one line are then put above each other.

    Args:
        ranks: the boxes of each rank, from left to right.
        widths: width of each box (0 for a bend).
        gaps: the free space that a box wants on either side.
        segments: lines between ranks that follow each other.
        chains: bends of one line, from above.

    >>> assign_x([[0], [1, 2]], [10.0, 10.0, 10.0], [5.0] * 3, [Segment(0, 1), Segment(0, 2)])
    [12.5, 5.0, 20.0]

    Source: Gansner et al. (1993), section 4, for the weights; Barlow et al. (1972) for the
    regression.
    """
    x = [0.0] * len(widths)
    offsets = []
    for boxes in ranks:
        at, least = 0.0, []
        for i, v in enumerate(boxes):
            if i:
                u = boxes[i - 1]
                at += (widths[u] + widths[v]) / 2 + max(gaps[u], gaps[v])
            least.append(at)
        offsets.append(least)
        for v, place in zip(boxes, least, strict=True):
            x[v] = place - at / 2
    up: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    down: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    for s in segments:
        up[s.target].append((s.source, s.leaves - s.arrives, s.weight))
        down[s.source].append((s.target, s.arrives - s.leaves, s.weight))
    sweeps = _SWEEPS_LARGE if len(segments) > _LARGE else _SWEEPS
    for sweep in range(sweeps):
        # The last sweeps look both ways: they settle between what is above and what is below.
        both = sweep >= sweeps - 4
        upwards = sweep % 2 == 1
        for r in range(len(ranks) - 1, -1, -1) if upwards else range(len(ranks)):
            boxes = ranks[r]
            wishes, weights = [], []
            for v in boxes:
                ends = up[v] + down[v] if both else (down[v] if upwards else up[v])
                weight = sum(w for _, _, w in ends)
                weights.append(weight or _STAY)
                wishes.append(
                    sum(w * (x[u] + off) for u, off, w in ends) / weight if weight else x[v]
                )
            for v, place in zip(boxes, _spread(wishes, weights, offsets[r]), strict=True):
                x[v] = place
    _straighten(x, ranks, widths, gaps, chains)
    left = min((x[v] - widths[v] / 2 for boxes in ranks for v in boxes), default=0.0)
    return [place - left for place in x]


def _spread(
    wishes: Sequence[float], weights: Sequence[float], least: Sequence[float]
) -> list[float]:
    """Return the places nearest to the wishes with ``x[i+1] - x[i] ≥ least[i+1] - least[i]``."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, members: ascending means
    for wish, weight, offset in zip(wishes, weights, least, strict=True):
        mean, total, members = wish - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, members = total + heavy, members + many
        pools.append((mean, total, members))
    means = [mean for mean, _, members in pools for _ in range(members)]
    return [mean + offset for mean, offset in zip(means, least, strict=True)]


def _straighten(
    x: list[float],
    ranks: Sequence[Sequence[int]],
    widths: Sequence[float],
    gaps: Sequence[float],
    chains: Sequence[Sequence[int]],
) -> None:
    """Put the bends of a line above each other as far as their neighbors leave room."""
    beside = {}
    for boxes in ranks:
        for i, v in enumerate(boxes):
            left = boxes[i - 1] if i else None
            right = boxes[i + 1] if i + 1 < len(boxes) else None
            beside[v] = left, right

    def room(v: int) -> tuple[float, float]:
        left, right = beside[v]
        low, high = float("-inf"), float("inf")
        if left is not None:
            low = x[left] + (widths[left] + widths[v]) / 2 + max(gaps[left], gaps[v])
        if right is not None:
            high = x[right] - (widths[right] + widths[v]) / 2 - max(gaps[right], gaps[v])
        return min(low, x[v]), max(high, x[v])

    for chain in chains:
        start = 0
        while start < len(chain):
            low, high = room(chain[start])
            end = start + 1
            while end < len(chain):
                lower, upper = room(chain[end])
                if max(low, lower) > min(high, upper):
                    break
                low, high = max(low, lower), min(high, upper)
                end += 1
            mean = sum(x[v] for v in chain[start:end]) / (end - start)
            for v in chain[start:end]:
                x[v] = min(max(mean, low), high)
            start = end
