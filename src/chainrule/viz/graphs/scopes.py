"""In which modules' frames the nodes of a graph stand."""

from __future__ import annotations

from chainrule.compiler.trace import TracedGraph
from chainrule.core.graph import Graph, Node
from chainrule.core.origin import Part

Scope = tuple[str, ...]


def part_of(node: Node) -> Part:
    """Return what a node is for; forward, where that was not recorded."""
    return node.origin.part if node.origin is not None else "forward"


def scopes_of(graph: Graph, is_body: bool = False) -> dict[Node, Scope]:
    """Return the labels of the modules around each node.

    What all of them stand in is left out: it tells nothing. Nodes that update a parameter belong to
    the module whose parameter it is. Other nodes of gradients and updates without a module are
    grouped by that.

    Args:
        graph: the graph.
        is_body: whether it is the body of a loop or a branch, whose frame groups it already.
    """
    scopes = {node: node.origin.scope if node.origin is not None else () for node in graph.nodes}
    named = [scope for scope in scopes.values() if scope]
    shared = _shared(named)
    updates = _update_scopes(graph, {scope[: i + 1] for scope in named for i in range(len(scope))})
    found = {}
    for node, scope in scopes.items():
        part = part_of(node)
        inner = (scope or updates.get(node, ()))[shared:]
        found[node] = inner if inner or part == "forward" or is_body else (part,)
    return found


def _shared(scopes: list[Scope]) -> int:
    """Return how many of the outermost labels all scopes have, without their last."""
    if not scopes:
        return 0
    low, high = min(scopes), max(scopes)
    count = 0
    while count < min(len(low), len(high)) and low[count] == high[count]:
        count += 1
    return min(count, min(map(len, scopes)) - (len(set(scopes)) == 1))


def _update_scopes(graph: Graph, scopes: set[Scope]) -> dict[Node, Scope]:
    """Return the modules of nodes that lead to new values of one module's parameters only."""
    if not isinstance(graph, TracedGraph):
        return {}
    # The label of a module that is not the outermost begins with its path.
    modules = {scope[-1].split(" ")[0]: scope for scope in scopes if " " in scope[-1]}
    reached: dict[Node, set[Scope]] = {}
    for slot, node in zip(reversed(graph.written), reversed(graph.outputs), strict=False):
        scope = modules.get(slot.name.rpartition(".")[0])
        if scope is not None and not slot.is_grad:
            reached.setdefault(node, set()).add(scope)
    found = {}
    for node in reversed(graph.nodes):
        mine = reached.get(node)
        if mine and part_of(node) == "update":
            if len(mine) == 1:
                (found[node],) = mine
            for x in node.inputs:
                reached.setdefault(x, set()).update(mine)
    return found
