"""The numbers in an explanation parse back and satisfy the equations they stand in."""

# ruff: noqa: E741 - l, α, λ and δ are the lecture's symbols

from __future__ import annotations

import ast
import math
import operator
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.nn.activations import ACTIVATIONS
from chainrule.training.derivation import Derivation
from chainrule.training.loss_equations import Step
from chainrule.training.record import Record

# Reading the text ----------------------------------------------------------------------------

FUNCTIONS = {
    "exp": math.exp,
    "tanh": math.tanh,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "relu": lambda z: max(z, 0.0),
    "sine": math.sin,
    "softplus": lambda z: math.log1p(math.exp(z)),
    "cos": math.cos,
    "I": float,
    "log": math.log,
    "hard_sigmoid": lambda z: min(max(z / 6 + 0.5, 0.0), 1.0),
    "sign": lambda x: float(np.sign(x)),
    "max": max,
    "min": min,
    "abs": abs,
}
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
}


def value_of(text: str) -> float:
    """Compute a formula with numbers in it, as a reader would."""
    text = re.sub(r"   \([^()]*\)", "", text)  # what the terms are
    text = text.replace("×", "*").replace("²", "**2").replace("^", "**")
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    text = re.sub(r"(?<=[\d)])(?=\()", "*", text)  # 0.9(1 - 0.9)

    def compute(node: Any) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.BinOp():
                return OPERATORS[type(node.op)](compute(node.left), compute(node.right))
            case ast.UnaryOp():
                return OPERATORS[type(node.op)](compute(node.operand))
            case ast.Compare():
                left, right = compute(node.left), compute(node.comparators[0])
                return OPERATORS[type(node.ops[0])](left, right)
            case ast.Call():
                return FUNCTIONS[node.func.id](*map(compute, node.args))  # type: ignore[attr-defined]
        raise AssertionError(ast.dump(node))

    return float(compute(ast.parse(text.strip(), mode="eval").body))


def numbers_of(step: Step) -> str | None:
    """Return what stands between the symbols and the result, or nothing."""
    middle = " ".join(step.lines[1:-1])
    return middle.removeprefix("= ") if middle else None


def result_of(step: Step) -> float:
    return float(step.lines[-1].rpartition("= ")[2])


def unit_of(x: float, digits: int) -> float:
    return 0.0 if x == 0 else 10.0 ** (math.floor(math.log10(abs(x))) - digits + 1)


def close(x: float, y: float, digits: int) -> bool:
    """Whether two numbers agree to the digits that are shown, but for one unit of the last."""
    return abs(x - y) <= max(unit_of(x, digits), unit_of(y, digits)) * 1.001 + 1e-15


def check(derivation: Derivation, record: Record, digits: int = 6) -> None:
    """Compute every equation with the numbers as they are written."""
    for step in derivation.steps:
        assert close(result_of(step), step.value, digits), step
        text = numbers_of(step)
        if text is not None and step.title != "slope" and "gelu" not in text and ";" not in text:
            assert close(value_of(text), result_of(step), digits), step
    steps = {step.title: step for step in derivation.steps}
    l, i, s, j = derivation.layer, derivation.unit, derivation.sample, derivation.weight
    assert steps["net input"].value == record.z[l][s, i]
    assert steps["error"].value == record.delta[l][s, i]
    a = 1.0 if j is None else float(record.a[l - 1][s, j])
    assert derivation.value == float(record.delta[l][s, i]) * a
    assert derivation.steps[-1].title == "gradient"
    assert close(derivation.value, result_of(derivation.steps[-1]), digits)
    mean: Any = record.db[l] if j is None else record.dW[l][:, j]
    assert derivation.mean == mean[i]
    # what one step finds, the next one uses
    if "slope" in steps and record.f[l] in ("tanh", "sigmoid", "relu", "softplus", "sine"):
        arriving = steps["from the loss" if l == record.L else "from above"]
        product = value_of(numbers_of(steps["error"]) or "")
        tolerance = max(20.0 * 10.0**-digits, 4.0 * float(np.finfo(record.dtype).eps))
        assert product == pytest.approx(steps["slope"].value * arriving.value, rel=tolerance)


