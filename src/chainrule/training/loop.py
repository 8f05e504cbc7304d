"""The loops over batches and epochs: Algorithm 4.1 for any batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.errors import ChainruleError
from chainrule.core.mode import no_grad
from chainrule.core.tensor import known
from chainrule.core.types import Array
from chainrule.metrics import Metric, metric_names
from chainrule.ops.random import default_generator
from chainrule.training.callbacks import CallbackList
from chainrule.training.weights import Samples

if TYPE_CHECKING:
    from chainrule.training.model import Compiled, Model
    from chainrule.training.steps import Updates


class DivergedError(ChainruleError, ArithmeticError):
    """The loss became NaN or infinite."""


@dataclass
class Tally:
    """Running loss and metrics of one pass over the data."""

    metrics: list[Metric]
    total: float = 0.0
    count: int = 0
    prefix: str = ""
    weighted: Sequence[Metric] = ()

    def add(
        self, losses: Sequence[float], batch_size: int, samples: Samples, prediction: Array
    ) -> None:
        """Take in batches.

        Args:
            losses: mean loss of each.
            batch_size: samples in each but perhaps the last.
            samples: what is in all of them.
            prediction: what was predicted for each of these.
        """
        sizes = np.full(len(losses), batch_size, np.float64)
        sizes[-1] = len(samples) - batch_size * (len(losses) - 1)
        # One after the other, so that the sum does not depend on how many come at once.
        each = [self.total, *(np.asarray(losses, np.float64) * sizes)]
        self.total = float(np.cumsum(each)[-1])
        self.count += len(samples)
        for metric in self.metrics:
            for place in _pieces(metric, len(samples), batch_size):
                metric.update(samples.y[place], prediction[place])
        for metric in self.weighted:
            for place in _pieces(metric, len(samples), batch_size):
                weight = None if samples.weight is None else samples.weight[place]
                metric.update(samples.y[place], prediction[place], weight)

    def logs(self, only_quick: bool = False) -> dict[str, Any]:
        """Return the means so far by name; if asked for, without what takes long to compute."""
        names = metric_names(self.metrics, self.weighted)
        named = zip(names, [*self.metrics, *self.weighted], strict=True)
        results = {n: m.result() for n, m in named if m.is_quick or not only_quick}
        results = {"loss": self.total / self.count if self.count else float("nan"), **results}
        return {f"{self.prefix}{name}": result for name, result in results.items()}


def _pieces(metric: Metric, n: int, batch_size: int) -> Iterator[slice]:
    """Return how a metric takes samples in: all at once, or batch by batch."""
    return batches(n, max(n, 1) if metric.joins_batches else batch_size)


def batches(n: int, batch_size: int) -> Iterator[slice]:
    """Return the batches' places among ``n`` samples; the last one may be smaller."""
    return (slice(i, min(i + batch_size, n)) for i in range(0, n, batch_size))


def start_tally(setup: Compiled, data: Samples, prefix: str = "", arrays: bool = False) -> Tally:
    """Return an empty tally, with the metrics told how to read the output.

    Args:
        setup: what the model was compiled with.
        data: what will be gone through.
        prefix: what names in logs begin with.
        arrays: whether metrics that are arrays are wanted, too.
    """

    def made(makers: Sequence[Callable[[], Metric]]) -> list[Metric]:
        metrics = [make() for make in makers]
        for metric in metrics:
            metric.read(data.reading)
        return [metric for metric in metrics if arrays or not metric.is_array]

    return Tally(made(setup.metrics), prefix=prefix, weighted=made(setup.weighted_metrics))


def run_epochs(
    model: Model,
    setup: Compiled,
    data: Samples,
    validation: Samples | None,
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
    n = len(data)
    logs: dict[str, float] = {}
    updates: Updates | None = None
    model.stop_training = False
    try:
        callbacks.train_begin()
        for epoch in range(epochs):
            callbacks.epoch_begin(epoch)
            # Callbacks may have changed the model.
            if updates is None or not (callbacks.only_look or updates.still_hold):
                updates = model.steps().updates(data, batch_size, epochs - epoch)
            order = known(default_generator.permutation(n), "fit") if shuffle else np.arange(n)
            tally = start_tally(setup, data)
            step = position = 0
            while position < n:
                each = callbacks.needs_every_batch
                for place, losses, prediction in updates.run(order[position:], each):
                    here = slice(position + place.start, position + place.stop)
                    step += len(losses)
                    if not np.isfinite(losses[-1]):
                        raise DivergedError(_diverged(losses[-1], epoch, step, setup))
                    tally.add(losses, batch_size, data[order[here]], prediction)
                    callbacks.batch_end(step - 1, tally.logs(only_quick=True))
                    if each and here.stop < n and not updates.still_hold:
                        break
                position = here.stop
                if position < n:
                    updates = model.steps().updates(data, batch_size, epochs - epoch)
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
        f"the loss became {loss} in epoch {epoch + 1}, batch {step}: training has diverged. "
        f"The usual cause is a learning rate that is too high (it is "
        f"{setup.optimizer.learning_rate:g}; try a tenth of it), the next one inputs that are not "
        "scaled."
    )


def evaluate(
    model: Model,
    setup: Compiled,
    data: Samples,
    batch_size: int,
    *,
    prefix: str = "",
    arrays: bool = False,
    parts: bool = False,
) -> dict[str, Any]:
    """Return the structured risk and the metrics over all samples.

    Args:
        model: the network.
        setup: what it was compiled with.
        data: samples, targets and weights.
        batch_size: samples at a time.
        prefix: what names begin with.
        arrays: whether metrics that are arrays are wanted, too.
        parts: whether to report ``mean_loss`` and ``penalty``, whose sum the loss is.
    """
    tally = start_tally(setup, data, prefix, arrays)
    penalty = 0.0
    with no_grad(), np.errstate(over="ignore", invalid="ignore"):  # as in training
        steps = model.steps()
        for place in batches(len(data), batch_size):
            batch = data[place]
            loss, added, prediction = steps.measure(batch.x, batch.y, batch.weight)
            penalty += added * len(batch)
            tally.add([loss], len(batch), batch, prediction)
        penalty = penalty / len(data) + float(model.penalty(setup.l2).item())
    logs = tally.logs()
    found = {"mean_loss": logs.pop(f"{prefix}loss"), "penalty": penalty}
    risk = {f"{prefix}loss": found["mean_loss"] + penalty}
    return {**risk, **(found if parts else {}), **logs}


def predict(model: Model, x: Array, batch_size: int) -> Array:
    """Return the network's output for all samples."""
    forward = model.forward_step()
    with no_grad():
        parts = [forward(x[place]) for place in batches(len(x), batch_size)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
