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
_SWATCH = 22.0
_ENTRY_GAP = 16.0
#: How the lines of the first group are dashed, of the second, and so on.
_DASHES = (None, "6 3", "2 3")

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
    groups: Mapping[str, Sequence[str]] | None = None,
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
        groups: titles, each with the names of the series under it: a line of the legend for each,
            and a kind of line (solid, dashed, dotted); every series once.

    Returns:
        An ``<svg>`` element.

    Raises:
        ArgumentError: a series of another length than ``epochs``; epochs that do not ascend; a mark
            at none of them; groups that do not name every series once.

    >>> svg = line_chart([1, 2, 3], {"train": [0.9, 0.4, 0.3]}, title="Loss", mark=(3, "best"))
    >>> svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    True
    """
    _check(epochs, series, mark)
    if groups is not None:
        _check_groups(series, groups)
    values = [v for given in series.values() for v in given if v is not None and drawable(v)]
    if not values:
        return empty_picture(title)
    log = may_be_log and wants_log(values)
    y = log_axis(values) if log else linear_axis(values)
    shown = [y_label] * bool(y_label) + ["log scale"] * log
    curves = _curves(series, groups)
    legend, lines = _legend(curves, ", ".join(shown), groups)
    top = LINE * (lines + (mark is not None)) + 8
    plot = Plot.fitted(count_axis(epochs[0], epochs[-1]), y, top, _HEIGHT - 2 * LINE - 6)
    return picture(
        _in_words(title, epochs, curves, mark, x_label),
        _HEIGHT,
        legend,
        plot.grid(),
        plot.x_label(x_label),
        None if mark is None else _mark(plot, *mark),
        *[_draw(plot, epochs, curve) for curve in curves],
        None if mark is None else _dots(plot, epochs, curves, mark[0]),
        _strips(plot, epochs, curves, x_label),
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


def _check_groups(series: Mapping[str, Values], groups: Mapping[str, Sequence[str]]) -> None:
    named = [name for names in groups.values() for name in names]
    if sorted(named) != sorted(series):
        raise ArgumentError("groups", f"{named}", f"every series once: {list(series)}")


def _curves(
    series: Mapping[str, Values], groups: Mapping[str, Sequence[str]] | None
) -> list[_Curve]:
    """Return the curves: a color for each; dashes for a group, or when the colors are used up."""
    group_of = {name: g for g, names in enumerate((groups or {}).values()) for name in names}
    return [
        _Curve(
            name,
            COLORS[i % len(COLORS)],
            _DASHES[group_of.get(name, i // len(COLORS)) % len(_DASHES)],
            given,
        )
        for i, (name, given) in enumerate(series.items())
    ]


def _in_words(
    title: str,
    epochs: Sequence[int],
    curves: Sequence[_Curve],
    mark: tuple[int, str] | None,
    x_label: str,
) -> str:
    words = []
    for curve in curves:
        finite = [v for v in curve.values if v is not None and drawable(v)]
        if finite:
            ends = f"from {number(finite[0])} to {number(finite[-1])}"
            words.append(f"{clip(curve.name, 40)} {ends}, lowest {number(min(finite))}")
    if mark:
        words.append(f"{mark[1]} marked")
    return f"{title}, {x_label} {epochs[0]} to {epochs[-1]}: {'; '.join(words)}"


def _legend(
    curves: Sequence[_Curve], label: str, groups: Mapping[str, Sequence[str]] | None
) -> tuple[Markup, int]:
    """Return the label and the names with their lines, and how many rows they take.

    The names follow the label where all fit beside it; else, and if there are groups, they begin
    on a row of their own.
    """
    label = clip(label, 40)
    parts = [text(0, TYPE, label)] if label else []
    beside = text_width(label, TYPE) + 20 if label else 0.0
    if groups is None and beside + sum(map(_entry_width, curves)) <= WIDTH + _ENTRY_GAP:
        return join(*parts, *_entries(curves, beside, 0)[0]), 1
    row = 1 if label else 0
    if groups is None:
        entries, row = _entries(curves, 0.0, row)
        return join(*parts, *entries), row
    named = {curve.name: curve for curve in curves}
    headings = [clip(f"{title}:", 30) for title in groups]
    start = max(text_width(heading, TYPE) for heading in headings) + 12
    for heading, names in zip(headings, groups.values(), strict=True):
        parts.append(text(0, TYPE + LINE * row, heading, fill_opacity=1))
        entries, row = _entries([named[name] for name in names], start, row)
        parts += entries
    return join(*parts), row


def _entry_width(curve: _Curve) -> float:
    return _SWATCH + 6 + text_width(clip(curve.name, 24), TYPE) + _ENTRY_GAP


def _entries(curves: Sequence[_Curve], start: float, row: int) -> tuple[list[Markup], int]:
    """Return names with their lines from a place in a row on, and the row after the last."""
    parts, x = [], start
    for curve in curves:
        if x + _entry_width(curve) > WIDTH + _ENTRY_GAP and x > start:
            x, row = start, row + 1
        y = TYPE + LINE * row
        swatch = element(
            "line",
            x1=x,
            y1=y - 4,
            x2=x + _SWATCH,
            y2=y - 4,
            stroke=curve.color,
            stroke_width=2.5,
            stroke_dasharray=curve.dashes,
        )
        parts += [swatch, text(x + _SWATCH + 6, y, clip(curve.name, 24))]
        x += _entry_width(curve)
    return parts, row + 1


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


def _strips(plot: Plot, epochs: Sequence[int], curves: Sequence[_Curve], x_label: str) -> Markup:
    """Return invisible strips that show the values of the nearest epoch under the pointer."""
    places = np.linspace(0, len(epochs) - 1, min(len(epochs), _MAX_STRIPS)).round().astype(int)
    middles = [plot.to_x(epochs[i]) for i in places]
    edges = [(a + b) / 2 for a, b in itertools.pairwise(middles)]
    edges = [plot.left, *edges, plot.right]
    strips = [
        element(
            "rect",
            element("title", _tooltip(epochs, curves, int(i), x_label)),
            x=left,
            y=plot.top,
            width=right - left,
            height=plot.bottom - plot.top,
        )
        for i, left, right in zip(places, edges[:-1], edges[1:], strict=True)
    ]
    return element("g", *strips, class_="strips", fill="transparent")


def _tooltip(epochs: Sequence[int], curves: Sequence[_Curve], i: int, x_label: str) -> str:
    values = [(clip(curve.name, 24), curve.values[i]) for curve in curves]
    lines = [f"{name} {number(value)}" for name, value in values]
    return "\n".join([f"{x_label} {epochs[i]}", *lines])
