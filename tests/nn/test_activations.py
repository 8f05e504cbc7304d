from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.nn.activations import (
    ACTIVATIONS,
    ALIASES,
    KINDS,
    Activation,
    FiniteSet,
    Interval,
    activation,
    activation_config,
    describe,
    get,
)
from chainrule.nn.activations.description import number
from chainrule.nn.layers import layer_from_config, layer_to_config

# The formulas of the textbooks, written down once more, for moderate x.
FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(0, x),
    "leaky_relu": lambda x: np.maximum(0, x) + 0.01 * np.minimum(0, x),
    "elu": lambda x: np.maximum(0, x) + np.minimum(0, np.exp(x) - 1),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "relu6": lambda x: np.clip(x, 0, 6),
    "log_sigmoid": lambda x: np.log(1 / (1 + np.exp(-x))),
    "sine": np.sin,
    "softmax": lambda x: scipy.special.softmax(x, axis=-1),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)),
}


def test_every_activation_has_its_formula_here() -> None:
    assert set(ACTIVATIONS) == set(FORMULAS)
    assert {kind.name for kind in KINDS} - set(ACTIVATIONS) == {"prelu", "maxout"}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 2e-5)])
def test_values(name: str, dtype: str, rtol: float) -> None:
    x = np.random.default_rng(0).normal(scale=3.0, size=(50, 4)).astype(dtype)
    found, function = activation(name)
    assert found == name
    a = function(cr.tensor(x))
    assert a.dtype == dtype
    expected = FORMULAS[name](x.astype("float64"))
    np.testing.assert_allclose(a.numpy(), expected, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("name", FORMULAS)
def test_nan_stays_nan(name: str) -> None:
    assert np.isnan(get(name)(np.array([np.nan, np.nan])).numpy()).all()


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "linear"])
def test_integers_become_float32(name: str) -> None:
    assert get(name)([1, 2, 3]).dtype == "float32"


@pytest.mark.parametrize(
    ("name", "at_zero"),
    [("relu", 0.0), ("leaky_relu", 0.01), ("leaky_relu(0.3)", 0.3), ("elu(0.3)", 0.3)],
)
def test_derivatives_at_the_kink_follow_the_lecture(name: str, at_zero: float) -> None:
    assert cr.grad(get(name))(np.array(0.0)).item() == at_zero
    assert get(name).derivative(np.array(0.0)).item() == at_zero
    assert get(name).kinks == {0.0: at_zero}


# Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        *ALIASES.items(),
        ("hardsigmoid", "hard_sigmoid"),
        ("hardtanh", "hard_tanh"),
        ("hardswish", "hard_silu"),
        ("logsigmoid", "log_sigmoid"),
        ("LeakyReLU", "leaky_relu"),
        ("ReLU6", "relu6"),
        ("GELU", "gelu"),
        ("leaky_relu(0.01)", "leaky_relu"),
        ("elu()", "elu"),
        ("elu(1)", "elu"),
    ],
)
def test_other_names(given: str, name: str) -> None:
    assert activation(given) == (name, ACTIVATIONS[name])


def test_none_is_the_identity() -> None:
    assert activation(None) == ("linear", ACTIVATIONS["linear"])


def test_known_functions_get_their_names() -> None:
    assert activation(cr.relu) == ("relu", ACTIVATIONS["relu"])
    assert activation(cr.tanh)[0] == "tanh"
    assert activation(cr.sin)[0] == "sine"
    assert activation(cr.leaky_relu)[1] == get("leaky_relu")
    assert activation(cr.activations.LeakyReLU)[1] == get("leaky_relu")
    for kind in ACTIVATIONS.values():
        assert activation(kind) == (kind.name, kind)
        assert activation(kind.function) == (kind.name, kind)
        assert getattr(cr.activations, kind.name) is kind
    assert describe(cr.prelu) is get("prelu")
    assert describe(np.tanh) is None


def test_other_functions_keep_theirs() -> None:
    def swish(x: cr.Tensor) -> cr.Tensor:
        return x * cr.sigmoid(x)

    class Shifted:
        def __call__(self, x: cr.Tensor) -> cr.Tensor:
            return x + 1.0

    assert activation(swish) == ("swish", swish)
    shifted = Shifted()
    assert activation(shifted) == ("custom", shifted)


@pytest.mark.parametrize(
    "given",
    [
        "leaky_relu(gamma=0.2)",
        "leaky_relu(0.2)",
        "LeakyReLU( gamma = 0.2 )",
        {"name": "leaky_relu", "gamma": 0.2},
        cr.activations.LeakyReLU(0.2),
        cr.activations.LeakyReLU(gamma=np.float64(0.2)),
        cr.activations.get("leaky_relu", gamma=0.2),
    ],
    ids=str,
)
def test_parameters(given: Any) -> None:
    name, function = activation(given)
    assert name == "leaky_relu(gamma=0.2)"
    assert isinstance(function, Activation)
    assert function.parameters == {"gamma": 0.2}
    assert function([-1.0, 2.0]).tolist() == pytest.approx([-0.2, 2.0])
    assert function([-1.0, 2.0], gamma=0.5).tolist() == [-0.5, 2.0]
    assert activation(name) == (name, function)


