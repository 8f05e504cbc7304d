from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from chainrule.viz import heat_map, line_chart, sheet
from chainrule.viz.plot import COLORS

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("count", "columns"), [(1, 2), (2, 2), (3, 2), (5, 3)])
def test_charts_do_not_overlap_and_stay_inside(count: int, columns: int) -> None:
    kinds = (
        line_chart([1, 2], {"a": [1.0, 2.0]}, title="Loss"),
        heat_map(np.eye(3), x=(0.0, 1.0), y=(0.0, 1.0), title="Surface"),
    )
    charts = [(f"chart <{i}>", kinds[i % 2]) for i in range(count)]
    root = ET.XML(sheet(charts, title="Several", columns=columns))
    width, height = (float(n) for n in root.get("viewBox").split()[2:])
    boxes = []
    for inner in root.findall(f"{SPACE}svg"):
        x, y = float(inner.get("x")), float(inner.get("y"))
        boxes.append((x, y, x + float(inner.get("width")), y + float(inner.get("height"))))
    assert len(boxes) == count
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
        for a, b, c, d in boxes[:i]:
            assert c <= left or right <= a or d <= top or bottom <= b
    captions = [t.text for t in root.findall(f"{SPACE}text")]
    assert captions == [caption for caption, _ in charts]


def test_it_has_a_ground_of_its_own_in_light_and_in_dark() -> None:
    chart = line_chart([1, 2], {"a": [1.0, 2.0]}, title="Loss")
    root = ET.XML(sheet([("one", chart)], title="One"))
    style = root.findtext(f"{SPACE}style") or ""
    light, dark = style.split("@media screen and (prefers-color-scheme:dark)")
    used = {f"--series-{i}" for i in range(1, 1 + len(COLORS))} | {"--paper"}
    assert {name for name in used if f"{name}:" in dark} == used
    assert "--paper:#fff" in light
    ground = root.find(f"{SPACE}rect")
    assert ground is not None
    assert ground.get("fill") == "var(--paper, #fff)"
    assert (ground.get("width"), ground.get("height")) == (root.get("width"), root.get("height"))
    assert root.get("class") == "sheet"
