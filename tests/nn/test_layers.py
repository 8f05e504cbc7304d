from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import unknown
from chainrule.core.types import ArrayType
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.initializers import INITIALIZERS, HeUniform
from chainrule.nn.layers import (
    LAYERS,
    Layer,
    layer_from_config,
    layer_to_config,
    layers_to_config,
    register,
)

FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(0, z),
    "leaky_relu": lambda z: np.maximum(0, z) + 0.01 * np.minimum(0, z),
    "elu": lambda z: np.maximum(0, z) + np.minimum(0, np.exp(z) - 1),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True),
}


def test_every_activation_is_tried_here() -> None:
    assert set(FORMULAS) <= set(ACTIVATIONS)  # all of them: test_activations.py


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("batch", [(5,), (2, 5), (0,)])
def test_dense_is_the_formula(
    name: str, use_bias: bool, dtype: str, rtol: float, batch: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(*batch, 3)).astype(dtype)
    layer = cr.Dense(4, activation=name, use_bias=use_bias)
    layer(x)
    assert layer.kernel is not None
    W, b = rng.normal(size=(3, 4)).astype(dtype), rng.normal(size=4).astype(dtype)
    layer.kernel.assign(W)
    z = x.astype("float64") @ W.astype("float64")
    if use_bias:
        assert layer.bias is not None
        layer.bias.assign(b)
        z = z + b
    found = layer(x)
    assert found.dtype == dtype
    assert found.shape == (*batch, 4)
    np.testing.assert_allclose(found.numpy(), FORMULAS[name](z), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_is_the_formula(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(2, 5, 3))
    np.testing.assert_allclose(cr.Activation(name)(x).numpy(), FORMULAS[name](x), rtol=1e-12)


def test_gradients_reach_kernel_and_bias() -> None:
    rng = np.random.default_rng(2)
    x, g = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    layer = cr.Dense(2, activation="tanh")
    a = layer(x)
    (a * g).sum().backward()
    assert layer.kernel is not None
    assert layer.kernel.grad is not None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    delta = g * (1 - np.square(a.numpy()))
    np.testing.assert_allclose(layer.kernel.grad.numpy(), x.T @ delta, rtol=1e-12)
    np.testing.assert_allclose(layer.bias.grad.numpy(), delta.sum(axis=0), rtol=1e-12)


def test_parameters_are_made_by_the_first_call() -> None:
    layer = cr.Dense(4)
    assert layer.kernel is None
    assert layer.parameters() == {}
    layer(np.zeros((1, 3), np.float64))
    assert layer.kernel is not None
    kernel = layer.kernel
    assert (kernel.shape, kernel.dtype) == ((3, 4), np.float64)
    assert layer.bias is not None
    assert (layer.bias.shape, layer.bias.dtype) == ((4,), np.float64)
    assert layer.bias.tolist() == [0.0] * 4
    layer(np.ones((2, 3)))
    assert layer.kernel is kernel
    assert list(layer.parameters()) == ["kernel", "bias"]


def test_without_a_bias_there_is_none() -> None:
    layer = cr.Dense(4, use_bias=False)
    layer(np.zeros((1, 3)))
    assert layer.bias is None
    assert list(layer.parameters()) == ["kernel"]


def test_a_type_is_enough_to_build() -> None:
    layer = cr.Dense(4)
    assert layer(unknown(ArrayType((7, 3), np.dtype("float32")))).type == ArrayType(
        (7, 4), np.dtype("float32")
    )
    assert layer.kernel is not None
    assert layer.kernel.shape == (3, 4)


@pytest.mark.parametrize("x", [[[1, 2, 3]], np.ones((1, 3), np.int64), np.ones((1, 3), bool)])
def test_integers_and_bools_become_float32(x: Any) -> None:
    layer = cr.Dense(2)
    assert layer(x).dtype == np.float32
    assert layer.kernel is not None
    assert layer.kernel.dtype == np.float32


def test_one_sample_without_a_batch() -> None:
    assert cr.Dense(2)([1.0, 2.0, 3.0]).shape == (2,)


def test_initializers_are_used() -> None:
    cr.random.seed(5)
    layer = cr.Dense(50, kernel_initializer="he_uniform", bias_initializer="glorot_uniform")
    layer(np.zeros((1, 6), np.float32))
    cr.random.seed(5)
    kernel = INITIALIZERS["he_uniform"]()((6, 50), np.dtype("float32"))
    bias = INITIALIZERS["glorot_uniform"]()((50,), np.dtype("float32"))
    assert layer.kernel is not None
    assert layer.bias is not None
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel.numpy())
    np.testing.assert_array_equal(layer.bias.numpy(), bias.numpy())
    assert (bias.numpy() != 0).any()


