"""The native training loop against the NumPy executor's training, through ``fit`` and by itself."""

from __future__ import annotations

import gc
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph
from chainrule.core.tensor import unknown
from chainrule.core.types import Array, ArrayType
from chainrule.native.training import TrainingLoop
from chainrule.native.unsupported import UnsupportedError
from chainrule.training.loop import DivergedError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((53, 6)).astype("f4")
LABELS = RNG.integers(0, 3, 53)
BINARY = RNG.integers(0, 2, (53, 1)).astype("f4")
REAL = RNG.standard_normal((53, 2)).astype("f4")
POSITIVE = RNG.uniform(0.5, 3.0, (53, 2)).astype("f4")


class Each(cr.Callback):
    """Looks at every batch, so that the loop is left after each."""

    @property
    def needs_every_batch(self) -> bool:
        return True

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Do nothing."""


def network(*layers: Any, units: int = 2) -> Any:
    return lambda: cr.Sequential([*[make() for make in layers], cr.Dense(units)])


def dense(units: int = 5, activation: str = "tanh") -> Any:
    return lambda: cr.Dense(units, activation=activation)


def trained(
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
    make: Any,
    y: Array,
    optimizer: Any,
    loss: Any,
    *,
    x: Array = X,
    epochs: int = 3,
    batch_size: int = 8,
    **options: Any,
) -> tuple[dict[str, list[float]], list[Array]]:
    """Fit with an engine, and return the history and the weights."""
    monkeypatch.setenv("CHAINRULE_ENGINE", engine)
    cr.random.seed(3)
    model = make()
    model.compile(optimizer=optimizer(), loss=loss)
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, **options)
    ran = model.explain()["fit"]
    assert ran["engine"] == engine, ran["why_not_native"]
    return history.history, model.get_weights()


def same_training(
    monkeypatch: pytest.MonkeyPatch, *args: Any, rtol: float = 2e-4, **options: Any
) -> None:
    """Hold both engines together, and the native loop in pieces and batch by batch, bit by bit."""
    native, weights = trained("native", monkeypatch, *args, **options)
    wanted, others = trained("numpy", monkeypatch, *args, **options)
    assert native.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_allclose(native[name], wanted[name], rtol=rtol, atol=1e-6)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=20 * rtol, atol=20 * rtol * np.abs(b).max())
    given = options.pop("callbacks", [])
    by_batch, once = trained("native", monkeypatch, *args, callbacks=[*given, Each()], **options)
    assert by_batch == native
    assert [w.tobytes() for w in once] == [w.tobytes() for w in weights]


SGD = lambda: cr.optim.SGD(0.05)  # noqa: E731
OPTIMIZERS = {
    "sgd": SGD,
    "momentum": lambda: cr.optim.SGD(0.02, momentum=0.9),
    "nesterov": lambda: cr.optim.SGD(0.02, momentum=0.9, nesterov=True),
    **{
        name: partial(getattr(cr.optim, name), 0.01)
        for name in (
            *("Adam", "AdamW", "AMSGrad", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Lion"),
            "Muon",
        )
    },
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Lion takes signs and Muon orthogonalizes, so rounding moves more than the last digits.
    rtol = 5e-3 if name in ("Lion", "Muon") else 2e-4
    make = network(dense(), units=3)
    same_training(monkeypatch, make, LABELS, OPTIMIZERS[name], "cross_entropy", epochs=2, rtol=rtol)


LOSSES: list[tuple[Any, Array, int]] = [
    ("mse", REAL, 2), ("mae", REAL, 2), ("huber", REAL, 2), ("log_cosh", REAL, 2),
    ("cross_entropy", LABELS, 3), ("cross_entropy", np.eye(3, dtype="f4")[LABELS], 3),
    ("binary_cross_entropy", BINARY, 1), ("hinge", 2 * BINARY - 1, 1), ("poisson", POSITIVE, 2),
    (cr.losses.Quantile(0.3), REAL, 2), ("cosine_similarity", REAL, 2),
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(LOSSES)))
def test_losses(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, y, units = LOSSES[place]
    same_training(monkeypatch, network(dense(), units=units), y, SGD, loss, epochs=2)


ACTIVATIONS = [
    *("relu", "sigmoid", "tanh", "softplus", "elu", "selu", "gelu", "gelu_tanh", "silu", "mish"),
    *("leaky_relu", "relu6", "hard_tanh", "hard_sigmoid", "softsign", "log_sigmoid", "sine"),
    *("linear", "softmax", "hard_silu"),
]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    same_training(monkeypatch, network(dense(activation=activation)), REAL, SGD, "mse", epochs=2)


LAYERS = {
    "dropout": [dense(9, "relu"), lambda: cr.Dropout(0.4), dense()],
    "noise": [lambda: cr.GaussianNoise(0.3), dense()],
    "batch norm": [dense(), lambda: cr.BatchNorm(), dense()],
    "layer norm": [dense(), lambda: cr.LayerNorm(), dense()],
    "rms norm": [dense(), lambda: cr.RMSNorm()],
    "two dropouts": [lambda: cr.Dropout(0.2), dense(), lambda: cr.Dropout(0.5)],
    "prelu": [dense(), lambda: cr.PReLU()],
    "maxout": [lambda: cr.Maxout(4, 3)],
    "residual": [dense(), lambda: cr.Residual(cr.Dense(5, activation="relu"))],
    "one unit": [dense(1), dense(1), dense(2)],
    "deep": [dense(4)] * 8,
    "wide": [dense(70, "relu")],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that draw: the same numbers as eager execution, step by step."""
    same_training(monkeypatch, network(*LAYERS[name]), REAL, SGD, "mse", epochs=2)


