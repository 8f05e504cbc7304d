"""The value of every node, and the derivative of the result by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from chainrule.autodiff.reverse import pull_back
from chainrule.compiler.trace import TracedGraph
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.graph import Graph, Node
from chainrule.core.mode import recording
from chainrule.core.tensor import Tensor, TensorLike, as_tensor, bind, known
from chainrule.core.tree import leaves
from chainrule.core.types import Array, is_float
from chainrule.ops.control.subgraph import is_cut
from chainrule.ops.creation import ones_like


def values_and_adjoints(
    graph: Graph, inputs: Sequence[TensorLike] | Mapping[str, TensorLike] | None = None
) -> tuple[dict[Node, Array], dict[Node, Array]]:
    """Evaluate a graph and differentiate its result by every node.

    Args:
        graph: the graph.
        inputs: arrays in the order of the graph's inputs, containers as they were traced, or by
            their names. Parameters may be left out: they have their values of the moment. ``None``
            takes the values that the nodes hold themselves, and the gradients that flowed through
            them (a graph that was recorded, rather than traced).

    Returns:
        The values by node; the derivatives by node, where the graph has one result of one float
        (else none). Where a node holds several arrays, its items have both instead; a node of a
        recorded graph through which no gradient flows has no derivative.

    Raises:
        ArgumentError: too few or too many inputs; a name that is none of theirs.
        ShapeError: an input of another shape than the graph's.

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda x, w: x * w)(1.0, 2.0)
    >>> values, adjoints = values_and_adjoints(graph, [3.0, 5.0])
    >>> float(values[graph.outputs[0]]), float(adjoints[graph.inputs[0]])
    (15.0, 5.0)
    """
    ran = inputs is None
    arrays = _recorded(graph) if inputs is None else _given(graph, inputs)
    if arrays is None:
        return {}, {}
    found: dict[Node, Tensor] = {}
    variables = []
    for x, array in zip(graph.inputs, arrays, strict=True):
        found[x] = Tensor(array, tracked=is_float(array.dtype) and not (ran and _is_frozen(x)))
        if found[x].tracked:
            variables.append(found[x])

    def apply(node: Node, xs: list[Tensor]) -> Tensor:
        assert node.primitive is not None
        if ran and node.data is not None:
            flows = not is_cut(node) and any(x.tracked for x in xs) and _moves(node.data)
            found[node] = Tensor(node.data, node.primitive, tuple(xs), node.attrs, flows)
        else:
            found[node] = bind(node.primitive, *xs, **node.attrs)
            found[node].tracked &= not is_cut(node)
        return found[node]

    def constant(node: Node) -> Tensor:
        assert node.data is not None
        found[node] = Tensor(node.data)
        return found[node]

    # What is not finite is to be seen in the picture: no warning needs to say so.
    with np.errstate(all="ignore"), recording(True):
        outputs = graph.interpret([found[x] for x in graph.inputs], apply, constant)
    adjoints: dict[Node, Array] = {}
    if len(outputs) == 1 and _is_float_number(outputs[0]) and outputs[0].tracked:
        with np.errstate(all="ignore"):
            cotangents = pull_back(outputs, [ones_like(outputs[0])], variables, keep=True)
        ends = frozenset(variables)
        for node, tensor in found.items():
            g = cotangents.get(tensor)
            if g is not None and isinstance(g, Tensor) and isinstance(g.data, np.ndarray):
                adjoints[node] = g.data
            elif tensor in ends:
                adjoints[node] = np.zeros(tensor.shape, tensor.dtype)
    values = {
        node: tensor.data for node, tensor in found.items() if isinstance(tensor.data, np.ndarray)
    }
    return values, adjoints


def _is_frozen(x: Node) -> bool:
    """Whether it is the value of a parameter that gets no gradient."""
    return isinstance(x, Tensor) and x.cell is not None and not x.tracked


def _moves(data: Any) -> bool:
    return type(data) is tuple or is_float(data.dtype)


def _is_float_number(x: Tensor) -> bool:
    return isinstance(x.data, np.ndarray) and x.data.ndim == 0 and is_float(x.data.dtype)


def _recorded(graph: Graph) -> list[Array] | None:
    arrays = [x.data for x in graph.inputs]
    if any(a is None for a in arrays) or any(node.data is None for node in graph.nodes):
        return None
    return [a for a in arrays if a is not None]


def _flat(inputs: Sequence[Any], counts: Sequence[int]) -> list[Any] | None:
    """Return the arrays of arguments that may be containers, if they are as many as they should."""
    if len(inputs) in counts and not any(_is_container(x) for x in inputs):
        return list(inputs)
    found = [leaf for x in inputs for leaf in leaves(x)]
    return found if len(found) in counts else None


def _is_container(x: Any) -> bool:
    return isinstance(x, dict | tuple) or (isinstance(x, list) and leaves(x) != [x])


def _spread(inputs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return arrays by name, where containers have that of their argument."""
    found: dict[str, Any] = {}
    for name, value in inputs.items():
        mine = [value] if name in names else leaves(value)
        numbered = [name] if name in names else [f"{name}_{i + 1}" for i in range(len(mine))]
        if all(n in names for n in numbered):
            found.update(zip(numbered, mine, strict=True))
        else:
            found[name] = value
    return found


def _given(graph: Graph, inputs: Sequence[TensorLike] | Mapping[str, TensorLike]) -> list[Array]:
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Mapping | Sequence | np.ndarray):
        raise ArgumentError(
            "inputs",
            repr(inputs),
            "the arguments in a list, or a dictionary of them by name",
            "For one argument write [x].",
        )
    names = [graph.names[x] for x in graph.inputs]
    now: dict[str, TensorLike] = {}
    if isinstance(graph, TracedGraph) and graph.read:
        now = dict(zip(names[-len(graph.read) :], graph.contents(), strict=True))
    own = len(names) - len(now)
    if isinstance(inputs, Mapping):
        inputs = _spread(inputs, names)
        wrong = next((name for name in inputs if name not in names), None)
        if wrong is not None:
            near = get_close_matches(str(wrong), names, 1)
            fix = f"Did you mean {near[0]!r}?" if near else ""
            raise ArgumentError("inputs", repr(wrong), f"names among {', '.join(names)}", fix)
        given = {**now, **inputs}
    elif (found := _flat(inputs, (own, len(names)))) is not None:
        given = {**now, **dict(zip(names, found, strict=False))}
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
