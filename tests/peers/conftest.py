"""Composites written by hand with Chainrule's primitives; each peer has its own version of them.

Run by ``make test-peers``, in the environment that has the peers.
"""

from __future__ import annotations

import importlib.util
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr

PEERS = ("torch", "jax", "keras")
# They are installed together; without them, as in `make test`, nothing here is collected.
collect_ignore_glob = [] if all(map(importlib.util.find_spec, PEERS)) else ["test_peers_*.py"]


@dataclass(frozen=True)
class Composite:
    """A function of float64 arrays of the given shapes."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        return self.name

    def draw(self, purpose: str) -> list[np.ndarray]:
        """Return arrays of the arguments' shapes, the same at each call."""
        rng = np.random.default_rng(zlib.crc32(f"{self.name} {purpose}".encode()))
        return [np.asarray(rng.standard_normal(shape)) for shape in self.shapes]

    def arguments(self) -> list[np.ndarray]:
        return self.draw("arguments")

    def directions(self) -> list[np.ndarray]:
        return self.draw("directions")

    def weights(self) -> np.ndarray:
        """Return weights for the elements of the result, to make one number of it."""
        shape = self.function(*self.arguments()).shape
        rng = np.random.default_rng(zlib.crc32(f"{self.name} weights".encode()))
        return np.asarray(rng.standard_normal(shape))


COMPOSITES: dict[str, Composite] = {}


def composite(*shapes: tuple[int, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        COMPOSITES[name] = Composite(name, function, shapes)
        return function

    return register


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", list(COMPOSITES.values()), ids=str)


@pytest.fixture(scope="session")
def composites() -> dict[str, Composite]:
    return COMPOSITES


# Activations ---------------------------------------------------------------------------------


@composite((4, 3))
def softmax(x: Any) -> Any:
    e = cr.exp(x - cr.stop_gradient(x.max(axis=1, keepdims=True)))
    return e / e.sum(axis=1, keepdims=True)


@composite((4, 3))
def softmax_of_the_library(x: Any) -> Any:
    return cr.softmax(x * 30.0, axis=0)


@composite((4, 3))
def log_softmax(x: Any) -> Any:
    return cr.log_softmax(x * 30.0)


@composite((2, 3, 4))
def logsumexp(x: Any) -> Any:
    return cr.logsumexp(x * 5.0, axis=(0, 2))


@composite((3, 4))
def gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + cr.erf(x / math.sqrt(2.0)))


@composite((3, 4))
def swish(x: Any) -> Any:
    return x * cr.sigmoid(x)


@composite((3, 4))
def mish(x: Any) -> Any:
    return x * cr.tanh(cr.softplus(x))


@composite((3, 4))
def relu_family(x: Any) -> Any:
    return cr.stack([cr.relu(x), cr.leaky_relu(x, 0.2), cr.elu(x, 0.7), cr.clip(x, -0.5, 0.5)])


# Layers and losses ---------------------------------------------------------------------------


@composite((4, 5), (5,), (5,))
def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = cr.square(centred).mean(axis=-1, keepdims=True)
    return centred * cr.rsqrt(variance + 1e-5) * scale + shift


LABELS = np.array([2, 0, 1, 2])


@composite((4, 3))
def cross_entropy(logits: Any) -> Any:
    chosen = cr.take_along_axis(cr.log_softmax(logits * 10.0), LABELS[:, None], axis=1)
    return -chosen.mean()


@composite((4, 3))
def cross_entropy_by_one_hot(logits: Any) -> Any:
    log_p = logits - cr.logsumexp(logits, axis=1, keepdims=True)
    return -(cr.one_hot(LABELS, 3, "float64") * log_p).sum() / 4.0


@composite((6,), (6,))
def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    return (cr.softplus(logits) - logits * cr.sigmoid(targets)).mean()


@composite((5, 3), (3, 4), (4,), (4, 2), (2,))
def multilayer_perceptron(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    return cr.sigmoid(cr.tanh(x @ W1 + b1) @ W2 + b2)


@composite((2, 3, 4), (2, 3, 4), (2, 3, 5))
def attention(q: Any, k: Any, v: Any) -> Any:
    return cr.softmax(q @ k.transpose(0, 2, 1) / math.sqrt(4.0)) @ v


@composite((3,), (3, 4), (2, 4, 3), (3,))
def matmul_chain(a: Any, B: Any, C: Any, d: Any) -> Any:
    return (a @ B) @ C @ d + (B.T @ d) @ (C @ a).sum(axis=0)


# Moving elements -----------------------------------------------------------------------------

ROWS, COLUMNS = np.array([0, 2, 2, -1]), np.array([1, 1, 0, 2])


@composite((4, 3, 5))
def indexing(x: Any) -> Any:
    parts = [x[ROWS, COLUMNS], x[::-2, 1, 1:].sum(0), x[1, :, None, ROWS], x[..., -1].T]
    return cr.concatenate([cr.exp(part).reshape(-1) for part in parts])


@composite((4, 3), (6, 3))
def scattering(x: Any, v: Any) -> Any:
    sums = cr.segment_sum(cr.tanh(v), np.array([0, 1, 1, 3, 0, 1]), 4)
    return cr.scatter_add(x * x, ROWS, v[:4] * sums)


@composite((2, 3), (2, 1))
def joining(x: Any, y: Any) -> Any:
    wide = cr.concatenate([x, cr.square(y), x * y], axis=1)
    padded = cr.pad(cr.sin(wide), ((1, 0), (0, 2)), 0.5)
    return cr.stack([padded, cr.flip(padded, 1)], axis=1).transpose(2, 0, 1)


# Reductions and arithmetic -------------------------------------------------------------------


@composite((3, 4))
def reductions(x: Any) -> Any:
    return cr.concatenate(
        [x.max(axis=0), x.min(axis=1), cr.std(x, axis=0), cr.var(x, axis=1), cr.cumsum(x, 1)[0]]
    )


@composite((3, 4), (4,))
def arithmetic(x: Any, y: Any) -> Any:
    positive = cr.square(x) + 0.5
    return (
        cr.sqrt(positive) ** (y / 3.0)
        - cr.log1p(positive) / (cr.cos(y) + 2.0)
        + cr.expm1(cr.minimum(x, y)) * cr.abs(x - y)
        + cr.where(x > y, cr.maximum(x, 0.0) ** 3, y)
    )
