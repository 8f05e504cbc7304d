"""Why outputs that are all positive slow learning, and what batch normalization does about it.

The logistic function's outputs are all positive. For one neuron of the next layer, ∂L/∂w = δ a:
all its weights' derivatives have the sign of δ, so its weights can only all grow or all shrink in
one step, and the way to a minimum zigzags. tanh is zero-centered; and batch normalization centers
whatever comes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write, load_dataset
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
EPOCHS, SEEDS = 40, 3


def hidden(kind: str) -> list[cr.Layer]:
    """Return two hidden layers of one kind."""
    layers: list[cr.Layer] = []
    for _ in range(2):
        layers.append(cr.Dense(16))
        if kind == "logistic + batch norm":
            layers.append(cr.BatchNorm())
        layers.append(cr.Activation("tanh" if kind == "tanh" else "sigmoid"))
    return layers


def same_sign(model: cr.Sequential, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of samples for which a neuron's derivatives all have one sign."""
    with cr.no_grad():
        a = x
        for layer in model.layers[:-1]:
            a = layer(a)
    return float(np.mean((np.asarray(a) > 0).all(axis=1) | (np.asarray(a) < 0).all(axis=1)))


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Draw the losses; return the last ones."""
    table = load_dataset("circle", noise=0.1).frame
    x = table.select("x", "y").to_numpy().astype(np.float32)
    y = (table["label"].to_numpy() > 0).astype(int)
    series: dict[str, list[float]] = {}
    for kind in ("logistic", "tanh", "logistic + batch norm"):
        runs = []
        for seed in range(SEEDS):
            cr.random.seed(seed)
            model = cr.Sequential([*hidden(kind), cr.Dense(2)])
            model.compile(cr.optim.SGD(0.1), "cross_entropy")
            runs.append(model.fit(x, y, epochs=EPOCHS, verbose=0).history["loss"])
        series[kind] = list(np.mean(runs, axis=0))
        share = same_sign(model, x, y)
        print(
            f"{kind}: loss {series[kind][-1]:.3f}; derivatives of one sign for {100 * share:.0f} %"
        )
    chart = line_chart(
        range(1, EPOCHS + 1), series, title="Loss", y_label="training loss", may_be_log=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet([("Circle data, SGD with rate 0.1", chart)], title="Zero-centered outputs")
    atomic_write(folder / "zero_centered.svg", picture.encode())
    return {kind: losses[-1] for kind, losses in series.items()}


if __name__ == "__main__":
    main()
