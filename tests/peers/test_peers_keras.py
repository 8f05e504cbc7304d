"""``chainrule.keras`` held against Keras 3, on its JAX backend: the same weights, the same data."""

from __future__ import annotations

import json
import os
import re

os.environ.setdefault("KERAS_BACKEND", "jax")

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.keras as ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras: Any = pytest.importorskip("keras")

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 24)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
YES = RNG.integers(0, 2, (24, 3)).astype(np.float32)
PROBABILITIES = np.exp(RNG.standard_normal((24, 3))).astype(np.float32)
PROBABILITIES /= PROBABILITIES.sum(axis=1, keepdims=True)
REAL = RNG.standard_normal((24, 3)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 2, 24).astype(np.float32)


def close(actual: Any, expected: Any, rtol: float = 2e-5, atol: float = 2e-6) -> None:
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=rtol, atol=atol)


# Layers and activations ----------------------------------------------------------------------

LAYERS: list[Callable[[Any], Any]] = [
    *(
        lambda k, a=a: k.layers.Dense(4, activation=a)
        for a in (
            *(None, "relu", "tanh", "sigmoid", "softmax", "elu", "selu", "gelu", "silu", "swish"),
            *("mish", "softplus", "softsign", "hard_sigmoid", "hard_silu", "relu6", "exponential"),
            *("leaky_relu", "linear", "log_softmax", "hard_tanh", "log_sigmoid"),
        )
    ),
    lambda k: k.layers.Dense(3, use_bias=False),
    lambda k: k.layers.LeakyReLU(),
    lambda k: k.layers.LeakyReLU(negative_slope=0.1),
    lambda k: k.layers.ELU(alpha=0.7),
    lambda k: k.layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2),
    lambda k: k.layers.Softmax(),
    lambda k: k.layers.PReLU(alpha_initializer=k.initializers.Constant(0.3)),
    lambda k: k.layers.PReLU(),
    lambda k: k.layers.BatchNormalization(),
    lambda k: k.layers.LayerNormalization(),
    lambda k: k.layers.RMSNormalization(),
    lambda k: k.layers.Dropout(0.5),
    lambda k: k.layers.GaussianNoise(0.5),
    lambda k: k.layers.Flatten(),
    lambda k: k.layers.Reshape((5, 1)),
    lambda k: k.layers.Activation("tanh"),
]


@pytest.mark.parametrize("make", LAYERS)
def test_layers(make: Callable[[Any], Any]) -> None:
    ours_layer, theirs = make(ours), make(keras)
    expected = np.asarray(theirs(X))
    ours_layer(X)
    weights = [RNG.uniform(0.1, 1.0, w.shape).astype(np.float32) for w in theirs.get_weights()]
    assert [w.shape for w in ours_layer.get_weights()] == [w.shape for w in weights]
    theirs.set_weights(weights)
    ours_layer.set_weights(weights)
    expected = np.asarray(theirs(X))
    close(ours_layer(X), expected)


def test_batch_normalization_in_training() -> None:
    ours_layer, theirs = ours.layers.BatchNormalization(), keras.layers.BatchNormalization()
    close(ours_layer(X, training=True), theirs(X, training=True), atol=1e-5)
    for a, b in zip(ours_layer.get_weights(), theirs.get_weights(), strict=True):
        close(a, b)


def test_embedding() -> None:
    ours_layer, theirs = ours.layers.Embedding(7, 3), keras.layers.Embedding(7, 3)
    indices = np.array([[0, 6], [3, 3]])
    theirs(indices), ours_layer(indices)
    ours_layer.set_weights(theirs.get_weights())
    close(ours_layer(indices), theirs(indices))


# Losses --------------------------------------------------------------------------------------

