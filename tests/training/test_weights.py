"""Sample and class weights: Keras's meaning, scikit-learn's balance, errors; parts of the risk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.metrics
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

import chainrule as cr
from chainrule.core.errors import ArgumentError, DataError, DtypeError, ShapeError
from chainrule.core.types import Array, ArrayType
from chainrule.training.weights import (
    Samples,
    class_labels,
    class_weights,
    sample_weights,
    split_off,
)

FLOAT64 = np.dtype("float64")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
LABELS = RNG.choice(3, size=24, p=[0.6, 0.3, 0.1])
LABELS[:3] = [0, 1, 2]
YES = (LABELS > 0).astype(int)
TARGET = X[:, 0] - X[:, 1] ** 2
#: Whole numbers: a sample of weight w is the same as w samples.
COUNTS = RNG.integers(0, 4, size=24)


def network(
    units: int = 3, loss: Any = "cross_entropy", learning_rate: float = 0.1, **options: Any
) -> cr.Sequential:
    cr.random.seed(1)
    model = cr.Sequential([cr.Dense(5, activation="tanh"), cr.Dense(units)], dtype="float64")
    model.compile(cr.optim.SGD(learning_rate), loss, **options)
    return model


def one_step(model: cr.Sequential, x: Array, y: Any, **weights: Any) -> tuple[float, list[Array]]:
    """Loss and gradients of one batch of all samples."""
    model.make_parameters(x.shape[1:])
    before = model.get_weights()
    history = model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0, **weights)
    changes = [b - a for a, b in zip(model.get_weights(), before, strict=True)]
    return history.history["loss"][0], changes


def assert_same(found: tuple[float, list[Array]], wanted: tuple[float, list[Array]]) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=1e-12)
    for one, other in zip(found[1], wanted[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-14)
        assert np.abs(one).max() > 0


PROBLEMS: list[tuple[Any, int, Any]] = [
    ("cross_entropy", 3, LABELS),
    ("cross_entropy", 3, np.eye(3)[LABELS]),
    ("binary_cross_entropy", 1, YES),
    ("hinge", 1, YES),
    ("squared_error", 1, TARGET),
    ("quantile", 1, TARGET),
    ("poisson", 1, LABELS),
    (lambda y, p: cr.square(y.reshape(p.shape) - p).mean(axis=1), 1, TARGET),
]


@pytest.mark.parametrize(("loss", "units", "y"), PROBLEMS)
def test_a_weight_is_how_often_a_sample_counts(loss: Any, units: int, y: Array) -> None:
    """The batch's loss is (1/n) Σ w L: repeated samples, but divided by the number of samples."""
    n, total = len(X), COUNTS.sum()
    found = one_step(network(units, loss), X, y, sample_weight=COUNTS)
    rows = np.repeat(np.arange(n), COUNTS)
    loss_of_rows, gradients = one_step(network(units, loss), X[rows], y[rows])
    wanted = (loss_of_rows * total / n, [g * total / n for g in gradients])
    assert_same(found, wanted)


def test_weights_against_numpy() -> None:
    model = network(1, "squared_error", learning_rate=0.0)
    w = RNG.uniform(0.0, 2.0, 24)
    model.fit(X, TARGET, verbose=0, sample_weight=w, batch_size=7, epochs=1)
    errors = (model.predict(X)[:, 0] - TARGET) ** 2
    history = model.fit(X, TARGET, verbose=0, sample_weight=w, batch_size=7)
    assert history.history["loss"][0] == pytest.approx((w * errors).mean(), rel=1e-12)
    assert model.evaluate(X, TARGET, sample_weight=w, batch_size=5) == pytest.approx(
        (w * errors).mean(), rel=1e-12
    )


@pytest.mark.parametrize("form", [list, np.asarray, pd.Series, pl.Series, lambda w: w[:, None]])
def test_forms_of_weights(form: Callable[[Array], Any]) -> None:
    w = RNG.uniform(0.5, 2.0, 24)
    wanted = one_step(network(), X, LABELS, sample_weight=w)
    assert_same(one_step(network(), X, LABELS, sample_weight=form(w)), wanted)


def test_weights_of_one_change_nothing() -> None:
    wanted = one_step(network(), X, LABELS)
    assert_same(one_step(network(), X, LABELS, sample_weight=np.ones(24)), wanted)
    assert_same(one_step(network(), X, LABELS, class_weight=[1, 1, 1]), wanted)


