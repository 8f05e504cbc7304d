"""Sequential and Model: growing, freezing, counting, showing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_networks import LABELS, ONE_HOT, X, network

from chainrule import keras
from chainrule.core.errors import ArgumentError, ChainruleError


def test_a_model_grows_and_shrinks() -> None:
    model = network()
    model.predict(X)
    model.add(keras.layers.Dense(2))
    assert model.predict(X).shape == (60, 2)
    assert model.output_shape == (None, 2)
    model.pop()
    model.pop()
    assert [layer.units for layer in model.layers] == [6]
    assert model.predict(X).shape == (60, 6)
    model.pop()
    with pytest.raises(ChainruleError, match="no layers to take away"):
        model.pop()


def test_freezing() -> None:
    model = network()
    model.layers[0].trainable = False
    assert not model.layers[0].trainable
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (2, 2)
    model.compile("sgd", "categorical_crossentropy")
    before = model.get_weights()
    model.fit(X, ONE_HOT, verbose=0)
    after = model.get_weights()
    assert [bool((a == b).all()) for a, b in zip(before, after, strict=True)] == [1, 1, 0, 0]
    model.layers[0].trainable = True
    assert len(model.trainable_weights) == 4
    normal = keras.layers.BatchNormalization(input_shape=(4,))
    whole = keras.Sequential([normal, keras.layers.Dense(3)])
    whole.trainable = False
    assert whole.trainable_weights == []
    whole.trainable = True
    assert len(whole.non_trainable_weights) == 2  # the moving statistics


def test_weights_and_counts() -> None:
    model = network()
    assert model.count_params() == 51
    assert [w.shape for w in model.layers[1].get_weights()] == [(6, 3), (3,)]
    with pytest.raises(ArgumentError, match="weights: got 1 arrays; expected 4"):
        model.set_weights([np.zeros(3)])
    with pytest.raises(ChainruleError, match="has no parameters yet"):
        keras.Sequential([keras.layers.Dense(3)]).count_params()
    given = keras.layers.Dense(2, weights=[np.ones((4, 2)), np.zeros(2)], input_dim=4)
    assert keras.Sequential([given]).predict(np.ones((1, 4))).tolist() == [[4.0, 4.0]]


def test_summary_prints_and_returns_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    keras.utils.clear_session()
    assert network().summary() is None
    out = capsys.readouterr().out
    assert 'Model: "sequential"' in out
    assert "dense_1 (Dense)" in out
    assert "(None, 6)" in out
    assert "Total params: 51" in out
    lines: list[str] = []
    keras.Sequential([keras.layers.Dense(3)]).summary(print_fn=lines.append)
    assert "(unbuilt)" in lines[0]


def test_a_model_of_ones_own() -> None:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = keras.layers.Dense(8, activation="relu")
            self.out = keras.layers.Dense(3, activation="softmax")

        def call(self, inputs: Any) -> Any:
            return self.out(self.hidden(inputs))

    model = Net()
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    history = model.fit(X, LABELS, epochs=10, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert model.name == "net"


def test_importing_chainrule_does_not_import_this() -> None:
    import subprocess
    import sys

    code = "import sys, chainrule; sys.exit('chainrule.keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


class Net(keras.Model):
    def __init__(self, units: int = 8, **options: Any) -> None:
        super().__init__(**options)
        self.blocks = [keras.layers.Dense(units, activation="relu", name="hidden")]
        self.out = keras.layers.Dense(3, name="out")

    def call(self, inputs: Any, training: bool = False) -> Any:
        for block in self.blocks:
            inputs = block(inputs)
        return self.out(inputs)


def test_a_model_of_ones_own_is_built_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    model = Net(dtype="float64", name="mine")
    assert [layer.name for layer in model.layers] == ["hidden", "out"]
    model.summary()
    assert "unbuilt" in capsys.readouterr().out
    with pytest.raises(ChainruleError, match="has no parameters yet"):
        model.count_params()
    model.build((None, 4))
    assert model.built
    assert model.count_params() == 40 + 27
    assert model.get_weights()[0].dtype == np.float64
    assert model.get_layer("out").units == 3
    model.summary()
    assert "Total params: 67" in capsys.readouterr().out
    assert model.get_config() == {"dtype": "float64", "name": "mine"}
    assert Net.from_config({"units": 2}).blocks[0].units == 2


def test_a_model_of_ones_own_in_files(tmp_path: Any) -> None:
    model = Net(5)
    model.compile("adam", "mse")
    model.fit(X, ONE_HOT, verbose=0)
    with pytest.warns(UserWarning, match="custom_objects={'Net': Net}"):
        model.save(tmp_path / "m")
    again = keras.models.load_model(tmp_path / "m", {"Net": Net})
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.optimizer.iterations == 2


def test_a_model_of_ones_own_with_two_inputs() -> None:
    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            a, b = inputs
            return self.dense(a) + b

    model = Two()
    model.compile("sgd", "mse")
    b = np.ones((60, 1), "f4")
    model.fit([X, b], LABELS, verbose=0, epochs=2)
    w, bias = model.get_weights()
    np.testing.assert_allclose(model.predict([X, b]), X @ w + bias + 1, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(model([X, b])), X @ w + bias + 1, rtol=1e-4, atol=1e-5)


def test_a_sequential_is_a_model() -> None:
    assert isinstance(network(), keras.Model)
    assert network().get_layer(index=1).units == 3
    with pytest.raises(ArgumentError, match="Did you mean 'first'"):
        network(name="first").get_layer("frist")
