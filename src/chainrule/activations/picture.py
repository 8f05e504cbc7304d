"""Activations and their derivatives, drawn: a small chart for each, as SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.mode import no_grad
from chainrule.core.types import Array
from chainrule.data.files import atomic_write
from chainrule.nn.activations import Activation
from chainrule.nn.activations.description import number
from chainrule.viz.axes import Axis, linear_axis
from chainrule.viz.markup import Markup, element, join, text_width
from chainrule.viz.plot import COLORS, LINE, TYPE, Plot, rule, text

#: Width and height of a chart, with its title and its ticks, by the number of columns.
_SIZES = {1: (440.0, 290.0), 2: (330.0, 240.0)}
_SIZE = (232.0, 196.0)
_MARGIN = 14.0
_POINTS = 81  # of each piece of a curve
_USUAL = (-4.0, 4.0)
_STYLE = Markup(
    ".activations{color:#1c2127;--paper:#fcfcfb;--series-1:#2f6fd0;--series-2:#c75f0a}"
    "@media screen and (prefers-color-scheme:dark){.activations{color:#e5e8eb;--paper:#14171a;"
    "--series-1:#7aa9f2;--series-2:#f0964a}}"
)
_F, _SLOPE = COLORS[:2]
_PAPER = "var(--paper, #fcfcfb)"
_DASHES = "5 3"


@final
@dataclass(frozen=True, repr=False)
class ActivationPlot:
    """A picture of activations: shows itself in a notebook; ``str`` of it is SVG.

    Attributes:
        names: what it shows, in order.
        svg: the picture.
    """

    names: tuple[str, ...]
    svg: str

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture into a file, whole or not at all.

        Args:
            path: a name that ends in ``.svg``, in a folder that exists.

        Returns:
            The file.

        Raises:
            ArgumentError: another ending.
            FileError: the file cannot be written.
        """
        file = Path(path)
        if file.suffix.lower() != ".svg":
            raise ArgumentError(
                "path", repr(str(path)), "a name that ends in .svg", "Browsers open SVG."
            )
        atomic_write(file, f"{self.svg}\n".encode())
        return file

    def __str__(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<plot of {', '.join(self.names)}>"

    def _repr_svg_(self) -> str:
        return self.svg


def draw(
    activations: Sequence[Activation],
    interval: tuple[float, float] | None = None,
    columns: int | None = None,
) -> ActivationPlot:
    """Draw f and f′ of each activation.

    Args:
        activations: at least one.
        interval: the range of x (default: -4 to 4, and more where a kink lies beyond).
        columns: how many charts stand side by side (default: by their number).

    Raises:
        ArgumentError: no activation; an interval without extent; no column.
    """
    if not activations:
        raise ArgumentError("names", "no names", "at least one activation, or None for all")
    if columns is None:
        columns = 3 if len(activations) in {3, 5, 6, 9} else min(len(activations), 4)
    if not isinstance(columns, int) or isinstance(columns, bool) or columns < 1:
        raise ArgumentError("columns", repr(columns), "a whole number from 1")
    curves = [_Curves.of(each, *_interval(each, interval)) for each in activations]
    width, height = _SIZES.get(columns, _SIZE)
    total = _MARGIN + columns * (width + _MARGIN)
    top = LINE + 2 * _MARGIN
    charts = [
        element(
            "g",
            _chart(each, width, height),
            transform=f"translate({_MARGIN + i % columns * (width + _MARGIN):g} "
            f"{top + i // columns * (height + _MARGIN):g})",
        )
        for i, each in enumerate(curves)
    ]
    bottom = top + math.ceil(len(curves) / columns) * (height + _MARGIN)
    svg = element(
        "svg",
        element("style", _STYLE),
        element("rect", width=total, height=bottom, fill=_PAPER),
        _legend(any(each.kinks for each in curves)),
        *charts,
        xmlns="http://www.w3.org/2000/svg",
        class_="activations",
        role="img",
        aria_label="; ".join(each.in_words() for each in curves),
        viewBox=f"0 0 {total:g} {bottom:g}",
        width=total,
        height=bottom,
        style="max-width: 100%; height: auto;",
        font_family="system-ui, sans-serif",
        font_size=TYPE,
    )
    return ActivationPlot(tuple(each.spelled for each in activations), str(svg))


def _interval(each: Activation, given: tuple[float, float] | None) -> tuple[float, float]:
    if given is None:
        low, high = _USUAL
        return min([low, *[x - 1 for x in each.kinks]]), max([high, *[x + 1 for x in each.kinks]])
    low, high = map(float, given)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ArgumentError("interval", f"({low:g}, {high:g})", "two finite numbers, ascending")
    return low, high


@dataclass(frozen=True)
class _Kink:
    """Where f has no derivative: x, f(x), f′ on either side, and the f′ that is taken."""

    x: float
    value: float
    left: float
    right: float
    taken: float


@dataclass(frozen=True)
class _Curves:
    """f and f′ between the kinks: (x, f, f′) for each piece."""

    title: str
    x: tuple[float, float]
    pieces: list[tuple[Array, Array, Array]]
    kinks: list[_Kink]

    @classmethod
    def of(cls, activation: Activation, low: float, high: float) -> _Curves:
        """Compute the curves on an interval; f′ at a kink is the limit from the piece's side."""
        at = [0.0] if activation.ties else list(activation.kinks)
        edges = [low, *[x for x in sorted(at) if low < x < high], high]
        pieces = []
        for a, b in itertools.pairwise(edges):
            x = np.linspace(a, b, _POINTS)
            nudge = np.zeros_like(x)
            nudge[0], nudge[-1] = 1e-9 * (b - a), -1e-9 * (b - a)
            pieces.append((x, _along(activation, x)[0], _along(activation, x + nudge)[1]))
        kinks = []
        for (before, after), at_x in zip(itertools.pairwise(pieces), edges[1:-1], strict=True):
            value, taken = _along(activation, np.array([at_x]))
            left, right = before[2][-1].item(), after[2][0].item()
            kinks.append(_Kink(at_x, value.item(), left, right, taken.item()))
        title = activation.label
        if not activation.elementwise:
            title += f" of (x{', 0' * (_inputs(activation) - 1)})"
        return cls(title, (low, high), pieces, kinks)

    def values(self) -> tuple[float, float]:
        """Return the least and the greatest value, of f and f′ together."""
        curves = [curve for _, *both in self.pieces for curve in both]
        return min(float(c.min()) for c in curves), max(float(c.max()) for c in curves)

    def in_words(self) -> str:
        """Return what a screen reader says of the chart."""
        words = f"{self.title}, x from {number(self.x[0])} to {number(self.x[1])}"
        for name, k in (("f", 1), ("f′", 2)):
            low = min(float(piece[k].min()) for piece in self.pieces)
            high = max(float(piece[k].max()) for piece in self.pieces)
            words += f", {name} between {number(low, 3)} and {number(high, 3)}"
        return words


def _inputs(activation: Activation) -> int:
    return int(activation.parameters.get("pieces", 2))


def _along(activation: Activation, x: Array) -> tuple[Array, Array]:
    """Return f and f′; of a function of vectors the first output, by the first input."""
    with no_grad():
        if activation.elementwise:
            return activation(x).numpy(), activation.derivative(x).numpy()
        vectors = np.zeros((len(x), _inputs(activation)))
        vectors[:, 0] = x
        return activation(vectors).numpy()[:, 0], activation.derivative(vectors).numpy()[:, 0, 0]


def _legend(kinks: bool) -> Markup:
    """Return what the lines and the marks mean, on a line that fits above a single chart."""
    entries: list[tuple[str, Callable[[float, float], Markup], float]] = [
        ("f(x)", lambda x, y: _swatch(x, y, _F, None), 18.0),
        ("f′(x)", lambda x, y: _swatch(x, y, _SLOPE, _DASHES), 18.0),
    ]
    if kinks:
        entries += [
            ("kink of f", lambda x, y: _kink(x + 5, y), 10.0),
            ("limits of f′", lambda x, y: _ring(x + 4, y), 8.0),
            ("f′ there", lambda x, y: _dot(x + 4, y), 8.0),
        ]
    parts, x, y = [], _MARGIN, _MARGIN + TYPE - 2
    for name, mark, room in entries:
        parts += [mark(x, y - 4), text(x + room + 6, y, name)]
        x += room + 6 + 0.85 * text_width(name, TYPE) + 14  # the estimate is generous
    return element("g", *parts)


def _swatch(x: float, y: float, color: str, dashes: str | None) -> Markup:
    return element(
        "line", x1=x, y1=y, x2=x + 18, y2=y, stroke=color, stroke_width=2, stroke_dasharray=dashes
    )


def _kink(x: float, y: float, told: str | None = None) -> Markup:
    title = None if told is None else element("title", told)
    return element("circle", title, cx=x, cy=y, r=5.0, fill=_F)


def _dot(x: float, y: float, told: str | None = None) -> Markup:
    title = None if told is None else element("title", told)
    return element("circle", title, cx=x, cy=y, r=3.0, fill=_SLOPE)


def _ring(x: float, y: float) -> Markup:
    return element("circle", cx=x, cy=y, r=3.0, fill=_PAPER, stroke=_SLOPE, stroke_width=1.5)


def _chart(curves: _Curves, width: float, height: float) -> Markup:
    y = _axis(*curves.values(), margin=0.06)
    gutter = max(text_width(label, TYPE) for label in y.labels) + 10
    plot = Plot(_axis(*curves.x), y, gutter, width - 8, LINE + 8, height - LINE - 4)
    marks = []
    for kink in curves.kinks:
        x = plot.to_x(kink.x)
        told = f"x = {number(kink.x)}: f′ = {number(kink.taken)} is taken there"
        sides = {side for side in (kink.left, kink.right) if abs(side - kink.taken) > 1e-6}
        marks += [
            _kink(x, plot.to_y(kink.value), told),
            *[_ring(x, plot.to_y(side)) for side in sorted(sides)],
            _dot(x, plot.to_y(kink.taken), told),
        ]
    return join(
        text(0, TYPE, curves.title, font_weight=600, fill_opacity=1),
        plot.grid(),
        _zeros(plot),
        *[_line(plot, x, f, _F, None) for x, f, _ in curves.pieces],
        *[_line(plot, x, slope, _SLOPE, _DASHES) for x, _, slope in curves.pieces],
        *marks,
    )


def _axis(low: float, high: float, margin: float = 0.0) -> Axis:
    """Return an axis of this range and a margin, a share of it, with ticks at round numbers."""
    wide = linear_axis([low, high], 4)
    low, high = (low, high) if low < high else (wide.low, wide.high)  # constant
    low, high = low - margin * (high - low), high + margin * (high - low)
    ticks = [
        (t, label) for t, label in zip(wide.ticks, wide.labels, strict=True) if low <= t <= high
    ]
    return Axis(low, high, tuple(t for t, _ in ticks), tuple(label for _, label in ticks))


def _zeros(plot: Plot) -> Markup:
    """Return the lines x = 0 and y = 0 where they lie inside."""
    lines = []
    if plot.x.low < 0 < plot.x.high:
        lines.append(rule(plot.to_x(0), plot.top, plot.to_x(0), plot.bottom, opacity=0.3))
    if plot.y.low < 0 < plot.y.high:
        lines.append(rule(plot.left, plot.to_y(0), plot.right, plot.to_y(0), opacity=0.3))
    return join(*lines)


def _line(plot: Plot, x: Array, y: Array, color: str, dashes: str | None) -> Markup:
    if np.allclose(y, np.linspace(y[0], y[-1], len(y)), rtol=0, atol=1e-9):  # straight
        x, y = x[[0, -1]], y[[0, -1]]
    points = [f"{plot.to_x(a):.1f},{plot.to_y(b):.1f}" for a, b in zip(x, y, strict=True)]
    return element(
        "polyline",
        points=" ".join(points),
        fill="none",
        stroke=color,
        stroke_width=2,
        stroke_linejoin="round",
        stroke_linecap="butt" if dashes else "round",
        stroke_dasharray=dashes,
    )
