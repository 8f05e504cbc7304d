"""Ranks: in which row of a layered picture each box stands, so that every line goes down."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chainrule.core.errors import GraphError

_PULLS = 4  # sweeps that shorten lines; more change nothing in practice


def assign_ranks(
    count: int,
    lines: Sequence[tuple[int, int]],
    first: Collection[int] = (),
    last: Collection[int] = (),
) -> list[int]:
    """Return a rank for each box: ``rank[source] < rank[target]`` for every line.

    Boxes take the least rank that their lines allow; then those with fewer lines from above than
    to below sink towards what uses them, which shortens lines (a weight stands above its layer).

    Args:
        count: how many boxes there are.
        lines: pairs of source and target, without a cycle.
        first: boxes that nothing leads to; they fill rank 0 alone.
        last: boxes that lead to nothing; they fill the last rank alone.

    Raises:
        GraphError: the lines form a cycle.

    >>> assign_ranks(4, [(0, 1), (1, 2), (3, 2)])
    [0, 1, 2, 1]

    Source: Gansner et al., "A technique for drawing directed graphs" (1993), section 2.
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in lines:
        above[target].append(source)
        below[source].append(target)
    order = _topological(above, below)
    top, bottom = set(first), set(last)
    floor = 1 if top else 0
    rank = [0] * count
    for v in order:
        rank[v] = 0 if v in top else max((rank[u] + 1 for u in above[v]), default=floor)
    free = [v for v in order if v not in top and v not in bottom and below[v]]
    for _ in range(_PULLS):
        moved = False
        for v in reversed(free):
            lowest = min(rank[w] for w in below[v]) - 1
            if len(above[v]) < len(below[v]) or len(above[v]) == 0:
                moved |= rank[v] != lowest
                rank[v] = lowest
            elif len(above[v]) > len(below[v]):
                highest = max(rank[u] for u in above[v]) + 1
                moved |= rank[v] != highest
                rank[v] = highest
        if not moved:
            break
    if bottom:
        end = max((rank[v] for v in range(count) if v not in bottom), default=0) + 1
        for v in bottom:
            rank[v] = end
    return rank


def _topological(above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> list[int]:
    missing = [len(sources) for sources in above]
    ready = [v for v, number in enumerate(missing) if number == 0]
    for v in ready:
        for w in below[v]:
            missing[w] -= 1
            if missing[w] == 0:
                ready.append(w)
    if len(ready) < len(missing):
        raise GraphError("the lines to draw form a cycle")
    return ready
