from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr

jax = pytest.importorskip("jax")
jnp, nn, special = jax.numpy, jax.nn, jax.scipy.special

LABELS = np.array([2, 0, 1, 2])
ROWS, COLUMNS = np.array([0, 2, 2, -1]), np.array([1, 1, 0, 2])


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    return nn.standardize(x, axis=-1, epsilon=1e-5) * scale + shift


def cross_entropy(x: Any) -> Any:
    return -nn.log_softmax(x)[jnp.arange(4), LABELS].mean()


def indexing(x: Any) -> Any:
    parts = [x[ROWS, COLUMNS], x[::-2, 1, 1:].sum(0), x[1, :, None, ROWS], x[..., -1].T]
    return jnp.concatenate([jnp.exp(part).reshape(-1) for part in parts])


def scattering(x: Any, v: Any) -> Any:
    sums = jax.ops.segment_sum(jnp.tanh(v), np.array([0, 1, 1, 3, 0, 1]), 4)
    return (x * x).at[ROWS].add(v[:4] * sums)


def joining(x: Any, y: Any) -> Any:
    wide = jnp.concatenate([x, y**2, x * y], axis=1)
    padded = jnp.pad(jnp.sin(wide), ((1, 0), (0, 2)), constant_values=0.5)
    return jnp.stack([padded, jnp.flip(padded, 1)], axis=1).transpose(2, 0, 1)


def reductions(x: Any) -> Any:
    return jnp.concatenate(
        [x.max(0), x.min(1), jnp.std(x, 0), jnp.var(x, 1), jnp.cumsum(x, axis=1)[0]]
    )


def arithmetic(x: Any, y: Any) -> Any:
    positive = x**2 + 0.5
    return (
        jnp.sqrt(positive) ** (y / 3)
        - jnp.log1p(positive) / (jnp.cos(y) + 2)
        + jnp.expm1(jnp.minimum(x, y)) * jnp.abs(x - y)
        + jnp.where(x > y, nn.relu(x) ** 3, y)
    )


THEIRS: dict[str, Callable[..., Any]] = {
    "softmax": lambda x: nn.softmax(x, 1),
    "softmax_of_the_library": lambda x: nn.softmax(x * 30, 0),
    "log_softmax": lambda x: nn.log_softmax(x * 30),
    "logsumexp": lambda x: special.logsumexp(x * 5, (0, 2)),
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "swish": nn.silu,
    "mish": nn.mish,
    "relu_family": lambda x: jnp.stack(
        [nn.relu(x), nn.leaky_relu(x, 0.2), nn.elu(x, 0.7), jnp.clip(x, -0.5, 0.5)]
    ),
    "layer_norm": layer_norm,
    "cross_entropy": lambda x: cross_entropy(x * 10),
    "cross_entropy_by_one_hot": cross_entropy,
    "binary_cross_entropy": lambda x, t: (
        -(nn.sigmoid(t) * nn.log_sigmoid(x) + nn.sigmoid(-t) * nn.log_sigmoid(-x)).mean()
    ),
    "multilayer_perceptron": lambda x, W1, b1, W2, b2: nn.sigmoid(jnp.tanh(x @ W1 + b1) @ W2 + b2),
    "attention": lambda q, k, v: jnp.einsum(
        "bij,bjd->bid", nn.softmax(jnp.einsum("bid,bjd->bij", q, k) / math.sqrt(4)), v
    ),
    "matmul_chain": lambda a, B, C, d: (
        jnp.einsum("i,ij,bjk,k->b", a, B, C, d) + jnp.einsum("ij,i,bjk,k->", B, d, C, a)
    ),
    "indexing": indexing,
    "scattering": scattering,
    "joining": joining,
    "reductions": reductions,
    "arithmetic": arithmetic,
}


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.numpy(), np.asarray(expected), rtol=1e-10, atol=1e-12)


