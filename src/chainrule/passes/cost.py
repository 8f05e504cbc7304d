"""What a node costs: floating-point operations, and bytes of its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.core.graph import Graph, Node
from chainrule.ops.control.subgraph import inner_graphs

#: Operations that move elements and compute nothing; in NumPy, views.
MOVEMENTS = frozenset({"reshape", "transpose", "broadcast_to", "slice", "flip", "identity"})
#: Operations that copy elements and compute nothing.
COPIES = frozenset({"cast", "concatenate", "pad", "gather", "item", "stack", "unstack"})
#: Operations that are counted as one, though a machine makes many of each.
TRANSCENDENTAL = frozenset(
    {
        *("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "erf"),
        *("power", "sqrt", "rsqrt", "softmax", "log_softmax", "softmax_residual", "logsumexp"),
    }
)


class Cost(NamedTuple):
    """Operations of a node.

    Attributes:
        flops: arithmetic operations, a transcendental function counted as one.
        transcendental: how many of them are transcendental functions.
    """

    flops: int = 0
    transcendental: int = 0

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost(self.flops + other.flops, self.transcendental + other.transcendental)

    def times(self, n: int) -> Cost:
        """Return the cost of doing it ``n`` times."""
        return Cost(self.flops * n, self.transcendental * n)


def elements(node: Node) -> int:
    """Return the number of elements of a value; of several arrays, of all of them."""
    kind: Any = node.type
    parts = getattr(kind, "items", None)
    return kind.size if parts is None else sum(part.size for part in parts)


def bytes_of(node: Node) -> int:
    """Return the number of bytes of a value."""
    kind: Any = node.type
    parts = getattr(kind, "items", (kind,))
    return sum(part.size * part.dtype.itemsize for part in parts)


def _matmul(node: Node) -> int:
    return 2 * elements(node) * node.inputs[0].type.shape[-1]


def _of_input(node: Node) -> int:
    return elements(node.inputs[0])


def _largest(node: Node) -> int:
    return max([elements(node), *map(elements, node.inputs)])


#: Floating-point operations by primitive; of any other, one an element of the result.
FLOPS: dict[str, Callable[[Node], int]] = {
    "matmul": _matmul,
    **dict.fromkeys(("sum", "max", "min", "argmax"), _of_input),
    # largest element, difference, exponential, sum, and the logarithm or quotient
    **dict.fromkeys(("softmax", "log_softmax"), lambda node: 5 * elements(node)),
    "softmax_residual": lambda node: 8 * elements(node),
    "logsumexp": lambda node: 4 * _of_input(node),
    "scatter_add": lambda node: elements(node.inputs[1]),
    **dict.fromkeys(MOVEMENTS | COPIES, lambda node: 0),
}


def cost(node: Node) -> Cost:
    """Return the operations of a node.

    Of control flow: those of its bodies, as often as they are known to run (a ``while_loop``'s are
    counted once; of the branches of a ``cond``, the dearest counts).

    >>> import chainrule as cr
    >>> product = cr.trace(lambda x, w: x @ w)([[1.0, 2.0]], [[3.0], [4.0]]).nodes[0]
    >>> cost(product)
    Cost(flops=4, transcendental=0)
    """
    assert node.primitive is not None
    name = node.primitive.name
    bodies = inner_graphs(node).values()
    if bodies:
        costs = [graph_cost(body) for body in bodies]
        if name == "cond":
            return max(costs)
        length = node.attrs.get("length", 1)
        return sum(costs, Cost()).times(length if isinstance(length, int) else 1)
    count = FLOPS.get(name, elements)(node)
    if name not in TRANSCENDENTAL:
        return Cost(count)
    return Cost(count, _of_input(node) if name == "logsumexp" else elements(node))


def graph_cost(graph: Graph) -> Cost:
    """Return the operations of a whole graph."""
    return sum(map(cost, graph.nodes), Cost())
