"""What is stated of each activation, verified from f alone; and what is false, noticed."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.nn.activations import KINDS, Activation, FiniteSet, Interval, get
from chainrule.nn.activations.description import REALS

VARIANTS = [
    *[get("leaky_relu", gamma=gamma) for gamma in (0.0, 0.3, 1.0, 2.5)],
    *[get("prelu", gamma=gamma) for gamma in (0.0, 1.0)],
    *[get("elu", gamma=gamma) for gamma in (0.0, 0.3, 2.5)],
    get("maxout", pieces=3),
]
ELEMENTWISE = [kind for kind in (*KINDS, *VARIANTS) if kind.elementwise]
OF_VECTORS = [kind for kind in (*KINDS, *VARIANTS) if not kind.elementwise]

#: Every stated kink lies on it, and no open end of a range is reached on it by rounding.
GRID = np.linspace(-8.0, 8.0, 64_001)
FAR = np.array([-1e6, -1e3, -50.0, 50.0, 1e3, 1e6])
ALL = np.sort(np.concatenate([GRID, FAR]))


def spelled(value: object) -> str | None:
    return value.spelled if isinstance(value, Activation) else None


def values(f: Callable[..., Any], x: np.ndarray) -> np.ndarray:
    return np.asarray(f(cr.tensor(x)).numpy())


# Verifiers: each holds one statement against the numbers -------------------------------------


def verify_range(kind: Activation) -> None:
    holds_exactly(kind.range, values(kind, GRID), values(kind, ALL))


def verify_derivative_range(kind: Activation) -> None:
    smooth = ~np.isin(GRID, list(kind.kinks))  # at a kink, f′ is only a convention
    inner = values(kind.derivative, GRID[smooth])
    everywhere = np.concatenate([inner, values(kind.derivative, FAR)])
    holds_exactly(kind.derivative_range, inner, everywhere)


def holds_exactly(stated: Any, near: np.ndarray, everywhere: np.ndarray) -> None:
    """Hold a range against values: none lies outside, and the ends are approached.

    Near 0, where rounding cannot help, the closed ends are reached, and the open ones are not.
    """
    if isinstance(stated, FiniteSet):
        distance = np.abs(everywhere[:, None] - np.array(stated.values)).min(axis=1)
        assert distance.max() <= 1e-12
        for value in stated.values:
            assert np.abs(everywhere - value).min() <= 1e-12
        return
    for end, has_end, sign in (
        (stated.low, stated.has_low, -1.0),
        (stated.high, stated.has_high, 1.0),
    ):
        extreme = (sign * everywhere).max()  # how far it gets in this direction
        if math.isinf(end):
            assert extreme >= 1e3
            continue
        assert extreme <= sign * end + 1e-15 * abs(end)
        assert extreme >= sign * end - 2e-3 * max(1.0, abs(end))
        assert has_end == ((sign * near).max() >= sign * end - 1e-8 * max(1.0, abs(end)))


def verify_monotone(kind: Activation) -> None:
    steps = np.diff(values(kind, ALL))
    assert kind.monotone == bool((steps >= -1e-12).all())
    assert kind.monotone or steps.min() < -1e-7  # clearly not, rather than by rounding


def verify_saturates(kind: Activation) -> None:
    """Over a unit step far away, a saturating function hardly moves."""
    starts = np.array([1e3, 1.2345e4, 1e5])
    ends = {"left": -starts, "right": starts}
    still = {
        side: bool((np.abs(values(kind, x + 1.0) - values(kind, x)) < 1e-5).all())
        for side, x in ends.items()
    }
    name = {(True, True): "both", (False, False): "none"}.get(
        (still["left"], still["right"]), "left" if still["left"] else "right"
    )
    assert kind.saturates == name


def verify_zero_centered(kind: Activation) -> None:
    """The mean of f(x) over x = ±c is 0 for every c, or it is not for some."""
    means = (values(kind, GRID) + values(kind, -GRID)) / 2.0
    assert kind.zero_centered == bool(np.abs(means).max() <= 1e-12)
    assert kind.zero_centered or np.abs(means).max() > 1e-3
    if kind.zero_centered:
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        assert abs(weights @ values(kind, nodes)) < 1e-10


def one_sided(kind: Activation, x: np.ndarray, order: int, side: float) -> np.ndarray:
    """Return derivatives of f at x from nine values of f on one side, 0.01 apart."""
    places = side * 0.01 * np.arange(9)
    powers = np.vander(places, increasing=True).T
    weights = np.linalg.solve(powers, np.eye(9)[order] * math.factorial(order))
    return np.asarray(values(kind, x[:, None] + places) @ weights)


def verify_smoothness(kind: Activation) -> None:
    """Derivatives jump exactly where it is stated.

    Points lie 1/8 apart and their stencils reach 0.08 to either side, so that together they cover
    the line: a kink between the points would spoil the estimates beside it.
    """
    x = np.arange(-80, 81) / 8.0
    order = 3 if kind.smooth else int(kind.smoothness) + 1
    stated = [*kind.kinks, *kind.breaks]
    assert bool(stated) == (not kind.smooth)
    assert bool(kind.kinks) == (kind.smoothness == 0)
    for m in range(1, order + 1):
        jumps = np.abs(one_sided(kind, x, m, 1.0) - one_sided(kind, x, m, -1.0))
        if m < order or kind.smooth:
            assert jumps.max() < 1e-3
        else:
            assert set(x[jumps > 1e-3].tolist()) == set(stated)


def verify_closed_form(kind: Activation) -> None:
    """f′ is the limit of difference quotients, and at kinks the automatic derivative's choice."""
    away = np.abs(GRID[:, None] - np.array([*kind.kinks, *kind.breaks])).min(axis=1, initial=1.0)
    x = GRID[away > 1e-4]
    quotients = (values(kind, x + 1e-5) - values(kind, x - 1e-5)) / 2e-5
    np.testing.assert_allclose(values(kind.derivative, x), quotients, rtol=1e-7, atol=1e-8)
    for at, slope in kind.kinks.items():
        assert values(kind.derivative, np.array(at)) == slope


