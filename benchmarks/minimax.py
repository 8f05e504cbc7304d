"""Minimax polynomials of ``native/vmath``: derives every table of coefficients and prints it.

Each polynomial p minimizes the largest weighted error max |w(x)·(f(x) - p(x))| on an interval
(Remez's exchange, in 60 digits). Its coefficients are then rounded one by one, lowest degree
first, and after each rounding the others are fitted again, so that the later ones make up for the
rounding of the earlier ones.

Run:  python benchmarks/minimax.py          (all tables; needs mpmath)
      python benchmarks/minimax.py LOG_F32  (one of them)

Source: E. Remez 1934; N. Brisebarre, S. Chevillard, "Efficient polynomial L∞-approximations",
ARITH 2007 (why naive rounding loses accuracy).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np

from chainrule.native.vmath import coefficients

mp.mp.dps = 60
Real = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True)
class Task:
    """A polynomial to find: f on [low, high] with error weight w, of a degree, for a dtype."""

    f: Real
    weight: Real
    low: float
    high: float
    degree: int
    is_float32: bool


def rounded(value: mp.mpf, is_float32: bool) -> float:
    """Return the nearest number of the dtype."""
    if not is_float32:
        return float(value)
    return float(np.float32(float(value)))


def alternating(errors: list[mp.mpf], count: int) -> list[int]:
    """Return places of the largest errors, at most ``count``, whose signs alternate."""
    extrema: list[int] = []
    for i, e in enumerate(errors):  # the largest of each run of equal sign
        if not extrema or (errors[extrema[-1]] > 0) != (e > 0):
            extrema.append(i)
        elif abs(e) > abs(errors[extrema[-1]]):
            extrema[-1] = i
    while len(extrema) > count:
        if len(extrema) == count + 1:  # one too many: at an end, to go on alternating
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        else:  # the pair of neighbors that matters least
            sizes = [abs(errors[i]) for i in extrema]
            i = min(range(len(sizes) - 1), key=lambda i: max(sizes[i], sizes[i + 1]))
            del extrema[i : i + 2]
    return extrema


def remez(task: Task, fixed: list[float]) -> tuple[list[mp.mpf], mp.mpf]:
    """Return the best coefficients after the fixed ones, and the largest weighted error."""
    first, count = len(fixed), task.degree + 1 - len(fixed)
    low, high = mp.mpf(task.low), mp.mpf(task.high)

    def rest(x: mp.mpf) -> mp.mpf:
        return task.f(x) - mp.polyval([mp.mpf(c) for c in fixed[::-1]] or [mp.mpf(0)], x)

    nodes = 24 * (count + 2)
    grid = [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / nodes) for i in range(nodes + 1)
    ]
    values, weights = [rest(x) for x in grid], [task.weight(x) for x in grid]
    # Not symmetric, or a lone odd power would make the first system singular.
    picks = [nodes // 9 + i * (nodes - nodes // 9) // count for i in range(count + 1)]
    best: tuple[list[mp.mpf], mp.mpf] = ([], mp.inf)
    for _ in range(40):
        rows = mp.matrix(count + 1, count + 1)
        right = mp.matrix(count + 1, 1)
        for i, at in enumerate(picks):
            for j in range(count):
                rows[i, j] = grid[at] ** (first + j)
            rows[i, count] = (-1) ** i / weights[at]
            right[i] = values[at]
        solution = mp.lu_solve(rows, right)
        found = list(solution[:count])
        tail = [*found[::-1], *[mp.mpf(0)] * first]
        errors = [
            w * (v - mp.polyval(tail, x)) for x, v, w in zip(grid, values, weights, strict=True)
        ]
        largest = max(abs(e) for e in errors)
        if largest < best[1]:
            best = (found, largest)
        if largest <= abs(solution[count]) * mp.mpf("1.0001"):
            break
        extrema = alternating(errors, count + 1)
        if len(extrema) < count + 1:
            break
        picks = extrema
    return best


def derive(task: Task) -> tuple[list[float], float]:
    """Return the rounded coefficients, lowest degree first, and their largest weighted error."""
    fixed: list[float] = []
    while len(fixed) <= task.degree:
        found, _ = remez(task, fixed)
        fixed.append(rounded(found[0], task.is_float32))
    low, high = mp.mpf(task.low), mp.mpf(task.high)
    worst = mp.mpf(0)
    for i in range(2001):
        x = low + (high - low) * i / 2000
        p = mp.polyval([mp.mpf(c) for c in fixed[::-1]], x)
        worst = max(worst, abs(task.weight(x) * (task.f(x) - p)))
    return fixed, float(worst)


def exp_rest(x: mp.mpf) -> mp.mpf:
    """(eˣ - 1 - x) / x²."""
    if abs(x) < 1e-3:
        return mp.nsum(lambda k: x**k / mp.factorial(k + 2), [0, 20])
    return (mp.expm1(x) - x) / x**2


def log_rest(x: mp.mpf) -> mp.mpf:
    """(log(1 + x) - x + x²/2) / x³."""
    if abs(x) < 1e-3:
        return mp.fsum((-1) ** k * x**k / (k + 3) for k in range(25))
    return (mp.log1p(x) - x + x**2 / 2) / x**3


def log_ratio_rest(z: mp.mpf) -> mp.mpf:
    """(log((1 + s)/(1 - s)) - 2s) / s³ for z = s²."""
    if z < 1e-4:
        return mp.fsum(2 * z**k / (2 * k + 3) for k in range(20))
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def sin_rest(z: mp.mpf) -> mp.mpf:
    """(sin x - x) / x³ for z = x²."""
    if z < 1e-4:
        return mp.fsum((-1) ** (k + 1) * z**k / mp.factorial(2 * k + 3) for k in range(12))
    x = mp.sqrt(z)
    return (mp.sin(x) - x) / x**3


def cos_rest(z: mp.mpf) -> mp.mpf:
    """(cos x - 1 + x²/2) / x⁴ for z = x²."""
    if z < 1e-4:
        return mp.fsum((-1) ** k * z**k / mp.factorial(2 * k + 4) for k in range(12))
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def erf_ratio(z: mp.mpf) -> mp.mpf:
    """erf(x)/x - 1 for z = x²."""
    if z == 0:
        return 2 / mp.sqrt(mp.pi) - 1
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def log_erfc(center: float) -> Real:
    """log(1 - erf(center + x))."""
    return lambda x: mp.log(mp.erfc(x + mp.mpf(center)))


LN2_HALF = 0.3466
LOW_LOG, HIGH_LOG = float(mp.sqrt(0.5) - 1) - 1e-4, float(mp.sqrt(2) - 1) + 1e-4
S2 = 0.17158**2 * 1.001
QUARTER = 0.7854

TASKS: dict[str, Task] = {
    "EXPM1_F32": Task(exp_rest, lambda x: abs(x) + mp.mpf(1e-3), -LN2_HALF, LN2_HALF, 4, True),
    "EXPM1_F64": Task(exp_rest, lambda x: abs(x) + mp.mpf(1e-3), -LN2_HALF, LN2_HALF, 9, False),
    "LOG_F32": Task(log_rest, lambda x: x**2 + mp.mpf(1e-4), LOW_LOG, HIGH_LOG, 7, True),
    "LOG_F64": Task(log_ratio_rest, lambda z: z + mp.mpf(1e-4), 0.0, S2, 6, False),
    "ERF_F32": Task(erf_ratio, lambda z: mp.mpf(1), 0.0, 1.0, 6, True),
    "ERF_F64": Task(erf_ratio, lambda z: mp.mpf(1), 0.0, 1.0, 11, False),
    "ERFC_F32": Task(log_erfc(2.5), lambda x: mp.erfc(x + 2.5), -1.5, 1.5, 5, True),
    "ERFC_F64": Task(log_erfc(3.5), lambda x: mp.erfc(x + 3.5), -2.5, 2.5, 17, False),
    "SIN_F32": Task(sin_rest, lambda z: z + mp.mpf(1e-3), 0.0, QUARTER**2, 2, True),
    "COS_F32": Task(cos_rest, lambda z: z**2 + mp.mpf(1e-3), 0.0, QUARTER**2, 2, True),
    "SIN_F64": Task(sin_rest, lambda z: z + mp.mpf(1e-3), 0.0, QUARTER**2, 5, False),
    "COS_F64": Task(cos_rest, lambda z: z**2 + mp.mpf(1e-3), 0.0, QUARTER**2, 5, False),
}


def kept(name: str) -> tuple[float, ...]:
    """Return the table as it stands in ``native/vmath/coefficients.py``."""
    family, _, kind = name.rpartition("_")
    tables: dict[str, tuple[float, ...]] = getattr(coefficients, family, {})
    return tables.get(kind.lower()) or getattr(coefficients, name)  # type: ignore[no-any-return]


def main() -> None:
    """Print the tables asked for, and whether the kept ones are the same."""
    for name in sys.argv[1:] or TASKS:
        task = TASKS[name]
        found, worst = derive(task)
        print(
            f"# degree {task.degree}, largest weighted error {worst:.1e} = 2^{np.log2(worst):.1f}"
        )
        print(f"{name} = (")
        for c in found:
            print(f"    {c!r},")
        print(")", "# as kept" if tuple(found) == kept(name) else "# DIFFERS from the kept table")


if __name__ == "__main__":
    main()