# ---------------------------------------------------------------------------------- classes

BY_LABEL = {0: 0.5, 1: 2.0, 2: 7.0}


@pytest.mark.parametrize(
    "y", [LABELS, LABELS[:, None], LABELS.tolist(), np.eye(3)[LABELS], LABELS.astype(float)]
)
@pytest.mark.parametrize("given", [BY_LABEL, [0.5, 2.0, 7.0], np.array([0.5, 2.0, 7.0])])
def test_class_weights_are_sample_weights(y: Any, given: Any) -> None:
    w = np.array([0.5, 2.0, 7.0])[LABELS]
    wanted = one_step(network(), X, LABELS, sample_weight=w)
    assert_same(one_step(network(), X, y, class_weight=given), wanted)


@pytest.mark.parametrize(
    ("loss", "y", "given"),
    [
        ("binary_cross_entropy", YES, {0: 1.0, 1: 3.0}),
        ("binary_cross_entropy", YES == 1, {False: 1.0, True: 3.0}),
        ("binary_cross_entropy", YES[:, None].astype(float), {np.int64(0): 1.0, 1.0: 3}),
        ("hinge", YES, {0: 1.0, 1: 3.0}),
        ("hinge", 2 * YES - 1, {-1: 1.0, 1: 3.0}),
        ("squared_error", YES, {0: 1.0, 1: 3.0}),
    ],
)
def test_class_weights_of_one_question(loss: str, y: Any, given: Any) -> None:
    wanted = one_step(network(1, loss), X, YES, sample_weight=1.0 + 2.0 * YES)
    if loss == "hinge":
        wanted = one_step(network(1, loss), X, y, sample_weight=1.0 + 2.0 * YES)
    assert_same(one_step(network(1, loss), X, y, class_weight=given), wanted)


def test_class_weights_repeat_samples() -> None:
    found = one_step(network(), X, LABELS, class_weight={0: 1, 1: 2, 2: 3})
    rows = np.repeat(np.arange(24), 1 + LABELS)
    loss, gradients = one_step(network(), X[rows], LABELS[rows])
    share = len(rows) / 24
    assert_same(found, (loss * share, [g * share for g in gradients]))


@pytest.mark.parametrize("seed", range(5))
def test_balanced_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.choice(5, size=40, p=[0.5, 0.2, 0.2, 0.1, 0.0])
    found = class_weights("balanced", y, 5, FLOAT64)
    np.testing.assert_allclose(found, compute_sample_weight("balanced", y), rtol=1e-15)
    classes = np.unique(y)
    for label, weight in zip(
        classes, compute_class_weight("balanced", classes=classes, y=y), strict=True
    ):
        assert (found[y == label] == weight).all()
    signs = np.where(y > 0, 1, -1)
    np.testing.assert_allclose(
        class_weights("balanced", signs, 1, FLOAT64), compute_sample_weight("balanced", signs)
    )


def test_balanced_in_fit() -> None:
    w = compute_sample_weight("balanced", LABELS)
    wanted = one_step(network(), X, LABELS, sample_weight=w)
    assert_same(one_step(network(), X, LABELS, class_weight="balanced"), wanted)
    assert_same(one_step(network(), X, np.eye(3)[LABELS], class_weight="balanced"), wanted)


def test_both_kinds_are_multiplied() -> None:
    w = RNG.uniform(0.5, 2.0, 24)
    wanted = one_step(network(), X, LABELS, sample_weight=w * np.array([0.5, 2.0, 7.0])[LABELS])
    assert_same(one_step(network(), X, LABELS, sample_weight=w, class_weight=BY_LABEL), wanted)


# ------------------------------------------------------------------------------- validation


def test_validation_has_its_own_weights() -> None:
    model = network(1, "squared_error", learning_rate=0.0)
    w, v = RNG.uniform(size=16), RNG.uniform(size=8)
    history = model.fit(
        X[:16], TARGET[:16], sample_weight=w, verbose=0,
        validation_data=(X[16:], TARGET[16:], v),
    )  # fmt: skip
    errors = (model.predict(X)[:, 0] - TARGET) ** 2
    assert history.history["loss"][0] == pytest.approx((w * errors[:16]).mean(), rel=1e-12)
    assert history.history["val_loss"][0] == pytest.approx((v * errors[16:]).mean(), rel=1e-12)


