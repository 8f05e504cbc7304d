"""Which rows train, which validate, which test; and which table they belong to."""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DataError, ShapeError, nearest
from chainrule.data.lazy import pl
from chainrule.data.randomness import permutation
from chainrule.data.table import TableLike, as_frame
from chainrule.data.values import anonymous, is_text

PARTS = ("train", "validation", "test")
TRAIN = 0
NUMPY_TYPES = {f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)} | {
    "Float32",
    "Float64",
}


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers (sorted, int64) of three parts that share no row and together hold all.

    Attributes:
        train: the rows to learn from.
        validation: the rows that tell when to stop; may be empty if asked for.
        test: the rows that no decision looks at; may be empty if asked for.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(
    n: int,
    *,
    fractions: Mapping[str, float] | Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    stratify: Any = None,
) -> Split:
    """Split the rows 0 ... n-1 at random.

    A part gets its share of the rows, rounded; with ``stratify`` also its share of each class,
    rounded down or up. A class with so few rows that its training share is less than one row
    gets one training row nonetheless.

    The shuffle comes from the raw bits of NumPy's Philox, which stay the same in every version:
    a seed gives the same split years later.

    Args:
        n: number of rows.
        fractions: the parts of ``"train"``, ``"validation"`` and ``"test"``, by name or in this
            order; they add up to 1. By name, parts may be left out: train is then what remains,
            the others are empty.
        seed: a whole number, 0 or more.
        stratify: the class of each row (n,), numbers or text; None if there are no classes.

    Raises:
        ArgumentError: fractions that do not add up to 1, or that leave a part empty.
        ShapeError: ``stratify`` is not of shape (n,).
        DataError: ``stratify`` misses values.

    >>> split = split_rows(10, fractions={"validation": 0.2, "test": 0.2})
    >>> len(split.train), len(split.validation), len(split.test)
    (6, 2, 2)
    """
    n = _check_n(n)
    shares = _shares(fractions)
    classes, sizes = _classes(stratify, n)
    counts = _allot(sizes, shares)
    totals = counts.sum(axis=0)
    for part in range(3):
        if shares[part] > 0 and totals[part] == 0:
            raise ArgumentError(
                "fractions",
                f"{shares[part]:.3g} for {PARTS[part]}, which leaves it empty with {n} rows"
                + (f" in {len(sizes)} classes" if len(sizes) > 1 else ""),
                "at least one row in each part",
                "Use a larger fraction, more rows, or a fraction of 0 to go without this part.",
            )
    order = permutation(n, seed)
    order = order[np.argsort(classes[order], kind="stable")]  # class by class, shuffled within
    part_of = np.repeat(np.tile(np.arange(3), len(sizes)), counts.ravel())
    train, validation, test = (np.sort(order[part_of == part]) for part in range(3))
    return Split(train, validation, test)


def _check_n(n: int) -> int:
    try:
        whole = operator.index(n)
    except TypeError:
        whole = 0
    if whole < 1:
        raise ArgumentError("n", repr(n), "a whole number of rows, 1 or more")
    return whole


def _shares(fractions: Mapping[str, float] | Sequence[float]) -> np.ndarray:
    """Fractions in the order of ``PARTS``, adding up to 1."""
    expected = "three fractions (train, validation, test) from 0 to 1 that add up to 1"
    came = repr(fractions)
    if isinstance(fractions, Mapping):
        for name in fractions:
            if name not in PARTS:
                raise ArgumentError(
                    "fractions",
                    repr(name),
                    f"the names {', '.join(PARTS)}",
                    nearest(str(name), PARTS),
                )
        rest = 1 - sum(v for k, v in fractions.items() if k != "train")
        fractions = [fractions.get("train", rest), *(fractions.get(p, 0.0) for p in PARTS[1:])]
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not np.isfinite(shares).all() or (shares < 0).any():
        raise ArgumentError("fractions", came, expected)
    total = float(shares.sum())
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ArgumentError("fractions", f"{came}, which add up to {total:.6g}", expected)
    if shares[TRAIN] <= 1e-9:
        raise ArgumentError("fractions", f"{came}, which leave nothing to train on", expected)
    return shares / total


