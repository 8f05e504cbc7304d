"""Cross-entropies in detail: forms of labels, precision, probabilities at the edge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.special
import sklearn.metrics

import chainrule as cr
from chainrule.core.types import Array, ArrayType
from chainrule.losses import (
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalFocal,
    CrossEntropy,
    KLDivergence,
    Loss,
)


def value_and_gradient(loss: Loss, y: Any, z: Array) -> tuple[Array, Array]:
    """The loss of each sample, and the gradient of their sum with respect to the prediction."""
    targets = cr.tensor(loss.check(y, ArrayType(z.shape, z.dtype)))
    values = loss(targets, cr.tensor(z))
    gradient = cr.grad(lambda z: loss(targets, z).sum())(z)
    return values.numpy(), gradient.numpy()


def soft_rows(n: int, classes: int) -> Array:
    return np.random.default_rng(9).dirichlet(np.ones(classes), size=n)


# ----------------------------------------------------------------------------- forms of labels

LABELS = np.array([2, 0, 1, 2, 2, 0])
LABEL_FORMS = {
    "integers": LABELS,
    "a column": LABELS[:, None],
    "a list": LABELS.tolist(),
    "unsigned": LABELS.astype(np.uint8),
    "whole floats": LABELS.astype(np.float32),
    "a column of whole floats": LABELS[:, None].astype(np.float64),
    "one-hot": np.eye(3)[LABELS],
    "one-hot integers": np.eye(3, dtype=int)[LABELS],
    "one-hot bools": np.eye(3, dtype=bool)[LABELS],
    "one-hot list": np.eye(3)[LABELS].tolist(),
    "tensor": cr.tensor(LABELS),
    "pandas": pd.Series(LABELS),
    "pandas nullable": pd.Series(LABELS, dtype="Int64"),
    "polars": pl.Series(LABELS),
    "pyarrow": pa.array(LABELS),
    "pandas frame": pd.DataFrame({"y": LABELS}),
    "polars frame": pl.DataFrame({"y": LABELS}),
}


@pytest.mark.parametrize("y", LABEL_FORMS.values(), ids=LABEL_FORMS.keys())
def test_cross_entropy_is_scipys(y: Any) -> None:
    z = np.random.default_rng(0).normal(scale=4.0, size=(6, 3))
    log_p = scipy.special.log_softmax(z, axis=1)
    values, gradient = value_and_gradient(CrossEntropy(), y, z)
    assert values.shape == (6,)
    np.testing.assert_allclose(values, -log_p[np.arange(6), LABELS], rtol=1e-12)
    np.testing.assert_allclose(gradient, np.exp(log_p) - np.eye(3)[LABELS], rtol=1e-10, atol=1e-14)


def test_cross_entropy_of_bool_labels() -> None:
    z = np.random.default_rng(0).normal(size=(4, 2))
    y = np.array([True, False, False, True])
    values, _ = value_and_gradient(CrossEntropy(), y, z)
    log_p = scipy.special.log_softmax(z, axis=1)
    np.testing.assert_allclose(values, -log_p[np.arange(4), [1, 0, 0, 1]], rtol=1e-12)


def test_cross_entropy_of_soft_labels() -> None:
    z, y = np.random.default_rng(0).normal(scale=4.0, size=(5, 4)), soft_rows(5, 4)
    log_p = scipy.special.log_softmax(z, axis=1)
    for form in (y, y.tolist()):  # a list must not pass through float32
        values, gradient = value_and_gradient(CrossEntropy(), form, z)
        np.testing.assert_allclose(values, -(y * log_p).sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(gradient, np.exp(log_p) - y, rtol=1e-9, atol=1e-13)


def test_labels_of_places() -> None:
    """Integers of shape (n, places) for outputs of shape (n, places, classes)."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(4, 5, 3)), rng.integers(3, size=(4, 5))
    log_p = np.take_along_axis(scipy.special.log_softmax(z, axis=2), y[..., None], axis=2)
    for form in (y, y[..., None], np.eye(3)[y]):
        values, _ = value_and_gradient(CrossEntropy(), form, z)
        np.testing.assert_allclose(values, -log_p[..., 0].mean(axis=1), rtol=1e-12)


YES_FORMS = {
    "integers": np.array([1, 0, 1]),
    "bools": np.array([True, False, True]),
    "a list of bools": [True, False, True],
    "a column": np.array([[1], [0], [1]]),
    "floats": np.array([1.0, 0.0, 1.0]),
    "polars": pl.Series([True, False, True]),
    "pandas": pd.Series([1, 0, 1]),
}


