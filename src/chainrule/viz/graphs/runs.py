"""Runs of equal layers, in one frame each where there are many: ``layers.0–99 Dense ×100``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from chainrule.viz.graphs.leaves import Frame, Leaf

_LAYER = re.compile(r"(.*?)(\d+)( .*)")
#: So many frames side by side are still read; beyond that they are gathered.
_MANY = 24
_PARTS = {"forward": "result", "gradient": "gradients", "update": "updates"}


def gather(leaves: Sequence[Leaf]) -> None:
    """Put frames around runs of equal layers, where there are more than two dozen frames.

    Layers are equal whose labels are, but for a number that goes up by one. Where that leaves too
    many frames, what computes the result, the gradients and the updates is in one frame each.

    Args:
        leaves: what is drawn; their paths are changed.
    """
    if len(_outermost(leaves)) <= _MANY:
        return
    around = _runs(leaves)
    for leaf in leaves:
        if leaf.path and leaf.path[0] in around:
            leaf.path = (around[leaf.path[0]], *leaf.path)
    if len(_outermost(leaves)) <= _MANY:
        return
    for leaf in leaves:
        if leaf.path:
            part = leaf.path[0].part
            if leaf.path[0] != Frame("scope", part, part):
                leaf.path = (Frame("run", part, _PARTS[part]), *leaf.path)


def _outermost(leaves: Sequence[Leaf]) -> set[Frame]:
    return {leaf.path[0] for leaf in leaves if leaf.path}


def _runs(leaves: Sequence[Leaf]) -> dict[Frame, Frame]:
    """Return the frame to put around each layer's."""
    numbered = []
    for frame in _outermost(leaves):
        match = _LAYER.fullmatch(frame.label) if frame.kind == "scope" else None
        if match:
            numbered.append((frame.part, match[1], match[3], int(match[2]), frame))
    numbered.sort(key=lambda entry: entry[:4])
    found: dict[Frame, Frame] = {}
    for (part, before, after, _), entries in groupby(
        enumerate(numbered), key=lambda e: (*e[1][:3], e[1][3] - e[0])
    ):
        run = [entry for _, entry in entries]
        if len(run) > 2:
            label = f"{before}{run[0][3]}–{run[-1][3]}{after} ×{len(run)}"
            around = Frame("run", part, label)
            found.update((entry[4], around) for entry in run)
    return found
