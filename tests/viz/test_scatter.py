from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError
from chainrule.viz import scatter_chart
from chainrule.viz.scatter import MAX_POINTS

NS = "{http://www.w3.org/2000/svg}"


def circles(svg: str) -> list[tuple[float, float]]:
    root = ET.XML(svg)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    found = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{NS}circle")]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in found)
    return found


def test_points_stand_where_their_values_say() -> None:
    observed, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    (x1, y1), (x2, y2), (x3, y3) = circles(scatter_chart(observed, predicted, title="t"))
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.02)
    assert y2 < y3 < y1
    assert y1 - y3 == pytest.approx(y3 - y2, abs=0.02)


def test_exact_predictions_lie_on_the_diagonal() -> None:
    values = np.linspace(-40, 75, 20)
    svg = scatter_chart(values, values, title="t")
    (diagonal,) = (n for n in ET.XML(svg).iter(f"{NS}line") if n.get("stroke-dasharray"))
    x1, y1, x2, y2 = (float(diagonal.get(name, "")) for name in ("x1", "y1", "x2", "y2"))
    for x, y in circles(svg):
        assert y == pytest.approx(y1 + (x - x1) / (x2 - x1) * (y2 - y1), abs=0.02)


def test_tooltips_and_words() -> None:
    svg = scatter_chart(
        np.array([150.0, 2.0]),
        np.array([143.25, 3.0]),
        title="Held-out rows",
        unit="price <USD>",
        names=["row 12", "row 13"],
    )
    root = ET.XML(svg)
    assert next(root.iter(f"{NS}title")).text == "row 12\nobserved 150\npredicted 143.2"
    assert root.get("aria-label") == (
        "Held-out rows: 2 points, observed from 2 to 150, predicted from 3 to 143.2"
    )
    words = [node.text for node in root.iter(f"{NS}text")]
    assert {"predicted price <USD>", "observed price <USD>"} <= set(words)


def test_many_points_are_thinned_and_keep_their_range() -> None:
    rng = np.random.default_rng(0)
    values = rng.permutation(10_000).astype(float)
    svg = scatter_chart(values, values, title="t")
    found = circles(svg)
    assert len(found) == MAX_POINTS
    assert "observed from 0 to 9999" in svg
    assert len(set(found)) > 0.9 * MAX_POINTS
    assert len(circles(scatter_chart(values[:500], values[:500], title="t"))) == 500


def test_points_that_are_not_finite_are_left_out() -> None:
    observed = np.array([1.0, np.nan, 3.0, 4.0, 5.0])
    predicted = np.array([1.0, 2.0, np.inf, -1e200, 5.0])
    assert len(circles(scatter_chart(observed, predicted, title="t"))) == 2
    assert "no finite values" in scatter_chart(observed, np.full(5, np.nan), title="t")
    assert "no finite values" in scatter_chart(np.zeros(0), np.zeros(0), title="t")


def test_one_point_and_large_numbers() -> None:
    assert len(circles(scatter_chart(np.array([2.0]), np.array([2.0]), title="t"))) == 1
    assert len(circles(scatter_chart(np.array([1e99, -1e99]), np.array([0.0, 1]), title="t"))) == 2


def test_wrong_shapes() -> None:
    with pytest.raises(ArgumentError, match=r"predicted: got shape \(3,\)"):
        scatter_chart(np.zeros(2), np.zeros(3), title="t")
    with pytest.raises(ArgumentError, match=r"predicted: got shape \(2, 1\)"):
        scatter_chart(np.zeros((2, 1)), np.zeros((2, 1)), title="t")
