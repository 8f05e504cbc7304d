"""Against the papers' formulas in NumPy, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, size=(6, 4))
G = RNG.normal(size=(6, 4))
GAMMA, BETA = RNG.normal(size=4), RNG.normal(size=4)


def with_scale_and_shift(layer: Any, x: np.ndarray = X) -> Any:
    layer(x)
    layer.gamma.assign(GAMMA)
    layer.beta.assign(BETA)
    return layer


def gradients(layer: cr.Module, x: np.ndarray, g: np.ndarray, training: bool) -> dict[str, Any]:
    """By the input, and by the parameters."""
    for parameter in layer.parameters().values():
        parameter.grad = None
    (layer(x, training=training) * g).sum().backward()
    found = {n: p.grad.numpy() for n, p in layer.parameters().items() if p.grad is not None}
    by_x = cr.grad(lambda x: (layer(x, training=training) * g).sum())(x)
    return {**found, "x": by_x.numpy()}


# -------------------------------------------------------------------------------------- BatchNorm


def batch_norm(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, v = x.mean(axis=0), x.var(axis=0)
    return (x - m) / np.sqrt(v + eps), m, v


def test_batch_norm_in_training() -> None:
    layer = with_scale_and_shift(cr.BatchNorm(momentum=0.9, epsilon=0.01))
    x_hat, m, v = batch_norm(X, 0.01)
    np.testing.assert_allclose(layer(X, training=True).numpy(), GAMMA * x_hat + BETA, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * m, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * v, rtol=1e-12)


def test_batch_norm_backward_in_training() -> None:
    """Ioffe and Szegedy's equations for ∂ℓ/∂x, ∂ℓ/∂γ, ∂ℓ/∂β."""
    eps, n = 0.01, len(X)
    layer = with_scale_and_shift(cr.BatchNorm(epsilon=eps))
    found = gradients(layer, X, G, training=True)
    x_hat, m, v = batch_norm(X, eps)
    d_hat = G * GAMMA
    d_v = (d_hat * (X - m) * -0.5 * (v + eps) ** -1.5).sum(axis=0)
    d_m = (-d_hat / np.sqrt(v + eps)).sum(axis=0) + d_v * (-2 * (X - m)).sum(axis=0) / n
    d_x = d_hat / np.sqrt(v + eps) + d_v * 2 * (X - m) / n + d_m / n
    np.testing.assert_allclose(found["x"], d_x, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found["gamma"], (G * x_hat).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["beta"], G.sum(axis=0), rtol=1e-12)
    assert set(found) == {"x", "gamma", "beta"}


def test_batch_norm_elsewhere_is_an_affine_map_of_each_sample() -> None:
    layer = with_scale_and_shift(cr.BatchNorm())
    mean, variance = RNG.normal(size=4), RNG.uniform(0.5, 2.0, size=4)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    slope = GAMMA / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(layer(X).numpy(), slope * (X - mean) + BETA, rtol=1e-12)
    found = gradients(layer, X, G, training=False)
    np.testing.assert_allclose(found["x"], G * slope, rtol=1e-12)
    x_hat = (X - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(found["gamma"], (G * x_hat).sum(axis=0), rtol=1e-12)


def test_moving_statistics_follow_with_keras_momentum_and_variance() -> None:
    layer = cr.BatchNorm(momentum=0.75)
    mean, variance = np.zeros(4), np.ones(4)
    for i in range(10):
        x = np.random.default_rng(i).normal(i, 1 + i, size=(5, 4))
        layer(x, training=True)
        mean = 0.75 * mean + 0.25 * x.mean(axis=0)
        variance = 0.75 * variance + 0.25 * x.var(axis=0)  # biased, as in Keras
        layer(x)  # changes nothing
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-12)


