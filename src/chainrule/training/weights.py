"""Samples with their targets, and how much each of them counts: sample and class weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError, nearest
from chainrule.core.tensor import as_tensor, known
from chainrule.core.types import FLOAT64, Array, ArrayType, Dtype
from chainrule.losses import Reading, finite
from chainrule.losses.targets import as_array
from chainrule.training.arrays import naming


@dataclass(frozen=True)
class Samples:
    """Samples with their targets, and how much each counts.

    Attributes:
        x: samples, shape (n, ...).
        y: targets as the loss has checked them, shape (n, ...).
        weight: weight of each sample, shape (n,); ``None``: each counts 1.
        output: type of the network's output for them.
        reading: how metrics are to read that output.

    >>> data = Samples(np.eye(3), np.arange(3), np.array([1.0, 2.0, 3.0]))
    >>> data[np.array([2, 0])].weight.tolist()
    [3.0, 1.0]
    """

    x: Array
    y: Array
    weight: Array | None = None
    output: ArrayType | None = None
    reading: Reading = field(default_factory=Reading)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | Array) -> Samples:
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], weight=weight)

    @property
    def units(self) -> int:
        """Number of the network's outputs."""
        return self.output.shape[-1] if self.output is not None and self.output.ndim > 1 else 1

    def weighted(self, weight: Array) -> Samples:
        """Return the same samples; how much each counts is multiplied by a weight."""
        return replace(self, weight=weight if self.weight is None else self.weight * weight)


def split_off(data: Samples, share: float) -> tuple[Samples, Samples | None]:
    """Split the last samples off, as Keras does.

    Args:
        data: all samples.
        share: how many to split off, from 0 up to 1.

    Raises:
        ArgumentError: a share that leaves one side none.
    """
    if not share:
        return data, None
    n = len(data)
    kept = n - round(n * share)
    if not 0 < kept < n:
        raise ArgumentError(
            "validation_split", f"{share:g} of {n} samples", "a share that leaves both sides some"
        )
    return data[:kept], data[kept:]


def sample_weights(given: Any, n: int, dtype: Dtype) -> Array | None:
    """Return one weight a sample, or ``None`` if none were given.

    Args:
        given: array-like of shape (n,) or (n, 1), or ``None``.
        n: number of samples.
        dtype: dtype of the result.

    Raises:
        ArgumentError: weights that are negative, or all zero.
        ShapeError: another number of weights.
        DataError: weights that are NaN or infinite.

    >>> sample_weights([1, 2], 2, np.dtype("float32")).tolist()
    [1.0, 2.0]
    """
    if given is None:
        return None
    with naming(array="sample_weight"):
        array = known(as_tensor(given, FLOAT64), "sample_weight")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n,):
        raise ShapeError("sample_weight", f"shape {array.shape}", f"one weight a sample, ({n},)")
    weights = finite(array, dtype, "sample_weight")
    if weights.min() < 0:
        raise ArgumentError(
            "sample_weight", f"{weights.min():g} in row {weights.argmin()}", "weights from 0"
        )
    if not weights.any():
        raise ArgumentError("sample_weight", "only zeros", "at least one weight above 0")
    return weights


def class_labels(y: Any, units: int, per_unit: bool) -> Array:
    """Return one label a sample, from labels or from one-hot rows.

    Args:
        y: targets as the user gave them.
        units: number of the network's outputs.
        per_unit: whether each output answers a question of its own.

    Raises:
        ArgumentError: targets that are no classes.

    >>> class_labels([[0, 1], [1, 0]], 2, False).tolist()
    [1, 0]
    """
    labels = as_array(y)
    if units > 1 and labels.ndim == 2 and labels.shape[1] == units:
        if per_unit:
            raise ArgumentError(
                "class_weight",
                f"weights for a network with {units} yes-or-no outputs",
                "one class a sample",
                "Weigh samples with sample_weight=, or the answers yes of each output with "
                "loss=cr.losses.BinaryCrossEntropy(pos_weight=[...]).",
            )
        if (labels < 0).any() or not np.allclose(labels.sum(axis=1), 1.0, atol=1e-4):
            raise _no_labels("rows that each name one class")
        classes: Array = labels.argmax(axis=1)
        return classes
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ArgumentError(
            "class_weight", f"weights for targets of shape {labels.shape}", "one label a sample"
        )
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise _no_labels("targets that are class labels")
    return labels.astype(np.int64)


def _no_labels(expected: str) -> ArgumentError:
    return ArgumentError(
        "class_weight",
        "weights for targets that are quantities",
        expected,
        "For quantities use sample_weight=.",
    )


def class_weights(given: Any, labels: Array, units: int, dtype: Dtype) -> Array:
    """Return each sample's weight, that of its class.

    Args:
        given: weight by label; one weight for each of the classes from 0, in order; or
            ``"balanced"``: n / (classes · samples of the class), as in scikit-learn.
        labels: one label a sample, shape (n,).
        units: number of the network's outputs.
        dtype: dtype of the result.

    Raises:
        ArgumentError: weights that are negative, that belong to no class, or that are missing.

    >>> class_weights("balanced", np.array([0, 0, 0, 1]), 2, np.dtype("float64")).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    found, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(given, str):
        if given != "balanced":
            raise ArgumentError(
                "class_weight",
                repr(given),
                f"'balanced', or {_EXPECTED}",
                nearest(given, ["balanced"]),
            )
        balanced: Array = (len(labels) / (len(found) * counts)).astype(dtype)[index]
        return balanced
    by_label = _by_label(given)
    classes = set(range(units)) if units > 1 else {0, 1, *found.tolist()}
    for label, weight in by_label.items():
        if label not in classes:
            names = ", ".join(map(str, sorted(classes)))
            raise ArgumentError("class_weight", f"a weight for {label!r}", f"labels among {names}")
        is_number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
        if not is_number or not 0 <= weight < np.inf:
            raise ArgumentError(
                "class_weight", f"{weight!r} for {label!r}", "finite weights from 0"
            )
    missing = [int(label) for label in found if label not in by_label]
    if missing:
        raise ArgumentError(
            "class_weight",
            f"no weight for {', '.join(map(str, missing))}",
            "one for every label in y",
            f"Samples that count as usual have weight 1: {{{missing[0]}: 1.0, ...}}.",
        )
    weights: Array = np.array([by_label[label] for label in found.tolist()], dtype)[index]
    if not weights.any():
        raise ArgumentError("class_weight", "only zeros", "at least one weight above 0")
    return weights


_EXPECTED = "weights by label, such as {0: 1.0, 1: 5.0}"


def _by_label(given: Any) -> dict[Any, Any]:
    if isinstance(given, Mapping):
        return {key.item() if isinstance(key, np.generic) else key: w for key, w in given.items()}
    if isinstance(given, list | tuple | np.ndarray) and np.ndim(given) == 1:
        return dict(enumerate(given))
    raise DtypeError("class_weight", f"a {type(given).__name__}", f"{_EXPECTED}, or 'balanced'")
