"""Accuracy, top-k, precision, recall, F, confusion matrix and ROC-AUC against scikit-learn.

Over any split into batches the results are equal to the last bit.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.types import Array, ArrayType
from chainrule.losses import Output, Reading
from chainrule.metrics import (
    F1,
    Accuracy,
    ConfusionMatrix,
    FBeta,
    Metric,
    Precision,
    Recall,
    RocAuc,
    TopK,
)


@contextmanager
def quietly() -> Iterator[None]:
    """scikit-learn warns of what is undefined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def streamed(
    metric: Metric, y: Array, prediction: Array, cuts: list[int], weights: Array | None = None
) -> Any:
    """The metric over the batches between the cuts, empty ones left out."""
    places = [0, *sorted({c % len(y) for c in cuts} - {0}), len(y)]
    for start, stop in itertools.pairwise(places):
        part = None if weights is None else weights[start:stop]
        metric.update(y[start:stop], prediction[start:stop], part)
    return metric.result()


@dataclass
class Data:
    """Labels and outputs; scores are few, so that ties are many."""

    kind: str
    y: Array
    z: Array
    weights: Array | None

    @property
    def guess(self) -> Array:
        return self.z.argmax(axis=1) if self.kind == "multi-class" else (self.z > 0).astype(int)

    @property
    def reading(self) -> Reading:
        return Reading(Output.LOGITS, per_unit=self.kind == "multi-label")


CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@st.composite
def data(draw: Any, kinds: tuple[str, ...] = ("binary", "multi-class", "multi-label")) -> Data:
    kind = draw(st.sampled_from(kinds))
    n, classes = draw(st.integers(1, 30)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([2, 4, 1000]))
    width = 1 if kind == "binary" else classes
    z = (rng.integers(levels, size=(n, width)) - levels / 2 + 0.5).astype(np.float32)
    if kind == "multi-class":
        y = rng.integers(draw(st.integers(1, classes)), size=n)
    else:
        y = rng.integers(2, size=(n, width))
    weights = None
    if draw(st.booleans()):
        weights = rng.integers(0, 4, n) + rng.choice([0.0, 0.1], n)
        weights[rng.integers(n)] = 1.0
    return Data(kind, y, z, weights)


def told(metric: Metric, case: Data) -> Metric:
    metric.read(case.reading)
    return metric


def same(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12, equal_nan=True)


@settings(max_examples=150, deadline=None)
@given(case=data(), cuts=CUTS)
def test_accuracy(case: Data, cuts: list[int]) -> None:
    found = streamed(told(Accuracy(), case), case.y, case.z, cuts, case.weights)
    assert found == streamed(told(Accuracy(), case), case.y, case.z, [], case.weights)
    y, guess, weights = case.y, case.guess, case.weights
    if case.kind != "multi-class":  # every answer counts
        weights = None if weights is None else np.repeat(weights, y.shape[1])
        y, guess = y.ravel(), guess.ravel()
    same(found, sk.accuracy_score(y, guess, sample_weight=weights))


@settings(max_examples=150, deadline=None)
@given(
    case=data(),
    cuts=CUTS,
    average=st.sampled_from(["macro", "micro", "weighted", None, "auto"]),
    kind=st.sampled_from(["precision", "recall", "f1", "f2"]),
    undefined=st.sampled_from([0.0, 1.0]),
)
def test_precision_recall_and_f(
    case: Data, cuts: list[int], average: str | None, kind: str, undefined: float
) -> None:
    make: dict[str, Callable[[], Metric]] = {
        "precision": lambda: Precision(average, zero_division=undefined),
        "recall": lambda: Recall(average, zero_division=undefined),
        "f1": lambda: F1(average, zero_division=undefined),
        "f2": lambda: FBeta(2.0, average, zero_division=undefined),
    }
    found = streamed(told(make[kind](), case), case.y, case.z, cuts, case.weights)
    np.testing.assert_array_equal(
        found, streamed(told(make[kind](), case), case.y, case.z, [], case.weights)
    )
    score: Any = {
        "precision": sk.precision_score,
        "recall": sk.recall_score,
        "f1": sk.f1_score,
        "f2": lambda *a, **k: sk.fbeta_score(*a, beta=2.0, **k),
    }[kind]
    # scikit-learn would count a class that occurs with weight 0 only among those that occur
    kept = slice(None) if case.weights is None else case.weights > 0
    y, guess = case.y[kept], case.guess[kept]
    weights = None if case.weights is None else case.weights[kept]
    if case.kind == "binary":
        y, guess = y[:, 0], guess[:, 0]
    one_question = case.kind == "binary" or (case.kind == "multi-class" and case.z.shape[1] == 2)
    options: dict[str, Any] = {"zero_division": undefined, "sample_weight": weights}
    if average == "auto":
        options |= {"average": "binary"} if one_question else {"average": "macro"}
    else:
        options |= {"average": average}
    if average is None and case.kind != "multi-label":  # also for classes that do not occur
        options |= {"labels": range(2 if case.kind == "binary" else case.z.shape[1])}
    with quietly():
        wanted = score(y, guess, **options)
    same(found, wanted)


