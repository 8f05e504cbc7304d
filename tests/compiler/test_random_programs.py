"""Random programs: eager, traced, optimized and compiled values and gradients hold together.

A program is a list of numbers, read as operations on what was computed before, so that Hypothesis
can shrink it. The oracle is eager execution in float64; the eager operations have oracles of their
own (finite differences, NumPy, PyTorch).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.tensor import Tensor

ROWS, COLUMNS = 4, 3

Operation = Callable[..., Any]

UNARY: list[Operation] = [
    lambda x: -x,
    cr.tanh,
    cr.sigmoid,
    cr.softplus,
    cr.relu,
    cr.sin,
    cr.square,
    cr.abs,
    lambda x: cr.exp(cr.minimum(x, 2.0)),
    lambda x: cr.log(1.0 + cr.exp(x)),
    lambda x: cr.log(cr.sigmoid(x)),
    lambda x: 1.0 / (1.0 + cr.exp(-x)),
    lambda x: x * 1.0 + 0.0,
    lambda x: x / 4.0,
    lambda x: cr.gelu(x),
    lambda x: cr.where(x > 0.25, x, -0.5 * x),
    lambda x: cr.stop_gradient(x) * x,
    lambda x: x.astype("float32").astype("float64"),
]
BINARY: list[Operation] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (1.5 + cr.square(y)),
    cr.maximum,
    lambda x, y: cr.where(x > y, x, y * 0.5),
    lambda x, y: cr.exp(-cr.square(x)) * cr.exp(-cr.square(y)),
]
#: From a matrix to a matrix of the same shape, through other shapes.
SHAPED: list[Operation] = [
    lambda x: x.T.reshape(x.shape),
    lambda x: x.reshape(-1).reshape(x.shape),
    lambda x: x - x.mean(axis=0),
    lambda x: x - x.max(axis=1, keepdims=True),
    lambda x: x * x.sum(axis=1, keepdims=True) / 3.0,
    lambda x: cr.softmax(x, axis=1),
    lambda x: cr.exp(x / 4.0) / cr.exp(x / 4.0).sum(axis=1, keepdims=True),
    lambda x: cr.log_softmax(x),
    lambda x: x - cr.log(cr.exp(x / 2.0).sum(axis=0)),
    lambda x: cr.concatenate([x[1:], x[:1]]),
    lambda x: cr.flip(x, 0),
    lambda x: x[np.array([2, 0, 1, 2])],
    lambda x: cr.scatter_add(cr.zeros_like(x), np.array([0, 0, 3, 1]), x),
    lambda x: cr.pad(x[1:3, :2], ((1, 1), (0, 1))),
    lambda x: cr.cumsum(x, axis=0) / 4.0,
    lambda x: (x @ x.T) @ x / 8.0,
    lambda x: cr.stack([x[0], x[1], x[2], x[3]]),
    lambda x: cr.matmul(x, cr.tensor(np.eye(COLUMNS) * 0.5)),
    lambda x: cr.broadcast_to(x[0], x.shape) + x,
    lambda x: cr.one_hot(cr.argmax(x, axis=1), COLUMNS, dtype="float64") * x,
    lambda x: cr.take_along_axis(x, np.array([[2, 1, 0]] * ROWS), axis=1),
    lambda x: _scanned(x),
    lambda x: cr.cond(x.sum() > 0.5, cr.tanh, lambda z: 0.5 * z, x),
    lambda x: cr.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, cr.tanh(c[1] + 0.1)), (cr.tensor(0), x)
    )[1],
]


def _scanned(x: Any) -> Any:
    def body(carry: Any, row: Any) -> Any:
        new = cr.tanh(carry * 0.5 + row)
        return new, new * row

    last, rows = cr.scan(body, cr.zeros(COLUMNS, dtype="float64"), x)
    return rows + last


def run(program: list[tuple[int, int, int]], x: Any, y: Any) -> Any:
    """Apply the operations, and return one number that depends on all of them."""
    values = [x, y]
    for kind, first, second in program:
        a, b = values[first % len(values)], values[second % len(values)]
        if kind < 100:
            values.append(UNARY[kind % len(UNARY)](a))
        elif kind < 170:
            values.append(BINARY[kind % len(BINARY)](a, b))
        else:
            values.append(SHAPED[kind % len(SHAPED)](a))
    total = values[0].sum() * 0.0
    for i, value in enumerate(values[2:]):
        total = total + (value * (0.3 + 0.1 * i)).mean()
    return total


programs = st.lists(
    st.tuples(st.integers(0, 269), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9
)


def inputs(seed: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    return tuple(cr.tensor(rng.uniform(-1.5, 1.5, size=(ROWS, COLUMNS))) for _ in range(2))  # type: ignore[return-value]


def check(program: list[tuple[int, int, int]], seed: int) -> None:
    def f(x: Any, y: Any) -> Any:
        return run(program, x, y)

    both = cr.value_and_grad(f, argnums=(0, 1))
    x, y = inputs(seed)
    value, gradients = both(x, y)
    expected = [np.asarray(a) for a in (value, *gradients)]
    graph = cr.trace(both)(x, y)
    optimized = graph.optimize()
    optimized.verify()
    compiled = cr.compile(both)(x, y)
    outside = cr.value_and_grad(cr.compile(f), argnums=(0, 1))(x, y)
    ways = {
        "traced": graph(x, y),
        "optimized": optimized(x, y),
        "compiled": compiled,
        "differentiated from outside": outside,
    }
    for way, (found, slopes) in ways.items():
        for a, b in zip((found, *slopes), expected, strict=True):
            np.testing.assert_allclose(np.asarray(a), b, rtol=1e-6, atol=1e-7, err_msg=way)


@settings(max_examples=200, deadline=None)
@given(programs, st.integers(0, 99))
def test_all_ways_agree(program: list[tuple[int, int, int]], seed: int) -> None:
    check(program, seed)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(programs, st.integers(0, 9999))
def test_all_ways_agree_on_many(program: list[tuple[int, int, int]], seed: int) -> None:
    check(program, seed)


@pytest.mark.parametrize("place", range(len(UNARY) + len(BINARY) + len(SHAPED)))
def test_each_operation_by_itself(place: int) -> None:
    kinds = [*range(len(UNARY))]
    kinds += [100 + (i - 100) % len(BINARY) for i in range(len(BINARY))]
    if place < len(UNARY):
        kind = next(k for k in range(100) if k % len(UNARY) == place)
    elif place < len(UNARY) + len(BINARY):
        kind = next(k for k in range(100, 170) if k % len(BINARY) == place - len(UNARY))
    else:
        wanted = place - len(UNARY) - len(BINARY)
        kind = next(k for k in range(170, 270) if k % len(SHAPED) == wanted)
    check([(kind, 0, 1)], 5)
