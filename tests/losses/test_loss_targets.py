"""Targets that do not fit: each is explained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DataError, DtypeError, ShapeError
from chainrule.core.types import ArrayType
from chainrule.losses import (
    LOSSES,
    BinaryCrossEntropy,
    CategoricalFocal,
    CosineSimilarity,
    CrossEntropy,
    Hinge,
    KLDivergence,
    Loss,
    Quantile,
    SquaredError,
    finite,
    loss,
)


def output(*shape: int, dtype: str = "float64") -> ArrayType:
    return ArrayType(shape, np.dtype(dtype))


def error_of(given: Loss, y: Any, *shape: int, dtype: str = "float64") -> ArgumentError:
    with pytest.raises(ArgumentError) as caught:
        given.check(y, output(*shape, dtype=dtype))
    return caught.value


@pytest.mark.parametrize(
    ("y", "units", "kind", "text"),
    [
        (
            [0, 1, 3],
            3,
            ArgumentError,
            "y: got labels from 0 to 3; expected integers from 0 to 2 (3 classes). Number the "
            "classes from 0, or give the last layer one unit a class.",
        ),
        (
            [[-1.0], [1.0]],
            3,
            ArgumentError,
            "y: got labels from -1 to 1; expected integers from 0 to 2 (3 classes). Number the "
            "classes from 0, or give the last layer one unit a class.",
        ),
        (
            [0.5, 1.0],
            3,
            ArgumentError,
            "y: got numbers with fractions; expected integer labels from 0 to 2. For a target "
            "that is a quantity use loss='squared_error'.",
        ),
        (
            [0, 1],
            1,
            ArgumentError,
            "loss: got 'cross_entropy' for a network with one output; expected one output a "
            "class. Give the last layer as many units as there are classes (two for yes or no), "
            "or keep one unit and use loss='binary_cross_entropy'.",
        ),
        (
            [[1.0, 0.0, 0.0], [0.5, 0.2, 0.2]],
            3,
            ArgumentError,
            "y: got row 1 with sum 0.9 and smallest value 0.2; expected one-hot rows: from 0, "
            "with sum 1.",
        ),
        (
            [[1.5, -0.5, 0.0]],
            3,
            ArgumentError,
            "y: got row 0 with sum 1 and smallest value -0.5; expected one-hot rows: from 0, "
            "with sum 1.",
        ),
        (
            [[1, 0, 0], [1, 0, 1]],
            3,
            ArgumentError,
            "y: got row 1 with sum 2 and smallest value 0; expected one-hot rows: from 0, with "
            "sum 1. For several labels a sample use loss='binary_cross_entropy'.",
        ),
        (
            np.zeros((4, 5)),
            3,
            ShapeError,
            "y: got shape (4, 5); expected integer labels of shape (n,), or one-hot rows of "
            "shape (n, 3).",
        ),
        (
            np.zeros((4, 1, 1)),
            3,
            ShapeError,
            "y: got shape (4, 1, 1); expected integer labels of shape (n,), or one-hot rows of "
            "shape (n, 3).",
        ),
        (
            2,
            3,
            ShapeError,
            "y: got shape (); expected integer labels of shape (n,), or one-hot rows of shape "
            "(n, 3).",
        ),
        (
            ["cat", "dog"],
            3,
            DtypeError,
            "y: got values of dtype <U3; expected numbers. Encode text as numbers first.",
        ),
        (
            [[1, 0], [1]],
            3,
            ShapeError,
            "y: got nested lists of uneven lengths; expected lists of equal length.",
        ),
        (
            [0.0, np.nan, np.nan],
            3,
            DataError,
            "y: got 2 values that are NaN or infinite, first in row 1; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            [[1.0, 0.0, np.inf]],
            3,
            DataError,
            "y: got 1 values that are NaN or infinite, first in row 0; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            pl.Series([0, 1, None]),
            3,
            DataError,
            "y: got 1 values that are NaN or infinite, first in row 2; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
    ],
)
def test_targets_that_do_not_fit_cross_entropy(
    y: Any, units: int, kind: type[ArgumentError], text: str
) -> None:
    error = error_of(CrossEntropy(), y, 1, units)
    assert type(error) is kind
    assert str(error) == text


def test_labels_of_places_that_do_not_fit() -> None:
    assert str(error_of(CrossEntropy(), np.zeros((4, 6), int), 4, 5, 3)) == (
        "y: got shape (4, 6); expected integer labels of shape (n, 5), or one-hot rows of shape "
        "(n, 5, 3)."
    )
    rows = np.zeros((2, 2, 3))
    rows[..., 0] = 1.0
    rows[1, 1, 0] = 0.5
    assert str(error_of(CrossEntropy(), rows, 2, 2, 3)) == (
        "y: got row (1, 1) with sum 0.5 and smallest value 0; expected one-hot rows: from 0, with "
        "sum 1."
    )


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("cross_entropy", "binary_cross_entropy"),
        ("categorical_focal", "binary_focal"),
        ("categorical_hinge", "hinge"),
    ],
)
def test_losses_of_classes_need_an_output_a_class(name: str, other: str) -> None:
    for shape in ((4, 1), (4,)):
        assert str(error_of(loss(name), [0, 1, 1, 0], *shape)) == (
            f"loss: got {name!r} for a network with one output; expected one output a class. Give "
            "the last layer as many units as there are classes (two for yes or no), or keep one "
            f"unit and use loss={other!r}."
        )


def test_directions_and_distributions_need_several_outputs() -> None:
    assert str(error_of(CosineSimilarity(), [1.0, 2.0], 2, 1)) == (
        "loss: got 'cosine_similarity' for a network with one output; expected several outputs, a "
        "direction. For one quantity use loss='squared_error'."
    )
    assert str(error_of(KLDivergence(), [1.0, 1.0], 2, 1)) == (
        "loss: got 'kl_divergence' for a network with one output; expected one output a class. "
        "Give the last layer as many units as there are classes."
    )


def test_one_number_a_class() -> None:
    assert str(error_of(CategoricalFocal(alpha=[0.1, 0.2]), [0, 1], 2, 3)) == (
        "alpha: got 2 numbers; expected one for each of 3 outputs."
    )
    assert str(error_of(BinaryCrossEntropy(pos_weight=[1.0, 2.0]), [0, 1], 2, 1)) == (
        "pos_weight: got 2 numbers; expected one for each of 1 outputs."
    )


# ------------------------------------------------------------------------ integers for floats


@pytest.mark.parametrize("y", [[2, 0, 1], np.array([[2], [0], [1]]), pd.Series([2, 0, 1])])
@pytest.mark.parametrize(
    "name", ["squared_error", "absolute_error", "huber", "log_cosh", "poisson", "cosine_similarity"]
)
def test_labels_for_losses_of_quantities(name: str, y: Any) -> None:
    shape = np.shape(y)
    assert str(error_of(loss(name), y, 3, 4)) == (
        f"y: got integer labels from 0 to 2, shape {shape}, for a network with 4 outputs; expected "
        "floats of shape (n, 4), as the network's output. For classes use loss='cross_entropy'; "
        "for quantities give one column a unit."
    )


def test_labels_for_distributions() -> None:
    assert str(error_of(KLDivergence(), [2, 0, 1], 3, 4)) == (
        "y: got integer labels, shape (3,); expected rows of probabilities, floats of shape "
        "(n, 4). For labels use loss='cross_entropy': it is the same but for a constant."
    )
    assert str(error_of(KLDivergence(), [2.0, 0.0], 3, 4)) == (
        "y: got shape (2,); expected rows of probabilities, floats of shape (n, 4)."
    )
    assert str(error_of(KLDivergence(), np.eye(4)[:2] * 0.9, 3, 4)) == (
        "y: got row 0 with sum 0.9 and smallest value 0; expected one-hot rows: from 0, with sum 1."
    )


@pytest.mark.parametrize("y", [[0, 1, 7], [-1, 1, 0], [0.0, 1.0, 2.0]])
def test_what_may_be_quantities_is_only_of_the_wrong_shape(y: Any) -> None:
    assert str(error_of(SquaredError(), y, 3, 4)) == (
        "y: got shape (3,); expected shape (n, 4), as the network's output. Give the last layer "
        "as many units as there are targets."
    )


def test_whole_numbers_are_good_quantities() -> None:
    """No false alarm: counts and bools are regressed on, in the network's dtype."""
    for y in ([1, 0], np.array([True, False]), np.array([1, 0], np.int8)):
        for name in ("squared_error", "absolute_error", "huber", "poisson", "quantile"):
            targets = loss(name).check(y, output(1, 1, dtype="float32"))
            assert targets.dtype == np.float32
            assert targets.tolist() == [[1.0], [0.0]]


