from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.core.errors import DtypeError, ShapeError
from chainrule.core.types import promote_dtypes

F32, F64 = np.float32, np.float64
deterministic = settings(deadline=None, derandomize=True, max_examples=100)

# Values --------------------------------------------------------------------------------------

UNARY: list[tuple[str, Callable[..., Any], tuple[float, float]]] = [
    ("negative", np.negative, (-9, 9)),
    ("square", np.square, (-9, 9)),
    ("exp", np.exp, (-9, 9)),
    ("log", np.log, (0, 9)),
    ("log1p", np.log1p, (-1, 9)),
    ("expm1", np.expm1, (-9, 9)),
    ("sqrt", np.sqrt, (0, 9)),
    ("rsqrt", lambda x: 1 / np.sqrt(x), (0, 9)),
    ("sin", np.sin, (-9, 9)),
    ("cos", np.cos, (-9, 9)),
    ("tanh", np.tanh, (-9, 9)),
    ("sigmoid", scipy.special.expit, (-40, 40)),
    ("softplus", lambda x: np.logaddexp(x, 0), (-40, 40)),
    ("erf", scipy.special.erf, (-7, 7)),
    ("sign", np.sign, (-9, 9)),
    ("floor", np.floor, (-9, 9)),
    ("abs", np.abs, (-9, 9)),
    ("isfinite", np.isfinite, (-9, 9)),
    ("isnan", np.isnan, (-9, 9)),
]
BINARY: list[tuple[str, Callable[..., Any]]] = [
    ("add", np.add),
    ("subtract", np.subtract),
    ("multiply", np.multiply),
    ("divide", np.divide),
    ("power", np.power),
    ("maximum", np.maximum),
    ("minimum", np.minimum),
    ("equal", np.equal),
    ("not_equal", np.not_equal),
    ("less", np.less),
    ("less_equal", np.less_equal),
    ("greater", np.greater),
    ("greater_equal", np.greater_equal),
    ("logical_and", np.logical_and),
    ("logical_or", np.logical_or),
]


def ulps(found: Any, expected: Any, dtype: Any) -> float:
    """Return the largest distance in units of the last place of ``expected``."""
    wide = np.asarray(expected, np.float64)
    spacing = np.spacing(np.abs(wide).astype(dtype)).astype(np.float64)
    return float(np.max(np.abs(np.asarray(found, np.float64) - wide) / spacing))


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize(("name", "oracle", "interval"), UNARY, ids=[u[0] for u in UNARY])
def test_unary_values(
    name: str, oracle: Callable[..., Any], interval: tuple[float, float], dtype: Any
) -> None:
    x = np.random.default_rng(0).uniform(*interval, 2000).astype(dtype)
    found = getattr(cr, name)(x).numpy()
    expected = oracle(x.astype(np.float64))
    if expected.dtype == bool:
        np.testing.assert_array_equal(found, expected)
    else:
        assert found.dtype == dtype
        assert ulps(found, expected, dtype) <= 4


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2,)), ((0, 2), (2,))])
@pytest.mark.parametrize(("name", "oracle"), BINARY, ids=[b[0] for b in BINARY])
def test_binary_values(name: str, oracle: Callable[..., Any], shapes: Any) -> None:
    rng = np.random.default_rng(1)
    for dtype in (F32, F64):
        x, y = (np.round(rng.uniform(0.5, 3, shape) * 2).astype(dtype) / 2 for shape in shapes)
        x, y = np.asarray(x, dtype), np.asarray(y, dtype)
        found = getattr(cr, name)(x, y).numpy()
        expected = np.asarray(oracle(x, y))
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_where_and_logic_values() -> None:
    c = np.array([[True], [False]])
    x, y = np.arange(3.0, dtype=F32), np.full((2, 3), -1, F32)
    np.testing.assert_array_equal(cr.where(c, x, y).numpy(), np.where(c, x, y))
    np.testing.assert_array_equal(cr.logical_not(c).numpy(), ~c)
    np.testing.assert_array_equal((~cr.tensor(c)).numpy(), ~c)
    np.testing.assert_array_equal((cr.tensor(c) & ~cr.tensor(c)).numpy(), c & ~c)
    np.testing.assert_array_equal((cr.tensor(c) | ~cr.tensor(c)).numpy(), c | ~c)


