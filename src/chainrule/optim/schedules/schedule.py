"""What schedules have in common, and what composes them: constants, warm-ups, functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.tensor import Operand, Tensor, TensorLike, as_tensor, known
from chainrule.core.types import FLOAT64
from chainrule.ops.elementwise import maximum, where
from chainrule.ops.promotion import cast
from chainrule.optim.arguments import checked, whole


class Schedule:
    """A learning rate that depends on the step: subclass it, and write ``rate``.

    >>> class InverseRoot(Schedule):
    ...     def rate(self, t):
    ...         return 0.1 / (t + 1.0) ** 0.5
    >>> InverseRoot()(3)
    Tensor(0.05, dtype=float64)
    """

    @property
    def is_python(self) -> bool:
        """Whether Python code must run at each step, so that a compiled step cannot compute it."""
        return False

    @property
    def is_named(self) -> bool:
        """Whether a file can name the schedule; those that are code, it cannot."""
        return SCHEDULES.get(type(self).__name__) is type(self)

    def __call__(self, step: TensorLike) -> Tensor:
        """Return the learning rate.

        Args:
            step: number of steps made before this one: 0 for the first; or an array of such.

        Returns:
            float64 of the shape of ``step``.
        """
        return self.rate(cast(as_tensor(step, FLOAT64), FLOAT64))

    def rate(self, t: Tensor) -> Tensor:
        """Return the learning rate of step t, a float64 tensor, by Chainrule's operations."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return the type and the arguments, as JSON values.

        Raises:
            ArgumentError: the schedule is code, and cannot be written down.
        """
        if not self.is_named:
            raise ArgumentError(
                "learning_rate", f"{self!r}, which is code", f"a number or one of {known_names()}"
            )
        names = [f.name for f in fields(self)]  # type: ignore[arg-type]
        arguments = {name: _plain(getattr(self, name)) for name in names}
        return {"type": type(self).__name__, **arguments}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


#: What an optimizer takes as its learning rate. A mapping is a schedule's ``config``.
Rate: TypeAlias = float | Schedule | Callable[[int], float] | Mapping[str, Any]

#: Schedules that a file may name.
SCHEDULES: dict[str, type[Schedule]] = {}

Kind = TypeVar("Kind", bound=type[Schedule])


def named(kind: Kind) -> Kind:
    """Let files name a schedule."""
    SCHEDULES[kind.__name__] = kind
    return kind


@named
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at all steps: ``α(t) = α₀``.

    >>> Constant(0.1)(7)
    Tensor(0.1, dtype=float64)
    """

    learning_rate: float

    def __post_init__(self) -> None:
        check(self, checked, "learning_rate")

    def rate(self, t: Tensor) -> Tensor:
        """Return α₀, in the shape of t."""
        return t * 0.0 + self.learning_rate


@named
@dataclass(frozen=True)
class Warmup(Schedule):
    """A warm-up before any other schedule, which begins when the warm-up ends.

    ``α(t) = s + (β(0) - s) t / n`` before step n, ``α(t) = β(t - n)`` from step n on

    Args:
        schedule: β, a schedule, a number, or a function of the step.
        steps: n.
        start: s, the rate of step 0.

    >>> Warmup(lambda step: 1.0 / (step + 1), steps=4)([0, 1, 4, 5]).tolist()
    [0.0, 0.25, 1.0, 0.5]

    Source: Goyal et al., arXiv 1706.02677, section 2.2.
    """

    schedule: Schedule
    steps: int
    start: float = 0.0

    def __init__(self, schedule: Rate, steps: int, start: float = 0.0) -> None:
        inner = as_schedule(schedule, "schedule")
        inner = Constant(inner) if isinstance(inner, float) else inner
        keep(self, schedule=inner, steps=whole("steps", steps), start=checked("start", start))

    @property
    def is_python(self) -> bool:
        """Whether the schedule after the warm-up is a Python function."""
        return self.schedule.is_python

    @property
    def is_named(self) -> bool:
        """Whether a file can name the schedule after the warm-up, too."""
        return super().is_named and self.schedule.is_named

    def rate(self, t: Tensor) -> Tensor:
        """Return the rate of the warm-up, or of the schedule after it."""
        rest = self.schedule(maximum(t - self.steps, 0.0))  # β(0) throughout the warm-up
        return where(t < self.steps, self.start + (rest - self.start) * t / self.steps, rest)


