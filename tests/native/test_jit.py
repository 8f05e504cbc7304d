"""Modules become functions, the same from the compiler as from the cache, and can be dropped."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError, MissingDependencyError
from chainrule.native import cache, jit
from chainrule.native.ir import Function, Value, module_text
from chainrule.native.jit import CodeError, compile_module
from chainrule.native.target import LEVELS, host_target, target_of_level

I64 = ctypes.c_int64
TWICE = "define i64 @twice(i64 %x) {\n  %y = shl i64 %x, 1\n  ret i64 %y\n}\n"
EFFORTS = ("none", "light", "full")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache for each test."""
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("CHAINRULE_CACHE", raising=False)
    monkeypatch.delenv("CHAINRULE_CACHE_SIZE", raising=False)
    return tmp_path / "native"


def polynomial(terms: int = 8, copies: int = 1, lanes: int = 8) -> str:
    """Return ``y[i] = Σ x[i]^k / (k + 1)`` over arrays, in a loop of vectors."""
    f = Function("polynomial", [("ptr", "x"), ("ptr", "y"), ("i64", "n")])
    for _ in range(copies):
        with f.loop(Value("%n", "i64"), step=lanes) as i:
            x = f.load(f.pointer("%x", i, "f32"), "f32", lanes)
            total = f.like(x, 1 / terms)
            for k in reversed(range(terms - 1)):
                total = f.fma(total, x, f.like(x, 1 / (k + 1)))
            f.store(total, f.pointer("%y", i, "f32"))
    f.return_value()
    return module_text([f])


def run_polynomial(compiled: jit.Compiled, x: np.ndarray) -> np.ndarray:
    y = np.zeros_like(x)
    call = compiled.function("polynomial", None, [ctypes.c_void_p, ctypes.c_void_p, I64])
    call(x.ctypes.data, y.ctypes.data, x.size)
    return y


def expected(x: np.ndarray, terms: int = 8) -> np.ndarray:
    return sum(x.astype(np.float64) ** k / (k + 1) for k in range(terms))


X = np.linspace(-1, 1, 64, dtype=np.float32)


@pytest.mark.parametrize("effort", [None, *EFFORTS])
def test_a_module_runs(effort: jit.Effort | None) -> None:
    compiled = compile_module(polynomial(), effort=effort)
    np.testing.assert_allclose(run_polynomial(compiled, X), expected(X), rtol=1e-6)
    assert compiled.names == ("polynomial",)
    assert not compiled.from_cache
    assert compiled.size > 100
    assert list(compiled.seconds) == ["parse", "optimize", "emit", "load"]
    assert all(seconds >= 0 for seconds in compiled.seconds.values())


@pytest.mark.parametrize("level", LEVELS)
def test_lesser_cpus_give_the_same(level: str) -> None:
    target = target_of_level(level)
    if not target.runs_here:
        with pytest.raises(CodeError, match=rf"target: got {target.cpu} .*expected a CPU whose"):
            compile_module(polynomial(), target=target)
        return
    y = run_polynomial(compile_module(polynomial(), target=target), X)
    np.testing.assert_allclose(y, expected(X), rtol=1e-6)


def test_the_effort_follows_the_size() -> None:
    small, large = polynomial(), polynomial(copies=60)
    assert len(small) < jit._SMALL < len(large)
    host = host_target()
    assert compile_module(small).ir == jit.optimized(small, host, "full")
    assert compile_module(large).ir == jit.optimized(large, host, "light")
    assert jit.optimized(large, host, "light") != jit.optimized(large, host, "none")


def test_the_code_is_the_same_each_time() -> None:
    host = host_target()
    assert jit._emit(polynomial(), host, None, {}) == jit._emit(polynomial(), host, None, {})


# Functions ----------------------------------------------------------------------------------------


def test_functions_keep_their_code_and_all_can_be_dropped() -> None:
    compiled = compile_module(TWICE)
    twice = compiled.function("twice", I64, [I64])
    other = compile_module(TWICE.replace("shl i64 %x, 1", "shl i64 %x, 2"))
    alive = weakref.ref(compiled)
    del compiled
    gc.collect()
    assert alive() is not None
    assert [twice(21), other.function("twice", I64, [I64])(21)] == [42, 84]
    del twice
    assert alive() is None  # at once: no cycle waits for the garbage collector


def test_internal_functions_are_not_offered() -> None:
    text = TWICE.replace("define", "define internal") + (
        "define i64 @four(i64 %x) {\n  %y = call i64 @twice(i64 %x)\n"
        "  %z = call i64 @twice(i64 %y)\n  ret i64 %z\n}\n"
    )
    compiled = compile_module(text, effort="none")  # others would inline it
    assert compiled.names == ("four",)
    assert compiled.function("four", I64, [I64])(3) == 12
    with pytest.raises(ArgumentError, match=r"name: got 'fuor'; expected .*Did you mean 'four'"):
        compiled.address("fuor")


