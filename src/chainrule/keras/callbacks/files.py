"""Callbacks that write files: logs, and the model itself."""

from __future__ import annotations

import csv
import warnings
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.keras.callbacks.base import Callback, Logs
from chainrule.keras.callbacks.monitors import Monitor
from chainrule.training.arrays import check_count


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


class ModelCheckpoint(Monitor):
    """Save the model after each epoch, or after so many batches.

    Args:
        filepath: where; ``{epoch}``, ``{batch}`` and the names in the logs are filled in, as in
            ``"{epoch:02d}-{val_loss:.2f}.keras"``. Folders are made.
        monitor: name of the quantity that ``save_best_only`` watches.
        verbose: whether to say so.
        save_best_only: whether only a model that is better than all before is saved.
        save_weights_only: whether to save the parameters alone, with ``save_weights``.
        mode: ``"min"``, ``"max"`` or ``"auto"``, by the name.
        save_freq: ``"epoch"``, or after how many batches.
        initial_value_threshold: what the first one has to be better than.

    Attributes:
        best: the best value.

    Raises:
        ArgumentError: another save_freq; a name in the filepath that the logs lack; a quantity
            that is never there.
    """

    def __init__(
        self,
        filepath: str | PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, verbose)
        if save_freq != "epoch":
            check_count("save_freq", save_freq)
        self.filepath = fspath(filepath)
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._seen = self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save, if it is time."""
        if isinstance(self.save_freq, int):
            self._seen += 1
            if self._seen >= self.save_freq:
                self._seen = 0
                self._save(self._epoch, logs, batch)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save, if it is time."""
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Logs, batch: int | None = None) -> None:
        found = {**(logs or {}), "epoch": epoch + 1}
        if batch is not None:
            found["batch"] = batch + 1
        try:
            path = Path(self.filepath.format(**found))
        except (KeyError, IndexError) as error:
            raise ArgumentError(
                "filepath",
                f"{self.filepath!r} with {{{error.args[0]}}}",
                f"names among {', '.join(found)}",
            ) from error
        if self.save_best_only and not self._is_better(logs, batch):
            self.say(f"Epoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self.say(f"Epoch {epoch + 1}: saving model to {path}")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _is_better(self, logs: Logs, batch: int | None) -> bool:
        if batch is not None and self.monitor not in (logs or {}):
            warnings.warn(
                f"ModelCheckpoint: {self.monitor!r} is not known after a batch, only "
                f"{', '.join(logs or {})}: the model is saved",
                stacklevel=2,
            )
            return True
        value = self.value(logs)
        if value is None:
            return False
        sign = 1.0 if self.mode == "min" else -1.0
        if self.best is not None and not sign * value < sign * self.best:
            return False
        self.best = value
        return True
