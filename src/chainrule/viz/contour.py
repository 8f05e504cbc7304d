"""Contour lines of a function of two variables, by marching squares."""

from __future__ import annotations

import numpy as np

from chainrule.core.types import Array

#: A crossing lies on an edge of the grid: between a place and its neighbor to the right, or above.
_Edge = tuple[int, int, bool]


def contour_lines(values: Array, level: float) -> list[Array]:
    """Return where a function takes one value, as lines.

    On each edge of the grid whose ends lie on different sides of the level, the crossing is found
    by linear interpolation; the crossings of a cell are joined. In a cell with four crossings, the
    mean of its corners decides which belong together.

    Args:
        values: shape (rows, columns): the function at the places of a grid. Edges to places that
            are not finite are left out.
        level: the value.

    Returns:
        Lines of shape (n, 2), as columns and rows, in fractions of a step; a closed one ends where
        it began.

    >>> contour_lines(np.array([[0.0, 1.0], [0.0, 1.0]]), 0.25)
    [array([[0.25, 0.  ],
           [0.25, 1.  ]])]

    Source: Lorensen and Cline, Marching cubes, SIGGRAPH 1987, in two dimensions.
    """
    values = np.asarray(values, dtype=np.float64)
    above = values > level
    corners = above[:-1, :-1], above[:-1, 1:], above[1:, 1:], above[1:, :-1]
    mixed = np.logical_or.reduce(corners) & ~np.logical_and.reduce(corners)
    finite = np.isfinite(values)
    whole = finite[:-1, :-1] & finite[:-1, 1:] & finite[1:, 1:] & finite[1:, :-1]
    joined: dict[_Edge, list[_Edge]] = {}
    for row, column in np.argwhere(mixed & whole).tolist():
        for a, b in _segments(values[row : row + 2, column : column + 2], level, row, column):
            joined.setdefault(a, []).append(b)
            joined.setdefault(b, []).append(a)
    return [np.array([_place(values, level, e) for e in chain]) for chain in _chains(joined)]


def _segments(cell: Array, level: float, row: int, column: int) -> list[tuple[_Edge, _Edge]]:
    """Return the pairs of crossings that are joined within a cell."""
    bottom, right = (row, column, False), (row, column + 1, True)
    top, left = (row + 1, column, False), (row, column, True)
    (a, b), (d, c) = cell > level  # around the cell: a bottom left, b, c, d top left
    crossed = [
        edge
        for edge, is_crossed in ((bottom, a != b), (right, b != c), (top, c != d), (left, d != a))
        if is_crossed
    ]
    if len(crossed) == 2:
        return [(crossed[0], crossed[1])]
    # a saddle: the corners on the middle's side are connected through it
    if (cell.mean() > level) == a:
        return [(bottom, right), (top, left)]
    return [(left, bottom), (right, top)]


def _place(values: Array, level: float, edge: _Edge) -> tuple[float, float]:
    row, column, upward = edge
    start = values[row, column]
    end = values[row + 1, column] if upward else values[row, column + 1]
    share = float((level - start) / (end - start))
    return (column, row + share) if upward else (column + share, row)


def _chains(joined: dict[_Edge, list[_Edge]]) -> list[list[_Edge]]:
    """Return the crossings as chains: open ones from end to end, then closed ones."""
    chains = []
    starts = [edge for edge, others in joined.items() if len(others) == 1]
    for start in [*starts, *joined]:
        if not joined[start]:
            continue
        chain, here = [start], start
        while joined[here]:
            following = joined[here].pop()
            joined[following].remove(here)
            chain.append(following)
            here = following
        chains.append(chain)
    return chains
