from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, StandardScaler

from chainrule.core.errors import ArgumentError, DataError, ShapeError
from chainrule.data import find_task
from chainrule.data.targets import ClassTarget, NumberTarget


def target(kind: Any, values: Any, **options: Any) -> Any:
    series = pl.Series("y", values, **options)
    return kind.fit(series, np.arange(len(series)))


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        (["1", "2"], "classification"),
        ([True, False], "classification"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), "classification"),
        (pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), "classification"),
        ([f"name {i}" for i in range(100)], "classification"),
        (list(range(20)), "classification"),
        (list(range(21)), "regression"),
        ([*range(20), None], "classification"),
        ([-1, 1], "classification"),
        (pl.Series([1, 2, 3], dtype=pl.UInt8), "classification"),
        ([0.5, 0.5, 1.5, 1.5], "regression"),
        ([1.0, 2.0, 1.0, 2.0], "classification"),
        ([1.0, 2.0, 1.0, 2.0, None, float("nan")], "classification"),
        ([1.0, 2.0, 1.0, 2.0, 3.0], "regression"),  # 3.0 is seen once
        ([float(i) for i in range(20)] * 2, "classification"),
        ([float(i) for i in range(21)] * 2, "regression"),
        ([1e10, 2e10, 1e10, 2e10], "classification"),
        (pl.Series([1, 2, 1, 2], dtype=pl.Decimal(5, 2)), "classification"),
    ],
)
def test_finds_the_task(values: Any, task: str) -> None:
    assert find_task(pl.Series("y", values)) == task


def test_no_task() -> None:
    with pytest.raises(DataError, match="target column 'y': got the type Date; expected numbers, "):
        find_task(pl.Series("y", [date(2020, 1, 1)]))


VALUES = (
    st.lists(st.text(max_size=3), min_size=2)
    | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2)
    | st.lists(st.booleans(), min_size=2)
    | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2)
)


@settings(max_examples=150, deadline=None)
@given(values=VALUES.filter(lambda values: len(set(values)) > 1))
def test_labels_like_scikit_learn_and_back(values: list[Any]) -> None:
    encoder = target(ClassTarget, values)
    # As objects: NumPy's own text type drops trailing zero characters.
    array = np.array(values, dtype=object if isinstance(values[0], str) else None)
    oracle = LabelEncoder().fit(array)
    assert list(encoder.classes) == oracle.classes_.tolist()
    labels = encoder.encode(pl.Series("y", values))
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, oracle.transform(array))
    decoded = encoder.decode(labels)
    assert decoded.name == "y"
    assert decoded.to_list() == values
    assert {type(value) for value in decoded.to_list()} == {type(value) for value in values}
    assert ClassTarget.from_dict(json.loads(json.dumps(encoder.to_dict()))) == encoder


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=30, unique=True))
def test_numbers_like_scikit_learn_and_back(values: list[float]) -> None:
    if np.ptp(values) < max(1e-6 * np.max(np.abs(values)), 1e-150):
        return  # float32 cannot tell them apart, or scikit-learn calls them constant
    encoder = target(NumberTarget, values)
    encoded = encoder.encode(pl.Series("y", values))
    assert encoded.dtype == np.float32
    oracle = StandardScaler().fit_transform(np.array(values)[:, None])
    np.testing.assert_allclose(encoded, oracle, rtol=1e-5, atol=1e-6)
    for outputs in (encoded, encoded[:, 0]):
        decoded = encoder.decode(outputs)
        assert decoded.name == "y"
        assert decoded.dtype == pl.Float64
        np.testing.assert_allclose(decoded.to_numpy(), values, rtol=1e-5, atol=1e-6 * encoder.scale)
    assert NumberTarget.from_dict(json.loads(json.dumps(encoder.to_dict()))) == encoder


