"""Several charts as one picture, to be kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.viz.markup import Markup

_GAP = 28.0
_STYLE = (
    ".sheet{color:#1c2127;--paper:#fff}@media screen and (prefers-color-scheme:dark){"
    ".sheet{color:#e5e8eb;--paper:#14171a;--series-1:#7aa9f2;--series-2:#f0964a;"
    "--series-3:#58c795;--series-4:#c493ec;--series-5:#f088a8}}"
)


def sheet(charts: Sequence[tuple[str, Markup]], *, title: str, columns: int = 2) -> Markup:
    """Put charts side by side, each under its caption, on a ground of their own.

    The ground is white, or dark where the reader prefers that.

    Args:
        charts: captions and charts (``<svg>`` elements of this package).
        title: what a screen reader says of the whole.
        columns: how many stand in a row.

    Returns:
        An ``<svg>`` element, to be written to a file.

    >>> from chainrule.viz.chart import line_chart
    >>> chart = line_chart([1, 2], {"loss": [1.0, 0.5]}, title="Loss")
    >>> sheet([("falling", chart), ("again", chart)], title="Two").count("<svg")
    3
    """
    # Here, since "import chainrule" imports this module, and needs nothing of it.
    from chainrule.viz.markup import Markup, element, join
    from chainrule.viz.plot import LINE, WIDTH, text

    columns = min(columns, len(charts))
    rows = [charts[i : i + columns] for i in range(0, len(charts), columns)]
    parts: list[Markup] = []
    y = _GAP / 2
    for row in rows:
        for i, (caption, chart) in enumerate(row):
            x = _GAP + i * (WIDTH + _GAP)
            parts.append(text(x, y + LINE, caption, font_weight="600", fill_opacity=1))
            placed = str(chart).replace("<svg ", f'<svg x="{x:g}" y="{y + 1.6 * LINE:g}" ', 1)
            parts.append(Markup(placed))
        y += max(_height(chart) for _, chart in row) + 1.6 * LINE + _GAP
    width = columns * (WIDTH + _GAP) + _GAP
    return element(
        "svg",
        element("style", Markup(_STYLE)),
        element("rect", width=width, height=y, fill="var(--paper, #fff)"),
        join(*parts),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_label=title,
        viewBox=f"0 0 {width:g} {y:g}",
        width=width,
        height=y,
        class_="sheet",
        font_family="system-ui, sans-serif",
        font_size=13,
    )


def _height(chart: Markup) -> float:
    return float(chart.split('viewBox="', 1)[1].split('"', 1)[0].split()[3])