VERIFIERS: dict[str, Callable[[Activation], None]] = {
    "range": verify_range,
    "derivative_range": verify_derivative_range,
    "monotone": verify_monotone,
    "saturates": verify_saturates,
    "zero_centered": verify_zero_centered,
    "smoothness": verify_smoothness,
    "closed_form": verify_closed_form,
}


@pytest.mark.parametrize("verify", VERIFIERS.values(), ids=VERIFIERS)
@pytest.mark.parametrize("kind", ELEMENTWISE, ids=spelled)
def test_what_is_stated_is_true(kind: Activation, verify: Callable[[Activation], None]) -> None:
    verify(kind)


@settings(max_examples=15, deadline=None)
@given(gamma=st.one_of(st.floats(0.02, 0.97), st.floats(1.03, 4.0)))
@pytest.mark.parametrize("name", ["leaky_relu", "prelu", "elu"])
def test_what_is_stated_holds_for_any_gamma(name: str, gamma: float) -> None:
    for verify in VERIFIERS.values():
        verify(get(name, gamma=gamma))


# What is false is noticed --------------------------------------------------------------------


def falsehoods(kind: Activation) -> dict[str, list[Activation]]:
    """Return descriptions with one wrong statement each, by the verifier that must notice it."""

    def but(**wrong: Any) -> Activation:
        return dataclasses.replace(kind, **wrong)

    def of_range(field: str) -> list[Activation]:
        stated = getattr(kind, field)
        if isinstance(stated, FiniteSet):
            wrong: list[Any] = [FiniteSet(*stated.values, 0.5), FiniteSet(stated.low + 0.1)]
            if len(stated.values) > 1:
                wrong.append(FiniteSet(stated.low))
        elif stated == REALS:
            wrong = [Interval(0.0, math.inf), Interval(-math.inf, 5.0)]
        else:
            low, high, ends = stated.low, stated.high, (stated.has_low, stated.has_high)
            finite = [end for end in (low, high) if math.isfinite(end)]
            width = 0.01 * max(1.0, *map(abs, finite))
            wrong = [
                Interval(low - width, high + width, *ends),
                Interval(low + width, high - width, *ends),
                Interval(low, high, *[not has for has in ends]),
            ]
        return [but(**{field: each}) for each in wrong]

    sides = [s for s in ("none", "left", "right", "both") if s != kind.saturates]
    other_kinks = {at + 1.0: slope for at, slope in kind.kinks.items()}
    rough = {**kind.kinks, 0.5: 1.0}
    return {
        "range": of_range("range"),
        "derivative_range": of_range("derivative_range"),
        "monotone": [but(monotone=not kind.monotone)],
        "saturates": [but(saturates=side) for side in sides],
        "zero_centered": [but(zero_centered=not kind.zero_centered)],
        "smoothness": [
            but(smoothness=0, kinks=rough, breaks=()),
            *([] if kind.smooth else [but(smoothness=math.inf, kinks={}, breaks=())]),
            *([but(kinks=other_kinks)] if kind.kinks else []),
            *([but(smoothness=2)] if kind.smoothness < 2 else []),
        ],
        "closed_form": [
            but(closed_form=lambda x, **_: kind.derivative(x) + 1e-6),
            *(
                [but(kinks={at: slope + 0.1 for at, slope in kind.kinks.items()})]
                * bool(kind.kinks)
            ),
        ],
    }


