"""exp, expm1, tanh, sigmoid and softplus, from one reduction: x = n·log 2 + r, |r| ≤ ½·log 2.

eˣ = 2ⁿ·(1 + q) with q = eʳ - 1 = r + r²·P(r). Where exp is only a part, q and 2ⁿ enter the
formulas on their own, each through a fused multiply-add, so that little is rounded.

Source: J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., ch. 11;
W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980, ch. 6.
"""

from __future__ import annotations

from chainrule.native.ir import Function, Value
from chainrule.native.vmath.code import LOG2_E, Code
from chainrule.native.vmath.coefficients import EXPM1
from chainrule.native.vmath.logarithm import log1p_rest

_LN2 = 0.6931471805599453


def reduce_exp(m: Code, x: Value, exact: bool = True) -> tuple[Value, Value, Value]:
    """Return n, its bits, and q = exp(x - n·log 2) - 1.

    Where ``exact`` is false, n·log 2 is off by n·2⁻²⁹ (float64: n·2⁻⁵⁶).
    """
    n, n_bits = m.to_whole(x, LOG2_E)
    r = m.fma(n, -m.format.ln2_high, x)
    if exact:
        r = m.fma(n, -m.format.ln2_low, r)
    p = m.polynomial(r, EXPM1[m.kind])
    return n, n_bits, m.fma(m.mul(r, r), p, r)


def exp(f: Function, x: Value) -> Value:
    """eˣ; 0 and denormal results below, infinity above, as rounding has it."""
    m = Code(f, x)
    low, high = (-105.0, 89.0) if m.is_f32 else (-747.0, 710.0)
    x = m.at_most(m.at_least(x, low), high)
    _, n_bits, q = reduce_exp(m, x)
    return m.times_power_of_two(m.add(q, 1.0), n_bits)


def expm1(f: Function, x: Value) -> Value:
    """eˣ - 1, accurate near 0; keeps the sign of 0."""
    m = Code(f, x)
    low, high = (-20.0, 89.0) if m.is_f32 else (-44.0, 710.0)
    n, n_bits, q = reduce_exp(m, m.at_most(m.at_least(x, low), high))
    half = m.power_of_two(n_bits, -1)  # 2ⁿ itself may be beyond the largest number
    y = m.mul(m.fma(half, q, m.sub(half, 0.5)), 2.0)
    return f.copysign(m.where(m.test(n, "eq", 0.0), q, y), x)


def tanh(f: Function, x: Value) -> Value:
    """Tanh x = -t/(t + 2) for t = exp(-2|x|) - 1, with the sign of x."""
    m = Code(f, x)
    y = m.minus_abs(x)
    y = m.at_least(m.add(y, y), -20.0 if m.is_f32 else -44.0)
    _, n_bits, q = reduce_exp(m, y, exact=False)  # where |n| is large, 2ⁿ makes the error small
    power = m.power_of_two(n_bits)
    below = m.fma(power, q, m.add(power, 1.0))  # t + 2
    above = m.fma(power, q, m.sub(power, 1.0))  # t
    return f.copysign(m.div(above, below), x)


def sigmoid(f: Function, x: Value) -> Value:
    """1/(1 + e⁻ˣ), as 2⁻ᵘ/(2⁻ᵘ + 2ⁿ⁻ᵘ·(1 + q)).

    That cannot overflow, and denormal results are rounded once.
    """
    m = Code(f, x)
    least, most, up = (-20.0, 105.0, -64) if m.is_f32 else (-44.0, 747.0, -512)
    y = m.at_most(m.at_least(f.neg(x), least), most)
    _, n_bits, q = reduce_exp(m, y)
    power, unit = m.power_of_two(n_bits, up), m.c(2.0**up)
    # 2ⁿ + 1 is exact below; beyond, 1 goes to the small term, and 2ⁿ is added last.
    is_far = m.test(y, "gt", 16.0 if m.is_f32 else 36.0)
    inner = m.fma(power, q, m.where(is_far, unit, m.add(power, unit)))
    return m.div(unit, m.add(inner, m.where(is_far, power, 0.0)))


def softplus(f: Function, x: Value) -> Value:
    """log(1 + eˣ) = max(x, 0) + log(1 + z) with z = exp(-|x|)."""
    m = Code(f, x)
    least, up = (-105.0, 64) if m.is_f32 else (-747.0, 512)
    _, n_bits, q = reduce_exp(m, m.at_least(m.minus_abs(x), least))
    power = m.power_of_two(n_bits, up)
    z = m.mul(m.fma(power, q, power), 2.0**-up)  # denormal numbers are rounded here
    # 1 + z = (1 + u)·(1 or 2) with 1 + u in [√½, √2]
    is_high = m.test(z, "gt", 0.41421356)
    u = m.where(is_high, m.fma(z, 0.5, -0.5), z)
    top = m.where(is_high, _LN2, 0.0)
    logarithm = m.add(u, log1p_rest(m, u))
    positive = m.where(m.test(x, "gt", 0.0), x, 0.0)
    return m.add(positive, m.add(top, logarithm))
