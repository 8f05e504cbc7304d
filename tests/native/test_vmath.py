"""Elementary functions as machine code, against NumPy and mpmath in higher precision."""

import ctypes
import functools
import math
import platform
import re
import subprocess
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from scipy import special

llvm = pytest.importorskip("llvmlite.binding")

from chainrule.native.ir import Function, Value, module_text  # noqa: E402
from chainrule.native.vmath import VMATH  # noqa: E402

NAMES = [
    "cos", "erf", "exp", "expm1", "log", "log1p", "rsqrt", "sigmoid", "sin", "softplus", "tanh",
]  # fmt: skip
DTYPES = {"f32": np.float32, "f64": np.float64}
PROMISED = {"f32": 2.0, "f64": 4.0}
#: The largest errors in ulp: of all float32, and of 16 million float64 (rounded up; erf: 400,000).
MEASURED = {
    "cos": (1.55, 1.6), "erf": (1.54, 2.8), "exp": (1.08, 1.1), "expm1": (1.69, 2.3),
    "log": (0.94, 0.95), "log1p": (1.53, 1.6), "rsqrt": (1.5, 1.5), "sigmoid": (1.75, 1.9),
    "sin": (1.55, 1.6), "softplus": (1.79, 2.2), "tanh": (1.99, 2.3),
}  # fmt: skip
LIMITS = {
    (name, kind): worst
    for name, pair in MEASURED.items()
    for kind, worst in zip(("f32", "f64"), pair, strict=True)
}
INF, NAN = math.inf, math.nan

needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="long double is not longer than double here"
)
quiet = functools.partial(np.errstate, all="ignore")


# Machine code ---------------------------------------------------------------------------------


def _module(name, kind, lanes):
    f = Function("kernel", [("ptr", "x"), ("ptr", "y"), ("i64", "n")])
    with f.loop(Value("%n", "i64"), step=lanes) as i:
        y = VMATH[name](f, f.load(f.pointer("%x", i, kind), kind, lanes))
        assert (y.kind, y.lanes) == (kind, lanes)
        f.store(y, f.pointer("%y", i, kind))
    f.return_value()
    return module_text([f])


def _optimized(text, cpu=None, features=""):
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if cpu is None:
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=3)
    module = llvm.parse_assembly(text)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    return module, machine


