"""What Keras's metrics have in common: update_state, result, reset_state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from chainrule import metrics as core
from chainrule.core.errors import ShapeError
from chainrule.core.types import Array
from chainrule.keras.arguments import snake
from chainrule.metrics.base import ExactSum


class Metric(core.Metric):
    """A metric with Keras's methods; write ``update_state``, ``result`` and ``reset_state``.

    A model that is compiled with a metric resets it at the beginning of each pass over the data;
    the same object holds the latest result.

    Args:
        name: name in logs.
        dtype: not needed: metrics compute in float64.

    >>> class Largest(Metric):
    ...     def reset_state(self):
    ...         self.value = 0.0
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.value = max(self.value, float(np.max(y_pred)))
    ...
    ...     def result(self):
    ...         return self.value
    >>> Largest()([0.0], [2.0])
    2.0
    """

    #: Name of Chainrule's own metric that does the same in a saved model.
    core_name: ClassVar[str] = ""

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = name or snake(type(self).__name__)
        self.reset_state()

    def update_state(self, *args: Any, **options: Any) -> None:
        """Take in a batch: y_true, y_pred, and sample_weight if there is one."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state()")

    def reset_state(self) -> None:
        """Forget all that was taken in; to be written by a subclass that keeps something."""

    def reset_states(self) -> None:
        """Forget all, by Keras 2's name."""
        self.reset_state()

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Take in a batch, and return the result so far."""
        self.update_state(*args, **options)
        return self.result()

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in a batch in training."""
        if sample_weight is None:
            self.update_state(y, prediction)
        else:
            self.update_state(y, prediction, sample_weight=sample_weight)

    def fresh(self) -> Metric:
        """Return the metric itself, over nothing."""
        self.reset_state()
        return self

    def get_config(self) -> dict[str, Any]:
        """Return the name."""
        return {"name": self.name}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class Averaged(Metric):
    """A metric that is a weighted mean: ``Σ w v / Σ w``."""

    def reset_state(self) -> None:
        """Forget all values."""
        self._sum, self._weight = ExactSum(), ExactSum()

    def take(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, and the weight of each."""
        values = np.asarray(values, np.float64)
        weights = weights_of(sample_weight, values)
        self._sum.add(values * weights)
        self._weight.add(weights)

    def result(self) -> float:
        """Return the mean; 0 over nothing, as in Keras."""
        weight = self._weight.value()
        return self._sum.value() / weight if weight else 0.0


class Mean(Averaged):
    """The weighted mean of all values: ``Σ w v / Σ w``.

    >>> metric = Mean()
    >>> metric.update_state([1.0, 3.0])
    >>> metric.result()
    2.0
    """

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, and the weight of each."""
        self.take(values, sample_weight)


class Sum(Metric):
    """The weighted sum of all values.

    >>> Sum()([1.0, 3.0])
    4.0
    """

    def reset_state(self) -> None:
        """Forget all values."""
        self._sum = ExactSum()

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, and the weight of each."""
        values = np.asarray(values, np.float64)
        self._sum.add(values * weights_of(sample_weight, values))

    def result(self) -> float:
        """Return the sum."""
        return self._sum.value()


class MeanMetricWrapper(Averaged):
    """The mean of a function of (y_true, y_pred).

    Args:
        fn: returns one value a sample, or more.
        name: name in logs.

    >>> MeanMetricWrapper(lambda y, p: np.abs(np.subtract(y, p)), "gap")([1.0, 2.0], [2.0, 4.0])
    1.5
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **arguments: Any
    ) -> None:
        self._function, self._arguments = fn, arguments
        super().__init__(name or getattr(fn, "__name__", None))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        values = self._function(y_true, y_pred, **self._arguments)
        self.take(values, sample_weight)


def weights_of(sample_weight: Any, values: Array) -> Array:
    """Return a weight for each value.

    Raises:
        ShapeError: weights that do not go with the values.
    """
    weights = np.asarray(1.0 if sample_weight is None else sample_weight, np.float64)
    if weights.ndim:
        weights = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
        if weights.ndim > values.ndim:
            weights = weights.reshape(values.shape) if weights.size == values.size else weights
    try:
        return np.broadcast_to(weights, values.shape)
    except ValueError as error:
        raise ShapeError(
            "sample_weight", f"shape {weights.shape}", f"shape {values.shape}"
        ) from error
