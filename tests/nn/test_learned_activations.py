from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
X, G = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))
SLOPES = np.array([0.1, -0.5, 0.0, 2.0])


# ------------------------------------------------------------------------------------------ PReLU


def test_prelu_is_the_lectures_formula() -> None:
    layer = cr.PReLU()
    layer(X)
    assert layer.alpha is not None
    assert layer.alpha.tolist() == [0.25] * 4  # He et al.
    layer.alpha.assign(SLOPES)
    wanted = np.maximum(0, X) + SLOPES * np.minimum(0, X)
    np.testing.assert_allclose(layer(X).numpy(), wanted, rtol=1e-15)
    (layer(X) * G).sum().backward()
    assert layer.alpha.grad is not None
    np.testing.assert_allclose(
        layer.alpha.grad.numpy(), (G * np.minimum(0, X)).sum(axis=0), rtol=1e-13
    )
    by_x = cr.grad(lambda x: (layer(x) * G).sum())(X).numpy()
    np.testing.assert_allclose(by_x, G * np.where(X > 0, 1.0, SLOPES), rtol=1e-14)


def test_prelu_at_zero_has_the_slope_of_the_left_side() -> None:
    layer = cr.PReLU()
    layer(np.zeros((1, 1)))
    assert cr.grad(lambda x: layer(x).sum())(np.zeros((1, 1))).item() == 0.25


@pytest.mark.parametrize(
    ("shared", "shape"),
    [(None, (3, 4)), ([1], (1, 4)), ([2], (3, 1)), (1, (1, 4)), ((1, 2), (1, 1)), (-1, (3, 1))],
)
def test_prelu_units_may_share_their_slopes(shared: Any, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=(5, 3, 4))
    layer = cr.PReLU(alpha_initializer="normal", shared_axes=shared)
    y = layer(x).numpy()
    assert layer.alpha is not None
    assert layer.alpha.shape == shape
    wanted = np.maximum(0, x) + layer.alpha.numpy() * np.minimum(0, x)
    np.testing.assert_allclose(y, wanted, rtol=1e-14)


def test_prelu_learns_its_slopes() -> None:
    cr.random.seed(0)
    x = RNG.normal(size=(200, 2))
    y = np.where(x > 0, x, np.array([0.7, -0.4]) * x)
    model = cr.Sequential([cr.PReLU()], dtype="float64")
    model.compile(cr.optim.SGD(0.5), "squared_error")
    model.fit(x, y, epochs=200, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [0.7, -0.4], atol=1e-6)


def test_prelu_as_the_activation_of_dense() -> None:
    layer = cr.Dense(3, activation=cr.PReLU())
    y = layer(X)
    assert list(layer.parameters()) == ["kernel", "bias", "activation.alpha"]
    assert layer.activation_name == "prelu"
    z = X @ layer.kernel.numpy()
    np.testing.assert_allclose(y.numpy(), np.maximum(0, z) + 0.25 * np.minimum(0, z), rtol=1e-13)
    y.sum().backward()
    assert layer.parameters()["activation.alpha"].grad is not None


def test_prelu_shapes_that_do_not_fit() -> None:
    layer = cr.PReLU()
    with pytest.raises(ShapeError) as single:
        layer(1.0)
    assert (
        str(single.value) == "input of PReLU: got a single number; expected shape (batch, units)."
    )
    layer(X)
    for x in (X[:, :3], X[0], X[None]):
        with pytest.raises(ShapeError) as caught:
            layer(x)
        assert str(caught.value) == (
            f"input of PReLU: got shape {x.shape}; expected slopes of shape (4,) for each sample, "
            "as in the first call."
        )


def test_prelu_shared_axes_that_are_none() -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.PReLU(shared_axes="all")
    assert str(caught.value) == (
        "shared_axes: got 'all'; expected a whole number, or several of them."
    )
    with pytest.raises(ArgumentError, match=r"^axis: got 2; expected an axis of a 2-dimensional"):
        cr.PReLU(shared_axes=2)(X)


