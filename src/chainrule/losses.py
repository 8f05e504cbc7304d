"""Losses: how far a prediction is from what was observed, sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, DataError, ShapeError, nearest
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.types import FLOAT64, Array, ArrayType, Dtype
from chainrule.ops.elementwise import square
from chainrule.ops.functional import check_labels, log_softmax
from chainrule.ops.index import take_along_axis
from chainrule.ops.reduce import mean
from chainrule.ops.reduce import sum as sum_
from chainrule.ops.shape import expand_dims, reshape, squeeze


class Loss:
    """A loss of each sample.

    ``check`` looks at all targets once, before training, and brings them into the form that
    ``__call__`` expects.
    """

    name: str

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets that fit the network's output.

        Args:
            y: targets, one a sample.
            prediction: type of the network's output for one batch.

        Raises:
            ArgumentError: targets that do not fit.
        """
        raise NotImplementedError

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample.

        Args:
            y: targets, shape (n, ...).
            prediction: output of the network, shape (n, ...).

        Returns:
            Shape (n,).
        """
        raise NotImplementedError


class CrossEntropy(Loss):
    """Softmax cross-entropy, from logits: ``L = -yᵀ log softmax(z) = log Σⱼ exp(zⱼ) - z_y``.

    The network ends in logits z, without an activation: the logarithm and the exponential are
    taken together, so nothing overflows and no digits are lost.

    Targets are integer labels from 0, or one-hot rows (or any rows of probabilities).

    >>> loss = CrossEntropy()
    >>> loss(as_tensor([0]), as_tensor([[0.0, 0.0]])).tolist()
    [0.6931471824645996]
    """

    name = "cross_entropy"

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return integer labels of shape (n,), or probabilities of shape (n, classes)."""
        labels = _array(y)
        labels = finite(labels, labels.dtype, "y")
        classes = prediction.shape[-1]
        if classes < 2:
            raise ArgumentError(
                "loss",
                "'cross_entropy' for a network with one output",
                "one output a class",
                "Give the last layer as many units as there are classes (two for yes or no).",
            )
        if labels.ndim == 2 and labels.shape[1] == classes:
            return _probabilities(labels.astype(prediction.dtype))
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise ShapeError(
                "y",
                f"shape {labels.shape}",
                f"integer labels of shape (n,), or one-hot rows of shape (n, {classes})",
            )
        if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
            raise ArgumentError(
                "y",
                "numbers with fractions",
                f"integer labels from 0 to {classes - 1}",
                "For a target that is a quantity use loss='squared_error'.",
            )
        labels = labels.astype(np.int64)
        check_labels(as_tensor(labels), classes, "y")
        return labels

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        if y.ndim == prediction.ndim:
            return -sum_(y * log_softmax(prediction), axis=-1)
        chosen = take_along_axis(log_softmax(prediction), expand_dims(y, 1), axis=1)
        return -squeeze(chosen, axis=1)


class SquaredError(Loss):
    """Squared error: ``L = (1/m) Σⱼ (ŷⱼ - yⱼ)²`` over the ``m`` outputs.

    >>> loss = SquaredError()
    >>> loss(as_tensor([[1.0, 2.0]]), as_tensor([[1.0, 4.0]])).tolist()
    [2.0]
    """

    name = "squared_error"

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets of the shape of the predictions."""
        targets = finite(_array(y), prediction.dtype, "y")
        if targets.ndim == 1 and prediction.shape[1:] == (1,):
            targets = targets[:, None]
        if not targets.ndim or targets.shape[1:] != prediction.shape[1:]:
            sizes = ", ".join(map(str, prediction.shape[1:]))
            raise ShapeError(
                "y",
                f"shape {targets.shape}",
                f"shape (n,{' ' * bool(sizes)}{sizes}), as the network's output",
                "Give the last layer as many units as there are targets.",
            )
        return targets

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        # (n,) beside (n, 1) must not broadcast to (n, n).
        error = prediction - reshape(y, prediction.shape)
        return mean(reshape(square(error), (y.shape[0], -1)), axis=1)


class CustomLoss(Loss):
    """A function of (y, prediction) as a loss.

    Args:
        function: returns the loss of each sample, shape (n,), or their mean, shape ().
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", "custom")

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return the targets as they came; floats in the network's dtype."""
        targets = _array(y)
        return targets.astype(prediction.dtype) if targets.dtype.kind == "f" else targets

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        loss = as_tensor(self.function(y, prediction))
        if loss.shape not in ((), (prediction.shape[0],)):
            raise ShapeError(
                f"result of the loss {self.name!r}",
                f"shape {loss.shape}",
                f"one number a sample, shape ({prediction.shape[0]},), or their mean, shape ()",
            )
        return loss


def finite(array: Array, dtype: Dtype, argument: str) -> Array:
    """Return an array in a dtype, without copying where possible.

    Raises:
        DataError: a value is NaN, infinite, or too large for the dtype.
    """
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, copy=False)
    wrong = ~np.isfinite(cast)
    if not wrong.any():
        return cast
    what = "values that are NaN or infinite, first"
    expected, fix = "finite numbers", "Fill in or drop missing values first."
    if np.isfinite(array).all():
        what = f"values that are too large for {dtype}, first"
        expected, fix = f"numbers up to {np.finfo(dtype).max:.2g}", "Scale them first."
    row = int(np.argwhere(wrong)[0][0]) if wrong.ndim else 0
    raise DataError(argument, f"{int(wrong.sum())} {what} in row {row}", expected, fix)


def _array(y: Any) -> Array:
    try:
        data = as_tensor(y).data
        if isinstance(y, list | tuple) and data is not None and data.dtype.kind == "f":
            data = as_tensor(y, FLOAT64).data  # float32 otherwise, whatever the network's dtype
    except ArgumentError as error:
        raise type(error)("y", error.came, error.expected, error.fix) from None
    assert data is not None
    return data


def _probabilities(rows: Array) -> Array:
    wrong = ~np.isclose(rows.sum(axis=1), 1.0, atol=1e-4) | (rows < 0).any(axis=1)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ArgumentError(
            "y",
            f"row {i} with sum {rows[i].sum():.4g} and smallest value {rows[i].min():.4g}",
            "one-hot rows: from 0, with sum 1",
        )
    return rows


#: Every loss by its name.
LOSSES: dict[str, type[Loss]] = {"cross_entropy": CrossEntropy, "squared_error": SquaredError}

_ALIASES = {
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
}


def loss(given: str | Loss | Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """Return a loss by its name, or wrap a function of (y, prediction).

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> loss("mse").name
    'squared_error'
    """
    if isinstance(given, Loss):
        return given
    if callable(given):
        return CustomLoss(given)
    name = _ALIASES.get(given, given)
    if name not in LOSSES:
        raise ArgumentError(
            "loss",
            repr(given),
            f"one of {', '.join(LOSSES)}, or a function of (y, prediction)",
            nearest(given, [*LOSSES, *_ALIASES]),
        )
    return LOSSES[name]()


def penalty_of(weights: list[Any], l2: float, dtype: Dtype) -> Tensor:
    """Return the structural part of the risk: ``½ λ ‖W‖²_F``, summed over the weight matrices.

    Args:
        weights: the weight matrices; biases are not penalized.
        l2: λ.
        dtype: dtype of the result.
    """
    total = as_tensor(0.0, dtype)
    for W in weights:
        total = total + sum_(square(W))
    return total * (0.5 * l2)
