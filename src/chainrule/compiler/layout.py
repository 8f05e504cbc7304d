"""How the arrays of a graph lie in memory, as NumPy would lay them out, found without running it.

The layout decides in which order NumPy adds up and multiplies, and so the last bits of results.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.graph import Graph, Node
from chainrule.core.types import Array, TupleType
from chainrule.ops.control.subgraph import inner_graphs
from chainrule.passes.cost import MOVEMENTS
from chainrule.passes.fuse import ROWWISE

#: Operations whose result is in C order where their arguments are, elementwise ones aside.
_C_FROM_C = frozenset(
    {
        *("matmul", "sum", "max", "min", "argmax", "logsumexp", "concatenate", "gather", "pad"),
        *("scatter_add", "stack", "random_bits", "random_uniform", "random_permutation"),
    }
)


@dataclass
class Layouts:
    """Where values lie.

    Attributes:
        probes: for each value that is not in C order, an array that lies as it does.
        views: the nodes that have no memory of their own, and the nodes in whose they lie.
        opaque: nodes of which only running tells where they lie: control flow, and its items.
    """

    probes: dict[Node, Array] = field(default_factory=dict)
    views: dict[Node, tuple[Node, ...]] = field(default_factory=dict)
    opaque: set[Node] = field(default_factory=set)


def layouts(graph: Graph, order: Sequence[Node]) -> Layouts:
    """Find how values lie, given inputs in C order.

    Args:
        graph: the graph.
        order: its nodes in the order of execution.
    """
    found = Layouts()
    probes = found.probes
    for node in graph.constants:
        data: Any = node.data
        if type(data) is not tuple and not data.flags.c_contiguous:
            probes[node] = data
    for node in order:
        assert node.primitive is not None
        name = node.primitive.name
        kind: Any = node.type
        if name in MOVEMENTS:
            _move(node, name, found)
        elif name == "item":
            found.views[node] = node.inputs
            found.opaque.add(node)
        elif inner_graphs(node) or isinstance(kind, TupleType):
            # What control flow returns may be what it was given.
            found.views[node] = node.inputs
            found.opaque.add(node)
        elif node.primitive.is_elementwise:
            if probes and any(x in probes for x in node.inputs):
                _keep_own(node, _elementwise(node, probes), probes)
        elif not _is_c_from_c(node, name) or (
            probes and any(x in probes for x in node.inputs) and not _is_product(node, name)
        ):
            _keep_own(node, _evaluated(node, probes), probes)
    return found


def _move(node: Node, name: str, found: Layouts) -> None:
    x = node.inputs[0]
    probe = found.probes.get(x)
    if is_same(node) or (name == "reshape" and probe is None):
        found.views[node] = (x,)
        if probe is not None:
            found.probes[node] = probe
        return
    moved = _evaluated(node, found.probes)
    assert moved is not None
    array, source = moved
    if name != "reshape" or np.may_share_memory(array, source):
        found.views[node] = (x,)
        if not array.flags.c_contiguous:
            found.probes[node] = array


def is_same(node: Node) -> bool:
    """Whether a movement moves nothing: also a 0-d array, which NumPy copies when it indexes it."""
    assert node.primitive is not None
    name = node.primitive.name
    return name == "identity" or (name in ("slice", "flip") and not node.type.ndim)


def _is_c_from_c(node: Node, name: str) -> bool:
    if name in ROWWISE:
        axes, ndim = tuple(node.attrs["axes"]), node.type.ndim
        return axes == tuple(range(ndim - len(axes), ndim))
    return name in _C_FROM_C or (name == "cumsum" and not node.attrs["reverse"])


def _is_product(node: Node, name: str) -> bool:
    return name == "matmul" and node.type.ndim == 2


def _probe(x: Node, probes: dict[Node, Array]) -> Array:
    probe = probes.get(x)
    # Zeros that are not touched take no memory.
    return np.zeros(x.type.shape, x.type.dtype) if probe is None else probe


def _elementwise(node: Node, probes: dict[Node, Array]) -> tuple[Array, Array] | None:
    """Ask NumPy's iterator how it would lay out the result, without computing it."""
    given = [_probe(x, probes) for x in node.inputs]
    flags: list[Any] = [["readonly"]] * len(given)
    iterator = np.nditer(
        [*given, None],
        ["zerosize_ok"],
        [*flags, ["writeonly", "allocate"]],
        op_dtypes=[*(x.dtype for x in given), node.type.dtype],
    )
    return iterator.operands[-1], given[0]


def _evaluated(node: Node, probes: dict[Node, Array]) -> tuple[Array, Array] | None:
    """Evaluate on zeros that lie as the arguments do; ``None`` where they are refused."""
    assert node.primitive is not None
    given = [_probe(x, probes) for x in node.inputs]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return np.asarray(node.primitive.eval(*given, **node.attrs)), given[0]
    except Exception:  # a check refuses the zeros, which are not the user's
        return None


def _keep_own(node: Node, result: tuple[Array, Array] | None, probes: dict[Node, Array]) -> None:
    """Note the layout of a value with memory of its own, where it is not C order."""
    if result is not None and not result[0].flags.c_contiguous and is_dense(result[0]):
        probes[node] = result[0]


def same_layout(layouts: Layouts, node: Node, x: Node) -> bool:
    """Whether two values of one shape lie alike, so that one may take over the other's place."""
    mine, other = layouts.probes.get(node), layouts.probes.get(x)
    if mine is None or other is None:
        return mine is other
    return x not in layouts.views and mine.strides == other.strides


def like(probe: Array, arena: Array, offset: int) -> Array:
    """Return an array in an arena that lies as another, of as many bytes as that has elements."""
    low = sum(min(0, s * (n - 1)) for s, n in zip(probe.strides, probe.shape, strict=True))
    return np.ndarray(probe.shape, probe.dtype, arena.data, offset - low, probe.strides)


def is_dense(probe: Array) -> bool:
    """Whether an array takes no more bytes than its elements do."""
    spread = sum(abs(s) * (n - 1) for s, n in zip(probe.strides, probe.shape, strict=True))
    return bool(probe.size) and spread + probe.itemsize == probe.nbytes
