"""The functional API: models of layers that are connected as one likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import keras
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.keras import layers, models

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype("f4")
Z = RNG.normal(size=(40, 2, 3)).astype("f4")
Y = RNG.normal(size=(40, 1)).astype("f4")


def branched(name: str | None = None) -> Any:
    x = keras.Input((4,), name="x")
    a = layers.Dense(3, activation="tanh", name="a")(x)
    b = layers.Dense(3, name="b")(x)
    joined = layers.Concatenate(name="joined")([a, layers.Add()([a, b])])
    return keras.Model(inputs=x, outputs=layers.Dense(1, name="end")(joined), name=name)


def two_inputs() -> Any:
    x, z = keras.Input((4,), name="x"), keras.Input((2, 3), name="z")
    joined = layers.concatenate([layers.Dense(5, "relu")(x), layers.Flatten()(z)])
    return keras.Model([x, z], layers.Dense(1)(joined))


def test_branches_compute_what_they_should() -> None:
    model = branched()
    (wa, ba, wb, bb, we, be) = model.get_weights()
    a, b = np.tanh(X @ wa + ba), X @ wb + bb
    expected = np.concatenate([a, a + b], axis=1) @ we + be
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(model(X)), expected, rtol=1e-5, atol=1e-6)
    assert model.layers[0].name == "x"
    assert model.get_layer("a").units == 3
    assert (model.input.shape, model.output.shape) == ((None, 4), (None, 1))
    assert model.output_shape == (None, 1)


def test_training_and_gradients() -> None:
    keras.utils.set_random_seed(0)
    model = branched()
    kernel, bias = model.get_layer("end").get_weights()
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    inner = keras.Model(model.input, model.get_layer("joined").output)
    features = inner.predict(X)
    residual = features @ kernel + bias - Y
    model.train_on_batch(X, Y)
    after = model.get_layer("end").get_weights()
    np.testing.assert_allclose(after[0], kernel - 0.1 * 2 * features.T @ residual / 40, atol=1e-5)
    history = model.fit(X, Y, epochs=30, verbose=0, validation_split=0.2).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"}


@pytest.mark.parametrize("as_dict", [False, True])
def test_two_inputs(as_dict: bool) -> None:
    model = two_inputs()
    given: Any = {"z": Z, "x": X} if as_dict else [X, Z]
    model.compile("adam", "mse")
    model.fit(given, Y, epochs=2, verbose=0, batch_size=8, validation_data=(given, Y))
    w, b, we, be = model.get_weights()
    expected = np.concatenate([np.maximum(X @ w + b, 0), Z.reshape(40, 6)], axis=1) @ we + be
    np.testing.assert_allclose(model.predict(given), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(model(given)), expected, rtol=1e-4, atol=1e-5)
    loss = np.mean((expected - Y) ** 2)
    assert model.evaluate(given, Y) == pytest.approx(loss, rel=1e-4)
    assert model.test_on_batch(given, Y) == pytest.approx(loss, rel=1e-4)
    assert [t.shape for t in model.inputs] == [(None, 4), (None, 2, 3)]


def test_wrong_inputs_are_explained() -> None:
    model = two_inputs()
    with pytest.raises(ShapeError, match=r"x: got 1 arrays; expected a list of 2"):
        model.predict([X])
    with pytest.raises(ShapeError, match=r"x\[1\]: got samples of shape \(5,\); expected shape"):
        model.predict([X, np.ones((40, 5))])
    with pytest.raises(ShapeError, match=r"x\[1\]: got 39 samples; expected 40"):
        model.predict([X, Z[1:]])
    with pytest.raises(ArgumentError, match="expected a list of 2 arrays"):
        model.predict(X)
    with pytest.raises(ArgumentError, match="inputs: got a int"):
        keras.Model(inputs=1, outputs=2)
    x, other = keras.Input((4,)), keras.Input((4,), name="other")
    with pytest.raises(ArgumentError, match="begins at 'other', too"):
        keras.Model(x, layers.Add()([x, other]))
    with pytest.raises(ArgumentError, match="two layers 'same'"):
        keras.Model(x, layers.Dense(1, name="same")(layers.Dense(2, name="same")(x)))
    with pytest.raises(TypeError, match="which has no values"):
        np.asarray(x)
    with pytest.raises(TypeError, match="which has no values"):
        bool(x)


def test_several_outputs_predict() -> None:
    x = keras.Input((4,))
    a = layers.Dense(3)(x)
    model = keras.Model(x, [a, layers.Dense(2)(a)])
    first, second = model.predict(X)
    assert (first.shape, second.shape) == ((40, 3), (40, 2))
    np.testing.assert_allclose(first, np.asarray(model(X)[0]), rtol=1e-5, atol=1e-6)
    named = keras.Model(x, {"a": a})
    np.testing.assert_array_equal(named.predict(X)["a"], first)
    with pytest.raises(ArgumentError, match="outputs: got 2 of them; expected one output"):
        model.compile("sgd", "mse")


def test_shared_layers_count_once() -> None:
    x, z = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(3)
    model = keras.Model([x, z], layers.Subtract()([shared(x), shared(z)]))
    assert model.count_params() == 15
    np.testing.assert_allclose(model.predict([X, X]), 0.0)
    np.testing.assert_allclose(
        model.predict([X, 2 * X]), -X @ shared.get_weights()[0], rtol=1e-4, atol=1e-5
    )


def test_models_are_layers_and_layers_have_outputs() -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(6, "relu"), layers.Dense(3)])
    x = keras.Input((4,))
    outer = keras.Model(x, layers.Dense(1)(inner(x)))
    assert outer.predict(X).shape == (40, 1)
    assert outer.count_params() == 30 + 21 + 4
    hidden = keras.Model(inner.inputs, inner.layers[0].output)
    w, b = inner.layers[0].get_weights()
    np.testing.assert_allclose(hidden.predict(X), np.maximum(X @ w + b, 0), rtol=1e-5, atol=1e-6)
    assert inner.output.shape == (None, 3)
    assert inner.layers[1].input is inner.layers[0].output
    with pytest.raises(AttributeError, match="has no input and no output yet"):
        _ = layers.Dense(3).output


def test_operations_on_placeholders() -> None:
    x = keras.Input((4,))
    y = keras.ops.relu(x)[:, 1:] * 2.0 + 1.0 - keras.ops.mean(x, axis=1, keepdims=True)
    model = keras.Model(x, -y / 2.0)
    expected = -(np.maximum(X, 0)[:, 1:] * 2 + 1 - X.mean(axis=1, keepdims=True)) / 2
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    again = models.model_from_json(model.to_json())
    np.testing.assert_allclose(again.predict(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [branched, two_inputs])
def test_files(tmp_path: Path, make: Any) -> None:
    model = make()
    given = X if make is branched else [X, Z]
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(given, Y, verbose=0)
    model.save(tmp_path / "m")
    again = models.load_model(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(given), model.predict(given))
    assert again.evaluate(given, Y) == model.evaluate(given, Y)
    assert again.optimizer.iterations == 2
    assert again.get_config() == model.get_config()
    copy = models.clone_model(model)
    assert copy.count_params() == model.count_params()
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(given), model.predict(given))


def test_summary_says_what_is_connected() -> None:
    lines: list[str] = []
    branched("net").summary(print_fn=lines.append)
    text = lines[0]
    assert 'Model: "net"' in text
    assert "connected to" in text
    assert "a[0], add" in text
    assert "Total params: 37" in text


def test_training_mode_reaches_the_layers() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dropout(0.5, seed=0)(x))
    assert (np.asarray(model(X)) == X).all()
    assert (np.asarray(model(X, training=True)) == 0).any()


def test_own_layers_of_several_inputs() -> None:
    class Gate(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

        def call(self, a: Any, b: Any, training: bool = False) -> Any:
            return a * b * self.scale * (2.0 if training else 1.0)

    class Pair(layers.Layer):
        def build(self, input_shape: Any) -> None:
            assert [shape[0] for shape in input_shape] == [None, None]

        def call(self, inputs: Any) -> Any:
            return inputs[0] - inputs[1]

    gate = Gate()
    np.testing.assert_allclose(np.asarray(gate(X, X)), X * X, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(gate(X, b=X, training=True)), 2 * X * X, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(Pair()([X, X])), 0.0)
    x = keras.Input((4,))
    model = keras.Model(x, Pair()([gate(x, x), x]))
    np.testing.assert_allclose(model.predict(X), X * X - X, rtol=1e-5, atol=1e-6)
    with pytest.raises(ArgumentError, match="got 4 arguments; expected 3"):
        gate(X, X, True, X)


def test_float64_and_whole_numbers() -> None:
    x = keras.Input((4,), dtype="float64")
    model = keras.Model(x, layers.Dense(2)(x))
    assert model.predict(X).dtype == np.float64
    i = keras.Input((2,), dtype="int32")
    found = keras.Model(i, layers.Flatten()(layers.Embedding(5, 3)(i)))
    assert found.predict(np.array([[1, 4]])).shape == (1, 6)


def test_inspect_and_compiled_and_eager_agree() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1)(layers.Dense(3, "tanh")(x)))
    model.compile("sgd", "mse")
    assert model.inspect(X[:3], Y[:3]).L == 2
    value = model.evaluate(X, Y)
    model.compile("sgd", "mse", run_eagerly=True)
    assert model.evaluate(X, Y) == pytest.approx(value, rel=1e-6)
    assert cr.tensor(value).shape == ()
