"""Logarithms written naively: finite and accurate to 4 ulp at the extremes, gradients included."""

from collections.abc import Callable
from decimal import Decimal, getcontext
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.trace import TracedGraph
from chainrule.core.graph import Graph
from chainrule.core.mode import mode
from chainrule.passes import optimize, stabilized

LIMITS = {"float32": 100.0, "float64": 1000.0}
ULPS = 4.0

getcontext().prec = 60


def optimized(f: Callable[..., Any], *args: Any) -> Graph:
    """Trace, with stabilization before differentiation, and optimize."""

    def stabilizing(*given: Any) -> Any:
        mode.rewriter = stabilized  # tracing puts it back
        return f(*given)

    graph: TracedGraph = cr.trace(stabilizing)(*args)
    return optimize(graph)[0]


def log1p(t: Decimal) -> Decimal:
    """Return log(1 + t) to 40 digits or more."""
    return t - t * t / 2 + t * t * t / 3 if abs(t) < Decimal("1e-20") else (1 + t).ln()


def softplus(x: Decimal) -> Decimal:
    return max(x, Decimal(0)) + log1p((-abs(x)).exp())


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def ulps(found: Any, exact: Decimal) -> float:
    """Return the error in units in the last place of the exact value."""
    if not np.isfinite(found):
        return np.inf
    nearest = found.dtype.type(float(exact))
    error = abs(Decimal(float(found)) - exact)
    return float(error / Decimal(float(np.spacing(np.abs(nearest)))))


def points(dtype: str) -> Any:
    limit = LIMITS[dtype]
    near = [0.0, 1e-3, -1e-3, 5.5, -5.5, 17.2, -17.2, 30.3, -30.3, 88.0, -88.0]
    spread = np.random.default_rng(0).uniform(-limit, limit, 40)
    return np.concatenate([np.linspace(-limit, limit, 41), near, spread]).astype(dtype)


Exact = Callable[[Decimal], Decimal]
log_sigmoid: tuple[Exact, Exact] = (lambda x: -softplus(-x), lambda x: sigmoid(-x))
log_complement: tuple[Exact, Exact] = (lambda x: -softplus(x), lambda x: -sigmoid(x))
log_one_plus_exp: tuple[Exact, Exact] = (softplus, sigmoid)

FORMS: dict[str, tuple[Callable[[Any], Any], tuple[Exact, Exact]]] = {
    "log(1 + exp(x))": (lambda x: cr.log(1 + cr.exp(x)), log_one_plus_exp),
    "log(exp(x) + 1)": (lambda x: cr.log(cr.exp(x) + 1.0), log_one_plus_exp),
    "log1p(exp(x))": (lambda x: cr.log1p(cr.exp(x)), log_one_plus_exp),
    "np.log(1 + np.exp(x))": (lambda x: np.log(1 + np.exp(x)), log_one_plus_exp),
    "log(1 + exp(-x))": (
        lambda x: -cr.log(1 + cr.exp(-x)),
        log_sigmoid,
    ),
    "log(sigmoid(x))": (lambda x: cr.log(cr.sigmoid(x)), log_sigmoid),
    "log(1 / (1 + exp(-x)))": (lambda x: cr.log(1 / (1 + cr.exp(-x))), log_sigmoid),
    "log(1 / (exp(-x) + 1))": (lambda x: cr.log(1.0 / (cr.exp(-x) + 1)), log_sigmoid),
    "log((1 + exp(-x)) ** -1)": (lambda x: cr.log((1 + cr.exp(-x)) ** -1.0), log_sigmoid),
    "log(exp(x) / (1 + exp(x)))": (
        lambda x: cr.log(cr.exp(x) / (1 + cr.exp(x))),
        log_sigmoid,
    ),
    "log(1 - sigmoid(x))": (lambda x: cr.log(1 - cr.sigmoid(x)), log_complement),
    "log(-sigmoid(x) + 1)": (lambda x: cr.log(-cr.sigmoid(x) + 1), log_complement),
    "log1p(-sigmoid(x))": (lambda x: cr.log1p(-cr.sigmoid(x)), log_complement),
    "log(1 - 1 / (1 + exp(-x)))": (lambda x: cr.log(1 - 1 / (1 + cr.exp(-x))), log_complement),
    "log(1 - exp(x) / (exp(x) + 1))": (
        lambda x: cr.log(1 - cr.exp(x) / (cr.exp(x) + 1)),
        log_complement,
    ),
}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("form", FORMS)
def test_logarithms_of_sigmoids(form: str, dtype: str) -> None:
    f, (value, derivative) = FORMS[form]
    x = points(dtype)
    (found,) = optimized(f, x).evaluate(x)
    (gradient,) = optimized(cr.grad(lambda x: f(x).sum()), x).evaluate(x)
    assert found.dtype == gradient.dtype == dtype
    for at, y, g in zip(x, found, gradient, strict=True):
        exact = Decimal(float(at))
        assert ulps(y, value(exact)) <= ULPS, (form, at)
        assert ulps(g, derivative(exact)) <= ULPS, (form, at)


