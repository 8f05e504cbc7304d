"""Rewrites for accuracy: what is written naively is computed as it is not lost to rounding.

They hold in exact arithmetic, wherever both sides are defined; where the left side overflows or
rounds to 0 or 1 the right side keeps the digits. Applied before differentiation, so that gradients
are those of the accurate form, and again after. A rule's docstring is its test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor, bind
from chainrule.ops.elementwise import (
    exp,
    expm1,
    log,
    log1p,
    sigmoid,
    softplus,
    tanh,
)
from chainrule.ops.reduce import sum_bound
from chainrule.ops.softmax import log_softmax_p, logsumexp_p, softmax_p
from chainrule.passes.logarithms import has_log, logarithms
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

#: All but the logarithms of what is made of several values.
forms = Rules()

x, y, m, axes, keepdims = variables("x y m axes keepdims")
_factor = number("factor", math.isfinite)


# Exponentials and logarithms near 1 ------------------------------------------------------------


@forms.rule(p.log(p.add(1.0, x)))
def log_of_one_plus(x: Tensor) -> Tensor:
    """`log(1 + x)` → `log1p(x)`."""
    return log1p(x)


@forms.rule(p.log(p.subtract(1.0, x)))
def log_of_one_minus(x: Tensor) -> Tensor:
    """`log(1 - abs(x) / 4)` → `log1p(-(abs(x) / 4))`."""
    return log1p(-x)


@forms.rule(p.log1p(p.exp(x)))
def log1p_of_exp(x: Tensor) -> Tensor:
    """`log1p(exp(x))` → `softplus(x)`."""
    return softplus(x)


@forms.rule(p.subtract(p.exp(x), 1.0), p.add(p.exp(x), -1.0))
def exp_minus_one(x: Tensor) -> Tensor:
    """`exp(x) - 1` → `expm1(x)`, `exp(x) + -1` → `expm1(x)`."""
    return expm1(x)


@forms.rule(p.add(p.expm1(x), 1.0))
def expm1_plus_one(x: Tensor) -> Tensor:
    """`expm1(x) + 1` → `exp(x)`: as in the derivative of ELU."""
    return exp(x)


@forms.rule(p.subtract(1.0, p.exp(x)))
def one_minus_exp(x: Tensor) -> Tensor:
    """`1 - exp(x)` → `-expm1(x)`."""
    return -expm1(x)


@forms.rule(p.subtract(p.softplus(x), x))
def softplus_minus_its_argument(x: Tensor) -> Tensor:
    """`softplus(x) - x` → `softplus(-x)`."""
    return softplus(-x)


@forms.rule(p.subtract(x, p.softplus(x)))
def argument_minus_softplus(x: Tensor) -> Tensor:
    """`x - softplus(x)` → `-softplus(-x)`."""
    return -softplus(-x)


# Sigmoid ---------------------------------------------------------------------------------------


@forms.rule(p.divide(1.0, p.exp(x)))
def reciprocal_of_exp(x: Tensor) -> Tensor:
    """`1 / exp(x)` → `exp(-x)`."""
    return exp(-x)


@forms.rule(
    p.divide(
        p.subtract(p.exp(x), p.exp(p.negative(x))),
        p.add(p.exp(x), p.exp(p.negative(x))),
    )
)
def tanh_of_exp(x: Tensor) -> Tensor:
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))` → `tanh(x)`."""
    return tanh(x)


@forms.rule(p.divide(p.expm1(x), p.add(1.0, p.exp(x))))
def tanh_of_expm1(x: Tensor) -> Tensor:
    """`expm1(x) / (exp(x) + 1)` → `tanh(x * 0.5)`."""
    return tanh(x * 0.5)


@forms.rule(p.divide(p.negative(p.expm1(x)), p.add(1.0, p.exp(x))))
def tanh_of_minus_expm1(x: Tensor) -> Tensor:
    """`-expm1(x) / (1 + exp(x))` → `-tanh(x * 0.5)`."""
    return -tanh(x * 0.5)


@forms.rule(p.divide(p.exp(x), p.add(1.0, p.exp(x))))
def sigmoid_of_exp(x: Tensor) -> Tensor:
    """`exp(x) / (1 + exp(x))` → `sigmoid(x)`."""
    return sigmoid(x)


@forms.rule(p.divide(y, p.add(1.0, p.exp(p.negative(x)))))
def over_one_plus_exp_of_negative(x: Tensor, y: Tensor) -> Tensor:
    """`y / (1 + exp(-x))` → `y * sigmoid(x)`, `1 / (1 + exp(-x))` → `1 * sigmoid(x)`."""
    return y * sigmoid(x)


@forms.rule(p.divide(y, p.add(1.0, p.exp(x))))
def over_one_plus_exp(x: Tensor, y: Tensor) -> Tensor:
    """`y / (1 + exp(x))` → `y * sigmoid(-x)`, `1 / (exp(x) + 1)` → `1 * sigmoid(-x)`."""
    return y * sigmoid(-x)


