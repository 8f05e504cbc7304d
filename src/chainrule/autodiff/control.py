"""Derivatives of control flow, in both modes: loops and branches over derivatives of their bodies.

The rules trace the bodies again, differentiate them with the drivers, and bind ``cond``, ``scan``
and ``while`` of the results: so they nest to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.autodiff.forward import push_forward
from chainrule.autodiff.partition import Joint, moved_outputs
from chainrule.core.graph import Graph, Node
from chainrule.core.mode import in_place_of, recording
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import INT64, ArrayType
from chainrule.ops.comparison import less
from chainrule.ops.control.branch import cond_p
from chainrule.ops.control.looping import while_p
from chainrule.ops.control.scanning import scan_p
from chainrule.ops.control.subgraph import apply_graph, closed, placeholder
from chainrule.ops.creation import zeros, zeros_like
from chainrule.ops.elementwise import add, subtract
from chainrule.ops.tuples import items

#: A tuple's tangents or cotangents: ``None`` for an element that has none.
Parts = Sequence[Tensor | None]


def _fresh(nodes: Sequence[Node]) -> list[Tensor]:
    return [placeholder(node.type) for node in nodes]


def _chosen(flags: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    return [value for flag, value in zip(flags, values, strict=True) if flag]


def _placed(flags: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    """Return the values at the places that are flagged, and ``None`` elsewhere."""
    remaining = iter(values)
    return [next(remaining) if flag else None for flag in flags]


def _or_zeros(parts: Parts, like: Sequence[Node]) -> list[Tensor]:
    return [
        zeros(x.type.shape, x.type.dtype) if part is None else part
        for part, x in zip(parts, like, strict=True)
    ]


# Forward mode --------------------------------------------------------------------------------


def _pushed(
    body: Graph, inputs: list[Tensor], moving: Sequence[bool]
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Apply a body, and push tangents for the moving inputs through it.

    Returns:
        The outputs, the tangents of all of them, and the placeholders of the tangents.
    """
    variables = _chosen(moving, inputs)
    ts = _fresh(variables)
    with recording(True):
        outputs = apply_graph(body, inputs)
        return outputs, push_forward(outputs, variables, ts), ts


def _cond_jvp(
    ts: Parts, ans: Tensor, predicate: Tensor, *xs: Tensor, if_true: Graph, if_false: Graph
) -> list[Tensor | None]:
    moving = [t is not None for t in ts[1:]]
    either = [
        a or b
        for a, b in zip(
            moved_outputs(if_true, moving), moved_outputs(if_false, moving), strict=True
        )
    ]
    graphs = []
    for branch in (if_true, if_false):
        inputs = _fresh(branch.inputs)
        _, tangents, places = _pushed(branch, inputs, moving)
        graphs.append(closed([*inputs, *places], _chosen(either, tangents)))
    given = [t for t in ts[1:] if t is not None]
    node = bind(cond_p, predicate, *xs, *given, if_true=graphs[0], if_false=graphs[1])
    return _placed(either, items(node))


def _moving_carries(body: Graph, moving: Sequence[bool], carries: int) -> list[bool]:
    """Return which inputs of a loop's body move, given those that do in the first step."""
    found = list(moving)
    while True:
        after = [a or b for a, b in zip(found, moved_outputs(body, found)[:carries], strict=False)]
        if after == found[:carries]:
            return found
        found[:carries] = after


def _scan_jvp(
    ts: Parts,
    ans: Tensor,
    *operands: Tensor,
    body: Graph,
    carries: int,
    xs: int,
    length: int,
    reverse: bool,
    remat: bool,
) -> list[Tensor | None]:
    moving = _moving_carries(body, [t is not None for t in ts], carries)
    inputs = _fresh(body.inputs)
    outputs, tangents, places = _pushed(body, inputs, moving)
    by_input = _placed(moving, places)
    tangent_of = _or_zeros_where(moving, ts, operands)
    moved = moved_outputs(body, moving)
    after = [*outputs[:carries], *_chosen(moving[:carries], tangents[:carries])]
    rows = _chosen(moved[carries:], tangents[carries:])
    parts = [slice(0, carries), slice(carries, carries + xs), slice(carries + xs, None)]
    order = [
        [*values[part], *[t for t in extra[part] if t is not None]]
        for values, extra in ((inputs, by_input), (operands, tangent_of))
        for part in parts
    ]
    node = bind(
        scan_p,
        *order[3],
        *order[4],
        *order[5],
        body=closed([*order[0], *order[1], *order[2]], [*after, *rows]),
        carries=len(order[0]),
        xs=len(order[1]),
        length=length,
        reverse=reverse,
        remat=remat,
    )
    flags = [*moving[:carries], *moved[carries:]]
    return _placed(flags, items(node)[carries:])