@settings(max_examples=100, deadline=None)
@given(
    case=data(),
    cuts=CUTS,
    normalize=st.sampled_from([None, "true", "pred", "all"]),
)
def test_confusion_matrix(case: Data, cuts: list[int], normalize: str | None) -> None:
    found = streamed(told(ConfusionMatrix(normalize), case), case.y, case.z, cuts, case.weights)
    np.testing.assert_array_equal(
        found, streamed(told(ConfusionMatrix(normalize), case), case.y, case.z, [], case.weights)
    )
    if case.kind == "multi-label":
        wanted = sk.multilabel_confusion_matrix(case.y, case.guess, sample_weight=case.weights)
        if normalize is not None:
            return
    else:
        y = case.y.ravel()
        labels = range(2 if case.kind == "binary" else case.z.shape[1])
        with quietly():
            wanted = sk.confusion_matrix(
                y, case.guess.ravel(), labels=labels, sample_weight=case.weights,
                normalize=normalize,
            )  # fmt: skip
    assert found.shape == wanted.shape
    same(found, wanted)
    if case.weights is None and normalize is None:
        assert found.dtype == np.int64


@settings(max_examples=150, deadline=None)
@given(case=data(), cuts=CUTS, average=st.sampled_from(["macro", "weighted", None]))
def test_roc_auc(case: Data, cuts: list[int], average: str | None) -> None:
    found = streamed(told(RocAuc(average), case), case.y, case.z, cuts, case.weights)
    np.testing.assert_array_equal(
        found, streamed(told(RocAuc(average), case), case.y, case.z, [], case.weights)
    )
    if case.kind == "multi-class":
        right = case.y[:, None] == np.arange(case.z.shape[1])
        # The library's own softmax: which of two equal probabilities is larger is rounding.
        scores = cr.softmax(case.z.astype(np.float64), axis=1).numpy()
    else:
        right, scores = case.y == 1, case.z
    weights = np.ones(len(right)) if case.weights is None else case.weights
    support = weights @ right
    areas = np.full(right.shape[1], np.nan)
    for i, (r, s) in enumerate(zip(right.T, scores.T, strict=True)):
        if r[weights > 0].any() and not r[weights > 0].all():
            areas[i] = sk.roc_auc_score(r, s, sample_weight=weights)
    if average is None:
        np.testing.assert_allclose(found, areas, rtol=1e-9, equal_nan=True)
        return
    defined = ~np.isnan(areas)
    wanted = math.nan
    if defined.any():
        by = support[defined] if average == "weighted" else None
        wanted = float(np.average(areas[defined], weights=by))
    assert found == pytest.approx(wanted, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_roc_auc_of_classes_is_scikit_learns_one_against_the_rest(average: str) -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(4, size=60), softmax(rng.normal(size=(60, 4)), axis=1)
    wanted = sk.roc_auc_score(y, p, multi_class="ovr", average=average)
    assert streamed(RocAuc(average), y, p, [7, 30]) == pytest.approx(wanted, rel=1e-12)
    logits = np.log(p) + rng.normal(size=(60, 1))  # the same probabilities
    assert streamed(RocAuc(average, from_logits=True), y, logits, [7]) == pytest.approx(
        wanted, rel=1e-12
    )
    yes = rng.integers(2, size=(60, 3))
    assert streamed(RocAuc(average, multi_label=True), yes, p[:, :3], [9]) == pytest.approx(
        sk.roc_auc_score(yes, p[:, :3], average=average), rel=1e-12
    )


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 30),
    classes=st.integers(3, 8),
    k=st.integers(1, 7),
    cuts=CUTS,
    seed=st.integers(0, 2**32 - 1),
)
def test_top_k(n: int, classes: int, k: int, cuts: list[int], seed: int) -> None:
    k = min(k, classes - 1)
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    z = rng.permuted(np.tile(np.arange(float(classes)), (n, 1)), axis=1)  # without ties
    wanted = sk.top_k_accuracy_score(y, z, k=k, labels=range(classes))
    assert streamed(TopK(k), y, z, cuts) == pytest.approx(wanted, abs=1e-15)
    weights = rng.uniform(0.5, 2.0, n)
    wanted = sk.top_k_accuracy_score(y, z, k=k, labels=range(classes), sample_weight=weights)
    assert streamed(TopK(k), y, z, cuts, weights) == pytest.approx(wanted, rel=1e-12)
    tied = rng.integers(3, size=(n, classes)).astype(float)
    assert streamed(TopK(1), y, tied, cuts) == streamed(Accuracy(), y, tied, cuts)
    ranks = np.argsort(np.argsort(-tied, axis=1, kind="stable"), axis=1)
    wanted = (ranks[np.arange(n), y] < k).mean()
    assert streamed(TopK(k), y, tied, cuts) == pytest.approx(wanted, abs=1e-15)


