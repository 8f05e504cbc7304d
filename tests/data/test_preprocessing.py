from __future__ import annotations

import json
import re
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from chainrule.core.errors import ArgumentError, DataError
from chainrule.data import (
    Preprocessor,
    UnseenCategoryWarning,
    describe,
    fingerprint,
    load_dataset,
)

TABLE = pl.DataFrame(
    {
        "age": [20, 30, 40, 50],
        "color": ["red", "blue", "red", "green"],
        "member": [True, False, True, True],
        "price": [1.5, 2.5, 4.0, 9.0],
        "species": ["cat", "dog", "cat", "emu"],
    }
)


def test_classification() -> None:
    pre = Preprocessor.fit(TABLE, "species")
    assert pre.task == "classification"
    assert pre.target == "species"
    assert pre.classes == ("cat", "dog", "emu")
    assert pre.n_classes == pre.n_outputs == 3
    assert pre.input_columns == ("age", "color", "member", "price")
    names = ("age", "color=blue", "color=green", "color=red", "member", "price")
    assert pre.feature_names == names
    assert pre.n_features == 6
    assert pre.notes == ()
    labels = pre.transform_target(TABLE)
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1, 0, 2]
    assert pre.decode(labels).equals(TABLE["species"])


def test_regression() -> None:
    pre = Preprocessor.fit(TABLE, "price")
    assert pre.task == "regression"
    assert pre.classes == ()
    assert (pre.n_classes, pre.n_outputs) == (0, 1)
    values = pre.transform_target(TABLE)
    assert values.dtype == np.float32
    assert values.shape == (4, 1)
    np.testing.assert_allclose(
        values[:, 0], StandardScaler().fit_transform(TABLE[["price"]])[:, 0], rtol=1e-6
    )
    np.testing.assert_allclose(pre.decode(values).to_list(), TABLE["price"].to_list(), rtol=1e-6)


def test_features_like_scikit_learn() -> None:
    rows = np.array([0, 1, 3])
    pre = Preprocessor.fit(TABLE, "species", rows=rows)
    oracle = make_column_transformer(
        (StandardScaler(), ["age"]),
        (OneHotEncoder(sparse_output=False), ["color"]),
        (StandardScaler(), ["member", "price"]),
    ).fit(TABLE[rows].to_pandas())
    inputs = pre.transform_features(TABLE)
    assert inputs.dtype == np.float32
    assert inputs.flags.c_contiguous
    np.testing.assert_allclose(inputs, oracle.transform(TABLE.to_pandas()), rtol=1e-6, atol=1e-7)


def test_only_training_rows_are_learned() -> None:
    rows = np.array([0, 2])
    spoiled = TABLE.with_columns(
        age=pl.Series([20, 10**6, 40, -(10**6)]),
        color=pl.Series(["red", "x", "red", "y"]),
        price=pl.Series([1.5, 1e9, 4.0, None]),
        species=pl.Series(["cat", "dog", "emu", "yak"]),
    )
    clean = TABLE.with_columns(species=pl.Series(["cat", "-", "emu", "-"]))
    for target in ("species", "price"):
        fitted = Preprocessor.fit(spoiled, target, rows=rows, task=None)
        assert fitted == Preprocessor.fit(clean, target, rows=rows)
    assert Preprocessor.fit(spoiled, "species", rows=rows).classes == ("cat", "emu")


def test_the_task_is_found_in_all_rows_or_given() -> None:
    table = {"x": list(range(40)), "y": list(range(40))}
    assert Preprocessor.fit(table, "y", rows=list(range(5))).task == "regression"
    assert Preprocessor.fit(table, "y", task="classification").n_classes == 40
    assert Preprocessor.fit({"x": [1, 2, 3], "y": [0, 1, 1]}, "y").classes == (0, 1)
    assert Preprocessor.fit({"x": [1, 2], "y": [0, 1]}, "y", task="regression").task == "regression"
    with pytest.raises(ArgumentError, match=r"task: got 'regresion'; .*Did you mean 'regression'"):
        Preprocessor.fit(table, "y", task="regresion")


def test_predicts_from_columns_in_any_order_and_dress() -> None:
    pre = Preprocessor.fit(TABLE, "species")
    expected = pre.transform_features(TABLE)
    other = TABLE.select(
        pl.lit("ignored").alias("extra"),
        pl.col("price").cast(pl.String),
        pl.col("color").cast(pl.Categorical),
        pl.col("age").cast(pl.Float32),
        pl.col("member").cast(pl.Int8),
    )
    np.testing.assert_array_equal(pre.transform_features(other), expected)
    np.testing.assert_array_equal(pre.transform_features(TABLE.to_pandas()), expected)
    np.testing.assert_array_equal(pre.transform_features(TABLE.to_dict(as_series=False)), expected)


