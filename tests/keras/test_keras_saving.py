"""Models in files: everything that a model has comes back; what cannot come back is said."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import keras
from chainrule.core.errors import ArgumentError, FileError
from chainrule.keras import callbacks, layers, losses, metrics, models, optimizers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("f4")
LABELS = RNG.integers(0, 3, 60)
ONE_HOT = np.eye(3, dtype="f4")[LABELS]


def small(*more: Any, last: str = "softmax") -> Any:
    return keras.Sequential(
        [
            keras.Input((4,), name="start"),
            layers.Dense(6, activation="tanh", name="first"),
            *more,
            layers.Dense(3, activation=last, name="last"),
        ]
    )


def there_and_back(model: Any, path: Path, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(path)
        return models.load_model(path, **options)


@pytest.mark.parametrize("name", ["model", "model.keras"])
def test_layers_and_optimizer_come_back(tmp_path: Path, name: str) -> None:
    model = small(
        layers.Dense(6, activation="leaky_relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.PReLU(),
    )
    optimizer = optimizers.Adam(0.02, clipnorm=1.0)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", "mse"])
    model.fit(X, ONE_HOT, epochs=2, verbose=0)
    again = there_and_back(model, tmp_path / name)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.evaluate(X, ONE_HOT) == pytest.approx(model.evaluate(X, ONE_HOT))
    assert repr(again.optimizer) == repr(optimizer)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    own = cr.load(tmp_path / name)
    np.testing.assert_array_equal(own.predict(X), model.predict(X))
    assert own.setup is not None
    assert models.load_model(tmp_path / name, compile=False).setup is None


@pytest.mark.parametrize(
    "layer",
    [
        layers.LeakyReLU(negative_slope=0.1, name="a"),
        layers.ReLU(max_value=0.5, threshold=0.1),
        layers.Softmax(axis=1),
        layers.ELU(0.7),
        layers.Reshape((6,)),
        layers.ActivityRegularization(l2=0.3),
        layers.Rescaling(2.0, offset=1.0),
        layers.GaussianDropout(0.3),
        layers.AlphaDropout(0.3),
        layers.Identity(),
        layers.Dense(6, kernel_constraint=keras.constraints.MaxNorm(1.0)),
        layers.Dense(6, kernel_initializer=keras.initializers.Constant(np.eye(6))),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_only_this_door_has_come_back(tmp_path: Path, layer: Any) -> None:
    model = small(layer)
    model.compile("sgd", "categorical_crossentropy")
    again = there_and_back(model, tmp_path / "m")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.evaluate(X, ONE_HOT) == model.evaluate(X, ONE_HOT)
    assert type(again.layers[1]) is type(layer)
    assert json.dumps(again.layers[1].get_config()) == json.dumps(layer.get_config())


def test_what_training_leaves_stays_left(tmp_path: Path) -> None:
    model = small()
    model.layers[0].trainable = False
    again = there_and_back(model, tmp_path / "m")
    assert [layer.trainable for layer in again.layers] == [False, True]
    assert [w.name for w in again.trainable_weights] == [w.name for w in model.trainable_weights]
    model.layers[0].trainable = True
    model.layers[0].bias.trainable = False
    again = there_and_back(model, tmp_path / "m")
    assert len(again.trainable_weights) == 3
    assert not again.layers[0].bias.trainable


@pytest.mark.parametrize(
    "loss",
    [
        losses.CategoricalCrossentropy(label_smoothing=0.1, reduction="sum"),
        losses.CategoricalFocalCrossentropy(gamma=3.0),
        losses.Hinge(),
        losses.Huber(delta=0.3),
    ],
    ids=lambda loss: loss.name,
)
def test_losses_keep_their_settings(tmp_path: Path, loss: Any) -> None:
    model = small()
    model.compile("sgd", loss)
    again = there_and_back(model, tmp_path / "m")
    assert type(again.loss) is type(loss)
    assert again.loss.get_config() == loss.get_config()
    assert again.evaluate(X, ONE_HOT) == model.evaluate(X, ONE_HOT)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.AUC(num_thresholds=50, curve="PR", name="area"),
        metrics.Precision(thresholds=[0.2, 0.4]),
        metrics.BinaryAccuracy(threshold=0.3),
        metrics.F1Score("macro"),
        metrics.TopKCategoricalAccuracy(k=2),
        metrics.CategoricalCrossentropy(label_smoothing=0.2),
        metrics.R2Score(),
        "accuracy",
        "acc",
    ],
    ids=str,
)
def test_compilation_survives_any_metric(tmp_path: Path, metric: Any) -> None:
    model = small()
    model.compile("adam", "categorical_crossentropy", metrics=[metric], weighted_metrics=["mae"])
    again = there_and_back(model, tmp_path / "m")
    assert again.setup is not None
    assert again.metrics_names == model.metrics_names
    for mine, theirs in zip(again.evaluate(X, ONE_HOT), model.evaluate(X, ONE_HOT), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.Adam(0.01, amsgrad=True),
        optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)),
        optimizers.Muon(0.01),
        optimizers.Adamax(0.01),
        optimizers.Nadam(0.01),
    ],
    ids=lambda o: type(o).__name__,
)
def test_training_goes_on_where_it_ended(tmp_path: Path, optimizer: Any) -> None:
    model = small()
    model.compile(optimizer, "categorical_crossentropy")
    given = {"verbose": 0, "shuffle": False, "batch_size": 20}
    model.fit(X, ONE_HOT, epochs=2, **given)
    again = there_and_back(model, tmp_path / "m")
    assert again.optimizer.iterations == model.optimizer.iterations == 6
    model.fit(X, ONE_HOT, epochs=2, **given)
    again.fit(X, ONE_HOT, epochs=2, **given)
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_state_of_an_inner_models_optimizer(tmp_path: Path) -> None:
    inner = small(last="linear")
    outer = keras.Sequential([keras.Input((4,)), layers.Dense(4), inner, layers.Softmax()])
    outer.compile("adam", "categorical_crossentropy")
    outer.fit(X, ONE_HOT, verbose=0)
    again = there_and_back(outer, tmp_path / "outer")
    assert again.optimizer.iterations == 2
    inner.compile("adam", "mse")
    inner.fit(X, ONE_HOT, verbose=0)
    assert there_and_back(inner, tmp_path / "inner").optimizer.iterations == 2


def test_save_model_is_the_same_as_save(tmp_path: Path) -> None:
    model = small(layers.LeakyReLU(0.1))
    models.save_model(model, tmp_path / "m")
    assert type(models.load_model(tmp_path / "m").layers[1]) is layers.LeakyReLU
    with pytest.raises(FileError, match="a model that is there already"):
        models.save_model(model, tmp_path / "m", overwrite=False)


def test_a_model_of_chainrules_own_over_it_wins(tmp_path: Path) -> None:
    small().save(tmp_path / "m")
    own = cr.Sequential([cr.Dense(2)])
    own.make_parameters((4,))
    own.compile("adam", "cross_entropy", ["accuracy"])
    own.save(tmp_path / "m")
    again = models.load_model(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(X), own.predict(X))
    assert isinstance(again.layers[0], layers.Dense)
    assert isinstance(again.optimizer, optimizers.Adam)
    again.fit(X, LABELS % 2, verbose=0)


def test_damage_is_noticed(tmp_path: Path) -> None:
    model = small()
    model.compile("adam", "mse")
    model.fit(X, ONE_HOT, verbose=0)
    model.save(tmp_path / "m")
    state = (tmp_path / "m" / "optimizer.safetensors").read_bytes()
    (tmp_path / "m" / "optimizer.safetensors").write_bytes(state[:-3])
    with pytest.raises(FileError, match="truncated or damaged"):
        models.load_model(tmp_path / "m")
    (tmp_path / "m" / "keras.json").write_text("{")
    with pytest.raises(FileError, match="damaged file"):
        models.load_model(tmp_path / "m")
    (tmp_path / "theirs.keras").write_bytes(b"PK")
    with pytest.raises(FileError, match="such as Keras itself writes"):
        models.load_model(tmp_path / "theirs.keras")


# Classes of one's own -------------------------------------------------------------------------


class Twice(layers.Layer):
    def __init__(self, factor: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor


def halved(y: Any, p: Any) -> Any:
    return cr.square(y - p).mean(axis=-1) / 2.0


class Total(metrics.Metric):
    def __init__(self, name: str = "total", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.sum = self.add_weight(name="sum", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.sum.assign_add(np.sum(y_pred))

    def result(self) -> Any:
        return self.sum


def test_own_classes_are_saved_with_a_warning_and_loaded_by_name(tmp_path: Path) -> None:
    model = small(Twice(3.0, name="mine"))
    model.compile("sgd", halved, metrics=[Total()])
    with pytest.warns(UserWarning, match="custom_objects={'Total': Total, 'Twice': Twice, 'halv"):
        model.save(tmp_path / "m")
    own = {"Twice": Twice, "halved": halved, "Total": Total}
    again = models.load_model(tmp_path / "m", custom_objects=own)
    assert again.get_layer("mine").factor == 3.0
    assert again.evaluate(X, ONE_HOT) == pytest.approx(model.evaluate(X, ONE_HOT))
    assert again.metrics_names == ["loss", "total"]
    with pytest.raises(ArgumentError, match=r"custom_objects=\{'Twice': Twice\}"):
        models.load_model(tmp_path / "m")
    with keras.saving.custom_object_scope(own):
        assert models.load_model(tmp_path / "m").get_layer("mine").factor == 3.0


def test_registered_classes_need_nothing(tmp_path: Path) -> None:
    registered = keras.saving.get_custom_objects()
    before = dict(registered)
    try:
        keras.saving.register_keras_serializable("tests")(Twice)
        again = there_and_back(small(Twice()), tmp_path / "m")
        assert type(again.layers[1]) is Twice
        assert keras.saving.get_registered_name(Twice) == "tests>Twice"
    finally:
        registered.clear()
        registered.update(before)


def test_a_lambda_as_loss_is_said_to_be_left_out(tmp_path: Path) -> None:
    model = small()
    model.compile("sgd", lambda y, p: halved(y, p))
    with pytest.warns(UserWarning, match=r"without what it was compiled with .*a lambda"):
        model.save(tmp_path / "m")
    assert models.load_model(tmp_path / "m").setup is None
    model.save(tmp_path / "m", include_optimizer=False)


def test_arguments_that_no_file_holds_are_explained(tmp_path: Path) -> None:
    class Odd(layers.Layer):
        def __init__(self, thing: Any, **options: Any) -> None:
            super().__init__(**options)

        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ArgumentError, match=r"get_config\(\), which returns the arguments"):
        small(Odd(object())).save(tmp_path / "m")
    with pytest.raises(ArgumentError, match="a lambda, which files cannot name"):
        small(layers.Lambda(lambda x: x)).save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


# Parameters alone -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["w.weights.h5", "w.safetensors"])
def test_weights_alone(tmp_path: Path, name: str) -> None:
    model, other = small(), small()
    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    model.save(tmp_path / "whole")
    third = small()
    third.load_weights(tmp_path / "whole")
    np.testing.assert_array_equal(model.predict(X), third.predict(X))
    with pytest.raises(FileError, match="there already"):
        model.save_weights(tmp_path / name, overwrite=False)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    model = small()
    model.save_weights(tmp_path / "w")
    other = keras.Sequential([keras.Input((4,)), layers.Dense(6), layers.Dense(2)])
    with pytest.raises(FileError, match=r"layers.1.kernel of shape \(6, 3\); expected shape"):
        other.load_weights(tmp_path / "w")
    before = other.get_weights()
    other.load_weights(tmp_path / "w", skip_mismatch=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    np.testing.assert_array_equal(other.get_weights()[2], before[2])
    (tmp_path / "theirs.h5").write_bytes(b"\x89HDF123")
    with pytest.raises(FileError, match="a format of Keras's own"):
        model.load_weights(tmp_path / "theirs.h5")
    with pytest.raises(FileError, match="no file of that name"):
        model.load_weights(tmp_path / "nothing")


def test_checkpoints(tmp_path: Path) -> None:
    model = small()
    model.compile("sgd", "categorical_crossentropy")
    each = callbacks.ModelCheckpoint(str(tmp_path / "a" / "{epoch:02d}-{loss:.2f}.keras"))
    best = callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True
    )
    worst = callbacks.ModelCheckpoint(
        tmp_path / "never.keras", "loss", save_best_only=True, initial_value_threshold=0.0
    )
    often = callbacks.ModelCheckpoint(
        str(tmp_path / "b" / "{epoch}-{batch}"), save_freq=2, save_weights_only=True
    )
    given = {"verbose": 0, "epochs": 3, "batch_size": 20}
    history = model.fit(X, ONE_HOT, callbacks=[each, best, worst, often], **given)
    found = sorted(p.name for p in (tmp_path / "a").iterdir())
    expected = [f"{i + 1:02d}-{loss:.2f}.keras" for i, loss in enumerate(history.history["loss"])]
    assert found == expected
    assert best.best == min(history.history["loss"])
    assert not (tmp_path / "never.keras").exists()
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["1-2", "2-1", "2-3", "3-2"]
    again = models.load_model(tmp_path / "a" / found[-1])
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    wrong = callbacks.ModelCheckpoint(str(tmp_path / "{val_loss}"))
    with pytest.raises(ArgumentError, match=r"with \{val_loss\}; expected names among loss, epoch"):
        model.fit(X, ONE_HOT, callbacks=[wrong], verbose=0)
    wrong = callbacks.ModelCheckpoint(tmp_path / "c", save_best_only=True)
    with pytest.raises(ArgumentError, match="need validation_data"):
        model.fit(X, ONE_HOT, callbacks=[wrong], verbose=0)
    with pytest.raises(ArgumentError, match="save_freq"):
        callbacks.ModelCheckpoint(tmp_path / "c", save_freq="batch")


def test_json(tmp_path: Path) -> None:
    model = small(layers.LeakyReLU(0.1))
    text = model.to_json()
    again = models.model_from_json(text)
    assert again.count_params() == model.count_params()
    assert again.get_config() == model.get_config()
    assert json.loads(text)["class_name"] == "Sequential"
    copy = models.clone_model(model)
    assert copy.get_config() == model.get_config()
    assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])
