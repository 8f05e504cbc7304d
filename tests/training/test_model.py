from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn.metrics

import chainrule as cr
from chainrule.core.errors import ArgumentError, ChainruleError, DataError, DtypeError, ShapeError
from chainrule.losses import LOSSES, CrossEntropy
from chainrule.metrics import METRICS, R2
from chainrule.optim import OPTIMIZERS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = (X[:, 0] > X[:, 1]).astype(int) + (X[:, 2] > 0.5)
TARGET = X @ np.array([1.0, -2.0, 0.5]) + 0.1


def classifier(dtype: str = "float32", **options: Any) -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(5, activation="tanh"), cr.Dense(3)], dtype=dtype)
    model.compile("adam", "cross_entropy", ["accuracy"], **options)
    return model


def regressor(units: int = 1, dtype: str = "float32", **options: Any) -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(5, activation="tanh"), cr.Dense(units)], dtype=dtype)
    model.compile(cr.optim.SGD(0.05), "squared_error", ["mae", "r2"], **options)
    return model


def assert_equal(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------- learning


def test_it_learns() -> None:
    model = classifier()
    model.compiled().optimizer.learning_rate = 0.02
    history = model.fit(X, LABELS, epochs=200, batch_size=8, verbose=0)
    assert history.history["accuracy"][-1] > 0.95
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]


def test_labels_in_every_form_train_alike() -> None:
    weights = []
    for y in (LABELS, LABELS[:, None], LABELS.astype(float), np.eye(3)[LABELS], LABELS.tolist()):
        model = classifier(dtype="float64")
        model.fit(X, y, epochs=3, verbose=0)
        weights.append(model.get_weights())
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


FRAME = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
FORMS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "lists": (lambda: X.tolist(), lambda: TARGET.tolist()),
    "pandas": (lambda: pd.DataFrame(FRAME), lambda: pd.Series(TARGET)),
    "pandas index": (
        lambda: pd.DataFrame(FRAME, index=range(100, 140)),
        lambda: pd.Series(TARGET, index=range(200, 240)),
    ),
    "pandas frames": (lambda: pd.DataFrame(FRAME), lambda: pd.DataFrame({"y": TARGET})),
    "polars": (lambda: pl.DataFrame(FRAME), lambda: pl.Series(TARGET)),
    "polars frames": (lambda: pl.DataFrame(FRAME), lambda: pl.DataFrame({"y": TARGET})),
    "pyarrow": (lambda: pa.table(FRAME), lambda: pa.array(TARGET)),
    "pyarrow columns": (
        lambda: pa.table(FRAME),
        lambda: pa.chunked_array([TARGET[:9], TARGET[9:]]),
    ),
    "tensors": (lambda: cr.tensor(X), lambda: cr.tensor(TARGET)),
    "a column": (lambda: X, lambda: TARGET[:, None]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_array_likes_train_alike(form: str, dtype: str) -> None:
    weights, outputs, scores = [], [], []
    for x, y in ((X, TARGET), (FORMS[form][0](), FORMS[form][1]())):
        model = regressor(dtype=dtype)
        model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y))
        weights.append(model.get_weights())
        outputs.append(model.predict(x))
        scores.append(model.evaluate(x, y))
    assert_equal(weights[1], weights[0])
    np.testing.assert_array_equal(outputs[1], outputs[0])
    assert scores[0] == scores[1]


def test_a_vector_of_targets_does_not_broadcast() -> None:
    model = regressor()
    model.make_parameters((3,))
    assert model.evaluate(X, TARGET) == model.evaluate(X, TARGET[:, None])
    wanted = np.square(model.predict(X)[:, 0] - TARGET).mean()
    assert model.evaluate(X, TARGET, return_dict=True)["loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda y, p: cr.square(y - p).mean(), "mse"),
        (lambda y, p: cr.square(y - p).mean(axis=-1), "mse"),
        (lambda y, p: cr.square(y - p), "mse"),
        (lambda y, p: (cr.softplus(p) - y * p).mean(), "binary_cross_entropy"),
    ],
)
def test_a_function_as_the_loss_trains_as_the_loss_of_that_name(function: Any, named: str) -> None:
    y = (TARGET.mean() < TARGET).astype(int)
    for targets in (y, y[:, None], y.astype(bool), y.tolist()):
        found = []
        for given in (function, named):
            model = regressor()
            model.compile("adam", given)
            history = model.fit(X, targets, epochs=3, batch_size=8, verbose=0)
            found.append([*history.history["loss"], *model.predict(X).ravel()])
        np.testing.assert_allclose(found[0], found[1], rtol=2e-4, atol=1e-6)


