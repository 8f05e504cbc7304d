"""Metrics by name, in files, written by users; sums without rounding."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.types import Array
from chainrule.losses import BinaryCrossEntropy, Huber, Output, Reading
from chainrule.metrics import (
    F1,
    METRICS,
    R2,
    Accuracy,
    ConfusionMatrix,
    FBeta,
    MeanAbsoluteError,
    MeanLoss,
    MeanOf,
    MeanSquaredError,
    Metric,
    Precision,
    Recall,
    RocAuc,
    RootMeanSquaredError,
    TopK,
    grows,
    metric_from_config,
    metric_maker,
    metric_makers,
    metric_names,
    metric_to_config,
)
from chainrule.metrics.base import ExactSum, spread
from chainrule.metrics.regression import product

# ----------------------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        *METRICS.items(),
        ("acc", Accuracy),
        ("binary_accuracy", Accuracy),
        ("categorical_accuracy", Accuracy),
        ("sparse_categorical_accuracy", Accuracy),
        ("top_k_categorical_accuracy", TopK),
        ("auc", RocAuc),
        ("AUC", RocAuc),
        ("f1_score", F1),
        ("mean_squared_error", MeanSquaredError),
        ("mean_absolute_error", MeanAbsoluteError),
        ("root_mean_squared_error", RootMeanSquaredError),
        ("R2", R2),
        ("r2_score", R2),
        (R2, R2),
        (ConfusionMatrix, ConfusionMatrix),
    ],
)
def test_by_name(given: Any, kind: type[Metric]) -> None:
    assert type(metric_maker(given)()) is kind
    assert METRICS[kind.name] is kind


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(ArgumentError) as caught:
        metric_maker("acuracy")
    assert str(caught.value) == (
        "metrics: got 'acuracy'; expected names among accuracy, error_rate, top_k, precision, "
        "recall, f1, fbeta, roc_auc, confusion_matrix, mse, mae, rmse, r2. Did you mean "
        "'accuracy' or 'top_k_accuracy' or 'binary_accuracy'?"
    )
    with pytest.raises(DtypeError, match=r"^metrics: got a int; expected names among accuracy, "):
        metric_maker(3)  # type: ignore[arg-type]


def test_a_metric_that_is_given_is_not_changed() -> None:
    given = F1("macro", name="mine")
    make = metric_maker(given)
    for _ in range(2):
        metric = make()
        assert metric is not given
        assert (metric.name, metric.config()) == ("mine", given.config())
        assert math.isnan(metric.result())
        metric.update(np.array([0, 1]), np.eye(2))
    assert math.isnan(given.result())


def test_one_or_several() -> None:
    for metrics, names in (
        ("accuracy", ["accuracy"]),
        (R2, ["r2"]),
        (F1("macro"), ["f1_macro"]),
        (["mse", R2, TopK(2)], ["mse", "r2", "top_2"]),
        (("mse",), ["mse"]),
        ([], []),
    ):
        assert [make().name for make in metric_makers(metrics)] == names


def test_names_in_logs() -> None:
    assert metric_names([Accuracy(), F1()], [Accuracy(), R2()]) == [
        "accuracy",
        "f1",
        "weighted_accuracy",
        "r2",
    ]
    for metrics, weighted, name in (
        ([Precision(), Precision(threshold=0.9)], [], "precision"),
        ([], [R2(), R2(), R2()], "weighted_r2"),
        ([Accuracy(name="loss")], [], "loss"),
        ([Accuracy(name="penalty")], [], "penalty"),
    ):
        with pytest.raises(ArgumentError) as caught:
            metric_names(metrics, weighted)
        kind = type([*metrics, *weighted][-1]).__name__
        assert str(caught.value) == (
            f"metrics: got a second {name!r}; expected each name once. Give one another name: "
            f"{kind}(name=...)."
        )


@pytest.mark.parametrize(
    "name", ["val_accuracy", "f1_macro", "f0.5", "top_3", "weighted_r2", "auc"]
)
def test_more_is_better(name: str) -> None:
    assert grows(name)


@pytest.mark.parametrize("name", ["loss", "val_loss", "mse", "val_rmse", "mae", "f", "accidents"])
def test_less_is_better(name: str) -> None:
    assert not grows(name)


# ------------------------------------------------------------------------------------ in files


@pytest.mark.parametrize("name", METRICS)
def test_the_default_is_only_a_name(name: str) -> None:
    assert metric_to_config(METRICS[name]) == name
    assert type(metric_from_config(name)()) is METRICS[name]


@pytest.mark.parametrize(
    "metric",
    [
        Accuracy(0.7, from_logits=True),
        TopK(3),
        Precision("macro", zero_division=math.nan),
        Recall(None, name="each"),
        FBeta(2.0, "weighted"),
        F1("micro", multi_label=True),
        RocAuc("weighted"),
        ConfusionMatrix("true"),
        R2(name="share"),
    ],
    ids=repr,
)
def test_what_a_file_holds_makes_it_again(metric: Metric) -> None:
    described = json.loads(json.dumps(metric_to_config(metric_maker(metric)), allow_nan=False))
    again = metric_from_config(described)()
    assert type(again) is type(metric)
    assert repr(again) == repr(metric)
    assert again.name == metric.name


def test_code_is_not_described() -> None:
    assert metric_to_config(type("Mine", (R2,), {})) is None
    assert metric_to_config(lambda: MeanOf(lambda y, p: y)) is None
    with pytest.raises(ArgumentError, match=r"^metrics: got 'loin'; expected names among"):
        metric_from_config({"name": "loin", "settings": {}})


# ------------------------------------------------------------------------------- written by users


class Largest(Metric):
    """What a user writes: no constructor."""

    name = "largest"
    value = -math.inf

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        self.value = max(self.value, float(prediction.max()))

    def result(self) -> float:
        return self.value


def test_a_users_metric() -> None:
    given = Largest()
    metric = metric_maker(given)()
    metric.read(Reading(Output.LOGITS))
    metric.update(np.zeros(2), np.array([1.0, 3.0]))
    assert metric.result() == 3.0
    assert metric_maker(Largest)().result() == given.result() == -math.inf
    assert repr(metric) == "Largest()"
    assert metric_to_config(Largest) is None


def test_a_metric_must_say_what_it_is() -> None:
    with pytest.raises(NotImplementedError):
        Metric().update(np.zeros(1), np.zeros(1))
    with pytest.raises(NotImplementedError):
        Metric().result()


def test_the_mean_of_a_function() -> None:
    def shortfall(y: Array, prediction: Array) -> Array:
        return np.maximum(y - prediction, 0.0)

    metric = metric_maker(MeanOf(shortfall))()
    assert metric.name == "shortfall"
    metric.update(np.array([1.0, 2.0, 5.0]), np.array([0.0, 3.0, 1.0]))
    assert metric.result() == pytest.approx(5 / 3)
    metric.update(np.array([1.0]), np.array([0.0]), np.array([3.0]))
    assert metric.result() == pytest.approx(8 / 6)
    rows = MeanOf(lambda y, p: p)  # several values a sample
    rows.update(np.zeros(2), np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([1.0, 3.0]))
    assert rows.result() == pytest.approx((1 + 2 + 9 + 18) / 8)
    with pytest.raises(ShapeError) as caught:
        MeanOf(lambda y, p: 1.0).update(np.zeros(2), np.zeros(2))
    assert str(caught.value) == (
        "result of the metric '<lambda>': got shape (); expected one value a sample, shape (2,). "
        "Leave the mean out: it is taken over all samples."
    )


@pytest.mark.parametrize("make", [*METRICS.values(), lambda: MeanOf(lambda y, p: abs(y - p))])
def test_metrics_take_lists_and_tensors(make: Any) -> None:
    y = [0, 1, 1, 0, 1]
    scores = [0.5, 0.25, 0.75, 0.125, 1.0]
    rows = [[1.0 - p, p, 0.0, 0.0, 0.0, 0.0] for p in scores]
    given = rows if make is TopK else scores
    found = []
    for convert in (np.array, list, cr.tensor):
        metric = make()
        metric.update(convert(y), convert(given))
        found.append(metric.result())
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize("make", [Accuracy, F1, RocAuc, MeanSquaredError, R2])
def test_metrics_refuse_text(make: Any) -> None:
    with pytest.raises(DtypeError) as caught:
        make().update(["cat", "dog"], [0.25, 0.75])
    assert str(caught.value) == (
        "y: got values of dtype <U3; expected numbers. Number the classes from 0: "
        "np.unique(labels, return_inverse=True)."
    )
    with pytest.raises(DtypeError, match=r"^prediction: got values of dtype <U1; expected numb"):
        make().update([0, 1], ["a", "b"])


def test_accuracy_of_lists() -> None:
    metric = Accuracy()
    metric.update([0, 1], [[0.2, 0.8], [0.3, 0.7]])  # type: ignore[arg-type]
    assert metric.result() == 0.5


def test_any_function_of_two_arrays_is_a_metric() -> None:
    metric = metric_maker(lambda y, p: abs(y - p))()
    assert (type(metric), metric.name) == (MeanOf, "<lambda>")
    metric.update(np.array([1.0, 2.0]), np.array([3.0, 2.0]))
    assert metric.result() == 1.0
    assert metric_maker(partial(TopK, 3))().name == "top_3"
    assert metric_maker(lambda: F1("micro"))().name == "f1_micro"
    assert metric_maker(lambda y, p, scale=2.0: scale * (y - p))().name == "<lambda>"


@pytest.mark.parametrize("given", [Huber(), Huber, "huber"])
def test_a_loss_is_a_metric(given: Any) -> None:
    metric = metric_maker(given)()
    assert metric.name == "huber"
    metric.update(np.array([0.0, 0.0]), np.array([[1.0], [2.0]]))
    metric.update([0.0], [[0.0]], [2.0])  # type: ignore[arg-type]
    assert metric.result() == pytest.approx(2.0 / 4.0)


@pytest.mark.parametrize("from_logits", [True, False])
def test_a_loss_by_its_name_reads_the_output_as_the_models_loss_does(from_logits: bool) -> None:
    metric = metric_maker("binary_crossentropy")()
    metric.read(Reading(Output.LOGITS if from_logits else Output.PROBABILITIES))
    z = np.array([0.25, 0.75])
    metric.update(np.array([0, 1]), z)
    wanted = BinaryCrossEntropy(from_logits=from_logits)(cr.tensor([0.0, 1.0]), cr.tensor(z))
    assert metric.result() == pytest.approx(wanted.numpy().mean())
    own = metric_maker(BinaryCrossEntropy())()  # made on purpose: nothing is changed
    own.read(Reading(Output.PROBABILITIES))
    assert own.loss.from_logits  # type: ignore[attr-defined]


@pytest.mark.parametrize("given", ["huber", Huber(2.0), MeanLoss(Huber(), name="h")])
def test_losses_as_metrics_in_files(given: Any) -> None:
    config = metric_to_config(metric_maker(given))
    again = metric_from_config(json.loads(json.dumps(config)))
    assert repr(again()) == repr(metric_maker(given)())


def test_no_metrics_and_metrics_by_output() -> None:
    assert metric_makers(None) == []
    with pytest.raises(ArgumentError) as caught:
        metric_makers({"a": "mse"})  # type: ignore[arg-type]
    assert str(caught.value) == (
        "metrics: got a dict of metrics by output; expected a list, such as ['accuracy']. A model "
        "has one output: metrics=['mse']."
    )


# ------------------------------------------------------------------------- sums without rounding

FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150)


@settings(max_examples=300, deadline=None)
@given(values=st.lists(FLOATS, max_size=30), cuts=st.lists(st.integers(0, 29), max_size=6))
def test_sums_are_exact(values: list[float], cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    total = ExactSum()
    for start, stop in itertools.pairwise(places):
        total.add(np.array(values[start:stop]))
    exact = sum(map(Fraction, values), Fraction())
    assert total.exact() == exact
    assert total.value() == float(exact)


@settings(max_examples=300, deadline=None)
@given(x=FLOATS, y=FLOATS)
def test_products_are_exact(x: float, y: float) -> None:
    if 0 < abs(x * y) < 1e-250 or abs(x * y) > 1e290 or max(abs(x), abs(y)) > 1e290:
        return  # what is left over may not be a float
    if (x and y) and (x * y) == 0:
        return
    high, low = product(np.array([x]), np.array([y]))
    assert Fraction(high[0]) + Fraction(low[0]) == Fraction(x) * Fraction(y)
    assert high[0] == x * y


def test_sums_of_what_is_not_finite() -> None:
    for values, wanted in (
        ([math.inf, 1.0], math.inf),
        ([-math.inf, 1.0], -math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
        ([1.7e308, 1.7e308], math.inf),
        ([-1.7e308, -1.7e308], -math.inf),
    ):
        total = ExactSum()
        total.add(np.array([2.0]))
        total.add(np.array(values))
        total.add(np.array([3.0]))
        assert total.value() == pytest.approx(wanted, nan_ok=True)
    mixed = ExactSum()
    mixed.add(np.array([math.inf]))
    mixed.add(np.array([-math.inf]))
    assert math.isnan(mixed.value())


def test_weights_are_one_a_sample() -> None:
    assert spread(np.array([1.0, 2.0]), (2, 3)).tolist() == [[1.0] * 3, [2.0] * 3]
    with pytest.raises(ShapeError) as caught:
        MeanSquaredError().update(np.zeros(2), np.zeros(2), np.ones(3))
    assert str(caught.value) == "sample_weight: got 3 weights; expected 2, one a sample."


def test_the_error_rate_is_what_accuracy_lacks() -> None:
    rng = np.random.default_rng(0)
    y, prediction, weight = rng.integers(0, 3, 50), rng.normal(size=(50, 3)), rng.uniform(size=50)
    for weights in (None, weight):
        right, wrong = METRICS["accuracy"](), METRICS["error_rate"]()
        right.update(y, prediction, weights)
        wrong.update(y, prediction, weights)
        assert right.result() + wrong.result() == pytest.approx(1.0)
    assert np.isnan(METRICS["error_rate"]().result())