@dataclass(frozen=True)
class FunctionOfStep(Schedule):
    """A Python function of the step, which is given an int: ``α(t) = f(t)``.

    >>> FunctionOfStep(lambda step: 0.1 if step < 10 else 0.01)([9, 10]).tolist()
    [0.1, 0.01]
    """

    function: Callable[[int], float]

    @property
    def is_python(self) -> bool:
        """Python code runs at each step."""
        return True

    def rate(self, t: Tensor) -> Tensor:
        """Return f(t), called once for each element of t."""
        steps = known(t, "a learning rate that is a Python function")
        rates = [self._call(int(step)) for step in steps.flat]
        return Tensor(np.array(rates, np.float64).reshape(steps.shape))

    def _call(self, step: int) -> float:
        result: Any = self.function(step)
        is_tensor = isinstance(result, Operand | np.ndarray) and result.shape == ()
        return checked(f"learning_rate({step})", result.item() if is_tensor else result)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def as_schedule(given: Rate, argument: str = "learning_rate") -> float | Schedule:
    """Return a number as it is, and all else as a schedule.

    Args:
        given: a number, a schedule, a function of the step, or a schedule's ``config``.
        argument: what to call it in errors.

    Raises:
        ArgumentError: none of these; a number out of range.
    """
    if isinstance(given, Schedule):
        return given
    if isinstance(given, type) and issubclass(given, Schedule):
        raise ArgumentError(
            argument, f"the class {given.__name__}", "an instance", f"{given.__name__}(...)"
        )
    if isinstance(given, Mapping):
        return from_config(given)
    if type(given).__name__ == "ReduceOnPlateau":
        raise ArgumentError(
            argument,
            "a ReduceOnPlateau, which needs a quantity in each epoch",
            "a number, or a schedule of the step",
            "Give fit the callback cr.ReduceLROnPlateau(monitor=...).",
        )
    if callable(given) and not isinstance(given, type | Operand):
        return FunctionOfStep(_of_the_step(given))
    return checked(argument, given)  # type: ignore[arg-type]


def _of_the_step(given: Callable[..., Any]) -> Callable[[int], Any]:
    """Return a function of the step; one without arguments is the same at every step."""
    try:
        inspect.signature(given).bind(0)
    except (TypeError, ValueError):
        with suppress(TypeError, ValueError):
            inspect.signature(given).bind()
            return lambda step: given()
    return given


def from_config(config: Mapping[str, Any]) -> Schedule:
    """Make a schedule from its type and arguments.

    Raises:
        ArgumentError: an unknown type, or arguments that do not fit.

    >>> from_config({"type": "Constant", "learning_rate": 0.1})
    Constant(learning_rate=0.1)
    """
    arguments = dict(config)
    name = arguments.pop("type", None)
    if name not in SCHEDULES:
        raise ArgumentError(
            "learning_rate",
            f"a schedule of type {name!r}",
            f"one of {known_names()}",
            nearest(str(name), SCHEDULES),
        )
    try:
        return SCHEDULES[name](**arguments)
    except TypeError as error:
        raise ArgumentError(
            f"schedule {name}", str(arguments), f"its arguments ({error})"
        ) from error


def known_names() -> str:
    """Return the names of the schedules, for errors."""
    return ", ".join(SCHEDULES)


def keep(schedule: Schedule, /, **values: Any) -> None:
    """Set fields of a frozen dataclass."""
    for name, value in values.items():
        object.__setattr__(schedule, name, value)


def check(schedule: Schedule, rule: Callable[..., Any], *names: str) -> None:
    """Check fields of a frozen dataclass by one of ``optim.arguments``."""
    for name in names:
        keep(schedule, **{name: rule(name, getattr(schedule, name))})


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.config()
    return list(value) if isinstance(value, tuple) else value
