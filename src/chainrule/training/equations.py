"""The equations of one unit for one sample: forward, backward, and one weight's gradient."""

from __future__ import annotations

# ruff: noqa: E741 - l is the lecture's symbol
from collections.abc import Callable

import numpy as np

from chainrule.core.graph import ancestors
from chainrule.core.tensor import Tensor, known
from chainrule.core.types import Array
from chainrule.nn.activations.description import SYMBOLS
from chainrule.training.arithmetic import Term, number, operand, settle
from chainrule.training.known_activations import agree, value_at
from chainrule.training.loss_equations import LossWriter, Step
from chainrule.training.notation import at, f_of, substitute

#: f′ in terms of a = f(z), where the textbook writes it so.
_BY_ACTIVATION: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda a: a * (1.0 - a),
    "tanh": lambda a: 1.0 - a * a,
}


class Writer(LossWriter):
    """Writes the equations of one unit for one sample.

    Args:
        record: where the numbers stand.
        l: the layer.
        i: the unit.
        s: the sample.
        digits: significant digits of results.
        terms: how many terms of longer sums are shown.
    """

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
        if record.a[l].shape == record.z[l].shape:
            return [step, self._activation()]
        return [step, self._largest()] if record.f[l] == "maxout" else [step]

    def _largest(self) -> Step:
        """Write ``a = maxₖ zₖ`` of a Maxout unit, and which of its pieces is the largest."""
        l, z, a = self.l, self.record.z[self.l][self.s], self.record.a[self.l][self.s]
        pieces = len(z) // len(a)
        unit = self.i // pieces
        first, value = unit * pieces, float(a[unit])
        own = z[first : first + pieces]
        won = first + int(own.argmax())
        texts, rest = settle(own.tolist(), max, value, self.digits)
        left = (
            f"{at('a', l, unit)} = max({', '.join(at('z', l, first + k) for k in range(pieces))})"
        )
        which = (
            "this piece is the largest" if won == self.i else f"{at('z', l, won)} is the largest"
        )
        lines = (left, f"= max({', '.join(texts)})", *self._rounded(rest))
        return Step("activation", (*lines, f"= {self._shown(value)}   ({which})"), value)

    def _gamma(self) -> float | None:
        """Return γ of a PReLU unit, or ``None`` for another activation."""
        if self.record.f[self.l] != "prelu":
            return None
        z, a = self.record.chain[self.l - 1]
        for node in ancestors([a], stop=[z]):
            if isinstance(node, Tensor) and node.primitive is None and node.cell is not None:
                return float(np.broadcast_to(known(node, "explain"), z.shape[1:])[self.i])
        return None

    def _activation(self) -> Step:
        """Write ``a = f(z)``."""
        left, a = f"{at('a', self.l, self.i)} =", self.a
        if self.is_linear:
            return Step("activation", (f"{left} {self.z_symbol}", f"= {self._shown(a)}"), a)
        if self.f is not None and self.f.name == "softmax":
            return self._softmax("activation", at("a", self.l, self.i), "z", self.z, a)
        f, gamma = self.f, self._gamma()
        if gamma is not None:
            texts, rest = settle(
                [self.z, gamma], lambda x: max(x[0], 0.0) + x[1] * min(x[0], 0.0), a, self.digits
            )
            z, γ = texts  # noqa: PLC2401
            symbols = f"{left} max({self.z_symbol}, 0) + γ min({self.z_symbol}, 0)"
            numbers = f"= max({z}, 0) + {operand(γ)} × min({z}, 0)"
            end = f"= {self._shown(a)}"
            return Step("activation", (symbols, numbers, *self._rounded(rest), end), a)
        if f is None or not f.elementwise:
            return Step(
                "activation", (f"{left} {f_of(self.l)}({self.z_symbol})", f"= {self._shown(a)}"), a
            )
        (z,), rest = settle([self.z], lambda x: value_at(f, x[0]), a, self.digits)
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
            name, gamma = self.record.f[self.l], self._gamma()
            if gamma is not None:
                symbols = f"{left} I({self.z_symbol} > 0) + γ I({self.z_symbol} ≤ 0)"
                z = number(self.z, self.digits)
                numbers = f"= I({z} > 0) + {operand(number(gamma, self.digits))} × I({z} ≤ 0)"
                return Step("slope", (symbols, numbers, f"= {self._shown(value)}"), value)
            if "→" in name:  # the slope of all that is applied one after the other
                of = f"d({name})/d{self.z_symbol}"
                return Step("slope", (f"{left} {of}", f"= {self._shown(value)}"), value)
            return Step("slope", (f"{left} {self._shown(value)}",), value)
        by_a = _BY_ACTIVATION.get(f.name)
        given, evaluate = self.z, lambda x: value_at(f.derivative, x[0])
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

    def penalized(self, j: int, penalty: float) -> Step:
        """Write what the structured risk adds: ``∂R/∂w = ∂L/∂w + λ w``, line 10 of the algorithm.

        Args:
            j: the weight's column.
            penalty: the gradient of the penalty by it.
        """
        l, i, l2 = self.l, self.i, self.record.l2
        w, own = float(self.record.W[l][i, j]), at("w", l, i, j)
        loss = self.delta * float(self.record.a[l - 1][self.s, j])
        is_l2 = agree(np.array([l2 * w]), np.array([penalty], self.record.dtype))
        term = Term((l2, w)) if is_l2 else Term((penalty,), "penalties")
        formula = f"∂L/∂{own} + {f'λ {own}' if is_l2 else f'∂r/∂{own}'}"
        return self._sum(
            "with penalty", f"∂R/∂{own}", formula, [Term((loss,)), term], loss + penalty
        )


def _products(ws: Array, xs: Array, letter: str) -> list[Term]:
    pairs = zip(ws.tolist(), xs.tolist(), strict=True)
    return [Term((w, x), f"{letter} = {k}") for k, (w, x) in enumerate(pairs)]
