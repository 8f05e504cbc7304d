"""Keras's metrics: those of one's own, thresholds, files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from chainrule import keras
from chainrule.core.errors import ArgumentError
from chainrule.keras import metrics

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("f4")
Y = (X[:, 0] > 0).astype(int)
SCORES = np.clip(0.5 + 0.2 * X[:, 0] + 0.2 * RNG.normal(size=60), 0, 1)
WEIGHTS = RNG.uniform(0.1, 2.0, 60)


class Hits(metrics.Metric):
    """As Keras's documentation writes one."""

    def __init__(self, name: str = "hits", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.seen = self.add_variable(shape=(), initializer="zeros", name="seen")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        right = keras.ops.cast(keras.ops.equal(y_true, y_pred > 0.5), "float32")
        self.hits.assign_add(keras.ops.sum(right))
        self.seen.assign(self.seen + keras.ops.size(right))

    def result(self) -> Any:
        return self.hits / self.seen


class Reset(Hits):
    def reset_state(self) -> None:
        self.hits.assign(0.0)
        self.seen.assign(0.0)


@pytest.mark.parametrize("kind", [Hits, Reset])
def test_a_metric_of_ones_own(kind: Any) -> None:
    metric = kind()
    metric.update_state(Y, SCORES)
    expected = float(np.mean((SCORES > 0.5) == Y))
    assert metric.result() == pytest.approx(expected)
    assert isinstance(metric.result(), float)
    metric.reset_state()
    assert [v.item() for v in metric.variables] == [0.0, 0.0]
    model = keras.Sequential([keras.layers.Dense(1, "sigmoid", input_shape=(4,))])
    model.compile("sgd", "binary_crossentropy", metrics=[kind(), "accuracy"])
    history = model.fit(X, Y, epochs=3, verbose=0, batch_size=16, validation_split=0.2).history
    assert history["hits"] == pytest.approx(history["accuracy"])
    assert history["val_hits"] == pytest.approx(history["val_accuracy"])
    assert [m.name for m in model.metrics] == ["hits", "accuracy"]


def test_the_exact_area_is_the_default() -> None:
    assert metrics.AUC()(Y, SCORES) == pytest.approx(roc_auc_score(Y, SCORES), abs=1e-12)
    given = {"sample_weight": WEIGHTS}
    expected = roc_auc_score(Y, SCORES, **given)
    assert metrics.AUC()(Y, SCORES, **given) == pytest.approx(expected, abs=1e-12)
    many = metrics.AUC(num_thresholds=100_000)(Y, SCORES, **given)
    assert many == pytest.approx(expected, abs=1e-4)
    logits = np.log(SCORES.clip(1e-6, 1 - 1e-6)) - np.log(1 - SCORES.clip(1e-6, 1 - 1e-6))
    assert metrics.AUC(from_logits=True)(Y, logits) == pytest.approx(
        roc_auc_score(Y, SCORES.clip(1e-6, 1 - 1e-6)), abs=1e-9
    )


def test_few_thresholds_are_honored() -> None:
    few = metrics.AUC(num_thresholds=3)(Y, SCORES)
    yes = SCORES > 0.5
    tpr, fpr = yes[Y == 1].mean(), yes[Y == 0].mean()
    assert few == pytest.approx((1 - fpr) * (1 + tpr) / 2 + fpr * tpr / 2)
    assert metrics.AUC(thresholds=[0.5])(Y, SCORES) == pytest.approx(few)
    below = metrics.AUC(num_thresholds=20, summation_method="minoring")(Y, SCORES)
    above = metrics.AUC(num_thresholds=20, summation_method="majoring")(Y, SCORES)
    assert below < metrics.AUC(num_thresholds=20)(Y, SCORES) < above
    area = metrics.AUC(num_thresholds=5000, curve="PR")(Y, SCORES)
    assert area == pytest.approx(average_precision_score(Y, SCORES), abs=0.03)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"curve": "PRG"}, "curve: got 'PRG'"),
        ({"summation_method": "mean"}, "summation_method: got 'mean'"),
        ({"num_thresholds": 1}, "num_thresholds: got 1"),
        ({"multi_label": True}, "multi_label: got True"),
        ({"treshold": [0.5]}, "Did you mean 'thresholds'"),
    ],
)
def test_wrong_arguments(given: Any, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        metrics.AUC(**given)


def test_functions_get_targets_that_fit() -> None:
    def gap(y: Any, p: Any) -> Any:
        assert y.shape == p.shape
        return np.abs(y - p)

    found = metrics.MeanMetricWrapper(gap)(Y, SCORES[:, None])
    assert found == pytest.approx(np.mean(np.abs(Y - SCORES)))