def test_samples_that_are_split_off_take_their_weights_along() -> None:
    model = network(3, "cross_entropy", learning_rate=0.0)
    w = RNG.uniform(size=24)
    history = model.fit(
        X, LABELS, sample_weight=w, class_weight=BY_LABEL, validation_split=0.25, verbose=0
    )
    z = model.predict(X)
    losses = np.array([sklearn.metrics.log_loss([y], cr.softmax(z[i : i + 1]).numpy(), labels=[0, 1, 2]) for i, y in enumerate(LABELS)])  # noqa: E501 # fmt: skip
    trained = w * np.array([0.5, 2.0, 7.0])[LABELS] * losses
    assert history.history["loss"][0] == pytest.approx(trained[:18].mean(), rel=1e-9)
    # as in Keras, class weights do not count in validation
    assert history.history["val_loss"][0] == pytest.approx((w * losses)[18:].mean(), rel=1e-9)


def test_balanced_looks_at_what_is_trained_on() -> None:
    y = np.array([0] * 6 + [1] * 2 + [1] * 8)
    data = Samples(np.zeros((16, 1)), y)
    train, rest = split_off(data, 0.5)
    assert rest is not None
    assert (len(train), len(rest)) == (8, 8)
    model = network(2, "cross_entropy", learning_rate=0.0)
    x = RNG.normal(size=(16, 3))
    history = model.fit(x, y, class_weight="balanced", validation_split=0.5, verbose=0)
    w = compute_sample_weight("balanced", y[:8])
    assert history.history["loss"][0] == pytest.approx(
        model.evaluate(x[:8], y[:8], sample_weight=w), rel=1e-12
    )


# ---------------------------------------------------------------------------------- metrics


def test_metrics_count_samples_and_weighted_metrics_weights() -> None:
    w = RNG.uniform(size=24)
    model = network(
        3, "cross_entropy", metrics=["accuracy", "f1"], weighted_metrics=["accuracy", "recall"]
    )
    model.fit(X, LABELS, verbose=0)
    found = model.evaluate(X, LABELS, sample_weight=w, return_dict=True, batch_size=5)
    guess = model.predict(X).argmax(axis=1)
    assert list(found) == ["loss", "accuracy", "f1", "weighted_accuracy", "recall"]
    assert found["accuracy"] == sklearn.metrics.accuracy_score(LABELS, guess)
    assert found["weighted_accuracy"] == pytest.approx(
        sklearn.metrics.accuracy_score(LABELS, guess, sample_weight=w), rel=1e-12
    )
    assert found["recall"] == pytest.approx(
        sklearn.metrics.recall_score(LABELS, guess, sample_weight=w, average="macro"), rel=1e-12
    )
    unweighted = model.evaluate(X, LABELS, return_dict=True)
    assert unweighted["weighted_accuracy"] == unweighted["accuracy"]


def test_class_weights_count_in_weighted_metrics() -> None:
    model = network(3, "cross_entropy", 0.0, metrics="accuracy", weighted_metrics="accuracy")
    history = model.fit(
        X, LABELS, class_weight=BY_LABEL, verbose=0, validation_data=(X, LABELS)
    ).history
    hits = model.predict(X).argmax(axis=1) == LABELS
    w = np.array([0.5, 2.0, 7.0])[LABELS]
    assert history["accuracy"][0] == pytest.approx(hits.mean())
    assert history["weighted_accuracy"][0] == pytest.approx((w * hits).sum() / w.sum())
    assert history["val_weighted_accuracy"][0] == pytest.approx(hits.mean())


# ----------------------------------------------------------------------------------- errors


