"""Passes: a graph becomes an equal one that is more accurate, or smaller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chainrule.core.graph import Graph, Node
from chainrule.core.tensor import Tensor
from chainrule.ops.control.subgraph import inner_graphs
from chainrule.passes.canonicalize import arithmetic, canonicalize
from chainrule.passes.loops import merge_loops
from chainrule.passes.rewrite import rewrite, rewrite_values
from chainrule.passes.specialize import specialize
from chainrule.passes.stabilize import stabilize

__all__ = ["canonicalize", "optimize", "rewrite", "specialize", "stabilize", "stabilized"]

_FIRST = stabilize + canonicalize
_ALL = stabilize + canonicalize + specialize
#: Rules that look at no sizes and no numbers but 0, 1 and -1: whatever the size of the batch, what
#: is differentiated stays the same program.
_BEFORE_GRADIENTS = stabilize + arithmetic


def optimize(graph: Graph) -> tuple[Graph, Counter[str]]:
    """Rewrite a graph to an equal one: accurate at the extremes, and with less to compute.

    Args:
        graph: a traced graph.

    Returns:
        The new graph, and how often each rewrite was applied, by its name.

    >>> import chainrule as cr
    >>> graph, counts = optimize(cr.trace(lambda x: cr.log(1.0 + cr.exp(x)))(1.0))
    >>> print(graph)
    graph(x: float32[]) {
      h1: float32[] = softplus(x)
      return h1
    }
    >>> sorted(counts.items())
    [('dead_code', 2), ('log1p_of_exp', 1), ('log_of_one_plus', 1)]
    """
    total: Counter[str] = Counter()
    if any(map(inner_graphs, graph.nodes)):
        graph, total = merge_loops(graph, optimize)
    for rules in (_FIRST, _ALL):
        graph, counts = rewrite(graph, rules)
        total += counts
    return graph, total


def stabilized(outputs: Sequence[Tensor], stop: Sequence[Node]) -> list[Tensor]:
    """Rewrite traced values for accuracy, before they are differentiated.

    Args:
        outputs: what will be differentiated.
        stop: variables that it will be differentiated by.

    Returns:
        Equal outputs, of the same types, through which the same gradients flow.
    """
    return rewrite_values(outputs, stop, _BEFORE_GRADIENTS)
