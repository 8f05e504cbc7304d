"""scikit-learn's multi-layer perceptrons, by ``fit``."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from race.entry import Entry, NotRacedError, blas_threads
from race.workloads import BETA_1, BETA_2, EPSILON, Array, Workload


class ScikitLearn(Entry):
    """``MLPClassifier`` or ``MLPRegressor``, told to go on from weights that are given.

    Its squared loss is ½ Σⱼ (yⱼ - ŷⱼ)², m / 2 times ours. SGD's rate and Adam's ε make up for it.
    ``fit`` begins a new run of Adam's averages, so it is called once for all epochs.
    """

    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        classifies = workload.loss != "squared_error"
        if workload.loss == "cross_entropy" and workload.classes == 2:
            raise NotRacedError("scikit-learn gives two classes one output, not two")
        if len(workload.layers) == 2:
            raise NotRacedError("scikit-learn has no network without a hidden layer")
        self.x, self.y = x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        self.probabilities = classifies
        scale = 1.0 if classifies else workload.layers[-1] / 2.0
        self.loss_scale = 1.0 if classifies else 2.0
        adam, rate = workload.optimizer == "adam", workload.learning_rate
        self.model = (MLPClassifier if classifies else MLPRegressor)(
            hidden_layer_sizes=workload.layers[1:-1],
            activation="logistic" if workload.activation == "sigmoid" else workload.activation,
            solver="adam" if adam else "sgd",
            alpha=0.0,
            batch_size=workload.batch,
            learning_rate_init=rate if adam else rate / scale,
            shuffle=False,
            momentum=0.0,
            nesterovs_momentum=False,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON * scale,
            tol=0.0,
            n_iter_no_change=10**9,
            warm_start=True,
            max_iter=1,
        )
        few = max(workload.batch, workload.classes)
        self._fit(1, few)  # makes the arrays
        for own, array in zip(self.model.coefs_, start[::2], strict=True):
            own[:] = array
        for own, array in zip(self.model.intercepts_, start[1::2], strict=True):
            own[:] = array

    def _fit(self, epochs: int, rows: int) -> None:
        self.model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is told to do some epochs
            self.model.fit(self.x[:rows], self.y[:rows])

    def train(self, epochs: int, rows: int) -> float:
        """Fit."""
        self._fit(epochs, rows)
        return float(self.model.loss_) * self.loss_scale

    def predict(self, row: Array) -> Array:
        """Predict: quantities, or the probabilities of classes."""
        if not self.probabilities:
            return np.asarray(self.model.predict(row)).reshape(len(row), -1)
        found = np.asarray(self.model.predict_proba(row))
        return found[:, 1:] if found.shape[1] == 2 else found

    def weights(self) -> list[Array]:
        """Return the weights."""
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [np.array(array) for pair in pairs for array in pair]

    def threads(self) -> str:
        """Say how many threads its BLAS has."""
        return blas_threads()
