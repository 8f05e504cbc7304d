"""``cond``: one of two computations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import GraphError
from chainrule.core.graph import Graph, Primitive, example
from chainrule.core.tensor import Tensor, bind
from chainrule.core.tree import rebuild
from chainrule.core.types import BOOL, FLOAT64, Array, ArrayType, TupleType
from chainrule.ops.control.subgraph import Body, Captures, Cell, closed, numbered, placeholder
from chainrule.ops.control.trees import (
    callable_of,
    condition_of,
    matching,
    shown,
    tensors_of,
)
from chainrule.ops.elementwise import multiply, tanh
from chainrule.ops.tuples import items


def _cond(predicate: Array, *xs: Array, if_true: Graph, if_false: Graph) -> tuple[Array, ...]:
    return tuple((if_true if predicate else if_false).evaluate(*xs))


def _cond_type(predicate: ArrayType, *xs: ArrayType, if_true: Graph, if_false: Graph) -> Any:
    if predicate != ArrayType((), BOOL):
        raise GraphError(f"the predicate is of type {predicate}, not bool[]")
    results = []
    for name, branch in (("if_true", if_true), ("if_false", if_false)):
        check_inputs(name, branch, xs)
        results.append(tuple(y.type for y in branch.outputs))
    if results[0] != results[1]:
        raise GraphError("the branches' results are of different types")
    return TupleType(results[0])


def check_inputs(name: str, graph: Graph, given: Sequence[ArrayType]) -> None:
    """Raise ``GraphError`` unless a graph takes what it is given."""
    taken = [x.type for x in graph.inputs]
    if taken != list(given):
        raise GraphError(
            f"{name} takes ({', '.join(map(str, taken))}) "
            f"and is given ({', '.join(map(str, given))})"
        )


def _example_graphs() -> dict[str, Graph]:
    x, y = (placeholder(ArrayType((3,), FLOAT64)) for _ in range(2))
    first = closed([x, y], [tanh(multiply(x, y)), multiply(x, x)])
    second = closed([x, y], [multiply(y, y), y])
    return {"if_true": first, "if_false": second}


_X, _Y = np.array([0.3, -0.4, 1.1]), np.array([1.2, 0.7, -0.9])

#: ``cond(predicate, *xs)``: the results of ``if_true`` or of ``if_false``, both of all the ``xs``.
cond_p: Primitive = Primitive(
    "cond",
    eval=_cond,
    type_rule=_cond_type,
    examples=[
        example((), (3,), (3,), arrays={0: np.array(choice), 1: _X, 2: _Y}, **_example_graphs())
        for choice in (True, False)
    ],
)


def cond(
    predicate: Any, if_true: Callable[..., Any], if_false: Callable[..., Any], *operands: Any
) -> Any:
    """Compute one of two branches: ``if_true(*operands) if predicate else if_false(*operands)``.

    Only the chosen branch runs, and gradients flow through it only. With a predicate whose value is
    known, this is that line of Python. While tracing, both branches are traced, into one node; they
    must return the same structure, shapes and dtypes. They may close over tensors, read and assign
    parameters, and draw random numbers. To choose element by element, use ``where``.

    Args:
        predicate: one bool.
        if_true: function of the operands.
        if_false: another, with a result of the same structure and types.
        operands: tensors or nested containers of them.

    Returns:
        What the branch returns.

    Raises:
        ArgumentError: a predicate that is not one bool, or branches that do not fit each other.

    >>> cond(True, lambda x: x * 2.0, lambda x: -x, [1.0, 2.0])
    Tensor([2., 4.], dtype=float32)
    """
    callable_of(if_true, "if_true")
    callable_of(if_false, "if_false")
    predicate = condition_of(predicate, "predicate")
    if predicate.data is not None:
        result = (if_true if predicate.data else if_false)(*_as_tensors(operands))
        return rebuild(result, tensors_of(result))
    return _traced(predicate, if_true, if_false, operands)


def _as_tensors(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = rebuild(operands, tensors_of(operands))
    return found


def _traced(
    predicate: Tensor, if_true: Callable[..., Any], if_false: Callable[..., Any], operands: Any
) -> Any:
    given = tensors_of(operands)
    bodies = [Body(if_true, operands), Body(if_false, operands)]
    like = bodies[0].result
    results = [
        tensors_of(like),
        matching(
            bodies[1].result,
            like,
            "result of if_false",
            "as if_true returns",
            f"Convert one of them with .astype: if_true returns {shown(like)}.",
        ),
    ]
    cells = list(dict.fromkeys(cell for body in bodies for cell in body.cells.assigned()))
    cleared = [cell for cell in cells if all(_is_cleared(body, cell) for body in bodies)]
    cells = [cell for cell in cells if cell not in cleared]
    for body, outputs in zip(bodies, results, strict=True):
        outputs += [_after(body, cell) for cell in cells]
    captures = Captures(list(zip(bodies, results, strict=True)))
    graphs = [
        closed(
            [*body.inputs, *captures.inputs(i)],
            outputs,
            numbered(x=len(given), k=len(captures.tensors)),
        )
        for i, (body, outputs) in enumerate(zip(bodies, results, strict=True))
    ]
    node = bind(cond_p, predicate, *given, *captures.tensors, if_true=graphs[0], if_false=graphs[1])
    found = items(node)
    count = len(found) - len(cells)
    for cell, value in zip(cells, found[count:], strict=True):
        cell.put(value)
    for cell in cleared:
        cell.put(None)
    return rebuild(like, found[:count])


def _is_cleared(body: Body, cell: Cell) -> bool:
    return cell in body.cells.current and body.cells.current[cell] is None


def _after(body: Body, cell: Cell) -> Tensor:
    """Return a cell's content after a branch, which may have left it as it was."""
    found = body.cells.before(cell)
    return cell.zeros() if found is None else found
