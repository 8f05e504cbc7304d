"""Models under Keras's names: ``Sequential``, ``Model`` to subclass, ``load_model``.

>>> model = Sequential([layers.Dense(3, input_shape=(4,), name="out")], name="small")
>>> model.summary()
Model: "small"
layer (type)  output shape  parameters
────────────  ────────────  ──────────
out (Dense)      (None, 3)          15
Total params: 15 (60 bytes)
Trainable params: 15
Non-trainable params: 0
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import ArrayType
from chainrule.data.files import file_error
from chainrule.keras import layers, losses, metrics, optimizers
from chainrule.keras.arguments import missing, snake
from chainrule.keras.layers.base import Adapted, Weighted, new_name, refuse_placeholder
from chainrule.keras.training import Trainer
from chainrule.nn.layers import layer_to_config
from chainrule.nn.module import Module
from chainrule.training import loading
from chainrule.training import sequential as core
from chainrule.training.model import Compiled
from chainrule.training.saving import save_model

#: Keras's layer for each of Chainrule's.
_KERAS: dict[str, type[Adapted]] = {
    "Dense": layers.Dense,
    "Activation": layers.Activation,
    "Dropout": layers.Dropout,
    "GaussianNoise": layers.GaussianNoise,
    "Flatten": layers.Flatten,
    "Embedding": layers.Embedding,
    "BatchNorm": layers.BatchNormalization,
    "LayerNorm": layers.LayerNormalization,
    "RMSNorm": layers.RMSNormalization,
    "PReLU": layers.PReLU,
    "Maxout": layers.MaxoutDense,
}


class _Shown(Trainer):
    """What can be shown and saved of Keras's models."""

    def summary(  # type: ignore[override]
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] = print,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers: name, output shape, parameters, and the totals.

        Args:
            line_length: not needed.
            positions: not needed.
            print_fn: what prints.
            expand_nested: whether to show the layers within layers, too.
            show_trainable: not needed: the totals say it.
            layer_range: not needed.
        """
        rows = [["layer (type)", "output shape", "parameters"]]
        if self.input_shape is None:
            children = [m for m in vars(self).values() if isinstance(m, Module)]
            known = getattr(self, "layers", children)
            rows += [[_title(layer), "?", "0 (unbuilt)"] for layer in known]
        else:
            table = super().summary()
            shown = [row for row in table.rows if expand_nested or not row.depth]
            titles = iter(getattr(self, "layers", ()))
            for row in shown:
                layer = None if row.depth else next(titles, None)
                title = "  " * row.depth + (row.layer if layer is None else _title(layer))
                shape = f"(None, {row.output_shape.strip('()')})" if row.output_shape else "?"
                rows.append([title, shape, f"{row.parameters:,}"])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([r[0].ljust(widths[0]), r[1].rjust(widths[1]), r[2].rjust(widths[2])])
            for r in rows
        ]
        lines.insert(1, "  ".join("─" * width for width in widths))
        trained = sum(p.size for p in self.trainable_weights)
        total = sum(p.size for p in self.weights)
        size = sum(p.size * p.dtype.itemsize for p in self.weights)
        memory = f"{size / 1024:.2f} KB" if size >= 1024 else f"{size} bytes"
        lines.insert(0, f'Model: "{self.name}"')
        lines += [
            f"Total params: {total:,} ({memory})",
            f"Trainable params: {trained:,}",
            f"Non-trainable params: {total - trained:,}",
        ]
        print_fn("\n".join(lines))

    def save(  # type: ignore[override]
        self, filepath: str | PathLike[str], overwrite: bool = True, **options: Any
    ) -> None:
        """Write the model into a directory, in Chainrule's own format; ``cr.load`` reads it, too.

        The directory gets the name that is given, also one that ends in ``.keras`` or ``.h5``:
        ``load_model`` of this package reads it, Keras does not.

        Args:
            filepath: the directory; it is made.
            overwrite: whether to replace a model that is there.
            options: ``include_optimizer=False``: without what it was compiled with; and
                ``zipped=False``.

        Raises:
            ArgumentError: layers that are code.
            FileError: the directory cannot be written.
        """
        include = options.pop("include_optimizer", True)
        for name, value in options.items():
            if name not in ("zipped", "save_format") or (name == "zipped" and value):
                raise ArgumentError(name, repr(value), "include_optimizer, or zipped=False")
        setup = self.setup
        self.setup = _core_setup(setup) if include else None
        try:
            save_model(self, filepath, overwrite=overwrite)
        finally:
            self.setup = setup


class Sequential(_Shown, core.Sequential):
    """Layers one after the other.

    Args:
        layers: the layers; more can be added with ``add``.
        trainable: whether training changes it.
        name: its name.

    Raises:
        ArgumentError: two layers of one name; an input shape in the middle.

    >>> model = Sequential([layers.Input((2,)), layers.Dense(3)])
    >>> [w.shape for w in model.weights]
    [(2, 3), (3,)]
    """

    def __init__(
        self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None
    ) -> None:
        self.name = name or new_name("sequential")
        super().__init__()
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Add a layer behind the last one; also to a model that has been used."""
        if isinstance(layer, layers.InputLayer):
            super().add(layer)
            return
        if isinstance(layer, Adapted):
            self._take(layer)
        self._reopen()
        super().add(layer)
        if self._is_frozen:
            self.trainable = False

    def _take(self, layer: Adapted) -> None:
        if any(layer.name == getattr(other, "name", None) for other in self.layers):
            raise ArgumentError(
                "name", f"a second layer {layer.name!r}", "a name that no other layer has"
            )
        if layer.given_dtype is not None and layer.given_dtype != self.dtype:
            if self.layers or self.input_shape is not None:
                raise ArgumentError(
                    "dtype", str(layer.given_dtype), f"{self.dtype}, as the layers before have"
                )
            self.dtype, self._has_own_dtype = layer.given_dtype, True
        if layer.sample_shape is None:
            return
        if not self.layers and self.input_shape is None:
            super().add(layers.Input(layer.sample_shape))

    def pop(self) -> Any:
        """Take the last layer away, and return it.

        Raises:
            ChainruleError: there is none.
        """
        if not self.layers:
            raise ChainruleError("the model has no layers to take away")
        layer = self.layers.pop()
        self._reopen(force=True)
        if not self.layers and isinstance(layer, Adapted) and layer.sample_shape is not None:
            self.input_shape = self._output_type = None
        return layer

    def _reopen(self, force: bool = False) -> None:
        """Let layers be added to a model that has been used."""
        if not self._is_built and not force:
            return
        self._is_built = False
        if self.input_shape is None:
            return
        x = unknown(ArrayType((1, *self.input_shape), self.dtype))
        for layer in self.layers:
            x = layer(x)
        self._output_type = x.type

    def build(self, input_shape: Any = None) -> None:
        """Make the parameters for samples of a shape: ``(None, features)``."""
        if isinstance(input_shape, ArrayType):
            super().build(input_shape)
            self._apply_freeze() if self._is_frozen else None
        elif input_shape is not None:
            self.make_parameters([int(n or 1) for n in input_shape[1:]])

    @property
    def built(self) -> bool:
        """Whether the parameters are made."""
        return self.input_shape is not None

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the output, with ``None`` for the batch."""
        if self.input_shape is None:
            raise ChainruleError("the model does not know its input's shape yet")
        output: Tensor = self(unknown(ArrayType((1, *self.input_shape), self.dtype)))
        return (None, *output.shape[1:])

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return a layer by its name or its place.

        Raises:
            ArgumentError: there is none.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError("index", repr(index), f"one of {len(self.layers)} layers")
            return self.layers[index]
        names = [getattr(layer, "name", type(layer).__name__) for layer in self.layers]
        if name not in names:
            raise ArgumentError("name", repr(name), f"one of {', '.join(names)}")
        return self.layers[names.index(name)]

    def config(self) -> dict[str, Any]:
        """Return the architecture as Chainrule's own, as JSON values.

        Raises:
            ArgumentError: layers that are code.
        """
        described = []
        for layer in self.layers:
            if isinstance(layer, Adapted):
                described.append(layer.core_config())
            elif isinstance(layer, Sequential):
                described.append(layer.config())
            else:
                described.append(layer_to_config(layer))  # type: ignore[arg-type]
        return {
            "type": "Sequential",
            "dtype": str(self.dtype),
            "input_shape": list(self.input_shape or ()),
            "layers": described,
        }


class Model(_Shown):
    """A model of your own: subclass it, and write ``call``.

    >>> class Net(Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.out = layers.Dense(2)
    ...
    ...     def call(self, inputs):
    ...         return self.out(inputs)
    >>> Net().predict([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    _call_takes_training = False

    def __init__(self, *args: Any, name: str | None = None, **options: Any) -> None:
        if args or options.keys() & {"inputs", "outputs"}:
            refuse_placeholder([layers.Input((1,))])
        if options:
            raise ArgumentError(next(iter(options)), "an argument", "name only")
        self.name = name or new_name(snake(type(self).__name__))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        accepted = inspect.signature(cls.call).parameters.values()
        cls._call_takes_training = any(
            a.name == "training" or a.kind is a.VAR_KEYWORD for a in accepted
        )

    def call(self, *args: Any, **options: Any) -> Any:
        """Compute the output; to be written by a subclass."""
        raise ChainruleError(f"{type(self).__name__} has no call(self, inputs)")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute the output by ``call``."""
        result: Tensor = (
            self.call(x, training=training) if self._call_takes_training else self.call(x)
        )
        return result


def load_model(
    filepath: str | PathLike[str],
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Sequential:
    """Read a model that ``save`` has written, or Chainrule's own ``save``; no code is loaded.

    Args:
        filepath: the directory.
        custom_objects: layers that are code cannot be saved, so there are none.
        compile: whether to compile it as it was.
        safe_mode: not needed: loading never runs code.

    Raises:
        ArgumentError: custom objects.
        FileError: not such a directory; a file that Keras itself has written.
    """
    if custom_objects:
        raise ArgumentError("custom_objects", repr(custom_objects), "None: no code is loaded")
    if Path(filepath).is_file():
        raise file_error(
            Path(filepath),
            "a file, such as Keras itself writes",
            "the directory of a model that chainrule has saved",
            "Build the model here, and give it theirs: model.set_weights(theirs.get_weights()).",
        )
    found = loading.load_model(filepath)
    if not isinstance(found, core.Sequential):
        raise ChainruleError(f"{filepath} holds a {type(found).__name__}, not a Sequential")
    model = of_core(found)
    if compile and found.setup is not None:
        setup = found.setup
        made = [[m() for m in makers] for makers in (setup.metrics, setup.weighted_metrics)]
        model.compile(
            optimizers.of_core(setup.optimizer),
            losses.of_core(setup.loss),
            metrics=[_keras_metric(m) for m in made[0]],
            weighted_metrics=[_keras_metric(m) for m in made[1]],
        )
        assert model.setup is not None
        model.setup.l2 = setup.l2
    return model


def of_core(found: core.Sequential) -> Sequential:
    """Return Keras's form of one of Chainrule's models; they share their parameters."""
    model = Sequential()
    model.__dict__ |= {k: v for k, v in found.__dict__.items() if k not in ("layers", "setup")}
    model.layers = [_layer_of_core(layer) for layer in found.layers]
    return model


def _layer_of_core(layer: Module) -> Module:
    if isinstance(layer, core.Sequential):
        return of_core(layer)
    kind = _KERAS.get(type(layer).__name__)
    if kind is None or isinstance(layer, Weighted):
        return layer
    made = kind.__new__(kind)
    made.__dict__ |= layer.__dict__
    made.adopt({})
    return made


def _keras_metric(metric: Any) -> Any:
    return metrics.get(metric.name) if metric.name in metrics.NAMES else metric


def _core_setup(setup: Compiled | None) -> Compiled | None:
    """Return what a model was compiled with as Chainrule's own, which files can name."""
    if setup is None:
        return None
    loss = setup.loss
    own: Any = loss.loss.core if isinstance(loss, losses.Bound) else loss
    return replace(
        setup,
        loss=loss if own is None else own,
        optimizer=optimizers.core_of(setup.optimizer),
        metrics=[metrics.core_of(make()).fresh for make in setup.metrics],
        weighted_metrics=[metrics.core_of(make()).fresh for make in setup.weighted_metrics],
    )


def _title(layer: Any) -> str:
    name = getattr(layer, "name", "")
    kind = type(layer).__name__
    return f"{name} ({kind})" if name else kind


__getattr__ = missing(__name__, globals())
