"""The NumPy executor beside eager Chainrule, and beside NumPy written by hand with ``out=``.

Run with ``python benchmarks/executor.py``. Times are medians in one run, interleaved, so that
whatever else the machine does slows all of them; the ratios are what to compare.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.compiler.executor import Executor
from chainrule.core.tensor import known
from chainrule.passes import optimize

Array = Any


def medians(functions: Sequence[Callable[[], Any]], rounds: int = 40) -> list[float]:
    """Return the median time of a call of each, in microseconds."""
    times: list[list[float]] = [[] for _ in functions]
    calls = []
    for f in functions:
        f()
        start = time.perf_counter()
        f()
        calls.append(max(1, int(2e-3 / (time.perf_counter() - start))))
    for _ in range(rounds):
        for f, n, found in zip(functions, calls, times, strict=True):
            start = time.perf_counter()
            for _ in range(n):
                f()
            found.append((time.perf_counter() - start) / n * 1e6)
    return [statistics.median(found) for found in times]


def step_of(sizes: Sequence[int], batch: int, activation: str, last: str | None, loss: str) -> Any:
    """Return a training step: its graph, what runs it eagerly, and the arrays that it reads."""
    model = cr.Sequential(
        [
            *[cr.Dense(n, activation=activation) for n in sizes[1:-1]],
            cr.Dense(sizes[-1], activation=last),
        ]
    )
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, sizes[0])).astype("f4")
    if loss == "cross_entropy":
        y: Array = rng.integers(0, sizes[-1], batch)
    else:
        y = rng.integers(0, 2, (batch, 1)).astype("f4")
    model(x)
    parameters = list(model.parameters().values())
    optimizer = cr.optim.Adam(1e-3) if loss == "cross_entropy" else cr.optim.SGD(0.1)
    measure = cr.losses.loss(loss)

    def step(x: Any, y: Any) -> Any:
        return optimizer.minimize(lambda: measure(y, model(x)).mean(), parameters)

    step(x, y)
    traced = cr.trace(step)(x, y)
    arrays = [x, y, *[known(slot.content(), "a benchmark") for slot in traced.read]]
    return optimize(traced)[0], lambda: step(x, y), arrays


class ByHand:
    """A training step written with NumPy, into arrays that are made once.

    Args:
        x: inputs.
        y: targets.
        weights: of each layer; the biases begin at 0.
        classifies: ReLU, cross-entropy and Adam; otherwise tanh throughout, squared error and
            gradient descent.
    """

    def __init__(self, x: Array, y: Array, weights: Sequence[Array], classifies: bool) -> None:
        self.x, self.y, self.classifies = x, y, classifies
        self.weights = [np.array(W) for W in weights]
        self.biases = [np.zeros(W.shape[1], "f4") for W in weights]
        self.parameters = [*self.weights, *self.biases]
        self.z = [np.empty((len(x), W.shape[1]), "f4") for W in weights]
        self.d = [np.empty_like(z) for z in self.z]
        self.masks = [np.empty(z.shape, bool) for z in self.z]
        self.grads = [np.empty_like(p) for p in self.parameters]
        self.first = [np.zeros_like(p) for p in self.parameters]
        self.second = [np.zeros_like(p) for p in self.parameters]
        self.spare = [(np.empty_like(p), np.empty_like(p)) for p in self.parameters]
        self.column, self.loss = np.empty((len(x), 1), "f4"), np.empty((), "f4")
        self.rows, self.steps = np.arange(len(x)), 0

    def __call__(self) -> None:
        """Make a step."""
        self.forward()
        if self.classifies:
            self.cross_entropy()
        else:
            self.squared_error()
        self.backward()
        if self.classifies:
            self.adam()
        else:
            self.descend()

    def forward(self) -> None:
        """Compute the layers' outputs, in place of their inputs to the activation."""
        a, last = self.x, self.z[-1]
        for W, b, z, mask in zip(self.weights, self.biases, self.z, self.masks, strict=True):
            np.matmul(a, W, z)
            np.add(z, b, z)
            if not self.classifies:
                np.tanh(z, z)
            elif z is not last:
                np.greater(z, 0, mask)
                np.maximum(z, 0, out=z)
            a = z

    def cross_entropy(self) -> None:
        """Compute the loss and δ = (softmax(z) - y) / n."""
        z, d, column = self.z[-1], self.d[-1], self.column
        np.maximum.reduce(z, 1, None, column, True)
        np.subtract(z, column, d)
        np.exp(d, d)
        np.add.reduce(d, 1, None, column, True)
        np.divide(d, column, d)
        np.add.reduce(np.log(d[self.rows, self.y]), 0, None, self.loss)
        d[self.rows, self.y] -= 1
        np.multiply(d, 1 / len(self.x), d)

    def squared_error(self) -> None:
        """Compute the loss and δ = 2 (a - y) (1 - a²) / n."""
        a, d = self.z[-1], self.d[-1]
        np.subtract(a, self.y, d)
        np.add.reduce(np.square(d), (0, 1), None, self.loss)
        np.multiply(d, 2 / len(self.x), d)
        np.multiply(d, 1 - a * a, d)

    def backward(self) -> None:
        """Compute the gradients."""
        count = len(self.weights)
        for i in reversed(range(count)):
            below, d = self.z[i - 1] if i else self.x, self.d[i]
            np.matmul(below.T, d, self.grads[i])
            np.add.reduce(d, 0, None, self.grads[count + i])
            if i:
                under = self.d[i - 1]
                np.matmul(d, self.weights[i].T, under)
                slope = self.masks[i - 1] if self.classifies else 1 - below * below
                np.multiply(under, slope, under)

    def descend(self) -> None:
        """Update by gradient descent."""
        for p, g in zip(self.parameters, self.grads, strict=True):
            np.multiply(g, np.float32(0.1), g)
            np.subtract(p, g, p)

    def adam(self) -> None:
        """Update by Adam."""
        self.steps += 1
        rate = np.float32(1e-3 * (1 - 0.999**self.steps) ** 0.5 / (1 - 0.9**self.steps))
        for p, g, m, v, (s, t) in zip(
            self.parameters, self.grads, self.first, self.second, self.spare, strict=True
        ):
            np.multiply(m, np.float32(0.9), m)
            np.multiply(g, np.float32(0.1), s)
            np.add(m, s, m)
            np.multiply(v, np.float32(0.999), v)
            np.square(g, s)
            np.multiply(s, np.float32(0.001), s)
            np.add(v, s, v)
            np.sqrt(v, s)
            np.add(s, np.float32(1e-8), s)
            np.multiply(m, rate, t)
            np.divide(t, s, t)
            np.subtract(p, t, p)


