"""Configurations: everything of Keras's comes back from what ``get_config`` returns."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chainrule import keras
from chainrule.core.errors import ArgumentError
from chainrule.keras import initializers, layers, losses, metrics, optimizers, regularizers

X = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")


def again(thing: Any) -> Any:
    """Return a thing that went through JSON."""
    text = json.dumps(keras.saving.serialize_keras_object(thing))
    made = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(made) is type(thing)
    assert json.dumps(made.get_config()) == json.dumps(thing.get_config())
    assert type(thing).from_config(json.loads(json.dumps(thing.get_config()))) is not None
    return made


def leaky(x: Any) -> Any:
    return keras.ops.leaky_relu(x, 0.4)


LAYERS = [
    layers.Dense(3, "relu", use_bias=False, kernel_regularizer="l2", name="named"),
    layers.Dense(3, layers.LeakyReLU(0.1), kernel_constraint=keras.constraints.MaxNorm(3.0)),
    layers.Dense(3, activity_regularizer=regularizers.L1L2(0.1, 0.2), trainable=False),
    layers.Dense(3, kernel_initializer=initializers.VarianceScaling(2.0, "fan_out", seed=3)),
    layers.MaxoutDense(3, nb_feature=2),
    layers.Activation("gelu"),
    layers.LeakyReLU(0.15),
    layers.ReLU(5.0, 0.1, 0.2),
    layers.ELU(0.4),
    layers.Softmax(0),
    layers.PReLU("ones", shared_axes=[1]),
    layers.Dropout(0.3, seed=4),
    layers.GaussianNoise(0.2),
    layers.GaussianDropout(0.2, seed=1),
    layers.AlphaDropout(0.2),
    layers.Flatten(),
    layers.Reshape((2, 2)),
    layers.Embedding(7, 3, "normal", embeddings_constraint="unit_norm"),
    layers.BatchNormalization(momentum=0.8, gamma_regularizer="l1", center=False),
    layers.LayerNormalization(epsilon=0.1),
    layers.RMSNormalization(epsilon=0.2),
    layers.ActivityRegularization(0.1, 0.2),
    layers.Rescaling(2.0, 0.5),
    layers.Normalization(mean=[1.0] * 4, variance=[2.0] * 4),
    layers.Normalization(invert=True),
    layers.Identity(),
    layers.InputLayer((3,), name="begin"),
    layers.Concatenate(axis=1),
    layers.Add(),
    layers.Subtract(),
    layers.Multiply(),
    layers.Average(),
    layers.Maximum(),
    layers.Minimum(),
    layers.Lambda(keras.ops.square),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers(layer: Any) -> None:
    made = again(layer)
    assert (made.name, made.trainable, made.dtype) == (layer.name, layer.trainable, layer.dtype)
    config = layer.get_config()
    assert {"name", "dtype"} <= config.keys()
    if isinstance(layer, layers.Embedding | layers.Reshape | layers.InputLayer | layers.Dropout):
        return
    x = [X, 2 * X] if layer.takes_several and not isinstance(layer, layers.Lambda) else X
    expected = layer(x)
    found = made(x)
    if layer.built and layer.get_weights():
        made.set_weights(layer.get_weights())
        found = made(x)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected))


def test_every_layer_is_here() -> None:
    kinds = [getattr(layers, name) for name in layers.__all__]
    public = {k for k in kinds if isinstance(k, type)} - {layers.Layer}
    assert public == {type(layer) for layer in LAYERS}


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        optimizers.RMSprop(0.1, centered=True),
        optimizers.Adagrad(initial_accumulator_value=0.3),
        optimizers.Adadelta(rho=0.8),
        optimizers.Adam(amsgrad=True, clipnorm=1.0),
        optimizers.AdamW(clipvalue=0.5),
        optimizers.Adamax(beta_1=0.5),
        optimizers.Nadam(global_clipnorm=2.0),
        optimizers.Lion(beta_2=0.5),
        optimizers.Muon(rms_rate=None, exclude_layers=["last"]),
        optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 5, warmup_target=1.0), name="mine"),
    ],
    ids=lambda o: type(o).__name__,
)
def test_optimizers(optimizer: Any) -> None:
    made = again(optimizer)
    assert repr(made) == repr(optimizer)
    config = optimizer.get_config()
    assert not {"epsilon_hat", "momentum_decay", "epsilon_inside_root"} & config.keys()
    assert {"clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "name"} <= config.keys()


SCHEDULES = optimizers.schedules


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULES.ExponentialDecay(0.1, 3, 0.5, staircase=True),
        SCHEDULES.InverseTimeDecay(0.1, 3, 0.5),
        SCHEDULES.PolynomialDecay(0.1, 5, power=2.0, cycle=True, name="p"),
        SCHEDULES.PiecewiseConstantDecay([2, 4], [0.1, 0.2, 0.3]),
        SCHEDULES.CosineDecay(0.1, 5, alpha=0.1),
        SCHEDULES.CosineDecayRestarts(0.1, 5, m_mul=0.5),
    ],
    ids=lambda s: type(s).__name__,
)
def test_schedules(schedule: Any) -> None:
    made = again(schedule)
    assert [float(made(t)) for t in range(9)] == [float(schedule(t)) for t in range(9)]


@pytest.mark.parametrize("name", [n for n in losses.__all__ if n[0].isupper() and not n.isupper()])
def test_losses(name: str) -> None:
    kind = getattr(losses, name)
    thing = kind(reduction="sum", name="mine")
    assert again(thing).reduction == "sum"
    assert thing.get_config()["name"] == "mine"


def test_settings_of_losses() -> None:
    assert again(losses.Huber(0.3)).get_config()["delta"] == 0.3
    config = again(losses.BinaryCrossentropy(True, label_smoothing=0.1)).get_config()
    assert (config["from_logits"], config["label_smoothing"]) == (True, 0.1)
    assert losses.serialize(losses.get(losses.mse)) is not None
    assert losses.deserialize("mse").name == "mean_squared_error"


METRICS = [
    n for n in metrics.__all__ if n[0].isupper() and n not in ("Metric", "MeanMetricWrapper")
]


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name: str) -> None:
    thing = getattr(metrics, name)(name="mine")
    assert again(thing).name == "mine"


def test_settings_of_metrics() -> None:
    assert again(metrics.Precision([0.2, 0.3])).get_config()["thresholds"] == [0.2, 0.3]
    assert again(metrics.BinaryAccuracy(threshold=0.2)).threshold == 0.2
    assert again(metrics.F1Score("micro", 0.3)).get_config()["average"] == "micro"
    assert again(metrics.AUC(30, "PR")).get_config()["num_thresholds"] == 30
    assert again(metrics.CategoricalCrossentropy(from_logits=True)).get_config()["from_logits"]


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.Zeros(),
        initializers.Ones(),
        initializers.Constant(0.5),
        initializers.Constant([[1.0, 2.0], [3.0, 4.0]]),
        initializers.RandomNormal(1.0, 2.0, seed=1),
        initializers.TruncatedNormal(1.0, 2.0, seed=1),
        initializers.RandomUniform(-1.0, 2.0, seed=1),
        initializers.GlorotUniform(1),
        initializers.GlorotNormal(1),
        initializers.HeUniform(1),
        initializers.HeNormal(1),
        initializers.LecunUniform(1),
        initializers.LecunNormal(1),
        initializers.Orthogonal(2.0, seed=1),
        initializers.Identity(3.0),
        initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=1),
    ],
    ids=lambda i: type(i).__name__,
)
def test_initializers(initializer: Any) -> None:
    made = again(initializer)
    assert made == initializer
    np.testing.assert_array_equal(np.asarray(made((2, 2))), np.asarray(initializer((2, 2))))
    assert initializers.get(initializers.serialize(initializer)) == initializer


@pytest.mark.parametrize(
    "thing",
    [
        regularizers.L1(0.3),
        regularizers.L2(0.3),
        regularizers.L1L2(0.1, 0.2),
        keras.constraints.MaxNorm(3.0, axis=1),
        keras.constraints.NonNeg(),
        keras.constraints.UnitNorm(),
        keras.constraints.MinMaxNorm(0.1, 0.2, 0.5),
    ],
    ids=lambda t: type(t).__name__,
)
def test_regularizers_and_constraints(thing: Any) -> None:
    np.testing.assert_array_equal(np.asarray(again(thing)(X)), np.asarray(thing(X)))


def test_functions_of_ones_own() -> None:
    layer = layers.Dense(3, leaky)
    config = json.loads(json.dumps(layers.serialize(layer)))
    with pytest.raises(ArgumentError, match="custom_objects="):
        layers.deserialize(config)
    made = layers.deserialize(config, {"leaky": leaky})
    made.build((None, 4))
    layer.build((None, 4))
    made.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.asarray(made(X)), np.asarray(layer(X)))


def test_mistakes_in_configurations() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'Dense'"):
        layers.deserialize({"class_name": "Dens", "config": {"units": 3}})
    with pytest.raises(ArgumentError, match="an argument that Dense does not have"):
        layers.deserialize({"class_name": "Dense", "config": {"unitss": 3}})
    with pytest.raises(ArgumentError, match="Chainrule lacks this"):
        layers.deserialize({"class_name": "Dense", "config": {"units": 3, "lora_rank": 2}})
