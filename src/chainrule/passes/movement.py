"""Rewrites of what only moves elements: reshapes, transposes, slices, pads, casts, broadcasts."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.graph import PRIMITIVES, Node
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import Dtype, Shape
from chainrule.ops.promotion import cast
from chainrule.ops.shape import (
    broadcast_to,
    flip,
    pad_p,
    reshape,
    slice_p,
    transpose,
)
from chainrule.passes.patterns import (
    Context,
    constant,
    p,
    value_of,
    variables,
)
from chainrule.passes.rules import Rules

movement = Rules()

x, y, z, c, axes, shape, inner, keepdims = variables("x y z c axes shape inner keepdims")


# Reshape, transpose, broadcast -----------------------------------------------------------------


@movement.rule(
    p.reshape(x, shape=shape), where=lambda x, shape: x.shape == shape, floats_only=False
)
def reshape_to_same(x: Tensor) -> Tensor:
    """`bind(reshape_p, x, shape=(3, 4))` → `x`."""
    return x


@movement.rule(p.reshape(p.reshape(x), shape=shape), floats_only=False)
def reshape_of_reshape(x: Tensor, shape: Shape) -> Tensor:
    """`reshape(reshape(x, 2, 6), 12)` → `reshape(x, 12)`."""
    return reshape(x, shape)


@movement.rule(
    p.reshape(p.broadcast_to(x), shape=shape), where=lambda x: x.size == 1, floats_only=False
)
def reshape_of_broadcast_number(x: Tensor, shape: Shape) -> Tensor:
    """`reshape(broadcast_to(s, (3, 4)), 12)` → `broadcast_to(s, (12,))`."""
    return broadcast_to(reshape(x, ()), shape)


@movement.rule(
    p.transpose(x, axes=axes), where=lambda axes: axes == tuple(range(len(axes))), floats_only=False
)
def transpose_of_nothing(x: Tensor) -> Tensor:
    """`transpose(x, 0, 1)` → `x`."""
    return x


@movement.rule(p.transpose(p.transpose(x, axes=inner), axes=axes), floats_only=False)
def transpose_of_transpose(x: Tensor, inner: Shape, axes: Shape) -> Tensor:
    """`transpose(transpose(t, 1, 2, 0), 1, 2, 0)` → `transpose(t, 2, 0, 1)`, `x.T.T` → `x`."""
    order = tuple(inner[i] for i in axes)
    return x if order == tuple(range(x.ndim)) else transpose(x, order)


@movement.rule(
    p.broadcast_to(x, shape=shape), where=lambda x, shape: x.shape == shape, floats_only=False
)
def broadcast_to_same(x: Tensor) -> Tensor:
    """`bind(broadcast_to_p, x, shape=(3, 4))` → `x`."""
    return x


@movement.rule(p.broadcast_to(p.broadcast_to(x), shape=shape), floats_only=False)
def broadcast_of_broadcast(x: Tensor, shape: Shape) -> Tensor:
    """`broadcast_to(broadcast_to(v, (3, 4)), (2, 3, 4))` → `broadcast_to(v, (2, 3, 4))`."""
    return broadcast_to(x, shape)


def _elementwise_without_broadcasts(node: Node, context: Context) -> Tensor | None:
    """Return the node on arguments that broadcast by themselves, if that is all the same."""
    assert node.primitive is not None
    args: list[Any] = list(node.inputs)
    wanted = node.type.shape
    changed = False
    for i, arg in enumerate(args):
        smaller = _before_broadcast(arg, context)
        if smaller is None:
            continue
        trial = [*args[:i], smaller, *args[i + 1 :]]
        if np.broadcast_shapes(*[a.shape for a in trial]) == wanted:
            args, changed = trial, True
    return bind(node.primitive, *args, **node.attrs) if changed else None


def _before_broadcast(x: Node, context: Context) -> Any:
    """Return what broadcasts to a value: its source, one number, or what lacks leading axes."""
    if context.is_constant(x):
        value = context.number(x) if x.type.shape else None
        return None if value is None else Tensor(np.asarray(value, x.type.dtype))
    if not context.is_open(x):
        return None
    name = x.primitive.name if x.primitive is not None else ""
    if name == "broadcast_to":
        return x.inputs[0]
    if name == "reshape":
        source = x.inputs[0]
        extra = x.type.ndim - source.type.ndim
        return source if x.type.shape == (1,) * extra + source.type.shape else None
    return None


#: Elementwise primitives of several arguments.
_JOINING = [
    name
    for name, primitive in PRIMITIVES.items()
    if primitive.is_elementwise and primitive.examples and len(primitive.examples[0].shapes) > 1
]


@movement.rule(*[p.__getattr__(name)(...) for name in _JOINING], floats_only=False)
def broadcast_in_elementwise(node: Node, context: Context) -> Tensor | None:
    """`x + broadcast_to(v, (3, 4))` → `x + v`.

    `x * ones_like(x) * y` → `x * 1.0 * y`, `x + v[None, :]` → `x + v`.
    """
    return _elementwise_without_broadcasts(node, context)


# Slice, pad, flip, concatenate, gather ---------------------------------------------------------

start, stop, step, low, high, interior, value = variables("start stop step low high interior value")
start2, stop2, step2 = variables("start2 stop2 step2")
low2, high2 = variables("low2 high2")


@movement.rule(
    p.slice(x, start=start, stop=stop, step=step),
    where=lambda x, node: x.shape == node.type.shape,
    floats_only=False,
)
def slice_of_all(x: Tensor, step: Shape) -> Tensor | None:
    """`bind(slice_p, x, start=(0, 0), stop=(3, 4), step=(1, 1))` → `x`."""
    return x if all(s == 1 for s in step) or 0 in x.shape or x.size == 1 else _only_units(x, step)


def _only_units(x: Tensor, step: Shape) -> Tensor | None:
    return x if all(s == 1 or n == 1 for s, n in zip(step, x.shape, strict=True)) else None


@movement.rule(
    p.slice(p.slice(x, start=start2, stop=stop2, step=step2), start=start, stop=stop, step=step),
    floats_only=False,
)
def slice_of_slice(
    x: Tensor, start: Shape, stop: Shape, step: Shape, start2: Shape, stop2: Shape, step2: Shape
) -> Tensor:
    """`x[1:][1:]` → `x[2:]`, `x[:, 1:][1:]` → `x[1:, 1:]`."""
    ranges = [
        range(*parts2)[slice(*parts)]
        for parts2, parts in zip(
            zip(start2, stop2, step2, strict=True), zip(start, stop, step, strict=True), strict=True
        )
    ]
    return _slice(x, ranges)


def _slice(x: Tensor, ranges: list[range]) -> Tensor:
    return bind(
        slice_p,
        x,
        start=tuple(r.start for r in ranges),
        stop=tuple(max(r.start, r.stop) for r in ranges),
        step=tuple(r.step for r in ranges),
    )


@movement.rule(
    p.slice(
        p.pad(x, low=low, high=high, interior=interior, value=value),
        start=start,
        stop=stop,
        step=step,
    ),
    floats_only=False,
)
def slice_of_pad(
    x: Tensor, low: Shape, interior: Shape, start: Shape, stop: Shape, step: Shape
) -> Tensor | None:
    """`pad(x, 1)[1:4, 1:5]` → `x`, `pad(x, 1)[1:3, 2:4]` → `x[:2, 1:3]`.

    Where no padding is in it.
    """
    ranges = []
    for n, before, gap, a, b, s in zip(x.shape, low, interior, start, stop, step, strict=True):
        if gap or a < before or b > before + n:
            return None
        ranges.append(range(a - before, b - before, s))
    return x if ranges == [range(n) for n in x.shape] else _slice(x, ranges)


@movement.rule(
    p.pad(x, low=low, high=high, interior=interior),
    where=lambda low, high, interior: not any((*low, *high, *interior)),
    floats_only=False,
)
def pad_by_nothing(x: Tensor) -> Tensor:
    """`pad(x, 0)` → `x`."""
    return x


@movement.rule(
    p.pad(
        p.pad(x, low=low2, high=high2, interior=inner, value=value),
        low=low,
        high=high,
        interior=inner,
        value=value,
    ),
    where=lambda inner: not any(inner),
    floats_only=False,
)
def pad_of_pad(
    x: Tensor, low: Shape, high: Shape, low2: Shape, high2: Shape, inner: Shape, value: float
) -> Tensor | None:
    """`pad(pad(x, 1), 2)` → `pad(x, 3)`."""
    if min((*low, *high, *low2, *high2), default=0) < 0:
        return None
    lows = tuple(i + j for i, j in zip(low, low2, strict=True))
    highs = tuple(i + j for i, j in zip(high, high2, strict=True))
    return bind(pad_p, x, low=lows, high=highs, interior=inner, value=value)


@movement.rule(p.flip(p.flip(x, axes=axes), axes=axes), floats_only=False)
def flip_of_flip(x: Tensor) -> Tensor:
    """`flip(flip(x, 1), 1)` → `x`."""
    return x


@movement.rule(p.flip(x, axes=axes), floats_only=False)
def flip_of_one(x: Tensor, axes: Shape) -> Tensor | None:
    """`flip(x[:1], 0)` → `x[:1]`: along axes of size 1."""
    longer = tuple(i for i in axes if x.shape[i] > 1)
    if longer == axes:
        return None
    return flip(x, longer) if longer else x


@movement.rule(p.concatenate(x), floats_only=False)
def concatenate_one(x: Tensor) -> Tensor:
    """`concatenate([x])` → `x`."""
    return x


@movement.rule(p.slice(p.concatenate(...), start=start, stop=stop, step=step), floats_only=False)
def slice_of_concatenate(node: Node, start: Shape, stop: Shape, step: Shape) -> Tensor | None:
    """`concatenate([x, y])[:3]` → `x`, `concatenate([x, y])[4:]` → `y[1:]`.

    Where the slice is of one part only.
    """
    joined = node.inputs[0]
    axis, before = joined.attrs["axis"], 0
    for part in joined.inputs:
        n = part.type.shape[axis]
        if before <= start[axis] and stop[axis] <= before + n and start[axis] < stop[axis]:
            ranges = list(map(range, start, stop, step))
            ranges[axis] = range(start[axis] - before, stop[axis] - before, step[axis])
            x: Any = part
            return x if ranges == [range(k) for k in x.shape] else _slice(x, ranges)
        before += n
    return None


@movement.rule(
    p.gather(x, constant("rows")),
    where=lambda x, rows: np.array_equal(rows.data, np.arange(x.shape[0])),
    floats_only=False,
)
def gather_of_all(x: Tensor) -> Tensor:
    """`gather(x, [0, 1, 2])` → `x`."""
    return x


@movement.rule(
    p.gather(x, constant("row")), where=lambda row: row.data.ndim == 0, floats_only=False
)
def gather_of_one(x: Tensor, row: Tensor) -> Tensor | None:
    """`gather(x, 2)` → `x[2]`: a view."""
    size, i = x.shape[0], int(value_of(row))
    if not -size <= i < size:
        return None
    i %= size
    ranges = [range(i, i + 1), *map(range, x.shape[1:])]
    return reshape(_slice(x, ranges), x.shape[1:])


# Casts -----------------------------------------------------------------------------------------

dtype, between = variables("dtype between")


@movement.rule(p.cast(x, dtype=dtype), where=lambda x, dtype: x.dtype == dtype, floats_only=False)
def cast_to_same(x: Tensor) -> Tensor:
    """`bind(cast_p, x, dtype=x.dtype)` → `x`."""
    return x


@movement.rule(p.cast(p.cast(x, dtype=between), dtype=dtype), floats_only=False)
def cast_of_cast(x: Tensor, between: Dtype, dtype: Dtype) -> Tensor | None:
    """`cast(cast(c, "int32"), "float32")` → `cast(c, "float32")`.

    `cast(cast(x, "float64"), "float32")` → `x`. Where the first cast loses nothing.
    """
    if not np.can_cast(x.dtype, between, "safe"):
        return None
    return cast(x, dtype)
