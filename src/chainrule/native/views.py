"""Views: how the elements of a value lie in the buffer of another.

Movements (transpose, broadcast, slice, flip, most reshapes) compute nothing: they are other strides
over the same buffer. A view is the affine map from an element's indices to its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.core.graph import Node
from chainrule.core.types import Shape


@dataclass(frozen=True, slots=True)
class View:
    """Where the elements of an array lie: ``base[offset + Σ indexᵢ strideᵢ]``, in elements.

    Attributes:
        base: the value whose buffer it is.
        shape: sizes of the view.
        strides: distance of neighbors along each axis; 0 where an axis repeats.
        offset: place of the first element.
    """

    base: Node
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def is_dense(self) -> bool:
        """Whether the elements lie one after the other, in C order, from the start."""
        return self.offset == 0 and self.strides == dense_strides(self.shape)

    def broadcast(self, shape: Shape) -> View:
        """Return the view repeated up to a larger shape."""
        extra = len(shape) - len(self.shape)
        strides = [0] * extra
        for n, stride, wanted in zip(self.shape, self.strides, shape[extra:], strict=True):
            strides.append(0 if n == 1 and wanted != 1 else stride)
        return View(self.base, shape, tuple(strides), self.offset)

    def __str__(self) -> str:
        terms = [str(self.offset)] if self.offset else []
        for i, stride in enumerate(self.strides):
            if stride and self.shape[i] != 1:
                terms.append(f"i{i}" if stride == 1 else f"{stride} i{i}")
        return " + ".join(terms) or "0"


def dense_strides(shape: Shape) -> tuple[int, ...]:
    """Return the strides of a C-ordered array; 0 along axes of size 1."""
    strides, size = [], 1
    for n in reversed(shape):
        strides.append(size if n != 1 else 0)
        size *= n
    return tuple(reversed(strides))


def whole(node: Node) -> View:
    """Return a value's own buffer as a view."""
    shape = node.type.shape
    return View(node, shape, dense_strides(shape))


def moved(node: Node, view: View) -> View | None:
    """Return the view that a movement makes of its input's; ``None`` if elements must be copied."""
    assert node.primitive is not None
    shape = node.type.shape
    strides: Sequence[int] | None
    strides, offset = view.strides, view.offset
    match node.primitive.name:
        case "identity":
            pass
        case "transpose":
            strides = [strides[i] for i in node.attrs["axes"]]
        case "broadcast_to":
            strides = view.broadcast(shape).strides
        case "slice":
            starts = zip(node.attrs["start"], strides, strict=True)
            offset += sum(start * stride for start, stride in starts)
            strides = [a * b for a, b in zip(node.attrs["step"], strides, strict=True)]
        case "flip":
            strides = list(strides)
            for axis in node.attrs["axes"]:
                offset += max(shape[axis] - 1, 0) * strides[axis]
                strides[axis] = -strides[axis]
        case "reshape":
            strides = _reshaped(view.shape, strides, shape)
        case _:
            strides = None
    return None if strides is None else View(view.base, shape, tuple(strides), offset)


def _reshaped(old: Shape, strides: Sequence[int], new: Shape) -> tuple[int, ...] | None:
    """Return the strides after a reshape, if the elements need not be copied."""
    if not math.prod(new):
        return (0,) * len(new)
    axes = [(n, s) for n, s in zip(old, strides, strict=True) if n != 1]
    result: list[int] = []
    place = 0
    sizes = list(new)
    i = 0
    while i < len(sizes):
        if sizes[i] == 1:
            result.append(0)
            i += 1
            continue
        if place == len(axes):
            return None
        # Match a run of old axes with a run of new ones of the same number of elements.
        size, last = axes[place]
        run = [axes[place]]
        place += 1
        wanted = [sizes[i]]
        i += 1
        while size != math.prod(wanted):
            if size < math.prod(wanted):
                n, stride = axes[place]
                if run[-1][1] != n * stride:
                    return None  # not one piece of memory
                run.append((n, stride))
                size *= n
                last = stride
                place += 1
            else:
                wanted.append(sizes[i])
                i += 1
        last = run[-1][1]
        part, step = [], last
        for n in reversed(wanted):
            part.append(step if n != 1 else 0)
            step *= n
        result += reversed(part)
    return tuple(result)