@pytest.mark.parametrize("kind", [k for k in KINDS if k.elementwise], ids=spelled)
def test_what_is_false_is_noticed(kind: Activation) -> None:
    for name, wrong in falsehoods(kind).items():
        for i, description in enumerate(wrong):
            try:
                VERIFIERS[name](description)
            except AssertionError:
                continue
            pytest.fail(f"{name}, wrong statement {i}: not noticed")


# Closed form and automatic differentiation ---------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ELEMENTWISE, ids=spelled)
def test_closed_form_is_the_automatic_derivative(kind: Activation, dtype: str) -> None:
    """Everywhere, kinks and both zeros among it, in both modes."""
    x = np.concatenate([np.linspace(-9, 9, 1441), FAR[1:-1] / 10, [0.0, -0.0]]).astype(dtype)
    assert set(kind.kinks) <= set(x.tolist())
    expected = kind.derivative(x)
    assert expected.dtype == dtype
    tolerance = (
        {"rtol": 1e-11, "atol": 1e-13} if dtype == "float64" else {"rtol": 2e-5, "atol": 2e-6}
    )
    reverse = cr.grad(lambda x: kind(x).sum())(x)
    np.testing.assert_allclose(reverse.numpy(), expected.numpy(), **tolerance)
    forward = cr.jvp(kind, (x,), (np.ones_like(x),))[1]
    np.testing.assert_allclose(forward.numpy(), expected.numpy(), **tolerance)
    for at, slope in kind.kinks.items():
        assert cr.grad(kind)(np.array(at)).item() == slope


@pytest.mark.parametrize("kind", ELEMENTWISE, ids=spelled)
def test_derivatives_of_both_orders(kind: Activation) -> None:
    x = np.array([-7.3, -4.1, -2.2, -1.4, -0.6, -0.15, 0.2, 0.7, 1.3, 2.1, 3.4, 5.2, 6.8])
    cr.check_grads(kind, [x], order=2)
    cr.check_grads(kind.derivative, [x], order=1)
    second = cr.grad(lambda x: kind.derivative(x).sum())(x).numpy()
    twice = cr.grad(lambda x: cr.grad(lambda x: kind(x).sum())(x).sum())(x).numpy()
    np.testing.assert_allclose(second, twice, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", [*ELEMENTWISE, *OF_VECTORS], ids=spelled)
def test_tracing_and_shapes(kind: Activation) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6))
    for f in (kind, kind.derivative):
        np.testing.assert_array_equal(cr.trace(f)(x)(x + 1.0).numpy(), f(x + 1.0).numpy())
        assert f(np.zeros((0, 6))).shape == (0, *f(x).shape[1:])
    assert kind.derivative([[1, 0, 2, 0, 1, 1]]).dtype == "float32"


