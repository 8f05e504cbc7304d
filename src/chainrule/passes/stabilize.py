"""Rewrites for accuracy: what is written naively is computed as it is not lost to rounding.

They hold in exact arithmetic, wherever both sides are defined; where the left side overflows or
rounds to 0 or 1 the right side keeps the digits. Applied before differentiation, so that gradients
are those of the accurate form, and again after. A rule's docstring is its test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import Shape
from chainrule.ops.elementwise import (
    exp,
    expm1,
    log,
    log1p,
    sigmoid,
    softplus,
    tanh,
)
from chainrule.ops.softmax import log_softmax_p, logsumexp_p, softmax_p
from chainrule.passes.patterns import (
    MOVES,
    Moves,
    constant,
    moved,
    named,
    number,
    p,
    spread,
    variables,
)
from chainrule.passes.rules import Rules

stabilize = Rules()

x, y, m, axes, keepdims = variables("x y m axes keepdims")


# Exponentials and logarithms near 1 ------------------------------------------------------------


@stabilize.rule(p.log(p.add(1.0, x)))
def log_of_one_plus(x: Tensor) -> Tensor:
    """`log(1 + x)` → `log1p(x)`."""
    return log1p(x)


@stabilize.rule(p.log(p.subtract(1.0, x)))
def log_of_one_minus(x: Tensor) -> Tensor:
    """`log(1 - abs(x) / 4)` → `log1p(-(abs(x) / 4))`."""
    return log1p(-x)


@stabilize.rule(p.log1p(p.exp(x)))
def log1p_of_exp(x: Tensor) -> Tensor:
    """`log1p(exp(x))` → `softplus(x)`."""
    return softplus(x)


@stabilize.rule(p.subtract(p.exp(x), 1.0), p.add(p.exp(x), -1.0))
def exp_minus_one(x: Tensor) -> Tensor:
    """`exp(x) - 1` → `expm1(x)`, `exp(x) + -1` → `expm1(x)`."""
    return expm1(x)


@stabilize.rule(p.add(p.expm1(x), 1.0))
def expm1_plus_one(x: Tensor) -> Tensor:
    """`expm1(x) + 1` → `exp(x)`: as in the derivative of ELU."""
    return exp(x)


@stabilize.rule(p.subtract(1.0, p.exp(x)))
def one_minus_exp(x: Tensor) -> Tensor:
    """`1 - exp(x)` → `-expm1(x)`."""
    return -expm1(x)


@stabilize.rule(p.subtract(p.softplus(x), x))
def softplus_minus_its_argument(x: Tensor) -> Tensor:
    """`softplus(x) - x` → `softplus(-x)`."""
    return softplus(-x)


@stabilize.rule(p.subtract(x, p.softplus(x)))
def argument_minus_softplus(x: Tensor) -> Tensor:
    """`x - softplus(x)` → `-softplus(-x)`."""
    return -softplus(-x)


# Sigmoid ---------------------------------------------------------------------------------------


@stabilize.rule(p.divide(p.exp(x), p.add(1.0, p.exp(x))))
def sigmoid_of_exp(x: Tensor) -> Tensor:
    """`exp(x) / (1 + exp(x))` → `sigmoid(x)`."""
    return sigmoid(x)


@stabilize.rule(p.divide(y, p.add(1.0, p.exp(p.negative(x)))))
def over_one_plus_exp_of_negative(x: Tensor, y: Tensor) -> Tensor:
    """`y / (1 + exp(-x))` → `y * sigmoid(x)`, `1 / (1 + exp(-x))` → `1 * sigmoid(x)`."""
    return y * sigmoid(x)


@stabilize.rule(p.divide(y, p.add(1.0, p.exp(x))))
def over_one_plus_exp(x: Tensor, y: Tensor) -> Tensor:
    """`y / (1 + exp(x))` → `y * sigmoid(-x)`, `1 / (exp(x) + 1)` → `1 * sigmoid(-x)`."""
    return y * sigmoid(-x)


@stabilize.rule(p.exp(p.negative(p.softplus(x))))
def exp_of_minus_softplus(x: Tensor) -> Tensor:
    """`exp(-softplus(x))` → `sigmoid(-x)`."""
    return sigmoid(-x)


@stabilize.rule(p.subtract(1.0, moved("m", p.sigmoid(x))))
def one_minus_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`1 - sigmoid(x)` → `sigmoid(-x)`, `1 - sigmoid(x)[0]` → `sigmoid(-x)[0]`."""
    return m(sigmoid(-x))