EXTREMES = [0.0, -0.0, 1e-30, -1e-30, 30.0, -30.0, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("sigmoid", scipy.special.expit),
        ("softplus", lambda x: np.logaddexp(x, 0)),
        ("erf", scipy.special.erf),
        ("tanh", np.tanh),
    ],
)
@pytest.mark.parametrize(("dtype", "large"), [(F64, 1000.0), (F32, 100.0)])
def test_extremes_without_warnings(
    name: str, oracle: Callable[..., Any], dtype: Any, large: float
) -> None:
    """Warnings are errors here, so an overflow on the way fails the test."""
    x = np.array([*EXTREMES, large, -large], dtype)
    found = getattr(cr, name)(x).numpy()
    with np.errstate(all="ignore"):
        expected = oracle(x.astype(np.float64))
    info = np.finfo(dtype)
    np.testing.assert_allclose(found, expected, 4 * info.eps, 2 * info.smallest_subnormal)
    finite = np.isfinite(expected)
    assert (np.signbit(found) == np.signbit(expected))[finite].all()
    gradient = cr.grad(lambda x: getattr(cr, name)(x).sum())(x).numpy()
    assert np.isfinite(gradient[np.isfinite(x)]).all()
    # one element by one: 0-d arrays take other paths through NumPy
    for a, b in zip(x, found, strict=True):
        np.testing.assert_equal(getattr(cr, name)(np.asarray(a)).numpy(), np.asarray(b))


def test_small_results_keep_their_digits() -> None:
    np.testing.assert_allclose(cr.sigmoid(np.array([-700.0])).numpy(), np.exp([-700.0]), rtol=1e-15)
    np.testing.assert_allclose(
        cr.softplus(np.array([-700.0])).numpy(), np.exp([-700.0]), rtol=1e-15
    )
    np.testing.assert_allclose(cr.expm1(np.array([1e-12])).numpy(), [1e-12], rtol=1e-11)
    np.testing.assert_allclose(cr.log1p(np.array([1e-12])).numpy(), [1e-12], rtol=1e-11)


def test_nan_propagates_through_maximum_and_minimum() -> None:
    x, y = np.array([np.nan, 1.0]), np.array([0.0, np.nan])
    assert np.isnan(cr.maximum(x, y).numpy()).all()
    assert np.isnan(cr.minimum(x, y).numpy()).all()
    assert np.isnan(cr.maximum(x, 0).numpy()).tolist() == [True, False]


# Dtypes --------------------------------------------------------------------------------------

