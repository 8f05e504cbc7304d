"""Keras's compile, fit, evaluate and predict, on Chainrule's own loop."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule import metrics as core_metrics
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.keras import losses, metrics, optimizers
from chainrule.keras.arguments import refuse, renamed
from chainrule.keras.callbacks import Bridge, Callback, History, TerminateOnNaN
from chainrule.keras.layers.base import Weighted, refuse_placeholder
from chainrule.keras.logits import as_written, forget
from chainrule.losses.targets import as_array
from chainrule.training import callbacks as core_callbacks
from chainrule.training import model as core
from chainrule.training.arrays import as_features, check_count, naming
from chainrule.training.loop import DivergedError
from chainrule.training.record import Record

_BATCH_SIZE = 32


class Trainer(Weighted, core.Model):
    """What Keras's models do."""

    #: The latest training's.
    history: Any = None

    def __call__(self, x: Any, *args: Any, **options: Any) -> Any:
        """Compute the output.

        Raises:
            ArgumentError: the functional API's ``model(Input(...))``, which Chainrule lacks.
        """
        refuse_placeholder(x)
        return super().__call__(x, *args, **options)

    # Compiling --------------------------------------------------------------------------------

    def compile(  # type: ignore[override]
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        **old: Any,
    ) -> None:
        """Say what to train with.

        Args:
            optimizer: a name or an optimizer.
            loss: a name, a loss, or a function of (y_true, y_pred).
            loss_weights: for models with several outputs, which Chainrule lacks.
            metrics: names, metrics, or functions of (y_true, y_pred); each sample counts 1.
            weighted_metrics: the same, with the weights of samples.
            run_eagerly: not needed: this version has only the dynamic graph.
            steps_per_execution: not needed.
            jit_compile: not needed.
            auto_scale_loss: not needed.
            old: ``class_mode`` and ``sample_weight_mode`` of Keras 1, which are not needed.

        Raises:
            ArgumentError: an unknown name, with the nearest known ones; no loss.
        """
        _known("compile", self.compile, old, ("class_mode", "sample_weight_mode"))
        refuse({"loss_weights": loss_weights}, {"loss_weights": (None,)})
        if loss is None:
            raise ArgumentError("loss", "None", "a loss", "For example loss='mse'.")
        if isinstance(loss, list | tuple | dict):
            raise ArgumentError(
                "loss", f"a {type(loss).__name__}", "one loss: models have one output"
            )
        found = losses.get(loss)
        assert found is not None
        plain, weighted = _metrics(metrics), _metrics(weighted_metrics)
        _make_unique(plain)
        _make_unique(weighted)
        super().compile(
            optimizers.get(optimizer),
            losses.Bound(found),
            [metric.fresh for metric in plain],
            weighted_metrics=[metric.fresh for metric in weighted],
        )

    @property
    def optimizer(self) -> Any:
        """The optimizer that the model was compiled with, or ``None``."""
        return None if self.setup is None else self.setup.optimizer

    @property
    def loss(self) -> Any:
        """The loss that the model was compiled with, or ``None``."""
        found = None if self.setup is None else self.setup.loss
        return found.loss if isinstance(found, losses.Bound) else found

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns."""
        setup = self.compiled()
        made = [[make() for make in makers] for makers in (setup.metrics, setup.weighted_metrics)]
        return ["loss", *core_metrics.metric_names(*made)]

    # Training ---------------------------------------------------------------------------------

    def fit(  # type: ignore[override]
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        **old: Any,
    ) -> History:
        """Train; ``nb_epoch`` and ``show_accuracy``, the older arguments, are taken, too.

        Args:
            x: samples.
            y: targets.
            batch_size: samples an update; 32 by default.
            epochs: number of the epoch to stop before; they are counted from ``initial_epoch``.
            verbose: 0 is silent.
            callbacks: Keras's or Chainrule's.
            validation_split: share of the samples, the last ones, to validate on.
            validation_data: (x, y) or (x, y, sample_weight) to validate on.
            shuffle: whether to go through the samples in a new order in each epoch.
            class_weight: how much the samples of each class count, by label.
            sample_weight: how much each sample counts.
            initial_epoch: number of the first epoch.
            steps_per_epoch: batches an epoch; only what all samples make.
            validation_steps: batches of validation; only what all samples make.
            validation_batch_size: samples at a time in validation; it changes no result.
            validation_freq: validate after every so many epochs, or after the epochs of a list (1
                is the first).
            old: nb_epoch, show_accuracy.

        Returns:
            Losses and metrics epoch by epoch.

        Raises:
            ArgumentError: arguments that do not fit.
            DivergedError: the loss became NaN or infinite, and there is no ``TerminateOnNaN``.
        """
        old = _known("fit", self.fit, old, ("nb_epoch", "show_accuracy"))
        epochs = old.pop("nb_epoch", epochs)
        if old.pop("show_accuracy", False):
            self._show_accuracy()
        setup = self.compiled()
        size = check_count("batch_size", _BATCH_SIZE if batch_size is None else batch_size)
        first = check_count("initial_epoch", initial_epoch, least=0)
        _present(x, y)
        if validation_data is None and validation_split:
            x, y, sample_weight, validation_data = _split(
                as_features(x, self.dtype), as_array(y), sample_weight, validation_split
            )
        if validation_data is not None:
            with naming(
                x="validation_data[0]",
                y="validation_data[1]",
                sample_weight="validation_data[2]",
            ):
                is_given = isinstance(validation_data, tuple | list)
                if not is_given or len(validation_data) not in (2, 3):
                    raise ArgumentError(
                        "validation_data",
                        f"a {type(validation_data).__name__}",
                        "(x, y) or (x, y, sample_weight)",
                    )
                self._samples(*validation_data)
            _whole_pass("validation_steps", validation_steps, len(validation_data[0]), size)
        n = len(as_features(x, self.dtype))
        _whole_pass("steps_per_epoch", steps_per_epoch, n, size)
        ours, others = _sorted(callbacks)
        history = History()
        self.history = history
        ours.append(history)
        params = {
            "verbose": verbose,
            "epochs": epochs,
            "steps": math.ceil(n / size),
            "validated": validation_data is not None,
        }
        for callback in ours:
            callback.set_model(self)
            callback.set_params(params)
        history.params = {k: v for k, v in params.items() if k != "validated"}
        if check_count("epochs", epochs) <= first:
            return history
        frequent = _is_due(validation_freq)
        testing = [c for c in ours if isinstance(c, Callback)]

        def validate(epoch: int) -> dict[str, Any]:
            if validation_data is None or not frequent(epoch):
                return {}
            return {f"val_{n}": v for n, v in self._test(validation_data, size, testing).items()}

        try:
            super().fit(
                x,
                y,
                batch_size=size,
                epochs=epochs - first,
                verbose=verbose,
                callbacks=[Bridge(ours, first, validate), *others],
                shuffle=shuffle,
                class_weight=class_weight,
                sample_weight=sample_weight,
            )
        except DivergedError:
            if not any(isinstance(callback, TerminateOnNaN) for callback in ours):
                raise
            print("Invalid loss, terminating training")
        finally:
            forget()
        assert setup is self.setup
        return history

    def evaluate(  # type: ignore[override]
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **old: Any,
    ) -> Any:
        """Return the loss and the metrics over all samples.

        Args:
            x: samples.
            y: targets.
            batch_size: samples at a time; the result does not depend on it.
            verbose: not needed: nothing is printed.
            sample_weight: how much each sample counts.
            steps: batches; only what all samples make.
            callbacks: their ``on_test_begin`` and ``on_test_end`` are called.
            return_dict: whether to return them by name.
            old: show_accuracy.

        Returns:
            The loss; with metrics, a list of the loss and the metrics.
        """
        old = _known("evaluate", self.evaluate, old, ("show_accuracy",))
        if old.pop("show_accuracy", False):
            self._show_accuracy()
        _present(x, y)
        size = _BATCH_SIZE if batch_size is None else batch_size
        _whole_pass("steps", steps, len(x), size)
        ours, _ = _sorted(callbacks)
        for callback in ours:
            callback.set_model(self)
        given = (x, y) if sample_weight is None else (x, y, sample_weight)
        logs = self._test(given, size, ours)
        if return_dict:
            return logs
        return list(logs.values()) if len(logs) > 1 else logs["loss"]

    def _test(
        self, data: Sequence[Any], batch_size: int, callbacks: Sequence[Callback]
    ) -> dict[str, Any]:
        for callback in callbacks:
            callback.on_test_begin({})
        x, y, *weight = data
        try:
            logs: dict[str, Any] = super().evaluate(
                x,
                y,
                batch_size=check_count("batch_size", batch_size),
                return_dict=True,
                sample_weight=weight[0] if weight else None,
            )
        finally:
            forget()
        for callback in callbacks:
            callback.on_test_end(dict(logs))
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Array:
        """Return the network's output for each sample.

        Args:
            x: samples.
            batch_size: samples at a time; the result does not depend on it.
            verbose: not needed: nothing is printed.
            steps: batches; only what all samples make.
            callbacks: their ``on_predict_begin`` and ``on_predict_end`` are called.
        """
        ours, _ = _sorted(callbacks)
        size = _BATCH_SIZE if batch_size is None else batch_size
        _whole_pass("steps", steps, len(x), size)
        for callback in ours:
            callback.set_model(self)
            callback.on_predict_begin({})
        outputs = super().predict(x, batch_size=size)
        forget()
        for callback in ours:
            callback.on_predict_end({"outputs": outputs})
        return outputs

    predict_proba = predict

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: int = 0) -> Array:
        """Return the class of each sample, as Keras 1 and 2 did."""
        p = self.predict(x, batch_size)
        classes: Array = p.argmax(axis=-1) if p.shape[-1] > 1 else (p > 0.5).astype(np.int64)
        return classes

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Make one update, and return the batch's loss and metrics, from before it.

        They are those of this batch alone (Keras 3 goes on averaging over earlier calls).
        """
        latest = _Latest()
        features = as_features(x, self.dtype)
        super().fit(
            features,
            y,
            batch_size=max(len(features), 1),
            verbose=0,
            callbacks=[latest],
            shuffle=False,
            class_weight=class_weight,
            sample_weight=sample_weight,
        )
        forget()
        logs = latest.logs
        if return_dict:
            return logs
        return list(logs.values()) if len(logs) > 1 else logs["loss"]

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Return the batch's loss and metrics."""
        return self.evaluate(
            x, y, batch_size=max(len(x), 1), sample_weight=sample_weight, return_dict=return_dict
        )

    def predict_on_batch(self, x: Any) -> Array:
        """Return the network's output for each sample."""
        return self.predict(x, batch_size=max(len(x), 1))

    def inspect(self, x: Any, y: Any = None) -> Record:
        """Return all that the network computes on samples, in the lecture's notation.

        The loss is computed from the probabilities, so that ∂L/∂a of the last layer is seen.
        """
        with as_written():
            return super().inspect(x, y)

    def _show_accuracy(self) -> None:
        setup = self.compiled()
        if "accuracy" not in self.metrics_names:
            setup.metrics.append(metrics.get("accuracy").fresh)


