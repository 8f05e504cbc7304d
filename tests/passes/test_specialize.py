"""What must not be taken out of sums, and what masks may hide."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.passes import optimize


@pytest.mark.parametrize(
    "f",
    [
        lambda x, s: (x / 4).sum(),
        lambda x, s: (x * 1e-10).sum(),
        lambda x, s: (x * 0.25).sum(0),
        lambda x, s: (x / 5.0).sum(),
        lambda x, s: (x / s).sum(),
        lambda x, s: (x * (1 / s)).sum(),
        lambda x, s: (x / 16.0).sum(),
    ],
)
def test_what_shrinks_stays_inside_a_sum_that_would_overflow(f: Callable[..., Any]) -> None:
    x, s = np.full(4, 3e38, np.float32), np.float32(8)
    graph, _ = optimize(cr.trace(f)(x, s))
    with np.errstate(all="raise"):
        np.testing.assert_allclose(graph.evaluate(x, s)[0], f(x, s).item(), rtol=1e-6)


def test_what_does_not_shrink_comes_out_of_a_sum() -> None:
    x = np.ones((3, 4), np.float32)

    def names(f: Callable[..., Any]) -> list[str]:
        graph, _ = optimize(cr.trace(f)(x))
        return [node.primitive.name for node in graph.nodes if node.primitive]

    assert names(lambda x: (x * 3.0).sum()) == ["sum", "multiply"]
    assert names(lambda x: (x * -1.5).sum(0)) == ["sum", "multiply"]
    assert names(lambda x: (x / 0.3).sum(1)) == ["sum", "divide"]
    assert names(lambda x: (x * np.inf).sum()) == ["multiply", "sum"]  # 0 · inf is NaN
    assert names(lambda x: (x / 0.0).sum()) == ["divide", "sum"]


def test_a_mean_divides_the_sum() -> None:
    graph, _ = optimize(cr.trace(lambda x: x.mean())(np.ones(3, np.float32)))
    assert [node.primitive.name for node in graph.nodes if node.primitive] == ["sum", "divide"]


def test_the_reciprocal_root_of_minus_zero_is_that_of_the_root() -> None:
    """1 / sqrt(-0.0) is -inf, as IEEE 754 says; (-0.0) ** -0.5 is inf, and -inf once compiled."""
    x = np.array([-0.0, 0.0, 4.0])
    with np.errstate(divide="ignore"):
        (by_root,) = optimize(cr.trace(lambda x: 1 / cr.sqrt(x))(x))[0].evaluate(x)
        np.testing.assert_array_equal(by_root, (1 / cr.sqrt(x)).numpy())
        (by_power,) = optimize(cr.trace(lambda x: x**-0.5)(x))[0].evaluate(x)
    np.testing.assert_array_equal(by_power, [-np.inf, np.inf, 0.5])


def test_a_mask_leaves_out_whatever_is_there_and_a_number_does_not() -> None:
    x = np.array([np.nan, np.inf, 2.0], np.float32)
    mask = np.array([False, False, True])

    def run(f: Callable[..., Any]) -> Any:
        return optimize(cr.trace(f)(x, mask))[0].evaluate(x, mask)[0]

    for masked in (
        lambda x, c: x * c.astype("float32"),
        lambda x, c: cr.where(c, 1.0, 0.0) * x,
        lambda x, c: cr.where(cr.logical_not(c), 0.0, 1.0) * x,
    ):
        np.testing.assert_array_equal(run(masked), [0.0, 0.0, 2.0])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(run(lambda x, c: x * 0.0), [np.nan, np.nan, 0.0])
        np.testing.assert_array_equal(run(lambda x, c: x - x), [np.nan, np.nan, 0.0])


def test_powers_of_two_whose_reciprocal_is_exact() -> None:
    def names(a: float, dtype: str) -> list[str]:
        graph, _ = optimize(cr.trace(lambda x: x / a)(np.ones(3, dtype)))
        return [node.primitive.name for node in graph.nodes if node.primitive]

    assert names(2.0**126, "float32") == ["multiply"]
    assert names(2.0**127, "float32") == ["divide"]  # 2 ** -127 is subnormal
    assert names(2.0**127, "float64") == ["multiply"]
    assert names(2.0**-1060, "float64") == ["divide"]  # 2 ** 1060 is not finite