ARITHMETIC = [operator.add, operator.sub, operator.mul]
DTYPES = ["bool", "int8", "int32", "int64", "uint8", "uint32", "uint64", "float32", "float64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2.5), np.int64(2), 10**6])
def test_numbers_take_the_dtype_of_a_float_array(dtype: str, number: Any) -> None:
    x = cr.ones(3, dtype)
    for operation in (*ARITHMETIC, operator.truediv, operator.pow):
        assert operation(x, number).dtype == dtype
        assert operation(number, x).dtype == dtype
    assert cr.maximum(x, number).dtype == cr.where(x > 0, x, number).dtype == dtype
    assert cr.maximum(number, x).dtype == cr.where(x > 0, number, x).dtype == dtype


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint32", "uint64"])
def test_numbers_met_by_an_integer_array(dtype: str) -> None:
    x = cr.ones(3, dtype)
    for operation in ARITHMETIC:
        assert operation(x, 1).dtype == operation(1, x).dtype == dtype
        assert operation(x, 1.5).dtype == operation(1.5, x).dtype == "float32"
        assert operation(x, np.float64(1.5)).dtype == "float32"
    assert (x / 2).dtype == (2 / x).dtype == (x / x).dtype == "float32"
    assert (x + True).dtype == dtype
    assert cr.exp(x).dtype == "float32"
    assert (x**2).dtype == dtype


def test_numbers_met_by_a_bool_array() -> None:
    x = cr.tensor([True, False])
    assert (x + 1).dtype == (1 + x).dtype == "int64"
    assert (x + 1.0).dtype == "float32"
    assert (x & x).dtype == "bool"
    assert (x == 1).tolist() == [True, False]


def test_two_numbers() -> None:
    assert cr.add(1, 2).dtype == "int64"
    assert cr.add(1, 2.0).dtype == cr.add(1.0, 2).dtype == cr.add(True, 2.0).dtype == "float32"
    assert cr.add(True, 2).dtype == cr.add(2, True).dtype == "int64"
    assert cr.divide(1, 2).item() == 0.5


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_arrays_meet_in_the_promoted_dtype(first: str, second: str) -> None:
    x, y = cr.ones(2, first), cr.ones(2, second)
    expected = promote_dtypes(x.dtype, y.dtype)
    assert (x + y).dtype == (y + x).dtype == expected
    assert cr.where(cr.tensor(True), x, y).dtype == expected
    assert (x == y).tolist() == [True, True]


def test_numbers_do_not_lose_precision_with_float64() -> None:
    assert (cr.zeros(1, "float64") + 0.1).item() == 0.1
    assert (cr.zeros(1, "float64") + np.float64(0.1)).item() == 0.1


@pytest.mark.parametrize("function", ["negative", "square", "abs", "sign", "cumsum", "sum"])
def test_integers_stay_integers(function: str) -> None:
    found = getattr(cr, function)(np.array([-3, 4]))
    expected = getattr(np, function)(np.array([-3, 4]))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(("name", "number"), [("less", 300), ("equal", 300), ("greater", -1)])
def test_a_number_beyond_the_integer_dtype_raises(name: str, number: int) -> None:
    with pytest.raises(OverflowError, match="out of bounds for uint8"):
        getattr(cr, name)(np.array([1], np.uint8), number)


def test_cast() -> None:
    x = cr.tensor([1.5, -2.5])
    assert x.astype("int32").tolist() == [1, -2]
    assert x.astype("bool").tolist() == [True, True]
    assert cr.cast(x, x.dtype) is x
    assert cr.cast(x, "float32") is x
    assert cr.cast([1, 2], float).dtype == "float64"
    with pytest.raises(DtypeError, match=r"dtype: got complex64; expected float32"):
        x.astype("complex64")
    narrowed = cr.grad(lambda x: (cr.cast(x, "float32") * 3.0).sum())(np.array([1.0, 2.0]))
    assert narrowed.dtype == "float64"
    assert narrowed.tolist() == [3.0, 3.0]
    assert cr.grad(lambda x: cr.cast(cr.cast(x, "int64"), "float32") + x)(2.7).item() == 1.0


# Kinks and special points of the derivatives -------------------------------------------------


def slope(f: Callable[..., Any], x: float) -> float:
    """Return the derivative, by reverse mode; forward mode must agree."""
    reverse = cr.grad(f)(x).item()
    assert cr.jvp(f, (x,), (1.0,))[1].item() == reverse
    return float(reverse)


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: cr.maximum(x, 0), 0.0),
        (lambda x: cr.maximum(0, x), 0.0),
        (lambda x: cr.maximum(x, 0.0), 0.0),
        (lambda x: cr.maximum(0.0, x), 0.0),
        (lambda x: cr.minimum(x, 0), 1.0),
        (lambda x: cr.minimum(0, x), 1.0),
        (lambda x: cr.maximum(x, cr.zeros(())), 0.5),
        (lambda x: cr.maximum(cr.zeros(()), x), 0.5),
        (lambda x: cr.minimum(x, cr.zeros(())), 0.5),
        (lambda x: cr.minimum(cr.zeros(()), x), 0.5),
        (lambda x: cr.maximum(x, x), 1.0),
        (lambda x: cr.minimum(x, x), 1.0),
        (lambda x: cr.maximum(x, -x), 0.0),
        (cr.abs, 0.0),
        (cr.sign, 0.0),
        (cr.floor, 0.0),
        (lambda x: x**2, 0.0),
        (lambda x: x**1.0, 1.0),
        (lambda x: x**0.0, 0.0),
        (lambda x: x ** cr.zeros(()), 0.0),
        (lambda x: cr.zeros(()) ** (x + 1.0), 0.0),
    ],
)
def test_derivative_at_zero(f: Callable[..., Any], expected: float) -> None:
    assert slope(f, 0.0) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ties_share_one(dtype: str) -> None:
    x = cr.ones(3, dtype)
    for function in (cr.maximum, cr.minimum):
        gx, gy = cr.vjp(function, x, x)[1](x)
        assert gx.tolist() == gy.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("x", [0.0, 2.0, -2.0])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_power_by_whole_numbers_to_any_order(x: float, n: int) -> None:
    """The k-th derivative of xⁿ is n!/(n-k)! xⁿ⁻ᵏ, and 0 beyond; at 0 and below too."""

    def f(x: cr.Tensor) -> cr.Tensor:
        return x ** float(n)

    expected = np.polynomial.Polynomial([0] * n + [1])
    for _ in range(4):
        assert f(cr.tensor(x)).item() == cr.trace(f)(x)(x).item() == expected(x)
        f, expected = cr.grad(f), expected.deriv()