# ------------------------------------------------------------------------- forms and readings


@pytest.mark.parametrize("form", ["labels", "column", "one-hot", "soft"])
def test_forms_of_labels(form: str) -> None:
    rng = np.random.default_rng(0)
    y, z = rng.integers(4, size=20), rng.normal(size=(20, 4))
    given = {
        "labels": y,
        "column": y[:, None],
        "one-hot": np.eye(4)[y],
        "soft": 0.1 + 0.6 * np.eye(4)[y],
    }[form]
    assert streamed(Accuracy(), given, z, [3]) == sk.accuracy_score(y, z.argmax(axis=1))
    assert streamed(F1("macro"), given, z, [3]) == pytest.approx(
        sk.f1_score(y, z.argmax(axis=1), average="macro")
    )


def test_places_are_decisions() -> None:
    rng = np.random.default_rng(0)
    y, z, w = rng.integers(3, size=(5, 4)), rng.normal(size=(5, 4, 3)), rng.uniform(size=5)
    for form in (y, y[..., None], np.eye(3)[y]):
        found = streamed(Accuracy(), form, z, [2], w)
        wanted = sk.accuracy_score(
            y.ravel(), z.argmax(axis=2).ravel(), sample_weight=np.repeat(w, 4)
        )
        assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("shapes", [((6,), (6,)), ((6, 1), (6,)), ((6,), (6, 1)), ((6, 1), (6, 1))])
