"""The data sets that TensorFlow Playground generates, as its ``src/dataset.ts`` defines them.

Points lie in the plane (columns ``x``, ``y``); the column ``label`` is -1 or 1 for
classification, a float for regression. Noise disturbs the label only (the label is that of a
point nearby), except that it moves the points of ``spiral`` and widens the two clouds of
``gauss``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.core.errors import ArgumentError, nearest
from chainrule.data.randomness import random_stream

Points = tuple[np.ndarray, np.ndarray, np.ndarray]

MAX_NOISE = 0.5
CIRCLE_RADIUS = 5.0
REGRESSION_RADIUS = 6.0
XOR_PADDING = 0.3
# center x, center y, sign of the bump
BUMPS = ((-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1))


def _label_noise(
    rng: np.random.Generator, samples: int, radius: float, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """How far from each point its label is read: U(-radius, radius) · noise, in x and in y."""
    offsets = rng.uniform(-radius, radius, (2, samples)) * noise
    return offsets[0], offsets[1]


def _halves(samples: int) -> tuple[int, int]:
    """Rows of the positive and of the negative class; an odd row is positive."""
    return samples - samples // 2, samples // 2


def _xor(rng: np.random.Generator, samples: int, noise: float) -> Points:
    """Label 1 where x and y have the same sign; a gap of 0.3 along both axes."""
    x, y = rng.uniform(-5, 5, (2, samples))
    x = x + np.where(x > 0, XOR_PADDING, -XOR_PADDING)
    y = y + np.where(y > 0, XOR_PADDING, -XOR_PADDING)
    dx, dy = _label_noise(rng, samples, 5, noise)
    return x, y, np.where((x + dx) * (y + dy) >= 0, 1, -1)


def _circle(rng: np.random.Generator, samples: int, noise: float) -> Points:
    """A disc of radius 2.5 (label 1) inside a ring from 3.5 to 5 (label -1)."""
    inside, outside = _halves(samples)
    radius = np.concatenate(
        [
            rng.uniform(0, 0.5 * CIRCLE_RADIUS, inside),
            rng.uniform(0.7 * CIRCLE_RADIUS, CIRCLE_RADIUS, outside),
        ]
    )
    angle = rng.uniform(0, 2 * np.pi, samples)
    x, y = radius * np.sin(angle), radius * np.cos(angle)
    dx, dy = _label_noise(rng, samples, CIRCLE_RADIUS, noise)
    return x, y, np.where(np.hypot(x + dx, y + dy) < 0.5 * CIRCLE_RADIUS, 1, -1)


def _gauss(rng: np.random.Generator, samples: int, noise: float) -> Points:
    """Two round clouds, at (2, 2) and (-2, -2), of variance 0.5 (no noise) to 4 (noise 0.5)."""
    positive, negative = _halves(samples)
    variance = 0.5 + 7 * noise
    label = np.repeat([1, -1], [positive, negative])
    x, y = 2 * label + np.sqrt(variance) * rng.standard_normal((2, samples))
    return x, y, label


def _spiral(rng: np.random.Generator, samples: int, noise: float) -> Points:
    """Two arms of 1.75 turns out to radius 5, half a turn apart; noise moves the points."""
    positive, negative = _halves(samples)
    step = np.concatenate([np.arange(positive), np.arange(negative)]) / (samples / 2)
    label = np.repeat([1, -1], [positive, negative])
    angle = 1.75 * 2 * np.pi * step + np.where(label == 1, 0, np.pi)
    dx, dy = rng.uniform(-1, 1, (2, samples)) * noise
    return 5 * step * np.sin(angle) + dx, 5 * step * np.cos(angle) + dy, label


def _plane(rng: np.random.Generator, samples: int, noise: float) -> Points:
    """Label (x + y) / 10 over the square [-6, 6]²."""
    x, y = rng.uniform(-REGRESSION_RADIUS, REGRESSION_RADIUS, (2, samples))
    dx, dy = _label_noise(rng, samples, REGRESSION_RADIUS, noise)
    return x, y, (x + dx + y + dy) / 10


def _multi_gauss(rng: np.random.Generator, samples: int, noise: float) -> Points:
    """Six cones of radius 2 and height ±1 over the square [-6, 6]²; 0 between them."""
    x, y = rng.uniform(-REGRESSION_RADIUS, REGRESSION_RADIUS, (2, samples))
    dx, dy = _label_noise(rng, samples, REGRESSION_RADIUS, noise)
    label = np.zeros(samples)
    for center_x, center_y, sign in BUMPS:
        distance = np.hypot(x + dx - center_x, y + dy - center_y)
        bump = sign * np.clip(1 - distance / 2, 0, 1)
        label = np.where(np.abs(bump) > np.abs(label), bump, label)
    return x, y, label


@dataclass(frozen=True)
class Generator:
    """One of the generated sets: how its points are drawn, and how many by default."""

    draw: Callable[[np.random.Generator, int, float], Points]
    samples: int


GENERATORS = {
    "xor": Generator(_xor, 500),
    "circle": Generator(_circle, 500),
    "gauss": Generator(_gauss, 500),
    "spiral": Generator(_spiral, 500),
    "plane": Generator(_plane, 1200),
    "multi_gauss": Generator(_multi_gauss, 1200),
}


def generate(
    name: str, *, samples: int | None = None, noise: float = 0.0, seed: int = 0
) -> dict[str, np.ndarray]:
    """Generate one of the Playground's data sets, its rows shuffled as the Playground does.

    Args:
        name: ``xor``, ``circle``, ``gauss``, ``spiral``, ``plane`` or ``multi_gauss``.
        samples: rows, 2 or more; the Playground's 500 (classification) or 1200 if left out.
        noise: 0 to 0.5 (the Playground's slider goes from 0 to 50, in percent).
        seed: the same seed gives the same rows.

    Returns:
        The columns ``x`` and ``y`` (float64) and ``label`` (int64 -1 and 1, or float64).

    Raises:
        ArgumentError: an unknown name, or an option out of its range.
    """
    if name not in GENERATORS:
        raise ArgumentError(
            "name", repr(name), f"one of {', '.join(GENERATORS)}", nearest(name, GENERATORS)
        )
    generator = GENERATORS[name]
    samples = _check_samples(generator.samples if samples is None else samples)
    if not isinstance(noise, int | float | np.number) or not 0 <= noise <= MAX_NOISE:
        raise ArgumentError(
            "noise", repr(noise), "a number from 0 to 0.5", "Divide a percentage by 100."
        )
    rng = np.random.Generator(random_stream(seed))
    x, y, label = generator.draw(rng, samples, float(noise))
    order = rng.permutation(samples)
    return {"x": x[order], "y": y[order], "label": label[order]}


def _check_samples(samples: int) -> int:
    try:
        whole = operator.index(samples)
    except TypeError:
        whole = 0
    if whole < 2:
        raise ArgumentError("samples", repr(samples), "a whole number of rows, 2 or more")
    return whole