@pytest.mark.parametrize(
    ("classes", "values", "labels"),
    [
        ([-1, 1, 300], pl.Series([1, 1], dtype=pl.UInt8), [1, 1]),
        ([1, 2, 3], [3.0, 1.0], [2, 0]),
        ([1, 2, 3], ["3", " 1 ", "2.0"], [2, 0, 1]),
        ([1.0, 2.5], ["2.5", "1"], [1, 0]),
        ([1.0, 2.0], [2, 1], [1, 0]),
        (["1", "x"], [1], [0]),
        ([False, True], ["True", "false"], [1, 0]),
        ([False, True], [1, 0], [1, 0]),
        (["b", "a"], pl.Series(["b"], dtype=pl.Categorical), [1]),
    ],
)
def test_classes_in_another_dress(classes: list[Any], values: Any, labels: list[int]) -> None:
    assert target(ClassTarget, classes).encode(pl.Series("y", values)).tolist() == labels


@pytest.mark.parametrize(
    ("classes", "values", "message"),
    [
        (
            ["a", "b"],
            ["a", "c", "d", "c"],
            "target column 'y': got 'c', 'd', first in row 2; expected"
            " a class that occurred in training ('a', 'b')",
        ),
        ([1, 2], [1, 3], "got 3, first in row 2"),
        ([1, 2], [1.5], "got 1.5, first in row 1"),
        ([1, 2], ["one"], "got 'one', first in row 1"),
        ([0, 1], [True], "got True, first in row 1"),
        ([False, True], [2], "got 2, first in row 1"),
        (["a", "b"], [date(2020, 1, 1)], "got datetime.date(2020, 1, 1), first in row 1"),
        ([1, 2], [None, 1], "target column 'y': got 1 missing value, first in row 1"),
    ],
)
def test_classes_never_seen(classes: list[Any], values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        target(ClassTarget, classes).encode(pl.Series("y", values))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            ClassTarget,
            ["a", "a"],
            "target column 'y': got the same value in every training row ('a'); "
            "expected at least two different values. Choose another column to predict.",
        ),
        (NumberTarget, [2.5, 2.5], "the same value in every training row (2.5)"),
        (
            ClassTarget,
            ["a", None],
            "got 1 missing value, first in row 2; expected a value in every",
        ),
        (NumberTarget, [1.0, float("nan")], "got 1 missing value, first in row 2"),
        (ClassTarget, [None, None], "got 2 missing values"),
        (ClassTarget, [1.0, float("inf")], "got 1 infinite value, first in row 2"),
        (NumberTarget, ["1", "x"], "got the text 'x' in row 2; expected a number in every row"),
        (ClassTarget, [[1], [2]], "got the type List(Int64); expected numbers, text or true/false"),
        (NumberTarget, [[1], [2]], "got the type List(Int64); expected numbers"),
    ],
)
def test_what_cannot_be_a_target(kind: Any, values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        target(kind, values)


def test_numbers_as_text() -> None:
    assert target(NumberTarget, ["1", "3"]) == NumberTarget("y", 2.0, 1.0)


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        ([0, 3], ArgumentError, "outputs: got class indices from 0 to 3; expected 0 to 2"),
        ([-1], ArgumentError, "outputs: got class indices from -1 to -1"),
        ([0.0, 1.0], ArgumentError, "outputs: got dtype float64; expected integers: class indices"),
        (
            [[0.1, 0.2, 0.7]],
            ShapeError,
            "outputs: got shape (1, 3); expected class indices of shape",
        ),
    ],
)
def test_outputs_that_are_no_classes(
    outputs: list[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        target(ClassTarget, ["a", "b", "c"]).decode(np.array(outputs))


def test_outputs_that_are_no_predictions() -> None:
    with pytest.raises(
        ShapeError, match=re.escape("outputs: got shape (3, 2); expected predictions")
    ):
        NumberTarget("y", 0.0, 1.0).decode(np.zeros((3, 2)))


def test_decoding_nothing() -> None:
    assert target(ClassTarget, ["a", "b"]).decode(np.array([], dtype=np.int64)).to_list() == []
    assert NumberTarget("y", 0.0, 1.0).decode(np.zeros((0, 1), dtype=np.float32)).to_list() == []
