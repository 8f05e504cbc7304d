"""Adam and its kin: steps by the ratio of the gradient's running mean to its running size."""

from __future__ import annotations

from typing import ClassVar, Unpack

from chainrule.core.tensor import Parameter, Tensor, as_tensor
from chainrule.ops.elementwise import maximum, power, sqrt, square
from chainrule.optim.optimizer import Clipping, Optimizer, Options, checked, float64, slot
from chainrule.optim.schedules import Rate


def corrected(
    rate: Tensor, t: Tensor, beta_1: float, beta_2: float, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Return α and ε with Adam's corrections for the start at zero, √(1 - β₂ᵗ) multiplied out.

    ``α m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)`` is ``α' m / (√v + ε')``: no parameter need be
    divided by the corrections.
    """
    root = sqrt(1.0 - power(beta_2, t))
    return rate * root / (1.0 - power(beta_1, t)), root * epsilon


def move_moments(
    gradient: Tensor, mean: Parameter, size: Parameter, beta_1: float, beta_2: float
) -> Tensor:
    """Take a gradient into its running moments m and v; return v."""
    mean.assign(mean * beta_1 + gradient * (1.0 - beta_1))
    v = size * beta_2 + square(gradient) * (1.0 - beta_2)
    size.assign(v)
    return v


class Adam(Optimizer):
    """Adam: steps by the ratio of the gradient's running mean to its running size.

    ``m ← β₁ m + (1 - β₁) g``, ``v ← β₂ v + (1 - β₂) g²``,
    ``w ← w - α (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)``

    This is the paper's algorithm 1 and PyTorch's. Keras adds its ε to √v before the correction for
    the start at zero: ``√(v) + ε̂`` over √(1 - β₂ᵗ), with ε̂ = 1e-7, as at the end of the paper's
    section 2; ``epsilon_hat=True`` does so, too.

    Args:
        learning_rate: α.
        beta_1: β₁, from 0 up to 1.
        beta_2: β₂, from 0 up to 1.
        epsilon: ε.
        amsgrad: whether v is never allowed to fall: see ``AMSGrad``.
        epsilon_hat: whether ``epsilon`` is Keras's ε̂.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> Adam()
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08)

    Source: Kingma and Ba, arXiv 1412.6980, algorithm 1.
    """

    name = "adam"
    arguments: ClassVar[tuple[str, ...]] = ("beta_1", "beta_2", "epsilon")
    options = ("amsgrad", "epsilon_hat", *Optimizer.options)

    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        *,
        epsilon_hat: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = checked("beta_1", beta_1, below=1.0)
        self.beta_2 = checked("beta_2", beta_2, below=1.0)
        self.epsilon = checked("epsilon", epsilon)
        self.amsgrad = bool(amsgrad)
        self.epsilon_hat = bool(epsilon_hat)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the running moments m and v, and with AMSGrad the largest v."""
        moments = slot(parameter, "mean"), slot(parameter, "square")
        return (*moments, slot(parameter, "largest_square")) if self.amsgrad else moments

    def numbers(self, rate: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """Return the corrected α and ε."""
        rate, epsilon = corrected(rate, t, self.beta_1, self.beta_2, self.epsilon)
        return rate, as_tensor(float64(self.epsilon)) if self.epsilon_hat else epsilon

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        mean, size, *largest = state
        rate, epsilon = self.shared(parameter)
        v = move_moments(gradient, mean, size, self.beta_1, self.beta_2)
        if largest:
            v = maximum(largest[0], v)
            largest[0].assign(v)
        parameter.assign(parameter - mean * rate / (sqrt(v) + epsilon))


class AdamW(Adam):
    """Adam with decoupled weight decay, as ``Adam(weight_decay=0.004)``.

    ``w ← w - α λ w`` for each weight, then Adam's step. The paper has ``w ← w - η (α step + λ w)``
    with a schedule η; here λ is multiplied by the whole rate, as in Keras and PyTorch.

    Args:
        learning_rate: α.
        beta_1: β₁, from 0 up to 1.
        beta_2: β₂, from 0 up to 1.
        epsilon: ε.
        weight_decay: λ. The paper has no default; this is Keras's (PyTorch's is 0.01). It acts on
            parameters with at least two axes (in Keras and PyTorch on biases, too).
        amsgrad: whether v is never allowed to fall: see ``AMSGrad``.
        epsilon_hat: whether ``epsilon`` is Keras's ε̂: see ``Adam``.
        clipping: ``clipnorm``, ``global_clipnorm`` or ``clipvalue``, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> AdamW()
    AdamW(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08, weight_decay=0.004)

    Source: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2.
    """

    name = "adamw"
    arguments = (*Adam.arguments, "weight_decay")

    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.004,
        amsgrad: bool = False,
        *,
        epsilon_hat: bool = False,
        **clipping: Unpack[Clipping],
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            epsilon_hat=epsilon_hat,
            weight_decay=weight_decay,
            **clipping,
        )


