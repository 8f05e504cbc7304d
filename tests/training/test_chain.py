"""Which models have the lecture's layers, what the layers are, and what they are called."""

# ruff: noqa: E741 - l, α, λ and δ are the lecture's symbols

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.nn.activations import ACTIVATIONS
from chainrule.training.record import Record

X = np.random.default_rng(0).standard_normal((5, 3))
Y = np.random.default_rng(1).standard_normal((5, 2))


def inspected(*layers: Any, x: Any = X, y: Any = Y, loss: Any = "squared_error") -> Record:
    cr.random.seed(0)
    return record_of(cr.Sequential(layers, dtype="float64"), x, y, loss)


def record_of(model: cr.Model, x: Any = X, y: Any = Y, loss: Any = "squared_error") -> Record:
    model.compile(loss=loss)
    record = model.inspect(x, y)
    check(model, record)
    return record


def check(model: cr.Model, record: Record) -> None:
    """Hold a record against the model's own gradients, and δ against the recursion."""
    for p in model.trainable_parameters():
        p.grad = None
    x = record.a[0] if "embeddings" not in str(record.gradients) else None
    if x is not None and x.shape == X.shape:
        loss = model.compiled().loss
        loss(cr.tensor(record.y), model(cr.tensor(X))).mean().backward()
        for name, p in model.parameters().items():
            if p.trainable:
                np.testing.assert_allclose(record.gradients[name], p.grad, rtol=1e-8, atol=1e-11)
    for l in record.z:
        if l < record.L:
            arriving = record.delta[l + 1] @ record.W[l + 1]
            for s in range(len(record)):
                expected = record.jacobian(l, s).T @ arriving[s]
                np.testing.assert_allclose(record.delta[l][s], expected, rtol=1e-8, atol=1e-11)


def test_dense_and_the_activations_behind_it_are_one_layer() -> None:
    together = inspected(cr.Dense(4, "tanh"), cr.Dense(2))
    apart = inspected(cr.Dense(4), cr.Activation("tanh"), cr.Dense(2))
    assert dict(together.f) == dict(apart.f) == {1: "tanh", 2: "linear"}
    for l in together.z:
        np.testing.assert_array_equal(together.z[l], apart.z[l])
        np.testing.assert_array_equal(together.delta[l], apart.delta[l])


def test_several_activations_follow_one_another() -> None:
    record = inspected(cr.Dense(4, "tanh"), cr.Activation("relu"), cr.Dense(2))
    assert record.f[1] == "tanh → relu"
    np.testing.assert_allclose(record.a[1], np.maximum(np.tanh(record.z[1]), 0.0))
    slopes = (record.z[1] > 0) / np.cosh(record.z[1]) ** 2
    np.testing.assert_allclose(record.df[1], slopes, rtol=1e-9, atol=1e-12)


def test_what_is_silent_in_inference_is_no_layer() -> None:
    record = inspected(
        cr.Dropout(0.5), cr.Dense(4, "relu"), cr.Dropout(0.5), cr.GaussianNoise(1.0), cr.Dense(2)
    )
    assert dict(record.f) == {1: "relu", 2: "linear"}
    np.testing.assert_array_equal(record.a[0], X)
    np.testing.assert_array_equal(record.a[1], np.maximum(record.z[1], 0.0))


def test_samples_are_flattened_before_the_first_layer() -> None:
    record = inspected(cr.Flatten(), cr.Dense(2), x=X.reshape(5, 1, 3))
    np.testing.assert_array_equal(record.a[0], X)
    assert dict(record.f) == {1: "linear"}


def test_normalization_is_part_of_f() -> None:
    record = inspected(cr.Dense(4), cr.BatchNorm(), cr.Activation("tanh"), cr.Dense(2))
    assert record.f[1] == "BatchNorm → tanh"
    assert record.df[1] is not None  # by its running statistics, each unit by itself
    np.testing.assert_allclose(record.a[1], np.tanh(record.z[1] / np.sqrt(1.001)), rtol=1e-3)
    assert {"layers.1.gamma", "layers.1.beta"} < set(record.gradients)
    record = inspected(cr.Dense(4, "tanh"), cr.LayerNorm(), cr.Dense(2))
    assert record.f[1] == "tanh → LayerNorm"
    assert record.df[1] is None
    assert record.jacobian(1, 0).shape == (4, 4)
    inspected(cr.Dense(4), cr.RMSNorm(), cr.Dense(2))


