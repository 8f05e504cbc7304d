"""Keras's layers: names, arguments, mistakes, layers of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_networks import LABELS, ONE_HOT, X, fitted, network

import chainrule as cr
from chainrule import keras
from chainrule.core.errors import ArgumentError, ChainruleError


class Scaled(keras.layers.Layer):
    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: Any) -> None:
        assert input_shape[0] is None
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape, "ones", regularizer=keras.regularizers.L2(1.0))

    def call(self, inputs: Any, training: bool = False) -> Any:
        return (inputs @ self.kernel) * (2.0 if training else 1.0)


def test_a_layer_of_ones_own() -> None:
    layer = Scaled(2, name="mine", input_shape=(4,))
    model = keras.Sequential([layer])
    x = np.ones((1, 4))
    assert model.get_layer("mine") is layer
    assert model.predict(x).tolist() == [[4.0, 4.0]]
    assert model(x, training=True).tolist() == [[8.0, 8.0]]
    model.compile("sgd", "mse")
    assert model.evaluate(x, [[4.0, 4.0]]) == pytest.approx(8.0)
    layer.trainable = False
    assert model.trainable_weights == []


def test_old_arguments() -> None:
    model = keras.Sequential()
    model.add(
        keras.layers.Dense(
            output_dim=3, input_dim=4, init="he_normal", W_regularizer="l2", bias=False
        )
    )
    layer = model.layers[0]
    assert (layer.units, layer.use_bias) == (3, False)
    assert layer.kernel_initializer == keras.initializers.HeNormal()
    assert layer.kernel_regularizer == keras.regularizers.L2(0.01)
    assert keras.layers.Dropout(p=0.3).rate == 0.3
    assert keras.layers.LeakyReLU(alpha=0.1)([-1.0]).item() == pytest.approx(-0.1)
    optimizer = keras.optimizers.SGD(lr=0.1, decay=0.5)
    w = cr.Parameter([1.0])
    for _ in range(2):
        optimizer.apply([w], [cr.tensor([1.0])])
    assert w.item() == pytest.approx(1.0 - 0.1 - 0.1 / 1.5)
    model.compile("sgd", "mse")
    assert len(model.evaluate(X, ONE_HOT, show_accuracy=True)) == 2


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: keras.layers.Dense(3, activaton="relu"),
            "expected one that it has. Did you mean 'activation'",
        ),
        (lambda: keras.layers.Dense(), "units: got nothing"),
        (lambda: keras.layers.Dense(3, output_dim=4), "units"),
        (lambda: keras.layers.Dense(3, activation="rleu"), "Did you mean 'relu'"),
        (lambda: keras.layers.Dense(3, kernel_constraint="max_nrm"), "Did you mean 'max_norm'"),
        (lambda: keras.layers.Dense(3, lora_rank=2), "Chainrule lacks this"),
        (lambda: keras.layers.Dense(3, input_dim=4, input_shape=(4,)), "one of them"),
        (lambda: keras.optimizers.SGD(learning_rat=0.1), "Did you mean 'learning_rate'"),
        (lambda: keras.optimizers.Adam(use_ema=True), "use_ema: got True"),
        (lambda: keras.losses.get("categorical_crosentropy"), "'categorical_crossentropy'"),
        (lambda: keras.metrics.get("acuracy"), "Did you mean 'accuracy'"),
        (lambda: keras.optimizers.get("adm"), "Did you mean 'adam'"),
        (lambda: fitted(nb_epochs=3), "Did you mean 'nb_epoch'"),
        (lambda: fitted(steps_per_epoch=0), "steps_per_epoch: got 0"),
        (lambda: fitted(callbacks=[keras.callbacks.History]), "Did you forget the parentheses?"),
        (lambda: fitted(validation_split=1.5), "validation_split: got 1.5"),
        (lambda: fitted(validation_data=(X,)), r"validation_data: got a tuple"),
        (lambda: fitted(validation_data=(X, LABELS + 7)), r"validation_data\[1\]"),
        (lambda: network().compile("sgd"), "loss: got None"),
        (lambda: keras.layers.Add()(np.ones((2, 3))), "a list of at least two tensors"),
        (lambda: keras.layers.Add()([np.ones((2, 3)), np.ones((2, 4))]), "expected one shape"),
        (lambda: keras.layers.Subtract()([np.ones((2, 3))] * 3), "expected two"),
        (lambda: keras.Input((4,), sparse=True), "sparse: got True"),
        (lambda: keras.Input((None, 4)), "other sizes have to be known"),
        (
            lambda: keras.initializers.get({"type": "zeros"}),
            "a dict with 'type'; expected 'class_n",
        ),
        (lambda: keras.regularizers.get({"type": "l2"}), "a dict with 'type'; expected 'class_n"),
        (lambda: network().compile("sgd", "mse", ["acc"]), r"write metrics=\[...\]"),
        (lambda: network().predict(iter([])), "a list_iterator, which gives batches one after"),
        (lambda: fitted(class_weight={0: 1.0}, sample_weight=np.ones(60)), "one of the two"),
        (lambda: keras.losses.MeanSquaredError(delta=1), "an argument that MeanSquaredError does"),
        (lambda: network().get_layer("nothing"), "name: got 'nothing'"),
        (lambda: network(name="a").add(keras.layers.Dense(1, name="a")), "a second layer 'a'"),
        (lambda: keras.utils.to_categorical([0, 3], 3), "labels from 0 to 2"),
    ],
)
def test_mistakes_are_explained(call: Any, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        call()


def test_unknown_arguments_are_type_errors_too() -> None:
    with pytest.raises(TypeError, match="an argument that Dense does not have"):
        keras.layers.Dense(3, unit=4)


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'Dense'"):
        _ = keras.layers.Dens
    with pytest.raises(AttributeError, match="no 'Ftrl'"):
        _ = keras.optimizers.Ftrl


def test_build_may_call_that_of_the_base_class() -> None:
    class Inner(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(input_shape[-1], 2), initializer="ones")
            super().build(input_shape)
            self.built = True

        def call(self, x: Any) -> Any:
            return x @ self.w

    class Outer(Inner):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.b = self.add_weight(shape=2, initializer="zeros")

        def call(self, x: Any) -> Any:
            return super().call(x) + self.b

    layer = Outer()
    layer.build((None, 3))
    assert layer.built
    assert [w.shape for w in layer.weights] == [(3, 2), (2,)]
    assert np.asarray(layer(np.ones((1, 3)))).tolist() == [[3.0, 3.0]]
    assert keras.Sequential([keras.Input((3,)), Outer()]).count_params() == 8


def test_subclasses_of_dense() -> None:
    class Doubled(keras.layers.Dense):
        def build(self, input_shape: Any) -> None:
            assert input_shape == (None, 4)
            super().build(input_shape)
            self.gain = cr.Parameter(3.0)

        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * self.gain

    layer = Doubled(2, kernel_initializer="ones", use_bias=False)
    assert np.asarray(layer(np.ones((1, 4)))).tolist() == [[12.0, 12.0]]
    assert len(layer.weights) == 2


def test_losses_that_layers_add() -> None:
    class Pulled(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(0.5 * cr.square(x).mean())
            return x

    model = keras.Sequential([keras.Input((4,)), Pulled()])
    model.compile("sgd", "mse")
    assert model.evaluate(X, X) == pytest.approx(0.5 * np.mean(X**2), rel=1e-5)
    model(X)
    assert [float(loss) for loss in model.losses] == pytest.approx([0.5 * np.mean(X**2)], rel=1e-5)
    regular = keras.layers.Dense(2, kernel_regularizer="l2", input_shape=(4,))
    (loss,) = keras.Sequential([regular]).losses
    assert float(loss) == pytest.approx(0.01 * np.sum(regular.get_weights()[0] ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (keras.layers.Add(), 3 * X),
        (keras.layers.Subtract(), -X),
        (keras.layers.Multiply(), 2 * X * X),
        (keras.layers.Average(), 1.5 * X),
        (keras.layers.Maximum(), np.maximum(X, 2 * X)),
        (keras.layers.Minimum(), np.minimum(X, 2 * X)),
        (keras.layers.Concatenate(axis=0), np.concatenate([X, 2 * X])),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_merging(layer: Any, expected: Any) -> None:
    assert layer.name
    assert layer.count_params() == 0 if layer.built else not layer.built
    np.testing.assert_allclose(np.asarray(layer([X, 2 * X])), expected, rtol=1e-6)
    function = getattr(keras.layers, type(layer).__name__.lower())
    options = {"axis": 0} if "axis" in layer.get_config() else {}
    np.testing.assert_allclose(np.asarray(function([X, 2 * X], **options)), expected, rtol=1e-6)


def test_normalization_adapts() -> None:
    layer = keras.layers.Normalization()
    layer.adapt(5 + 3 * X)
    y = np.asarray(layer(5 + 3 * X))
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-5)
    assert layer.trainable_weights == []
    back = keras.layers.Normalization(mean=[1.0, 0, 0, 0], variance=[4.0, 1, 1, 1], invert=True)
    np.testing.assert_allclose(np.asarray(back(X))[:, 0], 2 * X[:, 0] + 1, rtol=1e-5)
    with pytest.raises(ChainruleError, match="nothing to adapt"):
        back.adapt(X)
    with pytest.raises(ArgumentError, match="variance: got None"):
        keras.layers.Normalization(mean=[1.0])


@pytest.mark.parametrize("kind", [keras.layers.GaussianDropout, keras.layers.AlphaDropout])
def test_noise_keeps_mean_and_variance(kind: Any) -> None:
    x = np.random.default_rng(0).normal(size=(200_000, 1)).astype("f4")
    layer = kind(0.2, seed=1)
    assert (np.asarray(layer(x)) == x).all()
    y = np.asarray(layer(x, training=True))
    assert abs(y.mean()) < 0.01
    variance = 1.0 if kind is keras.layers.AlphaDropout else 1.0 + 0.2 / 0.8
    assert y.var() == pytest.approx(variance, rel=0.02)


def test_lengths_and_constants() -> None:
    embedding = keras.layers.Embedding(10, 3, input_length=20)
    model = keras.Sequential([embedding, keras.layers.Flatten()])
    assert model.output_shape == (None, 60)
    matrix = np.arange(12.0).reshape(4, 3)
    for given in (keras.initializers.Constant(matrix), matrix):
        layer = keras.layers.Dense(3, kernel_initializer=given)
        layer.build((None, 4))
        np.testing.assert_array_equal(layer.get_weights()[0], matrix)
    with pytest.raises(ArgumentError, match=r"value: got shape \(4, 3\)"):
        keras.layers.Dense(5, kernel_initializer=matrix).build((None, 4))


def test_constraints_hold_after_each_update() -> None:
    limit = keras.constraints.MaxNorm(0.3)
    model = network(kernel_constraint=limit, bias_constraint="non_neg")
    for eager in (False, True):
        model.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy", run_eagerly=eager)
        model.fit(X, ONE_HOT, verbose=0)
        kernel, bias = model.layers[0].get_weights()
        assert (np.linalg.norm(kernel, axis=0) <= 0.3 + 1e-5).all()
        assert (bias >= 0).all()
    model.compile(cr.optim.SGD(1.0), "categorical_crossentropy")
    with pytest.raises(ArgumentError, match="for layers with constraints"):
        model.fit(X, ONE_HOT, verbose=0)


def test_private_names_are_not_exported() -> None:
    for module in (keras.losses, keras.metrics, keras.optimizers, keras.callbacks):
        hidden = {"OfLoss", "Resolved", "core_of", "NAMES", "OPTIMIZERS", "Bridge", "Bound"}
        assert not hidden & set(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
