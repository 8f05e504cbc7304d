"""Further spellings of stable logarithms, shares and tanh, values and gradients at the extremes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.compiler.trace import TracedGraph
from chainrule.core.graph import Graph
from chainrule.core.mode import mode
from chainrule.core.tensor import unknown
from chainrule.core.types import ArrayType
from chainrule.passes import optimize, stabilized
from chainrule.passes.logarithms import has_log
from chainrule.passes.patterns import Context

LIMITS = {"float32": 100.0, "float64": 1000.0}


def optimized(f: Callable[..., Any], *args: Any) -> Graph:
    """Trace, with stabilization before differentiation, and optimize."""

    def stabilizing(*given: Any) -> Any:
        mode.rewriter = stabilized  # tracing puts it back
        return f(*given)

    graph: TracedGraph = cr.trace(stabilizing)(*args)
    return optimize(graph)[0]


def check(
    naive: Callable[[Any], Any],
    stable: Callable[[Any], Any],
    x: Any,
    absolute: float = 0.0,
    gradient_ulps: float = 0.0,
) -> None:
    """Hold values and gradients of a naive form against a stable one in float64, to 4 ulp.

    Args:
        naive: what a user writes.
        stable: an accurate form of the same.
        x: argument.
        absolute: units in the last place of 1 that the value may be off: where a result close to
            0 is a sum of terms that are not.
        gradient_ulps: the same of the gradient.
    """
    eps, tiny = float(np.finfo(x.dtype).eps), float(np.finfo(x.dtype).tiny)

    def weighted(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def g(x: Any) -> Any:
            y = cr.asarray(f(x))
            weights = np.linspace(0.5, 1.5, y.size).reshape(y.shape).astype(y.dtype)
            return (y * weights).sum(), y

        return cr.value_and_grad(g, has_aux=True)

    wide = x.astype(np.float64)
    (_, exact), exact_gradient = weighted(stable)(wide)
    with np.errstate(all="raise", under="ignore"):
        _, value, gradient = optimized(weighted(naive), x).evaluate(x)
    assert value.dtype == gradient.dtype == x.dtype
    np.testing.assert_allclose(value, exact.numpy(), rtol=4 * eps, atol=absolute * eps + tiny)
    np.testing.assert_allclose(
        gradient, exact_gradient.numpy(), rtol=8 * eps, atol=gradient_ulps * eps + tiny
    )


def matrix(dtype: str) -> Any:
    limit = LIMITS[dtype]
    rows = np.random.default_rng(0).uniform(-limit, limit, (8, 3))
    rows[:5] = [
        *([limit, -limit, 0.0], [-limit, limit, limit], [limit] * 3, [-limit] * 3, [0.5, 0.25, 0]),
    ]
    return rows.astype(dtype)


def line(dtype: str) -> Any:
    limit = LIMITS[dtype]
    near = [1e-3, -1e-3, 0.25, 5.5, -5.5, 17.2, -17.2, 88.0, -88.0]
    return np.concatenate([np.linspace(-limit, limit, 41), near]).astype(dtype)


N, LABELS = np.arange(8), np.array([2, 0, 1, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3)[LABELS]


def _one_hot(x: Any) -> Any:
    return ONE_HOT.astype(x.dtype)


def _by_hand(x: Any) -> Any:
    e = cr.exp(x)
    return e / e.sum(1, keepdims=True)


def _picked(x: Any) -> Any:
    return cr.log_softmax(x)[N, LABELS]


def _ones(x: Any, *shape: int) -> Any:
    return np.ones(shape, x.dtype)


def _with(e: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: e(cr.exp(x))


#: Of a matrix of logits: what a user writes, the accurate form, absolute ulps.
MATRIX: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
    "-log((onehot*softmax(x)).sum(1))": (
        lambda x: -cr.log((_one_hot(x) * cr.softmax(x)).sum(1)),
        lambda x: -_picked(x),
        0,
    ),
    "-log((e/e.sum(1)*onehot).sum(1))": (
        lambda x: -cr.log((_by_hand(x) * _one_hot(x)).sum(1)),
        lambda x: -_picked(x),
        0,
    ),
    "log(where(onehot, softmax(x), 0).sum(1))": (
        lambda x: cr.log(cr.where(ONE_HOT > 0, cr.softmax(x), 0.0).sum(1)),
        _picked,
        0,
    ),
    "log(where(others, 0, softmax(x)).sum(1))": (
        lambda x: cr.log(cr.where(ONE_HOT == 0, 0.0, cr.softmax(x)).sum(1)),
        _picked,
        0,
    ),
    "log(1/softmax(x)[n,i])": (
        lambda x: cr.log(1 / cr.softmax(x)[N, LABELS]),
        lambda x: -_picked(x),
        0,
    ),
    "log(1/(e/e.sum(1))[n,i])": (
        lambda x: cr.log(1 / _by_hand(x)[N, LABELS]),
        lambda x: -_picked(x),
        0,
    ),
    "log(softmax(x)[n,i]/softmax(x)[:,0])": (
        lambda x: cr.log(cr.softmax(x)[N, LABELS] / cr.softmax(x)[:, 0]),
        lambda x: _picked(x) - cr.log_softmax(x)[:, 0],
        8,
    ),
    "log(softmax(x)*prior)": (
        lambda x: cr.log(cr.softmax(x) * np.array([0.5, 0.3, 0.2], x.dtype)),
        lambda x: cr.log_softmax(x) + np.log(np.array([0.5, 0.3, 0.2], x.dtype)).astype(x.dtype),
        2,
    ),
    "log(softmax(x)[:,:2].sum(1))": (
        lambda x: cr.log(cr.softmax(x)[:, :2].sum(1)),
        lambda x: cr.logsumexp(cr.log_softmax(x)[:, :2], 1),
        2,
    ),
    "e/(e@ones)[:,None]": (_with(lambda e: e / (e @ _ones(e, 3))[:, None]), cr.softmax, 0),
    "e/(e@ones column)": (_with(lambda e: e / (e @ _ones(e, 3, 1))), cr.softmax, 0),
    "e/(e@ones square)": (_with(lambda e: e / (e @ _ones(e, 3, 3))), cr.softmax, 0),
    "e/(ones@e)": (_with(lambda e: e / (_ones(e, 8) @ e)), lambda x: cr.softmax(x, 0), 0),
    "e/(e[:,0]+e[:,1]+e[:,2])[:,None]": (
        _with(lambda e: e / (e[:, 0] + e[:, 1] + e[:, 2])[:, None]),
        cr.softmax,
        0,
    ),
    "e/(e[:,:1]+e[:,1:2]+e[:,2:])": (
        _with(lambda e: e / (e[:, 2:] + (e[:, :1] + e[:, 1:2]))),
        cr.softmax,
        0,
    ),
    "e/(e.mean(1)*k)": (
        _with(lambda e: e / (e.mean(1, keepdims=True) * e.shape[1])),
        cr.softmax,
        0,
    ),
    "e/e.mean(1)": (
        _with(lambda e: e / e.mean(1, keepdims=True)),
        lambda x: cr.softmax(x) * 3.0,
        0,
    ),
    "log(e/e.mean(1))": (
        _with(lambda e: cr.log(e / e.mean(1, keepdims=True))),
        lambda x: cr.log_softmax(x) + np.log(3.0).astype(x.dtype),
        2,
    ),
    "log((exp(x)*2).sum())": (
        lambda x: cr.log((cr.exp(x) * 2).sum(1)),
        lambda x: cr.logsumexp(x, 1) + np.log(2.0).astype(x.dtype),
        2,
    ),
    "log((exp(x)/3).sum())": (
        lambda x: cr.log((cr.exp(x) / 3).sum(1)),
        lambda x: cr.logsumexp(x, 1) - np.log(3.0).astype(x.dtype),
        2,
    ),
    "log(mean(exp(x)))": (
        lambda x: cr.log(cr.exp(x).mean(1)),
        lambda x: cr.logsumexp(x, 1) - np.log(3.0).astype(x.dtype),
        2,
    ),
    "log(exp(x)@ones)": (
        lambda x: cr.log(cr.exp(x) @ _ones(x, 3)),
        lambda x: cr.logsumexp(x, 1),
        0,
    ),
    "log(exp(x[0])+exp(x[1]))": (
        lambda x: cr.log(cr.exp(x[:, 0]) + cr.exp(x[:, 1])),
        lambda x: cr.logsumexp(x[:, :2], 1),
        0,
    ),
    "log(sum(exp(x[i]) for i in range(3)))": (
        lambda x: cr.log(sum(cr.exp(x[:, i]) for i in range(3))),
        lambda x: cr.logsumexp(x, 1),
        0,
    ),
    "log(e[0]+e[1]+e[2])": (
        _with(lambda e: cr.log(e[:, 0] + e[:, 1] + e[:, 2])),
        lambda x: cr.logsumexp(x, 1),
        0,
    ),
    "log(1+exp(x[0])+exp(x[1]))": (
        lambda x: cr.log(1 + cr.exp(x[:, 0]) + cr.exp(x[:, 1])),
        lambda x: cr.logsumexp(cr.concatenate([x[:, :2], cr.zeros((8, 1), x.dtype)], 1), 1),
        2,
    ),
    "log((softmax(x)+softmax(-x))/2)": (
        lambda x: cr.log((cr.softmax(x) + cr.softmax(-x)) / 2),
        lambda x: (
            cr.logsumexp(cr.stack([cr.log_softmax(x), cr.log_softmax(-x)]), 0)
            - np.log(2.0).astype(x.dtype)
        ),
        2,
    ),
    "log(exp(x)+exp(-x))": (
        lambda x: cr.log(cr.exp(x) + cr.exp(-x)),
        lambda x: cr.abs(x) + cr.softplus(-2 * cr.abs(x)),
        0,
    ),
}

#: Of single numbers.
LINE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
    "log(.5*(1+tanh(x/2)))": (
        lambda x: cr.log(0.5 * (1 + cr.tanh(x / 2))),
        lambda x: -cr.softplus(-x),
        0,
    ),
    "log(.5*(1-tanh(x/2)))": (
        lambda x: cr.log(0.5 * (1 - cr.tanh(x / 2))),
        lambda x: -cr.softplus(x),
        0,
    ),
    "log(2*sigmoid(x))": (
        lambda x: cr.log(2 * cr.sigmoid(x)),
        lambda x: np.log(2.0) - cr.softplus(-x),
        2,
    ),
    "log(sigmoid(x)/3)": (
        lambda x: cr.log(cr.sigmoid(x) / 3),
        lambda x: -cr.softplus(-x) - np.log(3.0),
        2,
    ),
    "log(sigmoid(x)**2)": (
        lambda x: cr.log(cr.sigmoid(x) ** 2),
        lambda x: -2 * cr.softplus(-x),
        0,
    ),
    "log(sigmoid(x)**0.7)": (
        lambda x: cr.log(cr.sigmoid(x) ** 0.7),
        lambda x: -float(np.asarray(0.7, x.dtype)) * cr.softplus(-x),
        0,
    ),
    "log(sigmoid(x)*sigmoid(x))": (
        lambda x: cr.log(cr.sigmoid(x) * cr.sigmoid(x)),
        lambda x: -2 * cr.softplus(-x),
        0,
    ),
    "log(square(sigmoid(x)))": (
        lambda x: cr.log(cr.square(cr.sigmoid(x))),
        lambda x: -2 * cr.softplus(-x),
        0,
    ),
    "log(sqrt(sigmoid(x)))": (
        lambda x: cr.log(cr.sqrt(cr.sigmoid(x))),
        lambda x: -0.5 * cr.softplus(-x),
        0,
    ),
    "log(rsqrt(sigmoid(x)))": (
        lambda x: cr.log(cr.rsqrt(cr.sigmoid(x))),
        lambda x: 0.5 * cr.softplus(-x),
        0,
    ),
    "log(1/sigmoid(x))": (lambda x: cr.log(1 / cr.sigmoid(x)), lambda x: cr.softplus(-x), 0),
    "log(1/sqrt(1+exp(x)))": (
        lambda x: cr.log(1 / cr.sqrt(1 + cr.exp(x))),
        lambda x: -0.5 * cr.softplus(x),
        0,
    ),
    "log((3*sigmoid(x))[::-1])": (
        lambda x: cr.log((3 * cr.sigmoid(x))[::-1]),
        lambda x: (np.log(3.0) - cr.softplus(-x))[::-1],
        2,
    ),
}

#: Of single numbers, tanh: whose gradient, 1 - tanh², is as it is of cr.tanh.
TANH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "(exp(2x)-1)/(exp(2x)+1)": (
        lambda x: (cr.exp(2 * x) - 1) / (cr.exp(2 * x) + 1),
        cr.tanh,
    ),
    "(1-exp(-2x))/(1+exp(-2x))": (
        lambda x: (1 - cr.exp(-2 * x)) / (1 + cr.exp(-2 * x)),
        cr.tanh,
    ),
    "(e^x-e^-x)/(e^x+e^-x)": (
        lambda x: (cr.exp(x) - cr.exp(-x)) / (cr.exp(x) + cr.exp(-x)),
        cr.tanh,
    ),
    "(e-1/e)/(e+1/e)": (
        _with(lambda e: (e - 1 / e) / (e + 1 / e)),
        cr.tanh,
    ),
    "2/(1+exp(-2x))-1": (lambda x: 2 / (1 + cr.exp(-2 * x)) - 1, cr.tanh),
    "2*sigmoid(2x)-1": (lambda x: 2 * cr.sigmoid(2 * x) - 1, cr.tanh),
}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("form", MATRIX)
def test_of_matrices(form: str, dtype: str) -> None:
    # Where shares are weighted, what is left of a gradient may be a difference of larger terms.
    check(*MATRIX[form][:2], matrix(dtype), MATRIX[form][2], gradient_ulps=4)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("form", LINE)
def test_of_numbers(form: str, dtype: str) -> None:
    check(*LINE[form][:2], line(dtype), LINE[form][2])


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("form", TANH)
def test_of_tanh(form: str, dtype: str) -> None:
    check(*TANH[form], line(dtype), gradient_ulps=4)


def test_one_hot_rows_that_are_inputs() -> None:
    x, y = matrix("float32"), ONE_HOT.astype(np.float32)
    f = cr.value_and_grad(lambda x, y: -cr.log((y * cr.softmax(x)).sum(1)).mean())
    value, gradient = optimized(f, x, y).evaluate(x, y)
    wide = x.astype(np.float64)
    log_p = wide - scipy.special.logsumexp(wide, 1, keepdims=True)
    np.testing.assert_allclose(value, -log_p[N, LABELS].mean(), rtol=1e-6)
    np.testing.assert_allclose(gradient, (np.exp(log_p) - y) / 8, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("weights", ["signed", "zero"])
def test_weights_of_any_sign(weights: str) -> None:
    """Σ w p of weights that are no shares: equal to what was written, wherever that is finite."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4))
    x[0, 1] = 5.0
    w = rng.normal(size=(5, 4)) if weights == "signed" else np.zeros((5, 4))
    w[:, 0] += 3 * (weights == "signed")

    def f(x: Any, w: Any) -> Any:
        return cr.log((cr.softmax(x) * w).sum(1))

    with np.errstate(all="ignore"):
        expected = f(x, w).numpy()
        (found,) = optimized(f, x, w).evaluate(x, w)
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        both = cr.grad(lambda x, w: f(x, w).sum(), (0, 1))
        if weights == "signed":
            w[0, 1] = 0.0  # of the largest: the derivative by it is not 0
            for mine, theirs in zip(optimized(both, x, w).evaluate(x, w), both(x, w), strict=True):
                np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-12)