def test_modules_may_call_the_c_library() -> None:
    text = (
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
        "declare double @llvm.sin.f64(double)\n"
        "define double @f(ptr %x, i64 %n, double %z) {\n"
        "  call void @llvm.memset.p0.i64(ptr %x, i8 7, i64 %n, i1 false)\n"
        "  %s = call double @llvm.sin.f64(double %z)\n  ret double %s\n}\n"
    )
    buffer = np.zeros(1000, np.uint8)
    f = compile_module(text).function("f", ctypes.c_double, [ctypes.c_void_p, I64, ctypes.c_double])
    assert f(buffer.ctypes.data, 999, 1.0) == pytest.approx(np.sin(1.0), rel=1e-15)
    assert buffer.tolist() == [7] * 999 + [0]


def test_a_module_without_functions() -> None:
    assert compile_module("").names == ()


def test_constants_of_the_module_are_reached() -> None:
    text = (
        "@table = internal constant [4 x i64] [i64 10, i64 20, i64 30, i64 40]\n"
        "define i64 @look_up(i64 %i) {\n"
        "  %p = getelementptr [4 x i64], ptr @table, i64 0, i64 %i\n"
        "  %v = load i64, ptr %p\n  ret i64 %v\n}\n"
    )
    look_up = compile_module(text).function("look_up", I64, [I64])
    assert [look_up(i) for i in range(4)] == [10, 20, 30, 40]


def test_other_threads_run_during_a_call() -> None:
    text = (
        "define i64 @wait(ptr %flag, i64 %limit) {\nentry:\n  br label %loop\nloop:\n"
        "  %i = phi i64 [0, %entry], [%j, %loop]\n  %j = add i64 %i, 1\n"
        "  %seen = load volatile i64, ptr %flag\n  %no = icmp eq i64 %seen, 0\n"
        "  %less = icmp ult i64 %j, %limit\n  %more = and i1 %no, %less\n"
        "  br i1 %more, label %loop, label %done\ndone:\n  ret i64 %seen\n}\n"
    )
    wait = compile_module(text).function("wait", I64, [ctypes.c_void_p, I64])
    flag = np.zeros(1, np.int64)
    setter = threading.Timer(0.05, lambda: flag.__setitem__(0, 5))
    setter.start()
    # It spins until this process's other thread sets the flag; the limit ends it after seconds.
    assert wait(flag.ctypes.data, 10_000_000_000) == 5
    setter.join()


