"""Losses between quantities: squared, absolute, Huber, quantile, Poisson and their like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.types import Array, ArrayType
from chainrule.losses.base import UnitLoss, between, per_sample, refuse_outside, refuse_twice
from chainrule.losses.output import LastLayer, Output, Reading
from chainrule.losses.targets import as_array, at_least, like_output
from chainrule.ops.elementwise import (
    abs,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    rsqrt,
    softplus,
    square,
    where,
)
from chainrule.ops.functional import clip
from chainrule.ops.reduce import sum as sum_
from chainrule.ops.shape import reshape


class SquaredError(UnitLoss):
    """Squared error: ``L = (1/m) Σⱼ (ŷⱼ - yⱼ)²`` over the ``m`` outputs.

    >>> loss = SquaredError()
    >>> loss(as_tensor([[1.0, 2.0]]), as_tensor([[1.0, 4.0]])).tolist()
    [2.0]
    """

    name = "squared_error"

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``(ŷ - y)²``."""
        return square(prediction - y)


class AbsoluteError(UnitLoss):
    """Absolute error: ``L = (1/m) Σⱼ |ŷⱼ - yⱼ|``; the derivative is 0 at the kink.

    >>> loss = AbsoluteError()
    >>> loss(as_tensor([[1.0, 2.0]]), as_tensor([[1.0, 4.0]])).tolist()
    [1.0]
    """

    name = "absolute_error"

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``|ŷ - y|``."""
        return abs(prediction - y)


class Huber(UnitLoss):
    """Huber loss, squared near 0 and linear far out.

    ``L = (1/m) Σⱼ { ½ eⱼ² if |eⱼ| ≤ δ, else δ |eⱼ| - ½ δ² }`` with ``e = ŷ - y``

    Args:
        delta: δ, where it turns linear.

    Raises:
        ArgumentError: δ is not a positive number.

    Source: Huber, Robust Estimation of a Location Parameter (1964).

    >>> loss = Huber(delta=1.0)
    >>> loss(as_tensor([[0.0], [0.0]]), as_tensor([[0.5], [3.0]])).tolist()
    [0.125, 2.5]
    """

    name = "huber"
    settings = ("delta",)

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = between("delta", delta, 0.0, math.inf, (False, True))

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``c (e - ½ c)`` with ``c`` the error e clipped to [-δ, δ]."""
        e = prediction - y
        c = clip(e, -self.delta, self.delta)
        return c * (e - 0.5 * c)


