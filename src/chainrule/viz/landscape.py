"""A function of two variables as a landscape in perspective, as SVG text."""

from __future__ import annotations

import math

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array
from chainrule.viz.axes import Axis, exact_axis, linear_axis
from chainrule.viz.markup import Markup, element, join
from chainrule.viz.plot import LINE, TYPE, WIDTH, picture, text
from chainrule.viz.wording import number

_HEIGHT = 335.0
#: Pixels of the ground's side, seen from above, of the greatest height, and to the ground's middle.
_SIDE, _RISE, _MIDDLE = 225.0, 150.0, (WIDTH / 2 + 10, 230.0)
#: How much wider than deep a side looks.
_STRETCH = 1.05
#: How far the eye stands to the side, and above the ground.
_TURN, _TILT = math.radians(35), math.radians(28)
#: At most so many tiles along a side are drawn.
_TILES = 30
_LOW, _HIGH = np.array([236, 242, 250]), np.array([43, 99, 184])
#: Where the light comes from: from the left, from above, a little from the front.
_LIGHT = np.array([-0.5, -0.3, 0.8])


def relief(
    values: Array,
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    title: str,
    x_label: str = "x",
    y_label: str = "y",
    z_label: str = "",
) -> Markup:
    """Draw the values of a function over a rectangle as heights.

    A parallel projection: ``x`` runs to the right and toward the eye, ``y`` to the right and away
    from it. Tiles behind others are drawn first.

    Args:
        values: shape (rows, columns), 2 of each at least: the function at evenly spaced places,
            ``y`` along the rows and ``x`` along the columns, both ascending; finite.
        x: the first and last place along the columns.
        y: the first and last place along the rows.
        title: what a screen reader says before the figures.
        x_label: what the places along the columns are.
        y_label: what the places along the rows are.
        z_label: what the heights are.

    Returns:
        An ``<svg>`` element.

    Raises:
        ShapeError: values of another shape.
        ArgumentError: values that are not finite.

    >>> svg = relief(np.eye(3), x=(0.0, 1.0), y=(0.0, 1.0), title="Identity")
    >>> svg.count("<polygon")
    4
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ShapeError("values", f"shape {values.shape}", "shape (rows, columns), from (2, 2)")
    if not np.isfinite(values).all():
        raise ArgumentError("values", "values that are not finite", "finite heights")
    rows, columns = (_chosen(n) for n in values.shape)
    shown = values[np.ix_(rows, columns)]
    axis = linear_axis([float(values.min()), float(values.max())], 4)
    along_x = columns / (values.shape[1] - 1)
    along_y = rows / (values.shape[0] - 1)
    return picture(
        f"{title}: heights from {number(values.min())} to {number(values.max())}",
        _HEIGHT,
        text(0, TYPE, z_label),
        _box(axis, exact_axis(*x, 4), exact_axis(*y, 4), x_label, y_label),
        _tiles(shown, along_x, along_y, axis),
    )


def _chosen(n: int) -> Array:
    """Return the places of so many rows or columns to draw, evenly spaced."""
    return np.linspace(0, n - 1, min(n, _TILES + 1)).round().astype(int)


def _project(a: float, b: float, height: float) -> tuple[float, float]:
    """Return the pixels of a place; a, b and height are between 0 and 1."""
    u, v = a - 0.5, b - 0.5
    across = u * math.cos(_TURN) + v * math.sin(_TURN)
    depth = -u * math.sin(_TURN) + v * math.cos(_TURN)
    return (
        _MIDDLE[0] + _STRETCH * _SIDE * across,
        _MIDDLE[1] - _SIDE * depth * math.sin(_TILT) - _RISE * height * math.cos(_TILT),
    )


def _tiles(values: Array, along_x: Array, along_y: Array, axis: Axis) -> Markup:
    heights = np.vectorize(axis.place)(values)
    tiles = []
    for i in reversed(range(len(along_y) - 1)):  # the farthest first
        for j in range(len(along_x) - 1):
            corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
            places = [_project(along_x[q], along_y[p], heights[p, q]) for p, q in corners]
            mean = float(np.mean([heights[corner] for corner in corners]))
            slope_x = (heights[i, j + 1] - heights[i, j]) / (along_x[j + 1] - along_x[j])
            slope_y = (heights[i + 1, j] - heights[i, j]) / (along_y[i + 1] - along_y[i])
            color = _shaded(mean, slope_x, slope_y)
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
            tiles.append(element("polygon", points=points, fill=color))
    return element(
        "g",
        *tiles,
        stroke="#1c2127",
        stroke_opacity=0.22,
        stroke_width=0.6,
        stroke_linejoin="round",
    )


def _shaded(height: float, slope_x: float, slope_y: float) -> str:
    """Return a tile's color: by its height, and lighter where it faces the light."""
    normal = np.array([-0.6 * slope_x, -0.6 * slope_y, 1.0])
    light = float(normal @ _LIGHT / np.linalg.norm(normal) / np.linalg.norm(_LIGHT))
    color = (_LOW + (_HIGH - _LOW) * height) * (0.85 + 0.2 * max(light, 0.0))
    return "#" + "".join(f"{round(c):02x}" for c in color.clip(0, 255).tolist())


def _box(z: Axis, x: Axis, y: Axis, x_label: str, y_label: str) -> Markup:
    """Return the ground, the heights' lines on the walls behind, and all labels."""
    parts = []
    for value, label in zip(z.ticks, z.labels, strict=True):
        height = z.place(value)
        wall = [_project(0, 0, height), _project(0, 1, height), _project(1, 1, height)]
        parts.append(_line(wall))
        parts.append(text(wall[0][0] - 7, wall[0][1] + 4, label, text_anchor="end"))
    corners = [_project(a, b, 0) for a, b in ((0, 0), (1, 0), (1, 1))]
    parts += [_line(corners, 0.4), _line([_project(0, 0, 0), _project(0, 0, 1)], 0.4)]
    for value, label in zip(x.ticks, x.labels, strict=True):
        parts.append(_tick(*_project(x.place(value), 0, 0), -1, label))
    for value, label in zip(y.ticks, y.labels, strict=True):
        parts.append(_tick(*_project(1, y.place(value), 0), 1, label))
    for label, (a, b), side in (
        (x_label, _project(0.5, 0, 0), -22),
        (y_label, _project(1, 0.5, 0), 34),
    ):
        parts.append(text(a + side, b + 1.9 * LINE, label, text_anchor="middle", fill_opacity=1))
    return join(*parts)


def _tick(a: float, b: float, side: int, label: str) -> Markup:
    """Return a tick on the ground's edge, and its label below it, to the left or to the right."""
    anchor = "end" if side < 0 else "start"
    return join(
        _line([(a, b), (a + 3 * side, b + 4)], 0.4),
        text(a + 4 * side, b + 4 + TYPE, label, text_anchor=anchor),
    )


def _line(places: list[tuple[float, float]], opacity: float = 0.18) -> Markup:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    return element(
        "polyline", points=points, fill="none", stroke="currentColor", stroke_opacity=opacity
    )
