"""The record's arrays hold the lecture's equations, autodiff and finite differences."""

# ruff: noqa: E741 - l, α, λ and δ are the lecture's symbols

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.nn.activations import ACTIVATIONS
from chainrule.training.inspection import inspect_model

ELEMENTWISE = sorted(name for name, f in ACTIVATIONS.items() if f.elementwise)
LOSSES = ["squared_error", "cross_entropy", "binary_cross_entropy", "huber", "probabilities"]


def targets(loss: str, last: str, n: int, units: int, rng: np.random.Generator) -> Any:
    if loss in ("cross_entropy", "probabilities"):
        return rng.integers(0, units, n)
    if loss == "binary_cross_entropy":
        return rng.integers(0, 2, (n, units))
    return ACTIVATIONS[last](rng.standard_normal((n, units))).numpy()  # what it can reach


class Case:
    """A network with data, in float64, and what NumPy makes of its record."""

    def __init__(self, sizes: list[int], f: list[str], loss: str, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        cr.random.seed(seed)
        units = 3 if loss in ("cross_entropy", "probabilities") else sizes[-1]
        last = "softmax" if loss == "probabilities" else f[-1]
        if loss in ("cross_entropy", "binary_cross_entropy"):
            last = "linear"
        self.f = [*f[:-1], last]
        self.sizes = [*sizes[:-1], units]
        layers = [
            cr.Dense(m, name, bias_initializer="normal")
            for m, name in zip(self.sizes[1:], self.f, strict=True)
        ]
        self.model = cr.Sequential(layers, dtype="float64")
        objective: Any = loss
        if loss == "probabilities":
            objective = cr.losses.CrossEntropy(from_logits=False)
        self.loss = loss
        self.model.compile(loss=objective, l2=0.3)
        self.x = rng.standard_normal((n, self.sizes[0]))
        self.y = targets(loss, last, n, units, rng)
        self.record = self.model.inspect(self.x, self.y)

    def losses_from(self, layer: int, z: np.ndarray) -> np.ndarray:
        """Return each sample's loss if its net inputs of a layer were these."""
        record, a = self.record, ACTIVATIONS[self.f[layer - 1]](z).numpy()
        for l in range(layer + 1, record.L + 1):
            b = record.b[l]
            assert b is not None
            a = ACTIVATIONS[self.f[l - 1]](a @ record.W[l].T + b).numpy()
        loss = self.model.compiled().loss
        return loss(cr.tensor(record.y), cr.tensor(a)).numpy()


def pull(f: str, z: np.ndarray, arriving: np.ndarray) -> np.ndarray:
    """Return f′(z) ⊙ g, or Jᵀ g, by the closed form."""
    slopes = ACTIVATIONS[f].derivative(z).numpy()
    if ACTIVATIONS[f].elementwise:
        return slopes * arriving
    return np.einsum("nij,ni->nj", slopes, arriving)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    depth = draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(1, 5), min_size=depth + 1, max_size=depth + 1))
    names = st.sampled_from([*ELEMENTWISE, "softmax"])
    f = draw(st.lists(names, min_size=depth, max_size=depth))
    loss = draw(st.sampled_from(LOSSES))
    return Case(sizes, f, loss, draw(st.integers(1, 5)), draw(st.integers(0, 10_000)))


relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@relaxed
@given(cases())
def test_the_lectures_equations_follow_from_the_record(case: Case) -> None:
    record, n = case.record, len(case.x)
    assert dict(record.f) == dict(enumerate(case.f, start=1))
    assert list(record.M.values()) == case.sizes
    np.testing.assert_array_equal(record.a[0], case.x)
    np.testing.assert_array_equal(record.a[record.L], case.model.predict(case.x))
    close: Any = {"rtol": 1e-9, "atol": 1e-12}
    for l in record.z:
        b = record.b[l]
        assert b is not None
        np.testing.assert_allclose(record.z[l], record.a[l - 1] @ record.W[l].T + b, **close)
        np.testing.assert_allclose(record.a[l], ACTIVATIONS[case.f[l - 1]](record.z[l]), **close)
        # ∂L/∂W = δ aᵀ and ∂L/∂b = δ, sample by sample, then the mean
        each = [np.outer(record.delta[l][s], record.a[l - 1][s]) for s in range(n)]
        np.testing.assert_allclose(record.dW[l], np.mean(each, axis=0), **close)
        np.testing.assert_allclose(record.db[l], record.delta[l].mean(axis=0), **close)
        np.testing.assert_allclose(record.penalty_dW[l], 0.3 * record.W[l], **close)
        # δ = f′(z) ⊙ (Wᵀ δ)
        if l < record.L:
            arriving = record.delta[l + 1] @ record.W[l + 1]
            np.testing.assert_allclose(record.da[l], arriving, **close)
            expected = pull(case.f[l - 1], record.z[l], arriving)
            np.testing.assert_allclose(record.delta[l], expected, **close)
        for s in range(n):
            jacobian = record.jacobian(l, s)
            slopes = ACTIVATIONS[case.f[l - 1]].derivative(record.z[l]).numpy()[s]
            full = np.diag(slopes) if slopes.ndim == 1 else slopes
            np.testing.assert_allclose(jacobian, full, **close)
    norms = sum(float((W**2).sum()) for W in record.W.values())
    assert record.penalty == pytest.approx(0.15 * norms)
    assert record.losses is not None
    assert record.loss == pytest.approx(record.losses.mean())
    assert record.risk == pytest.approx(case.model.evaluate(case.x, case.y))


