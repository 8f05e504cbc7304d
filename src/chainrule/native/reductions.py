"""Reductions over axes, the place of the largest element, and cumulative sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.graph import Node
from chainrule.native.ir import Value
from chainrule.native.places import Index, Place, kind_of, merged, unmerged

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter
    from chainrule.native.loops import Nest

#: Vectors of a sum that are accumulated side by side, so that none waits for another.
_SIDE_BY_SIDE = 4


def emit_reduce(emitter: Emitter, nest: Nest) -> None:
    """Write a sum, a largest or a smallest element over axes."""
    node = nest.nodes[-1]
    if 0 in nest.domain:
        emitter.fill(node, 0.0)  # only sums have a value where there is nothing
        return
    with emitter.f.sign_of(node.type.dtype.kind != "u"):
        _Reduction(emitter, nest).emit()


class _Reduction:
    def __init__(self, emitter: Emitter, nest: Nest) -> None:
        self.emitter, self.f, self.nest = emitter, emitter.f, nest
        self.shaped = merged(nest)
        self.node = nest.nodes[-1]
        self.source = self.node.inputs[0]
        self.combine, self.identity = self._combination()
        shaped = self.shaped
        self.axis, self.size = shaped.axis, shaped.sizes[shaped.axis]
        self.lanes = emitter.lanes_for(self.size, shaped.dtypes) if shaped.is_smooth else 1
        self.indices: list[Index] = [0] * len(shaped.sizes)
        sizes = [(i, n) for i, n in enumerate(shaped.sizes) if i != self.axis]
        self.kept = [(i, n) for i, n in sizes if i not in shaped.reduced]
        self.gone = [(i, n) for i, n in sizes if i in shaped.reduced]
        self.start = self.f.constant(self.identity, kind_of(self.node.type.dtype), self.lanes)

    def _combination(self) -> tuple[Callable[[Value, Value], Value], float]:
        assert self.node.primitive is not None
        name, f, dtype = self.node.primitive.name, self.f, self.node.type.dtype
        if name == "sum":
            return f.add, -0.0  # -0 + x is x, also where x is -0
        largest, smallest = math.inf, -math.inf
        if dtype.kind == "b":
            largest, smallest = 1, 0
        elif dtype.kind != "f":
            largest, smallest = int(np.iinfo(dtype).max), int(np.iinfo(dtype).min)
        return (f.maximum, smallest) if name == "max" else (f.minimum, largest)

    def emit(self) -> None:
        """Write the loops."""
        whole = self._across if self.axis in self.shaped.reduced else self._along
        self.emitter.loops(self.kept, self.indices, whole)

    def _taken(self, acc: Value, start: Index, count: int) -> Value:
        here = list(self.indices)
        here[self.axis] = start
        place = Place(here, self.axis, self.lanes, count)
        x = self.emitter.value(self.source, self.shaped, place)
        if count < self.lanes and self.axis in self.shaped.reduced:
            x = self.emitter.only_first(x, count, self.identity)
        return self.combine(acc, x)

    def _store(self, acc: Value, start: Index, lanes: int, count: int) -> None:
        here = list(self.indices)
        here[self.axis] = start
        for i, _ in self.gone:
            here[i] = 0
        where = self.shaped.writes[self.node]
        self.emitter.store(acc, self.node, where, Place(here, self.axis, lanes, count))

    def _across(self) -> None:
        """Reduce the lanes, too."""
        f, lanes = self.f, self.lanes
        full, left = divmod(self.size, lanes)
        wide = _SIDE_BY_SIDE if full >= 2 * _SIDE_BY_SIDE else 1

        def step(accs: list[Value]) -> list[Value]:
            end = full - full % wide
            if end <= 4:
                for i in range(end):
                    accs = [self._taken(accs[0], i * lanes, lanes)]
            else:
                with f.accumulating(end * lanes, accs, wide * lanes) as (at, now, following):
                    following[:] = [
                        self._taken(acc, self.emitter.plus(at, i * lanes), lanes)
                        for i, acc in enumerate(list(now))
                    ]
                accs = list(following)
            for i in range(end, full):
                accs[i - end] = self._taken(accs[i - end], i * lanes, lanes)
            if left:
                accs[-1] = self._taken(accs[-1], full * lanes, left)
            return accs

        accs = self.emitter.accumulate(self.gone, self.indices, [self.start] * wide, step)
        while len(accs) > 1:
            accs = [self.combine(accs[i], accs[i + 1]) for i in range(0, len(accs), 2)]
        self._store(f.fold(accs[0], self.combine), 0, 1, 1)

    def _along(self) -> None:
        """Reduce each lane by itself."""

        def piece(start: Index, count: int) -> None:
            (acc,) = self.emitter.accumulate(
                self.gone,
                self.indices,
                [self.start],
                lambda accs: [self._taken(accs[0], start, count)],
            )
            self._store(acc, start, self.lanes, count)

        self.emitter.chunks(self.size, self.lanes, piece)


def emit_argmax(emitter: Emitter, nest: Nest) -> None:
    """Write the place of the largest element along an axis: of several, or of NaNs, the first."""
    if 0 in nest.domain:
        return
    f, node = emitter.f, nest.nodes[0]
    x, shaped = node.inputs[0], unmerged(nest)
    (axis,) = nest.axes
    indices: list[Index] = [0] * len(shaped.sizes)
    kept = [(i, n) for i, n in enumerate(shaped.sizes) if i != axis]

    def value(at: Index) -> Value:
        here = list(indices)
        here[axis] = at
        return emitter.value(x, shaped, Place(here, axis, 1, 1))

    def row() -> None:
        initial = [value(0), f.i64(0)]
        with f.accumulating(shaped.sizes[axis], initial, 1, 1) as (at, current, following):
            best, found = current
            new = value(at)
            better = f.compare("gt", new, best)
            if new.is_float:
                was_number = f.bits_xor(f.is_nan(best), f.constant(1, "i1"))
                better = f.bits_or(better, f.bits_and(f.is_nan(new), was_number))
            following[:] = [f.select(better, new, best), f.select(better, at, found)]
        here = list(indices)
        here[axis] = 0
        emitter.store(following[1], node, shaped.writes[node], Place(here, axis, 1, 1))

    with f.sign_of(x.type.dtype.kind != "u"):
        emitter.loops(kept, indices, row)


def emit_cumsum(emitter: Emitter, nest: Nest) -> None:
    """Write cumulative sums along an axis, forward or backward."""
    if 0 in nest.domain:
        return
    f, node = emitter.f, nest.nodes[0]
    x: Node = node.inputs[0]
    shaped = unmerged(nest)
    axis, size = node.attrs["axis"], nest.domain[node.attrs["axis"]]
    indices: list[Index] = [0] * len(shaped.sizes)
    # Lanes along another axis, if there is one; else each sum waits for the one before.
    across = shaped.axis if shaped.is_smooth and shaped.axis != axis else None
    lanes = 1 if across is None else emitter.lanes_for(shaped.sizes[across], shaped.dtypes)
    # -0 + x is x, also where x is -0.
    initial = f.constant(-0.0, kind_of(node.type.dtype), lanes)

    def run(start: Index, count: int) -> None:
        with f.accumulating(size, [initial]) as (at, current, following):
            here = list(indices)
            here[axis] = f.sub(f.i64(size - 1), at) if node.attrs["reverse"] else at
            if across is not None:
                here[across] = start
            place = Place(here, axis if across is None else across, lanes, count)
            following[0] = f.add(current[0], emitter.value(x, shaped, place))
            emitter.store(following[0], node, shaped.writes[node], place)

    others = [(i, n) for i, n in enumerate(shaped.sizes) if i not in (axis, across)]
    if across is None:
        emitter.loops(others, indices, lambda: run(0, 1))
    else:
        n = shaped.sizes[across]
        emitter.loops(others, indices, lambda: emitter.chunks(n, lanes, run))
