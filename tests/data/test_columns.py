"""Feature encoders, with scikit-learn's as oracles."""

from __future__ import annotations

import json
import re
import warnings
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from chainrule.core.errors import DataError
from chainrule.data.columns import (
    CategoryColumn,
    NumericColumn,
    UnseenCategoryWarning,
    fit_column,
    load_column,
)


def all_rows(series: pl.Series) -> np.ndarray:
    return np.arange(len(series))


def fit(values: Any, **options: Any) -> tuple[Any, str]:
    series = pl.Series("c", values, **options)
    return fit_column(series, all_rows(series))


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=30),
    unseen=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5),
)
def test_standardizes_like_scikit_learn_and_limits_to_five_deviations(
    values: list[float], unseen: list[float]
) -> None:
    column, note = fit(values)
    if len(set(values)) == 1:
        assert column == NumericColumn("c", values[0], 1.0)
        assert note == "column 'c' has the same value in every training row: it tells nothing"
        assert not column.encode(pl.Series(values)).any()
        return
    scaler = StandardScaler().fit(np.array(values)[:, None])
    if (scaler.scale_[0] == 1 and column.scale != 1) or column.scale < 1e-150:
        return  # scikit-learn takes the last bits for rounding, and loses squares below 1e-308
    table = values + [column.mean + deviations * column.scale for deviations in unseen]
    got = column.encode(pl.Series(table))
    assert got.dtype == np.float32
    assert got.shape == (len(table), 1)
    oracle = np.clip(scaler.transform(np.array(table)[:, None]), -5.0, 5.0)
    np.testing.assert_allclose(got, oracle, rtol=1e-5, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.text(max_size=3), min_size=1, max_size=20))
def test_one_hot_like_scikit_learn(values: list[str]) -> None:
    column, note = fit(values)
    table = np.array(values, dtype=object)[:, None]
    encoder = OneHotEncoder(sparse_output=False).fit(table)
    assert column.categories == tuple(encoder.categories_[0])
    assert column.feature_names == tuple(f"c={value}" for value in encoder.categories_[0])
    np.testing.assert_array_equal(column.encode(pl.Series(values)), encoder.transform(table))
    assert bool(note) == (len(set(values)) == 1)


@pytest.mark.parametrize(
    ("values", "options", "kind"),
    [
        ([1, 2], {}, NumericColumn),
        ([1.5, 2.0], {"dtype": pl.Float32}, NumericColumn),
        ([1, 2], {"dtype": pl.UInt8}, NumericColumn),
        ([1, 2], {"dtype": pl.Decimal(5, 2)}, NumericColumn),
        ([True, False], {}, NumericColumn),
        (["1", "2"], {}, CategoryColumn),  # text that looks like numbers may be codes
        (["a", "b"], {"dtype": pl.Categorical}, CategoryColumn),
        (["a", "b"], {"dtype": pl.Enum(["b", "a"])}, CategoryColumn),
    ],
)
def test_kinds(values: list[Any], options: dict[str, Any], kind: type) -> None:
    column, note = fit(values, **options)
    assert type(column) is kind
    assert note == ""
    if kind is CategoryColumn:
        assert column.categories == tuple(sorted(values))


def test_truth_counts_as_one_and_zero() -> None:
    column, _ = fit([True, False, True, True])
    assert column.mean == 0.75
    assert (
        column.encode(pl.Series([1, 0])).tolist()
        == column.encode(pl.Series([True, False])).tolist()
    )


def test_values_that_hardly_differ_are_not_divided_by_nothing() -> None:
    column, note = fit([0.1] * 10)
    assert column == NumericColumn("c", 0.1, 1.0)
    assert note
    tiny, note = fit([0.0, 1e-300])  # its variance is 0 in float64
    assert note == ""
    np.testing.assert_allclose(tiny.encode(pl.Series([0.0, 1e-300])), [[-1], [1]])
    assert np.isfinite(fit([1.0, np.nextafter(1.0, 2)])[0].encode(pl.Series([1.0]))).all()


def test_identifiers_are_left_out() -> None:
    names = [f"name {i}" for i in range(21)]
    column, note = fit(names)
    assert column is None
    assert note == (
        "column 'c' was left out: 21 different texts in 21 training rows look like names or "
        "identifiers"
    )
    assert fit(names[:20])[0] is not None  # 20 are still categories
    assert fit(names * 2)[0] is not None  # 21 in 42 rows are not more than half
    assert fit([*names, *names[:20]])[0] is None


def test_row_numbers_are_noted() -> None:
    for start in (0, 1):
        column, note = fit(list(range(start, start + 30)))
        assert isinstance(column, NumericColumn)
        assert note.startswith("column 'c' numbers the rows")
    assert fit(list(range(2, 32)))[1] == ""
    assert fit(list(range(10)))[1] == ""


@pytest.mark.parametrize("values", [[3, 1, 2], [3.0, 1.0, 2.0], ["3", " 1.0 ", "2e0"], [3, 1.0, 2]])
def test_numbers_in_any_dress(values: list[Any]) -> None:
    column, _ = fit([0, 1, 5])
    series = pl.Series("c", values, strict=False)
    np.testing.assert_array_equal(column.encode(series), column.encode(pl.Series([3, 1, 2])))


