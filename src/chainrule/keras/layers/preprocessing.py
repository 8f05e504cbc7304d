"""Layers without neurons that change numbers: identity, rescaling, normalization, functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.core.tensor import Parameter, Tensor, as_tensor, known
from chainrule.core.types import FLOAT64, Array, ArrayType
from chainrule.keras.layers.base import Adapted, translated
from chainrule.keras.serialization import deserialize_keras_object, serialize_keras_object
from chainrule.ops.elementwise import maximum, sqrt
from chainrule.ops.promotion import as_float
from chainrule.ops.shape import reshape


@translated()
class Identity(Adapted):
    """Let the input pass.

    >>> Identity()([1.0]).tolist()
    [1.0]
    """

    takes_integers = True

    def __init__(self) -> None:
        pass

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Return the input."""
        return x

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor: none."""
        return {}


@translated()
class Rescaling(Adapted):
    """Scale and shift: ``y = s x + o``.

    >>> Rescaling(0.5, offset=1.0)([4.0]).tolist()
    [3.0]
    """

    def __init__(self, scale: Any, offset: Any = 0.0) -> None:
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``s x + o``."""
        scale, offset = (_number(v, x) for v in (self.scale, self.offset))
        y: Tensor = x * scale + offset
        return y


def _number(value: Any, x: Tensor) -> Any:
    return value if isinstance(value, int | float) else as_tensor(value, x.dtype)


@translated()
class Normalization(Adapted):
    """Bring features to mean 0 and variance 1, as ``adapt`` has seen them: ``y = (x - μ) / σ``.

    Args:
        axis: the axes of the features, which have their own μ and σ; ``None``: one for all.
        mean: μ, if it is known without ``adapt``.
        variance: σ², likewise.
        invert: whether to go back: ``y = σ x + μ``.

    >>> layer = Normalization()
    >>> layer.adapt([[1.0], [3.0]])
    >>> layer([[1.0], [5.0]]).tolist()
    [[-1.0], [3.0]]
    """

    has_weight_matrices = False

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
    ) -> None:
        axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ArgumentError("variance" if variance is None else "mean", "None", "both of them")
        self.axis, self.invert = axes, bool(invert)
        self.input_mean, self.input_variance = mean, variance
        self.mean: Parameter | None = None
        self.variance: Parameter | None = None
        self.count: Parameter | None = None

    def build(self, input_type: Any) -> None:
        """Make μ and σ², as parameters that are not trained."""
        if isinstance(input_type, ArrayType):
            kept = self._kept(input_type.ndim)
            shape = tuple(input_type.shape[i] for i in kept)
            values: list[Array] = [np.zeros(shape), np.ones(shape)]
            if self.input_mean is not None:
                given = (self.input_mean, self.input_variance)
                values = [np.broadcast_to(np.asarray(v, FLOAT64), shape) for v in given]
            dtype = input_type.dtype if input_type.dtype.kind == "f" else self.dtype_or_default
            self.mean, self.variance = (
                Parameter(value.astype(dtype), name, trainable=False)
                for value, name in zip(values, ("mean", "variance"), strict=True)
            )
            if self.input_mean is None:
                self.count = Parameter(np.zeros(()), "count", trainable=False)
        super().build(input_type)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take μ and σ² from samples, anew.

        Args:
            data: samples, batch first.
            batch_size: not needed: it is one step.
            steps: not needed.
        """
        if self.input_mean is not None:
            raise ChainruleError("this layer was given its mean and its variance: nothing to adapt")
        x = np.asarray(known(as_tensor(data, FLOAT64), "data"), FLOAT64)
        x = x[:, None] if x.ndim == 1 else x
        if not self._is_built:
            self(as_tensor(x.astype(self.dtype_or_default)))
        kept = self._kept(x.ndim)
        assert self.mean is not None
        assert self.variance is not None
        assert self.count is not None
        if tuple(x.shape[i] for i in kept) != self.mean.shape:
            raise ShapeError("data", f"shape {x.shape}", f"features of shape {self.mean.shape}")
        axes = tuple(i for i in range(x.ndim) if i not in kept)
        self.mean.assign(x.mean(axis=axes))
        self.variance.assign(x.var(axis=axes))
        self.count.assign(float(x.size // max(self.mean.size, 1)))

    def _kept(self, ndim: int) -> list[int]:
        return sorted(a % ndim for a in self.axis)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``(x - μ) / σ``, or back."""
        assert self.mean is not None
        assert self.variance is not None
        kept = self._kept(x.ndim)
        shape = tuple(n if i in kept else 1 for i, n in enumerate(x.shape))
        mean, variance = reshape(self.mean.value, shape), reshape(self.variance.value, shape)
        deviation = maximum(sqrt(variance), 1e-7)
        return x * deviation + mean if self.invert else (x - mean) / deviation


@translated()
class Lambda(Adapted):
    """Any function as a layer; files hold it only if it has a name that they may know.

    Args:
        function: of a tensor, and of the ``arguments``.
        output_shape: not needed.
        mask: not needed.
        arguments: further arguments by name.

    >>> Lambda(lambda x: x**2)([3.0]).tolist()
    [9.0]
    """

    takes_several = True

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(function):
            raise ArgumentError("function", f"a {type(function).__name__}", "a function")
        self.function, self.arguments = function, dict(arguments or {})
        accepted = inspect.signature(function).parameters if _has_signature(function) else {}
        self._passes_training = "training" in accepted

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Compute the function."""
        also = {"training": training} if self._passes_training else {}
        return as_float_all(self.function(inputs, **self.arguments, **also))

    def forward(self, x: Tensor, training: bool = False) -> Any:
        """Compute the function."""
        inputs, _ = self._given
        return self.call(x if inputs is None else inputs, training)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values, and the name.

        Raises:
            ArgumentError: a lambda.
        """
        return {
            **self.common_config(),
            "function": serialize_keras_object(self.function),
            "arguments": serialize_keras_object(self.arguments),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Lambda:
        """Make a layer from what ``get_config`` returned."""
        function = deserialize_keras_object(config["function"])
        if isinstance(function, str):
            from chainrule.keras import ops  # which makes layers of its functions

            function = getattr(ops, function)
        return cls(**{**config, "function": function})


def as_float_all(result: Any) -> Any:
    """Return what a function returned as tensors."""
    if isinstance(result, list | tuple):
        return [as_float(one) for one in result]
    return as_float(result)


def _has_signature(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True
