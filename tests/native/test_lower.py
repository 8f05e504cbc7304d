from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import PRIMITIVES, Graph
from chainrule.core.tensor import bind, unknown
from chainrule.core.types import ArrayType
from chainrule.native.engine import Body
from chainrule.native.loops import Program
from chainrule.native.unsupported import UnsupportedError
from chainrule.ops.checks import checked
from chainrule.ops.rows import stack_rows, unstack

X = np.arange(6, dtype="f4").reshape(2, 3) - 2.5


def lowered(f: Any, *arrays: Any) -> Program:
    given = [unknown(ArrayType(x.shape, x.dtype)) for x in map(np.asarray, arrays)]
    found = f(*given)
    outputs = found if isinstance(found, list | tuple) else [found]
    return Body(Graph(given, outputs), "body", 512).program


def test_outputs_that_are_inputs_views_constants_and_duplicates(agrees: Any) -> None:
    constant = cr.tensor(X)

    def f(x: Any) -> list[Any]:
        y = cr.exp(x)
        return [x, x, y, y, x.T, y.T, constant, constant[0], cr.tensor(2.0), x[:, ::-1], y[1:2]]

    got = agrees(f, X, ulps=2)
    for i, a in enumerate(got):  # each is an array of its own
        assert not any(np.shares_memory(a, b) for b in (X, constant.numpy(), *got[:i]))


def test_a_graph_without_operations(agrees: Any) -> None:
    agrees(lambda x: x, X)
    agrees(lambda x: [], X)
    agrees(lambda x: cr.tensor([1, 2]), X)


@pytest.mark.parametrize(
    ("reason", "f"),
    [
        ("the operation cond", lambda x: cr.cond(x.sum() > 0.0, cr.exp, cr.sin, x)),
        ("the operation scan", lambda x: cr.scan(lambda c, r: (c + r, c), x[0], x)[0]),
        (
            "the operation while",
            lambda x: cr.while_loop(lambda c: c.sum() < 9.0, lambda c: c + 1.0, x),
        ),
        ("a check by a Python function", lambda x: checked(x, lambda array: None)),
        (
            "the operation random_permutation",
            lambda x: bind(PRIMITIVES["random_permutation"], cr.cast(x[0], "uint32"), n=3),
        ),
        ("products of bools", lambda x: bind(PRIMITIVES["matmul"], x > 0.0, (x > 0.0).T)),
        ("a constant of 70,000 elements", lambda x: x[0, 0] + cr.tensor(np.arange(7e4))),
    ],
)
def test_what_is_not_supported_says_why(reason: str, f: Any) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lowered(f, X)


def test_large_constants_of_one_number_are_supported(agrees: Any) -> None:
    agrees(lambda x: cr.broadcast_to(x, (40_000, 2, 3))[::9_999] + cr.tensor(2.0), X)


def test_movements_are_views_and_reshapes_that_cannot_be_are_copies(agrees: Any) -> None:
    assert [n.kind for n in lowered(lambda x: x.T[::-1] + 1.0, X).nests] == ["map"]
    assert [n.kind for n in lowered(lambda x: x.T.reshape(6) + 1.0, X).nests] == ["copy", "map"]
    agrees(lambda x: [x.T.reshape(6) + 1.0, x.reshape(3, 2).T + 1.0, x.T.reshape(-1)], X)


def test_a_chain_runs_inside_the_reduction_that_ends_it() -> None:
    kinds = [nest.kind for nest in lowered(lambda x: (cr.exp(x) * 2.0).sum(), X).nests]
    assert kinds == ["reduce"]
    both = lowered(lambda x: [(y := cr.exp(x)).sum(), y], X)
    assert [nest.kind for nest in both.nests] == ["map", "reduce"]


def test_rows_of_an_array_are_views(agrees: Any) -> None:
    def f(x: Any) -> list[Any]:
        first, second = unstack(x)
        return [first * second, stack_rows([second, first, second]), first]

    assert "copy" in {nest.kind for nest in lowered(f, X).nests}  # the last output only
    agrees(f, X)
    agrees(lambda x: [unstack(x.T)[2] + 1.0, stack_rows(unstack(cr.exp(x)))], X, ulps=2)


def test_values_in_the_arena_never_overlap_while_they_live() -> None:
    def f(x: Any) -> Any:
        values = [x]
        for i in range(30):
            values.append((values[i // 2] @ values[i // 3].T) @ x * 0.1)
        return values[-1] + values[7]

    program = lowered(f, X)
    lives: dict[Any, tuple[int, int]] = {}
    for i, nest in enumerate(program.nests):
        for node in (*nest.stores, *[view.base for view in nest.reads.values()]):
            if node in program.offsets:
                lives[node] = lives.get(node, (i, i))[0], i
    assert len(lives) == len(program.offsets) > 20
    naive = sum(-(-node.type.size * 4 // 64) * 64 for node in lives)
    assert program.arena_bytes < naive / 2
    items = list(lives.items())
    for n, (a, (begin, end)) in enumerate(items):
        assert program.offsets[a] % 64 == 0
        assert program.offsets[a] + a.type.size * 4 <= program.arena_bytes
        for b, (start, stop) in items[:n]:
            if begin <= stop and start <= end:
                first, second = sorted([a, b], key=program.offsets.__getitem__)
                size = first.type.size * first.type.dtype.itemsize
                assert program.offsets[first] + size <= program.offsets[second]