@pytest.mark.parametrize("y", YES_FORMS.values(), ids=YES_FORMS.keys())
@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), BinaryFocal(0.0)], ids=repr)
def test_forms_of_yes_and_no(y: Any, loss: Loss) -> None:
    z = np.array([[0.5], [-2.0], [30.0]])
    values, _ = value_and_gradient(loss, y, z)
    wanted = [math.log1p(math.exp(-0.5)), math.log1p(math.exp(-2.0)), math.log1p(math.exp(-30.0))]
    np.testing.assert_allclose(values, wanted, rtol=1e-12)


def test_cross_entropy_checks_into_its_own_form() -> None:
    loss, kind = CrossEntropy(), ArrayType((1, 3), np.dtype("float32"))
    assert loss.check([0.0, 2.0], kind).dtype == np.int64
    assert loss.check(np.eye(3), kind).dtype == np.float32
    y = np.array([0, 1], np.int32)
    assert loss.check(y, kind) is not y
    assert y.dtype == np.int32


# ---------------------------------------------------------------------- against scikit-learn


@pytest.mark.parametrize("seed", range(3))
def test_log_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, y = rng.normal(scale=3.0, size=(50, 4)), rng.integers(4, size=50)
    p = scipy.special.softmax(z, axis=1)
    wanted = sklearn.metrics.log_loss(y, p, labels=range(4))
    for loss, given in (
        (CrossEntropy(), z),
        (CrossEntropy(from_logits=False), p),
        (CategoricalFocal(0.0, 1.0), z),
        (CategoricalFocal(0.0, 1.0, from_logits=False), p),
    ):
        assert value_and_gradient(loss, y, given)[0].mean() == pytest.approx(wanted, rel=1e-12)
    kl = value_and_gradient(KLDivergence(), np.eye(4)[y], z)[0]  # one-hot rows have no entropy
    assert kl.mean() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_binary_log_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, y = rng.normal(scale=3.0, size=(50, 1)), rng.integers(2, size=50)
    p = scipy.special.expit(z)
    wanted = sklearn.metrics.log_loss(y, p[:, 0])
    for loss, given in ((BinaryCrossEntropy(), z), (BinaryCrossEntropy(from_logits=False), p)):
        assert value_and_gradient(loss, y, given)[0].mean() == pytest.approx(wanted, rel=1e-12)


def test_two_classes_are_one_question() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(scale=3.0, size=(20, 2)), rng.integers(2, size=20)
    two, _ = value_and_gradient(CrossEntropy(), y, z)
    one, _ = value_and_gradient(BinaryCrossEntropy(), y, z[:, 1:] - z[:, :1])
    np.testing.assert_allclose(one, two, rtol=1e-10)


# ------------------------------------------------------------------------------- numerics