# At large inputs -----------------------------------------------------------------------------

#: f(-L), f(L), f′(-L), f′(L), written down by hand.
LIMITS: dict[str, Callable[[float], tuple[float, float, float, float]]] = {
    "sigmoid": lambda L: (0, 1, 0, 0),
    "tanh": lambda L: (-1, 1, 0, 0),
    "relu": lambda L: (0, L, 0, 1),
    "leaky_relu": lambda L: (-0.01 * L, L, 0.01, 1),
    "prelu": lambda L: (-0.25 * L, L, 0.25, 1),
    "elu": lambda L: (-1, L, 0, 1),
    "softplus": lambda L: (0, L, 0, 1),
    "selu": lambda L: (-1.7580993408473766, 1.0507009873554805 * L, 0, 1.0507009873554805),
    "gelu": lambda L: (0, L, 0, 1),
    "gelu_tanh": lambda L: (0, L, 0, 1),
    "silu": lambda L: (0, L, 0, 1),
    "mish": lambda L: (0, L, 0, 1),
    "softsign": lambda L: (-L / (1 + L), L / (1 + L), (1 + L) ** -2, (1 + L) ** -2),
    "hard_sigmoid": lambda L: (0, 1, 0, 0),
    "hard_tanh": lambda L: (-1, 1, 0, 0),
    "hard_silu": lambda L: (0, L, 0, 1),
    "relu6": lambda L: (0, 6, 0, 0),
    "log_sigmoid": lambda L: (-L, 0, 1, 0),
    "sine": lambda L: (-math.sin(L), math.sin(L), math.cos(L), math.cos(L)),
    "linear": lambda L: (-L, L, 1, 1),
}


def test_every_activation_has_its_limits_here() -> None:
    assert set(LIMITS) == {kind.name for kind in KINDS if kind.elementwise}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(("dtype", "L"), [("float32", 100.0), ("float64", 1000.0)])
def test_large_inputs(name: str, dtype: str, L: float) -> None:
    """No NaN, no warning (pytest makes errors of them), the right limits; forward and backward."""
    kind, x = get(name), np.array([-L, L], dtype)
    low, high, *slopes = LIMITS[name](L)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        a = kind(x)
        gradient = cr.grad(lambda x: kind(x).sum())(x)
        tangent = cr.jvp(kind, (x,), (np.ones_like(x),))[1]
        closed = kind.derivative(x)
        second = cr.grad(lambda x: cr.grad(lambda x: kind(x).sum())(x).sum())(x)
    assert a.dtype == gradient.dtype == closed.dtype == dtype
    close = {"rtol": 1e-12 if dtype == "float64" else 2e-5, "atol": 1e-30}
    np.testing.assert_allclose(a.numpy(), [low, high], **close)
    for found in (gradient, tangent, closed):
        np.testing.assert_allclose(found.numpy(), slopes, **close)
    assert np.isfinite(second.numpy()).all()


@pytest.mark.parametrize(("dtype", "L"), [("float32", 100.0), ("float64", 1000.0)])
def test_large_inputs_of_functions_of_vectors(dtype: str, L: float) -> None:
    x = np.array([L, 0.0, -L], dtype)
    expected = {
        "softmax": ([1, 0, 0], np.zeros((3, 3))),
        "log_softmax": ([0, -L, -2 * L], np.eye(3) - np.array([1, 0, 0])),
    }
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for name, (value, jacobian) in expected.items():
            kind = get(name)
            np.testing.assert_allclose(kind(x).numpy(), value, rtol=1e-6, atol=1e-30)
            for found in (kind.derivative(x), cr.jacobian(kind)(x)):
                assert found.dtype == dtype
                np.testing.assert_allclose(found.numpy(), jacobian, atol=1e-30)
        both = get("maxout")(np.array([[L, -L], [-L, L]], dtype))
    assert both.tolist() == [[L], [L]]


