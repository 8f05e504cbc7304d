"""What Keras's metrics have in common: update_state, result, reset_state."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chainrule import metrics as core
from chainrule.core.errors import DtypeError, ShapeError
from chainrule.core.tensor import Operand
from chainrule.core.types import Array
from chainrule.keras import initializers
from chainrule.keras.arguments import snake
from chainrule.keras.layers.base import dtype_name
from chainrule.keras.losses.base import fitted_shape, record_arguments
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_own,
    serialize_keras_object,
    without_unknown,
)
from chainrule.keras.variables import Variable
from chainrule.metrics.base import ExactSum


class _Begun(type):
    """Calls ``reset_state`` once the constructor is through, so that a metric begins empty."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        made = super().__call__(*args, **options)
        if cls.reset_state is not Metric.reset_state:  # type: ignore[attr-defined]
            made.reset_state()
        return made


class Metric(core.Metric, metaclass=_Begun):
    """A metric with Keras's methods; write ``update_state`` and ``result``.

    What it gathers is kept in variables, made by ``add_weight`` in the constructor and set to zero
    by ``reset_state``; a metric that keeps other things writes ``reset_state``, too. A model that
    is compiled with a metric resets it at the beginning of each pass over the data; the same
    object holds the latest result.

    Args:
        name: name in logs.
        dtype: not needed: metrics compute in float64.

    >>> class Total(Metric):
    ...     def __init__(self, name="total", **options):
    ...         super().__init__(name=name, **options)
    ...         self.sum = self.add_weight(name="sum", initializer="zeros")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.sum.assign_add(np.sum(y_pred))
    ...
    ...     def result(self):
    ...         return self.sum
    >>> Total()([0.0], [2.0, 1.0])
    3.0
    """

    #: Name of Chainrule's own metric that does the same in a saved model.
    core_name: ClassVar[str] = ""
    _arguments: Mapping[str, Any]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        if name is not None and not isinstance(name, str):
            raise DtypeError("name", f"a {type(name).__name__}", "text")
        self.name = name or snake(type(self).__name__)
        self._dtype = dtype_name(dtype) or "float32"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "joins_batches" not in vars(cls):  # of the user's, nobody knows
            cls.joins_batches = is_own(cls)
        if is_own(cls) and "__init__" in vars(cls):
            record_arguments(cls)
        result: Any = vars(cls).get("result")
        if result is not None:

            @functools.wraps(result)
            def in_numpy(self: Any) -> Any:
                return _plain(result(self))

            cls.result = in_numpy  # type: ignore[method-assign]

    @property
    def dtype(self) -> str:
        """The dtype that was given."""
        return str(self._dtype)

    @property
    def variables(self) -> list[Variable]:
        """What ``add_weight`` has made."""
        made: list[Variable] = vars(self).setdefault("_variables", [])
        return made

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Return a new variable, which ``reset_state`` sets to zero; in float64 by default."""
        if isinstance(shape, str):  # Keras 2 had the name first
            shape, name = (), shape
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        found = initializers.get("zeros" if initializer is None else initializer)
        kind = "float64" if dtype is None else dtype_name(dtype)
        made = Variable(found, sizes, kind, trainable=False, name=name)
        self.variables.append(made)
        return made

    def add_variable(
        self,
        shape: Sequence[int] | int = (),
        initializer: Any = None,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Return a new variable; see ``add_weight``."""
        return self.add_weight(shape, initializer, dtype, name)

    def update_state(self, *args: Any, **options: Any) -> None:
        """Take in a batch: y_true, y_pred, and sample_weight if there is one."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state()")

    def reset_state(self) -> None:
        """Set the variables to zero."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape))

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
        """Return the arguments of the constructor."""
        given = vars(self).get("_arguments", {})
        described = {n: _listed(v) for n, v in given.items() if n not in ("name", "dtype")}
        return {"name": self.name, "dtype": self.dtype, **described}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric from what ``get_config`` returned, Keras's own too."""
        return cls(**without_unknown(config, {"axis": -1, "ignore_class": None}))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _plain(result: Any) -> Any:
    """Return a result as Chainrule's logs hold it: a number, or an array."""
    if isinstance(result, Operand):
        array = np.asarray(result)
        return array if array.ndim else float(array)
    return result


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


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

    joins_batches = False  # the function may give a batch's mean

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **arguments: Any
    ) -> None:
        self._function, self._function_arguments = fn, arguments
        super().__init__(name or getattr(fn, "__name__", None), dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p, y = np.asarray(y_pred), np.asarray(y_true)
        values = self._function(
            y.reshape(fitted_shape(y.shape, p.shape)), p, **self._function_arguments
        )
        self.take(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the function and its arguments, as JSON values."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "fn": serialize_keras_object(self._function),
            **self._function_arguments,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric from what ``get_config`` returned."""
        return cls(**{**config, "fn": deserialize_keras_object(config["fn"])})


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
