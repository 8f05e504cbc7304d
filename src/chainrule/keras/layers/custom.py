"""Layers of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import as_dtype
from chainrule.keras import constraints, initializers, regularizers
from chainrule.keras.arguments import renamed
from chainrule.keras.layers.base import COMMON, Adapted, _of_shape, dtype_name
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
)
from chainrule.keras.variables import Variable


class Layer(Adapted):
    """A layer of your own, as Keras has it: make weights in ``build``, and write ``call``.

    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...
    ...     def call(self, x):
    ...         return x * self.gain
    >>> Scale()([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    """

    takes_several = True
    _call_takes_training = False

    def __init__(self, **arguments: Any) -> None:
        self.adopt(renamed(type(self).__name__, arguments, {}, COMMON))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        build: Any = vars(cls).get("build")
        if build is not None and not hasattr(build, "__wrapped__"):
            cls.build = _of_shape(build)  # type: ignore[method-assign, assignment]
        if cls.forward is not Layer.forward and "call" in vars(cls):
            cls.forward = Layer.forward  # type: ignore[method-assign]
        accepted = inspect.signature(cls.call).parameters.values()
        cls._call_takes_training = any(
            a.name == "training" or a.kind is a.VAR_KEYWORD for a in accepted
        )

    def add_weight(
        self,
        shape: Sequence[int] | int | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Variable:
        """Return a new parameter; put it into an attribute.

        Args:
            shape: its shape.
            initializer: its initial value (default: ``"glorot_uniform"``).
            dtype: its dtype (default: that of the input).
            trainable: whether training changes it.
            autocast: not needed.
            regularizer: its penalty.
            constraint: what it is brought back to after each update.
            aggregation: not needed.
            name: its name.
        """
        if isinstance(shape, str):
            raise ArgumentError(
                "shape", repr(shape), "sizes, such as (4,)", "Keras 2 had the name first: name=."
            )
        sizes = (shape,) if isinstance(shape, int) else tuple(shape or ())
        kind = as_dtype(dtype_name(dtype)) if dtype is not None else self._float_dtype()
        found = initializers.get("glorot_uniform" if initializer is None else initializer)
        parameter = Variable(found, sizes, kind, trainable, name or "weight")
        penalties: list[Any] = self.__dict__.setdefault("_penalties", [])
        penalties.append((regularizers.get(regularizer), parameter))
        limit = constraints.get(constraint)
        if limit is not None:
            self.__dict__.setdefault("_constraints", {})[parameter] = limit
        return parameter

    add_variable = add_weight

    def _float_dtype(self) -> Any:
        return self._dtype if self._dtype.kind == "f" else self.dtype_or_default

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return the parameters of ``add_weight`` with their regularizers."""
        found: list[Any] = vars(self).get("_penalties", [])
        return found

    def call(self, *args: Any, **options: Any) -> Any:
        """Compute the output; to be written by a subclass."""
        raise ChainruleError(f"{type(self).__name__} has no call(self, inputs)")

    def forward(self, x: Tensor, training: bool = False) -> Any:
        """Compute the output by ``call``."""
        inputs, given = self._given
        if self._call_takes_training:
            given = {**given, "training": training}
        return self.call(x if inputs is None else inputs, **given)

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor that a file can hold.

        Raises:
            ArgumentError: there are others.
        """
        kept = self._given_to_init
        accepted = inspect.signature(type(self).__init__).bind(self, *kept.args, **kept.options)
        given: dict[str, Any] = {}
        for name, value in list(accepted.arguments.items())[1:]:
            is_rest = isinstance(value, dict) and name not in kept.options
            given |= value if is_rest else {name: value}
        given = {n: v for n, v in given.items() if n not in COMMON}
        try:
            return {name: serialize_keras_object(value) for name, value in given.items()}
        except ArgumentError as error:
            raise ArgumentError(
                f"config of {type(self).__name__}",
                error.came,
                "get_config(), which returns the arguments of __init__",
                "Write it: return {**super().get_config(), 'units': self.units}.",
            ) from None

    def get_config(self) -> dict[str, Any]:
        """Return the name and its kin; where a subclass does not write this, all arguments."""
        written = type(self).get_config is not Layer.get_config
        return {**self.common_config(), **({} if written else self.config())}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer from what ``get_config`` returned."""
        if cls.get_config is Layer.get_config:
            config = {
                name: deserialize_keras_object(value)
                if is_serialized(value) and name != "dtype"
                else value
                for name, value in config.items()
            }
        return cls(**config)