# Functions of vectors ------------------------------------------------------------------------


def vectors(kind: Activation, scale: float) -> np.ndarray:
    inputs = int(kind.parameters.get("pieces", 3))
    return np.random.default_rng(0).normal(scale=scale, size=(500, inputs))


def jacobians(kind: Activation, x: np.ndarray) -> np.ndarray:
    return np.stack([cr.jacobian(kind)(row).numpy() for row in x])


def own(kind: Activation, jacobian: np.ndarray) -> np.ndarray:
    """Return ∂yᵢ/∂xᵢ: of Maxout, by each of its pieces."""
    if kind.name == "maxout":
        return jacobian[..., 0, :]
    return np.diagonal(jacobian, axis1=-2, axis2=-1)


@pytest.mark.parametrize("kind", OF_VECTORS, ids=spelled)
def test_jacobians(kind: Activation) -> None:
    x = np.concatenate([vectors(kind, 2.0)[:20], np.zeros((1, vectors(kind, 1.0).shape[1]))])
    np.testing.assert_allclose(
        kind.derivative(x).numpy(), jacobians(kind, x), rtol=1e-12, atol=1e-15
    )
    h = 1e-5
    for j in range(x.shape[1]):
        step = h * np.eye(x.shape[1])[j]
        quotient = (values(kind, x[:-1] + step) - values(kind, x[:-1] - step)) / (2 * h)
        np.testing.assert_allclose(kind.derivative(x[:-1]).numpy()[..., j], quotient, atol=1e-9)
    stacked = x[:20].reshape(4, 5, -1)
    np.testing.assert_allclose(
        kind.derivative(stacked).numpy().reshape(20, *kind.derivative(x[0]).shape),
        kind.derivative(x[:20]).numpy(),
        rtol=1e-14,
    )


@pytest.mark.parametrize("kind", OF_VECTORS, ids=spelled)
def test_what_is_stated_of_functions_of_vectors(kind: Activation) -> None:
    near, wide = vectors(kind, 2.0), vectors(kind, 300.0)
    edge = np.zeros((1, near.shape[1]))
    edge[0, 2:] = -1e6  # two that tie: where the entries of softmax's Jacobian are extreme
    everything = np.concatenate([near, wide, 1e6 * near[:5], edge])
    holds_exactly(kind.range, values(kind, near), values(kind, everything))
    at = [near, wide, edge] if kind.smooth else [near, wide]  # where it has a derivative
    everywhere = [kind.derivative(x).numpy().ravel() for x in at]
    inner = np.concatenate([everywhere[0], *(everywhere[2:] if kind.name == "softmax" else [])])
    holds_exactly(kind.derivative_range, inner, np.concatenate(everywhere))
    assert kind.monotone == bool((own(kind, kind.derivative(near).numpy()) >= 0).all())
    assert kind.zero_centered == np.allclose(values(kind, near), -values(kind, -near))
    still = {}
    for side, far in (("left", -1e4), ("right", 1e4)):
        rows = []
        for i in range(near.shape[1]):
            x = near.copy()
            x[:, i] = far
            rows.append(kind.derivative(x).numpy()[:, 0 if kind.name == "maxout" else i])
        still[side] = bool(np.abs(rows).max() < 1e-6)
    assert (
        kind.saturates
        == {
            (True, True): "both",
            (True, False): "left",
            (False, True): "right",
            (False, False): "none",
        }[still["left"], still["right"]]
    )
    for row in near[:5]:  # smooth: no jump of the first three derivatives along a line
        line = dataclasses.replace(
            kind, function=lambda t, row=row: kind(t[..., None] * row)[..., 0], parameters={}
        )
        jumps = [
            np.abs(
                one_sided(line, np.arange(-8, 9) / 8.0, m, 1.0)
                - one_sided(line, np.arange(-8, 9) / 8.0, m, -1.0)
            ).max()
            for m in (1, 2, 3)
        ]
        assert kind.smooth == (max(jumps) < 1e-2)
        assert kind.smooth == (not kind.ties)


