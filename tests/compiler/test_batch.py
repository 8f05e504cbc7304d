"""Graphs for any number of rows: what can be unified, and what it says at other sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.compiler.batch import Affine, BatchGraph, NotUniform
from chainrule.compiler.trace import TracedGraph

Function = Callable[[Any], Any]


def at(f: Function, n: int) -> TracedGraph:
    return cr.trace(f)(np.zeros((n, 3), np.float32))


UNIFORM: list[Function] = [
    lambda x: x * 2.0,
    lambda x: x.mean(),
    lambda x: x.mean(axis=0) * len(x),
    lambda x: x / len(x) + 1.0 / len(x),
    lambda x: cr.arange(len(x)) + x[:, 0],
    lambda x: cr.take_along_axis(x, cr.argmax(x, axis=1)[:, None], axis=1),
    lambda x: cr.concatenate([x, x]).reshape(-1),
    lambda x: cr.pad(x, ((1, 2), (0, 0)))[1:],
    lambda x: x @ x.T + cr.eye(len(x)),
    lambda x: cr.zeros((len(x), 2)) + cr.full((len(x), 2), 3.0),
    lambda x: x[1:] - x[:-1],
    lambda x: x[::2] if len(x) < 0 else x[-1],
    cr.grad(lambda x: cr.square(x).mean()),
    cr.grad(lambda x: cr.log_softmax(x)[:, 0].mean()),
    lambda x: cr.scan(lambda c, r: (c + r, c), cr.zeros(3), x),
    lambda x: cr.cond(x.sum() > 0, lambda z: z.mean(), lambda z: z.sum(), x),
]


@pytest.mark.parametrize("f", UNIFORM)
def test_one_graph_for_all_numbers_of_rows(f: Function) -> None:
    both = BatchGraph(at(f, 11), at(f, 13), 11, 13)
    for n in (4, 7, 32, 100):
        assert both.matches(at(f, n), n)
        here = both.at(n)
        here.verify()
        x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
        with np.errstate(all="ignore"):
            for a, b in zip(here.evaluate(x), at(f, n).evaluate(x), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * float(len(x) ** 2),
        lambda x: x * (2.0 if len(x) % 2 == 0 else 2.5) if len(x) != 11 else x,
        lambda x: x[::2],
        lambda x: cr.tensor(np.sin(np.arange(len(x)))) * x[:, 0],
        lambda x: x.reshape(-1)[: len(x) ** 2],
    ],
)
def test_what_does_not_follow_the_number_of_rows(f: Function) -> None:
    """Either it is seen at once, or at the next number of rows."""
    try:
        both = BatchGraph(at(f, 11), at(f, 13), 11, 13)
    except NotUniform:
        return
    assert not all(both.matches(at(f, n), n) for n in (2, 4, 20, 31, 32))


def test_other_differences() -> None:
    with pytest.raises(NotUniform):
        BatchGraph(at(lambda x: x * 2.0, 11), at(lambda x: x * 3.0, 13), 11, 13)
    with pytest.raises(NotUniform):
        BatchGraph(at(cr.exp, 11), at(cr.tanh, 13), 11, 13)
    with pytest.raises(NotUniform):
        BatchGraph(at(lambda x: x + x * 2.0, 11), at(lambda x: x * 2.0 + x, 13), 11, 13)
    with pytest.raises(NotUniform):
        BatchGraph(at(lambda x: (x, x * 2.0), 11), at(lambda x: (x * 2.0, x), 13), 11, 13)
    both = BatchGraph(at(cr.exp, 11), at(cr.exp, 13), 11, 13)
    assert not both.matches(at(cr.tanh, 5), 5)
    assert not both.matches(at(cr.exp, 5), 6)


@given(st.integers(-5, 5), st.integers(-9, 9), st.integers(0, 100))
def test_affine_integers(a: int, c: int, n: int) -> None:
    assert Affine(a, c).at(n) == a * n + c


def test_affine_integers_as_text() -> None:
    texts = [str(Affine(a, c)) for a, c in ((1, 0), (2, 0), (1, 3), (64, -1))]
    assert texts == ["n", "2n", "n+3", "64n-1"]


def test_shapes_as_text() -> None:
    def doubled(x: Any) -> Any:
        return cr.concatenate([x, x])

    both = BatchGraph(at(doubled, 11), at(doubled, 13), 11, 13)
    assert both.shape_of(both.template.inputs[0]) == "float32[n,3]"
    assert both.shape_of(both.template.nodes[0]) == "float32[2n,3]"
