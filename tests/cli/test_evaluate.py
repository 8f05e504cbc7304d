from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, root_mean_squared_error

from chainrule.data import load_dataset, write_table
from chainrule.training.run import Run


def test_its_own_table_is_measured_on_the_held_out_rows(command, trained, table: Path) -> None:
    status, out, err = command("evaluate", trained, table)
    assert (status, err) == (0, "")
    assert "24 held-out rows: accuracy " in out
    assert "--rows all measures all of it" in out


def test_accuracy_is_that_of_scikit_learn(command, trained, table: Path) -> None:
    _, out, _ = command("evaluate", trained, table, "--rows", "all")
    frame = pl.read_csv(table)
    predicted = Run.load(trained).predict(frame)["prediction"]
    expected = accuracy_score(frame["kind"].to_list(), predicted.to_list())
    assert f"120 rows: accuracy {100 * expected:.1f} %" in out
    assert "new ones will score lower" in out


def test_another_table_is_measured_whole(command, trained, table: Path) -> None:
    write_table(pl.read_csv(table).head(50), "part.csv")
    status, out, _ = command("evaluate", trained, "part.csv")
    assert status == 0
    assert out.startswith("50 rows: accuracy ")


def test_numbers_are_measured_in_their_own_unit(command) -> None:
    command("fit", "diabetes", "--epochs", 5, "--out", "run")
    _, out, _ = command("evaluate", "run", "diabetes", "--rows", "all")
    frame = load_dataset("diabetes").frame
    y, p = frame["progression"].to_numpy(), Run.load("run").predict(frame)["prediction"].to_numpy()
    found = re.fullmatch(
        r"442 rows: R² (\S+), mean absolute error (\S+), RMSE (\S+)", out.split("\n")[0]
    )
    assert found is not None
    scores = (r2_score(y, p), mean_absolute_error(y, p), root_mean_squared_error(y, p))
    assert [float(x) for x in found.groups()] == pytest.approx(scores, rel=1e-3)


def test_held_out_rows_of_another_table_are_refused(command, trained, table: Path) -> None:
    write_table(pl.read_csv(table).head(50), "part.csv")
    status, _, err = command("evaluate", trained, "part.csv", "--rows", "held-out")
    assert status == 1
    assert "a table that the run was not trained on" in err


def test_an_unseen_class_is_named(command, trained, table: Path) -> None:
    frame = pl.read_csv(table).with_columns(pl.lit("fig").alias("kind"))
    write_table(frame, "figs.csv")
    status, _, err = command("evaluate", trained, "figs.csv")
    assert status == 1
    assert "'fig'" in err
    assert "a class that occurred in training ('apple', 'pear', 'plum')" in err
