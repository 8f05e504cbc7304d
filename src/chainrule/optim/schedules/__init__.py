"""Learning-rate schedules: the size of a step as a function of its number.

Steps are counted from 0: the first update uses ``schedule(0)``. Classes that Keras has, have its
names, arguments and values. A schedule of an array of steps is an array of rates, to be drawn:

>>> CosineDecay(0.1, decay_steps=4)([0, 1, 2, 3, 4, 5]).numpy().round(3)
array([0.1  , 0.085, 0.05 , 0.015, 0.   , 0.   ])

``ReduceOnPlateau`` depends on how training goes, not on the step; in ``fit`` the callback
``ReduceLROnPlateau`` drives it.
"""

from chainrule.optim.schedules.cosine import CosineDecay, CosineDecayRestarts, OneCycle
from chainrule.optim.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    StepDecay,
)
from chainrule.optim.schedules.plateau import ReduceOnPlateau
from chainrule.optim.schedules.schedule import (
    SCHEDULES,
    Constant,
    FunctionOfStep,
    Rate,
    Schedule,
    Warmup,
    as_schedule,
    from_config,
)

__all__ = [
    "SCHEDULES",
    "Constant",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "FunctionOfStep",
    "InverseTimeDecay",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Rate",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "Warmup",
    "as_schedule",
    "from_config",
]
