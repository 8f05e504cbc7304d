"""The network and the data that tests of the Keras door share."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import keras


def blobs(n: int = 800, features: int = 100, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(classes, features))
    labels = rng.integers(0, classes, n)
    x = centers[labels] + 0.5 * rng.normal(size=(n, features))
    return x.astype(np.float32), labels


X, LABELS = blobs(60, 4, 3)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def network(last: str = "softmax", **first: Any) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.layers.Dense(6, activation="tanh", input_shape=(4,), **first),
            keras.layers.Dense(3, activation=last),
        ]
    )


def fitted(**options: Any) -> Any:
    model = network()
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model.fit(X, ONE_HOT, verbose=0, **options)