F = ["tanh", "sigmoid", "relu", "gelu", "softplus", "leaky_relu", "linear", "softmax", "sine"]


def network(
    sizes: list[int], f: list[str], loss: Any, seed: int, n: int = 3, dtype: str = "float64"
) -> Record:
    cr.random.seed(seed)
    rng = np.random.default_rng(seed)
    layers = [
        cr.Dense(m, name, bias_initializer="normal") for m, name in zip(sizes[1:], f, strict=True)
    ]
    model = cr.Sequential(layers, dtype=dtype)
    model.compile(loss=loss)
    x = rng.standard_normal((n, sizes[0]))
    units, name = sizes[-1], model.compiled().loss.name
    if name == "cross_entropy":
        y: Any = rng.integers(0, units, n)
    elif name == "binary_cross_entropy":
        y = rng.integers(0, 2, (n, units))
    else:
        y = ACTIVATIONS[f[-1]](rng.standard_normal((n, units)))
    return model.inspect(x, y)


OBJECTIVES = {
    "squared error": ("squared_error", None),
    "huber": ("huber", None),
    "cross-entropy": ("cross_entropy", "linear"),
    "smoothed": (cr.losses.CrossEntropy(label_smoothing=0.2), "linear"),
    "from probabilities": (cr.losses.CrossEntropy(from_logits=False), "softmax"),
    "binary": ("binary_cross_entropy", "linear"),
    "binary from probabilities": (cr.losses.BinaryCrossEntropy(from_logits=False), "sigmoid"),
}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_explanation_adds_up(data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, 3))
    sizes = data.draw(st.lists(st.integers(2, 12), min_size=depth + 1, max_size=depth + 1))
    f = data.draw(st.lists(st.sampled_from(F), min_size=depth, max_size=depth))
    loss, last = OBJECTIVES[data.draw(st.sampled_from(sorted(OBJECTIVES)))]
    if last is not None:
        f[-1] = last
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    record = network(sizes, f, loss, data.draw(st.integers(0, 999)), dtype=dtype)
    layer = data.draw(st.integers(1, depth))
    digits = data.draw(st.sampled_from([3, 6, 9]))
    derivation = record.explain(
        layer,
        data.draw(st.integers(0, sizes[layer] - 1)),
        data.draw(st.integers(0, 2)),
        data.draw(st.one_of(st.just("bias"), st.integers(0, sizes[layer - 1] - 1))),
        digits=digits,
        terms=data.draw(st.integers(1, 6)),
    )
    check(derivation, record, digits)


# What it looks like --------------------------------------------------------------------------


def by_hand(loss: str = "squared_error", f: str = "tanh") -> Record:
    model = cr.Sequential([cr.Dense(2, f), cr.Dense(1)], dtype="float64")
    model.compile(loss=loss)
    model.make_parameters((2,))
    model.set_weights([[[1.0, -1.0], [0.5, 0.5]], [0.0, 0.25], [[2.0], [-1.0]], [0.5]])
    return model.inspect([[1.0, 0.0], [1.0, 1.0]], [1.0, 0.0])


WHOLE = """\
∂L/∂w⁽¹⁾[1,0], weight from input 0 to unit 1 of layer 1 (tanh), for sample 0 (squared_error 2.75008)

  net input   z⁽¹⁾[1] = Σⱼ w⁽¹⁾[1,j] a⁽⁰⁾[j] + b⁽¹⁾[1]
                      = -1 × 1 + 0.5 × 0 + 0.25
                      = -0.75
  activation  a⁽¹⁾[1] = f₁(z⁽¹⁾[1])
                      = tanh(-0.75)
                      = -0.635149
  from above  ∂L/∂a⁽¹⁾[1] = Σₖ w⁽²⁾[k,1] δ⁽²⁾[k]
                          = -1 × 3.31667
                          = -3.31667
  slope       f₁′(z⁽¹⁾[1]) = 1 - a⁽¹⁾[1]²
                           = 1 - (-0.635149)²
                           = 0.596586
  error       δ⁽¹⁾[1] = f₁′(z⁽¹⁾[1]) ∂L/∂a⁽¹⁾[1]
                      = 0.596586 × (-3.31667)
                      = -1.97868
  gradient    ∂L/∂w⁽¹⁾[1,0] = δ⁽¹⁾[1] a⁽⁰⁾[0]
                            = -1.97868 × 1
                            = -1.97868

Mean over 2 samples: record.dW[1][1,0] = -3.39128. Samples, units and inputs count from 0."""


