"""Properties of the layout, on random graphs."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import GraphError
from chainrule.viz.graphs.crossings import Segment, count_crossings, reduce_crossings
from chainrule.viz.graphs.layout import Box, Layout, Line, arrange, spans
from chainrule.viz.graphs.ranks import assign_ranks


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[Line]]:
    count = draw(st.integers(0, 14))
    sides = st.floats(1, 90)
    boxes = [Box(draw(sides), draw(sides)) for _ in range(count)]
    pairs = [(i, j) for j in range(count) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=30)) if pairs else []
    numbers = draw(st.permutations(range(count)))  # numbers say nothing of the order
    lines = [
        Line(
            numbers[i],
            numbers[j],
            draw(st.sampled_from([-0.3, 0.0, 0.3])) * boxes[numbers[i]].width,
            draw(st.sampled_from([-0.3, 0.0, 0.3])) * boxes[numbers[j]].width,
        )
        for i, j in chosen
    ]
    return boxes, lines


def overlaps(layout: Layout, boxes: list[Box]) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(boxes)), 2)
        if abs(layout.x[i] - layout.x[j]) < (boxes[i].width + boxes[j].width) / 2 - 1e-6
        and abs(layout.y(i) - layout.y(j)) < (boxes[i].height + boxes[j].height) / 2 - 1e-6
    ]


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_boxes_do_not_overlap_lines_go_down_and_all_is_inside(
    graph: tuple[list[Box], list[Line]],
) -> None:
    boxes, lines = graph
    layout = arrange(boxes, lines)
    assert overlaps(layout, boxes) == []
    for line, bends in zip(lines, layout.bends, strict=True):
        below = layout.y(line.target) - boxes[line.target].height / 2
        assert layout.y(line.source) + boxes[line.source].height / 2 < below
        assert len(bends) == layout.rank[line.target] - layout.rank[line.source] - 1
        assert all(-1e-6 <= x <= layout.width + 1e-6 for x in bends)
    for i, box in enumerate(boxes):
        assert box.width / 2 - 1e-6 <= layout.x[i] <= layout.width - box.width / 2 + 1e-6
        assert box.height / 2 - 1e-6 <= layout.y(i) <= layout.height - box.height / 2 + 1e-6


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_lines_pass_beside_boxes(graph: tuple[list[Box], list[Line]]) -> None:
    boxes, lines = graph
    layout = arrange(boxes, lines)
    for line, bends in zip(lines, layout.bends, strict=True):
        for r, x in enumerate(bends, start=layout.rank[line.source] + 1):
            for i, box in enumerate(boxes):
                if layout.rank[i] == r:
                    assert abs(layout.x[i] - x) > box.width / 2


@pytest.mark.parametrize("seed", range(12))
def test_many_long_lines_keep_their_distance_and_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    count = 40
    boxes = [Box(chance.uniform(20, 120), 30) for _ in range(count)]
    pairs = {(chance.randrange(j), j) for j in range(1, count) for _ in range(3)}
    lines = [Line(u, v) for u, v in sorted(pairs)]
    layout = arrange(boxes, lines)
    assert overlaps(layout, boxes) == []
    near = 0
    for line, bends in zip(lines, layout.bends, strict=True):
        for r, x in enumerate(bends, start=layout.rank[line.source] + 1):
            for i, box in enumerate(boxes):
                if layout.rank[i] == r:
                    assert abs(layout.x[i] - x) > box.width / 2 + 5
                    near += abs(layout.x[i] - x) < box.width / 2 + 30
    assert near > 0


@given(graphs())
@settings(max_examples=40, deadline=None)
def test_layout_is_deterministic(graph: tuple[list[Box], list[Line]]) -> None:
    boxes, lines = graph
    assert arrange(boxes, lines) == arrange(boxes, lines)


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_ranks_stay_with_first_and_last(graph: tuple[list[Box], list[Line]]) -> None:
    boxes, lines = graph
    n = len(boxes)
    pairs = [(a.source, a.target) for a in lines]
    if n == 0:
        return
    more = [*pairs, (n, 0), (n - 1, n + 1)]
    rank = assign_ranks(n + 2, more, first=[n], last=[n + 1])
    assert all(rank[u] < rank[v] for u, v in more)
    assert [v for v in range(n + 2) if rank[v] == 0] == [n]
    assert [v for v in range(n + 2) if rank[v] == max(rank)] == [n + 1]


def brute(ranks: list[list[int]], segments: list[Segment]) -> int:
    """Count crossings pair by pair."""
    place = {v: i for boxes in ranks for i, v in enumerate(boxes)}
    rank = {v: r for r, boxes in enumerate(ranks) for v in boxes}
    return sum(
        rank[a.source] == rank[b.source]
        and (place[a.source] - place[b.source]) * (place[a.target] - place[b.target]) < 0
        for a, b in itertools.combinations(segments, 2)
    )


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_reduction_never_adds_crossings(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    numbers = itertools.count()
    ranks = [[next(numbers) for _ in range(size)] for size in sizes]
    pairs = [(u, v) for a, b in itertools.pairwise(ranks) for u in a for v in b]
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=25, unique=True))
    segments = [Segment(u, v) for u, v in chosen]
    assert count_crossings(ranks, segments) == brute(ranks, segments)
    reduced = reduce_crossings(ranks, segments)
    assert [sorted(boxes) for boxes in reduced] == ranks
    assert brute(reduced, segments) <= brute(ranks, segments)


def test_a_planar_graph_is_drawn_without_crossings() -> None:
    ranks = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    segments = [Segment(0, 5), Segment(1, 3), Segment(2, 4), Segment(5, 6), Segment(3, 8)]
    assert count_crossings(ranks, segments) > 0
    assert count_crossings(reduce_crossings(ranks, segments), segments) == 0


def test_a_chain_is_straight() -> None:
    layout = arrange([Box(20.0 + 7 * i, 10) for i in range(5)], [Line(i, i + 1) for i in range(4)])
    assert max(layout.x) - min(layout.x) < 1e-6


def test_long_lines_are_straight_where_there_is_room() -> None:
    lines = [Line(i, i + 1) for i in range(6)] + [Line(0, 6)]
    bends = arrange([Box(40, 20)] * 7, lines).bends[-1]
    assert len(bends) == 5
    assert max(bends) - min(bends) < 1e-6


def test_lines_of_one_source_share_their_way() -> None:
    lines = [Line(0, 1), Line(1, 2), Line(2, 3), Line(3, 4), Line(0, 3), Line(0, 4)]
    bends = arrange([Box(40, 20)] * 5, lines).bends
    assert bends[4] == bends[5][:2]


def test_the_corner_stays_free() -> None:
    boxes = [Box(120, 20), Box(10, 20), Box(50, 20)]
    layout = arrange(boxes, [Line(1, 2)], first=[0, 1], corner=0)
    assert layout.x[0] == 60
    assert layout.x[1] - 5 >= 120
    assert layout.rank == [0, 0, 1]


def test_parts_without_lines_between_them_stand_in_rows() -> None:
    layout = arrange([Box(100, 30)] * 40, [])
    assert layout.width < 1500
    assert len(set(layout.rank)) > 2


def test_cycles_are_refused() -> None:
    with pytest.raises(GraphError, match="cycle"):
        arrange([Box(1, 1)] * 2, [Line(0, 1), Line(1, 0)])


def test_spans_count_the_ranks_between() -> None:
    assert spans(3, [(0, 1), (1, 2), (0, 2)]) == [0, 0, 1]


@pytest.mark.parametrize(("count", "seconds"), [(500, 1.0), (2000, 4.0)])
def test_large_graphs_are_quick(count: int, seconds: float) -> None:
    lines = [Line(max(0, j - 1 - (j * 7919) % 40), j) for j in range(1, count)]
    lines += [Line(max(0, j - 1 - (j * 104729) % 17), j) for j in range(1, count, 2)]
    start = time.process_time()
    arrange([Box(60, 30)] * count, lines)
    assert time.process_time() - start < seconds
