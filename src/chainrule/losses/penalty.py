"""The structural part of the risk: what the weights cost by themselves."""

from __future__ import annotations

from typing import Any

from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.types import Dtype
from chainrule.ops.elementwise import square
from chainrule.ops.reduce import sum as sum_


def penalty_of(weights: list[Any], l2: float, dtype: Dtype) -> Tensor:
    """Return the structural part of the risk: ``½ λ ‖W‖²_F``, summed over the weight matrices.

    Args:
        weights: the weight matrices; biases are not penalized.
        l2: λ.
        dtype: dtype of the result.

    >>> penalty_of([as_tensor([[1.0, 2.0]])], 0.5, as_tensor(0.0).dtype).item()
    1.25
    """
    total = as_tensor(0.0, dtype)
    for W in weights:
        total = total + sum_(square(W))
    return total * (0.5 * l2)