def test_batch_norm_defaults_names_and_order_are_keras() -> None:
    layer = cr.BatchNorm()
    assert (layer.axis, layer.momentum, layer.epsilon) == (-1, 0.99, 1e-3)
    model = cr.Sequential([cr.Input((3,)), layer])
    assert list(layer.parameters()) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.tolist() for w in model.get_weights()] == [[1.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3]
    assert [p.trainable for p in layer.parameters().values()] == [True, True, False, False]
    assert cr.BatchNormalization is cr.BatchNorm


def test_batch_norm_without_scale_or_center() -> None:
    layer = cr.BatchNorm(center=False, scale=False, epsilon=0.01)
    np.testing.assert_allclose(layer(X, training=True).numpy(), batch_norm(X, 0.01)[0], rtol=1e-12)
    assert list(layer.parameters()) == ["moving_mean", "moving_variance"]
    assert layer.trainable_parameters() == []


def test_a_frozen_batch_norm_uses_its_running_statistics() -> None:
    layer = cr.BatchNorm(momentum=0.5)
    layer(X, training=True)
    before = [p.numpy() for p in layer.parameters().values()]
    layer.trainable = False
    np.testing.assert_array_equal(layer(X, training=True).numpy(), layer(X).numpy())
    layer(X[:1], training=True)  # one sample will do
    for one, other in zip(layer.parameters().values(), before, strict=True):
        np.testing.assert_array_equal(one.numpy(), other)
    layer.trainable = True
    layer(X, training=True)
    assert (layer.moving_mean.numpy() != before[2]).any()  # type: ignore[union-attr]


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_batch_norm_averages_over_all_axes_but_one(axis: int) -> None:
    x = RNG.normal(size=(3, 4, 5))
    layer = cr.BatchNorm(axis=axis, epsilon=0.01)
    others = tuple(i for i in range(3) if i != axis % 3)
    m, v = x.mean(axis=others, keepdims=True), x.var(axis=others, keepdims=True)
    np.testing.assert_allclose(
        layer(x, training=True).numpy(), (x - m) / np.sqrt(v + 0.01), rtol=1e-12
    )
    assert layer.moving_mean is not None
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01 * m.ravel(), rtol=1e-10)


def test_batch_norm_initializers_and_regularizers_are_used() -> None:
    layer = cr.BatchNorm(
        gamma_initializer=cr.initializers.Constant(2.0),
        beta_initializer="ones",
        moving_mean_initializer="ones",
        moving_variance_initializer=cr.initializers.Constant(4.0),
        gamma_regularizer=0.5,
        beta_regularizer="l1",
    )
    layer(np.zeros((1, 3)))
    values = [p.numpy()[0] for p in layer.parameters().values()]
    assert values == [2.0, 1.0, 1.0, 4.0]
    assert layer.penalty().item() == pytest.approx(0.5 * 12 + 0.01 * 3)


@pytest.mark.parametrize(
    ("shape", "count"), [((1, 4), 1), ((0, 4), 0), ((1, 1, 4), 1), ((2, 0, 4), 0)]
)
def test_a_batch_of_one_sample_in_training_is_explained(shape: Any, count: int) -> None:
    layer = cr.BatchNorm()
    with pytest.raises(ShapeError) as caught:
        layer(np.ones(shape), training=True)
    assert str(caught.value) == (
        f"input of BatchNorm: got a batch of {count} in training (shape {shape}); expected at "
        "least two samples: the mean of a single one is the sample itself, so that the output "
        "would be β, whatever the input. Choose a batch_size that leaves no single sample over, or "
        "use cr.LayerNorm."
    )
    assert layer(np.ones(shape)).shape == shape  # elsewhere it is none of its business
    assert layer.moving_mean is not None
    assert layer.moving_mean.tolist() == [0.0] * 4


def test_one_sample_of_several_rows_has_a_variance() -> None:
    layer = cr.BatchNorm()
    assert layer(RNG.normal(size=(1, 5, 4)), training=True).shape == (1, 5, 4)


@pytest.mark.parametrize("n", [33, 1])
@pytest.mark.parametrize("batch_size", [32, 1])
def test_fit_says_so_before_it_trains(n: int, batch_size: int) -> None:
    x, y = RNG.normal(size=(n, 4)), np.zeros(n)
    model = cr.Sequential([cr.Dense(3), cr.BatchNorm(), cr.Dense(1)])
    model.compile("sgd", "squared_error")
    model.make_parameters((4,))
    before = model.get_weights()
    state = cr.random.default_generator.state.tolist()
    with pytest.raises(ShapeError, match="a batch of 1 in training"):
        model.fit(x, y, batch_size=batch_size, verbose=0)
    for mine, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert cr.random.default_generator.state.tolist() == state


