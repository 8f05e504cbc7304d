"""Keras models as machine code: metrics of one's own see batches, as in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import keras
from chainrule.core.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(95, 3)).astype("f")


def rmse(y: Any, p: Any) -> Any:
    return np.sqrt(np.mean((y - p) ** 2))


class Updates(keras.metrics.Metric):
    """How often it was updated."""

    def __init__(self) -> None:
        super().__init__(name="updates")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count.assign_add(1.0)

    def result(self) -> Any:
        return self.count


def test_metrics_of_ones_own_take_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = []
    for engine in ("numpy", "native"):
        monkeypatch.setenv("CHAINRULE_ENGINE", engine)
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[rmse, Updates(), "mae"])
        histories.append(model.fit(X, X[:, :1], epochs=3, batch_size=10, verbose=0).history)
    assert histories[1]["updates"] == [10.0] * 3
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["train_step", "test_step", "predict_step", "compute_loss"])
def test_steps_of_ones_own_are_refused(name: str) -> None:
    kind = type("Own", (keras.Sequential,), {name: lambda self, *args: None})
    with pytest.raises(ArgumentError, match=rf"Own: got a model with its own {name}\(\)"):
        kind([keras.layers.Dense(1)]).compile("sgd", "mse")
