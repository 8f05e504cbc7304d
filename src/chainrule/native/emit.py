"""From loop nests to LLVM IR: vectors along one axis, loops over the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.types import Dtype
from chainrule.native.indexing import emit_gather, emit_scatter
from chainrule.native.ir import Function, Kind, Value, literal, type_of
from chainrule.native.joins import emit_join
from chainrule.native.loops import Nest, Program
from chainrule.native.philox import emit_random
from chainrule.native.places import Index, Place, Shaped, kind_of, merged, stored_kind
from chainrule.native.products import emit_product
from chainrule.native.reductions import emit_argmax, emit_cumsum, emit_reduce
from chainrule.native.rows import emit_rows
from chainrule.native.transposes import emit_transpose
from chainrule.native.unsupported import UnsupportedError
from chainrule.native.views import View

#: Repetitions up to which a loop is written out.
_UNROLLED = 8
#: Elements of a constant up to which it may stand in the code.
_LARGEST_CONSTANT = 1 << 16

#: Operations whose rules are written for floats only.
_OF_FLOATS = frozenset({"divide", "power", "floor", "isfinite", "isnan"})

#: How each kind of nest is written, besides maps and copies.
_RULES: dict[str, Callable[[Emitter, Nest], None]] = {
    "reduce": emit_reduce,
    "product": emit_product,
    "rows": emit_rows,
    "gather": emit_gather,
    "scatter": emit_scatter,
    "argmax": emit_argmax,
    "cumsum": emit_cumsum,
    "join": emit_join,
    "random": emit_random,
}


class Emitter:
    """Writes the nests of a program into a function.

    Args:
        program: the nests.
        function: where the code goes.
        pointers: register that points to each value that is not in the arena.
        arena: register that points to the arena.
        vector_bits: width of the target's vector registers.

    Attributes:
        globals: definitions of constants that the module needs.
    """

    def __init__(
        self,
        program: Program,
        function: Function,
        pointers: dict[Node, str],
        arena: str,
        vector_bits: int = 512,
    ) -> None:
        self.program = program
        self.f = function
        self.arena = arena
        self.vector_bits = vector_bits
        self.globals: list[str] = []
        self._pointers = dict(pointers)
        #: Register that points to where it is noted that something is wrong.
        self.error = "%error"

    def emit(self) -> None:
        """Write all nests, in order."""
        for node in self.program.offsets:  # in the first block, which comes before all others
            self.base(node)
        for nest in self.program.nests:
            self.f.comment(f"{nest.kind} {nest.name}")
            if nest.kind in _RULES:
                _RULES[nest.kind](self, nest)
            else:
                self.map(nest)

    # Memory ---------------------------------------------------------------------------------

    def base(self, node: Node) -> str:
        """Return the register that points to a value."""
        found = self._pointers.get(node)
        if found is None:
            if node in self.program.offsets:
                found = self.f.pointer(self.arena, self.program.offsets[node], "i8")
            elif node.data is not None:
                found = self._constant(node.data)
            else:
                raise UnsupportedError(f"a value without a place: {node.type}")
            self._pointers[node] = found
        return found

    def _constant(self, data: Any) -> str:
        if data.size > _LARGEST_CONSTANT:
            raise UnsupportedError(f"a constant of {data.size:,} elements")
        stored = stored_kind(data.dtype)
        name = f"@constant{len(self.globals)}"
        array = f"[{data.size} x {type_of(stored)}]"
        body = "zeroinitializer"
        if any(data.tobytes()):
            each = data.ravel().tolist()
            body = f"[{', '.join(f'{type_of(stored)} {literal(v, stored)}' for v in each)}]"
        self.globals.append(f"{name} = private unnamed_addr constant {array} {body}, align 64")
        return name

    def _place_of(self, strides: Sequence[int], offset: int, place: Place) -> Index:
        total: Index = offset
        for index, stride in zip(place.indices, strides, strict=True):
            total = self.plus(total, self.times(index, stride))
        return total

    def times(self, x: Index, n: int) -> Index:
        """Return ``x · n``, written only where it must be."""
        if isinstance(x, int):
            return x * n
        if n in (0, 1):
            return x if n else 0
        return self.f.mul(x, self.f.i64(n))

    def plus(self, x: Index, y: Index) -> Index:
        """Return ``x + y``, written only where it must be."""
        if isinstance(x, int) and isinstance(y, int):
            return x + y
        if isinstance(x, int):
            x, y = y, x
        assert isinstance(x, Value)
        if isinstance(y, int):
            return x if y == 0 else self.f.add(x, self.f.i64(y))
        return self.f.add(x, y)

    def load(self, view: View, strides: Sequence[int], place: Place) -> Value:
        """Read a value's lanes at a place."""
        data = view.base.data
        kind = kind_of(view.base.type.dtype)
        if data is not None and data.size == 1:
            return self.f.constant(data.ravel()[0].item(), kind, place.lanes)
        stored = stored_kind(view.base.type.dtype)
        step = strides[place.axis] if strides else 0
        start = self._place_of(strides, view.offset, place)
        base = self.base(view.base)
        if place.lanes == 1 or step == 0:
            x = self.f.load(self.f.pointer(base, start, stored), stored)
            x = self.f.splat(x, place.lanes)
        elif step == 1:
            pointer = self.f.pointer(base, start, stored)
            if place.count == place.lanes:
                x = self.f.load(pointer, stored, place.lanes)
            else:
                x = self.f.load_first(pointer, stored, place.lanes, place.count)
        else:
            x = self._load_apart(base, start, step, stored, place)
        return self.f.compare("ne", x, self.f.like(x, 0)) if kind == "i1" else x

    def _load_apart(self, base: str, start: Index, step: int, kind: Kind, place: Place) -> Value:
        x = self.f.constant(0, kind, place.lanes)
        for i in range(place.count):
            one = self.f.load(self.f.pointer(base, self.plus(start, i * step), kind), kind)
            x = self.f.with_lane(x, i, one)
        return x

    def store(self, x: Value, node: Node, where: tuple[int, Sequence[int]], place: Place) -> None:
        """Write a value's lanes at a place, given where its elements begin, and their strides."""
        if x.kind == "i1":
            x = self.f.convert(x, "i8")
        offset, strides = where
        start = self._place_of(strides, offset, place)
        step = strides[place.axis] if strides else 0
        base = self.base(node)
        if place.lanes > 1 and step == 1:
            pointer = self.f.pointer(base, start, x.kind)
            if place.count == place.lanes:
                self.f.store(x, pointer)
            else:
                self.f.store_first(x, pointer, place.count)
            return
        for i in range(place.count):
            pointer = self.f.pointer(base, self.plus(start, i * step), x.kind)
            self.f.store(self.f.lane(x, i), pointer)

    # Chains ---------------------------------------------------------------------------------

    def value(self, node: Node, shaped: Shaped, place: Place) -> Value:
        """Return a value at a place: read, or computed."""
        found = place.values.get(node)
        if found is None:
            if node in shaped.reads:
                view, strides = shaped.reads[node]
                found = self.load(view, strides, place)
            else:
                found = self.apply(node, [self.value(x, shaped, place) for x in node.inputs])
            place.values[node] = found
        return found

    def apply(self, node: Node, xs: list[Value]) -> Value:
        """Apply an elementwise operation's rule."""
        assert node.primitive is not None
        if node.primitive.lower is None:
            raise UnsupportedError(f"the operation {node.primitive.name}")
        self._check_dtypes(node)
        with self.f.sign_of(all(x.type.dtype.kind != "u" for x in node.inputs)):
            result: Value = node.primitive.lower(self.f, *xs, **node.attrs)
        return result

    def _check_dtypes(self, node: Node) -> None:
        """Refuse what the rules are not written for."""
        name = node.primitive.name if node.primitive else ""
        dtype = node.inputs[0].type.dtype
        if name in _OF_FLOATS and dtype.kind != "f":
            raise UnsupportedError(f"{name} of {dtype}")

    # Loops ----------------------------------------------------------------------------------

    def loops(
        self, axes: Sequence[tuple[int, int]], indices: list[Index], body: Callable[[], None]
    ) -> None:
        """Run the body for all indices on some axes, given as pairs of axis and size."""
        if not axes:
            body()
            return
        (axis, n), rest = axes[0], axes[1:]
        if n <= _UNROLLED and math.prod(size for _, size in axes) <= _UNROLLED:
            for i in range(n):
                indices[axis] = i
                self.loops(rest, indices, body)
        else:
            with self.f.loop(n) as index:
                indices[axis] = index
                self.loops(rest, indices, body)

    def accumulate(
        self,
        axes: Sequence[tuple[int, int]],
        indices: list[Index],
        initial: list[Value],
        body: Callable[[list[Value]], list[Value]],
    ) -> list[Value]:
        """Run the body for all indices on some axes, handing values on; return the last ones."""
        if not axes:
            return body(initial)
        (axis, n), rest = axes[0], axes[1:]
        if n <= _UNROLLED:
            for i in range(n):
                indices[axis] = i
                initial = self.accumulate(rest, indices, initial, body)
            return initial
        with self.f.accumulating(n, initial) as (index, current, following):
            indices[axis] = index
            following[:] = self.accumulate(rest, indices, list(current), body)
        return following

    def chunks(
        self, n: int, lanes: int, body: Callable[[Index, int], None], written_out: int = 4
    ) -> None:
        """Run the body for the pieces of an axis: where each begins, and how long it is."""
        full = n // lanes
        if full <= written_out:
            for i in range(full):
                body(i * lanes, lanes)
        else:
            with self.f.loop(full * lanes, lanes) as start:
                body(start, lanes)
        if n % lanes:
            body(full * lanes, n % lanes)

    def lanes_for(self, n: int, dtypes: Iterable[Dtype]) -> int:
        """Return how many elements of an axis to work on at once."""
        floats = [dtype.itemsize for dtype in dtypes if dtype.kind == "f"]
        most = self.vector_bits // 8 // max(floats, default=4)
        return min(most, 1 << max(n - 1, 0).bit_length())

    # Maps -------------------------------------------------------------------------------------

    def map(self, nest: Nest) -> None:
        """Write a nest that computes each element by itself."""
        if 0 in nest.domain:
            return
        shaped = merged(nest)
        is_copy = nest.kind == "copy" and len(nest.reads) == 1
        if not is_copy or not emit_transpose(self, shaped, next(iter(nest.reads)), nest.stores[0]):
            self.each(shaped, lambda place: self.finish(nest, shaped, place))

    def each(self, shaped: Shaped, body: Callable[[Place], None]) -> None:
        """Run the body at all places of a domain."""
        size = shaped.sizes[shaped.axis]
        lanes = self.lanes_for(size, shaped.dtypes) if shaped.is_smooth else 1
        indices: list[Index] = [0] * len(shaped.sizes)
        others = [(i, n) for i, n in enumerate(shaped.sizes) if i != shaped.axis]

        def piece(start: Index, count: int) -> None:
            here = list(indices)
            here[shaped.axis] = start
            body(Place(here, shaped.axis, lanes, count))

        self.loops(others, indices, lambda: self.chunks(size, lanes, piece))

    def finish(self, nest: Nest, shaped: Shaped, place: Place) -> None:
        """Compute and write all that a nest stores, at a place."""
        for node in nest.stores:
            is_copy = nest.kind in ("copy", "check")
            value = self.value(node.inputs[0] if is_copy else node, shaped, place)
            if nest.kind == "check":
                self._check_range(value, node, place)
            self.store(value, node, shaped.writes[node], place)

    def _check_range(self, x: Value, node: Node, place: Place) -> None:
        """Note an error where integers are not ``low ≤ x < high``."""
        f = self.f
        low, high = node.attrs["low"], node.attrs["high"]
        with f.sign_of(node.type.dtype.kind != "u"):
            below = f.compare("lt", x, f.like(x, max(low, _lowest(node.type.dtype))))
            above = f.compare("gt", x, f.like(x, min(high - 1, _highest(node.type.dtype))))
        wrong = f.bits_or(below, above)
        if place.count < place.lanes:
            wrong = self.only_first(wrong, place.count, 0)
        self.note_error(f.fold(wrong, f.bits_or))

    def copy(self, source: View, target: View, node: Node) -> None:
        """Write the elements of one view to those of another, in the buffer of ``node``."""
        x = source.base
        nest = Nest("copy", source.shape, [], {x: source}, [node], targets={node: target})
        if 0 in nest.domain:
            return
        shaped = merged(nest)
        if not emit_transpose(self, shaped, x, node):
            where = shaped.writes[node]
            self.each(shaped, lambda at: self.store(self.value(x, shaped, at), node, where, at))

    def fill(self, node: Node, number: float) -> None:
        """Write a number to all elements of a value."""
        size, kind = node.type.size, stored_kind(node.type.dtype)
        lanes = self.lanes_for(size, [node.type.dtype])

        def piece(start: Index, count: int) -> None:
            place = Place([start], 0, lanes, count)
            self.store(self.f.constant(number, kind, lanes), node, (0, (1,)), place)

        self.chunks(size, lanes, piece)

    def only_first(self, x: Value, count: int, fill: float) -> Value:
        """Return the first lanes of a vector, and a number in the others."""
        bits = ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(x.lanes))
        return self.f.select(Value(f"<{bits}>", "i1", x.lanes), x, self.f.like(x, fill))

    def note_error(self, wrong: Value) -> None:
        """Remember that something is wrong, if it is."""
        with self.f.when(wrong):
            self.f.store(self.f.i64(1), self.error)


def _lowest(dtype: Dtype) -> int:
    return int(np.iinfo(dtype).min)


def _highest(dtype: Dtype) -> int:
    return int(np.iinfo(dtype).max)