def test_layers_come_in_one_list() -> None:
    for call in (
        lambda: cr.Sequential(cr.Dense(3), cr.Dense(1)),  # type: ignore[arg-type]
        lambda: cr.Sequential(cr.Dense(3)),  # type: ignore[arg-type]
    ):
        with pytest.raises(DtypeError) as caught:
            call()
        assert str(caught.value) == (
            "layers: got a Dense by itself; expected one list of layers, as in "
            "cr.Sequential([cr.Dense(3), cr.Dense(1)])."
        )


@pytest.mark.parametrize(
    "given", [None, (), [], cr.EarlyStopping("loss"), [cr.EarlyStopping("loss")]]
)
def test_one_callback_several_or_none(given: Any) -> None:
    assert len(classifier().fit(X, LABELS, callbacks=given, verbose=0).history["loss"]) == 1


def test_a_frozen_layer_learns_nothing() -> None:
    model = classifier()
    model.layers[0].trainable = False
    model.make_parameters((3,))
    before = model.get_weights()
    model.fit(X, LABELS, verbose=0)
    kept = [(a == b).all() for a, b in zip(before, model.get_weights(), strict=True)]
    assert kept == [True, True, False, False]


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_frozen_model_says_that_it_learns_nothing(optimizer: str) -> None:
    model = classifier()
    model.compile(optimizer, "cross_entropy", l2=0.1)
    model.trainable = False
    model.make_parameters((3,))
    before = model.get_weights()
    with pytest.warns(UserWarning, match="^the model has no trainable parameters: nothing is"):
        history = model.fit(X, LABELS, epochs=2, batch_size=40, verbose=0)
    assert_equal(model.get_weights(), before)
    assert history.history["loss"][0] == history.history["loss"][1]


def test_a_model_of_ones_own_trains() -> None:
    class Skip(cr.Model):
        """Two branches, a list of layers, and a parameter of its own."""

        def __init__(self) -> None:
            self.stack = [cr.Dense(4, activation="relu") for _ in range(2)]
            self.out = cr.Dense(1)
            self.gate = cr.Parameter(0.5)

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            a = self.stack[1](self.stack[0](x))
            return self.out(cr.concatenate([a, x], axis=1)) * self.gate

    cr.random.seed(0)
    model = Skip()
    model.compile(cr.optim.SGD(0.05, momentum=0.9), "squared_error", ["r2"])
    history = model.fit(X, TARGET, epochs=60, batch_size=8, verbose=0)
    assert history.history["r2"][-1] > 0.95
    assert model.predict(X).shape == (40, 1)
    assert list(model.parameters()) == [
        "stack.0.kernel", "stack.0.bias", "stack.1.kernel", "stack.1.bias", "out.kernel",
        "out.bias", "gate",
    ]  # fmt: skip
    assert model.parameters()["gate"].item() != 0.5


def test_training_is_said_to_the_layers() -> None:
    seen = set()

    class Noting(cr.Module):
        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            seen.add((training, x.data is None))
            return x

    model = cr.Sequential([cr.Dense(1), Noting()])
    model.compile("sgd", "squared_error", run_eagerly=True)
    model.fit(X, TARGET, verbose=0)
    assert seen == {(True, False), (False, True)}  # steps, and types
    seen.clear()
    model.compile("sgd", "squared_error")
    model.fit(X, TARGET, verbose=0)
    assert seen == {(True, True), (False, True)}  # traced steps, and types
    seen.clear()
    model.evaluate(X, TARGET)
    model.predict(X)
    assert (True, False) not in seen


