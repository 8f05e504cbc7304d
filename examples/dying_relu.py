"""A ReLU dies of one bad update; a LeakyReLU in the same place goes on learning.

After a bad update (here: every hidden bias falls by 5) z < 0 for all samples. ReLU's derivative
is 0 there: δ is 0 for every sample, no gradient ever reaches the neuron's weights again, and the
network answers a constant for good. LeakyReLU's derivative is γ, and so δ is not 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.activations import LeakyReLU
from chainrule.data import atomic_write
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
EPOCHS, BAD_EPOCH, SAMPLES, UNITS = 80, 20, 200, 16


def dead_share(model: cr.Sequential, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of hidden neurons whose δ is 0 for every sample."""
    delta = model.inspect(x, y).delta[1]
    return float((delta == 0).all(axis=0).mean())


def bad_update(model: cr.Sequential) -> None:
    """Lower every hidden bias by 5."""
    kernel, bias, *rest = model.get_weights()
    model.set_weights([kernel, bias - 5.0, *rest])


def train(activation: object) -> tuple[list[float], list[float]]:
    """Train, with a bad update on the way; return dead shares and losses epoch by epoch."""
    cr.random.seed(1)
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (SAMPLES, 2)).astype(np.float32)
    y = x[:, 0] + np.abs(x[:, 1])
    model = cr.Sequential([cr.Dense(UNITS, activation=activation), cr.Dense(1)])
    model.compile(cr.optim.SGD(0.1), "squared_error")
    shares, losses = [], []
    for epoch in range(EPOCHS):
        if epoch == BAD_EPOCH:
            bad_update(model)
        model.fit(x, y, batch_size=20, verbose=0)
        shares.append(dead_share(model, x, y))
        losses.append(float(model.evaluate(x, y)))
    return shares, losses


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Draw both networks' dead shares and losses; return the last ones."""
    runs = {"ReLU": train("relu"), "LeakyReLU": train(LeakyReLU(0.1))}
    epochs = range(1, EPOCHS + 1)
    mark = (BAD_EPOCH + 1, "the bad update")
    shares = {name: run[0] for name, run in runs.items()}
    losses = {name: run[1] for name, run in runs.items()}
    title = "Share of hidden neurons that no gradient reaches"
    folder.mkdir(parents=True, exist_ok=True)
    charts = [
        (title, line_chart(epochs, shares, title=title, mark=mark)),
        ("Loss", line_chart(epochs, losses, title="Loss", mark=mark)),
    ]
    atomic_write(folder / "dying_relu.svg", sheet(charts, title="A dying ReLU").encode())
    found = {}
    for name in runs:
        found[f"{name} dead"], found[f"{name} loss"] = shares[name][-1], losses[name][-1]
        print(f"{name}: {100 * shares[name][-1]:.0f} % dead, loss {losses[name][-1]:.4f}")
    return found


if __name__ == "__main__":
    main()
