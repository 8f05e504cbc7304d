"""Callbacks: what happens between batches and epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.keywords import Explained
from chainrule.core.types import Array
from chainrule.metrics import grows
from chainrule.optim.schedules import ReduceOnPlateau
from chainrule.training.arrays import check_count

if TYPE_CHECKING:
    from chainrule.training.model import Model

Logs = Mapping[str, float]


class Callback(Explained):
    """What to do between batches and epochs: subclass it, and write the methods you need.

    ``self.model`` is the model in training and ``self.params`` holds ``epochs``, ``steps`` (batches
    an epoch), ``batch_size`` and ``verbose``. Setting ``self.model.stop_training = True`` ends the
    training after the epoch.
    """

    model: Model
    params: dict[str, Any]

    def on_train_begin(self) -> None:
        """Do something before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """Do something after the last epoch, also when training was interrupted."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Do something before an epoch; they are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Do something after an epoch, with its losses and metrics."""

    #: Whether it only looks, and changes nothing in the model.
    only_looks: ClassVar[bool] = False

    @property
    def needs_every_batch(self) -> bool:
        """Whether ``on_batch_end`` must be called after each batch, and not now and then."""
        return type(self).on_batch_end is not Callback.on_batch_end

    def on_batch_end(self, batch: int, logs: Logs) -> None:
        """Do something after a batch, with the running loss and metrics of its epoch."""


class History(Callback):
    """Losses and metrics epoch by epoch; what ``fit`` returns.

    Attributes:
        epoch: the epochs' numbers, from 0.
        history: for each quantity, its value in each epoch.
    """

    only_looks = True

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Note the epoch's losses and metrics."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def rows(self) -> list[dict[str, float]]:
        """Return one dictionary an epoch."""
        return [
            {"epoch": e, **{name: values[i] for name, values in self.history.items()}}
            for i, e in enumerate(self.epoch)
        ]


class EarlyStopping(Callback):
    """Stop when a quantity no longer improves, and go back to the best weights.

    This is line 13 of the lecture's Algorithm 4.1: until the error on the validation set no
    longer falls. Of epochs that tie for best, the last one's weights are kept.

    Args:
        monitor: name of the quantity, as in the history.
        patience: so many epochs without an improvement are waited through; the next one stops
            (Keras counts one less).
        min_delta: what counts as an improvement must be larger than this.
        mode: ``"min"``, ``"max"``, or ``"auto"``: by the name.
        restore_best_weights: whether to go back to the best weights at the end.

    Attributes:
        best: the best value.
        best_epoch: its epoch, from 0.
        stopped_epoch: the epoch after which training was stopped, or ``None``.

    Raises:
        ArgumentError: an argument out of range; a quantity that is not in the history.

    >>> EarlyStopping(patience=3).patience
    3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best_weights: bool = True,
    ) -> None:
        mode = find_mode(mode, monitor)
        self.monitor = monitor
        self.patience = check_count("patience", patience, least=0)
        self.min_delta = float(min_delta)
        self.sign = 1.0 if mode == "min" else -1.0
        self.restore_best_weights = restore_best_weights
        self.best = float("nan")
        self.best_epoch = 0
        self.stopped_epoch: int | None = None
        self._best_weights: list[Array] | None = None
        self._lowest = self._to_beat = np.inf
        self._waited = 0

    def on_train_begin(self) -> None:
        """Forget earlier trainings."""
        self._best_weights, self._waited = None, 0
        self._lowest = self._to_beat = np.inf
        self.best, self.best_epoch, self.stopped_epoch = float("nan"), 0, None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Keep the weights if they are the best so far; stop if the best is too long ago."""
        check_monitor(self.monitor, logs)
        value = self.sign * logs[self.monitor]
        if value <= self._lowest:
            self._lowest, self.best, self.best_epoch = value, logs[self.monitor], epoch
            self._best_weights = self.model.get_weights()
        if value < self._to_beat - self.min_delta:  # small steps add up to an improvement
            self._to_beat, self._waited = value, 0
        else:
            self._waited += 1
        if self._waited > self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        """Go back to the best weights."""
        if self.restore_best_weights and self._best_weights is not None:
            self.model.set_weights(self._best_weights)