def test_the_whole_text() -> None:
    derivation = by_hand().explain(layer=1, unit=1, sample=0, weight=0)
    assert str(derivation) == repr(derivation) == WHOLE


def test_a_hand_computation() -> None:
    record = by_hand()
    # a = (tanh 1.5, tanh -0.25), z⁽²⁾ = 2 a₀ - a₁ + 0.5, δ⁽²⁾ = 2 (z⁽²⁾ - 0)
    a = math.tanh(1.5), math.tanh(-0.25)
    error = 2 * (2 * a[0] - a[1] + 0.5)
    derivation = record.explain(layer=1, unit=0, sample=1, weight=1)
    assert derivation.value == pytest.approx((1 - a[0] ** 2) * 2 * error * 1.0)
    assert [step.title for step in derivation.steps] == [
        *("net input", "activation", "from above", "slope", "error", "gradient")
    ]
    assert derivation.steps[0].lines == (
        "z⁽¹⁾[0] = Σⱼ w⁽¹⁾[0,j] a⁽⁰⁾[j] + b⁽¹⁾[0]",
        "= 1 × 1 + 0.5 × 1 + 0",
        "= 1.5",
    )
    assert derivation.steps[3].lines == (
        "f₁′(z⁽¹⁾[0]) = 1 - a⁽¹⁾[0]²",
        "= 1 - 0.905148²",
        "= 0.180707",
    )
    assert derivation.name == "∂L/∂w⁽¹⁾[0,1]"
    bias = record.explain(2, 0, 1, "bias")
    assert bias.steps[-1].lines == ("∂L/∂b⁽²⁾[0] = δ⁽²⁾[0]", f"= {error:.6g}")
    assert bias.steps[-2].lines[0] == "δ⁽²⁾[0] = 2 (a⁽²⁾[0] - y[0])"
    assert bias.weight is None


def test_text_lines_up_and_fits() -> None:
    record = network([60, 40, 3], ["relu", "linear"], "cross_entropy", 0)
    for layer in (1, 2):
        derivation = record.explain(layer, 2, 1, weight=5)
        heading, _, *lines, _, _ = str(derivation).splitlines()
        assert max(map(len, [heading, *lines])) <= 110
        for step in derivation.steps:
            start = next(k for k, line in enumerate(lines) if line.endswith("  " + step.lines[0]))
            under = lines[start].index(" = ") + 1
            for line, own in zip(lines[start + 1 :], step.lines[1:], strict=False):
                assert line[under:] == own


def test_the_loss_belongs_to_the_output() -> None:
    record = network([3, 4, 3], ["tanh", "linear"], "cross_entropy", 1)
    steps = {step.title: step for step in record.explain(2, 1, 0).steps}
    assert steps["prediction"].lines[0] == "ŷ[1] = exp(z⁽²⁾[1] - log Σₖ exp(z⁽²⁾[k]))"
    assert record.probabilities is not None
    assert steps["prediction"].value == record.probabilities[0, 1]
    assert steps["error"].lines[0] == "δ⁽²⁾[1] = ŷ[1] - y[1]"
    record = network([3, 2], ["linear"], "binary_cross_entropy", 1)
    steps = {step.title: step for step in record.explain(1, 1, 0).steps}
    assert steps["prediction"].lines[0] == "ŷ[1] = σ(z⁽¹⁾[1])"
    assert steps["error"].lines[0] == "δ⁽¹⁾[1] = 1/2 (ŷ[1] - y[1])"
    record = network([3, 3], ["softmax"], cr.losses.CrossEntropy(from_logits=False), 1)
    steps = {step.title: step for step in record.explain(1, 1, 0).steps}
    assert steps["activation"].lines[0] == "a⁽¹⁾[1] = exp(z⁽¹⁾[1] - log Σₖ exp(z⁽¹⁾[k]))"
    assert steps["error"].lines[0] == "δ⁽¹⁾[1] = a⁽¹⁾[1] - y[1]"
    record = network([3, 5], ["tanh"], "squared_error", 1)
    steps = {step.title: step for step in record.explain(1, 1, 0).steps}
    assert steps["from the loss"].lines[0] == "∂L/∂a⁽¹⁾[1] = 2/5 (a⁽¹⁾[1] - y[1])"


