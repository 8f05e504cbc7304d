"""Activations with parameters, described at given values of them."""

from __future__ import annotations

import math

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.nn.activations import derivatives
from chainrule.nn.activations.description import REALS, Activation, FiniteSet, Interval
from chainrule.ops import functional

_INF = math.inf


def leaky_relu(gamma: float = 0.01) -> Activation:
    """Return LeakyReLU(γ): ``f(x) = max(0, x) + γ min(0, x)``.

    Args:
        gamma: the slope left of 0; finite, from 0.

    Raises:
        ArgumentError: ``gamma`` is not such a number.

    >>> leaky_relu(0.2)([-1.0, 2.0])
    Tensor([-0.2,  2. ], dtype=float32)
    """
    gamma = _slope(gamma)
    return Activation(
        name="leaky_relu",
        title="LeakyReLU",
        function=functional.leaky_relu,
        closed_form=derivatives.leaky_relu,
        formula="max(0, x) + γ min(0, x)",
        derivative_formula="I(x > 0) + I(x ≤ 0) · γ",
        range=REALS if gamma else Interval(0.0, _INF, has_low=True),
        derivative_range=FiniteSet(gamma, 1.0),
        zero_centered=gamma == 1.0,
        saturates="none" if gamma else "left",
        monotone=True,
        smoothness=_INF if gamma == 1.0 else 0,
        kinks={} if gamma == 1.0 else {0.0: gamma},
        parameters={"gamma": gamma},
        source="Maas, Hannun and Ng, ICML workshop 2013",
    )


def prelu(gamma: float = 0.25) -> Activation:
    """Return PReLU at one value of γ, which its layer learns for each unit.

    Args:
        gamma: the slope left of 0; finite, from 0.

    Raises:
        ArgumentError: ``gamma`` is not such a number.

    >>> prelu().derivative([-1.0, 2.0])
    Tensor([0.25, 1.  ], dtype=float32)
    """
    gamma = _slope(gamma)
    leaky = leaky_relu(gamma)
    return Activation(
        name="prelu",
        title="PReLU",
        function=functional.prelu,
        closed_form=derivatives.leaky_relu,
        formula="max(0, x) + γᵢ min(0, x)",
        derivative_formula="I(x > 0) + I(x ≤ 0) · γᵢ",
        range=leaky.range,
        derivative_range=leaky.derivative_range,
        zero_centered=leaky.zero_centered,
        saturates=leaky.saturates,
        monotone=True,
        smoothness=leaky.smoothness,
        kinks=leaky.kinks,
        parameters={"gamma": gamma},
        notes=("γᵢ is learned, one for each unit",),
        source="He, Zhang, Ren and Sun, arXiv 1502.01852",
        layer="PReLU",
    )


def elu(gamma: float = 1.0) -> Activation:
    """Return ELU(γ): ``f(x) = max(0, x) + min(0, γ (exp(x) - 1))``.

    Args:
        gamma: where it saturates on the left, -γ; finite, from 0.

    Raises:
        ArgumentError: ``gamma`` is not such a number.

    >>> elu(0.5).range.low
    -0.5
    """
    gamma = _slope(gamma)
    return Activation(
        name="elu",
        title="ELU",
        function=functional.elu,
        closed_form=derivatives.elu,
        formula="max(0, x) + min(0, γ(exp(x) − 1))",
        derivative_formula="I(x > 0) + I(x ≤ 0) · γ exp(x)",
        range=Interval(-gamma, _INF) if gamma else Interval(0.0, _INF, has_low=True),
        derivative_range=(
            # γ > 1 is only the limit at the kink
            Interval(0.0, max(gamma, 1.0), has_high=gamma <= 1.0) if gamma else FiniteSet(0.0, 1.0)
        ),
        zero_centered=False,
        saturates="left",
        monotone=True,
        smoothness=1 if gamma == 1.0 else 0,
        kinks={} if gamma == 1.0 else {0.0: gamma},
        breaks=(0.0,) if gamma == 1.0 else (),
        parameters={"gamma": gamma},
        source="Clevert, Unterthiner and Hochreiter, arXiv 1511.07289",
    )


def maxout(pieces: int = 2) -> Activation:
    """Return Maxout of so many pieces for each unit: ``yⱼ = max over k of xⱼₖ``.

    Args:
        pieces: how many; from 2.

    Raises:
        ArgumentError: ``pieces`` is no whole number from 2.

    >>> maxout(3)([1.0, 5.0, 2.0])
    Tensor([5.], dtype=float32)
    """
    if not isinstance(pieces, int) or isinstance(pieces, bool) or pieces < 2:
        raise ArgumentError("pieces", repr(pieces), "a whole number from 2")
    return Activation(
        name="maxout",
        title="Maxout",
        function=functional.maxout,
        closed_form=derivatives.maxout_jacobian,
        formula="maxₖ xₖ",
        derivative_formula="I(k = argmax x)",
        range=REALS,
        derivative_range=FiniteSet(0.0, 1.0),
        zero_centered=False,
        saturates="none",
        monotone=True,
        smoothness=0,
        ties="ties (shared)",
        parameters={"pieces": pieces},
        notes=("xₖ = wₖᵀa + bₖ, k = 1 … K, are the pieces of one unit",),
        source="Goodfellow and others, arXiv 1302.4389",
        elementwise=False,
        layer="Maxout",
    )


def _slope(gamma: float) -> float:
    """Return γ as a float, or say why it is none."""
    usual = "0 gives ReLU; the usual values are 0.01 to 0.3, for ELU 1."
    if isinstance(gamma, bool) or not isinstance(gamma, int | float | np.number):
        raise ArgumentError("gamma", repr(gamma), "a finite number from 0", usual)
    if not 0.0 <= gamma < _INF:
        raise ArgumentError("gamma", f"{gamma:g}", "a finite number from 0", usual)
    return float(gamma)
