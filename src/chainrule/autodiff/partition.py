"""A loop's body with its derivative, and the cut between what is kept and what comes later."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.autodiff.reverse import pull_back
from chainrule.core.graph import Graph, Node, ancestors
from chainrule.core.mode import recording
from chainrule.core.tensor import Tensor
from chainrule.ops.control.subgraph import apply_graph, placeholder
from chainrule.ops.creation import zeros_like

#: Operations that only move elements: their results are made again rather than kept.
_MOVES = frozenset(("reshape", "transpose", "broadcast_to", "flip", "identity"))


def moved_outputs(graph: Graph, moving: Sequence[bool]) -> list[bool]:
    """Return which outputs a derivative reaches, given the inputs from which it comes."""
    found = {x for x, moves in zip(graph.inputs, moving, strict=True) if moves and x.tracked}
    for node in graph.nodes:
        if node.tracked and not found.isdisjoint(node.inputs):
            found.add(node)
    return [y in found for y in graph.outputs]


class Kept:
    """What the way back through a loop takes from the way forward.

    Attributes:
        rows: values that the body computes in each step, to be stacked.
        inputs: rows of ``xs``, which are there already.
        invariants: values that are the same in every step.
    """

    def __init__(self) -> None:
        self.rows: list[Tensor] = []
        self.inputs: list[Tensor] = []
        self.invariants: list[Tensor] = []


class Joint:
    """A body traced on placeholders, and its reverse derivative on placeholders of cotangents.

    Args:
        body: the body.
        wanted: the inputs whose cotangents are to be computed.
        given: the outputs that have a cotangent.

    Attributes:
        inputs: placeholders of the inputs.
        outputs: of these.
        cotangents: placeholders, one for each output that has one.
        gradients: the cotangents of the wanted inputs.
    """

    def __init__(self, body: Graph, wanted: Sequence[bool], given: Sequence[bool]) -> None:
        self.inputs = [placeholder(x.type) for x in body.inputs]
        with recording(True):
            self.outputs = apply_graph(body, self.inputs)
            pulled = [y for y, flag in zip(self.outputs, given, strict=True) if flag]
            self.cotangents = [placeholder(y.type) for y in pulled]
            variables = [x for x, flag in zip(self.inputs, wanted, strict=True) if flag]
            found = pull_back(pulled, self.cotangents, variables)
        self.gradients = [found[x] if x in found else zeros_like(x) for x in variables]

    def split(self, carries: int, xs: int, remat: bool) -> Kept:
        """Return what is to be kept from the way forward.

        Args:
            carries: number of inputs that are the carry.
            xs: number of inputs after them that are rows.
            remat: whether to keep the inputs only.
        """
        kept = Kept()
        per_step: set[Node] = set(self.inputs[: carries + xs])
        rows = set(self.inputs[carries : carries + xs])
        staged: set[Node] = set(self.cotangents)
        invariant: set[Node] = set(self.inputs[carries + xs :])
        nodes = ancestors(self.gradients, stop=self.inputs + self.cotangents)
        for node in nodes:
            if node in staged or node in per_step or node in invariant:
                continue
            if not staged.isdisjoint(node.inputs):
                staged.add(node)
            elif not per_step.isdisjoint(node.inputs):
                (staged if remat else per_step).add(node)
            elif not invariant.isdisjoint(node.inputs):
                invariant.add(node)
        seen: set[Node] = set(self.cotangents)
        stack: list[Node] = [*reversed(self.gradients)]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in rows:
                kept.inputs.append(node)  # type: ignore[arg-type]
            elif node in invariant:
                kept.invariants.append(node)  # type: ignore[arg-type]
            elif node in per_step and not _is_made_again(node):
                kept.rows.append(node)  # type: ignore[arg-type]
            else:
                stack += reversed(node.inputs)
        return kept


def _is_made_again(node: Node) -> bool:
    return node.primitive is not None and node.primitive.name in _MOVES