@forms.rule(p.exp(p.negative(p.softplus(x))))
def exp_of_minus_softplus(x: Tensor) -> Tensor:
    """`exp(-softplus(x))` → `sigmoid(-x)`."""
    return sigmoid(-x)


@forms.rule(p.subtract(1.0, moved("m", p.sigmoid(x))))
def one_minus_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`1 - sigmoid(x)` → `sigmoid(-x)`, `1 - sigmoid(x)[0]` → `sigmoid(-x)[0]`."""
    return m(sigmoid(-x))


@forms.rule(p.subtract(moved("m", p.sigmoid(x)), 1.0), p.add(moved("m", p.sigmoid(x)), -1.0))
def sigmoid_minus_one(x: Tensor, m: Moves) -> Tensor:
    """`sigmoid(x) - 1` → `-sigmoid(-x)`."""
    return -m(sigmoid(-x))


@forms.rule(p.log(moved("m", p.sigmoid(x))))
def log_of_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`log(sigmoid(x))` → `-softplus(-x)`, `log(sigmoid(x).T)` → `(-softplus(-x)).T`."""
    return m(-softplus(-x))


@forms.rule(
    p.log(p.subtract(1.0, moved("m", p.sigmoid(x)))),
    p.log1p(p.negative(moved("m", p.sigmoid(x)))),
)
def log_of_one_minus_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`log(1 - sigmoid(x))` → `-softplus(x)`, `log1p(-sigmoid(x))` → `-softplus(x)`."""
    return m(-softplus(x))


@forms.rule(
    p.divide(p.sigmoid(x), p.subtract(1.0, p.sigmoid(x))),
    p.divide(p.sigmoid(x), p.sigmoid(p.negative(x))),
)
def odds_of_sigmoid(x: Tensor) -> Tensor:
    """`sigmoid(x) / (1 - sigmoid(x))` → `exp(x)`, `sigmoid(x) / sigmoid(-x)` → `exp(x)`."""
    return exp(x)


@forms.rule(
    p.subtract(p.multiply(p.sigmoid(x), 2.0), 1.0), p.add(p.multiply(p.sigmoid(x), 2.0), -1.0)
)
def twice_sigmoid_minus_one(x: Tensor) -> Tensor:
    """`2 * sigmoid(x) - 1` → `tanh(x * 0.5)`."""
    return tanh(x * 0.5)


@forms.rule(p.subtract(1.0, p.multiply(p.sigmoid(x), 2.0)))
def one_minus_twice_sigmoid(x: Tensor) -> Tensor:
    """`1 - 2 * sigmoid(x)` → `-tanh(x * 0.5)`."""
    return -tanh(x * 0.5)


@forms.rule(p.add(1.0, p.tanh(x)))
def one_plus_tanh(x: Tensor) -> Tensor:
    """`1 + tanh(x)` → `2.0 * sigmoid(x * 2.0)`: which is not 0 where tanh rounds to -1."""
    return 2.0 * sigmoid(x * 2.0)


@forms.rule(p.subtract(1.0, p.tanh(x)))
def one_minus_tanh(x: Tensor) -> Tensor:
    """`1 - tanh(x)` → `2.0 * sigmoid(x * -2.0)`."""
    return 2.0 * sigmoid(x * -2.0)


# Softmax ---------------------------------------------------------------------------------------


def _softmax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return bind(softmax_p, x, axes=axes)


def _log_softmax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return bind(log_softmax_p, x, axes=axes)


@forms.rule(p.divide(p.exp(x), spread(p.sum(p.exp(x), axes=axes, keepdims=keepdims))))
def softmax_of_exp(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`exp(x) / sum(exp(x), 1, keepdims=True)` → `softmax(x, 1)`.

    `exp(x) / sum(exp(x), 1)[:, None]` → `softmax(x, 1)`, `exp(x) / sum(exp(x), 0)` →
    `softmax(x, 0)`.
    """
    return _softmax(x, axes)


@forms.rule(p.matmul(x, 1.0))
def product_with_ones(x: Tensor, node: Node) -> Tensor:
    """`x @ ONES` → `broadcast_to(sum(x, 1, keepdims=True), (3, 2))`."""
    return sum_bound(x, (x.ndim - 1,), True)


@forms.rule(p.matmul(1.0, x))
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


@forms.rule(p.add(x, p.reshape(...)), p.add(x, p.slice(...)))
def sum_of_parts(node: Node, context: Context) -> Tensor | None:
    """`exp(v)[0] + exp(v)[1] + exp(v)[2] + exp(v)[3]` → `sum(exp(v))`.

    `exp(x)[:1] + exp(x)[1:2] + exp(x)[2:]` → `sum(exp(x), 0, keepdims=True)`. Where each part is
    there once.
    """
    stack, source, seen = list(node.inputs), None, set()
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


