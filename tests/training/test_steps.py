"""The compiled steps of models: what they depend on, and that they are those of eager execution."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = RNG.integers(0, 3, size=40)


def network(*middle: Any, seed: int = 0, eagerly: bool = False, **options: Any) -> cr.Sequential:
    cr.random.seed(seed)
    model = cr.Sequential([cr.Dense(8, activation="tanh"), *middle, cr.Dense(3)])
    settings = {"optimizer": "adam", "loss": "cross_entropy", "metrics": ["accuracy"], **options}
    model.compile(run_eagerly=eagerly, **settings)
    return model


def history(model: cr.Sequential, **options: Any) -> dict[str, Any]:
    return model.fit(X, Y, epochs=3, verbose=0, batch_size=16, **options).history


def assert_close(a: dict[str, Any], b: dict[str, Any], rtol: float = 1e-4) -> None:
    assert a.keys() == b.keys()
    for name, values in a.items():
        np.testing.assert_allclose(values, b[name], rtol=rtol, err_msg=name)


@pytest.mark.parametrize(
    "middle",
    [
        lambda: cr.Dropout(0.3),
        lambda: cr.BatchNorm(),
        lambda: cr.LayerNorm(),
        lambda: cr.GaussianNoise(0.1),
        lambda: cr.Residual(cr.Dense(8, activation="relu")),
        lambda: cr.Maxout(4, pieces=2),
        lambda: cr.PReLU(),
        lambda: cr.Sequential([cr.Dense(5), cr.Activation("gelu")]),
    ],
)
def test_compiled_training_is_eager_training(middle: Callable[[], Any]) -> None:
    options = {
        "validation_data": (X[:10], Y[:10]),
        "class_weight": {0: 1.0, 1: 2.0, 2: 0.5},
        "sample_weight": np.linspace(0.5, 1.5, 40),
    }
    static, eager = network(middle()), network(middle(), eagerly=True)
    cr.random.seed(1)
    a = history(static, **options)
    cr.random.seed(1)
    assert_close(a, history(eager, **options))
    np.testing.assert_allclose(static.predict(X), eager.predict(X), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer", [cr.optim.SGD(cr.optim.schedules.CosineDecay(0.1, 9)), cr.optim.Adam(0.1)]
)
def test_nothing_is_compiled_again_without_need(optimizer: Any) -> None:
    model = network(cr.Dropout(0.2), optimizer=optimizer)
    for seed in range(3):
        cr.random.seed(seed)
        history(model)
        model.evaluate(X[: 7 + seed], Y[: 7 + seed])
        for n in (1, 5, 40):
            model.predict(X[:n])
        if optimizer.schedule is None:
            optimizer.learning_rate = 0.01 * (seed + 1)
    found = model.explain()
    assert {name: len(each["compilations"]) for name, each in found.items()} == {
        "fit": 1, "evaluate": 1, "predict": 1,
    }  # fmt: skip


class Scaled(cr.Module):
    def __init__(self) -> None:
        self._k, self.array, self.table = 2.0, np.ones(8, np.float32), {"k": 1.0}
        self.function: Callable[[Any], Any] = lambda x: x

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        return self.function(x * self._k * self.array * self.table["k"])


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer, "_k", 7.0),
        lambda layer: setattr(layer, "array", np.full(8, 7.0, np.float32)),
        lambda layer: layer.array.fill(7.0),
        lambda layer: setattr(layer, "table", {"k": 7.0}),
        lambda layer: layer.table.update(k=7.0),
        lambda layer: setattr(layer, "function", lambda x: x * 7.0),
    ],
)
def test_a_changed_layer_is_compiled_again(change: Any) -> None:
    layer = Scaled()
    model = network(layer)
    history(model)
    model.predict(X)
    change(layer)
    np.testing.assert_allclose(model.predict(X), np.asarray(model(X)), rtol=1e-5, atol=1e-6)
    history(model)
    first, second = model.explain()["fit"]["compilations"]
    assert first["reasons"] == ["the first call"]
    assert any(reason.startswith("layers.1.") for reason in second["reasons"])


def times(k: float) -> Callable[[Any], Any]:
    return lambda x: x * k


def test_functions_that_take_each_others_place_in_memory() -> None:
    layer = Scaled()
    model = network(layer)
    for i in range(10):
        for k in (50.0 + i, 100.0 + i):
            layer.function = times(k)
            expected = np.asarray(model(X))
            np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-3)


def test_a_loss_that_reads_from_outside() -> None:
    weights = {"w": 1.0}

    def loss(y: Any, prediction: Any) -> Any:
        return cr.square(prediction[:, 0] - y) * weights["w"]

    model = network(loss=loss, metrics=[])
    before = model.evaluate(X, Y)
    weights["w"] = 3.0
    assert model.evaluate(X, Y) == pytest.approx(3.0 * before, rel=1e-5)


def test_a_rate_that_changes_between_batches() -> None:
    class Change(cr.Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            self.model.layers[1].rate = 0.1 + 0.2 * (batch % 2)

    results = []
    for eagerly in (False, True):
        model = network(cr.Dropout(0.1), eagerly=eagerly)
        cr.random.seed(1)
        results.append(history(model, callbacks=[Change()]))
    assert_close(*results)


def test_what_forward_changes_while_it_is_traced() -> None:
    class Counting(cr.Module):
        def __init__(self) -> None:
            self.n = 0

        def forward(self, x: cr.Tensor) -> cr.Tensor:
            self.n += 1
            return x

    model = network(Counting())
    with pytest.warns(UserWarning, match=r"the model changes layers\.1\.n while it is traced"):
        history(model)
    history(model)
    assert len(model.explain()["fit"]["compilations"]) == 1


def test_freezing_compiles_again_and_says_so() -> None:
    model = network()
    history(model)
    model.layers[0].trainable = False
    before = model.get_weights()[0]
    history(model)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert len(model.explain()["fit"]["compilations"]) == 2


def test_fitted_models_can_be_copied_and_pickled() -> None:
    model = network(cr.Dropout(0.2))
    history(model)
    expected = model.predict(X)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        np.testing.assert_array_equal(other.predict(X), expected)
        other.fit(X, Y, verbose=0)
        np.testing.assert_array_equal(model.predict(X), expected)  # the original is not touched


def test_a_copied_dropout_draws_from_the_seeded_generator() -> None:
    layer = copy.deepcopy(cr.Dropout(0.5))
    masks = []
    for _ in range(2):
        cr.random.seed(5)
        masks.append(layer(np.ones((1, 20)), training=True).tolist())
    assert masks[0] == masks[1]


def test_an_optimizer_keeps_nothing_of_a_trace() -> None:
    model = network()
    history(model)
    optimizer: Any = model.setup.optimizer  # type: ignore[union-attr]
    assert (optimizer._numbers, optimizer._cast) == ((), {})


def test_code_that_needs_values_says_what_to_do() -> None:
    class Branching(cr.Module):
        def forward(self, x: cr.Tensor) -> cr.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(cr.ChainruleError, match=r"cr\.cond") as caught:
        network(Branching()).fit(X, Y, verbose=0)
    assert "run_eagerly=True" in caught.value.__notes__[0]
    network(Branching(), eagerly=True).fit(X, Y, verbose=0)


def test_explanation_of_a_model() -> None:
    model = network()
    assert "Nothing is compiled" in str(model.explain())
    history(model)
    model.predict(X)
    text = str(model.explain())
    for part in ("fit: update of Sequential: compiled once", "predict: prediction of Sequential"):
        assert part in text
    assert repr(model.explain()) == text
    assert "<pre>" in model.explain()._repr_html_()
    lbfgs = network(optimizer="lbfgs")
    lbfgs.fit(X, Y, batch_size=40, verbose=0)
    assert lbfgs.explain()["fit"]["compilations"][0]["pull_backs"]
