"""PyTorch, run eagerly and compiled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from race.entry import Entry
from race.workloads import BETA_1, BETA_2, EPSILON, Array, Workload

ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid}
LOSSES = {
    "squared_error": torch.nn.MSELoss,
    "cross_entropy": torch.nn.CrossEntropyLoss,
    "binary_cross_entropy": torch.nn.BCEWithLogitsLoss,
}


class Eager(Entry):
    """The training loop of PyTorch's tutorials."""

    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        self.x, self.y, self.batch = torch.from_numpy(x), torch.from_numpy(y), workload.batch
        modules: list[torch.nn.Module] = []
        for fan_in, units in zip(workload.layers[:-1], workload.layers[1:], strict=True):
            modules += [torch.nn.Linear(fan_in, units), ACTIVATIONS[workload.activation]()]
        self.model = torch.nn.Sequential(*modules[:-1])
        with torch.no_grad():
            for parameter, array in zip(self.model.parameters(), start, strict=True):
                parameter.copy_(torch.from_numpy(array.T))
        measure = LOSSES[workload.loss]()
        self.loss_of: Callable[..., Any] = lambda x, y: measure(self.model(x), y)
        parameters, rate = self.model.parameters(), workload.learning_rate
        self.optimizer: torch.optim.Optimizer
        if workload.optimizer == "adam":
            betas = (BETA_1, BETA_2)
            self.optimizer = torch.optim.Adam(parameters, rate, betas, EPSILON)
        else:
            self.optimizer = torch.optim.SGD(parameters, rate)
        self.update: Callable[[], Any] = self.optimizer.step

    def train(self, epochs: int, rows: int) -> float:
        """Loop over batches, which are views of the data."""
        x, y, total = self.x[:rows], self.y[:rows], torch.zeros(())
        loss_of, optimizer, update = self.loss_of, self.optimizer, self.update
        for _ in range(epochs):
            total = torch.zeros(())
            for xs, ys in zip(x.split(self.batch), y.split(self.batch), strict=True):
                optimizer.zero_grad()
                loss = loss_of(xs, ys)
                loss.backward()
                update()
                total += loss.detach() * len(xs)
        return total.item() / rows

    def predict(self, row: Array) -> Array:
        """Run the network without recording."""
        with torch.inference_mode():
            return np.asarray(self.model(torch.from_numpy(row)).numpy())

    def weights(self) -> list[Array]:
        """Return the parameters, kernels turned round."""
        return [np.array(p.detach().numpy().T) for p in self.model.parameters()]

    def threads(self) -> str:
        """Say how many threads work within an operation."""
        return f"{torch.get_num_threads()} within an operation"


class Compiled(Eager):
    """The same loop; network with loss and the optimizer's step go through ``torch.compile``."""

    def __init__(self, workload: Workload, x: Array, y: Array, start: list[Array]) -> None:
        super().__init__(workload, x, y, start)
        torch._dynamo.reset()
        torch._logging.set_logs(all=logging.ERROR)  # it warns of the optimizer's profiling marks
        self.loss_of = torch.compile(self.loss_of)
        self.update = torch.compile(self.optimizer.step)
        self.forward = torch.compile(self.model)

    def predict(self, row: Array) -> Array:
        """Run the compiled network without recording."""
        with torch.inference_mode():
            return np.asarray(self.forward(torch.from_numpy(row)).numpy())
