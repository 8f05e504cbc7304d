"""Splits as properties, and fingerprints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ArgumentError, DataError, ShapeError
from chainrule.data import Split, fingerprint, load_dataset, read_table, split_rows, write_table

PARTS = ("train", "validation", "test")


def parts(split: Split) -> list[np.ndarray]:
    return [split.train, split.validation, split.test]


def check_partition(split: Split, n: int) -> None:
    for part in parts(split):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()  # sorted, no row twice
    assert sorted(np.concatenate(parts(split)).tolist()) == list(range(n))


FRACTIONS = st.lists(st.integers(1, 20), min_size=3, max_size=3).map(
    lambda weights: [weight / sum(weights) for weight in weights]
)


@settings(max_examples=200, deadline=None)
@given(n=st.integers(3, 500), fractions=FRACTIONS, seed=st.integers(0, 2**32))
def test_disjoint_covering_deterministic(n: int, fractions: list[float], seed: int) -> None:
    exact = np.array(fractions) * n
    try:
        split = split_rows(n, fractions=fractions, seed=seed)
    except ArgumentError as error:
        assert "leaves it empty" in str(error)  # noqa: PT017
        assert exact.min() < 1
        return
    check_partition(split, n)
    sizes = np.array([len(part) for part in parts(split)])
    assert (np.abs(sizes - exact) < 1).all()
    again = split_rows(n, fractions=dict(zip(PARTS, fractions, strict=True)), seed=seed)
    for one, other in zip(parts(split), parts(again), strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=25),
    fractions=FRACTIONS,
    seed=st.integers(0, 99),
)
def test_stratified(sizes: list[int], fractions: list[float], seed: int) -> None:
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    try:
        split = split_rows(len(classes), fractions=fractions, seed=seed, stratify=classes)
    except ArgumentError as error:
        assert "leaves it empty" in str(error)  # noqa: PT017
        return
    check_partition(split, len(classes))
    counts = np.array([np.bincount(classes[p], minlength=len(sizes)) for p in parts(split)]).T
    exact = np.outer(sizes, fractions)
    assert (np.abs(counts - exact) < 1).all()
    assert (counts[:, 0] > 0).all()  # every class is learned
    if (exact[:, 0] >= 1).all():  # nothing had to be forced: the parts have their share, too
        assert (np.abs(counts.sum(axis=0) - exact.sum(axis=0)) < 1).all()


def test_a_part_is_not_emptied_by_rounding_alike() -> None:
    classes = np.repeat(np.arange(20), 3)  # 1.8, 0.6, 0.6 rows each
    split = split_rows(60, fractions=(0.6, 0.2, 0.2), stratify=classes)
    assert [len(part) for part in parts(split)] == [36, 12, 12]


def test_parts_keep_their_share_where_rounding_must_be_traded_between_classes() -> None:
    # Rounded class by class, these end with a row too many to train and one too few to test,
    # and no single class can trade the two.
    split = split_rows(5, fractions=(19 / 39, 7 / 39, 13 / 39), stratify=[0, 0, 1, 1, 1])
    assert [len(part) for part in parts(split)] == [2, 1, 2]


def test_rare_classes_are_learned() -> None:
    classes = ["rare"] + ["a"] * 50 + ["b"] * 49
    for seed in range(20):
        split = split_rows(100, fractions=(0.2, 0.4, 0.4), seed=seed, stratify=classes)
        assert 0 in split.train
        assert [len(part) for part in parts(split)] == [20, 40, 40]


def test_the_seed_decides_and_rows_mix() -> None:
    one, two = split_rows(1000, seed=0), split_rows(1000, seed=1)
    assert not np.array_equal(one.test, two.test)
    hits = np.zeros(200)
    for seed in range(300):
        hits[split_rows(200, seed=seed).test] += 1
    # each row is tested in 60 of 300 splits, give or take
    assert abs(hits.mean() - 60) < 1e-9
    assert 3 < hits.std() < 11  # binomial: 6.9


def test_pinned() -> None:
    # A saved run finds its test rows again by seed: these must never change.
    split = split_rows(12, fractions=(0.5, 0.25, 0.25), seed=7, stratify=[0, 1] * 6)
    assert [part.tolist() for part in parts(split)] == PINNED


PINNED = [[1, 3, 4, 5, 6, 8], [0, 2, 11], [7, 9, 10]]


def test_fractions_by_name() -> None:
    split = split_rows(10, fractions={"validation": 0.3})
    assert [len(part) for part in parts(split)] == [7, 3, 0]
    split = split_rows(10, fractions={"train": 0.5, "test": 0.5})
    assert [len(part) for part in parts(split)] == [5, 0, 5]
    assert split_rows(4, fractions=(1, 0, 0)).train.tolist() == [0, 1, 2, 3]
    assert [len(part) for part in parts(split_rows(10, fractions=(0.7, 0.2, 0.1)))] == [7, 2, 1]


@pytest.mark.parametrize(
    "stratify",
    [
        ["a", "b"] * 10,
        np.array(["a", "b"] * 10),
        np.array(["a", "b"] * 10, dtype=object),
        pl.Series(["a", "b"] * 10),
        [True, False] * 10,
        [0.5, 1.5] * 10,
    ],
)
def test_classes_of_any_type(stratify: Any) -> None:
    split = split_rows(20, fractions=(0.5, 0.25, 0.25), stratify=stratify)
    same = split_rows(20, fractions=(0.5, 0.25, 0.25), stratify=[0, 1] * 10)
    assert sorted(part.size for part in parts(split)) == [5, 5, 10]
    if isinstance(stratify, list) and isinstance(stratify[0], str | float):  # sorted alike
        np.testing.assert_array_equal(split.train, same.train)


@pytest.mark.parametrize(
    ("n", "options", "message"),
    [
        (0, {}, "n: got 0; expected a whole number of rows, 1 or more"),
        (2.5, {}, "n: got 2.5; expected a whole number"),
        (10, {"seed": -1}, "seed: got -1"),
        (
            4,
            {"fractions": (0.8, 0.1, 0.1)},
            "fractions: got 0.1 for test, which leaves it empty with 4 rows; expected at least one "
            "row in each part. Use a larger fraction, more rows, or a fraction of 0",
        ),
        (
            5,
            {"stratify": list("abcde")},
            "got 0.2 for validation, which leaves it empty with 5 rows in 5 classes",
        ),
        (10, {"fractions": (0.5, 0.5)}, "got (0.5, 0.5); expected three fractions (train, valid"),
        (10, {"fractions": (0.5, 0.2, 0.2)}, "which add up to 0.9; expected three fractions"),
        (10, {"fractions": (1.2, -0.1, -0.1)}, "got (1.2, -0.1, -0.1); expected three fractions"),
        (10, {"fractions": (0, 0.5, 0.5)}, "which leave nothing to train on"),
        (10, {"fractions": {"validation": 0.5, "test": 0.5}}, "which leave nothing to train on"),
        (10, {"fractions": {"validation": 0.8, "test": 0.5}}, "expected three fractions"),
        (10, {"fractions": (float("nan"), 0.5, 0.5)}, "expected three fractions"),
        (10, {"fractions": {"tset": 0.5}}, "fractions: got 'tset'; expected the names train, "),
    ],
)
def test_what_cannot_be_split(n: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        split_rows(n, **options)


def test_classes_that_are_wrong() -> None:
    with pytest.raises(
        ShapeError, match=r"stratify: got shape \(3,\); expected one class .*\(4,\)"
    ):
        split_rows(4, stratify=[1, 2, 3])
    for missing in ([1.0, float("nan")] * 10, pl.Series(["a", None] * 10)):
        with pytest.raises(DataError, match="stratify: got 10 missing values; expected a class in"):
            split_rows(20, stratify=missing)


FRAME = pl.DataFrame(
    {
        "n": [1, 2, None],
        "x": [0.1 + 0.2, -0.0, None],
        "s": ["a", "", None],
        "b": [True, False, None],
    }
)


@pytest.mark.parametrize("extension", [".parquet", ".arrow", ".csv", ".tsv"])
def test_a_fingerprint_does_not_depend_on_the_file(tmp_path: Path, extension: str) -> None:
    write_table(FRAME, tmp_path / f"t{extension}")
    assert fingerprint(read_table(tmp_path / f"t{extension}")) == fingerprint(FRAME)


def test_a_fingerprint_does_not_depend_on_memory() -> None:
    chunks = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    assert chunks.n_chunks() == 2
    other = FRAME.with_columns(pl.col("s").cast(pl.Categorical))
    reversed_twice = FRAME.reverse().reverse()
    nothing = pl.Series("n", [1, 2, 77]).set(pl.Series([False, False, True]), None)
    assert nothing.null_count() == 1
    for same in (chunks, other, reversed_twice, FRAME.with_columns(nothing), FRAME.to_arrow()):
        assert fingerprint(same) == fingerprint(FRAME)
    nans = np.array([0x7FF8000000000000, 0xFFF8000000000001], dtype=np.uint64).view(np.float64)
    assert fingerprint({"x": nans}) == fingerprint({"x": [float("nan")] * 2})


def test_a_fingerprint_is_pinned() -> None:
    assert fingerprint(FRAME) == FINGERPRINT
    assert fingerprint(load_dataset("iris").frame) == fingerprint(load_dataset("iris").frame)


FINGERPRINT = "0c7dafe6f2944e26ae04740ba987df174430998f8163192939e2dcbea9999e95"


@pytest.mark.parametrize(
    "other",
    [
        FRAME.rename({"n": "m"}),
        FRAME.select("x", "n", "s", "b"),
        FRAME.drop("b"),
        FRAME.head(2),
        FRAME.reverse(),
        FRAME.with_columns(n=pl.Series([1, 2, 0])),
        FRAME.with_columns(n=pl.Series([1, 2, None], dtype=pl.Int32)),
        FRAME.with_columns(n=pl.Series([1.0, 2.0, None])),
        FRAME.with_columns(x=pl.Series([0.3, -0.0, None])),
        FRAME.with_columns(x=pl.Series([0.1 + 0.2, -0.0, float("nan")])),
        FRAME.with_columns(s=pl.Series(["a", None, None])),
        FRAME.with_columns(s=pl.Series(["", "a", None])),
        FRAME.with_columns(b=pl.Series([True, None, None])),
    ],
)
def test_a_fingerprint_sees_every_difference(other: pl.DataFrame) -> None:
    assert fingerprint(other) != fingerprint(FRAME)


def test_fingerprints_of_other_types() -> None:
    from datetime import date
    from decimal import Decimal

    columns: list[list[Any]] = [
        [date(2020, 1, 1)],
        [[1, 2]],
        [{"a": 1}],
        [Decimal("1.5")],
        [2**100],
    ]
    prints = {fingerprint({"c": column}) for column in columns}
    assert len(prints) == len(columns)
    assert fingerprint({"c": [date(2020, 1, 2)]}) not in prints