def _classes(stratify: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The class number of each row, and the size of each class."""
    if stratify is None:
        return np.zeros(n, dtype=np.int64), np.array([n])
    values = np.asarray(stratify)
    if values.shape != (n,):
        raise ShapeError("stratify", f"shape {values.shape}", f"one class for each row: ({n},)")
    missing = values != values if values.dtype.kind == "f" else [v is None for v in values]  # noqa: PLR0124
    if np.any(missing):
        came = f"{np.sum(missing)} missing values"
        raise DataError("stratify", came, "a class in every row", "Remove these rows first.")
    _, classes, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return classes, sizes


def _largest_remainder(total: int, shares: np.ndarray) -> np.ndarray:
    """Whole numbers that add up to ``total``, each its exact share rounded down or up."""
    exact = np.round(total * shares, 9)  # 0.6 · 5 is 3, not 3.0000000000000004
    counts = np.floor(exact).astype(np.int64)
    most = np.argsort(counts - exact, kind="stable")
    counts[most[: total - counts.sum()]] += 1
    return counts


def _allot(sizes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Rows of each class (K) for each part (3): every entry its exact share rounded down or up.

    Rounding each class by itself could leave a part empty (20 classes of 3 rows: 1.8, 0.6, 0.6
    each), so the roundings are chosen together, for the totals of the parts to come out.
    """
    exact = np.round(np.outer(sizes, shares), 9)
    counts = np.floor(exact).astype(np.int64)
    may_rise = exact > counts
    must_rise = np.zeros_like(may_rise)
    must_rise[:, TRAIN] = may_rise[:, TRAIN] & (counts[:, TRAIN] == 0)  # a class must be learned
    totals = _largest_remainder(int(sizes.sum()), shares)
    least = int((counts + must_rise)[:, TRAIN].sum())
    if least > totals[TRAIN]:
        held_out = shares[1:] / shares[1:].sum()
        totals = np.array([least, *_largest_remainder(int(sizes.sum()) - least, held_out)])
    rise = must_rise.copy()
    short = totals - (counts + rise).sum(axis=0)  # rows that each part still waits for
    spare = sizes - (counts + rise).sum(axis=1)  # rows that each class still has to give
    for k in np.flatnonzero(spare):
        free = np.flatnonzero(may_rise[k] & ~rise[k])
        takers = free[np.argsort(-short[free], kind="stable")][: spare[k]]
        rise[k, takers] = True
        short[takers] -= 1
    _balance(rise, may_rise, must_rise, short)
    return counts + rise


def _balance(
    rise: np.ndarray, may_rise: np.ndarray, must_rise: np.ndarray, short: np.ndarray
) -> None:
    """Move roundings from parts with a row too many to parts with one too few, in place.

    A move within one class, or two that pass through the third part, always reach the totals
    unless ``must_rise`` stands against it (three parts: no augmenting path is longer).
    """

    def movable(source: int, goal: int) -> np.ndarray:
        free = rise[:, source] & ~must_rise[:, source]
        return np.flatnonzero(free & may_rise[:, goal] & ~rise[:, goal])

    def move(path: Sequence[int]) -> bool:
        steps = list(itertools.pairwise(path))
        classes = [movable(*step) for step in steps]
        if any(len(c) == 0 for c in classes):
            return False
        for (source, goal), c in zip(steps, classes, strict=True):
            rise[c[0], source], rise[c[0], goal] = False, True
        short[path[0]] += 1
        short[path[-1]] -= 1
        return True

    while short.max() > 0:
        goal, sources = int(short.argmax()), [part for part in range(3) if short[part] < 0]
        paths: list[tuple[int, ...]] = [(s, goal) for s in sources]
        paths += [(s, 3 - s - goal, goal) for s in sources]
        if not any(move(path) for path in paths):
            break


def fingerprint(frame: TableLike) -> str:
    """Tell a table by its content: SHA-256 over column names, types and values, in order.

    It does not depend on how the table is stored: a CSV file and a Parquet file that read as
    the same types and values have the same fingerprint. Text and categories count as the same.

    Returns:
        64 hexadecimal digits.
    """
    frame = as_frame(frame)
    digest = hashlib.sha256(f"{frame.height} {frame.width}".encode())
    for name, column in zip(frame.columns, frame, strict=True):
        series = anonymous(column)
        kind, values = _canonical(series)
        nulls = np.packbits(series.is_null().to_numpy()).tobytes()
        for part in (name.encode(), kind.encode(), nulls, *values):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def _canonical(series: pl.Series) -> tuple[str, list[bytes]]:
    """A column's type, and its values as bytes that depend on nothing else."""
    dtype = series.dtype
    if is_text(dtype):
        text = series.cast(pl.String).fill_null("")
        lengths = text.str.len_bytes().to_numpy().astype("<u8").tobytes()
        return "text", [lengths, "".join(text.to_list()).encode()]
    if dtype == pl.Boolean:
        return "boolean", [np.packbits(series.fill_null(False).to_numpy()).tobytes()]
    if str(dtype) in NUMPY_TYPES:
        values = series.fill_null(0).to_numpy()
        if dtype.is_float():
            values = np.where(np.isnan(values), np.nan, values)  # NaN has many bit patterns
        return str(dtype), [values.astype(values.dtype.newbyteorder("<")).tobytes()]
    return str(dtype), [repr(series.to_list()).encode()]
