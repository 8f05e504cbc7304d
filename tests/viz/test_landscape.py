from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.viz import relief
from chainrule.viz.markup import text_width
from chainrule.viz.plot import TYPE

SPACE = "{http://www.w3.org/2000/svg}"
UNIT = {"x": (0.0, 1.0), "y": (0.0, 1.0), "title": "A landscape"}


def tiles(svg: str) -> list[np.ndarray]:
    polygons = ET.XML(svg).iter(f"{SPACE}polygon")
    return [
        np.array([pair.split(",") for pair in p.get("points", "").split()], float) for p in polygons
    ]


def test_higher_ground_is_drawn_higher() -> None:
    flat, raised = np.zeros((3, 3)), np.zeros((3, 3))
    flat[0, 0] = raised[0, 0] = 1.0  # the same scale
    raised[2, 2] = 0.5
    before, after = tiles(relief(flat, **UNIT)), tiles(relief(raised, **UNIT))
    moved = [b - a for a, b in zip(before, after, strict=True) if (a != b).any()]
    (change,) = moved  # the tile in the corner, and of it one corner
    assert (change[:, 0] == 0).all()
    assert sorted(change[:, 1])[1:] == [0.0] * 3
    assert change[:, 1].min() < -20


def test_x_runs_to_the_right_and_near_y_to_the_right_and_away() -> None:
    (tile,) = tiles(relief(np.zeros((2, 2)), **UNIT))
    origin, along_x, _, along_y = tile
    assert along_x[0] > origin[0]
    assert along_x[1] > origin[1]
    assert along_y[0] > origin[0]
    assert along_y[1] < origin[1]


def test_near_tiles_cover_far_ones() -> None:
    """Tiles are drawn in the order of their distance: each later one that overlaps is nearer."""
    drawn = tiles(relief(np.zeros((6, 6)), **UNIT))
    middles = np.array([tile.mean(axis=0) for tile in drawn])
    origin, along_x, _, along_y = (drawn[-5][k] for k in range(4))
    u, v = np.linalg.solve(
        np.stack([along_x - origin, along_y - origin], axis=1), (middles - origin).T
    )
    for i in range(len(drawn)):
        for j in range(i):  # j is drawn before i: it is not nearer in both directions
            assert not (v[j] < v[i] - 0.5 and abs(u[j] - u[i]) < 0.5)
            assert not (u[j] > u[i] + 0.5 and abs(v[j] - v[i]) < 0.5)


def test_many_places_are_thinned_and_the_ends_are_kept() -> None:
    values = np.add.outer(np.linspace(0, 1, 300), np.linspace(0, 1, 500))
    many, few = tiles(relief(values, **UNIT)), tiles(relief(values[::299, ::499], **UNIT))
    assert len(many) <= 1000
    corners = np.concatenate(many)
    for corner in few[0]:
        assert np.abs(corners - corner).max(axis=1).min() <= 0.11


@pytest.mark.parametrize("values", [np.eye(5), -1e9 * np.eye(4), 1e-9 * np.eye(3), np.ones((2, 9))])
def test_all_is_inside_the_picture(values: np.ndarray) -> None:
    svg = relief(values, x=(-1e3, 1e3), y=(-0.25, 0.25), title="t", x_label="w₁", y_label="w₂")
    root = ET.XML(svg)
    width, height = (float(n) for n in root.get("viewBox", "").split()[2:])
    for tile in tiles(svg):
        assert (tile >= 0).all()
        assert (tile <= [width, height]).all()
    shifts = {"end": -1.0, "middle": -0.5, None: 0.0, "start": 0.0}
    for text in root.iter(f"{SPACE}text"):
        wide = text_width(text.text or "", TYPE)
        left = float(text.get("x", "")) + shifts[text.get("text-anchor")] * wide
        assert left >= 0
        assert left + wide <= width
        assert 0 < float(text.get("y", "")) <= height
    assert {"w₁", "w₂", "−0.2", "1,000"} <= {t.text for t in root.iter(f"{SPACE}text")}


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"values: got shape \(1, 3\); expected shape \(rows, col"):
        relief(np.zeros((1, 3)), **UNIT)
    with pytest.raises(ArgumentError, match="values: got values that are not finite; expected fin"):
        relief(np.array([[0.0, np.nan], [0.0, 0.0]]), **UNIT)
