"""Variables with Keras's methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import FLOAT32, as_dtype
from chainrule.ops.creation import tensor


class Variable(Parameter):
    """A cell that holds a tensor, as layers and metrics make them with ``add_weight``.

    Args:
        initializer: its initial value, or a function of a shape and a dtype.
        shape: of what a function is to make.
        dtype: its dtype (default: float32, or that of the value).
        trainable: whether training changes it.
        name: its name.

    >>> v = Variable([1.0, 2.0])
    >>> v.assign_add([1.0, 1.0]).tolist()
    [2.0, 3.0]
    """

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        if callable(initializer):
            value = initializer(tuple(shape or ()), FLOAT32 if dtype is None else as_dtype(dtype))
        else:
            value = tensor(initializer, None if dtype is None else as_dtype(dtype))
        super().__init__(value, name or "variable", trainable)

    def assign(self, value: Any) -> Tensor:  # type: ignore[override]
        """Put a value of the same shape into the cell, and return it."""
        super().assign(value)
        return self.value

    def assign_add(self, value: Any) -> Tensor:
        """Add to the value, and return it."""
        return self.assign(self.value + value)

    def assign_sub(self, value: Any) -> Tensor:
        """Subtract from the value, and return it."""
        return self.assign(self.value - value)
