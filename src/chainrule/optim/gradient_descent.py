"""Gradient descent: with momentum, and by the sign."""

from __future__ import annotations

from typing import Unpack

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.ops.elementwise import sign
from chainrule.optim.optimizer import Optimizer, Options, checked, slot
from chainrule.optim.schedules import Rate


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    ``v ← μ v - α g``, ``w ← w + v``; with Nesterov's momentum ``w ← w + μ v - α g``. Without
    momentum this is the lecture's ``w ← w - α g``.

    PyTorch keeps ``b ← μ b + g``, ``w ← w - α b``, which is the same as long as α stays the same.
    When α changes, here (as in the paper and in Keras) the steps on their way keep their size.

    Args:
        learning_rate: α.
        momentum: μ, from 0 up to 1.
        nesterov: whether to look ahead along the momentum, which must not be 0 then.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False)

    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum
    in deep learning", ICML 2013, section 2 (in Keras's form of Nesterov's step).
    """

    name = "sgd"
    arguments = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = checked("momentum", momentum, below=1.0)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            raise ArgumentError(
                "nesterov", "True without momentum", "a momentum to look ahead along, such as 0.9"
            )

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the velocity v."""
        return (slot(parameter, "velocity"),) if self.momentum else ()

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        step = gradient * self.rate(parameter)
        if not state:
            parameter.assign(parameter - step)
            return
        (velocity,) = state
        velocity.assign(velocity * self.momentum - step)
        move = velocity * self.momentum - step if self.nesterov else velocity.value
        parameter.assign(parameter + move)


class Lion(Optimizer):
    """Lion: steps of one size, in the direction that the momentum's signs say.

    ``w ← w - α sign(β₁ m + (1 - β₁) g)``, ``m ← β₂ m + (1 - β₂) g``

    Every weight moves by α at each step, so α should be 3 to 10 times smaller than Adam's, and
    ``weight_decay`` larger by as much.

    Args:
        learning_rate: α. The default is that of the authors' code; Keras has 0.001.
        beta_1: β₁, from 0 up to 1.
        beta_2: β₂, from 0 up to 1.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> Lion()
    Lion(learning_rate=0.0001, beta_1=0.9, beta_2=0.99)

    Source: Chen et al., "Symbolic discovery of optimization algorithms", arXiv 2302.06675,
    algorithm 2.
    """

    name = "lion"
    arguments = ("beta_1", "beta_2")

    def __init__(
        self,
        learning_rate: Rate = 1e-4,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = checked("beta_1", beta_1, below=1.0)
        self.beta_2 = checked("beta_2", beta_2, below=1.0)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the momentum m."""
        return (slot(parameter, "momentum"),)

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        (momentum,) = state
        direction = sign(momentum * self.beta_1 + gradient * (1.0 - self.beta_1))
        parameter.assign(parameter - direction * self.rate(parameter))
        momentum.assign(momentum * self.beta_2 + gradient * (1.0 - self.beta_2))