def test_names_that_polars_reads_as_patterns() -> None:
    table = {"*": [1, 2], "^.*$": [3, 4], "": [5, 6], "a b": ["u", "v"]}
    for target, values in table.items():
        pre = Preprocessor.fit(table, target)
        assert set(pre.input_columns) == set(table) - {target}
        assert pre.decode(pre.transform_target(table)).to_list() == values
        assert pre.transform_features(table).shape == (2, pre.n_features)


def test_unseen_category_warns_at_the_caller() -> None:
    pre = Preprocessor.fit(TABLE, "species")
    with pytest.warns(UnseenCategoryWarning, match="column 'color': 'pink'") as caught:
        inputs = pre.transform_features(TABLE.with_columns(color=pl.lit("pink")))
    assert not inputs[:, 1:4].any()
    assert caught[0].filename == __file__


def test_notes() -> None:
    table = {
        "id": [f"row {i}" for i in range(30)],
        "fixed": [7.0] * 30,
        "number": list(range(1, 31)),
        "x": [float(i % 7) for i in range(30)],
        "y": ["a", "b"] * 15,
    }
    pre = Preprocessor.fit(table, "y")
    assert pre.input_columns == ("fixed", "number", "x")
    assert len(pre.notes) == 3
    assert "'id' was left out: 30 different texts in 30 training rows" in pre.notes[0]
    assert "'fixed' has the same value" in pre.notes[1]
    assert "'number' numbers the rows" in pre.notes[2]
    assert not pre.transform_features(table)[:, 0].any()


@pytest.mark.parametrize("name", ["iris", "digits", "diabetes", "spiral", "plane"])
def test_built_in_sets(name: str) -> None:
    data = load_dataset(name)
    pre = Preprocessor.fit(data.frame, data.target)
    assert pre.task == data.info.task
    assert pre.n_features == data.info.features
    assert pre.n_classes == (data.info.classes or 0)
    inputs = pre.transform_features(data.frame)
    assert np.abs(inputs).max() <= 5.0
    unlimited = inputs[:, (np.abs(inputs) < 5.0).all(axis=0)]
    np.testing.assert_allclose(unlimited.mean(axis=0), 0, atol=1e-5)
    spread = unlimited.std(axis=0)
    np.testing.assert_allclose(spread[spread > 0], 1, atol=1e-4)
    decoded = pre.decode(pre.transform_target(data.frame))
    if pre.task == "classification":
        assert decoded.equals(data.frame[data.target])
    else:
        np.testing.assert_allclose(
            decoded.to_numpy(), data.frame[data.target], rtol=1e-5, atol=1e-5
        )


COLUMN = st.one_of(
    st.lists(st.floats(-1e30, 1e30), min_size=6, max_size=6),
    st.lists(st.integers(-(2**62), 2**62), min_size=6, max_size=6),
    st.lists(st.text(max_size=4), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)


@settings(max_examples=100, deadline=None)
@given(
    columns=st.dictionaries(st.text(max_size=5), COLUMN, min_size=2, max_size=5),
    task=st.sampled_from(["classification", "regression", None]),
)
def test_json_round_trip_is_exact(columns: dict[str, list[Any]], task: str | None) -> None:
    target = next(iter(columns))
    values = columns[target]
    if len(set(values)) == 1 or (task == "regression" and isinstance(values[0], str)):
        return
    pre = Preprocessor.fit(columns, target, task=task)
    saved = json.dumps(pre.to_dict(), allow_nan=False)
    again = Preprocessor.from_dict(json.loads(saved))
    assert again == pre
    assert [type(value) for value in again.classes] == [type(value) for value in pre.classes]
    assert json.dumps(again.to_dict()) == saved
    np.testing.assert_array_equal(
        again.transform_features(columns), pre.transform_features(columns)
    )
    np.testing.assert_array_equal(again.transform_target(columns), pre.transform_target(columns))


@pytest.mark.parametrize(
    ("table", "target", "error", "message"),
    [
        (
            TABLE,
            "specis",
            DataError,
            "target column 'specis': got a table without it (columns 'age', "
            "'color', 'member', 'price', 'species'); expected a column of that name. "
            "Did you mean 'species'",
        ),
        (
            {"x": [1, 2], "y": [3, 3]},
            "y",
            DataError,
            "target column 'y': got the same value in every",
        ),
        (
            {"x": [1, 2], "y": [3, None]},
            "y",
            DataError,
            "target column 'y': got 1 missing value, first in row 2",
        ),
        (
            {"x": [1, None], "y": [3, 4]},
            "y",
            DataError,
            "column 'x': got 1 missing value, first in "
            "row 2; expected a value in every row. Fill in or remove these rows first.",
        ),
        ({"y": [3, 4]}, "y", DataError, "features: got no feature column beside 'y'; expected at "),
        (
            {"id": [f"n{i}" for i in range(30)], "y": [1, 2] * 15},
            "y",
            DataError,
            "features: got no feature column beside 'y' (column 'id' was left out",
        ),
        (
            {"x": [], "y": []},
            "y",
            DataError,
            "frame: got a table without rows; expected at least one",
        ),
    ],
)
def test_tables_that_cannot_be_fitted(
    table: Any, target: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Preprocessor.fit(table, target)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 4], "rows: got row numbers from 0 to 4; expected 0 to 3, the rows of the table"),
        ([-1], "rows: got row numbers from -1 to -1"),
        ([], "rows: got an array of shape (0,)"),
        ([True, False, True, True], "dtype bool; expected row numbers"),
        ([[0, 1]], "rows: got an array of shape (1, 2)"),
    ],
)
def test_rows_that_are_wrong(rows: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        Preprocessor.fit(TABLE, "species", rows=rows)


def test_rows_in_errors_are_those_of_the_table() -> None:
    table = TABLE.with_columns(age=pl.Series([None, 1, None, 2]))
    with pytest.raises(DataError, match="column 'age': got 1 missing value, first in row 3"):
        Preprocessor.fit(table, "species", rows=np.array([1, 2, 3]))


def test_a_class_with_one_row_is_allowed() -> None:
    assert Preprocessor.fit({"x": [1, 2, 3], "y": ["a", "a", "b"]}, "y").classes == ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.rename({"color": "colour"}),
            "feature column 'color': got a table without it "
            "(columns 'age', 'colour', 'member', 'price', 'species'); expected a column of "
            "that name. Did you mean 'colour'",
        ),
        (
            lambda t: t.with_columns(age=pl.Series(["20", "x", "y", "50"])),
            "column 'age': got the text 'x' in row 2; expected a number in every row",
        ),
        (
            lambda t: t.with_columns(price=pl.Series([1.0, float("inf"), 2.0, 3.0])),
            "column 'price': got 1 infinite value, first in row 2; expected finite numbers",
        ),
        (lambda t: t.clear(), "frame: got a table without rows"),
    ],
)
def test_tables_that_cannot_be_predicted_from(change: Any, message: str) -> None:
    pre = Preprocessor.fit(TABLE, "species")
    with pytest.raises(DataError, match=re.escape(message)):
        pre.transform_features(change(TABLE))


