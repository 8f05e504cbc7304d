"""Concatenate, stack and pad: arrays that are written into parts of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.native.views import View, whole

if TYPE_CHECKING:
    from chainrule.native.emit import Emitter
    from chainrule.native.loops import Nest


def emit_join(emitter: Emitter, nest: Nest) -> None:
    """Write each part where it belongs, and of a padded array what surrounds it."""
    node = nest.nodes[0]
    assert node.primitive is not None
    out, shape = whole(node), node.type.shape
    if node.primitive.name == "pad":
        (x,) = node.inputs
        gaps = [gap + 1 for gap in node.attrs["interior"]]
        if x.type.size < node.type.size:
            emitter.fill(node, node.attrs["value"])
        # Strides of the array itself: a part of size 1 stands anywhere.
        strides = tuple(s * gap for s, gap in zip(out.strides, gaps, strict=True))
        lows = zip(node.attrs["low"], out.strides, strict=True)
        offset = sum(low * stride for low, stride in lows)
        emitter.copy(nest.reads[x], View(node, x.type.shape, strides, offset), node)
        return
    offset = 0
    for x in node.inputs:
        if node.primitive.name == "stack":
            part = View(node, shape[1:], out.strides[1:], offset)
            offset += x.type.size
        else:
            axis = node.attrs["axis"]
            part = View(node, x.type.shape, out.strides, offset)
            offset += x.type.shape[axis] * out.strides[axis]
        emitter.copy(nest.reads[x], part, node)
