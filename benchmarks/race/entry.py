"""What takes part: one interface, and the table of those who have it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

from race.workloads import Array, Workload


class NotRacedError(Exception):
    """An entry cannot run a workload by its nature; the text says why."""


class Entry(ABC):
    """A network in some library, with the initial weights of a workload."""

    #: Whether ``predict`` gives probabilities, rather than the last layer's output.
    probabilities = False

    @abstractmethod
    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        """Build the network, and copy the initial weights into it."""

    @abstractmethod
    def train(self, epochs: int, rows: int) -> float:
        """Train on the first rows in their order; return the last epoch's mean loss."""

    @abstractmethod
    def predict(self, row: Array) -> Array:
        """Return the prediction for samples that are a NumPy array, as a NumPy array."""

    @abstractmethod
    def weights(self) -> list[Array]:
        """Return kernel (fan_in, units), then bias, layer by layer."""

    def engine(self) -> str:
        """Say what ran, where the library chooses between ways to run."""
        return ""

    def threads(self) -> str:
        """Say how many threads the library says that it uses."""
        return ""


def blas_threads() -> str:
    """Say how many threads the BLAS of NumPy and SciPy has, where that can be found out."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return ""
    counts = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
    return f"BLAS, {max(counts)}" if counts else ""


@dataclass(frozen=True)
class Peer:
    """Who takes part.

    Attributes:
        title: as shown.
        about: what exactly is timed.
        place: module and class.
        packages: whose versions to report.
    """

    title: str
    about: str
    place: tuple[str, str]
    packages: tuple[str, ...]

    def load(self) -> type[Entry]:
        """Return the class; raises ``ImportError`` where the library is missing."""
        module, name = self.place
        return getattr(importlib.import_module(f"race.{module}"), name)  # type: ignore[no-any-return]


OURS, EAGER = "chainrule", "pytorch"

PEERS = {
    OURS: Peer(
        "Chainrule",
        "`model.fit(..., shuffle=False, verbose=0)`; `model.predict`",
        ("ours", "Chainrule"),
        ("chainrule", "numpy", "llvmlite"),
    ),
    EAGER: Peer(
        "PyTorch eager",
        "the usual loop over views of the data, default optimizers; under `inference_mode`",
        ("pytorch", "Eager"),
        ("torch",),
    ),
    "torch-compile": Peer(
        "PyTorch compiled",
        "`torch.compile` of network with loss, and of the optimizer's step",
        ("pytorch", "Compiled"),
        ("torch",),
    ),
    "jax-step": Peer(
        "JAX, a step jitted",
        "one jitted, donating function a step, on batches that lie ready as JAX arrays",
        ("jax_loops", "Steps"),
        ("jax", "jaxlib"),
    ),
    "jax-scan": Peer(
        "JAX, epoch in a scan",
        "one jitted, donating call an epoch: `lax.scan` over its batches",
        ("jax_loops", "Scan"),
        ("jax", "jaxlib"),
    ),
    "keras-jax": Peer(
        "Keras 3 on JAX",
        "`model.fit(..., shuffle=False, verbose=0)`; `model.predict_on_batch`",
        ("keras_fit", "Keras"),
        ("keras", "jax"),
    ),
    "scikit-learn": Peer(
        "scikit-learn",
        "`MLPClassifier` or `MLPRegressor`, `fit` with `shuffle=False`; `predict`",
        ("sklearn_fit", "ScikitLearn"),
        ("scikit-learn", "scipy"),
    ),
}
