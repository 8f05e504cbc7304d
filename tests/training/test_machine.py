"""Epochs as machine code: the same as NumPy's, and said to be what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.training.loop import DivergedError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 5)).astype(np.float32)
Y = RNG.integers(0, 3, size=70)


def network(**options: Any) -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(7, activation="tanh"), cr.Dense(3)])
    settings = {"optimizer": "adam", "loss": "cross_entropy", "metrics": ["accuracy"], **options}
    model.compile(**settings)
    return model


def fitted(monkeypatch: pytest.MonkeyPatch, engine: str, model: Any = None, **options: Any) -> Any:
    monkeypatch.setenv("CHAINRULE_ENGINE", engine)
    model = model or network()
    settings = {"epochs": 4, "batch_size": 16, "verbose": 0, **options}
    history = model.fit(X, Y, **settings)
    return model, history.history


@pytest.mark.parametrize("batch_size", [1, 16, 70, 100])
@pytest.mark.parametrize("shuffle", [True, False])
def test_machine_code_trains_as_numpy_does(
    monkeypatch: pytest.MonkeyPatch, batch_size: int, shuffle: bool
) -> None:
    options = {
        "batch_size": batch_size,
        "shuffle": shuffle,
        "sample_weight": np.linspace(0.5, 1.5, 70),
        "validation_split": 0.2,
    }
    a, native = fitted(monkeypatch, "native", **options)
    b, numpy = fitted(monkeypatch, "numpy", **options)
    assert a.explain()["fit"]["engine"] == "native"
    assert b.explain()["fit"]["engine"] == "numpy"
    for name, values in numpy.items():
        np.testing.assert_allclose(native[name], values, rtol=2e-4, atol=1e-6, err_msg=name)
    for mine, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-3, atol=2e-5)


def test_stopping_after_each_batch_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Looking(cr.Callback):
        seen = 0

        def on_batch_end(self, batch: int, logs: Any) -> None:
            assert np.isfinite(logs["loss"])
            type(self).seen += 1

    a, first = fitted(monkeypatch, "native")
    b, second = fitted(monkeypatch, "native", callbacks=[Looking()])
    assert Looking.seen == 4 * 5
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-12)
    for mine, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_it_goes_on_from_what_callbacks_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Halving(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.setup.optimizer.learning_rate *= 0.5
            self.model.set_weights([w * 0.9 for w in self.model.get_weights()])

    a, _ = fitted(monkeypatch, "native", callbacks=[Halving()])
    b, _ = fitted(monkeypatch, "numpy", callbacks=[Halving()])
    for mine, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-3, atol=2e-5)


def test_divergence_is_told_at_the_same_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for engine in ("native", "numpy"):
        model = network(optimizer=cr.optim.SGD(1e30), loss="squared_error", metrics=[])
        monkeypatch.setenv("CHAINRULE_ENGINE", engine)
        with pytest.raises(DivergedError) as caught:
            model.fit(X, np.eye(3)[Y], batch_size=16, verbose=0)
        texts.append(str(caught.value))
    assert (
        texts[0].split(":")[0].split("in epoch")[1] == texts[1].split(":")[0].split("in epoch")[1]
    )


def test_little_work_stays_on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = fitted(monkeypatch, "auto")
    found = model.explain()["fit"]
    assert found["engine"] == "numpy"
    assert found["why_not_native"].startswith("so little work (")
    assert "Not machine code: so little work" in str(model.explain()).replace("\n", " ")


def test_what_machine_code_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = fitted(monkeypatch, "native", network(run_eagerly=True))
    assert model.steps().last_updates.why_not_native == "the step is run eagerly"
    by_python = network(optimizer=cr.optim.SGD(lambda step: 0.1 / (1 + step)))
    model, _ = fitted(monkeypatch, "native", by_python)
    assert "computed by Python code" in model.explain()["fit"]["why_not_native"]


def test_without_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.native.jit.is_available", lambda: False)
    monkeypatch.setattr("chainrule.native.jit.why_not", lambda: "no module named llvmlite")
    model, _ = fitted(monkeypatch, "native")
    assert model.explain()["fit"]["why_not_native"] == "LLVM is missing: no module named llvmlite"


def test_an_engine_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match=r"CHAINRULE_ENGINE: got 'gpu'; expected 'auto'"):
        fitted(monkeypatch, "gpu")