def test_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Any:
        return cr.Sequential(
            [cr.Dense(7, activation="tanh"), cr.Dropout(0.3), cr.Dense(1)], dtype="float64"
        )

    adam = lambda: cr.optim.Adam(0.01)  # noqa: E731
    same_training(monkeypatch, make, REAL[:, :1].astype("f8"), adam, "mse", x=X.astype("f8"),
                  rtol=1e-10)  # fmt: skip


@pytest.mark.parametrize("units", [1, 2, 17])
@pytest.mark.parametrize("batch_size", [1, 7, 53, 99])
def test_sizes_and_partial_batches(
    units: int, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd and even numbers of steps an epoch, and a last batch that is smaller."""
    y = RNG.standard_normal((53, units)).astype("f4")
    same_training(
        monkeypatch, network(dense(units), units=units), y, SGD, "mse",
        epochs=2, batch_size=batch_size,
    )  # fmt: skip


@pytest.mark.parametrize("options", [
    {"sample_weight": RNG.uniform(0, 2, 53).astype("f4")}, {"shuffle": False},
    {"validation_data": (X[:9], LABELS[:9])}, {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
])  # fmt: skip
def test_options_of_fit(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    make = network(dense(), units=3)
    same_training(monkeypatch, make, LABELS, SGD, "cross_entropy", **options)


def test_schedules_and_clipping(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.optim.schedules import ExponentialDecay

    make = network(dense())
    adam = lambda: cr.optim.Adam(ExponentialDecay(0.05, 10, 0.7), clipnorm=0.5)  # noqa: E731
    same_training(monkeypatch, make, REAL, adam, "mse")


class Meddler(cr.Callback):
    """Changes weights and the learning rate between batches."""

    @property
    def needs_every_batch(self) -> bool:
        return True

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 2:
            self.model.compiled().optimizer.learning_rate = 0.2
        if batch == 4:
            self.model.set_weights([w * 0.5 for w in self.model.get_weights()])


def test_callbacks_that_change_weights_and_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    args = (network(dense()), REAL, SGD, "mse")
    native, weights = trained("native", monkeypatch, *args, callbacks=[Meddler()])
    wanted, others = trained("numpy", monkeypatch, *args, callbacks=[Meddler()])
    plain, _ = trained("native", monkeypatch, *args)
    np.testing.assert_allclose(native["loss"], wanted["loss"], rtol=1e-4)
    assert abs(native["loss"][0] / plain["loss"][0] - 1) > 1e-3  # it did change something
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_training_that_diverges_stops_at_the_same_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for engine in ("native", "numpy"):
        with pytest.raises(DivergedError) as error:
            trained(engine, monkeypatch, network(dense(5, "relu")), 100 * REAL,
                    lambda: cr.optim.SGD(3.0), "mse", epochs=9)  # fmt: skip
        texts.append(str(error.value))
    assert texts[0].replace("nan", "inf") == texts[1].replace("nan", "inf")
    assert "batch" in texts[0]


@pytest.mark.parametrize("bad", [-1, 3, 1000])
def test_labels_out_of_range(bad: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LABELS.copy()
    labels[40] = bad
    texts = []
    for engine in ("native", "numpy"):
        with pytest.raises(ArgumentError) as error:
            trained(engine, monkeypatch, network(units=3), labels, SGD, "cross_entropy")
        texts.append(str(error.value))
    assert texts[0] == texts[1]


# The loop by itself ------------------------------------------------------------------------------


def counting(rows: int = 2, size: int = 5) -> TrainingLoop:
    """Make a loop whose loss is that of a table's rows, chosen by index, which it moves on."""
    index = unknown(ArrayType((rows,), np.dtype("int64")))
    table = unknown(ArrayType((size,), np.dtype("float32")))
    loss = cr.gather(table, index).sum()
    moved = cr.scatter_add(table, index, cr.ones(rows))
    prediction = cr.cast(cr.reshape(index, (rows, 1)), "float32")
    return TrainingLoop(Graph([index, table], [loss, prediction, moved]), 1, [1])


def test_steps_follow_the_order_and_state_moves_on() -> None:
    loop = counting()
    data, order = np.array([0, 1, 2, 3, 4, 0]), np.array([5, 1, 2, 2, 0, 4])
    table, losses = np.arange(5, dtype="f4"), []
    for i in range(3):
        rows = data[order[2 * i : 2 * i + 2]]
        losses.append(table[rows].sum())
        np.add.at(table, rows, 1)
    for pieces in ([3], [1, 2], [2, 1], [1, 1, 1]):
        loop.set_state([np.arange(5, dtype="f4")])
        prediction, got, first = np.empty((6, 1), "f4"), [], 0
        for n in pieces:
            got += loop.run([data], order, first, n, prediction).tolist()
            first += n
        assert got == losses
        np.testing.assert_array_equal(loop.results()[0], table)
        np.testing.assert_array_equal(prediction[:, 0], data[order])


def test_a_bad_index_is_the_error_of_eager_execution_and_leaves_the_state_before_it() -> None:
    loop = counting()
    data = np.array([0, 1, 2, 5])
    loop.set_state([np.zeros(5, "f4")])
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 5"):
        loop.run([data], np.array([0, 1, 2, 3]), 0, 2, np.empty((4, 1), "f4"))
    assert loop.results()[0].tolist() == [1, 1, 0, 0, 0]  # the first step was made
    assert loop.run([data], np.array([0, 1]), 0, 1, np.empty((4, 1), "f4")).tolist() == [2.0]


def test_what_the_code_would_read_outside_of_is_refused() -> None:
    loop = counting()
    loop.set_state([np.zeros(5, "f4")])
    data, order, out = np.array([0, 1, 2, 3]), np.arange(4), np.empty((4, 1), "f4")
    for wrong, message in [
        (([data.astype("i4")], order, 0, 2, out), r"data\[0\]: got int32\[4\]"),
        (([data[:, None]], order, 0, 2, out), r"data\[0\]"),
        (([data], np.array([0, 1, 2, 4]), 0, 2, out), "rows from 2 to 4|rows from 0 to 4"),
        (([data], np.array([0, 1, -2, 3]), 0, 2, out), "rows from -2 to 3"),
        (([data], order, 1, 2, out), "order: got"),
        (([data], order.astype("i4"), 0, 2, out), "order: got int32"),
        (([data], order, 0, 2, out[:3]), "predictions"),
        (([data], order, 0, 2, out.astype("f8")), "predictions"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            loop.run(*wrong)


def test_a_step_whose_loss_is_not_finite_is_the_last() -> None:
    loop = counting()
    table = np.array([0, 1, np.inf, 3, 4], "f4")
    loop.set_state([table])
    data = np.array([0, 1, 2, 3, 4, 0])
    losses = loop.run([data], np.arange(6), 0, 3, np.empty((6, 1), "f4"))
    assert losses.tolist() == [1.0, np.inf]


def test_inputs_that_are_no_rows_are_refused() -> None:
    x = unknown(ArrayType((4,), np.dtype("float32")))
    y = unknown(ArrayType((3,), np.dtype("float32")))
    with pytest.raises(UnsupportedError, match="no rows of the data"):
        TrainingLoop(Graph([x, y], [x.sum(), x * 1.0]), 2, [])


def test_rows_of_all_widths_are_gathered() -> None:
    for width in (1, 2, 15, 16, 17, 130, 300):
        x = unknown(ArrayType((3, width), np.dtype("float32")))
        loop = TrainingLoop(Graph([x], [x.sum() * 0.0, x * 1.0]), 1, [])
        data = RNG.standard_normal((7, width)).astype("f4")
        order, out = np.array([6, 0, 3, 3, 5, 1]), np.empty((6, width), "f4")
        loop.set_state([])
        loop.run([data], order, 0, 2, out)
        np.testing.assert_array_equal(out, data[order])


def test_no_allocation_in_the_loop() -> None:
    """Ten thousand steps take no more memory than ten, but for their losses."""
    loop = counting()
    loop.set_state([np.zeros(5, "f4")])
    data = np.array([0, 1, 2, 3])
    order, out = np.tile(np.arange(4), 5_000), np.empty((20_000, 1), "f4")
    loop.run([data], order, 0, 10, out)
    gc.collect()
    tracemalloc.start()
    peaks = []
    for steps in (10, 10_000):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        loop.run([data], order, 0, steps, out)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    assert peaks[1] - peaks[0] <= 4 * 10_000 + 1_000
    text = loop.compiled.text()
    assert "@malloc" not in text
    assert "alloca" not in text[text.index("loop") :] if "loop" in text else True


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="reads the memory in use of /proc"
)
def test_no_leak_over_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "0")

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for i in range(50):
        counting(2, 5 + i)
    before = resident()
    for i in range(200):
        counting(2, 55 + i)
    assert resident() - before < 6e6
