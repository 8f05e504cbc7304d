"""What losses have in common, and any function as a loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.keywords import Explained
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.types import Array, ArrayType, Dtype, Shape
from chainrule.losses.output import LastLayer, Output, Reading, check_reach
from chainrule.losses.targets import as_array, like_output
from chainrule.ops.elementwise import log, maximum, where
from chainrule.ops.functional import clip
from chainrule.ops.reduce import mean
from chainrule.ops.reduce import sum as sum_
from chainrule.ops.shape import reshape


class Loss(Explained):
    """A loss of each sample.

    ``check`` looks at all targets once, before training, and brings them into the form that
    ``__call__`` expects. Subclass it for a loss with settings; a function of (y, prediction) is
    enough for one without.
    """

    name: str
    #: Names of the constructor's arguments; each is an attribute, too.
    settings: ClassVar[tuple[str, ...]] = ()

    @property
    def expects(self) -> Output | None:
        """What the network's output has to be; ``None`` where anything may come."""
        return Output.VALUES

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets that fit the network's output.

        Args:
            y: targets, one a sample.
            prediction: type of the network's output for one batch.

        Raises:
            ArgumentError: targets that do not fit.
        """
        raise NotImplementedError

    def check_last_layer(self, last: LastLayer, y: Array) -> None:
        """Refuse a last layer that surely makes another thing than the loss expects.

        Args:
            last: the network's last layer.
            y: all targets, as ``check`` returned them.

        Raises:
            ArgumentError: with the usual fix.
        """

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample.

        Args:
            y: targets, shape (n, ...).
            prediction: output of the network, shape (n, ...).

        Returns:
            Shape (n,).
        """
        raise NotImplementedError

    def reading(self, y: Array) -> Reading:
        """Return how metrics are to read the output, given all (checked) targets."""
        return Reading(self.expects)

    def probabilities(self, prediction: Tensor) -> Tensor | None:
        """Return the probabilities that an output stands for, or ``None`` for a quantity."""
        return None

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {name: getattr(self, name) for name in self.settings}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({given})"


class UnitLoss(Loss):
    """A loss that is the mean over the units: ``L = (1/m) Σⱼ each(yⱼ, ŷⱼ)``."""

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each unit.

        Args:
            y: targets, in the shape of ``prediction``.
            prediction: output of the network, shape (n, ...).

        Returns:
            The same shape.
        """
        raise NotImplementedError

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets of the shape of the predictions."""
        return like_output(y, prediction)

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        # (n,) beside (n, 1) must not broadcast to (n, n).
        return per_sample(self.each(reshape(y, prediction.shape), prediction))

    def check_last_layer(self, last: LastLayer, y: Array) -> None:
        """Refuse targets that the last layer cannot give, where they are what it should give."""
        if self.expects is Output.VALUES:
            check_reach(y, last)

    def reading(self, y: Array) -> Reading:
        """Return how metrics are to read the output: targets -1 and 1 make it scores."""
        signed = self.expects is Output.VALUES and y.size and np.isin(y, (-1, 1)).all()
        return Reading(Output.SCORES if signed and y.min() < 0 else self.expects)


class CustomLoss(Loss):
    """A function of (y, prediction) as a loss.

    Args:
        function: returns the loss of each sample, shape (n,), or their mean, shape (). Targets
            that are as many as the outputs reach it in the shape and the dtype of the prediction.

    >>> from chainrule.ops.elementwise import square
    >>> loss = CustomLoss(lambda y, prediction: square(y - prediction).sum(axis=1))
    >>> loss(as_tensor([[1.0, 2.0]]), as_tensor([[1.0, 4.0]])).tolist()
    [4.0]
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", "custom")

    @property
    def expects(self) -> Output | None:
        """Only the function knows."""
        return None

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets that broadcast with the predictions as one expects.

        Where there is one target an output, they get its shape, (n,) beside (n, 1), and its dtype.
        Others, such as labels beside several outputs, stay as they came.
        """
        targets = as_array(y)
        outputs = prediction.shape[1:]
        if targets.ndim and _without_ones(targets.shape[1:]) == _without_ones(outputs):
            return targets.reshape(len(targets), *outputs).astype(prediction.dtype)
        return targets.astype(prediction.dtype) if targets.dtype.kind == "f" else targets

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        loss = as_tensor(self.function(y, prediction))
        if loss.ndim > 1 and loss.shape == (prediction.shape[0], *[1] * (loss.ndim - 1)):
            return reshape(loss, loss.shape[:1])  # one number a sample, in a column
        if loss.shape not in ((), (prediction.shape[0],)):
            raise ShapeError(
                f"result of the loss {self.name!r}",
                f"shape {loss.shape}",
                f"one number a sample, shape ({prediction.shape[0]},), or their mean, shape ()",
            )
        return loss

    def config(self) -> dict[str, Any]:
        """Refuse: a function cannot be written down."""
        raise ArgumentError("loss", f"the function {self.name!r}", "one of Chainrule's own losses")

    def __repr__(self) -> str:
        return f"CustomLoss({self.name})"


