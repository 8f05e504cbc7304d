"""What a loss says of the last layer: predictions, and its derivatives with the numbers in them."""

from __future__ import annotations

# ruff: noqa: E741 - l is the lecture's symbol
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.core.types import Array
from chainrule.nn.activations import ACTIVATIONS
from chainrule.training.arithmetic import Term, number, operand, settle, spell_sum
from chainrule.training.known_activations import agree, known_activation, value_at
from chainrule.training.loss_derivatives import NAMES, Form, derivative_form
from chainrule.training.notation import at
from chainrule.training.record import Record

#: Losses that make probabilities of logits by softmax; others by the sigmoid.
_BY_SOFTMAX = ("cross_entropy", "categorical_focal", "kl_divergence")


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


class LossWriter:
    """Writes what a loss says of one unit of the last layer, for one sample.

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
        self.f = known_activation(
            record.f[l], record.z[l][s], record.a[l][s], slopes if slopes is None else slopes[s]
        )
        self.is_linear = record.f[l] == "linear"
        self.z_symbol, self.rounding = at("z", l, i), f"rounding in {record.dtype}"

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
            return self._from_formula(title, left, value)
        steps = [] if form[0].startswith("a") else [self._prediction(form[1])]
        return [*steps, self._difference(title, left, *form, value)]

    def _from_formula(self, title: str, left: str, value: float) -> list[Step]:
        """Write the loss's own derivative, if its formula gives what was recorded."""
        record, s = self.record, self.s
        targets, p = self._targets(), record.probabilities
        forms: list[Form | None] = [None]
        if targets is not None and record.loss_name is not None:
            a = record.a[self.l][s].astype(np.float64)
            rows = a, targets, None if p is None else p[s].astype(np.float64), record.loss_settings
            forms = [derivative_form(record.loss_name, rows, k) for k in range(len(a))]
        known = [form for form in forms if form is not None]
        given = np.array([form.evaluate(*form.operands.values()) for form in known])
        if len(known) < len(forms) or not agree(given, record.da[self.l][s]):
            return [Step(title, (f"{left} = {self._shown(value)}",), value)]
        form, steps = known[self.i], []
        if p is not None:
            of = {"p": self.i, "q": form.right}
            units = dict.fromkeys(of[name] for name in form.operands if name in of)
            steps = [self._prediction(float(p[s, k]), k) for k in units if k is not None]
        names = {**NAMES, "a": at("a", self.l, self.i), "y": f"y[{self.i}]"}
        names |= {"p": f"ŷ[{self.i}]", "q": f"ŷ[{form.right}]"}
        texts, rest = settle(
            list(form.operands.values()), lambda xs: form.evaluate(*xs), value, self.digits
        )
        numbers = dict(zip(form.operands, texts, strict=True))
        shown = {f"{k}_": operand(text) for k, text in numbers.items()} | numbers
        lines = (
            f"{left} = " + form.formula.format(**names, **{f"{k}_": v for k, v in names.items()}),
            "= " + form.formula.format(**shown),
        )
        symbols, filled = lines[0].replace(" * ", " "), lines[1].replace(" * ", " × ")
        end = f"= {self._shown(value)}"
        return [*steps, Step(title, (symbols, filled, *self._rounded(rest), end), value)]

    def _prediction(self, value: float, unit: int | None = None) -> Step:
        """Write ``ŷᵢ``, or that of another unit, from the logits, by softmax or sigmoid."""
        letter, k = "z" if self.is_linear else "a", self.i if unit is None else unit
        own = float(self.record.a[self.l][self.s, k])
        if self.record.loss_name in _BY_SOFTMAX:
            return self._softmax("prediction", f"ŷ[{k}]", letter, own, value, k)
        (logit,), rest = settle(
            [own], lambda x: value_at(ACTIVATIONS["sigmoid"], x[0]), value, self.digits
        )
        lines = (
            f"ŷ[{k}] = σ({at(letter, self.l, k)})",
            f"= 1 / (1 + exp(-{operand(logit)}))",
        )
        return Step("prediction", (*lines, *self._rounded(rest), f"= {self._shown(value)}"), value)

    def _softmax(
        self,
        title: str,
        left: str,
        letter: str,
        logit: float,
        value: float,
        unit: int | None = None,
    ) -> Step:
        """Write softmax so that it does not overflow: ``exp(zᵢ - log Σₖ exp(zₖ))``."""
        logits = (self.record.z if letter == "z" else self.record.a)[self.l][self.s]
        total = float(np.logaddexp.reduce(logits.astype(np.float64)))
        (one, all_), rest = settle(
            [logit, total], lambda x: math.exp(min(x[0] - x[1], 0.0)), value, self.digits
        )
        own, others = at(letter, self.l, self.i if unit is None else unit), at(letter, self.l, "k")
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
