"""The three steps of deep learning: a set of functions, a measure of goodness, the best function.

1. A network's architecture is a set of functions, one for each choice of W and b. The picture
   shows two that were drawn at random.
2. A loss says how good each of them is on the data.
3. Gradient descent looks for the best one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import atomic_write, load_dataset
from chainrule.viz import heat_map, line_chart, sheet

PICTURES = Path("pictures")
TRAINING, EPOCHS, LIMITS = 200, 40, (-6.0, 6.0)


def architecture(seed: int) -> cr.Sequential:
    """Step 1: define a set of functions, and draw one of them."""
    cr.random.seed(seed)
    return cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dense(2)])


def measured(model: cr.Sequential) -> cr.Sequential:
    """Step 2: say how good a function is."""
    model.compile(cr.optim.Adam(0.03), loss="cross_entropy", metrics=["accuracy"])
    return model


def region(model: cr.Sequential, x: np.ndarray, y: np.ndarray) -> str:
    """Draw a function: the probability that it gives to class 1, and the data."""
    places = np.linspace(*LIMITS, 121)
    grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2).astype(np.float32)
    probability = cr.softmax(model.predict(grid)).numpy()[:, 1]
    return heat_map(
        probability.reshape(121, 121),
        x=LIMITS,
        y=LIMITS,
        title="Probability of class 1",
        x_label="x₁",
        y_label="x₂",
        points=x,
        labels=y.tolist(),
        names=["class 0", "class 1"],
        limits=(0.0, 1.0),
        contours=[0.5],
        contour_name="ŷ = ½",
    )


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Tell a disc from the ring around it; return losses, and the accuracy on new points."""
    table = load_dataset("circle", noise=0.1).frame
    x = table.select("x", "y").to_numpy().astype(np.float32)
    y = (table["label"].to_numpy() > 0).astype(int)
    data, new = (x[:TRAINING], y[:TRAINING]), (x[TRAINING:], y[TRAINING:])

    charts, found = [], {}
    for seed, which in ((0, "one function of the set"), (1, "another one")):
        model = measured(architecture(seed))
        model.predict(x)  # its W and b are drawn when it sees the first data
        found[which], _ = model.evaluate(*data)
        caption = f"Step 1: {which}. Step 2: its loss is {found[which]:.2f}"
        charts.append((caption, region(model, *data)))

    # Step 3: pick the best function.
    history = model.fit(*data, epochs=EPOCHS, validation_data=new, verbose=0).history
    found["best one found"] = float(model.evaluate(*data)[0])
    found["accuracy"] = history["val_accuracy"][-1]
    losses = {"training": history["loss"], "new points": history["val_loss"]}
    curves = line_chart(range(1, EPOCHS + 1), losses, title="Loss", may_be_log=False)
    charts += [
        ("Step 3: gradient descent looks for the best one", curves),
        (
            f"The best one found: its loss is {found['best one found']:.2f}",
            region(model, *data),
        ),
    ]
    print(model.summary())
    print(*[f"loss of {which}: {found[which]:.2f}" for which in list(found)[:3]], sep="\n")
    print(f"accuracy on {len(new[0])} new points: {100 * found['accuracy']:.1f} %")
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet(charts, title="The three steps of deep learning")
    atomic_write(folder / "three_steps.svg", picture.encode())
    return found


if __name__ == "__main__":
    main()