class _Latest(core_callbacks.Callback):
    """What an update's loss and metrics were."""

    logs: Mapping[str, Any]

    def on_epoch_end(self, epoch: int, logs: core_callbacks.Logs) -> None:
        """Keep them."""
        self.logs = dict(logs)


def _known(
    function: str, method: Callable[..., Any], given: dict[str, Any], old: Sequence[str]
) -> dict[str, Any]:
    """Return arguments of older versions, or say which of all there are is nearest."""
    today = [name for name in inspect.signature(method).parameters if name != "old"]
    return renamed(function, given, {}, [*today, *old])


def _metrics(given: Any) -> list[core_metrics.Metric]:
    if given is None:
        return []
    if isinstance(given, dict):
        raise ArgumentError("metrics", "a dict", "a list: models have one output")
    if isinstance(given, str) or not isinstance(given, list | tuple):
        given = [given]
    flat = [m for one in given for m in (one if isinstance(one, list | tuple) else [one])]
    return [metrics.get(metric) for metric in flat]


def _make_unique(given: list[core_metrics.Metric]) -> None:
    """Number metrics of one name, as Keras does."""
    seen: dict[str, int] = {}
    for metric in given:
        name = metric.name
        count = seen.get(name, 0)
        seen[name] = count + 1
        if count:
            metric.name = f"{name}_{count}"


