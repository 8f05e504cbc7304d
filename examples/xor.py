"""XOR: no linear model solves it; a 2-4-1 network does, and this is its decision boundary.

The best that a linear model can do by squared error is to answer ½ everywhere. Compared with ½
that says nothing; and wherever one puts a straight line instead, it has at most 3 of the 4 points
on the right side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write
from chainrule.viz import heat_map, sheet

PICTURES = Path("pictures")
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([0, 1, 1, 0])
SQUARE = (-0.5, 1.5)


def solve(hidden: list[cr.Layer]) -> cr.Sequential:
    """Train a network with these hidden layers and one output, compared with ½."""
    cr.random.seed(0)
    model = cr.Sequential([*hidden, cr.Dense(1)])
    model.compile(cr.optim.SGD(0.1), "squared_error")
    model.fit(X, Y, batch_size=4, epochs=500, verbose=0)
    return model


def best_line() -> int:
    """Return how many of the four points the best of many straight lines has right."""
    angles, offsets = np.meshgrid(np.linspace(0, 2 * np.pi, 361), np.linspace(-2, 2, 401))
    sides = [a * np.cos(angles) + b * np.sin(angles) > offsets for a, b in X]
    return int(sum(side == y for side, y in zip(sides, Y, strict=True)).max())


def region(model: cr.Sequential) -> str:
    """Draw the output over the square, where it is ½, and the four points."""
    places = np.linspace(*SQUARE, 101)
    grid = np.array([[a, b] for b in places for a in places], np.float32)
    return heat_map(
        model.predict(grid).reshape(101, 101),
        x=SQUARE,
        y=SQUARE,
        title="Output",
        x_label="x₁",
        y_label="x₂",
        points=X,
        labels=Y.tolist(),
        names=["XOR = 0", "XOR = 1"],
        limits=(0.0, 1.0),
        # an output that is ½ everywhere but for rounding has no boundary
        contours=[0.5] if np.ptp(model.predict(X)) > 0.01 else [],
        contour_name="ŷ = ½",
    )


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Solve XOR with and without a hidden layer; return what each achieves."""
    linear, network = solve([]), solve([cr.Dense(4, activation="tanh")])
    found = {
        "linear, farthest from ½": float(np.abs(linear.predict(X) - 0.5).max()),
        "best straight line": best_line(),
        "2-4-1": int(((network.predict(X)[:, 0] > 0.5) == Y).sum()),
    }
    print("linear: answers ½ everywhere")
    print(f"the best straight line has {found['best straight line']} of 4 right")
    print(f"2-4-1: {found['2-4-1']} of 4 right")
    charts = [
        ("linear: answers ½ everywhere", region(linear)),
        (f"2-4-1: {found['2-4-1']} of 4 right", region(network)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "xor.svg", sheet(charts, title="XOR").encode())
    return found


if __name__ == "__main__":
    main()