def steps() -> None:
    """Time training steps."""
    cases: list[Any] = [
        ((64, 32, 32, 10), 32, "relu", None, "cross_entropy"),
        ((2, 8, 8, 1), 1, "tanh", "tanh", "mse"),
        ((2, 8, 8, 1), 10, "tanh", "tanh", "mse"),
    ]
    print("training step            nodes   eager   evaluate  executor  by hand     µs")
    for sizes, batch, activation, last, loss in cases:
        graph, eager, arrays = step_of(sizes, batch, activation, last, loss)
        executor = Executor(graph)
        matrices = [a for a in arrays[2:] if a.ndim == 2][: len(sizes) - 1]
        hand = ByHand(*arrays[:2], matrices, last is None)
        found = medians(
            [
                eager,
                lambda g=graph, a=arrays: g.evaluate(*a),
                lambda e=executor, a=arrays: e.run(a),
                hand,
            ]
        )
        name = f"{'-'.join(map(str, sizes))}, batch {batch}"
        row = "".join(f"{t:10.1f}" for t in found)
        print(f"{name:24}{len(graph.nodes):5}{row}")
        ratios = "".join(f"{t / found[2]:9.2f}x" for t in found)
        print(f"{'':29}{ratios}")


def overhead() -> None:
    """Time what the executor adds to NumPy's own time, an operation of a chain of twenty."""
    x = np.ones((8, 8), "f4")

    def chain(x: Any) -> Any:
        for i in range(20):
            x = x * 1.5 if i % 2 else x + 0.5
        return x

    executor = Executor(cr.trace(chain)(x))
    a, b = np.float32(1.5), np.float32(0.5)
    a, b, h = np.asarray(a), np.asarray(b), np.empty_like(x)

    def bare() -> None:
        add, multiply = np.add, np.multiply
        add(x, b, h)
        multiply(h, a, h)
        for _ in range(9):
            add(h, b, h)
            multiply(h, a, h)

    run, base = medians([lambda: executor.run([x]), bare])
    print(f"\n20 operations on 8x8: {run:.2f} µs, NumPy alone {base:.2f} µs,", end=" ")
    print(f"{(run - base) / 20 * 1e3:.0f} ns more an operation")


def building() -> None:
    """Time how long it takes to make an executor."""
    graph, _, _ = step_of((64, 32, 32, 10), 32, "relu", None, "cross_entropy")
    (took,) = medians([lambda: Executor(graph)], 15)
    print(f"building: {took / len(graph.nodes):.1f} µs a node")


if __name__ == "__main__":
    steps()
    overhead()
    building()