def _sorted(given: Any) -> tuple[list[Callback], list[core_callbacks.Callback]]:
    """Return Keras's callbacks and Chainrule's."""
    if given is None:
        return [], []
    many = list(given) if isinstance(given, list | tuple) else [given]
    for one in many:
        if not isinstance(one, Callback | core_callbacks.Callback):
            fix = "Did you forget the parentheses?" if isinstance(one, type) else ""
            raise ArgumentError(
                "callbacks", f"a {type(one).__name__}", "instances of keras.callbacks.Callback", fix
            )
    ours = [one for one in many if isinstance(one, Callback)]
    return ours, [one for one in many if isinstance(one, core_callbacks.Callback)]


def _split(x: Array, y: Array, weight: Any, share: Any) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    n = len(x)
    is_share = isinstance(share, int | float | np.number) and 0 < share < 1
    kept = math.floor(n * (1.0 - share)) if is_share else 0
    if not 0 < kept < n:
        raise ArgumentError(
            "validation_split", f"{share} of {n} samples", "a share that leaves both sides some"
        )
    if weight is None:
        return x[:kept], y[:kept], None, (x[kept:], y[kept:])
    w = np.asarray(weight)
    return x[:kept], y[:kept], w[:kept], (x[kept:], y[kept:], w[kept:])


def _present(x: Any, y: Any) -> None:
    if x is None or y is None:
        missing = "x" if x is None else "y"
        raise ArgumentError(missing, "None", "arrays of samples x and targets y")
    if not hasattr(x, "__len__"):
        raise ArgumentError(
            "x", f"a {type(x).__name__}", "an array", "Collect what a generator gives in an array."
        )


def _whole_pass(argument: str, steps: int | None, n: int, batch_size: int) -> None:
    """Refuse a number of batches other than that of all samples."""
    whole = math.ceil(n / max(batch_size, 1))
    if steps is not None and steps != whole:
        raise ArgumentError(
            argument,
            repr(steps),
            f"None, or {whole}: the batches that {n} samples make",
            "Give as many samples as should be gone through.",
        )


def _is_due(frequency: int | Sequence[int]) -> Callable[[int], bool]:
    if isinstance(frequency, int):
        every = check_count("validation_freq", frequency)
        return lambda epoch: (epoch + 1) % every == 0
    epochs = set(frequency)
    return lambda epoch: epoch + 1 in epochs