@relaxed
@given(cases())
def test_the_last_error_is_the_textbooks(case: Case) -> None:
    record, m = case.record, case.sizes[-1]
    z, a, delta = (q[record.L] for q in (record.z, record.a, record.delta))
    y = np.eye(m)[case.y] if np.ndim(case.y) == 1 else case.y
    if case.loss == "squared_error":
        expected = pull(case.f[-1], z, 2.0 / m * (a - y))
    elif case.loss == "huber":
        expected = pull(case.f[-1], z, np.clip(a - y, -1.0, 1.0) / m)
    elif case.loss == "binary_cross_entropy":
        expected = (1.0 / (1.0 + np.exp(-z)) - y) / m
    else:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        expected = e / e.sum(axis=1, keepdims=True) - y
    np.testing.assert_allclose(delta, expected, rtol=1e-8, atol=1e-11)


@relaxed
@given(cases())
def test_gradients_are_those_of_autodiff(case: Case) -> None:
    record, model = case.record, case.model
    loss = model.compiled().loss
    checked = record.y
    for p in model.trainable_parameters():
        p.grad = None
    loss(cr.tensor(checked), model(cr.tensor(case.x))).mean().backward()
    found = {name: p.grad for name, p in model.parameters().items()}
    for name, gradient in record.gradients.items():
        np.testing.assert_allclose(gradient, found[name], rtol=1e-8, atol=1e-11)
    for l in record.z:
        kernel, bias = found[f"layers.{l - 1}.kernel"], found[f"layers.{l - 1}.bias"]
        np.testing.assert_allclose(record.dW[l].T, kernel, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(record.db[l], bias, rtol=1e-8, atol=1e-11)


SMOOTH = ["tanh", "sigmoid", "softplus", "gelu", "silu", "mish", "sine", "softmax", "linear"]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(SMOOTH), min_size=1, max_size=3),
    st.sampled_from(["squared_error", "cross_entropy", "binary_cross_entropy", "probabilities"]),
    st.integers(0, 1000),
)
def test_errors_and_gradients_are_those_of_finite_differences(
    f: list[str], loss: str, seed: int
) -> None:
    case = Case([3] * (len(f) + 1), f, loss, 3, seed)
    record, h = case.record, 1e-5
    for l in record.z:
        for i in range(record.z[l].shape[1]):
            move = np.zeros_like(record.z[l])
            move[:, i] = h  # of all samples at once: each has its own loss
            up = case.losses_from(l, record.z[l] + move)
            down = case.losses_from(l, record.z[l] - move)
            np.testing.assert_allclose(record.delta[l][:, i], (up - down) / (2 * h), atol=1e-7)
    weights = case.model.get_weights()

    def mean_loss(k: int, place: tuple[int, ...], step: float) -> float:
        changed = [w.copy() for w in weights]
        changed[k][place] += step
        case.model.set_weights(changed)
        return case.model.inspect(case.x, case.y).losses.mean()  # type: ignore[union-attr]

    rng = np.random.default_rng(seed)
    for l in record.z:
        i, j = rng.integers(record.M[l]), rng.integers(record.M[l - 1])
        for k, place, gradient in (
            (2 * l - 2, (j, i), record.dW[l][i, j]),
            (2 * l - 1, (i,), record.db[l][i]),  # type: ignore[index]
        ):
            slope = (mean_loss(k, place, h) - mean_loss(k, place, -h)) / (2 * h)
            assert gradient == pytest.approx(slope, abs=1e-7)


# What inspecting leaves alone ----------------------------------------------------------------


def network(*layers: Any, loss: Any = "squared_error", **options: Any) -> cr.Sequential:
    cr.random.seed(3)
    model = cr.Sequential(layers, **options)
    model.compile(loss=loss)
    return model


X = np.random.default_rng(0).standard_normal((6, 3))
Y = np.random.default_rng(1).standard_normal((6, 2))
LABELS = [0, 1, 1, 0, 1, 0]