# The formulas, read as they are printed ------------------------------------------------------

_NAMES = {
    "σ": scipy.special.expit,
    "Φ": scipy.special.ndtr,
    "φ": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "λ": 1.0507009873554805,
    "α": 1.6732632423543772,
    "I": float,
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "max": max,
    "min": min,
    "abs": abs,
}
_SYMBOL = re.compile(r"\d+(?:\.\d+)?|[A-Za-zα-ωΑ-Ω]+[′ᵢ]?|[()|,<>≤≥+/·²½−]")


_WORD = re.compile(r"[A-Za-zα-ωΑ-Ω]+")


def python_of(formula: str) -> str:
    """Translate a formula: products are written side by side, |x| and x² as in print."""
    text, before, bars = "", "", 0
    for symbol in _SYMBOL.findall(formula):
        is_value = (
            symbol[0] in "0123456789(½" or symbol[0].isalpha() or (symbol == "|" and bars % 2 == 0)
        )
        after_value = before and (before[-1].isalnum() or before[-1] in ")|′")
        after_value = after_value and before not in _FUNCTIONS and not (before == "|" and bars % 2)
        if is_value and after_value:
            text += "*"
        if symbol == "|":
            bars += 1
            text += "abs(" if bars % 2 else ")"
        else:
            text += _PYTHON.get(symbol, symbol)
        before = symbol
    return text


_FUNCTIONS = {"f", "σ", "Φ", "φ", "I", "exp", "log", "tanh", "sin", "cos", "max", "min"}
_PYTHON = {"²": "**2", "½": "0.5", "−": "-", "≤": "<=", "≥": ">=", "·": "*", "u′": "du", "γᵢ": "γ"}


def read(kind: Activation, formula: str) -> Callable[[float], float]:
    code = compile(python_of(formula), formula, "eval")

    def at(x: float) -> float:
        root = math.sqrt(2 / math.pi)
        names = _NAMES | {
            "x": x,
            "γ": kind.parameters.get("gamma", math.nan),
            "s": math.log(1 + math.exp(x)),
            "u": root * (x + 0.044715 * x**3),
            "du": root * (1 + 0.134145 * x**2),
            "f": lambda x: read(kind, kind.formula)(x),
        }
        return float(eval(code, names))  # noqa: S307 - our own formulas

    return at


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("x/(1 + |x|)", "x/(1+abs(x))"),
        ("½x(1 − tanh(u)²)u′", "0.5*x*(1-tanh(u)**2)*du"),
        ("I(x > 0) + I(x ≤ 0) · γ exp(x)", "I(x>0)+I(x<=0)*γ*exp(x)"),
        ("I(−3 < x < 3)(2x + 3)/6", "I(-3<x<3)*(2*x+3)/6"),
    ],
)
def test_formulas_are_read_right(formula: str, expected: str) -> None:
    assert python_of(formula) == expected


@pytest.mark.parametrize("kind", ELEMENTWISE, ids=spelled)
def test_the_printed_formulas_are_what_is_computed(kind: Activation) -> None:
    x = np.concatenate([np.linspace(-8, 8, 161), list(kind.kinks)])
    f, slope = read(kind, kind.formula), read(kind, kind.derivative_formula)
    np.testing.assert_allclose(values(kind, x), [f(t) for t in x], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        values(kind.derivative, x), [slope(t) for t in x], rtol=1e-9, atol=1e-12
    )


def test_the_notes_define_what_the_formulas_use() -> None:
    for kind in KINDS:
        known = f"x f I exp log tanh sin cos max min argmax diag δ y k j i {' '.join(kind.notes)}"
        known += " γ K" if kind.parameters else ""
        used = _WORD.findall(f"{kind.formula} {kind.derivative_formula}")
        assert set(used) - set(_WORD.findall(known)) <= {"Σ"}, kind.name
