from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.core.graph import PRIMITIVES
from chainrule.core.mode import Tracer, answering
from chainrule.core.tensor import Parameter, Tensor, bind
from chainrule.ops.random import Generator

STATES = [
    [1, 2, 3, 4],
    [0, 0, 0, 0],
    [2**32 - 1] * 4,
    [0xDEADBEEF, 0x12345678, 2**32 - 1, 7],
]


@pytest.mark.parametrize("state", STATES)
def test_the_bits_are_those_of_eager_execution(state: list[int], agrees: Any) -> None:
    sizes = [(), (0,), (1,), (2,), (3,), (4,), (5,), (7, 5), (31,), (32,), (33,), (64,), (1000,)]

    def f(state: Any) -> list[Any]:
        uniform = PRIMITIVES["random_uniform"]
        return [
            *[bind(PRIMITIVES["random_bits"], state, shape=s) for s in sizes],
            *[bind(uniform, state, shape=s, dtype=np.dtype("float32")) for s in sizes],
            *[bind(uniform, state, shape=s, dtype=np.dtype("float64")) for s in sizes],
            bind(PRIMITIVES["random_bits"], state[::-1], shape=(9,)),
        ]

    agrees(f, np.array(state, np.uint32))


class Held(Tracer):
    """Answers for a generator's state with a value that may be traced."""

    def __init__(self, state: Tensor) -> None:
        self.state = state

    def read(self, parameter: Parameter) -> Tensor:
        return self.state

    def assign(self, parameter: Parameter, value: Tensor) -> None:
        self.state = value


def test_a_generator_moves_on_as_it_does_eagerly(agrees: Any) -> None:
    """Draws, and the state after them: unsigned addition, and the carry to the next word."""
    generator = Generator(7)

    def f(state: Any) -> list[Any]:
        held = Held(state)
        with answering(held):
            found = [generator.bits((5,)), generator.uniform(-1.0, 2.0, (3, 7))]
            found.append(generator.uniform(shape=(9,), dtype="float64"))
        return [*found, held.state]

    for words in ([7, 0, 0, 0], [1, 2, 2**32 - 2, 5], [9, 9, 2**32 - 1, 2**32 - 1]):
        agrees(f, np.array(words, np.uint32))


def test_normals(agrees: Any) -> None:
    generator = Generator(1)

    def f(state: Any) -> Any:
        with answering(Held(state)):
            return generator.normal(1.0, 2.0, (33, 3))

    (z,) = agrees(f, np.array([3, 1, 4, 1], np.uint32), ulps=40, of_largest=True)
    assert 0.5 < z.mean() < 1.5
    assert 1.5 < z.std() < 2.5
