"""The loss of the network y = σ(w₂ σ(w₁ x)) at x = 1, y = 1 over its two weights.

Even this network's loss is not convex, whether measured by squared error or by cross-entropy, and
the script shows it in three ways. A function is convex where its Hessian has no negative
eigenvalue: there are places where it has one. On a straight line between two places a convex
function lies nowhere above its chord: this one does. And where gradient descent ends depends on
where it starts: in the valley where the loss is 0, or on a plateau where w₁ runs away and the
network answers ½ whatever w₂ is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write
from chainrule.viz import heat_map, line_chart, relief, sheet

PICTURES = Path("pictures")
RANGE = (-10.0, 10.0)
RATE, DESCENTS = 2.0, 150
STARTS = {"A": (2.0, -3.0), "B": (-2.0, -3.0)}
#: The ends of the straight line on which the loss is compared with its chord.
CHORD = (-9.0, -8.0), (9.0, 2.0)
CONTOURS = {
    "squared error": (0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    "cross-entropy": (0.1, 0.4, 1.0, 2.0, 4.0, 6.0, 8.0),
}


def squared_error(w: cr.Tensor) -> cr.Tensor:
    """Return ½ (1 - ŷ)² at x = 1, y = 1."""
    return 0.5 * cr.square(1.0 - cr.sigmoid(w[1] * cr.sigmoid(w[0])))


def cross_entropy(w: cr.Tensor) -> cr.Tensor:
    """Return -log ŷ at x = 1, y = 1."""
    return cr.softplus(-w[1] * cr.sigmoid(w[0]))


LOSSES = {"squared error": squared_error, "cross-entropy": cross_entropy}


def surface(loss, steps: int) -> np.ndarray:
    """Return the loss on a grid of places, w₂ along the rows."""
    places = np.linspace(*RANGE, steps)
    return loss(cr.tensor(np.stack(np.meshgrid(places, places)))).numpy()


def curvature(loss) -> float:
    """Return the most negative eigenvalue of the Hessian on a grid of places."""
    places = np.linspace(*RANGE, 21)
    hessian = cr.hessian(loss)
    return min(
        float(np.linalg.eigvalsh(hessian(cr.tensor(np.array([a, b]))).numpy()).min())
        for a in places
        for b in places
    )


def descend(loss, start: tuple[float, float]) -> np.ndarray:
    """Follow the gradient downhill; return the places on the way."""
    w, path = cr.tensor(start, dtype="float64"), [start]
    for _ in range(DESCENTS):
        w = w - RATE * cr.grad(loss)(w)
        path.append(tuple(w.tolist()))
    return np.array(path)


def along(loss) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss on the straight line, and its chord, at every percent of the way."""
    t = np.linspace(0.0, 1.0, 101)
    a, b = np.array(CHORD)
    losses = loss(cr.tensor(np.outer(1 - t, a).T + np.outer(t, b).T)).numpy()
    return losses, (1 - t) * losses[0] + t * losses[-1]


def main(folder: Path = PICTURES) -> dict[str, dict[str, float]]:
    """Draw both surfaces; return how each of them is not convex."""
    found, reliefs, maps, chords = {}, [], [], []
    for name, loss in LOSSES.items():
        paths = {start: descend(loss, place) for start, place in STARTS.items()}
        ends = {start: loss(cr.tensor(path[-1])).item() for start, path in paths.items()}
        on_line, chord = along(loss)
        found[name] = {
            "curvature": curvature(loss),
            "above its chord": float((on_line - chord).max()),
            **{f"from {start}": end for start, end in ends.items()},
        }
        print(
            f"{name}: the most negative curvature found is {found[name]['curvature']:.3g}, "
            f"and the loss is up to {found[name]['above its chord']:.3g} above a chord: not convex"
        )
        print("   gradient descent ends at", *[f"{ends[s]:.3g} from {s}" for s in STARTS])
        axes = {"x": RANGE, "y": RANGE, "x_label": "w₁", "y_label": "w₂"}
        shape = relief(surface(loss, 61), title=f"Loss by {name}", z_label="loss", **axes)
        reliefs.append((f"Loss by {name}", shape))
        heights = heat_map(
            surface(loss, 241),
            title=f"Loss by {name}",
            paths=list(paths.values()),
            diverging=False,
            contours=CONTOURS[name],
            contour_name="equal loss",
            **axes,
        )
        ending = " and at ".join(f"{end:.2g}" for end in ends.values())
        maps.append((f"Gradient descent ends at {ending}", heights))
        lines = {"loss": on_line.tolist(), "its chord": chord.tolist()}
        line = line_chart(range(101), lines, title="Loss", may_be_log=False, x_label="% of the way")
        (a, b), (c, d) = CHORD
        way = f"({a:g}, {b:g}) to ({c:g}, {d:g})".replace("-", "−")
        chords.append((f"On the straight line from {way}", line))
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet([*reliefs, *maps, *chords], title="Two loss surfaces of one network")
    atomic_write(folder / "loss_surfaces.svg", picture.encode())
    return found


if __name__ == "__main__":
    main()