def test_three_dimensional_input() -> None:
    x = RNG.normal(size=(20, 4, 3))
    model = regressor(units=2)
    y = RNG.normal(size=(20, 4, 2))
    history = model.fit(x, y, epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert model.predict(x).shape == (20, 4, 2)


# --------------------------------------------------------------------------- evaluate and predict


@pytest.mark.parametrize("batch_size", [1, 3, 7, 39, 40, 41, 1000])
def test_batch_size_changes_no_result(batch_size: int) -> None:
    for model, y in ((regressor(l2=0.1), TARGET), (classifier(l2=0.1), LABELS)):
        model.fit(X, y, epochs=2, verbose=0)
        before = model.get_weights()
        whole, outputs = model.evaluate(X, y, return_dict=True), model.predict(X)
        again = model.evaluate(X, y, batch_size=batch_size, return_dict=True)
        assert again == pytest.approx(whole, rel=1e-5)
        np.testing.assert_allclose(
            model.predict(X, batch_size=batch_size), outputs, rtol=1e-5, atol=1e-6
        )
        assert_equal(model.get_weights(), before)
        assert all(
            p.grad is None or np.isfinite(p.grad.numpy()).all()
            for p in model.trainable_parameters()
        )


def test_evaluate_measures_what_scikit_learn_measures() -> None:
    model = regressor(dtype="float64", l2=0.1)
    model.fit(X, TARGET, epochs=5, verbose=0)
    prediction = model.predict(X)[:, 0]
    found = model.evaluate(X, TARGET, return_dict=True)
    assert isinstance(found, dict)
    kernels = [w for w in model.get_weights() if w.ndim == 2]
    penalty = 0.05 * sum(np.square(w).sum() for w in kernels)
    mse = sklearn.metrics.mean_squared_error(TARGET, prediction)
    assert found["loss"] == pytest.approx(mse + penalty, rel=1e-12)
    mae = sklearn.metrics.mean_absolute_error(TARGET, prediction)
    assert found["mae"] == pytest.approx(mae, rel=1e-12)
    assert found["r2"] == pytest.approx(sklearn.metrics.r2_score(TARGET, prediction), rel=1e-12)
    assert model.evaluate(X, TARGET) == [found["loss"], found["mae"], found["r2"]]


def test_evaluate_without_metrics_is_one_number() -> None:
    model = regressor()
    model.compile("sgd", "squared_error")
    assert isinstance(model.evaluate(X, TARGET), float)
    assert list(model.evaluate(X, TARGET, return_dict=True)) == ["loss"]


def test_validation_in_fit_is_evaluate() -> None:
    model = classifier(l2=0.01)
    history = model.fit(
        X[:30], LABELS[:30], validation_data=(X[30:], LABELS[30:]), batch_size=7, verbose=0
    )
    found = model.evaluate(X[30:], LABELS[30:], return_dict=True)
    last = {name: values[-1] for name, values in history.history.items()}
    assert last["val_loss"] == pytest.approx(found["loss"], rel=1e-5)
    assert last["val_accuracy"] == found["accuracy"]
    assert list(last) == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_predict() -> None:
    model = classifier(dtype="float64")
    model.fit(X, LABELS, epochs=2, verbose=0)
    found = model.predict(X)
    assert type(found) is np.ndarray
    assert (found.shape, found.dtype) == ((40, 3), np.float64)
    W1, b1, W2, b2 = model.get_weights()
    np.testing.assert_allclose(found, np.tanh(X @ W1 + b1) @ W2 + b2, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(model(X).numpy(), found, rtol=1e-13, atol=1e-13)
    found[:] = 0.0  # the caller's own


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_rows_give_no_predictions(dtype: str) -> None:
    model = classifier(dtype=dtype)
    found = model.predict(np.zeros((0, 3)))
    assert (found.shape, found.dtype) == ((0, 3), dtype)
    assert model.predict(pl.DataFrame(FRAME)[:0]).shape == (0, 3)


def test_predict_needs_no_compiling() -> None:
    assert cr.Sequential([cr.Dense(2)]).predict(X).shape == (40, 2)


# ------------------------------------------------------------------------------ validation_split


@pytest.mark.parametrize(("share", "kept"), [(0.25, 30), (0.1, 36), (39 / 40, 1), (0.5, 20)])
def test_the_last_rows_validate(share: float, kept: int) -> None:
    models = [regressor(), regressor()]
    cr.random.seed(0)
    first = models[0].fit(X, TARGET, validation_split=share, epochs=3, verbose=0)
    cr.random.seed(0)
    second = models[1].fit(
        X[:kept], TARGET[:kept], validation_data=(X[kept:], TARGET[kept:]), epochs=3, verbose=0
    )
    assert_equal(models[0].get_weights(), models[1].get_weights())
    for name, values in first.history.items():
        np.testing.assert_array_equal(values, second.history[name])


def test_validation_data_goes_before_validation_split() -> None:
    model = regressor()
    recorded = model.fit(
        X, TARGET, validation_split=0.5, validation_data=(X[:5], TARGET[:5]), verbose=0,
        callbacks=[steps := Steps()],
    )  # fmt: skip
    assert steps.batches == 2  # all 40 rows train
    found = model.evaluate(X[:5], TARGET[:5], return_dict=True)
    assert isinstance(found, dict)
    assert recorded.history["val_loss"][0] == pytest.approx(found["loss"], rel=1e-5)


class Steps(cr.Callback):
    batches = 0

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.batches += 1


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.001, "got 0.001 of 40 samples; expected a share that leaves both sides some."),
        (0.999, "got 0.999 of 40 samples; expected a share that leaves both sides some."),
        (1.0, "got 1.0; expected a number in [0, 1)."),
        (-0.1, "got -0.1; expected a number in [0, 1)."),
        ("half", "got 'half'; expected a number in [0, 1)."),
    ],
)
def test_shares_that_do_not_fit(share: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        regressor().fit(X, TARGET, validation_split=share, verbose=0)
    assert str(caught.value) == f"validation_split: {text}"


# ------------------------------------------------------------------------- errors, text by text

NAN = np.where(np.arange(120).reshape(40, 3) == 22, np.nan, X)


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (
            NAN,
            LABELS,
            "x: got 1 values that are NaN or infinite, first in row 7; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            np.where(np.isnan(NAN), -np.inf, NAN),
            LABELS,
            "x: got 1 values that are NaN or infinite, first in row 7; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            X[:, 0],
            LABELS,
            "x: got shape (40,); expected samples first: shape (n, features). One feature: "
            "x.reshape(-1, 1). One sample: x.reshape(1, -1).",
        ),
        (X[:0], LABELS[:0], "x: got no samples; expected at least one."),
        (X, LABELS[:30], "y: got 30 targets; expected 40, one for each sample."),
        (
            X,
            LABELS + 1,
            "y: got labels from 1 to 3; expected integers from 0 to 2 (3 classes). Number the "
            "classes from 0, or give the last layer one unit a class.",
        ),
        (
            X,
            TARGET,
            "y: got numbers with fractions; expected integer labels from 0 to 2. For a target "
            "that is a quantity use loss='squared_error'.",
        ),
        (
            X,
            np.where(np.arange(40) > 8, np.nan, LABELS),
            "y: got 31 values that are NaN or infinite, first in row 9; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            X,
            np.zeros((40, 2)),
            "y: got shape (40, 2); expected integer labels of shape (n,), or one-hot rows of "
            "shape (n, 3).",
        ),
        (X, list("abcd" * 10), "y: got values of dtype <U1; expected numbers. Encode text as "
                               "numbers first."),
        ([["a"]], [0], "x: got values of dtype <U1; expected numbers. Encode text as numbers "
                       "first."),
    ],
)  # fmt: skip
def test_data_that_does_not_fit(x: Any, y: Any, text: str) -> None:
    rename = {"x": "validation_data[0]", "y": "validation_data[1]"}
    renamed = rename[text[0]] + text[1:]
    calls = [
        (lambda m: m.fit(x, y, verbose=0), text),
        (lambda m: m.evaluate(x, y), text),
        (lambda m: m.fit(X, LABELS, verbose=0, validation_data=(x, y)), renamed),
    ]
    if text[0] == "x" and "no samples" not in text:
        calls.append((lambda m: m.predict(x), text))
    for call, wanted in calls:
        model = classifier()
        model.make_parameters((3,))
        before = model.get_weights()
        with pytest.raises(ArgumentError) as caught:
            call(model)
        assert str(caught.value) == wanted
        assert_equal(model.get_weights(), before)


