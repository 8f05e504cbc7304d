from decimal import Decimal, getcontext
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.autodiff.check import check_grads
from chainrule.core.tensor import bind
from chainrule.ops.softmax import residual_bound, softmax_residual_p

getcontext().prec = 60

LIMITS = {"float32": 100.0, "float64": 1000.0}


def exact(row: Any) -> tuple[list[Decimal], list[Decimal], Decimal]:
    """Return softmax, its logarithm, and logsumexp, of the numbers as they are."""
    x = [Decimal(float(v)) for v in row]
    top = max(x)
    at = x.index(top)
    others = sum(((v - top).exp() for i, v in enumerate(x) if i != at), Decimal(0))
    log_total = others - others**2 / 2 if others < Decimal("1e-25") else (1 + others).ln()
    shares = [(v - top).exp() / (1 + others) for v in x]
    return shares, [v - top - log_total for v in x], top + log_total


def ulps(found: Any, expected: Decimal) -> float:
    unit = float(np.spacing(np.abs(found.dtype.type(float(expected)))))
    return float(abs(Decimal(float(found)) - expected) / Decimal(unit))


@pytest.mark.parametrize("dtype", LIMITS)
def test_a_few_units_in_the_last_place_everywhere(dtype: str) -> None:
    limit = LIMITS[dtype]
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.uniform(-limit, limit, (30, 4)),
            rng.uniform(0, 1, (10, 4)) + np.array([limit, 0, 0, 0]),
            [[limit, 0.7 * limit, -limit, 0], [limit] * 4, [-limit] * 4, [0, 0, -30.3, 30.7]],
        ]
    ).astype(dtype)
    shares, logs, totals = cr.softmax(x), cr.log_softmax(x), cr.logsumexp(x, 1)
    for i, row in enumerate(x):
        p, log_p, total = exact(row)
        for j in range(4):
            assert ulps(shares.numpy()[i, j], p[j]) <= 4
            assert ulps(logs.numpy()[i, j], log_p[j]) <= 4
        assert ulps(totals.numpy()[i], total) <= 4


def test_what_the_largest_share_lacks_is_kept() -> None:
    assert cr.log_softmax([100.0, 70.0]).numpy()[0] == np.float32(-9.357623e-14)
    assert cr.logsumexp([0.0, -30.0]).numpy() == np.float32(9.357623e-14)
    gradient = cr.grad(lambda x: cr.log_softmax(x)[0])([100.0, 70.0])
    np.testing.assert_allclose(gradient.numpy(), [9.357623e-14, -9.357623e-14], rtol=3e-7)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_axes_against_scipy(axis: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    np.testing.assert_allclose(cr.softmax(x, axis).numpy(), scipy.special.softmax(x, axis), 1e-14)
    np.testing.assert_allclose(
        cr.log_softmax(x, axis).numpy(), scipy.special.log_softmax(x, axis), 1e-13
    )


@pytest.mark.parametrize("axis", [None, (0, 2), (1, 2), 1])
def test_logsumexp_over_several_axes(axis: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    for keepdims in (False, True):
        np.testing.assert_allclose(
            cr.logsumexp(x, axis, keepdims).numpy(),
            scipy.special.logsumexp(x, axis, keepdims=keepdims),
            rtol=1e-14,
        )


def test_rows_beyond_one_block() -> None:
    x = np.random.default_rng(0).normal(size=(700, 70)).astype(np.float32)
    np.testing.assert_allclose(
        cr.softmax(x).numpy(), scipy.special.softmax(x.astype(np.float64), 1), rtol=1e-6
    )
    wide = np.random.default_rng(0).normal(size=(2, 40_000))
    np.testing.assert_allclose(
        cr.log_softmax(wide).numpy(), scipy.special.log_softmax(wide, 1), rtol=1e-13
    )


def test_infinities_and_nan_without_warnings() -> None:
    inf, nan = np.inf, np.nan
    rows = np.array([[0.0, -inf], [-inf, -inf], [inf, 0.0], [nan, 0.0], [-3e38, 3e38]], np.float32)
    np.testing.assert_array_equal(
        cr.softmax(rows).numpy(), [[1, 0], [nan, nan], [nan, nan], [nan, nan], [0, 1]]
    )
    assert np.isnan(cr.log_softmax(rows).numpy()[1:4]).all()
    np.testing.assert_array_equal(cr.log_softmax(rows).numpy()[0], [0, -inf])
    np.testing.assert_array_equal(cr.logsumexp(rows, 1).numpy()[:4], [0, -inf, inf, nan])


def test_nothing_and_one_number() -> None:
    assert cr.softmax(np.zeros((0, 3))).shape == (0, 3)
    assert cr.softmax(np.zeros((3, 0))).shape == (3, 0)
    assert cr.log_softmax([5.0]).tolist() == [0.0]
    assert cr.softmax([5.0]).tolist() == [1.0]


def test_equal_logits_share_alike() -> None:
    np.testing.assert_allclose(cr.softmax(np.full(7, 123.0)).numpy(), 1 / 7, rtol=1e-15)
    np.testing.assert_allclose(cr.logsumexp(np.full(7, -0.5)).item(), np.log(7) - 0.5, 1e-15)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: cr.square(cr.softmax(x, 0)).sum(),
        lambda x: cr.square(cr.log_softmax(x)).sum(),
        lambda x: cr.square(cr.logsumexp(x, 1)).sum(),
    ],
)
def test_first_and_second_order(f: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    check_grads(f, (x,))
    check_grads(lambda x: (cr.grad(f)(x) * np.arange(6.0).reshape(2, 3)).sum(), (x,))


def test_residual_is_the_pull_back_of_log_softmax() -> None:
    x, g = np.random.default_rng(0).normal(size=(2, 4, 3))
    p = scipy.special.softmax(x, 1)
    found = residual_bound(cr.asarray(x), cr.asarray(g), (1,))
    np.testing.assert_allclose(found.numpy(), g - p * g.sum(1, keepdims=True), rtol=1e-12)

    def f(x: Any, g: Any) -> Any:
        return cr.sin(bind(softmax_residual_p, x, g, axes=(1,))).sum()

    check_grads(f, (x, g))


def test_delta_of_cross_entropy_is_a_minus_y() -> None:
    """The lecture's δ, as exact where a is nearly 1 as elsewhere."""
    z = np.array([[100.0, 70.0, -100.0]])
    delta = cr.grad(lambda z: cr.losses.CrossEntropy()(cr.asarray([0]), z).sum())(z)
    rest = np.exp(-30.0)
    np.testing.assert_allclose(delta.numpy()[0, :2], [-rest, rest], rtol=1e-12)
