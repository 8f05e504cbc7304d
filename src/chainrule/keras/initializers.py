"""Initializers under Keras's names.

>>> get("he_normal")
HeNormal(seed=None)
>>> get("he_normal").get_config()
{'seed': None}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT32, Array, Dtype, Shape
from chainrule.keras.arguments import missing
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
    without_unknown,
)
from chainrule.nn import initializers as core
from chainrule.ops.creation import eye, tensor
from chainrule.ops.shape import broadcast_to


class Initializer(core.Initializer):
    """A function of a shape and a dtype: subclass it, and write ``__call__`` and ``get_config``.

    >>> class Twos(Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return tensor(np.full(shape, 2.0, dtype))
    >>> Twos()((2,), "float32").tolist()
    [2.0, 2.0]
    """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return self.config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make one from what ``get_config`` returned."""
        return cls(**without_unknown(config, {"input_axes": None, "output_axes": None}))

    def clone(self) -> Self:
        """Return another one with the same arguments."""
        return self.from_config(self.get_config())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, core.Initializer) or type(self).__name__ != type(other).__name__:
            return NotImplemented
        return repr(self.config()) == repr(other.config())

    __hash__ = core.Initializer.__hash__


class Zeros(Initializer, core.Zeros):
    """Start at zero.

    >>> Zeros()((2,)).tolist()
    [0.0, 0.0]
    """


class Ones(Initializer, core.Ones):
    """Start at one.

    >>> Ones()((2,)).tolist()
    [1.0, 1.0]
    """


class Constant(Initializer):
    """Start at one value, or at an array that has the shape, or broadcasts to it.

    >>> Constant(0.25)((2,)).tolist(), Constant([[1.0, 2.0]])((2, 2)).tolist()
    ([0.25, 0.25], [[1.0, 2.0], [1.0, 2.0]])
    """

    value: Any

    def __init__(self, value: Any = 0.0) -> None:
        array: Array = np.asarray(value)
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ArgumentError("value", repr(value), "finite numbers")
        object.__setattr__(self, "value", float(array) if array.ndim == 0 else array)

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return the value, in the shape."""
        try:
            return broadcast_to(tensor(self.value, dtype), tuple(shape))
        except ShapeError as error:
            raise ShapeError(
                "value", f"shape {np.shape(self.value)}", f"one that broadcasts to {tuple(shape)}"
            ) from error

    def config(self) -> dict[str, Any]:
        """Return the value."""
        value = self.value
        return {"value": value.tolist() if isinstance(value, np.ndarray) else value}

    def __repr__(self) -> str:
        return f"Constant(value={self.config()['value']})"


class RandomNormal(Initializer, core.RandomNormal):
    """Draw from N(mean, stddev²).

    >>> RandomNormal(0.0, 0.1, seed=0)((2,)).shape
    (2,)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean, stddev, seed=seed)


class TruncatedNormal(Initializer, core.TruncatedNormal):
    """Draw from N(mean, stddev²), cut off at two stddev.

    >>> TruncatedNormal(0.0, 0.1, seed=0)((2,)).shape
    (2,)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean, stddev, seed=seed)


class RandomUniform(Initializer, core.RandomUniform):
    """Draw from U(minval, maxval).

    >>> RandomUniform(0.0, 0.1, seed=0)((2,)).shape
    (2,)
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(minval, maxval, seed=seed)


class VarianceScaling(Initializer, core.VarianceScaling):
    """Draw with the variance scale / n, where n is the number of connections.

    >>> VarianceScaling(2.0, "fan_out")((2, 3)).shape
    (2, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        distribution = {"normal": "truncated_normal"}.get(distribution, distribution)  # Keras 2
        super().__init__(scale, mode, distribution, seed=seed)


class GlorotUniform(Initializer, core.GlorotUniform):
    """Draw uniformly, with the variance 2 / (fan_in + fan_out)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class GlorotNormal(Initializer, core.GlorotNormal):
    """Draw from a normal distribution cut off, with the variance 2 / (fan_in + fan_out)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class HeUniform(Initializer, core.HeUniform):
    """Draw uniformly, with the variance 2 / fan_in."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class HeNormal(Initializer, core.HeNormal):
    """Draw from a normal distribution cut off, with the variance 2 / fan_in."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class LecunUniform(Initializer, core.LecunUniform):
    """Draw uniformly, with the variance 1 / fan_in."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class LecunNormal(Initializer, core.LecunNormal):
    """Draw from a normal distribution cut off, with the variance 1 / fan_in."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class Orthogonal(Initializer, core.Orthogonal):
    """Draw orthonormal rows or columns, times the gain.

    >>> Orthogonal(2.0, seed=0)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(gain, seed=seed)


