from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest

from chainrule.core.types import Array
from chainrule.native.ir import Function, Kind, Value, literal, module_text, type_of
from chainrule.native.jit import compile_module

EDGES = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-40, 2.5, -2.5, 3.4e38, 1e10, -1e10, 0.5]


def applied(
    body: Callable[..., Value], *arrays: Array, kinds: str, result: str, lanes: int
) -> Array:
    """Apply code to the lanes of arrays, with as many lanes as asked for."""
    f = Function("f", [*[("ptr", f"x{i}") for i in range(len(arrays))], ("ptr", "out")])
    n = len(arrays[0])
    assert n % lanes == 0
    with f.loop(n, lanes) as i:
        xs = [f.load(f.pointer(f"%x{j}", i, k), k, lanes) for j, k in enumerate(kinds.split())]  # type: ignore[arg-type]
        found = body(f, *xs)
        if found.kind == "i1":
            found = f.convert(found, "i8")
        f.store(found, f.pointer("%out", i, found.kind))
    f.return_value()
    made = compile_module(module_text([f]))
    out = np.zeros(n, result)
    call = made.function("f", None, [ctypes.c_void_p] * (len(arrays) + 1))
    call(*[x.ctypes.data for x in arrays], out.ctypes.data)
    return out


def test_numbers_are_written_by_their_bits() -> None:
    assert literal(0.1, "f32") == literal(float(np.float32(0.1)), "f64")
    assert literal(1.0, "f64") == "0x3FF0000000000000"
    assert literal(-1, "i8") == "-1"
    assert literal(255, "i8") == "-1"
    assert literal(2**63, "i64") == str(-(2**63))
    assert (literal(1, "i1"), literal(0, "i1")) == ("true", "false")
    assert (type_of("f32", 4), type_of("i64")) == ("<4 x float>", "i64")


@pytest.mark.parametrize("lanes", [1, 2, 8, 16])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_operations(dtype: str, lanes: int) -> None:
    kind = "f32" if dtype == "float32" else "f64"
    x = np.tile(np.array(EDGES, "f8"), 16).astype(dtype)[:208]
    y = np.repeat(np.array(EDGES, "f8"), 16).astype(dtype)[:208]
    cases: list[tuple[Callable[..., Value], Callable[..., Array]]] = [
        (Function.add, np.add),
        (Function.sub, np.subtract),
        (Function.mul, np.multiply),
        (Function.div, np.divide),
        (Function.maximum, np.maximum),
        (Function.minimum, np.minimum),
        (lambda f, a, b: f.neg(a), lambda a, b: -a),
        (lambda f, a, b: f.magnitude(a), lambda a, b: np.abs(a)),
        (lambda f, a, b: f.floor(a), lambda a, b: np.floor(a)),
        (lambda f, a, b: f.sign(a), lambda a, b: np.sign(a)),
        (lambda f, a, b: f.sqrt(f.abs(a)), lambda a, b: np.sqrt(np.abs(a))),
        (lambda f, a, b: f.round_even(a), lambda a, b: np.round(a)),
        (lambda f, a, b: f.copysign(a, b), np.copysign),
        (lambda f, a, b: f.select(f.compare("lt", a, b), a, b), lambda a, b: np.where(a < b, a, b)),
    ]
    for code, wanted in cases:
        got = applied(code, x, y, kinds=f"{kind} {kind}", result=dtype, lanes=lanes)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(got, wanted(x, y))


@pytest.mark.parametrize("how", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_with_nan_and_without_a_sign(how: str) -> None:
    x = np.tile(np.array(EDGES, "f4"), 16)[:208]
    y = np.repeat(np.array(EDGES, "f4"), 16)[:208]
    ufunc = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal}
    wanted = {**ufunc, "gt": np.greater, "ge": np.greater_equal}[how]
    got = applied(
        lambda f, a, b: f.compare(how, a, b), x, y, kinds="f32 f32", result="bool", lanes=8
    )
    np.testing.assert_array_equal(got, wanted(x, y))
    bits = np.array([0, 1, 2**31, 2**32 - 1] * 4, np.uint32)
    others = np.repeat(bits[:4], 4)

    def compare(f: Function, a: Value, b: Value) -> Value:
        with f.sign_of(False):
            return f.compare(how, a, b)

    got = applied(compare, bits, others, kinds="i32 i32", result="bool", lanes=4)
    np.testing.assert_array_equal(got, wanted(bits, others))
    got = applied(
        lambda f, a, b: f.compare(how, a, b), bits, others, kinds="i32 i32", result="bool", lanes=4
    )
    np.testing.assert_array_equal(got, wanted(bits.view("i4"), others.view("i4")))


