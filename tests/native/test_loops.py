from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.native.engine import Body
from chainrule.native.loops import merged_axes


@settings(max_examples=300)
@given(st.data())
def test_merged_axes_read_the_same_in_the_same_order(data: st.DataObject) -> None:
    domain = tuple(data.draw(st.lists(st.integers(1, 4), max_size=4)))
    rank = len(domain)
    views = []
    for _ in range(data.draw(st.integers(1, 3))):
        if data.draw(st.booleans()):  # dense, so that something can be merged
            strides, size = [], 1
            for n in reversed(domain):
                strides.append(size)
                size *= n
            views.append(tuple(reversed(strides)))
        else:
            views.append(tuple(data.draw(st.integers(-3, 6)) for _ in domain))
    apart = tuple(i for i in range(rank) if data.draw(st.booleans()))
    sizes, found, parts = merged_axes(domain, views, apart)
    for old, new in zip(views, found, strict=True):
        wanted = [np.dot(at, old) if rank else 0 for at in product(*map(range, domain))]
        assert [np.dot(at, new) if sizes else 0 for at in product(*map(range, sizes))] == wanted
    for part in parts:
        assert len({axis in apart for axis in part}) == 1
    assert [axis for part in parts for axis in part] == [i for i in range(rank) if domain[i] != 1]


def test_dense_arrays_merge_to_one_axis() -> None:
    assert merged_axes((2, 3, 4), [(12, 4, 1), (12, 4, 1)])[0] == [24]
    assert merged_axes((2, 3, 4), [(12, 4, 1), (0, 4, 1)])[0] == [2, 12]
    assert merged_axes((2, 3), [(3, 1)], kept_apart=(1,))[0] == [2, 3]


def test_programs_print() -> None:
    graph = cr.trace(lambda x, w: cr.relu(x @ w + 1.0).sum(axis=0))(
        np.ones((2, 3), "f4"), np.ones((3, 4), "f4")
    )
    program = Body(graph, "body", 512).program
    text = program.show(graph.names)
    assert text.splitlines() == [
        "product matmul+add+relu for i0 < 2, i1 < 4:",
        "  x = x[3 i0 + i1]",
        "  w = w[4 i0 + i1]",
        "  h1 = matmul(x, w)",
        "  h2 = add(h1, 1)",
        "  h3 = maximum(h2, 0)",
        "  store h3",
        "reduce sum for i0 < 2, i1 < 4:",
        "  h3 = h3[4 i0 + i1]",
        "  h4 = sum(h3)",
        "  store h4 over i0",
    ]
