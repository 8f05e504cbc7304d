"""Time to trace, optimize and plan the training step of deep networks: it grows with the depth.

    .venv/bin/python benchmarks/compile_time.py

Each row is the first update of a network of that many layers of 16 units, compiled by Adam's step.
The last column is the time a layer, as a multiple of the first row's: 1 is linear growth.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

import chainrule as cr

DEPTHS = (12, 25, 50, 100, 200)


def first_update(layers: int) -> tuple[float, dict[str, float], int, int, int]:
    """Return seconds in all, seconds by stage, and nodes before, after rewriting, and kernels."""
    hidden = [cr.Dense(16, activation="relu") for _ in range(layers - 1)]
    model = cr.Sequential([*hidden, cr.Dense(10)])
    model.compile("adam", "cross_entropy")
    model.make_parameters((16,))
    x, y = np.zeros((32, 16), np.float32), np.zeros(32, np.int64)
    start = time.perf_counter()
    model.steps().update(x, y)
    seconds = time.perf_counter() - start
    (found,) = model.explain()["fit"]["compilations"]
    nodes = found["nodes_before"], found["nodes_rewritten"], found["nodes_after"]
    return seconds, found["seconds"], *nodes


def main() -> None:
    """Print the table."""
    print("layers  first update  trace  optimize  plan   nodes → rewritten → kernels  a layer")
    base = 0.0
    for layers in DEPTHS:
        runs = [first_update(layers) for _ in range(3)]
        seconds = statistics.median(run[0] for run in runs)
        _, stages, before, rewritten, kernels = runs[-1]
        base = base or seconds / layers
        print(
            f"{layers:6}  {seconds:10.2f} s  {stages['trace']:.2f}   {stages['optimize']:.2f}"
            f"      {stages['plan']:.2f}   {before:5} → {rewritten:5} → {kernels:5}"
            f"            {seconds / layers / base:.2f}"
        )


if __name__ == "__main__":
    main()