def test_no_gradient_passes_through_the_moving_statistics() -> None:
    """Neither eagerly nor in a trace, where what was assigned is read by the next call."""

    def later(x: cr.Tensor) -> cr.Tensor:
        layer(x, training=True)
        return (layer(cr.tensor(X)) * G).sum() + (x * x).sum()

    layer = cr.BatchNorm(momentum=0.5)
    layer(X)
    np.testing.assert_array_equal(cr.grad(later)(2.0 * X).numpy(), 4.0 * X)
    graph = cr.trace(cr.grad(later))(X)
    np.testing.assert_array_equal(graph(2.0 * X).numpy(), 4.0 * X)
    assert {p.name for p in graph.assigned} == {"moving_mean", "moving_variance"}


def test_frozen_scale_and_shift_stay() -> None:
    model = cr.Sequential([cr.BatchNorm(), cr.Dense(1)])
    model.compile("sgd", "squared_error")
    model.make_parameters((4,))
    layer = model.layers[0]
    assert isinstance(layer, cr.BatchNorm)
    assert layer.gamma is not None
    layer.gamma.trainable = False
    model.fit(X, X[:, 0], verbose=0)
    assert layer.gamma.tolist() == [1.0] * 4
    assert layer.beta is not None
    assert layer.beta.tolist() != [0.0] * 4
    assert layer.moving_mean is not None
    assert layer.moving_mean.tolist() != [0.0] * 4


def test_the_optimizer_leaves_moving_statistics_alone() -> None:
    model = cr.Sequential([cr.BatchNorm(momentum=0.0), cr.Dense(1)], dtype="float64")
    model.compile(cr.optim.SGD(0.1), "squared_error", l2=10.0)
    model.fit(X, X[:, 0], batch_size=6, verbose=0)
    statistics = [p.numpy() for p in model.parameters().values() if not p.trainable]
    np.testing.assert_allclose(statistics[0], X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics[1], X.var(axis=0), rtol=1e-12)


# -------------------------------------------------------------------------- LayerNorm and RMSNorm


def layer_norm_backward(d_hat: np.ndarray, x_hat: np.ndarray, s: np.ndarray) -> np.ndarray:
    """∂ℓ/∂x = (d - mean(d) - x̂ mean(d x̂)) / √(v + ε), with d = ∂ℓ/∂x̂."""
    mean = d_hat.mean(axis=-1, keepdims=True)
    along = (d_hat * x_hat).mean(axis=-1, keepdims=True)
    return (d_hat - mean - x_hat * along) / s


