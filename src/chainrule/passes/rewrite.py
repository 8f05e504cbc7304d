"""Rewriting graphs: the sweep that applies rules.

A sweep walks the nodes in their order, with their inputs already rewritten. Equal nodes become one
(common subexpressions), nodes of constants become constants, and the rules of the node's primitive
are tried. What nothing uses any more falls away, since a graph is what its outputs lead back to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import is_not
from typing import Any

import numpy as np

from chainrule.core.graph import Graph, Node, next_order
from chainrule.core.mode import in_place_of, recording
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import Array, TupleType
from chainrule.passes.patterns import COMMUTATIVE, Context, turns_tracking
from chainrule.passes.rules import Rules

#: Sweeps after which rewriting ends, whether more could be done or not.
MAX_SWEEPS = 12
#: How often what a rule made may be rewritten in turn, on the spot.
MAX_DEPTH = 40
#: Constants up to this number of bytes are compared by value.
_SMALL = 1024


class _Sweep:
    """One walk over the nodes.

    Attributes:
        normal: for every node met, what it became.
        places: for new nodes, the place in the order of execution of the node that they replace:
            sorted by place and then by creation, inputs come first.
    """

    def __init__(
        self, rules: Rules, context: Context, counts: Counter[str], places: dict[Node, int]
    ) -> None:
        self.rules = rules
        self.context = context
        self.counts = counts
        self.places = places
        self.place = 0
        self.normal: dict[Node, Node] = {}
        self.by_key: dict[Any, Node] = {}
        self.changed = False
        self.depth = 0
        self.start = next_order()

    def run(self, nodes: Sequence[Node], uses: dict[Node, int]) -> None:
        """Rewrite the nodes, which come in topological order."""
        for node in nodes:
            self.place = self.places.get(node, node.order)
            result = self.rewritten(node)
            if result is not node:
                self.changed = True
            self.context.uses[result] = self.context.uses.get(result, 0) + uses.get(node, 0)

    def rewritten(self, node: Node) -> Node:
        """Return what becomes of a node whose inputs have been rewritten."""
        found = self.normal.get(node)
        if found is not None:
            return found
        context = self.context
        if node.primitive is None or node.data is not None or node in context.leaves:
            result = self._shared(node) if context.is_constant(node) else node
        else:
            result = self._applied(node)
        self.normal[node] = result
        self.normal[result] = result
        return result

    def _shared(self, node: Node) -> Node:
        """Return the constant that stands for all that are equal."""
        data: Any = node.data
        if data.nbytes > _SMALL and any(data.strides):
            return node
        body = data.tobytes() if data.nbytes <= _SMALL else data[(0,) * data.ndim].tobytes()
        return self.by_key.setdefault((data.dtype, data.shape, body), node)

    def _applied(self, node: Node) -> Node:
        assert node.primitive is not None
        normal = self.normal
        old = node.inputs
        inputs = tuple([normal.get(x, x) for x in old])
        key = self._key(node, inputs)
        if key is not None:
            twin = self.by_key.get(key)
            if twin is not None:
                if not self.depth:
                    self.counts["common_subexpression"] += 1
                return normal.get(twin, twin)
        current = node
        if any(map(is_not, inputs, old)):  # `!=` would be an operation of Chainrule
            current = _copy(node, inputs)
            self.places[current] = self.place
        if key is not None:
            self.by_key[key] = current
        folded = self._folded(current)
        if folded is not None:
            self.counts["constant_folding"] += 1
            return self._shared(folded)
        result = self._ruled(current)
        if result is not current:
            normal[current] = result
        return result

    def _key(self, node: Node, inputs: tuple[Node, ...]) -> Any:
        assert node.primitive is not None
        ids = [id(x) for x in inputs]
        name = node.primitive.name
        if name in COMMUTATIVE and node.attrs.get("share", 0.5) == 0.5:
            ids.sort()
        attrs = tuple(node.attrs.items()) if node.attrs else ()
        tracked = node.tracked if self.context.keeps_tracking else None
        return (name, *ids, attrs, tracked)

    def _folded(self, node: Node) -> Tensor | None:
        """Return the value of a node of constants, where it is no larger than they are."""
        if not node.inputs or not all(map(self.context.is_constant, node.inputs)):
            return None
        kind: Any = node.type
        primitive = node.primitive
        if isinstance(kind, TupleType) or primitive is None:
            return None
        arrays: list[Any] = [x.data for x in node.inputs]
        if kind.size > max(a.size for a in arrays) and primitive.name != "broadcast_to":
            return None
        with np.errstate(all="ignore"):
            value: Array = np.asarray(primitive.eval(*arrays, **node.attrs))
        return Tensor(value)

    def _ruled(self, node: Node) -> Node:
        assert node.primitive is not None
        rules = self.rules.at(node.primitive.name)
        kind: Any = node.type
        if not rules or self.depth >= MAX_DEPTH or isinstance(kind, TupleType):
            return node
        context = self.context
        if context.keeps_tracking and turns_tracking(node):
            return node
        names = [
            "constant" if x.data is not None else x.primitive.name if x.primitive else "input"
            for x in node.inputs
        ]
        for rule in rules:
            with in_place_of(node):
                result = rule.apply(node, names, context)
            if result is not None:
                self.counts[rule.name] += 1
                self.changed = True
                return self._settled(result)
        return node

    def _settled(self, result: Tensor) -> Node:
        """Rewrite what a rule has made, node by node."""
        made = self._made(result)
        self.depth += 1
        uses = self.context.uses
        for node in made:
            for x in self.rewritten(node).inputs:
                uses[x] = uses.get(x, 0) + 1
        self.depth -= 1
        return self.normal.get(result, result)

    def _made(self, result: Node) -> list[Node]:
        """Return what is new behind a result, inputs first."""
        made: set[Node] = set()
        stack = [result]
        while stack:
            node = stack.pop()
            if node.order > self.start and node not in self.normal and node not in made:
                made.add(node)
                stack += node.inputs
                self.places[node] = self.place
        return sorted(made, key=lambda node: node.order)


def _copy(node: Node, inputs: tuple[Node, ...]) -> Tensor:
    """Return the node on other inputs of the same types."""
    copy = unknown(node.type, node.primitive, inputs, node.attrs, node.tracked)
    origin = node.origin
    if origin is not None:
        copy._origin = origin
    return copy


def rewrite_values(
    outputs: Sequence[Node],
    stop: Iterable[Node],
    rules: Rules,
    counts: Counter[str] | None = None,
    keeps_tracking: bool = True,
) -> list[Tensor]:
    """Rewrite what lies between values and outputs that are still being traced, to a fixpoint.

    Nodes do not change: the outputs returned are computed from new nodes where a rule applied.

    Args:
        outputs: nodes without data.
        stop: nodes to leave as they are, and not to look behind. Where there are any, only what
            depends on them is rewritten.
        rules: the rules.
        counts: where to count, by name, how often each was applied.
        keeps_tracking: whether gradients will flow through the result.

    Returns:
        The outputs, of the same types.
    """
    leaves = frozenset(stop)
    counts = Counter() if counts is None else counts
    places: dict[Node, int] = {}
    current: list[Any] = list(outputs)
    with recording(True):
        for i in range(MAX_SWEEPS):
            nodes = _between(_reached(current, leaves, places), leaves, not keeps_tracking)
            # Equal nodes first, so that "used once" is said of what is not computed twice.
            table = rules if i else Rules()
            sweep = _Sweep(table, Context(leaves, keeps_tracking), counts, places)
            sweep.run(nodes, _uses(nodes, current))
            if not sweep.changed:
                if i:
                    break
                continue
            current = [sweep.normal.get(x, x) for x in current]
            computed = {x for x in sweep.normal.values() if x.primitive and x.data is None}
            counts["dead_code"] += len(computed.difference(_reached(current, leaves, places)))
    if places and not keeps_tracking:
        current = _in_order(current, leaves, places)
    return current


def _reached(
    outputs: Sequence[Node], leaves: frozenset[Node], places: dict[Node, int]
) -> list[Node]:
    """Return the outputs and what they are computed from, up to the leaves and known values."""
    seen: set[Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node.data is None and node not in leaves:
                stack += node.inputs
    return sorted(seen, key=lambda node: (places.get(node, node.order), node.order))


def _in_order(
    outputs: Sequence[Node], leaves: frozenset[Node], places: dict[Node, int]
) -> list[Node]:
    """Return the outputs computed anew, so that nodes run where those that they replace did.

    Values then live no longer than they did, which is what memory is planned by.
    """
    copies: dict[Node, Node] = {}
    for node in _reached(outputs, leaves, places):
        if node.data is None and node.primitive is not None and node not in leaves:
            copies[node] = _copy(node, tuple([copies.get(x, x) for x in node.inputs]))
    return [copies.get(x, x) for x in outputs]


def _between(nodes: list[Node], leaves: frozenset[Node], everything: bool) -> list[Node]:
    """Return those of the nodes to rewrite, and the constants among their inputs."""
    if everything or not leaves:
        return nodes
    kept = set(leaves)
    for node in nodes:
        if not kept.isdisjoint(node.inputs):
            kept.add(node)
    beside = {x for node in kept.difference(leaves) for x in node.inputs if x.data is not None}
    return [x for x in nodes if x in kept or x in beside]


def _uses(nodes: Sequence[Node], outputs: Sequence[Node]) -> dict[Node, int]:
    uses: dict[Node, int] = {}
    for node in nodes:
        for x in node.inputs:
            uses[x] = uses.get(x, 0) + 1
    for x in outputs:
        uses[x] = uses.get(x, 0) + 1
    return uses


def rewrite(graph: Graph, rules: Rules) -> tuple[Graph, Counter[str]]:
    """Rewrite a graph to a fixpoint of the rules.

    Args:
        graph: a traced graph.
        rules: the rules.

    Returns:
        The new graph, which has been verified, and how often each rule was applied, by name, with
        ``"common_subexpression"``, ``"constant_folding"`` and ``"dead_code"``: nodes that nothing
        uses any more.
    """
    counts: Counter[str] = Counter()
    outputs = rewrite_values(graph.outputs, graph.inputs, rules, counts, keeps_tracking=False)
    return graph.rebuilt(outputs), +counts
