"""A graph as an SVG picture: it needs nothing beside itself, and reads without its script, too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph
from chainrule.core.tensor import TensorLike
from chainrule.viz.graphs.groups import fold, group
from chainrule.viz.graphs.kernels import kernels_of
from chainrule.viz.graphs.layout import Line
from chainrule.viz.graphs.leaves import Kernel, Leaf, leaves_of
from chainrule.viz.graphs.legend import legend
from chainrule.viz.graphs.look import STYLE
from chainrule.viz.graphs.placement import (
    LEAF,
    MARGIN,
    Item,
    Placed,
    border_labels,
    place,
    title_of,
)
from chainrule.viz.graphs.runs import gather
from chainrule.viz.graphs.script import script
from chainrule.viz.graphs.values import values_and_adjoints
from chainrule.viz.markup import Markup, element, join

_FITS = 1200.0  # a wider picture scrolls rather than shrinks
_LEAST = 0.75  # how far it shrinks: then it scrolls, so that it stays readable
_NARROW = 320.0
_TALLEST = 700  # of a picture in a notebook; it scrolls beyond that


def to_svg(
    graph: Graph,
    inputs: Sequence[TensorLike] | Mapping[str, TensorLike] | None = None,
    *,
    collapsed: bool | None = None,
    kernels: bool | Sequence[Kernel] | None = None,
    title: str = "",
) -> str:
    """Return a picture of a graph: operations from above to below, shapes on the lines.

    What computes the result, gradients and updates has a tint each; layers are frames that open
    and close with a click (where scripts run; else they stay as they are). Given inputs, every
    node shows its value, and, where the graph has one float as its result, the derivative of the
    result by it; only the bodies of loops and branches, which run many times or not at all, have
    neither. A graph that was recorded rather than traced shows the values that it holds, and the
    derivatives that ``backward()`` finds.

    Args:
        graph: the graph.
        inputs: the arguments, as the function takes them, or arrays by the names of the graph's
            inputs; parameters may be left out.
        collapsed: whether frames start closed (default: where there are more than 60 nodes).
        kernels: ``True`` frames what one kernel computes, instead of the layers; or the kernels
            themselves: objects with a ``name`` and ``nodes``.
        title: what the picture shows, for screen readers (default: a count of what is in it).

    Returns:
        An ``<svg>`` element, which is also a whole file.

    Raises:
        ArgumentError: inputs that do not fit the graph; an argument of another kind.
        ShapeError: an input of another shape than the graph's.

    >>> import chainrule as cr
    >>> svg = to_svg(cr.trace(lambda x, w: (x * w).sum())([1.0, 2.0], [3.0, 4.0]))
    >>> svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"'), svg.count('class="leaf')
    (True, 5)
    """
    if collapsed is not None and not isinstance(collapsed, bool | np.bool_):
        raise ArgumentError("collapsed", repr(collapsed), "True, False or None")
    if not isinstance(title, str):
        raise ArgumentError("title", repr(title), "text")
    framed = kernels_of(graph, kernels)
    values, adjoints = values_and_adjoints(graph, inputs)
    leaves = leaves_of(graph, framed, values, adjoints)
    if collapsed is None or collapsed:
        gather(leaves)
    root = group(leaves)
    fold(root, leaves, None if collapsed is None else bool(collapsed))
    placed = place(root, leaves)
    references = any(item.kind == "reference" for item in placed.items)
    words = legend(root, leaves, references, placed.width - 2 * MARGIN)
    width = max(placed.width, words.width + 2 * MARGIN)
    height = placed.height + words.height
    parts = [
        element("title", title or _in_words(graph)),
        element("style", Markup(STYLE)),
        element("rect", class_="paper", width="100%", height="100%", rx=8),
        _level(placed, leaves, (MARGIN + (width - placed.width) / 2, MARGIN)),
        element("g", words.markup, class_="legend", transform=_move(MARGIN, height - words.height)),
    ]
    if any(inner is not root for inner in root.walk()):
        parts.append(element("script", script(placed, words)))
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="graph",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        style=_style(width),
        role="img",
        aria_label=title or _in_words(graph),
    )


def in_frame(svg: str, title: str) -> str:
    """Return a picture in an ``<iframe>``: there its script runs, and it scrolls by itself.

    Args:
        svg: what ``to_svg`` returned.
        title: what it shows, for screen readers.
    """
    found = re.search(r'height="(\d+)"', svg)
    height = min(int(found[1]) if found else _TALLEST, _TALLEST)
    page = Markup(f'<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">{svg}')
    return element(
        "iframe",
        srcdoc=str(page),
        title=title,
        sandbox="allow-scripts",
        style=f"width:100%;height:{height + 20}px;border:0;resize:vertical",
    )


def _style(width: float) -> str:
    least = f"min-width:{min(width, max(_LEAST * width, _NARROW)):.0f}px"
    return f"max-width:100%;{least};height:auto" if width <= _FITS else least


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
    several = [
        (kind, texts)
        for kind, texts in (("value", leaf.port_values), ("adjoint", leaf.port_adjoints))
        if texts
    ]
    many = len(rows) + len(several)
    step = (h - LEAF) / (many - 1) if many > 1 else 0.0

    def at_row(i: int) -> float:
        return (i - (many - 1) / 2) * step + 4.0

    texts = [element("text", text, class_=kind, y=at_row(i)) for i, (kind, text) in enumerate(rows)]
    places = list(item.outs.values())
    texts += [
        element("text", sign + text, class_=kind, x=places[port], y=at_row(len(rows) + i))
        for i, (kind, found) in enumerate(several)
        for sign in ("∂ " if kind == "adjoint" else "",)
        for port, text in found.items()
        if port < len(places)
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
            "text",
            kind,
            element("tspan", value, class_="value"),
            element("tspan", adjoint, class_="adjoint"),
            class_="type",
            x=item.outs[v] + 5,
            y=h / 2 + 13,
        )
        for (kind, value, adjoint), v in zip(
            border_labels(inner, leaves), inner.gives, strict=False
        )
    ]
    corner = -placed.width / 2 + placed.left, -placed.height / 2 + placed.top
    inside = _level(placed, leaves, corner, is_open)
    return element(
        "g",
        head,
        inside,
        element("g", *labels, class_="labels", style="display:none" if is_open else None),
        class_=f"frame {inner.frame.kind} {inner.frame.part}",
        transform=_move(x, y),
    )
