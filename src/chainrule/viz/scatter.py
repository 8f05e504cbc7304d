"""Predicted against observed values as SVG text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.viz.axes import drawable, linear_axis
from chainrule.viz.markup import Markup, clip, element
from chainrule.viz.plot import COLORS, LINE, TYPE, Plot, empty_picture, picture, text
from chainrule.viz.wording import number

#: At most so many points are drawn.
MAX_POINTS = 500
_HEIGHT = 400.0


def scatter_chart(
    observed: Array,
    predicted: Array,
    *,
    title: str,
    unit: str = "",
    names: Sequence[str] | None = None,
) -> Markup:
    """Draw predicted against observed values, with the line where both are equal.

    Both axes have the same range. Of more than 500 points 500 are drawn, evenly chosen by their
    observed values. Points that are not finite are left out.

    Args:
        observed: values of the target (n,).
        predicted: predictions (n,).
        title: what a screen reader says before the figures.
        unit: name of the target.
        names: what to call each point in its tooltip, such as ``row 12``.

    Returns:
        An ``<svg>`` element.

    Raises:
        ArgumentError: arrays of different lengths.

    >>> svg = scatter_chart(np.array([1.0, 2.0]), np.array([1.1, 1.8]), title="Predictions")
    >>> svg.count("<circle")
    2
    """
    observed, predicted = np.asarray(observed, float), np.asarray(predicted, float)
    if observed.shape != predicted.shape or observed.ndim != 1:
        raise ArgumentError(
            "predicted", f"shape {predicted.shape}", f"(n,), as observed: {observed.shape}"
        )
    shown = [i for i in range(len(observed)) if drawable(observed[i]) and drawable(predicted[i])]
    if not shown:
        return empty_picture(title)
    if len(shown) > MAX_POINTS:
        order = np.array(shown)[np.argsort(observed[shown], kind="stable")]
        shown = order[np.linspace(0, len(order) - 1, MAX_POINTS).round().astype(int)].tolist()
    axis = linear_axis([*observed[shown].tolist(), *predicted[shown].tolist()])
    plot = Plot.fitted(axis, axis, LINE + 8, _HEIGHT - 2 * LINE - 6)
    points = [
        element(
            "circle",
            element(
                "title",
                f"{names[i]}\n" if names else None,
                f"observed {number(observed[i])}\npredicted {number(predicted[i])}",
            ),
            cx=plot.to_x(observed[i]),
            cy=plot.to_y(predicted[i]),
            r=3.5,
        )
        for i in shown
    ]
    called = f" {clip(unit, 30)}" if unit else ""
    return picture(
        f"{title}: {len(points)} points, observed from {number(observed[shown].min())} to "
        f"{number(observed[shown].max())}, predicted from {number(predicted[shown].min())} to "
        f"{number(predicted[shown].max())}",
        _HEIGHT,
        text(0, TYPE, f"predicted{called}"),
        plot.grid(),
        plot.x_label(f"observed{called}"),
        element(
            "line",
            x1=plot.left,
            y1=plot.bottom,
            x2=plot.right,
            y2=plot.top,
            stroke="currentColor",
            stroke_opacity=0.5,
            stroke_dasharray="4 4",
        ),
        element("g", *points, fill=COLORS[0], fill_opacity=0.6),
    )