def test_evaluation_needs_known_classes() -> None:
    pre = Preprocessor.fit(TABLE, "species")
    with pytest.raises(DataError, match=r"target column 'species': got 'yak', first in row 1"):
        pre.transform_target(TABLE.with_columns(species=pl.lit("yak")))
    with pytest.raises(DataError, match="target column 'species': got a table without it"):
        pre.transform_target(TABLE.drop("species"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pre.transform_features(TABLE.drop("species"))


SAVED = Preprocessor.fit(TABLE, "species").to_dict()


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (
            [],
            "preprocessing: got a list; expected a dict. The saved model is damaged; train it",
        ),
        ({}, "preprocessing: got format None; expected format 1"),
        (
            SAVED | {"format": 2},
            "got format 2; expected format 1. If a newer Chainrule saved it, update",
        ),
        (SAVED | {"target": "species"}, "target = 'species'; expected a dict"),
        (
            SAVED | {"target": {"task": "dance"}},
            "task = 'dance'; expected one of classification, regr",
        ),
        (SAVED | {"target": {"task": []}}, "task = []"),
        (
            SAVED | {"target": {"task": "classification", "name": "y", "classes": []}},
            "classes = []",
        ),
        (
            SAVED | {"target": {"task": "regression", "name": "y", "mean": 0.0, "scale": -1.0}},
            "scale = -1",
        ),
        (SAVED | {"columns": []}, "columns = []; expected a list of dicts"),
        (SAVED | {"columns": [3]}, "the column 3; expected a dict"),
        (SAVED | {"columns": SAVED["columns"] * 2}, "expected each column once"),
        (
            SAVED | {"columns": [SAVED["columns"][0] | {"name": "species"}]},
            "expected each column once",
        ),
        (SAVED | {"notes": [1]}, "notes = [1]; expected a list of text"),
    ],
)
def test_malformed_dicts(saved: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Preprocessor.from_dict(saved)


@pytest.mark.parametrize("name", ["^x$", "*", "^.*$", "a.b", "", "col('x')", "x y"])
@pytest.mark.parametrize("values", [[1.5, 2.5, 3.0, 4.5] * 5, ["u", "v", "w", "v"] * 5])
def test_columns_of_any_name(name: str, values: list[object]) -> None:
    # polars takes some names for patterns
    table = {name: values, "^y$": ["a", "b"] * 10}
    plain = {"x": values, "y": ["a", "b"] * 10}
    for target, other in (("^y$", "y"), (name, "x")):
        pre, expected = Preprocessor.fit(table, target), Preprocessor.fit(plain, other)
        np.testing.assert_array_equal(
            pre.transform_features(table), expected.transform_features(plain)
        )
        labels, wanted = pre.transform_target(table), expected.transform_target(plain)
        np.testing.assert_array_equal(labels, wanted)
        assert pre.decode(labels).to_list() == expected.decode(wanted).to_list()
        assert pre.target == target
    assert [c.name for c in describe(table)] == list(table)
    assert fingerprint(table) != fingerprint({"other": values, "^y$": ["a", "b"] * 10})
