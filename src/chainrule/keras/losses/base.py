"""What Keras's losses have in common, and how a model is compiled with one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from chainrule import losses as core
from chainrule.core.errors import ArgumentError, ShapeError, nearest
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.types import Array, ArrayType, Shape
from chainrule.keras.arguments import unknown_argument
from chainrule.keras.logits import logits_of
from chainrule.keras.serialization import is_own, serialize_keras_object, without_unknown
from chainrule.ops.promotion import as_float, cast
from chainrule.ops.reduce import mean
from chainrule.ops.reduce import sum as sum_
from chainrule.ops.shape import reshape

#: Keras's ε: probabilities are clipped to [ε, 1 - ε] where their logits are not known.
EPSILON = 1e-7

_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """A loss: subclass it, and write ``call(y_true, y_pred)``, the loss of each sample.

    Args:
        name: its name.
        reduction: ``"sum_over_batch_size"``, the mean, or ``"sum"``; ``None``: no reduction (in
            ``fit`` the mean).
        dtype: not needed: losses compute in the dtype of the prediction.

    Raises:
        ArgumentError: an unknown reduction.

    >>> class Cubic(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return abs(y_pred - y_true) ** 3.0
    >>> Cubic()([0.0], [2.0]).item()
    8.0
    """

    #: Chainrule's own loss that does the same, where there is one.
    core: core.Loss | None = None

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if reduction not in _REDUCTIONS:
            hint = nearest(str(reduction), [r for r in _REDUCTIONS if r])
            known = ", ".join(repr(r) for r in _REDUCTIONS)
            raise ArgumentError("reduction", repr(reduction), f"one of {known}", hint)
        self.name = name or type(self).__name__.lower()
        self.reduction = reduction

    def fitted(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return targets in the prediction's rank and dtype, so that they cannot broadcast."""
        return cast(reshape(y, fitted_shape(y.shape, prediction.shape)), prediction.dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample; to be written by a subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no call(self, y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """Return the reduced loss, ``(1/n) Σ w L`` by default.

        Args:
            y_true: targets.
            y_pred: predictions.
            sample_weight: w, one a sample.
        """
        p = as_float(y_pred)
        losses = as_tensor(self.call(self.fitted(as_tensor(y_true), p), p))
        if sample_weight is not None:
            w = as_tensor(np.asarray(sample_weight, losses.dtype))
            if w.ndim and w.shape[0] != losses.shape[0]:
                raise ShapeError("sample_weight", f"shape {w.shape}", f"{losses.shape[0]} weights")
            w = reshape(w, (*w.shape[:1], *[1] * (losses.ndim - 1))) if w.ndim else w
            losses = losses * w
            if self.reduction == "mean_with_sample_weight":
                return sum_(losses) / sum_(w + losses * 0.0)
        if self.reduction in (None, "none"):
            return losses
        return sum_(losses) if self.reduction == "sum" else mean(losses)

    def get_config(self) -> dict[str, Any]:
        """Return the name and the reduction."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a loss from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class KnownLoss(Loss):
    """A loss that Chainrule has, from probabilities or from logits."""

    _arguments: Mapping[str, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if is_own(cls) and "__init__" in vars(cls):
            record_arguments(cls)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        given = {n: v for n, v in self._arguments.items() if n != "dtype"}
        return {**given, **super().get_config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a loss from what ``get_config`` returned; Keras's own files are understood, too."""
        return cls(**without_unknown(config, {"axis": -1, "ignore_class": None}))

    def fitted(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the targets as they are: ``call`` brings them into form."""
        return y

    #: ``"softmax"`` or ``"sigmoid"``, where logits can take the place of probabilities.
    kind = ""
    #: The same loss from logits.
    from_logits_core: core.Loss | None = None
    _is_probability = False

    def _adopt(
        self,
        make: Callable[..., core.Loss],
        kind: str = "",
        from_logits: bool = False,
        **settings: Any,
    ) -> None:
        """Make Chainrule's loss; of two kinds, from probabilities and from logits."""
        self.kind = kind
        if not kind:
            self.core = make(**settings)
        elif from_logits:
            self.core = self.from_logits_core = make(from_logits=True, **settings)
        else:
            self.core = make(from_logits=False, epsilon=EPSILON, **settings)
            self.from_logits_core = make(from_logits=True, **settings)
            self._is_probability = True

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the loss of each sample: the mean over the last axis."""
        p = as_float(y_pred)
        flat = p if p.ndim == 2 else reshape(p, (-1 if p.size else 0, p.shape[-1] if p.ndim else 1))
        y = self._targets(y_true, p, flat)
        return reshape(self.each(y, p, flat), p.shape[:-1])

    def each(self, y: Tensor, prediction: Tensor, flat: Tensor | None = None) -> Tensor:
        """Return the loss of each row.

        Args:
            y: targets, as ``core.check`` returns them.
            prediction: the very output of the network, by which its logits are found.
            flat: the same as rows.
        """
        assert self.core is not None
        z = logits_of(prediction, self.kind) if self._is_probability else None
        if z is None:
            return self.core(y, prediction if flat is None else flat)
        assert self.from_logits_core is not None
        return self.from_logits_core(y, z if flat is None else reshape(z, flat.shape))

    def _targets(self, y_true: Any, p: Tensor, flat: Tensor) -> Tensor:
        assert self.core is not None
        y = as_tensor(y_true)
        n = flat.shape[0]
        if y.ndim == p.ndim and y.size == p.size:
            y = reshape(y, flat.shape)
        elif y.size == n:
            y = reshape(y, (n,))
        if y.data is None:
            return y
        return Tensor(self.core.check(np.asarray(y), flat.type))


class Bound(core.Loss):
    """One of Keras's losses as Chainrule's: what a model is compiled with.

    Args:
        loss: a loss of this module, or one that a user has written.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.name = loss.name

    @property
    def expects(self) -> core.Output | None:
        """What the network's output has to be."""
        return None if self.loss.core is None else self.loss.core.expects

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return targets that fit the network's output."""
        if self.loss.core is not None:
            return self.loss.core.check(y, prediction)
        targets = core.CustomLoss(self.loss.call).check(y, prediction)
        # As in Keras, functions get floats: of labels, too.
        shape = fitted_shape(targets.shape, (len(targets), *prediction.shape[1:]))
        return targets.reshape(shape).astype(prediction.dtype)

    def check_last_layer(self, last: Any, y: Array) -> None:
        """Refuse a last layer that surely makes another thing than the loss expects."""
        if self.loss.core is not None:
            self.loss.core.check_last_layer(last, y)

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        loss = self.loss
        if isinstance(loss, KnownLoss) and type(loss).call is KnownLoss.call:
            losses = loss.each(y, prediction)
        else:
            losses = as_tensor(loss.call(y, prediction))
            if losses.ndim > 1:
                losses = mean(losses, axis=tuple(range(1, losses.ndim)))
        if losses.shape not in ((), (prediction.shape[0],)):
            raise ShapeError(
                f"result of the loss {self.name!r}",
                f"shape {losses.shape}",
                f"one number a sample, shape ({prediction.shape[0]},), or their mean, shape ()",
            )
        # The model takes the mean over the batch.
        return losses * float(prediction.shape[0]) if loss.reduction == "sum" else losses

    def reading(self, y: Array) -> core.Reading:
        """Return how metrics are to read the output."""
        return core.Reading() if self.loss.core is None else self.loss.core.reading(y)

    def probabilities(self, prediction: Tensor) -> Tensor | None:
        """Return the probabilities that an output stands for."""
        return None if self.loss.core is None else self.loss.core.probabilities(prediction)

    def config(self) -> dict[str, Any]:
        """Return the configuration of Keras's loss."""
        return self.loss.get_config()


class FunctionLoss(Loss):
    """A function of (y_true, y_pred) as a loss."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(getattr(function, "__name__", "custom"))
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return what the function returns."""
        return self.function(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the name of the function."""
        return {"function": serialize_keras_object(self.function)}


def fitted_shape(y: Shape, prediction: Shape) -> Shape:
    """Return the shape that targets take beside a prediction: with or without a last axis of 1.

    >>> fitted_shape((5,), (5, 1)), fitted_shape((5, 1), (5,)), fitted_shape((5,), (5, 3))
    ((5, 1), (5,), (5,))
    """
    if len(y) + 1 == len(prediction) and prediction[-1] == 1:
        return (*y, 1)
    if len(y) == len(prediction) + 1 and y[-1] == 1:
        return y[:-1]
    return y


def record_arguments(kind: Any) -> None:
    """Let a class keep what its constructor was given, defaults among them."""
    init: Any = kind.__init__
    signature = inspect.signature(init)

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(self, *args, **given)
        except TypeError:
            known = list(signature.parameters)[1:]
            wrong = next((name for name in given if name not in known), None)
            if wrong is None:
                raise
            raise unknown_argument(kind.__name__, wrong, known) from None
        bound.apply_defaults()
        if "_arguments" not in vars(self):
            arguments = dict(list(bound.arguments.items())[1:])
            vars(self)["_arguments"] = arguments | arguments.pop("options", {})
        init(self, *args, **given)

    kind.__init__ = __init__
