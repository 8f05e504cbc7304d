from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.graph import PRIMITIVES, Graph
from chainrule.core.tensor import bind, unknown
from chainrule.core.types import ArrayType
from chainrule.native.engine import NativeExecutor

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int32"])
def test_concatenate_and_stack(dtype: str, agrees: Any) -> None:
    x = (3 * RNG.standard_normal((3, 19))).astype(dtype)
    y = (3 * RNG.standard_normal((1, 19))).astype(dtype)
    z = (3 * RNG.standard_normal((3, 0))).astype(dtype)

    def f(x: Any, y: Any, z: Any) -> list[Any]:
        return [
            cr.concatenate([x, y, x]),
            cr.concatenate([x, z, x[:, ::2], x[:, :1]], axis=1),
            cr.concatenate([x.T, y.T], axis=1),
            cr.concatenate([y, cr.broadcast_to(y, (4, 19))]),
            bind(PRIMITIVES["stack"], x, x[::-1], x),
            bind(PRIMITIVES["stack"], x[0, 0], x[1, 1]),
            cr.stack([x, x], axis=2),
        ]

    agrees(f, x, y, z)


def test_in_a_chain(agrees: Any) -> None:
    x = RNG.standard_normal((4, 6)).astype("f4")

    def f(x: Any) -> list[Any]:
        y = cr.concatenate([x[1:] * 2.0, x[:1]])
        return [y.sum(axis=0), cr.pad(y, 1) @ cr.pad(x.T, ((1, 1), (0, 0))), y]

    agrees(f, x, ulps=9, of_largest=True)


@settings(max_examples=20)
@given(st.data())
def test_pad(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 5), max_size=3)))
    low, high, interior = (tuple(data.draw(st.integers(0, 3)) for _ in shape) for _ in range(3))
    value = data.draw(st.sampled_from([0.0, 1.5, -np.inf]))
    x = np.random.default_rng(0).standard_normal(shape).astype("f4")
    node = unknown(ArrayType(shape, x.dtype))
    attrs = {"low": low, "high": high, "interior": interior, "value": value}
    graph = Graph([node], [bind(PRIMITIVES["pad"], node, **attrs)])
    (got,), (wanted,) = NativeExecutor(graph).run([x]), graph.evaluate(x)
    np.testing.assert_array_equal(got, wanted)
