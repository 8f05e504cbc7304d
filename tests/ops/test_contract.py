from __future__ import annotations

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ShapeError

# Ranks 1 to 4 on either side, batches that broadcast, sizes 0 and 1.
FITTING = [
    (left, right)
    for left in [(3,), (2, 3), (5, 2, 3), (1, 2, 3), (4, 1, 2, 3), (4, 5, 1, 3)]
    for right in [(3,), (3, 2), (5, 3, 2), (1, 3, 1), (4, 5, 3, 2)]
]
EMPTY = [
    (left, right)
    for left in [(0,), (2, 0), (3, 2, 0), (1, 3, 2, 0)]
    for right in [(0,), (0, 2), (0, 0), (3, 0, 2)]
] + [
    ((0, 3), (3, 2)),
    ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 4)),
    ((0, 2, 3), (0, 3, 4)),
    ((0, 3), (3,)),
]


@pytest.mark.parametrize(("left", "right"), FITTING + EMPTY)
def test_values_and_gradients(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(left), rng.standard_normal(right)
    expected = np.asarray(x @ y)
    found = cr.matmul(x, y)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal((cr.tensor(x) @ y).numpy(), found.numpy())
    np.testing.assert_array_equal((x @ cr.tensor(y)).numpy(), found.numpy())
    graph = cr.trace(cr.matmul)(x, y)
    np.testing.assert_array_equal(graph(x, y).numpy(), found.numpy())

    # The gradients, spelled out as one sum over products by einsum.
    w = np.asarray(rng.standard_normal(expected.shape))
    gx, gy = cr.grad(lambda x, y: (w * (x @ y)).sum(), argnums=(0, 1))(x, y)
    a = x.reshape(1, -1) if x.ndim == 1 else x
    b = y.reshape(-1, 1) if y.ndim == 1 else y
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    g = w.reshape(*batch, a.shape[-2], b.shape[-1])
    full_a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    full_b = np.broadcast_to(b, (*batch, *b.shape[-2:]))
    for found_g, raw, argument, own in (
        (gx, np.einsum("...ij,...kj->...ik", g, full_b), x, a),
        (gy, np.einsum("...ki,...kj->...ij", full_a, g), y, b),
    ):
        extra = raw.ndim - own.ndim
        axes = tuple(
            i for i in range(raw.ndim) if i < extra or own.shape[i - extra] != raw.shape[i]
        )
        assert found_g.shape == argument.shape
        np.testing.assert_allclose(
            found_g.numpy(), raw.sum(axis=axes).reshape(argument.shape), rtol=1e-12, atol=1e-13
        )


def test_second_order() -> None:
    rng = np.random.default_rng(0)
    for left, right in itertools.product([(3,), (2, 3), (2, 2, 3)], [(3,), (3, 2), (2, 3, 2)]):
        args = [rng.standard_normal(left), rng.standard_normal(right)]
        cr.check_grads(lambda x, y: cr.tanh(x @ y), args)


def test_dtypes() -> None:
    assert (cr.ones((2, 3)) @ np.ones((3, 2), int)).dtype == "float32"
    assert (np.ones((2, 3)) @ cr.ones((3, 2))).dtype == "float64"
    assert (cr.ones((2, 3), "int64") @ cr.ones((3, 2), "int64")).dtype == "int64"


def test_errors() -> None:
    for x, y in [(np.ones((2, 3)), np.ones((2, 3))), (np.ones(3), np.ones(2))]:
        for call in (cr.matmul, cr.trace(cr.matmul)):
            with pytest.raises(
                ShapeError, match=r"x @ y: got .*; expected the last size of x \(3\)"
            ):
                call(x, y)
    with pytest.raises(
        ShapeError, match=r"x @ y: got shapes \(\) and \(2,\); expected at least one"
    ):
        cr.matmul(1.0, cr.ones(2))
    with pytest.raises(ShapeError, match="expected shapes that broadcast"):
        cr.matmul(cr.ones((2, 3, 3)), cr.ones((3, 3, 3)))
