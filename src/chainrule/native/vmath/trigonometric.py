"""sin and cos: x = n·π/2 + r with |r| ≤ π/4, then a polynomial in r chosen by n mod 4.

float32: r is right for every finite x. 1/(2π) is kept as bits; for x = k·2ᵉ with a whole k, the
bits that matter are 96 from the e-th on, and their product with k, as integers that wrap around, is
the fraction of a turn (Payne and Hanek).

float64: r = ((x - n·P₁) - n·P₂) - n·P₃ with fused multiply-adds, where P₁ + P₂ + P₃ is π/2 in 160
bits. The first difference is exact, and what rounding takes from n·P₂ goes to n·P₃. That is right
for |x| < 2⁴⁷ ≈ 1.4·10¹⁴; beyond, n would be off by a hundredth and more. There neighboring numbers
are 1/32 of a radian and more apart, and the result is NaN rather than a wrong number.

Source: M. Payne, R. Hanek, "Radian reduction for trigonometric functions", SIGNUM 1983;
W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980, ch. 8.
"""

from __future__ import annotations

import math

from chainrule.native.ir import Function, Value
from chainrule.native.vmath.code import Code
from chainrule.native.vmath.coefficients import COS, SIN

#: 24 zeros, then the first 200 bits of 1/(2π), in words of 32.
_TURN_WORDS = (
    0x00000028, 0xBE60DB93, 0x91054A7F, 0x09D5F47D, 0x4D377036, 0xD8A5664F, 0x10E4107F,
)  # fmt: skip

_TWO_OVER_PI = 0.6366197723675814
#: π/2 in three parts.
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)

_REACH_F64 = 2.0**47


def sin(f: Function, x: Value) -> Value:
    """Sin x; keeps the sign of 0; of ±∞ NaN."""
    m = Code(f, x)
    r, quadrant = _reduce(m, f.abs(x))
    sign = f.bits_and(m.bits(x), m.bits(m.c(-0.0)))
    return _finish(m, x, r, quadrant, sign)


def cos(f: Function, x: Value) -> Value:
    """Cos x = sin(x + π/2)."""
    m = Code(f, x)
    r, quadrant = _reduce(m, f.abs(x))
    return _finish(m, x, r, m.iadd(quadrant, 1), None)


def _finish(m: Code, x: Value, r: Value, quadrant: Value, sign: Value | None) -> Value:
    """sin(r + quadrant·π/2) with its sign turned by that bit; NaN where x is out of reach."""
    f = m.f
    z = m.mul(r, r)
    sine = m.fma(m.mul(r, z), m.polynomial(z, SIN[m.kind]), r)
    cosine = m.fma(z, m.fma(z, m.polynomial(z, COS[m.kind]), -0.5), 1.0)
    is_odd = f.compare("ne", f.bits_and(quadrant, m.i(1)), m.i(0))
    top = m.format.mantissa + (8 if m.is_f32 else 11)
    turned = f.shift_left(f.shift_right(quadrant, 1), top)  # bit 1 becomes the bit of the sign
    if sign is not None:
        turned = f.bits_xor(turned, sign)
    y = m.floats(f.bits_xor(m.bits(m.where(is_odd, cosine, sine)), turned))
    reach = math.inf if m.is_f32 else _REACH_F64
    return m.where(m.test(f.abs(x), "lt", reach), y, math.nan)


def _reduce(m: Code, a: Value) -> tuple[Value, Value]:
    """Return r and n (its low two bits count) for a = n·π/2 + r ≥ 0."""
    return _reduce_f32(m, a) if m.is_f32 else _reduce_f64(m, a)


def _reduce_f64(m: Code, a: Value) -> tuple[Value, Value]:
    n, n_bits = m.to_whole(a, _TWO_OVER_PI)
    minus_n = m.f.neg(n)
    first = m.fma(minus_n, _HALF_PI[0], a)
    product = m.mul(minus_n, _HALF_PI[1])
    low = m.fma(minus_n, _HALF_PI[1], m.f.neg(product))  # what rounding took from the product
    high = m.add(first, product)  # exact where it is small
    low = m.fma(minus_n, _HALF_PI[2], low)
    return m.add(high, low), n_bits


def _reduce_f32(m: Code, a: Value) -> tuple[Value, Value]:
    f = m.f
    bits = m.bits(a)
    # a = k·2^(e - 24) with k < 2²⁵ and e = max(exponent of a, 0); below ½ r is a itself.
    exponent = m.isub(f.shift_right(bits, 23), 127)
    k = f.bits_or(f.bits_and(bits, m.i(0x7FFFFF)), m.i(0x800000))
    is_whole = f.compare("ge", exponent, m.i(0))
    k = f.select(is_whole, m.iadd(k, k), k)
    e = f.select(is_whole, exponent, m.i(0))
    # Words e/32 to e/32 + 3 of the table, then shifted by what remains of e.
    by_two = f.compare("ne", f.bits_and(e, m.i(64)), m.i(0))
    by_one = f.compare("ne", f.bits_and(e, m.i(32)), m.i(0))
    table = [m.i(word) for word in _TURN_WORDS]
    table = [f.select(by_two, table[j + 2], table[j]) for j in range(5)]
    table = [f.select(by_one, table[j + 1], table[j]) for j in range(4)]
    window = [f.funnel_left(table[j], table[j + 1], e) for j in range(3)]
    # The highest 64 bits of k·window, of which whole turns fall off.
    k_wide = f.convert(k, "i64", is_signed=False)
    top, middle, low = (f.convert(word, "i64", is_signed=False) for word in window)
    turn = f.add(
        f.shift_left(f.mul(k_wide, top), 32),
        f.add(f.mul(k_wide, middle), f.shift_right(f.mul(k_wide, low), 32)),
    )
    eighth = f.constant(1 << 61, "i64", m.lanes)
    moved = f.add(turn, eighth)
    quadrant = f.convert(f.shift_right(moved, 62), "i32")
    rest = f.sub(f.bits_and(moved, f.constant((1 << 62) - 1, "i64", m.lanes)), eighth)
    radians = f.constant(2.0 * math.pi * 2.0**-64, "f64", m.lanes)
    r = f.convert(f.mul(f.convert(rest, "f64"), radians), "f32")
    is_near = m.test(a, "lt", math.pi / 4)
    return m.where(is_near, a, r), f.select(is_near, m.i(0), quadrant)