def test_another_number_of_features() -> None:
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    text = "got samples of shape (2,); expected shape (3,), as the model was made for."
    for call in (
        lambda: model.fit(X[:, :2], LABELS, verbose=0),
        lambda: model.evaluate(X[:, :2], LABELS),
        lambda: model.predict(X[:, :2]),
        lambda: model.predict(np.zeros((0, 2))),
        lambda: model.make_parameters((2,)),
    ):
        with pytest.raises(ShapeError) as caught:
            call()
        assert str(caught.value) == f"x: {text}"
    with pytest.raises(ShapeError) as caught:
        model.fit(X, LABELS, verbose=0, validation_data=(X[:, :2], LABELS))
    assert str(caught.value) == f"validation_data[0]: {text}"


def test_a_target_that_is_no_number() -> None:
    with pytest.raises(
        DataError, match=r"^y: got 1 values that are NaN or infinite, first in row 3"
    ):
        regressor().fit(X, np.where(np.arange(40) == 3, np.nan, TARGET), verbose=0)
    with pytest.raises(ShapeError) as caught:
        regressor(units=2).fit(X, TARGET, verbose=0)
    assert str(caught.value) == (
        "y: got shape (40,); expected shape (n, 2), as the network's output. Give the last layer "
        "as many units as there are targets."
    )


