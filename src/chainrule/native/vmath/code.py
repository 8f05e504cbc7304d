"""What the functions share: formulas on the lanes of one kind, polynomials, powers of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.native.ir import Function, Kind, Value

LOG2_E = 1.4426950408889634


@dataclass(frozen=True, slots=True)
class Format:
    """A floating-point format.

    Attributes:
        integer: the integer kind of the same size.
        mantissa: bits of the mantissa that are stored.
        bias: what is added to an exponent when it is stored.
        magic: 1.5·2^mantissa; ``(x + magic) - magic`` rounds x to a whole number (to even), and
            the low bits of ``x + magic`` are that number.
        ln2_high: log 2, rounded.
        ln2_low: what that lacks.
        root_half_bits: the bits of √½.
        tiny: the smallest normal number.
    """

    integer: Kind
    mantissa: int
    bias: int
    magic: float
    ln2_high: float
    ln2_low: float
    root_half_bits: int
    tiny: float


FORMATS: dict[Kind, Format] = {
    "f32": Format(
        "i32", 23, 127, 1.5 * 2.0**23, 0.693147182464599609375, -1.9046542999577680e-09,
        0x3F3504F3, 2.0**-126,
    ),
    "f64": Format(
        "i64", 52, 1023, 1.5 * 2.0**52, 0.6931471805599453, 2.3190468138462996e-17,
        0x3FE6A09E667F3BCD, 2.0**-1022,
    ),
}  # fmt: skip


class Code:
    """Writes formulas on lanes like those of ``x``; plain numbers in them become constants.

    Args:
        f: the function to write into.
        x: a float value.
    """

    def __init__(self, f: Function, x: Value) -> None:
        self.f = f
        self.kind, self.lanes = x.kind, x.lanes
        self.format = FORMATS[x.kind]
        self.is_f32 = x.kind == "f32"

    def c(self, value: Value | float) -> Value:
        """Return a float constant in all lanes; a value as it is."""
        if isinstance(value, Value):
            return value
        return self.f.constant(value, self.kind, self.lanes)

    def i(self, value: Value | int) -> Value:
        """Return an integer constant in all lanes; a value as it is."""
        if isinstance(value, Value):
            return value
        return self.f.constant(value, self.format.integer, self.lanes)

    # Arithmetic -----------------------------------------------------------------------------

    def add(self, x: Value | float, y: Value | float) -> Value:
        """Return x + y."""
        return self.f.add(self.c(x), self.c(y))

    def sub(self, x: Value | float, y: Value | float) -> Value:
        """Return x - y."""
        return self.f.sub(self.c(x), self.c(y))

    def mul(self, x: Value | float, y: Value | float) -> Value:
        """Return x · y."""
        return self.f.mul(self.c(x), self.c(y))

    def div(self, x: Value | float, y: Value | float) -> Value:
        """Return x / y."""
        return self.f.div(self.c(x), self.c(y))

    def fma(self, x: Value | float, y: Value | float, z: Value | float) -> Value:
        """Return x · y + z, rounded once."""
        return self.f.fma(self.c(x), self.c(y), self.c(z))

    def iadd(self, x: Value | int, y: Value | int) -> Value:
        """Return x + y of integers."""
        return self.f.add(self.i(x), self.i(y))

    def isub(self, x: Value | int, y: Value | int) -> Value:
        """Return x - y of integers."""
        return self.f.sub(self.i(x), self.i(y))

    def where(self, condition: Value, x: Value | float, y: Value | float) -> Value:
        """Return x where the condition holds, else y."""
        return self.f.select(condition, self.c(x), self.c(y))

    def test(self, x: Value, how: str, y: Value | float) -> Value:
        """Compare; false where a lane is NaN (true for ne)."""
        return self.f.compare(how, x, self.c(y))

    def at_least(self, x: Value, low: float) -> Value:
        """Return max(x, low); NaN stays."""
        return self.where(self.test(self.c(low), "gt", x), low, x)

    def at_most(self, x: Value, high: float) -> Value:
        """Return min(x, high); NaN stays."""
        return self.where(self.test(self.c(high), "lt", x), high, x)

    def minus_abs(self, x: Value) -> Value:
        """Return -|x|: one operation on the bits."""
        return self.f.neg(self.f.abs(x))

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Return Σₖ cₖ·xᵏ, in pairs (Estrin): half the waiting of Horner, a few more products."""
        terms: list[Value | float] = list(coefficients)
        while True:
            pairs: list[Value | float] = [
                self.fma(terms[k + 1], x, terms[k]) for k in range(0, len(terms) - 1, 2)
            ]
            terms = [*pairs, terms[-1]] if len(terms) % 2 else pairs
            if len(terms) == 1:
                return self.c(terms[0])
            x = self.mul(x, x)

    # Bits -----------------------------------------------------------------------------------

    def bits(self, x: Value) -> Value:
        """Return the bits of floats as integers."""
        return self.f.bitcast(x, self.format.integer)

    def floats(self, x: Value) -> Value:
        """Return the floats of bits."""
        return self.f.bitcast(x, self.kind)

    def to_whole(self, x: Value, times: float) -> tuple[Value, Value]:
        """Round x · times to the nearest whole number n.

        Returns:
            n as floats, and bits that hold n in their low half: shifted up by ``mantissa`` they
            are n·2^mantissa.
        """
        shifted = self.fma(x, times, self.format.magic)
        return self.sub(shifted, self.format.magic), self.bits(shifted)

    def power_of_two(self, n_bits: Value, plus: int = 0) -> Value:
        """Return 2^(n + plus) for the bits of ``to_whole``; it must be a normal number."""
        form = self.format
        exponent = self.f.shift_left(n_bits, form.mantissa)
        return self.floats(self.iadd(exponent, (form.bias + plus) << form.mantissa))

    def times_power_of_two(self, y: Value, n_bits: Value) -> Value:
        """Return y · 2ⁿ for y about 1, rounded once: into denormal numbers, and up to infinity."""
        form = self.format
        half = self.f.shift_left(self.f.shift_right(n_bits, 1), form.mantissa)  # ⌊n/2⌋, shifted
        first = self.iadd(half, form.bias << form.mantissa)
        whole = self.iadd(
            self.f.shift_left(n_bits, form.mantissa), (2 * form.bias) << form.mantissa
        )
        second = self.isub(whole, first)
        return self.mul(self.mul(y, self.floats(first)), self.floats(second))

    def split_exponent(self, x: Value, denormal: bool) -> tuple[Value, Value, Value]:
        """Write positive numbers as m·2ᵉ with m in [√½, √2).

        Args:
            x: positive floats (of others the result means nothing).
            denormal: whether they may be denormal.

        Returns:
            m - 1 (exact), e as floats, and e·2^mantissa as integers.
        """
        form, f = self.format, self.f
        shift = self.c(form.magic)
        if denormal:
            is_small = self.test(x, "lt", form.tiny)
            up = form.mantissa + 1
            x = self.where(is_small, self.mul(x, 2.0**up), x)
            shift = self.where(is_small, form.magic + up, form.magic)
        above = self.isub(self.bits(x), form.root_half_bits)
        e = f.shift_right(above, form.mantissa, is_signed=True)
        ones = (1 << form.mantissa) - 1
        m = self.floats(self.iadd(f.bits_and(above, self.i(ones)), form.root_half_bits))
        magic_bits = float_bits(form.magic, self.kind)
        e_float = self.sub(self.floats(self.iadd(e, magic_bits)), shift)
        return self.sub(m, 1.0), e_float, f.bits_and(above, self.i(~ones))


def float_bits(value: float, kind: Kind) -> int:
    """Return the bits of a positive number whose mantissa is short."""
    form = FORMATS[kind]
    mantissa, exponent = math.frexp(value)
    stored = int((2 * mantissa - 1) * 2**form.mantissa)
    return ((exponent - 1 + form.bias) << form.mantissa) + stored