@pytest.mark.parametrize(("dtype", "size"), [("float64", 1000.0), ("float32", 100.0)])
@pytest.mark.parametrize("form", ["labels", "one-hot", "soft"])
def test_cross_entropy_of_large_logits(dtype: str, size: float, form: str) -> None:
    z = size * np.array([[1, -1, 0], [-1, 1, 1], [1, 1, 1], [-1, -1, -1], [0, 0, 1]])
    y = np.array([1, 0, 2, 0, 2])
    rows = {"labels": np.eye(3)[y], "one-hot": np.eye(3)[y], "soft": soft_rows(5, 3)}[form]
    given = y if form == "labels" else rows
    values, gradient = value_and_gradient(CrossEntropy(), given, z.astype(dtype))
    assert values.dtype == gradient.dtype == dtype
    rtol = 1e-12 if dtype == "float64" else 1e-5
    log_p = scipy.special.log_softmax(z, axis=1)
    np.testing.assert_allclose(values, -(rows * log_p).sum(axis=1), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(gradient, np.exp(log_p) - rows, rtol=rtol, atol=rtol)


def test_the_gradient_loses_no_digits_where_the_answer_is_right() -> None:
    _, gradient = value_and_gradient(CrossEntropy(), [0], np.array([[30.0, 0.0]]))
    assert gradient[0, 1] == pytest.approx(scipy.special.expit(-30.0), rel=1e-12, abs=0)
    for z in (30.0, 300.0):
        values, gradient = value_and_gradient(
            BinaryCrossEntropy(), [1, 0, 1, 0], np.array([[z], [-z], [-z], [z]])
        )
        small = math.exp(-z)
        np.testing.assert_allclose(values, [small, small, z, z], rtol=1e-12, atol=0)
        np.testing.assert_allclose(gradient[:, 0], [-small, small, -1, 1], rtol=1e-12, atol=0)


FROM_PROBABILITIES = [
    CrossEntropy(from_logits=False),
    CrossEntropy(0.1, from_logits=False),
    CategoricalFocal(from_logits=False),
    KLDivergence(from_logits=False),
]


@pytest.mark.parametrize("loss", FROM_PROBABILITIES, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_impossible_classes(loss: Loss, dtype: str) -> None:
    """Probability 0 of the right class: a large loss, and no NaN."""
    p = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype)
    values, gradient = value_and_gradient(loss, np.eye(3)[[1, 2, 1]], p)
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()
    least = 6.0 if "label" in repr(loss) and "0.1" in repr(loss) else 17.0
    assert values[0] > least
    assert values[2] > least
    if "0.1" not in repr(loss):
        assert values[1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "loss", [BinaryCrossEntropy(from_logits=False), BinaryFocal(from_logits=False)], ids=repr
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_impossible_answers(loss: Loss, dtype: str) -> None:
    p = np.array([[0.0], [1.0], [0.0], [1.0]], dtype)
    values, gradient = value_and_gradient(loss, [1, 0, 0, 1], p)
    largest = 69.0 if dtype == "float32" else 689.0
    assert values[:2] == pytest.approx([largest, largest], abs=2.0)
    assert values[2:].tolist() == [0.0, 0.0]
    assert np.isfinite(gradient).all()


def test_confident_mistakes_keep_their_gradient() -> None:
    """Behind softmax, ∂L/∂z is that of logits, also where the right class has hardly a chance."""
    z = np.array([[0.0, 25.0, 30.0], [30.0, 0.0, -30.0]], np.float32)
    y = cr.tensor([0, 2])
    exact = cr.grad(lambda z: CrossEntropy()(y, z).sum())(z).numpy()
    from_p = CrossEntropy(from_logits=False)
    found = cr.grad(lambda z: from_p(y, cr.softmax(z)).sum())(z).numpy()
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-6)


def test_epsilon_clips_as_keras_does() -> None:
    """keras.losses: -log(clip(p / Σp, 1e-7, 1 - 1e-7))."""
    p = np.array([[1.0, 0.0], [0.25, 0.25], [0.0, 3.0]])
    y = np.array([1, 0, 1])
    values, _ = value_and_gradient(CrossEntropy(from_logits=False, epsilon=1e-7), y, p)
    clipped = np.clip(p / p.sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
    np.testing.assert_allclose(values, -np.log(clipped[np.arange(3), y]), rtol=1e-9)
    binary, _ = value_and_gradient(
        BinaryCrossEntropy(from_logits=False, epsilon=1e-7),
        [1, 0, 1],
        np.array([[0.0], [1.0], [1.0]]),
    )
    np.testing.assert_allclose(
        binary, [-math.log(1e-7), -math.log(1e-7), -math.log1p(-1e-7)], rtol=1e-7
    )
    rows = np.array([[0.5, 0.5], [1.0, 0.0]])
    kl, _ = value_and_gradient(KLDivergence(from_logits=False, epsilon=1e-7), rows, p[:2])
    clipped_rows, clipped = np.maximum(rows, 1e-7), np.maximum(p[:2], 1e-7)
    wanted = (clipped_rows * np.log(clipped_rows / clipped)).sum(axis=1)
    np.testing.assert_allclose(kl, wanted, rtol=1e-9)


def test_kl_of_what_is_equal_is_zero() -> None:
    y = soft_rows(4, 3)
    y[0] = [1.0, 0.0, 0.0]
    with np.errstate(divide="ignore"):
        z = np.maximum(np.log(y), -800.0)
    values, gradient = value_and_gradient(KLDivergence(), y, z)
    np.testing.assert_allclose(values, 0.0, atol=1e-14)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-14)


def test_kl_is_differentiable_by_the_targets() -> None:
    y, z = soft_rows(3, 4), np.random.default_rng(0).normal(size=(3, 4))
    cr.check_grads(lambda y, z: KLDivergence()(y, z), [y, z], order=2)
