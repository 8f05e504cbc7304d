"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

from chainrule.core.errors import ArgumentError, nearest
from chainrule.core.tensor import Parameter, Tensor
from chainrule.ops.elementwise import maximum, sqrt, square
from chainrule.ops.reduce import sum as sum_
from chainrule.ops.shape import transpose
from chainrule.optim.adaptive import corrected, move_moments
from chainrule.optim.arguments import positive, whole
from chainrule.optim.optimizer import Optimizer, Options, checked, slot
from chainrule.optim.schedules import Rate

#: How the steps of matrices of different shapes are scaled.
_SCALINGS = ("original", "match_rms_adamw")


def orthogonalize(
    G: Tensor,
    steps: int = 5,
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    epsilon: float = 1e-7,
) -> Tensor:
    """Return nearly the orthogonal matrix nearest to G: ``U Vᵀ`` for ``G = U S Vᵀ``.

    Newton-Schulz iteration: from ``X = G / ‖G‖_F``, several times ``A = X Xᵀ``,
    ``X ← a X + (b A + c A²) X``. Each singular value s goes to ``a s + b s³ + c s⁵``. The
    coefficients are chosen so that small ones grow fastest; they end between about 0.68 and 1.13
    instead of at 1, which is good enough for a step's direction.

    Args:
        G: shape (n, m).
        steps: how often.
        coefficients: a, b, c.
        epsilon: smallest norm to divide by.

    Returns:
        Shape (n, m).

    >>> import chainrule as cr
    >>> X = orthogonalize(cr.tensor([[2.0, 0.0], [0.0, 1.0]]))
    >>> bool((cr.abs(X - cr.eye(2)) < 0.33).min())
    True

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon
    """
    a, b, c = coefficients
    is_tall = G.shape[0] > G.shape[1]
    X = transpose(G) if is_tall else G  # X Xᵀ is then the smaller product
    X = X / maximum(sqrt(sum_(square(X))), epsilon)
    for _ in range(steps):
        A = X @ transpose(X)
        X = X * a + (A * b + A @ A * c) @ X
    return transpose(X) if is_tall else X


class Muon(Optimizer):
    """Muon: orthogonalized momentum for weight matrices, AdamW for everything else.

    ``m ← μ m + (1 - μ) g``, ``w ← w - α c O(μ m + (1 - μ) g)``, without Nesterov's look ahead
    ``w ← w - α c O(m)``

    ``O`` is ``orthogonalize``. ``c = √max(1, units / fan_in)`` for a kernel of shape
    (fan_in, units).

    Which parameters: those with exactly two axes, unless their name holds a word of ``exclude``, by
    default the tables of ``Embedding``. The others (biases, scales, embeddings) take AdamW's step
    with the rate ``α adam_lr_ratio``. The authors give the output layer to AdamW, too; it has no
    mark that an optimizer could see, so name it: ``exclude=("embedding", "layers.2.")``.

    Args:
        learning_rate: α. Default and ratio are the authors' (0.02, and 3e-4 for AdamW); Keras has
            0.001 and 0.1.
        momentum: μ, from 0 up to 1.
        nesterov: whether to look ahead along the momentum.
        ns_steps: steps of the Newton-Schulz iteration.
        ns_coefficients: its a, b, c.
        scaling: ``"original"``; ``"match_rms_adamw"``, ``c = 0.2 √max(fan_in, units)``, with which
            AdamW's learning rates can be used; or ``None``, c = 1.
        exclude: words (in lower case); AdamW changes the parameters whose names hold one.
        adam_lr_ratio: AdamW's rate as a multiple of α.
        adam_beta_1: AdamW's β₁.
        adam_beta_2: AdamW's β₂.
        epsilon: AdamW's ε.
        options: ``weight_decay`` (with each parameter's own rate) and clipping, see ``Optimizer``.

    Raises:
        ArgumentError: a number out of range, an unknown scaling.

    >>> Muon(0.05).learning_rate
    0.05

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon; ``"match_rms_adamw"``: Liu et al., arXiv 2502.16982,
    section 2.2.
    """

    name = "muon"
    arguments = (
        *("momentum", "nesterov", "ns_steps", "ns_coefficients", "scaling", "exclude"),
        *("adam_lr_ratio", "adam_beta_1", "adam_beta_2", "epsilon"),
    )

    def __init__(
        self,
        learning_rate: Rate = 0.02,
        momentum: float = 0.95,
        nesterov: bool = True,
        *,
        ns_steps: int = 5,
        ns_coefficients: Sequence[float] = (3.4445, -4.7750, 2.0315),
        scaling: str | None = "original",
        exclude: Sequence[str] = ("embedding",),
        adam_lr_ratio: float = 0.015,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = checked("momentum", momentum, below=1.0)
        self.nesterov = bool(nesterov)
        self.ns_steps = whole("ns_steps", ns_steps)
        if len(ns_coefficients) != 3:
            raise ArgumentError("ns_coefficients", f"{len(ns_coefficients)} numbers", "three")
        a, b, c = ns_coefficients
        self.ns_coefficients = (float(a), float(b), float(c))
        if scaling is not None and scaling not in _SCALINGS:
            known = ", ".join(map(repr, _SCALINGS))
            hint = nearest(scaling, _SCALINGS)
            raise ArgumentError("scaling", repr(scaling), f"{known} or None", hint)
        self.scaling = scaling
        if isinstance(exclude, str):
            raise ArgumentError("exclude", repr(exclude), "a list of words", f"[{exclude!r}]")
        self.exclude = tuple(str(word).lower() for word in exclude)
        self.adam_lr_ratio = positive("adam_lr_ratio", adam_lr_ratio)
        self.adam_beta_1 = checked("adam_beta_1", adam_beta_1, below=1.0)
        self.adam_beta_2 = checked("adam_beta_2", adam_beta_2, below=1.0)
        self.epsilon = checked("epsilon", epsilon)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the momentum of a matrix, or AdamW's running moments."""
        name = parameter.name.lower()
        if parameter.ndim == 2 and not any(word in name for word in self.exclude):
            return (slot(parameter, "momentum"),)
        return slot(parameter, "mean"), slot(parameter, "square")

    def numbers(self, rate: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """Return AdamW's α, and its corrected α and ε."""
        rate = rate * self.adam_lr_ratio
        return rate, *corrected(rate, t, self.adam_beta_1, self.adam_beta_2, self.epsilon)

    def rate(self, parameter: Parameter) -> Tensor:
        """Return α, or AdamW's for the parameters that it changes."""
        by_adam = len(self._state[parameter]) == 2
        return self.shared(parameter)[0] if by_adam else super().rate(parameter)

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter."""
        if len(state) == 2:
            _, rate, epsilon = self.shared(parameter)
            v = move_moments(gradient, *state, self.adam_beta_1, self.adam_beta_2)
            parameter.assign(parameter - state[0] * rate / (sqrt(v) + epsilon))
            return
        (momentum,) = state
        fresh = gradient * (1.0 - self.momentum)
        momentum.assign(momentum * self.momentum + fresh)
        ahead = momentum * self.momentum + fresh if self.nesterov else momentum.value
        step = orthogonalize(ahead, self.ns_steps, self.ns_coefficients)
        scale = self.rate(parameter) * self._scale(*parameter.shape)
        parameter.assign(parameter - step * scale)

    def _scale(self, fan_in: int, units: int) -> float:
        if self.scaling is None:
            return 1.0
        if self.scaling == "original":
            return math.sqrt(max(1.0, units / fan_in))
        return 0.2 * math.sqrt(max(fan_in, units))