LOSSES = [
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, REAL),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, REAL),
    ("BinaryCrossentropy", {}, YES, PROBABILITIES),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, YES, REAL),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True}, YES, PROBABILITIES),
    ("BinaryFocalCrossentropy", {"gamma": 3.0}, YES, PROBABILITIES),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("KLDivergence", {}, PROBABILITIES[::-1].copy(), PROBABILITIES),
    ("MeanSquaredError", {}, REAL, YES),
    ("MeanAbsoluteError", {}, REAL, YES),
    ("MeanAbsolutePercentageError", {}, REAL, YES),
    ("MeanSquaredLogarithmicError", {}, YES, PROBABILITIES),
    ("Huber", {"delta": 0.5}, REAL, YES),
    ("LogCosh", {}, REAL, YES),
    ("Poisson", {}, YES, PROBABILITIES),
    ("CosineSimilarity", {}, REAL, PROBABILITIES),
    ("Hinge", {}, 2 * YES - 1, REAL),
    ("SquaredHinge", {}, YES, REAL),
    ("CategoricalHinge", {}, ONE_HOT, REAL),
]


@pytest.mark.parametrize(("name", "arguments", "y", "p"), LOSSES)
def test_losses(name: str, arguments: dict[str, Any], y: Any, p: Any) -> None:
    mine = getattr(ours.losses, name)(**arguments)
    theirs = getattr(keras.losses, name)(**arguments)
    close(mine(y, p), theirs(y, p))
    close(mine(y, p, sample_weight=WEIGHTS), theirs(y, p, sample_weight=WEIGHTS))
    close(mine.call(y, p), theirs.call(y, p))
    for reduction in ("sum", None):
        a = getattr(ours.losses, name)(**arguments, reduction=reduction)
        b = getattr(keras.losses, name)(**arguments, reduction=reduction)
        close(a(y, p), b(y, p))


@pytest.mark.parametrize(
    "name", ["mean_squared_error", "huber", "categorical_crossentropy", "binary_crossentropy"]
)
def test_losses_keep_all_axes_but_the_last(name: str) -> None:
    y, p = ONE_HOT.reshape(4, 6, 3), PROBABILITIES.reshape(4, 6, 3)
    close(getattr(ours.losses, name)(y, p), getattr(keras.losses, name)(y, p))


# Metrics -------------------------------------------------------------------------------------

METRICS = [
    ("BinaryAccuracy", {}, YES, PROBABILITIES),
    ("BinaryAccuracy", {"threshold": 0.3}, YES, PROBABILITIES),
    ("CategoricalAccuracy", {}, ONE_HOT, PROBABILITIES),
    ("SparseCategoricalAccuracy", {}, LABELS, PROBABILITIES),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT, PROBABILITIES),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, LABELS, PROBABILITIES),
    ("Precision", {}, YES, PROBABILITIES),
    ("Precision", {"thresholds": [0.2, 0.4]}, YES, PROBABILITIES),
    ("Recall", {"thresholds": 0.3}, YES, PROBABILITIES),
    ("TruePositives", {}, YES, PROBABILITIES),
    ("FalseNegatives", {}, YES, PROBABILITIES),
    ("F1Score", {}, ONE_HOT, PROBABILITIES),
    ("F1Score", {"average": "weighted"}, ONE_HOT, PROBABILITIES),
    ("FBetaScore", {"average": "micro", "beta": 2.0, "threshold": 0.3}, ONE_HOT, PROBABILITIES),
    ("MeanSquaredError", {}, REAL, YES),
    ("MeanAbsoluteError", {}, REAL, YES),
    ("RootMeanSquaredError", {}, REAL, YES),
    ("LogCoshError", {}, REAL, YES),
    ("CosineSimilarity", {}, REAL, PROBABILITIES),
    ("R2Score", {}, REAL, REAL + 0.1 * YES),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("BinaryCrossentropy", {}, YES, PROBABILITIES),
    ("Hinge", {}, 2 * YES - 1, REAL),
]