@pytest.mark.parametrize("to", ["int8", "int32", "int64", "uint32", "uint64", "bool"])
def test_floats_that_are_no_integers_become_a_number_and_not_poison(to: str) -> None:
    x = np.array([0.0, 1.9, -1.9, 100.0, -100.0, 7.5, 2.0, 3.0], "f8")
    kind: Kind = {"8": "i8", "2": "i32", "4": "i64"}.get(to[-1], "i8")  # type: ignore[assignment]
    got = applied(lambda f, a: f.cast(a, np.dtype(to)), x, kinds="f64", result=to, lanes=4)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(got, x.astype("i8").astype(to) if to != "bool" else x != 0)
    wild = np.array([np.nan, np.inf, -np.inf, 1e300], "f8")
    if to in ("int32", "int64"):
        found = applied(lambda f, a: f.cast(a, np.dtype(to)), wild, kinds="f64", result=to, lanes=4)
        assert (found == np.iinfo(to).min).all()
    assert kind


def test_bools_add_up_to_one() -> None:
    x = np.array([0, 0, 1, 1], np.int8)
    y = np.array([0, 1, 0, 1], np.int8)

    def code(f: Function, a: Value, b: Value) -> Value:
        return f.add(f.truth(a), f.truth(b))

    got = applied(code, x, y, kinds="i8 i8", result="bool", lanes=4)
    assert got.tolist() == [False, True, True, True]


@pytest.mark.parametrize("lanes", [1, 2, 4, 16])
def test_lanes_fold_in_halves(lanes: int) -> None:
    f = Function("f", [("ptr", "x"), ("ptr", "out")])
    x = f.load("%x", "f32", lanes)
    f.store(f.fold(x, f.add), "%out")
    f.return_value()
    values = np.random.default_rng(0).standard_normal(lanes).astype("f4")
    out = np.zeros(1, "f4")
    call = compile_module(module_text([f])).function("f", None, [ctypes.c_void_p] * 2)
    call(values.ctypes.data, out.ctypes.data)
    wanted = values
    while len(wanted) > 1:
        wanted = wanted[: len(wanted) // 2] + wanted[len(wanted) // 2 :]
    assert out[0] == wanted[0]


def test_masked_memory_is_not_touched() -> None:
    f = Function("f", [("ptr", "x"), ("ptr", "out")])
    f.store_first(f.load_first("%x", "f32", 8, 5), "%out", 3)
    f.return_value()
    x, out = np.arange(5, dtype="f4"), np.full(8, -1, "f4")
    call = compile_module(module_text([f])).function("f", None, [ctypes.c_void_p] * 2)
    call(x.ctypes.data, out.ctypes.data)
    assert out.tolist() == [0, 1, 2, -1, -1, -1, -1, -1]


def test_loops_hand_values_on_and_may_not_run() -> None:
    f = Function("f", [("i64", "n")], "i64")
    with f.accumulating(Value("%n", "i64"), [f.i64(0), f.i64(1)], 2, 1) as (i, now, following):
        following[:] = [f.add(now[0], i), f.add(now[1], now[0])]
    f.return_value(f.add(f.mul(following[0], f.i64(1000)), following[1]))
    call = compile_module(module_text([f])).function("f", ctypes.c_int64, [ctypes.c_int64])
    for n in range(7):
        a, b = 0, 1
        for i in range(1, n, 2):
            a, b = a + i, b + a
        assert call(n) == 1000 * a + b
