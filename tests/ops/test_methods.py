"""Operators, methods, and NumPy's own functions on tensors and parameters."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.ops.methods import _METHODS, _UFUNCS

X = np.array([[0.5, 1.5], [2.5, 0.25]])
OPERANDS = [cr.tensor(X), cr.Parameter(X)]
either = pytest.mark.parametrize("x", OPERANDS, ids=["tensor", "parameter"])


@either
@pytest.mark.parametrize(
    "operation",
    [
        *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow),
        *(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
        operator.matmul,
    ],
)
def test_binary_operators(x: Any, operation: Any) -> None:
    y = X.T + 1.0
    for other in (y, cr.tensor(y), cr.Parameter(y)):
        for found in (operation(x, other), operation(other, x)):
            assert isinstance(found, cr.Tensor)
        np.testing.assert_array_equal(operation(x, other).numpy(), operation(X, y))
        np.testing.assert_array_equal(operation(other, x).numpy(), operation(y, X))
    if operation is not operator.matmul:
        np.testing.assert_array_equal(operation(x, 2.0).numpy(), operation(X, 2.0))
        np.testing.assert_array_equal(operation(2.0, x).numpy(), operation(2.0, X))
        np.testing.assert_array_equal(operation([3.0, 4.0], x).numpy(), operation([3.0, 4.0], X))


@either
def test_unary_operators_and_methods(x: Any) -> None:
    for found, expected in [
        (-x, -X),
        (abs(-x), X),
        (~(x > 1), ~(X > 1)),
        ((x > 1) & (x < 2), (X > 1) & (X < 2)),
        ((x < 1) | (x > 2), (X < 1) | (X > 2)),
        (x.sum(), X.sum()),
        (x.sum(0), X.sum(0)),
        (x.sum(axis=1, keepdims=True), X.sum(axis=1, keepdims=True)),
        (x.mean(), X.mean()),
        (x.max(0), X.max(0)),
        (x.min((0, 1)), X.min()),
        (x.argmax(1), X.argmax(1)),
        (x.cumsum(0), X.cumsum(0)),
        (x.astype("int64"), X.astype("int64")),
        (x.reshape(4), X.reshape(4)),
        (x.reshape(-1, 1), X.reshape(-1, 1)),
        (x.transpose(), X.T),
        (x.transpose(1, 0), X.T),
        (x.T, X.T),
        (x.flatten(), X.flatten()),
        (x[:1].squeeze(), X[0]),
        (x[1, 0], X[1, 0]),
    ]:
        assert isinstance(found, cr.Tensor)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_in_place_operators_make_a_new_tensor() -> None:
    x = before = cr.tensor(X)
    x += 1.0
    assert x is not before
    np.testing.assert_array_equal(before.numpy(), X)
    np.testing.assert_array_equal(x.numpy(), X + 1)


@pytest.mark.parametrize("ufunc", _UFUNCS, ids=lambda u: u.__name__)
def test_ufuncs(ufunc: Any) -> None:
    given = [X + 0.5, X.T + 0.25][: ufunc.nin]
    if "logical" in ufunc.__name__ or "bitwise" in ufunc.__name__:
        given = [x > 1 for x in given]
    expected = ufunc(*given)
    for arguments in ([cr.tensor(x) for x in given], [cr.tensor(given[0]), *given[1:]]):
        found = ufunc(*arguments)
        assert isinstance(found, cr.Tensor)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)
    if ufunc.nin == 2:
        found = ufunc(given[0], cr.Parameter(given[1]))
        assert isinstance(found, cr.Tensor)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)


def test_ufuncs_carry_gradients() -> None:
    assert cr.grad(lambda x: np.exp(x) * np.ones(()))(0.5).item() == pytest.approx(np.exp(0.5))
    assert cr.grad(lambda x: (np.ones(2) * x).sum())(1.0).item() == 2.0
    assert cr.grad(lambda x: np.sum(x * x))(X).tolist() == (2 * X).tolist()
    assert "exp" in str(cr.trace(np.exp)(1.0))


@pytest.mark.parametrize("ufunc", [np.arctan, np.bitwise_and, np.hypot])
def test_other_ufuncs_refuse(ufunc: Any) -> None:
    """They do not turn the tensor into an array: a gradient would be lost without a word."""
    with pytest.raises(TypeError):
        ufunc(*[cr.tensor(X)] * ufunc.nin)


def test_ufunc_methods_and_outputs_refuse() -> None:
    with pytest.raises(TypeError):
        np.add.reduce(cr.tensor(X))
    with pytest.raises(TypeError):
        np.add(X, cr.tensor(X), out=X.copy())


def test_functions_of_numpy() -> None:
    x = cr.tensor(X)
    for function in (np.sum, np.mean, np.max, np.min, np.argmax, np.cumsum):
        for options in ({}, {"axis": 0}):
            found = function(x, **options)
            assert isinstance(found, cr.Tensor)
            np.testing.assert_array_equal(found.numpy(), function(X, **options))
    np.testing.assert_array_equal(np.sum(x, axis=1, keepdims=True).numpy(), X.sum(1, keepdims=True))
    assert isinstance(np.transpose(x), cr.Tensor)
    assert isinstance(np.squeeze(x[:1]), cr.Tensor)
    assert np.shape(x) == (2, 2)
    assert np.ndim(x) == 2
    assert np.size(x) == 4


def test_methods_are_the_functions_documentation() -> None:
    for name in _METHODS:
        if not name.startswith("__"):
            assert (
                getattr(cr.Tensor, name).__doc__
                == getattr(cr, name if name != "astype" else "cast").__doc__
            )