class AMSGrad(Adam):
    """Adam whose steps cannot grow back: v is replaced by the largest v so far.

    ``v̂ ← max(v̂, v)``, ``w ← w - α (m / (1 - β₁ᵗ)) / (√(v̂ / (1 - β₂ᵗ)) + ε)``, with Adam's m and v

    The paper has no corrections for the start at zero; Keras and PyTorch have, and so has this.

    Args:
        learning_rate: α.
        beta_1: β₁, from 0 up to 1.
        beta_2: β₂, from 0 up to 1.
        epsilon: ε.
        epsilon_hat: whether ``epsilon`` is Keras's ε̂: see ``Adam``.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> AMSGrad()
    AMSGrad(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08)

    Source: Reddi, Kale and Kumar, "On the convergence of Adam and beyond", arXiv 1904.09237,
    algorithm 2.
    """

    name = "amsgrad"
    options = ("epsilon_hat", *Optimizer.options)

    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        epsilon_hat: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, True, epsilon_hat=epsilon_hat, **options
        )


class Nadam(Optimizer):
    """Adam with Nesterov's momentum: the step looks ahead along m.

    ``m ← β₁ m + (1 - β₁) g``, ``v ← β₂ v + (1 - β₂) g²``,
    ``m̂ = μₜ₊₁ m / (1 - μ₁ ⋯ μₜ₊₁) + (1 - μₜ) g / (1 - μ₁ ⋯ μₜ)``, ``μₜ = β₁ (1 - ½ 0.96^(ψ t))``,
    ``w ← w - α m̂ / (√(v / (1 - β₂ᵗ)) + ε)``

    ψ is the report's 1/250, and PyTorch's; Keras leaves it out, which is ``momentum_decay=1.0``.

    Args:
        learning_rate: α.
        beta_1: β₁, from 0 up to 1.
        beta_2: β₂, from 0 up to 1.
        epsilon: ε. Keras's is 1e-7.
        momentum_decay: ψ: how fast the momentum's schedule warms up to β₁.
        options: ``weight_decay`` and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range.

    >>> Nadam()
    Nadam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08, momentum_decay=0.004)

    Source: Dozat, "Incorporating Nesterov momentum into Adam", Stanford CS229 report, 2015,
    algorithm 8.
    """

    name = "nadam"
    arguments = ("beta_1", "beta_2", "epsilon", "momentum_decay")

    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = checked("beta_1", beta_1, below=1.0)
        self.beta_2 = checked("beta_2", beta_2, below=1.0)
        self.epsilon = checked("epsilon", epsilon)
        self.momentum_decay = checked("momentum_decay", momentum_decay)
        self._product = Parameter(float64(1.0), "momentum_product", trainable=False)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the running moments m and v."""
        return slot(parameter, "mean"), slot(parameter, "square")

    def shared_state(self) -> dict[str, Parameter]:
        """Return the step and Π μᵢ."""
        return {**super().shared_state(), "momentum_product": self._product}

    def numbers(self, rate: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """Return the factors of m and g, and ε, all with √(1 - β₂ᵗ) multiplied out."""
        now, ahead = self._momentum(t), self._momentum(t + 1.0)
        product = self._product * now
        self._product.assign(product)
        root = sqrt(1.0 - power(self.beta_2, t))
        rate = rate * root
        of_mean = rate * ahead / (1.0 - product * ahead)
        of_gradient = rate * (1.0 - now) / (1.0 - product)
        return of_mean, of_gradient, root * self.epsilon

    def _momentum(self, t: Tensor) -> Tensor:
        return self.beta_1 * (1.0 - 0.5 * power(0.96, t * self.momentum_decay))

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        mean, size = state
        of_mean, of_gradient, epsilon = self.shared(parameter)
        v = move_moments(gradient, mean, size, self.beta_1, self.beta_2)
        step = mean * of_mean + gradient * of_gradient
        parameter.assign(parameter - step / (sqrt(v) + epsilon))
