"""Derivatives of derivatives, in every combination of the modes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

Function = Callable[[Any], Any]


def by_grad(f: Function) -> Function:
    return cr.grad(f)


def by_jvp(f: Function) -> Function:
    return lambda x: cr.jvp(f, (x,), (cr.ones_like(x),))[1]


def by_vjp(f: Function) -> Function:
    def derivative(x: Any) -> Any:
        y, pull = cr.vjp(f, x)
        return pull(cr.ones_like(y))[0]

    return derivative


def by_value_and_grad(f: Function) -> Function:
    return lambda x: cr.value_and_grad(f)(x)[1]


MODES = [by_grad, by_jvp, by_vjp, by_value_and_grad]
name = lambda modes: "-".join(m.__name__[3:] for m in modes)  # noqa: E731
pairs = pytest.mark.parametrize("modes", list(itertools.product(MODES, repeat=2)), ids=name)
triples = pytest.mark.parametrize(
    "modes", list(itertools.product([by_grad, by_jvp, by_vjp], repeat=3)), ids=name
)


def derive(f: Function, modes: Any) -> Function:
    for mode in modes:
        f = mode(f)
    return f


# One variable, closed forms ------------------------------------------------------------------

POLYNOMIAL = np.polynomial.Polynomial([3.0, -2.0, 0.5, 4.0, -1.0, 0.25])


def polynomial(x: Any) -> Any:
    total = 0.0
    for k, c in enumerate(POLYNOMIAL.coef):
        total = total + float(c) * x**k
    return total


def horner(x: Any) -> Any:
    total = cr.zeros_like(x)
    for c in POLYNOMIAL.coef[::-1]:
        total = total * x + float(c)
    return total


@pytest.mark.parametrize("x", [0.0, 1.3, -2.0])
@pytest.mark.parametrize("f", [polynomial, horner])
@triples
def test_third_derivatives_of_a_polynomial(modes: Any, f: Function, x: float) -> None:
    found = derive(f, modes)(np.array(x)).item()
    assert found == pytest.approx(POLYNOMIAL.deriv(3)(x), rel=1e-12)


def tanh_derivatives(x: float) -> list[float]:
    """Return tanh and its derivatives at x, each a polynomial in y = tanh(x): P' · (1 - y²)."""
    y = np.tanh(x)
    p = np.polynomial.Polynomial([0.0, 1.0])
    found = []
    for _ in range(6):
        found.append(float(p(y)))
        p = p.deriv() * np.polynomial.Polynomial([1.0, 0.0, -1.0])
    return found


@pytest.mark.parametrize("modes", list(itertools.product([by_grad, by_jvp], repeat=4)), ids=name)
def test_fourth_derivative_of_tanh(modes: Any) -> None:
    x = np.array(0.6)
    assert derive(cr.tanh, modes)(x).item() == pytest.approx(tanh_derivatives(0.6)[4], rel=1e-12)
    assert derive(cr.exp, modes)(x).item() == pytest.approx(np.exp(0.6), rel=1e-14)
    assert derive(cr.sin, modes)(x).item() == pytest.approx(np.sin(0.6), rel=1e-14)


def test_fifth_derivative() -> None:
    f: Function = cr.tanh
    for expected in tanh_derivatives(0.6):
        assert f(np.array(0.6)).item() == pytest.approx(expected, rel=1e-12)
        f = cr.grad(f)


@pytest.mark.parametrize(
    ("f", "second"),
    [
        (cr.sigmoid, lambda x: (s := 1 / (1 + np.exp(-x))) * (1 - s) * (1 - 2 * s)),
        (cr.softplus, lambda x: (s := 1 / (1 + np.exp(-x))) * (1 - s)),
        (cr.log, lambda x: -1 / x**2),
        (cr.sqrt, lambda x: -0.25 * x**-1.5),
        (cr.rsqrt, lambda x: 0.75 * x**-2.5),
        (cr.erf, lambda x: -4 / np.sqrt(np.pi) * x * np.exp(-x * x)),
        (lambda x: 1 / x, lambda x: 2 / x**3),
        (lambda x: x**2.5, lambda x: 3.75 * x**0.5),
        (lambda x: 2.0**x, lambda x: np.log(2.0) ** 2 * 2.0**x),
        (lambda x: x**x, lambda x: x**x * ((np.log(x) + 1) ** 2 + 1 / x)),
        (lambda x: cr.relu(x) ** 3, lambda x: 6 * x),
        (lambda x: cr.maximum(x, 0) * cr.abs(x), lambda x: 2.0 + 0 * x),
    ],
)
@pairs
def test_second_derivatives(modes: Any, f: Function, second: Any) -> None:
    x = np.array(0.8)
    assert derive(f, modes)(x).item() == pytest.approx(second(0.8), rel=1e-12)


# Perturbation confusion ----------------------------------------------------------------------

outer_and_inner = pytest.mark.parametrize(
    ("outer", "inner"), list(itertools.product(MODES, MODES)), ids=lambda m: m.__name__[3:]
)


