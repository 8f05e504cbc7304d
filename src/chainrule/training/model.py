"""Models: modules that are compiled, fitted, evaluated and saved, with Keras's meaning."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np

from chainrule.compiler.report import Explanation
from chainrule.compiler.trace import trace
from chainrule.core.errors import (
    ArgumentError,
    ChainruleError,
    ShapeError,
    TracingError,
)
from chainrule.core.keywords import explained
from chainrule.core.mode import no_grad
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, unknown
from chainrule.core.types import FLOAT32, Array, ArrayType, Dtype
from chainrule.losses import Loss, Reading
from chainrule.losses import loss as find_loss
from chainrule.losses.output import check_units
from chainrule.metrics import Metric, MetricsLike, metric_makers, metric_names
from chainrule.nn.module import Module
from chainrule.ops.promotion import cast
from chainrule.optim import Optimizer
from chainrule.optim import optimizer as find_optimizer
from chainrule.optim.optimizer import checked
from chainrule.training import loop
from chainrule.training.arrays import (
    as_features,
    check_batches,
    check_count,
    check_lengths,
    naming,
)
from chainrule.training.callbacks import Callback, CallbackList, History, several
from chainrule.training.last_layer import last_layer_of, reading_of
from chainrule.training.record import Record
from chainrule.training.saving import save_model
from chainrule.training.steps import HOW_TO_RUN_IT, Forward, ModelExplanation, Steps
from chainrule.training.summary import Summary, summarize
from chainrule.training.weights import (
    Samples,
    class_labels,
    class_weights,
    sample_weights,
    split_off,
)


@dataclass
class Compiled:
    """What a model is trained with.

    Attributes:
        optimizer: changes the parameters.
        loss: loss of each sample.
        metrics: what makes each metric.
        l2: λ of the penalty ½ λ ‖W‖²_F on the weight matrices.
        weighted_metrics: what makes each metric in which samples count by their weight.
        run_eagerly: whether the dynamic graph is run instead of the compiled one.
    """

    optimizer: Optimizer
    loss: Loss
    metrics: list[Callable[[], Metric]] = field(default_factory=list)
    l2: float = 0.0
    weighted_metrics: list[Callable[[], Metric]] = field(default_factory=list)
    run_eagerly: bool = False

    def make_metrics(self) -> list[Metric]:
        """Return all metrics, empty."""
        return [make() for make in [*self.metrics, *self.weighted_metrics]]


class Model(Module):
    """A module that can be trained: subclass it, and write ``forward``.

    >>> import chainrule as cr
    >>> class Net(cr.Model):
    ...     def __init__(self):
    ...         self.hidden, self.out = cr.Dense(8, activation="tanh"), cr.Dense(1)
    ...
    ...     def forward(self, x, training=False):
    ...         return self.out(self.hidden(x))
    >>> model = Net()
    >>> model.compile(optimizer="adam", loss="squared_error")
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, verbose=0)
    >>> len(history.history["loss"])
    2
    """

    kept_aside = Module.kept_aside | {"setup", "stop_training", "history", "_steps", "_forward"}
    #: Dtype of the parameters and of the computation.
    dtype: Dtype = FLOAT32
    #: Set by callbacks to end the training after the epoch.
    stop_training = False
    #: Shape of one sample; known once the parameters are made.
    input_shape: tuple[int, ...] | None = None
    #: What the model was compiled with.
    setup: Compiled | None = None
    _steps: Steps | None = None
    _forward: Forward | None = None

    def __call__(self, x: TensorLike, training: bool | None = None) -> Tensor:
        """Compute the output, in the model's dtype."""
        if not self._is_built:
            self._hand_dtype_down(self)
        return super().__call__(cast(as_tensor(x, self.dtype), self.dtype), training)

    def _hand_dtype_down(self, module: Module) -> None:
        for inner in module.modules().values():
            if isinstance(inner, Model) and inner is not self:
                inner.take_dtype(self.dtype)

    def take_dtype(self, dtype: Dtype) -> None:
        """Compute in the dtype of a model around this one; by default a model keeps its own."""

    def make_parameters(self, input_shape: Sequence[int]) -> None:
        """Make the parameters for samples of a shape, without computing anything.

        Args:
            input_shape: shape of one sample.
        """
        shape = tuple(int(n) for n in input_shape)
        if self.input_shape is None:
            try:
                self(unknown(ArrayType((1, *shape), self.dtype)))
            except TracingError:  # its code needs values
                with no_grad():
                    self(np.zeros((1, *shape), self.dtype))
            self.input_shape = shape
        elif self.input_shape != shape:
            raise ShapeError(
                "x",
                f"samples of shape {shape}",
                f"shape {self.input_shape}, as the model was made for",
            )

    @explained
    def compile(
        self,
        optimizer: str | Optimizer = "sgd",
        loss: str | Loss | Callable[[Tensor, Tensor], Tensor] = "squared_error",
        metrics: MetricsLike = (),
        *,
        weighted_metrics: MetricsLike = (),
        l2: float = 0.0,
        run_eagerly: bool = False,
    ) -> None:
        """Say what to train with.

        Args:
            optimizer: a name or an optimizer.
            loss: a name, a loss, or a function of (y, prediction).
            metrics: names, metrics such as ``cr.metrics.F1("macro")``, or subclasses of ``Metric``.
                In these each sample counts 1, whatever its weight.
            weighted_metrics: the same, for metrics in which ``sample_weight`` and
                ``class_weight`` count, as they do in the loss.
            l2: λ of the penalty ½ λ ‖W‖²_F on the weight matrices (biases are not penalized).
            run_eagerly: run the dynamic graph, for stepping through in a debugger. By default
                the model's code is traced once into a static graph, which is optimized and run;
                the results are the same to rounding.

        Raises:
            ArgumentError: an unknown name, with the nearest known ones.
        """
        makers, weighted = metric_makers(metrics), metric_makers(weighted_metrics)
        metric_names([make() for make in makers], [make() for make in weighted])
        chosen = find_optimizer(optimizer)
        chosen.check_owner(self.parameters().values())
        self.setup = Compiled(
            chosen,
            find_loss(loss),
            makers,
            checked("l2", l2),
            weighted,
            bool(run_eagerly),
        )

    def steps(self) -> Steps:
        """Return the model's functions on batches, compiled unless it is run eagerly."""
        setup = self.compiled()
        if self._steps is None or self._steps.setup is not setup or not self._steps.still_hold:
            self._steps = Steps(self, setup, self._steps)
        return self._steps

    def explain(self) -> ModelExplanation:
        """Say which static graphs ``fit``, ``evaluate`` and ``predict`` run: see ``cr.compile``.

        Returns:
            A dictionary from each to what was compiled for it, which prints as text.
        """
        found: dict[str, Explanation] = {}
        if self._steps is not None:
            found |= self._steps.explain()
        if self._forward is not None and self._forward.compiled is not None:
            found["predict"] = self._forward.compiled.explain()
        return ModelExplanation(found)

    def forward_step(self) -> Forward:
        """Return the model's prediction on batches, compiled unless it is run eagerly."""
        if self._forward is None or not self._forward.still_holds:
            self._forward = Forward(self)
        return self._forward

    @property
    def runs_eagerly(self) -> bool:
        """Whether it was compiled to run the dynamic graph."""
        return self.setup is not None and self.setup.run_eagerly

    def compiled(self) -> Compiled:
        """Return what the model was compiled with.

        Raises:
            ChainruleError: it was not.
        """
        if self.setup is None:
            raise ChainruleError(
                "the model is not compiled: call model.compile(optimizer=..., loss=...) first"
            )
        return self.setup

    @explained
    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | Callback | None = (),
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
    ) -> History:
        """Train.

        With ``batch_size=1``, SGD and ``EarlyStopping`` this is the lecture's Algorithm 4.1.

        Args:
            x: samples, shape (n, ...).
            y: targets, one a sample.
            batch_size: samples an update; the last batch of an epoch may be smaller.
            epochs: how many times to go through the samples.
            verbose: 0 is silent; ``"auto"`` and 1 show progress: a bar on a terminal, plain lines
                elsewhere.
            callbacks: what happens between epochs and batches: one, or several.
            validation_split: share of the samples, the last ones, to validate on.
            validation_data: pair of samples and targets to validate on, or these and the weight
                of each sample.
            shuffle: whether to go through the samples in a new order in each epoch.
            class_weight: how much the samples of each class count: weights by label, or in the
                order of the classes; ``"balanced"``: each class as much as any other,
                n / (classes · samples of the class). It does not count in validation.
            sample_weight: how much each sample counts, shape (n,). The loss of a batch is
                ``(1/n) Σ w L``; given both kinds of weights, w is their product.

        Returns:
            Losses and metrics epoch by epoch.

        Raises:
            ArgumentError: arguments that do not fit (with what was expected and the usual fix).
            DivergedError: the loss became NaN or infinite.
        """
        setup = self.compiled()
        batch_size, epochs = check_count("batch_size", batch_size), check_count("epochs", epochs)
        data = self._samples(x, y, sample_weight)
        setup.optimizer.check_owner(self.parameters().values())
        if not self.trainable_parameters():
            warnings.warn("the model has no trainable parameters: nothing is learned", stacklevel=2)
        labels = None
        if class_weight is not None:
            labels = class_labels(y, data.units, data.reading.per_unit)
        if validation_data is not None:
            validation: Samples | None = self._validation(validation_data, data.reading)
        else:
            data, validation = split_off(data, checked("validation_split", validation_split, 1.0))
        if labels is not None:
            weights = class_weights(class_weight, labels[: len(data)], data.units, self.dtype)
            data = data.weighted(weights)
        check_batches(setup.optimizer, batch_size, len(data))
        self._try_last_batch(data.x, batch_size)
        history = History()
        shown = _progress(verbose)
        params = {
            "epochs": epochs,
            "steps": math.ceil(len(data) / batch_size),
            "batch_size": batch_size,
            "verbose": verbose,
        }
        loop.run_epochs(
            self,
            setup,
            data,
            validation,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            callbacks=CallbackList([history, *several(callbacks), *shown], self, params),
        )
        return history

    def _try_last_batch(self, x: Array, batch_size: int) -> None:
        """Raise now what would be raised at the end of the epoch, if a single sample is left over.

        BatchNorm, for one, refuses it. Only types are computed, and nothing is changed.
        """
        if (len(x) % batch_size or batch_size) == 1:
            single = unknown(ArrayType((1, *x.shape[1:]), x.dtype))
            with suppress(TracingError):  # code of the user's that needs values
                trace(lambda x: self(x, training=True))(single)

    def _samples(self, x: Any, y: Any, sample_weight: Any = None) -> Samples:
        """Return data in the form that the loop needs, or say what is wrong with them."""
        setup = self.compiled()
        features = as_features(x, self.dtype)
        if not len(features):
            raise ArgumentError("x", "no samples", "at least one")
        self.make_parameters(features.shape[1:])
        output = self._output_for(features)
        targets = setup.loss.check(y, output.type)
        check_lengths(features, targets)
        last = last_layer_of(self, output)
        if last is not None:
            if math.prod(output.shape[1:]) == 1:
                check_units(last)
            setup.loss.check_last_layer(last, targets)
        reading = reading_of(setup.loss, targets, last)
        for metric in setup.make_metrics():
            metric.read(reading)
            metric.check(targets, output.type)
        weight = sample_weights(sample_weight, len(features), self.dtype)
        return Samples(features, targets, weight, output.type, reading)

    def _output_for(self, features: Array) -> Tensor:
        """Return the output for samples, of which only the type counts."""
        try:
            return self(unknown(ArrayType(features.shape, self.dtype)))
        except TracingError as error:
            if not self.compiled().run_eagerly:
                error.add_note(HOW_TO_RUN_IT)
                raise
        with no_grad():
            output = self(Tensor(features[:1]))
        return unknown(ArrayType((len(features), *output.shape[1:]), output.dtype))

    def _validation(self, given: tuple[Any, ...], reading: Reading) -> Samples:
        """Return data to validate on, which are read as those to train on."""
        if len(given) not in (2, 3):
            raise ArgumentError(
                "validation_data", f"{len(given)} things", "a pair (x, y), or (x, y, sample_weight)"
            )
        names = {n: f"validation_data[{i}]" for i, n in enumerate(("x", "y", "sample_weight"))}
        with naming(**names):
            return replace(self._samples(*given), reading=reading)

    @explained
    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int = 1024,
        return_dict: bool = False,
        *,
        sample_weight: Any = None,
        return_parts: bool = False,
    ) -> Any:
        """Return the loss and the metrics over all samples.

        The loss is the structured risk, the mean loss + ½ λ ‖W‖²_F and what regularizers add.

        Args:
            x: samples, shape (n, ...).
            y: targets, one a sample.
            batch_size: samples at a time; the result does not depend on it.
            return_dict: whether to return them by name.
            sample_weight: how much each sample counts in the loss and in ``weighted_metrics``,
                shape (n,). The mean loss is ``(1/n) Σ w L``.
            return_parts: whether to return them by name, and with the parts of the loss:
                ``mean_loss`` and ``penalty``.

        Returns:
            The loss; with metrics, a list of the loss and the metrics in their order. Metrics may
            be arrays.

        Raises:
            ArgumentError: arguments that do not fit.

        >>> import chainrule as cr
        >>> model = cr.Sequential([cr.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="squared_error", l2=0.5)
        >>> model.evaluate([[1.0], [2.0]], [1.0, 4.0], return_parts=True)
        {'loss': 2.25, 'mean_loss': 2.0, 'penalty': 0.25}
        """
        size, setup = check_count("batch_size", batch_size), self.compiled()
        data = self._samples(x, y, sample_weight)
        logs = loop.evaluate(self, setup, data, size, arrays=True, parts=return_parts)
        if return_dict or return_parts:
            return logs
        return list(logs.values()) if len(logs) > 1 else logs["loss"]

    @explained
    def predict(self, x: Any, batch_size: int = 1024) -> Array:
        """Return the network's output for each sample.

        Args:
            x: samples, shape (n, ...).
            batch_size: samples at a time; the result does not depend on it.

        Returns:
            Shape (n, units of the last layer). After training with ``"cross_entropy"`` these are
            logits: ``cr.softmax`` turns them into probabilities.

        Raises:
            ArgumentError: samples that do not fit.
        """
        features = as_features(x, self.dtype)
        self.make_parameters(features.shape[1:])
        if not len(features):
            output = self(unknown(ArrayType((1, *features.shape[1:]), self.dtype))).type
            return np.zeros((0, *output.shape[1:]), output.dtype)
        return loop.predict(self, features, check_count("batch_size", batch_size))

    def inspect(self, x: Any, y: Any = None) -> Record:
        """Return all that the network computes on samples, in the lecture's notation.

        The network is run as ``predict`` runs it, and nothing in it is changed; only parameters
        that are not made yet are made.

        Args:
            x: samples, shape (n, ...).
            y: targets, one a sample; without them there is no δ and are no gradients.

        Returns:
            z, a, δ, W, b and their gradients, layer by layer; see ``Record``.

        Raises:
            ArgumentError: arguments that do not fit; layers that do not follow one after the other.

        >>> import chainrule as cr
        >>> model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)])
        >>> model.compile(loss="squared_error")
        >>> record = model.inspect([[0.0, 1.0], [1.0, 1.0]], [1.0, 0.0])
        >>> record.L, record.W[1].shape, record.a[0].tolist()
        (2, (4, 2), [[0.0, 1.0], [1.0, 1.0]])
        """
        from chainrule.training.inspection import inspect_model

        if y is not None:
            data = self._samples(x, y)
            return inspect_model(self, data.x, data.y, self.setup)
        features = as_features(x, self.dtype)
        if not len(features):
            raise ArgumentError("x", "no samples", "at least one")
        self.make_parameters(features.shape[1:])
        return inspect_model(self, features, None, self.setup)

    def get_weights(self) -> list[Array]:
        """Return copies of the parameters in Keras's order: kernel, bias, layer by layer."""
        return [np.array(p.numpy()) for p in self.parameters().values()]

    def set_weights(self, arrays: Sequence[Any]) -> None:
        """Set the parameters, in the order of ``get_weights``.

        Raises:
            ArgumentError: another number of arrays.
            ShapeError: an array of another shape.
        """
        parameters = self.parameters()
        if len(arrays) != len(parameters):
            raise ArgumentError(
                "arrays",
                f"{len(arrays)} arrays",
                f"{len(parameters)}: {', '.join(parameters) or 'call the model once first'}",
            )
        values = [np.asarray(array) for array in arrays]
        for (name, parameter), value in zip(parameters.items(), values, strict=True):
            if value.shape != parameter.shape:
                raise ShapeError(f"array for {name}", str(value.shape), str(parameter.shape))
        for parameter, value in zip(parameters.values(), values, strict=True):
            parameter.assign(value)

    def summary(self) -> Summary:
        """Return a table of the layers: output shape, parameters, activation, and the totals.

        It prints itself at the prompt and in a notebook; elsewhere use ``print(model.summary())``.

        Raises:
            ChainruleError: the size of the input is not known yet.
        """
        if self.input_shape is None:
            raise ChainruleError(
                "the model has no parameters yet: call model.make_parameters((features,)), "
                "or fit it, first"
            )
        return summarize(self, ArrayType((1, *self.input_shape), self.dtype))

    def save(self, path: str | PathLike[str], overwrite: bool = True) -> None:
        """Write the model into a directory: model.safetensors and model.json.

        Args:
            path: the directory; it is made.
            overwrite: whether to replace a model that is there.

        Raises:
            ArgumentError: the model cannot be described in a file.
            FileError: the directory cannot be written.
        """
        save_model(self, path, overwrite=overwrite)

    def config(self) -> dict[str, Any]:
        """Return the architecture as JSON values.

        Raises:
            ArgumentError: the architecture is code, and cannot be written down.
        """
        raise ArgumentError(
            "model",
            f"a {type(self).__name__}, whose forward() is code",
            "a cr.Sequential",
            "Keep the class, and save the weights with model.get_weights().",
        )


def _progress(verbose: int | str) -> list[Callback]:
    if verbose not in (0, 1, 2, "auto"):
        raise ArgumentError("verbose", repr(verbose), "0, 1, 2 or 'auto'")
    if verbose == 0:
        return []
    from chainrule.training.progress import Progress  # rich, when first needed

    return [Progress()]
