from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, ChainruleError, ShapeError

# ------------------------------------------------------------------------------------------ Input


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_parameters_are_there_at_once(dtype: str) -> None:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(3), cr.BatchNorm(), cr.Dense(2)], dtype=dtype)
    assert model.input_shape == (4,)
    assert [w.shape for w in model.get_weights()] == [
        (4, 3), (3,), (3,), (3,), (3,), (3,), (3, 2), (2,),
    ]  # fmt: skip
    assert {w.dtype for w in model.get_weights()} == {np.dtype(dtype)}
    assert str(model.summary()).startswith("Sequential: input 4\n")
    assert len(model.layers) == 3
    assert next(iter(model.parameters())) == "layers.0.kernel"


def test_layers_may_be_added_behind_it_until_the_model_is_used() -> None:
    model = cr.Sequential()
    model.add(cr.Input(4))
    assert model.get_weights() == []
    model.add(cr.Dense(3))
    assert len(model.get_weights()) == 2
    first = model.get_weights()[0]
    model.add(cr.Dense(2))
    assert len(model.get_weights()) == 4
    model.make_parameters((4,))
    np.testing.assert_array_equal(model.get_weights()[0], first)
    assert model(np.ones((5, 4))).shape == (5, 2)
    with pytest.raises(ChainruleError, match="cannot be added once the parameters are made"):
        model.add(cr.Dense(1))


def test_the_same_seed_gives_the_same_parameters_with_and_without_it() -> None:
    cr.random.seed(3)
    one = cr.Sequential([cr.Input((4,)), cr.Dense(3), cr.Dense(2)])
    cr.random.seed(3)
    other = cr.Sequential([cr.Dense(3), cr.Dense(2)])
    other.make_parameters((4,))
    for mine, its in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_it_trains_and_comes_back_from_a_file(tmp_path: Any) -> None:
    model = cr.Sequential([cr.Input((2, 3)), cr.Flatten(), cr.Dense(1)])
    model.compile("sgd", "squared_error")
    model.fit(np.ones((4, 2, 3)), np.ones(4), verbose=0)
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert again.input_shape == (2, 3)
    np.testing.assert_array_equal(
        again.predict(np.ones((1, 2, 3))), model.predict(np.ones((1, 2, 3)))
    )


def test_data_of_another_shape() -> None:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(3)])
    with pytest.raises(ShapeError) as caught:
        model.predict(np.ones((2, 5)))
    assert str(caught.value) == (
        "x: got samples of shape (5,); expected shape (4,), as the model was made for."
    )


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(3)])
    with pytest.raises(ShapeError, match=r"^Residual: "):
        model.add(cr.Residual(cr.Dense(2)))
    assert len(model.layers) == 1
    model.add(cr.Dense(1))
    assert model(np.ones((1, 4))).shape == (1, 1)


@pytest.mark.parametrize(
    "layers", [[cr.Dense(3), cr.Input((4,))], [cr.Input((4,)), cr.Input((4,))]]
)
def test_it_comes_first_and_once(layers: list[Any]) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.Sequential(layers)
    assert str(caught.value) == (
        "layers: got Input((4,)) behind something else; expected Input as the first."
    )


@pytest.mark.parametrize("shape", [(0,), (-1, 2), (2.0,), "ab", (None, 4), (), None, (True,), 0])
def test_shapes_that_are_none(shape: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.Input(shape)
    assert str(caught.value) == (
        f"shape: got {shape!r}; expected sizes from 1, such as (4,). The batch does not belong to "
        "it."
    )


def test_the_inner_model_takes_the_dtype_of_the_outer() -> None:
    inner = cr.Sequential([cr.Dense(3), cr.Sequential([cr.Dense(2)])])
    outer = cr.Sequential([cr.Residual([cr.Concatenate([], inner), cr.Dense(4)])], dtype="float64")
    outer.make_parameters((4,))
    assert {w.dtype for w in outer.get_weights()} == {np.dtype("float64")}
    own = cr.Sequential([cr.Dense(3)], dtype="float32")
    mixed = cr.Sequential([own, cr.Dense(1)], dtype="float64")
    mixed.make_parameters((4,))
    assert own.get_weights()[0].dtype == np.float32  # it was said


def test_an_inner_model_in_another_dtype_whose_parameters_are_made() -> None:
    inner = cr.Sequential([cr.Input((4,)), cr.Dense(3)])
    with pytest.raises(ArgumentError) as caught:
        cr.Sequential([inner, cr.Dense(1)], dtype="float64").make_parameters((4,))
    assert str(caught.value) == (
        "layers: got a model whose parameters are float32, in one of float64; expected one dtype. "
        "Make the inner one with dtype='float64', too."
    )


def test_a_models_own_submodels_take_its_dtype() -> None:
    class Net(cr.Model):
        dtype = np.dtype("float64")

        def __init__(self) -> None:
            self.body = cr.Sequential([cr.Dense(3)])

        def forward(self, x: cr.Tensor) -> cr.Tensor:  # type: ignore[override]
            return self.body(x)

    net = Net()
    assert net(np.ones((1, 2), "float32")).dtype == np.float64
    assert net.get_weights()[0].dtype == np.float64


# ---------------------------------------------------------------------------------------- Flatten


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 3, 4), (2, 12)),
        ((2, 3), (2, 3)),
        ((2,), (2, 1)),
        ((0, 3, 4), (0, 12)),
        ((2, 0), (2, 0)),
    ],
)
def test_flatten(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    y = cr.Flatten()(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y.numpy(), x.reshape(expected))


def test_flatten_a_single_number() -> None:
    with pytest.raises(ShapeError) as caught:
        cr.Flatten()(1.0)
    assert str(caught.value) == (
        "input of Flatten: got a single number; expected shape (batch, ...)."
    )
