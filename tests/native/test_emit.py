"""Elementwise operations: every one with a rule, on edge values, for every number of lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import PRIMITIVES, Graph, Primitive
from chainrule.core.tensor import bind, unknown
from chainrule.core.types import ArrayType
from chainrule.native.engine import NativeExecutor
from chainrule.native.unsupported import UnsupportedError
from chainrule.ops.checks import check_range

RULES = [p for p in PRIMITIVES.values() if p.lower is not None]
#: What functions may differ by, in units of rounding; NumPy is off by as much again.
ULPS = {
    **dict.fromkeys(("exp", "log", "log1p", "expm1", "sin", "cos", "tanh"), 6),
    **dict.fromkeys(("sigmoid", "softplus", "erf", "rsqrt", "power"), 6),
}
INTEGERS = ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64"]


def edges(dtype: str, low: float = -np.inf, high: float = np.inf) -> Any:
    """Return numbers of all magnitudes, ±0, infinities, NaN and denormals."""
    info = np.finfo(dtype)
    tiny = float(info.smallest_subnormal)
    one = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, 1e-3, 88.0, -88.0, 104.0, 700.0, -745.0, np.pi, 1e6]
    one += [tiny, -tiny, 5 * tiny, float(info.tiny), float(info.max), -float(info.max)]
    one += [np.inf, -np.inf, np.nan, 3.0, -3.0, 0.1, -0.3]
    values = np.concatenate([one, np.random.default_rng(1).uniform(-10, 10, 60)])
    return values[~(values <= low) & ~(values >= high)].astype(dtype)


def attributes(primitive: Primitive) -> dict[str, Any]:
    return dict(primitive.examples[0].attrs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("primitive", RULES, ids=lambda p: p.name)
def test_edge_values(primitive: Primitive, dtype: str, agrees: Any) -> None:
    name = primitive.name
    arity = len(primitive.examples[0].shapes)
    x = edges(dtype)
    attrs = attributes(primitive)
    if name == "cast":
        x = x[np.abs(x) < 1e9]
        targets = ["float32", "float64", "int64", "int32", "bool"]
        agrees(lambda a: [bind(primitive, a, dtype=np.dtype(t)) for t in targets if t != dtype], x)
        return
    if name in ("sin", "cos"):
        x = x[~(np.abs(x) > 1e14)]
    if arity == 1:
        agrees(lambda a: bind(primitive, a, **attrs), x, ulps=ULPS.get(name, 0))
        return
    a, b = (np.ascontiguousarray(m).ravel() for m in np.meshgrid(x, x))
    if arity == 2:
        agrees(lambda p, q: bind(primitive, p, q, **attrs), a, b, ulps=ULPS.get(name, 0))
    else:
        assert name == "where"
        agrees(lambda c, p, q: bind(primitive, c, p, q), a > b, a, b)


@pytest.mark.parametrize("primitive", RULES, ids=lambda p: p.name)
def test_every_number_of_elements(primitive: Primitive, agrees: Any) -> None:
    rng = np.random.default_rng(0)
    arity, attrs = len(primitive.examples[0].shapes), attributes(primitive)
    low, high = primitive.domain
    sizes = [*range(35), 64, 67, 130, 1000]
    arrays = [rng.uniform(low, high, n).astype("f4") for n in sizes for _ in range(arity)]
    if primitive.name == "where":
        arrays = [x > 0 if i % 3 == 0 else x for i, x in enumerate(arrays)]
    agrees(
        lambda *xs: [
            bind(primitive, *xs[i : i + arity], **attrs) for i in range(0, len(xs), arity)
        ],
        *arrays,
        ulps=ULPS.get(primitive.name, 0),
    )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_and_bools(dtype: str, agrees: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2, 99).astype(bool) for _ in range(2))
    if dtype != "bool":
        info = np.iinfo(dtype)
        ends = np.array([info.min, info.max, 0, 1], dtype)
        x, y = (
            np.concatenate([ends, rng.integers(info.min, info.max, 45, dtype), ends[::-1]])
            for _ in range(2)
        )
    names = ["add", "multiply", "equal", "not_equal", "less", "less_equal", "greater"]
    names += ["greater_equal", "logical_and", "logical_or"]
    names += [] if dtype == "bool" else ["subtract"]
    single = ["logical_not", "abs", *([] if dtype == "bool" else ["negative", "sign", "square"])]

    def f(a: Any, b: Any) -> list[Any]:
        found = [bind(PRIMITIVES[name], a, b) for name in names]
        found += [bind(PRIMITIVES[name], a, b, share=0.5) for name in ("maximum", "minimum")]
        found += [bind(PRIMITIVES[name], a) for name in single]
        found += [cr.cast(a, to) for to in [*INTEGERS, "float32", "float64"] if to != dtype]
        return [*found, bind(PRIMITIVES["where"], a == b, a, b)]

    agrees(f, x, y)


@pytest.mark.parametrize("name", ["divide", "power", "isnan", "floor"])
def test_what_is_written_for_floats_is_refused_for_integers(name: str) -> None:
    x = unknown(ArrayType((3,), np.dtype("int64")))
    arity = len(PRIMITIVES[name].examples[0].shapes)
    with pytest.raises(UnsupportedError, match=f"{name} of int64"):
        NativeExecutor(Graph([x], [bind(PRIMITIVES[name], *[x] * arity)]))


def test_strided_and_broadcast_reads(agrees: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 17)).astype("f4"), rng.standard_normal((17, 9)).astype("f4")
    row, column = rng.standard_normal(17).astype("f4"), rng.standard_normal((9, 1)).astype("f4")

    def f(x: Any, y: Any, row: Any, column: Any) -> list[Any]:
        return [
            x + y.T,
            x.T + y,
            x * row + column,
            x[:, ::-1] - x[::-1],
            x[::2, 1::3] * column[::2],
            cr.broadcast_to(column, (2, 9, 17)) + x,
            (x + row)[3],
            x.reshape(3, 3, 17).transpose(1, 2, 0) + 1.0,
            cr.where(column > 0.0, row, x),
        ]

    agrees(f, x, y, row, column)


def test_mixed_dtypes_in_one_chain(agrees: Any) -> None:
    x = np.linspace(-3, 3, 37)

    def f(x: Any) -> list[Any]:
        single = cr.cast(x, "float32")
        whole = cr.cast(x, "int64")
        return [cr.cast(single * 2.0, "float64") + x, cr.cast(whole, "float32") * single, whole + 1]

    agrees(f, x)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "uint64", "int8"])
def test_ranges_are_checked(dtype: str) -> None:
    good = np.array([0, 3, 2, 1] * 5, dtype)
    x = unknown(ArrayType(good.shape, good.dtype))
    y = check_range(x, 4, "labels", "labels", "classes")
    executor = NativeExecutor(Graph([x], [y + 1]))
    np.testing.assert_array_equal(executor.run([good])[0], good + 1)
    for place in (0, 7, 19):
        for bad in (4, 100, np.iinfo(dtype).max, np.iinfo(dtype).min):
            if bad != 0:
                wrong = good.copy()
                wrong[place] = bad
                with pytest.raises(ArgumentError, match="expected integers from 0 to 3"):
                    executor.run([wrong])
    np.testing.assert_array_equal(executor.run([good])[0], good + 1)
