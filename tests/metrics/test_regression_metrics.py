from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ShapeError
from chainrule.core.types import Array, ArrayType
from chainrule.metrics import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    RootMeanSquaredError,
)


def root(y: Array, prediction: Array, **options: Any) -> float:
    """√ of the mean over all outputs; scikit-learn would average the outputs' roots."""
    return math.sqrt(sklearn.metrics.mean_squared_error(y, prediction, **options))


SKLEARN: dict[type[Metric], Any] = {
    MeanSquaredError: sklearn.metrics.mean_squared_error,
    MeanAbsoluteError: sklearn.metrics.mean_absolute_error,
    RootMeanSquaredError: root,
    R2: sklearn.metrics.r2_score,
}


def streamed(
    metric: Metric, y: Array, prediction: Array, cuts: list[int], weights: Array | None = None
) -> float:
    """The metric over the batches between the cuts, empty ones left out."""
    places = [0, *sorted({c % len(y) for c in cuts} - {0}), len(y)]
    for start, stop in itertools.pairwise(places):
        part = None if weights is None else weights[start:stop]
        metric.update(y[start:stop], prediction[start:stop], part)
    return metric.result()


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
SEED = st.integers(0, 2**32 - 1)


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(2, 60),
    outputs=st.integers(1, 3),
    cuts=CUTS,
    seed=SEED,
    offset=st.sampled_from([0.0, 1.0, -300.0, 1e6, 1e9]),
    kind=st.sampled_from(list(SKLEARN)),
    weighted=st.booleans(),
)
def test_errors_over_any_split(
    n: int,
    outputs: int,
    cuts: list[int],
    seed: int,
    offset: float,
    kind: type[Metric],
    weighted: bool,
) -> None:
    rng = np.random.default_rng(seed)
    y = offset + rng.normal(size=(n, outputs))
    prediction = y + rng.normal(scale=0.5, size=(n, outputs))
    weights = rng.uniform(0.1, 3.0, n) if weighted else None
    found = streamed(kind(), y, prediction, cuts, weights)
    assert found == streamed(kind(), y, prediction, [], weights)  # to the last bit
    wanted = SKLEARN[kind](y, prediction, sample_weight=weights)
    assert found == pytest.approx(wanted, rel=1e-8, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(4, 60), cuts=CUTS, seed=SEED)
def test_r2_where_the_first_batch_is_unlike_the_rest(n: int, cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.sort(1e6 * rng.normal(size=n))
    prediction = y + 1e5 * rng.normal(size=n)
    found = streamed(R2(), y, prediction, cuts)
    assert found == streamed(R2(), y, prediction, [])
    assert found == pytest.approx(sklearn.metrics.r2_score(y, prediction), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=SEED, cuts=CUTS, counts=st.lists(st.integers(0, 3), min_size=6, max_size=20))
def test_weights_that_are_whole_repeat_samples(
    seed: int, cuts: list[int], counts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    counts[0], counts[1] = 1, 2
    n = len(counts)
    y, prediction, w = rng.normal(size=n), rng.normal(size=n), np.array(counts, float)
    for kind in SKLEARN:
        found = streamed(kind(), y, prediction, cuts, w)
        repeated = streamed(kind(), np.repeat(y, counts), np.repeat(prediction, counts), [])
        assert found == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("kind", SKLEARN)
def test_a_vector_and_a_column_meet_without_broadcasting(kind: type[Metric]) -> None:
    rng = np.random.default_rng(0)
    y, prediction = rng.normal(size=8), rng.normal(size=8)
    wanted = SKLEARN[kind](y, prediction)
    for a, b in ((y, prediction[:, None]), (y[:, None], prediction), (y, prediction)):
        metric = kind()
        metric.update(a, b)
        assert metric.result() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("kind", [MeanSquaredError, MeanAbsoluteError])
def test_float32_predictions_are_summed_in_float64(kind: type[Metric]) -> None:
    y = np.full((1000, 1), 2.0**24, np.float32)
    metric = kind()
    metric.update(y, y + np.float32(2.0))
    assert metric.result() == (4.0 if kind is MeanSquaredError else 2.0)
    metric.update(np.zeros((1, 1), np.float32), np.full((1, 1), 1e30, np.float32))
    assert math.isfinite(metric.result())


def test_large_targets_in_float32_keep_r2() -> None:
    y = (1e4 + np.arange(50.0)).astype(np.float32)
    metric = R2()
    metric.update(y, y + np.float32(1.0))
    assert metric.result() == pytest.approx(
        sklearn.metrics.r2_score(y.astype(np.float64), y + np.float64(1.0)), rel=1e-9
    )


def test_r2_of_targets_far_from_zero_is_exact() -> None:
    """2⁴⁰ + 0..9: the squares need 80 bits, and none is lost."""
    y = 2.0**40 + np.arange(10.0)
    prediction = y.copy()
    prediction[3] += 0.5
    assert streamed(R2(), y, prediction, [1, 4]) == pytest.approx(1 - 0.25 / 82.5, rel=1e-15)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -1 / 3])
