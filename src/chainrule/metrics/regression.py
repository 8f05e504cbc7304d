"""Metrics of quantities: mean squared and absolute error, their root, and R²."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from chainrule.core.types import Array, ArrayType
from chainrule.metrics.base import (
    ExactSum,
    MeanMetric,
    Metric,
    arrays,
    check_same_shape,
    same_shape,
    spread,
)


class _ErrorMetric(MeanMetric):
    """A mean over all outputs of all samples."""

    def check(self, y: Array, prediction: ArrayType) -> None:
        """Refuse targets of another shape."""
        check_same_shape(self.name, y, prediction)

    def errors(self, y: Array, prediction: Array) -> Array:
        """Return ``ŷ - y`` in float64."""
        return prediction.astype(np.float64) - same_shape(self.name, y, prediction)


class MeanSquaredError(_ErrorMetric):
    """Mean squared error: ``mean (ŷ - y)²``.

    Args:
        name: name in logs.

    >>> metric = MeanSquaredError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.result()
    2.0
    """

    name = "mse"

    def values(self, y: Array, prediction: Array) -> Array:
        """Return ``(ŷ - y)²``."""
        with np.errstate(over="ignore"):
            squares: Array = np.square(self.errors(y, prediction))
        return squares


class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean squared error, in the target's unit: ``√(mean (ŷ - y)²)``.

    The mean is over all outputs (Keras's meaning; scikit-learn averages the outputs' roots).

    Args:
        name: name in logs.

    >>> metric = RootMeanSquaredError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([4.0, 5.0]))
    >>> metric.result()
    3.0
    """

    name = "rmse"

    def result(self) -> float:
        """Return the root of the mean."""
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(_ErrorMetric):
    """Mean absolute error: ``mean |ŷ - y|``.

    Args:
        name: name in logs.

    >>> metric = MeanAbsoluteError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.result()
    1.0
    """

    name = "mae"

    def values(self, y: Array, prediction: Array) -> Array:
        """Return ``|ŷ - y|``."""
        sizes: Array = np.abs(self.errors(y, prediction))
        return sizes


class R2(Metric):
    """Share of the variance that is explained: ``R² = 1 - Σ(ŷ - y)² / Σ(y - ȳ)²``.

    Several outputs are averaged, as scikit-learn does. The sums are exact, so that no digits are
    lost where targets are large beside their variation. NaN where a target never varies.

    Args:
        name: name in logs.

    >>> metric = R2()
    >>> metric.update(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    >>> metric.result()
    0.5
    """

    name = "r2"
    settings = ("name",)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).name
        self._weight = ExactSum()
        #: For each output: Σ w y, Σ w y², Σ w (ŷ - y)².
        self._outputs: list[tuple[ExactSum, ExactSum, ExactSum]] = []

    def check(self, y: Array, prediction: ArrayType) -> None:
        """Refuse targets of another shape."""
        check_same_shape(self.name, y, prediction)

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in one batch."""
        y, prediction = arrays(y, prediction)
        n = len(y)
        targets = same_shape(self.name, y, prediction).reshape(n, -1).astype(np.float64)
        w = None if sample_weight is None else spread(sample_weight, (n,))
        self._weight.add(np.array([float(n)]) if w is None else w)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.square(prediction.reshape(targets.shape) - targets)
            squares = squares if w is None else w[:, None] * squares
            if not self._outputs:
                self._outputs = [
                    (ExactSum(), ExactSum(), ExactSum()) for _ in range(targets.shape[1])
                ]
            for column, errors, sums in zip(targets.T, squares.T, self._outputs, strict=True):
                parts = (column,) if w is None else product(w, column)
                sums[0].add(np.concatenate(parts))
                sums[1].add(np.concatenate([part for x in parts for part in product(x, column)]))
                sums[2].add(errors)

    def result(self) -> float:
        """Return R²."""
        if not self._weight.value():
            return float("nan")
        return float(np.mean([self._score(*sums) for sums in self._outputs]))

    def _score(self, total: ExactSum, squares: ExactSum, errors: ExactSum) -> float:
        try:
            mean = total.exact() / self._weight.exact()
            variation: Fraction = squares.exact() - total.exact() * mean
            return float(1 - errors.exact() / variation) if variation > 0 else float("nan")
        except (OverflowError, ValueError):  # a sum is infinite or NaN
            return float("nan")


_SPLIT = 2.0**27 + 1.0


def product(x: Array, y: Array) -> tuple[Array, Array]:
    """Return ``x y`` as two floats whose sum it is exactly: the rounded product and what is left.

    Source: Dekker, A Floating-Point Technique for Extending the Available Precision (1971).

    >>> high, low = product(np.array([0.1]), np.array([0.1]))
    >>> Fraction(high[0]) + Fraction(low[0]) == Fraction(0.1) ** 2
    True
    """
    high = x * y
    x1, x2 = _halves(x)
    y1, y2 = _halves(y)
    low = ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2
    return high, np.where(np.isfinite(low), low, 0.0)  # the halves of huge numbers overflow


def _halves(x: Array) -> tuple[Array, Array]:
    c = _SPLIT * x
    upper = c - (c - x)
    return upper, x - upper
