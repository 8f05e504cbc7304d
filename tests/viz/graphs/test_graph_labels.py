"""Words on nodes."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.types import BOOL, FLOAT32, INT64, ArrayType
from chainrule.viz.graphs.labels import short_type, statistics, value_text
from chainrule.viz.graphs.leaves import leaves_of


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: x + 1, "+ 1"),
        (lambda x: 1 + x, "+ 1"),
        (lambda x: 2 - x, "2 - ·"),
        (lambda x: x - 2, "- 2"),
        (lambda x: x / 3, "/ 3"),
        (lambda x: -x, "× -1"),
        (lambda x: cr.maximum(x, 0.0), "max(·, 0)"),
        (lambda x: x.sum(axis=0), "sum axes=0"),
        (lambda x: x.sum(), "sum axes=0, 1"),
        (lambda x: x.T, "transpose axes=1, 0"),
        (lambda x: x.astype("float64"), "to float64"),
        (lambda x: x > 0.5, "> 0.5"),
        (lambda x: cr.reshape(x, (3, 2)), "reshape"),
        (lambda x: x @ x.T, "@"),
    ],
)
def test_operations(f: object, text: str) -> None:
    graph = cr.trace(f)(np.ones((2, 3), np.float32))
    operations = [leaf for leaf in leaves_of(graph) if leaf.kind == "operation"]
    assert operations[-1].text == text


def test_types() -> None:
    assert short_type(ArrayType((32, 64), FLOAT32)) == "32×64"
    assert short_type(ArrayType((), FLOAT32)) == ""
    assert short_type(ArrayType((), BOOL)) == "bool"
    assert short_type(ArrayType((5,), INT64)) == "5 int64"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.25), "0.25"),
        (np.array(-0.0), "0"),
        (np.array(7), "7"),
        (np.array([[1.0, 2.5]]), "[1 2.5]"),
        (np.arange(100.0), "0 … 99"),
        (np.zeros((0, 3)), "empty"),
        (np.array([True] * 3 + [False] * 5), "3 of 8 true"),
        (np.array([1.0, np.nan, 2.0, 3.0, np.inf]), "1 … 3 (2 not finite)"),
        (np.full(5, np.nan), "(5 not finite)"),
        (np.array(np.nan), "nan"),
    ],
)
def test_values(value: np.ndarray, text: str) -> None:
    assert value_text(np.asarray(value)) == text


def test_statistics_do_not_overflow() -> None:
    assert "mean 3e+38" in statistics(np.full(10, 3e38, np.float32))