def test_learned_activations() -> None:
    record = inspected(cr.Dense(4), cr.PReLU(), cr.Dense(4, cr.PReLU()), cr.Dense(2))
    assert dict(record.f) == {1: "prelu", 2: "prelu", 3: "linear"}
    assert record.df[1] is not None
    np.testing.assert_allclose(record.df[1], np.where(record.z[1] > 0, 1.0, 0.25))


def test_maxout_has_more_net_inputs_than_units() -> None:
    record = inspected(cr.Maxout(4, pieces=3), cr.Dense(2))
    assert record.f[1] == "maxout"
    assert record.W[1].shape == (12, 3)
    assert record.a[1].shape == (5, 4)
    np.testing.assert_array_equal(record.a[1], record.z[1].reshape(5, 4, 3).max(axis=2))
    assert record.jacobian(1, 0).shape == (4, 12)
    assert list(record.M.values()) == [3, 4, 2]


def test_a_layer_without_bias() -> None:
    record = inspected(cr.Dense(4, "tanh", use_bias=False), cr.Dense(2))
    assert record.b[1] is None
    assert record.db[1] is None
    np.testing.assert_allclose(record.z[1], X @ record.W[1].T)


def test_frozen_layers_are_recorded_too() -> None:
    layers = cr.Dense(4, "tanh"), cr.Dense(2)
    model = cr.Sequential(layers, dtype="float64")
    model.make_parameters((3,))
    free = record_of(model)
    for p in model.parameters().values():
        p.trainable = False
    frozen = model.inspect(X, Y)
    for l in free.z:
        np.testing.assert_array_equal(frozen.dW[l], free.dW[l])
        np.testing.assert_array_equal(frozen.delta[l], free.delta[l])
    assert frozen.gradients == {}


def test_embeddings_come_before_the_first_layer() -> None:
    tokens = np.random.default_rng(0).integers(0, 7, (5, 3))
    layers = cr.Embedding(7, 2), cr.Flatten(), cr.Dense(4, "tanh"), cr.Dense(2)
    record = inspected(*layers, x=tokens)
    assert record.a[0].shape == (5, 6)
    assert record.gradients["layers.0.embeddings"].shape == (7, 2)
    layers[0].embeddings.trainable = False  # type: ignore[union-attr]
    layers[2].kernel.trainable = layers[2].bias.trainable = False  # type: ignore[union-attr]
    model = cr.Sequential(layers, dtype="float64")
    model.compile()
    assert model.inspect(tokens, Y).L == 2  # although nothing before the last layer is trained


def test_models_inside_models() -> None:
    inner = cr.Sequential([cr.Dense(4, "tanh"), cr.Dense(3)], dtype="float64")
    record = inspected(inner, cr.Activation("relu"), cr.Dense(2))
    assert dict(record.f) == {1: "tanh", 2: "relu", 3: "linear"}
    assert "layers.0.layers.0.kernel" in record.gradients


def test_a_model_of_ones_own() -> None:
    class Net(cr.Model):
        dtype = np.dtype("float64")

        def __init__(self) -> None:
            self.out, self.hidden = cr.Dense(2), cr.Dense(4)  # not in the order of use
            self.squash = cr.Activation("sigmoid")
            self.W = cr.Parameter(np.random.default_rng(0).standard_normal((4, 4)))
            self.b = cr.Parameter(np.zeros(4))

        def forward(self, x: Any) -> Any:
            h = self.squash(self.hidden(x))
            h = cr.relu(self.b + h @ self.W)
            return self.out(h)

    record = record_of(Net())
    assert dict(record.f) == {1: "sigmoid", 2: "relu", 3: "linear"}
    assert [W.shape for W in record.W.values()] == [(4, 3), (4, 4), (2, 4)]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_functions_in_a_forward_are_recognized(name: str) -> None:
    class Net(cr.Model):
        def __init__(self) -> None:
            self.hidden, self.out = cr.Dense(4), cr.Dense(2)

        def forward(self, x: Any) -> Any:
            return self.out(ACTIVATIONS[name](self.hidden(x)))

    model = Net()
    assert model.inspect(X).f[1] == name


