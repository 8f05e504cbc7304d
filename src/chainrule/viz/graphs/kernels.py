"""The kernels to frame in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph
from chainrule.passes.fuse import fuse
from chainrule.viz.graphs.leaves import Kernel


def kernels_of(graph: Graph, kernels: bool | Sequence[Kernel] | None) -> Sequence[Kernel] | None:
    """Return the kernels to frame: those given, or those that the graph is fused into.

    Args:
        graph: the graph.
        kernels: ``True``: what ``chainrule.passes.fuse.fuse`` makes of the graph; ``False`` or
            ``None``: none; or the kernels themselves.

    Raises:
        ArgumentError: something else; a kernel without a name or nodes, or of another graph.
    """
    if kernels is None or kernels is False:
        return None
    if kernels is True:
        return fuse(graph)
    if not isinstance(kernels, Sequence) or not all(map(_is_kernel, kernels)):
        raise ArgumentError(
            "kernels",
            repr(kernels),
            "True, or a list of objects with a name and nodes",
            "kernels=True frames what the graph is fused into.",
        )
    mine = set(graph.nodes)
    if any(node not in mine for kernel in kernels for node in kernel.nodes):
        raise ArgumentError("kernels", "nodes of another graph", "nodes of this one")
    return kernels


def _is_kernel(kernel: Any) -> bool:
    return isinstance(getattr(kernel, "name", None), str) and hasattr(kernel, "nodes")
