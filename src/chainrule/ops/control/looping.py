"""``while_loop``: a loop for as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, GraphError
from chainrule.core.graph import Graph, Primitive, example
from chainrule.core.mode import mode
from chainrule.core.tensor import Tensor, bind
from chainrule.core.tree import rebuild
from chainrule.core.types import BOOL, FLOAT64, INT64, Array, ArrayType, TupleType
from chainrule.ops.comparison import less
from chainrule.ops.control.branch import check_inputs
from chainrule.ops.control.subgraph import Body, Captures, Cell, closed, numbered, placeholder
from chainrule.ops.control.trees import callable_of, condition_of, matching, tensors_of
from chainrule.ops.elementwise import multiply, sin
from chainrule.ops.reduce import sum
from chainrule.ops.tuples import items

_FIX = "Start from values of that dtype, or convert what body returns with .astype."


def _while(
    *arrays: Array, condition: Graph, body: Graph, carries: int, max_steps: int | None
) -> tuple[Array, ...]:
    carry: list[Array] = list(arrays[:carries])
    captures = arrays[carries:]
    steps = 0
    while condition.evaluate(*carry, *captures)[0]:
        _check_steps(steps, max_steps)
        carry = body.evaluate(*carry, *captures)
        steps += 1
    return (*carry, np.asarray(steps, INT64))


def _check_steps(steps: int, max_steps: int | None) -> None:
    if max_steps is not None and steps >= max_steps:
        raise ArgumentError(
            "max_steps",
            f"a loop whose condition still holds after {max_steps} steps",
            "a condition that becomes false by then",
            "Raise max_steps, or check the condition.",
        )


def _while_type(
    *types: ArrayType, condition: Graph, body: Graph, carries: int, max_steps: int | None
) -> Any:
    check_inputs("condition", condition, types)
    check_inputs("body", body, types)
    if [y.type for y in condition.outputs] != [ArrayType((), BOOL)]:
        raise GraphError("the condition is not one bool")
    if tuple(y.type for y in body.outputs) != types[:carries]:
        raise GraphError("the carry that the body returns is of another type than the first")
    return TupleType((*types[:carries], ArrayType((), INT64)))


def _example_graphs() -> dict[str, Graph]:
    kinds = [ArrayType((2,), FLOAT64)] * 2
    c, w = map(placeholder, kinds)
    condition = closed([c, w], [less(sum(multiply(c, c)), 3.0)])
    return {"condition": condition, "body": closed([c, w], [multiply(c, w) + sin(c)])}


#: ``while(*carry, *captures)``: the last carry, then the number of steps.
while_p: Primitive = Primitive(
    "while",
    eval=_while,
    type_rule=_while_type,
    examples=[
        example(
            (2,),
            (2,),
            arrays={0: np.array([0.3, -0.2]), 1: np.array([0.7, 0.9])},
            carries=1,
            max_steps=max_steps,
            **_example_graphs(),
        )
        for max_steps in (None, 6)
    ],
)


def while_loop(
    condition: Callable[[Any], Any],
    body: Callable[[Any], Any],
    init: Any,
    max_steps: int | None = None,
) -> Any:
    """Loop while a condition holds: ``while condition(carry): carry = body(carry)``.

    On tensors with values this is that loop in Python. While tracing it is one node.

    Gradients of a traced loop: with ``max_steps`` the carries of all steps are kept, in memory for
    ``max_steps`` of them, and those that are not taken are skipped. Without it nothing is kept: the
    carry of every step is computed again from the start, in time quadratic in the number of steps.
    So give ``max_steps`` where you want gradients and can bound the loop; where the number of steps
    is known, use ``scan``. Forward mode needs neither.

    Args:
        condition: function of the carry to one bool. It assigns no parameter.
        body: function of the carry to the next one, of the same structure, shapes and dtypes.
        init: first carry: a tensor or a nested container of them.
        max_steps: number of steps after which the condition must have become false.

    Returns:
        The last carry.

    Raises:
        ArgumentError: a condition that is not one bool; a carry that changes its structure (of its
            shape a ``ShapeError``, of its dtype a ``DtypeError``); more than ``max_steps`` steps:
            of a traced function, when it is evaluated.

    >>> while_loop(lambda x: x < 100.0, lambda x: x * 3.0, 1.0)
    Tensor(243., dtype=float32)
    """
    callable_of(condition, "condition")
    callable_of(body, "body")
    if max_steps is not None and (
        not isinstance(max_steps, int | np.integer) or isinstance(max_steps, bool) or max_steps < 1
    ):
        raise ArgumentError("max_steps", repr(max_steps), "a whole number from 1, or None")
    limit = None if max_steps is None else int(max_steps)
    carry = rebuild(init, tensors_of(init))
    if mode.tracer is not None or any(x.data is None for x in tensors_of(carry)):
        return _traced(condition, body, carry, limit)
    steps = 0
    while True:
        goes_on = condition_of(condition(carry), "result of condition")
        if goes_on.data is None:  # it depends on something traced
            return _traced(condition, body, carry, limit)
        if not goes_on.data:
            return carry
        _check_steps(steps, limit)
        carry = rebuild(init, matching(body(carry), carry, "result of body", "as init has", _FIX))
        steps += 1


def _traced(
    condition: Callable[..., Any], body: Callable[..., Any], init: Any, max_steps: int | None
) -> Any:
    carry = tensors_of(init)
    test = Body(condition, (init,))
    goes_on = condition_of(test.result, "result of condition")
    if test.cells.assigned():
        name = test.cells.assigned()[0].parameter.name
        raise ArgumentError(
            "condition",
            f"a function that assigns the parameter {name!r}",
            "one that only reads",
            "Draw random numbers, and change parameters, in body, and carry what it needs.",
        )
    step, after, cells = _step(body, init)
    changed = [cell for cell in cells if step.cells.current[cell] is not None]
    cleared = [cell for cell in cells if cell not in changed]
    outputs: list[Any] = [*after, *[step.cells.current[cell] for cell in changed]]
    captures = Captures([(test, [goes_on]), (step, outputs)], carried=changed)
    names = numbered(c=len(carry) + len(changed), k=len(captures.tensors))
    graphs = []
    for i, (traced, results) in enumerate(((test, [goes_on]), (step, outputs))):
        places = [
            traced.cells.lifted.get(cell, placeholder(cell.parameter.type)) for cell in changed
        ]
        graphs.append(closed([*traced.inputs, *places, *captures.inputs(i)], results, names))
    node = bind(
        while_p,
        *carry,
        *[cell.content() for cell in changed],
        *captures.tensors,
        condition=graphs[0],
        body=graphs[1],
        carries=len(carry) + len(changed),
        max_steps=max_steps,
    )
    found = items(node)
    for cell, value in zip(changed, found[len(carry) : -1], strict=True):
        cell.put(value)
    for cell in cleared:
        cell.put(None)
    return rebuild(init, found[: len(carry)])


def _step(body: Callable[..., Any], init: Any) -> tuple[Body, list[Tensor], list[Cell]]:
    """Trace one step; again where it leaves a gradient that it did not find."""
    assumed: frozenset[Cell] = frozenset()
    while True:
        step = Body(body, (init,), assumed)
        after = matching(step.result, init, "result of body", "as init has", _FIX)
        cells = step.cells.assigned()
        missing = step.cells.empty.intersection(cells)
        if not missing:
            return step, after, cells
        assumed |= missing
