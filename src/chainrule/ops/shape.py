"""Operations that move elements and compute nothing: reshape, transpose, pad, slice, and so on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.graph import PerArgument, Primitive, example
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import (
    Array,
    ArrayType,
    Shape,
    broadcast_shapes,
    normalize_axes,
    normalize_axis,
    promote_dtypes,
)
from chainrule.ops.promotion import cast

# Reshape, transpose, broadcast ---------------------------------------------------------------

reshape_p: Primitive = Primitive(
    "reshape",
    eval=lambda x, *, shape: x.reshape(shape),
    type_rule=lambda x, *, shape: _reshape_type(x, shape),
    vjp=(lambda g, ans, x, *, shape: bind(reshape_p, g, shape=x.shape),),
    jvp=lambda ts, ans, x, *, shape: bind(reshape_p, ts[0], shape=shape),
    into=lambda out, x, *, shape: np.copyto(out.reshape(x.shape), x),
    examples=(
        example((2, 3), shape=(3, 2)),
        example((), shape=(1, 1)),
        example((0, 2), shape=(0,)),
    ),
)

transpose_p: Primitive = Primitive(
    "transpose",
    eval=lambda x, *, axes: x.transpose(axes),
    type_rule=lambda x, *, axes: ArrayType(tuple(x.shape[i] for i in axes), x.dtype),
    vjp=(lambda g, ans, x, *, axes: bind(transpose_p, g, axes=_inverse(axes)),),
    jvp=lambda ts, ans, x, *, axes: bind(transpose_p, ts[0], axes=axes),
    examples=(
        example((2, 3), axes=(1, 0)),
        example((2, 3, 4), axes=(2, 0, 1)),
        example((), axes=()),
    ),
    symbol="{0}ᵀ",
)

broadcast_to_p: Primitive = Primitive(
    "broadcast_to",
    eval=lambda x, *, shape: np.broadcast_to(x, shape),
    type_rule=lambda x, *, shape: ArrayType(shape, x.dtype),
    # The driver sums the cotangent over the axes that were broadcast.
    vjp=(lambda g, ans, x, *, shape: g,),
    jvp=lambda ts, ans, x, *, shape: broadcast_to(ts[0], shape),
    examples=(
        example((3,), shape=(2, 3)),
        example((2, 1), shape=(2, 3)),
        example((), shape=(2,)),
        example((1, 3), shape=(0, 3)),
    ),
)


def _reshape_type(x: ArrayType, shape: Shape) -> ArrayType:
    if math.prod(shape) != x.size:
        raise ShapeError(
            "shape", f"{shape} for an array of shape {x.shape}", f"sizes with product {x.size}"
        )
    return ArrayType(shape, x.dtype)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def reshape(x: TensorLike, *shape: int | Sequence[int]) -> Tensor:
    """Give the same elements, in the same order, another shape.

    Args:
        x: array.
        shape: sizes, as one sequence or one by one; one of them may be -1, to be computed.

    Raises:
        ShapeError: the number of elements does not fit.

    >>> reshape([1.0, 2.0, 3.0, 4.0], 2, -1)
    Tensor([[1., 2.],
            [3., 4.]], dtype=float32)
    """
    x = as_tensor(x)
    wanted = _one_by_one(shape)
    sizes = list(wanted)
    if sizes.count(-1) == 1:
        others = -math.prod(sizes)
        sizes[sizes.index(-1)] = x.size // others if others else 0
    if math.prod(sizes) != x.size or any(n < 0 for n in sizes):
        raise ShapeError(
            "shape", f"{wanted} for an array of shape {x.shape}", f"sizes with product {x.size}"
        )
    return x if tuple(sizes) == x.shape else bind(reshape_p, x, shape=tuple(sizes))


def _one_by_one(sizes: tuple[Any, ...]) -> Shape:
    if len(sizes) == 1 and not isinstance(sizes[0], int | np.integer):
        sizes = tuple(sizes[0])
    return tuple(int(n) for n in sizes)


def transpose(x: TensorLike, *axes: int | Sequence[int] | None) -> Tensor:
    """Permute the axes (default: reverse them).

    Args:
        x: array.
        axes: for each axis of the result, which axis of ``x`` it is.

    Raises:
        ArgumentError: ``axes`` is not a permutation.

    >>> transpose([[1.0, 2.0]]).shape
    (2, 1)
    """
    x = as_tensor(x)
    if not axes or axes[0] is None:
        order = tuple(reversed(range(x.ndim)))
    else:
        order = tuple(normalize_axis(i, x.ndim) for i in _one_by_one(axes))
        if sorted(order) != list(range(x.ndim)):
            raise ArgumentError("axes", str(axes), f"each of the {x.ndim} axes once")
    return bind(transpose_p, x, axes=order)


def swapaxes(x: TensorLike, first: int, second: int) -> Tensor:
    """Exchange two axes.

    >>> swapaxes([[[1.0, 2.0]]], 0, 2).shape
    (2, 1, 1)
    """
    x = as_tensor(x)
    order = list(range(x.ndim))
    i, j = normalize_axis(first, x.ndim), normalize_axis(second, x.ndim)
    order[i], order[j] = j, i
    return transpose(x, order)


def broadcast_to(x: TensorLike, shape: Sequence[int]) -> Tensor:
    """Repeat along new axes, and along axes of size 1, up to ``shape``.

    Raises:
        ShapeError: ``x`` does not broadcast to ``shape``.

    >>> broadcast_to([1.0, 2.0], (2, 2))
    Tensor([[1., 2.],
            [1., 2.]], dtype=float32)
    """
    given, wanted = as_tensor(x), tuple(int(n) for n in shape)
    if given.shape == wanted:
        return given
    if broadcast_shapes(given.shape, wanted) != wanted:
        raise ShapeError("shape", f"{wanted} for an array of shape {given.shape}", "a larger shape")
    return bind(broadcast_to_p, given, shape=wanted)


def expand_dims(x: TensorLike, axis: int) -> Tensor:
    """Insert an axis of size 1, so that it is axis ``axis`` of the result.

    >>> expand_dims([1.0, 2.0], 0).shape
    (1, 2)
    """
    x = as_tensor(x)
    at = normalize_axis(axis, x.ndim + 1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """Remove axes of size 1 (default: all of them).

    Raises:
        ShapeError: an axis of another size.

    >>> squeeze([[1.0, 2.0]]).shape
    (2,)
    """
    x = as_tensor(x)
    if axis is None:
        axis = [i for i, n in enumerate(x.shape) if n == 1]
    axes = normalize_axes(axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ShapeError("axis", f"{axis} of an array of shape {x.shape}", "axes of size 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def flatten(x: TensorLike) -> Tensor:
    """Return the elements as one axis.

    >>> flatten([[1.0, 2.0]]).shape
    (2,)
    """
    return reshape(x, (-1,))


# Concatenate ---------------------------------------------------------------------------------


def _concatenated(*types: ArrayType, axis: int) -> ArrayType:
    shape = list(types[0].shape)
    shape[axis] = sum(x.shape[axis] for x in types)
    return ArrayType(tuple(shape), types[0].dtype)


def _part(i: int) -> Any:
    def vjp(g: Tensor, ans: Tensor, *xs: Tensor, axis: int) -> Tensor:
        start = sum(x.shape[axis] for x in xs[:i])
        return slice_axis(g, axis, start, start + xs[i].shape[axis])

    return vjp


def _concatenate_jvp(ts: Sequence[Tensor | None], ans: Tensor, *xs: Tensor, axis: int) -> Tensor:
    filled = [
        Tensor(np.zeros(x.shape, x.dtype)) if t is None else t for t, x in zip(ts, xs, strict=True)
    ]
    return bind(concatenate_p, *filled, axis=axis)


concatenate_p: Primitive = Primitive(
    "concatenate",
    eval=lambda *xs, axis: np.concatenate(xs, axis),
    into=lambda out, *xs, axis: np.concatenate(xs, axis, out),
    type_rule=_concatenated,
    vjp=PerArgument(_part),
    jvp=_concatenate_jvp,
    examples=(
        example((2, 3), (2, 1), axis=1),
        example((2,), (0,), (3,), axis=0),
        example((1, 2), axis=0),
    ),
)


def concatenate(xs: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join arrays along an axis that they have.

    Args:
        xs: arrays whose shapes are equal outside of the axis.
        axis: the axis to join along.

    Raises:
        ShapeError: shapes that do not fit.

    >>> concatenate([[1.0], [2.0, 3.0]])
    Tensor([1., 2., 3.], dtype=float32)
    """
    tensors = _of_one_dtype(xs, "concatenate")
    axis = normalize_axis(axis, tensors[0].ndim)
    first = tensors[0].shape
    for x in tensors[1:]:
        if x.ndim != len(first) or any(
            a != b for i, (a, b) in enumerate(zip(first, x.shape, strict=True)) if i != axis
        ):
            raise ShapeError(
                "xs", f"shapes {first} and {x.shape}", f"shapes equal outside of axis {axis}"
            )
    return bind(concatenate_p, *tensors, axis=axis)


