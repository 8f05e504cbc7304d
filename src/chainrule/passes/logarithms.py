"""Rewrites of logarithms of what is positive by its making: exponentials, shares, products.

An exponential, sigmoid or softmax *has a logarithm*: one that is computed without taking it. So has
what is made of such values by products, quotients, powers, sums, and by moving elements: its
logarithm is taken apart until it meets them. Nothing is guessed about the sign of other values, and
``log(p + 1e-7)`` stays what it is. A rule's docstring is its test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.mode import no_grad
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import Dtype
from chainrule.ops.comparison import not_equal
from chainrule.ops.elementwise import exp, log, minimum, where
from chainrule.ops.reduce import max_p, reduced_shape, sum_bound
from chainrule.ops.shape import broadcast_to, reshape, stack
from chainrule.ops.softmax import logsumexp_p
from chainrule.passes.patterns import (
    MOVES,
    Context,
    Moves,
    broadcast_of,
    moved,
    number,
    p,
    variables,
)
from chainrule.passes.rules import Rules

logarithms = Rules()

x, y, w, c, m, axes, keepdims = variables("x y w c m axes keepdims")

#: How many operations up a value is looked for what has a logarithm.
_DEPTH = 8
#: Primitives that have a logarithm, and those that have one if their first argument does.
_OWN = frozenset(("exp", "sigmoid", "softmax"))
_OF_ONE = MOVES | {"sum", "sqrt", "rsqrt", "square", "power"}
_OF_TWO = frozenset(("multiply", "divide", "maximum", "minimum"))


def has_log(node: Node, context: Context, depth: int = _DEPTH) -> bool:
    """Whether a value is positive by its making and its logarithm is computed without it."""
    if not depth or not context.is_open(node):
        return False
    assert node.primitive is not None
    name, inputs = node.primitive.name, node.inputs
    if name in _OWN:
        return True
    if name in _OF_ONE:
        return has_log(inputs[0], context, depth - 1)
    if name in _OF_TWO or name == "add":
        found = [has_log(arg, context, depth - 1) for arg in inputs]
        if all(found):
            return True
        value = context.number(inputs[found.index(False)])
        return any(found) and (value == 1 if name == "add" else _is_positive(value))
    return False


def _is_positive(value: float | None) -> bool:
    return value is not None and 0 < value < math.inf


def _one_has_log(x: Node, y: Node, context: Context) -> bool:
    """Whether one of two factors has a logarithm, and neither is a number."""
    if context.number(x) is not None or context.number(y) is not None:
        return False
    return has_log(x, context) or has_log(y, context)


_a = number("a", lambda value: _is_positive(value))


def _without_factors(x: Node, context: Context) -> tuple[Node, float, float]:
    """Return ``y``, ``a`` and ``log(a)`` of ``x = a y``: without factors that are numbers.

    The product is taken before its logarithm, so that 0.5 and 2 leave nothing behind.
    """
    product, logs = 1.0, 0.0
    while context.is_open(x) and x.primitive is not None:
        name, inputs = x.primitive.name, x.inputs
        i = next((i for i in (0, 1) if _is_positive(context.number(inputs[i - 1]))), None)
        if name not in ("multiply", "divide") or i is None or (name == "divide" and i):
            break
        value = context.number(inputs[i - 1])
        assert value is not None
        product = product * value if name == "multiply" else product / value
        logs += math.log(value) if name == "multiply" else -math.log(value)
        x = inputs[i]
    return x, product, math.log(product) if 1e-300 < product < 1e300 else logs


def _constant(value: float, dtype: Dtype) -> Tensor:
    return Tensor(np.asarray(value, dtype))


@logarithms.rule(
    p.log(p.multiply(x, _a)), p.log(p.divide(x, _a)), where=lambda x, context: has_log(x, context)
)
def log_of_multiple(node: Node, context: Context) -> Tensor:
    """`log(2.0 * sigmoid(x))` → `log(sigmoid(x)) + log(2.0)`.

    `log(exp(x) / 4.0)` → `log(exp(x)) + log(0.25)`, `log(0.5 * (2.0 * exp(x)))` → `log(exp(x))`.
    Also the logarithm of a mean.
    """
    y, a, log_a = _without_factors(node.inputs[0], context)
    return log(y) if a == 1 else log(y) + _constant(log_a, node.type.dtype)


@logarithms.rule(p.log(p.divide(_a, x)), where=lambda x, context: has_log(x, context))
def log_of_reciprocal(x: Tensor, a: Tensor, context: Context) -> Tensor:
    """`log(1.0 / softmax(x))` → `-log(softmax(x))`.

    `log(2.0 / exp(x))` → `log(2.0) - log(exp(x))`.
    """
    value = context.number(a)
    assert value is not None
    return -log(x) if value == 1 else _constant(math.log(value), x.dtype) - log(x)


@logarithms.rule(p.log(p.multiply(x, y)), where=_one_has_log)
def log_of_product(x: Tensor, y: Tensor) -> Tensor:
    """`log(softmax(x) * y)` → `log(softmax(x)) + log(y)`.

    `log(sigmoid(x) * sigmoid(y))` → `log(sigmoid(x)) + log(sigmoid(y))`.
    """
    return log(x) + log(y)


@logarithms.rule(p.log(p.divide(x, y)), where=_one_has_log)
def log_of_quotient(x: Tensor, y: Tensor) -> Tensor:
    """`log(exp(x) / y)` → `log(exp(x)) - log(y)`.

    `log(softmax(x) / softmax(y))` → `log(softmax(x)) - log(softmax(y))`.
    """
    return log(x) - log(y)


@logarithms.rule(p.log(p.power(x, y)), where=lambda x, context: has_log(x, context))
def log_of_power(x: Tensor, y: Tensor) -> Tensor:
    """`log(sigmoid(x) ** 0.7)` → `log(sigmoid(x)) * 0.7`.

    `log(sigmoid(x) ** y)` → `log(sigmoid(x)) * y`.
    """
    return log(x) * y


@logarithms.rule(p.log(p.square(x)), where=lambda x, context: has_log(x, context))
def log_of_square(x: Tensor) -> Tensor:
    """`log(square(sigmoid(x)))` → `log(sigmoid(x)) * 2.0`."""
    return log(x) * 2.0


@logarithms.rule(p.log(p.sqrt(x)), where=lambda x, context: has_log(x, context))
def log_of_root(x: Tensor) -> Tensor:
    """`log(sqrt(sigmoid(x)))` → `log(sigmoid(x)) * 0.5`."""
    return log(x) * 0.5


@logarithms.rule(p.log(p.rsqrt(x)), where=lambda x, context: has_log(x, context))
def log_of_reciprocal_root(x: Tensor) -> Tensor:
    """`log(rsqrt(sigmoid(x)))` → `log(sigmoid(x)) * -0.5`."""
    return log(x) * -0.5


@logarithms.rule(p.log(moved("m", x, some=True)), where=lambda x, context: has_log(x, context))
def log_of_moved(x: Tensor, m: Moves) -> Tensor:
    """`log((2.0 * sigmoid(x))[1])` → `log(2.0 * sigmoid(x))[1]`."""
    return m(log(x))


@logarithms.rule(
    p.log(p.maximum(x, y)),
    p.log(p.minimum(x, y)),
    where=lambda node, context: has_log(node.inputs[0], context),
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


# Sums ------------------------------------------------------------------------------------------


def _terms(node: Node, context: Context) -> list[Node]:
    """Return the summands of a sum that is written with ``+``, in order."""
    terms: list[Node] = []
    left = [node]
    while left:
        node = left.pop()
        if node.primitive is not None and node.primitive.name == "add" and context.is_open(node):
            left += reversed(node.inputs)
        else:
            terms.append(node)
    return terms


def _both_have_logs(x: Node, y: Node, context: Context) -> bool:
    return has_log(x, context) and has_log(y, context)


@logarithms.rule(p.log(p.add(x, y)), p.log1p(p.add(x, y)), where=_both_have_logs)
def log_of_terms(node: Node, context: Context) -> Tensor:
    """`log(exp(x) + exp(y))` → `logsumexp(stack([log(exp(x)), log(exp(y))]), 0)`.

    `log1p(exp(x) + exp(y))` →
    `logsumexp(stack([broadcast_to(log(1.0), (3, 4)), log(exp(x)), log(exp(y))]), 0)`.
    Not `y + softplus(x - y)`, which is NaN where both are -inf.
    """
    assert node.primitive is not None
    kind = node.type
    logs = [log(term) for term in _terms(node.inputs[0], context)]
    if node.primitive.name == "log1p":
        logs.insert(0, _constant(0.0, kind.dtype))
    whole = [x if x.shape == kind.shape else broadcast_to(x, kind.shape) for x in logs]
    return bind(logsumexp_p, stack(whole), axes=(0,), keepdims=False)


@logarithms.rule(
    p.log(p.sum(x, axes=axes, keepdims=keepdims)), where=lambda x, context: has_log(x, context)
)
def log_of_sum(x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """`log(sum(2.0 * exp(x), 1))` → `logsumexp(log(2.0 * exp(x)), 1)`.

    `log(sum(softmax(x)[:, :2], 1))` → `logsumexp(log(softmax(x)[:, :2]), 1)`.
    """
    return bind(logsumexp_p, log(x), axes=axes, keepdims=keepdims)


@logarithms.rule(
    p.log(p.sum(p.where(c, x, 0.0), axes=axes, keepdims=keepdims)),
    where=lambda x, context: has_log(x, context),
)
def log_of_sum_of_chosen(c: Tensor, x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """`log(sum(where(q, exp(x), 0.0), 1))` → `logsumexp(where(q, log(exp(x)), -inf), 1)`."""
    return bind(logsumexp_p, where(c, log(x), -math.inf), axes=axes, keepdims=keepdims)


@logarithms.rule(
    p.log(p.sum(p.where(c, 0.0, x), axes=axes, keepdims=keepdims)),
    where=lambda x, context: has_log(x, context),
)
def log_of_sum_of_others(c: Tensor, x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """`log(sum(where(q, 0.0, exp(x)), 1))` → `logsumexp(where(q, -inf, log(exp(x))), 1)`."""
    return bind(logsumexp_p, where(c, -math.inf, log(x)), axes=axes, keepdims=keepdims)


@logarithms.rule(
    p.log(p.sum(p.multiply(x, w), axes=axes, keepdims=keepdims)),
    where=lambda x, w, context: (
        not w.tracked and context.number(w) is None and has_log(x, context) and not _is_bounded(x)
    ),
)
def log_of_weighted_sum(x: Tensor, w: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """`log(sum(softmax(x) * ONE_HOT, 1))` → `weighted_logsumexp(log(softmax(x)), ONE_HOT, 1)`.

    For weights of any sign, of which 0 leaves out what would overflow: exponentials are taken
    relative to the largest whose weight is not 0. Not where gradients by the weights are wanted,
    which are not 0 where the weights are.
    """
    return weighted_logsumexp(log(x), w, axes, keepdims)


def _is_bounded(x: Node) -> bool:
    """Whether a value is ``exp(minimum(z, 0))``, which does not overflow: as the rule makes it."""
    assert x.primitive is not None
    z = x.inputs[0]
    return x.primitive.name == "exp" and z.primitive is not None and z.primitive.name == "minimum"


def weighted_logsumexp(
    x: Tensor, w: Tensor, axes: int | Sequence[int], keepdims: bool = False
) -> Tensor:
    """``log(sum(w exp(x)))``, which does not overflow where ``w`` is 0."""
    axes = (axes,) if isinstance(axes, int) else axes
    counts = not_equal(w, 0.0)
    shape = broadcast_of(x.shape, w.shape)
    with no_grad():  # what the result does not depend on
        lowest = float(np.finfo(x.dtype).min)
        chosen = where(counts, x, lowest)
        chosen = chosen if chosen.shape == shape else broadcast_to(chosen, shape)
        top = bind(max_p, chosen, axes=axes, keepdims=True)
    total = log(sum_bound(w * exp(minimum(x - top, 0.0)), axes, keepdims))
    return total + (top if keepdims else reshape(top, reduced_shape(shape, axes, False)))
