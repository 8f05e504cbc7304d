from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from chainrule.data import load_dataset
from chainrule.training.run import Run, Settings
from chainrule.viz.learning import ending, learning_section
from chainrule.viz.wording import number


def test_endings(fit_dataset: Callable[..., Any]) -> None:
    stopped = fit_dataset("diabetes", epochs=60).run
    best, done = stopped.facts["best_epoch"], stopped.facts["epochs"]
    assert done < 60
    assert ending(stopped).startswith(f"{done} of at most 60 epochs in ")
    assert ending(stopped).endswith(
        " s: the validation loss had not fallen for more than 10 epochs; "
        f"the weights kept are those of epoch {best}, where the validation loss was lowest"
    )
    whole = fit_dataset("iris", epochs=3).run
    assert ending(whole).endswith("lowest. That was the last one: more epochs may help")
    assert " of at most" not in ending(whole)
    blind = fit_dataset("iris", epochs=1, validation=0.0).run
    assert ending(blind).startswith("1 epoch in")
    assert ending(blind).endswith("; the last weights are kept")
    broken = fit_dataset("iris", after=2, epochs=50).run
    assert ", then cut short; the weights kept are those of epoch 2" in ending(broken)
    frame = load_dataset("iris").frame
    assert ending(Run.prepare(frame, "species", Settings())) == "not yet"


def section(run: Run) -> ET.Element:
    made = learning_section(run)
    assert made is not None
    return ET.XML(made)


def test_curves_show_loss_and_metric(digits: Any) -> None:
    root = section(digits.run)
    assert [h.text for h in root.iter("h3")] == ["Loss", "Accuracy"]
    labels = [svg.get("aria-label") or "" for svg in root.iter("{http://www.w3.org/2000/svg}svg")]
    history, best = digits.run.history.history, digits.run.facts["best_epoch"]
    assert labels[0].startswith(
        f"Loss, epoch 1 to 12: training from {number(history['loss'][0])} to "
        f"{number(history['loss'][-1])}"
    )
    assert all(f"epoch {best} is kept marked" in label for label in labels)
    assert "Cross-entropy + ½ λ ‖W‖² with λ = 0.001" in "".join(root.itertext())


def test_regression_shows_r2(diabetes: Any) -> None:
    root = section(diabetes.run)
    assert [h.text for h in root.iter("h3")] == ["Loss", "R²"]
    assert "Squared error" in "".join(root.itertext())


def test_figures_epoch_by_epoch(digits: Any) -> None:
    history = digits.run.history.history
    rows = [["".join(cell.itertext()) for cell in row] for row in section(digits.run).iter("tr")]
    assert rows[0] == [
        "epoch", "training loss", "training accuracy", "validation loss", "validation accuracy",
    ]  # fmt: skip
    assert len(rows) == 13
    assert rows[3][:2] == ["3", number(history["loss"][2])]
    assert rows[3][4] == f"{history['val_accuracy'][2]:.1%}"


def test_long_histories_are_thinned_and_keep_the_best(fit_table: Callable[..., Any]) -> None:
    run = fit_table(load_dataset("iris").frame, "species", epochs=1).run
    epochs = list(range(1000))
    falling = [1 / (1 + e) for e in epochs]
    run.history.epoch, run.history.history = epochs, {"loss": falling, "val_loss": falling}
    run.facts["best_epoch"] = 780
    root = section(run)
    rows = ["".join(row[0].itertext()) for row in root.iter("tr")]
    assert rows[1] == "1"
    assert rows[-1] == "1,000"
    assert "780 (kept)" in rows
    assert len(rows) - 1 == 101
    assert "899 epochs between them not shown" in "".join(root.itertext())


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_losses_that_are_no_numbers(value: Any, fit_table: Callable[..., Any]) -> None:
    run = fit_table(load_dataset("iris").frame, "species", epochs=2).run
    run.history.history["val_loss"] = [value, value]
    assert "no finite" not in "".join(section(run).itertext())
    run.history.history["loss"] = [value, value]
    assert "no finite values to show" in "".join(section(run).itertext())


def test_nothing_without_epochs(fit_dataset: Callable[..., Any]) -> None:
    assert learning_section(fit_dataset("iris", after=0).run) is None
