from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl

from chainrule.viz.inputs import data_section, settings_section


def words(made: str) -> str:
    return "".join(ET.XML(made).itertext())


def rows(made: str) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in ET.XML(made).iter("tr")]


def test_settings(fit_dataset: Callable[..., Any]) -> None:
    run = fit_dataset("iris", hidden=(8, 5), learning_rate=0.02, seed=7, l2=0.0).run
    made = settings_section(run)
    assert rows(made) == run.model.summary().cells()
    assert "4 inputs; 103 parameters (412 bytes)." in words(made)
    root = ET.XML(made)
    terms = [node.text for node in root.iter("dt")]
    values = ["".join(node.itertext()) for node in root.iter("dd")]
    found = dict(zip(terms, values, strict=True))
    assert found["hidden layers"] == "8, 5"
    assert found["optimizer"] == "adam, learning rate 0.02"
    assert found["seed"] == "7"
    assert found["rows held out"] == "20.0%"


def test_a_linear_model_has_no_hidden_layers(fit_dataset: Callable[..., Any]) -> None:
    made = words(settings_section(fit_dataset("iris", hidden=()).run))
    assert "hidden layersnone" in made
    assert "activation–" in made


def test_data_report(fit_dataset: Callable[..., Any]) -> None:
    run, frame = fit_dataset("iris")
    found = rows(data_section(run, frame))
    assert found[0] == ["column", "type", "missing", "distinct", "min", "mean", "max"]
    assert found[1] == ["species (target)", "String", "0", "3", "–", "–", "–"]
    assert found[2] == ["sepal length (cm)", "Float64", "0", "35", "4.3", "5.843", "7.9"]
    assert len(found) == 6


def test_many_columns_are_cut(digits: Any) -> None:
    made = data_section(*digits)
    found = rows(made)
    assert len(found) == 41
    assert found[1][0] == "digit (target)"
    assert found[2][0] == "pixel_0_0"
    assert "and 25 columns more" in words(made)


def test_encoding_and_notes(fit_table: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    frame = pl.DataFrame(
        {
            "x": x,
            "*": rng.normal(size=120),
            "constant & <b>": [1.5] * 120,
            "color": [("red", "blue")[i % 2] for i in range(120)],
            "y": np.where(x > 0, "yes", "no"),
        }
    )
    run, _ = fit_table(frame, "y")
    made = data_section(run, frame, ["something else <i>" + "x" * 1000])
    text = words(made)
    assert (
        "3 numeric columns are scaled to mean 0, deviation 1, and 1 text column is one-hot "
        "encoded: 5 inputs."
    ) in text
    notes = ["".join(node.itertext()) for node in ET.XML(made).iter("li")]
    assert len(notes) == 2
    assert "constant & <b>" in notes[0]
    assert notes[0].startswith("Column ")
    assert len(notes[1]) < 500
    assert [row[0] for row in rows(made)][2:4] == ["x", "*"]
