from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special

from chainrule.ops.erf import erf_array


def test_error_is_at_most_four_units_in_the_last_place() -> None:
    dense = np.concatenate([np.linspace(-7, 7, 40_001), np.geomspace(1e-300, 7, 5_000)])
    edges = np.array([0.0, 1.0, 6.0])
    x = np.concatenate([dense, edges, -edges, np.nextafter(edges, 9), np.nextafter(edges, -9)])
    expected = scipy.special.erf(x)
    assert (np.abs(erf_array(x) - expected) <= 4 * np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_and_dtype(dtype: type) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30], dtype)
    y = erf_array(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, [0.0, -0.0, 1.0, -1.0, np.nan, 1.0, -1.0])
    assert np.signbit(y[:2]).tolist() == [False, True]
    assert erf_array(np.zeros((0, 2), dtype)).shape == (0, 2)
    assert erf_array(np.asarray(0.5, dtype)).dtype == dtype


def test_float32_is_right_to_two_units_in_the_last_place() -> None:
    """Over a dense sweep, and down to the smallest numbers, against Python's own erf."""
    x = np.concatenate(
        [np.linspace(-5.0, 5.0, 100_001), np.logspace(-37, 0, 20_001), -np.logspace(-37, 0, 1_001)]
    ).astype(np.float32)
    wanted = np.array([math.erf(v) for v in x.tolist()])
    unit = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    assert (np.abs(erf_array(x) - wanted) <= 2.0 * unit).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_branch_and_both_together(dtype: str) -> None:
    """Blocks that lie on one side of the border are computed by one branch only."""
    sweep = np.linspace(-3.0, 3.0, 20_001).astype(dtype)
    sides = (np.abs(sweep) < 0.9, np.abs(sweep) > 1.1)
    apart = np.empty_like(sweep)
    for side in (*sides, ~(sides[0] | sides[1])):
        apart[side] = erf_array(sweep[side])
    np.testing.assert_array_equal(erf_array(sweep), apart)
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e30, -1e30, 5.0], dtype)
    found = erf_array(special)
    np.testing.assert_array_equal(found[:7], [np.nan, 1.0, -1.0, -0.0, 0.0, 1.0, -1.0])
    assert np.signbit(found[3])
    assert erf_array(special.reshape(2, 4)[:, ::2]).shape == (2, 2)
    assert erf_array(np.zeros((0, 3), dtype)).shape == (0, 3)
    assert erf_array(np.array(0.5, dtype)).shape == ()