def test_an_initializer_may_be_a_function() -> None:
    layer = cr.Dense(2, kernel_initializer=lambda shape, dtype: cr.full(shape, 0.5, dtype))
    assert layer([[1.0, 1.0]]).tolist() == [[1.0, 1.0]]


def test_wrong_number_of_features() -> None:
    layer = cr.Dense(2)
    layer(np.zeros((1, 3)))
    with pytest.raises(ShapeError) as caught:
        layer(np.zeros((5, 4)))
    assert str(caught.value) == (
        "input of Dense: got 4 features (shape (5, 4)); expected 3 features, as in the first call."
    )


def test_a_single_number() -> None:
    with pytest.raises(ShapeError) as caught:
        cr.Dense(2)(3.0)
    assert str(caught.value) == (
        "input of Dense: got a single number; expected shape (batch, features)."
    )


@pytest.mark.parametrize("units", [0, -1, 2.0, "3", True, None])
def test_units_must_count(units: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.Dense(units)
    assert str(caught.value) == f"units: got {units!r}; expected a whole number from 1."


def test_units_may_be_numpy_integers() -> None:
    assert repr(cr.Dense(np.int64(3))) == "Dense(3, activation='linear')"
    json.dumps(cr.Dense(np.int64(3)).config())


def test_unknown_activation_and_initializer() -> None:
    for make in (lambda: cr.Dense(2, activation="rleu"), lambda: cr.Activation("rleu")):
        with pytest.raises(ArgumentError, match="Did you mean 'relu' or"):
            make()
    with pytest.raises(ArgumentError, match=r"^bias_initializer: .* Did you mean 'zeros'"):
        cr.Dense(2, bias_initializer="zeross")


def test_repr() -> None:
    assert repr(cr.Dense(3, activation=cr.relu)) == "Dense(3, activation='relu')"
    assert repr(cr.Activation("logistic")) == "Activation('sigmoid')"


@pytest.mark.parametrize(
    "layer",
    [
        cr.Dense(3),
        cr.Dense(4, activation="elu", use_bias=False, kernel_initializer=HeUniform()),
        cr.Dense(1, activation=cr.softplus, bias_initializer="he_uniform"),
        *[cr.Dense(2, activation=name) for name in FORMULAS],
        *[cr.Activation(name) for name in FORMULAS],
    ],
    ids=repr,
)
def test_configurations_round_trip(layer: Layer) -> None:
    config = json.loads(json.dumps(layer_to_config(layer)))
    again = layer_from_config(config)
    assert type(again) is type(layer)
    assert layer_to_config(again) == config
    for name in ("units", "activation", "use_bias", "kernel_initializer", "bias_initializer"):
        assert getattr(again, name, None) == getattr(layer, name, None)


def test_the_configuration_in_full() -> None:
    assert layer_to_config(cr.Dense(3, activation="logistic")) == {
        "type": "Dense",
        "units": 3,
        "activation": "sigmoid",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }


def test_functions_cannot_be_written_down() -> None:
    def swish(x: cr.Tensor) -> cr.Tensor:
        return x * cr.sigmoid(x)

    text = (
        r"^activation: got the function 'swish'; expected one of linear, .*softmax\. A file can "
        r"name only what Chainrule knows: save the weights with model\.get_weights\(\)\.$"
    )
    for layer in (cr.Dense(2, activation=swish), cr.Activation(swish)):
        with pytest.raises(ArgumentError, match=text):
            layer_to_config(layer)
    with pytest.raises(ArgumentError, match=r"^initializer: got the function '<lambda>'; "):
        layer_to_config(cr.Dense(2, kernel_initializer=lambda shape, dtype: cr.zeros(shape, dtype)))


def test_a_layer_of_ones_own_cannot_be_written_down() -> None:
    class Doubled(cr.Dense):
        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return super().forward(x, training) * 2.0

    class Dense(cr.Dense):  # a file would bring it back as the other Dense
        pass

    for kind in (Doubled, Dense):
        with pytest.raises(ArgumentError) as caught:
            layer_to_config(kind(3))
        assert str(caught.value) == (
            f"layer: got a {kind.__name__}, which is code; expected one of {', '.join(LAYERS)}. "
            "Derive the class from cr.Layer, write its config(), and decorate it with "
            "@cr.register; or keep the class, and save the weights with model.get_weights()."
        )


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"type": "Dens", "units": 3}, f"layer: got 'Dens'; expected one of {', '.join(LAYERS)}. "),
        ({"units": 3}, "layer: got None; expected one of Dense, "),
        ({"type": ["Dense"]}, "layer: got ['Dense']; expected one of Dense, "),
        (["Dense"], "layer: got ['Dense']; expected a mapping with a 'type'."),
        ({"type": "Dense", "units": 3, "activation": {"type": "Dens"}}, "layer: got 'Dens'; "),
        ({"type": "Dense"}, "layer Dense: got {}; expected its arguments ("),
        ({"type": "Dense", "units": 3, "size": 1}, "layer Dense: got {'units': 3, 'size': 1}; "),
        ({"type": "Dense", "units": -3}, "units: got -3; expected a whole number from 1."),
        ({"type": "Dense", "units": 3, "activation": "os.system"}, "activation: got 'os.system';"),
    ],
)
def test_configurations_that_do_not_fit(config: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        layer_from_config(config)
    assert str(caught.value).startswith(text)


def test_configurations_are_left_as_they_were() -> None:
    config = {"type": "Dense", "units": 3}
    layer_from_config(config)
    assert config == {"type": "Dense", "units": 3}


def test_a_layer_must_say_its_configuration() -> None:
    with pytest.raises(NotImplementedError):
        Layer().config()


def test_regularizers_are_written_where_they_are() -> None:
    layer = cr.Dense(3, kernel_regularizer=0.5, bias_regularizer="l1", activity_regularizer="l2")
    config = layer_to_config(layer)
    assert {name: config[name] for name in config if name.endswith("regularizer")} == {
        "kernel_regularizer": {"name": "l2", "l2": 0.5},
        "bias_regularizer": {"name": "l1", "l1": 0.01},
        "activity_regularizer": {"name": "l2", "l2": 0.01},
    }
    assert not any(name.endswith("regularizer") for name in layer_to_config(cr.Dense(3)))


def test_a_layer_as_an_activation() -> None:
    layer = cr.Dense(2, activation=cr.PReLU(alpha_initializer="ones"))
    config = json.loads(json.dumps(layer_to_config(layer)))
    assert config["activation"] == {
        "type": "PReLU", "alpha_initializer": "ones", "shared_axes": None,
    }  # fmt: skip
    again = layer_from_config(config)
    assert isinstance(again, cr.Dense)
    assert isinstance(again.activation, cr.PReLU)
    again([[1.0, 2.0]])
    assert list(again.parameters()) == ["kernel", "bias", "activation.alpha"]
    assert repr(again) == "Dense(2, activation='prelu')"
    assert cr.Activation(cr.LayerNorm()).activation_name == "LayerNorm"


def test_registered_layers_of_ones_own_come_back() -> None:
    @register
    class Scaled(cr.Layer):
        def __init__(self, by: float) -> None:
            self.by = by

        def forward(self, x: cr.Tensor) -> cr.Tensor:  # type: ignore[override]
            return x * self.by

        def config(self) -> dict[str, Any]:
            return {"by": self.by}

    try:
        layer = cr.Residual(Scaled(2.0))
        again = layer_from_config(layer_to_config(layer))
        assert again([1.0]).tolist() == [3.0]
        assert repr(Scaled(2.0)) == "Scaled()"
        register(Scaled)  # the same again does no harm
        other = type("Scaled", (cr.Layer,), {"__module__": "elsewhere"})
        with pytest.raises(ArgumentError) as caught:
            register(other)
        assert str(caught.value) == (
            "kind: got a second class Scaled; expected a name that no other layer has."
        )
    finally:
        del LAYERS["Scaled"]


def test_modules_that_are_no_layers_cannot_be_written_down() -> None:
    class Own(cr.Module):
        pass

    with pytest.raises(ArgumentError) as caught:
        layers_to_config([cr.Dense(1), Own()])
    assert str(caught.value) == (
        "model: got a layer of type Own, which is code; expected a cr.Layer with a config. Derive "
        "the class from cr.Layer, write its config(), and decorate it with @cr.register; or keep "
        "the class, and save the weights with model.get_weights()."
    )


def test_every_layer_is_at_the_top_level() -> None:
    assert {name: getattr(cr, name) for name in LAYERS} == LAYERS


def test_neurons_are_those_of_layers_with_weights() -> None:
    with_them = {
        name
        for name, kind in LAYERS.items()
        if layer_from_config({"type": name, **kind.examples[0].arguments}).neurons is not None
    }
    assert with_them == {"Dense", "Maxout"}
