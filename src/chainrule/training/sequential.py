"""Layers one after the other: the lecture's feedforward network as a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from chainrule.core.errors import ArgumentError, ChainruleError, DtypeError
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import FLOAT32, ArrayType, Dtype, as_dtype
from chainrule.nn.layers import Example, Layer, layer_from_config, layers_to_config, register
from chainrule.nn.module import Module, check_module, shares_parameters
from chainrule.nn.shapes import Input
from chainrule.training.model import Model


@register
class Sequential(Model, Layer):
    """Layers one after the other: the lecture's feedforward network.

    ``a⁽⁰⁾ = x``, ``z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾``, ``a⁽ˡ⁾ = f_l(z⁽ˡ⁾)``

    Args:
        layers: the layers, first to last; more can be added with ``add``. With an ``Input`` before
            them the parameters are made at once, otherwise when the first samples come.
        dtype: float32 or float64 (default: that of a model around it, or else float32).

    Raises:
        DtypeError: something that is not a layer; another dtype.

    >>> import chainrule as cr
    >>> model = cr.Sequential([cr.Dense(3, activation="relu"), cr.Dense(2)])
    >>> model([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 2)
    """

    examples = (
        Example(
            {
                "layers": [
                    {"type": "Dense", "units": 4, "activation": "tanh"},
                    {"type": "Sequential", "layers": [{"type": "Dense", "units": 2}]},
                ]
            },
            (5, 3),
        ),
    )

    def __init__(
        self, layers: Sequence[Module | Input] = (), dtype: npt.DTypeLike | None = None
    ) -> None:
        if isinstance(layers, Module | Input):
            raise DtypeError(
                "layers",
                f"a {type(layers).__name__} by itself",
                "one list of layers, as in cr.Sequential([cr.Dense(3), cr.Dense(1)])",
            )
        self.layers: list[Module] = []
        self._has_own_dtype = dtype is not None
        self.dtype = FLOAT32 if dtype is None else as_dtype(dtype)
        if self.dtype.kind != "f":
            raise DtypeError("dtype", str(self.dtype), "float32 or float64")
        self._output_type: ArrayType | None = None
        for layer in layers:
            self.add(layer)

    def add(self, layer: Module | Input) -> None:
        """Add a layer behind the last one.

        Raises:
            DtypeError: something that is not a layer.
            ArgumentError: an ``Input`` that is not the first.
            ChainruleError: the model has been used already.
        """
        if isinstance(layer, Input):
            self._begin(layer)
            return
        check_module(layer)
        if self._is_built:
            raise ChainruleError("a layer cannot be added once the parameters are made")
        if self._output_type is not None:
            self._hand_dtype_down(layer)
            self._output_type = layer(unknown(self._output_type)).type
        self.layers.append(layer)

    def _begin(self, given: Input) -> None:
        if self.layers or self.input_shape is not None:
            raise ArgumentError("layers", f"{given} behind something else", "Input as the first")
        self.input_shape = given.shape
        self._output_type = ArrayType((1, *given.shape), self.dtype)

    def take_dtype(self, dtype: Dtype) -> None:
        """Compute in the dtype of a model around this one, unless it was made with its own.

        Raises:
            DtypeError: the parameters are made already, in another dtype.
        """
        if self._has_own_dtype or dtype == self.dtype:
            return
        if self.input_shape is not None:
            raise DtypeError(
                "layers",
                f"a model whose parameters are {self.dtype}, in one of {dtype}",
                "one dtype",
                f"Make the inner one with dtype='{dtype}', too.",
            )
        self.dtype = dtype

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Pass the input through the layers."""
        for layer in self.layers:
            x = layer(x, training)
        return x

    def build(self, input_type: ArrayType) -> None:
        """Note the shape of one sample; the layers make their own parameters."""
        if not self.layers:
            raise ChainruleError("the model has no layers: add some, as in model.add(cr.Dense(1))")
        if self.input_shape is None:
            self.input_shape = input_type.shape[1:]

    def __repr__(self) -> str:
        return f"Sequential({self.layers})"

    def config(self) -> dict[str, Any]:
        """Return the architecture as JSON values."""
        described = layers_to_config(self.layers)
        if shares_parameters(self):
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

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Sequential:
        """Make a model from what ``config`` returned, its parameters not made yet."""
        return cls([layer_from_config(layer) for layer in config["layers"]], config.get("dtype"))