class Identity(Initializer):
    """A multiple of the identity matrix.

    >>> Identity(2.0)((2, 2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """

    gain: float

    def __init__(self, gain: float = 1.0) -> None:
        object.__setattr__(self, "gain", float(gain))

    def __call__(self, shape: Shape, dtype: Dtype = FLOAT32) -> Tensor:
        """Return gain · I."""
        if len(shape) != 2:
            raise ShapeError("Identity", f"shape {shape}", "a matrix")
        return eye(*shape, dtype=dtype) * self.gain

    def config(self) -> dict[str, Any]:
        """Return the gain."""
        return {"gain": self.gain}

    def __repr__(self) -> str:
        return f"Identity(gain={self.gain})"


OrthogonalInitializer, IdentityInitializer = Orthogonal, Identity
zeros, ones, constant = Zeros, Ones, Constant
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
orthogonal, identity, variance_scaling = Orthogonal, Identity, VarianceScaling
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
normal, uniform, zero, one = RandomNormal, RandomUniform, Zeros, Ones

#: Keras's class for each of Chainrule's own.
_KERAS: dict[type, type[Initializer]] = {
    core.Zeros: Zeros,
    core.Ones: Ones,
    core.Constant: Constant,
    core.RandomNormal: RandomNormal,
    core.TruncatedNormal: TruncatedNormal,
    core.RandomUniform: RandomUniform,
    core.VarianceScaling: VarianceScaling,
    core.GlorotUniform: GlorotUniform,
    core.GlorotNormal: GlorotNormal,
    core.HeUniform: HeUniform,
    core.HeNormal: HeNormal,
    core.LecunUniform: LecunUniform,
    core.LecunNormal: LecunNormal,
    core.Orthogonal: Orthogonal,
}


def get(identifier: Any, argument: str = "initializer") -> Callable[[Shape, Dtype], Tensor]:
    """Return an initializer by its name, or the one that was given.

    Args:
        identifier: a name, an initializer, its class, a function of shape and dtype, an array (the
            initial value), or what ``serialize`` returned.
        argument: what the caller calls it.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.

    >>> get("zeros")
    Zeros()
    """
    if is_serialized(identifier):
        made: Callable[[Shape, Dtype], Tensor] = deserialize_keras_object(identifier)
        return made
    if isinstance(identifier, np.ndarray | Tensor | list):
        return Constant(np.asarray(identifier))
    if isinstance(identifier, str) and identifier.lower() == "identity":
        return Identity()
    if isinstance(identifier, Mapping) and "name" not in identifier:
        raise ArgumentError(
            argument,
            f"a dict with {', '.join(map(repr, identifier)) or 'nothing in it'}",
            "'class_name' and 'config', as initializers.serialize() returns them",
        )
    if isinstance(identifier, type) and callable(identifier):
        return identifier()  # type: ignore[no-any-return]
    found: Any = core.initializer(identifier, argument)
    kind = _KERAS.get(type(found))
    return found if kind is None else kind(**found.config())


def serialize(initializer: Any) -> Any:
    """Return an initializer as JSON values."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    return deserialize_keras_object(config, custom_objects)


def plain(given: Any) -> Any:
    """Return Keras's form of an initializer as Chainrule's own, which its files can name."""
    if not isinstance(given, Initializer):
        return given
    own = next((o for o, kind in _KERAS.items() if type(given) is kind), None)
    if own is None or isinstance(given.config().get("value"), list):
        return given
    return own(**given.config())


def check(given: Any, argument: str) -> Callable[[Shape, Dtype], Tensor]:
    """Return a layer's initializer in Chainrule's own form, where there is one.

    Raises:
        DtypeError: none was given.
    """
    if given is None:
        raise DtypeError(argument, "None", "a name or an initializer")
    found: Callable[[Shape, Dtype], Tensor] = plain(get(given, argument))
    return found


__getattr__ = missing(__name__, globals())