def test_options_of_the_function() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_allclose(get("softmax")(x, axis=0).numpy().sum(axis=0), 1.0)


# Layers and files ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ACTIVATIONS, "leaky_relu(gamma=0.2)", "elu(gamma=0.5)"])
def test_configurations_round_trip(name: str) -> None:
    kind = get(name)
    config = json.loads(json.dumps(activation_config(kind)))
    assert activation(config)[1] == kind
    assert isinstance(config, str) == (name in ACTIVATIONS)
    layer = cr.Dense(2, activation=name)
    assert layer.activation_name == name
    assert repr(layer) == f"Dense(2, activation={name!r})"
    again = layer_from_config(json.loads(json.dumps(layer_to_config(layer))))
    assert isinstance(again, cr.Dense)
    assert again.activation == layer.activation == kind
    assert layer_to_config(again) == layer_to_config(layer)


def test_configurations() -> None:
    assert activation_config(cr.activations.ELU(0.5)) == {"name": "elu", "gamma": 0.5}
    assert activation_config(cr.activations.ELU(1)) == "elu"
    assert activation_config(cr.relu) == "relu"
    assert activation_config(get("logistic")) == "sigmoid"


def test_models_keep_their_parameters_in_files(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    model = cr.Sequential(
        [
            cr.Dense(4, activation=cr.activations.LeakyReLU(0.2)),
            cr.Dense(4),
            cr.Activation("elu(0.5)"),
            cr.Dense(2, activation="mish"),
        ]
    )
    expected = model.predict(x)
    model.save(tmp_path / "model")
    document = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert [layer["activation"] for layer in document["model"]["layers"]] == [
        {"name": "leaky_relu", "gamma": 0.2},
        "linear",
        {"name": "elu", "gamma": 0.5},
        "mish",
    ]
    again = cr.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(x), expected)
    assert "leaky_relu(gamma=0.2)" in str(again.summary())


