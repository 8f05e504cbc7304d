"""What is raced: networks, batches, optimizers, and the data that they train on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ACTIVATIONS = ("tanh", "relu", "sigmoid")
OPTIMIZERS = ("sgd", "adam")
LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy")
#: Adam's numbers; every entry uses these, whatever its own defaults are.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Goal:
    """What Chainrule aims at on the reference machine.

    Attributes:
        microseconds: the most that a step may take.
        best: how many times as long the fastest peer takes, at least.
        pytorch: the same for PyTorch run eagerly.
    """

    microseconds: float
    best: float
    pytorch: float


@dataclass(frozen=True)
class Workload:
    """A network and how it is trained; or, without an optimizer, asked for one row's prediction.

    Attributes:
        name: one word.
        layers: the number of inputs, then the units of each layer.
        activation: of the hidden layers; the last layer is linear, and the loss has what follows.
        batch: samples a step.
        rows: samples an epoch.
        optimizer: ``"sgd"``, ``"adam"``, or ``None`` for a prediction.
        loss: ``"squared_error"``: (1/m) Σⱼ (yⱼ - ŷⱼ)² of m outputs; ``"cross_entropy"``, with
            softmax; ``"binary_cross_entropy"``, with sigmoid. Its mean over the batch is minimized.
        learning_rate: α.
        goal: what Chainrule aims at.
    """

    name: str
    layers: tuple[int, ...]
    activation: str = "tanh"
    batch: int = 32
    rows: int = 9600
    optimizer: str | None = "sgd"
    loss: str = "squared_error"
    learning_rate: float = 0.01
    goal: Goal | None = None

    def __post_init__(self) -> None:
        problems = {
            "--layers: two sizes at least, each 1 or more": len(self.layers) < 2
            or min(self.layers) < 1,
            f"--activation: one of {', '.join(ACTIVATIONS)}": self.activation not in ACTIVATIONS,
            f"--optimizer: one of {', '.join(OPTIMIZERS)}": self.optimizer
            not in (None, *OPTIMIZERS),
            f"--loss: one of {', '.join(LOSSES)}": self.loss not in LOSSES,
            "--batch: 1 or more": self.batch < 1,
            "--rows: as many as a batch has, at least": self.rows < self.batch,
            "--layers: 2 outputs or more, one a class, for cross_entropy": self.loss
            == "cross_entropy"
            and self.layers[-1] < 2,
            "--layers: 1 output, for binary_cross_entropy": self.loss == "binary_cross_entropy"
            and self.layers[-1] != 1,
            "--rows: as many as there are classes, at least": self.rows < self.classes,
        }
        for problem, found in problems.items():
            if found:
                raise ValueError(problem)

    @property
    def classes(self) -> int:
        """Number of classes, 0 for quantities."""
        return {"squared_error": 0, "binary_cross_entropy": 2}.get(self.loss, self.layers[-1])

    @property
    def title(self) -> str:
        """The network and its training in one line."""
        network = f"{'-'.join(map(str, self.layers))} {self.activation}"
        if self.optimizer is None:
            return f"{network}, predict one row"
        whole = self.batch == self.rows
        batch = f"full batch of {self.rows:,} rows" if whole else f"batch {self.batch}"
        return (
            f"{network}, {batch}, {self.optimizer.upper() if self.optimizer == 'sgd' else 'Adam'}"
        )

    @property
    def unit(self) -> str:
        """What one step is, with its article."""
        if self.optimizer is None:
            return "a call"
        return "an epoch" if self.batch == self.rows else "a step"

    def steps(self, rows: int) -> int:
        """Return how many updates an epoch over the first rows makes."""
        return math.ceil(rows / self.batch)

    @property
    def check_rows(self) -> int:
        """Rows of the epoch after which all entries must agree: 100 steps, or all rows."""
        return max(min(self.rows, 100 * self.batch), self.classes)

    @property
    def check_epochs(self) -> int:
        """Epochs of the check: 100 steps, but 20 where each is over very many rows."""
        wanted = 100 if self.batch <= 1000 else 20
        return math.ceil(wanted / self.steps(self.check_rows))

    def data(self) -> tuple[Array, Array]:
        """Return samples and targets: a random network's output, with noise.

        Returns:
            x, shape (rows, inputs), float32; y, shape (rows, outputs), float32, or for
            ``"cross_entropy"`` labels, shape (rows,), int64. The first rows show every class.
        """
        rng = np.random.default_rng(20)
        x = rng.standard_normal((self.rows, self.layers[0]), np.float32)
        hidden = np.tanh(x @ rng.standard_normal((self.layers[0], 16)) / self.layers[0] ** 0.5)
        signal = hidden @ rng.standard_normal((16, self.layers[-1])) / 2.0
        noisy = signal + 0.5 * rng.standard_normal(signal.shape)
        if self.loss == "squared_error":
            return x, noisy.astype(np.float32)
        if self.loss == "binary_cross_entropy":
            labels = (noisy > 0).astype(np.float32)
            labels[:2] = [[0.0], [1.0]]
            return x, labels
        labels = noisy.argmax(axis=1)
        labels[: self.classes] = np.arange(self.classes)
        return x, labels

    def start(self) -> list[Array]:
        """Return initial weights: kernel (fan_in, units), then bias, layer by layer; float32."""
        rng = np.random.default_rng(4)
        arrays = []
        for fan_in, units in zip(self.layers[:-1], self.layers[1:], strict=True):
            bound = (6.0 / (fan_in + units)) ** 0.5
            arrays.append(rng.uniform(-bound, bound, (fan_in, units)).astype(np.float32))
            arrays.append(rng.uniform(-0.1, 0.1, units).astype(np.float32))
        return arrays


SMALL, MEDIUM, LARGE = (2, 8, 8, 1), (64, 32, 32, 10), (4, 32, 16, 4)

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("algorithm-4.1", SMALL, batch=1, rows=10_000, goal=Goal(0.15, 6, 1000)),
        Workload("small-sgd", SMALL, batch=10, rows=10_000, goal=Goal(0.5, 8, 400)),
        Workload(
            "small-adam",
            SMALL,
            batch=10,
            rows=10_000,
            optimizer="adam",
            learning_rate=1e-3,
            goal=Goal(0.5, 8, 400),
        ),
        Workload("medium-sgd", MEDIUM, "relu", loss="cross_entropy", goal=Goal(7, 2.3, 40)),
        Workload(
            "medium-adam",
            MEDIUM,
            "relu",
            optimizer="adam",
            loss="cross_entropy",
            learning_rate=1e-3,
            goal=Goal(7, 2.3, 40),
        ),
        Workload(
            "full-batch",
            LARGE,
            batch=10_000,
            rows=10_000,
            optimizer="adam",
            learning_rate=1e-3,
            goal=Goal(450, 2.4, 4.5),
        ),
        Workload("predict", LARGE, batch=1, rows=100, optimizer=None, goal=Goal(6, 2, 3.5)),
    )
}