def test_one_output_has_no_classes() -> None:
    model = cr.Sequential([cr.Dense(1)])
    model.compile("sgd", "cross_entropy")
    with pytest.raises(
        ArgumentError, match=r"^loss: got 'cross_entropy' for a network with one out"
    ):
        model.fit(X, LABELS % 2, verbose=0)
    model.compile("sgd", "squared_error", ["accuracy"])
    model.fit(X, LABELS % 2, verbose=0)  # yes or no
    with pytest.raises(ArgumentError, match=r"^metrics: got 'accuracy' for a network with one out"):
        model.fit(X, LABELS, verbose=0)


def test_metrics_do_not_broadcast() -> None:
    model = cr.Sequential([cr.Dense(40)])
    model.compile("sgd", "cross_entropy", ["mse"])
    with pytest.raises(
        ShapeError, match=r"^y for the metric 'mse': got shape \(40,\); expected sha"
    ):
        model.fit(X, LABELS, verbose=0)

    def squared(y: cr.Tensor, p: cr.Tensor) -> cr.Tensor:
        return cr.square(p - y.reshape(p.shape)).mean(axis=1)

    model = regressor()
    model.compile("sgd", squared, ["mse"])
    found = model.evaluate(X, TARGET, return_dict=True)
    assert isinstance(found, dict)
    assert found["mse"] == pytest.approx(found["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"batch_size": 0}, "batch_size: got 0; expected a whole number from 1."),
        ({"batch_size": 2.5}, "batch_size: got 2.5; expected a whole number from 1."),
        ({"epochs": 0}, "epochs: got 0; expected a whole number from 1."),
        (
            {"validation_data": (X,)},
            "validation_data: got 1 things; expected a pair (x, y), or (x, y, sample_weight).",
        ),
        (
            {"validation_data": (X, LABELS, LABELS, LABELS)},
            "validation_data: got 4 things; expected a pair (x, y), or (x, y, sample_weight).",
        ),
    ],
)
def test_arguments_of_fit_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        classifier().fit(X, LABELS, **{"verbose": 0, **arguments})
    assert str(caught.value) == text


def test_batch_sizes_of_evaluate_and_predict() -> None:
    for call in (
        lambda: classifier().evaluate(X, LABELS, batch_size=-1),
        lambda: classifier().predict(X, batch_size=-1),
    ):
        with pytest.raises(
            ArgumentError, match=r"^batch_size: got -1; expected a whole number fro"
        ):
            call()


# ------------------------------------------------------------------------------------- compiling


