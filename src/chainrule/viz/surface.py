"""A function of two variables as a heat map: decision regions, loss surfaces."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array
from chainrule.viz.axes import exact_axis
from chainrule.viz.contour import contour_lines
from chainrule.viz.markup import Markup, element, join, text_width
from chainrule.viz.plot import LINE, TYPE, Plot, empty_picture, picture, text
from chainrule.viz.wording import number

_SIDE = 300.0
_HEIGHT = _SIDE + 4 * LINE
_LEFT = 46.0
#: From low over the middle to high; the ends keep their difference for color-blind readers.
_LOW, _MIDDLE, _HIGH = np.array([217, 113, 28]), np.array([247, 247, 245]), np.array([59, 125, 221])
#: Class 0 has the color of low values, class 1 that of high ones; like these, the same on any page.
_CLASSES = ("#d9711c", "#3b7ddd", "#2e9e6b", "#a163c9", "#cf4a72")
_INK = "#222"
#: A few points are large; so many that they would cover the ground are small.
_FEW = 20


def heat_map(
    values: Array,
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    title: str,
    x_label: str = "x",
    y_label: str = "y",
    points: Array | None = None,
    labels: Sequence[int] = (),
    names: Sequence[str] = (),
    paths: Sequence[Array] = (),
    limits: tuple[float, float] | None = None,
    diverging: bool = True,
    contours: Sequence[float] = (),
    contour_name: str = "",
) -> Markup:
    """Draw the values of a function over a rectangle, with points, paths and contours on it.

    Args:
        values: shape (rows, columns): the function at evenly spaced places, ``y`` along the rows
            and ``x`` along the columns, both ascending. Places that are not finite stay blank.
        x: the first and last place along the columns.
        y: the first and last place along the rows.
        title: what a screen reader says before the figures.
        x_label: what the horizontal axis shows.
        y_label: what the vertical axis shows.
        points: shape (n, 2): places to mark.
        labels: for each point its class, a small whole number, which chooses its color; class 0
            has that of low values, class 1 that of high ones.
        names: what the legend calls the classes, in order (default: no legend of them).
        paths: each of shape (n, 2): places to join by a line, with a ring at its start and a dot
            at its end.
        limits: the values of the two extreme colors (default: the least and the greatest).
        diverging: whether colors part at the middle between the limits, one hue below and another
            above; if not, they deepen from the least value to the greatest.
        contours: values to draw a line at, as a map's heights; the scale marks them.
        contour_name: what the legend calls these lines (default: nothing).

    Returns:
        An ``<svg>`` element.

    Raises:
        ShapeError: values or places of another shape.
        ArgumentError: a range that is empty.

    >>> svg = heat_map(np.eye(3), x=(0.0, 1.0), y=(0.0, 1.0), title="Identity")
    >>> "data:image/png;base64," in svg
    True
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ShapeError("values", f"shape {values.shape}", "shape (rows, columns)")
    for name, (low, high) in (("x", x), ("y", y)):
        if not low < high:
            raise ArgumentError(name, f"({low:g}, {high:g})", "an ascending pair")
    if not np.isfinite(values).any():
        return empty_picture(title)
    lines = [_places(path, "paths") for path in paths]
    top = LINE + 8
    plot = Plot(exact_axis(*x), exact_axis(*y), _LEFT, _LEFT + _SIDE, top, top + _SIDE)
    finite = values[np.isfinite(values)]
    low, high = limits or (float(finite.min()), float(finite.max()))
    image = element(
        "image",
        x=plot.to_x(x[0]),
        y=plot.to_y(y[1]),
        width=plot.to_x(x[1]) - plot.to_x(x[0]),
        height=plot.to_y(y[0]) - plot.to_y(y[1]),
        preserveAspectRatio="none",
        href=_as_png(_colored(values, low, high, diverging)[::-1]),
    )
    return picture(
        f"{title}: values from {number(low)} to {number(high)}",
        _HEIGHT,
        text(0, TYPE, y_label),
        _legend(plot, y_label, names, contour_name if contours else "", bool(lines)),
        image,
        plot.grid(),
        plot.x_label(x_label),
        *[_contour(plot, values, level, x, y) for level in contours],
        *[_path(plot, line) for line in lines],
        None if points is None else _circles(plot, _places(points, "points"), labels),
        _scale(plot, low, high, diverging, contours),
    )


