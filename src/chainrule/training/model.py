"""Models: modules that are compiled, fitted, evaluated and saved, with Keras's meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ArgumentError, ChainruleError, DtypeError, ShapeError
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, unknown
from chainrule.core.types import FLOAT32, Array, ArrayType, Dtype, as_dtype
from chainrule.losses import Loss
from chainrule.losses import loss as find_loss
from chainrule.metrics import Metric, metric_maker
from chainrule.nn.layers import Layer, layer_to_config
from chainrule.nn.module import Module
from chainrule.ops.elementwise import cast
from chainrule.optim import Optimizer
from chainrule.optim import optimizer as find_optimizer
from chainrule.optim.optimizer import checked
from chainrule.training import loop
from chainrule.training.arrays import as_features, check_count, check_lengths, naming
from chainrule.training.callbacks import Callback, CallbackList, History
from chainrule.training.saving import save_model
from chainrule.training.summary import Summary, summarize


@dataclass
class Compiled:
    """What a model is trained with.

    Attributes:
        optimizer: changes the parameters.
        loss: loss of each sample.
        metrics: what makes each metric.
        l2: λ of the penalty ½ λ ‖W‖²_F on the weight matrices.
    """

    optimizer: Optimizer
    loss: Loss
    metrics: list[Callable[[], Metric]] = field(default_factory=list)
    l2: float = 0.0

    def make_metrics(self) -> list[Metric]:
        """Return the metrics, empty."""
        return [make() for make in self.metrics]


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

    #: Dtype of the parameters and of the computation.
    dtype: Dtype = FLOAT32
    #: Set by callbacks to end the training after the epoch.
    stop_training = False
    #: Shape of one sample; known once the parameters are made.
    input_shape: tuple[int, ...] | None = None
    #: What the model was compiled with.
    setup: Compiled | None = None

    def __call__(self, x: TensorLike, training: bool = False) -> Tensor:
        """Compute the output, in the model's dtype."""
        return super().__call__(cast(as_tensor(x, self.dtype), self.dtype), training)

    def layer_types(self, input_type: ArrayType) -> list[tuple[Module, ArrayType | None]]:
        """Return the modules that ``summary`` shows, each with its output's type where known."""
        return [(value, None) for value in self.__dict__.values() if isinstance(value, Module)]

    def make_parameters(self, input_shape: Sequence[int]) -> None:
        """Make the parameters for samples of a shape, without computing anything.

        Args:
            input_shape: shape of one sample.
        """
        shape = tuple(int(n) for n in input_shape)
        if self.input_shape is None:
            self(unknown(ArrayType((1, *shape), self.dtype)))
            self.input_shape = shape
        elif self.input_shape != shape:
            raise ShapeError(
                "x",
                f"samples of shape {shape}",
                f"shape {self.input_shape}, as the model was made for",
            )

    def compile(
        self,
        optimizer: str | Optimizer = "sgd",
        loss: str | Loss | Callable[[Tensor, Tensor], Tensor] = "squared_error",
        metrics: Sequence[str | Callable[[], Metric]] = (),
        *,
        l2: float = 0.0,
        run_eagerly: bool = True,
    ) -> None:
        """Say what to train with.

        Args:
            optimizer: a name or an optimizer.
            loss: a name, a loss, or a function of (y, prediction).
            metrics: names, or subclasses of ``Metric``.
            l2: λ of the penalty ½ λ ‖W‖²_F on the weight matrices (biases are not penalized).
            run_eagerly: run the dynamic graph. The compiled one is not there yet.

        Raises:
            ArgumentError: an unknown name, with the nearest known ones.
        """
        if not run_eagerly:
            raise ArgumentError(
                "run_eagerly", "False", "True", "This version has only the dynamic graph."
            )
        if isinstance(metrics, str):
            metrics = [metrics]
        self.setup = Compiled(
            find_optimizer(optimizer),
            find_loss(loss),
            [metric_maker(m) for m in metrics],
            checked("l2", l2),
        )

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

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] = (),
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
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
            callbacks: what happens between epochs and batches.
            validation_split: share of the samples, the last ones, to validate on.
            validation_data: pair of samples and targets to validate on.
            shuffle: whether to go through the samples in a new order in each epoch.

        Returns:
            Losses and metrics epoch by epoch.

        Raises:
            ArgumentError: arguments that do not fit (with what was expected and the usual fix).
            DivergedError: the loss became NaN or infinite.
        """
        setup = self.compiled()
        batch_size, epochs = check_count("batch_size", batch_size), check_count("epochs", epochs)
        data = self._checked_data(x, y)
        if validation_data is not None:
            if len(validation_data) != 2:
                raise ArgumentError(
                    "validation_data", f"{len(validation_data)} things", "a pair (x, y)"
                )
            names = ("validation_data[0]", "validation_data[1]")
            validation: tuple[Array, Array] | None = self._checked_data(*validation_data, names)
        else:
            data, validation = _split_off(data, checked("validation_split", validation_split, 1.0))
        history = History()
        shown = _progress(verbose)
        params = {
            "epochs": epochs,
            "steps": math.ceil(len(data[0]) / batch_size),
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
            callbacks=CallbackList([history, *callbacks, *shown], self, params),
        )
        return history

    def _checked_data(
        self, x: Any, y: Any, names: tuple[str, str] = ("x", "y")
    ) -> tuple[Array, Array]:
        with naming(x=names[0], y=names[1]):
            features = as_features(x, self.dtype)
            if not len(features):
                raise ArgumentError("x", "no samples", "at least one")
            self.make_parameters(features.shape[1:])
            output = self(unknown(ArrayType(features.shape, self.dtype))).type
            targets = self.compiled().loss.check(y, output)
            check_lengths(features, targets)
        return features, targets

    def evaluate(
        self, x: Any, y: Any, batch_size: int = 1024, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Return the loss and the metrics over all samples.

        Args:
            x: samples, shape (n, ...).
            y: targets, one a sample.
            batch_size: samples at a time; the result does not depend on it.
            return_dict: whether to return them by name.

        Returns:
            The loss; with metrics, a list of the loss and the metrics in their order.

        Raises:
            ArgumentError: arguments that do not fit.
        """
        size = check_count("batch_size", batch_size)
        logs = loop.evaluate(self, self.compiled(), self._checked_data(x, y), size)
        if return_dict:
            return logs
        return list(logs.values()) if len(logs) > 1 else logs["loss"]

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
        layers = self.layer_types(ArrayType((1, *self.input_shape), self.dtype))
        return summarize(self, layers, self.input_shape)

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


