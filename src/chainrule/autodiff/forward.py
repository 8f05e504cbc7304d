"""Forward mode: tangents flow along the recorded nodes, in the order of their creation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.autodiff.reverse import freshen, match_leaves, release
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Node, ancestors
from chainrule.core.mode import mode, recording
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.tree import leaves, rebuild
from chainrule.core.types import TupleType
from chainrule.ops.creation import zeros_like
from chainrule.ops.shape import broadcast_to
from chainrule.ops.tuples import item_p


def push_forward(
    outputs: Sequence[Tensor], variables: Sequence[Tensor], tangents: Sequence[Tensor]
) -> list[Tensor]:
    """Return the outputs' tangents, given those of the variables they were computed from."""
    moving: dict[Node, Any] = dict(zip(variables, tangents, strict=True))
    for node in ancestors(outputs, stop=variables, follow=lambda node: node.tracked):
        if node in moving or node.primitive is None:
            continue
        ts = [moving.get(x) for x in node.inputs]
        if node.primitive is item_p:
            if ts[0] is not None and ts[0][node.attrs["index"]] is not None:
                moving[node] = ts[0][node.attrs["index"]]
            continue
        kind: Any = node.type
        if isinstance(kind, TupleType):
            if any(t is not None for t in ts):
                moving[node] = node.primitive.jvp(ts, node, *node.inputs, **node.attrs)
        elif any(t is not None for t in ts):
            t = node.primitive.jvp(ts, node, *node.inputs, **node.attrs)
            # A rule may return the tangent of one argument as it came, not yet broadcast.
            moving[node] = broadcast_to(t, node.type.shape)
    return [moving[y] if y in moving else zeros_like(y) for y in outputs]


def jvp(f: Callable[..., Any], xs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluate ``f`` and push tangents forward through it: ``(f(x), ∂f/∂x · t)``.

    Args:
        f: function of tensors, or of nested containers of them, to the same.
        xs: the arguments.
        tangents: one for each argument, of its structure and shapes.

    Returns:
        The value of ``f`` and its tangent, in the structure of ``f``'s result.

    Raises:
        ShapeError: a tangent that does not fit its argument.

    >>> jvp(lambda x: x * x, (3.0,), (1.0,))
    (Tensor(9., dtype=float32), Tensor(6., dtype=float32))
    """
    if len(xs) != len(tangents):
        raise ArgumentError(
            "tangents", f"{len(tangents)} tangents", f"one for each of {len(xs)} xs"
        )
    new, variables = freshen(xs, range(len(xs)))
    given = match_leaves([leaf for t in tangents for leaf in leaves(t)], variables, "tangents")
    outer = mode.recording
    with recording(True):
        result = f(*new)
    outputs = [as_tensor(leaf) for leaf in leaves(result)]
    with recording(outer):
        moved = push_forward(outputs, variables, given)
    return (
        rebuild(result, [release(y, variables) for y in outputs]),
        rebuild(result, [release(t, variables) for t in moved]),
    )