@functools.cache
def compiled(name, kind, lanes=None, cpu=None):
    """A function of arrays; any number of elements."""
    lanes = lanes or (16 if kind == "f32" else 8)
    engine = llvm.create_mcjit_compiler(*_optimized(_module(name, kind, lanes), cpu))
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    code = signature(engine.get_function_address("kernel"))

    def call(x):
        given = np.zeros(-(-x.size // lanes) * lanes, DTYPES[kind])
        given[: x.size] = x
        y = np.empty_like(given)
        code(given.ctypes.data, y.ctypes.data, given.size)
        return y[: x.size]

    call.engine = engine
    return call


# Oracles --------------------------------------------------------------------------------------


def _sigmoid(x):
    z = np.exp(-abs(x))
    return np.where(x < 0, z, 1) / (1 + z)


PRECISE = {
    "cos": np.cos,
    "erf": special.erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": _sigmoid,
    "sin": np.sin,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "tanh": np.tanh,
}
MULTIPRECISION = {
    "cos": mp.cos,
    "erf": mp.erf,
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp.log1p,
    "rsqrt": lambda x: 1 / mp.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "sin": mp.sin,
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "tanh": mp.tanh,
}


def by_mpmath(name, x):
    """Values in long double, from 60 digits."""
    result = np.empty(x.size, np.longdouble)
    with mp.workdps(60):
        for i, each in enumerate(x):
            value = MULTIPRECISION[name](mp.mpf(float(each)))
            mantissa, exponent = mp.frexp(value)
            high = float(mantissa)
            whole = np.longdouble(high) + np.longdouble(float(mantissa - high))
            result[i] = np.ldexp(whole, max(-20000, min(20000, int(exponent))))
    return result


def ulps(y, exact):
    """Distance in units of the last place of the exact value; infinite where the kinds differ."""
    info = np.finfo(y.dtype)
    with quiet():
        nearest = exact.astype(y.dtype)
        lowest = info.minexp + 1
        exponent = np.where(exact == 0, lowest, np.maximum(np.frexp(exact)[1], lowest))
        unit = np.ldexp(exact.dtype.type(1), exponent - 1 - info.nmant)
        distance = abs(y.astype(exact.dtype) - exact) / unit
        same = (y == nearest) | (np.isnan(y) & np.isnan(nearest))
        unlike = (np.isfinite(y) != np.isfinite(nearest)) | (np.isnan(y) != np.isnan(nearest))
        unlike |= (y == 0) & (nearest == 0) & (np.signbit(y) != np.signbit(nearest))
    return np.where(unlike, INF, np.where(same, 0.0, distance).astype(np.float64))


def check(name, kind, x, exact):
    """Assert the limit; say where it fails."""
    y = compiled(name, kind)(x)
    distance = ulps(y, exact)
    worst = int(distance.argmax())
    assert distance[worst] <= LIMITS[name, kind], (
        f"{name}({x[worst]!r}) = {y[worst]!r}, exactly {exact[worst]!r}: {distance[worst]:.2f} ulp"
    )
    return float(distance[worst])


def check_patterns(name, patterns):
    """Compare float32 bit patterns with float64."""
    x = patterns.view(np.float32)
    with quiet():
        exact = PRECISE[name](x.astype(np.float64))
        nearest = exact.astype(np.float32)
    y = compiled(name, "f32")(x)
    # Bits first: only what is not correctly rounded needs a closer look.
    suspect = np.flatnonzero((y.view(np.uint32) != nearest.view(np.uint32)) & ~np.isnan(x))
    assert np.isnan(y[np.isnan(x)]).all()
    return check(name, "f32", x[suspect], exact[suspect]) if suspect.size else 0.0


# Accuracy -------------------------------------------------------------------------------------


def test_table_has_every_function():
    assert sorted(VMATH) == NAMES


def test_limits_are_within_what_is_promised():
    assert all(limit <= PROMISED[kind] for (_, kind), limit in LIMITS.items())


def test_ulps_measures():
    """The yardstick itself: neighbors are 1 apart, and unlike values infinitely."""
    one = np.float32([1, 1, 0, INF, NAN, 1, -0.0, 2**-149])
    exact = np.float64([1, 1 + 2**-23, -0.0, INF, NAN, INF, -0.0, 0])
    assert ulps(one, exact).tolist() == [0, 1, INF, 0, 0, INF, 0, 1]


@pytest.mark.parametrize("name", NAMES)
def test_f32_over_all_exponents(name):
    check_patterns(name, np.arange(0, 2**32, 997, dtype=np.uint32))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_f32_of_every_number(name, record_property):
    worst = 0.0
    for start in range(0, 2**32, 2**22):
        patterns = np.arange(start, start + 2**22, dtype=np.uint32)
        worst = max(worst, check_patterns(name, patterns))
    record_property("max ulp", worst)
    print(f"{name}: max {worst:.3f} ulp")


def _f64_inputs(name, count, seed=0):
    """Random bits, and what each function finds interesting."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([
        rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64),
        rng.normal(size=count),
        rng.uniform(-40, 40, count),
        rng.uniform(-760, 760, count),
        1 + rng.normal(0, 0.3, count),
        np.exp(rng.uniform(-745, 709, count)),
        np.exp(rng.uniform(-40, 3, count)),
        -np.exp(rng.uniform(-40, 3, count)),
    ])  # fmt: skip
    if name in ("sin", "cos"):
        x = x[~(abs(x) >= 2**47)]
        multiples = np.concatenate([np.arange(count), np.rint(np.exp(rng.uniform(0, 32, count)))])
        x = np.concatenate([x, rng.uniform(-1e9, 1e9, count), multiples * (math.pi / 2)])
    return x


@needs_long_double
@pytest.mark.parametrize("name", [n for n in NAMES if n != "erf"])
def test_f64_against_long_double(name):
    x = _f64_inputs(name, 30_000)
    with quiet():
        exact = PRECISE[name](x.astype(np.longdouble))
    check(name, "f64", x, exact)


@pytest.mark.slow
@needs_long_double
@pytest.mark.parametrize("name", [n for n in NAMES if n != "erf"])
def test_f64_against_long_double_densely(name):
    for seed in range(8):
        x = _f64_inputs(name, 250_000, seed)
        with quiet():
            exact = PRECISE[name](x.astype(np.longdouble))
        worst = check(name, "f64", x, exact)
        print(f"{name}: max {worst:.3f} ulp")


def _erf_inputs(count, seed=0):
    rng = np.random.default_rng(seed)
    small = np.exp(rng.uniform(-744, 0, count // 4))
    return np.concatenate(
        [rng.uniform(-6.5, 6.5, count), rng.uniform(0.8, 1.2, count // 2), small, -small]
    )


@needs_long_double
def test_f64_erf_against_mpmath():
    x = _erf_inputs(3000)
    check("erf", "f64", x, by_mpmath("erf", x))


@pytest.mark.slow
@needs_long_double
def test_f64_erf_against_mpmath_densely():
    x = _erf_inputs(200_000, 1)
    print(f"erf: max {check('erf', 'f64', x, by_mpmath('erf', x)):.3f} ulp")


@needs_long_double
@pytest.mark.parametrize("name", NAMES)
def test_f64_against_mpmath(name):
    """A second oracle, on fewer points."""
    x = _f64_inputs(name, 40, 2)
    x = x[np.isfinite(x) & (abs(x) < 1e6)]
    if name in ("log", "rsqrt"):
        x = abs(x)
    if name == "log1p":
        x = x[x > -1]
    check(name, "f64", x, by_mpmath(name, x))


# Edges ----------------------------------------------------------------------------------------

TINY = {"f32": 2.0**-149, "f64": 2.0**-1074}
MAX = {k: float(np.finfo(t).max) for k, t in DTYPES.items()}

EDGES = {
    "cos": [(0.0, 1.0), (-0.0, 1.0), ("tiny", 1.0), (INF, NAN), (-INF, NAN)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (7.0, 1.0), (-7.0, -1.0),
            ("max", 1.0), ("tiny", "tiny")],
    "exp": [(0.0, 1.0), (-0.0, 1.0), ("tiny", 1.0), (INF, INF), (-INF, 0.0), ("max", INF),
            ("-max", 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), ("tiny", "tiny"), ("-tiny", "-tiny"), (INF, INF),
              (-INF, -1.0), ("max", INF), ("-max", -1.0), (-100.0, -1.0)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN),
            ("-tiny", NAN), ("-max", NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), ("tiny", "tiny"), ("-tiny", "-tiny"), (-1.0, -INF),
              (INF, INF), (-INF, NAN), (-1.5, NAN), ("-max", NAN)],
    "rsqrt": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (-1.0, NAN), (4.0, 0.5), ("-tiny", NAN)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), ("tiny", 0.5), (INF, 1.0), (-INF, 0.0), ("max", 1.0),
                ("-max", 0.0), (100.0, 1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), ("tiny", "tiny"), ("-tiny", "-tiny"), (INF, NAN),
            (-INF, NAN)],
    "softplus": [(INF, INF), (-INF, 0.0), ("max", "max"), ("-max", 0.0), (1000.0, 1000.0),
                 (-1000.0, 0.0)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), ("tiny", "tiny"), ("-tiny", "-tiny"), (INF, 1.0),
             (-INF, -1.0), ("max", 1.0), ("-max", -1.0), (20.0, 1.0), (-20.0, -1.0)],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_edges_are_exact(name, kind):
    words = {"tiny": TINY[kind], "-tiny": -TINY[kind], "max": MAX[kind], "-max": -MAX[kind]}
    dtype = DTYPES[kind]
    pairs = [tuple(words.get(v, v) for v in pair) for pair in [*EDGES[name], (NAN, NAN)]]
    x, expected = np.array(pairs, dtype).T.copy()
    for lanes in (1, 16 if kind == "f32" else 8):
        y = compiled(name, kind, lanes)(x)
        np.testing.assert_array_equal(y, expected, err_msg=f"x = {x}")
        numbers = ~np.isnan(expected)
        assert (np.signbit(y) == np.signbit(expected))[numbers].all(), (x, y)


def _around(x, dtype, steps=300):
    """A number and its neighbors."""
    x = np.asarray(x, dtype)
    integer = np.int32 if dtype is np.float32 else np.int64
    return (x.view(integer) + np.arange(-steps, steps + 1, dtype=integer)).view(dtype)


#: Where results overflow, become denormal, become 0, or saturate.
LIMIT_POINTS = {
    "exp": {"f32": [88.72284, -87.33655, -103.27893, -103.97208],
            "f64": [709.782712893384, -708.3964185322641, -744.4400719213812, -745.1332191019412]},
    "expm1": {"f32": [88.72284, -17.32868], "f64": [709.782712893384, -37.42994775023705]},
    "sigmoid": {"f32": [-87.33655, -103.97208, 17.32868, -16.0, 16.0, -20.0, 20.0],
                "f64": [-708.3964185322641, -745.1332191019412, 37.42994775023705, -36.0, -44.0]},
    "softplus": {"f32": [-87.33655, -103.97208, 16.63553, -0.8813736],
                 "f64": [-708.3964185322641, -745.1332191019412, 36.7368005696771]},
    "tanh": {"f32": [9.010913, 0.17328680, 0.5198604, 10.0], "f64": [19.06154746539849, 22.0]},
    "erf": {"f32": [1.0, 3.8325069, 4.0], "f64": [1.0, 5.863584748755167, 6.0]},
    "log": {"f32": [1.0, 2.0**-126, 0.70710677, 1.4142135],
            "f64": [1.0, 2.0**-1022, 0.7071067811865476, 1.4142135623730951]},
    "log1p": {"f32": [-0.29289323, 0.41421357, -0.9999, 2.0**60, 2.0**127],
              "f64": [-0.2928932188134524, 0.4142135623730951, -0.9999, 2.0**60, 2.0**1023]},
    "rsqrt": {"f32": [1.0, 2.0**-126], "f64": [1.0, 2.0**-1022]},
    "sin": {"f32": [math.pi / 4, 1.0, 3.1415927], "f64": [math.pi / 4, 1.0, math.pi]},
    "cos": {"f32": [math.pi / 4, 1.0, 1.5707964], "f64": [math.pi / 4, 1.0, math.pi / 2]},
}  # fmt: skip


@needs_long_double
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_neighbors_of_limits(name, kind):
    for at in LIMIT_POINTS[name][kind]:
        x = _around(at, DTYPES[kind], 60 if name == "erf" else 300)
        if name == "erf":
            exact = by_mpmath(name, x)
        else:
            with quiet():
                exact = PRECISE[name](x.astype(np.longdouble))
        check(name, kind, x, exact)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_exp_overflows_where_its_rounded_result_does(kind):
    """The largest argument with a finite result, and the smallest with one above 0."""
    dtype = DTYPES[kind]
    with mp.workdps(60):
        info = np.finfo(dtype)
        above = mp.log(mp.mpf(2) ** info.maxexp * (1 - mp.mpf(2) ** -(info.nmant + 2)))
        below = mp.log(mp.mpf(TINY[kind]) / 2)
        for edge, is_top in ((above, True), (below, False)):
            x = _around(float(edge), dtype, 40)
            y = compiled("exp", kind)(x)
            beyond = np.array([mp.mpf(float(v)) > edge for v in x])
            assert beyond.any()
            assert not beyond.all()
            np.testing.assert_array_equal(np.isinf(y) if is_top else y != 0, beyond)


# Shape of the functions -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd(name, kind):
    x = np.random.default_rng(3).normal(0, 3, 10_000).astype(DTYPES[kind])
    np.testing.assert_array_equal(compiled(name, kind)(-x), -compiled(name, kind)(x))


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_cos_is_even(kind):
    x = np.random.default_rng(3).normal(0, 30, 10_000).astype(DTYPES[kind])
    np.testing.assert_array_equal(compiled("cos", kind)(-x), compiled("cos", kind)(x))


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("tanh", -1, 1), ("erf", -1, 1), ("sigmoid", 0, 1), ("sin", -1, 1), ("cos", -1, 1)],
)
def test_stays_in_its_range(name, low, high, kind):
    x = np.random.default_rng(4).normal(0, 10, 100_000).astype(DTYPES[kind])
    y = compiled(name, kind)(x)
    assert low <= y.min() <= y.max() <= high


def test_f32_sin_of_the_float_nearest_to_a_multiple():
    """The float32 whose distance to a multiple of π/2 is least in relation to its size."""
    x = np.float32([16367173 * 2.0**72, -16367173 * 2.0**72])
    for name in ("sin", "cos"):
        check(name, "f32", x, by_mpmath(name, x))


def test_f32_sin_next_to_multiples():
    k = np.concatenate([np.arange(1, 200_001), np.unique(np.geomspace(2e5, 1e15, 200_000) // 1)])
    x = (k * (math.pi / 2)).astype(np.float32)
    for name in ("sin", "cos"):
        check(name, "f32", x, PRECISE[name](x.astype(np.float64)))


def _nearest_multiples(mantissa, exponents):
    """Numbers k·2ᵉ of ``mantissa`` bits that lie nearest to multiples of π/2, several for each e.

    k is a denominator of a convergent of 2ᵉ·2/π, whose multiples are nearest to whole numbers.
    """
    with mp.workprec(600):
        two_over_pi = int(mp.floor(mp.mpf(2) ** 500 * 2 / mp.pi))
    found = []
    for e in exponents:
        numerator, denominator = two_over_pi, 2 ** (500 - e)
        numerator %= denominator
        before, k = 0, 1
        while numerator and k < 2**mantissa:
            found.append(math.ldexp(k, e))
            times = -(-(2 ** (mantissa - 1)) // k)
            if times * k < 2**mantissa:
                found.append(math.ldexp(times * k, e))
            quotient = denominator // numerator
            numerator, denominator = denominator % numerator, numerator
            before, k = k, before + quotient * k
    return np.array(found)


@needs_long_double
def test_f32_sin_of_the_hardest_numbers():
    x = _nearest_multiples(24, range(-22, 105)).astype(np.float32)
    assert x.size > 1000
    assert abs(np.cos(x.astype(np.float64))).min() < 1e-8
    for name in ("sin", "cos"):
        check(name, "f32", x, by_mpmath(name, x))


@needs_long_double
def test_f64_sin_of_the_hardest_numbers():
    x = _nearest_multiples(53, range(-51, -6))
    x = x[x < 2.0**47]
    assert x.size > 1000
    assert abs(np.cos(x)).min() < 1e-17
    for name in ("sin", "cos"):
        check(name, "f64", x, by_mpmath(name, x))


def test_f64_sin_of_huge_numbers_is_nan():
    """Documented: from 2⁴⁷ on."""
    x = np.array([2.0**47, -(2.0**47), 1e300, np.nextafter(2.0**47, 0)])
    for name in ("sin", "cos"):
        assert np.isnan(compiled(name, "f64")(x)).tolist() == [True, True, True, False]


# Code -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_same_bits_for_any_number_of_lanes(name, kind):
    rng = np.random.default_rng(5)
    dtype, bits = (np.float32, np.uint32) if kind == "f32" else (np.float64, np.uint64)
    patterns = rng.integers(0, 2 ** (8 * bits().itemsize), 20_000, dtype=bits).view(dtype)
    x = np.concatenate([patterns, rng.normal(0, 3, 20_000).astype(dtype)])
    first = compiled(name, kind, 1)(x)
    for lanes in (2, 4, 8, 16):
        y = compiled(name, kind, lanes)(x)
        numbers = ~np.isnan(first)
        np.testing.assert_array_equal(np.isnan(y), ~numbers)
        np.testing.assert_array_equal(y[numbers].view(bits), first[numbers].view(bits))


@pytest.mark.skipif(
    not {"avx2", "fma"} <= {k for k, v in llvm.get_host_cpu_features().items() if v},
    reason="needs AVX2",
)
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_same_bits_on_an_older_cpu(name, kind):
    x = np.random.default_rng(6).normal(0, 30, 20_000).astype(DTYPES[kind])
    older = compiled(name, kind, 8 if kind == "f32" else 4, "haswell")
    np.testing.assert_array_equal(older(x), compiled(name, kind)(x))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 assembly")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("cpu", "kind", "lanes"),
    [("znver4", "f32", 16), ("znver4", "f64", 8), ("haswell", "f32", 8), ("haswell", "f64", 4),
     ("znver4", "f32", 1), ("haswell", "f64", 1)],
)  # fmt: skip
def test_code_is_straight(name, cpu, kind, lanes):
    """No calls, one loop, and at full width on AVX-512 no register goes to the stack."""
    module, machine = _optimized(_module(name, kind, lanes), cpu)
    lines = machine.emit_assembly(module).splitlines()
    assert any("ret" in line for line in lines)
    assert not [line for line in lines if re.search(r"\bcall", line)]
    if cpu == "znver4":
        assert not [line for line in lines if "Spill" in line or "Reload" in line]


@pytest.mark.slow
def test_coefficients_are_those_derived():
    script = Path(__file__).parents[2] / "benchmarks" / "minimax.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.count("# as kept") == 12
    assert "DIFFERS" not in done.stdout


def test_code_has_no_branches():
    for name in NAMES:
        f = Function("kernel", [("f32", "x")], "f32")
        f.return_value(VMATH[name](f, Value("%x", "f32")))
        assert " br " not in f.text()
        assert f.text().count(":") - f.text().count(";") == 1
