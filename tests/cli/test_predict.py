from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from chainrule.cli import predict
from chainrule.data import load_dataset, read_table, write_table
from chainrule.training.run import Run


def test_prints_csv_where_nobody_watches(command, trained, table: Path) -> None:
    status, out, err = command("predict", trained, table)
    assert (status, err) == (0, "")
    printed = pl.read_csv(io.StringIO(out))
    frame = pl.read_csv(table)
    expected = Run.load(trained).predict(frame)
    assert printed["row"].to_list() == list(range(1, 121))
    assert printed["observed"].to_list() == frame["kind"].to_list()
    assert printed["prediction"].to_list() == expected["prediction"].to_list()
    np.testing.assert_allclose(printed["probability"], expected["probability"], rtol=1e-6)


def test_prints_a_table_on_a_terminal(command, trained, table, monkeypatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(predict, "is_terminal", lambda: True)
    monkeypatch.setattr(predict, "console", lambda: console)
    assert command("predict", trained, table)[0] == 0
    lines = screen.getvalue().splitlines()
    assert lines[0].split() == ["row", "observed", "prediction", "probability"]
    assert len(lines) == 2 + 20 + 1
    assert lines[-1].startswith("100 more rows: --limit 120 shows all")


def test_writes_the_table_with_its_predictions(command, trained, table: Path) -> None:
    status, out, _ = command("predict", trained, table, "--out", "new.parquet")
    assert (status, out) == (0, "120 predictions written to new.parquet\n")
    written, frame = read_table("new.parquet"), pl.read_csv(table)
    assert written.columns == [*frame.columns, "prediction", "probability"]
    assert written.select(frame.columns).equals(frame)


def test_no_target_column_is_needed_and_order_does_not_matter(command, trained, table) -> None:
    frame = pl.read_csv(table)
    write_table(frame.select("ripe", pl.lit(1).alias("extra"), "color", "weight"), "new.csv")
    _, out, _ = command("predict", trained, "new.csv")
    expected = Run.load(trained).predict(frame)["prediction"].to_list()
    assert pl.read_csv(io.StringIO(out))["prediction"].to_list() == expected


def test_held_out_rows_and_limit(command, trained, table: Path) -> None:
    _, out, _ = command("predict", trained, table, "--rows", "held-out", "--limit", 3)
    rows = pl.read_csv(io.StringIO(out))["row"].to_list()
    frame = pl.read_csv(table)
    assert rows == [int(i) + 1 for i in Run.load(trained).rows(frame, "held-out")[:3]]


def test_numbers_come_back_in_their_own_unit(command) -> None:
    command("fit", "diabetes", "--epochs", 20, "--out", "run")
    _, out, _ = command("predict", "run", "diabetes")
    printed = pl.read_csv(io.StringIO(out))
    observed = load_dataset("diabetes").frame["progression"]
    assert printed.columns == ["row", "observed", "prediction"]
    assert printed["prediction"].mean() == pytest.approx(observed.mean(), rel=0.1)


def test_an_unseen_category_warns(command, trained, table: Path) -> None:
    frame = pl.read_csv(table).with_columns(pl.lit("purple").alias("color"))
    write_table(frame, "new.csv")
    status, out, err = command("predict", trained, "new.csv")
    assert status == 0
    assert len(out.splitlines()) == 121
    assert err.startswith("warning: column 'color': 'purple' did not occur in training")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: f.drop("weight"), "feature column 'weight': got a table without it"),
        (lambda f: f.rename({"weight": "wieght"}), "Did you mean 'wieght'?"),
        (
            lambda f: f.with_columns(pl.Series("weight", ["1"] * 4 + ["heavy"] + ["2"] * 115)),
            "column 'weight': got the text 'heavy' in row 5",
        ),
        (
            lambda f: f.with_columns(pl.Series("weight", [None] + [1.0] * 119)),
            "column 'weight': got 1 missing value, first in row 1",
        ),
    ],
)
def test_bad_tables(command, trained, table: Path, change, text: str) -> None:
    write_table(change(pl.read_csv(table)), "new.csv")
    status, _, err = command("predict", trained, "new.csv", "--out", "out.csv")
    assert status == 1
    assert text in err
    assert not Path("out.csv").exists()


def test_a_column_named_prediction_is_not_lost(command, trained, table: Path) -> None:
    write_table(pl.read_csv(table).with_columns(pl.lit(1).alias("prediction")), "new.csv")
    status, _, err = command("predict", trained, "new.csv", "--out", "out.csv")
    assert status == 1
    assert "a table that has a column 'prediction' already" in err


def test_limit_must_be_positive(command, trained, table: Path) -> None:
    status, _, err = command("predict", trained, table, "--limit", 0)
    assert status == 2
    assert "--limit: got 0; expected a whole number from 1" in err


def test_a_truncated_model_is_noticed(command, trained: Path, table: Path) -> None:
    file = trained / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    status, _, err = command("predict", trained, table)
    assert status == 1
    assert "The file is truncated or damaged" in err


def test_a_newer_version_is_named(command, trained: Path, table: Path) -> None:
    file = trained / "model.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "format": 99, "chainrule": "7.1.0"}))
    status, _, err = command("predict", trained, table)
    assert status == 1
    assert "got format 99, written by Chainrule 7.1.0; expected format 1 or older" in err
    assert "pip install --upgrade chainrule" in err


def test_a_missing_run_with_the_nearest_names(command, trained: Path, table: Path) -> None:
    status, _, err = command("predict", "rnu", table)
    assert status == 1
    assert "Did you mean 'run'?" in err