def test_shapes_of_one_question(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    y = np.array([0, 1, 1, 0, 1, 0]).reshape(shapes[0])
    p = np.array([0.2, 0.7, 0.4, 0.6, 0.9, 0.5]).reshape(shapes[1])
    assert streamed(Accuracy(), y, p, []) == pytest.approx(4 / 6)
    assert streamed(Precision(), y, p, [2]) == pytest.approx(2 / 3)
    assert streamed(Recall(), y, p, [2]) == pytest.approx(2 / 3)
    assert streamed(ConfusionMatrix(), y, p, [2]).tolist() == [[2, 1], [1, 2]]


READINGS = [
    (Reading(Output.LOGITS, True), [-2.0, 0.1, -0.1, 3.0]),
    (Reading(Output.PROBABILITIES, True), [0.1, 0.6, 0.4, 0.9]),
    (Reading(Output.SCORES, True), [-0.2, 0.1, -0.1, 0.3]),
    (Reading(Output.VALUES), [-0.2, 0.6, 0.4, 1.3]),
]


@pytest.mark.parametrize(("reading", "z"), READINGS)
@pytest.mark.parametrize("y", [[0, 1, 1, 1], [-1, 1, 1, 1], [False, True, True, True]])
def test_where_yes_begins(reading: Reading, z: list[float], y: list[float]) -> None:
    metric = Accuracy()
    metric.read(reading)
    assert streamed(metric, np.array(y), np.array(z), [1]) == 0.75


def test_thresholds_are_probabilities() -> None:
    y, z = np.array([0, 1, 1, 1]), np.array([-3.0, -1.0, 0.5, 2.0])
    for threshold in (0.1, 0.25, 0.5, 0.7):
        wanted = sk.recall_score(y, expit(z) > threshold)
        by_loss = Recall(threshold=threshold)
        by_loss.read(Reading(Output.LOGITS))
        assert streamed(by_loss, y, z, []) == wanted
        assert streamed(Recall(threshold=threshold, from_logits=True), y, z, []) == wanted
        of_p = Recall(threshold=threshold, from_logits=False)
        of_p.read(Reading(Output.LOGITS))  # what was said by hand stands
        assert streamed(of_p, y, expit(z), []) == wanted
    raw = Accuracy(threshold=-2.0)
    assert streamed(raw, y, z, []) == 1.0  # nobody knows what these are: the output itself


def test_several_questions_or_one_class() -> None:
    y, p = np.array([[1, 0, 1], [0, 0, 1]]), np.array([[0.9, 0.2, 0.4], [0.1, 0.3, 0.8]])
    assert streamed(Accuracy(), y, p, []) == 1.0  # one class of three: the largest
    assert streamed(Accuracy(multi_label=True), y, p, []) == pytest.approx(5 / 6)
    told_so = Accuracy()
    told_so.read(Reading(Output.PROBABILITIES, per_unit=True))
    assert streamed(told_so, y, p, []) == pytest.approx(5 / 6)
    as_classes = Accuracy(multi_label=False)
    as_classes.read(Reading(Output.PROBABILITIES, per_unit=True))
    assert streamed(as_classes, y, p, []) == 1.0


def test_undefined_rates_may_be_left_out() -> None:
    y, z = np.array([0, 0, 1]), np.eye(3)[[0, 0, 0]]
    assert streamed(Precision(None, zero_division=math.nan), y, z, [])[:1] == pytest.approx([2 / 3])
    assert np.isnan(streamed(Precision(None, zero_division=math.nan), y, z, [])[1:]).all()
    assert streamed(Precision("macro", zero_division=math.nan), y, z, []) == pytest.approx(2 / 3)
    with quietly():
        wanted = sk.precision_score(y, z.argmax(axis=1), average="macro", zero_division=math.nan)
    assert wanted == pytest.approx(2 / 3)


@pytest.mark.parametrize("make", [Accuracy, Precision, Recall, F1, FBeta, RocAuc, lambda: TopK(2)])
def test_over_nothing(make: Callable[[], Metric]) -> None:
    assert math.isnan(make().result())


def test_arrays_over_nothing() -> None:
    assert ConfusionMatrix().result().shape == (0, 0)
    assert Precision(None).result().shape == (0,)
    assert RocAuc(None).result().shape == (0,)


def test_shares_of_each_units_matrix() -> None:
    y, p = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[0.9, 0.8], [0.2, 0.7], [0.3, 0.9]])
    counts = sk.multilabel_confusion_matrix(y, p > 0.5)
    for normalize, axis in (("true", 2), ("pred", 1), ("all", (1, 2))):
        found = streamed(ConfusionMatrix(normalize, multi_label=True), y, p, [1])
        total = counts.sum(axis=axis, keepdims=True)
        np.testing.assert_allclose(found, counts / np.maximum(total, 1))


def test_the_edges_of_yes() -> None:
    """Exactly one half is no, of labels and of outputs; 0 and 1 are probabilities."""
    assert streamed(Accuracy(), np.array([0.5, 0.51]), np.array([0.5, 1.0]), []) == 1.0
    assert streamed(Accuracy(), np.array([0, 1]), np.array([0.0, 1.0]), []) == 1.0


