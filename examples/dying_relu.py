"""ReLUs die of one abnormal sample; a LeakyReLU in the same place goes on learning.

One sample with inputs about twenty times too large comes once, in one batch of plain gradient
descent. Its error is large, so the update drives the biases b and the weights far down, and
z < 0 for all the usual samples ever after. ReLU's derivative is 0 there: δ is 0 for every sample,
and no gradient ever reaches these neurons' weights again. The cure keeps the dead network's
weights and replaces max(0, z) by max(0, z) + γ min(0, z): δ is not 0 any more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.activations import LeakyReLU
from chainrule.data import atomic_write
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")
GAMMA, UNITS, SAMPLES, BATCH = 0.05, 8, 200, 20
HEALTHY, SICK, CURED = 60, 60, 100  # epochs before the outlier, after it, and with the cure
OUTLIER = (19.0, 19.0)  # inputs are between 0 and 1 otherwise

Data = tuple[np.ndarray, np.ndarray]


def network(activation: object) -> cr.Sequential:
    """Return a new network with one hidden layer, its biases a little above 0."""
    cr.random.seed(3)
    hidden = cr.Dense(UNITS, activation=activation, bias_initializer=cr.initializers.Constant(0.3))
    model = cr.Sequential([hidden, cr.Dense(1)])
    model.compile(cr.optim.SGD(0.1), "squared_error")
    return model


def samples() -> Data:
    """Return inputs between 0 and 1, and the length of x as target."""
    x = np.random.default_rng(1).uniform(0, 1, (SAMPLES, 2)).astype(np.float32)
    return x, np.hypot(x[:, 0], x[:, 1])


def with_outlier(x: np.ndarray, y: np.ndarray) -> Data:
    """Return the samples and one more that is far from them, as the first."""
    return np.concatenate([[OUTLIER], x]).astype(np.float32), np.concatenate([[0.0], y])


def dead_share(model: cr.Sequential, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of hidden neurons whose δ is 0 for every sample."""
    delta = model.inspect(x, y).delta[1]
    return float((delta == 0).all(axis=0).mean())


class Course:
    """What is measured of a network, epoch by epoch, from some epoch on."""

    def __init__(self, begins: int) -> None:
        self.dead: list[float | None] = [None] * begins
        self.loss: list[float | None] = [None] * begins
        self.bias: list[float | None] = [None] * begins

    def train(
        self, model: cr.Sequential, data: Data, epochs: int, given: Data | None = None
    ) -> None:
        """Train on the data (or on what else is given), and measure on the data."""
        for _ in range(epochs):
            model.fit(*(given or data), batch_size=BATCH, shuffle=given is None, verbose=0)
            self.dead.append(dead_share(model, *data))
            self.loss.append(float(model.evaluate(*data)))
            self.bias.append(float(model.get_weights()[1].mean()))


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Bring it about, and cure it; draw shares, losses and biases, and return them."""
    data = samples()
    sick, relu = network("relu"), Course(0)
    relu.train(sick, data, HEALTHY)
    relu.train(sick, data, 1, given=with_outlier(*data))
    relu.train(sick, data, SICK)
    cured, leaky = network(LeakyReLU(GAMMA)), Course(HEALTHY + 1 + SICK)
    cured.predict(data[0])  # builds it
    cured.set_weights(sick.get_weights())
    leaky.train(cured, data, CURED)
    relu.train(sick, data, CURED)  # had one only waited

    i, j = HEALTHY, HEALTHY + SICK  # the epoch with the outlier, the last one before the cure
    found = {
        "dead before": relu.dead[i - 1],
        "dead after": relu.dead[j],
        "dead cured": leaky.dead[-1],
        "bias before": relu.bias[i - 1],
        "bias after": relu.bias[i],
        "loss before": relu.loss[i - 1],
        "loss after": relu.loss[j],
        "loss cured": leaky.loss[-1],
        "loss not cured": relu.loss[-1],
    }
    print(
        f"one outlier: mean b falls from {found['bias before']:.2f} to {found['bias after']:.2f}; "
        f"{100 * found['dead before']:.0f} % of the neurons were dead, "
        f"now {100 * found['dead after']:.0f} %\n"
        f"loss: {found['loss before']:.5f} before, {found['loss after']:.5f} "
        f"{SICK} epochs after it\n"
        f"{CURED} epochs more with ReLU: {found['loss not cured']:.5f}\n"
        f"{CURED} epochs with LeakyReLU (γ = {GAMMA}) in its place: {found['loss cured']:.5f}, "
        f"{100 * found['dead cured']:.0f} % dead"
    )
    draw(folder, relu, leaky)
    return found


def draw(folder: Path, relu: Course, leaky: Course) -> None:
    """Write the picture."""
    name = f"LeakyReLU, γ = {GAMMA}"
    epochs, mark = range(1, len(relu.loss) + 1), (HEALTHY + 1, "one outlier")
    charts = [
        (caption, line_chart(epochs, {"ReLU": a, name: b}, title=caption, mark=mark))
        for caption, a, b in (
            ("Share of hidden neurons that no gradient reaches", relu.dead, leaky.dead),
            ("Loss", relu.loss, leaky.loss),
        )
    ]
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "dying_relu.svg", sheet(charts, title="Dying ReLUs, cured").encode())


if __name__ == "__main__":
    main()
