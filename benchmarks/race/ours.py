"""Chainrule, by nothing but its public interface."""

from __future__ import annotations

import chainrule as cr
from race.entry import Entry, blas_threads
from race.workloads import BETA_1, BETA_2, EPSILON, Array, Workload


class Chainrule(Entry):
    """``Sequential``, ``compile``, ``fit``, ``predict``."""

    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        *hidden, last = workload.layers[1:]
        self.x, self.y, self.batch = x, y, workload.batch
        self.model = cr.Sequential(
            [*[cr.Dense(n, activation=workload.activation) for n in hidden], cr.Dense(last)]
        )
        rate = workload.learning_rate
        adam = workload.optimizer == "adam"
        self.model.compile(
            optimizer=cr.optim.Adam(rate, BETA_1, BETA_2, EPSILON) if adam else cr.optim.SGD(rate),
            loss=workload.loss,
        )
        self.model(x[:1])  # makes the parameters
        self.model.set_weights(start)

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
        """Predict."""
        return self.model.predict(row)

    def weights(self) -> list[Array]:
        """Return the model's weights."""
        return self.model.get_weights()

    def engine(self) -> str:
        """Return ``"native"`` or ``"numpy"``, as the model itself explains it."""
        explained = self.model.explain()
        ran = explained.get("fit") or explained.get("predict") or {}
        return str(ran.get("engine", ""))

    def threads(self) -> str:
        """Say how many threads NumPy's BLAS has."""
        return blas_threads()