def _or_zeros_where(flags: Sequence[bool], ts: Parts, like: Sequence[Tensor]) -> list[Any]:
    return [
        None if not flag else zeros_like(x) if t is None else t
        for flag, t, x in zip(flags, ts, like, strict=True)
    ]


def _while_jvp(
    ts: Parts,
    ans: Tensor,
    *operands: Tensor,
    condition: Graph,
    body: Graph,
    carries: int,
    max_steps: int | None,
) -> list[Tensor | None]:
    moving = _moving_carries(body, [t is not None for t in ts], carries)
    inputs = _fresh(body.inputs)
    outputs, tangents, places = _pushed(body, inputs, moving)
    by_input = _placed(moving, places)
    tangent_of = _or_zeros_where(moving, ts, operands)
    parts = [slice(0, carries), slice(carries, None)]
    given, actual = (
        [[*values[part], *[t for t in extra[part] if t is not None]] for part in parts]
        for values, extra in ((inputs, by_input), (operands, tangent_of))
    )
    tested = _fresh([*given[0], *given[1]])
    kept = [*tested[:carries], *tested[len(given[0]) :][: len(inputs) - carries]]
    with recording(True):
        goes_on = apply_graph(condition, kept)
    node = bind(
        while_p,
        *actual[0],
        *actual[1],
        condition=closed(tested, goes_on),
        body=closed(
            [*given[0], *given[1]],
            [*outputs, *_chosen(moving[:carries], tangents)],
        ),
        carries=len(given[0]),
        max_steps=max_steps,
    )
    found = items(node)[carries:-1]
    return [*_placed(moving[:carries], found), None]


# Reverse mode --------------------------------------------------------------------------------


def _cond_vjp(
    g: Parts,
    ans: Tensor,
    xs: Sequence[Tensor],
    wanted: Sequence[bool],
    *,
    if_true: Graph,
    if_false: Graph,
) -> list[Tensor | None]:
    flags = list(wanted[1:])
    graphs = []
    for branch in (if_true, if_false):
        joint = Joint(branch, flags, [part is not None for part in g])
        graphs.append(closed([*joint.inputs, *joint.cotangents], joint.gradients))
    given = [part for part in g if part is not None]
    node = bind(cond_p, *xs, *given, if_true=graphs[0], if_false=graphs[1])
    return [None, *_placed(flags, items(node))]


def _scan_vjp(
    g: Parts,
    ans: Any,
    operands: Sequence[Tensor],
    wanted: Sequence[bool],
    *,
    body: Graph,
    carries: int,
    xs: int,
    length: int,
    reverse: bool,
    remat: bool,
) -> list[Tensor | None]:
    """Run the loop forward once more, keeping what the way back needs; then backward.

    The forward loop repeats the one that is differentiated and returns further rows: the optimizer
    makes one of the two.
    """
    moving = _moving_carries(body, wanted, carries)
    # Only carries that depend on something wanted have cotangents.
    active = moving[:carries]
    has_rows = [part is not None for part in g[carries:]]
    flags = [*active, *wanted[carries:]]
    joint = Joint(body, flags, [*active, *has_rows])
    kept = joint.split(carries, xs, remat)
    rows: list[Tensor] = []
    if kept.rows:
        augmented = closed(joint.inputs, [*joint.outputs, *kept.rows])
        with in_place_of(ans):
            forward = bind(
                scan_p,
                *operands,
                body=augmented,
                carries=carries,
                xs=xs,
                length=length,
                reverse=reverse,
                remat=remat,
            )
        rows = items(forward)[len(joint.outputs) :]
    invariant = apply_graph(
        closed(joint.inputs[carries + xs :], kept.invariants), operands[carries + xs :]
    )
    # carry: cotangents of the carry, and the sums of those of the captures
    summed = wanted[carries + xs :]
    count = sum(active)
    at_carries = joint.gradients[:count]
    at_rows = joint.gradients[count : len(joint.gradients) - sum(summed)]
    at_captures = joint.gradients[len(joint.gradients) - sum(summed) :]
    sums = _fresh(at_captures)
    with recording(True):
        added = [add(total, part) for total, part in zip(sums, at_captures, strict=True)]
    first = _or_zeros(_chosen(active, g[:carries]), _chosen(active, operands[:carries]))
    zero = [zeros_like(x) for x in _chosen(summed, operands[carries + xs :])]
    inputs = [
        *joint.cotangents[:count],
        *sums,
        *joint.cotangents[count:],
        *kept.rows,
        *kept.inputs,
        *kept.invariants,
    ]
    operand_of = dict(zip(joint.inputs, operands, strict=True))
    over = [
        *_chosen(has_rows, g[carries:]),
        *rows,
        *[operand_of[x] for x in kept.inputs],
    ]
    node = bind(
        scan_p,
        *first,
        *zero,
        *over,
        *invariant,
        body=closed(inputs, [*at_carries, *added, *at_rows]),
        carries=len(first) + len(zero),
        xs=len(over),
        length=length,
        reverse=not reverse,
        remat=remat,
    )
    found = items(node)
    totals, by_row = found[count : count + len(zero)], found[count + len(zero) :]
    return [
        *_placed(active, found[:count]),
        *_placed(wanted[carries : carries + xs], by_row),
        *_placed(summed, totals),
    ]