class ReduceLROnPlateau(Callback):
    """Lower the learning rate when a quantity no longer improves: ``α ← max(α f, α_min)``.

    Args:
        monitor: name of the quantity, as in the history.
        factor: f, below 1.
        patience: how many epochs without improvement lower the rate.
        verbose: whether to print a line when it falls.
        mode: ``"min"``, ``"max"``, or ``"auto"``: by the name.
        min_delta: what counts as an improvement must be larger than this.
        cooldown: epochs after a fall that are not counted.
        min_lr: α_min.

    Attributes:
        plateau: what counts the epochs: ``optim.schedules.ReduceOnPlateau``.

    Raises:
        ArgumentError: an argument out of range; a quantity that is not in the history; an optimizer
            with a schedule, which sets the rate by itself.

    >>> ReduceLROnPlateau(factor=0.5, patience=3).plateau.patience
    3
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
        self.monitor = monitor
        self.verbose = verbose
        self.plateau = ReduceOnPlateau(
            factor,
            patience,
            min_delta=min_delta,
            mode=find_mode(mode, monitor),
            cooldown=cooldown,
            min_lr=min_lr,
        )

    def on_train_begin(self) -> None:
        """Forget earlier trainings."""
        self.plateau.reset()
        schedule = self.model.compiled().optimizer.schedule
        if schedule is not None:
            raise ArgumentError(
                "learning_rate",
                f"the schedule {schedule!r}",
                "a number, which ReduceLROnPlateau can lower",
                "Use either the schedule or the callback.",
            )

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Lower the rate if the quantity has not improved for long enough."""
        check_monitor(self.monitor, logs)
        optimizer = self.model.compiled().optimizer
        before = optimizer.learning_rate
        after = self.plateau.step(logs[self.monitor], before)
        if after != before:
            optimizer.learning_rate = after
            if self.verbose:
                print(f"epoch {epoch + 1}: the learning rate falls to {after:g}")


def find_mode(mode: str, monitor: str) -> str:
    """Return ``"min"`` or ``"max"``: where a quantity should go; ``"auto"`` goes by its name.

    Raises:
        ArgumentError: another mode.
    """
    if mode not in ("auto", "min", "max"):
        raise ArgumentError("mode", repr(mode), "'auto', 'min' or 'max'")
    return mode if mode != "auto" else "max" if grows(monitor) else "min"


def check_monitor(monitor: str, logs: Logs) -> None:
    """Raise ``ArgumentError`` unless a quantity is among those of an epoch."""
    if monitor not in logs:
        raise ArgumentError(
            "monitor",
            repr(monitor),
            f"one of {', '.join(logs)}",
            nearest(monitor, logs)
            or "Quantities that begin with val_ need validation_data or validation_split.",
        )


def several(callbacks: Sequence[Callback] | Callback | None) -> list[Callback]:
    """Return callbacks as a list; one may stand for itself."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]


class CallbackList:
    """Several callbacks, called as one, in order."""

    def __init__(self, callbacks: Sequence[Callback], model: Model, params: dict[str, Any]) -> None:
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise ArgumentError(
                    "callbacks",
                    f"a {type(callback).__name__}",
                    "instances of chainrule.Callback",
                    "Did you forget the parentheses, EarlyStopping()?"
                    if isinstance(callback, type)
                    else "",
                )
            callback.model, callback.params = model, params
        self.callbacks = list(callbacks)
        self._begun: list[Callback] = []

    def train_begin(self) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            self._begun.append(callback)
            callback.on_train_begin()

    def train_end(self, logs: Logs) -> None:
        """Tell all that have begun, even if one of them raises."""
        with ExitStack() as stack:
            while self._begun:
                stack.callback(self._begun.pop().on_train_end, logs)

    def epoch_begin(self, epoch: int) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch)

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    @property
    def only_look(self) -> bool:
        """Whether none of them changes anything in the model."""
        return all(callback.only_looks for callback in self.callbacks)

    @property
    def needs_every_batch(self) -> bool:
        """Whether one of them must be called after each batch."""
        return any(callback.needs_every_batch for callback in self.callbacks)

    def batch_end(self, batch: int, logs: Logs) -> None:
        """Tell all of them."""
        for callback in self.callbacks:
            callback.on_batch_end(batch, logs)