def test_numeric_categories_match_text() -> None:
    column, _ = fit(["10", "20", "x"])
    assert column.encode(pl.Series([20, 10])).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_unseen_categories_are_zeros_with_a_warning() -> None:
    column, _ = fit(["red", "blue", "red"])
    with pytest.warns(
        UnseenCategoryWarning,
        match=re.escape("column 'c': 'green' did not occur in training and counts as none of the"),
    ):
        got = column.encode(pl.Series("c", ["green", "blue"]))
    assert got.tolist() == [[0, 0], [1, 0]]
    many = [f"new {i}" for i in range(9)]
    with pytest.warns(UserWarning, match="'new 0', .*'new 4' and 4 more did not occur"):
        column.encode(pl.Series("c", many))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column.encode(pl.Series("c", ["red"]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, None], "column 'c': got 2 missing values, first in row 2; expected a value in"),
        ([1.0, 2.0, float("nan")], "column 'c': got 1 missing value, first in row 3"),
        (["1", "nan"], "column 'c': got 1 missing value, first in row 2"),
        ([float("inf"), 2.0, float("-inf")], "column 'c': got 2 infinite values, first in row 1"),
        (["1", "2", "three"], "column 'c': got the text 'three' in row 3; expected a number in"),
        (["1", ""], "column 'c': got the text '' in row 2"),
        ([date(2020, 1, 1)], "column 'c': got the type Date; expected numbers"),
        ([[1], [2]], "column 'c': got the type List(Int64); expected numbers"),
        (
            [1e300],
            "column 'c': got 1e+300 in row 1; expected numbers near those of training (1 ± 1",
        ),
    ],
)
def test_what_a_numeric_column_refuses(values: list[Any], message: str) -> None:
    column, _ = fit([0.0, 2.0])
    with pytest.raises(DataError, match=re.escape(message)):
        column.encode(pl.Series("c", values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", None], "column 'c': got 1 missing value, first in row 2"),
        ([None, None], "column 'c': got 2 missing values, first in row 1"),
        ([float("nan")], "column 'c': got 1 missing value, first in row 1"),
        ([date(2020, 1, 1)], "column 'c': got the type Date; expected text, as in training"),
    ],
)
def test_what_a_category_column_refuses(values: list[Any], message: str) -> None:
    column, _ = fit(["a", "b"])
    with pytest.raises(DataError, match=re.escape(message)):
        column.encode(pl.Series("c", values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [date(2020, 1, 1)],
            "column 'c': got the type Date; expected numbers, text or true/false. "
            "Turn it into numbers (year, month",
        ),
        (
            [[1], [2]],
            "column 'c': got the type List(Int64); expected numbers, text or true/false. "
            "Leave the column out.",
        ),
        ([{"a": 1}], "got the type Struct"),
        ([b"x"], "got the type Binary"),
        (
            [None, None],
            "column 'c': got 2 missing values, first in row 1; expected a value in "
            "every row. Fill in or remove these rows first.",
        ),
        (
            [1.7e308, 1.6e308],
            "column 'c': got numbers from 1.6e+308 to 1.7e+308; expected numbers",
        ),
    ],
)
def test_what_cannot_be_fitted(values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        fit(values)


def test_errors_count_the_rows_of_the_whole_table() -> None:
    series = pl.Series("c", [None, 1.0, 2.0, None, 4.0])
    with pytest.raises(DataError, match="got 1 missing value, first in row 4"):
        fit_column(series, np.array([1, 3, 4]))
    text = pl.Series("c", [None, "a", "b", None])
    with pytest.raises(DataError, match="got 1 missing value, first in row 4"):
        fit_column(text, np.array([1, 2, 3]))


@pytest.mark.parametrize(
    "column", [NumericColumn("c", 0.1 + 0.2, 1e-300), CategoryColumn("c", ("é",))]
)
def test_dict_round_trip(column: NumericColumn | CategoryColumn) -> None:
    assert load_column(json.loads(json.dumps(column.to_dict()))) == column


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (
            "text",
            "preprocessing: got the column 'text'; expected a dict. The saved model is damaged",
        ),
        ({}, "a column of kind None; expected one of numeric, category"),
        ({"kind": ["numeric"]}, "a column of kind ['numeric']"),
        ({"kind": "numeric", "mean": 0.0, "scale": 1.0}, "got name = None; expected text"),
        (
            {"kind": "numeric", "name": "c", "mean": "0", "scale": 1.0},
            "mean = '0'; expected a finite",
        ),
        (
            {"kind": "numeric", "name": "c", "mean": 0.0, "scale": 0.0},
            "scale = 0.0; expected a posi",
        ),
        ({"kind": "numeric", "name": "c", "mean": True, "scale": 1.0}, "mean = True"),
        ({"kind": "numeric", "name": "c", "mean": 10**400, "scale": 1.0}, "mean = 1000"),
        ({"kind": "numeric", "name": "c", "mean": float("nan"), "scale": 1.0}, "mean = nan"),
        ({"kind": "category", "name": "c"}, "categories = None; expected a list of str"),
        ({"kind": "category", "name": "c", "categories": []}, "categories = []"),
        (
            {"kind": "category", "name": "c", "categories": ["a", 1]},
            "categories = 'a', 1; expected",
        ),
        ({"kind": "category", "name": "c", "categories": ["a", "a"]}, "a list without repetitions"),
    ],
)
def test_malformed_dicts(saved: object, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_column(saved)
