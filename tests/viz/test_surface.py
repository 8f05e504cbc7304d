from __future__ import annotations

import base64
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError, ShapeError
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


def test_bands_are_few_colors() -> None:
    values = np.random.default_rng(0).random((20, 20))
    assert len(np.unique(pixels(heat_map(values, **UNIT, bands=5)).reshape(-1, 4), axis=0)) == 5


def test_limits_fix_the_colors() -> None:
    values = np.full((2, 2), 0.5)
    found = pixels(heat_map(values, **UNIT, limits=(0.0, 1.0)))
    assert (found == found[0, 0]).all()
    assert abs(int(found[0, 0, 0]) - int(found[0, 0, 2])) < 5  # the neutral middle


def test_points_and_paths_stand_where_they_should() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    svg = heat_map(np.eye(2), **UNIT, points=corners, labels=[0, 1, 0], path=corners)
    root = ET.XML(svg)
    space = "{http://www.w3.org/2000/svg}"
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{space}circle")]
    (origin, right, up) = circles
    assert right[0] > origin[0]
    assert right[1] == origin[1]
    assert up[1] < origin[1]
    (line,) = root.iter(f"{space}polyline")
    assert len(line.get("points").split()) == 3
    image = next(root.iter(f"{space}image"))
    assert float(image.get("x")) == pytest.approx(origin[0])
    assert float(image.get("width")) == pytest.approx(right[0] - origin[0])
    assert float(image.get("height")) == pytest.approx(origin[1] - up[1])


def test_nothing_finite() -> None:
    assert "no finite values" in heat_map(np.full((2, 2), np.nan), **UNIT)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"values: got shape \(3,\); expected shape \(rows, col"):
        heat_map(np.zeros(3), **UNIT)
    with pytest.raises(ArgumentError, match="expected an ascending pair"):
        heat_map(np.eye(2), x=(1.0, 1.0), y=(0.0, 1.0), title="A surface")
    with pytest.raises(ShapeError, match="points: got shape"):
        heat_map(np.eye(2), **UNIT, points=np.zeros((2, 3)))
