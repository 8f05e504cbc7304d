"""The equations of one unit for one sample: forward, backward, and one weight's gradient."""

from __future__ import annotations

# ruff: noqa: E741 - l is the lecture's symbol
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.nn.activations import ACTIVATIONS, Activation, get
from chainrule.nn.activations.description import SYMBOLS
from chainrule.training.arithmetic import Term, number, operand, settle, spell_sum
from chainrule.training.notation import at, f_of, substitute
from chainrule.training.record import Record

#: f′ in terms of a = f(z), where the textbook writes it so.
_BY_ACTIVATION: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda a: a * (1.0 - a),
    "tanh": lambda a: 1.0 - a * a,
}


@dataclass(frozen=True)
class Step:
    """One equation with its numbers.

    Attributes:
        title: what it computes, in words.
        lines: the equation in symbols, then with numbers, and its result. Lines after the first
            begin with the sign that joins them to what stands above: ``=`` or ``+``.
        value: the result.
    """

    title: str
    lines: tuple[str, ...]
    value: float


class Writer:
    """Writes the equations of one unit for one sample.

    Args:
        record: where the numbers stand.
        l: the layer.
        i: the unit.
        s: the sample.
        digits: significant digits of results.
        terms: how many terms of longer sums are shown.
    """

    def __init__(self, record: Record, l: int, i: int, s: int, digits: int, terms: int) -> None:
        self.record, self.l, self.i, self.s = record, l, i, s
        self.digits, self.terms = digits, terms
        self.is_last = l == record.L
        self.z, self.delta = float(record.z[l][s, i]), float(record.delta[l][s, i])
        same = record.a[l].shape == record.z[l].shape
        self.a = float(record.a[l][s, i]) if same else math.nan
        slopes = record.df[l]
        self.slope = None if slopes is None else float(slopes[s, i])
        self.f = _known(
            record.f[l], record.z[l][s], record.a[l][s], slopes if slopes is None else slopes[s]
        )
        self.is_linear = record.f[l] == "linear"
        self.z_symbol, self.rounding = at("z", l, i), f"rounding in {record.dtype}"

    # Forward ---------------------------------------------------------------------------------

    def forward(self, j: int | None) -> list[Step]:
        """Write z, with the term of weight j among those shown, and a."""
        l, i, record = self.l, self.i, self.record
        terms = _products(record.W[l][i], record.a[l - 1][self.s], "j")
        formula = f"Σⱼ {at('w', l, i, 'j')} {at('a', l - 1, 'j')}"
        bias = record.b[l]
        if bias is not None:
            formula += f" + {at('b', l, i)}"
        own = [] if bias is None else [Term((float(bias[i]),), "b")]
        step = self._sum("net input", self.z_symbol, formula, terms, self.z, own, keep=j)
        one_to_one = record.a[l].shape == record.z[l].shape
        return [step, self._activation()] if one_to_one else [step]

    def _activation(self) -> Step:
        """Write ``a = f(z)``."""
        left, a = f"{at('a', self.l, self.i)} =", self.a
        if self.is_linear:
            return Step("activation", (f"{left} {self.z_symbol}", f"= {self._shown(a)}"), a)
        if self.f is not None and self.f.name == "softmax":
            return self._softmax("activation", at("a", self.l, self.i), "z", self.z, a)
        f = self.f
        if f is None or not f.elementwise:
            return Step(
                "activation", (f"{left} {f_of(self.l)}({self.z_symbol})", f"= {self._shown(a)}"), a
            )
        (z,), rest = settle([self.z], lambda x: _apply(f, x[0]), a, self.digits)
        given = "".join(f"; {SYMBOLS.get(k, k)} = {v:g}" for k, v in f.parameters.items())
        lines = (f"{left} {f_of(self.l)}({self.z_symbol})", f"= {f.name}({z}{given})")
        return Step("activation", (*lines, *self._rounded(rest), f"= {self._shown(a)}"), a)

    # Backward --------------------------------------------------------------------------------

    def backward(self) -> list[Step]:
        """Write what leads to δ, and δ."""
        error, arriving = at("δ", self.l, self.i), f"∂L/∂{at('a', self.l, self.i)}"
        source = "from the loss" if self.is_last else "from above"
        title, left = ("error", error) if self.is_linear else (source, arriving)
        if self.is_last:
            y_hat = self._closed_form(self.record.delta[self.l][self.s], is_error=True)
            if y_hat is not None:
                return [self._difference("error", error, *y_hat, self.delta)]
            steps = self._from_loss(title, left)
        else:
            steps = [self._from_above(title, left)] if self.slope is not None else []
        if self.is_linear:
            return steps
        if self.slope is None:
            return [self._mixed(error)]
        product = [Term((self.slope, float(self.record.da[self.l][self.s, self.i])))]
        formula = f"{f_of(self.l)}′({self.z_symbol}) {arriving}"
        return [*steps, self._slope(), self._sum("error", error, formula, product, self.delta)]

    def _from_above(self, title: str, left: str) -> Step:
        """Write what comes back from the layer above: ``Σₖ wₖᵢ δₖ``."""
        l, i = self.l, self.i
        terms = _products(self.record.W[l + 1][:, i], self.record.delta[l + 1][self.s], "k")
        formula = f"Σₖ {at('w', l + 1, 'k', i)} {at('δ', l + 1, 'k')}"
        return self._sum(title, left, formula, terms, float(self.record.da[l][self.s, i]))

    def _mixed(self, left: str) -> Step:
        """Write δ where f mixes the units: ``Σₖ ∂aₖ/∂zᵢ ∂L/∂aₖ``."""
        l, i = self.l, self.i
        slopes = self.record.slopes(l, self.s, i)
        a, z = at("a", l, "k"), self.z_symbol
        terms = _products(slopes, self.record.da[l][self.s], "k")
        return self._sum("error", left, f"Σₖ ∂{a}/∂{z} ∂L/∂{a}", terms, self.delta)

    def _slope(self) -> Step:
        """Write ``f′(z)``."""
        left, value = f"{f_of(self.l)}′({self.z_symbol}) =", self.slope
        assert value is not None
        f = self.f
        if f is None:
            return Step("slope", (f"{left} {self._shown(value)}",), value)
        by_a = _BY_ACTIVATION.get(f.name)
        given, evaluate = self.z, lambda x: _apply(f.derivative, x[0])
        if by_a is not None:
            given, evaluate = self.a, lambda x: by_a(x[0])
        (shown,), rest = settle([given], evaluate, value, self.digits)
        symbols = substitute(f.derivative_formula, at("a", self.l, self.i), self.z_symbol)
        numbers = substitute(f.derivative_formula, shown, shown)
        for key, value_of in f.parameters.items():
            numbers = numbers.replace(SYMBOLS.get(key, key), f"{value_of:g}")
        lines = [f"{left} {symbols}"]
        if numbers != symbols:
            lines.append(f"= {numbers}")
        return Step("slope", (*lines, *self._rounded(rest), f"= {self._shown(value)}"), value)

    # From the loss ---------------------------------------------------------------------------

    def _closed_form(
        self, recorded: Array, is_error: bool
    ) -> tuple[str, float, tuple[int, int]] | None:
        """Find the form ``(p/q)(ŷ - y)`` that gives what was recorded for all units.

        Args:
            recorded: the sample's δ, or its ``∂L/∂a``.
            is_error: whether it is δ of a softmax or sigmoid output, which the loss belongs to.

        Returns:
            The symbol of ŷᵢ, its value, and p and q.
        """
        record, name, m = self.record, self.record.loss_name, self.record.M[self.l]
        a, output = at("a", self.l, self.i), record.a[self.l][self.s]
        fractions = {
            "squared_error": (2, m),
            "cross_entropy": (1, 1),
            "binary_cross_entropy": (1, m),
        }
        targets = self._targets()
        if targets is None or name not in fractions or (is_error and name == "squared_error"):
            return None
        symbol, values = a, output
        if name != "squared_error" and not is_error:
            if record.probabilities is None:
                return None
            symbol, values = f"ŷ[{self.i}]", record.probabilities[self.s]
        p, q = fractions[name]
        if not agree(p / q * (values.astype(np.float64) - targets), recorded):
            return None
        return symbol, float(values[self.i]), (p, q)

    def _from_loss(self, title: str, left: str) -> list[Step]:
        """Write what the loss says: ``∂L/∂aᵢ`` of the last layer."""
        value = float(self.record.da[self.l][self.s, self.i])
        form = self._closed_form(self.record.da[self.l][self.s], is_error=False)
        if form is None:
            return [Step(title, (f"{left} = {self._shown(value)}",), value)]
        steps = [] if form[0].startswith("a") else [self._prediction(form[1])]
        return [*steps, self._difference(title, left, *form, value)]

    def _prediction(self, value: float) -> Step:
        """Write ``ŷᵢ`` from the logits, by softmax or sigmoid."""
        letter = "z" if self.is_linear else "a"
        if self.record.loss_name == "cross_entropy":
            return self._softmax("prediction", f"ŷ[{self.i}]", letter, self.a, value)
        (logit,), rest = settle(
            [self.a], lambda x: _apply(ACTIVATIONS["sigmoid"], x[0]), value, self.digits
        )
        lines = (
            f"ŷ[{self.i}] = σ({at(letter, self.l, self.i)})",
            f"= 1 / (1 + exp(-{operand(logit)}))",
        )
        return Step("prediction", (*lines, *self._rounded(rest), f"= {self._shown(value)}"), value)

    def _softmax(self, title: str, left: str, letter: str, logit: float, value: float) -> Step:
        """Write softmax so that it does not overflow: ``exp(zᵢ - log Σₖ exp(zₖ))``."""
        logits = (self.record.z if letter == "z" else self.record.a)[self.l][self.s]
        total = float(np.logaddexp.reduce(logits.astype(np.float64)))
        (one, all_), rest = settle(
            [logit, total], lambda x: math.exp(min(x[0] - x[1], 0.0)), value, self.digits
        )
        own, others = at(letter, self.l, self.i), at(letter, self.l, "k")
        lines = (
            f"{left} = exp({own} - log Σₖ exp({others}))",
            f"= exp({one} - {operand(all_)})",
        )
        return Step(title, (*lines, *self._rounded(rest), f"= {self._shown(value)}"), value)

    def _difference(
        self,
        title: str,
        left: str,
        symbol: str,
        y_hat: float,
        fraction: tuple[int, int],
        value: float,
    ) -> Step:
        """Write ``(p/q)(ŷ - y)``."""
        targets = self._targets()
        assert targets is not None
        p, q = fraction
        scale = "" if p == q else f"{p} " if q == 1 else f"{p}/{q} "
        (a, y), rest = settle(
            [y_hat, float(targets[self.i])], lambda x: p / q * (x[0] - x[1]), value, self.digits
        )
        opening, closing = ("(", ")") if scale else ("", "")
        times = f"{scale}× " if scale else ""
        lines = (
            f"{left} = {scale}{opening}{symbol} - y[{self.i}]{closing}",
            f"= {times}{opening}{a} - {operand(y)}{closing}",
        )
        return Step(title, (*lines, *self._rounded(rest), f"= {self._shown(value)}"), value)

    def _targets(self) -> Array | None:
        """Return the sample's targets, one an output; a label as a one-hot row."""
        y, units, smoothing = (
            self.record.y,
            self.record.M[self.record.L],
            self.record.label_smoothing,
        )
        row = np.asarray(None if y is None else y[self.s])
        if row.shape == () and row.dtype.kind in "iu" and units > 1:
            row = np.eye(units)[int(row)]
        if row.size != units or row.dtype.kind not in "iuf":
            return None
        return np.asarray(
            (1.0 - smoothing) * row.reshape(-1).astype(np.float64) + smoothing / max(units, 2)
        )

    # The gradient ----------------------------------------------------------------------------

    def gradient(self, j: int | None) -> Step:
        """Write ``∂L/∂w = δ a``, or ``∂L/∂b = δ``."""
        l, i, error = self.l, self.i, at("δ", self.l, self.i)
        if j is None:
            lines = (f"∂L/∂{at('b', l, i)} = {error}", f"= {self._shown(self.delta)}")
            return Step("gradient", lines, self.delta)
        a = float(self.record.a[l - 1][self.s, j])
        left, formula = f"∂L/∂{at('w', l, i, j)}", f"{error} {at('a', l - 1, j)}"
        product = [Term((self.delta, a))]
        return self._sum("gradient", left, formula, product, self.delta * a)

    # Writing ---------------------------------------------------------------------------------

    def _shown(self, x: float) -> str:
        return number(x, self.digits)

    def _rounded(self, rest: str) -> list[str]:
        return [f"+ {operand(rest)}   ({self.rounding})"] if rest else []

    def _sum(
        self,
        title: str,
        left: str,
        formula: str,
        terms: Sequence[Term],
        value: float,
        own: Sequence[Term] = (),
        keep: int | None = None,
    ) -> Step:
        """Write a sum: its largest terms if it is long, and what the others come to.

        Args:
            title: what it computes.
            left: its symbol.
            formula: the sum in symbols.
            terms: what is added.
            value: the result.
            own: terms that come last, and are always shown.
            keep: the term that is always shown.
        """
        shown = list(terms)
        if len(terms) > self.terms + 1:
            largest = sorted(range(len(terms)), key=lambda k: (-abs(terms[k].value), k))
            chosen = largest[: self.terms]
            if keep is not None and keep not in chosen:
                chosen.append(keep)
            others = [term.value for k, term in enumerate(terms) if k not in set(chosen)]
            shown = [terms[k] for k in chosen]
            shown.append(Term((math.fsum(others),), f"{len(others)} more terms that sum to this"))
        lines = spell_sum(
            [*shown, *own],
            value,
            self.digits,
            rounding=self.rounding,
            noted=len(shown) < len(terms),
        )
        return Step(title, (f"{left} = {formula}", *lines), value)


def _products(ws: Array, xs: Array, letter: str) -> list[Term]:
    pairs = zip(ws.tolist(), xs.tolist(), strict=True)
    return [Term((w, x), f"{letter} = {k}") for k, (w, x) in enumerate(pairs)]


def _known(name: str, z: Array, a: Array, slopes: Array | None) -> Activation | None:
    """Return what is known of an activation, if this is one; anyone may call a function so."""
    try:
        f = get(name)
    except ArgumentError:
        return None
    exact = z.astype(np.float64)
    if f.layer or not agree(f(exact).numpy(), a):
        return None
    fits = slopes is None or agree(f.derivative(exact).numpy(), slopes)
    return f if fits and f.elementwise == (slopes is not None) else None


def agree(exact: Array, recorded: Array) -> bool:
    """Return whether a closed form gives what was recorded, up to the recorded dtype's rounding."""
    tolerance = 1e3 * float(np.finfo(recorded.dtype).eps)
    return bool(np.allclose(exact, recorded, rtol=tolerance, atol=tolerance))


def _apply(f: Any, x: float) -> float:
    return float(f(np.array(x, np.float64)).item())
