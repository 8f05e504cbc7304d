"""XOR: no linear model solves it; a 2-4-1 network does, and this is its decision boundary."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write
from chainrule.viz import heat_map, sheet

PICTURES = Path("pictures")
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([0, 1, 1, 0])


def solve(hidden: list[cr.Layer]) -> cr.Sequential:
    """Train a network with these hidden layers and one output, compared with ½."""
    cr.random.seed(0)
    model = cr.Sequential([*hidden, cr.Dense(1)])
    model.compile(cr.optim.SGD(0.1), "squared_error")
    model.fit(X, Y, batch_size=4, epochs=500, verbose=0)
    return model


def region(model: cr.Sequential) -> str:
    """Draw the output over the square, and the four points."""
    places = np.linspace(-0.5, 1.5, 81)
    grid = np.array([[a, b] for b in places for a in places])
    outputs = model.predict(grid).reshape(81, 81)
    return heat_map(
        outputs,
        x=(-0.5, 1.5),
        y=(-0.5, 1.5),
        title="Output",
        x_label="x₁",
        y_label="x₂",
        points=X,
        labels=[1 - y for y in Y],
        limits=(0.0, 1.0),
    )


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Solve XOR with and without a hidden layer; return how many of the four are right."""
    charts, right = [], {}
    for name, hidden in (("linear", []), ("2-4-1", [cr.Dense(4, activation="tanh")])):
        model = solve(hidden)
        right[name] = int(((model.predict(X)[:, 0] > 0.5) == Y).sum())
        print(f"{name}: {right[name]} of 4 right")
        charts.append((f"{name}: {right[name]} of 4 right", region(model)))
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "xor.svg", sheet(charts, title="XOR").encode())
    return right


if __name__ == "__main__":
    main()
