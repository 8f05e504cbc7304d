"""``Sequential``: layers one after the other."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Self

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import ArrayType, Dtype, as_dtype
from chainrule.keras import layers
from chainrule.keras.layers.base import Adapted, dtype_name
from chainrule.keras.layers.weighted import new_name
from chainrule.keras.model import Model
from chainrule.keras.packing import are_several
from chainrule.keras.serialization import (
    deserialize_keras_object,
    serialize_keras_object,
)
from chainrule.keras.symbolic import KerasTensor
from chainrule.keras.training import Trainer
from chainrule.nn.layers import Layer as CoreLayer
from chainrule.nn.layers import layer_to_config
from chainrule.nn.shapes import Input as CoreInput
from chainrule.training import sequential as core


class Sequential(Model, core.Sequential):
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
        core.Sequential.__init__(self)
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Add a layer behind the last one; also to a model that has been used."""
        if isinstance(layer, KerasTensor):
            layer = layer.node.operation
        if isinstance(layer, layers.InputLayer):
            self._begin_with(layer)
            return
        if isinstance(layer, Adapted):
            self._take(layer)
        self._reopen()
        core.Sequential.add(self, layer)
        self._inputs = None
        if isinstance(layer, Adapted | Trainer):
            layer._place = _Placing(self)
        if self._is_frozen:
            self.trainable = False

    def _begin_with(self, layer: layers.InputLayer) -> None:
        if layer.given_dtype is not None and layer.given_dtype.kind == "f":
            self._set_dtype(layer.given_dtype)
        core.Sequential.add(self, CoreInput(layer.sample_shape or ()))
        self._input_name = layer.name

    _input_name: str | None = None

    def _set_dtype(self, dtype: Dtype) -> None:
        if dtype != self.dtype:
            if self.layers or self.input_shape is not None:
                raise ArgumentError("dtype", str(dtype), f"{self.dtype}, as the layers before have")
            self.dtype, self._has_own_dtype = dtype, True

    def _take(self, layer: Adapted) -> None:
        if any(layer.name == getattr(other, "name", None) for other in self.layers):
            raise ArgumentError(
                "name", f"a second layer {layer.name!r}", "a name that no other layer has"
            )
        if layer.given_dtype is not None:
            self._set_dtype(layer.given_dtype)
        if layer.sample_shape is None:
            return
        if not self.layers and self.input_shape is None:
            core.Sequential.add(self, CoreInput(layer.sample_shape))

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
            core.Sequential.build(self, input_shape)
        elif input_shape is not None:
            self.make_parameters([int(n or 1) for n in input_shape[1:]])

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Pass the input through the layers."""
        for layer in self.layers:
            x = layer(x, training=training)
        return x

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Pass the input through the layers."""
        return self.forward(inputs, training)

    def packed(self, x: Any) -> Any:
        """Return the samples; a list of one array is that array."""
        if are_several(x, 1) and len(x) == 1 and isinstance(x, list | tuple):
            return x[0] if len(getattr(x[0], "shape", ())) > 1 else x
        return x

    @property
    def built(self) -> bool:
        """Whether the parameters are made."""
        return self.input_shape is not None

    @built.setter
    def built(self, built: bool) -> None:
        self._is_built = bool(built)

    # The functional API --------------------------------------------------------------------------

    _inputs: KerasTensor | None = None

    def _symbols(self) -> tuple[KerasTensor, KerasTensor]:
        """Return placeholders of the input and of the output; each layer has its own then."""
        if self._inputs is None:
            if self.input_shape is None:
                raise AttributeError(f"{self.name} has no input yet: give keras.Input, or build it")
            x: Any = layers.Input(self.input_shape, dtype=self.dtype, name=self._input_name)
            self._inputs = x
            for layer in self.layers:
                x = layer(x)
            self._outputs = x
        return self._inputs, self._outputs

    @property
    def inputs(self) -> list[KerasTensor]:
        """The placeholder of the input, in a list."""
        return [self._symbols()[0]]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The placeholder of the output, in a list."""
        return [self._symbols()[1]]

    @property
    def input(self) -> KerasTensor:
        """The placeholder of the input."""
        return self._symbols()[0]

    @property
    def output(self) -> KerasTensor:
        """The placeholder of the output."""
        return self._symbols()[1]

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the output, with ``None`` for the batch."""
        if self.input_shape is None:
            raise ChainruleError("the model does not know its input's shape yet")
        output: Tensor = self(unknown(ArrayType((1, *self.input_shape), self.dtype)))
        return (None, *output.shape[1:])

    # Configurations ------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the layers, as JSON values.

        Raises:
            ArgumentError: a layer whose arguments a file cannot hold.
        """
        described = [serialize_keras_object(_checked(layer)) for layer in self.layers]
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": bool(self.trainable),
            "dtype": str(self.dtype),
            "layers": described,
        }
        if self.input_shape is not None:
            first = layers.InputLayer(
                self.input_shape, dtype=self.dtype, name=self._input_name or f"{self.name}_input"
            )
            described.insert(0, serialize_keras_object(first))
            config["build_input_shape"] = (None, *self.input_shape)
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model from what ``get_config`` returned, with new parameters."""
        made = cls(name=config.get("name"))
        given = dtype_name(config.get("dtype") or "float32")
        if given == "float64":
            made._set_dtype(as_dtype(given))
        for layer in config["layers"]:
            made.add(deserialize_keras_object(layer, custom_objects))
        shape = config.get("build_input_shape")
        if shape and made.input_shape is None:
            made.build(shape)
        if not config.get("trainable", True):
            made.trainable = False
        return made

    def config(self) -> dict[str, Any]:
        """Return the architecture as Chainrule's own, or a note that only Keras's door has it."""
        described = []
        try:
            for layer in self.layers:
                if isinstance(layer, Adapted):
                    described.append(layer.core_config())
                elif isinstance(layer, Sequential):
                    described.append(layer.config())
                else:
                    described.append(layer_to_config(layer))
        except ArgumentError:
            return super().config()
        if any(inner["type"].startswith("chainrule.keras") for inner in described):
            return super().config()
        return {
            "type": "Sequential",
            "dtype": str(self.dtype),
            "input_shape": list(self.input_shape or ()),
            "layers": described,
        }


class _Placing:
    """Makes the placeholders of the model that a layer was put into, as long as that lives."""

    def __init__(self, model: Sequential) -> None:
        self._model = weakref.ref(model)

    def __call__(self) -> None:
        model = self._model()
        if model is not None and model.input_shape is not None:
            model._symbols()

    def __deepcopy__(self, memo: Any) -> _Placing:
        found = self._model()
        copied = memo.get(id(found), found)
        return _Placing(copied)


def _checked(layer: Any) -> Any:
    if not callable(getattr(layer, "get_config", None)):
        kind = type(layer).__name__
        fix = (
            "Its counterpart in keras.layers can be saved." if isinstance(layer, CoreLayer) else ""
        )
        raise ArgumentError("layers", f"a {kind}, which is no layer of Keras's", "layers", fix)
    return layer
