"""erf: a polynomial for |x| < 1, and 1 - exp(polynomial) beyond."""

from __future__ import annotations

from chainrule.native.ir import Function, Value
from chainrule.native.vmath.code import Code
from chainrule.native.vmath.coefficients import ERF, ERFC
from chainrule.native.vmath.exponential import reduce_exp


def erf(f: Function, x: Value) -> Value:
    """Erf x = 2/√π·∫₀ˣ exp(-t²) dt; ±1 from where that is nearest."""
    m = Code(f, x)
    last, center = (4.0, 2.5) if m.is_f32 else (6.0, 3.5)
    a = m.at_most(f.abs(x), last)
    near = m.fma(a, m.polynomial(m.mul(a, a), ERF[m.kind]), a)
    exponent = m.polynomial(m.sub(a, center), ERFC[m.kind])
    _, n_bits, q = reduce_exp(m, exponent)
    power = m.power_of_two(n_bits)
    far = m.fma(f.neg(power), q, m.sub(1.0, power))
    return f.copysign(m.where(m.test(a, "lt", 1.0), near, far), x)
