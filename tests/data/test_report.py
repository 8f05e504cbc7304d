from __future__ import annotations

from datetime import date

import pandas as pd
import polars as pl
import pytest

from chainrule.core.errors import DataError
from chainrule.data import ColumnReport, describe, load_dataset

NAN, INF = float("nan"), float("inf")


def test_every_kind_of_column() -> None:
    frame = pl.DataFrame(
        {
            "n": [3, 1, None, 1],
            "x": [0.5, NAN, None, 2.5],
            "b": [True, False, None, True],
            "s": ["u", None, "v", "u"],
            "when": [date(2020, 1, 1)] * 4,
            "list": [[1], [1], [2], None],
            "nothing": [None] * 4,
            "y": ["no", "yes", "no", "no"],
        }
    )
    assert describe(frame, "y") == [
        ColumnReport("n", "Int64", "numeric", False, 1, 2, 1.0, 5 / 3, 3.0),
        ColumnReport("x", "Float64", "numeric", False, 2, 2, 0.5, 1.5, 2.5),
        ColumnReport("b", "Boolean", "boolean", False, 1, 2, 0.0, 2 / 3, 1.0),
        ColumnReport("s", "String", "category", False, 1, 2, None, None, None),
        ColumnReport("when", "Date", "time", False, 0, 1, None, None, None),
        ColumnReport("list", "List(Int64)", "other", False, 1, 2, None, None, None),
        ColumnReport("nothing", "Null", "other", False, 4, 0, None, None, None),
        ColumnReport("y", "String", "category", True, 0, 2, None, None, None),
    ]


def test_agrees_with_pandas() -> None:
    frame = load_dataset("wine").frame
    oracle: pd.DataFrame = frame.to_pandas().describe()
    for column in describe(frame)[:-1]:
        numbers = oracle[column.name]
        assert column.minimum == numbers["min"]
        assert column.maximum == numbers["max"]
        assert column.mean == pytest.approx(numbers["mean"])
        assert column.distinct == frame.to_pandas()[column.name].nunique()
        assert not column.is_target


def test_infinite_numbers_are_shown() -> None:
    (column,) = describe({"x": [INF, -INF, 1.0]})
    assert (column.minimum, column.maximum, column.missing) == (-INF, INF, 0)


def test_python_objects_have_no_count() -> None:
    (column,) = describe(pl.DataFrame({"o": pl.Series([object(), object()], dtype=pl.Object)}))
    assert (column.kind, column.distinct) == ("other", None)


def test_unknown_target() -> None:
    with pytest.raises(DataError, match=r"target column 'specie': .*Did you mean 'species'"):
        describe(load_dataset("iris").frame, "specie")
