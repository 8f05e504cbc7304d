"""Indexing: gather and scatter-add, each the transpose of the other, and NumPy's ``x[...]``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError, TracingError
from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Operand, Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import (
    BOOL,
    INT64,
    Array,
    ArrayType,
    Shape,
    broadcast_shapes,
    normalize_axis,
    promote_dtypes,
)
from chainrule.ops.checks import check_range
from chainrule.ops.promotion import cast
from chainrule.ops.shape import broadcast_to, flip, reshape, slice_p, transpose

_ROWS = np.array([[0, 2], [1, 1]])
_COLUMNS = np.array([1, 0])


def _gather_type(x: ArrayType, *indices: ArrayType) -> ArrayType:
    at = broadcast_shapes(*[i.shape for i in indices])
    return ArrayType((*at, *x.shape[len(indices) :]), x.dtype)


gather_p: Primitive = Primitive(
    "gather",
    eval=lambda x, *indices: x[indices],
    into=lambda out, x, *indices: np.copyto(out, x[indices]),
    type_rule=_gather_type,
    vjp=(lambda g, ans, x, *indices: _scatter_into_zeros(x.type, indices, g),),
    jvp=lambda ts, ans, x, *indices: bind(gather_p, ts[0], *indices),
    examples=(
        example((3, 2), (2, 2), arrays={1: _ROWS}),
        example((3, 2), (2, 2), (2,), arrays={1: _ROWS, 2: _COLUMNS}),
        example((3, 2), (), arrays={1: np.array(-1)}),
        example((3, 2), (0,), arrays={1: np.zeros(0, np.int64)}),
    ),
)


def _scatter_add(x: Array, values: Array, *indices: Array) -> Array:
    result = x.copy()
    np.add.at(result, indices, values)
    return result


def _scatter_values_vjp(
    g: Tensor, ans: Tensor, x: Tensor, values: Tensor, *indices: Tensor
) -> Tensor:
    return bind(gather_p, g, *indices)


def _scatter_jvp(
    ts: Sequence[Tensor | None], ans: Tensor, x: Tensor, values: Tensor, *indices: Tensor
) -> Tensor:
    tx, tv = ts[0], ts[1]
    if tv is None:
        assert tx is not None
        return tx
    return bind(scatter_add_p, _zeros(x.type) if tx is None else tx, tv, *indices)


def _scatter_add_into(out: Array, x: Array, values: Array, *indices: Array) -> None:
    np.copyto(out, x)
    np.add.at(out, indices, values)


scatter_add_p: Primitive = Primitive(
    "scatter_add",
    eval=_scatter_add,
    into=_scatter_add_into,
    type_rule=lambda x, values, *indices: x,
    vjp=(lambda g, ans, x, values, *indices: g, _scatter_values_vjp),
    jvp=_scatter_jvp,
    examples=(
        example((3, 2), (2, 2, 2), (2, 2), arrays={2: _ROWS}),
        example((3, 2), (2, 2), (2, 2), (2,), arrays={2: _ROWS, 3: _COLUMNS}),
        example((3, 2), (2,), (), arrays={2: np.array(-1)}),
        example((3,), (0,), (0,), arrays={2: np.zeros(0, np.int64)}),
    ),
)


def _zeros(kind: ArrayType) -> Tensor:
    return Tensor(np.zeros(kind.shape, kind.dtype))


def _scatter_into_zeros(kind: ArrayType, indices: Sequence[Tensor], values: Tensor) -> Tensor:
    return bind(scatter_add_p, _zeros(kind), values, *indices)


def _as_index(indices: TensorLike) -> Tensor:
    found = as_tensor(indices)
    if found.dtype.kind not in "iu":
        raise DtypeError("indices", f"dtype {found.dtype}", "integers")
    return found


def _as_indices(indices: TensorLike) -> list[Tensor]:
    return [_as_index(i) for i in (indices if isinstance(indices, tuple) else (indices,))]


def gather(x: TensorLike, indices: TensorLike) -> Tensor:
    """Take elements by index along the leading axes: ``y[i...] = x[indices[i...]]``.

    Args:
        x: array.
        indices: integer array, or a tuple of them for the first axes; they broadcast together.

    Returns:
        Array of the indices' shape followed by the remaining axes of ``x``.

    Raises:
        DtypeError: indices that are not integers.
        IndexError: an index that is out of bounds.

    >>> gather([10.0, 20.0, 30.0], [2, 0])
    Tensor([30., 10.], dtype=float32)
    """
    return bind(gather_p, as_tensor(x), *_as_indices(indices))


def scatter_add(x: TensorLike, indices: TensorLike, values: TensorLike) -> Tensor:
    """Add values to elements chosen by index: ``y = x``, then ``y[indices[i]] += values[i]``.

    Indices that repeat add up, in the order in which they stand.

    Args:
        x: array.
        indices: integer array, or a tuple of them for the first axes.
        values: array that broadcasts to the shape of ``gather(x, indices)``.

    Raises:
        ShapeError: values that do not fit.
        IndexError: an index that is out of bounds.

    >>> scatter_add([0.0, 0.0], [1, 1], [2.0, 3.0])
    Tensor([0., 5.], dtype=float32)
    """
    x, values = as_tensor(x), as_tensor(values)
    dtype = promote_dtypes(x.dtype, values.dtype)
    found = _as_indices(indices)
    places = _gather_type(x.type, *[i.type for i in found]).shape
    return bind(scatter_add_p, cast(x, dtype), broadcast_to(cast(values, dtype), places), *found)


def segment_sum(values: TensorLike, segments: TensorLike, num_segments: int) -> Tensor:
    """Sum rows by segment: ``y[s] = Σ values[i]`` over the ``i`` with ``segments[i] = s``.

    Args:
        values: shape (n, ...).
        segments: integers of shape (n,), from 0 to ``num_segments - 1``, in any order.
        num_segments: number of rows of the result.

    Raises:
        ShapeError: ``segments`` is not one number a row.
        ArgumentError: a segment out of range; of a traced function, when it is evaluated.

    >>> segment_sum([1.0, 2.0, 3.0], [0, 1, 0], 2)
    Tensor([4., 2.], dtype=float32)
    """
    values, segments = as_tensor(values), _as_index(segments)
    if segments.shape != values.shape[:1]:
        raise ShapeError("segments", f"shape {segments.shape}", f"shape {values.shape[:1]}")
    segments = check_range(segments, num_segments, "segments", "segments", "segments")
    kind = ArrayType((num_segments, *values.shape[1:]), values.dtype)
    return _scatter_into_zeros(kind, [segments], values)


# NumPy indexing ------------------------------------------------------------------------------


class _Key(NamedTuple):
    """An index, taken apart: what each axis of ``x`` gets, and where new axes go."""

    slices: list[slice]  # one for each axis of x; whole where an array indexes it
    arrays: dict[int, Tensor]  # axis of x to integer array
    layout: list[int | None]  # axes of the result, in order: an axis of x, or None for a new one
    adjacent: bool  # whether the arrays stand side by side


def getitem(x: TensorLike, key: Any) -> Tensor:
    """Index as NumPy does: ``x[key]``.

    Args:
        x: array.
        key: integers, slices, ``None``, ``...``, integer arrays, boolean masks, and tuples of them.

    Raises:
        IndexError: an index that is out of bounds, a mask that does not fit, or too many of them.
        TracingError: a boolean mask while tracing: the shape of the result would depend on values.

    >>> getitem([[1.0, 2.0], [3.0, 4.0]], (slice(None), 1))
    Tensor([2., 4.], dtype=float32)
    """
    x = as_tensor(x)
    parsed = _parse(x.shape, key if isinstance(key, tuple) else (key,))
    y = _take_slices(x, parsed.slices)
    if not parsed.arrays:
        kept = iter(y.shape[axis] if axis is not None else 1 for axis in parsed.layout)
        return reshape(y, tuple(kept))
    return _take_arrays(y, parsed)


def _take_slices(x: Tensor, slices: Sequence[slice]) -> Tensor:
    if all(s == slice(None) for s in slices):
        return x
    ranges = [range(*s.indices(n)) for s, n in zip(slices, x.shape, strict=True)]
    backward = tuple(i for i, r in enumerate(ranges) if r.step < 0)
    # A slice with a negative step is the slice of the same elements in order, then reversed.
    ordered = [r[::-1] if r.step < 0 else r for r in ranges]
    y = bind(
        slice_p,
        x,
        start=tuple(r.start for r in ordered),
        stop=tuple(max(r.stop, r.start) for r in ordered),
        step=tuple(r.step for r in ordered),
    )
    return flip(y, backward) if backward else y


def _take_arrays(y: Tensor, key: _Key) -> Tensor:
    axes = list(key.arrays)
    rest = [i for i in range(y.ndim) if i not in key.arrays]
    moved = y if axes == list(range(len(axes))) else transpose(y, axes + rest)
    z = bind(gather_p, moved, *key.arrays.values())
    places = z.shape[: z.ndim - len(rest)]
    kept = [axis for axis in key.layout if axis not in key.arrays]
    sizes = [1 if axis is None else y.shape[axis] for axis in kept]
    # z has the places first. NumPy leaves them there unless the arrays stand side by side.
    first = next(i for i, axis in enumerate(key.layout) if axis in key.arrays)
    before = sum(axis not in key.arrays for axis in key.layout[:first]) if key.adjacent else 0
    z = reshape(z, (*places, *sizes))
    n = len(places)
    order = [*range(n, n + before), *range(n), *range(n + before, z.ndim)]
    return z if not before else transpose(z, order)


def _parse(shape: Shape, key: tuple[Any, ...]) -> _Key:
    key = _expand_masks(shape, key)
    consumed = sum(k is not None and k is not Ellipsis for k in key)
    if consumed > len(shape):
        raise IndexError(f"too many indices: {consumed} for an array of shape {shape}")
    if sum(k is Ellipsis for k in key) > 1:
        raise IndexError("an index can have only one '...'")
    if not any(k is Ellipsis for k in key):
        key = (*key, Ellipsis)
    has_array = any(_is_array(k) for k in key)
    slices = [slice(None)] * len(shape)
    arrays: dict[int, Tensor] = {}
    layout: list[int | None] = []
    positions: list[int] = []
    axis = 0
    for position, k in enumerate(key):
        if k is None:
            layout.append(None)
        elif k is Ellipsis:
            skipped = len(shape) - consumed
            layout += range(axis, axis + skipped)
            axis += skipped
        elif isinstance(k, slice):
            slices[axis] = slice(
                *(None if b is None else operator.index(b) for b in (k.start, k.stop, k.step))
            )
            layout.append(axis)
            axis += 1
        elif has_array:
            arrays[axis] = _as_index(k)
            positions.append(position)
            layout.append(axis)
            axis += 1
        else:
            i = normalize_index(k, shape[axis], axis)
            slices[axis] = slice(i, i + 1)
            axis += 1
    # A "..." that stands for no axis still separates two arrays, as in NumPy.
    adjacent = not positions or positions == list(range(positions[0], positions[-1] + 1))
    return _Key(slices, arrays, layout, adjacent)


def _is_array(k: Any) -> bool:
    return isinstance(k, list | np.ndarray | Operand)


def _expand_masks(shape: Shape, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Turn boolean masks into the integer arrays of their true positions, and lists into arrays."""
    parts = [_as_part(part) for part in key]
    masks = [isinstance(part, Tensor) and part.dtype == BOOL for part in parts]
    widths = [
        part.ndim if is_mask else int(part is not None and part is not Ellipsis)
        for part, is_mask in zip(parts, masks, strict=True)
    ]
    expanded: list[Any] = []
    axis = 0
    for part, is_mask, width in zip(parts, masks, widths, strict=True):
        expanded += _true_positions(part, shape, axis) if is_mask else [part]
        axis += len(shape) - sum(widths) if part is Ellipsis else width
    return tuple(expanded)


