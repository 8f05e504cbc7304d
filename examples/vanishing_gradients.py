"""How the error term δ shrinks on its way back through a deep network.

δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾): each layer multiplies by f′, which is at most ¼ for the logistic
function and at most 1 for tanh, and by W. The script measures the size of δ layer by layer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
ACTIVATIONS = ("sigmoid", "tanh", "relu")
DEPTHS, WIDTH, SAMPLES = (5, 20), 32, 64


def sizes(depth: int, activation: str) -> list[float]:
    """Return the root mean square of δ in each layer, first to last."""
    cr.random.seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((SAMPLES, 10)), rng.integers(0, 2, SAMPLES)
    initial = "he_normal" if activation == "relu" else "glorot_normal"
    hidden = [
        cr.Dense(WIDTH, activation=activation, kernel_initializer=initial) for _ in range(depth)
    ]
    model = cr.Sequential([*hidden, cr.Dense(2)], dtype="float64")
    model.compile(loss="cross_entropy")
    record = model.inspect(x, y)
    return [float(np.sqrt(np.mean(np.square(record.delta[i])))) for i in range(1, depth + 2)]


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Draw the sizes of δ; return by what factor the deeper network's shrink a layer."""
    charts, factors = [], {}
    for depth in DEPTHS:
        series = {name: sizes(depth, name) for name in ACTIVATIONS}
        for name, values in series.items():
            factors[name] = (values[0] / values[-2]) ** (1 / (depth - 1))
            print(f"{depth} layers of {name}: δ changes by {factors[name]:.3g}x a layer")
        layers = list(range(1, depth + 2))
        chart = line_chart(layers, series, title="Size of δ", y_label="RMS of δ", x_label="layer")
        charts.append((f"{depth} hidden layers", chart))
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet(charts, title="Vanishing gradients by depth and activation")
    atomic_write(folder / "vanishing_gradients.svg", picture.encode())
    return factors


if __name__ == "__main__":
    main()