class Applied(cr.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def test_what_moves_units_mixes_them() -> None:
    record = inspected(cr.Dense(4), Applied(lambda z: cr.flip(z, 1)), cr.Dense(2))
    assert record.df[1] is None
    np.testing.assert_array_equal(record.jacobian(1, 0), np.eye(4)[::-1])


def test_one_unit_may_become_several() -> None:
    gains = np.array([1.0, 2.0, 3.0])
    record = inspected(cr.Dense(1), Applied(lambda z: z * gains), cr.Dense(2))
    assert record.a[1].shape == (5, 3)
    assert record.df[1] is None
    np.testing.assert_array_equal(record.jacobian(1, 0), gains[:, None])
    assert list(record.M.values()) == [3, 3, 2]


def test_functions_that_nobody_named() -> None:
    class Net(cr.Model):
        def __init__(self) -> None:
            self.first, self.second, self.out = cr.Dense(4), cr.Dense(4), cr.Dense(2)

        def forward(self, x: Any) -> Any:
            h = cr.exp(self.first(x))
            return self.out(cr.sin(self.second(h)) * 2.0)

    assert list(Net().inspect(X).f.values()) == ["exp", "custom", "linear"]


def test_one_layer_used_twice_is_two_layers_of_the_same_weights() -> None:
    shared = cr.Dense(3, "tanh")
    record = inspected(shared, shared, cr.Dense(2))
    assert record.L == 3
    np.testing.assert_array_equal(record.W[1], record.W[2])
    assert dict(record.f) == {1: "tanh", 2: "tanh", 3: "linear"}
    total = record.dW[1] + record.dW[2]
    np.testing.assert_allclose(record.gradients["layers.0.kernel"].T, total, rtol=1e-10)


# What has no chain ---------------------------------------------------------------------------

EXPECTED = (
    "; expected layers one after the other, z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾ and a⁽ˡ⁾ = f_l(z⁽ˡ⁾): Dense, "
    "with activations and normalizations between. The lecture's notation has no branches; for "
    "other models use cr.grad or cr.explain."
)


def refused(*layers: Any, x: Any = X, y: Any = Y) -> str:
    model = cr.Sequential(layers)
    model.compile()
    with pytest.raises(ArgumentError) as error:
        model.inspect(x, y)
    return str(error.value)


def test_branches_are_refused() -> None:
    alone = "model: got a model in which {} does not depend on layer {} alone" + EXPECTED
    text = refused(cr.Residual(cr.Dense(3, "tanh")), cr.Dense(2))
    assert text == alone.format("layer 2", 1)
    text = refused(cr.Dense(2, "tanh"), cr.Residual(cr.Dense(2, "tanh")))
    assert text == alone.format("the output", 2)
    text = refused(cr.Concatenate(cr.Dense(2), cr.Dense(3)), cr.Dense(2))
    assert text == alone.format("layer 2", 1)
    assert refused(cr.Add(cr.Dense(2), cr.Dense(2))) == alone.format("layer 2", 1)


def test_a_way_around_without_a_product_is_part_of_f() -> None:
    record = inspected(cr.Dense(2), cr.Residual(cr.Activation("tanh")), cr.Dense(2))
    np.testing.assert_allclose(record.a[1], record.z[1] + np.tanh(record.z[1]))
    record = inspected(cr.Dense(2), cr.Concatenate([], cr.Activation("tanh")), cr.Dense(2))
    assert record.a[1].shape == (5, 4)
    np.testing.assert_allclose(record.a[1][:, :2], record.z[1])


def test_models_without_layers_are_refused() -> None:
    text = refused(cr.Activation("tanh"), y=X)
    assert text == "model: got a model without a layer z = W a + b" + EXPECTED


def test_other_products_are_refused() -> None:
    class Bilinear(cr.Module):
        def forward(self, x: Any) -> Any:
            return x @ (x.T @ x)

    text = refused(Bilinear(), cr.Dense(2))
    assert text == (
        "model: got a model with a product that is not one of rows with a parameter" + EXPECTED
    )


def test_samples_that_depend_on_one_another_are_refused() -> None:
    class Centered(cr.Module):
        def forward(self, x: Any) -> Any:
            return x - x.mean(axis=0, keepdims=True)

    assert refused(cr.Dense(4), Centered(), cr.Dense(2)) == (
        "model: got a model in which the loss of one sample depends on others; expected one that "
        "computes each sample by itself, so that each has its own δ. Inspect one sample at a time: "
        "model.inspect(x[:1], y[:1])."
    )