@forms.rule(p.divide(x, moved("m", p.multiply(y, _factor))), where=_are_shares)
def share_of_multiple(x: Tensor, y: Tensor, m: Moves, factor: Tensor) -> Tensor:
    """`exp(x) / (sum(exp(x), 1, keepdims=True) * 2.0)` →
    `exp(x) / sum(exp(x), 1, keepdims=True) / 2.0`: where a share can be seen.
    """
    return x / m(y) / factor


@forms.rule(p.divide(x, moved("m", p.divide(y, _factor))), where=_are_shares)
def share_of_mean(x: Tensor, y: Tensor, m: Moves, factor: Tensor) -> Tensor:
    """`exp(x) / mean(exp(x), 1, keepdims=True)` → `exp(x) / sum(exp(x), 1, keepdims=True) * 4.0`."""
    return x / m(y) * factor


def _sums_everything(x: Tensor, axes: Sequence[int]) -> bool:
    return len(axes) == x.ndim


@forms.rule(
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


@forms.rule(
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


@forms.rule(p.softmax(p.subtract(x, y), axes=axes), where=_shifts_evenly)
def softmax_of_shifted(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`softmax(x - max(x, 1, keepdims=True), 1)` → `softmax(x, 1)`: the shift is built in."""
    return _softmax(x, axes)


@forms.rule(p.log_softmax(p.subtract(x, y), axes=axes), where=_shifts_evenly)
def log_softmax_of_shifted(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`log_softmax(x - max(x, 1, keepdims=True), 1)` → `log_softmax(x, 1)`."""
    return _log_softmax(x, axes)


@forms.rule(p.log(moved("m", p.softmax(x, axes=axes))))
def log_of_softmax(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`log(softmax(x)[i])` → `log_softmax(x)[i]`, `log(softmax(x))` → `log_softmax(x)`.

    `log(softmax(x).T[i])` → `log_softmax(x).T[i]`.
    """
    return m(_log_softmax(x, axes))


@forms.rule(p.exp(moved("m", p.log_softmax(x, axes=axes))))
def exp_of_log_softmax(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`exp(log_softmax(x))` → `softmax(x)`, `exp(log_softmax(x)[i])` → `softmax(x)[i]`."""
    return m(_softmax(x, axes))


@forms.rule(p.log(moved("m", p.sum(p.exp(x), axes=axes, keepdims=keepdims))))
def log_of_sum_of_exp(x: Tensor, axes: Sequence[int], keepdims: bool, m: Moves) -> Tensor:
    """`log(sum(exp(x), 1))` → `logsumexp(x, 1)`.

    `log(sum(exp(x), 1)[i])` → `logsumexp(x, 1)[i]`.
    """
    return m(bind(logsumexp_p, x, axes=axes, keepdims=keepdims))


@forms.rule(
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


@forms.rule(p.subtract(x, spread(p.logsumexp(x, axes=axes))))
def minus_logsumexp(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x - logsumexp(x, 1, keepdims=True)` → `log_softmax(x, 1)`.

    `x - logsumexp(x, 1)[:, None]` → `log_softmax(x, 1)`.
    """
    return _log_softmax(x, axes)


@forms.rule(p.subtract(spread(p.logsumexp(x, axes=axes)), x))
def logsumexp_minus(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`logsumexp(x, 1, keepdims=True) - x` → `-log_softmax(x, 1)`."""
    return -_log_softmax(x, axes)


@forms.rule(
    p.subtract(moved("m", x, some=True), p.logsumexp(x, axes=axes, keepdims=False)),
    where=_sums_everything,
)
def moved_minus_logsumexp(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`x[0][i] - logsumexp(x[0])` → `log_softmax(x[0])[i]`."""
    return m(_log_softmax(x, axes))


@forms.rule(
    p.subtract(p.logsumexp(x, axes=axes, keepdims=False), moved("m", x, some=True)),
    where=_sums_everything,
)
def logsumexp_minus_moved(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`logsumexp(x[0]) - x[0][i]` → `-log_softmax(x[0])[i]`."""
    return -m(_log_softmax(x, axes))


@forms.rule(
    p.subtract(p.gather(x, _rows, _columns), p.logsumexp(x, axes=axes, keepdims=False)),
    where=_picks_by_row,
)
def picked_minus_logsumexp(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`x[n, i] - logsumexp(x, 1)` → `log_softmax(x, 1)[n, i]`."""
    return Moves(node.inputs[:1])(_log_softmax(x, axes))


@forms.rule(
    p.subtract(p.logsumexp(x, axes=axes, keepdims=False), p.gather(x, _rows, _columns)),
    where=_picks_by_row,
)
def logsumexp_minus_picked(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`logsumexp(x, 1) - x[n, i]` → `-log_softmax(x, 1)[n, i]`."""
    return -Moves(node.inputs[1:])(_log_softmax(x, axes))


stabilize = forms + logarithms