def quartic(y: Any, prediction: Any) -> Any:
    return ((y - prediction) ** 4.0).mean(axis=1)


def test_a_loss_without_a_closed_form_gives_its_number() -> None:
    record = network([3, 2], ["tanh"], quartic, 1)
    steps = {step.title: step for step in record.explain(1, 1, 0).steps}
    assert steps["from the loss"].lines == (f"∂L/∂a⁽¹⁾[1] = {record.da[1][0, 1]:.6g}",)


def test_where_f_mixes_the_units_all_of_them_count() -> None:
    record = network([3, 4, 2], ["softmax", "linear"], "squared_error", 1)
    steps = {step.title: step for step in record.explain(1, 1, 0).steps}
    assert steps["error"].lines[0] == "δ⁽¹⁾[1] = Σₖ ∂a⁽¹⁾[k]/∂z⁽¹⁾[1] ∂L/∂a⁽¹⁾[k]"
    assert "slope" not in steps


def scaled(z: Any) -> Any:
    return 1.7159 * cr.tanh(z * (2.0 / 3.0))


def shifted(z: Any) -> Any:
    return cr.tanh(z) + 1.0


def straight_through(z: Any) -> Any:
    return z + cr.stop_gradient(cr.tanh(z) - z)


@pytest.mark.parametrize("function", [scaled, shifted, straight_through])
def test_functions_by_a_known_name_that_are_others(function: Any) -> None:
    def tanh(z: Any) -> Any:
        return function(z)

    model = cr.Sequential([cr.Dense(4, tanh), cr.Dense(1)], dtype="float64")
    model.compile()
    record = model.inspect([[1.0, 2.0]], [0.5])
    assert record.f[1] == "tanh"
    steps = {step.title: step for step in record.explain(1, 0).steps}
    assert steps["activation"].lines == (
        "a⁽¹⁾[0] = f₁(z⁽¹⁾[0])",
        f"= {record.a[1][0, 0]:.6g}",
    )
    assert steps["slope"].lines == (f"f₁′(z⁽¹⁾[0]) = {record.df[1][0, 0]:.6g}",)  # type: ignore[index]


def test_smoothed_labels() -> None:
    record = network([3, 4], ["linear"], cr.losses.CrossEntropy(label_smoothing=0.2), 1)
    assert record.y is not None
    label = int(record.y[0])
    for unit in range(4):
        steps = {step.title: step for step in record.explain(1, unit, 0).steps}
        smooth = 0.85 if unit == label else 0.05
        assert steps["error"].lines[0] == f"δ⁽¹⁾[{unit}] = ŷ[{unit}] - y[{unit}]"
        assert steps["error"].lines[1].endswith(f" - {smooth}")


# What each loss says of the output -----------------------------------------------------------

L = cr.losses
YES, LABELS = np.array([[0, 1, 1], [1, 0, 1]]), np.array([0, 2])
AMOUNTS = np.array([[0.5, 2.0, 0.0], [1.5, 0.25, 3.0]])
SHARES = np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]])

