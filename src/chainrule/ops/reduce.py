"""Reductions over axes, and cumulative sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.errors import ShapeError
from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import (
    INT64,
    UINT64,
    Array,
    ArrayType,
    Shape,
    is_float,
    normalize_axes,
    normalize_axis,
)
from chainrule.ops.comparison import equal
from chainrule.ops.promotion import as_float, cast
from chainrule.ops.shape import broadcast_to, reshape

Axis: TypeAlias = int | Sequence[int] | None


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """Return the shape that is left of one when axes are reduced."""
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def reduced_type(x: ArrayType, *, axes: Sequence[int], keepdims: bool) -> ArrayType:
    """Return the type of a reduction's result: the type rule of all of them."""
    return ArrayType(reduced_shape(x.shape, axes, keepdims), x.dtype)


def spread(r: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """Broadcast a reduced array back over the axes that were reduced."""
    return broadcast_to(reshape(r, reduced_shape(x.shape, axes, True)), x.shape)


#: Arguments on which every reduction must work.
EXAMPLES = (
    example((2, 3), axes=(0,), keepdims=False),
    example((2, 3), axes=(1,), keepdims=True),
    example((2, 3, 2), axes=(0, 2), keepdims=False),
    example((), axes=(), keepdims=False),
    example((0, 3), axes=(1,), keepdims=True),
)
_EMPTY = example((0, 3), axes=(0,), keepdims=False)


def sum_bound(r: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """Apply the primitive with its axes already normalized."""
    return bind(sum_p, r, axes=tuple(axes), keepdims=keepdims)


sum_p: Primitive = Primitive(
    "sum",
    # add.reduce is what np.sum calls after a microsecond of argument handling.
    eval=lambda x, *, axes, keepdims: np.add.reduce(  # type: ignore[call-overload]
        x, axes, x.dtype, None, keepdims
    ),
    type_rule=reduced_type,
    vjp=(lambda g, ans, x, *, axes, keepdims: spread(g, x, axes),),
    jvp=lambda ts, ans, x, *, axes, keepdims: sum_bound(ts[0], axes, keepdims),
    examples=(*EXAMPLES, _EMPTY),
    into=lambda out, x, *, axes, keepdims: np.add.reduce(  # type: ignore[call-overload]
        x, axes, x.dtype, out, keepdims
    ),
)


def _extremum(name: str, eval: Any) -> Primitive:
    def weights(ans: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
        # Elements that tie share the derivative evenly.
        ties = cast(equal(x, spread(ans, x, axes)), x.dtype)
        return ties / spread(sum_bound(ties, axes, False), x, axes)

    return Primitive(
        name,
        eval=lambda x, *, axes, keepdims: eval(x, axis=axes, keepdims=keepdims),
        type_rule=reduced_type,
        vjp=(lambda g, ans, x, *, axes, keepdims: spread(g, x, axes) * weights(ans, x, axes),),
        jvp=lambda ts, ans, x, *, axes, keepdims: sum_bound(
            ts[0] * weights(ans, x, axes), axes, keepdims
        ),
        examples=EXAMPLES,
        into=lambda out, x, *, axes, keepdims: eval(x, axis=axes, out=out, keepdims=keepdims),
    )


max_p: Primitive = _extremum("max", np.max)
min_p: Primitive = _extremum("min", np.min)


argmax_p: Primitive = Primitive(
    "argmax",
    eval=lambda x, *, axis: np.argmax(x, axis=axis),
    type_rule=lambda x, *, axis: ArrayType(reduced_shape(x.shape, (axis,), False), INT64),
    into=lambda out, x, *, axis: np.argmax(x, axis, out),
    vjp=(None,),
    examples=(
        example((2, 3), axis=0),
        example((2, 3), axis=1),
        example((4,), axis=0),
        example((0, 3), axis=1),
    ),
)


def _cumsum(x: Array, *, axis: int, reverse: bool) -> Array:
    if not reverse:
        return np.cumsum(x, axis=axis, dtype=x.dtype)
    return np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)


def _cumsum_into(out: Array, x: Array, *, axis: int, reverse: bool) -> None:
    if reverse:
        x, out = np.flip(x, axis), np.flip(out, axis)
    np.cumsum(x, axis, x.dtype, out)


cumsum_p: Primitive = Primitive(
    "cumsum",
    eval=_cumsum,
    type_rule=lambda x, *, axis, reverse: x,
    into=_cumsum_into,
    vjp=(lambda g, ans, x, *, axis, reverse: bind(cumsum_p, g, axis=axis, reverse=not reverse),),
    jvp=lambda ts, ans, x, *, axis, reverse: bind(cumsum_p, ts[0], axis=axis, reverse=reverse),
    examples=(
        example((2, 3), axis=0, reverse=False),
        example((2, 3), axis=1, reverse=True),
        example((0,), axis=0, reverse=False),
    ),
)


def _widened(x: TensorLike) -> Tensor:
    """Return bools and narrow integers in 64 bits, so that their sum does not overflow."""
    given = as_tensor(x)
    if is_float(given.dtype):
        return given
    return cast(given, UINT64 if given.dtype.kind == "u" else INT64)


def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over axes: ``y = Σ x``.

    Args:
        x: array of any shape; bools are counted, integers are summed in 64 bits, as in NumPy.
        axis: axis or axes (default: all).
        keepdims: keep the reduced axes with size 1.

    Raises:
        ArgumentError: an axis that ``x`` does not have.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.], dtype=float32)
    """
    x = _widened(x)
    return sum_bound(x, normalize_axes(axis, x.ndim), keepdims)


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean over axes: ``y = (1/n) Σ x``; integers become float32 first.

    >>> mean([[1.0, 2.0], [3.0, 4.0]])
    Tensor(2.5, dtype=float32)
    """
    x = as_float(x)
    axes = normalize_axes(axis, x.ndim)
    count = 1
    for i in axes:
        count *= x.shape[i]
    return sum_bound(x, axes, keepdims) / float(count)


