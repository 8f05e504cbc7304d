"""The value of every node, and the derivative of the result by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from chainrule.autodiff.reverse import pull_back
from chainrule.compiler.trace import TracedGraph
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.graph import Graph, Node
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, bind, known, recording
from chainrule.core.types import Array, is_float
from chainrule.ops.creation import ones_like


def values_and_adjoints(
    graph: Graph, inputs: Sequence[TensorLike] | Mapping[str, TensorLike] | None = None
) -> tuple[dict[Node, Array], dict[Node, Array]]:
    """Evaluate a graph and differentiate its result by every node.

    Args:
        graph: the graph.
        inputs: arrays in the order of the graph's inputs, or by their names. Parameters may be left
            out: they have their values of the moment. ``None`` takes the values that the nodes
            hold themselves (a graph that was recorded, rather than traced).

    Returns:
        The values by node; the derivatives by node, where the graph has one result of one float
        (else none). Where a node holds several arrays it is left out.

    Raises:
        ArgumentError: too few or too many inputs; a name that is none of theirs.
        ShapeError: an input of another shape than the graph's.

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda x, w: x * w)(1.0, 2.0)
    >>> values, adjoints = values_and_adjoints(graph, [3.0, 5.0])
    >>> float(values[graph.outputs[0]]), float(adjoints[graph.inputs[0]])
    (15.0, 5.0)
    """
    arrays = _recorded(graph) if inputs is None else _given(graph, inputs)
    if arrays is None:
        return {}, {}
    found: dict[Node, Tensor] = {}
    variables = []
    for x, array in zip(graph.inputs, arrays, strict=True):
        found[x] = Tensor(array, tracked=is_float(array.dtype))
        if found[x].tracked:
            variables.append(found[x])

    def apply(node: Node, xs: list[Tensor]) -> Tensor:
        assert node.primitive is not None
        found[node] = bind(node.primitive, *xs, **node.attrs)
        return found[node]

    def constant(node: Node) -> Tensor:
        assert node.data is not None
        found[node] = Tensor(node.data)
        return found[node]

    with recording(True):
        outputs = graph.interpret([found[x] for x in graph.inputs], apply, constant)
    adjoints: dict[Node, Array] = {}
    if len(outputs) == 1 and _is_float_number(outputs[0]) and outputs[0].tracked:
        cotangents = pull_back(outputs, [ones_like(outputs[0])], variables, keep=True)
        leaves = frozenset(variables)
        for node, tensor in found.items():
            g = cotangents.get(tensor)
            if g is not None and isinstance(g, Tensor) and isinstance(g.data, np.ndarray):
                adjoints[node] = g.data
            elif tensor in leaves:
                adjoints[node] = np.zeros(tensor.shape, tensor.dtype)
    values = {
        node: tensor.data for node, tensor in found.items() if isinstance(tensor.data, np.ndarray)
    }
    return values, adjoints


def _is_float_number(x: Tensor) -> bool:
    return isinstance(x.data, np.ndarray) and x.data.ndim == 0 and is_float(x.data.dtype)


def _recorded(graph: Graph) -> list[Array] | None:
    arrays = [x.data for x in graph.inputs]
    if any(a is None for a in arrays) or any(node.data is None for node in graph.nodes):
        return None
    return [a for a in arrays if a is not None]


def _given(graph: Graph, inputs: Sequence[TensorLike] | Mapping[str, TensorLike]) -> list[Array]:
    names = [graph.names[x] for x in graph.inputs]
    now: dict[str, TensorLike] = {}
    if isinstance(graph, TracedGraph) and graph.read:
        now = dict(zip(names[-len(graph.read) :], graph.contents(), strict=True))
    own = len(names) - len(now)
    if isinstance(inputs, Mapping):
        wrong = next((name for name in inputs if name not in names), None)
        if wrong is not None:
            near = get_close_matches(str(wrong), names, 1)
            fix = f"Did you mean {near[0]!r}?" if near else ""
            raise ArgumentError("inputs", repr(wrong), f"names among {', '.join(names)}", fix)
        given = {**now, **inputs}
    elif len(inputs) in (own, len(names)):
        given = {**now, **dict(zip(names, inputs, strict=False))}
    else:
        also = f" (and for its {len(now)} parameters, if wanted)" if now else ""
        raise ArgumentError(
            "inputs", f"{len(inputs)} arrays", f"one for each of {', '.join(names[:own])}{also}"
        )
    missing = [name for name in names if name not in given]
    if missing:
        raise ArgumentError("inputs", f"nothing for {', '.join(missing)}", "a value for each input")
    arrays = []
    for x, name in zip(graph.inputs, names, strict=True):
        array = np.asarray(known(as_tensor(given[name], x.type.dtype), "inputs"), x.type.dtype)
        if array.shape != x.type.shape:
            raise ShapeError(
                f"input {name!r}",
                f"shape {array.shape}",
                f"shape {x.type.shape}",
                "The graph was traced for it; trace again with arguments of the new shape.",
            )
        arrays.append(array)
    return arrays