class Sequential(Model):
    """Layers one after the other: the lecture's feedforward network.

    ``a⁽⁰⁾ = x``, ``z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾``, ``a⁽ˡ⁾ = f_l(z⁽ˡ⁾)``

    Args:
        layers: the layers, first to last; more can be added with ``add``.
        dtype: float32 or float64.

    Raises:
        DtypeError: something that is not a layer; another dtype.

    >>> import chainrule as cr
    >>> model = cr.Sequential([cr.Dense(3, activation="relu"), cr.Dense(2)])
    >>> model([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 2)
    """

    def __init__(self, layers: Sequence[Module] = (), dtype: npt.DTypeLike = FLOAT32) -> None:
        self.layers: list[Module] = []
        self.dtype = as_dtype(dtype)
        if self.dtype.kind != "f":
            raise DtypeError("dtype", str(self.dtype), "float32 or float64")
        for layer in layers:
            self.add(layer)

    def add(self, layer: Module) -> None:
        """Add a layer behind the last one.

        Raises:
            DtypeError: something that is not a layer.
            ChainruleError: the parameters are made already.
        """
        if not isinstance(layer, Module):
            raise DtypeError(
                "layers",
                f"a {type(layer).__name__}",
                "layers, such as cr.Dense(64)",
                "Did you forget the parentheses?" if isinstance(layer, type) else "",
            )
        if self._is_built:
            raise ChainruleError("a layer cannot be added once the parameters are made")
        self.layers.append(layer)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Pass the input through the layers."""
        for layer in self.layers:
            x = layer(x, training)
        return x

    def build(self, input_type: ArrayType) -> None:
        """Note the shape of one sample; the layers make their own parameters."""
        if not self.layers:
            raise ChainruleError("the model has no layers: add some, as in model.add(cr.Dense(1))")
        self.input_shape = input_type.shape[1:]

    def layer_types(self, input_type: ArrayType) -> list[tuple[Module, ArrayType | None]]:
        """Return the layers, each with its output's type."""
        found: list[tuple[Module, ArrayType | None]] = []
        x = unknown(input_type)
        for layer in self.layers:
            x = layer(x)
            found.append((layer, x.type))
        return found

    def config(self) -> dict[str, Any]:
        """Return the architecture as JSON values."""
        described = []
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise ArgumentError(
                    "model", f"a layer of type {type(layer).__name__}", "a cr.Layer"
                )
            described.append(layer_to_config(layer))
        if sum(len(layer.parameters()) for layer in self.layers) > len(self.parameters()):
            raise ArgumentError(
                "model",
                "layers that share parameters",
                "each layer once",
                "Save the weights with model.get_weights().",
            )
        return {
            "type": "Sequential",
            "dtype": str(self.dtype),
            "input_shape": list(self.input_shape or ()),
            "layers": described,
        }


def _split_off(
    data: tuple[Array, Array], share: float
) -> tuple[tuple[Array, Array], tuple[Array, Array] | None]:
    """Split the last samples off, as Keras does."""
    if not share:
        return data, None
    x, y = data
    kept = len(x) - round(len(x) * share)
    if not 0 < kept < len(x):
        raise ArgumentError(
            "validation_split",
            f"{share:g} of {len(x)} samples",
            "a share that leaves both sides some",
        )
    return (x[:kept], y[:kept]), (x[kept:], y[kept:])


def _progress(verbose: int | str) -> list[Callback]:
    if verbose not in (0, 1, 2, "auto"):
        raise ArgumentError("verbose", repr(verbose), "0, 1, 2 or 'auto'")
    if verbose == 0:
        return []
    from chainrule.training.progress import Progress  # rich, when first needed

    return [Progress()]