# ---------------------------------------------------------------------------------- yes or no


@pytest.mark.parametrize(
    ("y", "shape", "text"),
    [
        (
            [-1, 1, 1],
            (3, 1),
            "y: got labels from -1 to 1; expected 0 or 1, false or true, or the probability of 1. "
            "Use (y + 1) / 2, or loss='hinge', which takes -1 and 1.",
        ),
        (
            [0, 1, 2],
            (3, 1),
            "y: got labels from 0 to 2; expected 0 or 1, false or true, or the probability of 1. "
            "For several classes use loss='cross_entropy', for a quantity 'squared_error'.",
        ),
        (
            [0.5, -0.25],
            (3, 1),
            "y: got labels from -0.25 to 0.5; expected 0 or 1, false or true, or the probability "
            "of 1. For several classes use loss='cross_entropy', for a quantity 'squared_error'.",
        ),
        (
            np.eye(2),
            (2, 1),
            "y: got shape (2, 2) for a network with one output; expected one label a sample, "
            "shape (n,). One-hot rows: y.argmax(axis=1), or one unit a class and "
            "loss='cross_entropy'.",
        ),
        (
            [0, 1, 1],
            (3, 2),
            "y: got integer labels from 0 to 1, shape (3,), for a network with 2 outputs; expected "
            "floats of shape (n, 2), as the network's output. For classes use "
            "loss='cross_entropy'; for quantities give one column a unit.",
        ),
        (
            np.zeros((3, 3)),
            (3, 2),
            "y: got shape (3, 3); expected shape (n, 2), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
    ],
)
@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_focal"])
def test_targets_that_do_not_fit_yes_and_no(
    name: str, y: Any, shape: tuple[int, ...], text: str
) -> None:
    assert str(error_of(loss(name), y, *shape)) == text


@pytest.mark.parametrize("name", ["hinge", "squared_hinge"])
def test_labels_of_margins(name: str) -> None:
    for y in ([0, 1, 1], [-1, 1, 1], [False, True, True]):
        assert loss(name).check(y, output(3, 1)).tolist() == [[-1.0], [1.0], [1.0]]
    assert loss(name).check([0, 0], output(3, 1)).tolist() == [[-1.0], [-1.0]]
    assert str(error_of(loss(name), [0, 1, 2, 3, 4, 5], 3, 1)) == (
        "y: got labels 0, 1, 2, 3, ...; expected -1 and 1, or 0 and 1. For several classes use "
        "loss='categorical_hinge'."
    )
    assert str(error_of(loss(name), [0, 1, 2, 3], 3, 1)).startswith("y: got labels 0, 1, 2, 3; ")
    assert str(error_of(loss(name), [0, 1, 2, 3, 4], 3, 1)).startswith(
        "y: got labels 0, 1, 2, 3, ...; "
    )
    assert str(error_of(loss(name), [-1.0, 0.0, 1.0], 3, 1)) == (
        "y: got labels -1, 0, 1; expected -1 and 1, or 0 and 1. For several classes use "
        "loss='categorical_hinge'."
    )
    assert "loss='categorical_hinge'; for quantities" in str(error_of(Hinge(), [0, 1, 1], 3, 2))
    assert str(error_of(Hinge(), np.eye(2), 2, 1)).startswith(
        "y: got shape (2, 2) for a network with one output; expected one label a sample"
    )


# ------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize("name", ["poisson", "squared_log_error"])
def test_counts_are_not_negative(name: str) -> None:
    assert str(error_of(loss(name), [1.0, -2.0], 2, 1)) == (
        f"y: got a smallest value of -2 for {name!r}; expected from 0. For a quantity that may be "
        "negative use loss='squared_error'."
    )


@pytest.mark.parametrize(
    ("y", "shape", "text"),
    [
        (
            np.zeros(5),
            (1, 2),
            "y: got shape (5,); expected shape (n, 2), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 2)),
            (1, 1),
            "y: got shape (5, 2); expected shape (n, 1), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 2)),
            (1, 2, 3),
            "y: got shape (5, 2); expected shape (n, 2, 3), as the network's output. Give the "
            "last layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 2)),
            (1,),
            "y: got shape (5, 2); expected shape (n,), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 1, 1)),
            (1, 1),
            "y: got shape (5, 1, 1); expected shape (n, 1), as the network's output. Give the "
            "last layer as many units as there are targets.",
        ),
        (
            1.0,
            (1, 1),
            "y: got shape (); expected shape (n, 1), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            ["a"],
            (1, 1),
            "y: got values of dtype <U1; expected numbers. Encode text as numbers first.",
        ),
        (
            np.array([[1.0], [np.inf]]),
            (1, 1),
            "y: got 1 values that are NaN or infinite, first in row 1; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            [1.0, None],
            (1, 1),
            "y: got values of dtype object; expected numbers. Encode text as numbers first.",
        ),
    ],
)
@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "quantile"])
def test_targets_that_do_not_fit_quantities(
    name: str, y: Any, shape: tuple[int, ...], text: str
) -> None:
    assert str(error_of(loss(name), y, *shape)) == text


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_refuses_nan_and_text(name: str) -> None:
    shape = (3, 3)
    y = np.full((3, 3), 1 / 3)
    y[1, 1] = np.nan
    assert str(error_of(loss(name), y, *shape)).startswith(
        "y: got 1 values that are NaN or infinite, first in row 1; expected finite numbers. "
    )
    assert str(error_of(loss(name), ["a", "b", "c"], *shape)).startswith(
        "y: got values of dtype <U1; expected numbers."
    )


