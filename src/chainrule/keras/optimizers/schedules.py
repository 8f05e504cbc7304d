"""Learning-rate schedules under Keras's names; a subclass of ``LearningRateSchedule`` is one, too.

>>> float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(10))
0.05
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor, known
from chainrule.keras.arguments import missing
from chainrule.keras.serialization import deserialize_keras_object, serialize_keras_object
from chainrule.optim import schedules as core
from chainrule.optim.schedules import Schedule

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


class LearningRateSchedule(Schedule):
    """A schedule of your own: subclass it, and write ``__call__(step)``.

    >>> class Falling(LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 / (step + 1)
    >>> Falling()(0)
    0.5
    """

    @property
    def is_python(self) -> bool:
        """Python code runs at each step."""
        return True

    @property
    def is_named(self) -> bool:
        """Whether a file can name it: it is code."""
        return False

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; to be written by a subclass that has some."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a schedule from what ``get_config`` returned."""
        return cls(**config)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        call: Any = vars(cls).get("__call__")
        if call is not None:

            def with_number(self: Any, step: Any) -> Any:
                if isinstance(step, int):
                    return call(self, step)
                return call(self, int(known(step.tensor(), "a schedule that is code").item()))

            with_number.__doc__ = call.__doc__
            cls.__call__ = with_number  # type: ignore[method-assign]

    def rate(self, t: Tensor) -> Tensor:
        """Return the learning rate of step t."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(self, step)")


class _Named(Schedule):
    """One of Chainrule's own schedules with Keras's arguments; files name Chainrule's."""

    name: str = ""

    @property
    def is_named(self) -> bool:
        """Whether a file can name it."""
        return True

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        config = {n: v for n, v in self.config().items() if n != "type"}
        return {**config, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a schedule from what ``get_config`` returned."""
        return cls(**config)

    def _call_it(self, name: str | None) -> None:
        object.__setattr__(self, "name", name or type(self).__name__)


class ExponentialDecay(_Named, core.ExponentialDecay):
    """``α₀ r^(t / n)``; with ``staircase``, the exponent is a whole number.

    >>> float(ExponentialDecay(0.1, 10, 0.5)(10))
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "ExponentialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase)
        self._call_it(name)


class InverseTimeDecay(_Named, core.InverseTimeDecay):
    """``α₀ / (1 + r t / n)``; with ``staircase``, the ratio is a whole number.

    >>> float(InverseTimeDecay(0.1, 10, 1.0)(10))
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase)
        self._call_it(name)


class PolynomialDecay(_Named, core.PolynomialDecay):
    """From α₀ to the end, by a power of the share of the steps that is left.

    >>> float(PolynomialDecay(0.1, 10, 0.0)(5))
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 1e-4,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = "PolynomialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, end_learning_rate, power, cycle)
        self._call_it(name)


class PiecewiseConstantDecay(_Named, core.PiecewiseConstantDecay):
    """One rate between two boundaries, another one after.

    >>> float(PiecewiseConstantDecay([5], [0.1, 0.01])(6))
    0.01
    """

    def __init__(
        self,
        boundaries: Sequence[int],
        values: Sequence[float],
        name: str | None = "PiecewiseConstant",
    ) -> None:
        super().__init__(boundaries, values)
        self._call_it(name)


class CosineDecay(_Named, core.CosineDecay):
    """Half a cosine wave, after a warm-up if one is wanted; arguments in Keras's order.

    >>> float(CosineDecay(0.1, 10)(10))
    0.0
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps)
        self._call_it(name)


class CosineDecayRestarts(_Named, core.CosineDecayRestarts):
    """Half cosine waves, each longer and lower than the one before.

    >>> float(CosineDecayRestarts(0.1, 10)(10))
    0.1
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = "SGDRDecay",
    ) -> None:
        super().__init__(initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha)
        self._call_it(name)


def of_schedule(schedule: Schedule) -> Schedule:
    """Return Keras's form of one of Chainrule's own schedules.

    Raises:
        ArgumentError: Keras has none like it.
    """
    if isinstance(schedule, _Named | LearningRateSchedule):
        return schedule
    kind: Any = globals().get(type(schedule).__name__)
    if kind is None or not isinstance(schedule, kind.__mro__[2]):
        raise ArgumentError(
            "learning_rate", repr(schedule), "one of keras.optimizers.schedules", ""
        )
    return kind(**{n: v for n, v in schedule.config().items() if n != "type"})  # type: ignore[no-any-return]


def serialize(learning_rate_schedule: Any) -> Any:
    """Return a schedule as JSON values."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    return deserialize_keras_object(config, custom_objects)


__getattr__ = missing(__name__, globals())
