"""Rewrites of sums: over nothing, of sums, of what was only moved or broadcast."""

from __future__ import annotations

import math

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor
from chainrule.core.types import Shape
from chainrule.ops.reduce import reduced_shape, sum_bound
from chainrule.ops.shape import reshape
from chainrule.passes.patterns import once, p, variables
from chainrule.passes.rules import Rules

sums = Rules()

x, axes, shape, inner, keepdims = variables("x axes shape inner keepdims")


@sums.rule(p.sum(x, axes=()), floats_only=False)
def sum_over_nothing(x: Tensor) -> Tensor:
    """`sum_bound(x, (), False)` → `x`."""
    return x


@sums.rule(
    p.sum(x, axes=axes, keepdims=keepdims),
    where=lambda x, axes: bool(axes) and all(x.shape[i] == 1 for i in axes),
    floats_only=False,
)
def sum_over_one(x: Tensor, axes: Shape, keepdims: bool) -> Tensor:
    """`sum(x[:1], 0)` → `reshape(x[:1], 4)`."""
    return reshape(x, reduced_shape(x.shape, axes, keepdims))


@sums.rule(
    p.sum(once(p.sum(x, axes=inner, keepdims=False)), axes=axes, keepdims=False), floats_only=False
)
def sum_of_sum(x: Tensor, inner: Shape, axes: Shape) -> Tensor:
    """`sum(sum(t, 1), 0)` → `sum(t, (0, 1))`."""
    left = [i for i in range(x.ndim) if i not in inner]
    return sum_bound(x, tuple(sorted((*inner, *(left[i] for i in axes)))), False)


@sums.rule(
    p.sum(once(p.sum(x, axes=inner, keepdims=True)), axes=axes, keepdims=True), floats_only=False
)
def sum_of_kept_sum(x: Tensor, inner: Shape, axes: Shape) -> Tensor:
    """`sum(sum(t, 1, keepdims=True), 0, keepdims=True)` → `sum(t, (0, 1), keepdims=True)`."""
    return sum_bound(x, tuple(sorted({*inner, *axes})), True)


@sums.rule(p.sum(once(p.reshape(x)), axes=axes, keepdims=False), floats_only=False)
def sum_of_reshape(x: Tensor, axes: Shape, node: Node) -> Tensor | None:
    """`sum(reshape(x, 12))` → `sum(x)`."""
    if node.type.shape != ():
        return None
    return sum_bound(x, tuple(range(x.ndim)), False)


@sums.rule(p.sum(once(p.transpose(x, axes=inner)), axes=axes, keepdims=False), floats_only=False)
def sum_of_transpose(x: Tensor, inner: Shape, axes: Shape) -> Tensor | None:
    """`sum(x.T)` → `sum(x)`, `sum(x.T, 0)` → `sum(x, 1)`."""
    kept = [k for i, k in enumerate(inner) if i not in axes]
    return (
        sum_bound(x, tuple(sorted(inner[i] for i in axes)), False) if kept == sorted(kept) else None
    )


@sums.rule(p.reshape(once(p.sum(x, axes=axes, keepdims=False)), shape=shape), floats_only=False)
def reshape_of_sum(x: Tensor, axes: Shape, shape: Shape) -> Tensor | None:
    """`reshape(sum(x, 1), 3, 1)` → `sum(x, 1, keepdims=True)`."""
    return sum_bound(x, axes, True) if shape == reduced_shape(x.shape, axes, True) else None


@sums.rule(p.reshape(once(p.sum(x, axes=axes, keepdims=True)), shape=shape), floats_only=False)
def reshape_of_kept_sum(x: Tensor, axes: Shape, shape: Shape) -> Tensor | None:
    """`reshape(sum(x, 1, keepdims=True), 3)` → `sum(x, 1)`."""
    return sum_bound(x, axes, False) if shape == reduced_shape(x.shape, axes, False) else None


@sums.rule(p.sum(once(p.broadcast_to(x)), axes=axes, keepdims=keepdims))
def sum_of_broadcast(x: Tensor, axes: Shape, keepdims: bool, node: Node) -> Tensor | None:
    """`sum(broadcast_to(v, (3, 4)), 0)` → `v * 3.0`.

    `sum(broadcast_to(s, (3, 4)))` → `s * 12.0`.
    """
    whole = node.inputs[0].type.shape
    extra = len(whole) - x.ndim
    stretched = [i for i in axes if i < extra or (x.shape[i - extra] == 1)]
    count = math.prod(whole[i] for i in stretched)
    if len(stretched) != len(axes):
        return None
    return reshape(x, node.type.shape) * float(count) if _fits(x, whole, axes) else None


def _fits(x: Tensor, whole: Shape, axes: Shape) -> bool:
    """Whether what is left after the sum is all of x."""
    extra = len(whole) - x.ndim
    left = [n for i, n in enumerate(whole) if i not in axes]
    own = [n for i, n in enumerate(x.shape) if i + extra not in axes]
    return math.prod(left) == math.prod(own)
