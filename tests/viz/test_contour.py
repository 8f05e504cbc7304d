from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.viz.contour import contour_lines


def grid(n: int = 41) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n))
    return x, y


def test_a_plane_has_one_straight_line() -> None:
    x, y = grid(11)
    (line,) = contour_lines(x + 2 * y, 0.3)
    column, row = line.T
    np.testing.assert_allclose((column - 5) / 5 + 2 * (row - 5) / 5, 0.3, atol=1e-12)
    assert {line[0, 0], line[-1, 0]} == {0.0, 10.0}  # from edge to edge


def test_a_circle_is_closed() -> None:
    x, y = grid()
    (line,) = contour_lines(x**2 + y**2, 0.25)
    np.testing.assert_array_equal(line[0], line[-1])
    radius = np.hypot(*((line - 20) / 20).T)
    np.testing.assert_allclose(radius, 0.5, atol=2e-3)
    angles = np.unwrap(np.arctan2(*(line - 20).T))
    assert abs(angles[-1] - angles[0]) == pytest.approx(2 * np.pi)  # once around


def test_two_hills_have_two_lines() -> None:
    x, y = grid()
    hills = np.exp(-((x - 0.5) ** 2 + y**2) / 0.02) + np.exp(-((x + 0.5) ** 2 + y**2) / 0.02)
    assert len(contour_lines(hills, 0.5)) == 2


@pytest.mark.parametrize(
    ("corner", "expected"),
    [
        # the middle is 1.0, above: the two low corners are cut off
        (2.0, [{(0.75, 0.0), (1.0, 0.25)}, {(0.0, 0.75), (0.25, 1.0)}]),
        # the middle is 0.3, below: the two high corners are
        (0.6, [{(1 / 6, 0.0), (0.0, 1 / 6)}, {(1.0, 5 / 6), (5 / 6, 1.0)}]),
    ],
)
def test_a_saddle_is_parted_by_its_middle(
    corner: float, expected: list[set[tuple[float, float]]]
) -> None:
    lines = contour_lines(np.array([[corner, 0.0], [0.0, corner]]), 0.5)
    found = [{tuple(p) for p in np.round(line, 9).tolist()} for line in lines]
    wanted = [{tuple(np.round(p, 9)) for p in pair} for pair in expected]
    assert sorted(map(sorted, found)) == sorted(map(sorted, wanted))


def test_nothing_to_draw() -> None:
    x, _ = grid(5)
    assert contour_lines(x, 7.0) == []
    assert contour_lines(np.full((3, 3), 1.0), 1.0) == []
    assert contour_lines(np.array([[0.0, np.nan], [1.0, 1.0]]), 0.5) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(2, 7))
def test_every_crossing_is_on_one_line_and_lines_end_at_the_border(
    seed: int, rows: int, columns: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    above = values > 0
    crossings = int((above[1:] != above[:-1]).sum() + (above[:, 1:] != above[:, :-1]).sum())
    lines = contour_lines(values, 0.0)
    places = []
    for line in lines:
        closed = (line[0] == line[-1]).all()
        places += line[1:].tolist() if closed else line.tolist()
        if not closed:
            for column, row in (line[0], line[-1]):
                assert column in (0, columns - 1) or row in (0, rows - 1)
    assert len(places) == len({tuple(p) for p in places}) == crossings