@pytest.mark.parametrize("cuts", [[], [3], [1, 2, 3, 4, 5, 6, 7]])
def test_r2_of_a_target_that_never_varies(value: float, cuts: list[int]) -> None:
    y = np.full(11, value)
    assert math.isnan(streamed(R2(), y, y + 1.0, cuts))
    mixed = np.stack([y, np.arange(11.0)], axis=1)
    assert math.isnan(streamed(R2(), mixed, mixed + 1.0, cuts))


def test_r2_of_one_sample() -> None:
    metric = R2()
    metric.update(np.array([3.0]), np.array([3.0]))
    assert math.isnan(metric.result())


@pytest.mark.parametrize("kind", SKLEARN)
def test_over_nothing_and_over_weights_of_zero(kind: type[Metric]) -> None:
    assert math.isnan(kind().result())
    metric = kind()
    metric.update(np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.zeros(2))
    assert math.isnan(metric.result())


@pytest.mark.parametrize("kind", SKLEARN)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_network_that_diverged(kind: type[Metric], bad: float) -> None:
    """No warning; what comes is not finite, and stays so."""
    metric = kind()
    metric.update(np.array([1.0, 2.0]), np.array([bad, 2.0]))
    assert not math.isfinite(metric.result())
    metric.update(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert not math.isfinite(metric.result())


def test_squares_that_overflow() -> None:
    metric = MeanSquaredError()
    metric.update(np.zeros(2), np.full(2, 1e200))
    assert metric.result() == math.inf
    metric = MeanAbsoluteError()
    metric.update(np.zeros(3), np.full(3, 1.7e308))
    assert metric.result() == math.inf


@pytest.mark.parametrize("kind", SKLEARN)
@pytest.mark.parametrize("shapes", [((4,), (4, 4)), ((4,), (4, 2)), ((2, 4), (4, 2)), ((3,), (4,))])
def test_errors_of_targets_of_another_shape(
    kind: type[Metric], shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    y, prediction = (np.ones(shape) for shape in shapes)
    text = (
        f"y for the metric {kind().name!r}: got shape {y.shape}; expected shape "
        f"{prediction.shape}, as the network's output."
    )
    with pytest.raises(ShapeError) as caught:
        kind().update(y, prediction)
    assert str(caught.value) == text
    if y.size // len(y) != prediction.size // len(prediction):
        with pytest.raises(ShapeError) as caught:
            kind().check(y, ArrayType(prediction.shape, prediction.dtype))
        assert str(caught.value).startswith(
            f"y for the metric {kind().name!r}: got shape {y.shape}"
        )


@pytest.mark.parametrize("kind", SKLEARN)
def test_shapes_that_fit(kind: type[Metric]) -> None:
    for y, shape in (((4, 3), (4, 3)), ((4,), (4, 1)), ((4, 2, 3), (4, 2, 3)), ((4, 1), (4,))):
        kind().check(np.zeros(y), ArrayType(shape, np.dtype("float32")))
    for y, shape in (((4, 3), (4, 2)), ((4, 3), (4,)), ((4,), (4, 3)), ((4, 2, 3), (4, 2, 2))):
        with pytest.raises(ShapeError, match=r"^y for the metric '\w+': got shape \(4,"):
            kind().check(np.zeros(y), ArrayType(shape, np.dtype("float32")))