@stabilize.rule(p.subtract(moved("m", p.sigmoid(x)), 1.0), p.add(moved("m", p.sigmoid(x)), -1.0))
def sigmoid_minus_one(x: Tensor, m: Moves) -> Tensor:
    """`sigmoid(x) - 1` → `-sigmoid(-x)`."""
    return -m(sigmoid(-x))


@stabilize.rule(p.log(moved("m", p.sigmoid(x))))
def log_of_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`log(sigmoid(x))` → `-softplus(-x)`, `log(sigmoid(x).T)` → `(-softplus(-x)).T`."""
    return m(-softplus(-x))


@stabilize.rule(
    p.log(p.subtract(1.0, moved("m", p.sigmoid(x)))),
    p.log1p(p.negative(moved("m", p.sigmoid(x)))),
)
def log_of_one_minus_sigmoid(x: Tensor, m: Moves) -> Tensor:
    """`log(1 - sigmoid(x))` → `-softplus(x)`, `log1p(-sigmoid(x))` → `-softplus(x)`."""
    return m(-softplus(x))


@stabilize.rule(
    p.divide(p.sigmoid(x), p.subtract(1.0, p.sigmoid(x))),
    p.divide(p.sigmoid(x), p.sigmoid(p.negative(x))),
)
def odds_of_sigmoid(x: Tensor) -> Tensor:
    """`sigmoid(x) / (1 - sigmoid(x))` → `exp(x)`, `sigmoid(x) / sigmoid(-x)` → `exp(x)`."""
    return exp(x)


@stabilize.rule(
    p.divide(
        p.subtract(p.exp(x), p.exp(p.negative(x))),
        p.add(p.exp(x), p.exp(p.negative(x))),
    )
)
def tanh_of_exp(x: Tensor) -> Tensor:
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))` → `tanh(x)`."""
    return tanh(x)


# Softmax ---------------------------------------------------------------------------------------


def _softmax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return bind(softmax_p, x, axes=axes)


def _log_softmax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return bind(log_softmax_p, x, axes=axes)


