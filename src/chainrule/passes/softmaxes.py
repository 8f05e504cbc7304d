"""Rewrites to softmax, its logarithm and logsumexp, from exponentials and sums however written.

A rule's docstring is its test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor, as_tensor, bind
from chainrule.ops.reduce import sum_bound
from chainrule.ops.softmax import log_softmax_p, logsumexp_p, softmax_p
from chainrule.passes.logarithms import has_log
from chainrule.passes.patterns import (
    Context,
    Moves,
    constant,
    is_even,
    moved,
    named,
    number,
    p,
    spread,
    variables,
)
from chainrule.passes.rules import Rules

softmaxes = Rules()

x, y, m, axes, keepdims = variables("x y m axes keepdims")
_factor = number("factor", math.isfinite)


def _softmax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return bind(softmax_p, x, axes=axes)


def _log_softmax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return bind(log_softmax_p, x, axes=axes)


@softmaxes.rule(p.divide(p.exp(x), spread(p.sum(p.exp(x), axes=axes, keepdims=keepdims))))
def softmax_of_exp(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`exp(x) / sum(exp(x), 1, keepdims=True)` → `softmax(x, 1)`.

    `exp(x) / sum(exp(x), 1)[:, None]` → `softmax(x, 1)`, `exp(x) / sum(exp(x), 0)` →
    `softmax(x, 0)`.
    """
    return _softmax(x, axes)


@softmaxes.rule(p.matmul(x, 1.0))
def product_with_ones(x: Tensor) -> Tensor:
    """`x @ ONES` → `broadcast_to(sum(x, 1, keepdims=True), (3, 2))`."""
    return sum_bound(x, (x.ndim - 1,), True)


@softmaxes.rule(p.matmul(1.0, x))
def product_of_ones(x: Tensor) -> Tensor:
    """`ONES.T @ W` → `broadcast_to(sum(W, 0, keepdims=True), (2, 3))`."""
    return sum_bound(x, (x.ndim - 2,), True)


def _picked(part: Node) -> tuple[Node, int, int, bool] | None:
    """Return of ``x[:, i]`` or ``x[:, i:i + 1]`` what it is taken of, the axis, i, and if kept."""
    if part.primitive is None or part.primitive.name not in ("slice", "reshape"):
        return None
    whole = part if part.primitive.name == "slice" else part.inputs[0]
    if whole.primitive is None or whole.primitive.name != "slice":
        return None
    shape, taken = whole.inputs[0].type.shape, whole.type.shape
    axes = [i for i, n in enumerate(shape) if taken[i] != n]
    if len(axes) != 1 or taken[axes[0]] != 1:
        return None
    axis = axes[0]
    kept = part is whole
    if not kept and part.type.shape != shape[:axis] + shape[axis + 1 :]:
        return None
    if any(whole.attrs["step"][i] < 0 for i in range(len(shape)) if i != axis):
        return None
    return whole.inputs[0], axis, whole.attrs["start"][axis], kept


#: As many parts a sum is looked through for.
_PARTS = 64


@softmaxes.rule(p.add(x, p.reshape(...)), p.add(x, p.slice(...)))
def sum_of_parts(node: Node, context: Context) -> Tensor | None:
    """`exp(v)[0] + exp(v)[1] + exp(v)[2] + exp(v)[3]` → `sum(exp(v))`.

    `exp(x)[:1] + exp(x)[1:2] + exp(x)[2:]` → `sum(exp(x), 0, keepdims=True)`. Where each part is
    there once.
    """
    stack, source, seen = list(node.inputs), None, set[int]()
    while stack:
        part = stack.pop()
        if not context.is_open(part) or len(seen) + len(stack) > _PARTS:
            return None
        assert part.primitive is not None
        if part.primitive.name == "add":
            stack += part.inputs
            continue
        found = _picked(part)
        if found is None or found[2] in seen:
            return None
        x, axis, i, kept = found
        source = source or (x, axis, kept)
        if source[0] is not x or source[1:] != (axis, kept):
            return None
        seen.add(i)
    assert source is not None
    x, axis, kept = source
    if len(seen) < x.type.shape[axis] or not has_log(x, context):
        return None
    return sum_bound(as_tensor(x), (axis,), kept)


