"""JAX: each step jitted, and whole epochs in ``lax.scan``."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from race.entry import Entry, NotRacedError
from race.workloads import BETA_1, BETA_2, EPSILON, Array, Workload

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}


def forward(activation: str, weights: Any, x: Any) -> Any:
    """Return the output of the last, linear layer."""
    for i in range(0, len(weights) - 2, 2):
        x = ACTIVATIONS[activation](x @ weights[i] + weights[i + 1])
    return x @ weights[-2] + weights[-1]


def loss_of(workload: Workload, weights: Any, x: Any, y: Any) -> Any:
    """Return the mean loss of a batch."""
    output = forward(workload.activation, weights, x)
    if workload.loss == "squared_error":
        return jnp.mean((output - y) ** 2)
    if workload.loss == "binary_cross_entropy":
        return jnp.mean(jnp.logaddexp(0.0, output) - y * output)
    logs = jax.nn.log_softmax(output)
    return -jnp.mean(jnp.take_along_axis(logs, y[:, None], axis=1))


def step(workload: Workload, state: Any, x: Any, y: Any) -> Any:
    """Return the state after one update; the total loss of the epoch is part of it."""
    weights, moments, t, total = state
    loss, gradients = jax.value_and_grad(partial(loss_of, workload))(weights, x, y)
    rate, t = workload.learning_rate, t + 1
    if workload.optimizer == "adam":
        mean = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(moments[0], gradients, strict=True)]
        size = [
            BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(moments[1], gradients, strict=True)
        ]
        moments, power = (mean, size), t.astype(jnp.float32)
        first, second = 1 - BETA_1**power, 1 - BETA_2**power
        gradients = [
            (m / first) / (jnp.sqrt(v / second) + EPSILON) for m, v in zip(mean, size, strict=True)
        ]
    weights = [w - rate * g for w, g in zip(weights, gradients, strict=True)]
    return weights, moments, t, total + loss * len(x)


def epoch(workload: Workload, state: Any, full: Any, rest: Any) -> Any:
    """Return the state after an epoch: the full batches, stacked, then what is left over."""
    state = (*state[:3], jnp.zeros(()))
    state, _ = lax.scan(lambda state, xy: (step(workload, state, *xy), None), state, full)
    return step(workload, state, *rest) if len(rest[0]) else state


class _Jax(Entry):
    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        self.x, self.y, self.workload = x, y, workload
        weights = [jnp.array(w) for w in start]
        moments = tuple([jnp.zeros_like(w) for w in weights] for _ in range(2))
        adam = workload.optimizer == "adam"
        self.state = (weights, moments if adam else (), jnp.zeros((), jnp.int32), jnp.zeros(()))
        self.forward = jax.jit(partial(forward, workload.activation))
        self.placed: dict[int, Any] = {}

    def predict(self, row: Array) -> Array:
        """Run the jitted network."""
        return np.asarray(self.forward(self.state[0], row))

    def weights(self) -> list[Array]:
        """Return the weights."""
        return [np.array(w) for w in self.state[0]]

    def threads(self) -> str:
        """Say how large XLA's pool is."""
        return f"XLA's pool, {os.cpu_count()}"


class Steps(_Jax):
    """A Python loop over batches that lie ready, each step one jitted call."""

    def train(self, epochs: int, rows: int) -> float:
        """Call the step for each batch."""
        if not self.placed:
            self.step = jax.jit(partial(step, self.workload), donate_argnums=0)
        if rows not in self.placed:
            starts = range(0, rows, self.workload.batch)
            parts = [slice(i, min(i + self.workload.batch, rows)) for i in starts]
            self.placed = {rows: [(jnp.array(self.x[p]), jnp.array(self.y[p])) for p in parts]}
        state = self.state
        for _ in range(epochs):
            state = (*state[:3], jnp.zeros(()))
            for x, y in self.placed[rows]:
                state = self.step(state, x, y)
        self.state = state
        return float(state[3]) / rows


class Scan(_Jax):
    """One jitted call an epoch."""

    def train(self, epochs: int, rows: int) -> float:
        """Call the epoch."""
        if not self.placed:
            self.epoch = jax.jit(partial(epoch, self.workload), donate_argnums=0)
        if rows not in self.placed:
            batch, n = self.workload.batch, rows // self.workload.batch
            arrays = [self.x[:rows], self.y[:rows]]
            full = [jnp.array(a[: n * batch].reshape(n, batch, *a.shape[1:])) for a in arrays]
            self.placed = {rows: (full, [jnp.array(a[n * batch :]) for a in arrays])}
        for _ in range(epochs):
            self.state = self.epoch(self.state, *self.placed[rows])
        return float(self.state[3]) / rows

    def predict(self, row: Array) -> Array:
        """Refuse: there is no epoch."""
        raise NotRacedError("a prediction has no epoch to scan over; see JAX, a step jitted")
