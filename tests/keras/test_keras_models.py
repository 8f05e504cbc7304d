"""The front door: the lecture's listing, Keras's names, conventions and mistakes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import keras
from chainrule.core.errors import ArgumentError, ChainruleError, FileError
from chainrule.training.loop import DivergedError

LISTING = """
from keras.models import Sequential
from keras.layers import Dense, Activation
from keras.optimizers import SGD

model = Sequential()
model.add(Dense(output_dim=64, input_dim=100))
model.add(Activation("relu"))
model.add(Dense(output_dim=10))
model.add(Activation("softmax"))

model.compile(loss='categorical_crossentropy',
              optimizer='sgd', metrics=['accuracy'])

 
model.fit(X_train, Y_train, nb_epoch=5, batch_size=32)

loss = model.evaluate(X_test, Y_test, batch_size=32)
"""  # noqa: W293 - the lecture's own


def blobs(n: int = 800, features: int = 100, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(classes, features))
    labels = rng.integers(0, classes, n)
    x = centers[labels] + 0.5 * rng.normal(size=(n, features))
    return x.astype(np.float32), labels


X, LABELS = blobs(60, 4, 3)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def network(last: str = "softmax", **first: Any) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.layers.Dense(6, activation="tanh", input_shape=(4,), **first),
            keras.layers.Dense(3, activation=last),
        ]
    )


def fitted(**options: Any) -> Any:
    model = network()
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model.fit(X, ONE_HOT, verbose=0, **options)


# The lecture ---------------------------------------------------------------------------------


def test_the_listing_of_the_lecture_learns() -> None:
    x, labels = blobs()
    y = np.eye(10)[labels]
    names: dict[str, Any] = {
        "X_train": x[:600],
        "Y_train": y[:600],
        "X_test": x[600:],
        "Y_test": y[600:],
    }
    code = re.sub(r"\bkeras\b", "chainrule.keras", LISTING)
    exec(code, names)  # noqa: S102 - the listing is text on purpose
    loss, accuracy = names["loss"]
    assert accuracy > 0.95
    assert loss < 1.0
    assert names["model"].history.epoch == [0, 1, 2, 3, 4]


# Stable losses from probabilities ------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "loss", "own"),
    [
        ("softmax", "categorical_crossentropy", cr.losses.CrossEntropy()),
        ("sigmoid", "binary_crossentropy", cr.losses.BinaryCrossEntropy()),
    ],
)
@pytest.mark.parametrize("as_layer", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_gradients_are_those_from_logits(
    activation: str, loss: str, own: Any, as_layer: bool, scale: float
) -> None:
    rng = np.random.default_rng(1)
    kernel, x = scale * rng.choice([-1.0, 1.0], (4, 3)), np.eye(4)
    y = np.eye(3)[[0, 1, 2, 1]]
    last = [keras.layers.Dense(3, dtype="float64", activation=None if as_layer else activation)]
    last += [keras.layers.Activation(activation)] if as_layer else []
    model = keras.Sequential([*last])
    model.build((None, 4))
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.set_weights([kernel, np.zeros(3)])
    evaluated = model.evaluate(x, y)

    w = cr.Parameter(kernel)
    value = own(cr.tensor(y, dtype="float64"), cr.tensor(x, dtype="float64") @ w).mean()
    value.backward()
    assert evaluated == pytest.approx(value.item(), rel=1e-12)
    assert model.train_on_batch(x, y) == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(
        kernel - model.get_weights()[0], w.grad.numpy(), rtol=1e-9, atol=1e-9
    )
    assert np.isfinite(model.get_weights()[0]).all()


def test_probabilities_that_nobody_knows_the_logits_of_are_clipped() -> None:
    loss = keras.losses.categorical_crossentropy([[0.0, 1.0]], [[1.0, 0.0]])
    assert loss.item() == pytest.approx(-np.log(1e-7), rel=1e-5)
    p = keras.activations.softmax([[1000.0, -1000.0]])
    assert keras.losses.categorical_crossentropy([[0.0, 1.0]], p).item() == 2000.0
    p = keras.activations.softmax(cr.tensor([[1000.0], [-1000.0]]), axis=0)
    assert keras.losses.binary_crossentropy([[1.0], [0.0]], p).numpy() == pytest.approx(0, abs=1e-6)


def test_logits_of_another_kind_are_not_taken() -> None:
    p = keras.activations.sigmoid([[2.0, 1.0]])
    expected = -np.log(1 / (1 + np.exp(-2.0)) / (1 / (1 + np.exp(-2.0)) + 1 / (1 + np.exp(-1.0))))
    assert keras.losses.categorical_crossentropy([[1.0, 0.0]], p).item() == pytest.approx(expected)


def test_inspect_shows_the_derivative_by_the_probabilities() -> None:
    model = network()
    model.compile("sgd", "categorical_crossentropy")
    record = model.inspect(X[:5], ONE_HOT[:5])
    p = model.predict(X[:5])
    np.testing.assert_allclose(record.delta[2], p - ONE_HOT[:5], atol=1e-5)
    assert np.abs(record.da[2]).max() > 0


# Conventions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "y", "loss", "kind"),
    [
        (1, LABELS > 0, "binary_crossentropy", "binary_accuracy"),
        (3, ONE_HOT, "categorical_crossentropy", "categorical_accuracy"),
        (3, LABELS, "sparse_categorical_crossentropy", "sparse_categorical_accuracy"),
    ],
)
def test_accuracy_is_the_one_that_fits(units: int, y: Any, loss: str, kind: str) -> None:
    last = "sigmoid" if units == 1 else "softmax"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=last)])
    model.compile("sgd", loss, metrics=["accuracy", kind, "acc"])
    scores = model.evaluate(X, y, return_dict=True)
    p = model.predict(X)
    guess = p[:, 0] > 0.5 if units == 1 else p.argmax(axis=1)
    expected = float(np.mean(guess == (y if y.ndim == 1 else y.argmax(axis=1))))
    assert scores["accuracy"] == scores[kind] == scores["acc"] == pytest.approx(expected)
    assert model.metrics_names == ["loss", "accuracy", kind, "acc"]


def test_history_counts_from_the_initial_epoch() -> None:
    history = fitted(epochs=5, initial_epoch=2, validation_split=0.2, batch_size=16)
    assert history.epoch == [2, 3, 4]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.params == {"verbose": 0, "epochs": 5, "steps": 3}
    assert fitted(epochs=2, initial_epoch=2).epoch == []


def test_validation_with_weights_and_now_and_then() -> None:
    w = np.arange(60.0)
    model = network()
    model.compile("sgd", "categorical_crossentropy")
    history = model.fit(
        X, ONE_HOT, epochs=4, verbose=0, validation_data=(X, ONE_HOT, w), validation_freq=2
    )
    assert len(history.history["val_loss"]) == 2
    assert history.history["val_loss"][-1] == pytest.approx(
        model.evaluate(X, ONE_HOT, sample_weight=w), rel=1e-6
    )
    p = model.predict(X)[np.arange(60), LABELS]
    assert history.history["val_loss"][-1] == pytest.approx(
        float(np.mean(-w * np.log(p))), rel=1e-5
    )


def test_class_weights_are_sample_weights_by_class() -> None:
    ends = []
    for options in (
        {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
        {"sample_weight": np.array([1.0, 3.0, 0.5])[LABELS]},
        {},
    ):
        cr.random.seed(3)
        ends.append(fitted(epochs=3, shuffle=False, **options).history["loss"])
    assert ends[0] == pytest.approx(ends[1])
    assert ends[0] != pytest.approx(ends[2])


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


def test_on_batch() -> None:
    model = network()
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
    before = model.test_on_batch(X, ONE_HOT)
    assert model.train_on_batch(X, ONE_HOT) == pytest.approx(before)
    assert model.test_on_batch(X, ONE_HOT, return_dict=True)["loss"] < before[0]
    np.testing.assert_array_equal(model.predict_on_batch(X), model.predict(X, batch_size=60))
    assert model.predict_classes(X).shape == (60,)
    assert model.optimizer.iterations == 1


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
    model.compile(optimizer, "mse")
    assert len(model.evaluate(X, ONE_HOT, show_accuracy=True)) == 2


# Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "model.keras"])
def test_save_and_load(tmp_path: Path, name: str) -> None:
    model = keras.Sequential(
        [
            keras.layers.Dense(6, activation="leaky_relu", input_shape=(4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.PReLU(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.02, clipnorm=1.0)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", "mse"])
    model.fit(X, ONE_HOT, epochs=2, verbose=0)
    model.save(tmp_path / name)
    again = keras.models.load_model(tmp_path / name)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.evaluate(X, ONE_HOT) == pytest.approx(model.evaluate(X, ONE_HOT))
    assert repr(again.optimizer) == repr(optimizer)
    assert isinstance(again.optimizer, keras.optimizers.Adam)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    again.fit(X, ONE_HOT, verbose=0)
    own = cr.load(tmp_path / name)
    np.testing.assert_array_equal(own.predict(X), model.predict(X))
    assert own.setup is not None
    assert keras.models.load_model(tmp_path / name, compile=False).setup is None


def test_files_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "theirs.keras").write_bytes(b"PK")
    with pytest.raises(FileError, match="such as Keras itself writes"):
        keras.models.load_model(tmp_path / "theirs.keras")

    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2.0

    model = keras.Sequential([keras.Input((4,)), Twice()])
    with pytest.raises(ArgumentError, match="a Twice, which is code"):
        model.save(tmp_path / "model")


# Classes of one's own ------------------------------------------------------------------------


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


# Mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: keras.layers.Dense(3, activatoin="relu"), "Did you mean 'activation'"),
        (lambda: keras.layers.Dense(), "units: got nothing"),
        (lambda: keras.layers.Dense(3, output_dim=4), "units"),
        (lambda: keras.layers.Dense(3, activation="rleu"), "Did you mean 'relu'"),
        (lambda: keras.layers.Dense(3, kernel_constraint="max_norm"), "Chainrule lacks this"),
        (lambda: keras.layers.Dense(3, input_dim=4, input_shape=(4,)), "one of them"),
        (lambda: keras.optimizers.SGD(learning_rat=0.1), "Did you mean 'learning_rate'"),
        (lambda: keras.optimizers.Adam(use_ema=True), "use_ema: got True"),
        (lambda: keras.losses.get("categorical_crosentropy"), "'categorical_crossentropy'"),
        (lambda: keras.metrics.get("acuracy"), "Did you mean 'accuracy'"),
        (lambda: keras.optimizers.get("adm"), "Did you mean 'adam'"),
        (lambda: fitted(nb_epochs=3), "Did you mean 'nb_epoch'"),
        (lambda: fitted(steps_per_epoch=1), "steps_per_epoch: got 1; expected None, or 2"),
        (lambda: fitted(callbacks=[keras.callbacks.History]), "Did you forget the parentheses?"),
        (lambda: fitted(validation_split=1.5), "validation_split: got 1.5"),
        (lambda: fitted(validation_data=(X,)), r"validation_data: got a tuple"),
        (lambda: fitted(validation_data=(X, LABELS + 7)), r"validation_data\[1\]"),
        (lambda: network().compile("sgd"), "loss: got None"),
        (lambda: keras.layers.Dense(3)(keras.Input((4,))), "Chainrule has no functional API"),
        (lambda: keras.Model(inputs=1, outputs=2), "Chainrule has no functional API"),
        (lambda: keras.layers.Add()([keras.Input((4,))] * 2), "Chainrule has no functional API"),
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


# Callbacks -----------------------------------------------------------------------------------


class Note(keras.callbacks.Callback):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and not name.startswith("on_batch_"):
            self.calls.append(name)
        return super().__getattribute__(name)


def test_callbacks_are_called_in_order() -> None:
    note = Note()
    fitted(epochs=1, batch_size=30, callbacks=[note], validation_split=0.2)
    batch = ["on_train_batch_begin", "on_train_batch_end"]
    assert note.calls == [
        *("on_train_begin", "on_epoch_begin", *batch, *batch),
        *("on_test_begin", "on_test_end", "on_epoch_end", "on_train_end"),
    ]


def test_early_stopping_has_the_defaults_of_keras() -> None:
    stopping = keras.callbacks.EarlyStopping()
    given = (stopping.monitor, stopping.patience, stopping.restore_best_weights)
    assert given == ("val_loss", 0, False)
    with pytest.raises(ArgumentError, match="need validation_data or validation_split"):
        fitted(callbacks=[stopping])


@pytest.mark.parametrize(("patience", "epochs"), [(0, 2), (1, 2), (3, 4)])
def test_early_stopping_counts_as_keras_does(patience: int, epochs: int) -> None:
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=100.0, patience=patience)
    history = fitted(epochs=9, callbacks=[stopping])
    assert len(history.epoch) == epochs
    assert stopping.stopped_epoch == epochs - 1


def test_learning_rates() -> None:
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.5)
    assert fitted(epochs=3, callbacks=[scheduler]).history["learning_rate"] == pytest.approx(
        [0.005, 0.0025, 0.00125]
    )
    by_epoch = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    assert fitted(epochs=2, callbacks=[by_epoch]).history["learning_rate"] == [0.1, 0.05]
    plateau = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=100.0)
    rates = fitted(epochs=4, callbacks=[plateau]).history["learning_rate"]
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.0025])


def test_terminate_on_nan(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*callbacks: Any) -> Any:
        model = keras.Sequential([keras.layers.Dense(1, input_dim=4)])
        model.compile(keras.optimizers.SGD(1e20), "mse")
        return model.fit(X, LABELS, epochs=20, verbose=0, callbacks=list(callbacks))

    with pytest.raises(DivergedError):
        run()
    assert len(run(keras.callbacks.TerminateOnNaN()).epoch) < 20
    assert "terminating" in capsys.readouterr().out


def test_csv_and_functions(tmp_path: Path) -> None:
    seen: list[int] = []
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    fitted(epochs=2, callbacks=[log, each, cr.EarlyStopping(monitor="loss")])
    assert seen == [0, 1]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,accuracy"
    assert len(lines) == 3
    with pytest.raises(ArgumentError, match="on_epoch_end"):
        keras.callbacks.LambdaCallback(on_epoch_ende=print)


# Optimizers ----------------------------------------------------------------------------------


def test_weight_decay_acts_on_all_but_the_excluded() -> None:
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.2)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    bias, scale = cr.Parameter([1.0], name="bias"), cr.Parameter([1.0], name="scale")
    matrix = cr.Parameter([[1.0]], name="kernel")
    zeros = [cr.tensor([0.0]), cr.tensor([0.0]), cr.tensor([[0.0]])]
    optimizer.apply([bias, scale, matrix], zeros)
    assert [bias.item(), scale.item(), matrix.item()] == pytest.approx([1.0, 0.9, 0.9])
    assert optimizer.weight_decay == 0.2


def test_a_schedule_of_ones_own() -> None:
    class Falling(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return 0.5 / (step + 1)

    optimizer = keras.optimizers.SGD(Falling())
    w = cr.Parameter([1.0])
    for _ in range(2):
        optimizer.apply([w], [cr.tensor([1.0])])
    assert w.item() == pytest.approx(1.0 - 0.5 - 0.25)


def test_importing_chainrule_does_not_import_this() -> None:
    import subprocess
    import sys

    code = "import sys, chainrule; sys.exit('chainrule.keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
