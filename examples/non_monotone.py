"""Activations that are not monotone train by the very same backpropagation.

The lecture asks whether activations must be monotone. They need not be: δ uses f′, whatever its
sign. The script trains the same network with monotone and with non-monotone ones on two spirals.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write, load_dataset
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
NAMES = ("tanh", "relu", "gelu", "mish", "sine")
EPOCHS = 80


def kind(name: str) -> str:
    """Return whether an activation is monotone, as the table of activations says."""
    return "monotone" if cr.activations.get(name).monotone else "not monotone"


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Draw the losses; return each activation's last accuracy."""
    table = load_dataset("spiral").frame
    x = table.select("x", "y").to_numpy().astype(np.float32)
    y = (table["label"].to_numpy() > 0).astype(int)
    losses, accuracies = {}, {}
    groups: dict[str, list[str]] = {"monotone": [], "not monotone": []}
    for name in NAMES:
        cr.random.seed(0)
        model = cr.Sequential(
            [cr.Dense(32, activation=name), cr.Dense(32, activation=name), cr.Dense(2)]
        )
        model.compile(cr.optim.Adam(0.01), "cross_entropy", ["accuracy"])
        history = model.fit(x, y, epochs=EPOCHS, verbose=0).history
        losses[name], accuracies[name] = history["loss"], history["accuracy"][-1]
        groups[kind(name)].append(name)
        print(f"{name} ({kind(name)}): accuracy {100 * accuracies[name]:.1f} %")
    chart = line_chart(
        range(1, EPOCHS + 1), losses, title="Loss", y_label="training loss", groups=groups
    )
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet([("Two spirals, 2-32-32-2, Adam", chart)], title="Monotone and not")
    atomic_write(folder / "non_monotone.svg", picture.encode())
    return accuracies


if __name__ == "__main__":
    main()