def test_targets_beyond_the_networks_dtype() -> None:
    error = error_of(SquaredError(), np.array([0.0, 1e300]), 1, 1, dtype="float32")
    assert type(error) is DataError
    assert str(error) == (
        "y: got 1 values that are too large for float32, first in row 1; expected numbers up to "
        "3.4e+38. Scale them first."
    )
    assert SquaredError().check(np.array([1e300]), output(1, 1)).tolist() == [[1e300]]


def test_finite_does_not_copy_what_fits() -> None:
    y = np.array([1.0, 2.0])
    assert finite(y, np.dtype("float64"), "y") is y


# ------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        list,
        pd.Series,
        pl.Series,
        pa.array,
        cr.tensor,
        lambda y: y[:, None],
        lambda y: pd.DataFrame({"y": y}),
    ],
)
def test_forms_of_quantities(form: Any) -> None:
    y = np.array([1.0, 2.0, 4.0])
    assert SquaredError().check(form(y), output(3, 1)).tolist() == [[1.0], [2.0], [4.0]]
    assert SquaredError().check(form(y), output(3)).tolist() == [1.0, 2.0, 4.0]


def test_a_list_keeps_its_digits() -> None:
    assert SquaredError().check([0.1], output(1, 1)).tolist() == [[0.1]]


def test_one_target_serves_all_quantiles() -> None:
    several = Quantile([0.1, 0.9])
    for y in ([1.0, 2.0], [[1.0], [2.0]], [[1.0, 1.0], [2.0, 2.0]]):
        assert several.check(y, output(2, 2)).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert str(error_of(several, [1.0, 2.0], 2, 1)) == (
        "loss: got 2 quantiles for a network with 1 outputs; expected one output a quantile. Give "
        "the last layer 2 units."
    )
    assert str(error_of(Quantile([0.1, 0.9]), np.zeros((2, 3)), 2, 2)).startswith(
        "y: got shape (2, 3); expected shape (n, 2), as the network's output."
    )
