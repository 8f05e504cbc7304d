"""What a CPU offers to generated code: vector width, registers, caches.

>>> target_of_level("avx2").lanes("f32")
8
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chainrule.core.errors import ArgumentError, nearest
from chainrule.native.ir import BITS, Kind


@dataclass(frozen=True, slots=True)
class Target:
    """A CPU to generate code for.

    Attributes:
        triple: architecture and system as LLVM writes them, such as ``x86_64-unknown-linux-gnu``.
        cpu: the CPU's name in LLVM, such as ``znver4``.
        features: what it can do beyond or below its name, such as ``+avx2,-avx512f``.
        vector_bits: width of the widest vectors that are quick.
        registers: how many vector registers there are.
        has_fma: whether ``fma`` is an instruction (else it is a slow call).
        has_masks: whether masked loads and stores are instructions (else branches).
        caches: bytes of the caches of data that one core sees: L1, L2, L3 (0 where there is none).
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    has_fma: bool
    has_masks: bool
    caches: tuple[int, int, int]

    @property
    def arch(self) -> str:
        """The architecture: ``x86_64``, ``aarch64``, ..."""
        return _arch(self.triple)

    def lanes(self, kind: Kind) -> int:
        """Return how many values of a kind one vector holds."""
        return self.vector_bits // max(8, BITS[kind])

    @property
    def runs_here(self) -> bool:
        """Whether this machine can run code for the target."""
        host = host_target()
        if self.arch != host.arch:
            return False
        if self.cpu == host.cpu:
            return _enabled(self.features) <= _enabled(host.features)
        level = next((v for v in LEVELS.values() if v.cpu == self.cpu), None)
        return level is not None and level.needs | _enabled(self.features) <= _enabled(
            host.features
        )


@dataclass(frozen=True, slots=True)
class _Level:
    """A stage that CPUs of one architecture have reached."""

    arch: str
    cpu: str
    vector_bits: int
    registers: int
    has_fma: bool
    has_masks: bool
    needs: frozenset[str]


_V2 = frozenset({"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16", "sahf"})
_V3 = _V2 | {"avx", "avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"}
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

#: Stages by the name of their vector instructions.
LEVELS: Mapping[str, _Level] = {
    "sse2": _Level("x86_64", "x86-64", 128, 16, False, False, frozenset()),
    "sse4": _Level("x86_64", "x86-64-v2", 128, 16, False, False, _V2),
    "avx2": _Level("x86_64", "x86-64-v3", 256, 16, True, True, _V3),
    "avx512": _Level("x86_64", "x86-64-v4", 512, 32, True, True, _V4),
    "neon": _Level("aarch64", "generic", 128, 32, True, False, frozenset()),
}


@functools.cache
def host_target() -> Target:
    """Return the CPU that this process runs on.

    Raises:
        MissingDependencyError: llvmlite is not there or cannot be loaded.
    """
    from chainrule.native import jit

    return describe(*jit.host(), cache_sizes())


def target_of_level(name: str) -> Target:
    """Return a CPU with no more than one stage of vector instructions.

    Tests compile for lesser CPUs than the one they run on, and read the assembly for others.

    Args:
        name: ``"sse2"``, ``"sse4"``, ``"avx2"``, ``"avx512"`` or ``"neon"``.

    >>> target_of_level("neon").registers
    32
    """
    if name not in LEVELS:
        raise ArgumentError(
            "name", repr(name), f"one of {', '.join(LEVELS)}", nearest(name, LEVELS)
        )
    level = LEVELS[name]
    return Target(
        triple=_triple_of(level.arch),
        cpu=level.cpu,
        features="",
        vector_bits=level.vector_bits,
        registers=level.registers,
        has_fma=level.has_fma,
        has_masks=level.has_masks,
        caches=cache_sizes(),
    )


def narrowed(target: Target, vector_bits: int) -> Target:
    """Return the same CPU, of whose vectors only the first bits are used.

    >>> narrowed(target_of_level("avx512"), 256).lanes("f64")
    4
    """
    if not 64 <= vector_bits <= target.vector_bits or vector_bits & (vector_bits - 1):
        raise ArgumentError(
            "vector_bits", str(vector_bits), f"a power of 2 from 64 to {target.vector_bits}"
        )
    return replace(target, vector_bits=vector_bits)