def error_of(model: cr.Sequential, y: Any = LABELS, **arguments: Any) -> ArgumentError:
    before = model.get_weights()
    with pytest.raises(ArgumentError) as caught:
        model.fit(X, y, verbose=0, **arguments)
    for one, other in zip(model.get_weights(), before, strict=False):
        np.testing.assert_array_equal(one, other)
    return caught.value


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (
            np.ones(23),
            ShapeError,
            "sample_weight: got shape (23,); expected one weight a sample, (24,).",
        ),
        (
            np.ones((24, 2)),
            ShapeError,
            "sample_weight: got shape (24, 2); expected one weight a sample, (24,).",
        ),
        (2.0, ShapeError, "sample_weight: got shape (); expected one weight a sample, (24,)."),
        (
            [1.0] * 23 + [-0.5],
            ArgumentError,
            "sample_weight: got -0.5 in row 23; expected weights from 0.",
        ),
        (
            np.zeros(24),
            ArgumentError,
            "sample_weight: got only zeros; expected at least one weight above 0.",
        ),
        (
            [1.0] * 23 + [np.nan],
            DataError,
            "sample_weight: got 1 values that are NaN or infinite, first in row 23; expected "
            "finite numbers. Fill in or drop missing values first.",
        ),
        (
            ["a"] * 24,
            DtypeError,
            "sample_weight: got values of dtype <U1; expected numbers. Encode text as numbers "
            "first.",
        ),
    ],
)
def test_sample_weights_that_do_not_fit(given: Any, kind: type[Exception], text: str) -> None:
    error = error_of(network(), sample_weight=given)
    assert type(error) is kind
    assert str(error) == text
    with pytest.raises(ArgumentError) as caught:
        network().fit(X, LABELS, verbose=0, validation_data=(X, LABELS, given))
    assert str(caught.value) == text.replace("sample_weight", "validation_data[2]", 1)
    with pytest.raises(ArgumentError) as caught:
        network().evaluate(X, LABELS, sample_weight=given)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0},
            "class_weight: got a weight for 3; expected labels among 0, 1, 2.",
        ),
        (
            {0: 1.0, 1: 1.0, "two": 1.0},
            "class_weight: got a weight for 'two'; expected labels among 0, 1, 2.",
        ),
        (
            {0: 1.0, 1: 1.0, 2: -1.0},
            "class_weight: got -1.0 for 2; expected finite weights from 0.",
        ),
        (
            {0: 1.0, 1: 1.0, 2: np.inf},
            "class_weight: got inf for 2; expected finite weights from 0.",
        ),
        ({0: 1.0, 1: 1.0, 2: "x"}, "class_weight: got 'x' for 2; expected finite weights from 0."),
        (
            {2: 5.0},
            "class_weight: got no weight for 0, 1; expected one for every label in y. Samples that "
            "count as usual have weight 1: {0: 1.0, ...}.",
        ),
        (
            {0: 0.0, 1: 0, 2: 0},
            "class_weight: got only zeros; expected at least one weight above 0.",
        ),
        ([1.0, 2.0, 3.0, 4.0], "class_weight: got a weight for 3; expected labels among 0, 1, 2."),
        (
            "balance",
            "class_weight: got 'balance'; expected 'balanced', or weights by label, such as "
            "{0: 1.0, 1: 5.0}. Did you mean 'balanced'?",
        ),
        (
            3.0,
            "class_weight: got a float; expected weights by label, such as {0: 1.0, 1: 5.0}, or "
            "'balanced'.",
        ),
        (
            [[1.0, 2.0], [3.0, 4.0]],
            "class_weight: got a list; expected weights by label, such as {0: 1.0, 1: 5.0}, or "
            "'balanced'.",
        ),
    ],
)
def test_class_weights_that_do_not_fit(given: Any, text: str) -> None:
    assert str(error_of(network(), class_weight=given)) == text


