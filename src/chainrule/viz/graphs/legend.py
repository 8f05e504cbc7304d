"""What the colors of a picture mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.viz.graphs.groups import Group
from chainrule.viz.graphs.leaves import Leaf
from chainrule.viz.graphs.placement import SMALL, border_labels
from chainrule.viz.markup import Markup, element, join, text_width

PARTS = {
    "forward": "computes the result",
    "gradient": "computes gradients",
    "update": "updates parameters",
}
_KINDS = {
    "parameter": "parameter",
    "state": "state, not trained",
    "reference": "stands for a long line",
}
_VALUES = {"value": "value", "adjoint": "∂ derivative of the result"}
ROW, LEAST, BETWEEN = 18.0, 160.0, 15.0


@dataclass(frozen=True, slots=True)
class Legend:
    """The entries of a legend, placed in rows.

    Attributes:
        markup: the entries, those included that a click may bring.
        kinds: what each tells of.
        widths: the width of each.
        width: width of the rows.
        height: height of the rows; 0 where there is nothing to tell.
    """

    markup: Markup
    kinds: list[str]
    widths: list[float]
    width: float
    height: float


def legend(root: Group, leaves: Sequence[Leaf], references: bool, width: float) -> Legend:
    """Say what the colors mean that are to be seen; what closed frames hide comes with a click.

    Args:
        root: the whole picture.
        leaves: all leaves.
        references: whether references stand for long lines.
        width: how wide the picture is otherwise; more than one row where more is needed.
    """
    seen = _kinds(root, leaves, everything=False)
    possible = _kinds(root, leaves, everything=True)
    if references:
        seen.add("reference")
        possible.add("reference")
    found, kinds, widths = [], [], []
    x, y, widest = 0.0, 10.0, 0.0
    for kind, words in (PARTS | _KINDS | _VALUES).items():
        if kind not in possible:
            continue
        wide = text_width(words, SMALL) + (21.0 if kind not in _VALUES else 0.0)
        is_seen = kind in seen
        if is_seen and x and x + wide > max(width, LEAST):
            x, y = 0.0, y + ROW
        found.append(_entry(kind, words, is_seen, x, y))
        kinds.append(kind)
        widths.append(wide)
        if is_seen:
            widest = max(widest, x + wide)
            x += wide + BETWEEN
    return Legend(join(*found), kinds, widths, widest, y + 12.0 if widest else 0.0)


def _entry(kind: str, words: str, is_seen: bool, x: float, y: float) -> Markup:
    swatch = None
    if kind not in _VALUES:
        swatch = element(
            "g",
            element("rect", y=-9.0, width=16.0, height=10.0, rx=3.0),
            class_=f"leaf operation {kind}" if kind in PARTS else f"leaf {kind}",
        )
    color = f"{kind} note" if kind in _VALUES else "note"
    return element(
        "g",
        swatch,
        element("text", words, class_=color, x=21.0 if swatch else None),
        style=None if is_seen else "display:none",
        transform=f"translate({x:.1f} {y:.1f})",
    )


def _kinds(root: Group, leaves: Sequence[Leaf], *, everything: bool) -> set[str]:
    """Return what is to be seen, or would be if all frames were open."""
    frames = [root]
    for group in frames:
        if everything or group.is_open:
            frames += group.groups()
    shown = [
        leaves[m]
        for group in frames
        if everything or group.is_open
        for m in group.members
        if isinstance(m, int)
    ]
    closed = [g for g in frames if not everything and not g.is_open]
    borders = [label for group in closed for label in border_labels(group, leaves)]
    parts: set[str] = {leaf.part for leaf in shown if leaf.kind == "operation"}
    parts |= {group.frame.part for group in closed if group.frame is not None}
    found: set[str] = {leaf.kind for leaf in shown if leaf.kind in _KINDS}
    found |= parts if len(parts) > 1 else set()
    if any(leaf.value or leaf.port_values for leaf in shown) or any(b[1] for b in borders):
        found.add("value")
    if any(leaf.adjoint or leaf.port_adjoints for leaf in shown) or any(b[2] for b in borders):
        found.add("adjoint")
    return found