@pytest.mark.parametrize(("name", "arguments", "y", "p"), METRICS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_metrics(name: str, arguments: dict[str, Any], y: Any, p: Any, weights: Any) -> None:
    mine, theirs = (
        getattr(ours.metrics, name)(**arguments),
        getattr(keras.metrics, name)(**arguments),
    )
    assert mine.name == re.sub(r"_\d+$", "", theirs.name)
    for part in (slice(0, 10), slice(10, 24)):
        w = {} if weights is None else {"sample_weight": weights[part]}
        mine.update_state(y[part], p[part], **w)
        theirs.update_state(y[part], p[part], **w)
    close(mine.result(), theirs.result(), rtol=1e-4)


def test_area_under_the_curve_is_about_the_one_of_keras() -> None:
    mine, theirs = ours.metrics.AUC(), keras.metrics.AUC(num_thresholds=20000)
    close(mine(YES, PROBABILITIES), theirs(YES, PROBABILITIES), rtol=1e-3)


# Initial weights -----------------------------------------------------------------------------

INITIALIZERS: list[tuple[str, dict[str, Any]]] = [
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("HeUniform", {}),
    ("HeNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("RandomNormal", {"stddev": 0.3, "mean": 0.1}),
    ("RandomUniform", {"minval": -0.2, "maxval": 0.4}),
    ("TruncatedNormal", {"stddev": 0.3}),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_avg", "distribution": "untruncated_normal"}),
    ("Orthogonal", {"gain": 1.5}),
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 0.7}),
    ("Identity", {"gain": 2.0}),
]


def compare_statistics(mine: np.ndarray, theirs: np.ndarray) -> None:
    """Hold mean, deviation and bounds of two samples of one distribution against each other."""
    assert mine.shape == theirs.shape
    assert mine.dtype == theirs.dtype == np.float32
    n, std = mine.size, float(theirs.std())
    assert abs(mine.mean() - theirs.mean()) <= 6 * std * np.sqrt(2 / n) + 1e-7
    assert abs(mine.std() - std) <= 0.02 * std + 1e-7
    farthest = np.abs(theirs - theirs.mean()).max()
    loose = 1.5 if farthest > 3.0 * std else 0.35  # the ends of a normal distribution vary
    for bound in (np.min, np.max):
        assert abs(bound(mine) - bound(theirs)) <= loose * std + 1e-6
    for q in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert abs(np.quantile(mine, q) - np.quantile(theirs, q)) <= 0.03 * std + 1e-7


@pytest.mark.parametrize(("name", "arguments"), INITIALIZERS)
def test_initializers(name: str, arguments: dict[str, Any]) -> None:
    cr.random.seed(0)
    keras.utils.set_random_seed(0)
    shape = (300, 500)
    mine = getattr(ours.initializers, name)(**arguments)(shape)
    theirs = getattr(keras.initializers, name)(**arguments)(shape)
    compare_statistics(np.asarray(mine), np.asarray(theirs))


def test_bounds_of_uniform_initial_weights() -> None:
    for name in ("GlorotUniform", "HeUniform", "LecunUniform"):
        mine = np.abs(np.asarray(getattr(ours.initializers, name)()((300, 500)))).max()
        theirs = np.abs(np.asarray(getattr(keras.initializers, name)()((300, 500)))).max()
        assert mine == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize(
    "make", [lambda k: k.layers.Dense(500), lambda k: k.layers.Embedding(300, 500)]
)
def test_initial_weights_of_layers(make: Callable[[Any], Any]) -> None:
    mine, theirs = make(ours), make(keras)
    mine.build((None, 300)), theirs.build((None, 300))
    compare_statistics(mine.get_weights()[0], theirs.get_weights()[0])
    for a, b in zip(mine.get_weights()[1:], theirs.get_weights()[1:], strict=True):
        assert (a == b).all()


# Optimizers ----------------------------------------------------------------------------------

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"learning_rate": 0.05, "clipnorm": 0.1}),
    ("SGD", {"learning_rate": 0.05, "clipvalue": 0.02}),
    ("SGD", {"learning_rate": 0.05, "global_clipnorm": 0.1}),
    ("SGD", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.9, "centered": True}),
    ("Adagrad", {}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adadelta", {}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.01, "epsilon": 1e-3}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Lion", {}),
    ("Lion", {"weight_decay": 0.1}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Adamax", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("Muon", {"learning_rate": 0.01}),
    ("Muon", {"learning_rate": 0.01, "rms_rate": None, "nesterov": False}),
    ("Muon", {"learning_rate": 0.01, "adam_lr_ratio": 0.5, "adam_weight_decay": 0.1}),
]


