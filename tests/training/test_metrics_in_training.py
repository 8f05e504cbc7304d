"""Metrics by name and as objects in compile, fit and evaluate; models in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array
from chainrule.training.callbacks import Callback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
LABELS = np.arange(60) % 4
YES = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0).astype(int)
SEVERAL = (X > 0).astype(int)


def fitted(units: int, loss: Any, y: Any, metrics: Any, last: str | None = None) -> cr.Sequential:
    cr.random.seed(0)
    layers = [cr.Dense(6, activation="tanh"), cr.Dense(units, activation=last)]
    model = cr.Sequential(layers, dtype="float64")
    model.compile("adam", loss, metrics)
    model.fit(X, y, epochs=3, verbose=0)
    return model


def squares(y: cr.Tensor, prediction: cr.Tensor) -> cr.Tensor:
    return cr.square(y - prediction)


@pytest.mark.parametrize("name", ["accuracy", "f1", "confusion_matrix"])
def test_an_output_that_nobody_can_read_is_refused_before_training(name: str) -> None:
    model = cr.Sequential([cr.Dense(1)])
    model.make_parameters((3,))
    before = model.get_weights()
    model.compile("sgd", squares, [name])
    kind = type(cr.metrics.METRICS[name]()).__name__
    with pytest.raises(ArgumentError) as caught:
        model.fit(X, YES, verbose=0)
    assert str(caught.value) == (
        f"prediction for the metric '{name}': got an output that may be probabilities, logits or "
        "scores; expected probabilities, from 0 to 1. Say what they are: "
        f"cr.metrics.{kind}(from_logits=True), or from_logits=False for probabilities, or "
        "threshold=0.0 for scores."
    )
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    for options in ({"from_logits": True}, {"threshold": 0.5}):
        model.compile("sgd", squares, [cr.metrics.METRICS[name](**options), "roc_auc"])
        model.fit(X, YES, verbose=0)


def test_losses_and_functions_beside_the_loss() -> None:
    metrics = ["huber", cr.losses.AbsoluteError(), lambda y, p: abs(y - p)]
    model = fitted(1, "squared_error", X[:, 0], metrics)
    found = model.evaluate(X, X[:, 0], return_dict=True, batch_size=7)
    error = abs(model.predict(X)[:, 0] - X[:, 0])
    assert found["absolute_error"] == pytest.approx(error.mean())
    assert found["<lambda>"] == pytest.approx(error.mean())
    huber = np.where(error < 1, 0.5 * error**2, error - 0.5)
    assert found["huber"] == pytest.approx(huber.mean())


@pytest.mark.parametrize(
    ("loss", "last", "y", "cut"),
    [
        ("binary_cross_entropy", None, YES, 0.0),
        ("binary_focal", None, YES, 0.0),
        (cr.losses.BinaryCrossEntropy(from_logits=False), "sigmoid", YES, 0.5),
        ("hinge", None, YES, 0.0),
        ("hinge", None, 2 * YES - 1, 0.0),
        ("squared_error", None, YES, 0.5),
        ("squared_error", "tanh", 2 * YES - 1, 0.0),
        (lambda y, p: cr.square(y.reshape(p.shape) - p).mean(axis=1), "sigmoid", YES, 0.5),
    ],
)
def test_one_question(loss: Any, last: str | None, y: Array, cut: float) -> None:
    """Where yes begins follows from the loss: at 0 for logits and scores, else at one half."""
    model = fitted(1, loss, y, ["accuracy", "precision", "recall", "f1", "roc_auc"], last)
    z = model.predict(X)[:, 0]
    guess = (z > cut).astype(int)
    found = model.evaluate(X, y, return_dict=True, batch_size=7)
    assert found["accuracy"] == sk.accuracy_score(YES, guess)
    assert found["precision"] == pytest.approx(sk.precision_score(YES, guess, zero_division=0))
    assert found["recall"] == pytest.approx(sk.recall_score(YES, guess))
    assert found["f1"] == pytest.approx(sk.f1_score(YES, guess, zero_division=0))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(YES, z))
    assert 0 < guess.sum() < 60


def test_several_questions() -> None:
    metrics = ["accuracy", "f1", "roc_auc", "confusion_matrix"]
    model = fitted(3, "binary_cross_entropy", SEVERAL, metrics)
    z = model.predict(X)
    guess = (z > 0).astype(int)
    found = model.evaluate(X, SEVERAL, return_dict=True, batch_size=7)
    assert found["accuracy"] == pytest.approx((guess == SEVERAL).mean())
    assert found["f1"] == pytest.approx(sk.f1_score(SEVERAL, guess, average="macro"))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(SEVERAL, z))
    wanted = sk.multilabel_confusion_matrix(SEVERAL, guess)
    np.testing.assert_array_equal(found["confusion_matrix"], wanted)


@pytest.mark.parametrize("form", ["labels", "one-hot"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_classes(form: str, from_logits: bool) -> None:
    y = LABELS if form == "labels" else np.eye(4)[LABELS]
    loss = cr.losses.CrossEntropy(from_logits=from_logits)
    metrics = ["accuracy", cr.metrics.TopK(2), cr.metrics.F1("weighted"), "roc_auc"]
    model = fitted(4, loss, y, metrics, None if from_logits else "softmax")
    output = model.predict(X)
    p = cr.softmax(output).numpy() if from_logits else output
    found = model.evaluate(X, y, return_dict=True, batch_size=7)
    assert list(found) == ["loss", "accuracy", "top_2", "f1_weighted", "roc_auc"]
    guess = p.argmax(axis=1)
    assert found["accuracy"] == sk.accuracy_score(LABELS, guess)
    assert found["top_2"] == pytest.approx(sk.top_k_accuracy_score(LABELS, p, k=2))
    assert found["f1_weighted"] == pytest.approx(sk.f1_score(LABELS, guess, average="weighted"))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(LABELS, p, multi_class="ovr"))


class Recorder(Callback):
    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.batches.append(list(logs))


def test_arrays_stay_out_of_the_log() -> None:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(4)])
    model.compile(
        "sgd",
        "cross_entropy",
        ["confusion_matrix", "accuracy", cr.metrics.Recall(None), "roc_auc"],
    )
    recorder = Recorder()
    history = model.fit(
        X, LABELS, validation_data=(X, LABELS), verbose=0, epochs=2, callbacks=[recorder]
    )
    # the area under the curve takes long to compute: it is not shown after every batch
    assert set(map(tuple, recorder.batches)) == {("loss", "accuracy")}
    assert list(history.history) == [
        *("loss", "accuracy", "roc_auc", "val_loss", "val_accuracy", "val_roc_auc")
    ]
    assert all(
        isinstance(value, float) for row in history.rows() for value in list(row.values())[1:]
    )
    found = model.evaluate(X, LABELS, return_dict=True)
    assert list(found) == ["loss", "confusion_matrix", "accuracy", "recall_per_class", "roc_auc"]
    guess = model.predict(X).argmax(axis=1)
    np.testing.assert_array_equal(
        found["confusion_matrix"], sk.confusion_matrix(LABELS, guess, labels=range(4))
    )
    np.testing.assert_allclose(
        found["recall_per_class"], sk.recall_score(LABELS, guess, average=None)
    )
    in_order = model.evaluate(X, LABELS)
    assert isinstance(in_order, list)
    assert [np.ndim(value) for value in in_order] == [0, 2, 0, 1, 0]


def test_batches_do_not_change_the_result() -> None:
    model = fitted(4, "cross_entropy", LABELS, ["accuracy", "f1", "roc_auc", "precision"])
    wanted = model.evaluate(X, LABELS, return_dict=True)
    for size in (1, 7, 60):
        found = model.evaluate(X, LABELS, return_dict=True, batch_size=size)
        assert found == pytest.approx(wanted, rel=1e-12)


def test_a_metric_object_serves_several_models() -> None:
    metric = cr.metrics.F1("macro")
    one = fitted(4, "cross_entropy", LABELS, [metric])
    other = fitted(4, "cross_entropy", LABELS, [metric])
    assert one.evaluate(X, LABELS) == other.evaluate(X, LABELS)


@pytest.mark.parametrize(
    ("metrics", "y", "units", "loss", "kind", "text"),
    [
        (["accuracy"], X[:, 0], 1, "squared_error", ArgumentError, "metrics: got 'accuracy' for a"),
        (
            ["top_k"],
            LABELS,
            4,
            "cross_entropy",
            ArgumentError,
            "metrics: got 'top_5' for 4 classes",
        ),
        (
            ["mse"],
            LABELS,
            4,
            "cross_entropy",
            ShapeError,
            "y for the metric 'mse': got shape (60,)",
        ),
        (["r2"], LABELS, 4, "cross_entropy", ShapeError, "y for the metric 'r2': got shape (60,)"),
    ],
)
def test_metrics_that_do_not_fit_are_said_before_training(
    metrics: Any, y: Any, units: int, loss: str, kind: type[Exception], text: str
) -> None:
    for weighted in (False, True):
        model = cr.Sequential([cr.Dense(units)])
        where = {"weighted_metrics": metrics} if weighted else {"metrics": metrics}
        model.compile("sgd", loss, **where)
        model.make_parameters((3,))
        before = model.get_weights()
        with pytest.raises(kind) as caught:
            model.fit(X, y, verbose=0)
        assert str(caught.value).startswith(text)
        np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_names_must_differ() -> None:
    model = cr.Sequential([cr.Dense(1)])
    with pytest.raises(ArgumentError, match=r"^metrics: got a second 'precision'; expected each"):
        model.compile(metrics=["precision", cr.metrics.Precision(threshold=0.9)])
    assert model.setup is None


@pytest.mark.parametrize(
    ("monitor", "grows"), [("val_f1_macro", True), ("roc_auc", True), ("val_rmse", False)]
)
def test_early_stopping_knows_which_way_is_up(monitor: str, grows: bool) -> None:
    stopping = cr.EarlyStopping(monitor)
    assert (stopping.sign < 0) == grows


# ---------------------------------------------------------------------------------- in files


def test_settings_come_back_from_files(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(3)])
    model.compile(
        "sgd",
        cr.losses.CrossEntropy(0.1, from_logits=True),
        ["accuracy", cr.metrics.F1("macro", zero_division=float("nan")), "confusion_matrix"],
        weighted_metrics=[cr.metrics.TopK(2)],
    )
    model.make_parameters((3,))
    model.save(tmp_path / "model")
    compiled = json.loads((tmp_path / "model" / "model.json").read_text())["compiled"]
    assert compiled["loss"] == {"name": "cross_entropy", "label_smoothing": 0.1}
    assert compiled["metrics"] == [
        "accuracy",
        {
            "name": "f1",
            "settings": {"average": "macro", "name": "f1_macro", "zero_division": "nan"},
        },
        "confusion_matrix",
    ]
    again = cr.load(tmp_path / "model")
    y = LABELS % 3
    assert again.compiled().loss.config() == model.compiled().loss.config()
    assert [m.name for m in again.compiled().make_metrics()] == [
        *("accuracy", "f1_macro", "confusion_matrix", "top_2")
    ]
    found, wanted = (m.evaluate(X, y, return_dict=True) for m in (again, model))
    np.testing.assert_equal(found, wanted)


@pytest.mark.parametrize(
    ("loss", "units", "last", "y"),
    [
        (cr.losses.Huber(0.5), 1, None, X[:, 0]),
        (cr.losses.Quantile([0.1, 0.9]), 2, None, X[:, 0]),
        (cr.losses.BinaryCrossEntropy(0.1, from_logits=False), 1, "sigmoid", YES),
        (cr.losses.CategoricalFocal(1.0, [1.0, 2.0, 3.0, 4.0]), 4, None, LABELS),
        (cr.losses.Poisson(log_input=False), 1, "softplus", LABELS),
    ],
    ids=repr,
)
def test_losses_come_back_from_files(
    tmp_path: Path, loss: Any, units: int, last: str | None, y: Any
) -> None:
    model = fitted(units, loss, y, [], last)
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert repr(again.compiled().loss) == repr(loss)
    assert again.evaluate(X, y) == model.evaluate(X, y)


@pytest.mark.parametrize(
    ("name", "units", "y"),
    [
        ("cross_entropy", 4, LABELS),
        ("binary_cross_entropy", 1, YES),
        ("squared_error", 1, X[:, 0]),
        ("absolute_error", 1, X[:, 0]),
        ("huber", 1, X[:, 0]),
        ("log_cosh", 1, X[:, 0]),
        ("quantile", 1, X[:, 0]),
        ("poisson", 1, LABELS),
        ("kl_divergence", 3, np.abs(X) / np.abs(X).sum(axis=1, keepdims=True)),
        ("binary_focal", 1, YES),
        ("categorical_focal", 4, LABELS),
        ("hinge", 1, YES),
        ("squared_hinge", 1, YES),
        ("categorical_hinge", 4, LABELS),
        ("cosine_similarity", 3, X),
        ("squared_log_error", 1, LABELS),
        ("absolute_percentage_error", 1, 1.0 + np.abs(X[:, 0])),
    ],
)
def test_every_loss_trains(name: str, units: int, y: Any) -> None:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dense(units)])
    model.compile(cr.optim.Adam(0.02), name)
    history = model.fit(X, y, epochs=25, batch_size=10, verbose=0).history["loss"]
    assert history[-1] < history[0] - 0.02 * abs(history[0])
