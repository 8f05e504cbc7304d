"""Loops that repeat each other become one, and what no one takes from a loop or branch goes.

The gradient of a ``scan`` runs it forward once more, with further rows for the way back (see
``autodiff.control``). Where the value is wanted as well, these are two loops of which one does all
that the other does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.core.graph import Graph, Node
from chainrule.core.mode import in_place_of, recording
from chainrule.core.tensor import Tensor, bind
from chainrule.ops.control.branch import cond_p
from chainrule.ops.control.looping import while_p
from chainrule.ops.control.scanning import scan_p
from chainrule.ops.control.subgraph import closed, inner_graphs, is_cut, with_inner_graphs
from chainrule.ops.tuples import item_p

#: A pass: a graph to an equal one, and how often each rewrite was applied.
Pass = Callable[[Graph], tuple[Graph, Counter[str]]]


def merge_loops(graph: Graph, inside: Pass | None = None) -> tuple[Graph, Counter[str]]:
    """Merge scans of which one repeats another, then drop results that nothing uses.

    Bodies are compared as they are: this comes before passes that change them one by one.

    Args:
        graph: a traced graph.
        inside: what to do with the bodies afterwards (default: the same).

    Returns:
        The new graph, and how often each rewrite was applied, by its name.

    >>> import chainrule as cr
    >>> def f(x):
    ...     return cr.scan(lambda c, v: (cr.sin(c) * v, c), 1.0, x)[0]
    >>> graph = cr.trace(cr.value_and_grad(f))([1.0, 2.0])
    >>> sum(node.primitive.name == "scan" for node in graph.nodes)
    3
    >>> graph, counts = merge_loops(graph)
    >>> sum(node.primitive.name == "scan" for node in graph.nodes)
    2
    >>> dict(counts)
    {'merge_scans': 1, 'prune_loops': 1}
    """
    counts: Counter[str] = Counter()
    graph = _merged(graph, counts)
    graph = _pruned(graph, counts)
    return _with_bodies(graph, inside or merge_loops, counts), counts


def _with_bodies(graph: Graph, change: Pass, counts: Counter[str]) -> Graph:
    """Change the graphs inside of nodes."""

    def apply(node: Node, xs: list[Tensor]) -> Tensor | None:
        bodies = inner_graphs(node)
        new = {}
        for name, body in bodies.items():
            new[name], inside = change(body)
            counts.update(inside)
        if all(new[name] is bodies[name] for name in bodies):
            return None
        return _bound(node, xs, with_inner_graphs(node.attrs, new))

    return _remade(graph, apply)


def _remade(graph: Graph, apply: Callable[[Node, list[Tensor]], Tensor | None]) -> Graph:
    """Make the nodes anew that ``apply`` replaces, and those after them."""
    replaced = False

    def step(node: Node, xs: list[Any]) -> Any:
        nonlocal replaced
        new = apply(node, xs)
        if new is not None:
            replaced = True
            return new
        if all(a is b for a, b in zip(xs, node.inputs, strict=True)):
            return node
        return _bound(node, xs, node.attrs)

    outputs = graph.interpret(list(graph.inputs), step, lambda node: node)
    return graph.rebuilt(outputs) if replaced else graph


def _bound(node: Node, xs: Sequence[Tensor], attrs: Mapping[str, Any]) -> Tensor:
    assert node.primitive is not None
    with in_place_of(node), recording(True):
        new = bind(node.primitive, *xs, **attrs)
    if new.tracked and is_cut(node):
        new.tracked = False
    return new


# Merging -------------------------------------------------------------------------------------


def _merged(graph: Graph, counts: Counter[str]) -> Graph:
    """Merge scans of equal operands.

    `(scan(x, body=f), scan(x, body=f and g))` → the second for both.
    """
    found: dict[Any, list[Node]] = {}
    instead: dict[Node, Node] = {}
    for node in graph.nodes:
        if node.primitive is not scan_p:
            continue
        kind = tuple(node.attrs[name] for name in ("carries", "xs", "length", "reverse"))
        alike = found.setdefault((kind, tuple(_operand(x) for x in node.inputs)), [])
        for i, other in enumerate(alike):
            short, long = sorted((other, node), key=lambda n: len(n.attrs["body"].outputs))
            if _repeats(short.attrs["body"], long.attrs["body"]):
                instead[short] = alike[i] = long
                counts["merge_scans"] += 1
                break
        else:
            alike.append(node)
    if not instead:
        return graph
    made: dict[Node, Tensor] = {}

    def apply(node: Node, xs: list[Tensor]) -> Tensor | None:
        if node.primitive is not scan_p:
            return None
        last = node
        while last in instead:
            last = instead[last]
        if last not in made:  # where the first of them stands: the operands are there
            made[last] = _bound(node, xs, last.attrs)
        return made[last]

    # What these loops were operands of may be equal now.
    return _merged(_remade(graph, apply), counts)


def _operand(node: Node) -> Any:
    """Return what is equal for equal operands."""
    data: Any = node.data
    if data is None or type(data) is tuple:
        return id(node)
    return node.type, data.tobytes()


def _repeats(short: Graph, long: Graph) -> bool:
    """Whether the first outputs of the longer body are computed as those of the shorter one."""
    numbers: dict[Any, int] = {}
    first, second = _numbered(short, numbers), _numbered(long, numbers)
    return first == second[: len(first)]


def _numbered(graph: Graph, numbers: dict[Any, int]) -> list[int]:
    """Return a number for each output; equal computations have equal numbers."""

    def number(key: Any) -> int:
        return numbers.setdefault(key, len(numbers))

    def constant(node: Node) -> int:
        data: Any = node.data
        if type(data) is tuple:
            return number(("node", id(node)))
        return number(("constant", node.type, data.tobytes()))

    def apply(node: Node, xs: list[int]) -> int:
        attrs = tuple(
            (name, _signature(value) if isinstance(value, Graph) else value)
            for name, value in sorted(node.attrs.items())
        )
        assert node.primitive is not None
        return number((node.primitive.name, attrs, tuple(xs)))

    inputs = [number(("input", i, x.type)) for i, x in enumerate(graph.inputs)]
    return graph.interpret(inputs, apply, constant)


def _signature(graph: Graph) -> Any:
    """Return what two graphs of the same computation have in common."""
    numbers: dict[Any, int] = {}
    outputs = _numbered(graph, numbers)
    return tuple(numbers), tuple(outputs)


# Pruning -------------------------------------------------------------------------------------


def _pruned(graph: Graph, counts: Counter[str]) -> Graph:
    """Drop the results of loops and branches that are not used, and the operands they took."""
    used: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node.primitive is item_p:
            used.setdefault(node.inputs[0], set()).add(node.attrs["index"])
        else:
            for x in node.inputs:
                used.setdefault(x, set()).add(-1)  # the tuple as a whole
    for node in graph.outputs:
        used.setdefault(node, set()).add(-1)
    made: dict[Tensor, list[int]] = {}

    def apply(node: Node, xs: list[Tensor]) -> Tensor | None:
        if node.primitive is item_p and xs[0] in made:
            return _bound(node, xs, {"index": made[xs[0]].index(node.attrs["index"])})
        taken = used.get(node, set())
        prune = _PRUNERS.get(node.primitive.name) if node.primitive else None
        if prune is None or -1 in taken:
            return None
        kept, operands, attrs = prune(node, taken)
        if len(kept) == _count(node) and len(operands) == len(xs):
            return None
        counts["prune_loops"] += 1
        new = _bound(node, [xs[i] for i in operands], attrs)
        made[new] = kept
        return new

    return _remade(graph, apply)


def _count(node: Node) -> int:
    kinds: Any = node.type
    return len(kinds.items)


def _reached(graphs: Sequence[tuple[Graph, Sequence[int]]]) -> set[int]:
    """Return the positions of the inputs that some outputs are computed from."""
    found: set[int] = set()
    for graph, chosen in graphs:
        needed = {graph.outputs[i] for i in chosen}
        for node in reversed(graph.nodes):
            if node in needed:
                needed.update(node.inputs)
        found |= {i for i, x in enumerate(graph.inputs) if x in needed}
    return found


def _restricted(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    names = [graph.names[graph.inputs[i]] for i in inputs]
    return closed([graph.inputs[i] for i in inputs], [graph.outputs[i] for i in outputs], names)


def _prune_cond(node: Node, taken: set[int]) -> tuple[list[int], list[int], dict[str, Any]]:
    kept = sorted(taken)
    graphs = inner_graphs(node)
    inputs = sorted(_reached([(graph, kept) for graph in graphs.values()]))
    new = {name: _restricted(graph, inputs, kept) for name, graph in graphs.items()}
    return kept, [0, *(i + 1 for i in inputs)], with_inner_graphs(node.attrs, new)


def _carried(body: Graph, carries: int, start: set[int], also: Sequence[int]) -> set[int]:
    """Return the carries that are needed: those that are used, and those that these depend on."""
    needed = set(start)
    while True:
        reached = {i for i in _reached([(body, [*needed, *also])]) if i < carries}
        if reached <= needed:
            return needed
        needed |= reached


def _prune_scan(node: Node, taken: set[int]) -> tuple[list[int], list[int], dict[str, Any]]:
    body, carries, xs = node.attrs["body"], node.attrs["carries"], node.attrs["xs"]
    rows = sorted(i for i in taken if i >= carries)
    carried = _carried(body, carries, {i for i in taken if i < carries}, rows)
    kept = [*sorted(carried), *rows]
    inputs = sorted(_reached([(body, kept)]) | carried)
    attrs = {
        **node.attrs,
        "body": _restricted(body, inputs, kept),
        "carries": len(carried),
        "xs": sum(carries <= i < carries + xs for i in inputs),
    }
    return kept, inputs, attrs


def _prune_while(node: Node, taken: set[int]) -> tuple[list[int], list[int], dict[str, Any]]:
    condition, body, carries = (node.attrs[k] for k in ("condition", "body", "carries"))
    tested = _reached([(condition, [0])])
    start = {i for i in (*taken, *tested) if i < carries}
    carried = sorted(_carried(body, carries, start, []))
    inputs = sorted(_reached([(body, carried)]) | tested | set(carried))
    attrs = {
        **node.attrs,
        "condition": _restricted(condition, inputs, [0]),
        "body": _restricted(body, inputs, carried),
        "carries": len(carried),
    }
    return [*carried, carries], inputs, attrs  # the last result is the number of steps


_PRUNERS = {cond_p.name: _prune_cond, scan_p.name: _prune_scan, while_p.name: _prune_while}