SAID: list[tuple[Any, str, Any, str]] = [
    (L.AbsoluteError(), "linear", AMOUNTS, "1/3 sign(a - y)"),
    (L.Huber(0.5), "linear", AMOUNTS, "1/3 min(max(a - y, -0.5), 0.5)"),
    (L.Huber(), "tanh", AMOUNTS, "1/3 min(max(a - y, -1), 1)"),
    (L.LogCosh(), "linear", AMOUNTS, "1/3 tanh(a - y)"),
    (L.Quantile(0.9), "linear", AMOUNTS, "1/3 (I(a > y) - 0.9)"),
    (L.Quantile([0.1, 0.5, 0.75]), "linear", AMOUNTS, "1/3 (I(a > y) - Q)"),
    (L.Poisson(), "linear", AMOUNTS, "1/3 (exp(a) - y)"),
    (L.Poisson(log_input=False), "softplus", AMOUNTS, "1/3 (1 - y / (a + 1e-07))"),
    (L.SquaredLogError(), "softplus", AMOUNTS, "2/3 (log(1 + a) - log(1 + y)) / (1 + a)"),
    (
        L.AbsolutePercentageError(0.1),
        "linear",
        AMOUNTS,
        "100/3 sign(a - y) / max(|y|, 0.1)",
    ),
    (L.Hinge(), "linear", YES, "-1/3 y I(y a < 1)"),
    (L.SquaredHinge(), "linear", YES, "-2/3 y max(1 - y a, 0)"),
    (
        L.CategoricalHinge(),
        "linear",
        LABELS,
        "I(1 + maxₖ (1 - y[k]) ŷ[k] > Σₖ y[k] ŷ[k]) (W - y)",
    ),
    (L.CosineSimilarity(), "linear", AMOUNTS, "(cos(y, ŷ) a / ‖ŷ‖ - y / ‖y‖) / ‖ŷ‖"),
    (L.BinaryCrossEntropy(pos_weight=3.0), "linear", YES, "1/3 ((1 - y) ŷ - 3 y (1 - ŷ))"),
    (
        L.BinaryCrossEntropy(from_logits=False, pos_weight=2.0),
        "sigmoid",
        YES,
        "1/3 ((1 - y) / (1 - a) - 2 y / a)",
    ),
    (L.BinaryCrossEntropy(from_logits=False), "hard_sigmoid", YES, "1/3 (a - y) / (a (1 - a))"),
    (L.BinaryFocal(alpha=0.25), "linear", YES, ""),
    (L.CategoricalFocal(), "linear", LABELS, ""),
    (L.KLDivergence(), "linear", SHARES, "ŷ - y"),
    (L.KLDivergence(from_logits=False), "sigmoid", SHARES, "1 / Σₖ ŷ[k] - y / a"),
    (L.CrossEntropy(from_logits=False), "sigmoid", LABELS, "1 / Σₖ ŷ[k] - y / a"),
]