def totals(case: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the composite as a function to one number, ours and theirs."""
    w, theirs = case.weights(), THEIRS[case.name]
    return (
        lambda *zs: (w * case.function(*zs)).sum(),
        lambda *zs: (w * theirs(*zs)).sum(),
    )


def test_each_composite_has_its_counterpart(composites: Any) -> None:
    assert set(THEIRS) == set(composites)


def test_values_and_forward_mode(case: Any) -> None:
    xs, ts = case.arguments(), case.directions()
    y, t = cr.jvp(case.function, xs, ts)
    expected_y, expected_t = jax.jvp(THEIRS[case.name], tuple(xs), tuple(ts))
    assert expected_y.dtype == "float64"
    close(y, expected_y)
    close(t, expected_t)


def test_gradients_and_hessian_vector_products(case: Any) -> None:
    xs, ts = case.arguments(), case.directions()
    numbers = tuple(range(len(xs)))
    ours, theirs = totals(case)
    gradients, products = cr.jvp(cr.grad(ours, argnums=numbers), xs, ts)
    slopes = jax.grad(theirs, argnums=numbers)
    expected = jax.jit(lambda *pair: jax.jvp(slopes, *pair))(tuple(xs), tuple(ts))
    for found, other in zip((*gradients, *products), (*expected[0], *expected[1]), strict=True):
        close(found, other)


def test_jacobians(case: Any) -> None:
    xs = case.arguments()
    numbers = tuple(range(len(xs)))
    expected = jax.jit(jax.jacrev(THEIRS[case.name], argnums=numbers))(*xs)
    for i, other in zip(numbers, expected, strict=True):
        close(cr.jacobian(case.function, argnums=i)(*xs), other)


def test_hessians(case: Any) -> None:
    ours, theirs = totals(case)
    xs = case.arguments()
    close(cr.hessian(ours)(*xs), jax.jit(jax.hessian(theirs))(*xs))


@pytest.mark.parametrize("f", ["tanh", "sin", "exp", "log1p", "expm1", "sqrt", "square"])
def test_derivatives_up_to_the_fourth(f: str) -> None:
    ours, theirs = getattr(cr, f), getattr(jnp, f)
    x = np.array(0.6)
    for _ in range(4):
        ours, theirs = cr.grad(ours), jax.grad(theirs)
        close(ours(x), theirs(x))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-5)])
def test_ten_training_steps(dtype: str, tolerance: float) -> None:
    """A network of two layers on the same data from the same weights, by hand-written loops."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)).astype(dtype), rng.standard_normal((20, 2)).astype(dtype)
    start = [rng.standard_normal(s).astype(dtype) for s in [(4, 8), (8,), (8, 2), (2,)]]
    rate = 0.1

    def loss(numpy: Any, relu: Any, parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        return numpy.square(relu(x @ W1 + b1) @ W2 + b2 - y).mean()

    theirs_of = jax.jit(jax.value_and_grad(lambda p: loss(jnp, nn.relu, p)))
    ours_of = cr.value_and_grad(lambda p: loss(cr, cr.relu, p))
    ours, theirs = [cr.tensor(p) for p in start], [jnp.asarray(p) for p in start]
    for _ in range(10):
        value, gradients = ours_of(ours)
        expected, others = theirs_of(theirs)
        np.testing.assert_allclose(value.item(), float(expected), rtol=tolerance)
        ours = [p - rate * g for p, g in zip(ours, gradients, strict=True)]
        theirs = [p - rate * g for p, g in zip(theirs, others, strict=True)]
        for p, q in zip(ours, theirs, strict=True):
            assert p.dtype == q.dtype == dtype
            np.testing.assert_allclose(p.numpy(), np.asarray(q), tolerance, tolerance)


def test_arrays_go_both_ways() -> None:
    array = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(cr.tensor(jnp.asarray(array)).numpy(), array)
    np.testing.assert_array_equal(np.asarray(jnp.from_dlpack(cr.tensor(array))), array)
