"""Keras's functions against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.keras import ops
from chainrule.keras.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
P = np.abs(A) + 0.1

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    *((n, (A,), {}, getattr(np, n)(A)) for n in ("abs", "exp", "square", "sinh", "cosh", "ceil")),
    *((n, (P,), {}, getattr(np, n)(P)) for n in ("log", "log2", "log10", "sqrt", "log1p")),
    *(
        (n, (A, B), {}, getattr(np, n)(A, B))
        for n in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "greater")
    ),
    ("matmul", (A, B.T), {}, A @ B.T),
    ("dot", (A, B.T), {}, A @ B.T),
    ("sum", (A,), {"axis": 1, "keepdims": True}, A.sum(axis=1, keepdims=True)),
    ("mean", (A,), {"axis": 0}, A.mean(axis=0)),
    ("std", (A,), {"axis": 0}, A.std(axis=0)),
    ("argmax", (A,), {"axis": 1}, A.argmax(axis=1)),
    ("argmin", (A,), {"axis": -1, "keepdims": True}, A.argmin(axis=1)[:, None]),
    ("any", (A > 1,), {"axis": 0}, (A > 1).any(axis=0)),
    ("all", (A > -1,), {"axis": 0}, (A > -1).all(axis=0)),
    ("clip", (A, -0.5, 0.5), {}, A.clip(-0.5, 0.5)),
    ("where", (A > 0, A, B), {}, np.where(A > 0, A, B)),
    ("reciprocal", (P,), {}, 1 / P),
    ("divide_no_nan", (A, np.zeros((3, 4))), {}, 0 * A),
    ("norm", (A,), {"axis": 1}, np.linalg.norm(A, axis=1)),
    ("norm", (A,), {"ord": 1, "axis": 1}, np.abs(A).sum(axis=1)),
    ("norm", (A,), {"ord": np.inf, "axis": 1}, np.abs(A).max(axis=1)),
    ("normalize", (A,), {}, A / np.linalg.norm(A, axis=1, keepdims=True)),
    ("reshape", (A, (4, -1)), {}, A.reshape(4, 3)),
    ("ravel", (A,), {}, A.ravel()),
    ("transpose", (A,), {}, A.T),
    ("transpose", (A,), {"axes": (1, 0)}, A.T),
    ("concatenate", ([A, B],), {}, np.concatenate([A, B], axis=-1)),
    ("stack", ([A, B],), {"axis": 1}, np.stack([A, B], axis=1)),
    ("take", (A, [2, 0]), {"axis": 1}, A[:, [2, 0]]),
    ("take", (A, [5, 0]), {}, A.ravel()[[5, 0]]),
    ("one_hot", ([2, 0], 3), {}, np.eye(3)[[2, 0]]),
    ("one_hot", ([2, 0], 3), {"axis": 0}, np.eye(3)[[2, 0]].T),
    ("expand_dims", (A, 1), {}, A[:, None]),
    ("softmax", (A,), {}, special.softmax(A, axis=-1)),
    ("logsumexp", (A,), {"axis": 1}, special.logsumexp(A, axis=1)),
    ("gelu", (A,), {"approximate": False}, A * special.ndtr(A)),
    ("erf", (A,), {}, special.erf(A)),
    ("relu", (A,), {}, np.maximum(A, 0)),
    ("sigmoid", (A,), {}, special.expit(A)),
    ("cast", (A, "int32"), {}, A.astype("int32")),
    ("cumsum", (A,), {"axis": 1}, A.cumsum(axis=1)),
    ("flip", (A,), {"axis": 0}, A[::-1]),
    ("binary_crossentropy", (A > 0, P / 9), {}, -np.log(np.where(A > 0, P / 9, 1 - P / 9))),
    ("zeros", ((2, 3),), {}, np.zeros((2, 3))),
    ("full", ((2,), 3.0), {}, np.full(2, 3.0)),
    ("eye", (2,), {}, np.eye(2)),
    ("arange", (4,), {}, np.arange(4)),
    ("arange", (1, 7, 2), {}, np.arange(1, 7, 2)),
]


@pytest.mark.parametrize(("name", "args", "options", "expected"), CASES)
def test_functions(name: str, args: Any, options: Any, expected: Any) -> None:
    found = np.asarray(getattr(ops, name)(*args, **options))
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_several_results_and_facts() -> None:
    mean, variance = ops.moments(A, axes=[0])
    np.testing.assert_allclose(np.asarray(mean), A.mean(axis=0))
    np.testing.assert_allclose(np.asarray(variance), A.var(axis=0))
    parts = ops.split(A, [1, 3], axis=1)
    assert [part.shape for part in parts] == [(3, 1), (3, 2), (3, 1)]
    assert (ops.shape(A), ops.ndim(A), ops.size(A), ops.dtype(A)) == ((3, 4), 2, 12, "float64")
    assert ops.is_tensor(ops.convert_to_tensor(A))
    assert isinstance(ops.convert_to_numpy(ops.convert_to_tensor(A)), np.ndarray)
    with pytest.raises(AttributeError, match="Did you mean 'softmax'"):
        _ = ops.sofmax


@pytest.mark.parametrize("name", ["divide_no_nan", "reciprocal", "sinh", "norm", "clip"])
def test_gradients(name: str) -> None:
    more = {"divide_no_nan": (B,), "clip": (-10.0, 10.0)}.get(name, ())
    cr.check_grads(lambda x: getattr(ops, name)(x, *more), (P,))


def test_constraints() -> None:
    norms = np.linalg.norm(A, axis=0)
    np.testing.assert_allclose(np.asarray(MaxNorm(1.0)(A)), A * np.minimum(1, 1 / norms), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(NonNeg()(A)), np.maximum(A, 0))
    np.testing.assert_allclose(np.asarray(UnitNorm()(A)), A / norms, rtol=1e-5)
    wanted = 0.5 * norms.clip(1.0, 1.5) + 0.5 * norms
    np.testing.assert_allclose(
        np.asarray(MinMaxNorm(1.0, 1.5, 0.5)(A)), A * wanted / norms, rtol=1e-5
    )
    rows = np.linalg.norm(np.asarray(UnitNorm(axis=1)(A)), axis=1)
    np.testing.assert_allclose(rows, 1.0, rtol=1e-5)
