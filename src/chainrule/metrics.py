"""Metrics: what a person wants to know of a model, exact over any split into batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError, nearest
from chainrule.core.types import Array


class Metric:
    """A number that is gathered batch by batch."""

    name: str

    def update(self, y: Array, prediction: Array) -> None:
        """Take in one batch.

        Args:
            y: targets, as the loss has checked them.
            prediction: output of the network.
        """
        raise NotImplementedError

    def result(self) -> float:
        """Return the metric over all that was taken in (NaN over nothing)."""
        raise NotImplementedError


class _Mean(Metric):
    """A mean over samples."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def _values(self, y: Array, prediction: Array) -> Array:
        raise NotImplementedError

    def update(self, y: Array, prediction: Array) -> None:
        """Take in one batch."""
        values = self._values(y, prediction)
        self.total += float(np.sum(values, dtype=np.float64))
        self.count += values.size

    def result(self) -> float:
        """Return the mean."""
        return self.total / self.count if self.count else float("nan")


class Accuracy(_Mean):
    """Share of samples whose largest output is that of the right class: ``mean I(argmax z = y)``.

    >>> metric = Accuracy()
    >>> metric.update(np.array([0, 1]), np.array([[2.0, 1.0], [2.0, 1.0]]))
    >>> metric.result()
    0.5
    """

    name = "accuracy"

    def _values(self, y: Array, prediction: Array) -> Array:
        if prediction.shape[1:] in ((), (1,)):
            raise ArgumentError(
                "metrics",
                "'accuracy' for a network with one output",
                "one output a class",
                "For a target that is a quantity use 'r2', 'mae' or 'mse'.",
            )
        guess = prediction.argmax(axis=-1)
        if y.shape == prediction.shape:
            y = y.argmax(axis=-1)
        elif y.shape not in (guess.shape, (*guess.shape, 1)):
            raise ShapeError(
                "y for the metric 'accuracy'",
                f"shape {y.shape}",
                f"labels of shape {guess.shape}, or one-hot rows of shape {prediction.shape}",
            )
        hits: Array = guess == y.reshape(guess.shape)
        return hits


class MeanSquaredError(_Mean):
    """Mean squared error: ``mean (ŷ - y)²``.

    >>> metric = MeanSquaredError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.result()
    2.0
    """

    name = "mse"

    def _values(self, y: Array, prediction: Array) -> Array:
        squares: Array = np.square(prediction.astype(np.float64) - _fitting(self, y, prediction))
        return squares


class MeanAbsoluteError(_Mean):
    """Mean absolute error: ``mean |ŷ - y|``.

    >>> metric = MeanAbsoluteError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.result()
    1.0
    """

    name = "mae"

    def _values(self, y: Array, prediction: Array) -> Array:
        sizes: Array = np.abs(prediction.astype(np.float64) - _fitting(self, y, prediction))
        return sizes


class R2(Metric):
    """Share of the variance that is explained: ``R² = 1 - Σ(ŷ - y)² / Σ(y - ȳ)²``.

    Several outputs are averaged, as scikit-learn does. The sums are kept about the first batch's
    mean, so that no digits are lost where targets are large. NaN where a target never varies.

    >>> metric = R2()
    >>> metric.update(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    >>> metric.result()
    0.5
    """

    name = "r2"

    def __init__(self) -> None:
        self.count = 0
        self.shift = self.total = self.squares = self.errors = np.zeros(1)

    def update(self, y: Array, prediction: Array) -> None:
        """Take in one batch."""
        y = _fitting(self, y, prediction).reshape(len(y), -1).astype(np.float64)
        if not self.count:
            self.shift = y.mean(axis=0)
        moved = y - self.shift
        self.count += len(y)
        self.total = self.total + moved.sum(axis=0)
        self.squares = self.squares + np.square(moved).sum(axis=0)
        self.errors = self.errors + np.square(prediction.reshape(y.shape) - y).sum(axis=0)

    def result(self) -> float:
        """Return R²."""
        if not self.count:
            return float("nan")
        variation = self.squares - np.square(self.total) / self.count
        if (variation <= 0).any():
            return float("nan")
        return float(np.mean(1.0 - self.errors / variation))


def _fitting(metric: Metric, y: Array, prediction: Array) -> Array:
    """Return targets in the prediction's shape: (n,) beside (n, 1) must not broadcast."""
    if y.shape[:1] != prediction.shape[:1] or y.size != prediction.size:
        raise ShapeError(
            f"y for the metric {metric.name!r}",
            f"shape {y.shape}",
            f"shape {prediction.shape}, as the network's output",
        )
    return y.reshape(prediction.shape)


#: Every metric by its name.
METRICS: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "r2": R2,
}

_ALIASES = {
    "acc": "accuracy",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "R2": "r2",
}


def metric_maker(given: str | Callable[[], Metric]) -> Callable[[], Metric]:
    """Return what makes a metric, from its name.

    Args:
        given: a name, or a subclass of ``Metric``.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> metric_maker("acc") is Accuracy
    True
    """
    if callable(given):
        return given
    name = _ALIASES.get(given, given)
    if name not in METRICS:
        raise ArgumentError(
            "metrics",
            repr(given),
            f"names among {', '.join(METRICS)}",
            nearest(given, [*METRICS, *_ALIASES]),
        )
    return METRICS[name]