def _as_part(part: Any) -> Any:
    """Return arrays and lists as tensors, and all else as it came."""
    if isinstance(part, bool | np.bool_):
        part = np.asarray(part)
    if not _is_array(part):
        return part
    return as_tensor(np.zeros(0, np.int64) if isinstance(part, list) and not part else part)


def _true_positions(mask: Tensor, shape: Shape, axis: int) -> list[Array]:
    if mask.ndim == 0:
        raise IndexError("a bool is not an index here; use cr.where or a mask of x's shape")
    if mask.shape != shape[axis : axis + mask.ndim]:
        raise IndexError(
            f"a mask of shape {mask.shape} for axis {axis} of an array of shape {shape}: "
            "its sizes must be those of the axes"
        )
    if mask.data is None:
        raise TracingError(
            "a boolean mask cannot index while tracing: the shape of the result would depend on "
            "values. Use cr.where(mask, x, other), which keeps the shape."
        )
    return [np.asarray(i, INT64) for i in np.nonzero(mask.data)]


def normalize_index(k: Any, size: int, axis: int) -> int:
    """Turn an index counted from the end into one counted from the start."""
    try:
        i = k.__index__()
    except (AttributeError, TypeError) as error:
        raise IndexError(
            f"an index must be an integer, a slice, '...', None, or an array of integers or bools, "
            f"not {type(k).__name__}"
        ) from error
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for axis {axis} with size {size}")
    return int(i) % size


