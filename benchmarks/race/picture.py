"""The results as a picture: a dot for each entry, on one logarithmic axis for all workloads."""

from __future__ import annotations

import math
from typing import Any

from chainrule.viz.axes import log_axis
from chainrule.viz.markup import Markup, element, join
from race.entry import OURS, PEERS

WIDTH, LEFT, RIGHT, ROW, HEAD, TOP, BOTTOM = 780, 170, 170, 20, 36, 36, 44

STYLE = (
    ".race{--ink:#1c2127;--muted:#5c6670;--paper:#fcfcfb;--line:#e2e5e8;--ours:#2f6fd0;"
    "font:13px system-ui,-apple-system,'Segoe UI',sans-serif;"
    "font-variant-numeric:tabular-nums lining-nums}"
    "@media screen and (prefers-color-scheme:dark){.race{--ink:#e5e8eb;--muted:#9ba5af;"
    "--paper:#14171a;--line:#2b3137;--ours:#7aa9f2}}"
    ".race text{fill:var(--ink)}.race .muted{fill:var(--muted)}.race .paper{fill:var(--paper)}"
    ".race .head{font-weight:600}.race line{stroke:var(--line)}"
    ".race .peer{fill:var(--muted);stroke:var(--muted)}.race .ours{fill:var(--ours);"
    "stroke:var(--ours)}.race text.ours{stroke:none;font-weight:600}"
)


def picture(results: dict[str, Any]) -> str:
    """Return an SVG file.

    Args:
        results: what ``contest.race`` returned.
    """
    times = [
        entry[key]
        for workload in results["workloads"]
        for entry in workload["entries"].values()
        if entry["status"] == "timed"
        for key in ("min", "max")
    ]
    axis = log_axis(times or [1.0])
    low, high = math.log10(axis.low), math.log10(axis.high)

    def to_x(value: float) -> float:
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts, y = [], float(TOP)
    for workload in results["workloads"]:
        y += HEAD
        parts.append(element("text", workload["title"], x=12, y=y - 4, class_="head"))
        entries = workload["entries"].items()
        order = sorted(entries, key=lambda item: item[1].get("median", math.inf))
        for name, entry in order:
            y += ROW
            parts.append(_row(name, entry, y, to_x))
    height = y + BOTTOM
    grid = [
        join(
            element("line", x1=to_x(tick), x2=to_x(tick), y1=TOP, y2=height - BOTTOM + 10),
            element("text", label, x=to_x(tick), y=TOP - 8, class_="muted", text_anchor="middle"),
        )
        for tick, label in zip(axis.ticks, axis.labels, strict=True)
    ]
    title = "Microseconds a step, by workload and entry"
    note = (
        "µs a step, logarithmic; bars from the least to the most; × Chainrule's time at the right"
    )
    return element(
        "svg",
        element("title", title),
        element("style", Markup(STYLE)),
        element("rect", class_="paper", width="100%", height="100%"),
        *grid,
        *parts,
        element("text", note, x=12, y=height - 8, class_="muted"),
        xmlns="http://www.w3.org/2000/svg",
        class_="race",
        viewBox=f"0 0 {WIDTH} {height:g}",
        width=WIDTH,
        height=f"{height:g}",
        role="img",
        aria_label=title,
    )


def short(value: float) -> str:
    """Return a time or a ratio with three digits that count.

    >>> short(0.0714), short(6.0), short(53.04), short(1234.5)
    ('0.071', '6.00', '53.0', '1,234')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _row(name: str, entry: dict[str, Any], y: float, to_x: Any) -> Markup:
    """Return one entry: its name, its dot with the spread, its time and ratio."""
    kind, middle = ("ours" if name == OURS else "peer"), y - 4.5
    text_class = "ours" if name == OURS else None
    label = element(
        "text", PEERS[name].title, x=LEFT - 12, y=y, text_anchor="end", class_=text_class
    )
    if entry["status"] != "timed":
        return join(label, element("text", entry["status"], x=LEFT + 4, y=y, class_="muted"))
    least, most, median = (to_x(entry[key]) for key in ("min", "max", "median"))
    value = short(entry["median"])
    ratio = "" if name == OURS or "ratio" not in entry else f"{short(entry['ratio'])}×"
    tooltip = f"{PEERS[name].title}: {value} µs"
    return join(
        label,
        element("line", x1=least, x2=most, y1=middle, y2=middle, class_=kind, stroke_width=3.0),
        element("circle", element("title", tooltip), cx=median, cy=middle, r=4.5, class_=kind),
        element("text", value, x=WIDTH - RIGHT + 78, y=y, text_anchor="end", class_=text_class),
        element("text", ratio, x=WIDTH - 12, y=y, text_anchor="end", class_="muted"),
    )
