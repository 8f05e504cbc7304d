"""Adagrad and its descendants: steps by the ratio of the gradient to its size so far."""

from __future__ import annotations

from typing import Unpack

from chainrule.core.tensor import Parameter, Tensor
from chainrule.ops.elementwise import maximum, sqrt, square
from chainrule.optim.optimizer import Optimizer, Options, checked, slot
from chainrule.optim.schedules import Rate


def _root(squares: Tensor | Parameter, epsilon: float, inside: bool) -> Tensor:
    return sqrt(squares + epsilon) if inside else sqrt(squares) + epsilon


class Adagrad(Optimizer):
    """Adagrad: steps that shrink with all that the gradient has been.

    ``s ← s + g²``, ``w ← w - α g / (√s + ε)``

    ε stands outside of the root and s begins at 0, as in the paper and in PyTorch. Keras has
    ``√(s + ε)``, begins at 0.1, and takes α = 0.001: ``Adagrad(0.001, 0.1,
    epsilon_inside_root=True)``. The paper leaves α open; with 0.001 a weight whose gradient stays
    the same moves by 0.2 in ten thousand steps, so PyTorch's 0.01 is the default here.

    Args:
        learning_rate: α.
        initial_accumulator_value: s before the first step.
        epsilon: ε.
        epsilon_inside_root: whether to divide by ``√(s + ε)``.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> Adagrad()
    Adagrad(learning_rate=0.01, initial_accumulator_value=0, epsilon=1e-07)

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", JMLR 12, 2011, figure 1 (with diagonal matrices).
    """

    name = "adagrad"
    arguments = ("initial_accumulator_value", "epsilon")
    options = ("epsilon_inside_root", *Optimizer.options)

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside_root: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = checked(
            "initial_accumulator_value", initial_accumulator_value
        )
        self.epsilon = checked("epsilon", epsilon)
        self.epsilon_inside_root = bool(epsilon_inside_root)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the sum of squares s."""
        return (slot(parameter, "sum_of_squares", self.initial_accumulator_value),)

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        (squares,) = state
        squares.assign(squares + square(gradient))
        size = _root(squares, self.epsilon, self.epsilon_inside_root)
        parameter.assign(parameter - gradient * self.rate(parameter) / size)


class RMSprop(Optimizer):
    """RMSprop: steps by the ratio of the gradient to its running size.

    ``v ← ρ v + (1 - ρ) g²``, ``w ← w - α g / √(v + ε)``; centered: ``m ← ρ m + (1 - ρ) g`` and
    ``√(v - m² + ε)``; with momentum: ``b ← μ b + α g / √(v + ε)``, ``w ← w - b``

    ε stands inside of the root, as in Graves's paper (the slides have none) and in Keras, whose
    defaults these are: centered, it keeps the root away from 0. PyTorch has ``√v + ε`` with
    ε = 1e-8, ρ = 0.99 and α = 0.01 (``epsilon_inside_root=False``), and multiplies b, instead of
    what is added to it, by α.

    Args:
        learning_rate: α.
        rho: ρ, from 0 up to 1.
        momentum: μ, from 0 up to 1.
        epsilon: ε.
        centered: whether to divide by the running deviation instead of the running size.
        epsilon_inside_root: whether ε is added before the root is taken.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> RMSprop(rho=0.95)
    RMSprop(learning_rate=0.001, rho=0.95, momentum=0, epsilon=1e-07, centered=False, \
epsilon_inside_root=True)

    Source: Tieleman and Hinton, lecture 6e of "Neural networks for machine learning", 2012;
    centered, with momentum: Graves, arXiv 1308.0850, equations 38 to 41.
    """

    name = "rmsprop"
    arguments = ("rho", "momentum", "epsilon", "centered", "epsilon_inside_root")

    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        epsilon_inside_root: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = checked("rho", rho, below=1.0)
        self.momentum = checked("momentum", momentum, below=1.0)
        self.epsilon = checked("epsilon", epsilon)
        self.centered = bool(centered)
        self.epsilon_inside_root = bool(epsilon_inside_root)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the running size v, and where they are wanted the mean m and the momentum b."""
        names = ["square"] + ["mean"] * self.centered + ["momentum"] * bool(self.momentum)
        return tuple(slot(parameter, name) for name in names)

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        size, *others = state
        size.assign(size * self.rho + square(gradient) * (1.0 - self.rho))
        v = size.value
        if self.centered:
            mean = others[0]
            mean.assign(mean * self.rho + gradient * (1.0 - self.rho))
            v = maximum(v - square(mean), 0.0)  # below 0 only by rounding
        step = gradient * self.rate(parameter) / _root(v, self.epsilon, self.epsilon_inside_root)
        if self.momentum:
            momentum = others[-1]
            momentum.assign(momentum * self.momentum + step)
            step = momentum.value
        parameter.assign(parameter - step)


class Adadelta(Optimizer):
    """Adadelta: steps of the size that steps have had, so that no learning rate is needed.

    ``v ← ρ v + (1 - ρ) g²``, ``Δ = -√(u + ε) / √(v + ε) g``, ``u ← ρ u + (1 - ρ) Δ²``,
    ``w ← w + α Δ``

    The paper has no α, which is α = 1, PyTorch's default, too. Keras's 0.001 makes each step a
    thousandth of the paper's. ρ and ε are those of the paper's experiments (Keras: ε = 1e-7;
    PyTorch: ρ = 0.9).

    Args:
        learning_rate: α.
        rho: ρ, from 0 up to 1.
        epsilon: ε, which sizes the first steps.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> Adadelta()
    Adadelta(learning_rate=1, rho=0.95, epsilon=1e-06)

    Source: Zeiler, arXiv 1212.5701, algorithm 1.
    """

    name = "adadelta"
    arguments = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: Rate = 1.0,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = checked("rho", rho, below=1.0)
        self.epsilon = checked("epsilon", epsilon)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the running sizes of gradients, v, and of steps, u."""
        return slot(parameter, "square"), slot(parameter, "square_of_steps")

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        of_gradients, of_steps = state
        of_gradients.assign(of_gradients * self.rho + square(gradient) * (1.0 - self.rho))
        ratio = sqrt(of_steps + self.epsilon) / sqrt(of_gradients + self.epsilon)
        step = gradient * ratio
        of_steps.assign(of_steps * self.rho + square(step) * (1.0 - self.rho))
        parameter.assign(parameter - step * self.rate(parameter))
