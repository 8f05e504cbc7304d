from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ArgumentError
from chainrule.viz import line_chart

NS = "{http://www.w3.org/2000/svg}"
NAN, INF = math.nan, math.inf
COORDINATES = ("x", "x1", "x2", "cx"), ("y", "y1", "y2", "cy")


def parse(svg: str) -> ET.Element:
    """Parse a chart, and check that it stays within its viewBox and loads nothing."""
    root = ET.XML(svg)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for node in root.iter():
        for names, limit in zip(COORDINATES, (width, height), strict=True):
            for name in names:
                assert 0 <= float(node.get(name, 0)) <= limit, (node.tag, node.attrib)
        for x, y in points(node):
            assert 0 <= x <= width
            assert 0 <= y <= height
        assert "href" not in node.attrib
    assert "url(" not in svg
    assert "NaN" not in svg
    return root


def points(node: ET.Element) -> list[tuple[float, float]]:
    pairs = node.get("points", "").split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


def curve(root: ET.Element, name: str) -> ET.Element:
    (found,) = (g for g in root.iter(f"{NS}g") if g.get("data-series") == name)
    return found


def lines(root: ET.Element, name: str) -> list[list[tuple[float, float]]]:
    return [points(node) for node in curve(root, name).iter(f"{NS}polyline")]


def dots(root: ET.Element, name: str) -> int:
    return len(list(curve(root, name).iter(f"{NS}circle")))


def texts(root: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter(f"{NS}text")]


def test_a_chart_is_an_image_with_words() -> None:
    svg = line_chart(
        [1, 2, 3],
        {"train": [0.9, 0.4, 0.3], "validation": [1.0, 0.6, 0.7]},
        title="Loss",
        y_label="loss",
        mark=(2, "best"),
    )
    root = parse(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "Loss, epoch 1 to 3: train from 0.9 to 0.3, lowest 0.3; "
        "validation from 1 to 0.7, lowest 0.6; best marked"
    )
    assert {"loss", "train", "validation", "epoch", "best", "1", "2", "3"} <= set(texts(root))
    tips = [node.text for node in root.iter(f"{NS}title")]
    assert tips[1] == "epoch 2\ntrain 0.4\nvalidation 0.6"
    assert len(tips) == 3


def test_colors_follow_the_page() -> None:
    svg = line_chart([1, 2], {"a": [1.0, 2.0], "b": [2.0, 1.0]}, title="t")
    colors = set(re.findall(r'(?:stroke|fill)="([^"]*)"', svg)) - {"none", "transparent"}
    assert colors == {"currentColor", "var(--series-1, #3b7ddd)", "var(--series-2, #d9711c)"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(-1e4, 1e4),
            st.sampled_from([NAN, INF, -INF, None, 1e200]),
            st.floats(allow_nan=False),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_order_of_pixels_is_order_of_values(values: list[float | None]) -> None:
    root = parse(line_chart(range(1, len(values) + 1), {"s": values}, title="t"))
    good = [v for v in values if v is not None and abs(v) <= 1e100]
    if not good:
        assert texts(root) == ["no finite values to show"]
        return
    places = [
        (float(c.get("cx", "")), float(c.get("cy", "")))
        for c in curve(root, "s").iter(f"{NS}circle")
    ] + [point for line in lines(root, "s") for point in line]
    places.sort()
    assert len(places) == len(good)
    assert all(a[0] < b[0] for a, b in pairwise(places))
    for (_, ya), va in zip(places, good, strict=True):
        for (_, yb), vb in zip(places, good, strict=True):
            if va < vb:
                assert ya >= yb  # larger values stand higher


def test_gaps_split_a_curve_and_lone_points_are_dots() -> None:
    values = [1.0, 2.0, NAN, 3.0, None, 4.0, 5.0, INF]
    root = parse(line_chart(range(1, 9), {"s": values}, title="t"))
    assert [len(line) for line in lines(root, "s")] == [2, 2]
    assert dots(root, "s") == 1


def test_one_point_is_a_dot_in_the_middle() -> None:
    root = parse(
        line_chart([1], {"train": [0.7], "validation": [0.8]}, title="t", mark=(1, "best"))
    )
    assert lines(root, "train") == []
    assert dots(root, "train") == 1


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e-9, 1e90])
def test_constant_series(value: float) -> None:
    root = parse(line_chart([1, 2, 3], {"s": [value] * 3}, title="t"))
    (line,) = lines(root, "s")
    assert len({y for _, y in line}) == 1


def test_log_scale_above_two_decades() -> None:
    falling = [10.0, 1.0, 0.1, 0.01]
    root = parse(line_chart([1, 2, 3, 4], {"s": falling}, title="t", y_label="loss"))
    assert "loss, log scale" in texts(root)
    (line,) = lines(root, "s")
    drops = [b[1] - a[1] for a, b in pairwise(line)]
    assert drops == pytest.approx([drops[0]] * 3, abs=0.02)
    linear = parse(line_chart([1, 2, 3, 4], {"s": falling}, title="t", may_be_log=False))
    assert "log scale" not in texts(linear)
    assert "log scale" not in texts(parse(line_chart([1, 2], {"s": [0.0, 1e4]}, title="t")))


def test_the_mark_stands_at_its_epoch() -> None:
    root = parse(
        line_chart(
            range(1, 51), {"s": np.linspace(3, 1, 50).tolist()}, title="t", mark=(20, "best")
        )
    )
    (mark,) = (node for node in root.iter(f"{NS}line") if node.get("class") == "mark")
    (line,) = lines(root, "s")
    assert float(mark.get("x1", "")) == pytest.approx(line[19][0], abs=0.02)
    outside = parse(line_chart([1, 2], {"s": [NAN, 2.0]}, title="t", mark=(1, "a long label here")))
    assert any(node.get("class") == "mark" for node in outside.iter())


