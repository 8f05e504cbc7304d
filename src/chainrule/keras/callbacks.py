"""Callbacks with Keras's methods, arguments and defaults.

>>> EarlyStopping().patience
0
"""

from __future__ import annotations

import csv
import inspect
import math
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.types import Array
from chainrule.keras.arguments import missing
from chainrule.optim.schedules import ReduceOnPlateau
from chainrule.training import callbacks as core

Logs = Mapping[str, Any] | None


class Callback:
    """What to do in training: subclass it, and write the methods you need.

    ``self.model`` is the model; ``self.params`` holds ``epochs``, ``steps``, ``verbose``. Setting
    ``self.model.stop_training = True`` ends the training after the epoch. What is put into the logs
    of an epoch goes into the history.
    """

    model: Any = None
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        """Be told the model."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Be told the parameters of the training."""
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """Do something before the first epoch."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Do something after the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Do something before an epoch; they are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Do something after an epoch, with its losses and metrics."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Do something before a batch, by the older name."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Do something after a batch, by the older name."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Do something before a batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Do something after a batch of training, with the running losses and metrics."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Do something before an evaluation, in training too."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Do something after an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Never called: an evaluation is one step here."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Never called: an evaluation is one step here."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Do something before a prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Do something after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Never called: a prediction is one step here."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Never called: a prediction is one step here."""


class History(Callback):
    """Losses and metrics epoch by epoch; what ``fit`` returns.

    Attributes:
        epoch: the epochs' numbers.
        history: for each quantity, its value in each epoch.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin anew."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch's losses and metrics."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary an epoch, as Chainrule's own history does."""
        return [
            {"epoch": e, **{n: values[i] for n, values in self.history.items() if i < len(values)}}
            for i, e in enumerate(self.epoch)
        ]


class _Monitor(Callback):
    """What watches one quantity."""

    def __init__(self, monitor: str, mode: str, verbose: int) -> None:
        if mode not in ("auto", "min", "max"):
            raise ArgumentError("mode", repr(mode), "'auto', 'min' or 'max'")
        self.monitor, self.verbose = monitor, verbose
        self.mode = core.find_mode(mode, monitor)

    def value(self, logs: Logs) -> float | None:
        """Return the quantity after an epoch, or ``None`` where this epoch was not validated.

        Raises:
            ArgumentError: it is never there.
        """
        found = (logs or {}).get(self.monitor)
        if found is not None:
            return float(found)
        if self.monitor.startswith("val_") and self.params.get("validated"):
            return None
        known = list(logs or {})
        raise ArgumentError(
            "monitor",
            repr(self.monitor),
            f"one of {', '.join(known)}",
            "Quantities that begin with val_ need validation_data or validation_split."
            if self.monitor.startswith("val_")
            else nearest(self.monitor, known),
        )

    def say(self, text: str) -> None:
        """Print a line, if wanted."""
        if self.verbose:
            print(text)


