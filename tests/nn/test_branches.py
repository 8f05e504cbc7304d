from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.nn.layers import layer_from_config

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3))


def weights(layer: cr.Module) -> dict[str, np.ndarray]:
    return {name: p.numpy() for name, p in layer.parameters().items()}


def test_residual_is_x_plus_f() -> None:
    layer = cr.Residual(cr.Dense(4, activation="tanh"), cr.Dense(3))
    y = layer(X).numpy()
    w = weights(layer)
    assert list(w) == [
        "layers.0.kernel", "layers.0.bias", "layers.1.kernel", "layers.1.bias",
    ]  # fmt: skip
    hidden = np.tanh(X @ w["layers.0.kernel"] + w["layers.0.bias"])
    np.testing.assert_allclose(
        y, X + hidden @ w["layers.1.kernel"] + w["layers.1.bias"], rtol=1e-12
    )


def test_gradients_pass_around_the_layers() -> None:
    layer = cr.Residual(cr.Dense(3, kernel_initializer="zeros"))
    jacobian = cr.jacobian(lambda x: layer(x))(X[0]).numpy()
    np.testing.assert_array_equal(jacobian, np.eye(3))
    layer(X).sum().backward()
    kernel = layer.parameters()["layers.0.kernel"]
    assert kernel.grad is not None
    np.testing.assert_allclose(kernel.grad.numpy(), np.repeat(X.sum(0)[:, None], 3, 1), rtol=1e-12)


def test_residual_takes_a_list_too() -> None:
    assert len(cr.Residual([cr.Dense(4), cr.Dense(3)]).layers) == 2


def test_add_and_concatenate() -> None:
    branches: list[Any] = [[], cr.Dense(3), [cr.Dense(4, activation="relu"), cr.Dense(3)]]
    for kind in (cr.Add, cr.Concatenate):
        layer = kind(*branches)
        y = layer(X).numpy()
        parts = [X, branches[1](X).numpy(), branches[2][1](branches[2][0](X)).numpy()]
        wanted = sum(parts) if kind is cr.Add else np.concatenate(parts, axis=-1)
        np.testing.assert_allclose(y, wanted, rtol=1e-12)
        assert list(layer.parameters())[::2] == [
            "branches.1.0.kernel", "branches.2.0.kernel", "branches.2.1.kernel",
        ]  # fmt: skip


def test_concatenate_joins_along_the_last_axis() -> None:
    x = RNG.normal(size=(2, 5, 3))
    assert cr.Concatenate(cr.Dense(2), cr.Dense(4), [])(x).shape == (2, 5, 9)


def test_training_reaches_the_branches() -> None:
    cr.random.seed(0)
    x = np.ones((4, 50))
    for layer in (
        cr.Residual(cr.Dropout(0.5)),
        cr.Add([], cr.Dropout(0.5)),
        cr.Concatenate([], [cr.Residual(cr.Dropout(0.5))]),
    ):
        assert (np.diff(layer(x, training=True).numpy(), axis=0) != 0).any()
        assert (np.diff(layer(x).numpy(), axis=0) == 0).all()


def test_a_layer_of_a_layer_of_layers_in_words() -> None:
    layer = cr.Residual(cr.Concatenate([], [cr.Dense(2), cr.Dropout(0.5)]), cr.Dense(3))
    assert repr(layer) == (
        "Residual(Concatenate([], [Dense(2, activation='linear'), Dropout(0.5)]), "
        "Dense(3, activation='linear'))"
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: cr.Residual(cr.Dense(8, activation="relu"), cr.Dense(4))(X),
            "Residual: got an output of shape (5, 4) of its layers for an input of shape (5, 3); "
            "expected two equal shapes, since they are added. Give the last layer 3 units instead "
            "of 4.",
        ),
        (  # it would broadcast
            lambda: cr.Residual(cr.Dense(1))(X),
            "Residual: got an output of shape (5, 1) of its layers for an input of shape (5, 3); "
            "expected two equal shapes, since they are added. Give the last layer 3 units instead "
            "of 1.",
        ),
        (
            lambda: cr.Residual(cr.Flatten())(X[None]),
            "Residual: got an output of shape (1, 15) of its layers for an input of shape (1, 5, "
            "3); expected two equal shapes, since they are added.",
        ),
        (
            lambda: cr.Add([], cr.Dense(2))(X),
            "Add: got branches with outputs of shapes (5, 3) and (5, 2); expected equal shapes, "
            "since they are added. Give the last layer 3 units instead of 2.",
        ),
        (
            lambda: cr.Add([], cr.Dense(2), cr.Dense(3))(X),
            "Add: got branches with outputs of shapes (5, 3) and (5, 2) and (5, 3); expected equal "
            "shapes, since they are added.",
        ),
        (
            lambda: cr.Concatenate([], cr.Flatten())(X[None]),
            "Concatenate: got branches with outputs of shapes (1, 5, 3) and (1, 15); expected "
            "shapes that are equal but for the last size.",
        ),
        (lambda: cr.Residual(), "layers: got none; expected at least one."),
        (lambda: cr.Residual([]), "layers: got none; expected at least one."),
        (
            lambda: cr.Add(cr.Dense(1)),
            "branches: got 1 of them; expected at least two. One argument is one branch: "
            "cr.Add(cr.Dense(2), [cr.Dense(4), cr.Dense(2)]).",
        ),
        (  # Keras's way of writing it
            lambda: cr.Concatenate([cr.Dense(1), cr.Dense(2)]),
            "branches: got 1 of them; expected at least two. One argument is one branch: "
            "cr.Concatenate(cr.Dense(2), [cr.Dense(4), cr.Dense(2)]).",
        ),
    ],
)
def test_texts(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text
    assert isinstance(caught.value, ShapeError) == ("shape" in text)


@pytest.mark.parametrize("given", [64, cr.Dense, [cr.Dense(2), "relu"]])
def test_what_is_no_layer(given: Any) -> None:
    for make in (lambda: cr.Residual(given), lambda: cr.Add(cr.Dense(1), given)):
        with pytest.raises(DtypeError, match=r"^layers: got a \w+; expected layers, such as cr"):
            make()


@pytest.mark.parametrize(
    "config",
    [
        {"type": "Residual"},
        {"type": "Residual", "layers": 3},
        {"type": "Residual", "layers": ["Dense"]},
        {"type": "Residual", "layers": [{"type": "Dense", "units": 2}], "size": 1},
        {"type": "Add", "layers": []},
        {"type": "Add", "branches": [[], []], "size": 1},
        {"type": "Concatenate", "branches": [{"type": "Dense", "units": 2}, 5]},
        {"type": "Concatenate", "branches": None},
    ],
)
def test_configurations_that_do_not_fit(config: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=r"^layer"):
        layer_from_config(config)
