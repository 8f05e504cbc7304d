"""Several inputs, or outputs, as one array with one row a sample, which the training loop takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.errors import ShapeError
from chainrule.core.tensor import Operand, Tensor, as_tensor
from chainrule.core.types import Shape
from chainrule.ops.promotion import as_float, cast
from chainrule.ops.shape import concatenate, reshape


@dataclass(frozen=True)
class Packing:
    """How several arrays stand beside one another in the rows of one.

    Attributes:
        shapes: of one sample of each.
        names: their names, where they come by name.

    >>> packing = Packing.of([np.ones((2, 3)), np.zeros((2, 1))])
    >>> packing.pack([np.ones((2, 3)), np.zeros((2, 1))]).tolist()
    [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]
    """

    shapes: tuple[Shape, ...]
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, values: Any) -> Packing:
        """Return the packing of a list or a dict of arrays."""
        names = tuple(values) if isinstance(values, Mapping) else None
        parts = list(values.values()) if isinstance(values, Mapping) else list(values)
        return cls(tuple(tuple(np.shape(part))[1:] for part in parts), names)

    @property
    def size(self) -> int:
        """Numbers of one sample."""
        return sum(map(math.prod, self.shapes))

    def ordered(self, values: Any) -> list[Any]:
        """Return arrays that came as a list or by name, in order.

        Raises:
            ShapeError: another number of them.
        """
        if isinstance(values, Mapping):
            names = self.names or tuple(values)
            missing = [name for name in names if name not in values]
            if missing:
                raise ShapeError("x", f"a dict without {missing[0]!r}", f"{', '.join(names)}")
            values = [values[name] for name in names]
        if len(values) != len(self.shapes):
            raise ShapeError("x", f"{len(values)} arrays", f"a list of {len(self.shapes)}")
        return list(values)

    def pack(self, values: Any) -> Any:
        """Return several arrays as one, shape (n, size): an array, or a tensor if one is.

        Raises:
            ShapeError: samples of another shape; another number of samples.
        """
        parts = self.ordered(values)
        is_tensor = any(isinstance(part, Operand) for part in parts)
        made = [as_tensor(p) if is_tensor else np.asarray(p) for p in parts]
        n = made[0].shape[0] if made[0].ndim else 0
        rows: list[Any] = []
        for i, (part, shape) in enumerate(zip(made, self.shapes, strict=True)):
            if math.prod(part.shape[1:]) != math.prod(shape) or not part.ndim:
                raise ShapeError(
                    f"x[{i}]", f"samples of shape {tuple(part.shape[1:])}", f"shape {shape}"
                )
            if part.shape[0] != n:
                raise ShapeError(f"x[{i}]", f"{part.shape[0]} samples", f"{n}, as in x[0]")
            flat = (n, math.prod(shape))
            rows.append(
                reshape(as_float(part), flat) if isinstance(part, Tensor) else part.reshape(flat)
            )
        if not is_tensor:
            return np.concatenate(rows, axis=1)
        return concatenate([cast(row, rows[0].dtype) for row in rows], axis=1)

    def unpack(self, x: Any) -> Any:
        """Return the arrays or tensors that were packed, as a list or by name."""
        parts, start = [], 0
        for shape in self.shapes:
            end = start + math.prod(shape)
            part = x[:, start:end]
            parts.append(part.reshape((x.shape[0], *shape)))
            start = end
        return parts if self.names is None else dict(zip(self.names, parts, strict=True))


def are_several(x: Any, least_axes: int = 2) -> bool:
    """Whether samples come as a list, a tuple or a dict of several arrays.

    >>> are_several([np.ones((2, 1)), np.ones((2, 3))]), are_several([[1.0], [2.0]])
    (True, False)
    """
    if isinstance(x, Mapping):
        return True
    return (
        isinstance(x, Sequence)
        and len(x) > 0
        and all(len(getattr(part, "shape", ())) >= least_axes for part in x)
    )