def test_inspecting_changes_nothing() -> None:
    model = network(
        cr.Dense(4, "tanh"), cr.BatchNorm(), cr.Dropout(0.5), cr.Dense(2), dtype="float64"
    )
    model.fit(X, Y, epochs=2, verbose=0)
    model.layers[0].kernel.trainable = False
    for p in model.parameters().values():
        p.grad = None
    values = [p.value for p in model.parameters().values()]
    copies = [v.numpy().copy() for v in values]
    names, state = list(model.parameters()), cr.random.default_generator.state.numpy().copy()
    model.inspect(X, Y)
    for p, value, copy in zip(model.parameters().values(), values, copies, strict=True):
        assert p.value is value
        assert p.grad is None
        np.testing.assert_array_equal(value.numpy(), copy)
    assert [p.name for p in model.parameters().values()] == names
    np.testing.assert_array_equal(cr.random.default_generator.state.numpy(), state)
    assert not model.layers[0].kernel.trainable


def test_a_module_that_assigns_in_its_forward_is_left_as_it_was() -> None:
    class Counter(cr.Module):
        def __init__(self) -> None:
            self.calls = cr.Parameter(0.0, trainable=False)

        def forward(self, x: Any) -> Any:
            self.calls.assign(self.calls + 1.0)
            return x * cr.minimum(self.calls.value, 1.0)

    model = network(cr.Dense(3, "tanh"), Counter(), cr.Dense(2))
    model.predict(X)
    before = model.layers[1].calls.item()
    record = inspect_model(model, X.astype("float32"), Y.astype("float32"), model.setup)
    assert model.layers[1].calls.item() == before
    assert np.abs(record.delta[1]).max() > 0  # the value that was assigned was used


def test_the_record_stays_when_data_and_model_change() -> None:
    model, x, y = network(cr.Dense(4, "tanh"), cr.Dense(2), dtype="float64"), X.copy(), Y.copy()
    record = model.inspect(x, y)
    kept = {l: record.W[l].copy() for l in record.W}
    x[:] = y[:] = 0.0
    model.fit(X, Y, epochs=3, verbose=0)
    np.testing.assert_array_equal(record.a[0], X)
    np.testing.assert_array_equal(record.y, Y)
    for l, W in kept.items():
        np.testing.assert_array_equal(record.W[l], W)
    for array in (record.a[0], record.W[1], record.b[1], record.z[1], record.delta[2], record.y):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0  # type: ignore[index]


def test_inspecting_makes_missing_parameters_as_predicting_does() -> None:
    model = network(cr.Dense(4, "tanh"), cr.Dense(2))
    record = model.inspect(X)
    np.testing.assert_array_equal(record.a[2], model.predict(X))


# What comes in -------------------------------------------------------------------------------


def test_without_targets_there_is_the_forward_half() -> None:
    model = cr.Sequential([cr.Dense(4, "relu"), cr.Dense(2)])  # not even compiled
    record = model.inspect(X)
    assert list(record.z) == [1, 2]
    assert list(record.a) == [0, 1, 2]
    assert record.loss is record.losses is record.y is record.risk is record.penalty is None
    assert record.gradients == {}
    assert record.probabilities is None


def test_probabilities_need_only_the_loss() -> None:
    record = network(cr.Dense(2), loss="cross_entropy").inspect(X)
    e = np.exp(record.a[1])
    np.testing.assert_allclose(record.probabilities, e / e.sum(1, keepdims=True), rtol=1e-5)
    record = network(cr.Dense(1), loss="binary_cross_entropy").inspect(X, LABELS)
    np.testing.assert_allclose(record.probabilities, 1 / (1 + np.exp(-record.a[1])), rtol=1e-5)


def test_targets_need_a_compiled_model() -> None:
    with pytest.raises(cr.ChainruleError, match="not compiled"):
        cr.Sequential([cr.Dense(2)]).inspect(X, Y)


def test_data_come_in_any_form() -> None:
    import pandas as pd

    model = network(cr.Dense(4, "tanh"), cr.Dense(2), loss="cross_entropy")
    plain = model.inspect(X, LABELS)
    for x, y in (
        (X.tolist(), np.array(LABELS)),
        (pd.DataFrame(X), pd.Series(LABELS)),
        (cr.tensor(X), np.eye(2)[LABELS]),
    ):
        np.testing.assert_allclose(model.inspect(x, y).dW[1], plain.dW[1], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 6])
def test_dtype_and_batch_size(dtype: str, n: int) -> None:
    record = network(cr.Dense(4, "tanh"), cr.Dense(2), dtype=dtype).inspect(X[:n], Y[:n])
    assert {q[l].dtype for q in (record.z, record.delta, record.W, record.dW) for l in q} == {
        np.dtype(dtype)
    }
    assert record.z[1].shape == record.delta[1].shape == (n, 4)
    assert record.dW[1].shape == record.W[1].shape == (4, 3)
    assert record.losses is not None
    assert record.losses.shape == (n,)


