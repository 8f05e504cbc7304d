"""What metrics have in common, and sums that do not depend on how samples come in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.keywords import Explained
from chainrule.core.tensor import as_tensor, known
from chainrule.core.types import Array, ArrayType
from chainrule.losses.base import Loss
from chainrule.losses.output import Output, Reading
from chainrule.losses.targets import as_array


class Metric(Explained):
    """A quantity that is gathered batch by batch, and is the same for any split into batches.

    Subclass it with ``update`` and ``result``; the constructor's arguments, if it has any, go into
    ``settings`` and are kept as attributes of the same names.
    """

    #: Name in logs.
    name: str
    #: Names of the constructor's arguments; each is an attribute, too.
    settings: ClassVar[tuple[str, ...]] = ()
    #: Whether the result is an array: it is then left out of logs, and given by ``evaluate``.
    is_array: bool = False
    #: Whether the result is quick to compute, and so can be shown after each batch.
    is_quick: ClassVar[bool] = True
    #: Whether several batches may be taken in as one.
    joins_batches: ClassVar[bool] = True

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in one batch.

        Args:
            y: targets, as the loss has checked them.
            prediction: output of the network.
            sample_weight: how much each sample counts, shape (n,) (default: 1). It is given only
                to metrics that are compiled as ``weighted_metrics``.
        """
        raise NotImplementedError

    def result(self) -> Any:
        """Return the metric over all that was taken in (NaN over nothing)."""
        raise NotImplementedError

    def read(self, reading: Reading) -> None:
        """Be told how to read the network's output; called by the model, before any batch."""

    def check(self, y: Array, prediction: ArrayType) -> None:
        """Refuse targets that the metric is not made for, before training.

        Args:
            y: all targets, as the loss has checked them.
            prediction: type of the network's output for one batch.

        Raises:
            ArgumentError: with the usual fix.
        """

    def fresh(self) -> Metric:
        """Return the same metric, over nothing."""
        return type(self)(**self.config())

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {name: getattr(self, name) for name in self.settings}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({given})"


class MeanMetric(Metric):
    """A mean over samples, or over all the outputs of all samples: ``Σ w v / Σ w``."""

    settings: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).name
        self._sum, self._weight = ExactSum(), ExactSum()

    def values(self, y: Array, prediction: Array) -> Array:
        """Return the values to take the mean of, shape (n, ...)."""
        raise NotImplementedError

    def update(self, y: Array, prediction: Array, sample_weight: Array | None = None) -> None:
        """Take in one batch."""
        values = self.values(*arrays(y, prediction))
        if sample_weight is None:
            self._sum.add(values)
            self._weight.add(np.array([float(values.size)]))
        else:
            weights = spread(sample_weight, values.shape)
            self._sum.add(values * weights)
            self._weight.add(weights)

    def result(self) -> float:
        """Return the mean."""
        weight = self._weight.value()
        return self._sum.value() / weight if weight else float("nan")


class MeanOf(MeanMetric):
    """The mean of any function of targets and predictions.

    Args:
        function: of (y, prediction) as arrays; returns one value a sample, or more.
        name: name in logs (default: the function's).

    >>> metric = MeanOf(lambda y, prediction: np.maximum(y - prediction, 0), name="shortfall")
    >>> metric.update(np.array([1.0, 2.0]), np.array([0.0, 3.0]))
    >>> metric.result()
    0.5
    """

    settings = ("function", "name")

    def __init__(self, function: Callable[[Array, Array], Any], name: str | None = None) -> None:
        super().__init__(name or getattr(function, "__name__", "custom"))
        self.function = function

    def values(self, y: Array, prediction: Array) -> Array:
        """Return what the function returns."""
        values = np.asarray(self.function(y, prediction), np.float64)
        if values.shape[:1] != (len(y),):
            raise ShapeError(
                f"result of the metric {self.name!r}",
                f"shape {values.shape}",
                f"one value a sample, shape ({len(y)},)",
                "" if values.shape else "Leave the mean out: it is taken over all samples.",
            )
        return values