class LogCosh(UnitLoss):
    """Logarithm of the hyperbolic cosine: ``L = (1/m) Σⱼ log cosh(ŷⱼ - yⱼ)``.

    About ``½ e²`` near 0 and ``|e| - log 2`` far out, with the derivative ``tanh(e)``.

    Source: Keras; equation in Saleh and Saleh, arXiv 2208.04564.

    >>> loss = LogCosh()
    >>> loss(as_tensor([[0.0]]), as_tensor([[100.0]])).tolist()
    [99.30685424804688]
    """

    name = "log_cosh"

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``log cosh(e)``, each half by the form that keeps its digits."""
        e = prediction - y
        # cosh u - 1 = (exp(u) - 1)² / (2 exp(u)), without cancellation
        u = clip(e, -1.0, 1.0)
        near = log1p(square(expm1(u)) / (2.0 * exp(u)))
        size = abs(e)
        far = size + softplus(-2.0 * size) - math.log(2.0)
        return where(size < 1.0, near, far)


class Quantile(UnitLoss):
    """Quantile (pinball) loss, least where ŷ is the q-quantile of y.

    ``L = (1/m) Σⱼ max(q eⱼ, (q - 1) eⱼ)`` with ``e = y - ŷ``

    Args:
        q: the quantile, between 0 and 1; or several, one for each unit, of the same target.

    Raises:
        ArgumentError: a quantile that does not lie between 0 and 1.

    Source: Koenker and Bassett, Regression Quantiles (1978).

    >>> loss = Quantile(0.9)
    >>> loss(as_tensor([[1.0], [0.0]]), as_tensor([[0.0], [1.0]])).numpy().round(6).tolist()
    [0.8999999761581421, 0.10000000149011612]
    """

    name = "quantile"
    settings = ("q",)

    def __init__(self, q: float | Sequence[float] = 0.5) -> None:
        self.q: float | list[float]
        if isinstance(q, Sequence | np.ndarray):
            self.q = [between("q", value, 0.0, 1.0, (False, False)) for value in q]
        else:
            self.q = between("q", q, 0.0, 1.0, (False, False))

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets of the shape of the predictions; one target serves all quantiles."""
        if isinstance(self.q, list):
            units = prediction.shape[-1] if prediction.ndim > 1 else 1
            if units != len(self.q):
                raise ArgumentError(
                    "loss",
                    f"{len(self.q)} quantiles for a network with {units} outputs",
                    "one output a quantile",
                    f"Give the last layer {len(self.q)} units.",
                )
            given = as_array(y)
            if given.shape[1:] in ((), (1,)) and given.ndim and prediction.ndim == 2:
                return np.repeat(
                    like_output(given, ArrayType((1, 1), prediction.dtype)), units, axis=1
                )
        return like_output(y, prediction)

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``max(q e, (q - 1) e)``."""
        e = y - prediction
        q = as_tensor(np.asarray(self.q, e.dtype))
        return maximum(q * e, (q - 1.0) * e)


class Poisson(UnitLoss):
    """Poisson loss for counts: the negative log-likelihood, less what depends on y only.

    ``L = (1/m) Σⱼ (exp(xⱼ) - yⱼ xⱼ)`` for logarithms x of rates;
    ``L = (1/m) Σⱼ (ŷⱼ - yⱼ log(ŷⱼ + ε))`` for rates ŷ, of which negative ones count as 0.

    Args:
        log_input: whether the output is the logarithm of the rate (a last layer without an
            activation), as in PyTorch; else the rate (a last layer with softplus), as in Keras.
        full: add Stirling's approximation of ``log y!``, ``y log y - y + ½ log(2π y)`` for y > 1.
        epsilon: ε, keeps the logarithm of a rate finite.

    Raises:
        ArgumentError: an argument out of its range.

    Source: McCullagh and Nelder, Generalized Linear Models, section 6.2; PyTorch, PoissonNLLLoss.

    >>> loss = Poisson()
    >>> loss(as_tensor([[2.0]]), as_tensor([[0.0]])).tolist()
    [1.0]
    """

    name = "poisson"
    settings = ("log_input", "full", "epsilon")

    def __init__(
        self, *, log_input: bool = True, full: bool = False, epsilon: float = 1e-7
    ) -> None:
        self.log_input, self.full = bool(log_input), bool(full)
        self.epsilon = between("epsilon", epsilon, 0.0, 1.0, (False, True))

    @property
    def expects(self) -> Output:
        """Rates, or their logarithms."""
        return Output.LOG_RATES if self.log_input else Output.RATES

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return counts of the shape of the predictions."""
        fix = "For a quantity that may be negative use loss='squared_error'."
        return at_least(like_output(y, prediction), 0.0, self.name, fix)

    def check_last_layer(self, last: LastLayer, y: Array) -> None:
        """Refuse positive activations before log rates, and negative numbers as rates."""
        if self.log_input:
            refused = ("softplus", "exponential")
            refuse_twice(self, last, refused, "applies the exponential", "log_input=False")
        else:
            refuse_outside(self, last, 0.0, math.inf, "softplus", "log_input=True")

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each unit."""
        if self.log_input:
            # Beyond the largest float the rate is infinite, and so is the loss.
            with np.errstate(over="ignore"):
                loss = exp(prediction) - y * prediction
        else:
            rate = where(prediction >= 0, prediction, 0.0)
            loss = rate - y * log(rate + self.epsilon)
        if self.full:
            count = where(y > 1, y, 1.0)
            stirling = count * log(count) - count + 0.5 * log(2.0 * math.pi * count)
            loss = loss + where(y > 1, stirling, 0.0)
        return loss


class SquaredLogError(UnitLoss):
    """Squared error of logarithms: ``L = (1/m) Σⱼ (log(1 + ŷⱼ) - log(1 + yⱼ))²``.

    Negative predictions count as 0.

    Source: Keras, mean_squared_logarithmic_error.

    >>> loss = SquaredLogError()
    >>> loss(as_tensor([[0.0]]), as_tensor([[0.0]])).tolist()
    [0.0]
    """

    name = "squared_log_error"

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets of the shape of the predictions, from 0."""
        fix = "For a quantity that may be negative use loss='squared_error'."
        return at_least(like_output(y, prediction), 0.0, self.name, fix)

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each unit."""
        return square(log1p(maximum(prediction, 0.0)) - log1p(y))


class AbsolutePercentageError(UnitLoss):
    """Absolute error in percent of the target: ``L = (100/m) Σⱼ |(yⱼ - ŷⱼ) / max(|yⱼ|, ε)|``.

    Args:
        epsilon: ε, stands for targets nearer to 0.

    Source: Keras, mean_absolute_percentage_error.

    >>> loss = AbsolutePercentageError()
    >>> loss(as_tensor([[2.0]]), as_tensor([[1.0]])).tolist()
    [50.0]
    """

    name = "absolute_percentage_error"
    settings = ("epsilon",)

    def __init__(self, epsilon: float = 1e-7) -> None:
        self.epsilon = between("epsilon", epsilon, 0.0, math.inf, (False, True))

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each unit."""
        return 100.0 * abs((y - prediction) / maximum(abs(y), self.epsilon))


class CosineSimilarity(UnitLoss):
    """Negative cosine of the angle between target and output: ``L = -yᵀŷ / (‖y‖ ‖ŷ‖)``.

    From -1, the same direction, to 1, the opposite one; 0 where one of them is zero, and
    a norm below 1e-6 counts as 1e-6, as in Keras.

    Source: Keras, cosine_similarity.

    >>> loss = CosineSimilarity()
    >>> loss(as_tensor([[1.0, 0.0]]), as_tensor([[3.0, 0.0]])).tolist()
    [-1.0]
    """

    name = "cosine_similarity"

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets of the shape of the predictions, several a sample."""
        if prediction.ndim < 2 or prediction.shape[-1] < 2:
            raise ArgumentError(
                "loss",
                f"{self.name!r} for a network with one output",
                "several outputs, a direction",
                "For one quantity use loss='squared_error'.",
            )
        return like_output(y, prediction)

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        y = reshape(y, prediction.shape)
        return per_sample(-sum_(_direction(y) * _direction(prediction), axis=-1))

    def reading(self, y: Array) -> Reading:
        """Return how metrics are to read the output."""
        return Reading(self.expects)


def _direction(x: Tensor) -> Tensor:
    return x * rsqrt(maximum(sum_(square(x), axis=-1, keepdims=True), 1e-12))
