from __future__ import annotations

import base64
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.viz.markup import text_width
from chainrule.viz.plot import TYPE
from chainrule.viz.surface import heat_map

UNIT = {"x": (0.0, 1.0), "y": (0.0, 1.0), "title": "A surface"}


def pixels(svg: str) -> np.ndarray:
    """Decode the first PNG of a chart, with no help from the code that made it."""
    data = base64.b64decode(re.findall(r"base64,([^\"]+)", svg)[0])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + length
    columns, rows = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(rows, columns, 4)


def test_the_first_row_of_values_is_at_the_bottom() -> None:
    found = pixels(heat_map(np.array([[0.0, 0.0], [1.0, 1.0]]), **UNIT))
    low, high = found[1, 0], found[0, 0]
    assert low[0] > low[2]  # orange
    assert high[2] > high[0]  # blue


def test_blueness_grows_with_the_value() -> None:
    found = pixels(heat_map(np.linspace(0, 1, 9)[None, :], **UNIT))[0].astype(int)
    assert (np.diff(found[:, 2] - found[:, 0]) > 0).all()


def test_what_is_not_finite_stays_blank() -> None:
    found = pixels(heat_map(np.array([[0.0, np.nan], [np.inf, 1.0]]), **UNIT))
    assert (found[::-1, :, 3] == [[255, 0], [0, 255]]).all()


def test_colors_that_do_not_diverge_only_deepen() -> None:
    found = pixels(heat_map(np.linspace(0, 1, 9)[None, :], **UNIT, diverging=False))[0].astype(int)
    assert (np.diff(found[:, 0]) < 0).all()  # ever less red
    assert abs(found[0, 0] - found[0, 2]) < 5  # from a neutral ground


def test_limits_fix_the_colors() -> None:
    values = np.full((2, 2), 0.5)
    found = pixels(heat_map(values, **UNIT, limits=(0.0, 1.0)))
    assert (found == found[0, 0]).all()
    assert abs(int(found[0, 0, 0]) - int(found[0, 0, 2])) < 5  # the neutral middle


SPACE = "{http://www.w3.org/2000/svg}"


def group(root: ET.Element, name: str) -> list[ET.Element]:
    return [node for node in root.iter(f"{SPACE}g") if node.get("class") == name]


def places(node: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in node.get("points", "").split()]


def test_points_stand_where_they_should() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    root = ET.XML(heat_map(np.eye(2), **UNIT, points=corners, labels=[0, 1, 0]))
    circles = [c for c in root.iter(f"{SPACE}circle") if c.get("class") == "point"]
    origin, right, up = [(float(c.get("cx")), float(c.get("cy"))) for c in circles]
    assert right[0] > origin[0]
    assert right[1] == origin[1]
    assert up[1] < origin[1]
    image = next(root.iter(f"{SPACE}image"))
    assert float(image.get("x")) == pytest.approx(origin[0])
    assert float(image.get("width")) == pytest.approx(right[0] - origin[0])
    assert float(image.get("height")) == pytest.approx(origin[1] - up[1])


def test_a_point_shows_on_a_ground_of_its_own_color() -> None:
    """Class 0 has the color of low values, 1 of high ones, both inside a light rim."""
    values = np.array([[0.0, 1.0]])
    svg = heat_map(
        values,
        **UNIT,
        points=np.array([[0.0, 0.0], [1.0, 0.0]]),
        labels=[0, 1],
        names=["no", "yes"],
    )
    root, ground = ET.XML(svg), pixels(svg)[0, :, :3].astype(int)
    (drawn,) = group(root, "points")
    for i, color in enumerate(ground):
        rim, inner = list(drawn)[2 * i : 2 * i + 2]
        assert rim.get("fill") == "#fff"
        assert float(rim.get("r")) >= float(inner.get("r")) + 2
        fill = inner.get("fill").removeprefix("#")
        own = np.array([int(fill[k : k + 2], 16) for k in (0, 2, 4)])
        assert np.abs(own - color).max() <= 2
    texts = [t.text for t in root.iter(f"{SPACE}text")]
    assert {"no", "yes"} <= set(texts)


