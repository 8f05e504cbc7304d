"""``Model``: a model to subclass, or of layers in a graph."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from chainrule.core.errors import ArgumentError, ChainruleError, nearest
from chainrule.core.tensor import Tensor
from chainrule.core.types import ArrayType, as_dtype
from chainrule.keras.arguments import snake
from chainrule.keras.layers.base import dtype_name
from chainrule.keras.layers.weighted import new_name
from chainrule.keras.packing import Packing, are_several
from chainrule.keras.serialization import (
    is_own,
    serialize_keras_object,
)
from chainrule.keras.symbolic import symbols
from chainrule.keras.training import Trainer
from chainrule.training import model as core_model


class _Children:
    """The layers that stand in a model's attributes; a model with a list of its own has that."""

    def __get__(self, model: Any, owner: type) -> Any:
        if model is None:
            return self
        found = list(model.modules().values())[1:]
        inner = {id(m) for module in found for m in list(module.modules().values())[1:]}
        return [module for module in found if id(module) not in inner]


class Model(Trainer):
    """A model of your own: subclass it, and write ``call``; or ``Model(inputs, outputs)``.

    Args:
        inputs: placeholders that ``Input`` has made: the model is all that leads from them to the
            outputs.
        outputs: placeholders that layers have made.
        name: its name.
        trainable: whether training changes it.
        dtype: ``"float32"`` or ``"float64"``.

    >>> from chainrule.keras import layers
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
    _given_to_init: functools.partial[Any]
    layers: Any = _Children()

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Make a model of the functional API, if placeholders are given."""
        if cls is Model and (symbols((args, options)) or {"inputs", "outputs"} & options.keys()):
            from chainrule.keras.functional import Functional

            return Functional(*args, **options)
        made = super().__new__(cls)
        made._given_to_init = functools.partial(cls, *args, **options)
        return made

    def __init__(
        self,
        *args: Any,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        if args or options:
            came = next(iter(options), "inputs")
            raise ArgumentError(
                came,
                "an argument",
                "name, trainable and dtype",
                "The functional API is Model(inputs, outputs), with keras.Input.",
            )
        self.name = name or new_name(snake(type(self).__name__))
        if dtype is not None:
            self.dtype = as_dtype(dtype_name(dtype))
        if not trainable:
            self.trainable = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        accepted = inspect.signature(cls.call).parameters.values()
        cls._call_takes_training = any(
            a.name == "training" or a.kind is a.VAR_KEYWORD for a in accepted
        )
        build: Any = vars(cls).get("build")
        if build is not None and not is_own(cls):
            cls.build = _of_shape(build)  # type: ignore[method-assign, assignment]

    def packed(self, x: Any) -> Any:
        """Return samples as one array; several inputs come as a list, or by name."""
        if not are_several(x):
            return x
        if self._packing is None:
            self._packing = Packing.of(x)
        return self._packing.pack(x)

    def call(self, *args: Any, **options: Any) -> Any:
        """Compute the output; to be written by a subclass."""
        raise ChainruleError(f"{type(self).__name__} has no call(self, inputs)")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute the output by ``call``."""
        inputs = x if self._packing is None else self._packing.unpack(x)
        result: Tensor = (
            self.call(inputs, training=training) if self._call_takes_training else self.call(inputs)
        )
        return result

    # What it consists of ------------------------------------------------------------------------

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return a layer by its name or its place.

        Raises:
            ArgumentError: there is none.
        """
        known = self.layers
        if index is not None:
            if not -len(known) <= index < len(known):
                raise ArgumentError("index", repr(index), f"one of {len(known)} layers")
            return known[index]
        names = [getattr(layer, "name", type(layer).__name__) for layer in known]
        if name not in names:
            hint = nearest(str(name), names)
            raise ArgumentError("name", repr(name), f"one of {', '.join(names)}", hint)
        return known[names.index(name)]

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
        rows = [["layer (type)", "output shape", "parameters", *self._more_columns]]
        if self.input_shape is None:
            rows += [[title_of(layer), "?", "0 (unbuilt)"] for layer in self.layers]
        else:
            rows += self._rows(expand_nested)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [
                    r[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(r[1:3], widths[1:3], strict=True)),
                    *r[3:],
                ]
            ).rstrip()
            for r in rows
        ]
        lines.insert(1, "  ".join("─" * width for width in widths))
        trained = sum(p.size for p in self.trainable_weights)
        total = sum(p.size for p in self.weights)
        size = sum(p.size * p.dtype.itemsize for p in self.weights)
        memory = f"{size / 1024:.2f} KB" if size >= 1024 else f"{size} bytes"
        memory = "unbuilt" if self.input_shape is None else memory
        lines.insert(0, f'Model: "{self.name}"')
        lines += [
            f"Total params: {total:,} ({memory})",
            f"Trainable params: {trained:,}",
            f"Non-trainable params: {total - trained:,}",
        ]
        print_fn("\n".join(lines))

    #: Names of further columns.
    _more_columns: tuple[str, ...] = ()

    def _rows(self, expand_nested: bool) -> list[list[str]]:
        """Return a row for each layer, in the order in which they are called."""
        rows = []
        calls = core_model.Model.summary(self).rows
        shown = [row for row in calls if expand_nested or not row.depth]
        titles = iter(self.layers)
        for row in shown:
            layer = None if row.depth else next(titles, None)
            title = "  " * row.depth + (row.layer if layer is None else title_of(layer))
            shape = f"(None, {row.output_shape.strip('()')})" if row.output_shape else "?"
            rows.append([title, shape, f"{row.parameters:,}"])
        return rows

    # Configurations and files -------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values.

        Raises:
            ArgumentError: there are some that files cannot hold.
        """
        kept = self._given_to_init
        accepted = inspect.signature(type(self).__init__).bind(self, *kept.args, **kept.keywords)
        given: dict[str, Any] = {}
        for name, value in list(accepted.arguments.items())[1:]:
            is_rest = isinstance(value, dict) and name not in kept.keywords
            given |= value if is_rest else {name: value}
        try:
            return {name: serialize_keras_object(value) for name, value in given.items()}
        except ArgumentError as error:
            raise ArgumentError(
                f"config of {type(self).__name__}",
                error.came,
                "get_config(), which returns the arguments of __init__",
            ) from None

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Any:
        """Make a model from what ``get_config`` returned, with new parameters."""
        return cls(**config)

    def to_json(self, **options: Any) -> str:
        """Return the architecture as JSON; ``model_from_json`` reads it, and so does Keras.

        Args:
            options: of ``json.dumps``.
        """
        return json.dumps(serialize_keras_object(self), **options)

    def save(  # type: ignore[override]
        self, filepath: str | PathLike[str], overwrite: bool = True, **options: Any
    ) -> None:
        """Write the model into a directory: parameters, layers, compilation, optimizer's state.

        The directory gets the name that is given, also one that ends in ``.keras`` or ``.h5``:
        ``load_model`` of this package reads it, Keras does not.

        Args:
            filepath: the directory; it is made.
            overwrite: whether to replace a model that is there.
            options: ``include_optimizer=False``: without what it was compiled with; and
                ``zipped=False``.

        Raises:
            ArgumentError: layers whose arguments a file cannot hold.
            FileError: the directory cannot be written.
        """
        from chainrule.keras.saving import save_model

        save_model(self, filepath, overwrite, **options)

    def save_weights(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Write the parameters into a file, in the safetensors format.

        Args:
            filepath: the file.
            overwrite: whether to replace a file that is there.

        Raises:
            FileError: the file cannot be written, or is there.
        """
        from chainrule.keras.saving import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(
        self, filepath: str | PathLike[str], skip_mismatch: bool = False, **options: Any
    ) -> None:
        """Read the parameters from a file that ``save_weights`` has written, or a saved model.

        Args:
            filepath: the file.
            skip_mismatch: whether to leave parameters whose shape differs as they are.
            options: ``by_name``: not needed.

        Raises:
            ArgumentError: parameters of another shape, or others.
            FileError: not such a file.
        """
        from chainrule.keras.saving import load_weights

        options.pop("by_name", None)
        if options:
            raise ArgumentError(next(iter(options)), "an argument", "skip_mismatch")
        load_weights(self, filepath, skip_mismatch)

    def config(self) -> dict[str, Any]:
        """Return the architecture as Chainrule's own, or a note that only Keras's door has it."""
        return {"type": f"chainrule.keras {type(self).__name__}"}


def _of_shape(build: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Give a user's ``build`` the shape of the input, with ``None`` for the batch."""

    @functools.wraps(build)
    def with_shape(self: Any, input_shape: Any = None) -> None:
        if not isinstance(input_shape, ArrayType):
            if self._is_building:
                build(self, input_shape)
            else:
                Trainer.build(self, input_shape)
            return
        self._is_building = True
        try:
            sizes = self._packing.shapes if self._packing else None
            shape = (None, *input_shape.shape[1:])
            build(self, [(None, *s) for s in sizes] if sizes else shape)
        finally:
            self._is_building = False

    return with_shape


def title_of(layer: Any) -> str:
    """Return how a summary names a layer."""
    name = getattr(layer, "name", "")
    kind = type(layer).__name__
    return f"{name} ({kind})" if name else kind