def test_classes_that_do_not_occur_may_have_weights() -> None:
    model = network(4)
    model.fit(X, LABELS, class_weight={0: 1.0, 1: 1.0, 2: 1.0, 3: 9.0}, verbose=0)
    single = network(1, "binary_cross_entropy")
    single.fit(X, np.ones(24), class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_quantities_have_no_classes() -> None:
    assert str(error_of(network(1, "squared_error"), TARGET, class_weight="balanced")) == (
        "class_weight: got weights for targets that are quantities; expected targets that are "
        "class labels. For quantities use sample_weight=."
    )
    assert str(error_of(network(2, "squared_error"), X[:, :2], class_weight={0: 1.0, 1: 1.0})) == (
        "class_weight: got weights for targets that are quantities; expected rows that each name "
        "one class. For quantities use sample_weight=."
    )
    rows = np.stack([YES, 1 - YES], axis=1)
    assert str(error_of(network(2, "binary_cross_entropy"), rows, class_weight=[1, 2])) == (
        "class_weight: got weights for a network with 2 yes-or-no outputs; expected one class a "
        "sample. Weigh samples with sample_weight=, or the answers yes of each output with "
        "loss=cr.losses.BinaryCrossEntropy(pos_weight=[...])."
    )


def test_weights_for_a_loss_that_is_a_mean_already() -> None:
    model = network(1, lambda y, p: cr.square(y.reshape(p.shape) - p).mean())
    assert str(error_of(model, TARGET, sample_weight=np.ones(24))) == (
        "result of the loss '<lambda>': got shape (), and weights of samples; expected one number "
        "a sample, shape (24,)."
    )


def test_labels() -> None:
    for y, units in (
        ([1, 0, 2], 3),
        ([[1], [0], [2]], 3),
        (np.eye(3)[[1, 0, 2]], 3),
        (np.array([[0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.0, 0.4, 0.6]]), 3),
        ([1.0, 0.0, 2.0], 1),
    ):
        assert class_labels(y, units, False).tolist() == [1, 0, 2]
    with pytest.raises(ArgumentError) as caught:
        class_labels(np.zeros((3, 2, 2)), 2, False)
    assert str(caught.value) == (
        "class_weight: got weights for targets of shape (3, 2, 2); expected one label a sample."
    )


def test_samples() -> None:
    data = Samples(X, LABELS, np.arange(24.0))
    assert len(data) == 24
    part = data[np.array([3, 1])]
    assert part.weight is not None
    assert part.weight.tolist() == [3.0, 1.0]
    assert part.y.tolist() == LABELS[[3, 1]].tolist()
    assert Samples(X, LABELS)[:2].weight is None
    assert data.weighted(np.full(24, 2.0)).weight.tolist() == (2 * np.arange(24.0)).tolist()  # type: ignore[union-attr]
    assert Samples(X, LABELS).weighted(np.ones(24)).weight.tolist() == [1.0] * 24  # type: ignore[union-attr]
    assert sample_weights(None, 3, FLOAT64) is None
    shapes = {(24,): 1, (24, 1): 1, (24, 3): 3, (24, 5, 3): 3}
    for shape, units in shapes.items():
        assert Samples(X, LABELS, output=ArrayType(shape, FLOAT64)).units == units
    assert data.units == 1


# ------------------------------------------------------------------------- parts of the risk


@pytest.mark.parametrize("weights", [None, RNG.uniform(size=24)])
def test_the_risk_in_parts(weights: Array | None) -> None:
    l2 = 0.3
    model = network(1, "squared_error", l2=l2, metrics=["mae"])
    model.fit(X, TARGET, verbose=0)
    found = model.evaluate(X, TARGET, return_parts=True, sample_weight=weights, batch_size=7)
    assert list(found) == ["loss", "mean_loss", "penalty", "mae"]
    errors = (model.predict(X)[:, 0] - TARGET) ** 2
    mean = errors.mean() if weights is None else (weights * errors).mean()
    squares = sum(np.sum(W**2) for W in model.get_weights() if W.ndim > 1)
    assert found["mean_loss"] == pytest.approx(mean, rel=1e-12)
    assert found["penalty"] == pytest.approx(0.5 * l2 * squares, rel=1e-12)
    assert found["loss"] == found["mean_loss"] + found["penalty"]
    again = model.evaluate(X, TARGET, sample_weight=weights, return_dict=True, batch_size=7)
    assert again == {"loss": found["loss"], "mae": found["mae"]}


def test_regularizers_are_part_of_the_penalty() -> None:
    cr.random.seed(0)
    model = cr.Sequential(
        [
            cr.Dense(4, kernel_regularizer=cr.regularizers.L1(0.1)),
            cr.Dense(1, activity_regularizer=cr.regularizers.L2(0.2)),
        ],
        dtype="float64",
    )
    model.compile("sgd", "squared_error", l2=0.5)
    found = model.evaluate(X, TARGET, return_parts=True, batch_size=7)
    kernels = [W for W in model.get_weights() if W.ndim > 1]
    output = model.predict(X)
    wanted = (
        0.1 * np.abs(kernels[0]).sum()
        + 0.25 * sum(np.sum(W**2) for W in kernels)
        + 0.2 * np.sum(output**2) / 24
    )
    assert found["penalty"] == pytest.approx(wanted, rel=1e-9)
    assert found["mean_loss"] == pytest.approx(np.mean((output[:, 0] - TARGET) ** 2), rel=1e-12)


def test_without_a_penalty() -> None:
    found = network(1, "squared_error").evaluate(X, TARGET, return_parts=True)
    assert found["penalty"] == 0.0
    assert found["loss"] == found["mean_loss"]
