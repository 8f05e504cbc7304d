"""How the error term δ shrinks on its way back through a deep network.

δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾): each layer multiplies by f′, which is at most ¼ for the logistic
function and at most 1 for tanh, and by W. The script measures the size of δ layer by layer, for
two ways to draw the first W: Glorot's, meant for tanh, and He's, with twice the variance, meant
for ReLU, whose f′ is 0 for half of the units. The right W keeps tanh's and ReLU's δ alive; no
such W helps the logistic function.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
INITIALIZERS = {"Glorot": "glorot_normal", "He": "he_normal"}
DEPTHS, WIDTH, SAMPLES = (5, 20), 32, 64


def sizes(depth: int, activation: str, initializer: str) -> list[float]:
    """Return the root mean square of δ in each layer, first to last."""
    cr.random.seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((SAMPLES, WIDTH)), rng.integers(0, 2, SAMPLES)
    hidden = [
        cr.Dense(WIDTH, activation=activation, kernel_initializer=initializer) for _ in range(depth)
    ]
    model = cr.Sequential([*hidden, cr.Dense(2)], dtype="float64")
    model.compile(loss="cross_entropy")
    record = model.inspect(x, y)
    return [float(np.sqrt(np.mean(np.square(record.delta[i])))) for i in range(1, depth + 2)]


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Draw the sizes of δ; return by what factor the deeper network's shrink a layer."""
    charts, factors = [], {}
    for depth in DEPTHS:
        for author, initializer in INITIALIZERS.items():
            series = {name: sizes(depth, f, initializer) for name, f in ACTIVATIONS.items()}
            for name, values in series.items():
                # among the hidden layers
                factor = (values[0] / values[-2]) ** (1 / (depth - 1))
                factors[f"{name}, {author}"] = factor
                print(f"{depth} layers of {name}, {author}'s W: δ changes by {factor:.3g}x a layer")
            chart = line_chart(
                range(1, depth + 2),
                series,
                title="Size of δ",
                y_label="RMS of δ",
                x_label="layer",
                mark=(depth + 1, "output layer"),
            )
            charts.append((f"{depth} hidden layers, {author}'s initial W", chart))
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet(charts, title="Vanishing gradients by depth, activation and initial weights")
    atomic_write(folder / "vanishing_gradients.svg", picture.encode())
    return factors


if __name__ == "__main__":
    main()