def _while_vjp(
    g: Parts,
    ans: Any,
    operands: Sequence[Tensor],
    wanted: Sequence[bool],
    *,
    condition: Graph,
    body: Graph,
    carries: int,
    max_steps: int | None,
) -> list[Tensor | None]:
    if max_steps is not None:
        step = _guarded(condition, body, carries)
        attrs = {"carries": carries, "xs": 0, "length": max_steps, "reverse": False, "remat": False}
        return _scan_vjp(g[:-1], ans, operands, wanted, body=step, **attrs)  # type: ignore[arg-type]
    return _from_the_start(g[:-1], items(ans)[-1], operands, wanted, body, carries)


def _guarded(condition: Graph, body: Graph, carries: int) -> Graph:
    """Return one step of a loop that goes on to its end without doing anything."""
    inputs = _fresh(body.inputs)
    with recording(True):
        (goes_on,) = apply_graph(condition, inputs)
        stay = closed(body.inputs, body.inputs[:carries])
        node = bind(cond_p, goes_on, *inputs, if_true=body, if_false=stay)
        return closed(inputs, items(node))


def _from_the_start(
    g: Parts,
    steps: Tensor,
    operands: Sequence[Tensor],
    wanted: Sequence[bool],
    body: Graph,
    carries: int,
) -> list[Tensor | None]:
    """Go back step by step; the carry that a step began with is computed from the first.

    ``t = steps - 1, ..., 0``: ``c_t`` by t steps from ``c_0``, then the cotangents of that step.
    """
    moving = _moving_carries(body, wanted, carries)
    active, summed = moving[:carries], wanted[carries:]
    joint = Joint(body, [*active, *summed], active)
    count = sum(active)
    sums = _fresh(joint.gradients[count:])
    left = placeholder(ArrayType((), INT64))  # the number of steps still to go back
    start = _fresh(operands[:carries])
    captured = joint.inputs[carries:]
    with recording(True):
        before = subtract(left, 1)
        at = _after_steps(body, before, start, captured)
        graph = closed(
            [*joint.inputs[:carries], *captured, *joint.cotangents, *sums],
            [
                *joint.gradients[:count],
                *[add(a, b) for a, b in zip(sums, joint.gradients[count:], strict=True)],
            ],
        )
        results = apply_graph(graph, [*at, *captured, *joint.cotangents, *sums])
        outer = [left, *joint.cotangents, *sums, *start, *captured]
        stepped = closed(outer, [before, *results])
        goes_on = closed(outer, [less(0, left)])
    first = _or_zeros(_chosen(active, g), _chosen(active, operands[:carries]))
    zero = [zeros_like(x) for x in _chosen(summed, operands[carries:])]
    node = bind(
        while_p,
        steps,
        *first,
        *zero,
        *operands,
        condition=goes_on,
        body=stepped,
        carries=1 + len(first) + len(zero),
        max_steps=None,
    )
    found = items(node)[1:-1]
    return [
        *_placed(active, found[:count]),
        *_placed(summed, found[count:]),
    ]


def _after_steps(
    body: Graph, steps: Tensor, start: Sequence[Tensor], captured: Sequence[Tensor]
) -> list[Tensor]:
    """Return the carry after a number of steps: a loop that counts down."""
    left = placeholder(ArrayType((), INT64))
    inputs = _fresh(body.inputs)
    with recording(True):
        stepped = closed([left, *inputs], [subtract(left, 1), *apply_graph(body, inputs)])
        goes_on = closed([left, *inputs], [less(0, left)])
    node = bind(
        while_p,
        steps,
        *start,
        *captured,
        condition=goes_on,
        body=stepped,
        carries=1 + len(start),
        max_steps=None,
    )
    return items(node)[1:-1]


def install() -> None:
    """Give the primitives of control flow their rules."""
    cond_p.joint_vjp, cond_p._jvp = _cond_vjp, _cond_jvp
    scan_p.joint_vjp, scan_p._jvp = _scan_vjp, _scan_jvp
    while_p.joint_vjp, while_p._jvp = _while_vjp, _while_jvp