def network(k: Any) -> Any:
    return k.Sequential(
        [
            k.Input((5,)),
            k.layers.Dense(8, activation="tanh"),
            k.layers.Dense(3, activation="softmax"),
        ]
    )


START = [
    w.astype(np.float32)
    for w in (
        RNG.normal(0, 0.5, (5, 8)),
        RNG.normal(0, 0.1, 8),
        RNG.normal(0, 0.5, (8, 3)),
        RNG.normal(0, 0.1, 3),
    )
]


def trajectory(k: Any, optimizer: Any, steps: int = 50) -> tuple[list[float], list[np.ndarray]]:
    model = network(k)
    model.set_weights(START)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy")
    history = model.fit(X, ONE_HOT, batch_size=24, epochs=steps, shuffle=False, verbose=0)
    return history.history["loss"], model.get_weights()


@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS)
def test_fifty_steps(name: str, arguments: dict[str, Any]) -> None:
    losses, weights = trajectory(ours, getattr(ours.optimizers, name)(**arguments))
    expected, theirs = trajectory(keras, getattr(keras.optimizers, name)(**arguments))
    close(losses, expected, rtol=2e-4, atol=1e-5)
    assert losses[-1] < losses[0]
    if name == "Lion":  # a sign may turn where float32 rounds otherwise: a step, not a digit
        expected_size = np.sqrt(np.mean([np.square(w).mean() for w in theirs]))
        off = np.concatenate([np.abs(a - b).ravel() for a, b in zip(weights, theirs, strict=True)])
        assert np.mean(off > 1e-4 * expected_size) <= 0.05
        assert off.max() <= 0.005
        return
    for a, b in zip(weights, theirs, strict=True):
        close(a, b, rtol=1e-3, atol=2e-4)


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "power": 2.0}),
    ("PiecewiseConstantDecay", {"boundaries": [5, 9], "values": [0.1, 0.01, 0.001]}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "alpha": 0.1}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.0, "decay_steps": 20, "warmup_target": 0.1, "warmup_steps": 5},
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 6}),
]


@pytest.mark.parametrize(("name", "arguments"), SCHEDULES)
def test_schedules(name: str, arguments: dict[str, Any]) -> None:
    mine = getattr(ours.optimizers.schedules, name)(**arguments)
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    for step in range(30):
        close(float(mine(step)), float(theirs(step)), rtol=1e-4, atol=1e-7)


# Training ------------------------------------------------------------------------------------


def test_fit_with_weights_and_validation() -> None:
    results = []
    for k in (ours, keras):
        model = network(k)
        model.set_weights(START)
        names = ["mse", "acc", "accuracy", k.metrics.MeanSquaredError(), "mean_squared_error"]
        model.compile(
            k.optimizers.SGD(0.1),
            k.losses.CategoricalCrossentropy(),
            metrics=names,
            weighted_metrics=["accuracy"],
        )
        history = model.fit(
            X,
            ONE_HOT,
            batch_size=7,
            epochs=4,
            initial_epoch=1,
            shuffle=False,
            verbose=0,
            validation_split=0.3,
            class_weight={0: 1.0, 1: 2.0, 2: 0.5},
            callbacks=[k.callbacks.ReduceLROnPlateau(patience=1, min_delta=1.0, factor=0.5)],
        )
        scores = model.evaluate(X, ONE_HOT, sample_weight=WEIGHTS, verbose=0, return_dict=True)
        results.append((history, scores, model.get_weights()))
    (mine, scores, weights), (theirs, expected, their_weights) = results
    assert mine.epoch == theirs.epoch == [1, 2, 3]
    assert set(mine.history) == set(theirs.history)
    for name, values in theirs.history.items():
        close(mine.history[name], values, rtol=1e-4, atol=1e-5)
    for name, value in expected.items():
        close(scores[name], value, rtol=1e-4, atol=1e-5)
    for a, b in zip(weights, their_weights, strict=True):
        close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("patience", [0, 2])