def test_not_compiled() -> None:
    model = cr.Sequential([cr.Dense(1)])
    for call in (lambda: model.fit(X, TARGET), lambda: model.evaluate(X, TARGET)):
        with pytest.raises(ChainruleError) as caught:
            call()
        assert str(caught.value) == (
            "the model is not compiled: call model.compile(optimizer=..., loss=...) first"
        )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"optimizer": "addam"},
            f"optimizer: got 'addam'; expected one of {', '.join(OPTIMIZERS)}, or a "
            "chainrule.optim.Optimizer. Did you mean 'adam'",
        ),
        (
            {"loss": "crossentropy"},
            f"loss: got 'crossentropy'; expected one of {', '.join(LOSSES)}, or a "
            "function of (y, prediction). Did you mean 'cross_entropy'",
        ),
        (
            {"metrics": ["accuracy", "maee"]},
            f"metrics: got 'maee'; expected names among {', '.join(METRICS)}. Did you mean 'mae'",
        ),
        ({"l2": -1}, "l2: got -1; expected a finite number from 0."),
    ],
)
def test_arguments_of_compile_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    model = classifier()
    before = model.setup
    with pytest.raises(ArgumentError) as caught:
        model.compile(**arguments)
    assert str(caught.value).startswith(text)
    assert model.setup is before


def test_what_compile_takes() -> None:
    model = cr.Sequential([cr.Dense(3)])
    optimizer, loss = cr.optim.Adam(0.5), CrossEntropy()
    model.compile(optimizer, loss, "accuracy", l2=0.5, run_eagerly=True)
    assert model.setup is not None
    assert (model.setup.optimizer, model.setup.loss, model.setup.l2) == (optimizer, loss, 0.5)
    assert [m.name for m in model.setup.make_metrics()] == ["accuracy"]
    model.compile(metrics=[R2, "mse"])
    assert [m.name for m in model.setup.make_metrics()] == ["r2", "mse"]
    assert repr(model.setup.optimizer) == "SGD(learning_rate=0.01, momentum=0, nesterov=False)"
    assert model.setup.loss.name == "squared_error"


def test_metrics_begin_anew_in_each_epoch() -> None:
    model = classifier()
    model.compile(cr.optim.SGD(0.0), "cross_entropy", ["accuracy"])
    history = model.fit(X, LABELS, epochs=3, verbose=0)
    assert len(set(history.history["accuracy"])) == 1


# --------------------------------------------------------------------------- weights and building


def test_weights_have_kerass_order_and_shapes() -> None:
    model = cr.Sequential([cr.Dense(4), cr.Activation("relu"), cr.Dense(2, use_bias=False)])
    assert model.get_weights() == []
    model.make_parameters((3,))
    assert [w.shape for w in model.get_weights()] == [(3, 4), (4,), (4, 2)]
    assert list(model.parameters()) == ["layers.0.kernel", "layers.0.bias", "layers.2.kernel"]
    new = [np.arange(w.size, dtype=float).reshape(w.shape) for w in model.get_weights()]
    model.set_weights(new)
    assert_equal(model.get_weights(), new)
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float32")}
    assert model.layers[2](np.eye(4)).tolist() == new[2].tolist()


def test_weights_are_copies() -> None:
    model = regressor()
    model.make_parameters((3,))
    before = model.get_weights()
    taken = model.get_weights()
    taken[0][:] = 7.0
    assert_equal(model.get_weights(), before)
    given = [w + 1.0 for w in before]
    model.set_weights(given)
    given[0][:] = 9.0
    assert_equal(model.get_weights(), [w + 1.0 for w in before])


def test_weights_that_do_not_fit() -> None:
    model = regressor()
    with pytest.raises(ArgumentError) as caught:
        model.set_weights([np.zeros(3)])
    assert str(caught.value) == "arrays: got 1 arrays; expected 0: call the model once first."
    model.make_parameters((3,))
    before = model.get_weights()
    with pytest.raises(ArgumentError) as caught:
        model.set_weights(before[:3])
    assert str(caught.value) == (
        "arrays: got 3 arrays; expected 4: layers.0.kernel, layers.0.bias, layers.1.kernel, "
        "layers.1.bias."
    )
    with pytest.raises(ShapeError) as shape:
        model.set_weights([*[w + 1 for w in before[:3]], np.zeros(2)])
    assert str(shape.value) == "array for layers.1.bias: got (2,); expected (1,)."
    assert_equal(model.get_weights(), before)  # nothing was set


def test_parameters_are_made_once() -> None:
    model = regressor()
    model.make_parameters([np.int64(3)])
    before = model.get_weights()
    model.make_parameters((3,))
    assert_equal(model.get_weights(), before)
    assert model.input_shape == (3,)