@outer_and_inner
def test_the_classic(outer: Any, inner: Any) -> None:
    """D(x ↦ x · D(y ↦ x + y)(1))(1) = 1: the inner derivative counts y only."""
    assert outer(lambda x: x * inner(lambda y: x + y)(np.array(1.0)))(np.array(1.0)).item() == 1.0


@outer_and_inner
def test_the_inner_point_is_the_outer_variable(outer: Any, inner: Any) -> None:
    """D(x ↦ D(y ↦ x y²)(x))(3) = D(2 x²)(3) = 12."""
    assert outer(lambda x: inner(lambda y: x * y * y)(x))(np.array(3.0)).item() == 12.0


@outer_and_inner
def test_the_same_function_inside(outer: Any, inner: Any) -> None:
    """D(x ↦ D(y ↦ y³)(x) · x)(2) = D(3 x³)(2) = 36, and with the variable unused, 0."""
    cube = lambda y: y * y * y  # noqa: E731
    assert outer(lambda x: inner(cube)(x) * x)(np.array(2.0)).item() == 36.0
    assert outer(lambda x: inner(cube)(np.array(2.0)))(np.array(5.0)).item() == 0.0


@outer_and_inner
def test_a_function_that_returns_the_outer_variable(outer: Any, inner: Any) -> None:
    assert outer(lambda x: inner(lambda y: x)(np.array(1.0)))(np.array(1.0)).item() == 0.0
    assert outer(lambda x: inner(lambda y: x * 2.0)(x))(np.array(1.0)).item() == 0.0


@outer_and_inner
def test_constants_stand_between(outer: Any, inner: Any) -> None:
    """stop_gradient inside the inner function cuts the outer derivative, too."""
    f = lambda x: inner(lambda y: cr.stop_gradient(x) * y)(x) + x  # noqa: E731
    assert outer(f)(np.array(3.0)).item() == 1.0


@triples
def test_three_levels(modes: Any) -> None:
    """D(x ↦ D(y ↦ D(z ↦ x y z²)(y))(x)) = D(x ↦ D(y ↦ 2 x y²)(x)) = D(4 x²) = 8 x."""
    first, second, third = modes
    f = first(lambda x: second(lambda y: third(lambda z: x * y * z * z)(y))(x))
    assert f(np.array(1.5)).item() == pytest.approx(12.0)


def test_higher_order_functions_return_functions() -> None:
    """The bug of Manzyuk et al. (2019): a derivative that returns a closure over its variable."""

    def s(offset: Any) -> Any:
        return lambda g: lambda x: g(x + offset)

    h = lambda y: cr.sin(y)  # noqa: E731
    shifted = lambda x: cr.grad(lambda u: s(u)(h)(x))(np.array(0.0))  # noqa: E731
    twice = cr.grad(shifted)(np.array(0.5)).item()
    assert twice == pytest.approx(-np.sin(0.5))


# vjp, jvp, jacobian, hessian -----------------------------------------------------------------

RNG = np.random.default_rng(0)
W = RNG.standard_normal((3, 2))
X = RNG.standard_normal(3)


def vector(x: Any) -> Any:
    return cr.tanh(x @ W)


def test_a_pullback_is_differentiable_by_point_and_by_cotangent() -> None:
    v = RNG.standard_normal(2)

    def pulled(x: Any, v: Any) -> Any:
        return cr.vjp(vector, x)[1](v)[0]

    by_v = cr.jacobian(pulled, argnums=1)(X, v).numpy()
    np.testing.assert_allclose(by_v, cr.jacobian(vector)(X).numpy().T, rtol=1e-13)
    y = np.tanh(X @ W)
    expected = np.einsum("ik,jk,k->ij", W, W, v * -2 * y * (1 - y * y))
    np.testing.assert_allclose(cr.jacobian(pulled)(X, v).numpy(), expected, rtol=1e-12)


def test_a_pullback_outlives_its_making_and_records() -> None:
    _, pull = cr.vjp(vector, X)
    linear = cr.jacobian(lambda v: pull(v)[0])(np.ones(2)).numpy()
    np.testing.assert_allclose(linear, cr.jacobian(vector)(X).numpy().T, rtol=1e-13)
    scale = cr.Parameter(2.0)
    (pull(scale * cr.ones(2, "float64"))[0].sum()).backward()
    np.testing.assert_allclose(scale.grad.item(), linear.sum(), rtol=1e-6)


def test_a_tangent_is_differentiable_by_point_and_by_direction() -> None:
    t = RNG.standard_normal(3)

    def pushed(x: Any, t: Any) -> Any:
        return cr.jvp(vector, (x,), (t,))[1]

    J = cr.jacobian(vector)(X).numpy()
    np.testing.assert_allclose(cr.jacobian(pushed, argnums=1)(X, t).numpy(), J, rtol=1e-13)
    by_x = cr.jacobian(pushed)(X, t).numpy()
    y = np.tanh(X @ W)
    expected = np.einsum("k,jk->kj", -2 * y * (1 - y * y) * (t @ W), W)
    np.testing.assert_allclose(by_x, expected, rtol=1e-12)