def _are_shares(x: Node, y: Node, context: Context) -> bool:
    return has_log(x, context) and has_log(y, context)


@softmaxes.rule(p.divide(x, moved("m", p.multiply(y, _factor))), where=_are_shares)
def share_of_multiple(x: Tensor, y: Tensor, m: Moves, factor: Tensor) -> Tensor:
    """`exp(x) / (sum(exp(x)) * 2.0)` → `exp(x) / sum(exp(x)) / 2.0`: where a share can be seen."""
    return x / m(y) / factor


@softmaxes.rule(p.divide(x, moved("m", p.divide(y, _factor))), where=_are_shares)
def share_of_mean(x: Tensor, y: Tensor, m: Moves, factor: Tensor) -> Tensor:
    """`exp(x) / mean(exp(x), 0)` → `exp(x) / sum(exp(x), 0) * 3.0`."""
    return x / m(y) * factor


def _sums_everything(x: Tensor, axes: Sequence[int]) -> bool:
    return len(axes) == x.ndim


@softmaxes.rule(
    p.divide(moved("m", p.exp(x), some=True), p.sum(p.exp(x), axes=axes, keepdims=False)),
    where=_sums_everything,
)
def softmax_of_exp_moved(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`exp(x[0])[i] / sum(exp(x[0]))` → `softmax(x[0])[i]`."""
    return m(_softmax(x, axes))


def _picks_by_row(rows: Node, axes: Sequence[int], x: Tensor) -> bool:
    """Whether x[rows, columns] takes one element of each row, in order."""
    data: Any = rows.data
    return axes == (1,) and x.ndim == 2 and np.array_equal(data, np.arange(x.shape[0]))


_rows, _columns = constant("rows"), variables("columns")[0]


@softmaxes.rule(
    p.divide(p.gather(p.exp(x), _rows, _columns), p.sum(p.exp(x), axes=axes, keepdims=False)),
    where=_picks_by_row,
)
def softmax_of_exp_by_row(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`exp(x)[n, i] / sum(exp(x), 1)` → `softmax(x, 1)[n, i]`."""
    return Moves(node.inputs[:1])(_softmax(x, axes))


def _shifts_evenly(x: Tensor, y: Tensor, axes: Sequence[int]) -> bool:
    while y.primitive is not None and y.primitive.name == "broadcast_to":
        y = y.inputs[0]  # type: ignore[assignment]
    return is_even(y.shape, x.shape, axes)


@softmaxes.rule(p.softmax(p.subtract(x, y), axes=axes), where=_shifts_evenly)
def softmax_of_shifted(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`softmax(x - max(x, 1, keepdims=True), 1)` → `softmax(x, 1)`: the shift is built in."""
    return _softmax(x, axes)


@softmaxes.rule(p.log_softmax(p.subtract(x, y), axes=axes), where=_shifts_evenly)
def log_softmax_of_shifted(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`log_softmax(x - max(x, 1, keepdims=True), 1)` → `log_softmax(x, 1)`."""
    return _log_softmax(x, axes)


@softmaxes.rule(p.log(moved("m", p.softmax(x, axes=axes))))
def log_of_softmax(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`log(softmax(x)[i])` → `log_softmax(x)[i]`, `log(softmax(x))` → `log_softmax(x)`.

    `log(softmax(x).T[i])` → `log_softmax(x).T[i]`.
    """
    return m(_log_softmax(x, axes))


@softmaxes.rule(p.exp(moved("m", p.log_softmax(x, axes=axes))))
def exp_of_log_softmax(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`exp(log_softmax(x))` → `softmax(x)`, `exp(log_softmax(x)[i])` → `softmax(x)[i]`."""
    return m(_softmax(x, axes))


@softmaxes.rule(p.log(moved("m", p.sum(p.exp(x), axes=axes, keepdims=keepdims))))
def log_of_sum_of_exp(x: Tensor, axes: Sequence[int], keepdims: bool, m: Moves) -> Tensor:
    """`log(sum(exp(x), 1))` → `logsumexp(x, 1)`.

    `log(sum(exp(x), 1)[i])` → `logsumexp(x, 1)[i]`.
    """
    return m(bind(logsumexp_p, x, axes=axes, keepdims=keepdims))


@softmaxes.rule(
    p.add(p.logsumexp(p.subtract(x, y), axes=axes, keepdims=keepdims), named("shift", m))
)
def logsumexp_of_shifted(
    x: Tensor, y: Tensor, shift: Tensor, node: Node, axes: Sequence[int], keepdims: bool
) -> Tensor | None:
    """`max(x, 1) + logsumexp(x - max(x, 1)[:, None], 1)` → `logsumexp(x, 1)`.

    `max(x, 1, keepdims=True) + logsumexp(x - max(x, 1, keepdims=True), 1, keepdims=True)` →
    `logsumexp(x, 1, keepdims=True)`.
    """
    if not _shifts_evenly(x, y, axes) or _unshaped(y) is not _unshaped(shift):
        return None
    whole = bind(logsumexp_p, x, axes=axes, keepdims=keepdims)
    return whole if whole.shape == node.type.shape else None


def _unshaped(x: Node) -> Any:
    """Return what an array was before its axes of size 1 came and went; a number for a constant."""
    while x.data is None and x.primitive is not None and x.primitive.name == "reshape":
        x = x.inputs[0]
    return x


@softmaxes.rule(p.subtract(x, spread(p.logsumexp(x, axes=axes))))
def minus_logsumexp(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x - logsumexp(x, 1, keepdims=True)` → `log_softmax(x, 1)`.

    `x - logsumexp(x, 1)[:, None]` → `log_softmax(x, 1)`.
    """
    return _log_softmax(x, axes)


@softmaxes.rule(p.subtract(spread(p.logsumexp(x, axes=axes)), x))
def logsumexp_minus(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`logsumexp(x, 1, keepdims=True) - x` → `-log_softmax(x, 1)`."""
    return -_log_softmax(x, axes)


@softmaxes.rule(
    p.subtract(moved("m", x, some=True), p.logsumexp(x, axes=axes, keepdims=False)),
    where=_sums_everything,
)
def moved_minus_logsumexp(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`x[0][i] - logsumexp(x[0])` → `log_softmax(x[0])[i]`."""
    return m(_log_softmax(x, axes))


@softmaxes.rule(
    p.subtract(p.logsumexp(x, axes=axes, keepdims=False), moved("m", x, some=True)),
    where=_sums_everything,
)
def logsumexp_minus_moved(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`logsumexp(x[0]) - x[0][i]` → `-log_softmax(x[0])[i]`."""
    return -m(_log_softmax(x, axes))


@softmaxes.rule(
    p.subtract(p.gather(x, _rows, _columns), p.logsumexp(x, axes=axes, keepdims=False)),
    where=_picks_by_row,
)
def picked_minus_logsumexp(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`x[n, i] - logsumexp(x, 1)` → `log_softmax(x, 1)[n, i]`."""
    return Moves(node.inputs[:1])(_log_softmax(x, axes))


@softmaxes.rule(
    p.subtract(p.logsumexp(x, axes=axes, keepdims=False), p.gather(x, _rows, _columns)),
    where=_picks_by_row,
)
def logsumexp_minus_picked(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`logsumexp(x, 1) - x[n, i]` → `-log_softmax(x, 1)[n, i]`."""
    return -Moves(node.inputs[1:])(_log_softmax(x, axes))
