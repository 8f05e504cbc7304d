"""Curves over epochs as SVG text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.viz.axes import count_axis, drawable, linear_axis, log_axis, wants_log
from chainrule.viz.markup import Markup, clip, element, join, text_width
from chainrule.viz.plot import COLORS, LINE, TYPE, WIDTH, Plot, empty_picture, picture, text
from chainrule.viz.wording import number

#: A curve is drawn with about twice so many points, so that the file stays small.
_BUCKETS = 300
#: Strips that show the values under the pointer.
_MAX_STRIPS = 200
_HEIGHT = 270.0
_SWATCH = 18.0

Values = Sequence[float | None]


def line_chart(
    epochs: Sequence[int],
    series: Mapping[str, Values],
    *,
    title: str,
    y_label: str = "",
    mark: tuple[int, str] | None = None,
    may_be_log: bool = True,
    x_label: str = "epoch",
) -> Markup:
    """Draw curves over epochs.

    Values that are missing, NaN, infinite or beyond 1e100 leave gaps. The vertical axis is
    logarithmic where the values are positive and span more than two decades. Of long series the
    least and the greatest value of each few pixels are drawn.

    Args:
        epochs: the epochs' numbers, ascending.
        series: names, each with one value for each epoch.
        title: what a screen reader says before the figures.
        y_label: what the vertical axis shows.
        mark: an epoch to mark with a vertical line, and its label.
        may_be_log: whether the vertical axis may be logarithmic.
        x_label: what the epochs are, if something else.

    Returns:
        An ``<svg>`` element.

    Raises:
        ArgumentError: a series of another length than ``epochs``; epochs that do not ascend; a mark
            at none of them.

    >>> svg = line_chart([1, 2, 3], {"train": [0.9, 0.4, 0.3]}, title="Loss", mark=(3, "best"))
    >>> svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    True
    """
    _check(epochs, series, mark)
    values = [v for given in series.values() for v in given if v is not None and drawable(v)]
    if not values:
        return empty_picture(title)
    log = may_be_log and wants_log(values)
    y = log_axis(values) if log else linear_axis(values)
    shown = [y_label] * bool(y_label) + ["log scale"] * log
    legend, lines = _legend(list(series), ", ".join(shown))
    top = LINE * (lines + (mark is not None)) + 8
    plot = Plot.fitted(count_axis(epochs[0], epochs[-1]), y, top, _HEIGHT - 2 * LINE - 6)
    curves = [
        _Curve(name, COLORS[i % len(COLORS)], "6 3" if i >= len(COLORS) else None, given)
        for i, (name, given) in enumerate(series.items())
    ]
    return picture(
        _in_words(title, epochs, curves, mark),
        _HEIGHT,
        legend,
        plot.grid(),
        plot.x_label(x_label),
        None if mark is None else _mark(plot, *mark),
        *[_draw(plot, epochs, curve) for curve in curves],
        None if mark is None else _dots(plot, epochs, curves, mark[0]),
        _strips(plot, epochs, curves),
    )


@dataclass(frozen=True)
class _Curve:
    name: str
    color: str
    dashes: str | None
    values: Values


def _check(
    epochs: Sequence[int], series: Mapping[str, Values], mark: tuple[int, str] | None
) -> None:
    for name, given in series.items():
        if len(given) != len(epochs):
            raise ArgumentError(
                "series",
                f"{len(given)} values of {name!r}",
                f"one for each of the {len(epochs)} epochs",
            )
    if any(b <= a for a, b in itertools.pairwise(epochs)):
        raise ArgumentError("epochs", "epochs that do not ascend", "each epoch once, in order")
    if mark is not None and mark[0] not in epochs:
        raise ArgumentError("mark", f"epoch {mark[0]}", "one of the epochs")


def _in_words(
    title: str, epochs: Sequence[int], curves: Sequence[_Curve], mark: tuple[int, str] | None
) -> str:
    words = []
    for curve in curves:
        finite = [v for v in curve.values if v is not None and drawable(v)]
        if finite:
            ends = f"from {number(finite[0])} to {number(finite[-1])}"
            words.append(f"{clip(curve.name, 40)} {ends}, lowest {number(min(finite))}")
    if mark:
        words.append(f"{mark[1]} marked")
    return f"{title}, epochs {epochs[0]} to {epochs[-1]}: {'; '.join(words)}"


def _legend(names: Sequence[str], label: str) -> tuple[Markup, int]:
    """Return the label and the names with their colors, and how many lines they take."""
    parts = [text(0, TYPE, clip(label, 40))]
    x, line = (text_width(clip(label, 40), TYPE) + 20 if label else 0.0), 0
    for i, full in enumerate(names):
        name = clip(full, 24)
        width = _SWATCH + 6 + text_width(name, TYPE)
        if x + width > WIDTH and x > 0:
            x, line = 0.0, line + 1
        y = TYPE + LINE * line
        swatch = element(
            "line",
            x1=x,
            y1=y - 4,
            x2=x + _SWATCH,
            y2=y - 4,
            stroke=COLORS[i % len(COLORS)],
            stroke_width=2.5,
            stroke_dasharray="6 3" if i >= len(COLORS) else None,
        )
        parts += [swatch, text(x + _SWATCH + 6, y, name)]
        x += width + 16
    return join(*parts), line + 1


def _draw(plot: Plot, epochs: Sequence[int], curve: _Curve) -> Markup:
    """Return the curve in as many pieces as its gaps leave; a lone point is a dot."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for i in _kept(curve.values):
        value = curve.values[i]
        if value is not None and drawable(value):
            pieces[-1].append((plot.to_x(epochs[i]), plot.to_y(value)))
        elif pieces[-1]:
            pieces.append([])
    drawn = []
    for piece in filter(None, pieces):
        if len(piece) == 1:
            drawn.append(element("circle", cx=piece[0][0], cy=piece[0][1], r=3, fill=curve.color))
            continue
        drawn.append(
            element(
                "polyline",
                points=" ".join(f"{x:.2f},{y:.2f}" for x, y in piece),
                fill="none",
                stroke=curve.color,
                stroke_width=2,
                stroke_linejoin="round",
                stroke_linecap="round",
                stroke_dasharray=curve.dashes,
            )
        )
    return element("g", *drawn, data_series=clip(curve.name, 40))


