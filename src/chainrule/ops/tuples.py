"""Operations with several results: a node whose value is a tuple, and ``item``, which opens it."""

from __future__ import annotations

from typing import Any

from chainrule.core.graph import Primitive
from chainrule.core.tensor import Tensor, bind

#: The drivers of ``autodiff`` know this one: a tuple's cotangent and tangent are lists, with
#: ``None`` where an element has none.
item_p: Primitive = Primitive(
    "item",
    eval=lambda x, *, index: x[index],
    type_rule=lambda x, *, index: x.items[index],
)


def items(x: Tensor) -> list[Tensor]:
    """Return the elements of a tuple as nodes of their own."""
    kinds: Any = x.type
    return [bind(item_p, x, index=i) for i in range(len(kinds.items))]
