"""An array as its rows, and rows as an array: what loops over a leading axis take and leave.

Each is the transpose of the other, and both are one node, whose derivative is one node: slicing
row by row would cost a gradient of the whole array's size for every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ShapeError
from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import Array, ArrayType, TupleType
from chainrule.ops.tuples import items


def _unstack(x: Array) -> tuple[Array, ...]:
    return tuple(x[i, ...] for i in range(len(x)))


def _unstacked(x: ArrayType) -> Any:
    return TupleType((ArrayType(x.shape[1:], x.dtype),) * x.shape[0])


def _unstack_vjp(g: Any, ans: Any, xs: Sequence[Tensor], wanted: Sequence[bool]) -> list[Tensor]:
    (x,) = xs
    return [stack_rows(_or_zeros(g, ArrayType(x.shape[1:], x.dtype)))]


def _or_zeros(rows: Sequence[Tensor | None], kind: ArrayType) -> list[Tensor]:
    zero = Tensor(np.zeros(kind.shape, kind.dtype))
    return [zero if row is None else row for row in rows]


unstack_p: Primitive = Primitive(
    "unstack",
    eval=_unstack,
    type_rule=_unstacked,
    joint_vjp=_unstack_vjp,
    jvp=lambda ts, ans, x: unstack(ts[0]),
    examples=(example((3, 2)), example((1,))),
)


def _stacked(*xs: ArrayType) -> ArrayType:
    if any(x != xs[0] for x in xs):
        raise ShapeError("rows", " and ".join(map(str, xs)), "rows of one shape and dtype")
    return ArrayType((len(xs), *xs[0].shape), xs[0].dtype)


def _stack_vjp(
    g: Tensor, ans: Any, xs: Sequence[Tensor], wanted: Sequence[bool]
) -> Sequence[Tensor]:
    return unstack(g)


def _stack_jvp(ts: Sequence[Tensor | None], ans: Tensor, *xs: Tensor) -> Tensor:
    return stack_rows(_or_zeros(ts, xs[0].type))


stack_p: Primitive = Primitive(
    "stack",
    eval=lambda *xs: np.stack(xs),
    type_rule=_stacked,
    joint_vjp=_stack_vjp,
    jvp=_stack_jvp,
    examples=(example((2,), (2,), (2,)), example(()), example((0, 2), (0, 2))),
)


def unstack(x: Tensor) -> list[Tensor]:
    """Return the rows of an array, ``x[0], x[1], ...``."""
    return items(bind(unstack_p, x))


def stack_rows(rows: Sequence[Tensor]) -> Tensor:
    """Return an array with the given rows, of which there is at least one."""
    return bind(stack_p, *rows)