def describe(triple: str, cpu: str, features: str, caches: tuple[int, int, int]) -> Target:
    """Return a target from what LLVM tells about it."""
    arch, has = _arch(triple), _enabled(features)
    bits, registers, has_fma, has_masks = 128, 16, False, False
    if arch == "x86_64":
        has_fma = "fma" in has
        has_masks = "avx" in has
        if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= has:
            bits, registers = 512, 32
        elif "avx" in has:
            bits = 256
    elif arch == "aarch64":
        registers, has_fma = 32, True
    elif arch.startswith(("powerpc64", "ppc64")):
        registers, has_fma = 64, True
    elif arch in ("i386", "i686", "x86"):
        registers = 8
    elif arch == "s390x":
        registers, has_fma = 32, True
    return Target(triple, cpu, features, bits, registers, has_fma, has_masks, caches)


def _arch(triple: str) -> str:
    arch = triple.partition("-")[0].lower()
    return {"amd64": "x86_64", "x86_64h": "x86_64", "arm64": "aarch64", "arm64e": "aarch64"}.get(
        arch, arch
    )


def _triple_of(arch: str) -> str:
    """Return this system's triple for an architecture."""
    if sys.platform == "darwin":
        return f"{'arm64' if arch == 'aarch64' else arch}-apple-darwin"
    if sys.platform == "win32":
        return f"{arch}-pc-windows-msvc"
    return f"{arch}-unknown-linux-gnu"


def _enabled(features: str) -> frozenset[str]:
    """Return the features that are on: the last word on each counts."""
    state: dict[str, bool] = {}
    for word in features.split(","):
        if word:
            state[word[1:]] = word[0] == "+"
    return frozenset(name for name, on in state.items() if on)


# Caches -------------------------------------------------------------------------------------------

#: What is assumed where a system does not tell: 32 KB, 1 MB, 8 MB.
_USUAL = (32 << 10, 1 << 20, 8 << 20)


@functools.cache
def cache_sizes() -> tuple[int, int, int]:
    """Return the bytes of the L1 (data), L2 and L3 caches that one core sees.

    A size that the system does not tell is 0 if it told others, else a usual one.
    """
    readers = {"linux": (_sizes_of_sysfs, _sizes_of_sysconf), "darwin": (_sizes_of_sysctl,)}
    for reader in readers.get(sys.platform, ()):
        found = reader()
        if found[0] > 0:
            return found
    return _USUAL


def _sizes_of_sysfs(
    folder: Path = Path("/sys/devices/system/cpu/cpu0/cache"),
) -> tuple[int, int, int]:
    sizes = [0, 0, 0]
    for entry in folder.glob("index*"):
        try:
            level = int((entry / "level").read_text())
            kind = (entry / "type").read_text().strip()
            text = (entry / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        match = re.fullmatch(r"(\d+)([KMG]?)", text)
        if match and kind in ("Data", "Unified") and 1 <= level <= len(sizes):
            unit = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[match[2]]
            sizes[level - 1] = int(match[1]) * unit
    return sizes[0], sizes[1], sizes[2]


def _sizes_of_sysconf() -> tuple[int, int, int]:
    def size(name: str) -> int:
        try:
            return max(0, os.sysconf(name))
        except (AttributeError, ValueError, OSError):
            return 0

    return (
        size("SC_LEVEL1_DCACHE_SIZE"),
        size("SC_LEVEL2_CACHE_SIZE"),
        size("SC_LEVEL3_CACHE_SIZE"),
    )


def _sizes_of_sysctl() -> tuple[int, int, int]:
    """Ask macOS; of two kinds of cores the quicker one (``perflevel0``) counts."""
    try:
        sysctl = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return 0, 0, 0

    def size(*names: str) -> int:
        for name in names:
            value, length = ctypes.c_int64(0), ctypes.c_size_t(8)
            done = sysctl(name.encode(), ctypes.byref(value), ctypes.byref(length), None, 0)
            if done == 0 and value.value > 0:
                return value.value
        return 0

    return (
        size("hw.perflevel0.l1dcachesize", "hw.l1dcachesize"),
        size("hw.perflevel0.l2cachesize", "hw.l2cachesize"),
        size("hw.l3cachesize"),
    )
