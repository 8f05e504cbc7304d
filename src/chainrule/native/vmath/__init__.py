"""Elementary functions as straight-line vector code, in float32 (≤ 2 ulp) and float64 (≤ 4 ulp).

Each function writes into a ``Function`` what it takes to map the lanes of a value, one or many: no
calls, branches or tables in memory, and the same bits for any number of lanes. All are right at ±0,
±∞, NaN, denormal arguments and results, and where results overflow. Largest errors, in ulp (of all
float32 numbers; of 16 million float64, for erf 400,000):

========  =====  =====  ========================================================================
function    f32    f64  how
========  =====  =====  ========================================================================
exp        1.07   1.06  2ⁿ·(1 + q), q = eʳ - 1 a polynomial of degree 6 (float64: 11)
expm1      1.68   2.16  2ⁿ·q + (2ⁿ - 1)
tanh       1.98   2.19  from expm1(-2|x|), one division
sigmoid    1.74   1.76  1/(1 + e⁻ˣ), one division
softplus   1.79   2.09  max(x, 0) + log(1 + exp(-|x|))
log        0.93   0.85  e·log 2 + a polynomial of degree 10 (float64: a division, degree 15)
log1p      1.52   1.40  as log, on what 1 + x loses
erf        1.53   2.64  polynomials: of x below 1, in an exponent beyond
sin, cos   1.54   1.51  Payne-Hanek (float64: Cody-Waite, NaN from 2⁴⁷ on)
rsqrt      1.49   1.49  a root and a division
========  =====  =====  ========================================================================

log_sigmoid(x) is -softplus(-x), and gelu(x) is ½·x·(1 + erf(x/√2)).

>>> f = Function("half", [("f32", "x")], "f32")
>>> f.return_value(sigmoid(f, f.constant(0.0, "f32")))
>>> "fdiv" in f.text(), "br " in f.text()
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.native.ir import Function, Value
from chainrule.native.vmath.error_function import erf
from chainrule.native.vmath.exponential import exp, expm1, sigmoid, softplus, tanh
from chainrule.native.vmath.logarithm import log, log1p, rsqrt
from chainrule.native.vmath.trigonometric import cos, sin

#: The functions by the names of the primitives.
VMATH: dict[str, Callable[[Function, Value], Value]] = {
    "cos": cos,
    "erf": erf,
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "rsqrt": rsqrt,
    "sigmoid": sigmoid,
    "sin": sin,
    "softplus": softplus,
    "tanh": tanh,
}
