from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.stats

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    cr.random.seed(0)
    yield
    cr.random.seed(0)


# ---------------------------------------------------------------------------------------- Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_share_that_is_dropped_and_the_scale_of_the_rest(rate: float, dtype: str) -> None:
    x = np.random.default_rng(0).uniform(1.0, 2.0, size=(200, 500)).astype(dtype)
    y = cr.Dropout(rate)(x, training=True).numpy()
    assert y.dtype == dtype
    kept = y != 0
    n = x.size
    assert abs(kept.mean() - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / n)
    np.testing.assert_allclose(y[kept], x[kept] / (1 - rate), rtol=1e-6)
    # The mean stays: E[y] = x. 5 deviations of it.
    assert abs((y / x).mean() - 1) < 5 * math.sqrt(rate / (1 - rate) / n)


def test_units_are_dropped_independently() -> None:
    kept = cr.Dropout(0.3)(np.ones((1000, 50)), training=True).numpy() != 0
    for axis in (0, 1):  # neighbors agree as often as strangers: p² + (1 - p)²
        agree = np.diff(kept.astype(int), axis=axis) == 0
        assert abs(agree.mean() - (0.09 + 0.49)) < 5 * math.sqrt(0.58 * 0.42 / agree.size) * 1.5
    counts = kept.sum(axis=1)
    assert scipy.stats.kstest(counts + np.random.default_rng(0).uniform(-0.5, 0.5, 1000),
                              scipy.stats.norm(35, math.sqrt(10.5)).cdf).pvalue > 1e-4  # fmt: skip


def test_elsewhere_nothing_is_dropped() -> None:
    x = cr.tensor([[1.0, 2.0]])
    assert cr.Dropout(0.9)(x) is x
    assert cr.Dropout(0.9)(x, training=False) is x


def test_a_rate_of_zero_drops_nothing_and_draws_nothing() -> None:
    before = cr.random.default_generator.state.tolist()
    assert cr.Dropout(0.0)([[1.0, 2.0]], training=True).tolist() == [[1.0, 2.0]]
    assert cr.random.default_generator.state.tolist() == before


def test_gradients_pass_where_units_are_kept() -> None:
    layer, x = cr.Dropout(0.4), np.ones((50, 20))
    cr.random.seed(3)
    y = layer(x, training=True).numpy()
    cr.random.seed(3)
    gradient = cr.grad(lambda x: layer(x, training=True).sum())(x).numpy()
    np.testing.assert_allclose(gradient, y)  # 0, or 1 / 0.6
    assert 0 < (y == 0).mean() < 1


def test_infinite_units_can_be_dropped() -> None:
    y = cr.Dropout(0.5)(np.full((100,), np.inf), training=True).numpy()
    assert set(y) == {0.0, np.inf}


def test_the_seed_of_everything_reproduces() -> None:
    layer, x = cr.Dropout(0.5), np.ones((4, 30))
    first, second = (layer(x, training=True).numpy() for _ in range(2))
    assert (first != second).any()  # a new mask at each call
    cr.random.seed(0)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), first)


@pytest.mark.parametrize("make", [lambda seed: cr.Dropout(0.5, seed=seed),
                                  lambda seed: cr.GaussianNoise(1.0, seed=seed)])  # fmt: skip
def test_a_seed_of_its_own_starts_a_stream(make: Any) -> None:
    before = cr.random.default_generator.state.tolist()
    x = np.ones((4, 30))
    one, other, third = make(5), make(5), make(6)
    first, second = (one(x, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(other(x, training=True).numpy(), first)
    np.testing.assert_array_equal(other(x, training=True).numpy(), second)
    assert (third(x, training=True).numpy() != first).any()
    assert cr.random.default_generator.state.tolist() == before
    assert one.parameters() == {}  # the stream's state is none


@pytest.mark.parametrize("noise_shape", [(None, 1, None), (6, 1, 8)])
def test_units_along_an_axis_are_dropped_together(noise_shape: Any) -> None:
    y = cr.Dropout(0.5, noise_shape)(np.ones((6, 7, 8)), training=True).numpy()
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 7, axis=1))
    assert 0 < (y == 0).mean() < 1


def test_a_trace_draws_anew_at_each_evaluation() -> None:
    graph = cr.trace(lambda x: cr.Dropout(0.5)(x, training=True))(np.ones((3, 40)))
    first, second = graph(np.ones((3, 40))).numpy(), graph(np.ones((3, 40))).numpy()
    assert (first != second).any()
    cr.random.seed(0)
    np.testing.assert_array_equal(graph(np.ones((3, 40))).numpy(), first)


def test_training_with_it_is_reproducible() -> None:
    def weights() -> list[np.ndarray]:
        cr.random.seed(1)
        layers = [cr.GaussianNoise(0.1), cr.Dense(8, activation="relu"), cr.Dropout(0.5)]
        model = cr.Sequential([*layers, cr.Dense(1)])
        model.compile("adam", "squared_error")
        x = np.linspace(0, 1, 40).reshape(20, 2)
        model.fit(x, x[:, 0], batch_size=7, epochs=3, verbose=0)
        return model.get_weights()

    for one, other in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------------------------- GaussianNoise


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_normal(dtype: str) -> None:
    x = np.random.default_rng(0).uniform(size=(100, 500)).astype(dtype)
    y = cr.GaussianNoise(0.5)(x, training=True).numpy()
    assert y.dtype == dtype
    noise = np.ravel(y.astype("float64") - x)
    assert scipy.stats.kstest(noise, scipy.stats.norm(0, 0.5).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(noise, np.ravel(x))[0, 1]) < 5 / math.sqrt(x.size)


def test_noise_passes_gradients_on() -> None:
    gradient = cr.grad(lambda x: cr.GaussianNoise(3.0)(x, training=True).sum())(np.ones((2, 3)))
    assert gradient.tolist() == [[1.0] * 3] * 2


def test_no_noise_elsewhere_or_without_a_deviation() -> None:
    x = cr.tensor([[1.0, 2.0]])
    assert cr.GaussianNoise(5.0)(x) is x
    assert cr.GaussianNoise(0.0)(x, training=True) is x


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1, 50, math.nan, "0.5", None, True])
def test_rates_out_of_range(rate: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.Dropout(rate)
    assert str(caught.value) == (
        f"rate: got {rate!r}; expected a number in [0, 1). It is the share that is dropped; 0.5 "
        "for a half."
    )


@pytest.mark.parametrize("stddev", [-1.0, math.inf, math.nan, "1", None, True])
def test_deviations_out_of_range(stddev: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.GaussianNoise(stddev)
    assert str(caught.value) == f"stddev: got {stddev!r}; expected a finite number from 0."


@pytest.mark.parametrize("seed", [-1, 0.5, "1"])
def test_seeds_that_are_none(seed: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^seed: got "):
        cr.Dropout(0.5, seed=seed)


def test_noise_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError) as caught:
        cr.Dropout(0.5, noise_shape=(None, 2))(np.ones((4, 3)), training=True)
    assert str(caught.value) == (
        "noise_shape: got (None, 2) for an input of shape (4, 3); expected for each axis its size, "
        "1, or None."
    )
    with pytest.raises(ShapeError):
        cr.Dropout(0.5, noise_shape=(None,))(np.ones((4, 3)), training=True)
    with pytest.raises(ArgumentError, match=r"^noise_shape: got 0; expected a whole number from 1"):
        cr.Dropout(0.5, noise_shape=(0, 1))