def _without_ones(shape: Shape) -> Shape:
    """Return a shape without the axes of size 1 at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


# Parts of equations --------------------------------------------------------------------------


def per_sample(x: Tensor) -> Tensor:
    """Return the mean over all axes but the first: shape (n, ...) → (n,)."""
    return x if x.ndim == 1 else mean(x, axis=tuple(range(1, x.ndim)))


def floor_of(dtype: Dtype) -> float:
    """Return the probability below which logarithms go no further: about 1e-30, or 1e-300."""
    return float(np.finfo(dtype).tiny) * 1e8


def clipped(p: Tensor, epsilon: float) -> Tensor:
    """Keep probabilities from 0, so that their logarithm is finite.

    Without ``epsilon`` only what a float can hardly hold is changed, and gradients of confident
    mistakes stay. With it p is clipped to [ε, 1 - ε], as Keras does with ε = 1e-7.
    """
    if epsilon:
        return clip(p, epsilon, 1.0 - epsilon)
    return maximum(p, floor_of(p.dtype))


def log_of_complement(p: Tensor) -> Tensor:
    """Return log(1 - p), finite at p = 1."""
    return log(maximum(1.0 - p, floor_of(p.dtype)))


def log_normalized(p: Tensor, epsilon: float) -> Tensor:
    """Return ``log(p / Σⱼ pⱼ)``: as Keras does, rows are made to sum to 1 first.

    Rows without any probability stay as they are.
    """
    total = sum_(p, axis=-1, keepdims=True)
    total = where(total > floor_of(p.dtype), total, 1.0)
    return log(clipped(p / total, epsilon)) if epsilon else log(clipped(p, 0.0)) - log(total)


def between(
    argument: str, value: Any, low: float, high: float, closed: tuple[bool, bool] = (True, True)
) -> float:
    """Return a number from an interval as a Python float.

    Raises:
        ArgumentError: anything else.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if is_number and low <= value <= high:
        ends = (value == low and not closed[0]) or (value == high and not closed[1])
        if not ends and math.isfinite(value):
            return float(value)
    left, right = "[" if closed[0] else "(", "]" if closed[1] and math.isfinite(high) else ")"
    bound = f"{high:g}" if math.isfinite(high) else "∞"
    raise ArgumentError(argument, repr(value), f"a number in {left}{low:g}, {bound}{right}")


# Which last layer before which loss -----------------------------------------------------------


def refuse_twice(
    loss: Loss, last: LastLayer, refused: tuple[str, ...], applies: str, kept: str = ""
) -> None:
    """Raise ``ArgumentError`` for an activation that the loss applies itself.

    Args:
        loss: the loss.
        last: the network's last layer.
        refused: names of the activations that come twice then.
        applies: what the loss does itself.
        kept: settings of the loss with which the activation may stay.
    """
    if last.activation in refused:
        assert loss.expects is not None
        also = f", or keep it and use loss=cr.losses.{type(loss).__name__}({kept})" if kept else ""
        raise ArgumentError(
            "loss",
            f"{loss.name!r}, which expects {loss.expects.value} and {applies} itself, for {last}",
            "a last layer without an activation",
            f"Leave the activation out, as in cr.Dense({last.units}){also}.",
        )


def refuse_outside(
    loss: Loss, last: LastLayer, low: float, high: float, wanted: str, instead: str
) -> None:
    """Raise ``ArgumentError`` for a last layer that leaves the interval which the loss expects."""
    if low <= last.low and last.high <= high:
        return
    assert loss.expects is not None
    reach = [f"{end:g}" if math.isfinite(end) else "∞" for end in (abs(last.low), last.high)]
    raise ArgumentError(
        "loss",
        f"{loss.name!r} of {loss.expects.value}, for {last}, whose values reach from "
        f"{'-' if last.low < 0 else ''}{reach[0]} to {reach[1]}",
        f"a last layer with {wanted!r}",
        f"Give the last layer that activation, or none and the loss {instead}.",
    )
