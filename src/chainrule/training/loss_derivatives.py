"""What each loss says of the output, ``∂L/∂ŷᵢ``, as a formula with numbers in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.types import Array

#: The output ŷ = a⁽ᴸ⁾, the targets, the probabilities and the loss's settings, for one sample.
Rows = tuple[Array, Array, Array | None, Mapping[str, Any]]


@dataclass(frozen=True)
class Form:
    """A derivative as a formula.

    Attributes:
        formula: with the names of ``NAMES`` in braces; ``{y_}`` is y behind an operator.
        operands: the number for each name.
        evaluate: computes the formula from the numbers, in their order.
        right: the unit of the right class, if ``{q}`` stands in the formula.
    """

    formula: str
    operands: dict[str, float]
    evaluate: Callable[..., float]
    right: int | None = field(default=None)


#: What the names in formulas stand for, beside a, y, p and q: in the place of a letter.
NAMES = {
    "a": "the output",
    "y": "the target",
    "p": "the probability of this unit",
    "q": "the probability of the right class",
    "s": "Σₖ ŷ[k]",
    "w": "maxₖ (1 - y[k]) ŷ[k]",
    "r": "Σₖ y[k] ŷ[k]",
    "c": "cos(y, ŷ)",
    "n": "‖ŷ‖",
    "t": "‖y‖",
}


def derivative_form(name: str, rows: Rows, i: int) -> Form | None:
    """Return ``∂L/∂ŷᵢ`` of a loss, or ``None`` where there is no formula for it.

    Args:
        name: name of the loss.
        rows: what the sample's loss is computed from.
        i: the unit.

    >>> rows = np.array([3.0]), np.array([1.0]), None, {"delta": 1.0}
    >>> form = derivative_form("huber", rows, 0)
    >>> form.formula, form.evaluate(3.0, 1.0)
    ('min(max({a} - {y_}, -1), 1)', 1.0)
    """
    make = _FORMS.get(name)
    return None if make is None else make(rows, i)


def _each(
    body: str,
    g: Callable[[float, float], float],
    rows: Rows,
    i: int,
    factor: int = 1,
) -> Form:
    """Return the form of a mean over the units: ``(factor/m) g(ŷᵢ, yᵢ)``."""
    a, y, _, _ = rows
    m = len(a)
    return Form(
        _over(factor, m) + body,
        {"a": float(a[i]), "y": float(y[i])},
        lambda a, y: factor * g(a, y) / m,
    )


def _over(factor: int, m: int) -> str:
    """Write ``factor/m`` before what it multiplies, unless it is 1."""
    if m > 1:
        return f"{factor}/{m} * "
    return {1: "", -1: "-"}.get(factor, f"{factor} * ")


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf


def _absolute_error(rows: Rows, i: int) -> Form:
    return _each("sign({a} - {y_})", lambda a, y: _sign(a - y), rows, i)


def _huber(rows: Rows, i: int) -> Form:
    delta = float(rows[3]["delta"])
    body = f"min(max({{a}} - {{y_}}, -{delta:g}), {delta:g})"
    return _each(body, lambda a, y: min(max(a - y, -delta), delta), rows, i)


def _log_cosh(rows: Rows, i: int) -> Form:
    return _each("tanh({a} - {y_})", lambda a, y: math.tanh(a - y), rows, i)


def _quantile(rows: Rows, i: int) -> Form:
    given = rows[3]["q"]
    q = float(given[i] if isinstance(given, list) else given)
    return _each(f"(I({{a}} > {{y_}}) - {q:g})", lambda a, y: float(a > y) - q, rows, i)


def _poisson(rows: Rows, i: int) -> Form:
    if rows[3]["log_input"]:
        return _each("(exp({a}) - {y_})", lambda a, y: _exp(a) - y, rows, i)
    epsilon = float(rows[3]["epsilon"])
    body = f"(1 - {{y}} / ({{a}} + {epsilon:g}))"
    return _each(body, lambda a, y: 1.0 - y / (a + epsilon) if a >= 0 else 0.0, rows, i)


def _squared_log_error(rows: Rows, i: int) -> Form:
    body = "(log(1 + {a_}) - log(1 + {y_})) / (1 + {a_})"

    def slope(a: float, y: float) -> float:
        return (math.log1p(a) - math.log1p(y)) / (1.0 + a) if a >= 0 else 0.0

    return _each(body, slope, rows, i, 2)


def _absolute_percentage_error(rows: Rows, i: int) -> Form:
    least = float(rows[3]["epsilon"])
    body = f"sign({{a}} - {{y_}}) / max(|{{y}}|, {least:g})"
    return _each(body, lambda a, y: _sign(a - y) / max(abs(y), least), rows, i, 100)


def _hinge(rows: Rows, i: int) -> Form:
    return _each("{y_} * I({y} * {a_} < 1)", lambda a, y: y * float(y * a < 1.0), rows, i, -1)


def _squared_hinge(rows: Rows, i: int) -> Form:
    body = "{y_} * max(1 - {y_} * {a_}, 0)"
    return _each(body, lambda a, y: y * max(1.0 - y * a, 0.0), rows, i, -2)


def _categorical_hinge(rows: Rows, i: int) -> Form | None:
    a, y, _, _ = rows
    right = _right(y)
    if right is None:
        return None
    wrong = np.where(y > 0, 0.0, a)
    is_rival = float(int(wrong.argmax()) == i and i != right)
    body = f"I(1 + {{w_}} > {{r_}}) * ({is_rival:g} - {{y_}})"
    return Form(
        body,
        {"w": float(wrong.max()), "r": float(a[right]), "y": float(y[i])},
        lambda w, r, y: float(1.0 + w > r) * (is_rival - y),
    )


def _cosine_similarity(rows: Rows, i: int) -> Form:
    a, y, _, _ = rows
    sizes = [max(float(np.linalg.norm(x)), 1e-6) for x in (a, y)]
    cosine = float(a @ y) / (sizes[0] * sizes[1])
    return Form(
        "({c} * {a_} / {n} - {y} / {t}) / {n}",
        {"c": cosine, "a": float(a[i]), "n": sizes[0], "y": float(y[i]), "t": sizes[1]},
        lambda c, a, n, y, t: (c * a / n - y / t) / n,
    )


def _cross_entropy(rows: Rows, i: int) -> Form | None:
    a, y, _, settings = rows
    if settings["from_logits"] or settings["epsilon"]:
        return None
    return Form(
        "1 / {s} - {y} / {a}",
        {"s": float(a.sum()), "y": float(y[i]), "a": float(a[i])},
        lambda s, y, a: 1.0 / s - (y / a if a else 0.0),
    )


def _binary_cross_entropy(rows: Rows, i: int) -> Form | None:
    a, y, p, settings = rows
    given = settings["pos_weight"]
    w, m = float(given[i] if isinstance(given, list) else given), len(a)
    scale = _over(1, m)
    if settings["epsilon"]:
        return None
    if not settings["from_logits"]:
        body = "({a} - {y_}) / ({a} * (1 - {a}))"
        if w != 1.0:
            body = f"((1 - {{y_}}) / (1 - {{a}}) - {w:g} * {{y_}} / {{a}})"
        return Form(
            scale + body,
            {"a": float(a[i]), "y": float(y[i])},
            lambda a, y: ((1.0 - y) / (1.0 - a) - w * y / a) / m if 0.0 < a < 1.0 else math.nan,
        )
    if p is None:
        return None
    body = f"((1 - {{y_}}) * {{p}} - {w:g} * {{y_}} * (1 - {{p}}))"
    return Form(
        scale + body,
        {"p": float(p[i]), "y": float(y[i])},
        lambda p, y: ((1.0 - y) * p - w * y * (1.0 - p)) / m,
    )


def _binary_focal(rows: Rows, i: int) -> Form | None:
    a, y, p, settings = rows
    if p is None or y[i] not in (0.0, 1.0) or settings["epsilon"] or not settings["from_logits"]:
        return None
    gamma, alpha, m, yes = float(settings["gamma"]), settings["alpha"], len(a), y[i] == 1.0
    weight = 1.0 if alpha is None else float(alpha) if yes else 1.0 - float(alpha)
    factor = f"{weight:g} * " if weight != 1.0 else ""
    # with q = p for yes, 1 - p for no: ± α (1 - q)^γ (γ q log q - (1 - q))
    own, other = ("{p}", "(1 - {p})") if yes else ("(1 - {p})", "{p}")
    log = "log({p})" if yes else "log(1 - {p})"
    body = f"{factor}{other}^{gamma:g} * ({gamma:g} * {own} * {log} - {other})"

    def evaluate(p: float) -> float:
        q = p if yes else 1.0 - p
        if not 0.0 < q < 1.0:
            return math.nan
        slope = weight * (1.0 - q) ** gamma * (gamma * q * math.log(q) - (1.0 - q)) / m
        return float(slope if yes else -slope)

    return Form(_over(1 if yes else -1, m) + body, {"p": float(p[i])}, evaluate)


def _categorical_focal(rows: Rows, i: int) -> Form | None:
    _, y, p, settings = rows
    right = _right(y)
    if p is None or right is None or settings["epsilon"] or not settings["from_logits"]:
        return None
    gamma, alpha = float(settings["gamma"]), settings["alpha"]
    weight = float(alpha[right] if isinstance(alpha, list) else alpha)
    factor = f"{weight:g} * " if weight != 1.0 else ""
    body = (
        f"{factor}(1 - {{q}})^{gamma:g} * ({gamma:g} * {{q}} * log({{q}}) / (1 - {{q}}) - 1)"
        " * ({y} - {p})"
    )

    def evaluate(q: float, y: float, p: float) -> float:
        if not 0.0 < q < 1.0:
            return math.nan
        slope = gamma * q * math.log(q) / (1.0 - q) - 1.0
        return float(weight * (1.0 - q) ** gamma * slope * (y - p))

    return Form(body, {"q": float(p[right]), "y": float(y[i]), "p": float(p[i])}, evaluate, right)


def _kl_divergence(rows: Rows, i: int) -> Form | None:
    _, y, p, settings = rows
    if settings["epsilon"] or p is None:
        return None
    if not settings["from_logits"]:
        return _cross_entropy(rows, i)
    return Form("{p} - {y_}", {"p": float(p[i]), "y": float(y[i])}, lambda p, y: p - y)


def _right(y: Array) -> int | None:
    """Return the class of a one-hot row."""
    right = int(y.argmax())
    return right if y[right] == 1.0 and np.count_nonzero(y) == 1 else None


_FORMS: dict[str, Callable[[Rows, int], Form | None]] = {
    "absolute_error": _absolute_error,
    "absolute_percentage_error": _absolute_percentage_error,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_focal": _binary_focal,
    "categorical_focal": _categorical_focal,
    "categorical_hinge": _categorical_hinge,
    "cosine_similarity": _cosine_similarity,
    "cross_entropy": _cross_entropy,
    "hinge": _hinge,
    "huber": _huber,
    "kl_divergence": _kl_divergence,
    "log_cosh": _log_cosh,
    "poisson": _poisson,
    "quantile": _quantile,
    "squared_hinge": _squared_hinge,
    "squared_log_error": _squared_log_error,
}