def test_many_points_are_small() -> None:
    def radius(n: int) -> float:
        root = ET.XML(heat_map(np.eye(2), **UNIT, points=np.full((n, 2), 0.5)))
        return float(group(root, "points")[0][0].get("r"))

    assert radius(300) < 0.5 * radius(4)


def test_a_path_has_a_ring_at_its_start_and_a_dot_at_its_end() -> None:
    there = np.array([[0.0, 0.0], [0.5, 0.2], [1.0, 1.0]])
    root = ET.XML(heat_map(np.eye(2), **UNIT, paths=[there, there[::-1]]))
    first, second = group(root, "path")
    line = places(next(first.iter(f"{SPACE}polyline")))
    assert len(line) == 3
    ring, dot = first.iter(f"{SPACE}circle")
    assert (float(ring.get("cx")), float(ring.get("cy"))) == pytest.approx(line[0])
    assert (float(dot.get("cx")), float(dot.get("cy"))) == pytest.approx(line[-1])
    assert ring.get("fill") != dot.get("fill")
    assert places(next(second.iter(f"{SPACE}polyline"))) == line[::-1]
    assert {"start", "end"} <= {t.text for t in root.iter(f"{SPACE}text")}


def test_contours_lie_where_the_function_has_their_value() -> None:
    x = np.linspace(-2.0, 2.0, 81)
    svg = heat_map(
        x[None, :] ** 2 + x[:, None] ** 2,
        x=(-2.0, 2.0),
        y=(-2.0, 2.0),
        title="A bowl",
        contours=[1.0, 2.25],
        contour_name="height",
    )
    root = ET.XML(svg)
    image = next(root.iter(f"{SPACE}image"))
    left, top, side = (float(image.get(key)) for key in ("x", "y", "width"))
    for found, radius in zip(group(root, "contour"), (1.0, 1.5), strict=True):
        (line,) = found.iter(f"{SPACE}polyline")
        across = (np.array(places(line)) - [left, top]) / side * 4 - 2
        np.testing.assert_allclose(np.hypot(*across.T), radius, atol=5e-3)
    texts = [t.text for t in root.iter(f"{SPACE}text")]
    assert {"height", "1", "2.25", "0", "8"} <= set(texts)  # the scale says what they are


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([[1.03e-9, 0.5]], {"≈ 0", "0.5"}),
        ([[-2e-12, 4e-9]], {"≈ 0", "4e−9"}),
        ([[-1.2345e-9, 1.2345e-9]], {"−1.2e−9", "1.2e−9"}),
        ([[0.0, 123456.0]], {"0", "123456"}),
        ([[-1.2345e11, 1.2345e11]], {"−1.2e11", "1.2e11"}),
    ],
)
def test_the_scale_is_labeled_within_the_picture(values: object, labels: set[str]) -> None:
    root = ET.XML(heat_map(np.array(values), **UNIT))
    width = float(root.get("viewBox").split()[2])
    assert labels <= {t.text for t in root.iter(f"{SPACE}text")}
    for text in root.iter(f"{SPACE}text"):
        if text.get("text-anchor") is None:
            assert float(text.get("x")) + text_width(text.text, TYPE) <= width


def test_nothing_finite() -> None:
    assert "no finite values" in heat_map(np.full((2, 2), np.nan), **UNIT)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"values: got shape \(3,\); expected shape \(rows, col"):
        heat_map(np.zeros(3), **UNIT)
    with pytest.raises(ArgumentError, match="expected an ascending pair"):
        heat_map(np.eye(2), x=(1.0, 1.0), y=(0.0, 1.0), title="A surface")
    with pytest.raises(ShapeError, match="points: got shape"):
        heat_map(np.eye(2), **UNIT, points=np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="paths: got shape"):
        heat_map(np.eye(2), **UNIT, paths=[np.zeros((0, 2))])
