"""Optimizers under Keras's names, with Keras's arguments, defaults and formulas.

>>> Adam(learning_rate=0.01).epsilon
1e-07
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from chainrule import optim as core
from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.keras.arguments import missing
from chainrule.keras.optimizers import schedules
from chainrule.keras.optimizers.adamax import Adamax
from chainrule.keras.optimizers.base import Optimizer, translated
from chainrule.keras.optimizers.base import core_of as core_of
from chainrule.keras.optimizers.muon import Muon
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
)
from chainrule.optim.optimizer import Clipping, Options
from chainrule.optim.schedules import Rate

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]


@translated
class SGD(Optimizer, core.SGD):
    """Gradient descent, with momentum.

    >>> SGD(lr=0.1, momentum=0.9).momentum
    0.9
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, momentum, nesterov and momentum != 0.0, **options)


@translated
class RMSprop(Optimizer, core.RMSprop):
    """Steps by the ratio of the gradient to its running size.

    >>> RMSprop().rho
    0.9
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, rho, momentum, epsilon, centered, **options)


@translated
class Adagrad(Optimizer, core.Adagrad):
    """Steps that shrink with all that the gradient has been; ε stands inside of the root.

    >>> Adagrad().initial_accumulator_value
    0.1
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *,
        epsilon_inside_root: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            learning_rate,
            initial_accumulator_value,
            epsilon,
            epsilon_inside_root=epsilon_inside_root,
            **options,
        )


@translated
class Adadelta(Optimizer, core.Adadelta):
    """Steps of the size that steps have had; Keras makes each a thousandth of the paper's.

    >>> Adadelta().learning_rate
    0.001
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, rho, epsilon, **options)


@translated
class Adam(Optimizer, core.Adam):
    """Adam, with ε added before the correction for the start at zero.

    >>> Adam().epsilon_hat
    True
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        epsilon_hat: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, epsilon_hat=epsilon_hat, **options
        )


@translated
class AdamW(Optimizer, core.AdamW):
    """Adam with weight decay.

    >>> AdamW().weight_decay
    0.004
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        epsilon_hat: bool = True,
        **clipping: Unpack[Clipping],
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            amsgrad,
            epsilon_hat=epsilon_hat,
            **clipping,
        )


@translated
class Nadam(Optimizer, core.Nadam):
    """Adam with Nesterov's momentum, whose schedule Keras runs at full speed.

    >>> Nadam().momentum_decay
    1.0
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        momentum_decay: float = 1.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, momentum_decay, **options)


@translated
class Lion(Optimizer, core.Lion):
    """Steps of one size, in the direction that the momentum's signs say.

    >>> Lion().learning_rate
    0.001
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, **options)


#: Every optimizer by Keras's name.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    kind.__name__.lower(): kind
    for kind in (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, Lion, Muon)
}


def get(identifier: Any) -> core.Optimizer:
    """Return an optimizer by its name, or the one that was given; Chainrule's own will do.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones.
        DtypeError: something else.

    >>> get("sgd").learning_rate
    0.01
    """
    if isinstance(identifier, core.Optimizer):
        return identifier
    if is_serialized(identifier):
        described: core.Optimizer = deserialize_keras_object(identifier)
        return described
    if isinstance(identifier, type) and issubclass(identifier, core.Optimizer):
        made: Any = identifier
        return made()  # type: ignore[no-any-return]
    if not isinstance(identifier, str):
        raise DtypeError("optimizer", f"a {type(identifier).__name__}", "a name or an optimizer")
    found: Any = OPTIMIZERS.get(identifier.lower())
    if found is None:
        raise ArgumentError(
            "optimizer",
            repr(identifier),
            f"one of {', '.join(OPTIMIZERS)}, or an optimizer",
            nearest(identifier, OPTIMIZERS),
        )
    return found()  # type: ignore[no-any-return]


def serialize(optimizer: Any) -> Any:
    """Return an optimizer as JSON values, without its state."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return what ``serialize`` has described."""
    return deserialize_keras_object(config, custom_objects)


__getattr__ = missing(__name__, globals())