def test_threads_compile_side_by_side() -> None:
    results: dict[int, int] = {}

    def work(k: int) -> None:
        for turn in range(4):
            text = TWICE.replace("shl i64 %x, 1", f"mul i64 %x, {k + turn // 2}")
            twice = compile_module(text).function("twice", I64, [I64])
            results[10 * k + turn] = twice(7)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {10 * k + t: 7 * (k + t // 2) for k in range(2, 8) for t in range(4)}


# Text on demand -----------------------------------------------------------------------------------


def test_assembly_and_ir_of_compiled_and_cached_code_are_the_same() -> None:
    first, second = compile_module(polynomial()), compile_module(polynomial())
    assert (first.from_cache, second.from_cache) == (False, True)
    assert "polynomial" in first.assembly()
    assert first.assembly() == second.assembly()
    assert first.ir == second.ir
    assert first.text() == polynomial()
    assert repr(second).startswith("<Compiled polynomial: ")
    assert repr(second).endswith("from the cache>")


# The cache ----------------------------------------------------------------------------------------


def test_cached_code_runs_as_compiled_code_does() -> None:
    first, second = compile_module(polynomial()), compile_module(polynomial())
    assert second.from_cache
    assert list(second.seconds) == ["read", "load"]
    assert (first.names, first.size) == (second.names, second.size)
    np.testing.assert_array_equal(run_polynomial(first, X), run_polynomial(second, X))


def test_other_texts_efforts_and_targets_are_other_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_module(TWICE)
    assert compile_module(TWICE).from_cache
    assert not compile_module(TWICE + "; another").from_cache
    assert not compile_module(TWICE, effort="none").from_cache
    host = host_target()
    if host.arch == "x86_64":
        assert not compile_module(TWICE, target=target_of_level("sse2")).from_cache
        level = replace(target_of_level("sse2"), cpu=host.cpu)  # the CPU alone
        assert not compile_module(TWICE, target=level).from_cache
    monkeypatch.setattr(jit, "versions", lambda: "llvmlite 99")
    assert not compile_module(TWICE).from_cache


def test_a_key_saves_making_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def text() -> str:
        made.append(1)
        return TWICE

    assert compile_module(text, key="graph 1").function("twice", I64, [I64])(4) == 8
    second = compile_module(text, key="graph 1")
    assert second.from_cache
    assert second.function("twice", I64, [I64])(5) == 10
    assert made == [1]
    assert not compile_module(text, key="graph 2").from_cache
    monkeypatch.setattr(cache, "fingerprint", lambda: "other sources")
    assert not compile_module(text, key="graph 1").from_cache
    with pytest.raises(ArgumentError, match=r"key: got None; expected a key, since the text"):
        compile_module(text)


def test_an_entry_that_does_not_link_is_compiled_again(folder: Path) -> None:
    compile_module(TWICE)
    (entry,) = folder.glob("*.code")
    cache.store(entry.stem, b"twice\0this is no object file")
    again = compile_module(TWICE)
    assert not again.from_cache
    assert again.function("twice", I64, [I64])(4) == 8
    assert compile_module(TWICE).from_cache


def test_without_a_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "0")
    for _ in range(2):
        assert not compile_module(TWICE).from_cache
    assert not folder.exists()


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWICE.replace("shl i64", "shl i32"), r"<string>:2:.*defined with type 'i64'"),
        ("nonsense", r"expected top-level entity"),
        (
            "define i64 @f(i1 %c) {\n br i1 %c, label %a, label %b\na:\n %y = add i64 1, 2\n"
            " br label %b\nb:\n ret i64 %y\n}",
            r"does not dominate all uses",
        ),
        (
            "declare i64 @no_such_function()\n"
            "define i64 @f() {\n %y = call i64 @no_such_function()\n ret i64 %y\n}",
            r"calls nothing that is not there",
        ),
    ],
)
def test_wrong_modules_are_refused(text: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # nothing of the first time is kept
        with pytest.raises(CodeError, match=said):
            compile_module(text)
    assert capfd.readouterr().err == ""
    assert cache.status().entries == 0


def test_a_wrong_effort() -> None:
    with pytest.raises(ArgumentError, match=r"effort: got 'high'; expected 'none', 'light' or"):
        compile_module(TWICE, effort="high")  # type: ignore[arg-type]


def fresh(code: str) -> str:
    """Run code in a new process; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_llvmlite_is_loaded_when_first_needed() -> None:
    out = fresh("""
        import sys, chainrule
        from chainrule.native import cache, ir, jit, target
        print("llvmlite" in sys.modules, jit.is_available(), "llvmlite" in sys.modules)
    """)
    assert out == "False True True"


def test_without_llvmlite() -> None:
    out = fresh("""
        import sys
        sys.modules["llvmlite"] = None
        from chainrule.core.errors import MissingDependencyError
        from chainrule.native import jit
        print(jit.is_available(), jit.why_not())
        try:
            jit.compile_module("")
        except MissingDependencyError as error:
            print(error)
    """)
    available, error = out.splitlines()
    assert available.startswith("False llvmlite cannot be imported (")
    assert available.endswith("Install it: pip install llvmlite")
    assert error == f"native code: {available.removeprefix('False ')}"


def test_an_old_llvmlite_and_a_system_that_forbids_code(monkeypatch: pytest.MonkeyPatch) -> None:
    llvm = pytest.importorskip("llvmlite.binding")

    def forbid() -> None:
        raise OSError(13, "cannot allocate executable memory")

    with monkeypatch.context() as patch:
        patch.setattr(llvm, "check_jit_execution", forbid)
        assert "does not let programs run code" in jit._load.__wrapped__()[1]
    with monkeypatch.context() as patch:
        patch.setattr(llvm, "llvm_version_info", (15, 0, 7))
        assert "llvmlite brings LLVM 15; expected 20 or newer" in jit._load.__wrapped__()[1]
    monkeypatch.setattr(jit, "_load", lambda: (None, "no reason."))
    with pytest.raises(MissingDependencyError, match=r"native code: no reason\."):
        compile_module(TWICE)


# Time and memory ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_large_module_compiles_in_time() -> None:
    """About 5,000 lines in under 0.3 s; the best of several, since the machine is shared."""
    text = polynomial(terms=20, copies=160)
    assert 4_500 < text.count("\n") < 6_000
    best = min(sum(compile_module(f"{text}; {i}").seconds.values()) for i in range(5))
    assert best < 0.3


@pytest.mark.slow
def test_cached_code_loads_in_time() -> None:
    """About 50 KB in under 3 ms."""
    text = polynomial(terms=24, copies=50)
    size = compile_module(text).size
    assert 30_000 < size < 100_000
    times = []
    for _ in range(20):
        start = time.perf_counter()
        assert compile_module(text).from_cache
        times.append(time.perf_counter() - start)
    assert min(times) < 0.003


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux")
@pytest.mark.parametrize("effort", EFFORTS)
def test_no_leak_over_200_compilations(effort: jit.Effort) -> None:
    """Less than 15 KB a module, when each takes over 1 MB while it is compiled."""
    out = fresh(f"""
        import gc, os
        os.environ["CHAINRULE_CACHE"] = "0"
        from chainrule.native import jit
        text = {polynomial(terms=12, copies=20)!r}

        def memory():
            gc.collect()
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        def compile_some(n):
            for i in range(n):
                jit.compile_module(text.replace("@polynomial", f"@p{{i}}"), effort={effort!r})

        compile_some(30)
        before = memory()
        compile_some(200)
        print(memory() - before)
    """)
    assert int(out) < 3 << 20
