from __future__ import annotations

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