def test_the_same_written_naively_fails_eagerly() -> None:
    x = np.array([100.0], np.float32)
    with np.errstate(all="ignore"):
        assert cr.log(1 + cr.exp(x)).item() == np.inf
        assert cr.log(1 - cr.sigmoid(x)).item() == -np.inf


SOFTMAX: dict[str, Callable[[Any, int], Any]] = {
    "log(softmax(x)[i])": lambda x, i: cr.log(cr.softmax(x)[i]),
    "log(softmax(x))[i]": lambda x, i: cr.log(cr.softmax(x))[i],
    "log(exp(x)[i] / exp(x).sum())": lambda x, i: cr.log(cr.exp(x)[i] / cr.exp(x).sum()),
    "log((exp(x) / exp(x).sum())[i])": lambda x, i: cr.log((cr.exp(x) / cr.exp(x).sum())[i]),
    "log((e / e.sum())[i]), e = exp(x - max(x))": lambda x, i: cr.log(
        (cr.exp(x - x.max()) / cr.exp(x - x.max()).sum())[i]
    ),
    "x[i] - log(exp(x).sum())": lambda x, i: x[i] - cr.log(cr.exp(x).sum()),
    "x[i] - max(x) - log(exp(x - max(x)).sum())": lambda x, i: (
        x - x.max() - cr.log(cr.exp(x - x.max()).sum())
    )[i],
    "row of a matrix, transposed": lambda x, i: cr.log(
        cr.softmax(cr.reshape(x, 1, 5), axis=1).T[i, 0]
    ),
}


def rows(dtype: str) -> list[Any]:
    limit = LIMITS[dtype]
    rng = np.random.default_rng(1)
    found = [rng.uniform(-limit, limit, 5) for _ in range(6)]
    found += [
        np.array(row)
        for row in (
            [limit, -limit, 0, 0, 0],
            [limit, 0.7 * limit, -limit, 0, 1],
            [limit] * 5,
            [-limit] * 5,
            [limit, limit, 0.3, 0, -limit],
            [0.1, 0.2, 0.3, 0.4, 30.3],
        )
    ]
    return [row.astype(dtype) for row in found]