def test_scores_that_are_not_numbers() -> None:
    y, z = np.array([0, 1, 1]), np.array([0.5, np.nan, 0.7])
    assert math.isnan(streamed(RocAuc(), y, z, []))
    assert streamed(TopK(1), np.array([1]), np.full((1, 3), np.nan), []) == 0.0


def test_roc_auc_keeps_its_own_copy() -> None:
    metric, y, p = RocAuc(), np.array([0, 1]), np.array([0.1, 0.9])
    metric.update(y, p)
    p[:] = 0.5
    assert metric.result() == 1.0


def test_large_logits() -> None:
    metric = RocAuc(from_logits=True)
    metric.update(np.array([0, 1, 2]), 1000.0 * np.eye(3))
    assert metric.result() == 1.0
    metric = RocAuc(from_logits=True)  # ties where probabilities round to 0 and 1
    metric.update(np.array([0, 1]), np.array([[-1000.0], [1000.0]]))
    assert metric.result() == 1.0


# ------------------------------------------------------------------------- names and errors


def test_names() -> None:
    names = [
        (Accuracy(), "accuracy"),
        (TopK(3), "top_3"),
        (Precision(), "precision"),
        (Precision("macro"), "precision_macro"),
        (Recall(None), "recall_per_class"),
        (F1("weighted"), "f1_weighted"),
        (FBeta(2.0), "f2"),
        (FBeta(0.5, "micro"), "f0.5_micro"),
        (RocAuc(), "roc_auc"),
        (RocAuc("weighted"), "roc_auc_weighted"),
        (RocAuc(None), "roc_auc_per_class"),
        (ConfusionMatrix(), "confusion_matrix"),
        (F1(name="mine"), "mine"),
        (ConfusionMatrix(name="mine"), "mine"),
    ]
    assert [metric.name for metric, _ in names] == [name for _, name in names]
    arrays = {"recall_per_class", "roc_auc_per_class", "confusion_matrix"}
    for metric, name in names[:-2]:
        assert metric.is_array == (name in arrays)


QUANTITIES = np.array([0.5, 1.5, -3.0])


@pytest.mark.parametrize("make", [Accuracy, Precision, Recall, F1, RocAuc, ConfusionMatrix])
def test_quantities_are_no_classes(make: Callable[[], Metric]) -> None:
    text = (
        f"metrics: got {make().name!r} for a network with one output, and targets from -3 to 1.5; "
        "expected targets 0 and 1, or -1 and 1. For a target that is a quantity use 'r2', 'mae' or "
        "'mse'; for classes give the last layer one unit a class."
    )
    for shape in ((3,), (3, 1)):
        with pytest.raises(ArgumentError) as caught:
            make().update(QUANTITIES.reshape(shape), np.zeros((3, 1)))
        assert str(caught.value) == text
        with pytest.raises(ArgumentError) as caught:
            make().check(QUANTITIES.reshape(shape), ArrayType((3, 1), np.dtype("float32")))
        assert str(caught.value) == text


def test_quantities_beside_several_questions() -> None:
    with pytest.raises(ArgumentError) as caught:
        Accuracy(multi_label=True).update(np.array([[0.0, 2.0]]), np.zeros((1, 2)))
    assert str(caught.value) == (
        "metrics: got 'accuracy' for units that each answer yes or no, and targets from 0 to 2; "
        "expected targets 0 and 1, or -1 and 1. For a target that is a quantity use 'r2', 'mae' or "
        "'mse'; for classes give the last layer one unit a class."
    )


def test_targets_of_another_shape() -> None:
    with pytest.raises(ShapeError) as caught:
        Accuracy().update(np.zeros((4, 2)), np.zeros((4, 3)))
    assert str(caught.value) == (
        "y for the metric 'accuracy': got shape (4, 2); expected labels of shape (4,), or one-hot "
        "rows of shape (4, 3)."
    )
    with pytest.raises(ShapeError) as caught:
        F1(multi_label=True).update(np.zeros(4), np.zeros((4, 3)))
    assert str(caught.value) == (
        "y for the metric 'f1': got shape (4,); expected rows of shape (4, 3)."
    )
    with pytest.raises(ShapeError) as caught:
        Recall().update(np.zeros((4, 2)), np.zeros((4, 1)))
    assert str(caught.value) == (
        "y for the metric 'recall': got shape (4, 2); expected one label an output, shape (4,)."
    )


