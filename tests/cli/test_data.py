from __future__ import annotations

from pathlib import Path

import polars as pl

from chainrule.data import DATASETS, load_dataset


def test_lists_every_built_in_set(command) -> None:
    status, out, err = command("data")
    assert (status, err) == (0, "")
    for info in DATASETS.values():
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [info.name]]
        assert f" {info.target} " in line
        assert f" {info.rows:,} " in line


def test_describes_the_columns_of_a_file(command, table: Path) -> None:
    status, out, _ = command("data", table)
    assert status == 0
    assert "120 rows, 4 columns" in out
    (line,) = [line for line in out.splitlines() if line.startswith("weight")]
    weight = pl.read_csv(table)["weight"]
    cells = line.split()
    assert cells[1:4] == ["Float64", "0", str(weight.n_unique())]
    assert [float(c) for c in cells[4:]] == [
        float(f"{x:.4g}") for x in (weight.min(), weight.mean(), weight.max())
    ]


def test_marks_the_target_of_a_built_in_set(command) -> None:
    assert "species (target)" in command("data", "iris")[1]


def test_writes_a_built_in_set_to_a_file(command) -> None:
    status, out, _ = command("data", "iris", "--out", "iris.csv")
    assert (status, out) == (0, "150 rows written to iris.csv\n")
    assert pl.read_csv("iris.csv").equals(load_dataset("iris").frame)


def test_a_misspelled_name(command) -> None:
    status, _, err = command("data", "irs")
    assert status == 1
    assert "'iris'" in err
