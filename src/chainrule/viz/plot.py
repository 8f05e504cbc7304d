"""The frame of a chart: axes, gridlines, labels, and from values to pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chainrule.viz.axes import Axis
from chainrule.viz.markup import Markup, element, join, text_width

#: Pixels of every chart's viewBox. The page shows a chart between 0.8 and 1.25 times this size.
WIDTH = 440.0
#: Size of the type, in the same pixels.
TYPE = 12.0
#: Height of a line of it.
LINE = 17.0
_MUTED = 0.72

#: Colors by CSS variables that the page sets for light and for dark; these fit both.
COLORS = tuple(
    f"var(--series-{i}, {color})"
    for i, color in enumerate(("#3b7ddd", "#d9711c", "#2e9e6b", "#a163c9", "#cf4a72"), start=1)
)


@dataclass(frozen=True)
class Plot:
    """The rectangle that holds the data.

    Attributes:
        x: the horizontal axis.
        y: the vertical axis.
        left: pixels to its left edge.
        right: pixels to its right edge.
        top: pixels to its top edge.
        bottom: pixels to its bottom edge.
    """

    x: Axis
    y: Axis
    left: float
    right: float
    top: float
    bottom: float

    @classmethod
    def fitted(cls, x: Axis, y: Axis, top: float, bottom: float) -> Plot:
        """Return a plot that leaves the labels of both axes their room."""
        gutter = max((text_width(label, TYPE) for label in y.labels), default=0.0) + 10
        half = max((text_width(label, TYPE) for label in x.labels[-1:]), default=0.0) / 2
        return cls(x, y, gutter, WIDTH - max(14.0, half + 2), top, bottom)

    def to_x(self, value: float) -> float:
        """Return the pixel of a value on the horizontal axis."""
        return self.left + self.x.place(value) * (self.right - self.left)

    def to_y(self, value: float) -> float:
        """Return the pixel of a value on the vertical axis; it grows downward."""
        return self.bottom - self.y.place(value) * (self.bottom - self.top)

    def grid(self) -> Markup:
        """Return gridlines and the labels of both axes' ticks."""
        lines: list[Markup] = []
        for value, label in zip(self.y.ticks, self.y.labels, strict=True):
            y = self.to_y(value)
            lines.append(rule(self.left, y, self.right, y))
            lines.append(text(self.left - 7, y + 4, label, text_anchor="end"))
        stride = self._label_stride()
        for i, (value, label) in enumerate(zip(self.x.ticks, self.x.labels, strict=True)):
            x = self.to_x(value)
            lines.append(rule(x, self.bottom, x, self.bottom + 4, opacity=0.4))
            if i % stride == 0:
                lines.append(text(x, self.bottom + LINE, label, text_anchor="middle"))
        lines.append(rule(self.left, self.bottom, self.right, self.bottom, opacity=0.4))
        return join(*lines)

    def _label_stride(self) -> int:
        """Return 2 where only every second label fits below the horizontal axis, and so on."""
        if len(self.x.ticks) < 2:
            return 1
        widest = max(text_width(label, TYPE) for label in self.x.labels) + 8
        return math.ceil(widest / abs(self.to_x(self.x.ticks[1]) - self.to_x(self.x.ticks[0])))

    def x_label(self, label: str) -> Markup:
        """Return the title of the horizontal axis, below its ticks."""
        middle = (self.left + self.right) / 2
        return text(middle, self.bottom + 2 * LINE, label, text_anchor="middle")


def rule(x1: float, y1: float, x2: float, y2: float, opacity: float = 0.13) -> Markup:
    """Return a thin line."""
    return element(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke="currentColor", stroke_opacity=opacity
    )


def text(x: float, y: float, content: str, **attributes: object) -> Markup:
    """Return a line of type."""
    return element(
        "text",
        content,
        x=x,
        y=y,
        **{"fill": "currentColor", "fill_opacity": _MUTED, **attributes},
    )


def picture(label: str, height: float, *parts: object) -> Markup:
    """Return the whole chart.

    Args:
        label: what a screen reader says of it.
        height: pixels of the viewBox.
        parts: what it shows.
    """
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        role="img",
        aria_label=label,
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        width=WIDTH,
        height=height,
        font_family="system-ui, sans-serif",
        font_size=TYPE,
    )


def empty_picture(title: str) -> Markup:
    """Return a chart that says that there is nothing to draw."""
    message = text(WIDTH / 2, 36, "no finite values to show", text_anchor="middle")
    return picture(f"{title}: no finite values", 64.0, message)
