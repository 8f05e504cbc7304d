"""Layers with regularizers, statistics and noise in fit, evaluate and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import FileError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2))


def regularized(activity: Any = None) -> cr.Sequential:
    cr.random.seed(0)
    layers = [
        cr.Dense(
            4,
            activation="tanh",
            kernel_regularizer=cr.regularizers.L1L2(0.03, 0.05),
            bias_regularizer=0.2,
            bias_initializer="ones",
            activity_regularizer=activity,
        ),
        cr.Residual(cr.Dense(4, kernel_regularizer="l1")),
        cr.Dense(2),
    ]
    model = cr.Sequential(layers, dtype="float64")
    model.make_parameters((3,))
    return model


def risk(w: list[np.ndarray], x: np.ndarray, y: np.ndarray, l2: float, activity: float) -> float:
    """The structured risk, written out."""
    hidden = np.tanh(x @ w[0] + w[1])
    output = (hidden + hidden @ w[2] + w[3]) @ w[4] + w[5]
    return float(
        np.mean((output - y) ** 2)
        + 0.03 * np.abs(w[0]).sum()
        + 0.05 * (w[0] ** 2).sum()
        + 0.2 * (w[1] ** 2).sum()
        + 0.01 * np.abs(w[2]).sum()
        + activity * (hidden**2).sum() / len(x)
        + 0.5 * l2 * sum((kernel**2).sum() for kernel in w[0::2])
    )


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("activity", [0.0, 0.7])
def test_a_step_follows_the_gradient_of_the_whole_risk(l2: float, activity: float) -> None:
    model = regularized(cr.regularizers.L2(activity) if activity else None)
    before = model.get_weights()
    model.compile(cr.optim.SGD(0.1), "squared_error", l2=l2)
    history = model.fit(X, Y, batch_size=20, verbose=0, shuffle=False)
    assert history.history["loss"] == pytest.approx([risk(before, X, Y, l2, activity)], rel=1e-12)
    for k, (old, new) in enumerate(zip(before, model.get_weights(), strict=True)):
        slope = np.zeros_like(old)
        for i in np.ndindex(old.shape):
            up, down = [w.copy() for w in before], [w.copy() for w in before]
            up[k][i] += 1e-6
            down[k][i] -= 1e-6
            difference = risk(up, X, Y, l2, activity) - risk(down, X, Y, l2, activity)
            slope[i] = difference / 2e-6
        np.testing.assert_allclose((old - new) / 0.1, slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("batch_size", [1, 7, 20, 1024])
def test_evaluate_reports_the_whole_risk_whatever_the_batch(batch_size: int) -> None:
    model = regularized(cr.regularizers.L2(0.7))
    model.compile("sgd", "squared_error", l2=0.3)
    wanted = risk(model.get_weights(), X, Y, 0.3, 0.7)
    assert model.evaluate(X, Y, batch_size=batch_size) == pytest.approx(wanted, rel=1e-12)


def test_l1_makes_weights_zero_that_do_not_matter() -> None:
    cr.random.seed(0)
    x = RNG.normal(size=(200, 6))
    model = cr.Sequential([cr.Dense(1, kernel_regularizer=cr.regularizers.L1(0.5))])
    model.compile(cr.optim.SGD(0.01), "squared_error")
    model.fit(x, 3.0 * x[:, 0], epochs=60, verbose=0)
    kernel = np.abs(model.get_weights()[0][:, 0])
    assert kernel[0] > 2.0
    assert kernel[1:].max() < 0.05


def everything() -> list[Any]:
    """All layers that there are, nested."""
    return [
        cr.Embedding(7, 4, embeddings_regularizer=1e-3),
        cr.RMSNorm(axis=(1, 2)),
        cr.Dropout(0.2, noise_shape=(None, 1, None)),
        cr.Flatten(),
        cr.Dense(8, activation=cr.PReLU(), kernel_initializer=cr.initializers.Orthogonal(gain=2.0)),
        cr.BatchNorm(momentum=0.5),
        cr.Residual(
            cr.LayerNorm(),
            cr.Maxout(8, 3, kernel_regularizer="elastic"),
            cr.Residual(cr.Dense(8), cr.BatchNorm(), cr.Activation("leaky_relu(gamma=0.2)")),
            cr.GaussianNoise(0.1, seed=3),
        ),
        cr.Concatenate([], [cr.Dense(4, activation="gelu"), cr.BatchNorm(scale=False)]),
        cr.Add(cr.Sequential([cr.Dense(6), cr.BatchNorm()]), cr.Dense(6)),
        cr.Dense(3, activity_regularizer=1e-3),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_of_every_layer_comes_back_bit_for_bit(dtype: str, tmp_path: Path) -> None:
    cr.random.seed(0)
    x, y = RNG.integers(0, 7, (50, 3)), np.arange(50) % 3
    model = cr.Sequential([cr.Input((3,)), *everything()], dtype=dtype)
    assert {type(m).__name__ for m in model.modules().values()} == set(cr.nn.layers.LAYERS)
    model.compile("adam", "cross_entropy", ["accuracy"], l2=1e-4)
    start = [p.numpy() for p in model.parameters().values()]
    model.fit(x, y, epochs=3, batch_size=25, verbose=0)
    for before, (name, p) in zip(start, model.parameters().items(), strict=True):
        assert (before != p.numpy()).any(), name  # statistics have moved, too
    model.save(tmp_path / "model")
    cr.random.seed(99)
    state = cr.random.default_generator.state.tolist()
    again = cr.load(tmp_path / "model")
    assert cr.random.default_generator.state.tolist() == state  # reading draws nothing
    assert list(again.parameters()) == list(model.parameters())
    for one, other in zip(model.parameters().values(), again.parameters().values(), strict=True):
        assert (one.name, one.dtype, one.trainable) == (other.name, other.dtype, other.trainable)
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert model.evaluate(x, y) == again.evaluate(x, y)
    assert str(model.summary()) == str(again.summary())
    again.save(tmp_path / "again")
    for name in ("model.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_weights_go_over_in_keras_order() -> None:
    cr.random.seed(0)
    one, other = (cr.Sequential([cr.Input((3,)), *everything()]) for _ in range(2))
    other.set_weights(one.get_weights())
    x = RNG.integers(0, 7, (5, 3))
    np.testing.assert_array_equal(one.predict(x), other.predict(x))


def test_early_stopping_brings_statistics_back_too() -> None:
    cr.random.seed(0)
    model = cr.Sequential([cr.BatchNorm(momentum=0.5), cr.Dense(1)])
    model.compile(cr.optim.SGD(0.1, momentum=0.9), "squared_error")
    kept: dict[int, list[np.ndarray]] = {}

    class Keep(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            kept[epoch] = self.model.get_weights()

    stopping = cr.EarlyStopping(patience=3)
    model.fit(
        X, Y[:, 0], epochs=30, batch_size=5, verbose=0, validation_split=0.25,
        callbacks=[Keep(), stopping],
    )  # fmt: skip
    assert stopping.best_epoch < max(kept)
    for mine, its in zip(model.get_weights(), kept[stopping.best_epoch], strict=True):
        np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize(
    "damage",
    [
        {"type": "Residual", "layers": [{"type": "Dense"}]},
        {"type": "Residual", "layers": {"type": "Dense", "units": 3}},
        {"type": "Concatenate", "branches": [[{"type": "os.system", "command": "x"}], []]},
        {"type": "Dropout", "rate": 1.0},
        {"type": "Dense", "units": 3, "kernel_initializer": {"name": "pickle"}},
        {"type": "Dense", "units": 3, "kernel_regularizer": {"name": "l2", "l2": "much"}},
        {"type": "Sequential", "layers": 5},
        {"type": "Sequential"},
        7,
    ],
)
def test_damaged_layers_are_said_to_be(damage: Any, tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(3)])
    model.make_parameters((3,))
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    document = json.loads(file.read_text())
    document["model"]["layers"] = [damage]
    file.write_text(json.dumps(document))
    with pytest.raises(FileError, match="a damaged document"):
        cr.load(tmp_path / "model")


def test_a_document_nested_too_deep(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(3)])
    model.make_parameters((3,))
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    depth = 400
    layer = '{"type": "Residual", "layers": [' * depth + '{"type": "Dense", "units": 3}'
    document = json.loads(file.read_text())
    document["model"]["layers"] = ["HERE"]
    file.write_text(json.dumps(document).replace('"HERE"', layer + "]}" * depth))
    with pytest.raises(FileError, match="damaged"):
        cr.load(tmp_path / "model")
