"""What every registered layer must do. A new layer enters by ``@register`` and its ``examples``."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ShapeError
from chainrule.core.mode import Tracer, answering
from chainrule.core.tensor import unknown
from chainrule.core.types import ArrayType
from chainrule.nn.layers import LAYERS, Example, Layer, layer_from_config, layer_to_config

F32, F64 = np.dtype("float32"), np.dtype("float64")
DTYPES = pytest.mark.parametrize("dtype", [F32, F64], ids=str)
TRAINING = pytest.mark.parametrize("training", [False, True], ids=["elsewhere", "training"])


@dataclass(frozen=True)
class Case:
    name: str
    number: int
    example: Example

    def __str__(self) -> str:
        return f"{self.name}-{self.number}"

    def layer(self, dtype: np.dtype = F64) -> Layer:
        """A new layer, its parameters made and moved off their initial values."""
        arguments = dict(self.example.arguments)
        if issubclass(LAYERS[self.name], cr.Model):  # they alone have a dtype of their own
            arguments["dtype"] = str(dtype)
        layer = layer_from_config({"type": self.name, **arguments})
        cr.random.seed(zlib.crc32(str(self).encode()))
        layer(unknown(ArrayType(self.example.shape, dtype)))
        rng = self.rng()
        for parameter in layer.parameters().values():
            low = 0.0 if parameter.name.endswith("variance") else -0.3
            parameter.assign(parameter.numpy() + rng.uniform(low, 0.3, parameter.shape))
        return layer

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(str(self).encode()))

    def x(self, dtype: np.dtype = F64, scale: float = 1.0) -> np.ndarray:
        if self.example.below is not None:
            return self.rng().integers(0, self.example.below, self.example.shape).astype(dtype)
        return (self.rng().normal(size=self.example.shape) * scale).astype(dtype)


CASES = [
    Case(name, i, example)
    for name, kind in LAYERS.items()
    if kind.__module__.startswith("chainrule.")
    for i, example in enumerate(kind.examples)
]
EACH = pytest.mark.parametrize("case", CASES, ids=str)
FLOATS = pytest.mark.parametrize("case", [c for c in CASES if c.example.below is None], ids=str)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    yield
    cr.random.seed(0)


@contextmanager
def substituted(values: Mapping[cr.Parameter, cr.Tensor]) -> Iterator[None]:
    """Inside the block, parameters have these values, which may be differentiated by."""

    class Substitutes(Tracer):
        def read(self, parameter: cr.Parameter) -> cr.Tensor:
            return values.get(parameter, parameter._value)

    with answering(Substitutes()):
        yield


def random_state() -> list[int]:
    state: list[int] = cr.random.default_generator.state.tolist()
    return state


def reseed(layer: Layer) -> None:
    cr.random.seed(7)
    for module in layer.modules().values():
        if isinstance(module, cr.Dropout | cr.GaussianNoise) and module.seed is not None:
            module.generator.seed(module.seed)


def run(layer: Layer, x: Any, training: bool) -> cr.Tensor:
    """Call a layer with the same draws each time."""
    reseed(layer)
    return layer(x, training=training)


def test_every_layer_has_an_example() -> None:
    without = [name for name in LAYERS if not any(c.name == name for c in CASES)]
    assert not without
    assert len(LAYERS) >= 15


@EACH
@DTYPES
@TRAINING
def test_shape_and_dtype_are_those_of_the_trace(
    case: Case, dtype: np.dtype, training: bool
) -> None:
    layer = case.layer(dtype)
    y = run(layer, case.x(dtype), training)
    graph = cr.trace(lambda x: layer(x, training=training))(case.x(dtype))
    assert y.type == graph.result.type
    assert y.dtype == dtype
    assert {p.dtype for p in layer.parameters().values()} <= {dtype}
    assert layer(unknown(ArrayType(case.example.shape, dtype))).type == y.type


@EACH
@TRAINING
def test_the_traced_layer_computes_the_same(case: Case, training: bool) -> None:
    layer, twin = case.layer(), case.layer()
    y = run(layer, case.x(), training)
    graph = cr.trace(lambda x: twin(x, training=training))(case.x())
    reseed(twin)
    np.testing.assert_allclose(graph(case.x()).numpy(), y.numpy(), rtol=1e-12, atol=1e-14)
    for mine, other in zip(
        layer.parameters().values(), twin.parameters().values(), strict=True
    ):  # what it assigned, too
        np.testing.assert_allclose(other.numpy(), mine.numpy(), rtol=1e-12, atol=1e-14)


@EACH
def test_a_new_layer_can_be_traced(case: Case) -> None:
    """Parameters are made with values, also by a call that is being traced."""
    layer = layer_from_config({"type": case.name, **case.example.arguments})
    graph = cr.trace(layer)(case.x(F32))
    expected = graph(case.x(F32)).numpy()
    np.testing.assert_allclose(layer(case.x(F32)).numpy(), expected, rtol=1e-5, atol=1e-6)


@EACH
@TRAINING
def test_the_configuration_makes_an_equal_function(case: Case, training: bool) -> None:
    layer = case.layer()
    config = json.loads(json.dumps(layer_to_config(layer)))
    again = layer_from_config(config)
    again(unknown(ArrayType(case.example.shape, F64)))
    assert json.loads(json.dumps(layer_to_config(again))) == config
    assert type(again) is type(layer)
    assert repr(again) == repr(layer)
    assert list(again.parameters()) == list(layer.parameters())
    for name, parameter in layer.parameters().items():
        other = again.parameters()[name]
        assert other.trainable == parameter.trainable
        assert other.shape == parameter.shape
        other.assign(parameter)
    found = [run(each, case.x(), training).numpy() for each in (layer, again)]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(layer.penalty(0.1).numpy(), again.penalty(0.1).numpy())
    assert [p.name for p in again.weight_matrices()] == [p.name for p in layer.weight_matrices()]


@EACH
def test_arguments_are_what_the_example_says(case: Case) -> None:
    config = layer_to_config(case.layer())
    for name, value in case.example.arguments.items():
        if name not in ("layers", "branches", "activation"):
            assert config[name] == value


@EACH
@TRAINING
def test_gradients_by_parameters_and_input(case: Case, training: bool) -> None:
    """Forward mode against finite differences, reverse mode against forward mode, twice."""
    layer = case.layer()
    parameters = layer.trainable_parameters()
    by_input = case.example.below is None

    def f(*values: cr.Tensor) -> cr.Tensor:
        x, rest = (values[0], values[1:]) if by_input else (case.x(), values)
        with substituted(dict(zip(parameters, rest, strict=True))):
            return run(layer, x, training)

    arguments = [case.x()] * by_input + [p.numpy() for p in parameters]
    if arguments:
        cr.check_grads(f, arguments, order=2 if sum(np.size(a) for a in arguments) < 60 else 1)


@EACH
def test_backward_reaches_every_trainable_parameter_and_no_other(case: Case) -> None:
    layer = case.layer()
    weights = case.rng().normal(size=run(layer, case.x(), True).shape)
    loss = (run(layer, case.x(), True) * weights).sum()
    assert loss.tracked == bool(layer.trainable_parameters())
    if loss.tracked:
        loss.backward()
    for name, parameter in layer.parameters().items():
        assert (parameter.grad is not None) == parameter.trainable, name


@EACH
def test_outside_training_nothing_is_drawn_and_nothing_changes(case: Case) -> None:
    layer = case.layer()
    before = random_state(), [p.numpy() for p in layer.parameters().values()]
    first, second = layer(case.x()), layer(case.x(), training=False)
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert random_state() == before[0]
    for parameter, value in zip(layer.parameters().values(), before[1], strict=True):
        np.testing.assert_array_equal(parameter.numpy(), value)


@EACH
def test_outside_training_samples_do_not_meet(case: Case) -> None:
    layer, x = case.layer(), case.x()
    y = layer(x).numpy()
    for i in range(len(x)):
        np.testing.assert_allclose(layer(x[i : i + 1]).numpy()[0], y[i], rtol=1e-12, atol=1e-14)


@EACH
@TRAINING
def test_the_same_seed_gives_the_same(case: Case, training: bool) -> None:
    layer = case.layer()
    found = [run(layer, case.x(), training).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*found)


@FLOATS
@TRAINING
@pytest.mark.parametrize(("dtype", "size"), [(F32, 100.0), (F64, 1000.0)], ids=["f32", "f64"])
def test_large_inputs_give_neither_nan_nor_warnings(
    case: Case, training: bool, dtype: np.dtype, size: float
) -> None:
    """Values of ±size, and rows, columns and whole batches of one value."""
    signs = np.sign(case.rng().normal(size=case.example.shape))
    one_row = np.broadcast_to(signs[:1], signs.shape)
    for x in (signs, np.ones_like(signs), -np.ones_like(signs), one_row, np.zeros_like(signs)):
        layer = case.layer(dtype)
        array = (x * size).astype(dtype)
        weights = case.rng().normal(size=run(layer, array, training).shape).astype(dtype)

        def loss(x: cr.Tensor, layer: Layer = layer, weights: np.ndarray = weights) -> cr.Tensor:
            return (run(layer, x, training) * weights).sum()

        value, gradient = cr.value_and_grad(loss)(array)
        if loss(array).tracked:
            loss(array).backward()
        found = [value, gradient, *(p.grad for p in layer.trainable_parameters())]
        assert all(np.isfinite(g.numpy()).all() for g in found if g is not None)


@FLOATS
@pytest.mark.parametrize("given", ["int64", "int8", "bool"])
def test_integers_become_float32(case: Case, given: str) -> None:
    layer = layer_from_config({"type": case.name, **case.example.arguments})
    x = case.rng().integers(0, 2, case.example.shape).astype(given)
    y = layer(x)
    assert y.dtype == (x.dtype if case.name == "Flatten" else F32)  # it computes nothing
    np.testing.assert_array_equal(y.numpy(), layer(x.astype("float32")).numpy())


@EACH
@DTYPES
def test_no_samples(case: Case, dtype: np.dtype) -> None:
    layer = case.layer(dtype)
    expected = layer(case.x(dtype)).shape[1:]
    assert layer(case.x(dtype)[:0]).shape == (0, *expected)


@FLOATS
def test_a_single_number_is_computed_with_or_refused(case: Case) -> None:
    """Never with an error of NumPy's."""
    layer = layer_from_config({"type": case.name, **case.example.arguments})
    try:
        y = layer(np.float64(0.0))
    except ShapeError as error:
        assert error.came in ("a single number", "shape ()")  # noqa: PT017
    else:
        assert case.name in ("Activation", "Dropout", "GaussianNoise")
        assert np.isfinite(y.numpy()).all()


@pytest.mark.parametrize("case", [c for c in CASES if len(c.example.shape) > 1], ids=str)
@DTYPES
def test_files_bring_it_back_bit_for_bit(case: Case, dtype: np.dtype, tmp_path: Path) -> None:
    """After a step of training, which moves statistics, in a model of that dtype."""
    layer = layer_from_config({"type": case.name, **case.example.arguments})
    model = cr.Sequential([layer, cr.Flatten(), cr.Dense(1)], dtype=dtype)
    model.compile("adam", "squared_error")
    model.fit(case.x(), np.arange(len(case.x())), verbose=0, batch_size=len(case.x()))
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert list(again.parameters()) == list(model.parameters())
    for mine, other in zip(model.get_weights(), again.get_weights(), strict=True):
        assert other.dtype == mine.dtype == dtype
        np.testing.assert_array_equal(other, mine)
    np.testing.assert_array_equal(again.predict(case.x()), model.predict(case.x()))
    assert str(again.summary()) == str(model.summary())


@EACH
def test_the_text_of_a_layer_says_its_name(case: Case) -> None:
    assert repr(case.layer()).startswith(f"{case.name}(")
