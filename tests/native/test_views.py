from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.graph import PRIMITIVES
from chainrule.core.tensor import Tensor, bind, unknown
from chainrule.core.types import Array, ArrayType
from chainrule.native.views import View, dense_strides, moved, whole
from chainrule.ops.elementwise import identity


def elements(view: View, memory: Array) -> Array:
    """Read a view element by element, as machine code does."""
    found = np.empty(view.shape, memory.dtype)
    for at in np.ndindex(*view.shape):
        place = view.offset + sum(i * s for i, s in zip(at, view.strides, strict=True))
        assert 0 <= place < memory.size
        found[at] = memory[place]
    return found


@st.composite
def movements(draw: st.DrawFn) -> tuple[Tensor, list[Tensor]]:
    """Draw an array's shape and a chain of movements of it."""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=4)))
    start = x = unknown(ArrayType(shape, np.dtype("float32")))
    chain = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["transpose", "slice", "flip", "reshape", "broadcast", "same"]))
        n = x.ndim
        if kind == "transpose":
            y: Any = bind(PRIMITIVES["transpose"], x, axes=tuple(draw(st.permutations(range(n)))))
        elif kind == "slice":
            starts = [draw(st.integers(0, size)) for size in x.shape]
            stops = [draw(st.integers(a, m)) for a, m in zip(starts, x.shape, strict=True)]
            steps = [draw(st.integers(1, 3)) for _ in x.shape]
            y = bind(
                PRIMITIVES["slice"], x, start=tuple(starts), stop=tuple(stops), step=tuple(steps)
            )
        elif kind == "flip":
            y = bind(PRIMITIVES["flip"], x, axes=tuple(i for i in range(n) if draw(st.booleans())))
        elif kind == "reshape":
            y = bind(PRIMITIVES["reshape"], x, shape=_shape(draw, x.size))
        elif kind == "broadcast":
            wanted = [draw(st.integers(1, 2)) for _ in range(draw(st.integers(0, 1)))]
            wanted += [m if m != 1 else draw(st.integers(1, 3)) for m in x.shape]
            y = bind(PRIMITIVES["broadcast_to"], x, shape=tuple(wanted))
        else:
            y = identity(x)
        if y.size > 300:
            break
        chain.append(y)
        x = y
    return start, chain


def _shape(draw: st.DrawFn, size: int) -> tuple[int, ...]:
    if size == 0:
        return draw(st.sampled_from([(0,), (2, 0), (0, 3, 1)]))
    found = []
    while size > 1:
        divisors = [d for d in range(2, size + 1) if size % d == 0]
        found.append(draw(st.sampled_from(divisors)))
        size //= found[-1]
    ones = draw(st.lists(st.integers(0, len(found)), max_size=2))
    for at in ones:
        found.insert(at, 1)
    return tuple(found)


@settings(max_examples=300)
@given(movements())
def test_views_are_what_numpy_moves(drawn: tuple[Tensor, list[Tensor]]) -> None:
    start, chain = drawn
    memory = np.arange(start.size, dtype="f4")
    array = memory.reshape(start.shape)
    view: View | None = whole(start)
    for node in chain:
        assert node.primitive is not None
        assert view is not None
        before = array
        array = node.primitive.eval(array, **node.attrs)
        view = moved(node, view)
        if view is None:  # then NumPy must copy, too
            assert node.primitive.name == "reshape"
            assert not np.shares_memory(array, before)
            memory = np.ascontiguousarray(array).ravel()
            view = View(node, array.shape, dense_strides(array.shape))
        assert view.shape == array.shape
        np.testing.assert_array_equal(elements(view, memory), array)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 2), max_size=2))
def test_broadcast_reads_what_is_there(shape: list[int], more: list[int]) -> None:
    x = unknown(ArrayType(tuple(shape), np.dtype("float32")))
    wanted = (*more, *[3 if n == 1 else n for n in shape])
    memory = np.arange(x.size, dtype="f4")
    got = elements(whole(x).broadcast(wanted), memory)
    np.testing.assert_array_equal(got, np.broadcast_to(memory.reshape(shape), wanted))


def test_views_print_the_place_that_they_read() -> None:
    x = unknown(ArrayType((2, 3), np.dtype("float32")))
    flipped = moved(cr.flip(x, 1), whole(x))
    assert str(flipped) == "2 + 3 i0 + -1 i1"
    assert str(whole(cr.zeros(()))) == "0"
    assert whole(x).is_dense
    assert not flipped.is_dense  # type: ignore[union-attr]


def test_what_is_no_movement_has_no_view() -> None:
    x = cr.ones((2, 2))
    assert moved(unknown(x.type, PRIMITIVES["exp"], (x,)), whole(x)) is None
