"""Callbacks that watch nothing in particular: the base class, history, rates, functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.core.errors import ArgumentError, nearest

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