def test_early_stopping_stops_at_the_same_epoch(patience: int) -> None:
    stopped = []
    for k in (ours, keras):
        model = network(k)
        model.set_weights(START)
        model.compile(k.optimizers.SGD(1.0), "categorical_crossentropy")
        stopping = k.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        history = model.fit(
            X,
            ONE_HOT,
            epochs=60,
            shuffle=False,
            verbose=0,
            callbacks=[stopping],
            validation_split=0.3,
        )
        stopped.append((len(history.epoch), stopping.stopped_epoch, stopping.best_epoch))
        close(stopping.best, model.evaluate(X[16:], ONE_HOT[16:], verbose=0), rtol=1e-3)
    assert stopped[0] == stopped[1]


def test_regularizers_count_in_the_loss() -> None:
    losses = []
    for k in (ours, keras):
        model = k.Sequential(
            [
                k.Input((5,)),
                k.layers.Dense(
                    8, "tanh", kernel_regularizer=k.regularizers.L2(0.1), bias_regularizer="l1"
                ),
                k.layers.Dense(3, kernel_regularizer=k.regularizers.L1L2(0.1, 0.2)),
            ]
        )
        model.set_weights(START)
        model.compile("sgd", "mse")
        losses.append(model.evaluate(X, REAL, verbose=0))
    close(*losses)


def test_names_and_order_of_weights() -> None:
    shapes = []
    for k in (ours, keras):
        model = k.Sequential(
            [
                k.layers.Dense(3, input_shape=(4,)),
                k.layers.BatchNormalization(),
                k.layers.PReLU(),
                k.layers.Dense(2),
            ]
        )
        shapes.append(
            (
                [w.shape for w in model.get_weights()],
                model.count_params(),
                len(model.trainable_weights),
                model.output_shape,
                [w.name.split(".")[-1] for w in model.weights],
            )
        )
    assert shapes[0] == shapes[1]


def test_categorical_targets() -> None:
    close(
        ours.utils.to_categorical(LABELS[:, None], 4),
        keras.utils.to_categorical(LABELS[:, None], 4),
    )


# Configurations ------------------------------------------------------------------------------

EXCHANGED: list[Callable[[Any], Any]] = [
    *LAYERS,
    lambda k: k.layers.Dense(3, "relu", kernel_regularizer="l2", kernel_constraint="non_neg"),
    lambda k: k.layers.Dense(3, kernel_initializer=k.initializers.VarianceScaling(2.0, "fan_out")),
    lambda k: k.layers.Embedding(7, 3, embeddings_constraint="unit_norm"),
    lambda k: k.layers.ActivityRegularization(0.1, 0.2),
    lambda k: k.layers.AlphaDropout(0.2),
    lambda k: k.layers.GaussianDropout(0.2),
    lambda k: k.layers.Rescaling(2.0, 1.0),
    lambda k: k.layers.Identity(),
    lambda k: k.layers.Concatenate(axis=1),
    *(lambda k, n=n: getattr(k.layers, n)() for n in ("Add", "Multiply", "Average", "Maximum")),
    lambda k: k.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    *(
        lambda k, n=n: getattr(k.optimizers, n)(0.25, clipnorm=1.0)
        for n in ("RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Nadam", "Lion", "Adamax")
    ),
    lambda k: k.optimizers.Muon(0.25, exclude_layers=["x"]),
    lambda k: k.optimizers.Adam(k.optimizers.schedules.ExponentialDecay(0.25, 3, 0.5)),
    *(lambda k, n=n, a=a: getattr(k.losses, n)(**a, reduction="sum") for n, a, *_ in LOSSES),
    *(lambda k, n=n, a=a: getattr(k.metrics, n)(**a) for n, a, *_ in METRICS),
    lambda k: k.metrics.AUC(num_thresholds=50, curve="PR"),
    lambda k: k.regularizers.L1L2(0.25, 0.5),
    lambda k: k.constraints.MinMaxNorm(0.25, 0.5),
    *(
        lambda k, n=n, a=a: getattr(k.initializers, n)(**a)
        for n, a in INITIALIZERS
        if n != "Identity"  # whose gain Keras forgets
    ),
]