def test_each_samples_error_is_what_it_is_alone() -> None:
    model = network(cr.Dense(4, "gelu"), cr.Dense(2), dtype="float64")
    together = model.inspect(X, Y)
    for s in range(len(X)):
        alone = model.inspect(X[s : s + 1], Y[s : s + 1])
        for l in alone.z:
            np.testing.assert_allclose(together.delta[l][s], alone.delta[l][0], rtol=1e-12)


@pytest.mark.parametrize("scalar", [False, True])
def test_a_loss_of_ones_own(scalar: bool) -> None:
    def fourth_power(y: Any, prediction: Any) -> Any:
        each = ((prediction - y) ** 4).mean(axis=1)
        return each.mean() if scalar else each

    model = network(cr.Dense(4, "tanh"), cr.Dense(2), loss=fourth_power, dtype="float64")
    record = model.inspect(X, Y)
    np.testing.assert_allclose(record.losses, ((record.a[2] - Y) ** 4).mean(axis=1))
    np.testing.assert_allclose(record.delta[2], 2.0 * (record.a[2] - Y) ** 3, rtol=1e-10)
    assert record.loss_name == "fourth_power"


def test_a_loss_that_ignores_the_network_has_no_error() -> None:
    model = network(cr.Dense(2), loss=lambda y, prediction: (y * y).mean(axis=1))
    record = model.inspect(X, Y)
    np.testing.assert_array_equal(record.delta[1], np.zeros((6, 2)))


def test_regularizers_count_as_the_penalty() -> None:
    model = network(
        cr.Dense(4, "tanh", kernel_regularizer=cr.regularizers.L1(0.1)),
        cr.Dense(2, activity_regularizer=cr.regularizers.L2(0.5)),
        dtype="float64",
    )
    record = model.inspect(X, Y)
    np.testing.assert_allclose(record.penalty_dW[1].shape, (4, 3))
    expected = 0.1 * np.abs(record.W[1]).sum() + 0.5 * (record.a[2] ** 2).sum() / 6
    assert record.penalty == pytest.approx(expected)
    assert record.risk == pytest.approx(model.evaluate(X, Y))
    of_activity = (record.a[2] / 6).T @ record.a[1]
    np.testing.assert_allclose(record.penalty_dW[2], of_activity, rtol=1e-10)


@pytest.mark.parametrize(("x", "y"), [(X[:0], Y[:0]), (X, Y[:3]), (X[0], Y), (X[:, :2], Y)])
def test_data_that_do_not_fit(x: Any, y: Any) -> None:
    model = network(cr.Dense(4), cr.Dense(2))
    model.make_parameters((3,))
    with pytest.raises(ArgumentError, match=r"^[xy]: got"):
        model.inspect(x, y)
    if len(y) != 3:
        with pytest.raises(ArgumentError, match=r"^x: got"):
            model.inspect(x)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 1000.0), ("float32", 100.0)])
@pytest.mark.parametrize("f", ELEMENTWISE)
def test_far_from_zero_nothing_is_nan(f: str, dtype: str, size: float) -> None:
    x = np.array([[size], [-size]])
    ones: Any = {"kernel_initializer": "ones"}
    model = network(cr.Dense(2, f, **ones), cr.Dense(2, **ones), loss="cross_entropy", dtype=dtype)
    record = model.inspect(x, [0, 1])
    for l in record.z:
        for quantity in (record.a, record.delta, record.dW):
            assert np.isfinite(quantity[l]).all()
    str(record.explain(1, 0, 0)), str(record.explain(2, 1, 1))


def test_a_network_that_has_diverged_can_be_looked_at() -> None:
    model = network(cr.Dense(4, "tanh"), cr.Dense(2), loss="cross_entropy")
    model.make_parameters((3,))
    model.set_weights([np.full_like(w, 1e38) for w in model.get_weights()])
    record = model.inspect(X * 1e3, LABELS)
    assert not np.isfinite(record.z[1]).all()
    assert "NaN or infinite" in str(model.inspect(np.tile(X, (9, 1)) * 1e3, LABELS * 9))
    for weight in (0, "bias"):
        assert "nan" in str(record.explain(1, 0, 0, weight))


def test_a_layer_that_works_on_more_than_rows() -> None:
    model = network(cr.Dense(2))
    with pytest.raises(ShapeError) as error:
        model.inspect(np.zeros((2, 3, 4)))
    assert str(error.value) == (
        "model: got the input of layer 1 of shape (6, 4); expected one row a sample: (2, units)."
    )
