from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 2), (0, 3)])
def test_it_looks_vectors_up(dtype: str, shape: tuple[int, ...]) -> None:
    layer = cr.Embedding(7, 3)
    x = RNG.integers(0, 7, shape).astype(dtype)
    y = layer(x)
    assert layer.embeddings is not None
    assert layer.embeddings.shape == (7, 3)
    assert y.shape == (*shape, 3)
    assert y.dtype == (dtype if dtype.startswith("float") else "float32")
    np.testing.assert_array_equal(y.numpy(), layer.embeddings.numpy()[x.astype(int)])


def test_it_is_a_dense_layer_on_one_hot_rows() -> None:
    x = RNG.integers(0, 7, (5, 2))
    layer = cr.Embedding(7, 3)
    dense = cr.Dense(3, use_bias=False, kernel_initializer=lambda s, d: layer.embeddings.value)
    np.testing.assert_array_equal(layer(x).numpy(), dense(np.eye(7, dtype="float32")[x]).numpy())


def test_gradients_add_up_where_indices_repeat() -> None:
    layer = cr.Embedding(5, 2)
    x, g = np.array([[1, 3, 1], [1, 0, 3]]), RNG.normal(size=(2, 3, 2)).astype("float32")
    (layer(x) * g).sum().backward()
    wanted = np.zeros((5, 2))
    for i, row in np.ndenumerate(x):
        wanted[row] += g[i]
    assert layer.embeddings is not None
    assert layer.embeddings.grad is not None
    np.testing.assert_allclose(layer.embeddings.grad.numpy(), wanted, rtol=1e-6)


def test_initial_values_are_keras() -> None:
    layer = cr.Embedding(1000, 20)
    layer([0])
    assert layer.embeddings is not None
    E = layer.embeddings.numpy()
    assert -0.05 <= E.min() < -0.049
    assert 0.049 < E.max() < 0.05


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_learns_from_integers(dtype: str) -> None:
    cr.random.seed(0)
    x = RNG.integers(0, 6, (80, 2))
    y = (x[:, 0] + x[:, 1]) % 2  # no order among the numbers: each needs its vector
    layers = [cr.Embedding(6, 4), cr.Flatten(), cr.Dense(8, activation="tanh"), cr.Dense(2)]
    model = cr.Sequential(layers, dtype=dtype)
    model.compile(cr.optim.Adam(0.05), "cross_entropy", ["accuracy"])
    model.fit(x, y, epochs=60, verbose=0)
    assert model.evaluate(x, y, return_dict=True)["accuracy"] == 1.0
    assert {w.dtype for w in model.get_weights()} == {np.dtype(dtype)}
    assert model.predict(x[:1]).dtype == dtype
    with pytest.raises(
        ArgumentError, match="indices: got 0 to 6; expected whole numbers from 0 to 5"
    ):
        model.predict([[0, 6]])


def test_a_model_may_take_numbers_and_indices_from_one_table() -> None:
    class Mixed(cr.Model):
        def __init__(self) -> None:
            self.embedding, self.out = cr.Embedding(4, 2), cr.Dense(1)

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return self.out(cr.concatenate([self.embedding(x[:, 0]), x[:, 1:]], axis=1))

    model = Mixed()
    x = np.column_stack([RNG.integers(0, 4, 30), RNG.normal(size=(30, 2))])
    model.compile("adam", "squared_error")
    model.fit(x, x[:, 1], verbose=0)
    assert model.predict(x).shape == (30, 1)


def test_the_largest_indices_of_a_model_in_float32_are_exact() -> None:
    """Its input is float32: 2²⁴ things, and not one more, can be told apart."""
    n = 2**24
    layer = cr.Embedding(n, 1, lambda shape, dtype: cr.tensor(np.arange(n)[:, None] % 2))
    found = layer(np.array([n - 3, n - 2, n - 1, 0], "float32")).numpy()
    assert found.ravel().tolist() == [1.0, 0.0, 1.0, 0.0]
    model = cr.Sequential([layer])
    with pytest.raises(ArgumentError, match="expected whole numbers from 0 to 16777215"):
        model(np.array([[n + 1]]))
    for make in (lambda: cr.Embedding(n + 1, 1, "zeros")(np.array([0.0], "float32")),):
        with pytest.raises(DtypeError) as caught:
            make()
        assert str(caught.value) == (
            "indices: got float32, which counts to 16,777,216 without gaps; expected integers "
            "below 16,777,217. Make the model with dtype='float64', or give integers to the layer "
            "itself."
        )


def test_larger_tables_take_integers_or_float64() -> None:
    layer = cr.Embedding(2**24 + 2, 1, embeddings_initializer="zeros")
    assert layer(np.array([2**24 + 1])).shape == (1, 1)
    assert layer(np.array([2.0**24 + 1])).shape == (1, 1)
    # Containers hand integers on as they are.
    assert cr.Concatenate(layer, [layer])(np.array([2**24 + 1])).shape == (1, 2)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ([0, 5], "indices: got 0 to 5; expected whole numbers from 0 to 4 (input_dim=5). Number"),
        ([-1, 2], "indices: got -1 to 2; expected whole numbers from 0 to 4 (input_dim=5). Number"),
        ([0.0, 5.0], "indices: got 0 to 5; expected whole numbers from 0 to 4 (input_dim=5)."),
        ([math.nan], "indices: got nan to nan; expected whole numbers from 0 to 4 (input_dim=5)."),
        ([math.inf], "indices: got inf to inf; expected whole numbers from 0 to 4 (input_dim=5)."),
        ([0.5, 1.0], "indices: got numbers with fractions; expected whole numbers."),
    ],
)
def test_indices_that_are_none(x: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.Embedding(5, 2)(x)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", True, None])
def test_sizes_must_count(size: Any) -> None:
    for make, name in [
        (lambda: cr.Embedding(size, 2), "input_dim"),
        (lambda: cr.Embedding(2, size), "output_dim"),
    ]:
        with pytest.raises(ArgumentError) as caught:
            make()
        assert str(caught.value) == f"{name}: got {size!r}; expected a whole number from 1."


def test_regularizer_and_text() -> None:
    layer = cr.Embedding(3, 2, "ones", embeddings_regularizer=0.5)
    layer([0])
    assert layer.penalty().item() == 3.0
    assert repr(layer) == "Embedding(3, 2)"