def stack(xs: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join arrays of one shape along a new axis.

    Raises:
        ShapeError: shapes that differ.

    >>> stack([1.0, 2.0])
    Tensor([1., 2.], dtype=float32)
    """
    tensors = _of_one_dtype(xs, "stack")
    shapes = {x.shape for x in tensors}
    if len(shapes) != 1:
        raise ShapeError("xs", f"shapes {sorted(shapes)}", "arrays of one shape")
    return concatenate([expand_dims(x, axis) for x in tensors], axis)


def _of_one_dtype(xs: Sequence[TensorLike], name: str) -> list[Tensor]:
    tensors = [as_tensor(x) for x in xs]
    if not tensors:
        raise ArgumentError(name, "no arrays", "at least one array")
    dtype = tensors[0].dtype
    for x in tensors[1:]:
        dtype = promote_dtypes(dtype, x.dtype)
    return [cast(x, dtype) for x in tensors]


# Slice and pad: each the transpose of the other ----------------------------------------------


def _slice_type(x: ArrayType, *, start: Shape, stop: Shape, step: Shape) -> ArrayType:
    sizes = zip(start, stop, step, strict=True)
    return ArrayType(tuple(len(range(a, b, s)) for a, b, s in sizes), x.dtype)


def _slice_vjp(
    g: Tensor, ans: Tensor, x: Tensor, *, start: Shape, stop: Shape, step: Shape
) -> Tensor:
    interior = tuple(s - 1 for s in step)
    reached = [
        a + (n - 1) * s + 1 if n else a for a, n, s in zip(start, g.shape, step, strict=True)
    ]
    high = tuple(n - r for n, r in zip(x.shape, reached, strict=True))
    return bind(pad_p, g, low=start, high=high, interior=interior, value=0.0)


slice_p: Primitive = Primitive(
    "slice",
    eval=lambda x, *, start, stop, step: x[tuple(map(slice, start, stop, step))],
    type_rule=_slice_type,
    vjp=(_slice_vjp,),
    jvp=lambda ts, ans, x, **attrs: bind(slice_p, ts[0], **attrs),
    examples=(
        example((5, 3), start=(1, 0), stop=(5, 2), step=(2, 1)),
        example((4,), start=(2,), stop=(2,), step=(1,)),
        example((), start=(), stop=(), step=()),
        example((7,), start=(1,), stop=(7,), step=(3,)),
    ),
)


def _pad(x: Array, *, low: Shape, high: Shape, interior: Shape, value: float) -> Array:
    shape = _pad_type(ArrayType(x.shape, x.dtype), low=low, high=high, interior=interior).shape
    result = np.full(shape, value, x.dtype)
    if x.size:
        result[_inner(low, x.shape, interior)] = x
    return result


def _inner(low: Shape, shape: Shape, interior: Shape) -> tuple[slice, ...]:
    steps = [gap + 1 for gap in interior]
    sizes = zip(low, shape, steps, strict=True)
    return tuple(slice(a, a + max(n - 1, 0) * s + 1 if n else a, s) for a, n, s in sizes)


def _pad_type(
    x: ArrayType, *, low: Shape, high: Shape, interior: Shape, value: float = 0.0
) -> ArrayType:
    sizes = zip(low, x.shape, interior, high, strict=True)
    return ArrayType(tuple(a + n + max(n - 1, 0) * gap + b for a, n, gap, b in sizes), x.dtype)


def _pad_vjp(
    g: Tensor, ans: Tensor, x: Tensor, *, low: Shape, high: Shape, interior: Shape, value: float
) -> Tensor:
    at = _inner(low, x.shape, interior)
    start, stop, step = (
        zip(*[(s.start, s.stop, s.step) for s in at], strict=True) if at else ((),) * 3
    )
    return bind(slice_p, g, start=start, stop=stop, step=step)


def _pad_into(
    out: Array, x: Array, *, low: Shape, high: Shape, interior: Shape, value: float
) -> None:
    out.fill(value)
    if x.size:
        out[_inner(low, x.shape, interior)] = x


pad_p: Primitive = Primitive(
    "pad",
    eval=_pad,
    into=_pad_into,
    type_rule=_pad_type,
    vjp=(_pad_vjp,),
    jvp=lambda ts, ans, x, *, low, high, interior, value: bind(
        pad_p, ts[0], low=low, high=high, interior=interior, value=0.0
    ),
    examples=(
        example((2, 3), low=(1, 0), high=(0, 2), interior=(0, 1), value=0.0),
        example((2,), low=(1,), high=(1,), interior=(0,), value=3.0),
        example((0,), low=(1,), high=(1,), interior=(2,), value=0.0),
        example((), low=(), high=(), interior=(), value=0.0),
    ),
)

flip_p: Primitive = Primitive(
    "flip",
    eval=lambda x, *, axes: np.flip(x, axes),
    type_rule=lambda x, *, axes: x,
    vjp=(lambda g, ans, x, *, axes: bind(flip_p, g, axes=axes),),
    jvp=lambda ts, ans, x, *, axes: bind(flip_p, ts[0], axes=axes),
    examples=(example((2, 3), axes=(0,)), example((2, 3), axes=(0, 1)), example((0,), axes=(0,))),
)


def slice_axis(x: TensorLike, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
    """Take ``x[start:stop:step]`` along one axis; ``step`` is positive.

    >>> slice_axis([1.0, 2.0, 3.0], axis=0, start=1, stop=3)
    Tensor([2., 3.], dtype=float32)
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x.ndim)
    ranges = [(0, n, 1) for n in x.shape]
    ranges[axis] = slice(start, stop, step).indices(x.shape[axis])
    if ranges[axis][2] < 1:
        raise ArgumentError("step", str(step), "a positive step", "Use cr.flip to reverse an axis.")
    starts, stops, steps = zip(*ranges, strict=True)
    return bind(slice_p, x, start=starts, stop=stops, step=steps)


