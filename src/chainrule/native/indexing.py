"""Gather and scatter-add: places that are chosen by indices, each of which is checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chainrule.core.graph import Node
from chainrule.native.ir import Kind, Value
from chainrule.native.places import Index, Place, stored_kind
from chainrule.native.views import View, dense_strides, whole

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter
    from chainrule.native.loops import Nest


def emit_gather(emitter: Emitter, nest: Nest) -> None:
    """Write ``y[i...] = x[indices[i...]]``."""
    node = nest.nodes[0]
    x, *indices = node.inputs
    rest = x.type.shape[len(indices) :]
    view, out = nest.reads[x], whole(node)
    kind = stored_kind(node.type.dtype)
    rank = len(nest.domain) - len(rest)

    def one(start: Index, here: list[Index]) -> None:
        to = _place(emitter, here, out.strides[:rank])
        source, target = emitter.base(view.base), emitter.base(node)
        if view.strides[len(indices) :] == dense_strides(rest):

            def piece(at: Index, count: int) -> None:
                value = _load(emitter, source, emitter.plus(start, at), kind, count)
                _store(emitter, value, target, emitter.plus(to, at), count)

            _pieces(emitter, rest, piece)
            return
        inner: list[Index] = [0] * len(rest)

        def element() -> None:
            read = emitter.plus(start, _place(emitter, inner, view.strides[len(indices) :]))
            write = emitter.plus(to, _place(emitter, inner, out.strides[rank:]))
            value = _load(emitter, source, read, kind, 1)
            _store(emitter, value, target, write, 1)

        emitter.loops(list(enumerate(rest)), inner, element)

    _indexed(emitter, nest, nest.domain[:rank], view, indices, one)


def emit_scatter(emitter: Emitter, nest: Nest) -> None:
    """Write ``y = x``, then ``y[indices[i]] += values[i]``, in order."""
    node = nest.nodes[0]
    x, values, *indices = node.inputs
    rest = x.type.shape[len(indices) :]
    out, view = whole(node), nest.reads[values]
    kind = stored_kind(node.type.dtype)
    emitter.copy(nest.reads[x], out, node)
    rank = len(values.type.shape) - len(rest)
    is_dense = view.strides[rank:] == dense_strides(rest)

    def add(source: str, read: Index, target: str, to: Index, count: int) -> None:
        before = _load(emitter, target, to, kind, count)
        added = _load(emitter, source, read, kind, count)
        total = emitter.f.bits_or(before, added) if is_bool else emitter.f.add(before, added)
        _store(emitter, total, target, to, count)

    is_bool = node.type.dtype.kind == "b"

    def one(start: Index, here: list[Index]) -> None:
        source, target = emitter.base(view.base), emitter.base(node)
        read = emitter.plus(view.offset, _place(emitter, here, view.strides[:rank]))
        if is_dense:
            _pieces(
                emitter,
                rest,
                lambda at, count: add(
                    source, emitter.plus(read, at), target, emitter.plus(start, at), count
                ),
            )
            return
        inner: list[Index] = [0] * len(rest)

        def element() -> None:
            at = emitter.plus(read, _place(emitter, inner, view.strides[rank:]))
            to = emitter.plus(start, _place(emitter, inner, out.strides[len(indices) :]))
            add(source, at, target, to, 1)

        emitter.loops(list(enumerate(rest)), inner, element)

    _indexed(emitter, nest, values.type.shape[:rank], out, indices, one)


def _indexed(
    emitter: Emitter,
    nest: Nest,
    at_shape: tuple[int, ...],
    target: View,
    indices: Sequence[Node],
    body: Callable[[Index, list[Index]], None],
) -> None:
    """Run the body for each element of broadcast indices, with the place that they choose.

    An index that is out of bounds is noted, and nothing is done for it.
    """
    f = emitter.f
    if 0 in at_shape:
        return
    views = [nest.reads[i].broadcast(at_shape) for i in indices]
    here: list[Index] = [0] * len(at_shape)

    def one() -> None:
        start: Index = target.offset
        outside = f.constant(0, "i1")
        for axis, (node, view) in enumerate(zip(indices, views, strict=True)):
            place = Place(list(here), max(len(at_shape) - 1, 0), 1, 1)
            # NumPy reads the largest 64-bit numbers as negative ones, too.
            signed = node.type.dtype.kind == "i" or node.type.dtype.itemsize == 8
            index = f.convert(emitter.load(view, view.strides, place), "i64", signed)
            size = f.i64(target.shape[axis])
            if signed:
                below = f.compare("lt", index, f.i64(0), True)
                index = f.select(below, f.add(index, size), index)
            outside = f.bits_or(outside, f.compare("ge", index, size, False))
            start = emitter.plus(start, emitter.times(index, target.strides[axis]))
        emitter.note_error(outside)
        with f.when(f.bits_xor(outside, f.constant(1, "i1"))):
            body(start, here)

    emitter.loops(list(enumerate(at_shape)), here, one)


def _place(emitter: Emitter, indices: Sequence[Index], strides: Sequence[int]) -> Index:
    total: Index = 0
    for index, stride in zip(indices, strides, strict=True):
        total = emitter.plus(total, emitter.times(index, stride))
    return total


def _pieces(emitter: Emitter, shape: tuple[int, ...], body: Callable[[Index, int], None]) -> None:
    """Run the body for the pieces of the elements that one choice of indices takes."""
    size = math.prod(shape)
    lanes = min(emitter.vector_bits // 32, 1 << max(size - 1, 0).bit_length())
    emitter.chunks(size, lanes, body)


def _load(emitter: Emitter, base: str, at: Index, kind: Kind, count: int) -> Value:
    pointer = emitter.f.pointer(base, at, kind)
    lanes = 1 << (count - 1).bit_length()
    if lanes == count:
        return emitter.f.load(pointer, kind, lanes)
    return emitter.f.load_first(pointer, kind, lanes, count)


def _store(emitter: Emitter, x: Value, base: str, at: Index, count: int) -> None:
    pointer = emitter.f.pointer(base, at, x.kind)
    if x.lanes == count:
        emitter.f.store(x, pointer)
    else:
        emitter.f.store_first(x, pointer, count)
