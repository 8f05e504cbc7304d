"""What every entry must arrive at: the same training in NumPy, float64, written out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from race.workloads import BETA_1, BETA_2, EPSILON, Array, Workload


def predict(workload: Workload, weights: Sequence[Array], x: Array) -> Array:
    """Return the output of the last, linear layer, shape (n, outputs)."""
    return _forward(workload, [np.asarray(w, np.float64) for w in weights], x)[-1]


def mean_loss(workload: Workload, weights: Sequence[Array], x: Array, y: Array) -> float:
    """Return the mean loss over samples."""
    return _loss(workload, predict(workload, weights, x), y)[0]


def train(
    workload: Workload, weights: Sequence[Array], x: Array, y: Array, epochs: int
) -> tuple[list[Array], float]:
    """Train, batch after batch in the order of the rows.

    Returns:
        The weights at the end, and the last epoch's loss: the mean over samples, each under the
        weights that its batch met.
    """
    now = [np.asarray(w, np.float64) for w in weights]
    mean, size, t, total = [0.0 * w for w in now], [0.0 * w for w in now], 0, 0.0
    for _ in range(epochs):
        total = 0.0
        for i in range(0, len(x), workload.batch):
            part = slice(i, i + workload.batch)
            loss, gradients = _gradients(workload, now, x[part], y[part])
            total += loss * len(x[part])
            t += 1
            for j, g in enumerate(gradients):
                if workload.optimizer == "adam":
                    mean[j] = BETA_1 * mean[j] + (1 - BETA_1) * g
                    size[j] = BETA_2 * size[j] + (1 - BETA_2) * g * g
                    root = np.sqrt(size[j] / (1 - BETA_2**t)) + EPSILON
                    g = mean[j] / (1 - BETA_1**t) / root  # noqa: PLW2901
                now[j] = now[j] - workload.learning_rate * g
    return now, total / len(x)


def _forward(workload: Workload, weights: Sequence[Array], x: Array) -> list[Array]:
    a = [np.asarray(x, np.float64)]
    for i in range(0, len(weights), 2):
        z = a[-1] @ weights[i] + weights[i + 1]
        if i + 2 < len(weights):
            z = _activate(workload.activation, z)
        a.append(z)
    return a


def _activate(name: str, z: Array) -> Array:
    if name == "relu":
        return np.maximum(z, 0.0)
    return np.tanh(z) if name == "tanh" else 0.5 + 0.5 * np.tanh(0.5 * z)


def _derivative(name: str, a: Array) -> Array:
    """Return f'(z), from a = f(z)."""
    if name == "relu":
        return np.asarray(a > 0.0, np.float64)
    return 1.0 - a * a if name == "tanh" else a * (1.0 - a)


def _loss(workload: Workload, output: Array, y: Array) -> tuple[float, Array]:
    """Return the mean loss, and its derivative with respect to the output."""
    n, m = output.shape
    if workload.loss == "squared_error":
        return float(np.mean((output - y) ** 2)), 2.0 * (output - y) / (n * m)
    if workload.loss == "binary_cross_entropy":
        loss = float(np.mean(np.logaddexp(0.0, output) - y * output))
        return loss, (_activate("sigmoid", output) - y) / n
    shifted = output - output.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = np.eye(m)[y]
    return float(-np.sum(target * logs) / n), (np.exp(logs) - target) / n


def _gradients(
    workload: Workload, weights: Sequence[Array], x: Array, y: Array
) -> tuple[float, list[Array]]:
    a = _forward(workload, weights, x)
    loss, delta = _loss(workload, a[-1], y)
    gradients: list[Array] = []
    for i in range(len(weights) - 2, -1, -2):
        below = a[i // 2]
        gradients = [below.T @ delta, delta.sum(axis=0), *gradients]
        if i:
            delta = (delta @ weights[i].T) * _derivative(workload.activation, below)
    return loss, gradients