def _places(given: Array, name: str) -> Array:
    places = np.asarray(given, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ShapeError(name, f"shape {places.shape}", "shape (n, 2), n from 1")
    return places


def _colored(values: Array, low: float, high: float, diverging: bool) -> Array:
    """Return red, green, blue and opacity for each value."""
    start = (low + high) / 2 if diverging else low
    t = np.clip((values - start) / ((high - start) or 1.0), -1.0, 1.0)
    t = np.nan_to_num(t)[..., None]
    color = _MIDDLE + np.where(t < 0, (_LOW - _MIDDLE) * -t, (_HIGH - _MIDDLE) * t)
    opacity = np.where(np.isfinite(values), 255, 0)[..., None]
    pixels: Array = np.concatenate([color.round(), opacity], axis=-1).astype(np.uint8)
    return pixels


def _as_png(pixels: Array) -> str:
    """Return pixels (rows, columns, RGBA) as the address of a PNG picture that is its own data."""
    rows, columns = pixels.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    scanlines = b"".join(b"\x00" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    body = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(scanlines, 9)) + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def _contour(
    plot: Plot, values: Array, level: float, x: tuple[float, float], y: tuple[float, float]
) -> Markup:
    """Return the lines on which the function takes a value."""
    rows, columns = values.shape
    parts = []
    for line in contour_lines(values, level):
        across = x[0] + line[:, 0] * (x[1] - x[0]) / max(columns - 1, 1)
        upward = y[0] + line[:, 1] * (y[1] - y[0]) / max(rows - 1, 1)
        parts.append(
            element(
                "polyline",
                element("title", number(level)),
                points=_joined(plot, np.stack([across, upward], axis=1)),
                fill="none",
                stroke=_INK,
                stroke_opacity=0.8,
                stroke_width=1.75,
                stroke_linejoin="round",
            )
        )
    return element("g", *parts, class_="contour")


def _joined(plot: Plot, places: Array) -> str:
    return " ".join(f"{plot.to_x(a):.1f},{plot.to_y(b):.1f}" for a, b in places)


def _path(plot: Plot, places: Array) -> Markup:
    """Return a line with a light rim, so that it shows on any ground, a ring and a dot."""
    drawn = _joined(plot, places)
    (start_x, start_y), (end_x, end_y) = (
        (plot.to_x(a), plot.to_y(b)) for a, b in (places[0], places[-1])
    )
    return element(
        "g",
        *[
            element(
                "polyline",
                points=drawn,
                fill="none",
                stroke=color,
                stroke_width=width,
                stroke_linejoin="round",
            )
            for color, width in (("#fff", 5), (_INK, 2.5))
        ],
        _ring(start_x, start_y),
        _dot(end_x, end_y),
        class_="path",
    )


def _ring(x: float, y: float) -> Markup:
    return element("circle", cx=x, cy=y, r=5.0, fill="#fff", stroke=_INK, stroke_width=2.5)


def _dot(x: float, y: float) -> Markup:
    return element("circle", cx=x, cy=y, r=6.0, fill=_INK, stroke="#fff", stroke_width=2)


def _circles(plot: Plot, points: Array, labels: Sequence[int]) -> Markup:
    radius = 8.0 if len(points) <= _FEW else 2.75
    return element(
        "g",
        *[
            _circle(plot.to_x(a), plot.to_y(b), labels[i] if len(labels) else 0, radius)
            for i, (a, b) in enumerate(points.tolist())
        ],
        class_="points",
    )


def _circle(x: float, y: float, label: int, radius: float) -> Markup:
    """Return a mark with a light rim and a dark outline: it shows on a ground of its own color."""
    color, rim = _CLASSES[label % len(_CLASSES)], radius / 3
    return join(
        element("circle", cx=x, cy=y, r=radius + rim, fill="#fff", stroke=_INK, stroke_width=0.75),
        element("circle", cx=x, cy=y, r=radius, fill=color, class_="point"),
    )


def _legend(
    plot: Plot, y_label: str, names: Sequence[str], contour_name: str, paths: bool
) -> Markup:
    """Return what the marks mean, on the line above the plot."""
    entries = [(_circle(6, TYPE - 4, i, 4.5), 12, name) for i, name in enumerate(names)]
    if paths:  # on a ground as light as the map's, for a dark page
        ground = element("rect", x=-3, y=TYPE - 13, width=18, height=18, rx=4, fill="#f7f7f5")
        entries += [
            (join(ground, mark(6, TYPE - 4)), 15, name)
            for mark, name in ((_ring, "start"), (_dot, "end"))
        ]
    if contour_name:
        y = TYPE - 4
        line = element("line", x1=0, y1=y, x2=18, y2=y, stroke="currentColor", stroke_width=1.25)
        entries.append((line, 18, contour_name))
    x, parts = max(plot.left, text_width(y_label, TYPE) + 16), []
    for mark, width, name in entries:
        shifted = element("g", mark, text(width + 6, TYPE, name), transform=f"translate({x:g} 0)")
        parts.append(shifted)
        x += width + 6 + text_width(name, TYPE) + 12
    return join(*parts)


def _scale(
    plot: Plot, low: float, high: float, diverging: bool, contours: Sequence[float]
) -> Markup:
    """Return the strip that says which color is which value, with a mark for each contour."""
    steps = np.linspace(low, high, 64)[::-1, None]
    left, span = plot.right + 14, (high - low) or 1.0

    def place(value: float) -> float:
        return plot.bottom - (value - low) / span * (plot.bottom - plot.top)

    marks, taken = [], [plot.top + 9, plot.bottom]
    for level in contours:
        y = place(level)
        if not low < level < high:
            continue
        marks.append(
            element("line", x1=left, y1=y, x2=left + 12, y2=y, stroke=_INK, stroke_width=1.25)
        )
        if min(abs(y + 4 - other) for other in taken) >= TYPE + 2:
            taken.append(y + 4)
            marks.append(text(left + 16, y + 4, _short(level, span)))
    return join(
        element(
            "image",
            x=left,
            y=plot.top,
            width=12,
            height=plot.bottom - plot.top,
            preserveAspectRatio="none",
            href=_as_png(_colored(steps, low, high, diverging)),
        ),
        *marks,
        text(left + 16, plot.top + 9, _short(high, span)),
        text(left + 16, plot.bottom, _short(low, span)),
    )


def _short(value: float, span: float) -> str:
    """Return a value in the room beside the scale; what is nothing on it is ≈ 0."""
    if value and abs(value) < 1e-3 * span:
        return "≈ 0"
    return number(value, 3 if 1e-3 <= abs(value) < 1e4 else 2)
