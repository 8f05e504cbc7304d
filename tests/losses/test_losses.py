"""What every loss must do, held against formulas in NumPy and SciPy; names, custom losses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit, log_softmax, softmax, xlogy

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.types import FLOAT32, FLOAT64, Array, ArrayType
from chainrule.losses import (
    LOSSES,
    AbsoluteError,
    AbsolutePercentageError,
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalFocal,
    CategoricalHinge,
    CosineSimilarity,
    CrossEntropy,
    CustomLoss,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    Output,
    Poisson,
    Quantile,
    SquaredError,
    SquaredHinge,
    SquaredLogError,
    UnitLoss,
    loss,
    loss_from_config,
    loss_to_config,
)

Function = Callable[[Array, Array], Array]


def output(*shape: int, dtype: str = "float64") -> ArrayType:
    return ArrayType(shape, np.dtype(dtype))


def value_and_gradient(loss: Loss, y: Any, z: Array) -> tuple[Array, Array]:
    """The loss of each sample, and the gradient of their sum with respect to the prediction."""
    targets = cr.tensor(loss.check(y, ArrayType(z.shape, z.dtype)))
    values = loss(targets, cr.tensor(z))
    gradient = cr.grad(lambda z: loss(targets, z).sum())(z)
    return values.numpy(), gradient.numpy()


# Formulas, in other forms than the code's --------------------------------------------------------


@dataclass
class Case:
    """A loss with its equation and its derivative, for float64 arrays of shape (n, units).

    Attributes:
        loss: the loss.
        targets: what kind of targets it takes.
        value: of (y, z) in rows: the loss of each sample.
        slope: of (y, z): ∂L/∂z of each sample's loss, shape (n, units).
        domain: what the predictions are: "any", "positive", "unit" (between 0 and 1).
    """

    loss: Loss
    targets: str
    value: Function
    slope: Function
    domain: str = "any"

    def __str__(self) -> str:
        return repr(self.loss)

    def draw(self, n: int = 6, units: int = 3, seed: int = 0) -> tuple[Array, Array]:
        rng = np.random.default_rng(seed)
        z = {
            "any": lambda: rng.normal(scale=2.0, size=(n, units)),
            "positive": lambda: rng.uniform(0.1, 4.0, (n, units)),
            "unit": lambda: rng.uniform(0.05, 0.95, (n, units)),
        }[self.domain]()
        return self.targets_of(rng, n, units), z

    def targets_of(self, rng: np.random.Generator, n: int, units: int) -> Array:
        return {
            "one-hot": lambda: np.eye(units)[rng.integers(units, size=n)],
            "distribution": lambda: rng.dirichlet(np.ones(units), size=n),
            "yes-no": lambda: rng.integers(2, size=(n, units)).astype(float),
            "chances": lambda: rng.uniform(size=(n, units)),
            "signs": lambda: rng.choice([-1.0, 1.0], size=(n, units)),
            "values": lambda: rng.normal(scale=2.0, size=(n, units)),
            "counts": lambda: rng.poisson(3.0, size=(n, units)).astype(float),
        }[self.targets]()


def mean_over_units(each: Function) -> Function:
    return lambda y, z: each(y, z).mean(axis=1)


def of_each_unit(slope: Function) -> Function:
    return lambda y, z: slope(y, z) / z.shape[1]


def by_unit(loss: Loss, targets: str, each: Function, slope: Function, domain: str = "any") -> Case:
    return Case(loss, targets, mean_over_units(each), of_each_unit(slope), domain)


def smooth(y: Array, epsilon: float) -> Array:
    return (1 - epsilon) * y + epsilon / y.shape[1]


def smooth2(y: Array, epsilon: float) -> Array:
    return (1 - epsilon) * y + epsilon / 2


def cross_entropy(epsilon: float) -> tuple[Function, Function]:
    return (
        lambda y, z: -(smooth(y, epsilon) * log_softmax(z, axis=1)).sum(axis=1),
        lambda y, z: softmax(z, axis=1) - smooth(y, epsilon),
    )


def cross_entropy_of_probabilities(y: Array, p: Array) -> Array:
    return -(y * np.log(p / p.sum(axis=1, keepdims=True))).sum(axis=1)


def slope_of_probabilities(y: Array, p: Array) -> Array:
    return y.sum(axis=1, keepdims=True) / p.sum(axis=1, keepdims=True) - y / p


def focal(
    y: Array, p_no: Array, p_yes: Array, log_no: Array, log_yes: Array, gamma: float
) -> Array:
    """Focal loss of hard labels: -(1 - p_t)^γ log p_t."""
    return np.where(y == 1, -(p_no**gamma) * log_yes, -(p_yes**gamma) * log_no)


def focal_slope(y: Array, z: Array, gamma: float) -> Array:
    """Appendix B of the paper: y (1 - p_t)^γ (γ p_t log p_t + p_t - 1), with y = ±1."""
    s = 2 * y - 1
    p_t, rest, log_p_t = expit(s * z), expit(-s * z), log_expit(s * z)
    return s * rest**gamma * (gamma * p_t * log_p_t - rest)


def alpha_t(y: Array, alpha: float) -> Array:
    return np.where(y == 1, alpha, 1 - alpha)


def categorical_focal(y: Array, z: Array, gamma: float, alpha: Array) -> Array:
    log_p = log_softmax(z, axis=1)
    return -(alpha * y * (-np.expm1(log_p)) ** gamma * log_p).sum(axis=1)


def categorical_focal_slope(y: Array, z: Array, gamma: float, alpha: Array) -> Array:
    """By the chain rule through p: ∂L/∂z = p ⊙ (v - vᵀp) with v = ∂L/∂p."""
    log_p = log_softmax(z, axis=1)
    p, rest = np.exp(log_p), -np.expm1(log_p)
    # p v, which stays finite where p is 0
    # ... and where it is 1: there log p is -rest
    power = np.maximum(rest, 1e-300) ** (gamma - 1)
    pv = -alpha * y * (rest**gamma - gamma * power * p * log_p)
    return pv - p * pv.sum(axis=1, keepdims=True)


def pinball(y: Array, z: Array, q: Any) -> Array:
    e = y - z
    return np.where(e >= 0, q * e, (np.asarray(q) - 1) * e)


def huber(y: Array, z: Array, delta: float) -> Array:
    return scipy.special.huber(delta, z - y)


def log_cosh(y: Array, z: Array) -> Array:
    e = np.abs(z - y)
    near = np.log(np.cosh(np.minimum(e, 100.0)))
    return np.where(e < 100, near, e - np.log(2))


def stirling(y: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(y > 1, y * np.log(y) - y + 0.5 * np.log(2 * np.pi * y), 0.0)


def exp(z: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(z)


def categorical_hinge(y: Array, z: Array) -> Array:
    return np.maximum(1 + ((1 - y) * z).max(axis=1) - (y * z).sum(axis=1), 0)


def categorical_hinge_slope(y: Array, z: Array) -> Array:
    wrong = (1 - y) * z
    ties = wrong == wrong.max(axis=1, keepdims=True)
    share = ties / ties.sum(axis=1, keepdims=True)
    return (categorical_hinge(y, z) > 0)[:, None] * ((1 - y) * share - y)


def cosine(y: Array, z: Array) -> Array:
    norms = np.linalg.norm(y, axis=1) * np.linalg.norm(z, axis=1)
    return -np.divide((y * z).sum(axis=1), norms, out=np.zeros(len(y)), where=norms > 0)


def cosine_slope(y: Array, z: Array) -> Array:
    u = y / np.linalg.norm(y, axis=1, keepdims=True)
    norm = np.linalg.norm(z, axis=1, keepdims=True)
    v = np.divide(z, norm, out=np.zeros_like(z), where=norm > 0)
    return -(u - v * (u * v).sum(axis=1, keepdims=True)) / np.maximum(norm, 1e-6)


ALPHA = np.array([0.2, 0.5, 1.0])
CASES = [
    Case(CrossEntropy(), "one-hot", *cross_entropy(0.0)),
    Case(CrossEntropy(), "distribution", *cross_entropy(0.0)),
    Case(CrossEntropy(0.1), "one-hot", *cross_entropy(0.1)),
    Case(
        CrossEntropy(from_logits=False),
        "distribution",
        cross_entropy_of_probabilities,
        slope_of_probabilities,
        "unit",
    ),
    Case(
        CrossEntropy(0.2, from_logits=False),
        "one-hot",
        lambda y, p: cross_entropy_of_probabilities(smooth(y, 0.2), p),
        lambda y, p: slope_of_probabilities(smooth(y, 0.2), p),
        "unit",
    ),
    by_unit(
        BinaryCrossEntropy(),
        "yes-no",
        lambda y, z: np.logaddexp(0, np.where(y == 1, -z, z)),
        lambda y, z: np.where(y == 1, -expit(-z), expit(z)),
    ),
    by_unit(
        BinaryCrossEntropy(),
        "chances",
        lambda y, z: -(y * log_expit(z) + (1 - y) * log_expit(-z)),
        lambda y, z: expit(z) - y,
    ),
    by_unit(
        BinaryCrossEntropy(0.1, pos_weight=3.0),
        "yes-no",
        lambda y, z: -(3 * smooth2(y, 0.1) * log_expit(z) + (1 - smooth2(y, 0.1)) * log_expit(-z)),
        lambda y, z: -3 * smooth2(y, 0.1) * expit(-z) + (1 - smooth2(y, 0.1)) * expit(z),
    ),
    by_unit(
        BinaryCrossEntropy(pos_weight=[1.0, 2.0, 0.5]),
        "yes-no",
        lambda y, z: -(np.array([1, 2, 0.5]) * y * log_expit(z) + (1 - y) * log_expit(-z)),
        lambda y, z: -np.array([1, 2, 0.5]) * y * expit(-z) + (1 - y) * expit(z),
    ),
    by_unit(
        BinaryCrossEntropy(from_logits=False),
        "chances",
        lambda y, p: -(y * np.log(p) + (1 - y) * np.log1p(-p)),
        lambda y, p: (1 - y) / (1 - p) - y / p,
        "unit",
    ),
    by_unit(
        BinaryFocal(),
        "yes-no",
        lambda y, z: focal(y, expit(-z), expit(z), log_expit(-z), log_expit(z), 2),
        lambda y, z: focal_slope(y, z, 2),
    ),
    by_unit(
        BinaryFocal(0.5, 0.25),
        "yes-no",
        lambda y, z: (
            alpha_t(y, 0.25) * focal(y, expit(-z), expit(z), log_expit(-z), log_expit(z), 0.5)
        ),
        lambda y, z: alpha_t(y, 0.25) * focal_slope(y, z, 0.5),
    ),
    by_unit(
        BinaryFocal(0.0),
        "yes-no",
        lambda y, z: np.logaddexp(0, np.where(y == 1, -z, z)),
        lambda y, z: np.where(y == 1, -expit(-z), expit(z)),
    ),
    by_unit(
        BinaryFocal(3.0, from_logits=False),
        "yes-no",
        lambda y, p: focal(y, 1 - p, p, np.log1p(-p), np.log(p), 3),
        lambda y, p: focal_slope(y, np.log(p / (1 - p)), 3) / (p * (1 - p)),
        "unit",
    ),
    Case(
        CategoricalFocal(),
        "one-hot",
        lambda y, z: categorical_focal(y, z, 2, np.full(3, 0.25)),
        lambda y, z: categorical_focal_slope(y, z, 2, np.full(3, 0.25)),
    ),
    Case(
        CategoricalFocal(1.5, [0.2, 0.5, 1.0], label_smoothing=0.1),
        "one-hot",
        lambda y, z: categorical_focal(smooth(y, 0.1), z, 1.5, ALPHA),
        lambda y, z: categorical_focal_slope(smooth(y, 0.1), z, 1.5, ALPHA),
    ),
    Case(
        CategoricalFocal(0.5, 1.0),
        "one-hot",
        lambda y, z: categorical_focal(y, z, 0.5, np.ones(3)),
        lambda y, z: categorical_focal_slope(y, z, 0.5, np.ones(3)),
    ),
    Case(
        CategoricalFocal(1.0, 1.0, from_logits=False),
        "one-hot",
        lambda y, p: categorical_focal(y, np.log(p), 1, np.ones(3)),
        lambda y, p: categorical_focal_slope(y, np.log(p), 1, np.ones(3)) / p,
        "unit",
    ),
    Case(
        KLDivergence(),
        "distribution",
        lambda y, z: (xlogy(y, y) - y * log_softmax(z, axis=1)).sum(axis=1),
        lambda y, z: softmax(z, axis=1) - y,
    ),
    Case(
        KLDivergence(from_logits=False),
        "distribution",
        lambda y, p: scipy.special.rel_entr(y, p / p.sum(axis=1, keepdims=True)).sum(axis=1),
        slope_of_probabilities,
        "unit",
    ),
    by_unit(SquaredError(), "values", lambda y, z: (z - y) ** 2, lambda y, z: 2 * (z - y)),
    by_unit(AbsoluteError(), "values", lambda y, z: np.abs(z - y), lambda y, z: np.sign(z - y)),
    by_unit(
        Huber(),
        "values",
        lambda y, z: huber(y, z, 1.0),
        lambda y, z: np.clip(z - y, -1.0, 1.0),
    ),
    by_unit(
        Huber(2.5),
        "values",
        lambda y, z: huber(y, z, 2.5),
        lambda y, z: np.clip(z - y, -2.5, 2.5),
    ),
    by_unit(LogCosh(), "values", log_cosh, lambda y, z: np.tanh(z - y)),
    by_unit(
        Quantile(),
        "values",
        lambda y, z: pinball(y, z, 0.5),
        lambda y, z: np.where(z > y, 0.5, -0.5),
    ),
    by_unit(
        Quantile([0.1, 0.5, 0.9]),
        "values",
        lambda y, z: pinball(y, z, np.array([0.1, 0.5, 0.9])),
        lambda y, z: np.where(z > y, 1 - np.array([0.1, 0.5, 0.9]), -np.array([0.1, 0.5, 0.9])),
    ),
    by_unit(Poisson(), "counts", lambda y, z: exp(z) - y * z, lambda y, z: exp(z) - y),
    by_unit(
        Poisson(full=True),
        "counts",
        lambda y, z: exp(z) - y * z + stirling(y),
        lambda y, z: exp(z) - y,
    ),
    by_unit(
        Poisson(log_input=False),
        "counts",
        lambda y, r: r - y * np.log(r + 1e-7),
        lambda y, r: 1 - y / (r + 1e-7),
        "positive",
    ),
    by_unit(
        Hinge(),
        "signs",
        lambda y, z: np.maximum(1 - y * z, 0),
        lambda y, z: np.where(y * z < 1, -y, 0.0),
    ),
    by_unit(
        SquaredHinge(),
        "signs",
        lambda y, z: np.maximum(1 - y * z, 0) ** 2,
        lambda y, z: np.where(y * z < 1, -2 * y * (1 - y * z), 0.0),
    ),
    Case(CategoricalHinge(), "one-hot", categorical_hinge, categorical_hinge_slope),
    Case(CosineSimilarity(), "values", cosine, cosine_slope),
    by_unit(
        SquaredLogError(),
        "counts",
        lambda y, z: (np.log1p(np.maximum(z, 0)) - np.log1p(y)) ** 2,
        lambda y, z: np.where(
            z > 0, 2 * (np.log1p(np.maximum(z, 0)) - np.log1p(y)) / (1 + np.maximum(z, 0)), 0
        ),
    ),
    by_unit(
        AbsolutePercentageError(),
        "values",
        lambda y, z: 100 * np.abs(y - z) / np.abs(y),
        lambda y, z: 100 * np.sign(z - y) / np.abs(y),
    ),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=str)


def test_every_loss_has_a_case() -> None:
    assert {type(case.loss) for case in CASES} == set(LOSSES.values())


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients_are_those_of_the_formulas(case: Case, seed: int) -> None:
    y, z = case.draw(seed=seed)
    values, gradient = value_and_gradient(case.loss, y, z)
    assert values.shape == (6,)
    assert values.dtype == gradient.dtype == np.float64
    np.testing.assert_allclose(values, case.value(y, z), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gradient, case.slope(y, z), rtol=1e-10, atol=1e-13)


@EVERY
def test_first_and_second_derivatives_against_finite_differences(case: Case) -> None:
    y, z = case.draw(n=3, seed=5)
    targets = cr.tensor(case.loss.check(y, ArrayType(z.shape, z.dtype)))
    cr.check_grads(lambda z: case.loss(targets, z), [z], order=2)


@EVERY
def test_float32_stays_float32(case: Case) -> None:
    y, z = case.draw(seed=1)
    values, gradient = value_and_gradient(case.loss, y, z.astype(np.float32))
    assert values.dtype == gradient.dtype == np.float32
    z = z.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(values, case.value(y, z), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(gradient, case.slope(y, z), rtol=2e-4, atol=2e-5)


def extreme_rows(size: float, units: int = 3) -> Array:
    levels = np.array([-1.0, -0.5, -0.01, 0.0, 0.01, 0.5, 1.0]) * size
    return np.array(np.meshgrid(*[levels] * units)).reshape(units, -1).T


@EVERY
@pytest.mark.parametrize(("dtype", "size"), [("float64", 1000.0), ("float32", 100.0)])
def test_large_numbers_give_the_right_limits(case: Case, dtype: str, size: float) -> None:
    """No NaN and no warning (they are errors in tests); where the formula holds, its value."""
    z = extreme_rows(size).astype(dtype)
    y = case.targets_of(np.random.default_rng(0), len(z), 3)
    values, gradient = value_and_gradient(case.loss, y, z)
    assert not np.isnan(values).any()
    assert not np.isnan(gradient).any()
    if case.domain != "any":  # these are no probabilities and no rates
        assert np.isfinite(values).all()
        assert np.isfinite(gradient).all()
        return
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    exact = z.astype(np.float64)
    limit = np.finfo(dtype).max
    with np.errstate(over="ignore"):
        wanted = case.value(y, exact)
        slopes = case.slope(y, exact)
    wanted[wanted > limit] = np.inf
    slopes[slopes > limit] = np.inf
    np.testing.assert_allclose(values, wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gradient, slopes, rtol=tolerance, atol=tolerance)


@EVERY
def test_a_sample_depends_on_no_other(case: Case) -> None:
    y, z = case.draw()
    values, gradient = value_and_gradient(case.loss, y, z)
    for i in range(len(y)):
        one, slope = value_and_gradient(case.loss, y[i : i + 1], z[i : i + 1])
        np.testing.assert_allclose(one[0], values[i], rtol=1e-13)
        np.testing.assert_allclose(slope[0], gradient[i], rtol=1e-12, atol=1e-15)


@EVERY
def test_further_axes_are_places_to_average_over(case: Case) -> None:
    y, z = case.draw(n=8)
    values, _ = value_and_gradient(case.loss, y.reshape(4, 2, 3), z.reshape(4, 2, 3))
    np.testing.assert_allclose(values, case.value(y, z).reshape(4, 2).mean(axis=1), rtol=1e-11)


@EVERY
def test_traced_it_is_the_same(case: Case) -> None:
    y, z = case.draw()
    targets = cr.tensor(case.loss.check(y, ArrayType(z.shape, z.dtype)))
    graph = cr.trace(case.loss)(targets, cr.tensor(z))
    found = graph(targets, cr.tensor(z))
    np.testing.assert_array_equal(found.numpy(), case.loss(targets, cr.tensor(z)).numpy())


@EVERY
def test_what_a_file_holds_makes_it_again(case: Case) -> None:
    described = json.loads(json.dumps(loss_to_config(case.loss)))
    again = loss_from_config(described)
    assert type(again) is type(case.loss)
    assert repr(again) == repr(case.loss)
    assert again.config() == case.loss.config()


@pytest.mark.parametrize("name", LOSSES)
def test_the_default_is_only_a_name(name: str) -> None:
    assert loss_to_config(loss(name)) == name
    assert loss_from_config(name).name == name


def test_code_is_not_described() -> None:
    assert loss_to_config(loss(lambda y, p: p)) is None
    assert loss_to_config(type("Mine", (Huber,), {})()) is None
    with pytest.raises(ArgumentError, match=r"^loss: got the function '<lambda>'; expected one of"):
        loss(lambda y, p: p).config()


UNITS = [case for case in CASES if isinstance(case.loss, UnitLoss)]


@pytest.mark.parametrize("case", [c for c in UNITS if "[" not in str(c)], ids=str)
def test_a_vector_beside_a_column_does_not_broadcast(case: Case) -> None:
    if isinstance(case.loss, CosineSimilarity):
        return
    y, z = case.draw(n=5, units=1)
    wanted, slope = value_and_gradient(case.loss, y, z)
    for a, b in ((y[:, 0], z), (y, z[:, 0]), (y[:, 0], z[:, 0]), (y[:, 0].tolist(), z)):
        values, gradient = value_and_gradient(case.loss, a, b)
        np.testing.assert_allclose(values, wanted, rtol=1e-13)
        np.testing.assert_allclose(gradient, slope.reshape(b.shape), rtol=1e-13)
    unchecked = case.loss(
        cr.tensor(np.asarray(case.loss.check(y, output(5, 1)))[:, 0]), cr.tensor(z)
    )
    np.testing.assert_allclose(unchecked.numpy(), wanted, rtol=1e-13)


@pytest.mark.parametrize("case", [c for c in CASES if c.targets == "one-hot"], ids=str)
def test_integer_labels_are_one_hot_rows(case: Case) -> None:
    y, z = case.draw()
    wanted, slope = value_and_gradient(case.loss, y, z)
    for form in (y.argmax(axis=1), y.argmax(axis=1)[:, None], y.argmax(axis=1).tolist()):
        values, gradient = value_and_gradient(case.loss, form, z)
        np.testing.assert_allclose(values, wanted, rtol=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-12, atol=1e-15)
    labels = y.argmax(axis=1).reshape(2, 3)
    of_places, _ = value_and_gradient(case.loss, labels, z.reshape(2, 3, 3))
    np.testing.assert_allclose(of_places, wanted.reshape(2, 3).mean(axis=1), rtol=1e-13)


def test_negative_rates_count_as_none() -> None:
    values, gradient = value_and_gradient(
        Poisson(log_input=False), [2.0, 0.0, 2.0], np.array([[-3.0], [-3.0], [0.0]])
    )
    np.testing.assert_allclose(values, [-2 * np.log(1e-7), 0.0, -2 * np.log(1e-7)], rtol=1e-12)
    np.testing.assert_allclose(gradient[:, 0], [0.0, 0.0, 1 - 2e7], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from([c for c in CASES if c.domain == "any"]),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 1.0, 30.0, 600.0]),
)
def test_formulas_at_any_scale(case: Case, seed: int, scale: float) -> None:
    y, z = case.draw(seed=seed)
    z = z * scale
    values, gradient = value_and_gradient(case.loss, y, z)
    np.testing.assert_allclose(values, case.value(y, z), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(gradient, case.slope(y, z), rtol=1e-8, atol=1e-11)


# ----------------------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        *[(name, kind) for name, kind in LOSSES.items()],
        ("categorical_crossentropy", CrossEntropy),
        ("sparse_categorical_crossentropy", CrossEntropy),
        ("bce", BinaryCrossEntropy),
        ("binary_crossentropy", BinaryCrossEntropy),
        ("bce_with_logits", BinaryCrossEntropy),
        ("binary_focal_crossentropy", BinaryFocal),
        ("categorical_focal_crossentropy", CategoricalFocal),
        ("focal", CategoricalFocal),
        ("mse", SquaredError),
        ("mean_squared_error", SquaredError),
        ("mae", AbsoluteError),
        ("mean_absolute_error", AbsoluteError),
        ("l1_loss", AbsoluteError),
        ("smooth_l1_loss", Huber),
        ("pinball", Quantile),
        ("kl_div", KLDivergence),
        ("kullback_leibler_divergence", KLDivergence),
        ("poisson_nll_loss", Poisson),
        ("msle", SquaredLogError),
        ("mape", AbsolutePercentageError),
        (Huber, Huber),
    ],
)
def test_by_name(given: Any, kind: type[Loss]) -> None:
    assert type(loss(given)) is kind
    assert LOSSES[kind.name] is kind
    found = kind()
    assert loss(found) is found


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("crossentropy", " Did you mean 'cross_entropy'"),
        ("mean_square_error", " Did you mean 'mean_squared_error'"),
        ("binary_cross_entrop", " Did you mean 'binary_cross_entropy'"),
        ("qqq", ""),
    ],
)
def test_unknown_names_get_the_nearest(given: str, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        loss(given)
    assert str(caught.value).startswith(
        f"loss: got {given!r}; expected one of {', '.join(LOSSES)}, or a function of "
        f"(y, prediction).{hint}"
    )


def test_other_things_than_names() -> None:
    with pytest.raises(DtypeError) as caught:
        loss(5)  # type: ignore[arg-type]
    assert str(caught.value).startswith("loss: got a int; expected one of cross_entropy, ")
    with pytest.raises(ArgumentError, match=r"^loss: got 'hunge'; expected one of cross_entropy"):
        loss_from_config({"name": "hunge"})


def test_a_loss_must_say_what_it_is() -> None:
    with pytest.raises(NotImplementedError):
        Loss().check([], output(1, 1))
    with pytest.raises(NotImplementedError):
        Loss()(cr.tensor([]), cr.tensor([]))
    with pytest.raises(NotImplementedError):
        UnitLoss()(cr.tensor([1.0]), cr.tensor([1.0]))


def test_what_a_loss_expects() -> None:
    expected = {
        Output.LOGITS: [CrossEntropy(), BinaryCrossEntropy(), BinaryFocal(), KLDivergence()],
        Output.PROBABILITIES: [
            CrossEntropy(from_logits=False),
            BinaryFocal(from_logits=False),
            CategoricalFocal(from_logits=False),
        ],
        Output.SCORES: [Hinge(), SquaredHinge(), CategoricalHinge()],
        Output.LOG_RATES: [Poisson()],
        Output.RATES: [Poisson(log_input=False)],
        Output.VALUES: [SquaredError(), Huber(), Quantile(0.1), CosineSimilarity()],
        None: [CustomLoss(lambda y, p: p)],
    }
    for kind, losses in expected.items():
        assert [each.expects for each in losses] == [kind] * len(losses)


def test_probabilities_of_an_output() -> None:
    z = np.random.default_rng(0).normal(size=(4, 3))
    for each, wanted in (
        (CrossEntropy(), softmax(z, axis=1)),
        (CategoricalFocal(), softmax(z, axis=1)),
        (BinaryCrossEntropy(), expit(z)),
        (BinaryFocal(from_logits=False), z),
        (CrossEntropy(from_logits=False), z),
    ):
        found = each.probabilities(cr.tensor(z))
        assert found is not None
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)
    assert SquaredError().probabilities(cr.tensor(z)) is None


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CrossEntropy(1.0), "label_smoothing: got 1.0; expected a number in [0, 1)."),
        (lambda: CrossEntropy(-0.1), "label_smoothing: got -0.1; expected a number in [0, 1)."),
        (lambda: CrossEntropy("a"), "label_smoothing: got 'a'; expected a number in [0, 1)."),  # type: ignore[arg-type]
        (lambda: CrossEntropy(epsilon=0.5), "epsilon: got 0.5; expected a number in [0, 0.5)."),
        (
            lambda: BinaryCrossEntropy(pos_weight=-1),
            "pos_weight: got -1; expected a number in [0, ∞).",
        ),
        (
            lambda: BinaryCrossEntropy(pos_weight=[1, np.nan]),
            "pos_weight: got nan; expected a number in [0, ∞).",
        ),
        (lambda: BinaryFocal(-1), "gamma: got -1; expected a number in [0, ∞)."),
        (lambda: BinaryFocal(2, 1.5), "alpha: got 1.5; expected a number in [0, 1]."),
        (lambda: CategoricalFocal(np.inf), "gamma: got inf; expected a number in [0, ∞)."),
        (lambda: Huber(0), "delta: got 0; expected a number in (0, ∞)."),
        (lambda: Huber(True), "delta: got True; expected a number in (0, ∞)."),
        (lambda: Quantile(1), "q: got 1; expected a number in (0, 1)."),
        (lambda: Quantile([0.5, 0]), "q: got 0; expected a number in (0, 1)."),
        (lambda: Poisson(epsilon=0), "epsilon: got 0; expected a number in (0, 1]."),
        (
            lambda: AbsolutePercentageError(0.0),
            "epsilon: got 0.0; expected a number in (0, ∞).",
        ),
    ],
)
def test_settings_out_of_range(make: Callable[[], Loss], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "kind", [CrossEntropy, BinaryCrossEntropy, BinaryFocal, CategoricalFocal, KLDivergence]
)
def test_probabilities_are_clipped_below_one_half(kind: Any) -> None:
    assert kind(epsilon=0.49).epsilon == 0.49
    for epsilon in (0.5, 0.6, -1e-3):
        with pytest.raises(ArgumentError) as caught:
            kind(epsilon=epsilon)
        assert str(caught.value) == f"epsilon: got {epsilon}; expected a number in [0, 0.5)."


def test_repr() -> None:
    assert repr(Huber(2)) == "Huber(delta=2.0)"
    assert repr(SquaredError()) == "SquaredError()"
    assert repr(loss(absolute)) == "CustomLoss(absolute)"


# ----------------------------------------------------------------------------- custom losses


def absolute(y: cr.Tensor, prediction: cr.Tensor) -> cr.Tensor:
    return cr.mean(abs(prediction - y), axis=1)


def test_a_function_as_a_loss() -> None:
    found = loss(absolute)
    assert isinstance(found, CustomLoss)
    assert found.name == "absolute"
    y, z = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.5, 2.0], [3.0, 3.0]])
    values, gradient = value_and_gradient(found, y, z)
    assert values.tolist() == [0.25, 1.0]
    assert gradient.tolist() == [[0.5, 0.0], [0.0, -0.5]]


def test_a_function_may_return_the_mean() -> None:
    found = loss(lambda y, prediction: cr.mean(cr.square(prediction - y)))
    assert found.name == "<lambda>"
    assert found(cr.tensor([[1.0]]), cr.tensor([[3.0]])).item() == 4.0


@pytest.mark.parametrize(
    ("y", "outputs", "wanted"),
    [
        ([1, 2, 3], (1,), (3, 1)),
        ([True, False, True], (1,), (3, 1)),
        ([[1.0], [2.0], [3.0]], (), (3,)),
        ([[1, 2], [3, 4]], (2, 1), (2, 2, 1)),
        ([[[1], [2]], [[3], [4]]], (2,), (2, 2)),
        ([[1, 0], [0, 1]], (2,), (2, 2)),
    ],
)
def test_a_function_gets_targets_like_the_prediction(y: Any, outputs: Any, wanted: Any) -> None:
    for dtype in (FLOAT32, FLOAT64):
        given = CustomLoss(lambda y, p: p).check(y, ArrayType((len(y), *outputs), dtype))
        assert (given.shape, given.dtype) == (wanted, dtype)
        np.testing.assert_array_equal(given.ravel(), np.ravel(y))


def test_a_function_gets_labels_as_they_came() -> None:
    for labels in ([0, 2, 1], [[0], [2], [1]]):
        given = CustomLoss(lambda y, p: p).check(labels, ArrayType((3, 3), FLOAT32))
        assert given.dtype.kind == "i"
        assert given.tolist() == labels


def test_a_function_may_return_a_column() -> None:
    found = loss(lambda y, prediction: cr.square(prediction - y))
    assert found(cr.tensor([[1.0], [2.0]]), cr.tensor([[3.0], [3.0]])).tolist() == [4.0, 1.0]


def test_a_function_must_not_return_a_matrix() -> None:
    found = loss(lambda y, prediction: cr.square(prediction - y))
    with pytest.raises(ShapeError) as caught:
        found(cr.tensor([1.0, 2.0, 3.0]), cr.tensor([[1.0], [2.0], [3.0]]))
    assert str(caught.value) == (
        "result of the loss '<lambda>': got shape (3, 3); expected one number a sample, shape "
        "(3,), or their mean, shape ()."
    )


def test_a_function_gets_all_digits_and_missing_targets() -> None:
    found = loss(absolute)
    assert found.check([1, 2], output(2, 3)).dtype == np.int64
    assert found.check(np.array([1.0, 2.0]), output(2, 1, dtype="float32")).dtype == np.float32
    assert found.check([0.1], output(1, 1)).tolist() == [[0.1]]
    # NaN may stand for "not observed": what it means is the function's to say.
    assert np.isnan(found.check([np.nan, 1.0], output(2, 1))).tolist() == [[True], [False]]
    with pytest.raises(DtypeError, match=r"^y: got values of dtype <U1; "):
        found.check(["a"], output(1, 1))


# ----------------------------------------------------------------------------------- penalty


def test_the_risk_penalizes_weights_and_not_biases() -> None:
    rng = np.random.default_rng(0)
    x, y, l2 = rng.normal(size=(5, 3)), rng.normal(size=(5, 1)), 0.25
    gradients = {}
    for strength in (0.0, l2):
        cr.random.seed(0)
        model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)], dtype="float64")
        model.make_parameters((3,))
        model.set_weights(
            [np.sin(np.arange(p.size).reshape(p.shape) + 1.0) for p in model.parameters().values()]
        )
        before = dict(zip(model.parameters(), model.get_weights(), strict=True))
        model.compile(cr.optim.SGD(0.0), "squared_error", l2=strength)
        risk, _ = model.steps()._compute_risk(cr.tensor(x), cr.tensor(y), None)
        risk.backward()
        gradients[strength] = (
            risk.item(),
            {n: p.grad.numpy() for n, p in model.parameters().items()},
        )
    weights = [W for name, W in before.items() if name.endswith("kernel")]
    assert len(weights) == 2
    extra = 0.5 * l2 * sum(np.square(W).sum() for W in weights)
    assert gradients[l2][0] - gradients[0.0][0] == pytest.approx(extra, rel=1e-12)
    for name, W in before.items():
        difference = gradients[l2][1][name] - gradients[0.0][1][name]
        wanted = l2 * W if name.endswith("kernel") else np.zeros_like(W)
        np.testing.assert_allclose(difference, wanted, rtol=1e-10, atol=1e-14)