@stabilize.rule(p.divide(p.exp(x), spread(p.sum(p.exp(x), axes=axes, keepdims=keepdims))))
def softmax_of_exp(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`exp(x) / sum(exp(x), 1, keepdims=True)` → `softmax(x, 1)`.

    `exp(x) / sum(exp(x), 1)[:, None]` → `softmax(x, 1)`, `exp(x) / sum(exp(x), 0)` →
    `softmax(x, 0)`.
    """
    return _softmax(x, axes)


def _sums_everything(x: Tensor, axes: Sequence[int]) -> bool:
    return len(axes) == x.ndim


@stabilize.rule(
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


@stabilize.rule(
    p.divide(p.gather(p.exp(x), _rows, _columns), p.sum(p.exp(x), axes=axes, keepdims=False)),
    where=_picks_by_row,
)
def softmax_of_exp_by_row(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`exp(x)[n, i] / sum(exp(x), 1)` → `softmax(x, 1)[n, i]`."""
    return Moves(node.inputs[:1])(_softmax(x, axes))


def _is_even(shift: Shape, x: Shape, axes: Sequence[int]) -> bool:
    """Whether what broadcasts from a shape is the same along the axes."""
    padded = (1,) * (len(x) - len(shift)) + shift
    return len(padded) == len(x) and all(padded[i] == 1 for i in axes)


def _shifts_evenly(x: Tensor, y: Tensor, axes: Sequence[int]) -> bool:
    while y.primitive is not None and y.primitive.name == "broadcast_to":
        y = y.inputs[0]  # type: ignore[assignment]
    return _is_even(y.shape, x.shape, axes)


@stabilize.rule(p.softmax(p.subtract(x, y), axes=axes), where=_shifts_evenly)
def softmax_of_shifted(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`softmax(x - max(x, 1, keepdims=True), 1)` → `softmax(x, 1)`: the shift is built in."""
    return _softmax(x, axes)


@stabilize.rule(p.log_softmax(p.subtract(x, y), axes=axes), where=_shifts_evenly)
def log_softmax_of_shifted(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`log_softmax(x - max(x, 1, keepdims=True), 1)` → `log_softmax(x, 1)`."""
    return _log_softmax(x, axes)


@stabilize.rule(p.log(moved("m", p.softmax(x, axes=axes))))
def log_of_softmax(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`log(softmax(x)[i])` → `log_softmax(x)[i]`, `log(softmax(x))` → `log_softmax(x)`.

    `log(softmax(x).T[i])` → `log_softmax(x).T[i]`.
    """
    return m(_log_softmax(x, axes))


@stabilize.rule(p.exp(moved("m", p.log_softmax(x, axes=axes))))
def exp_of_log_softmax(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`exp(log_softmax(x))` → `softmax(x)`, `exp(log_softmax(x)[i])` → `softmax(x)[i]`."""
    return m(_softmax(x, axes))


@stabilize.rule(p.log(moved("m", p.sum(p.exp(x), axes=axes, keepdims=keepdims))))
def log_of_sum_of_exp(x: Tensor, axes: Sequence[int], keepdims: bool, m: Moves) -> Tensor:
    """`log(sum(exp(x), 1))` → `logsumexp(x, 1)`.

    `log(sum(exp(x), 1)[i])` → `logsumexp(x, 1)[i]`.
    """
    return m(bind(logsumexp_p, x, axes=axes, keepdims=keepdims))


_divisor = number("divisor", lambda value: value > 0)


@stabilize.rule(
    p.log(p.divide(moved("m", p.sum(p.exp(x), axes=axes, keepdims=keepdims)), _divisor))
)
def log_of_mean_of_exp(
    x: Tensor, axes: Sequence[int], keepdims: bool, m: Moves, divisor: Tensor
) -> Tensor:
    """`log(mean(exp(x), 1))` → `logsumexp(x, 1) - log(4.0)`."""
    return m(bind(logsumexp_p, x, axes=axes, keepdims=keepdims)) - log(divisor)


@stabilize.rule(
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


@stabilize.rule(p.subtract(x, spread(p.logsumexp(x, axes=axes))))
def minus_logsumexp(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x - logsumexp(x, 1, keepdims=True)` → `log_softmax(x, 1)`.

    `x - logsumexp(x, 1)[:, None]` → `log_softmax(x, 1)`.
    """
    return _log_softmax(x, axes)


@stabilize.rule(p.subtract(spread(p.logsumexp(x, axes=axes)), x))
def logsumexp_minus(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`logsumexp(x, 1, keepdims=True) - x` → `-log_softmax(x, 1)`."""
    return -_log_softmax(x, axes)


@stabilize.rule(
    p.subtract(moved("m", x, some=True), p.logsumexp(x, axes=axes, keepdims=False)),
    where=_sums_everything,
)
def moved_minus_logsumexp(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`x[0][i] - logsumexp(x[0])` → `log_softmax(x[0])[i]`."""
    return m(_log_softmax(x, axes))


@stabilize.rule(
    p.subtract(p.logsumexp(x, axes=axes, keepdims=False), moved("m", x, some=True)),
    where=_sums_everything,
)
def logsumexp_minus_moved(x: Tensor, axes: Sequence[int], m: Moves) -> Tensor:
    """`logsumexp(x[0]) - x[0][i]` → `-log_softmax(x[0])[i]`."""
    return -m(_log_softmax(x, axes))


@stabilize.rule(
    p.subtract(p.gather(x, _rows, _columns), p.logsumexp(x, axes=axes, keepdims=False)),
    where=_picks_by_row,
)
def picked_minus_logsumexp(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`x[n, i] - logsumexp(x, 1)` → `log_softmax(x, 1)[n, i]`."""
    return Moves(node.inputs[:1])(_log_softmax(x, axes))


@stabilize.rule(
    p.subtract(p.logsumexp(x, axes=axes, keepdims=False), p.gather(x, _rows, _columns)),
    where=_picks_by_row,
)
def logsumexp_minus_picked(x: Tensor, node: Node, axes: Sequence[int]) -> Tensor:
    """`logsumexp(x, 1) - x[n, i]` → `-log_softmax(x, 1)[n, i]`."""
    return -Moves(node.inputs[1:])(_log_softmax(x, axes))


# Bounds on probabilities -----------------------------------------------------------------------


def _is_share(x: Node) -> bool:
    """Whether a value is a probability whose logarithm has a form of its own."""
    while x.data is None and x.primitive is not None:
        name = x.primitive.name
        if name in ("softmax", "sigmoid"):
            return True
        if name in ("maximum", "minimum"):
            x = next((i for i in x.inputs if i.data is None), x.inputs[0])
        elif name in MOVES:
            x = x.inputs[0]
        else:
            return False
    return False


_bound = number("bound", lambda value: value > 0)


@stabilize.rule(
    p.log(p.maximum(x, _bound)), p.log(p.minimum(x, _bound)), where=lambda x: _is_share(x)
)
def log_of_bounded_share(node: Node) -> Tensor:
    """`log(maximum(sigmoid(x), k))` → `maximum(log(sigmoid(x)), log(k))`.

    `log(minimum(softmax(x), k))` → `minimum(log(softmax(x)), log(k))`. The logarithm rises, so it
    keeps what is larger, and ties.
    """
    inner = node.inputs[0]
    assert inner.primitive is not None
    logs = [log(x) for x in inner.inputs]
    return bind(inner.primitive, *logs, **inner.attrs)
