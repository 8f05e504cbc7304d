"""Control flow that can be traced: ``cond``, ``scan`` and ``while_loop``.

On tensors with values they are Python's own ``if``, ``for`` and ``while``. While tracing each is
one node, whose result is a tuple and whose attributes hold the traced bodies as graphs (see
``subgraph.inner_graphs``). Their derivatives stand in ``autodiff.control``.
"""

from chainrule.ops.control.branch import cond
from chainrule.ops.control.looping import while_loop
from chainrule.ops.control.scanning import scan
from chainrule.ops.control.subgraph import apply_graph, inner_graphs, with_inner_graphs

__all__ = ["apply_graph", "cond", "inner_graphs", "scan", "while_loop", "with_inner_graphs"]
