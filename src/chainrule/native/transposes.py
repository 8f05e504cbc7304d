"""Copies between arrays whose neighbors lie along different axes: square blocks, in registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.graph import Node
from chainrule.native.ir import BITS, Function, Value
from chainrule.native.places import Index, Shaped, stored_kind

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter

#: Elements along each of the two axes from which blocks are worth their shuffles.
_SMALLEST = 4


def emit_transpose(emitter: Emitter, shaped: Shaped, x: Node, node: Node) -> bool:
    """Write ``node``, a copy of ``x``, in blocks; return whether that can be done.

    It can if the elements of ``x`` are neighbors along one axis, and those of ``node`` along
    another.
    """
    view, reads = shaped.reads[x]
    offset, writes = shaped.writes[node]
    axes = range(len(shaped.sizes))
    large = [i for i in axes if shaped.sizes[i] >= _SMALLEST]
    read = next((i for i in large if reads[i] == 1), None)
    write = next((i for i in large if writes[i] == 1), None)
    if shaped.is_smooth or read is None or write is None:
        return False
    kind = stored_kind(node.type.dtype)
    lanes = min(emitter.vector_bits // BITS[kind], 16)
    f = emitter.f
    indices: list[Index] = [0] * len(shaped.sizes)
    source, target = emitter.base(view.base), emitter.base(node)

    def place(strides: tuple[int, ...], start: int) -> Index:
        total: Index = start
        for index, stride in zip(indices, strides, strict=True):
            total = emitter.plus(total, emitter.times(index, stride))
        return total

    def block(a: Index, width: int, b: Index, height: int) -> None:
        indices[read], indices[write] = a, b
        first, to = place(reads, view.offset), place(writes, offset)
        rows = []
        for i in range(lanes):
            if i >= height:
                rows.append(f.constant(0, kind, lanes))
                continue
            pointer = f.pointer(source, emitter.plus(first, i * reads[write]), kind)
            full = width == lanes
            rows.append(
                f.load(pointer, kind, lanes) if full else f.load_first(pointer, kind, lanes, width)
            )
        for i, column in enumerate(_transposed(f, rows)[:width]):
            pointer = f.pointer(target, emitter.plus(to, i * writes[read]), kind)
            if height == lanes:
                f.store(column, pointer)
            else:
                f.store_first(column, pointer, height)
        indices[read] = indices[write] = 0

    def blocks() -> None:
        def along(a: Index, width: int) -> None:
            emitter.chunks(
                shaped.sizes[write],
                lanes,
                lambda b, height: block(a, width, b, height),
                written_out=1,
            )

        emitter.chunks(shaped.sizes[read], lanes, along, written_out=1)

    others = [(i, shaped.sizes[i]) for i in axes if i not in (read, write)]
    emitter.loops(others, indices, blocks)
    return True


def _transposed(f: Function, rows: list[Value]) -> list[Value]:
    """Transpose a square of lanes: exchange halves, then quarters, and so on."""
    lanes, step = len(rows), 1
    while step < lanes:
        found = list(rows)
        for i in range(lanes):
            if not i & step:
                a, b = rows[i], rows[i + step]
                low = [lanes + j - step if j & step else j for j in range(lanes)]
                high = [lanes + j if j & step else j + step for j in range(lanes)]
                found[i], found[i + step] = f.shuffle(a, b, low), f.shuffle(a, b, high)
        rows, step = found, 2 * step
    return rows
