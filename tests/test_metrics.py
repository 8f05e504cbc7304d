from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array
from chainrule.metrics import (
    METRICS,
    R2,
    Accuracy,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    metric_maker,
)

SKLEARN = {
    MeanSquaredError: sklearn.metrics.mean_squared_error,
    MeanAbsoluteError: sklearn.metrics.mean_absolute_error,
    R2: sklearn.metrics.r2_score,
}


def streamed(metric: Metric, y: Array, prediction: Array, cuts: list[int]) -> float:
    """The metric over the batches between the cuts, empty ones left out."""
    places = [0, *sorted({c % len(y) for c in cuts} - {0}), len(y)]
    for start, stop in itertools.pairwise(places):
        metric.update(y[start:stop], prediction[start:stop])
    return metric.result()


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
SEED = st.integers(0, 2**32 - 1)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 60),
    classes=st.integers(2, 5),
    cuts=CUTS,
    seed=SEED,
    form=st.sampled_from(["labels", "column", "one-hot"]),
)
def test_accuracy_over_any_split(
    n: int, classes: int, cuts: list[int], seed: int, form: str
) -> None:
    rng = np.random.default_rng(seed)
    y, z = rng.integers(classes, size=n), rng.normal(size=(n, classes)).astype(np.float32)
    given = {"labels": y, "column": y[:, None], "one-hot": np.eye(classes)[y]}[form]
    found = streamed(Accuracy(), given, z, cuts)
    assert found == pytest.approx(sklearn.metrics.accuracy_score(y, z.argmax(axis=1)), abs=1e-15)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(2, 60),
    outputs=st.integers(1, 3),
    cuts=CUTS,
    seed=SEED,
    offset=st.sampled_from([0.0, 1.0, -300.0, 1e6, 1e9]),
    kind=st.sampled_from(list(SKLEARN)),
)
def test_errors_over_any_split(
    n: int, outputs: int, cuts: list[int], seed: int, offset: float, kind: type[Metric]
) -> None:
    rng = np.random.default_rng(seed)
    y = offset + rng.normal(size=(n, outputs))
    prediction = y + rng.normal(scale=0.5, size=(n, outputs))
    found = streamed(kind(), y, prediction, cuts)
    assert found == pytest.approx(SKLEARN[kind](y, prediction), rel=1e-9, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(4, 60), cuts=CUTS, seed=SEED)
def test_r2_where_the_first_batch_is_unlike_the_rest(n: int, cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.sort(1e6 * rng.normal(size=n))
    prediction = y + 1e5 * rng.normal(size=n)
    found = streamed(R2(), y, prediction, cuts)
    assert found == pytest.approx(sklearn.metrics.r2_score(y, prediction), rel=1e-9)


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


@pytest.mark.parametrize("make", [Accuracy, MeanSquaredError, MeanAbsoluteError, R2])
def test_over_nothing(make: Any) -> None:
    assert math.isnan(make().result())


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


def test_a_quantity_has_no_accuracy() -> None:
    y = np.array([0.5, 1.25, -3.0])
    for targets in (y, y[:, None]):
        with pytest.raises(ArgumentError, match="accuracy"):
            Accuracy().update(targets, np.zeros((3, 1)))


def test_accuracy_of_targets_of_another_shape() -> None:
    with pytest.raises(ShapeError) as caught:
        Accuracy().update(np.zeros((4, 2)), np.zeros((4, 3)))
    assert str(caught.value) == (
        "y for the metric 'accuracy': got shape (4, 2); expected labels of shape (4,), or one-hot "
        "rows of shape (4, 3)."
    )


@pytest.mark.parametrize("kind", SKLEARN)
@pytest.mark.parametrize("shapes", [((4,), (4, 4)), ((4,), (4, 2)), ((2, 4), (4, 2)), ((3,), (4,))])
def test_errors_of_targets_of_another_shape(
    kind: type[Metric], shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    y, prediction = (np.ones(shape) for shape in shapes)
    with pytest.raises(ShapeError) as caught:
        kind().update(y, prediction)
    assert str(caught.value) == (
        f"y for the metric {kind.name!r}: got shape {y.shape}; expected shape {prediction.shape}, "
        "as the network's output."
    )


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("accuracy", Accuracy),
        ("acc", Accuracy),
        ("mse", MeanSquaredError),
        ("mean_squared_error", MeanSquaredError),
        ("mae", MeanAbsoluteError),
        ("mean_absolute_error", MeanAbsoluteError),
        ("r2", R2),
        ("R2", R2),
        (R2, R2),
    ],
)
def test_by_name(given: Any, kind: type[Metric]) -> None:
    assert type(metric_maker(given)()) is kind
    assert METRICS[kind.name] is kind


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(ArgumentError) as caught:
        metric_maker("acuracy")
    assert str(caught.value).startswith(
        f"metrics: got 'acuracy'; expected names among {', '.join(METRICS)}. Did you mean "
        "'accuracy'"
    )


def test_a_metric_must_say_what_it_is() -> None:
    with pytest.raises(NotImplementedError):
        Metric().update(np.zeros(1), np.zeros(1))
    with pytest.raises(NotImplementedError):
        Metric().result()
