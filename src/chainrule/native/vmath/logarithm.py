"""log, log1p, and 1/√x.

x = m·2ᵉ with m in [√½, √2), and log x = e·log 2 + log(1 + u) with u = m - 1. In float32,
log(1 + u) = u - u²/2 + u³·P(u). In float64 that would take 20 terms, and
log(1 + u) = u - u²/2 + s·(u²/2 + s²·P(s²)) with s = u/(2 + u) takes 7 and a division.

Source: FreeBSD's e_log.c (Sun Microsystems 1993) for the form in s; S. Moshier, Cephes (logf.c).
"""

from __future__ import annotations

import math

from chainrule.native.ir import Function, Value
from chainrule.native.vmath.code import Code, float_bits
from chainrule.native.vmath.coefficients import LOG_F32, LOG_F64


def log1p_rest(m: Code, u: Value) -> Value:
    """log(1 + u) - u, for 1 + u in [√½, √2]."""
    if m.is_f32:
        p = m.polynomial(u, LOG_F32)
        return m.mul(m.mul(u, u), m.fma(u, p, -0.5))
    half_square = m.mul(m.mul(u, u), 0.5)
    s = m.div(u, m.add(u, 2.0))
    z = m.mul(s, s)
    rest = m.mul(z, m.polynomial(z, LOG_F64))
    return m.fma(s, m.add(half_square, rest), m.f.neg(half_square))


def _finish(m: Code, e: Value, u: Value) -> Value:
    """e·log 2 + log(1 + u)."""
    small = m.fma(e, m.format.ln2_low, log1p_rest(m, u))
    return m.fma(e, m.format.ln2_high, m.add(u, small))


def log(f: Function, x: Value) -> Value:
    """Log x; of 0 -∞, of negative numbers NaN."""
    m = Code(f, x)
    u, e, _ = m.split_exponent(x, denormal=True)
    y = m.where(m.test(x, "lt", math.inf), _finish(m, e, u), x)  # ∞ and NaN
    y = m.where(m.test(x, "eq", 0.0), -math.inf, y)
    return m.where(m.test(x, "lt", 0.0), math.nan, y)


def log1p(f: Function, x: Value) -> Value:
    """log(1 + x), accurate near 0; keeps the sign of 0.

    1 + x is rounded only to find e; u = x·2⁻ᵉ + (2⁻ᵉ - 1) is then made from x itself.
    """
    m = Code(f, x)
    rounded_u, e, e_bits = m.split_exponent(m.add(x, 1.0), denormal=False)
    power = m.floats(m.isub(float_bits(1.0, x.kind), e_bits))
    u = m.fma(x, power, m.sub(power, 1.0))
    # For large x the 1 does not count, and 2⁻ᵉ may be no normal number.
    u = m.where(m.test(x, "gt", 2.0**60), rounded_u, u)
    y = f.copysign(_finish(m, e, u), x)
    y = m.where(m.test(x, "lt", math.inf), y, x)
    y = m.where(m.test(x, "eq", -1.0), -math.inf, y)
    return m.where(m.test(x, "lt", -1.0), math.nan, y)


def rsqrt(f: Function, x: Value) -> Value:
    """1/√x; of ±0 ±∞, of negative numbers NaN."""
    m = Code(f, x)
    return m.div(1.0, f.sqrt(x))
