"""What the colors of a picture mean."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.viz.graphs.groups import Group
from chainrule.viz.graphs.leaves import Leaf
from chainrule.viz.graphs.placement import SMALL
from chainrule.viz.markup import Markup, element, join, text_width

_PARTS = {
    "forward": "computes the result",
    "gradient": "computes gradients",
    "update": "updates parameters",
}
_KINDS = {
    "parameter": "parameter",
    "state": "state, not trained",
    "reference": "stands for a long line",
}
_ROW = 18.0
_LEAST = 160.0


def legend(
    root: Group, leaves: Sequence[Leaf], references: bool, width: float
) -> tuple[Markup, float, float]:
    """Say what the colors mean that are to be seen; what closed frames hide is left out.

    Args:
        root: the whole picture.
        leaves: all leaves.
        references: whether references stand for long lines.
        width: how wide the picture is otherwise; more than one row where more is needed.

    Returns:
        The legend, its width and its height.
    """
    shown = [leaves[n] for n in _visible(root)]
    kinds = {leaf.kind for leaf in shown} | ({"reference"} if references else set())
    frames = [g.frame.part for g in _frames(root) if g.frame is not None and not g.is_open]
    parts = {leaf.part for leaf in shown if leaf.kind == "operation"} | set(frames)
    entries: list[tuple[float, list[Markup]]] = []
    for kind, words in (*_PARTS.items(), *_KINDS.items()):
        if (kind in parts and len(parts) > 1) if kind in _PARTS else kind in kinds:
            swatch = element(
                "g",
                element("rect", y=-9.0, width=16.0, height=10.0, rx=3.0),
                class_=f"leaf operation {kind}" if kind in _PARTS else f"leaf {kind}",
            )
            text = element("text", words, class_="note", x=21.0)
            entries.append((text_width(words, SMALL) + 36, [swatch, text]))
    for kind, words, there in (
        ("value", "value", any(leaf.value or leaf.port_values for leaf in shown)),
        (
            "adjoint",
            "∂ derivative of the result",
            any(leaf.adjoint or leaf.port_adjoints for leaf in shown),
        ),
    ):
        if there:
            text = element("text", words, class_=f"{kind} note")
            entries.append((text_width(words, SMALL) + 15, [text]))
    found, x, y, widest = [], 0.0, 10.0, 0.0
    for wide, what in entries:
        if x and x + wide - 15 > max(width, _LEAST):
            x, y = 0.0, y + _ROW
        found.append(element("g", *what, transform=f"translate({x:.1f} {y:.1f})"))
        x += wide
        widest = max(widest, x - 15)
    return join(*found), widest, y + 12.0 if entries else 0.0


def _visible(root: Group) -> list[int]:
    return [m for g in _frames(root) if g.is_open for m in g.members if isinstance(m, int)]


def _frames(root: Group) -> list[Group]:
    """Return the frames that are to be seen, closed ones included."""
    found = [root]
    for group in found:
        if group.is_open:
            found += group.groups()
    return found
