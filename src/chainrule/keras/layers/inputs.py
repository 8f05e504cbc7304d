"""The beginning of a model: ``Input``, and the layer that stands for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.core.types import as_dtype
from chainrule.keras.layers.base import Adapted, dtype_name
from chainrule.keras.layers.weighted import new_name
from chainrule.keras.symbolic import History, KerasTensor, Node


class InputLayer(Adapted):
    """The shape of one sample, as the first layer of a model.

    Args:
        shape: of one sample (Keras 2: input_shape).
        batch_size: not needed: models take batches of any size.
        dtype: of the input; the model computes in floats.
        sparse: only ``False``.
        ragged: only ``False``.
        batch_shape: shape with the batch, in place of ``shape``.
        input_tensor: not needed.
        optional: only ``False``.
        name: its name.

    >>> InputLayer(shape=(4,)).batch_shape
    (None, 4)
    """

    takes_integers = True

    def __init__(
        self,
        shape: int | Sequence[int] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        input_shape: int | Sequence[int] | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
    ) -> None:
        for argument, value in (("sparse", sparse), ("ragged", ragged), ("optional", optional)):
            if value:
                raise ArgumentError(argument, repr(value), "False: Chainrule lacks this")
        if input_tensor is not None:
            raise ArgumentError("input_tensor", "a tensor", "None: give shape")
        shape = input_shape if shape is None else shape
        batch_shape = batch_input_shape if batch_shape is None else batch_shape
        if (shape is None) == (batch_shape is None):
            raise ArgumentError(
                "shape", "nothing" if shape is None else "batch_shape, too", "one shape"
            )
        given = tuple(batch_shape)[1:] if batch_shape is not None else shape
        self.adopt({"name": name or new_name("input_layer")})
        self.sample_shape = _sizes(given)
        self.given_dtype = as_dtype(dtype_name(dtype or "float32"))
        self._is_built = True
        placeholder = KerasTensor((None, *self.sample_shape), self.given_dtype, self.name)
        node = Node(self, (), {}, [placeholder])
        placeholder.node = node
        placeholder._keras_history = History(self, 0, 0)
        self.inbound_nodes.append(node)

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """Shape with ``None`` for the batch."""
        return (None, *(self.sample_shape or ()))

    @property
    def dtype(self) -> str:
        """Name of the dtype of the input."""
        return str(self.given_dtype)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Return the input."""
        return x

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"batch_shape": self.batch_shape, "dtype": self.dtype, "name": self.name}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {**self.config(), "sparse": False, "ragged": False, "optional": False}

    def __repr__(self) -> str:
        return f"<InputLayer name={self.name}, shape={self.batch_shape}>"


def Input(  # noqa: N802 - Keras's name
    shape: int | Sequence[int] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """Return a placeholder for samples: first of a ``Sequential``'s layers, or to call layers on.

    Args:
        shape: of one sample.
        batch_size: not needed: models take batches of any size.
        dtype: of the input; the model computes in floats.
        sparse: only ``False``.
        ragged: only ``False``.
        batch_shape: shape with the batch, in place of ``shape``.
        name: its name.
        tensor: not needed.
        optional: only ``False``.

    Raises:
        ArgumentError: no shape, or both.

    >>> Input(shape=(4,)), Input(batch_shape=(None, 4)).shape
    (<KerasTensor shape=(None, 4), dtype=float32>, (None, 4))
    """
    layer = InputLayer(
        shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name
    )
    placeholder: KerasTensor = layer.output
    return placeholder


def _sizes(given: Any) -> tuple[int, ...]:
    sizes = (given,) if isinstance(given, int | np.integer) else given
    is_shape = isinstance(sizes, list | tuple) and all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in sizes
    )
    if not is_shape:
        raise ArgumentError(
            "shape",
            repr(given),
            "sizes from 1, such as (4,)",
            "The batch does not belong to it; other sizes have to be known.",
        )
    return tuple(int(n) for n in sizes)