def test_a_network_learns_through_each_of_them() -> None:
    """One step of gradient descent lowers the loss, whichever f_l is chosen."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    for name in ACTIVATIONS:
        cr.random.seed(0)
        hidden, out = cr.Dense(6, activation=name), cr.Dense(1)

        def loss(hidden: cr.Dense = hidden, out: cr.Dense = out) -> cr.Tensor:
            return cr.square(out(hidden(x)) - y).mean()

        before = loss()
        before.backward()
        for layer in (hidden, out):
            for parameter in layer.parameters().values():
                assert parameter.grad is not None
                parameter.assign(parameter.value - 0.01 * parameter.grad)
        assert loss().item() < before.item(), name


# Errors --------------------------------------------------------------------------------------

_NAMES = (
    "linear, sigmoid, tanh, relu, leaky_relu, elu, softplus, selu, gelu, gelu_tanh, silu, mish, "
    "softsign, hard_sigmoid, hard_tanh, hard_silu, relu6, log_sigmoid, sine, softmax, log_softmax"
)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("rleu", " Did you mean 'relu' or 'relu6' or 'elu'?"),
        ("Sigmod", " Did you mean 'sigmoid' or 'log_sigmoid' or 'hard_sigmoid'?"),
        ("logistc", " Did you mean 'logistic' or 'log_softmax'?"),
        ("tahn", " Did you mean 'tanh'?"),
        ("rel(0.1)", " Did you mean 'relu' or 'relu6' or 'elu'?"),
        ("qqq", ""),
        ("", ""),
    ],
)
def test_unknown_names_get_the_nearest(given: str, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        activation(given)
    assert str(caught.value) == (
        f"activation: got {given!r}; expected one of {_NAMES}, or a function of a tensor.{hint}"
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            "relu(0.2)",
            "activation relu: got a parameter '0.2'; expected none: it has no parameters.",
        ),
        (
            {"name": "leaky_relu", "alpha": 0.2},
            "activation leaky_relu: got a parameter 'alpha'; expected the parameter gamma.",
        ),
        (
            "elu(gamma=big)",
            "activation: got 'elu(gamma=big)'; expected numbers for its parameters, such as "
            "'elu(gamma=0.5)'.",
        ),
        ("elu(1, 2)", "activation elu: got a parameter '2'; expected the parameter gamma."),
        ({"gamma": 0.2}, f"activation: got None; expected one of {_NAMES}."),
        ({"name": ["relu"]}, f"activation: got ['relu']; expected one of {_NAMES}."),
        (
            "prelu",
            "activation: got 'prelu'; expected one that gives each input one output and has "
            "nothing to learn. PReLU is a layer of its own: cr.PReLU.",
        ),
        (
            "maxout(3)",
            "activation: got 'maxout'; expected one that gives each input one output and has "
            "nothing to learn. Maxout is a layer of its own: cr.Maxout.",
        ),
        (
            cr.prelu,
            "activation: got 'prelu'; expected one that gives each input one output and has "
            "nothing to learn. PReLU is a layer of its own: cr.PReLU.",
        ),
        (3, "activation: got a int; expected a name or a function."),
        (
            cr.activations.leaky_relu(0.2),
            "activation: got a Tensor; expected a name or a function. f(x) applies f: give f "
            "itself.",
        ),
    ],
)
def test_what_cannot_be_an_activation(given: Any, text: str) -> None:
    for make in (activation, lambda given: cr.Dense(2, activation=given), cr.Activation):
        with pytest.raises(ArgumentError) as caught:
            make(given)
        assert str(caught.value) == text
        assert isinstance(caught.value, DtypeError) == text.endswith(("function.", "itself."))


def test_the_layers_that_errors_name_are_there() -> None:
    assert {kind.layer for kind in KINDS} == {"", "PReLU", "Maxout"}
    assert issubclass(cr.PReLU, cr.Layer)
    assert issubclass(cr.Maxout, cr.Layer)


@pytest.mark.parametrize("make", [cr.activations.LeakyReLU, cr.activations.ELU])
@pytest.mark.parametrize(
    ("gamma", "came"),
    [
        (-1, "-1"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        ("a", "'a'"),
        (True, "True"),
        (None, "None"),
    ],
)
def test_gamma_must_be_a_slope(make: Callable[[Any], Activation], gamma: Any, came: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make(gamma)
    assert str(caught.value) == (
        f"gamma: got {came}; expected a finite number from 0. 0 gives ReLU; the usual values are "
        "0.01 to 0.3, for ELU 1."
    )


def test_pieces_must_be_several() -> None:
    for pieces in (1, 0, 2.0, True, "2"):
        with pytest.raises(ArgumentError) as caught:
            get("maxout", pieces=pieces)  # type: ignore[arg-type]
        assert str(caught.value) == f"pieces: got {pieces!r}; expected a whole number from 2."


def test_get_wants_a_name() -> None:
    with pytest.raises(DtypeError) as caught:
        get(cr.relu)  # type: ignore[arg-type]
    assert str(caught.value) == "activation: got a function; expected a name."
    with pytest.raises(ArgumentError, match=r"one of sigmoid, .*prelu.*\. Did you mean 'prelu'"):
        get("prlu")


def test_only_known_functions_can_be_written_down() -> None:
    def swish(x: cr.Tensor) -> cr.Tensor:
        return x * cr.sigmoid(x)

    for function, came in ((swish, "'swish'"), (get("prelu"), repr(get("prelu")))):
        with pytest.raises(ArgumentError) as caught:
            activation_config(function)
        assert str(caught.value).startswith(f"activation: got the function {came}; ")
        assert str(caught.value).endswith(
            f"expected one of {_NAMES}. A file can name only what Chainrule knows: save the "
            "weights with model.get_weights()."
        )


# Descriptions --------------------------------------------------------------------------------


def test_equality_and_copies() -> None:
    first, second = get("elu", gamma=0.5), get("elu(0.5)")
    assert first == second
    assert hash(first) == hash(second)
    assert first != get("elu")
    assert first != "elu(0.5)"
    assert copy.deepcopy(first) == first
    layer = copy.deepcopy(cr.Dense(2, activation="hard_tanh"))
    assert layer([[1.0]]).shape == (1, 2)


def test_repr() -> None:
    assert repr(get("relu")) == "<activation relu: max(0, x)>"
    assert repr(get("elu")) == ("<activation elu(gamma=1.0): max(0, x) + min(0, γ(exp(x) − 1))>")
    assert get("leaky_relu(0.2)").label == "LeakyReLU (γ = 0.2)"
    assert get("maxout").label == "Maxout (K = 2)"
    assert get("tanh").label == "Tanh"


def test_each_names_its_source() -> None:
    for kind in KINDS:
        assert re_year(kind.source) or kind.name in {"log_sigmoid", "log_softmax"}


def re_year(text: str) -> bool:
    return any(word.strip(",;").isdigit() or "arXiv" in word for word in text.split())


def test_intervals() -> None:
    half = Interval(0.0, 2.0, has_low=True)
    assert [x in half for x in (-1.0, 0.0, 1.0, 2.0, 3.0)] == [False, True, True, False, False]
    assert str(half) == "[0, 2)"
    assert str(Interval(-math.inf, -1 / 3, False, True)) == "(−∞, −1/3]"
    assert not half.__contains__(float("nan"))


def test_finite_sets() -> None:
    found = FiniteSet(1.0, 0.0, 1.0)
    assert (found.low, found.high, str(found)) == (0.0, 1.0, "{0, 1}")
    assert 1.0 in found
    assert 0.5 not in found
    assert found == FiniteSet(0.0, 1.0)
    assert len({found, FiniteSet(0.0, 1.0)}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (-0.5, "−0.5"), (1 / 6, "1/6"), (-1 / 3, "−1/3"), (1.75809934, "1.758")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text