def test_calling_makes_the_parameters_too() -> None:
    model = regressor()
    model(np.zeros((2, 3)))
    assert model.input_shape == (3,)
    assert len(model.get_weights()) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64", "int64", "bool"])
def test_the_models_dtype_is_that_of_parameters_and_outputs(dtype: str, given: str) -> None:
    model = cr.Sequential([cr.Activation("tanh"), cr.Dense(2)], dtype=dtype)
    assert model(np.ones((2, 3), given)).dtype == dtype
    assert {w.dtype for w in model.get_weights()} == {np.dtype(dtype)}
    assert model.predict(np.ones((2, 3), given)).dtype == dtype
    assert model([[0.1, 0.2, 0.3]]).tolist() == model(np.array([[0.1, 0.2, 0.3]])).tolist()


def test_gradients_reach_the_input() -> None:
    model = regressor(dtype="float32")
    gradient = cr.grad(lambda x: model(x).sum())(X)
    assert gradient.dtype == np.float64
    assert (gradient.numpy() != 0).any()


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_dtypes_that_are_no_floats(dtype: str) -> None:
    with pytest.raises(DtypeError) as caught:
        cr.Sequential(dtype=dtype)
    assert str(caught.value) == f"dtype: got {dtype}; expected float32 or float64."


# ------------------------------------------------------------------------------------ Sequential


def test_layers_may_be_added_one_by_one() -> None:
    model = cr.Sequential()
    model.add(cr.Dense(2))
    model.add(cr.Activation("relu"))
    assert model.predict(X).shape == (40, 2)
    with pytest.raises(ChainruleError) as caught:
        model.add(cr.Dense(1))
    assert str(caught.value) == "a layer cannot be added once the parameters are made"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (64, "layers: got a int; expected layers, such as cr.Dense(64)."),
        ("relu", "layers: got a str; expected layers, such as cr.Dense(64)."),
        (
            cr.Dense,
            "layers: got a type; expected layers, such as cr.Dense(64). Did you forget the "
            "parentheses?",
        ),
    ],
)
def test_what_is_no_layer(given: Any, text: str) -> None:
    for make in (lambda: cr.Sequential([given]), lambda: cr.Sequential().add(given)):
        with pytest.raises(DtypeError) as caught:
            make()
        assert str(caught.value) == text


def test_without_layers() -> None:
    with pytest.raises(ChainruleError) as caught:
        cr.Sequential().predict(X)
    assert str(caught.value) == ("the model has no layers: add some, as in model.add(cr.Dense(1))")


def test_one_may_stand_in_another() -> None:
    inner = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(2)])
    model = cr.Sequential([inner, cr.Dense(1)])
    model.compile("sgd", "squared_error")
    model.fit(X, TARGET, verbose=0)
    assert next(iter(model.parameters())) == "layers.0.layers.0.kernel"
    assert model.predict(X).shape == (40, 1)
    described = model.config()["layers"][0]
    assert (described["type"], len(described["layers"])) == ("Sequential", 2)


def test_the_architecture_as_json() -> None:
    model = cr.Sequential([cr.Dense(2, activation="relu"), cr.Activation("tanh")], dtype="float64")
    model.make_parameters((3,))
    assert model.config() == {
        "type": "Sequential",
        "dtype": "float64",
        "input_shape": [3],
        "layers": [
            {
                "type": "Dense",
                "units": 2,
                "activation": "relu",
                "use_bias": True,
                "kernel_initializer": "glorot_uniform",
                "bias_initializer": "zeros",
            },
            {"type": "Activation", "activation": "tanh"},
        ],
    }


def test_the_lectures_listing_in_our_names() -> None:
    x, y = RNG.normal(size=(64, 100)), np.eye(10)[np.arange(64) % 10]
    model = cr.Sequential()
    model.add(cr.Dense(64))
    model.add(cr.Activation("relu"))
    model.add(cr.Dense(10))
    model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    model.fit(x, y, epochs=5, batch_size=32, verbose=0)
    loss, accuracy = model.evaluate(x, y, batch_size=32)
    assert 0 < loss < 5
    assert 0 <= accuracy <= 1
    assert re.match(r"Sequential: input 100\n", str(model.summary()))
