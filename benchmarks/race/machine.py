"""What the race ran on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Settings from outside that change how many threads the libraries start.
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "XLA_FLAGS",
    "GOMP_SPINCOUNT",
    "OMP_WAIT_POLICY",
)


def machine() -> dict[str, Any]:
    """Return the machine's description."""
    available = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor(),
        "cores": len(available(0)) if available else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "thread_settings": {k: os.environ[k] for k in THREAD_SETTINGS if k in os.environ},
    }


def processor() -> str:
    """Return the processor's name, with what its name leaves open."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    pairs = [line.partition(":") for line in info.read_text().splitlines()]
    found = {key.strip(): value.strip() for key, _, value in reversed(pairs)}
    name = found.get("model name", platform.machine())
    if "cpu family" in found:
        name += f" (family {found['cpu family']}, model {found.get('model', '?')})"
    flags = found.get("flags", "").split()
    wide = next((text for flag, text in _WIDTHS if flag in flags), None)
    return f"{name}, {wide}" if wide else name


_WIDTHS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))


def loads() -> list[float] | None:
    """Return how many processes wanted to run: means over 1, 5 and 15 minutes."""
    return [round(n, 2) for n in os.getloadavg()] if hasattr(os, "getloadavg") else None