# ----------------------------------------------------------------------------------------- Maxout


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("batch", [(6,), (2, 3)])
def test_maxout_is_goodfellows_formula(pieces: int, use_bias: bool, batch: tuple[int, ...]) -> None:
    x, units = RNG.normal(size=(*batch, 4)), 3
    layer = cr.Maxout(units, pieces, use_bias=use_bias, bias_initializer="normal")
    y = layer(x)
    assert layer.kernel is not None
    W = layer.kernel.numpy().reshape(4, units, pieces)
    b = layer.bias.numpy().reshape(units, pieces) if layer.bias is not None else 0.0
    assert (layer.bias is not None) == use_bias
    z = np.einsum("...d,dik->...ik", x, W) + b  # z_ij = xᵀ W_...ij + b_ij
    np.testing.assert_allclose(y.numpy(), z.max(axis=-1), rtol=1e-12)
    g = RNG.normal(size=y.shape)
    (y * g).sum().backward()
    wins = (z == z.max(axis=-1, keepdims=True)) * g[..., None]
    assert layer.kernel.grad is not None
    by_w = np.einsum("nd,nik->dik", x.reshape(-1, 4), wins.reshape(-1, units, pieces))
    np.testing.assert_allclose(layer.kernel.grad.numpy().reshape(W.shape), by_w, rtol=1e-11)


def test_two_pieces_make_relu_and_the_absolute_value() -> None:
    layer = cr.Maxout(2, use_bias=False)
    x = np.linspace(-2.0, 2.0, 9)[:, None]
    layer(x)
    assert layer.kernel is not None
    layer.kernel.assign([[1.0, 0.0, 1.0, -1.0]])  # the pieces of a unit side by side
    np.testing.assert_array_equal(layer(x).numpy(), np.hstack([np.maximum(x, 0), np.abs(x)]))


def test_maxout_learns_xor() -> None:
    cr.random.seed(0)
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 1.0, 1.0, 0.0])
    model = cr.Sequential([cr.Maxout(2, 2), cr.Dense(1)])
    model.compile(cr.optim.Adam(0.05), "squared_error")
    model.fit(x, y, epochs=400, verbose=0)
    np.testing.assert_allclose(model.predict(x)[:, 0], y, atol=0.05)


def test_each_piece_starts_like_a_layer_of_its_own() -> None:
    layer = cr.Maxout(300, pieces=4)
    layer(np.zeros((1, 200)))
    assert layer.kernel is not None
    pieces = layer.kernel.numpy().reshape(200, 300, 4)
    for k in range(4):
        assert pieces[..., k].var() == pytest.approx(2 / 500, rel=0.02)
    assert not (pieces[..., 0] == pieces[..., 1]).any()


def test_pieces_differ_also_where_the_initializer_has_a_seed() -> None:
    def kernel() -> np.ndarray:
        layer = cr.Maxout(3, kernel_initializer=cr.initializers.GlorotUniform(seed=5))
        layer(np.zeros((1, 2)))
        assert layer.kernel is not None
        return layer.kernel.numpy()

    np.testing.assert_array_equal(kernel(), kernel())
    assert not (kernel()[:, 0::2] == kernel()[:, 1::2]).any()


def test_maxout_in_words() -> None:
    assert repr(cr.Maxout(3)) == "Maxout(3, pieces=2)"
    assert cr.Maxout(3).neurons == 3
    assert cr.Maxout(3).activation_name == "maxout"


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None])
def test_numbers_must_count(value: Any) -> None:
    for make, name in [
        (lambda: cr.Maxout(value), "units"),
        (lambda: cr.Maxout(2, value), "pieces"),
    ]:
        with pytest.raises(ArgumentError) as caught:
            make()
        assert str(caught.value) == f"{name}: got {value!r}; expected a whole number from 1."


def test_maxout_shapes_that_do_not_fit() -> None:
    layer = cr.Maxout(2)
    layer(X)
    with pytest.raises(ShapeError) as caught:
        layer(X[:, :3])
    assert str(caught.value) == (
        "input of Maxout: got 3 features (shape (6, 3)); expected 4 features, as in the first call."
    )
