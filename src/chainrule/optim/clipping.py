"""Gradients kept from growing too long: by element, each by its norm, or all by their norm."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT64
from chainrule.ops import reduce
from chainrule.ops.elementwise import abs, maximum, sqrt, square, where
from chainrule.ops.functional import clip


def clip_by_value(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Limit every element: ``g ← min(max(g, -c), c)``.

    Args:
        gradients: arrays of any shapes.
        limit: c, above 0.

    Returns:
        Arrays of the same shapes.

    >>> import chainrule as cr
    >>> clip_by_value([cr.tensor([3.0, -0.5])], 1.0)
    [Tensor([ 1. , -0.5], dtype=float32)]
    """
    return [clip(g, -limit, limit) for g in gradients]


def clip_by_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Limit the length of each gradient by itself: ``g ← g · min(1, c / ‖g‖₂)``.

    Args:
        gradients: arrays of any shapes.
        limit: c, above 0.

    Returns:
        Arrays of the same shapes; those of at most length c as they came.

    >>> import chainrule as cr
    >>> clip_by_norm([cr.tensor([3.0, 4.0]), cr.tensor([0.5])], 1.0)
    [Tensor([0.6, 0.8], dtype=float32), Tensor([0.5], dtype=float32)]

    Source: Pascanu, Mikolov and Bengio, arXiv 1211.5063, algorithm 1.
    """
    return [clipped for g in gradients for clipped in clip_by_global_norm([g], limit)]


def clip_by_global_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Limit the length of all gradients as one vector, which keeps its direction.

    ``gᵢ ← gᵢ · min(1, c / n)``, ``n = √(Σᵢ ‖gᵢ‖₂²)``

    Args:
        gradients: arrays of any shapes.
        limit: c, above 0.

    Returns:
        Arrays of the same shapes; as they came if n is at most c.

    >>> import chainrule as cr
    >>> clip_by_global_norm([cr.tensor([3.0]), cr.tensor([4.0])], 1.0)
    [Tensor([0.6], dtype=float32), Tensor([0.8], dtype=float32)]

    Source: Pascanu, Mikolov and Bengio, arXiv 1211.5063, algorithm 1.
    """
    filled = [g for g in gradients if g.size]
    if not filled:
        return list(gradients)
    # Gradients that explode are what clipping is for: measured against the largest element, their
    # squares cannot overflow (nor can those of tiny ones vanish).
    top = reduce.max(abs(filled[0])).astype(FLOAT64)
    for g in filled[1:]:
        top = maximum(top, reduce.max(abs(g)).astype(FLOAT64))
    scale = where(top == 0.0, 1.0, top)
    units = [g / scale.astype(g.dtype) for g in gradients]
    total = reduce.sum(square(units[0])).astype(FLOAT64)
    for unit in units[1:]:
        total = total + reduce.sum(square(unit)).astype(FLOAT64)
    # n = top √total is longer than c; as a product it could overflow.
    longest = limit / maximum(sqrt(total), 1.0)
    too_long = top > longest
    return [
        where(too_long, unit * longest.astype(g.dtype), g)
        for g, unit in zip(gradients, units, strict=True)
    ]