def test_hessian_vector_products_in_four_ways() -> None:
    t = RNG.standard_normal(3)

    def f(x: Any) -> Any:
        return cr.logsumexp(vector(x)) + (x * x * x).sum()

    H = cr.hessian(f)(X).numpy()
    np.testing.assert_allclose(H, H.T, rtol=1e-12, atol=1e-14)
    ways = [
        cr.jvp(cr.grad(f), (X,), (t,))[1],
        cr.grad(lambda x: cr.jvp(f, (x,), (t,))[1])(X),
        cr.grad(lambda x: (cr.grad(f)(x) * t).sum())(X),
        cr.vjp(cr.grad(f), X)[1](t)[0],
    ]
    for product in ways:
        np.testing.assert_allclose(product.numpy(), H @ t, rtol=1e-12)


def test_jacobian_of_a_jacobian() -> None:
    third = cr.jacobian(cr.jacobian(lambda x: x * x * x))(np.array([1.0, 2.0])).numpy()
    expected = np.zeros((2, 2, 2))
    expected[0, 0, 0], expected[1, 1, 1] = 6.0, 12.0
    np.testing.assert_array_equal(third, expected)
    assert (
        cr.hessian(lambda x: cr.hessian(lambda y: (y**4).sum())(x).sum())(np.ones(1)).item() == 24
    )


def test_derivatives_inside_a_trace() -> None:
    f = derive(cr.tanh, [by_grad, by_jvp, by_grad])
    graph = cr.trace(f)(np.array(0.0))
    assert graph(np.array(0.6)).item() == pytest.approx(tanh_derivatives(0.6)[3], rel=1e-12)
    hessian = cr.trace(cr.hessian(lambda x: cr.logsumexp(x * x)))(np.zeros(3))
    x = np.array([0.1, 0.5, -1.0])
    eager = cr.hessian(lambda x: cr.logsumexp(x * x))(x).numpy()
    np.testing.assert_allclose(hessian(x).numpy(), eager, rtol=1e-14)


# Through parameters --------------------------------------------------------------------------


def test_gradient_penalty_reaches_the_parameters() -> None:
    weights = cr.Parameter(W, name="W")

    def model(x: Any) -> Any:
        return cr.tanh(x @ weights).sum()

    g = cr.grad(lambda x: model(x))(X)
    (g * g).sum().backward()

    def penalty(w: np.ndarray) -> float:
        y = np.tanh(X @ w)
        return float(np.sum((w @ (1 - y * y)) ** 2))

    expected = np.zeros_like(W)
    for index in np.ndindex(*W.shape):
        h = np.zeros_like(W)
        h[index] = 1e-5
        expected[index] = (
            8 * (penalty(W + h) - penalty(W - h)) - (penalty(W + 2 * h) - penalty(W - 2 * h))
        ) / 12e-5
    np.testing.assert_allclose(weights.grad.numpy(), expected, rtol=1e-8)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.__name__[3:])
def test_parameters_inside_derivatives(mode: Any) -> None:
    """∂/∂w of D(x ↦ w x³)(2) = 12, whatever the inner mode."""
    w = cr.Parameter(np.array(5.0))
    slope = mode(lambda x: w * x * x * x)(np.array(2.0))
    assert slope.item() == 60.0
    slope.backward()
    assert w.grad.item() == 12.0


def test_inner_gradient_step() -> None:
    """MAML's step: the derivative through an update of the parameter that it was computed from."""
    w0 = np.array(0.5)

    def inner(w: Any) -> Any:
        return cr.square(w - 3.0)

    def outer(w: Any) -> Any:
        return cr.square(w - 0.1 * cr.grad(inner)(w) - 1.0)

    moved = 0.5 - 0.1 * 2 * (0.5 - 3.0)
    assert cr.grad(outer)(w0).item() == pytest.approx(2 * (moved - 1.0) * 0.8)
    w = cr.Parameter(w0)
    outer(w).backward()
    assert w.grad.item() == pytest.approx(2 * (moved - 1.0) * 0.8)


def test_unrolled_optimisation() -> None:
    """The derivative by the learning rate through five steps of descent on w²: wₖ = (1 - 2η)ᵏ."""

    def last(rate: Any) -> Any:
        w = cr.ones((), "float64")
        for _ in range(5):
            w = w - rate * cr.grad(cr.square)(w)
        return w

    found = cr.grad(last)(np.array(0.1)).item()
    assert found == pytest.approx(5 * 0.8**4 * -2)
    assert cr.grad(cr.grad(last))(np.array(0.1)).item() == pytest.approx(20 * 0.8**3 * 4)


def test_backward_inside_a_gradient() -> None:
    """backward() collects into .grad while an outer gradient is on its way; they do not mix."""
    w = cr.Parameter(np.array(2.0))

    def f(x: Any) -> Any:
        (w * w).backward()
        return x * x * w

    assert cr.grad(f)(np.array(3.0)).item() == 12.0
    assert w.grad.item() == 4.0
