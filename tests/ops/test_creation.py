from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import chainrule as cr
from chainrule.core.errors import DtypeError, ShapeError, TracingError


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (cr.zeros((2, 3)), np.zeros((2, 3), "f4")),
        (cr.zeros(2, "int64"), np.zeros(2, "i8")),
        (cr.ones(()), np.ones((), "f4")),
        (cr.full((2,), 7), np.full(2, 7)),
        (cr.full(2, 7.0), np.full(2, 7.0, "f4")),
        (cr.full(2, True), np.full(2, True)),
        (cr.full(2, 7.0, "float64"), np.full(2, 7.0)),
        (cr.arange(3), np.arange(3)),
        (cr.arange(1, 7, 2), np.arange(1, 7, 2)),
        (cr.arange(0.0, 1.0, 0.25), np.arange(0, 1, 0.25).astype("f4")),
        (cr.arange(3, dtype="float64"), np.arange(3.0)),
        (cr.linspace(0.0, 1.0, 5), np.linspace(0, 1, 5).astype("f4")),
        (cr.linspace(0.0, 1.0, 5, "float64"), np.linspace(0, 1, 5)),
        (cr.eye(2), np.eye(2, dtype="f4")),
        (cr.eye(2, 3, "float64"), np.eye(2, 3)),
        (cr.zeros_like([[1, 2]]), np.zeros((1, 2), int)),
        (cr.ones_like(np.ones(2)), np.ones(2)),
    ],
)
def test_values(made: cr.Tensor, expected: np.ndarray) -> None:
    assert made.dtype == expected.dtype
    assert made.shape == expected.shape
    np.testing.assert_array_equal(made.numpy(), expected)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (1.0, "float32"),
        (1, "int64"),
        (True, "bool"),
        ([1.0, 2], "float32"),
        ([], "float32"),
        ((1, 2), "int64"),
        ([[True], [False]], "bool"),
        ([np.float64(1.0)], "float64"),
        ([np.ones(2)], "float64"),
        (np.ones(2), "float64"),
        (np.array(1.0), "float64"),
        (np.float32(1.0), "float32"),
        (np.float64(1.0), "float64"),  # a float to Python, but one whose dtype someone chose
        (np.ones(2).mean(), "float64"),
        (np.int8(1), "int8"),
        (np.bool_(True), "bool"),
        (cr.ones(2, "float64"), "float64"),
        ([cr.ones(2), cr.ones(2)], "float32"),
        (pd.Series([1.5, 2.5]), "float64"),
        (pd.DataFrame({"a": [1, 2]}), "int64"),
        (pl.Series([1.5, 2.5]), "float64"),
        (pl.DataFrame({"a": [1, 2]}), "int64"),
        (pa.array([1.5, 2.5]), "float64"),
        (pa.array([1, 2]), "int64"),
    ],
)
def test_array_likes(given: Any, dtype: str) -> None:
    expected = np.asarray(given)
    for made in (cr.tensor(given), cr.asarray(given)):
        assert made.dtype == dtype
        np.testing.assert_array_equal(made.numpy(), expected)
    for wanted in ("float32", "float64"):
        for made in (cr.tensor(given, wanted), cr.asarray(given, wanted)):
            assert made.dtype == wanted
            np.testing.assert_array_equal(made.numpy(), expected.astype(wanted))


def test_a_given_dtype_keeps_all_digits() -> None:
    assert cr.tensor(0.1, "float64").item() == 0.1
    assert cr.tensor([0.1], "float64").tolist() == [0.1]
    assert cr.asarray([[0.1]], "float64").tolist() == [[0.1]]
    assert cr.full((), 0.1, "float64").item() == 0.1


class OnlyDLPack:
    """An array that speaks nothing but DLPack."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_dlpack() -> None:
    array = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(cr.tensor(OnlyDLPack(array)).numpy(), array)
    x = cr.tensor(array)
    back = np.from_dlpack(x)
    np.testing.assert_array_equal(back, array)
    assert not np.shares_memory(back, x.numpy())


def test_tensor_copies_and_asarray_shares() -> None:
    array = np.zeros(2)
    copied, shared = cr.tensor(array), cr.asarray(array)
    assert not np.shares_memory(copied.numpy(), array)
    assert np.shares_memory(shared.numpy(), array)
    x = cr.tensor(array)
    assert cr.tensor(x) is x
    assert cr.asarray(x) is x
    w = cr.Parameter(array)
    assert not np.shares_memory(w.numpy(), array)


def test_errors() -> None:
    with pytest.raises(DtypeError, match=r"array: got values of dtype <U1; expected numbers\. Enc"):
        cr.tensor(["a"])
    with pytest.raises(DtypeError, match=r"array: got a value of type str; expected numbers or an"):
        cr.tensor("a")
    with pytest.raises(DtypeError, match=r"array: got a value of type NoneType"):
        cr.tensor(None)
    with pytest.raises(DtypeError, match=r"array: got values of dtype object"):
        cr.tensor([None, 1.0])
    with pytest.raises(ShapeError, match=r"array: got nested lists of uneven lengths; expected li"):
        cr.tensor([[1.0], [1.0, 2.0]])
    with pytest.raises(DtypeError, match=r"dtype: got complex128; expected float32, float64"):
        cr.tensor([1j])
    with pytest.raises(DtypeError, match=r"dtype: got float16; .*Convert first, for example with"):
        cr.tensor(np.ones(2, np.float16))
    with pytest.raises(DtypeError, match=r"dtype: got 'flaot32'; expected a NumPy dtype such as"):
        cr.zeros(2, "flaot32")
    with pytest.raises(TracingError, match=r"needs a value"):
        cr.trace(lambda x: cr.tensor(cr.Parameter(1.0)) * x)(1.0)