def test_outputs_that_are_no_probabilities() -> None:
    y, z = np.array([0, 1]), np.array([-3.0, 5.25])
    with pytest.raises(ArgumentError) as caught:
        Accuracy().update(y, z)
    assert str(caught.value) == (
        "prediction for the metric 'accuracy': got numbers from -3 to 5.25; expected "
        "probabilities, from 0 to 1. Say what they are: cr.metrics.Accuracy(from_logits=True), or "
        "threshold=0.0 for scores."
    )
    assert streamed(Accuracy(from_logits=True), y, z, []) == 1.0
    assert streamed(Accuracy(threshold=0.0), y, z, []) == 1.0
    assert streamed(RocAuc(), y, z, []) == 1.0  # only the order counts


@pytest.mark.parametrize("make", [Accuracy, ConfusionMatrix, F1, RocAuc, lambda: TopK(2)])
@pytest.mark.parametrize("wrong", [3, -1])
def test_labels_beyond_the_classes(make: Any, wrong: int) -> None:
    scores = np.eye(3)
    with pytest.raises(ArgumentError) as caught:
        make().update(np.array([0, 1, wrong]), scores)
    low, high = min(0, wrong), max(1, wrong)
    assert str(caught.value) == (
        f"y for the metric '{make().name}': got labels from {low} to {high}; expected integers "
        "from 0 to 2 (3 classes). Number the classes from 0, or give the last layer one unit a "
        "class."
    )
    with pytest.raises(ArgumentError, match="got numbers with fractions; expected integer labels"):
        make().update(np.array([0.0, 0.5, 1.0]), scores)


def test_top_k_needs_more_classes() -> None:
    with pytest.raises(ArgumentError) as caught:
        TopK().check(np.array([0, 1, 2]), ArrayType((3, 3), np.dtype("float32")))
    assert str(caught.value) == (
        "metrics: got 'top_5' for 3 classes; expected k less than 3: else it is always 1. Use "
        "cr.metrics.TopK(k=2), or a smaller k."
    )
    with pytest.raises(ArgumentError) as caught:
        TopK(2).update(np.array([0, 1]), np.array([0.1, 0.2]))
    assert str(caught.value) == (
        "metrics: got 'top_2' for yes-or-no answers; expected one output a class."
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: TopK(0), "k: got 0; expected a whole number from 1."),
        (lambda: TopK(1.5), "k: got 1.5; expected a whole number from 1."),  # type: ignore[arg-type]
        (lambda: Accuracy("half"), "threshold: got 'half'; expected a finite number."),  # type: ignore[arg-type]
        (lambda: Accuracy(np.nan), "threshold: got nan; expected a finite number."),
        (
            lambda: Accuracy(1.5, from_logits=True),
            "threshold: got 1.5; expected a probability in (0, 1).",
        ),
        (
            lambda: Precision("makro"),
            "average: got 'makro'; expected one of 'auto', 'binary', 'macro', 'micro', "
            "'weighted', None.",
        ),
        (
            lambda: RocAuc("micro"),
            "average: got 'micro'; expected one of 'macro', 'weighted', None.",
        ),
        (lambda: F1(zero_division=2.0), "zero_division: got 2.0; expected a number in [0, 1]."),
        (lambda: FBeta(0.0), "beta: got 0.0; expected a number in (0, ∞)."),
        (
            lambda: ConfusionMatrix("rows"),
            "normalize: got 'rows'; expected one of None, 'true', 'pred', 'all'.",
        ),
    ],
)
def test_settings_that_do_not_fit(make: Callable[[], Metric], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text


def test_binary_of_several_classes() -> None:
    metric = Precision("binary")
    metric.update(np.array([0, 1, 2]), np.eye(3))
    with pytest.raises(ArgumentError) as caught:
        metric.result()
    assert str(caught.value) == (
        "average: got 'binary' for 3 classes; expected 'macro', 'micro', 'weighted' or None."
    )
