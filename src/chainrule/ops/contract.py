"""Products that sum over an axis."""

from __future__ import annotations

import math

import numpy as np

from chainrule.core.errors import ShapeError
from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Tensor, TensorLike, bind
from chainrule.core.types import ArrayType, broadcast_shapes
from chainrule.ops.promotion import promote
from chainrule.ops.shape import reshape, swapaxes


def _matmul_type(x: ArrayType, y: ArrayType) -> ArrayType:
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            "x @ y",
            f"shapes {x.shape} and {y.shape}",
            f"the last size of x ({x.shape[-1]}) equal to the last but one of y ({y.shape[-2]})",
        )
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return ArrayType((*batch, x.shape[-2], y.shape[-1]), x.dtype)


matmul_p: Primitive = Primitive(
    "matmul",
    eval=np.matmul,
    type_rule=_matmul_type,
    vjp=(
        lambda g, ans, x, y: bind(matmul_p, g, swapaxes(y, -1, -2)),
        lambda g, ans, x, y: bind(matmul_p, swapaxes(x, -1, -2), g),
    ),
    jvp=lambda ts, ans, x, y: _matmul_jvp(ts, x, y),
    examples=(
        example((2, 3), (3, 4)),
        example((5, 2, 3), (5, 3, 2)),
        example((2, 1, 2, 3), (4, 3, 1)),
        example((0, 3), (3, 2)),
        example((2, 0), (0, 2)),
    ),
    symbol="{0} @ {1}",
)


def _matmul_jvp(ts: tuple[Tensor | None, Tensor | None], x: Tensor, y: Tensor) -> Tensor:
    tx, ty = ts
    if tx is None:
        assert ty is not None
        return bind(matmul_p, x, ty)
    if ty is None:
        return bind(matmul_p, tx, y)
    return bind(matmul_p, tx, y) + bind(matmul_p, x, ty)


def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """Matrix product: ``zᵢⱼ = Σₖ xᵢₖ yₖⱼ``, over the last two axes; the axes before them broadcast.

    Args:
        x: shape (..., n, k), or (k,) for a row vector whose axis is then dropped.
        y: shape (..., k, m), or (k,) for a column vector whose axis is then dropped.

    Returns:
        Array of shape (..., n, m).

    Raises:
        ShapeError: the sizes k differ, or an argument is 0-d.

    >>> matmul([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor([[11.]], dtype=float32)
    """
    x, y = promote(x, y)
    if x.ndim == 2 and y.ndim == 2:
        return bind(matmul_p, x, y)
    if not x.ndim or not y.ndim:
        raise ShapeError("x @ y", f"shapes {x.shape} and {y.shape}", "at least one axis each")
    left = reshape(x, (1, -1)) if x.ndim == 1 else x
    right = reshape(y, (-1, 1)) if y.ndim == 1 else y
    kind = _matmul_type(left.type, right.type)
    if right.ndim == 2 and left.ndim > 2:
        # One large product, rather than a batch of small ones that share their right side.
        left = reshape(left, (math.prod(left.shape[:-1]), left.shape[-1]))
    z = bind(matmul_p, left, right)
    shape = kind.shape[:-2] + kind.shape[-2:-1] * (x.ndim > 1) + kind.shape[-1:] * (y.ndim > 1)
    return reshape(z, shape)