def test_power_by_the_exponent() -> None:
    slopes = cr.jacobian(lambda y: cr.power(np.array([0.0, 2.0]), y))(np.array(3.0))
    np.testing.assert_allclose(slopes.numpy(), [0.0, 8 * np.log(2.0)], rtol=1e-15)
    with pytest.raises(ShapeError, match="negative integer powers"):
        cr.tensor([2]) ** -1


def test_where_does_not_let_the_other_branch_through() -> None:
    x = np.array([-1.0, 4.0])

    def f(x: cr.Tensor) -> cr.Tensor:
        safe = cr.where(x > 0, x, 1.0)
        return cr.where(x > 0, cr.sqrt(safe), 0.0).sum()

    assert cr.grad(f)(x).tolist() == [0.0, 0.25]
    with pytest.raises(DtypeError, match=r"condition: got dtype float32; expected bool\. Compare"):
        cr.where(cr.ones(2), 1.0, 0.0)


# Broadcasting --------------------------------------------------------------------------------


@deterministic
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3))
def test_gradients_take_the_shape_of_their_argument(shapes: Any) -> None:
    """The gradient by x of Σ w·x·y is Σ w·y over the axes along which x was repeated."""
    rng = np.random.default_rng(0)
    x, y = (np.asarray(rng.standard_normal(shape)) for shape in shapes.input_shapes)
    w = np.asarray(rng.standard_normal(shapes.result_shape))
    gx, gy = cr.grad(lambda x, y: (w * x * y).sum(), argnums=(0, 1))(x, y)
    for found, argument, other in ((gx, x, y), (gy, y, x)):
        full = w * other
        extra = full.ndim - argument.ndim
        axes = tuple(
            i for i in range(full.ndim) if i < extra or argument.shape[i - extra] != full.shape[i]
        )
        assert found.shape == argument.shape
        np.testing.assert_allclose(
            found.numpy(), full.sum(axis=axes).reshape(argument.shape), rtol=1e-12, atol=1e-14
        )


def test_shapes_that_do_not_broadcast() -> None:
    for left, right in [(cr.ones(2), cr.ones(3)), (np.ones((2, 2)), cr.ones((3, 2)))]:
        with pytest.raises(ShapeError, match=r"expected shapes that broadcast"):
            left * right


@deterministic
@given(
    st.sampled_from([F32, F64]),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5),
    st.floats(-1e6, 1e6, width=32),
)
def test_operators_are_those_of_numpy(dtype: Any, values: list[float], number: float) -> None:
    x = np.array(values, dtype)
    for operation in (*ARITHMETIC, operator.lt, operator.le, operator.eq, operator.ge, operator.ne):
        np.testing.assert_array_equal(operation(cr.tensor(x), number).numpy(), operation(x, number))
        np.testing.assert_array_equal(operation(number, cr.tensor(x)).numpy(), operation(number, x))
    np.testing.assert_array_equal((-cr.tensor(x)).numpy(), -x)
    np.testing.assert_array_equal(abs(cr.tensor(x)).numpy(), abs(x))
