"""The loss of the network y = σ(w₂ σ(w₁ x)) at x = 1, y = 1 over its two weights.

Even this network's loss is not convex, whether measured by squared error or by cross-entropy. A
function is convex where its Hessian has no negative eigenvalue; the script looks for places where
it has one, and lets gradient descent go down both surfaces from the same start.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write
from chainrule.viz import heat_map, sheet

PICTURES = Path("pictures")
LIMIT, STEPS, RATE, DESCENTS = 10.0, 61, 5.0, 60


def squared_error(w: cr.Tensor) -> cr.Tensor:
    """Return ½ (1 - ŷ)² at x = 1, y = 1."""
    return 0.5 * cr.square(1.0 - cr.sigmoid(w[1] * cr.sigmoid(w[0])))


def cross_entropy(w: cr.Tensor) -> cr.Tensor:
    """Return -log ŷ at x = 1, y = 1."""
    return cr.softplus(-w[1] * cr.sigmoid(w[0]))


def descend(loss, start: list[float]) -> np.ndarray:
    """Follow the gradient downhill; return the places on the way."""
    w, path = cr.tensor(start, dtype="float64"), [start]
    for _ in range(DESCENTS):
        w = w - RATE * cr.grad(loss)(w)
        path.append(w.tolist())
    return np.array(path)


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Draw both surfaces; return the most negative curvature of each."""
    places = np.linspace(-LIMIT, LIMIT, STEPS)
    charts, found = [], {}
    for name, loss in (("squared error", squared_error), ("cross-entropy", cross_entropy)):
        surface = np.array([[loss(cr.tensor([a, b])).item() for a in places] for b in places])
        curvature = min(
            np.linalg.eigvalsh(cr.hessian(loss)(cr.tensor(np.array([a, b])))).min()
            for a in places[::6]
            for b in places[::6]
        )
        found[name] = float(curvature)
        print(f"{name}: the most negative curvature found is {curvature:.3g}: not convex")
        chart = heat_map(
            surface,
            x=(-LIMIT, LIMIT),
            y=(-LIMIT, LIMIT),
            title=f"Loss by {name}",
            x_label="w₁",
            y_label="w₂",
            path=descend(loss, [-2.0, -4.0]),
            bands=16,
        )
        charts.append((f"{name}, and gradient descent on it", chart))
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet(charts, title="Two loss surfaces of one network")
    atomic_write(folder / "loss_surfaces.svg", picture.encode())
    return found


if __name__ == "__main__":
    main()
