"""Keras's callbacks: order, defaults, what they watch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from keras_networks import LABELS, ONE_HOT, X, fitted, network

import chainrule as cr
from chainrule import keras
from chainrule.core.errors import ArgumentError
from chainrule.training.loop import DivergedError


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


@pytest.mark.parametrize(
    "callback", [keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau]
)
def test_a_mistyped_quantity_is_noticed_once_there_was_a_validation(callback: Any) -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'val_accuracy'"):
        fitted(epochs=3, callbacks=[callback("val_acuracy")], validation_split=0.2)
    # not before the first validation
    given = {"validation_split": 0.2, "validation_freq": 2, "callbacks": [callback("val_loss")]}
    assert len(fitted(epochs=2, **given).epoch) == 2
    with pytest.raises(ArgumentError, match="Did you mean 'val_loss'"):
        fitted(epochs=4, **{**given, "callbacks": [callback("val_los")]})


def test_compiling_within_a_callback_is_said_to_come_late() -> None:
    def again(epoch: int, logs: Any) -> None:
        model.compile("adam", "mse")

    model = network()
    model.compile("sgd", "categorical_crossentropy")
    late = keras.callbacks.LambdaCallback(on_epoch_end=again)
    with pytest.warns(UserWarning, match="counts from the next fit on"):
        model.fit(X, ONE_HOT, verbose=0, callbacks=[late])
    assert model.loss.name == "mean_squared_error"
