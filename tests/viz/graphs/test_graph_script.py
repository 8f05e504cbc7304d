"""The script of a picture, in a browser: frames open and close, nothing overlaps."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import chainrule as cr

_BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--dump-dom",
)
_CLICK = """
document.querySelectorAll(".head").forEach(function (head) {
  var name = head.querySelector(".title").textContent.slice(2);
  if (NAMES.indexOf(name) >= 0) head.dispatchEvent(new MouseEvent("click", {bubbles: true}));
});
document.querySelectorAll("script").forEach(function (script) { script.remove(); });
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_BROWSER is None, reason="needs a Chromium browser"),
]


@pytest.fixture(scope="module")
def pictures() -> dict[bool, str]:
    model = cr.Sequential([cr.Dense(6, "tanh"), cr.Residual(cr.Dense(6, "tanh")), cr.Dense(3)])
    x = np.zeros((8, 4), np.float32)
    model(x)

    def step(x: cr.Tensor) -> cr.Tensor:
        parameters = list(model.parameters().values())
        return cr.optim.SGD(0.1).minimize(lambda: cr.square(model(x)).mean(), parameters)

    graph = cr.trace(step)(x)
    return {collapsed: graph.to_svg(collapsed=collapsed) for collapsed in (False, True)}


def after_clicks(svg: str, names: list[str], folder: Path) -> ET.Element:
    page = folder / "page.html"
    script = _CLICK.replace("NAMES", repr(names))
    page.write_text(f"<!DOCTYPE html><meta charset='utf-8'>{svg}<script>{script}</script>")
    command = [str(_BROWSER), *_OPTIONS, f"--user-data-dir={folder / 'profile'}", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search(r"<svg.*</svg>", dom, re.DOTALL)
    assert found
    return ET.fromstring(found[0])


def titles(root: ET.Element) -> list[str]:
    heads = [e for e in root.iter() if "head" in e.get("class", "").split()]
    return ["".join(e.itertext()) for h in heads for e in h if e.get("class") == "title"]


Rectangle = tuple[float, float, float, float]


def rectangles(level: ET.Element) -> list[tuple[ET.Element, Rectangle]]:
    """Return what stands in a level, in the level's own coordinates."""
    (items,) = [e for e in level if e.get("class") == "items"]
    found = []
    for item in items:
        place = re.match(r"translate\((\S+?)[ ,]+(\S+)\)", item.get("transform", ""))
        if place is None:
            continue
        box = next(e for e in item.iter() if e.tag.endswith("rect"))
        x, y = float(place[1]), float(place[2])
        w, h = float(box.get("width", 0)), float(box.get("height", 0))
        found.append((item, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    return found


def check_level(level: ET.Element, width: float, height: float) -> None:
    items = rectangles(level)
    for (_, a), (_, b) in itertools.combinations(items, 2):
        beside = a[2] <= b[0] + 0.1 or b[2] <= a[0] + 0.1
        assert beside or a[3] <= b[1] + 0.1 or b[3] <= a[1] + 0.1
    for item, (left, top, right, bottom) in items:
        assert left >= -0.1
        assert top >= -0.1
        assert right <= width + 0.1
        assert bottom <= height + 0.1
        for inner in item:
            if inner.get("class") == "inside" and "none" not in inner.get("style", ""):
                check_level(inner, right - left, bottom - top)
    (lines,) = [e for e in level if e.get("class") == "lines"]
    for line in lines:
        heights = [float(y) for y in re.findall(r"V(-?[\d.]+)", line.get("d", ""))]
        assert heights == sorted(heights)


def check(root: ET.Element) -> None:
    _, _, width, height = map(float, root.get("viewBox", "").split())
    check_level(next(e for e in root if e.get("class") == "inside"), width, height)


@pytest.mark.parametrize("collapsed", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 99])
def test_any_frames_open_and_close(
    pictures: dict[bool, str], collapsed: bool, count: int, tmp_path: Path
) -> None:
    before = titles(ET.fromstring(pictures[collapsed]))
    assert len(before) > 5
    toggled = before[1::2][:count] if count < 99 else before
    root = after_clicks(pictures[collapsed], toggled, tmp_path)
    check(root)
    still = titles(after_clicks(pictures[collapsed], [], tmp_path))
    now = titles(root)
    changed = [a[2:] for a, b in zip(still, now, strict=True) if a[0] != b[0]]
    nested = {name for name in before if name.startswith("layers.1.")}  # in frames of their own
    assert set(changed) - nested == set(toggled) - nested


def test_before_a_click_the_script_moves_nothing(pictures: dict[bool, str], tmp_path: Path) -> None:
    for collapsed, svg in pictures.items():
        root = after_clicks(svg, [], tmp_path)
        still, run = ET.fromstring(svg), root
        for a, b in zip(rectangles(_inside(still)), rectangles(_inside(run)), strict=True):
            assert a[1] == pytest.approx(b[1], abs=0.2), collapsed


def test_two_clicks_are_none(pictures: dict[bool, str], tmp_path: Path) -> None:
    svg = pictures[True]
    names = titles(ET.fromstring(svg))
    click = _CLICK.split('document.querySelectorAll("script")', maxsplit=1)[0]
    doubled = f"{svg}<script>{click.replace('NAMES', repr(names))}</script>"
    once, twice = after_clicks(svg, [], tmp_path), after_clicks(doubled, names, tmp_path)
    shown = [[box for _, box in rectangles(_inside(root))] for root in (once, twice)]
    assert shown[0] == shown[1]
    lines = [[e.get("d") for e in _inside(root)[0]] for root in (once, twice)]
    assert lines[0] == lines[1]


def _inside(root: ET.Element) -> ET.Element:
    return next(e for e in root if e.get("class") == "inside")


def test_legend_follows_what_is_to_be_seen(pictures: dict[bool, str], tmp_path: Path) -> None:
    def words(root: ET.Element) -> list[str]:
        (legend,) = [e for e in root if e.get("class") == "legend"]
        return ["".join(e.itertext()) for e in legend if "none" not in e.get("style", "")]

    closed, opened = pictures[True], pictures[False]
    for svg in (closed, opened):
        assert words(after_clicks(svg, [], tmp_path)) == words(ET.fromstring(svg))
    parts = ["computes the result", "computes gradients", "updates parameters"]
    assert words(ET.fromstring(closed)) == parts
    root = after_clicks(closed, ["layers.0 Dense"], tmp_path)
    assert words(root) == [*parts, "parameter"]
    check(root)


def test_runs_of_layers_open_and_close(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(4, "tanh") for _ in range(14)])
    x = np.zeros((8, 4), np.float32)
    model(x)

    def step(x: cr.Tensor) -> cr.Tensor:
        parameters = list(model.parameters().values())
        return cr.optim.SGD(0.1).minimize(lambda: cr.square(model(x)).mean(), parameters)

    svg = cr.trace(step)(x).to_svg()
    names = ["layers.0–13 Dense ×14" + part for part in ("", " · gradient", " · update")]
    assert set(names) <= {name[2:] for name in titles(ET.fromstring(svg))} | set(
        titles(ET.fromstring(svg))
    )
    for opened in (names[:1], names, [*names, "layers.3 Dense", "layers.3 Dense · gradient"]):
        check(after_clicks(svg, opened, tmp_path))
