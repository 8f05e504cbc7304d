"""Elementary functions of ``native/vmath`` against NumPy's: nanoseconds per element, in cache.

Also the latency of one vector, when each waits for the one before: what counts in small networks.

Run:  python benchmarks/vmath.py            (10,000 elements)
      python benchmarks/vmath.py 1000000
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.native import jit
from chainrule.native.ir import Function, Kind, Value, module_text
from chainrule.native.target import host_target
from chainrule.native.vmath import VMATH
from chainrule.ops import elementwise

_ARGUMENTS = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]


def over_array(name: str, kind: Kind, lanes: int) -> Callable[..., Any]:
    """Return code that applies the function to an array whose size is a multiple of ``lanes``."""
    f = Function("kernel", [("ptr", "x"), ("ptr", "y"), ("i64", "n")])
    with f.loop(Value("%n", "i64"), step=lanes) as i:
        y = VMATH[name](f, f.load(f.pointer("%x", i, kind), kind, lanes))
        f.store(y, f.pointer("%y", i, kind))
    f.return_value()
    return jit.compile_module(module_text([f])).function("kernel", None, _ARGUMENTS)


def chained(name: str, kind: Kind, lanes: int) -> Callable[..., Any]:
    """Return code that applies the function n times, to 0·(result before) + 1."""
    f = Function("kernel", [("ptr", "x"), ("ptr", "y"), ("i64", "n")])
    x = f.load("%x", kind, lanes)
    with f.accumulating(Value("%n", "i64"), [x]) as (_, current, following):
        following[0] = VMATH[name](f, f.fma(current[0], f.like(x, 0.0), f.like(x, 1.0)))
    f.store(following[0], "%y")
    f.return_value()
    return jit.compile_module(module_text([f])).function("kernel", None, _ARGUMENTS)


def best_seconds(call: Callable[[], object], seconds: float = 0.2) -> float:
    """Return the shortest of many timings."""
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(20):
            call()
        best = min(best, (time.perf_counter() - start) / 20)
    return float(best)


def main() -> None:
    """Print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"{count} elements; ns an element, and ns of latency a vector")
    print(f"{'':10}{'f32':>8}{'NumPy':>8}{'latency':>9}{'f64':>10}{'NumPy':>8}{'latency':>9}")
    for name in VMATH:
        row = f"{name:10}"
        for kind, dtype in (("f32", np.float32), ("f64", np.float64)):
            lanes = host_target().lanes(kind)
            x = abs(np.random.default_rng(0).normal(size=-(-count // lanes) * lanes)).astype(dtype)
            y = np.empty_like(x)
            at, to, n = x.ctypes.data, y.ctypes.data, x.size
            code, chain = over_array(name, kind, lanes), chained(name, kind, lanes)
            native = best_seconds(lambda: code(at, to, n)) / n * 1e9  # noqa: B023
            latency = best_seconds(lambda: chain(at, to, 1000)) * 1e6  # noqa: B023
            primitive = getattr(elementwise, f"{name}_p")
            peer = best_seconds(lambda: primitive.eval(x)) / n * 1e9  # noqa: B023
            row += f"{native:8.3f}{peer:8.3f}{latency:9.1f}  "
        print(row)


if __name__ == "__main__":
    main()
