"""Keras 3 on JAX, by ``fit``."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import numpy as np

import keras
from race.entry import Entry
from race.workloads import BETA_1, BETA_2, EPSILON, Array, Workload


class Keras(Entry):
    """``Sequential``, ``compile``, ``fit``, ``predict_on_batch``."""

    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        self.x, self.y, self.batch = x, y, workload.batch
        inputs, *hidden, last = workload.layers
        self.model = keras.Sequential(
            [
                keras.Input((inputs,)),
                *[keras.layers.Dense(n, activation=workload.activation) for n in hidden],
                keras.layers.Dense(last),
            ]
        )
        self.model.set_weights(start)
        losses = keras.losses
        loss = {
            "squared_error": losses.MeanSquaredError(),
            "cross_entropy": losses.SparseCategoricalCrossentropy(from_logits=True),
            "binary_cross_entropy": losses.BinaryCrossentropy(from_logits=True),
        }[workload.loss]
        rate = workload.learning_rate
        if workload.optimizer == "adam":
            optimizer = keras.optimizers.Adam(rate, BETA_1, BETA_2, EPSILON)
        else:
            optimizer = keras.optimizers.SGD(rate)
        self.model.compile(optimizer=optimizer, loss=loss)

    def train(self, epochs: int, rows: int) -> float:
        """Fit."""
        history = self.model.fit(
            self.x[:rows],
            self.y[:rows],
            batch_size=self.batch,
            epochs=epochs,
            verbose=0,
            shuffle=False,
        )
        return float(history.history["loss"][-1])

    def predict(self, row: Array) -> Array:
        """Predict, without the machinery of ``predict`` for many batches."""
        return np.asarray(self.model.predict_on_batch(row))

    def weights(self) -> list[Array]:
        """Return the model's weights."""
        return [np.asarray(w) for w in self.model.get_weights()]

    def threads(self) -> str:
        """Say how large XLA's pool is."""
        return f"XLA's pool, {os.cpu_count()}"
