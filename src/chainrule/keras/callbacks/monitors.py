"""Callbacks that watch one quantity."""

from __future__ import annotations

import math

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.types import Array
from chainrule.keras.callbacks.base import Callback, Logs
from chainrule.optim.schedules import ReduceOnPlateau
from chainrule.training import callbacks as core


class Monitor(Callback):
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
        known = list(logs or {})
        is_due = any(name.startswith("val_") for name in known)
        if self.monitor.startswith("val_") and self.params.get("validated") and not is_due:
            return None
        raise ArgumentError(
            "monitor",
            repr(self.monitor),
            f"one of {', '.join(known)}",
            "Quantities that begin with val_ need validation_data or validation_split."
            if self.monitor.startswith("val_") and not is_due
            else nearest(self.monitor, known),
        )

    def say(self, text: str) -> None:
        """Print a line, if wanted."""
        if self.verbose:
            print(text)


class EarlyStopping(Monitor):
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


class ReduceLROnPlateau(Monitor):
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
