"""Why outputs that are all positive slow learning, and what batch normalization does about it.

The logistic function's outputs are all positive. For one neuron of the next layer, ∂L/∂w = δ a:
all its weights' derivatives have the sign of δ, so its weights can only all grow or all shrink in
one step, and the way to a minimum zigzags. tanh is zero-centered. Batch normalization centers
what it is given: so it stands after the logistic function, where it is what the next layer's
weights see. (Before it, it would keep the function from saturating, but a would stay positive.)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write, load_dataset
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
KINDS = ("logistic", "tanh", "logistic + batch norm")
EPOCHS, SEEDS = 40, 3


def hidden(kind: str) -> list[cr.Layer]:
    """Return two hidden layers of one kind."""
    layers: list[cr.Layer] = []
    for _ in range(2):
        layers.append(cr.Dense(16, activation="tanh" if kind == "tanh" else "sigmoid"))
        if kind == "logistic + batch norm":
            layers.append(cr.BatchNorm())
    return layers


def same_sign(model: cr.Sequential, x: np.ndarray) -> float:
    """Return the share of samples for which an output neuron's derivatives all have one sign.

    They are δ a: they have one sign where all of a, what the output layer is given, has.
    """
    with cr.no_grad():
        a = x
        for layer in model.layers[:-1]:
            a = layer(a)
    a = np.asarray(a)
    return float(np.mean((a > 0).all(axis=1) | (a < 0).all(axis=1)))


def main(folder: Path = PICTURES) -> dict[str, dict[str, float]]:
    """Draw the losses; return each kind's last loss and its share of derivatives of one sign."""
    table = load_dataset("circle", noise=0.1).frame
    x = table.select("x", "y").to_numpy().astype(np.float32)
    y = (table["label"].to_numpy() > 0).astype(int)
    series: dict[str, list[float]] = {}
    found = {}
    for kind in KINDS:
        runs, shares = [], []
        for seed in range(SEEDS):
            cr.random.seed(seed)
            model = cr.Sequential([*hidden(kind), cr.Dense(2)])
            model.compile(cr.optim.SGD(0.1), "cross_entropy")
            runs.append(model.fit(x, y, epochs=EPOCHS, verbose=0).history["loss"])
            shares.append(same_sign(model, x))
        series[kind] = list(np.mean(runs, axis=0))
        found[kind] = {"loss": series[kind][-1], "one sign": float(np.mean(shares))}
        print(
            f"{kind}: loss {found[kind]['loss']:.3f}; "
            f"derivatives of one sign for {100 * found[kind]['one sign']:.0f} %"
        )
    chart = line_chart(
        range(1, EPOCHS + 1),
        series,
        title="Loss",
        y_label="training loss",
        may_be_log=False,
        groups={
            f"{100 * share:.0f} % of one sign": names for share, names in grouped(found).items()
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    caption = "Loss, by the share of ∂L/∂w that have one sign"
    atomic_write(
        folder / "zero_centered.svg",
        sheet([(caption, chart)], title="Zero-centered outputs").encode(),
    )
    return found


def grouped(found: dict[str, dict[str, float]]) -> dict[float, list[str]]:
    """Return the kinds by their share of derivatives of one sign, rounded to percents."""
    groups: dict[float, list[str]] = {}
    for kind, values in found.items():
        groups.setdefault(round(values["one sign"], 2), []).append(kind)
    return groups


if __name__ == "__main__":
    main()