@pytest.mark.parametrize("training", [False, True])
def test_layer_norm(training: bool) -> None:
    layer = with_scale_and_shift(cr.LayerNorm(epsilon=0.01))
    s = np.sqrt(X.var(axis=1, keepdims=True) + 0.01)
    x_hat = (X - X.mean(axis=1, keepdims=True)) / s
    y = layer(X, training=training).numpy()
    np.testing.assert_allclose(y, GAMMA * x_hat + BETA, rtol=1e-12)
    found = gradients(layer, X, G, training)
    np.testing.assert_allclose(found["x"], layer_norm_backward(G * GAMMA, x_hat, s), rtol=1e-10)
    np.testing.assert_allclose(found["gamma"], (G * x_hat).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["beta"], G.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("axis", [1, 2, -1, [1, 2], (-1, -2)])
def test_layer_norm_over_several_axes(axis: Any) -> None:
    x = RNG.normal(size=(3, 4, 5))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    layer = cr.LayerNorm(axis=axis, epsilon=0.01)
    m, v = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    np.testing.assert_allclose(layer(x).numpy(), (x - m) / np.sqrt(v + 0.01), rtol=1e-12)
    assert layer.gamma is not None
    assert layer.gamma.shape == tuple(x.shape[i] for i in sorted(a % 3 for a in axes))


def test_layer_norm_defaults_are_keras() -> None:
    layer = cr.LayerNorm()
    assert (layer.axis, layer.epsilon) == (-1, 1e-3)
    layer(X)
    assert {n: p.tolist() for n, p in layer.parameters().items()} == {
        "gamma": [1.0] * 4,
        "beta": [0.0] * 4,
    }
    assert cr.LayerNormalization is cr.LayerNorm


def test_layer_norm_of_one_sample() -> None:
    layer = cr.LayerNorm(epsilon=1e-12)
    np.testing.assert_allclose(layer(np.array([1.0, 3.0])).numpy(), [-1.0, 1.0], rtol=1e-9)


def test_rms_norm() -> None:
    layer = cr.RMSNorm(epsilon=0.01)
    layer(X)
    assert layer.scale is not None
    layer.scale.assign(GAMMA)
    s = np.sqrt((X**2).mean(axis=1, keepdims=True) + 0.01)
    np.testing.assert_allclose(layer(X).numpy(), GAMMA * X / s, rtol=1e-12)
    found = gradients(layer, X, G, training=True)
    d = G * GAMMA
    d_x = d / s - X * (d * X).mean(axis=1, keepdims=True) / s**3
    np.testing.assert_allclose(found["x"], d_x, rtol=1e-11)
    np.testing.assert_allclose(found["scale"], (G * X / s).sum(axis=0), rtol=1e-12)


def test_rms_norm_defaults_are_keras() -> None:
    layer = cr.RMSNorm()
    assert (layer.axis, layer.epsilon) == (-1, 1e-6)
    layer(X)
    assert list(layer.parameters()) == ["scale"]
    assert cr.RMSNormalization is cr.RMSNorm


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: cr.BatchNorm(momentum=1.0), "momentum: got 1.0; expected a number in [0, 1)."),
        (lambda: cr.BatchNorm(momentum=True), "momentum: got True; expected a number in [0, 1)."),
        (lambda: cr.BatchNorm(epsilon=0.0), "epsilon: got 0.0; expected a finite number above 0."),
        (lambda: cr.LayerNorm(epsilon=-1), "epsilon: got -1; expected a finite number above 0."),
        (lambda: cr.RMSNorm(epsilon="1"), "epsilon: got '1'; expected a finite number above 0."),
        (lambda: cr.BatchNorm(axis=0.5), "axis: got 0.5; expected a whole number."),
        (
            lambda: cr.LayerNorm(axis=[]),
            "axis: got []; expected a whole number, or several of them.",
        ),
        (
            lambda: cr.RMSNorm(axis="x"),
            "axis: got 'x'; expected a whole number, or several of them.",
        ),
        (
            lambda: cr.BatchNorm()(np.ones(4)),
            "input of BatchNorm: got shape (4,); expected shape (batch, features).",
        ),
        (
            lambda: cr.BatchNorm(axis=0)(X),
            "axis: got 0 for an input of shape (6, 4); expected an axis of features, not axis 0.",
        ),
        (
            lambda: cr.LayerNorm(axis=(0, 1))(X),
            "axis: got (0, 1) for an input of shape (6, 4); expected axes of features, not axis 0.",
        ),
        (
            lambda: cr.RMSNorm()(1.0),
            "input of RMSNorm: got a single number; expected shape (batch, features).",
        ),
        (
            lambda: cr.BatchNorm(axis=2)(X),
            "axis: got 2; expected an axis of a 2-dimensional array (-2 to 1).",
        ),
    ],
)
def test_texts(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            cr.BatchNorm(),
            "input of BatchNorm: got 3 features (shape (6, 3)); expected 4 features, as in the "
            "first call.",
        ),
        (
            cr.LayerNorm(),
            "input of LayerNorm: got features of shape (3,) (shape (6, 3)); expected features of "
            "shape (4,), as in the first call.",
        ),
        (
            cr.RMSNorm(),
            "input of RMSNorm: got features of shape (3,) (shape (6, 3)); expected features of "
            "shape (4,), as in the first call.",
        ),
        (
            cr.LayerNorm(center=False, scale=False),
            "input of LayerNorm: got features of shape (3,) (shape (6, 3)); expected features of "
            "shape (4,), as in the first call.",
        ),
    ],
)
def test_another_number_of_features(layer: cr.Layer, text: str) -> None:
    layer(X)
    with pytest.raises(ShapeError) as caught:
        layer(X[:, :3])
    assert str(caught.value) == text
