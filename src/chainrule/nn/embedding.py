"""Embedding: a vector for each of a number of things."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import DEFAULT_FLOAT, FLOAT32, INT64, Array, ArrayType, is_float
from chainrule.nn.arguments import whole_number
from chainrule.nn.initializers import InitializerLike, describe_initializer, initialized
from chainrule.nn.initializers import initializer as find_initializer
from chainrule.nn.layers import Example, Layer, register
from chainrule.nn.regularizers import RegularizerLike
from chainrule.nn.regularizers import regularizer as find_regularizer
from chainrule.ops.checks import checked
from chainrule.ops.index import gather
from chainrule.ops.promotion import cast


@register
class Embedding(Layer):
    """Look a vector up for each index: ``y[i...] = E[x[i...]]``.

    This is a Dense layer without bias on one-hot rows, without the rows: ``one_hot(x) E``.

    The input holds whole numbers. A model carries its input in its own dtype, so that here they may
    also come as floats; these hold every index exactly, up to 2²⁴ of them in float32 and 2⁵³ in
    float64, and a larger table refuses them.

    Args:
        input_dim: how many things there are; indices go from 0 to ``input_dim - 1``.
        output_dim: size of each vector.
        embeddings_initializer: initial E.
        embeddings_regularizer: penalty of E.

    Attributes:
        embeddings: E, shape (input_dim, output_dim), in the dtype of the input if that is a float,
            and in float32 otherwise.

    Raises:
        ArgumentError: a size that is not a whole number from 1; an unknown initializer or
            regularizer; in a call, an index out of range or with a fraction (not checked while
            tracing).
        DtypeError: in a call, indices in a dtype that cannot count to ``input_dim``.

    >>> Embedding(10, 4)([[1, 2, 3]]).shape
    (1, 3, 4)

    Source: Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR
    2003, section 2 (the matrix C).
    """

    takes_integers = True
    examples = (
        Example({"input_dim": 5, "output_dim": 3}, (4, 2), below=5),
        Example(
            {
                "input_dim": 3,
                "output_dim": 2,
                "embeddings_initializer": "glorot_normal",
                "embeddings_regularizer": {"name": "l2", "l2": 0.1},
            },
            (4,),
            below=3,
        ),
    )

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: RegularizerLike = None,
    ) -> None:
        self.input_dim = whole_number("input_dim", input_dim)
        self.output_dim = whole_number("output_dim", output_dim)
        self.embeddings_initializer = find_initializer(
            embeddings_initializer, "embeddings_initializer"
        )
        self.embeddings_regularizer = find_regularizer(
            embeddings_regularizer, "embeddings_regularizer"
        )
        self.embeddings: Parameter | None = None

    def build(self, input_type: ArrayType) -> None:
        """Make the vectors."""
        dtype = input_type.dtype if is_float(input_type.dtype) else DEFAULT_FLOAT
        shape = (self.input_dim, self.output_dim)
        self.embeddings = initialized(self.embeddings_initializer, shape, dtype, "embeddings")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Look the vectors up: ``x`` of any shape becomes (..., output_dim)."""
        assert self.embeddings is not None
        return gather(self.embeddings, self._indices(x))

    def _indices(self, x: Tensor) -> Tensor:
        limit = 2**24 if x.dtype == FLOAT32 else 2**53
        if is_float(x.dtype) and self.input_dim > limit:
            raise DtypeError(
                "indices",
                f"{x.dtype}, which counts to {limit:,} without gaps",
                f"integers below {self.input_dim:,}",
                "Make the model with dtype='float64', or give integers to the layer itself.",
            )
        return cast(checked(x, self._check), INT64)

    def _check(self, indices: Array) -> None:
        if not indices.size:
            return
        low, high = indices.min(), indices.max()
        if not (low >= 0 and high < self.input_dim):  # NaN is neither
            raise ArgumentError(
                "indices",
                f"{low:g} to {high:g}",
                f"whole numbers from 0 to {self.input_dim - 1} (input_dim={self.input_dim})",
                "Number the things from 0, and make input_dim as large as there are things.",
            )
        if is_float(indices.dtype) and (indices != np.floor(indices)).any():
            raise ArgumentError("indices", "numbers with fractions", "whole numbers")

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return the vectors with their regularizer."""
        return ((self.embeddings_regularizer, self.embeddings),)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": describe_initializer(self.embeddings_initializer),
            **self.regularizer_config("embeddings_regularizer"),
        }

    def __repr__(self) -> str:
        return f"Embedding({self.input_dim}, {self.output_dim})"