def _kept(values: Values) -> list[int]:
    """Return the places of the values to draw: of each bucket the least and the greatest."""
    n = len(values)
    if n <= 2 * _BUCKETS:
        return list(range(n))
    kept = {0, n - 1}
    for bucket in np.array_split(np.arange(n), _BUCKETS):
        found = [(v, i) for i in bucket.tolist() if (v := values[i]) is not None and drawable(v)]
        kept |= {min(found)[1], max(found)[1]} if found else {int(bucket[0])}
    return sorted(kept)


def _mark(plot: Plot, epoch: int, label: str) -> Markup:
    x = plot.to_x(epoch)
    half = text_width(label, TYPE) / 2
    middle = min(max(x, half), WIDTH - half)
    return join(
        element(
            "line",
            x1=x,
            y1=plot.top - 4,
            x2=x,
            y2=plot.bottom,
            class_="mark",
            stroke="currentColor",
            stroke_opacity=0.5,
            stroke_dasharray="3 3",
        ),
        text(middle, plot.top - 8, label, text_anchor="middle"),
    )


def _dots(plot: Plot, epochs: Sequence[int], curves: Sequence[_Curve], epoch: int) -> Markup:
    x, i = plot.to_x(epoch), list(epochs).index(epoch)
    found = [(curve.values[i], curve.color) for curve in curves]
    return join(
        *[
            element("circle", cx=x, cy=plot.to_y(value), r=3.5, fill=color)
            for value, color in found
            if value is not None and drawable(value)
        ]
    )


def _strips(plot: Plot, epochs: Sequence[int], curves: Sequence[_Curve]) -> Markup:
    """Return invisible strips that show the values of the nearest epoch under the pointer."""
    places = np.linspace(0, len(epochs) - 1, min(len(epochs), _MAX_STRIPS)).round().astype(int)
    middles = [plot.to_x(epochs[i]) for i in places]
    edges = [(a + b) / 2 for a, b in itertools.pairwise(middles)]
    edges = [plot.left, *edges, plot.right]
    strips = [
        element(
            "rect",
            element("title", _tooltip(epochs, curves, int(i))),
            x=left,
            y=plot.top,
            width=right - left,
            height=plot.bottom - plot.top,
        )
        for i, left, right in zip(places, edges[:-1], edges[1:], strict=True)
    ]
    return element("g", *strips, class_="strips", fill="transparent")


def _tooltip(epochs: Sequence[int], curves: Sequence[_Curve], i: int) -> str:
    values = [(clip(curve.name, 24), curve.values[i]) for curve in curves]
    return "\n".join([f"epoch {epochs[i]}", *[f"{name} {number(value)}" for name, value in values]])
