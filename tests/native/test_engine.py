from __future__ import annotations

import gc
import importlib
import importlib.util
import pkgutil
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
import chainrule.ops
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import PRIMITIVES, Graph, Primitive
from chainrule.core.tensor import bind, unknown
from chainrule.core.types import Array, ArrayType, TupleType
from chainrule.native.engine import Body, NativeExecutor, write_module
from chainrule.native.unsupported import UnsupportedError
from chainrule.ops.tuples import items

for module in pkgutil.iter_modules(chainrule.ops.__path__, "chainrule.ops."):
    importlib.import_module(module.name)

#: Primitives that native code refuses; all others work on all of their examples.
REFUSED = {"cond", "while", "scan", "check", "random_permutation"}


def _programs() -> Any:
    """Return the module of random programs, which lies beside other tests."""
    path = Path(__file__).parents[1] / "compiler" / "test_random_programs.py"
    spec = importlib.util.spec_from_file_location("native_random_programs", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


PROGRAMS = _programs()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=lambda p: p.name)
def test_every_primitive_on_every_example(primitive: Primitive, dtype: str, agrees: Any) -> None:
    rng = np.random.default_rng(zlib.crc32(primitive.name.encode()))
    low, high = primitive.domain
    arrays: list[Array] = []
    calls = []
    for example in primitive.examples:
        found = [
            example.arrays.get(i, rng.uniform(low, high, shape).astype(dtype))
            for i, shape in enumerate(example.shapes)
        ]
        calls.append((slice(len(arrays), len(arrays) + len(found)), example.attrs))
        arrays += found

    def f(*xs: Any) -> list[Any]:
        results = []
        for place, attrs in calls:
            result = bind(primitive, *xs[place], **attrs)
            kind: Any = result.type
            results += items(result) if isinstance(kind, TupleType) else [result]
        return results

    if primitive.name in REFUSED and calls:
        with pytest.raises(UnsupportedError):
            agrees(f, *arrays)
        return
    agrees(f, *arrays, ulps=16, of_largest=True)


def of_program(program: list[tuple[int, int, int]], seed: int) -> bool:
    """Hold a random program's value and gradients against eager ones; tell if it is supported."""

    def f(x: Any, y: Any) -> Any:
        return PROGRAMS.run(program, x, y)

    both = cr.value_and_grad(f, argnums=(0, 1))
    x, y = PROGRAMS.inputs(seed)
    value, gradients = both(x, y)
    graph = cr.trace(both)(x, y)
    for each in (graph, graph.optimize()):
        try:
            executor = NativeExecutor(each)
        except UnsupportedError as error:
            if not REFUSED.isdisjoint(str(error).split()):
                return False
            raise
        got = executor.run([x.numpy(), y.numpy()])
        for a, b in zip(got, (value, *gradients), strict=True):
            np.testing.assert_allclose(a, np.asarray(b), rtol=1e-6, atol=1e-7)
        again = executor.run([x.numpy(), y.numpy()])
        assert [a.tobytes() for a in got] == [a.tobytes() for a in again]
    return True


@pytest.mark.parametrize("place", range(len(PROGRAMS.UNARY + PROGRAMS.BINARY + PROGRAMS.SHAPED)))
def test_each_operation_of_the_random_programs(place: int) -> None:
    unary, binary, shaped = map(len, (PROGRAMS.UNARY, PROGRAMS.BINARY, PROGRAMS.SHAPED))
    if place < unary:
        kind = place
    elif place < unary + binary:
        kind = next(k for k in range(100, 170) if k % binary == place - unary)
    else:
        kind = next(k for k in range(170, 270) if k % shaped == place - unary - binary)
    is_control = place >= unary + binary + shaped - 3  # scan, cond, while_loop
    assert of_program([(kind, 0, 1)], 5) is not is_control


def test_random_programs() -> None:
    supported = []

    @settings(max_examples=25)
    @given(PROGRAMS.programs, st.integers(0, 99))
    def run(program: list[tuple[int, int, int]], seed: int) -> None:
        supported.append(of_program(program, seed))

    run()
    assert sum(supported) >= 0.5 * len(supported)  # the others have control flow


@pytest.mark.slow
def test_many_random_programs() -> None:
    supported = []

    @settings(max_examples=400)
    @given(PROGRAMS.programs, st.integers(0, 9999))
    def run(program: list[tuple[int, int, int]], seed: int) -> None:
        supported.append(of_program(program, seed))

    run()
    assert sum(supported) >= 0.5 * len(supported)  # the others have control flow


def test_other_arrays_than_those_of_the_graph_are_refused() -> None:
    executor = NativeExecutor(cr.trace(lambda x, y: x + y)(np.ones(3, "f4"), np.ones(3, "f4")))
    good = np.ones(3, "f4")
    for bad in (np.ones(2, "f4"), np.ones(3), np.ones((3, 1), "f4"), np.ones((), "f4")):
        with pytest.raises(ArgumentError, match=r"arrays\[1\]: got .*; expected float32\[3\]"):
            executor.run([good, bad])
    with pytest.raises(ArgumentError, match="arrays: got 1 arrays; expected 2 arrays"):
        executor.run([good])
    strided = np.arange(6, dtype="f4")[::2]
    assert executor.run([strided, strided[::-1]])[0].tolist() == [4, 4, 4]


def test_threads_take_turns() -> None:
    w = np.random.default_rng(0).standard_normal((64, 64)).astype("f4")
    executor = NativeExecutor(cr.trace(lambda x: cr.tanh(cr.tanh(x @ w) @ w) @ w)(w))
    inputs = [w * k for k in range(1, 5)]
    wanted = [executor.run([x])[0].tobytes() for x in inputs]
    wrong = []

    def work(i: int) -> None:
        wrong.extend(1 for _ in range(200) if executor.run([inputs[i]])[0].tobytes() != wanted[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_same_graph_has_the_same_code() -> None:
    def text() -> str:
        graph = cr.trace(cr.value_and_grad(lambda w: cr.square(cr.softmax(w @ w.T)).sum()))
        return write_module(Body(graph(np.ones((5, 5), "f4")), "body", 512))

    assert text() == text()


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_every_width_of_vectors(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.native import engine

    monkeypatch.setattr(engine, "host_target", lambda: type("Target", (), {"vector_bits": bits}))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, 19)).astype("f4"), rng.standard_normal((19, 21)).astype("f4")
    given_ = [unknown(ArrayType(a.shape, a.dtype)) for a in (x, w)]
    a, b = given_
    outputs = [cr.tanh(a @ b), cr.softmax(a), a.sum(axis=0), a.max(axis=1), cr.log_softmax(b.T)]
    graph = Graph(given_, outputs)
    for got, wanted in zip(NativeExecutor(graph).run([x, w]), graph.evaluate(x, w), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-6)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="reads the memory in use of /proc"
)
def test_no_leak_over_calls_and_compilations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "0")

    def compile_one(i: int) -> NativeExecutor:
        return NativeExecutor(cr.trace(lambda x: cr.tanh(x @ x) * (1.0 + i))(np.ones((9, 9), "f4")))

    for i in range(50):
        compile_one(i)
    gc.collect()
    before = _resident()
    for i in range(200):
        compile_one(50 + i)
    gc.collect()
    assert _resident() - before < 6e6
    executor, x = compile_one(0), np.ones((9, 9), "f4")
    executor.run([x])
    before = _resident()
    for _ in range(10_000):
        executor.run([x])
    assert _resident() - before < 1e6
