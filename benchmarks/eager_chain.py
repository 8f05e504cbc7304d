"""What one small operation costs when it runs eagerly: forward and backward over a chain.

The chain is x ← tanh(x · w + b), again and again: three operations a link, on arrays so small that
nothing but the overhead counts. Chainrule and PyTorch take turns in one run, so that whatever else
the machine does falls on both. Times are microseconds an operation, forward and backward together.

Run: ``python benchmarks/eager_chain.py [--links 333] [--repeats 30]``; it needs no PyTorch.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr

SHAPES: list[tuple[int, ...]] = [(), (8,), (4, 8)]


def chain(tanh: Callable[[Any], Any], x: Any, w: Any, b: Any, links: int) -> Any:
    """Return the sum of x after ``links`` times x ← tanh(x · w + b)."""
    for _ in range(links):
        x = tanh(x * w + b)
    return x.sum()


def values(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return x, w and b."""
    rng = np.random.default_rng(0)
    return [np.asarray(rng.uniform(0.5, 1.0, shape), np.float32) for _ in range(3)]


def chainrule_step(shape: tuple[int, ...], links: int) -> Callable[[], Any]:
    """Return one forward and backward pass, and what it finds for w."""
    x, w, b = values(shape)
    start, weight, bias = cr.tensor(x), cr.Parameter(w), cr.Parameter(b)

    def step() -> Any:
        weight.grad = bias.grad = None
        chain(cr.tanh, start, weight, bias, links).backward()
        return weight.grad

    return step


def torch_step(torch: Any, shape: tuple[int, ...], links: int) -> Callable[[], Any]:
    """Return the same in PyTorch."""
    start, weight, bias = (torch.from_numpy(array) for array in values(shape))
    weight.requires_grad_()
    bias.requires_grad_()

    def step() -> Any:
        weight.grad = bias.grad = None
        chain(torch.tanh, start, weight, bias, links).backward()
        return weight.grad

    return step


def take_turns(steps: list[Callable[[], Any]], repeats: int) -> list[list[float]]:
    """Time each step ``repeats`` times, one after the other; seconds."""
    for step in steps:
        step()
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for step, found in zip(steps, times, strict=True):
            began = time.perf_counter()
            step()
            found.append(time.perf_counter() - began)
    return times


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load_torch() -> Any:
    """Return PyTorch, or nothing where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--links", type=int, default=333, help="links of three operations each")
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    torch = load_torch()
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    print(f"{processor()}; {versions}" + (f", PyTorch {torch.__version__}" if torch else ""))
    print(f"{3 * options.links} operations, {options.repeats} repeats; µs an operation\n")
    head = f"{'shape':8}{'chainrule':>20}"
    print(head + (f"{'pytorch':>20}{'ratio':>9}" if torch else ""))
    print(f"{'':8}{'min':>10}{'median':>10}" + (f"{'min':>10}{'median':>10}" if torch else ""))
    for shape in SHAPES:
        steps = [chainrule_step(shape, options.links)]
        if torch:
            steps.append(torch_step(torch, shape, options.links))
            ours, theirs = (np.asarray(step()) for step in steps)
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        scale = 1e6 / (3 * options.links)
        rows = [
            (min(times) * scale, statistics.median(times) * scale)
            for times in take_turns(steps, options.repeats)
        ]
        text = "".join(f"{least:10.2f}{median:10.2f}" for least, median in rows)
        ratio = f"{rows[0][1] / rows[1][1]:9.2f}" if torch else ""
        print(f"{shape!s:8}{text}{ratio}")
    if not torch:
        print("\nPyTorch is not installed here, so nothing stands beside it (see `make bench`).")


if __name__ == "__main__":
    main()
