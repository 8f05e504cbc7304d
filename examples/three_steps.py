"""The three steps of deep learning: a set of functions, a measure of goodness, the best function.

1. A network's architecture is a set of functions, one for each choice of W and b.
2. A loss says how good each of them is on the data.
3. Gradient descent looks for the best one.
"""

from __future__ import annotations

from pathlib import Path

import chainrule as cr
from chainrule.data import atomic_write, load_dataset
from chainrule.viz import line_chart, sheet

PICTURES = Path("pictures")


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Recognize handwritten digits; return the accuracy on digits that were not trained on."""
    table = load_dataset("digits").frame
    x, y = table.drop("digit").to_numpy() / 16.0, table["digit"].to_numpy()
    (x_train, x_test), (y_train, y_test) = (x[:1400], x[1400:]), (y[:1400], y[1400:])
    cr.random.seed(0)

    # Step 1: define a set of functions.
    model = cr.Sequential([cr.Dense(32, activation="relu"), cr.Dense(10)])
    # Step 2: say how good a function is.
    model.compile(optimizer=cr.optim.Adam(0.003), loss="cross_entropy", metrics=["accuracy"])
    # Step 3: pick the best function.
    history = model.fit(
        x_train, y_train, epochs=25, validation_data=(x_test, y_test), verbose=0
    ).history

    accuracy = history["val_accuracy"][-1]
    print(model.summary())
    print(f"accuracy on {len(y_test)} new digits: {100 * accuracy:.1f} %")
    epochs = range(1, len(history["loss"]) + 1)
    curves = {"training": history["loss"], "new digits": history["val_loss"]}
    chart = line_chart(epochs, curves, title="Loss", may_be_log=False)
    folder.mkdir(parents=True, exist_ok=True)
    picture = sheet([("Cross-entropy, epoch by epoch", chart)], title="The three steps")
    atomic_write(folder / "three_steps.svg", picture.encode())
    return {"accuracy": accuracy}


if __name__ == "__main__":
    main()
