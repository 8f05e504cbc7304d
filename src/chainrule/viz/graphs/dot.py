"""A graph in Graphviz's language, for those who have it."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.core.graph import Graph
from chainrule.viz.graphs.groups import Group, group
from chainrule.viz.graphs.kernels import kernels_of
from chainrule.viz.graphs.leaves import Kernel, Leaf, leaves_of
from chainrule.viz.graphs.placement import title_of

_FILL = {"forward": "#e6eefa", "gradient": "#fbeadc", "update": "#e2f2ea"}
_SHAPE = {"operation": "box", "constant": "box", "output": "cds"}


def to_dot(graph: Graph, *, kernels: bool | Sequence[Kernel] | None = None) -> str:
    """Return a graph in the DOT language; nothing is run, and Graphviz need not be installed.

    Args:
        graph: the graph.
        kernels: ``True``, or kernels, to frame instead of the modules' scopes.

    >>> import chainrule as cr
    >>> dot = to_dot(cr.trace(lambda x: 2 * x)(1.0))
    >>> dot.splitlines()[0], "n0 -> n1;" in dot
    ('digraph {', True)
    """
    leaves = leaves_of(graph, kernels_of(graph, kernels))
    lines = [
        "digraph {",
        '  node [fontname="sans-serif" fontsize=12 style="filled,rounded" color="#5c6670"];',
        '  edge [fontname="sans-serif" fontsize=10 color="#5c6670"];',
    ]
    counter = iter(range(len(leaves) + 1))

    def write(members: Sequence[int | Group], indent: str) -> None:
        for member in members:
            if isinstance(member, Group):
                lines.append(f"{indent}subgraph cluster_{next(counter)} {{")
                lines.append(f"{indent}  label={quote(title_of(member))}; style=rounded;")
                write(member.members, indent + "  ")
                lines.append(f"{indent}}}")
            else:
                lines.append(f"{indent}n{member} [{_node(leaves[member])}];")

    write(group(leaves).members, "  ")
    for n, leaf in enumerate(leaves):
        for value in leaf.arguments:
            label = leaves[value.leaf].ports[value.port]
            lines.append(
                f"  n{value.leaf} -> n{n}" + (f" [label={quote(label)}];" if label else ";")
            )
    return "\n".join([*lines, "}"])


def _node(leaf: Leaf) -> str:
    fill = _FILL[leaf.part] if leaf.kind == "operation" else "#ffffff"
    label = "  ".join(filter(None, [leaf.name, leaf.text]))
    shape = _SHAPE.get(leaf.kind, "ellipse")
    attributes = [
        f"label={quote(label)}",
        f"shape={shape}",
        f'fillcolor="{fill}"',
        f"tooltip={quote(leaf.tip)}",
    ]
    if leaf.kind in ("parameter", "state"):
        attributes.append("peripheries=2")
    return " ".join(attributes)


def quote(text: str) -> str:
    r"""Return text as a string of the DOT language.

    >>> print(quote('say "hi"\n\\N'))
    "say \"hi\"\n\\N"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
