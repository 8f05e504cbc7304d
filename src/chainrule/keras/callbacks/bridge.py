"""From Chainrule's callbacks to Keras's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.keras.callbacks.base import Callback
from chainrule.training import callbacks as core

_OF_BATCHES = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


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

    @property
    def needs_every_batch(self) -> bool:
        """Whether one of them does something with batches."""
        return any(
            getattr(type(callback), name) is not getattr(Callback, name)
            for callback in self.callbacks
            for name in _OF_BATCHES
        )

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


class Segments(core.Callback):
    """Several trainings, of one epoch each, as one training for the callbacks.

    Args:
        callbacks: they are told everything, in order.
        model: the model in training.
        params: what the callbacks find in theirs.
    """

    def __init__(
        self, callbacks: Sequence[core.Callback], model: Any, params: dict[str, Any]
    ) -> None:
        self.callbacks, self.epoch, self.has_begun = list(callbacks), 0, False
        self.logs: core.Logs = {}
        for callback in self.callbacks:
            callback.model, callback.params = model, params

    def on_train_begin(self) -> None:
        """Tell all of them, the first time."""
        if not self.has_begun:
            self.has_begun = True
            for callback in self.callbacks:
                callback.on_train_begin()

    def on_epoch_begin(self, epoch: int) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_epoch_begin(self.epoch)

    @property
    def needs_every_batch(self) -> bool:
        """Whether one of them does."""
        return any(callback.needs_every_batch for callback in self.callbacks)

    def on_batch_end(self, batch: int, logs: core.Logs) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: core.Logs) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_epoch_end(self.epoch, logs)
        self.epoch, self.logs = self.epoch + 1, logs

    def end(self) -> None:
        """Tell all of them that the whole training has ended."""
        for callback in self.callbacks if self.has_begun else ():
            callback.on_train_end(self.logs)
