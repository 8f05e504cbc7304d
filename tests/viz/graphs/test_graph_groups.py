"""Groups: frames that open and close without a line going up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.viz.graphs.groups import Group, convex_parts, fold, group
from chainrule.viz.graphs.leaves import Frame, Leaf, Value
from chainrule.viz.graphs.placement import Placed, place


def frame(label: str) -> Frame:
    return Frame("scope", "forward", label)


@st.composite
def leaf_lists(draw: st.DrawFn) -> list[Leaf]:
    leaves: list[Leaf] = []
    for n in range(draw(st.integers(1, 16))):
        sources = draw(st.lists(st.integers(0, n - 1), max_size=3)) if n else []
        path = draw(st.lists(st.sampled_from("abc"), max_size=2))
        leaves.append(
            Leaf(
                "operation",
                "forward",
                f"op{n}",
                arguments=[Value(s) for s in sources],
                ports=["3×4"],
                path=tuple(map(frame, path)),
            )
        )
    return leaves


def has_cycle(parts: list[list[int]], leaves: list[Leaf]) -> bool:
    part_of = {n: p for p, part in enumerate(parts) for n in part}
    edges = {
        (part_of[v.leaf], part_of[n])
        for n, leaf in enumerate(leaves)
        for v in leaf.arguments
        if part_of[v.leaf] != part_of[n]
    }
    left = set(range(len(parts)))
    while left:
        ready = {p for p in left if not any(v == p and u in left for u, v in edges)}
        if not ready:
            return True
        left -= ready
    return False


@given(leaf_lists())
@settings(max_examples=150, deadline=None)
def test_parts_form_no_cycle_and_keep_every_leaf(leaves: list[Leaf]) -> None:
    parts = convex_parts(range(len(leaves)), leaves, 0)
    assert sorted(n for part in parts for n in part) == list(range(len(leaves)))
    assert not has_cycle(parts, leaves)
    for part in parts:
        assert len({leaves[n].path[:1] for n in part}) == 1


@given(leaf_lists())
@settings(max_examples=100, deadline=None)
def test_every_argument_is_connected_through_the_frames(leaves: list[Leaf]) -> None:
    root = group(leaves)
    reached: dict[tuple[int, int], Value] = {}

    def follow(where: Group, wire_value: Value, member: int, operand: int) -> None:
        inner = where.members[member]
        if isinstance(inner, int):
            reached[inner, operand] = wire_value
            return
        assert wire_value in inner.needs
        for wire in inner.wires:
            if wire.source is None and wire.value == wire_value:
                assert wire.target is not None
                follow(inner, wire_value, wire.target, wire.operand)

    for where in root.walk():
        for wire in where.wires:
            if wire.source is not None and wire.target is not None:
                follow(where, wire.value, wire.target, wire.operand)
            if wire.target is None:
                assert wire.value in where.gives
    expected = {(n, k): v for n, leaf in enumerate(leaves) for k, v in enumerate(leaf.arguments)}
    assert reached == expected


def check_inside(placed: Placed) -> None:
    for i, item in enumerate(placed.items):
        x = placed.left + placed.layout.x[i]
        y = placed.top + placed.layout.y(i)
        assert item.width / 2 - 1e-6 <= x <= placed.width - item.width / 2 + 1e-6
        assert item.height / 2 - 1e-6 <= y <= placed.height - item.height / 2 + 1e-6
        if item.inside is not None:
            check_inside(item.inside)


@given(leaf_lists(), st.sampled_from([True, False]))
@settings(max_examples=60, deadline=None)
def test_what_is_in_a_frame_stands_inside_it(leaves: list[Leaf], collapsed: bool) -> None:
    root = group(leaves)
    fold(root, leaves, collapsed)
    check_inside(place(root, leaves))


def test_a_group_that_a_line_leaves_and_reenters_is_split() -> None:
    a, none = (frame("a"),), ()
    leaves = [
        Leaf("operation", "forward", "1", path=a),
        Leaf("operation", "forward", "2", arguments=[Value(0)], path=none),
        Leaf("operation", "forward", "3", arguments=[Value(1)], path=a),
    ]
    assert convex_parts(range(3), leaves, 0) == [[0], [1], [2]]
    leaves[2].arguments = [Value(0)]
    assert convex_parts(range(3), leaves, 0) == [[0, 2], [1]]


def chain(count: int, depth: int = 1) -> list[Leaf]:
    return [
        Leaf(
            "operation",
            "forward",
            "f",
            arguments=[Value(n - 1)] if n else [],
            ports=[""],
            path=(*[frame("all")] * (depth - 1), frame(f"layer {n // 4}")),
        )
        for n in range(count)
    ]


def test_groups_start_closed_where_there_are_many_leaves() -> None:
    for count, is_open in ((60, True), (64, False)):
        leaves = chain(count)
        root = group(leaves)
        fold(root, leaves, None)
        assert {g.is_open for g in root.groups()} == {is_open}


def test_outer_groups_stay_open_until_too_many_show() -> None:
    for count, is_open in ((80, True), (400, False)):
        leaves = chain(count, depth=2)
        root = group(leaves)
        fold(root, leaves, None)
        (outer,) = root.groups()
        assert outer.is_open is is_open
        assert not any(g.is_open for g in outer.groups())


def test_folding_as_asked() -> None:
    leaves = chain(8)
    root = group(leaves)
    fold(root, leaves, True)
    assert [g.is_open for g in root.groups()] == [False, False]
    large = chain(100)
    root = group(large)
    fold(root, large, False)
    assert all(g.is_open for g in root.groups())


def test_a_frame_around_one_leaf_is_left_out() -> None:
    leaves = [Leaf("operation", "forward", "f", path=(frame("a"),))]
    assert group(leaves).members == [0]
    leaves[0].path = (Frame("kernel", "forward", "k"),)
    (kernel,) = group(leaves).groups()
    assert kernel.members == [0]


def test_cycles_through_several_groups_are_seen() -> None:
    def leaf(label: str, *sources: int) -> Leaf:
        arguments = [Value(s) for s in sources]
        return Leaf("operation", "forward", label, arguments=arguments, path=(frame(label),))

    # c leads to a, and a to b: what of c comes from b must begin a new part.
    leaves = [leaf("a"), leaf("b", 0), leaf("c"), leaf("a", 2), leaf("c", 1)]
    parts = convex_parts(range(5), leaves, 0)
    assert sorted(parts) == [[0, 3], [1], [2], [4]]
    assert not has_cycle(parts, leaves)