class EarlyStopping(_Monitor):
    """Stop when a quantity no longer improves.

    Args:
        monitor: its name in the logs.
        min_delta: what counts as an improvement must be larger.
        patience: after how many epochs without improvement to stop.
        verbose: whether to say so.
        mode: ``"min"``, ``"max"`` or ``"auto"``, by the name.
        baseline: what must be reached for waiting to begin anew.
        restore_best_weights: whether to go back to the best epoch's weights.
        start_from_epoch: epochs before this one are not watched.

    Attributes:
        stopped_epoch: the epoch after which training was stopped, or 0.
        best: best value; ``best_epoch``: its epoch.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, verbose)
        self.min_delta, self.patience = abs(float(min_delta)), int(patience)
        self.baseline, self.start_from_epoch = baseline, start_from_epoch
        self.restore_best_weights = restore_best_weights
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Forget earlier trainings."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_weights: list[Array] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Stop if the best is too long ago."""
        value = self.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
        self.wait += 1
        if self._improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._improves(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Go back to the best weights, if wanted."""
        if self.stopped_epoch:
            self.say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            self.say(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def _improves(self, value: float, reference: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        return sign * value < sign * reference - self.min_delta


class ReduceLROnPlateau(_Monitor):
    """Lower the learning rate when a quantity no longer improves: ``α ← max(α · factor, min_lr)``.

    Args:
        monitor: its name in the logs.
        factor: below 1.
        patience: after how many epochs without improvement.
        verbose: whether to say so.
        mode: ``"min"``, ``"max"`` or ``"auto"``, by the name.
        min_delta: what counts as an improvement must be larger (Keras 2: epsilon).
        cooldown: epochs after a fall that are not counted.
        min_lr: lower limit.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, verbose)
        self._plateau = ReduceOnPlateau(
            factor,
            patience,
            min_delta=min_delta,
            mode=self.mode,
            cooldown=cooldown,
            min_lr=min_lr,
        )

    def on_train_begin(self, logs: Logs = None) -> None:
        """Forget earlier trainings."""
        self._plateau.reset()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Lower the learning rate, if it is time."""
        optimizer = self.model.optimizer
        rate = optimizer.learning_rate
        if isinstance(logs, dict):
            logs["learning_rate"] = rate
        value = self.value(logs)
        if value is None:
            return
        lower = self._plateau.step(value, rate)
        if lower != rate:
            optimizer.learning_rate = lower
            self.say(f"Epoch {epoch + 1}: ReduceLROnPlateau: learning rate {lower:g}.")


class LearningRateScheduler(Callback):
    """Set the learning rate at the beginning of each epoch.

    Args:
        schedule: function of the epoch and the present learning rate, or of the epoch alone.
        verbose: whether to say so.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        try:
            inspect.signature(schedule).bind(0, 0.1)
            self._takes_rate = True
        except TypeError:
            self._takes_rate = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the learning rate."""
        optimizer = self.model.optimizer
        given = (epoch, optimizer.learning_rate) if self._takes_rate else (epoch,)
        rate = self.schedule(*given)
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: LearningRateScheduler: learning rate {float(rate):g}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Note the learning rate in the logs."""
        if isinstance(logs, dict):
            logs["learning_rate"] = self.model.optimizer.learning_rate


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        functions: by the names of the callback's methods, such as ``on_epoch_end``.

    Raises:
        ArgumentError: a name that no method has.
    """

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        known = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in known:
                raise ArgumentError(
                    name, "a function", f"methods among {', '.join(known)}", nearest(name, known)
                )
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """End the training, without an error, when the loss becomes NaN or infinite."""


class CSVLogger(Callback):
    """Write each epoch's losses and metrics into a CSV file.

    Args:
        filename: the file.
        separator: between the columns.
        append: whether to go on with a file that is there.
    """

    def __init__(
        self, filename: str | PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin the file."""
        self._names: list[str] | None = None
        if self.append and self.filename.exists() and self.filename.stat().st_size:
            with self.filename.open(newline="", encoding="utf-8") as file:
                self._names = next(csv.reader(file, delimiter=self.separator))
        else:
            self.filename.write_text("", encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write a row."""
        row = {"epoch": epoch, **{n: _plain(v) for n, v in (logs or {}).items()}}
        with self.filename.open("a", newline="", encoding="utf-8") as file:
            if self._names is None:
                self._names = list(row)
                csv.writer(file, delimiter=self.separator).writerow(self._names)
            values = [row.get(name, "NA") for name in self._names]
            csv.writer(file, delimiter=self.separator).writerow(values)


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist()


class Bridge(core.Callback):
    """Keras's callbacks as one of Chainrule's.

    Args:
        callbacks: they are told everything, in order.
        first: number of the first epoch.
        validate: given an epoch's number, returns what validation found, or nothing.
    """

    def __init__(
        self, callbacks: list[Callback], first: int, validate: Callable[[int], dict[str, Any]]
    ) -> None:
        self.callbacks, self.first, self.validate = callbacks, first, validate

    def on_train_begin(self) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_train_begin({})

    def on_epoch_begin(self, epoch: int) -> None:
        """Tell all of them, and that the first batch begins."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch + self.first, {})
        self._batch_begin(0)

    def on_batch_end(self, batch: int, logs: core.Logs) -> None:
        """Tell all of them, and that the next batch begins."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, dict(logs))
        if batch + 1 < self.params["steps"]:
            self._batch_begin(batch + 1)

    def on_epoch_end(self, epoch: int, logs: core.Logs) -> None:
        """Validate, and tell all of them; what one puts into the logs is seen by the next."""
        assert isinstance(logs, dict)
        logs.update(self.validate(epoch + self.first))
        for callback in self.callbacks:
            callback.on_epoch_end(epoch + self.first, logs)

    def on_train_end(self, logs: core.Logs) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_train_end(dict(logs))

    def _batch_begin(self, batch: int) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, {})


__getattr__ = missing(__name__, globals())
