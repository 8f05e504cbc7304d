"""Keras's compile, fit, evaluate and predict, on Chainrule's own loop."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule import metrics as core_metrics
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array, ArrayType
from chainrule.keras import losses, metrics, optimizers
from chainrule.keras.arguments import refuse
from chainrule.keras.callbacks.base import Callback, History, TerminateOnNaN
from chainrule.keras.callbacks.bridge import Bridge, Segments
from chainrule.keras.given import (
    all_classes,
    check_array,
    check_present,
    first_batches,
    is_due,
    known_arguments,
    make_unique,
    metrics_of,
    named_metric,
    sorted_callbacks,
    split_off,
)
from chainrule.keras.layers.base import example_of, map_shapes
from chainrule.keras.layers.weighted import Weighted
from chainrule.keras.logits import as_written, forget
from chainrule.keras.packing import Packing
from chainrule.keras.symbolic import apply, map_structure, symbols
from chainrule.keras.words import in_keras_words
from chainrule.losses.targets import as_array
from chainrule.ops.random import default_generator
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
    #: How several inputs stand beside one another in one array.
    _packing: Packing | None = None
    _is_building = False

    def __call__(self, x: Any = None, *args: Any, **options: Any) -> Any:
        """Compute the output; on placeholders of the functional API, its shape.

        Args:
            x: samples; several inputs as a list, or by name.
            args: training.
            options: training.
        """
        if symbols((x, args, options)):
            return apply(self, (x, *args), options)
        if x is None:
            x = options.pop("inputs", None)
        options.pop("mask", None)
        packed = self.packed(x)
        result = super().__call__(packed, *args, **options)
        if self.input_shape is None:
            self.input_shape = tuple(np.shape(packed)[1:])
        return result

    def packed(self, x: Any) -> Any:
        """Return samples as one array; those of models with several inputs come as a list."""
        return x

    def build(self, input_shape: Any = None) -> None:
        """Make the parameters for samples of a shape: ``(None, features)``."""
        if isinstance(input_shape, ArrayType):
            super().build(input_shape)
        elif input_shape is not None and not self._is_building:
            example = map_shapes(lambda shape: example_of(shape, self.dtype), input_shape)
            packed = self.packed(map_structure(lambda x: x, example))
            self.make_parameters(packed.shape[1:])

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
            run_eagerly: whether to run the dynamic graph instead of a compiled one.
            steps_per_execution: not needed.
            jit_compile: not needed.
            auto_scale_loss: not needed.
            old: ``class_mode`` and ``sample_weight_mode`` of Keras 1, which are not needed.

        Raises:
            ArgumentError: an unknown name, with the nearest known ones; no loss.
        """
        known_arguments("compile", self.compile, old, ("class_mode", "sample_weight_mode"))
        if isinstance(loss_weights, list | tuple | str) and metrics is None:
            raise ArgumentError(
                "loss_weights",
                repr(loss_weights),
                "None: models have one output",
                "The third argument is not metrics in Keras 3: write metrics=[...].",
            )
        for name in ("train_step", "test_step", "predict_step", "compute_loss"):
            if hasattr(self, name):
                raise ArgumentError(
                    type(self).__name__,
                    f"a model with its own {name}()",
                    "one whose training is Chainrule's",
                    "Write the loop with cr.value_and_grad and optimizer.minimize, or put the loss "
                    "into compile(loss=...) and self.add_loss(...).",
                )
        refuse({"loss_weights": loss_weights}, {"loss_weights": (None,)})
        if loss is None:
            raise ArgumentError("loss", "None", "a loss", "For example loss='mse'.")
        if isinstance(loss, list | tuple | dict):
            raise ArgumentError(
                "loss", f"a {type(loss).__name__}", "one loss: models have one output"
            )
        found = losses.get(loss)
        assert found is not None
        plain, weighted = metrics_of(metrics), metrics_of(weighted_metrics)
        make_unique(plain)
        make_unique(weighted)
        with in_keras_words(found):
            super().compile(
                optimizers.get(optimizer),
                losses.Bound(found),
                [metric.fresh for metric in plain],
                weighted_metrics=[metric.fresh for metric in weighted],
                run_eagerly=bool(run_eagerly),
            )
        self._metrics = tuple(map(_Held, plain)), tuple(map(_Held, weighted))

    _metrics: tuple[tuple[_Held, ...], tuple[_Held, ...]] = ((), ())

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return what the model was compiled with, as JSON values.

        Raises:
            ArgumentError: something in it has no name that a file could hold.
        """
        if self.setup is None:
            return None
        plain, weighted = ([metrics.serialize(m.it) for m in some] for some in self._metrics)
        if not isinstance(self.optimizer, optimizers.Optimizer):
            raise ArgumentError(
                "optimizer", f"{self.optimizer!r} of Chainrule's own", "one of keras.optimizers"
            )
        return {
            "optimizer": optimizers.serialize(self.optimizer),
            "loss": losses.serialize(self.loss),
            "loss_weights": None,
            "metrics": plain,
            "weighted_metrics": weighted,
            "run_eagerly": self.setup.run_eagerly,
            "l2": self.setup.l2,
        }

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile with what ``get_compile_config`` has returned."""
        named: dict[str, list[Any]] = {
            key: [named_metric(m) for m in config.get(key) or ()]
            for key in ("metrics", "weighted_metrics")
        }
        self.compile(
            optimizers.deserialize(config["optimizer"]),
            losses.deserialize(config["loss"]),
            metrics=named["metrics"],
            weighted_metrics=named["weighted_metrics"],
            run_eagerly=config.get("run_eagerly", False),
        )
        assert self.setup is not None
        self.setup.l2 = config.get("l2", 0.0)

    @property
    def metrics(self) -> list[Any]:
        """The metrics that the model was compiled with."""
        return [held.it for some in self._metrics for held in some]

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
        old = known_arguments("fit", self.fit, old, ("nb_epoch", "show_accuracy"))
        epochs = old.pop("nb_epoch", epochs)
        if old.pop("show_accuracy", False):
            self._show_accuracy()
        setup = self.compiled()
        size = check_count("batch_size", _BATCH_SIZE if batch_size is None else batch_size)
        first = check_count("initial_epoch", initial_epoch, least=0)
        check_present(x, y)
        x = self.packed(x)
        if class_weight is not None and sample_weight is not None:
            raise ArgumentError(
                "class_weight",
                "weights beside sample_weight",
                "one of the two",
                "As in Keras: multiply the samples' weights by those of their classes.",
            )
        if validation_data is None and validation_split:
            x, y, sample_weight, validation_data = split_off(
                as_features(x, self.dtype), as_array(y), sample_weight, validation_split
            )
        elif validation_data is not None:
            validation_data = self._validation_pack(validation_data, size, validation_steps)
        n = len(as_features(x, self.dtype))
        steps = math.ceil(n / size)
        if steps_per_epoch is not None:
            steps = min(check_count("steps_per_epoch", steps_per_epoch), steps)
        ours, others = sorted_callbacks(callbacks)
        history = History()
        self.history = history
        ours.append(history)
        params = {
            "verbose": verbose,
            "epochs": epochs,
            "steps": steps,
            "validated": validation_data is not None,
        }
        for callback in ours:
            callback.set_model(self)
            callback.set_params(params)
        history.params = {k: v for k, v in params.items() if k != "validated"}
        if check_count("epochs", epochs) <= first:
            return history
        frequent = is_due(validation_freq)
        testing = [c for c in ours if isinstance(c, Callback)]

        def validate(epoch: int) -> dict[str, Any]:
            if validation_data is None or not frequent(epoch):
                return {}
            return {f"val_{n}": v for n, v in self._test(validation_data, size, testing).items()}

        given = {
            "batch_size": size,
            "class_weight": all_classes(class_weight, y),
            "sample_weight": sample_weight,
        }
        self._bind_constraints()
        bridge = Bridge(ours, first, validate)
        with _ending(any(isinstance(callback, TerminateOnNaN) for callback in ours)):
            if steps < math.ceil(n / size):
                watched = Segments([bridge, *others], self, {**params, "batch_size": size})
                self._fit_by_steps(x, y, steps, epochs - first, shuffle, watched, given)
            else:
                with in_keras_words(self.loss):
                    super().fit(
                        x,
                        y,
                        epochs=epochs - first,
                        verbose=verbose,
                        callbacks=[bridge, *others],
                        shuffle=shuffle,
                        **given,
                    )
        if setup is not self.setup:
            warnings.warn(
                "a callback has compiled the model in training: that counts from the next fit on",
                stacklevel=2,
            )
        return history

    def _fit_by_steps(
        self,
        x: Any,
        y: Any,
        steps: int,
        epochs: int,
        shuffle: bool,
        watched: Segments,
        given: dict[str, Any],
    ) -> None:
        """Train so many batches an epoch; the next epoch goes on where the last one ended.

        As in Keras, an epoch ends where the samples end, and the next one begins anew.
        """
        x, y, size = as_features(x, self.dtype), as_array(y), given["batch_size"]
        w = given.pop("sample_weight")
        n, at = len(x), 0
        order = np.arange(n)
        try:
            for _ in range(epochs):
                if at == 0 and shuffle:
                    order = np.asarray(default_generator.permutation(n))
                rows = order[at : at + steps * size]
                at = at + len(rows) if at + len(rows) < n else 0
                with in_keras_words(self.loss):
                    super().fit(
                        x[rows],
                        y[rows],
                        epochs=1,
                        verbose=0,
                        callbacks=[watched],
                        shuffle=False,
                        sample_weight=None if w is None else np.asarray(w)[rows],
                        **given,
                    )
                if self.stop_training:
                    break
        finally:
            watched.end()

    def _validation_pack(self, given: Any, size: int, steps: int | None) -> tuple[Any, ...]:
        """Return data to validate on, checked: so many batches, or all."""
        with naming(
            x="validation_data[0]", y="validation_data[1]", sample_weight="validation_data[2]"
        ):
            if not isinstance(given, tuple | list) or len(given) not in (2, 3):
                raise ArgumentError(
                    "validation_data",
                    f"a {type(given).__name__}",
                    "(x, y) or (x, y, sample_weight)",
                )
            data = (self.packed(given[0]), *given[1:])
            with in_keras_words(self.loss):
                self._samples(*data)
        return first_batches(data, "validation_steps", steps, size)

    def _bind_constraints(self) -> None:
        """Let the optimizer bring parameters back that have a constraint."""
        optimizer = self.optimizer
        if isinstance(optimizer, optimizers.Optimizer):
            optimizer.find_constraints = lambda: list(self.constrained())
        elif any(True for _ in self.constrained()):
            raise ArgumentError(
                "optimizer",
                f"{optimizer!r} of Chainrule's own, for layers with constraints",
                "one of keras.optimizers",
            )

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
            steps: so many batches, the first ones (default: all).
            callbacks: their ``on_test_begin`` and ``on_test_end`` are called.
            return_dict: whether to return them by name.
            old: show_accuracy.

        Returns:
            The loss; with metrics, a list of the loss and the metrics.
        """
        old = known_arguments("evaluate", self.evaluate, old, ("show_accuracy",))
        if old.pop("show_accuracy", False):
            self._show_accuracy()
        check_present(x, y)
        self.compiled()
        size = check_count("batch_size", _BATCH_SIZE if batch_size is None else batch_size)
        x = self.packed(x)
        ours, _ = sorted_callbacks(callbacks)
        for callback in ours:
            callback.set_model(self)
        given = (x, y) if sample_weight is None else (x, y, sample_weight)
        given = first_batches(given, "steps", steps, size)
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
            with in_keras_words(self.loss):
                logs: dict[str, Any] = super().evaluate(
                    x,
                    y,
                    batch_size=batch_size,
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
            steps: so many batches, the first ones (default: all).
            callbacks: their ``on_predict_begin`` and ``on_predict_end`` are called.
        """
        ours, _ = sorted_callbacks(callbacks)
        size = check_count("batch_size", _BATCH_SIZE if batch_size is None else batch_size)
        check_array(x)
        (x,) = first_batches((self.packed(x),), "steps", steps, size)
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
        check_present(x, y)
        latest = _Latest()
        features = as_features(self.packed(x), self.dtype)
        self._bind_constraints()
        with in_keras_words(self.loss):
            super().fit(
                features,
                y,
                batch_size=max(len(features), 1),
                verbose=0,
                callbacks=[latest],
                shuffle=False,
                class_weight=all_classes(class_weight, y),
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
        x = self.packed(x)
        return self.evaluate(
            x, y, batch_size=max(len(x), 1), sample_weight=sample_weight, return_dict=return_dict
        )

    def predict_on_batch(self, x: Any) -> Array:
        """Return the network's output for each sample."""
        x = self.packed(x)
        return self.predict(x, batch_size=max(len(x), 1))

    def inspect(self, x: Any, y: Any = None) -> Record:
        """Return all that the network computes on samples, in the lecture's notation.

        The loss is computed from the probabilities, so that ∂L/∂a of the last layer is seen.
        """
        with as_written(), in_keras_words(self.loss):
            return super().inspect(x, y)

    def _show_accuracy(self) -> None:
        setup = self.compiled()
        if "accuracy" not in self.metrics_names:
            metric = metrics.get("accuracy")
            setup.metrics.append(metric.fresh)
            self._metrics = (*self._metrics[0], _Held(metric)), self._metrics[1]


@contextmanager
def _ending(on_nan: bool) -> Iterator[None]:
    """Let go of the latest logits at the end; and end without an error if a loss is no number."""
    try:
        yield
    except DivergedError:
        if not on_nan:
            raise
        print("Invalid loss, terminating training")
    finally:
        forget()


class _Held:
    """A metric, out of sight of the search for parameters, which a metric's variables are not."""

    def __init__(self, it: Any) -> None:
        self.it = it


class _Latest(core_callbacks.Callback):
    """What an update's loss and metrics were."""

    logs: Mapping[str, Any]

    def on_epoch_end(self, epoch: int, logs: core_callbacks.Logs) -> None:
        """Keep them."""
        self.logs = dict(logs)