def test_long_trainings_stay_small_and_keep_their_peaks() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000)
    values[12_345] = 50.0
    svg = line_chart(range(1, 20_001), {"s": values.tolist()}, title="t")
    assert len(svg) < 80_000
    (line,) = lines(parse(svg), "s")
    assert 500 < len(line) < 700
    xs, ys = zip(*line, strict=True)
    peak = xs[int(np.argmin(ys))]
    assert (peak - xs[0]) / (xs[-1] - xs[0]) == pytest.approx(12_345 / 20_000, abs=1e-3)


def test_a_long_gap_stays_a_gap() -> None:
    values = [1.0] * 2000 + [NAN] * 1000 + [2.0] * 2000
    root = parse(line_chart(range(5000), {"s": values}, title="t"))
    assert len(lines(root, "s")) == 2


def test_many_series_with_long_names_share_the_legend() -> None:
    series = {f"a series with quite a long name, number {i}": [1.0, float(i)] for i in range(7)}
    root = parse(line_chart([1, 2], series, title="t", y_label="y"))
    assert sum(text.startswith("a series with") for text in texts(root)) == 7
    assert len({node.get("stroke-dasharray") for node in root.iter(f"{NS}polyline")}) == 2


def test_groups_have_a_row_and_a_kind_of_line_each() -> None:
    series = {name: [1.0, 2.0] for name in ("tanh", "relu", "gelu", "mish", "sine")}
    groups = {"monotone": ["tanh", "relu"], "not monotone": ["gelu", "mish", "sine"]}
    root = parse(line_chart([1, 2], series, title="t", y_label="loss", groups=groups))
    drawn = {name: next(curve(root, name).iter(f"{NS}polyline")) for name in series}
    dashes = {name: line.get("stroke-dasharray") for name, line in drawn.items()}
    assert dashes == {"tanh": None, "relu": None, "gelu": "6 3", "mish": "6 3", "sine": "6 3"}
    assert len({line.get("stroke") for line in drawn.values()}) == 5
    rows = {}
    for node in root.iter(f"{NS}text"):
        rows[node.text] = (float(node.get("y", "")), float(node.get("x", "")))
    for title, names in groups.items():
        assert {rows[name][0] for name in names} == {rows[f"{title}:"][0]}
        assert min(rows[name][1] for name in names) > rows[f"{title}:"][1]
    assert rows["loss"][0] < rows["monotone:"][0] < rows["not monotone:"][0]


@pytest.mark.parametrize("groups", [{"a": ["x"]}, {"a": ["x", "y"], "b": ["y"]}, {"a": ["xy"]}])
def test_groups_that_do_not_name_each_series_once(groups: dict[str, list[str]]) -> None:
    with pytest.raises(ArgumentError, match=r"groups: got .*; expected every series once: \['x', "):
        line_chart([1, 2], {"x": [1.0, 2.0], "y": [1.0, 2.0]}, title="t", groups=groups)


def test_names_that_do_not_fit_beside_the_label_stand_below_it() -> None:
    def rows(names: list[str]) -> dict[str | None, str | None]:
        series = {name: [1.0, 2.0] for name in names}
        root = parse(line_chart([1, 2], series, title="t", y_label="training loss"))
        return {node.text: node.get("y") for node in root.iter(f"{NS}text")}

    few = rows(["tanh", "relu"])
    assert few["tanh"] == few["relu"] == few["training loss"]
    many = rows(["logistic", "tanh", "relu", "leaky_relu", "softplus"])
    below = [many[name] for name in ("logistic", "tanh", "relu")]
    assert len(set(below)) == 1
    assert float(below[0] or 0) > float(many["training loss"] or 0)


def test_another_quantity_along_the_axis_has_its_name_everywhere() -> None:
    svg = line_chart([1, 2], {"s": [1.0, 2.0]}, title="t", x_label="layer")
    root = parse(svg)
    assert [node.text for node in root.iter(f"{NS}title")] == ["layer 1\ns 1", "layer 2\ns 2"]
    assert "epoch" not in svg


def test_hostile_names_are_text() -> None:
    name = '"><script>alert(1)</script>\x00'
    svg = line_chart([1, 2], {name: [1.0, 2.0]}, title=name, y_label=name, mark=(1, name))
    root = parse(svg)
    assert {node.tag for node in root.iter()} <= {
        f"{NS}{tag}" for tag in ("svg", "g", "line", "polyline", "circle", "rect", "text", "title")
    }
    assert "<script" not in svg


def test_wrong_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"series: got 2 values of 'a'; expected one for each"):
        line_chart([1, 2, 3], {"a": [1.0, 2.0]}, title="t")
    with pytest.raises(ArgumentError, match="epochs: got epochs that do not ascend"):
        line_chart([1, 1], {"a": [1.0, 2.0]}, title="t")
    with pytest.raises(ArgumentError, match="mark: got epoch 3; expected one of the epochs"):
        line_chart([1, 2], {"a": [1.0, 2.0]}, title="t", mark=(3, "best"))


def test_nothing_to_draw() -> None:
    assert "no finite values" in line_chart([], {"a": []}, title="t")
    assert "no finite values" in line_chart([1, 2], {"a": [NAN, None]}, title="t")
