"""Random programs: as they were written, and optimized; values and gradients, in float64."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.mode import mode
from chainrule.passes import optimize, stabilized

Tensor = Any


def _positive(x: Tensor) -> Tensor:
    return cr.abs(x) + 0.5


def _tame(x: Tensor) -> Tensor:
    """Keep values where exponentials do not overflow, smoothly."""
    return 2.0 * cr.tanh(0.5 * x)


UNARY: list[Callable[[Tensor], Tensor]] = [
    lambda x: -x,
    lambda x: x * 2.0,
    lambda x: x / 4.0,
    lambda x: x / 3.0,
    lambda x: x + 0.0,
    lambda x: 1.0 * x,
    lambda x: 0.0 - x,
    lambda x: x - 1.0,
    cr.square,
    cr.sin,
    cr.tanh,
    cr.sigmoid,
    cr.softplus,
    lambda x: 1 - cr.sigmoid(x),
    lambda x: cr.exp(_tame(x)),
    lambda x: cr.exp(_tame(x)) - 1,
    lambda x: cr.log(1 + cr.exp(_tame(x))),
    lambda x: cr.log(_positive(x)),
    lambda x: cr.log(cr.sigmoid(x)),
    lambda x: cr.log(cr.exp(x)),
    lambda x: 1 / (1 + cr.exp(-_tame(x))),
    lambda x: cr.exp(_tame(x)) / (1 + cr.exp(_tame(x))),
    lambda x: cr.sqrt(_positive(x)),
    lambda x: 1 / cr.sqrt(_positive(x)),
    lambda x: _positive(x) ** -0.5,
    lambda x: x**3.0,
    lambda x: x * x,
    cr.relu,
    cr.leaky_relu,
    cr.elu,
    lambda x: cr.where(x > 0.1, x, 0.0) * cr.where(x > 0.1, x, 0.0),
    lambda x: cr.softmax(x),
    lambda x: cr.log_softmax(x, 0),
    lambda x: cr.exp(_tame(x)) / cr.exp(_tame(x)).sum(axis=-1, keepdims=True),
    lambda x: cr.log(cr.exp(_tame(x)).sum(axis=0, keepdims=True)) + x,
    lambda x: x - cr.max(x, -1, keepdims=True),
    lambda x: x - cr.mean(x, 0),
    lambda x: x / _positive(cr.sum(x, -1, keepdims=True)),
    lambda x: x.T.T,
    lambda x: cr.reshape(cr.reshape(x, -1), x.shape),
    lambda x: cr.flip(x, 0),
    lambda x: cr.concatenate([x, -x])[: x.shape[0]],
    lambda x: cr.pad(x, 1)[1:-1, 1:-1],
    lambda x: x[np.array([1, 0, 2])],
    lambda x: cr.take(x, np.arange(3)),
    lambda x: (x @ x.T) @ x / 3.0,
    lambda x: (x.T @ (-x)).T[:3],
    lambda x: cr.cumsum(x, 1),
    lambda x: cr.ones_like(x) * x,
    lambda x: cr.broadcast_to(x.sum(0), (3, 3)) + x,
    lambda x: x.astype("float32").astype("float64") * 0.0 + x,
]

BINARY: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: (-x) * (-y),
    lambda x, y: x + (-y),
    lambda x, y: x / _positive(y),
    lambda x, y: x * (1 / _positive(y)),
    lambda x, y: cr.exp(_tame(x)) * cr.exp(_tame(y)),
    cr.maximum,
    cr.minimum,
    lambda x, y: cr.where(y > 0, x, y),
    lambda x, y: x @ y,
    lambda x, y: (x @ y).T,
    lambda x, y: (x * y.sum()).sum(0) + x,
    lambda x, y: (x / _positive(y[:, :1])).sum(1, keepdims=True) * y,
]

STEP = st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 7), st.integers(0, 7))


def program(steps: list[tuple[int, int, int]]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function that takes the steps, each on earlier results."""

    def f(x: Tensor, y: Tensor) -> Tensor:
        values = [x, y]
        for kind, i, j in steps:
            first, second = values[-1 - i % len(values)], values[-1 - j % len(values)]
            new = (
                UNARY[kind](first)
                if kind < len(UNARY)
                else BINARY[kind - len(UNARY)](first, second)
            )
            values.append(_tame(new) if len(values) % 3 == 0 else new)
        return (values[-1] * values[len(values) // 2]).sum()

    return f


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=1, max_size=8))
def test_optimized_programs_compute_the_same(steps: list[tuple[int, int, int]]) -> None:
    f = program(steps)
    rng = np.random.default_rng(zlib.crc32(repr(steps).encode()))
    x, y = rng.normal(size=(2, 3, 3))
    both = cr.value_and_grad(f, (0, 1))

    def stabilizing(x: Tensor, y: Tensor) -> Any:
        mode.rewriter = stabilized
        return both(x, y)

    graph, _ = optimize(cr.trace(stabilizing)(x, y))
    value, (by_x, by_y) = both(x, y)
    found = graph.evaluate(x, y)
    for mine, theirs in zip(found, [value, by_x, by_y], strict=True):
        scale = 1.0 + np.abs(theirs.numpy()).max(initial=0.0)
        np.testing.assert_allclose(mine / scale, theirs.numpy() / scale, rtol=1e-9, atol=1e-9)
    again, counts = optimize(graph)
    assert str(again) == str(graph)
    assert not counts
