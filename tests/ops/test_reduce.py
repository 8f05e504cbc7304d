from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError

deterministic = settings(deadline=None, derandomize=True, max_examples=150)

ORACLES: dict[str, Any] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "var": np.var,
    "std": np.std,
    "logsumexp": lambda x, **options: np.log(np.sum(np.exp(x), **options)),
}


@st.composite
def arrays_and_axes(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    """Draw an array with distinct elements and an axis argument that fits it."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, max_side=3))
    x = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)
    axes = st.sets(st.integers(0, x.ndim - 1)) if x.ndim else st.just(set())
    axis = draw(st.one_of(st.none(), axes.map(tuple)))
    if axis and draw(st.booleans()):
        axis = axis[0] - draw(st.sampled_from([0, x.ndim]))
    return np.asarray(x), axis


@pytest.mark.parametrize("name", ORACLES)
@deterministic
@given(case=arrays_and_axes(), keepdims=st.booleans())
def test_values(name: str, case: tuple[np.ndarray, Any], keepdims: bool) -> None:
    x, axis = case
    expected = ORACLES[name](x, axis=axis, keepdims=keepdims)
    found = getattr(cr, name)(x, axis=axis, keepdims=keepdims)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-15)


@deterministic
@given(case=arrays_and_axes(), keepdims=st.booleans())
def test_gradients_in_closed_form(case: tuple[np.ndarray, Any], keepdims: bool) -> None:
    """The gradient of Σ w·reduce(x): w spread back, times 1, 1/n, I(x = max), softmax."""
    x, axis = case
    w = np.asarray(
        np.random.default_rng(0).standard_normal(np.sum(x, axis=axis, keepdims=keepdims).shape)
    )
    spread = np.broadcast_to(w.reshape(np.sum(x, axis=axis, keepdims=True).shape), x.shape)
    count = x.size // max(w.size, 1)
    total = np.sum(np.exp(x), axis=axis, keepdims=True)
    expected = {
        "sum": spread,
        "mean": spread / count,
        "max": spread * (x == np.max(x, axis=axis, keepdims=True)),
        "min": spread * (x == np.min(x, axis=axis, keepdims=True)),
        "logsumexp": spread * np.exp(x) / total,
    }
    for name, gradient in expected.items():
        reduce = getattr(cr, name)
        found = cr.grad(lambda x: (w * reduce(x, axis, keepdims)).sum())(x)  # noqa: B023
        np.testing.assert_allclose(found.numpy(), gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_argmax(axis: int | None) -> None:
    x = np.array([[1.0, 5.0, 5.0], [7.0, 0.0, 7.0]])
    np.testing.assert_array_equal(cr.argmax(x, axis).numpy(), np.argmax(x, axis))
    assert cr.argmax(x, axis).dtype == "int64"
    assert cr.argmax(3.0).item() == 0
    assert not cr.argmax(cr.Parameter(x), axis).tracked


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,), (2, 0), (2, 3, 4)])
def test_cumsum(shape: tuple[int, ...]) -> None:
    x = np.asarray(np.random.default_rng(0).standard_normal(shape))
    for axis in (None, *range(-x.ndim, x.ndim)):
        expected = np.cumsum(x, axis)
        np.testing.assert_array_equal(cr.cumsum(x, axis).numpy(), expected)
        w = np.random.default_rng(1).standard_normal(expected.shape)
        found = cr.grad(lambda x: (w * cr.cumsum(x, axis)).sum())(x)  # noqa: B023
        flipped = np.flip(np.cumsum(np.flip(w, axis or 0), axis or 0), axis or 0)
        np.testing.assert_allclose(found.numpy(), flipped.reshape(shape), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", ["sum", "cumsum"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32"])
def test_sums_of_narrow_integers_do_not_overflow(function: str, dtype: str) -> None:
    x = np.full(
        70_000 if dtype in {"int16", "uint16"} else 300,
        np.iinfo(dtype).max if dtype != "bool" else True,
        dtype,
    )
    found, expected = getattr(cr, function)(x), getattr(np, function)(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.numpy(), expected)


def test_dtypes() -> None:
    assert cr.sum([True, True]).item() == 2
    assert cr.mean([1, 2]).item() == 1.5
    assert cr.mean([1, 2]).dtype == cr.sum([1.0]).dtype == cr.logsumexp([1, 2]).dtype == "float32"
    assert cr.max([1, 2]).dtype == "int64"
    assert cr.max([True, False]).dtype == "bool"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logsumexp_extremes_without_warnings(dtype: Any) -> None:
    """Warnings are errors here, so an overflow on the way fails the test."""
    large = 100.0 if dtype == np.float32 else 1000.0
    inf, nan = np.inf, np.nan
    rows = np.array(
        [
            [large, large, large],
            [-large, -large, -large],
            [large, -large, 0.0],
            [-inf, 0.0, 1.0],
            [-inf, -inf, -inf],
            [inf, large, 0.0],
            [inf, -inf, large],
            [nan, large, large],
            [nan, inf, -inf],
        ],
        dtype,
    )
    with np.errstate(all="ignore"):
        expected = scipy.special.logsumexp(rows.astype(np.float64), axis=1)
    found = cr.logsumexp(rows, axis=1).numpy()
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=2 * np.finfo(dtype).eps)
    for row, value in zip(rows, found, strict=True):
        np.testing.assert_equal(cr.logsumexp(row).numpy(), np.asarray(value))


def test_logsumexp_of_nothing() -> None:
    assert cr.logsumexp(np.zeros(0)).item() == -np.inf
    assert cr.logsumexp(np.zeros((0, 2)), axis=0).tolist() == [-np.inf, -np.inf]
    assert cr.grad(cr.logsumexp)(np.zeros(0)).shape == (0,)


def test_logsumexp_gradient_where_elements_are_minus_infinity() -> None:
    """As log_softmax under a mask needs it: what is masked out gets no gradient."""
    x = np.array([-np.inf, 0.0, 0.0])
    assert cr.grad(cr.logsumexp)(x).tolist() == [0.0, 0.5, 0.5]


@pytest.mark.parametrize("function", [cr.max, cr.min])
def test_ties_share_evenly(function: Any) -> None:
    x = np.array([[2.0, 2.0, 2.0], [1.0, 1.0, 1.0]])
    best = x == (2.0 if function is cr.max else 1.0)
    for axis, expected in [(1, np.full((2, 3), 1 / 3)), (None, best / 3)]:
        reverse = cr.grad(lambda x: function(x, axis).sum())(x).numpy()  # noqa: B023
        forward = np.reshape(
            [
                cr.jvp(lambda x: function(x, axis).sum(), (x,), (unit,))[1].item()  # noqa: B023
                for unit in np.eye(x.size).reshape(-1, *x.shape)
            ],
            x.shape,
        )
        np.testing.assert_allclose(reverse, expected, rtol=1e-15)
        np.testing.assert_allclose(forward, expected, rtol=1e-15)


def test_empty_reductions() -> None:
    assert cr.sum(np.zeros((0, 2)), axis=0).tolist() == [0.0, 0.0]
    assert cr.max(np.zeros((0, 2)), axis=1).shape == (0,)
    for function in (cr.max, cr.min, cr.argmax):
        name = function.__name__
        with pytest.raises(
            ShapeError, match=rf"{name}: got an array of shape \(0, 2\); expected at"
        ):
            function(np.zeros((0, 2)), axis=0)


@pytest.mark.parametrize("function", [cr.sum, cr.mean, cr.max, cr.min, cr.logsumexp])
def test_axis_errors(function: Any) -> None:
    x = np.ones((2, 3))
    with pytest.raises(ArgumentError, match=r"axis: got 2; expected an axis of a 2-dim.*-2 to 1"):
        function(x, axis=2)
    with pytest.raises(ArgumentError, match=r"each axis at most once"):
        function(x, axis=(0, -2))
    with pytest.raises(ArgumentError, match=r"none: the array has no axes"):
        function(1.0, axis=0)
    with pytest.raises(ArgumentError, match="axis: got 1"):
        cr.cumsum([1.0], axis=1)
    with pytest.raises(ArgumentError, match="axis: got -2"):
        cr.argmax([1.0], axis=-2)
