from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ShapeError
from chainrule.core.tensor import Tensor
from chainrule.ops.rows import stack_p, stack_rows, unstack

X = np.random.default_rng(0).normal(size=(4, 3))


def test_rows_and_back() -> None:
    rows = unstack(cr.tensor(X))
    for row, expected in zip(rows, X, strict=True):
        np.testing.assert_array_equal(row.numpy(), expected)
    np.testing.assert_array_equal(stack_rows(rows).numpy(), X)
    assert [row.item() for row in unstack(cr.tensor([1.0, 2.0]))] == [1.0, 2.0]


def test_derivatives() -> None:
    def f(x: Tensor) -> Any:
        a, b, _, c = unstack(x)  # the third is not used: its gradient is 0
        return stack_rows([a * b, cr.sin(c), a])

    cr.check_grads(f, [X], order=2)
    gradient = cr.grad(lambda x: f(x).sum())(cr.tensor(X)).numpy()
    np.testing.assert_array_equal(gradient[2], 0)
    np.testing.assert_allclose(gradient[3], np.cos(X[3]))


def test_rows_of_different_types() -> None:
    with pytest.raises(ShapeError, match=r"float64\[2\] and float64\[3\]"):
        stack_rows([cr.tensor(X[0, :2]), cr.tensor(X[0])])
    with pytest.raises(ShapeError, match="rows of one shape and dtype"):
        stack_p.type_rule(cr.zeros(2).type, cr.zeros(3).type)
