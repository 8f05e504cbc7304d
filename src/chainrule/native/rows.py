"""Softmax and its like: a row at a time, relative to its largest element.

The numerics are those of ``ops.softmax``: the largest element's own exponential, which is 1, stays
out of the sum, and the rounding of ``x - largest`` is made good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from chainrule.core.graph import Node
from chainrule.native.ir import Value
from chainrule.native.places import Index, Place, kind_of, unmerged

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter
    from chainrule.native.loops import Nest

#: Vectors of a row up to which it is written out, and held in registers.
_WRITTEN_OUT = 16
#: Elements of a row up to which many rows are worked on at once.
_MANY = 20
#: What combining the lanes of a row takes, in the time of computing one vector of it.
_ACROSS_LANES = 6


def emit_rows(emitter: Emitter, nest: Nest) -> None:
    """Write softmax, log_softmax, softmax_residual or logsumexp over axes."""
    node = nest.nodes[0]
    assert node.primitive is not None
    if 0 in nest.domain:
        emitter.fill(node, -math.inf)  # only logsumexp has a value where there is nothing
        return
    rules: dict[str, Callable[[_Row], None]] = {
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "softmax_residual": _residual,
        "logsumexp": _logsumexp,
    }
    row, rule = _Row(emitter, nest), rules[node.primitive.name]
    emitter.loops(row.kept, row.indices, lambda: row.each(rule))


class _Row:
    """A row, in pieces of so many lanes: a few that are written out, or many, in a loop.

    Short rows are worked on many at once, a row a lane: then a piece is an element of each, and
    nothing is to be done across lanes.
    """

    def __init__(self, emitter: Emitter, nest: Nest) -> None:
        self.emitter, self.f, self.node = emitter, emitter.f, nest.nodes[0]
        self.shaped = shaped = unmerged(nest)
        axes = list(nest.axes) or [len(shaped.sizes) - 1]
        sizes = shaped.sizes if nest.axes else [*shaped.sizes, 1]
        if not nest.axes:  # each element is a row by itself
            self._add_axis()
            axes = [len(sizes) - 1]
        views = [s for _, s in (*shaped.reads.values(), *shaped.writes.values())]
        self.axis = max(
            axes, key=lambda i: (sizes[i] > 1, all(s[i] in (0, 1) for s in views), sizes[i])
        )
        self.is_many = False
        if rows := self._rows_at_once(axes, sizes, emitter.lanes_for(1 << 30, shaped.dtypes)):
            self.axis, self.is_many = rows[0], True
        self.size = sizes[self.axis]
        self.indices: list[Index] = [0] * len(sizes)
        self.kept = [(i, n) for i, n in enumerate(sizes) if i not in (*axes, self.axis)]
        self.others = [(i, sizes[i]) for i in axes if i != self.axis]
        self.lanes = emitter.lanes_for(self.size, shaped.dtypes)
        self.kind = kind_of(self.node.type.dtype)
        count = -(-self.size // self.lanes) * math.prod(n for _, n in self.others)
        self.is_written_out = self.is_many or count <= _WRITTEN_OUT
        #: Lanes of what is one number a row.
        self.width = self.lanes if self.is_many else 1
        self._start: Index = 0
        self._count = 1
        self._places: list[Place] = []
        self._known: dict[tuple[int, object], Value] = {}

    def _add_axis(self) -> None:
        shaped = self.shaped
        shaped.sizes = [*shaped.sizes, 1]
        shaped.reads = {x: (view, (*s, 0)) for x, (view, s) in shaped.reads.items()}
        shaped.writes = {x: (start, (*s, 0)) for x, (start, s) in shaped.writes.items()}

    def _rows_at_once(self, axes: list[int], sizes: list[int], lanes: int) -> list[int]:
        """Return the axis of rows to work on at once, if that is quicker than row by row."""
        n = math.prod(sizes[i] for i in axes)
        kept = [i for i in range(len(sizes)) if i not in axes]
        if not kept or n > _MANY:
            return []
        axis = max(kept, key=sizes.__getitem__)
        rows = sizes[axis]
        row_by_row = rows * (-(-n // lanes) + _ACROSS_LANES)
        return [axis] if 2 * n * -(-rows // lanes) < row_by_row else []

    def each(self, rule: Callable[[_Row], None]) -> None:
        """Apply a rule to the row at the indices that are set, or to all along the axis."""

        def at(start: Index, count: int) -> None:
            self._known = {}
            self._places = []
            self._start, self._count = start, count
            if self.is_written_out:
                starts = [start] if self.is_many else range(0, self.size, self.lanes)
                for chosen in product(*[range(n) for _, n in self.others]):
                    for place in starts:
                        self._places.append(self._chosen(chosen, place, count))
            rule(self)

        if self.is_many:
            self.emitter.chunks(self.size, self.lanes, at, written_out=1)
        else:
            at(0, 1)

    def _chosen(self, chosen: Sequence[int], start: Index, count: int) -> Place:
        here = list(self.indices)
        for (i, _), index in zip(self.others, chosen, strict=True):
            here[i] = index
        here[self.axis] = start
        if not self.is_many:
            assert isinstance(start, int)
            count = min(self.lanes, self.size - start)
        return Place(here, self.axis, self.lanes, count)

    def number(self, x: float, lanes: int | None = None) -> Value:
        """Return a number in all lanes."""
        return self.f.constant(x, self.kind, self.lanes if lanes is None else lanes)

    def fold(
        self,
        initial: Sequence[float],
        step: Callable[[Place, list[Value]], list[Value]],
        combine: Callable[[Value, Value], Value],
    ) -> list[Value]:
        """Accumulate over the pieces and then over the lanes; return one number a row."""
        f, accs = self.f, [self.number(x) for x in initial]
        if self.is_written_out:
            for place in self._places:
                accs = step(place, accs)
            return accs if self.is_many else [f.fold(acc, combine) for acc in accs]
        here = list(self.indices)

        def inner(accs: list[Value]) -> list[Value]:
            full, left = divmod(self.size, self.lanes)
            if full:
                with f.accumulating(full * self.lanes, accs, self.lanes) as (at, now, following):
                    following[:] = step(self._at(here, at, self.lanes), list(now))
                accs = list(following)
            return step(self._at(here, full * self.lanes, left), accs) if left else accs

        accs = self.emitter.accumulate(self.others, here, accs, inner)
        return [f.fold(acc, combine) for acc in accs]

    def _at(self, here: list[Index], start: Index, count: int) -> Place:
        indices = list(here)
        indices[self.axis] = start
        self._known = {}
        return Place(indices, self.axis, self.lanes, count)

    def write(self, value: Callable[[Place], Value]) -> None:
        """Compute and write each piece of the result."""

        def one(place: Place) -> None:
            self.emitter.store(value(place), self.node, self.shaped.writes[self.node], place)

        if self.is_written_out:
            for place in self._places:
                one(place)
            return
        here = list(self.indices)
        self.emitter.loops(
            self.others,
            here,
            lambda: self.emitter.chunks(
                self.size, self.lanes, lambda start, count: one(self._at(here, start, count))
            ),
        )

    def write_one(self, value: Value) -> None:
        """Write the one result of the row."""
        here = list(self.indices)
        here[self.axis] = self._start
        place = Place(here, self.axis, self.width, self._count)
        self.emitter.store(value, self.node, self.shaped.writes[self.node], place)

    def once(self, place: Place, what: object, compute: Callable[[], Value]) -> Value:
        """Return what was computed at a place before, or compute it."""
        key = (id(place), what)
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    # What softmax and its like are made of --------------------------------------------------

    def read(self, x: Node, fill: float, place: Place) -> Value:
        """Return a piece of a value, with a number in the lanes after its end."""

        def compute() -> Value:
            value = self.emitter.value(x, self.shaped, place)
            partial = place.count < place.lanes and not self.is_many
            return self.emitter.only_first(value, place.count, fill) if partial else value

        return self.once(place, (x, fill), compute)

    def x(self, place: Place) -> Value:
        """Return a piece of the logits, with -inf after its end."""
        return self.read(self.node.inputs[0], -math.inf, place)

    def largest(self) -> Value:
        """Return the largest element, or NaN if there is one."""
        f = self.f
        (top,) = self.fold(
            [-math.inf], lambda place, accs: [f.maximum(accs[0], self.x(place))], f.maximum
        )
        return f.splat(top, self.lanes)

    def difference(self, place: Place, top: Value) -> Value:
        """Return ``d = x - top``."""
        return self.once(place, "d", lambda: self.f.sub(self.x(place), top))

    def exponential(self, place: Place, top: Value) -> Value:
        """Return exp of ``x - top`` before it was rounded: ``exp(d + δ) = exp(d) (1 + δ)``."""
        f = self.f

        def compute() -> Value:
            x, d = self.x(place), self.difference(place, top)
            e = f.math("exp", d)
            back = f.sub(d, x)  # Knuth's two-sum of x and -top
            error = f.sub(f.sub(x, f.sub(d, back)), f.add(top, back))
            error = f.select(f.is_nan(error), f.like(error, 0.0), error)  # at infinities
            return f.fma(error, e, e)

        return self.once(place, "e", compute)

    def is_top(self, place: Place, top: Value) -> Value:
        """Whether elements are the largest, or tie with it."""
        d = self.difference(place, top)
        return self.once(place, "top", lambda: self.f.compare("eq", d, self.f.like(d, 0.0)))

    def rest(self, top: Value) -> Value:
        """Return the sum of the exponentials of all elements but one largest."""
        f = self.f
        zero, one = self.number(0.0), self.number(1.0)

        def step(place: Place, accs: list[Value]) -> list[Value]:
            is_top = self.is_top(place, top)
            e = f.select(is_top, zero, self.exponential(place, top))
            return [f.add(accs[0], e), f.add(accs[1], f.select(is_top, one, zero))]

        rest, ties = self.fold([0.0, 0.0], step, f.add)
        return f.add(rest, f.sub(ties, self.number(1.0, self.width)))


def _softmax(row: _Row) -> None:
    f, top = row.f, row.largest()
    total = f.splat(f.add(row.rest(top), row.number(1.0, row.width)), row.lanes)
    row.write(lambda place: f.div(row.exponential(place, top), total))


def _log_softmax(row: _Row) -> None:
    f, top = row.f, row.largest()
    normal = f.splat(f.math("log1p", row.rest(top)), row.lanes)
    row.write(lambda place: f.sub(row.difference(place, top), normal))


def _logsumexp(row: _Row) -> None:
    f, top = row.f, row.largest()
    largest = top if row.is_many else f.lane(top, 0)
    found = f.add(largest, f.math("log1p", row.rest(top)))
    # Beside an infinity (or where all are -inf) the largest element is the answer.
    row.write_one(f.select(f.is_finite(largest), found, largest))


def _residual(row: _Row) -> None:
    f, g, top = row.f, row.node.inputs[1], row.largest()
    one = row.number(1.0)
    rest = row.rest(top)
    total = f.splat(f.add(rest, row.number(1.0, row.width)), row.lanes)
    # 1 - p of the largest: the only share that may be close to 1.
    complement = f.div(f.splat(rest, row.lanes), total)
    (g_total,) = row.fold(
        [0.0], lambda place, accs: [f.add(accs[0], row.read(g, 0.0, place))], f.add
    )
    g_sum = f.splat(g_total, row.lanes)

    def result(place: Place) -> Value:
        p = f.div(row.exponential(place, top), total)
        q = f.select(row.is_top(place, top), complement, f.sub(one, p))
        each = row.read(g, 0.0, place)
        return f.sub(f.mul(each, q), f.mul(p, f.sub(g_sum, each)))

    row.write(result)