def test_infinite_logits() -> None:
    """Both -inf: exp(x0) + exp(x1) is 0, and its logarithm -inf, not NaN."""
    x = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [-np.inf, 3.0]])
    graph = optimized(lambda x: cr.log(cr.exp(x[:, 0]) + cr.exp(x[:, 1])), x)
    np.testing.assert_array_equal(graph.evaluate(x)[0], [-np.inf, np.inf, 3.0])


def test_what_a_program_hides_from_differentiation_is_not_taken_apart() -> None:
    """The gradient by e = exp(x), where it has vanished, is not that of log(e)."""

    def f(x: Any) -> Any:
        e = cr.exp(x)
        return cr.grad(lambda e: cr.log((e * 2.0).sum()))(e)

    x = np.array([-1000.0, 0.0])
    np.testing.assert_array_equal(optimized(f, x).evaluate(x)[0], [1.0, 1.0])


def test_a_variable_has_no_logarithm() -> None:
    e = cr.exp(unknown(ArrayType((3,), np.dtype("float32")), tracked=True))
    assert has_log(e, Context(frozenset(), True))
    assert has_log(e * 2.0 + e, Context(frozenset(), True))
    assert not has_log(e, Context(frozenset([e]), True))
    assert not has_log(e * 2.0, Context(frozenset([e]), False))
    assert not has_log(e - 1.0, Context(frozenset(), True))


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: cr.log(2.0 * x), ["multiply", "log"]),
        (lambda x: cr.log(x / cr.sum(x)), ["sum", "divide", "log"]),
        (lambda x: cr.log(cr.square(x)), ["square", "log"]),
        (lambda x: cr.log(cr.sqrt(x)), ["sqrt", "log"]),
        (lambda x: cr.log(-2.0 * cr.sigmoid(x)), ["sigmoid", "multiply", "log"]),
        (lambda x: cr.log(cr.sigmoid(x) + 1e-7), ["sigmoid", "add", "log"]),
        (lambda x: cr.log(cr.exp(x) - cr.exp(-x)), ["exp", "negative", "exp", "subtract", "log"]),
        (lambda x: cr.log((x * x).sum(1)), ["square", "sum", "log"]),
        (lambda x: x[0] + x[1], ["slice", "reshape", "slice", "reshape", "add"]),
        (lambda x: x / (cr.sum(x) * 2.0), ["sum", "multiply", "divide"]),
    ],
)
def test_others_stay(f: Callable[[Any], Any], expected: list[str]) -> None:
    graph = optimized(f, np.ones((3, 4)))
    assert [node.primitive.name for node in graph.nodes if node.primitive] == expected
