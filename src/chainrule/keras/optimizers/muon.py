"""Muon with Keras's arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Unpack

from chainrule import optim as core
from chainrule.core.tensor import Parameter, Tensor
from chainrule.keras.optimizers.base import Optimizer, translated
from chainrule.ops.elementwise import power, sqrt
from chainrule.optim.optimizer import Clipping, slot
from chainrule.optim.schedules import Rate


@translated
class Muon(Optimizer, core.Muon):
    """Orthogonalized momentum for matrices, AdamW for everything else, with Keras's defaults.

    Args:
        learning_rate: α.
        adam_beta_1: AdamW's β₁.
        adam_beta_2: AdamW's β₂.
        adam_weight_decay: λ for the parameters that AdamW changes.
        epsilon: AdamW's ε̂.
        weight_decay: λ for the matrices.
        exclude_layers: patterns; AdamW changes the parameters whose names match one. A parameter's
            name is its path, such as ``layers.2.kernel``.
        exclude_embeddings: whether AdamW changes the tables of embeddings.
        muon_a: of the Newton-Schulz iteration.
        muon_b: likewise.
        muon_c: likewise.
        adam_lr_ratio: AdamW's rate as a multiple of α.
        momentum: μ.
        ns_steps: steps of the iteration.
        nesterov: whether to look ahead.
        rms_rate: r of the scale ``r √max(fan_in, units)``; ``None``: 1.

    >>> Muon().get_config()["rms_rate"]
    0.2
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **clipping: Unpack[Clipping],
    ) -> None:
        super().__init__(
            learning_rate,
            momentum,
            nesterov,
            ns_steps=ns_steps,
            ns_coefficients=(muon_a, muon_b, muon_c),
            scaling="match_rms_adamw" if rms_rate is not None else None,
            exclude=("embedding",) if exclude_embeddings else (),
            adam_lr_ratio=adam_lr_ratio,
            adam_beta_1=adam_beta_1,
            adam_beta_2=adam_beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            **clipping,
        )
        self.muon_a, self.muon_b, self.muon_c = self.ns_coefficients
        self.adam_weight_decay, self.rms_rate = adam_weight_decay, rms_rate
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = bool(exclude_embeddings)

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the momentum of a matrix, or AdamW's running moments."""
        if any(re.search(pattern, parameter.name) for pattern in self.exclude_layers):
            return slot(parameter, "mean"), slot(parameter, "square")
        return super().slots(parameter)

    def numbers(self, rate: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """Return AdamW's α, the same corrected, and ε̂, which needs no correction."""
        rate = rate * self.adam_lr_ratio
        root = sqrt(1.0 - power(self.adam_beta_2, t))
        return rate, rate * root / (1.0 - power(self.adam_beta_1, t)), t * 0.0 + self.epsilon

    def rate(self, parameter: Parameter) -> Tensor:
        """Return α: the weight decay of Keras's is not scaled by ``adam_lr_ratio``."""
        return core.Optimizer.rate(self, parameter)

    def decay_of(self, parameter: Parameter) -> float | None:
        """Return λ: AdamW has its own."""
        by_adam = len(self._state[parameter]) == 2
        return self.adam_weight_decay if by_adam else self._decay

    def _scale(self, fan_in: int, units: int) -> float:
        return 1.0 if self.rms_rate is None else self.rms_rate * math.sqrt(max(fan_in, units))
