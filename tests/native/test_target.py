"""What is known about CPUs, and code for lesser ones than this."""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from pathlib import Path

import pytest

from chainrule.core.errors import ArgumentError
from chainrule.native import jit, target
from chainrule.native.target import (
    LEVELS,
    cache_sizes,
    describe,
    host_target,
    narrowed,
    target_of_level,
)

CACHES = (32768, 1 << 20, 1 << 25)
AVX512 = "+avx,+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl"


def test_the_host_is_this_machine() -> None:
    host = host_target()
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    assert host.arch == machine
    assert host.cpu
    assert host.runs_here
    assert host.vector_bits in (128, 256, 512)
    assert host_target() is host


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="asks Linux")
def test_the_host_has_the_vectors_that_linux_lists() -> None:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    if flags is None:
        pytest.skip("not an x86 machine")
    words = set(flags[1].split())
    host = host_target()
    wide = {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= words
    assert host.vector_bits == (512 if wide else 256 if "avx" in words else 128)
    assert host.registers == (32 if wide else 16)
    assert host.has_fma == ("fma" in words)


@pytest.mark.parametrize(
    ("triple", "features", "bits", "registers", "fma", "masks"),
    [
        ("x86_64-unknown-linux-gnu", "", 128, 16, False, False),
        ("x86_64-apple-darwin23.0", "+sse4.2", 128, 16, False, False),
        ("x86_64-pc-windows-msvc", "+avx,-fma", 256, 16, False, True),
        ("amd64-unknown-freebsd", "+avx,+avx2,+fma", 256, 16, True, True),
        ("x86_64-unknown-linux-gnu", AVX512, 512, 32, True, True),
        ("x86_64-unknown-linux-gnu", f"{AVX512},-avx512vl", 256, 16, True, True),
        ("arm64-apple-darwin23.0", "+neon", 128, 32, True, False),
        ("aarch64-unknown-linux-gnu", "+neon,+sve", 128, 32, True, False),
        ("i686-pc-linux-gnu", "+sse2", 128, 8, False, False),
        ("powerpc64le-unknown-linux-gnu", "+vsx", 128, 64, True, False),
        ("riscv64-unknown-linux-gnu", "", 128, 16, False, False),
    ],
)
def test_what_features_mean(
    triple: str, features: str, bits: int, registers: int, fma: bool, masks: bool
) -> None:
    t = describe(triple, "some-cpu", features, CACHES)
    assert (t.vector_bits, t.registers, t.has_fma, t.has_masks) == (bits, registers, fma, masks)
    assert t.caches == CACHES


def test_lanes() -> None:
    avx2 = target_of_level("avx2")
    assert [avx2.lanes(kind) for kind in ("f32", "f64", "i8", "i1")] == [8, 4, 32, 32]
    assert target_of_level("avx512").lanes("f32") == 16


@pytest.mark.parametrize("name", LEVELS)
def test_levels_of_this_architecture_run_here_if_the_cpu_has_them(name: str) -> None:
    t, host = target_of_level(name), host_target()
    if t.arch != host.arch:
        assert not t.runs_here
    else:
        assert t.runs_here == (t.vector_bits <= host.vector_bits)


def test_fewer_features_run_here_and_more_do_not() -> None:
    host = host_target()
    assert replace(host, features="").runs_here
    assert not replace(host, features=f"{host.features},+not-there").runs_here
    assert not replace(host, cpu="another").runs_here


#: A sum of eight floats, as one vector: registers show in the assembly.
ADD = """define void @add(ptr %x, ptr %y) {
  %a = load <16 x float>, ptr %x, align 4
  %b = fadd <16 x float> %a, %a
  store <16 x float> %b, ptr %y, align 4
  ret void
}"""


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("sse2", "%xmm", "%ymm|%zmm|vaddps"),
        ("sse4", "%xmm", "%ymm|%zmm|vaddps"),
        ("avx2", "%ymm", "%zmm"),
        ("avx512", "%zmm", "%ymm"),
        ("neon", r"fadd\s+v\d+\.4s", "mm"),
    ],
)
def test_code_uses_the_registers_of_its_level(name: str, has: str, lacks: str) -> None:
    code = jit.assembly(ADD, target_of_level(name))
    assert re.search(has, code)
    assert not re.search(lacks, code)


def test_a_misspelled_level() -> None:
    with pytest.raises(ArgumentError, match=r"name: got 'avx512f'; expected one of .*'avx512'"):
        target_of_level("avx512f")


def test_narrowed() -> None:
    t = narrowed(target_of_level("avx512"), 128)
    assert (t.lanes("f32"), t.registers, t.cpu) == (4, 32, "x86-64-v4")
    for wrong in (1024, 96, 0, 32):
        with pytest.raises(ArgumentError, match=r"a power of 2 from 64 to 512"):
            narrowed(target_of_level("avx512"), wrong)


# Caches -------------------------------------------------------------------------------------------


def test_cache_sizes_grow() -> None:
    first, second, third = cache_sizes()
    assert 4 << 10 <= first <= 1 << 20
    assert second == 0 or second >= first
    assert third == 0 or third >= second


def test_cache_sizes_as_linux_writes_them(tmp_path: Path) -> None:
    rows = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "1024K")]
    rows += [("3", "Unified", "32M"), ("x", "Unified", "1K"), ("4", "Unified", "1G")]
    for i, row in enumerate(rows):
        entry = tmp_path / f"index{i}"
        entry.mkdir()
        for name, value in zip(("level", "type", "size"), row, strict=True):
            (entry / name).write_text(f"{value}\n")
    (tmp_path / "index9").mkdir()
    assert target._sizes_of_sysfs(tmp_path) == (48 << 10, 1 << 20, 32 << 20)
    assert target._sizes_of_sysfs(tmp_path / "absent") == (0, 0, 0)


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_usual_cache_sizes_where_a_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(target.sys, "platform", platform)
    monkeypatch.setattr(target, "_sizes_of_sysfs", lambda: (0, 0, 0))
    monkeypatch.setattr(target.os, "sysconf", lambda _: -1)
    assert cache_sizes.__wrapped__() == (32 << 10, 1 << 20, 8 << 20)
