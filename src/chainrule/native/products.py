"""Matrix products: tiles of registers, with the chain that follows computed before it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chainrule.core.graph import Node
from chainrule.native.ir import Value
from chainrule.native.places import Index, Place, Shaped, kind_of, unmerged
from chainrule.native.unsupported import UnsupportedError
from chainrule.native.views import View

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter
    from chainrule.native.loops import Nest

#: Vector registers that the tile of a product may take, of 32.
_TILE_REGISTERS = 24
#: Vectors that a tile is wide at most.
_WIDEST = 4
#: Terms of a sum that are written out.
_UNROLLED_TERMS = 8


def emit_product(emitter: Emitter, nest: Nest) -> None:
    """Write the nest of ``z = x @ y`` and of what is computed from it, element by element."""
    if 0 not in nest.domain:
        _Product(emitter, nest).emit()


class _Product:
    def __init__(self, emitter: Emitter, nest: Nest) -> None:
        self.emitter, self.f, self.nest = emitter, emitter.f, nest
        self.node: Node = nest.nodes[0]
        if self.node.type.dtype.kind == "b":
            raise UnsupportedError("products of bools")
        *batch, self.rows, self.columns = nest.domain
        self.terms = self.node.inputs[0].type.shape[-1]
        self.kind = kind_of(self.node.type.dtype)
        #: Indices of the batch, and the operands as they are in each product of it.
        self.batch = list(enumerate(batch))
        self.before: list[Index] = [0] * len(batch)
        shapes = (self.rows, self.terms), (self.terms, self.columns)
        self.given = [
            nest.reads[operand].broadcast((*batch, *shape))
            for operand, shape in zip(self.node.inputs, shapes, strict=True)
        ]
        rank = len(batch)
        self.x, self.y = (View(v.base, v.shape[rank:], v.strides[rank:], 0) for v in self.given)
        self.starts: dict[int, Index] = {}
        chain = set(self.node.inputs)
        self.shaped: Shaped = unmerged(
            _without(nest, [x for x in chain if not _used_in_chain(nest, x)])
        )

    def emit(self) -> None:
        """Write the products of the batch one by one."""
        self.emitter.loops(self.batch, self.before, self._one)

    def _one(self) -> None:
        """Choose the axis of the lanes, and write the tiles."""
        for i, view in enumerate(self.given):
            at: Index = view.offset
            for index, stride in zip(self.before, view.strides, strict=False):
                at = self.emitter.plus(at, self.emitter.times(index, stride))
            self.starts[i] = at
        if not self.terms:
            self._zeros()
        elif self.columns > 1:
            self._tiles(1)
        elif self.rows > 1 and self.x.strides[0] == 1:
            self._tiles(0)
        else:
            self._dots()

    def _zeros(self) -> None:
        """Finish a product of no terms."""

        def row(i: Index, _: int) -> None:
            def element(j: Index, _: int) -> None:
                place = Place([*self.before, i, j], len(self.batch) + 1, 1, 1)
                place.values[self.node] = self.f.constant(0.0, self.kind)
                self.emitter.finish(self.nest, self.shaped, place)

            self.emitter.chunks(self.columns, 1, element)

        self.emitter.chunks(self.rows, 1, row)

    def _add_product(self, x: Value, y: Value, acc: Value) -> Value:
        f = self.f
        return f.fma(x, y, acc) if x.is_float else f.add(f.mul(x, y), acc)

    def _lanes(self, operand: int, axis: int, index: Index, k: Index, lanes: int, count: int,
               along: int) -> Value:  # fmt: skip
        """Return lanes of an operand along one of its axes, 0 after the first ``count``."""
        f, view = self.f, (self.x, self.y)[operand]
        base = self.emitter.base(view.base)
        at = self.emitter.plus(self.starts[operand], _place(self.emitter, view, axis, index, k))
        step = view.strides[along]
        pointer = f.pointer(base, at, self.kind)
        if lanes == 1:
            return f.load(pointer, self.kind)
        if step == 1 and count == lanes:
            return f.load(pointer, self.kind, lanes)
        if step == 1:
            return f.load_first(pointer, self.kind, lanes, count)
        found = f.constant(0, self.kind, lanes)
        for i in range(count):
            one = f.load(f.pointer(base, self.emitter.plus(at, i * step), self.kind), self.kind)
            found = f.with_lane(found, i, one)
        return found

    def _tiles(self, axis: int) -> None:
        """Compute tiles, of several vectors along an axis and several steps along the other."""
        emitter = self.emitter
        sizes = self.rows, self.columns
        along, across = sizes[axis], sizes[1 - axis]
        lanes = emitter.lanes_for(along, [self.node.type.dtype])
        vectors = min(_WIDEST, -(-along // lanes))
        steps = min(across, max(1, _TILE_REGISTERS // vectors - 1))

        def columns(start: Index, width: int) -> None:
            def rows(first: Index, height: int) -> None:
                self._tile(axis, start, width, first, height, lanes)

            emitter.chunks(across, steps, rows, written_out=1)

        emitter.chunks(along, vectors * lanes, columns, written_out=1)

    def _tile(
        self, axis: int, start: Index, width: int, first: Index, height: int, lanes: int
    ) -> None:
        f, emitter = self.f, self.emitter
        counts = [min(lanes, width - i) for i in range(0, width, lanes)]
        zero = f.constant(0, self.kind, lanes)

        def term(k: Index, accs: list[Value], is_first: bool) -> list[Value]:
            vectors = [
                self._lanes(axis, axis, emitter.plus(start, c * lanes), k, lanes, count, axis)
                for c, count in enumerate(counts)
            ]
            result = []
            for r in range(height):
                scalar = self._lanes(1 - axis, 1 - axis, emitter.plus(first, r), k, 1, 1, axis)
                each = f.splat(scalar, lanes)
                for c, vector in enumerate(vectors):
                    if is_first:
                        result.append(f.mul(each, vector))
                    else:
                        result.append(self._add_product(each, vector, accs[r * len(counts) + c]))
            return result

        if self.terms <= _UNROLLED_TERMS:
            accs = term(0, [], True)
            for k in range(1, self.terms):
                accs = term(k, accs, False)
        else:
            initial = [zero] * (height * len(counts))
            with f.accumulating(self.terms, initial, hint="k") as (at, current, following):
                following[:] = term(at, list(current), False)
            accs = following
        for r in range(height):
            for c, count in enumerate(counts):
                indices: list[Index] = [*self.before, 0, 0]
                indices[len(self.batch) + axis] = emitter.plus(start, c * lanes)
                indices[len(self.batch) + 1 - axis] = emitter.plus(first, r)
                place = Place(indices, len(self.batch) + axis, lanes, count)
                place.values[self.node] = accs[r * len(counts) + c]
                emitter.finish(self.nest, self.shaped, place)

    def _dots(self) -> None:
        """Compute the elements of one column, each as the sum over a row's lanes."""
        f, emitter = self.f, self.emitter
        lanes = emitter.lanes_for(self.terms, [self.node.type.dtype])

        def part(i: Index, k: Index, count: int, acc: Value) -> Value:
            row = self._lanes(0, 0, i, k, lanes, count, 1)
            column = self._lanes(1, 1, 0, k, lanes, count, 0)
            return self._add_product(row, column, acc)

        def row(i: Index, _: int) -> None:
            acc = f.constant(0, self.kind, lanes)
            full = self.terms // lanes
            if full <= _UNROLLED_TERMS:
                for k in range(full):
                    acc = part(i, k * lanes, lanes, acc)
            else:
                with f.accumulating(full * lanes, [acc], lanes) as (at, current, following):
                    following[0] = part(i, at, lanes, current[0])
                acc = following[0]
            if self.terms % lanes:
                acc = part(i, full * lanes, self.terms % lanes, acc)
            place = Place([*self.before, i, 0], len(self.batch) + 1, 1, 1)
            place.values[self.node] = f.fold(acc, f.add)
            emitter.finish(self.nest, self.shaped, place)

        emitter.chunks(self.rows, 1, row)


def _place(emitter: Emitter, view: View, axis: int, index: Index, k: Index) -> Index:
    """Return where an element of an operand lies: ``index`` on one axis, ``k`` on the other."""
    at = emitter.times(index, view.strides[axis])
    return emitter.plus(at, emitter.times(k, view.strides[1 - axis]))


def _used_in_chain(nest: Nest, x: Node) -> bool:
    return any(x is read for node in nest.nodes[1:] for read in node.inputs)


def _without(nest: Nest, operands: list[Node]) -> Nest:
    """Return the nest as its chain sees it: without the operands of the product."""
    reads = {x: view for x, view in nest.reads.items() if not any(x is o for o in operands)}
    return replace(nest, reads=reads)
