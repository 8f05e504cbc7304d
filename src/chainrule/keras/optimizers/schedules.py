"""Learning-rate schedules under Keras's names; a subclass of ``LearningRateSchedule`` is one, too.

>>> float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(10))
0.05
"""

from __future__ import annotations

from typing import Any

from chainrule.core.tensor import Tensor, known
from chainrule.keras.arguments import missing
from chainrule.optim import schedules as core
from chainrule.optim.schedules import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    Schedule,
)

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
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


def CosineDecay(  # noqa: N802 - Keras's name
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    name: str = "CosineDecay",
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> core.CosineDecay:
    """Return half a cosine wave, after a warm-up if one is wanted; arguments in Keras's order.

    >>> float(CosineDecay(0.1, 10)(10))
    0.0
    """
    return core.CosineDecay(initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps)


CosineDecayRestarts = core.CosineDecayRestarts

__getattr__ = missing(__name__, globals())
