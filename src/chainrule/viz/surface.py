"""A function of two variables as a heat map: decision regions, loss surfaces."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array
from chainrule.viz.axes import linear_axis
from chainrule.viz.markup import Markup, element, join
from chainrule.viz.plot import COLORS, LINE, TYPE, Plot, empty_picture, picture, text
from chainrule.viz.wording import number

_SIDE = 300.0
_HEIGHT = _SIDE + 4 * LINE
#: From low over the middle to high; the ends keep their difference for color-blind readers.
_LOW, _MIDDLE, _HIGH = np.array([217, 113, 28]), np.array([247, 247, 245]), np.array([59, 125, 221])


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
    path: Array | None = None,
    limits: tuple[float, float] | None = None,
    bands: int = 0,
) -> Markup:
    """Draw the values of a function over a rectangle, with points and a path on it.

    Args:
        values: shape (rows, columns): the function at evenly spaced places, ``y`` along the rows
            and ``x`` along the columns, both ascending. Places that are not finite stay blank.
        x: the first and last place along the columns.
        y: the first and last place along the rows.
        title: what a screen reader says before the figures.
        x_label: what the horizontal axis shows.
        y_label: what the vertical axis shows.
        points: shape (n, 2): places to mark.
        labels: for each point a small whole number that chooses its color.
        path: shape (n, 2): places to join by a line.
        limits: the values of the two extreme colors (default: the least and the greatest).
        bands: draw so many steps of color rather than a gradual change, like a map's heights.

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
    top = LINE + 8
    plot = Plot(linear_axis(x), linear_axis(y), 52.0, 52.0 + _SIDE, top, top + _SIDE)
    finite = values[np.isfinite(values)]
    low, high = limits or (float(finite.min()), float(finite.max()))
    image = element(
        "image",
        x=plot.to_x(x[0]),
        y=plot.to_y(y[1]),
        width=plot.to_x(x[1]) - plot.to_x(x[0]),
        height=plot.to_y(y[0]) - plot.to_y(y[1]),
        preserveAspectRatio="none",
        href=_as_png(_colored(values, low, high, bands)[::-1]),
    )
    return picture(
        f"{title}: values from {number(low)} to {number(high)}",
        _HEIGHT,
        text(0, TYPE, y_label),
        image,
        plot.grid(),
        plot.x_label(x_label),
        None if path is None else _line(plot, _places(path, "path")),
        None if points is None else _circles(plot, _places(points, "points"), labels),
        _scale(plot, low, high, bands),
    )


def _places(given: Array, name: str) -> Array:
    places = np.asarray(given, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ShapeError(name, f"shape {places.shape}", "shape (n, 2)")
    return places


def _colored(values: Array, low: float, high: float, bands: int) -> Array:
    """Return red, green, blue and opacity for each value."""
    t = np.clip((values - (low + high) / 2) / ((high - low) / 2 or 1.0), -1.0, 1.0)
    if bands:
        t = (np.floor((t + 1) / 2 * bands).clip(0, bands - 1) + 0.5) / bands * 2 - 1
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


def _line(plot: Plot, path: Array) -> Markup:
    places = " ".join(f"{plot.to_x(a):.1f},{plot.to_y(b):.1f}" for a, b in path)
    return element("polyline", points=places, fill="none", stroke="#222", stroke_width=1.5)


def _circles(plot: Plot, points: Array, labels: Sequence[int]) -> Markup:
    colors = [COLORS[(labels[i] if len(labels) else 0) % len(COLORS)] for i in range(len(points))]
    return join(
        *[
            element(
                "circle",
                cx=plot.to_x(a),
                cy=plot.to_y(b),
                r=4.5,
                fill=color,
                stroke="#222",
                stroke_width=1.5,
            )
            for (a, b), color in zip(points, colors, strict=True)
        ]
    )


def _scale(plot: Plot, low: float, high: float, bands: int) -> Markup:
    """Return the strip that says which color is which value."""
    steps = np.linspace(low, high, 64)[::-1, None]
    left = plot.right + 18
    return join(
        element(
            "image",
            x=left,
            y=plot.top,
            width=12,
            height=plot.bottom - plot.top,
            preserveAspectRatio="none",
            href=_as_png(_colored(steps, low, high, bands)),
        ),
        text(left + 17, plot.top + 9, number(high)),
        text(left + 17, plot.bottom, number(low)),
    )
