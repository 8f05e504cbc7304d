from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DataError, DtypeError, ShapeError
from chainrule.training.arrays import as_features, check_count, check_lengths, naming

F32, F64 = np.dtype("float32"), np.dtype("float64")
ROWS = [[0.1, 2.0], [1 / 3, 4.0], [5.0, 6.0]]
COLUMNS = {"a": [row[0] for row in ROWS], "b": [row[1] for row in ROWS]}

FORMS = {
    "list": ROWS,
    "tuples": tuple(map(tuple, ROWS)),
    "list of arrays": [np.array(row) for row in ROWS],
    "float64": np.array(ROWS),
    "Fortran order": np.asfortranarray(ROWS),
    "a view": np.repeat(np.array(ROWS), 2, axis=1)[:, ::2],
    "tensor": cr.tensor(np.array(ROWS)),
    "parameter": cr.Parameter(np.array(ROWS)),
    "pandas": pd.DataFrame(COLUMNS),
    "polars": pl.DataFrame(COLUMNS),
    "pyarrow": pa.table(COLUMNS),
    "pyarrow batch": pa.RecordBatch.from_pydict(COLUMNS),
    "objects": np.array(ROWS, dtype=object),
}


@pytest.mark.parametrize("x", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("dtype", [F32, F64])
def test_array_likes(x: Any, dtype: np.dtype) -> None:
    found = as_features(x, dtype)
    assert type(found) is np.ndarray
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.array(ROWS, dtype))  # no digit is lost


def test_pyarrow_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    np.testing.assert_array_equal(as_features(pa.table(COLUMNS), F64), ROWS)
    mixed = pa.table({"a": [0.5, 1.5], "b": [True, False], "c": [3, 4]})
    np.testing.assert_array_equal(as_features(mixed, F32), [[0.5, 1, 3], [1.5, 0, 4]])
    with pytest.raises(DataError, match="1 values that are NaN or infinite, first in row 1"):
        as_features(pa.table({"a": [1, None], "b": [1.0, 2.0]}), F32)


def test_dlpack() -> None:
    class Foreign:
        """Speaks DLPack, and nothing else."""

        def __init__(self) -> None:
            self.array = np.array(ROWS)

        def __dlpack__(self, **options: Any) -> Any:
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self) -> tuple[int, int]:
            return self.array.__dlpack_device__()

    np.testing.assert_array_equal(as_features(Foreign(), F64), ROWS)


MIXED = {"a": [0.5, 1.5], "b": [True, False], "c": [3, 4]}


@pytest.mark.parametrize(
    "x",
    [
        pd.DataFrame(MIXED),
        pl.DataFrame(MIXED),
        pa.table(MIXED),
        pd.DataFrame(MIXED).convert_dtypes(),
        pd.get_dummies(pd.DataFrame({"a": [0.5, 1.5], "b": ["y", "x"], "c": [3, 4]}))[
            ["a", "b_y", "c"]
        ],
        pd.DataFrame({"a": [Decimal("0.5"), Decimal("1.5")], "b": [True, False], "c": [3, 4]}),
    ],
    ids=["pandas", "polars", "pyarrow", "nullable", "dummies", "decimal"],
)
def test_columns_of_several_types(x: Any) -> None:
    np.testing.assert_array_equal(as_features(x, F32), [[0.5, 1, 3], [1.5, 0, 4]])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32"])
def test_other_numbers(dtype: str) -> None:
    x = np.array([[0, 1], [1, 0]], dtype)
    assert as_features(x, F64).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert as_features(x.tolist(), F32).dtype == F32


def test_more_than_two_axes_and_no_samples() -> None:
    assert as_features(np.zeros((2, 3, 4)), F32).shape == (2, 3, 4)
    assert as_features(np.zeros((0, 3)), F32).shape == (0, 3)


def test_what_is_given_stays_as_it_was() -> None:
    x = np.array(ROWS, np.float32)
    before = x.copy()
    as_features(x, F64)[:] = 7.0
    np.testing.assert_array_equal(x, before)
    assert as_features(x, F32) is x  # not copied


