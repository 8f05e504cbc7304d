from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from chainrule.viz.axes import Axis, count_axis, linear_axis, log_axis
from chainrule.viz.plot import WIDTH, Plot, empty_picture, picture, text


@pytest.fixture
def plot() -> Plot:
    return Plot.fitted(count_axis(1, 100), linear_axis([0.0, 2.5]), 20.0, 220.0)


def test_values_go_to_pixels(plot: Plot) -> None:
    assert (plot.to_x(1), plot.to_x(100)) == (plot.left, plot.right)
    assert (plot.to_y(0.0), plot.to_y(2.5)) == (220.0, 20.0)  # upward
    assert plot.to_y(1.25) == 120.0


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (count_axis(1, 10**7), linear_axis([-6e5, 4e5])),
        (linear_axis([-6e5, 4e5]), linear_axis([-6e5, 4e5])),
        (count_axis(3, 3), log_axis([1e-30, 1e30])),
    ],
)
def test_labels_fit(x: Axis, y: Axis) -> None:
    plot = Plot.fitted(x, y, 20.0, 220.0)
    assert 0 < plot.left < plot.right < WIDTH
    svg = ET.XML(picture("a plot", 260.0, plot.grid(), plot.x_label("epoch")))
    ends = -1.0
    below = [t for t in svg.iter("{http://www.w3.org/2000/svg}text") if t.get("y") == "237"]
    assert below
    for label in below:
        middle, half = float(label.get("x", "")), 3.0 * len(label.text or "")
        assert middle - half > ends  # labels do not overlap
        ends = middle + half
    assert ends < WIDTH


def test_picture_speaks() -> None:
    svg = ET.XML(picture('loss "falls" <fast>', 100.0, text(1, 2, "a & b")))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'loss "falls" <fast>'
    assert svg.get("viewBox") == f"0 0 {WIDTH:g} 100"
    assert "no finite values" in empty_picture("Loss")