def _nonempty(name: str, x: Tensor, axes: Sequence[int]) -> None:
    if any(x.shape[i] == 0 for i in axes):
        raise ShapeError(name, f"an array of shape {x.shape}", "at least one element to reduce")


def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the largest element over axes; those that tie share the derivative evenly.

    Raises:
        ShapeError: there is no element to take.

    >>> max([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor([2., 3.], dtype=float32)
    """
    x = as_tensor(x)
    axes = normalize_axes(axis, x.ndim)
    _nonempty("max", x, axes)
    return bind(max_p, x, axes=axes, keepdims=keepdims)


def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element over axes; those that tie share the derivative evenly.

    Raises:
        ShapeError: there is no element to take.

    >>> min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor([1., 0.], dtype=float32)
    """
    x = as_tensor(x)
    axes = normalize_axes(axis, x.ndim)
    _nonempty("min", x, axes)
    return bind(min_p, x, axes=axes, keepdims=keepdims)


def argmax(x: TensorLike, axis: int | None = None) -> Tensor:
    """Return the index of the largest element, the first of those that tie.

    Args:
        x: array with at least one element along the axis.
        axis: axis (default: of the flattened array).

    >>> argmax([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor([1, 0], dtype=int64)
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, x.ndim)
    _nonempty("argmax", x, (axis,))
    return bind(argmax_p, x, axis=axis)


def cumsum(x: TensorLike, axis: int | None = None) -> Tensor:
    """Cumulative sum along an axis: ``yᵢ = x₁ + ... + xᵢ`` (default: of the flattened array).

    >>> cumsum([1.0, 2.0, 3.0])
    Tensor([1., 3., 6.], dtype=float32)
    """
    x = _widened(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return bind(cumsum_p, x, axis=normalize_axis(axis, x.ndim), reverse=False)
