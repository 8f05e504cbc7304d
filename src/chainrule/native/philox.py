"""Random numbers as native code: the bits of ``ops.random``, many blocks at a time.

The generator is Philox4x32 with 10 rounds; see ``ops.random``. A block is four words; as many
blocks as there are lanes are computed at once, and their words put in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.native.ir import Value
from chainrule.native.places import Index, Place
from chainrule.native.views import View

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter
    from chainrule.native.ir import Function
    from chainrule.native.loops import Nest

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
#: Blocks that are computed at once: the halves of their products fill a 512-bit register.
_BLOCKS = 8


def emit_random(emitter: Emitter, nest: Nest) -> None:
    """Write random bits, or numbers that are evenly distributed from 0 up to 1."""
    f, node = emitter.f, nest.nodes[0]
    assert node.primitive is not None
    dtype = node.type.dtype
    per_block = 2 if dtype.itemsize == 8 else 4
    size = node.type.size
    if not size:
        return
    words = [_word(emitter, nest.reads[node.inputs[0]], i) for i in range(4)]
    keys = _keys(f, words[0], words[1])
    blocks = min(_BLOCKS, 1 << (-(-size // per_block) - 1).bit_length())

    def piece(start: Index, count: int) -> None:
        first = f.i64(start) if isinstance(start, int) else start
        first = f.shift_right(first, per_block.bit_length() - 1)
        counter = f.add(f.splat(first, blocks), f.numbers(blocks))
        found = _philox(f, counter, words[2], words[3], keys, blocks)
        values = _in_order(f, found)
        if node.primitive is not None and node.primitive.name == "random_uniform":
            values = _unit(f, values, per_block == 2)
        place = Place([start], 0, values.lanes, count)
        emitter.store(values, node, (0, (1,)), place)

    emitter.chunks(size, blocks * per_block, piece, written_out=1)


def _word(emitter: Emitter, state: View, i: int) -> Value:
    place = Place([i], 0, 1, 1)
    return emitter.load(state, state.strides, place)


def _keys(f: Function, k0: Value, k1: Value) -> list[tuple[Value, Value]]:
    """Return the two key words of each round."""
    found = []
    for _ in range(_ROUNDS):
        found.append((k0, k1))
        k0, k1 = f.add(k0, f.like(k0, _WEYL[0])), f.add(k1, f.like(k1, _WEYL[1]))
    return found


def _philox(
    f: Function,
    counter: Value,
    stream0: Value,
    stream1: Value,
    keys: list[tuple[Value, Value]],
    lanes: int,
) -> list[Value]:
    """Return the four words of each block, as 32-bit lanes."""

    def low(x: Value) -> Value:
        return f.convert(x, "i32", False)

    def high(x: Value) -> Value:
        return low(f.shift_right(x, 32))

    x0, x1 = low(counter), high(counter)
    x2, x3 = f.splat(stream0, lanes), f.splat(stream1, lanes)
    for k0, k1 in keys:
        p0 = f.mul(f.convert(x0, "i64", False), f.constant(_MULTIPLIERS[0], "i64", lanes))
        p1 = f.mul(f.convert(x2, "i64", False), f.constant(_MULTIPLIERS[1], "i64", lanes))
        x0, x1, x2, x3 = (
            f.bits_xor(f.bits_xor(high(p1), x1), f.splat(k0, lanes)),
            low(p1),
            f.bits_xor(f.bits_xor(high(p0), x3), f.splat(k1, lanes)),
            low(p0),
        )
    return [x0, x1, x2, x3]


def _in_order(f: Function, words: list[Value]) -> Value:
    """Return the words of all blocks, block by block, in one vector."""
    lanes = words[0].lanes
    if lanes == 1:
        result = Value("poison", "i32", 4)
        for i, word in enumerate(words):
            result = f.with_lane(result, i, word)
        return result
    low = f.shuffle(words[0], words[1], range(2 * lanes))
    high = f.shuffle(words[2], words[3], range(2 * lanes))
    order = [word * lanes + block for block in range(lanes) for word in range(4)]
    return f.shuffle(low, high, order)


def _unit(f: Function, words: Value, is_double: bool) -> Value:
    """Return 24 bits (of doubles: 53) as a fraction."""
    if not is_double:
        bits = f.shift_right(words, 8)
        return f.mul(f.convert(bits, "f32", True), f.constant(2.0**-24, "f32", words.lanes))
    # A pair of words is one of 64 bits, the first one low: as it lies in memory.
    lanes = words.lanes // 2
    pairs = [f.shuffle(words, words, range(i, words.lanes, 2)) for i in range(2)]
    low, high = (f.convert(pair, "i64", False) for pair in pairs)
    bits = f.shift_right(f.bits_or(f.shift_left(high, 32), low), 11)
    return f.mul(f.convert(bits, "f64", True), f.constant(2.0**-53, "f64", lanes))