def take(x: TensorLike, indices: TensorLike, axis: int = 0) -> Tensor:
    """Take elements by index along one axis, as ``numpy.take`` does.

    >>> take([[1.0, 2.0, 3.0]], [2, 0], axis=1)
    Tensor([[3., 1.]], dtype=float32)
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x.ndim)
    return getitem(x, (*[slice(None)] * axis, _as_index(indices)))


def take_along_axis(x: TensorLike, indices: TensorLike, axis: int) -> Tensor:
    """Take ``y[i, j] = x[i, indices[i, j]]`` (for axis 1), as ``numpy.take_along_axis`` does.

    Raises:
        ArgumentError: ``indices`` has another number of axes than ``x``.

    >>> take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1)
    Tensor([[2.],
            [3.]], dtype=float32)
    """
    x, chosen = as_tensor(x), _as_index(indices)
    axis = normalize_axis(axis, x.ndim)
    if chosen.ndim != x.ndim:
        raise ArgumentError("indices", f"{chosen.ndim} axes", f"as many as x has, {x.ndim}")
    grid = np.indices([1 if i == axis else n for i, n in enumerate(x.shape)], sparse=True)
    places = [chosen if i == axis else as_tensor(grid[i]) for i in range(x.ndim)]
    return bind(gather_p, x, *places)
