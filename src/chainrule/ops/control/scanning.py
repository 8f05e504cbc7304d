"""``scan``: a loop over the leading axis of arrays, with a carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, GraphError, ShapeError
from chainrule.core.graph import Graph, Primitive, example
from chainrule.core.mode import mode
from chainrule.core.tensor import Tensor, bind
from chainrule.core.tree import rebuild
from chainrule.core.types import FLOAT64, Array, ArrayType, TupleType
from chainrule.ops.control.branch import check_inputs
from chainrule.ops.control.subgraph import Body, Captures, Cell, closed, numbered, placeholder
from chainrule.ops.control.trees import callable_of, matching, tensors_of
from chainrule.ops.elementwise import add, multiply, tanh
from chainrule.ops.rows import stack_rows, unstack
from chainrule.ops.tuples import items

_FIX = (
    "Start from a carry of that dtype, for example cr.zeros((), 'float64'), or convert what f "
    "returns with .astype."
)


def _scan(
    *arrays: Array, body: Graph, carries: int, xs: int, length: int, reverse: bool, remat: bool
) -> tuple[Array, ...]:
    carry: list[Array] = list(arrays[:carries])
    rows, captures = arrays[carries : carries + xs], arrays[carries + xs :]
    stacks = [np.empty((length, *y.shape), y.dtype) for y in _row_types(body, carries)]
    for t in reversed(range(length)) if reverse else range(length):
        results = body.evaluate(*carry, *[x[t, ...] for x in rows], *captures)
        carry = results[:carries]
        for stacked, y in zip(stacks, results[carries:], strict=True):
            stacked[t] = y
    return (*carry, *stacks)


def _row_types(body: Graph, carries: int) -> list[ArrayType]:
    return [y.type for y in body.outputs[carries:]]


def _scan_type(
    *types: ArrayType, body: Graph, carries: int, xs: int, length: int, reverse: bool, remat: bool
) -> Any:
    rows = types[carries : carries + xs]
    if any(x.shape[:1] != (length,) for x in rows):
        raise GraphError(f"a scan of length {length} over ({', '.join(map(str, rows))})")
    one = [ArrayType(x.shape[1:], x.dtype) for x in rows]
    check_inputs("body", body, [*types[:carries], *one, *types[carries + xs :]])
    after = tuple(y.type for y in body.outputs[:carries])
    if after != types[:carries]:
        raise GraphError("the carry that the body returns is of another type than the first")
    stacked = [ArrayType((length, *y.shape), y.dtype) for y in _row_types(body, carries)]
    return TupleType((*after, *stacked))


def _example_body() -> Graph:
    c, x, w = (placeholder(ArrayType((2,), FLOAT64)) for _ in range(3))
    after = tanh(add(multiply(c, w), x))
    return closed([c, x, w], [after, multiply(after, x)])


_EXAMPLE = {"carries": 1, "xs": 1, "body": _example_body()}
_C, _W = np.array([0.3, -0.8]), np.array([0.7, 1.4])
_XS = np.array([[0.2, 1.1], [-0.6, 0.4], [0.9, -0.3]])

#: ``scan(*carry, *xs, *captures)``: the last carry, then what the body returns, stacked.
scan_p: Primitive = Primitive(
    "scan",
    eval=_scan,
    type_rule=_scan_type,
    examples=[
        example(
            (2,),
            (length, 2),
            (2,),
            arrays={0: _C, 1: _XS[:length], 2: _W},
            length=length,
            reverse=reverse,
            remat=remat,
            **_EXAMPLE,
        )
        for length, reverse, remat in ((3, False, False), (3, True, True), (1, False, True))
    ],
)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    remat: bool = False,
) -> tuple[Any, Any]:
    """Loop over the leading axis with a carry: ``carry, ys[t] = f(carry, xs[t])`` for every t.

    On tensors with values this is that loop in Python. While tracing it is one node, whatever the
    length. ``f`` may close over tensors, read and assign parameters, draw random numbers, and hold
    further control flow; each of these happens in every step.

    A gradient runs the loop once forward, keeping the values that the backward loop needs (memory
    linear in the length, nothing computed twice), and once backward. With ``remat=True`` only the
    carries are kept, and each step is computed again on the way back; ``f`` is then traced, so that
    it cannot ask for values, outside of a traced function, too.

    Inside of ``f``, ``backward()`` sees the step itself; it does not reach through the carry to
    earlier steps while tracing.

    Args:
        f: function of the carry and one row of each of ``xs`` to the next carry, of the same
            structure, shapes and dtypes, and a tensor or a container of them to be stacked.
        init: first carry: a tensor or a nested container of them.
        xs: arrays of shape (length, ...), or ``None``: ``f`` gets ``None``, ``length`` times.
        length: number of steps; needed where there are no ``xs``.
        reverse: whether to go from the last row to the first. ``ys[t]`` still belongs to ``xs[t]``.
        remat: whether a gradient computes the steps again instead of keeping their values.

    Returns:
        The last carry, and the ``ys``, of shapes (length, ...).

    Raises:
        ArgumentError: lengths that differ or lack, a carry that changes its structure; of its shape
            a ``ShapeError``, of its dtype a ``DtypeError``.

    >>> carry, ys = scan(lambda c, x: (c + x, c * x), 0.0, [1.0, 2.0, 3.0])
    >>> carry, ys
    (Tensor(6., dtype=float32), Tensor([0., 2., 9.], dtype=float32))
    """
    callable_of(f, "f")
    carry, rows = tensors_of(init), tensors_of(xs)
    steps = _length(rows, length)
    traced = remat or not steps or mode.tracer is not None
    if traced or any(x.data is None for x in (*carry, *rows)):
        return _traced(f, rebuild(init, carry), rebuild(xs, rows), steps, reverse, remat)
    return _looped(f, rebuild(init, carry), rebuild(xs, rows), steps, reverse)


def _length(rows: Sequence[Tensor], length: int | None) -> int:
    if length is not None and (
        not isinstance(length, int | np.integer) or isinstance(length, bool) or length < 0
    ):
        raise ArgumentError("length", repr(length), "a whole number from 0")
    for x in rows:
        if not x.ndim:
            raise ShapeError(
                "xs",
                f"{x.type}, a single number",
                "arrays with a leading axis to loop over",
                "What every step uses alike, f can close over.",
            )
    found = {x.shape[0] for x in rows}
    if len(found) > 1:
        raise ShapeError(
            "xs", f"leading axes of sizes {sorted(found)}", "the same number of rows in each"
        )
    if found and length is not None and found != {length}:
        raise ArgumentError(
            "length", str(length), f"{found.pop()}, the number of rows of xs, or None"
        )
    if not found and length is None:
        raise ArgumentError(
            "length", "None, and no xs", "the number of steps", "Write cr.scan(f, init, length=10)."
        )
    return int(found.pop() if found else length)  # type: ignore[arg-type]


def _split(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        came = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise ArgumentError(
            "result of f",
            came,
            "a pair: the next carry, and what to stack",
            "Return (carry, None) where there is nothing to stack.",
        )
    return result


def _looped(
    f: Callable[..., Any], init: Any, xs: Any, length: int, reverse: bool
) -> tuple[Any, Any]:
    columns = [unstack(x) for x in tensors_of(xs)]
    carry = init
    kept: list[list[Tensor]] = []
    like: Any = None
    for t in reversed(range(length)) if reverse else range(length):
        after, y = _split(f(carry, rebuild(xs, [column[t] for column in columns])))
        carry = rebuild(init, matching(after, init, "carry that f returns", "as init has", _FIX))
        if not kept:
            like = y
        kept.append(matching(y, like, "y that f returns", "as in the first step"))
    if reverse:
        kept.reverse()
    stacked = [stack_rows(column) for column in zip(*kept, strict=True)]
    return carry, rebuild(like, stacked)


def _traced(
    f: Callable[..., Any], init: Any, xs: Any, length: int, reverse: bool, remat: bool
) -> tuple[Any, Any]:
    carry, rows = tensors_of(init), tensors_of(xs)
    first = rebuild(xs, [placeholder(ArrayType(x.shape[1:], x.dtype)) for x in rows])
    body, after, y, cells = _body(f, init, first)
    changed = [cell for cell in cells if body.cells.current[cell] is not None]
    cleared = [cell for cell in cells if cell not in changed]
    values = [body.cells.current[cell] for cell in changed]
    outputs: list[Any] = [*after, *values, *tensors_of(y)]
    captures = Captures([(body, outputs)], carried=changed)
    count, moving = len(carry), len(carry) + len(changed)
    places = [body.cells.lifted.get(cell, placeholder(cell.parameter.type)) for cell in changed]
    inputs = [*body.inputs[:count], *places, *body.inputs[count:], *captures.inputs(0)]
    node = bind(
        scan_p,
        *carry,
        *[cell.content() for cell in changed],
        *rows,
        *captures.tensors,
        body=closed(inputs, outputs, numbered(c=moving, x=len(rows), k=len(captures.tensors))),
        carries=moving,
        xs=len(rows),
        length=length,
        reverse=reverse,
        remat=remat,
    )
    found = items(node)
    if length:
        for cell, value in zip(changed, found[count:moving], strict=True):
            cell.put(value)
        for cell in cleared:
            cell.put(None)
    return rebuild(init, found[:count]), rebuild(y, found[moving:])


def _body(f: Callable[..., Any], init: Any, row: Any) -> tuple[Body, list[Tensor], Any, list[Cell]]:
    """Trace one step; again where it leaves a gradient that it did not find."""
    assumed: frozenset[Cell] = frozenset()
    while True:
        body = Body(f, (init, row), assumed)
        after, y = _split(body.result)
        carry = matching(after, init, "carry that f returns", "as init has", _FIX)
        cells = body.cells.assigned()
        missing = body.cells.empty.intersection(cells)
        if not missing:
            return body, carry, y, cells
        assumed |= missing