def log_softmax(row: Any, i: int) -> tuple[Decimal, list[Decimal]]:
    """Return the value, and the gradient by each element."""
    x = [Decimal(float(v)) for v in row]
    e = [(v - x[i]).exp() for v in x]
    others = sum((v for j, v in enumerate(e) if j != i), Decimal(0))
    gradient = [-v / (others + 1) for v in e]
    gradient[i] = others / (others + 1)
    return -log1p(others), gradient


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("form", SOFTMAX)
def test_logarithms_of_softmax(form: str, dtype: str) -> None:
    f = SOFTMAX[form]
    for i in range(5):
        graph = optimized(cr.value_and_grad(lambda x: f(x, i)), np.zeros(5, dtype))  # noqa: B023
        for row in rows(dtype):
            value, gradient = graph.evaluate(row)
            exact_value, exact_gradient = log_softmax(row, i)
            assert ulps(value, exact_value) <= ULPS, (form, row, i)
            for found, exact in zip(gradient, exact_gradient, strict=True):
                assert ulps(found, exact) <= ULPS, (form, row, i)


LABELS = np.array([2, 0, 1, 1])


def _stable_softmax_loss(z: Any) -> Any:
    return -cr.log_softmax(z)[np.arange(4), LABELS].mean()


LOSSES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "cross-entropy by indices": (
        lambda z: -cr.log(cr.softmax(z)[np.arange(4), LABELS]).mean(),
        _stable_softmax_loss,
    ),
    "cross-entropy in NumPy's style": (
        lambda z: -np.log(np.exp(z)[np.arange(4), LABELS] / np.exp(z).sum(axis=1)).mean(),
        _stable_softmax_loss,
    ),
    "cross-entropy by one-hot rows": (
        lambda z: (
            -(np.eye(3)[LABELS] * cr.log(cr.exp(z) / cr.exp(z).sum(axis=1, keepdims=True)))
            .sum(axis=1)
            .mean()
        ),
        _stable_softmax_loss,
    ),
    "cross-entropy with a shift": (
        lambda z: (
            -cr.log(
                cr.exp(z - z.max(axis=1)[:, None])
                / cr.exp(z - z.max(axis=1)[:, None]).sum(1)[:, None]
            )[np.arange(4), LABELS].mean()
        ),
        _stable_softmax_loss,
    ),
    "logsumexp minus the label's logit": (
        lambda z: (cr.log(cr.exp(z).sum(axis=1)) - z[np.arange(4), LABELS]).mean(),
        _stable_softmax_loss,
    ),
    "bounded by a smallest probability": (
        lambda z: -cr.log(cr.maximum(cr.softmax(z), 1e-300))[np.arange(4), LABELS].mean(),
        lambda z: cr.minimum(-cr.log_softmax(z), -np.log(1e-300))[np.arange(4), LABELS].mean(),
    ),
}


@pytest.mark.parametrize("form", LOSSES)
def test_cross_entropy_by_hand(form: str) -> None:
    naive, stable = LOSSES[form]
    z = np.random.default_rng(0).uniform(-1000, 1000, (4, 3))
    value, gradient = optimized(cr.value_and_grad(naive), z).evaluate(z)
    expected_value, expected_gradient = cr.value_and_grad(stable)(z)
    np.testing.assert_allclose(value, expected_value.numpy(), rtol=1e-14)
    np.testing.assert_allclose(gradient, expected_gradient.numpy(), rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    "squash",
    [cr.sigmoid, lambda z: 1 / (1 + cr.exp(-z)), lambda z: cr.exp(z) / (cr.exp(z) + 1.0)],
)
def test_binary_cross_entropy_by_hand(squash: Callable[[Any], Any]) -> None:
    y = np.array([0.0, 1.0, 0.0, 1.0, 0.25])
    z = np.array([1000.0, -1000.0, -1000.0, 1000.0, 3.0])

    def naive(z: Any) -> Any:
        p = squash(z)
        return -(y * cr.log(p) + (1 - y) * cr.log(1 - p)).mean()

    value, gradient = optimized(cr.value_and_grad(naive), z).evaluate(z)
    each = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
    np.testing.assert_allclose(value, each.mean(), rtol=1e-15)
    p = np.array([1.0, 0.0, 0.0, 1.0, 1 / (1 + np.exp(-3.0))])
    np.testing.assert_allclose(gradient, (p - y) / 5, rtol=1e-14, atol=1e-300)