def flip(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """Reverse the order of the elements along axes (default: all).

    >>> flip([1.0, 2.0, 3.0])
    Tensor([3., 2., 1.], dtype=float32)
    """
    x = as_tensor(x)
    return bind(flip_p, x, axes=normalize_axes(axis, x.ndim))


def pad(x: TensorLike, pad_width: Any, value: float = 0.0) -> Tensor:
    """Surround an array with a value.

    Args:
        x: array.
        pad_width: as in NumPy: ``((before, after), ...)``, one such pair, or one number.
        value: the value to put there.

    Raises:
        ArgumentError: widths that do not fit, or negative ones.

    >>> pad([1.0, 2.0], (1, 0))
    Tensor([0., 1., 2.], dtype=float32)
    """
    x = as_tensor(x)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    except ValueError:
        widths = np.full((x.ndim, 2), -1)
    if widths.size and (widths.dtype.kind not in "iu" or widths.min() < 0):
        raise ArgumentError(
            "pad_width", repr(pad_width), f"whole numbers from 0, (before, after) for {x.ndim} axes"
        )
    low, high = (tuple(int(n) for n in column) for column in (widths[:, 0], widths[:, 1]))
    if x.dtype.kind not in "fiu":
        raise DtypeError("x", f"dtype {x.dtype}", "numbers")
    return bind(pad_p, x, low=low, high=high, interior=(0,) * x.ndim, value=value)
