from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from chainrule.core.errors import ArgumentError
from chainrule.viz.confusion import (
    ClassScores,
    class_table,
    confusion_matrix,
    confusion_table,
    pair_table,
)

LABELS = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(0, 4))] * 2)
)


@given(LABELS)
def test_confusion_matrix_against_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = case
    expected = metrics.confusion_matrix(observed, predicted, labels=range(5))
    np.testing.assert_array_equal(confusion_matrix(observed, predicted, 5), expected)


@given(LABELS)
def test_recall_and_precision_against_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = case
    scores = ClassScores.of(observed, predicted, 5)
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        observed, predicted, labels=range(5), zero_division=np.nan
    )
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_array_equal(scores.observed, support)


def cells(table: str) -> list[list[str]]:
    rows = ET.XML(f"<div>{table}</div>").iter("tr")
    return [["".join(cell.itertext()) for cell in row] for row in rows]


def test_table_shows_the_counts() -> None:
    counts = np.array([[30, 0, 2], [1, 1200, 0], [0, 0, 0]])
    table = confusion_table(counts, ["a", "b", "c"])
    assert cells(table) == [
        ["", "a", "b", "c"],
        ["a", "30", "0", "2"],
        ["b", "1", "1,200", "0"],
        ["c", "0", "0", "0"],
    ]
    body = list(ET.XML(table).iter("td"))[1:]
    kinds = [cell.get("class") for cell in body]
    assert kinds == ["hit", "zero", "miss", "miss", "hit", *["zero"] * 4]
    assert body[2].get("title") == "observed a, predicted c: 2 rows, 6.2% of the class"
    tints = {cell.get("title"): float((cell.get("style") or ":0").split(":")[1]) for cell in body}
    assert max(tints.values()) <= 0.55
    assert tints["observed a, predicted a: 30 rows, 93.8% of the class"] > 0.5


def test_long_names_of_many_classes_stand_upright() -> None:
    names = [f"class number {i}" for i in range(20)]
    table = confusion_table(np.eye(20, dtype=int), names)
    assert table.count('class="upright"') == 20
    assert "upright" not in confusion_table(np.eye(10, dtype=int), list("0123456789"))
    assert "upright" not in confusion_table(np.eye(3, dtype=int), names[:3])


def test_names_are_escaped() -> None:
    hostile = "</td><script>alert(1)</script>"
    table = confusion_table(np.ones((2, 2), int), [hostile, "b"])
    assert "<script" not in table
    assert cells(table)[1][0] == hostile[:17] + "…"


def test_a_matrix_that_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"counts: got shape \(2, 2\); expected \(3, 3\)"):
        confusion_table(np.eye(2), ["a", "b", "c"])


def test_class_table() -> None:
    scores = ClassScores.of(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    assert cells(class_table(scores, ["a", "b", "c"])) == [
        ["class", "rows", "recall", "precision"],
        ["a", "3", "66.7%", "100%"],
        ["b", "1", "100%", "50.0%"],
        ["c", "0", "–", "–"],
    ]


def test_of_many_classes_the_worst_come_first() -> None:
    observed = np.repeat(np.arange(50), 4)
    predicted = observed.copy()
    predicted[4 * 33 : 4 * 34] = 0  # class 33 is never found
    predicted[4 * 12] = 0
    table = class_table(ClassScores.of(observed, predicted, 51), [f"c{i}" for i in range(51)])
    found = cells(table)
    assert [row[0] for row in found[1:4]] == ["c33", "c12", "c0"]
    assert len(found) == 21
    assert "and 31 classes with at least that recall" in table


def test_pairs_by_frequency() -> None:
    observed = np.array([0, 0, 0, 1, 1, 2, 2])
    predicted = np.array([1, 1, 1, 2, 2, 0, 2])
    assert cells(pair_table(observed, predicted, ["x", "y", "z"]))[1:] == [
        ["x", "y", "3"],
        ["y", "z", "2"],
        ["z", "x", "1"],
    ]
    rng = np.random.default_rng(0)
    observed, predicted = rng.integers(0, 40, 500), rng.integers(0, 40, 500)
    table = pair_table(observed, predicted, [f"c{i}" for i in range(40)])
    (rest,) = re.findall(r"and (\d+) pairs not more frequent", table)
    wrong = observed != predicted
    assert int(rest) + 20 == len(set(zip(observed[wrong], predicted[wrong], strict=True)))
