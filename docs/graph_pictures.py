"""Draw the pictures of docs/graphs.md: ``python docs/graph_pictures.py`` writes docs/graphs/."""

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.compiler.recording import record
from chainrule.core.graph import Graph
from chainrule.data.files import atomic_write

FOLDER = Path(__file__).parent / "graphs"


def lecture() -> Graph:
    """Return the graph of f(x; w, b) = 1 / (exp(-(xw + b)) + 1)."""
    return cr.trace(lambda x, w, b: 1 / (cr.exp(-(x * w + b)) + 1))(1.0, 0.0, 0.0)


def naive() -> Graph:
    """Return the graph of log(softmax(x)[2]), written as in the formula."""

    def log_probability(x: cr.Tensor) -> cr.Tensor:
        e = cr.exp(x)
        return cr.log((e / e.sum())[2])

    return cr.trace(log_probability)(np.zeros(4, np.float32))


def network() -> Graph:
    """Return the graph of a step of training: value, gradients, updates."""
    model = cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dense(8, "tanh"), cr.Dense(3)])
    x, y = np.zeros((16, 4), np.float32), np.zeros(16, np.int64)
    model(x)
    optimizer = cr.optim.SGD(0.1)
    loss = cr.losses.loss("cross_entropy")

    def step(x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        parameters = list(model.parameters().values())
        return optimizer.minimize(lambda: loss(y, model(x)).mean(), parameters)

    return cr.trace(step)(x, y)


def recurrence() -> Graph:
    """Return the graph of a loop with a carry."""

    def last(w: cr.Tensor, xs: cr.Tensor) -> cr.Tensor:
        h, _ = cr.scan(lambda h, x: (cr.tanh(w * h + x), None), 0.0, xs)
        return h

    return cr.trace(last)(0.0, np.zeros(5, np.float32))


def dynamic() -> Graph:
    """Return what ran in a loop whose length depends on the values."""
    x, w = cr.tensor(0.3), cr.Parameter(1.5, name="w")
    with record() as recording:
        h = x
        while h < 2.0:
            h = h * w + 0.1
        h = cr.log(h)
    return recording.graph(h)


def pictures() -> dict[str, str]:
    """Return the pictures by name."""
    traced, written = network(), naive()
    optimized, simple = traced.optimize(), written.optimize()
    large = [np.array([100.0, -100.0, 0.0, 1.0], np.float32)]
    return {
        "lecture": lecture().to_svg([1.0, 0.0, 0.0], title="The graph of f(x; w, b), with values"),
        "naive": written.to_svg(large, title="log(softmax(x)[2]) as written: not finite"),
        "stable": simple.to_svg(large, title="The same function, optimized: accurate"),
        "network": traced.to_svg(title="A step of training a network, as traced", collapsed=True),
        "optimized": optimized.to_svg(title="The same step, optimized", collapsed=True),
        "kernels": optimized.to_svg(title="The kernels of the step", kernels=True, collapsed=True),
        "scan": recurrence().to_svg([0.5, [0.2, 1.1, -0.6, 0.4, 0.9]], title="A loop of 5 steps"),
        "dynamic": dynamic().to_svg(title="What ran in a loop, with the values that it had"),
    }


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        atomic_write(FOLDER / f"{name}.svg", svg.encode() + b"\n")


if __name__ == "__main__":
    main()
