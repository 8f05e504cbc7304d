"""The loops over batches and epochs: Algorithm 4.1 for any batch size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.errors import ChainruleError
from chainrule.core.tensor import Tensor, known, no_grad
from chainrule.core.types import Array
from chainrule.losses import penalty_of
from chainrule.metrics import Metric
from chainrule.ops.random import default_generator
from chainrule.ops.reduce import mean
from chainrule.training.callbacks import CallbackList

if TYPE_CHECKING:
    from chainrule.training.model import Compiled, Model


class DivergedError(ChainruleError, ArithmeticError):
    """The loss became NaN or infinite."""


@dataclass
class Tally:
    """Running loss and metrics of one pass over the data."""

    metrics: list[Metric]
    total: float = 0.0
    count: int = 0
    prefix: str = ""
    _names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._names = [self.prefix + metric.name for metric in self.metrics]

    def add(self, loss: float, y: Array, prediction: Array) -> None:
        """Take in a batch whose mean loss is ``loss``."""
        self.total += loss * len(y)
        self.count += len(y)
        for metric in self.metrics:
            metric.update(y, prediction)

    def logs(self) -> dict[str, float]:
        """Return the means so far by name."""
        results = [metric.result() for metric in self.metrics]
        loss = self.total / self.count if self.count else float("nan")
        return {f"{self.prefix}loss": loss, **dict(zip(self._names, results, strict=True))}


def batches(n: int, batch_size: int) -> Iterator[slice]:
    """Return the batches' places among ``n`` samples; the last one may be smaller."""
    return (slice(i, min(i + batch_size, n)) for i in range(0, n, batch_size))


def train_step(model: Model, setup: Compiled, x: Array, y: Array) -> tuple[float, Array]:
    """Make one update: forward, backward, and the optimizer's step.

    The risk is the lecture's: the batch's mean loss + ½ λ ‖W‖²_F.

    Returns:
        The risk and the network's output, both before the update.
    """
    prediction = model(Tensor(x), training=True)
    risk = mean(setup.loss(Tensor(y), prediction))
    parameters = model.trainable()
    if setup.l2:
        weights = [p for p in parameters if p.ndim > 1]
        risk = risk + penalty_of(weights, setup.l2, risk.dtype)
    for parameter in parameters:
        parameter.grad = None
    risk.backward()
    reached = [(p, p.grad) for p in parameters if p.grad is not None]
    setup.optimizer.apply([p for p, _ in reached], [g for _, g in reached])
    return float(risk.item()), known(prediction, "training")


def run_epochs(
    model: Model,
    setup: Compiled,
    data: tuple[Array, Array],
    validation: tuple[Array, Array] | None,
    *,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    callbacks: CallbackList,
) -> None:
    """Train: in each epoch every sample once, in batches, in a new order (Algorithm 4.1).

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    x, y = data
    n = len(x)
    logs: dict[str, float] = {}
    model.stop_training = False
    try:
        callbacks.train_begin()
        for epoch in range(epochs):
            callbacks.epoch_begin(epoch)
            order = known(default_generator.permutation(n), "fit") if shuffle else np.arange(n)
            tally = Tally(setup.make_metrics())
            for step, place in enumerate(batches(n, batch_size)):
                rows = order[place]
                targets = y[rows]
                # An overflow shows in the loss, which is looked at; NumPy need not warn of it.
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    loss, prediction = train_step(model, setup, x[rows], targets)
                if not np.isfinite(loss):
                    raise DivergedError(_diverged(loss, epoch, step, setup))
                tally.add(loss, targets, prediction)
                callbacks.batch_end(step, tally.logs())
            logs = tally.logs()
            if validation is not None:
                logs |= evaluate(model, setup, validation, batch_size, prefix="val_")
            callbacks.epoch_end(epoch, logs)
            if model.stop_training:
                break
    finally:
        callbacks.train_end(logs)


def _diverged(loss: float, epoch: int, step: int, setup: Compiled) -> str:
    return (
        f"the loss became {loss} in epoch {epoch + 1}, batch {step + 1}: training has diverged. "
        f"The usual cause is a learning rate that is too high (it is "
        f"{setup.optimizer.learning_rate:g}; try a tenth of it), the next one inputs that are not "
        "scaled."
    )


def evaluate(
    model: Model, setup: Compiled, data: tuple[Array, Array], batch_size: int, prefix: str = ""
) -> dict[str, float]:
    """Return the structured risk and the metrics over all samples."""
    x, y = data
    tally = Tally(setup.make_metrics(), prefix=prefix)
    with no_grad(), np.errstate(over="ignore", invalid="ignore"):  # as in training
        for place in batches(len(x), batch_size):
            prediction = model(Tensor(x[place]))
            loss = mean(setup.loss(Tensor(y[place]), prediction))
            tally.add(float(loss.item()), y[place], known(prediction, "evaluate"))
        logs = tally.logs()
        if setup.l2:
            weights = [p for p in model.trainable() if p.ndim > 1]
            logs[f"{prefix}loss"] += float(penalty_of(weights, setup.l2, model.dtype).item())
    return logs


def predict(model: Model, x: Array, batch_size: int) -> Array:
    """Return the network's output for all samples."""
    with no_grad():
        parts = [known(model(Tensor(x[place])), "predict") for place in batches(len(x), batch_size)]
    return np.concatenate(parts)
