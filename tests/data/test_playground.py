"""The facts of tensorflow/playground's ``src/dataset.ts``, checked on the points themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.core.errors import ArgumentError
from chainrule.data.playground import GENERATORS, generate

CLASSIFICATION = ["xor", "circle", "gauss", "spiral"]


def points(name: str, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = generate(name, **options)
    assert list(columns) == ["x", "y", "label"]
    return columns["x"], columns["y"], columns["label"]


@pytest.mark.parametrize("name", list(GENERATORS))
def test_sizes_types_and_seeds(name: str) -> None:
    x, y, label = points(name)
    assert len(x) == len(y) == len(label) == (500 if name in CLASSIFICATION else 1200)
    assert x.dtype == y.dtype == np.float64
    assert label.dtype == (np.int64 if name in CLASSIFICATION else np.float64)
    for samples in (2, 7, 501):
        assert len(points(name, samples=samples)[0]) == samples
    np.testing.assert_array_equal(x, points(name, seed=0)[0])
    assert not np.array_equal(x, points(name, seed=1)[0])


@pytest.mark.parametrize("name", ["circle", "gauss", "spiral"])
def test_classes_are_halves_and_shuffled(name: str) -> None:
    label = points(name, noise=0.0)[2]
    assert sorted(set(label.tolist())) == [-1, 1]
    assert (label == 1).sum() == 250
    assert abs(label[:250].sum()) < 100  # in the order of generation it would be 250
    assert (points(name, samples=7)[2] == 1).sum() == 4


def test_xor() -> None:
    x, y, label = points("xor", samples=20_000)
    for axis in (x, y):
        assert 0.3 <= np.abs(axis).min() < 0.31
        assert 5.29 < np.abs(axis).max() <= 5.3
    np.testing.assert_array_equal(label, np.where(x * y >= 0, 1, -1))


def test_circle() -> None:
    x, y, label = points("circle", samples=20_000)
    radius = np.hypot(x, y)
    inside, outside = radius[label == 1], radius[label == -1]
    assert 2.49 < inside.max() <= 2.5 + 1e-12
    assert inside.min() < 0.01
    assert 3.5 - 1e-12 <= outside.min() < 3.51
    assert 4.99 < outside.max() <= 5 + 1e-12
    assert abs(inside.mean() - 1.25) < 0.03  # uniform in the radius, not in the area
    assert abs(outside.mean() - 4.25) < 0.03


@pytest.mark.parametrize(("noise", "variance"), [(0.0, 0.5), (0.25, 2.25), (0.5, 4.0)])
def test_gauss(noise: float, variance: float) -> None:
    x, y, label = points("gauss", samples=40_000, noise=noise)
    for sign in (1, -1):
        for axis in (x[label == sign], y[label == sign]):
            assert abs(axis.mean() - 2 * sign) < 0.06
            assert abs(axis.var() / variance - 1) < 0.05


def test_spiral() -> None:
    x, y, label = points("spiral", samples=200)
    for sign, start in ((1, 0.0), (-1, np.pi)):
        radius = np.hypot(x[label == sign], y[label == sign])
        step = np.sort(radius) / 5
        np.testing.assert_allclose(step, np.arange(100) / 100, atol=1e-12)
        order = np.argsort(radius)
        angle = 1.75 * 2 * np.pi * step + start
        np.testing.assert_allclose(x[label == sign][order], 5 * step * np.sin(angle), atol=1e-9)
        np.testing.assert_allclose(y[label == sign][order], 5 * step * np.cos(angle), atol=1e-9)


def test_noise_moves_the_points_of_the_spiral() -> None:
    def by_arm(noise: float) -> np.ndarray:
        x, y, label = points("spiral", noise=noise, seed=3)
        return np.stack([x, y, label], axis=1)

    moved = (by_arm(0.5) - by_arm(0.0))[:, :2]
    assert 0.49 < np.abs(moved).max() <= 0.5
    np.testing.assert_array_equal(by_arm(0.5)[:, 2], by_arm(0.0)[:, 2])


@pytest.mark.parametrize("name", ["xor", "circle", "plane", "multi_gauss"])
def test_noise_disturbs_labels_only(name: str) -> None:
    (x0, y0, clean), (x1, y1, noisy) = points(name), points(name, noise=0.5)
    np.testing.assert_array_equal(x0, x1)
    np.testing.assert_array_equal(y0, y1)
    assert (clean != noisy).mean() > 0.05


def test_plane() -> None:
    x, y, label = points("plane", samples=20_000)
    for axis in (x, y):
        assert 5.99 < np.abs(axis).max() <= 6
    np.testing.assert_allclose(label, (x + y) / 10, atol=1e-12)
    noise = points("plane", samples=20_000, noise=0.5)[2] - label
    assert 0.58 < np.abs(noise).max() <= 0.6  # two offsets of up to 6 · 0.5, over 10


def test_multi_gauss() -> None:
    x, y, label = points("multi_gauss", samples=20_000)
    assert 5.99 < np.abs(x).max() <= 6
    signs = {(-4, 2.5): 1, (0, 2.5): -1, (4, 2.5): 1, (-4, -2.5): -1, (0, -2.5): 1, (4, -2.5): -1}
    heights = np.stack(
        [sign * np.maximum(0, 1 - np.hypot(x - a, y - b) / 2) for (a, b), sign in signs.items()]
    )
    strongest = np.abs(heights).argmax(axis=0)
    np.testing.assert_allclose(label, heights[strongest, np.arange(len(x))], atol=1e-12)
    assert (label == 0).any()
    assert label.max() > 0.95
    assert label.min() < -0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 0.51}, "noise: got 0.51; expected a number from 0 to 0.5. Divide a percentage"),
        ({"noise": -0.1}, "noise: got -0.1"),
        ({"noise": float("nan")}, "noise: got nan"),
        ({"noise": "much"}, "noise: got 'much'"),
        ({"samples": 1}, "samples: got 1; expected a whole number of rows, 2 or more"),
        ({"samples": 2.5}, "samples: got 2.5"),
        ({"seed": -1}, "seed: got -1"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        generate("xor", **options)


def test_unknown_name() -> None:
    with pytest.raises(ArgumentError, match=r"name: got 'spirals'; .*Did you mean 'spiral'"):
        generate("spirals")
