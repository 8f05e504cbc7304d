"""Compile, fit, evaluate and predict by Keras's conventions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from keras_networks import LABELS, ONE_HOT, X, blobs, fitted, network

import chainrule as cr
from chainrule import keras

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


def test_inspect_shows_the_derivative_by_the_probabilities() -> None:
    model = network()
    model.compile("sgd", "categorical_crossentropy")
    record = model.inspect(X[:5], ONE_HOT[:5])
    p = model.predict(X[:5])
    np.testing.assert_allclose(record.delta[2], p - ONE_HOT[:5], atol=1e-5)
    assert np.abs(record.da[2]).max() > 0


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


def test_on_batch() -> None:
    model = network()
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
    before = model.test_on_batch(X, ONE_HOT)
    assert model.train_on_batch(X, ONE_HOT) == pytest.approx(before)
    assert model.test_on_batch(X, ONE_HOT, return_dict=True)["loss"] < before[0]
    np.testing.assert_array_equal(model.predict_on_batch(X), model.predict(X, batch_size=60))
    assert model.predict_classes(X).shape == (60,)
    assert model.optimizer.iterations == 1


def test_steps_per_epoch_go_on_where_the_last_epoch_ended() -> None:
    class Rows(keras.callbacks.Callback):
        def __init__(self) -> None:
            self.batches: list[int] = []
            self.begun = self.ended = 0

        def on_train_begin(self, logs: Any = None) -> None:
            self.begun += 1

        def on_train_end(self, logs: Any = None) -> None:
            self.ended += 1

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.batches.append(self.model.optimizer.iterations)

    rows = Rows()
    history = fitted(
        steps_per_epoch=2, epochs=4, batch_size=25, callbacks=[rows], validation_split=0.0
    )
    assert rows.batches == [2, 3, 5, 6]  # of 60 samples the third batch ends the pass
    assert (rows.begun, rows.ended) == (1, 1)
    assert history.epoch == [0, 1, 2, 3]
    assert history.params["steps"] == 2
    whole = [network(), network()]
    whole[1].set_weights(whole[0].get_weights())
    for model, steps in zip(whole, (None, 1), strict=True):
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
        n = 1 if steps is None else 3
        model.fit(
            X, ONE_HOT, batch_size=20, epochs=n, steps_per_epoch=steps, shuffle=False, verbose=0
        )
    for a, b in zip(*(model.get_weights() for model in whole), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_steps_of_evaluation_and_prediction() -> None:
    model = network()
    model.compile("sgd", "categorical_crossentropy")
    found = model.evaluate(X, ONE_HOT, batch_size=10, steps=2)
    assert found == pytest.approx(model.evaluate(X[:20], ONE_HOT[:20]))
    assert model.predict(X, batch_size=10, steps=2).shape == (20, 3)
    history = model.fit(
        X, ONE_HOT, batch_size=10, validation_data=(X, ONE_HOT), validation_steps=2, verbose=0
    )
    expected = model.evaluate(X[:20], ONE_HOT[:20])
    assert history.history["val_loss"][0] == pytest.approx(expected, rel=1e-6)


def test_classes_that_are_not_named_count_one() -> None:
    ends = []
    for weights in ({1: 3.0}, {0: 1.0, 1: 3.0, 2: 1.0}):
        cr.random.seed(3)
        ends.append(fitted(epochs=2, shuffle=False, class_weight=weights).history["loss"])
    assert ends[0] == ends[1]
