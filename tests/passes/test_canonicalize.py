"""Numbers that are folded, in each dtype, and signs that meet across casts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.passes import optimize


def names(f: Callable[..., Any], *args: Any) -> list[str]:
    graph, _ = optimize(cr.trace(f)(*args))
    return [node.primitive.name for node in graph.nodes if node.primitive]


@pytest.mark.parametrize(
    ("f", "float32", "float64"),
    [
        (lambda x: x * 3e-25 * 5e-25, 2, 1),
        (lambda x: x * 3e-20 * 5e-17, 1, 1),  # 1.5e-36: small, but a normal number in float32
        (lambda x: x * 3e20 * 5e20, 2, 1),
        (lambda x: x / 3e20 / 5e20, 2, 1),
        (lambda x: x * 3e20 / 5e-20, 2, 1),
        (lambda x: x / 3e-20 * 5e20, 2, 1),
        (lambda x: 3e20 / x * 5e20, 2, 1),
        (lambda x: x * 3e18 * 5e18, 1, 1),
    ],
)
def test_numbers_are_folded_where_the_dtype_holds_them(
    f: Callable[..., Any], float32: int, float64: int
) -> None:
    assert len(names(f, np.ones(3, np.float32))) == float32
    assert len(names(f, np.ones(3, np.float64))) == float64
    x = np.array([1e-3, 1.0, 1e3])
    graph, _ = optimize(cr.trace(f)(x))
    np.testing.assert_allclose(graph.evaluate(x)[0], f(x), rtol=1e-14)


def test_numbers_of_the_largest_are_folded_in_float64() -> None:
    assert len(names(lambda x: x * 1e200 * 1e200, np.ones(3))) == 2
    assert len(names(lambda x: x / 1e200 * 1e-200, np.ones(3))) == 2
    assert len(names(lambda x: x * 1e200 * 1e100, np.ones(3))) == 1


def test_signs_meet_across_casts() -> None:
    wide = np.ones(3)
    assert names(lambda x: -((-x).astype("float32")), wide) == ["cast"]
    assert names(lambda x: (-x).astype("float32") * 2.0, wide) == ["cast", "multiply"]
    assert names(lambda x: (-(-x).astype("float32"), -x), wide) == ["negative", "cast"]
    assert names(lambda n: (-n).astype("float32"), np.array([1, 2])) == ["negative", "cast"]
    values = np.array([0.1, -0.0, np.inf, 1e-300])
    graph, _ = optimize(cr.trace(lambda x: (-x).astype("float32") * 3.0)(values))
    expected = (-values).astype(np.float32) * np.float32(3)
    found = graph.evaluate(values)[0]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