FINITE = "expected finite numbers. Fill in or drop missing values first."
TEXT = "expected numbers. Encode text as numbers first."


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (
            [1.0, 2.0],
            ShapeError,
            "got shape (2,); expected samples first: shape (n, features). One feature: "
            "x.reshape(-1, 1). One sample: x.reshape(1, -1).",
        ),
        (
            3.0,
            ShapeError,
            "got shape (); expected samples first: shape (n, features). One feature: "
            "x.reshape(-1, 1). One sample: x.reshape(1, -1).",
        ),
        (
            [[1.0], [np.nan], [np.inf]],
            DataError,
            "got 2 values that are NaN or infinite, first in row 1; " + FINITE,
        ),
        (
            np.array([[[1.0, 2.0]], [[3.0, -np.inf]]]),
            DataError,
            "got 1 values that are NaN or infinite, first in row 1; " + FINITE,
        ),
        (
            pl.DataFrame({"a": [1, None], "b": [1.0, 2.0]}),
            DataError,
            "got 1 values that are NaN or infinite, first in row 1; " + FINITE,
        ),
        (
            pd.DataFrame({"a": [1.0, None], "b": [True, False]}),
            DataError,
            "got 1 values that are NaN or infinite, first in row 1; " + FINITE,
        ),
        (
            [[1.0], [-1e39]],
            DataError,
            "got 1 values that are too large for float32, first in row 1; expected numbers up to "
            "3.4e+38. Scale them first.",
        ),
        ([["a"], ["b"]], DtypeError, "got values of dtype <U1; " + TEXT),
        (pd.DataFrame({"a": ["x", "y"]}), DtypeError, "got values of dtype object; " + TEXT),
        (pd.DataFrame({"a": ["1.5", "2"], "b": [1.0, 2.0]}), DtypeError, None),
        (pl.DataFrame({"a": ["1.5", "2"]}), DtypeError, "got values of dtype object; " + TEXT),
        (pa.table({"a": ["1.5", "2"]}), DtypeError, None),
        ([[1.0, None]], DtypeError, "got values of dtype object; " + TEXT),
        (pd.DataFrame({"a": [pd.NA, 1], "b": [True, False]}), DtypeError, None),
        (
            {"a": [1.0]},
            DtypeError,
            "got a value of type dict; expected numbers or an array of them.",
        ),
        (
            [[1.0, 2.0], [3.0]],
            ShapeError,
            "got nested lists of uneven lengths; expected lists of equal length.",
        ),
        (
            np.ones((2, 2), complex),
            DtypeError,
            None,
        ),
    ],
)
def test_what_does_not_fit(x: Any, kind: type[ArgumentError], text: str | None) -> None:
    for argument in ("x", "validation_data[0]"):
        with pytest.raises(ArgumentError) as caught:
            as_features(x, F32, argument)
        assert type(caught.value) is kind
        assert text is None or str(caught.value) == f"{argument}: {text}"


def test_an_infinite_float64_fits_no_dtype_and_a_large_one_does() -> None:
    assert as_features([[-1e39]], F64).tolist() == [[-1e39]]


def test_naming() -> None:
    with pytest.raises(ShapeError) as caught, naming(x="mine", z="other"):
        raise ShapeError("x", "this", "that", "Fix it.")
    assert str(caught.value) == "mine: got this; expected that. Fix it."
    with pytest.raises(DataError) as other, naming(x="mine"):
        raise DataError("y", "this", "that")
    assert str(other.value) == "y: got this; expected that."
    with pytest.raises(ZeroDivisionError), naming(x="mine"):
        _ = 1 / 0


def test_lengths() -> None:
    check_lengths(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(ShapeError) as caught:
        check_lengths(np.zeros((3, 2)), np.zeros(4))
    assert str(caught.value) == "y: got 4 targets; expected 3, one for each sample."


@pytest.mark.parametrize("value", [0, -3, 1.0, "1", None, True, np.nan])
def test_counts(value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_count("epochs", value)
    assert str(caught.value) == f"epochs: got {value!r}; expected a whole number from 1."


def test_counts_that_fit() -> None:
    assert check_count("epochs", np.int64(3)) == 3
    assert type(check_count("epochs", np.int64(3))) is int
    assert check_count("patience", 0, least=0) == 0
    with pytest.raises(ArgumentError, match="a whole number from 0"):
        check_count("patience", -1, least=0)