def common_values(mine: Any, theirs: Any) -> None:
    """Hold the values of two configurations against each other, where both have one."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in mine.keys() & theirs.keys() - {"name"}:
            common_values(mine[key], theirs[key])
    elif isinstance(mine, float) and isinstance(theirs, int | float):
        assert mine == pytest.approx(theirs, rel=1e-6)
    else:
        assert json.dumps(mine) == json.dumps(theirs)


@pytest.mark.parametrize("make", EXCHANGED)
def test_configurations_are_understood_by_both(make: Callable[[Any], Any]) -> None:
    mine, theirs = make(ours), make(keras)
    common_values(mine.get_config(), theirs.get_config())
    mine_has, theirs_has = mine.get_config().keys(), theirs.get_config().keys()
    lacking = {
        *("input_axes", "output_axes", "quantization_config", "axis", "ignore_class"),
        *("synchronized", "renorm", "renorm_clipping", "renorm_momentum", "rms_scaling"),
        *("mask_zero", "activity_regularizer", "data_format"),
    }
    assert theirs_has - mine_has <= lacking
    text = json.dumps(ours.saving.serialize_keras_object(mine))
    there = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(there).__name__ == type(mine).__name__
    common_values(mine.get_config(), there.get_config())
    text = json.dumps(keras.saving.serialize_keras_object(theirs))
    here = ours.saving.deserialize_keras_object(json.loads(text))
    assert type(here) is type(mine)
    common_values(here.get_config(), theirs.get_config())


def functional(k: Any) -> Any:
    x, z = k.Input((5,), name="x"), k.Input((3,), name="z")
    a = k.layers.Dense(4, activation="tanh", name="a")(x)
    shared = k.layers.Dense(4, name="shared")
    joined = k.layers.Concatenate()([shared(a), k.layers.Add()([shared(a), a]), z])
    y = k.ops.relu(joined) * 2.0
    return k.Model([x, z], k.layers.Dense(2, name="end")(y))


@pytest.mark.parametrize("make", [network, functional])
def test_architectures_as_json(make: Callable[[Any], Any]) -> None:
    mine, theirs = make(ours), make(keras)
    assert [w.shape for w in mine.get_weights()] == [w.shape for w in theirs.get_weights()]
    theirs.set_weights(mine.get_weights())
    x = X if make is network else [X, REAL]
    expected = mine.predict(x)
    close(expected, theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    here = ours.models.model_from_json(theirs.to_json())
    here.set_weights(theirs.get_weights())
    close(here.predict(x), expected)
    if make is network:
        there = keras.models.model_from_json(mine.to_json())
        there.set_weights(mine.get_weights())
        close(there.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_a_graph_without_operations_is_read_by_keras() -> None:
    x = ours.Input((5,))
    a = ours.layers.Dense(4, "tanh", name="a")(x)
    mine = ours.Model(x, ours.layers.Multiply()([a, ours.layers.Dense(4, name="b")(x)]))
    there = keras.models.model_from_json(mine.to_json())
    there.set_weights(mine.get_weights())
    close(there.predict(X, verbose=0), mine.predict(X), rtol=1e-4, atol=1e-5)
    assert [layer.name for layer in there.layers] == [layer.name for layer in mine.layers]


# More of Keras's -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]
)
def test_merging(name: str) -> None:
    pair = [X, X[::-1].copy()]
    close(getattr(ours.layers, name)()(pair), getattr(keras.layers, name)()(pair))


def test_normalization() -> None:
    results = []
    for k in (ours, keras):
        layer = k.layers.Normalization()
        layer.adapt(3 * X + 1)
        results.append(np.asarray(layer(X)))
    close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"])
def test_constraints(name: str) -> None:
    close(getattr(ours.constraints, name)()(REAL), getattr(keras.constraints, name)()(REAL))


@pytest.mark.parametrize("method", ["interpolation", "minoring", "majoring"])
@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("count", [3, 200])
def test_area_from_thresholds(method: str, curve: str, count: int) -> None:
    given = {"num_thresholds": count, "curve": curve, "summation_method": method}
    mine, theirs = ours.metrics.AUC(**given), keras.metrics.AUC(**given)
    weights = np.repeat(WEIGHTS[:, None], 3, axis=1)
    close(mine(YES, PROBABILITIES), theirs(YES, PROBABILITIES), rtol=1e-4)
    mine.reset_state(), theirs.reset_state()
    close(
        mine(YES, PROBABILITIES, sample_weight=weights),
        theirs(YES, PROBABILITIES, sample_weight=weights),
        rtol=1e-4,
    )


@pytest.mark.parametrize("name", ["Hinge", "SquaredHinge"])
def test_soft_targets_of_hinges(name: str) -> None:
    y = np.tanh(REAL)[::-1].copy()
    close(getattr(ours.losses, name)()(y, REAL), getattr(keras.losses, name)()(y, REAL))


@pytest.mark.parametrize("is_class", [False, True])
def test_losses_of_ones_own(is_class: bool) -> None:
    """A function gets targets of shape (n,) as (n, 1) in both; a class, in Keras, if they are."""
    values = []
    for k in (ours, keras):

        def function(y: Any, p: Any, k: Any = k) -> Any:
            assert y.shape == p.shape
            return k.ops.mean(k.ops.abs(y - p) ** 3, axis=-1)

        class Cubic(k.losses.Loss):  # type: ignore[name-defined, misc]
            def call(self, y: Any, p: Any, function: Any = function) -> Any:
                return function(y, p)

        model = k.Sequential([k.Input((5,)), k.layers.Dense(1)])
        model.set_weights([START[2][:5, :1], START[3][:1]])
        model.compile("sgd", Cubic() if is_class else function)
        y = LABELS[:, None] if is_class else LABELS
        values.append(
            model.fit(X, y, epochs=3, shuffle=False, verbose=0, batch_size=8).history["loss"]
        )
    close(*values, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [7, 12])
def test_steps_per_epoch(batch_size: int) -> None:
    results = []
    for k in (ours, keras):
        model = network(k)
        model.set_weights(START)
        model.compile(k.optimizers.SGD(0.1), "categorical_crossentropy")
        history = model.fit(
            X,
            ONE_HOT,
            batch_size=batch_size,
            epochs=3,
            steps_per_epoch=1,
            shuffle=False,
            verbose=0,
        )
        results.append((history.history["loss"], model.get_weights()))
    close(results[0][0], results[1][0], rtol=1e-4)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        close(a, b, rtol=1e-3, atol=1e-5)


def test_a_metric_of_ones_own() -> None:
    results = []
    for k in (ours, keras):

        class Hits(k.metrics.Metric):  # type: ignore[name-defined, misc]
            def __init__(self, name: str = "hits", k: Any = k, **options: Any) -> None:
                super().__init__(name=name, **options)
                self.k = k
                self.total = self.add_weight(name="total", initializer="zeros")
                self.count = self.add_variable(shape=(), initializer="zeros", name="count")

            def update_state(self, y: Any, p: Any, sample_weight: Any = None) -> None:
                error = self.k.ops.abs(self.k.ops.cast(y, "float32") - p)
                self.total.assign_add(self.k.ops.sum(error))
                self.count.assign_add(float(y.shape[0]))

            def result(self) -> Any:
                return self.total / self.count

        metric = Hits()
        metric.update_state(ONE_HOT, PROBABILITIES)
        first = float(metric.result())
        metric.reset_state()
        metric.update_state(ONE_HOT[:5], PROBABILITIES[:5])
        results.append((first, float(metric.result())))
    close(*results, rtol=1e-5)