@pytest.mark.parametrize(("loss", "last", "y", "formula"), SAID, ids=lambda x: str(x)[:30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss_says_how_it_moves(
    loss: Any, last: str, y: Any, formula: str, dtype: str
) -> None:
    cr.random.seed(3)
    model = cr.Sequential([cr.Dense(3, last, kernel_initializer="normal")], dtype=dtype)
    model.compile(loss=loss)
    record = model.inspect([[0.5, -1.0], [1.0, 2.0]], y)
    for sample in range(2):
        for unit in range(3):
            derivation = record.explain(1, unit, sample)
            steps = {step.title: step for step in derivation.steps}
            step = steps["from the loss" if last != "linear" else "error"]
            assert step.value == float(record.da[1][sample, unit])
            text = numbers_of(step)
            assert text is not None, step
            assert close(value_of(text), result_of(step), 6), step
            check(derivation, record)
            if formula:
                said = step.lines[0].partition(" = ")[2]
                said = said.replace(f"a⁽¹⁾[{unit}]", "a").replace(f"y[{unit}]", "y")
                said = said.replace(f"ŷ[{unit}]", "ŷ")
                pattern = re.escape(formula).replace("Q", r"[\d.]+").replace("W", r"\d")
                assert re.fullmatch(pattern, said), (said, formula)


# Activations with parameters, and what stands around the layers --------------------------------


def steps_of(record: Record, *place: int) -> dict[str, Step]:
    return {step.title: step for step in record.explain(*place).steps}


def inspected(layers: list[Any], l2: float = 0.0) -> Record:
    cr.random.seed(0)
    model = cr.Sequential(layers, dtype="float64")
    model.compile(loss="squared_error", l2=l2)
    return model.inspect([[0.5, -1.0], [1.0, 2.0]], [0.0, 1.0])


def test_a_maxout_unit_says_which_piece_has_won() -> None:
    record = inspected([cr.Maxout(2, pieces=3), cr.Dense(1)])
    for sample in range(2):
        for piece in range(6):
            step = steps_of(record, 1, piece, sample)["activation"]
            unit = piece // 3
            z = record.z[1][sample, 3 * unit : 3 * unit + 3]
            won = 3 * unit + int(z.argmax())
            symbols = ", ".join(f"z⁽¹⁾[{3 * unit + k}]" for k in range(3))
            assert step.lines[0] == f"a⁽¹⁾[{unit}] = max({symbols})"
            assert value_of(numbers_of(step) or "") == pytest.approx(z.max(), rel=1e-5)
            which = "this piece" if won == piece else f"z⁽¹⁾[{won}]"
            assert step.lines[-1].endswith(f"({which} is the largest)")


def test_a_prelu_unit_shows_its_slope() -> None:
    record = inspected([cr.Dense(4, activation=cr.PReLU(alpha_initializer="uniform")), cr.Dense(1)])
    z, a, slopes = record.z[1], record.a[1], record.df[1]
    assert slopes is not None
    for sample in range(2):
        for unit in range(4):
            steps = steps_of(record, 1, unit, sample)
            at = f"z⁽¹⁾[{unit}]"
            assert steps["activation"].lines[0] == f"a⁽¹⁾[{unit}] = max({at}, 0) + γ min({at}, 0)"
            assert steps["slope"].lines[0] == f"f₁′({at}) = I({at} > 0) + γ I({at} ≤ 0)"
            gamma = float(steps["slope"].lines[1].split("+ ")[1].split(" ×")[0].strip("()"))
            if z[sample, unit] < 0:
                assert gamma == pytest.approx(slopes[sample, unit], rel=1e-5)
            given = value_of(numbers_of(steps["activation"]) or "")
            assert given == pytest.approx(a[sample, unit], rel=1e-5)


def test_a_slope_of_several_layers_is_named() -> None:
    record = inspected([cr.Dense(3, "tanh"), cr.BatchNorm(), cr.Dense(1)])
    step = steps_of(record, 1, 1, 0)["slope"]
    assert step.lines[0] == "f₁′(z⁽¹⁾[1]) = d(tanh → BatchNorm)/dz⁽¹⁾[1]"


def test_the_penalty_is_added() -> None:
    record = inspected([cr.Dense(3, "tanh"), cr.Dense(1)], l2=0.5)
    derivation = record.explain(1, 2, 1, weight=1)
    step = derivation.steps[-1]
    w = record.W[1][2, 1]
    assert (step.title, derivation.penalty) == ("with penalty", pytest.approx(0.5 * w))
    assert step.lines[0] == "∂R/∂w⁽¹⁾[2,1] = ∂L/∂w⁽¹⁾[2,1] + λ w⁽¹⁾[2,1]"
    assert value_of(numbers_of(step) or "") == pytest.approx(derivation.value + 0.5 * w, rel=1e-5)
    assert "the penalty adds record.penalty_dW[1][2,1]" in str(derivation)
    bias = record.explain(1, 2, 1, weight="bias")
    assert (bias.steps[-1].title, bias.penalty) == ("gradient", 0.0)
    plain = inspected([cr.Dense(3, "tanh"), cr.Dense(1)]).explain(1, 2, 1, weight=1)
    assert (plain.steps[-1].title, plain.penalty) == ("gradient", 0.0)
    own = inspected([cr.Dense(3, "tanh", kernel_regularizer="l1"), cr.Dense(1)])
    step = own.explain(1, 2, 1, weight=1).steps[-1]
    assert step.lines[0] == "∂R/∂w⁽¹⁾[2,1] = ∂L/∂w⁽¹⁾[2,1] + ∂r/∂w⁽¹⁾[2,1]"


def test_numbers_of_numpy_name_layers() -> None:
    record = inspected([cr.Dense(3, "tanh"), cr.Dense(1)])
    one = record.explain(np.int64(1), np.int64(2), np.int8(1))  # type: ignore[arg-type]
    assert str(one) == str(record.explain(1, 2, 1))
    for wrong in (1.0, "1", None):
        with pytest.raises(ArgumentError, match=r"^W\[l\]: got l = "):
            record.explain(wrong, 0)  # type: ignore[arg-type]


# Long sums -----------------------------------------------------------------------------------


def test_long_sums_show_the_largest_terms_and_what_the_others_come_to() -> None:
    record = network([64, 30, 1], ["tanh", "linear"], "squared_error", 4)
    derivation = record.explain(1, 2, 1, weight=7, terms=5)
    check(derivation, record)
    lines = derivation.steps[0].lines[1:-1]
    noted = [int(m[1]) for line in lines if (m := re.search(r"\(j = (\d+)\)$", line))]
    products = record.W[1][2] * record.a[0][1]
    largest = np.argsort(-np.abs(products))[:5].tolist()
    assert noted[:5] == largest
    assert noted[5:] == ([7] if 7 not in largest else [])  # the weight in question is shown
    rest = 64 - len(noted)
    (line,) = [line for line in lines if line.endswith(f"({rest} more terms that sum to this)")]
    others = products.sum() - products[noted].sum()
    assert value_of(line.removeprefix("+ ")) == pytest.approx(others, rel=1e-5)
    assert lines[-1].endswith("(b)")


def test_sums_are_not_shortened_by_a_single_term() -> None:
    record = network([7, 1], ["linear"], "squared_error", 0)
    assert "more terms" not in str(record.explain(1, 0, 0, terms=6))
    record = network([8, 1], ["linear"], "squared_error", 0)
    assert "(2 more terms that sum to this)" in str(record.explain(1, 0, 0, terms=6, weight="bias"))


def test_more_digits() -> None:
    derivation = network([4, 3, 1], ["tanh", "linear"], "squared_error", 0).explain(
        1, 0, 0, digits=17
    )
    assert float(derivation.steps[-1].lines[-1].removeprefix("= ")) == derivation.value


# In a notebook -------------------------------------------------------------------------------


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.text += "\n" if tag == "br" else ""
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_notebook_shows_the_same_numbers() -> None:
    derivation = network([64, 30, 3], ["relu", "linear"], "cross_entropy", 4).explain(2, 2, 1)
    html = derivation._repr_html_()
    assert "<i>δ</i><sup>(2)</sup><sub>2</sub>" in html
    assert "<i>w</i><sup>(2)</sup><sub>2,j</sub>" in html
    page = Text()
    page.feed(html)
    assert not page.open
    for step in derivation.steps:
        for line in step.lines[1:]:
            assert line in page.text
    assert "I(" not in html or "&gt;" in html


# Wrong arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"layer": 3}, "W[l]: got l = 3; expected a layer, 1 to 2."),
        ({"layer": 0}, "W[l]: got l = 0; expected a layer, 1 to 2."),
        ({"unit": 2}, "unit: got 2; expected a whole number from 0 to 1: units of layer 1."),
        ({"unit": -1}, "unit: got -1; expected a whole number from 0 to 1: units of layer 1."),
        ({"unit": True}, "unit: got True; expected a whole number from 0 to 1: units of layer 1."),
        ({"sample": 2}, "sample: got 2; expected a whole number from 0 to 1: samples."),
        (
            {"weight": 2},
            "weight: got 2; expected a whole number from 0 to 1: inputs of layer 1; or 'bias'.",
        ),
        ({"weight": "b"}, "weight: got 'b'; expected a column of W, or 'bias'."),
        ({"digits": 0}, "digits: got 0; expected a whole number from 1."),
        ({"terms": 0}, "terms: got 0; expected a whole number from 1."),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as error:
        by_hand().explain(**{"layer": 1, "unit": 0, **arguments})
    assert str(error.value) == text


def test_the_bias_of_a_layer_without() -> None:
    model = cr.Sequential([cr.Dense(2, use_bias=False)])
    model.compile()
    record = model.inspect([[1.0]], [[1.0, 2.0]])
    assert " + b" not in str(record.explain(1, 0))
    with pytest.raises(ArgumentError) as error:
        record.explain(1, 0, 0, "bias")
    assert str(error.value) == (
        "weight: got 'bias'; expected a weight's column: layer 1 has no bias."
    )
