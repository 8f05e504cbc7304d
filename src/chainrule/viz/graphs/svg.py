"""A graph as an SVG picture: it needs nothing beside itself, and reads without its script, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from chainrule.core.graph import Graph
from chainrule.core.tensor import TensorLike
from chainrule.viz.graphs.groups import fold, group
from chainrule.viz.graphs.layout import Line
from chainrule.viz.graphs.leaves import Kernel, Leaf, leaves_of
from chainrule.viz.graphs.look import STYLE
from chainrule.viz.graphs.placement import (
    LEAF,
    MARGIN,
    ROW,
    SMALL,
    Item,
    Placed,
    place,
    title_of,
)
from chainrule.viz.graphs.script import script
from chainrule.viz.graphs.values import values_and_adjoints
from chainrule.viz.markup import Markup, element, join, text_width

_FITS = 1200.0  # a wider picture scrolls rather than shrinks
_LEGEND = (
    ("forward", "computes the result"),
    ("gradient", "computes gradients"),
    ("update", "updates parameters"),
)


def to_svg(
    graph: Graph,
    inputs: Sequence[TensorLike] | Mapping[str, TensorLike] | None = None,
    *,
    collapsed: bool | None = None,
    kernels: Sequence[Kernel] | None = None,
    title: str = "",
) -> str:
    """Return a picture of a graph: operations from above to below, shapes on the lines.

    What computes the result, gradients and updates has a tint each; layers are frames that open
    and close with a click (where scripts run; else they stay as they are). Given inputs, every
    node shows its value, and, where the graph has one float as its result, the derivative of the
    result by it. A graph that was recorded rather than traced shows the values that it holds.

    Args:
        graph: the graph.
        inputs: arrays in the order of the graph's inputs, or by name; parameters may be left out.
        collapsed: whether frames start closed (default: where there are more than 60 nodes).
        kernels: nodes to frame, with a name, instead of the layers.
        title: what the picture shows, for screen readers (default: a count of what is in it).

    Returns:
        An ``<svg>`` element, which is also a whole file.

    Raises:
        ArgumentError: inputs that do not fit the graph.
        ShapeError: an input of another shape than the graph's.

    >>> import chainrule as cr
    >>> svg = to_svg(cr.trace(lambda x, w: (x * w).sum())([1.0, 2.0], [3.0, 4.0]))
    >>> svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"'), svg.count('class="leaf')
    (True, 5)
    """
    values, adjoints = values_and_adjoints(graph, inputs)
    leaves = leaves_of(graph, kernels, values, adjoints)
    root = group(leaves)
    fold(root, leaves, collapsed)
    placed = place(root, leaves)
    legend, legend_width = _legend(leaves)
    width = max(placed.width, legend_width + 2 * MARGIN)
    height = placed.height + (ROW if legend else 0.0)
    parts = [
        element("title", title or _in_words(graph)),
        element("style", Markup(STYLE)),
        element("rect", class_="paper", width="100%", height="100%", rx=8),
        _level(placed, leaves, (MARGIN, MARGIN)),
        element("g", legend, class_="legend", transform=_move(MARGIN, height - 12)),
    ]
    if any(inner is not root for inner in root.walk()):
        parts.append(element("script", script(placed, (legend_width, ROW if legend else 0.0))))
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="graph",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        style="max-width:100%;height:auto" if width <= _FITS else None,
        role="img",
        aria_label=title or _in_words(graph),
    )


def _in_words(graph: Graph) -> str:
    names = [graph.names[x] for x in graph.inputs]
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    count = len(graph.nodes)
    return (
        f"Computation graph: {count} operation{'s' * (count != 1)}"
        f"{f' on {shown}' if names else ''}; {len(graph.outputs)} "
        f"result{'s' * (len(graph.outputs) != 1)}"
    )


def _move(x: float, y: float) -> str:
    return f"translate({x:.1f} {y:.1f})"


def _level(
    placed: Placed, leaves: Sequence[Leaf], at: tuple[float, float], is_shown: bool = True
) -> Markup:
    """Draw what stands in a group, from the upper left corner of its layout on."""
    layout = placed.layout
    branches = placed.branches()
    lines = [
        element("path", d=path(placed, k, branches[k]), class_=f"line {leaves[value.leaf].part}")
        for k, value in enumerate(placed.values)
    ]
    items = [_item(item, leaves, layout.x[i], layout.y(i)) for i, item in enumerate(placed.items)]
    return element(
        "g",
        element("g", *lines, class_="lines"),
        element("g", *items, class_="items"),
        class_="inside",
        style=None if is_shown else "display:none",
        transform=_move(*at),
    )


def path(placed: Placed, k: int, is_branch: bool = False) -> str:
    """Return the way of a line: straight down through ranks, curved between them.

    Args:
        placed: the group that it is in.
        k: which of its lines.
        is_branch: whether to begin at the line's last bend, since another line leads there.
    """
    layout, a = placed.layout, placed.lines[k]
    top, bottom = layout.top, layout.bottom
    r, bends = layout.rank[a.source], layout.bends[k]
    x, y = layout.x[a.source] + a.leaves, _starts(placed, a)
    if is_branch:
        r += len(bends)
        x, y, bends = bends[-1], bottom[r], []
    d = [f"M{x:.1f} {y:.1f}"]
    y = bottom[r]
    d.append(f"V{y:.1f}")
    for u, v in pairwise([x, *bends, layout.x[a.target] + a.arrives]):
        r += 1
        middle = (y + top[r]) / 2
        if abs(u - v) >= 0.05:
            d.append(f"C{u:.1f} {middle:.1f} {v:.1f} {middle:.1f} {v:.1f} {top[r]:.1f}")
        y = bottom[r]
        if r < layout.rank[a.target]:
            d.append(f"V{y:.1f}")
    d.append(f"V{layout.y(a.target) - placed.items[a.target].height / 2:.1f}")
    return "".join(d)


def _starts(placed: Placed, a: Line) -> float:
    source = placed.items[a.source]
    # A port's line begins where the port does: at the frame.
    half = -source.height / 2 if source.kind == "port" else source.height / 2
    return placed.layout.y(a.source) + half


def _item(item: Item, leaves: Sequence[Leaf], x: float, y: float) -> Markup:
    if item.inside is not None:
        return _frame(item, item.inside, leaves, x, y)
    if item.leaf is None:
        return element("g")  # a port or a title; it keeps its number among the items
    return _leaf(item, item.leaf, x, y)


def _leaf(item: Item, leaf: Leaf, x: float, y: float) -> Markup:
    w, h = item.width, item.height
    round_ = 6.0 if leaf.kind in ("operation", "constant") else min(h, LEAF) / 2
    rows: list[tuple[str, object]] = []
    if leaf.value:
        rows.append(("value", leaf.value))
    name = element("tspan", leaf.name, class_="name") if leaf.name else None
    main = element("tspan", leaf.text, dx="7") if leaf.name else leaf.text
    rows.append(("main", join(name, main)))
    if leaf.adjoint:
        rows.append(("adjoint", f"∂ {leaf.adjoint}"))
    step = (h - LEAF) / (len(rows) - 1) if len(rows) > 1 else 0.0
    texts = [
        element("text", text, class_=kind, y=(i - (len(rows) - 1) / 2) * step + 4.0)
        for i, (kind, text) in enumerate(rows)
    ]
    types = [
        element("text", label, class_="type", x=at + 5, y=h / 2 + 13)
        for label, at in zip(leaf.ports, item.outs.values(), strict=False)
        if label and leaf.kind not in ("output", "reference")
    ]
    return element(
        "g",
        element("title", leaf.tip),
        element("rect", x=-w / 2, y=-h / 2, width=w, height=h, rx=round_),
        *texts,
        *types,
        class_=f"leaf {leaf.kind} {leaf.part}",
        transform=_move(x, y),
    )


def _frame(item: Item, placed: Placed, leaves: Sequence[Leaf], x: float, y: float) -> Markup:
    inner = placed.group
    assert inner.frame is not None
    w, h = item.width, item.height
    is_open = inner.is_open
    name = title_of(inner)
    head = element(
        "g",
        element("title", f"{name}: {placed.summary}"),
        element("rect", x=-w / 2, y=-h / 2, width=w, height=h, rx=9.0),
        element(
            "text",
            element("tspan", class_="mark"),
            name,
            class_="title",
            x=-w / 2 + 10,
            y=-h / 2 + 17,
        ),
        element(
            "text",
            placed.summary,
            class_="summary",
            x=-w / 2 + 10,
            y=-h / 2 + 34,
            style="display:none" if is_open else None,
        ),
        class_="head",
    )
    labels = [
        element(
            "text", leaves[v.leaf].ports[v.port], class_="type", x=item.outs[v] + 5, y=h / 2 + 13
        )
        for v in inner.gives
    ]
    corner = -placed.width / 2 + placed.left, -placed.height / 2 + placed.top
    inside = _level(placed, leaves, corner, is_open)
    return element(
        "g",
        head,
        inside,
        element("g", *labels, class_="labels"),
        class_=f"frame {inner.frame.kind} {inner.frame.part}",
        transform=_move(x, y),
    )


def _legend(leaves: Sequence[Leaf]) -> tuple[Markup, float]:
    """Say what the tints mean, where there is more than one."""
    parts = {leaf.part for leaf in leaves if leaf.kind == "operation"}
    entries: list[tuple[str, str]]
    entries = [(part, words) for part, words in _LEGEND if part in parts] if len(parts) > 1 else []
    if any(leaf.kind == "parameter" for leaf in leaves):
        entries.append(("parameter", "parameter"))
    if any(leaf.kind == "reference" for leaf in leaves):
        entries.append(("reference", "stands for a long line"))
    found, x = [], 0.0
    for kind, words in entries:
        found.append(
            element(
                "g",
                element("rect", x=0.0, y=-9.0, width=16.0, height=10.0, rx=3.0),
                class_=f"leaf operation {kind}" if kind in parts else f"leaf {kind}",
                transform=_move(x, 0),
            )
        )
        found.append(element("text", words, class_="note", x=x + 21))
        x += text_width(words, SMALL) + 36
    if any(leaf.value for leaf in leaves):
        found.append(element("text", "value", class_="value note", x=x))
        x += 46
    if any(leaf.adjoint for leaf in leaves):
        words = "derivative of the result by the node"
        found.append(element("text", words, class_="adjoint note", x=x))
        x += text_width(words, SMALL) + 14
    return join(*found), x