class MeanLoss(MeanMetric):
    """The mean of a loss, as a metric beside another loss.

    Args:
        loss: the loss.
        by_name: whether only its name was given: it is then taken from logits or from
            probabilities as the model's loss is.
        name: name in logs (default: the loss's).

    >>> from chainrule.losses import Huber
    >>> metric = MeanLoss(Huber())
    >>> metric.update(np.array([[0.0], [0.0]]), np.array([[1.0], [2.0]]))
    >>> metric.result()
    1.0
    """

    settings = ("loss", "by_name", "name")

    def __init__(self, loss: Loss, by_name: bool = False, name: str | None = None) -> None:
        super().__init__(name or loss.name)
        self.loss, self.by_name = loss, by_name

    def read(self, reading: Reading) -> None:
        """Be told by the model how to read the network's output."""
        from_logits = getattr(self.loss, "from_logits", None)
        given = reading.output is Output.LOGITS
        is_told = given or reading.output is Output.PROBABILITIES
        if self.by_name and is_told and from_logits is not None and given != from_logits:
            self.loss = type(self.loss)(**{**self.loss.config(), "from_logits": given})

    def check(self, y: Array, prediction: ArrayType) -> None:
        """Refuse targets that the loss refuses."""
        self.loss.check(y, prediction)

    def values(self, y: Array, prediction: Array) -> Array:
        """Return the loss of each sample."""
        if prediction.dtype.kind != "f":
            prediction = prediction.astype(np.float64)
        targets = self.loss.check(y, ArrayType(prediction.shape, prediction.dtype))
        losses = known(as_tensor(self.loss(as_tensor(targets), as_tensor(prediction))), self.name)
        return losses if losses.shape else np.broadcast_to(losses, len(y))


class ExactSum:
    """A sum of floats without any rounding, so that it depends on no order and no grouping.

    The sum is kept as floats that do not overlap, each the rounded sum of what the ones before it
    have left.

    Source: Shewchuk, Adaptive Precision Floating-Point Arithmetic (1997); Python's ``math.fsum``.

    >>> total = ExactSum()
    >>> total.add(np.array([1e16, 1.0]))
    >>> total.add(np.array([-1e16, 0.25]))
    >>> total.value()
    1.25
    """

    def __init__(self) -> None:
        self._parts: list[float] = []
        #: The plain sum, once a value was infinite or NaN.
        self._beyond = 0.0

    def add(self, values: Array) -> None:
        """Add an array's elements."""
        terms = np.asarray(values, np.float64).ravel()
        if not np.isfinite(terms).all():
            with np.errstate(invalid="ignore", over="ignore"):
                self._beyond += float(np.sum(terms[~np.isfinite(terms)]))
            return
        rest = [*self._parts, *terms.tolist()]
        self._parts = []
        try:
            while True:
                part = math.fsum(rest)
                if not part:
                    break
                self._parts.append(part)
                rest.append(-part)
        except OverflowError:
            self._beyond = math.copysign(math.inf, sum(term / 2 for term in rest))

    def value(self) -> float:
        """Return the sum, rounded once."""
        return self._beyond or (self._parts[0] if self._parts else 0.0)

    def exact(self) -> Fraction:
        """Return the sum as a fraction.

        Raises:
            OverflowError: it is infinite.
            ValueError: it is NaN.
        """
        if self._beyond:
            return Fraction(self._beyond)
        return sum(map(Fraction, self._parts), Fraction())


def arrays(y: Any, prediction: Any) -> tuple[Array, Array]:
    """Return targets and predictions, which may be lists or tensors, as arrays.

    Raises:
        ArgumentError: something else than numbers.
    """
    if all(isinstance(x, np.ndarray) and x.dtype.kind in "biuf" for x in (y, prediction)):
        return y, prediction
    try:
        targets = as_array(y)
    except ArgumentError as error:
        fix = "Number the classes from 0: np.unique(labels, return_inverse=True)."
        raise type(error)("y", error.came, "numbers", fix) from None
    try:
        return targets, as_array(prediction)
    except ArgumentError as error:
        raise type(error)("prediction", error.came, "numbers", error.fix) from None


def spread(sample_weight: Array, shape: tuple[int, ...]) -> Array:
    """Return each sample's weight for each of its values, in float64."""
    weights = np.asarray(sample_weight, np.float64).reshape(-1, *[1] * (len(shape) - 1))
    if len(weights) != shape[0]:
        raise ShapeError("sample_weight", f"{len(weights)} weights", f"{shape[0]}, one a sample")
    return np.broadcast_to(weights, shape)


def same_shape(name: str, y: Array, prediction: Array) -> Array:
    """Return targets in the prediction's shape: (n,) beside (n, 1) must not broadcast.

    Raises:
        ShapeError: they do not have as many elements.
    """
    if y.shape[:1] != prediction.shape[:1] or y.size != prediction.size:
        raise _unlike(name, y.shape, prediction.shape)
    return y.reshape(prediction.shape)


def check_same_shape(name: str, y: Array, prediction: ArrayType) -> None:
    """Raise ``ShapeError`` for targets that do not have the prediction's shape."""
    if math.prod(y.shape[1:]) != math.prod(prediction.shape[1:]):
        raise _unlike(name, y.shape, (len(y), *prediction.shape[1:]))


def _unlike(name: str, came: tuple[int, ...], expected: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"y for the metric {name!r}", f"shape {came}", f"shape {expected}, as the network's output"
    )


def one_of(argument: str, value: Any, known: tuple[Any, ...]) -> Any:
    """Return a value, or raise ``ArgumentError`` if it is not among the known ones."""
    if value not in known:
        raise ArgumentError(argument, repr(value), f"one of {', '.join(map(repr, known))}")
    return value
