from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from chainrule.data import DATASETS
from chainrule.training.run import Run


def test_fits_a_file_and_writes_the_run_directory(command, table: Path) -> None:
    status, out, err = command("fit", table, "--target", "kind", "--epochs", 30)
    assert (status, err) == (0, "")
    assert "fruit: 120 rows, 3 columns (6 inputs), to predict 'kind' (3 classes)" in out
    assert "held out (seed 0)" in out
    assert "Sequential: input 6" in out
    assert "epoch  1/30  loss " in out
    assert "held-out rows: accuracy " in out
    assert "always answering the most frequent class: accuracy " in out
    assert out.rstrip().endswith("written to runs/fruit: chainrule predict runs/fruit DATA")
    names = {file.name for file in Path("runs/fruit").iterdir()}
    assert names == {"model.safetensors", "model.json", "history.jsonl", "report.html"}
    epochs = [json.loads(x) for x in Path("runs/fruit/history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in epochs] == list(range(len(epochs)))
    assert set(epochs[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".arrow"])
def test_the_format_of_the_file_does_not_matter(
    command, table: Path, tmp_path: Path, suffix: str
) -> None:
    fruit = pl.read_csv(table)
    file = tmp_path / f"other{suffix}"
    writers = {
        ".csv": pl.DataFrame.write_csv,
        ".tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
        ".parquet": pl.DataFrame.write_parquet,
        ".arrow": pl.DataFrame.write_ipc,
    }
    writers[suffix](fruit, file)
    assert command("fit", file, "--target", "kind", "--epochs", 5, "--out", "run")[0] == 0
    weights = Run.load("run").model.get_weights()
    reference = tmp_path / "reference.csv"
    fruit.write_csv(reference)
    assert command("fit", reference, "--target", "kind", "--epochs", 5, "--out", "ref")[0] == 0
    expected = Run.load("ref").model.get_weights()
    assert all((a == b).all() for a, b in zip(weights, expected, strict=True))


@pytest.mark.parametrize("name", DATASETS)
def test_every_built_in_set_knows_its_target(command, name: str) -> None:
    status, out, err = command("fit", name, "--epochs", 2, "--quiet")
    assert (status, err) == (0, "")
    assert f"to predict {DATASETS[name].target!r}" in out
    assert "epoch" not in out.split("parameters (")[1].split("epochs in")[0]  # --quiet


def test_a_free_directory_is_found(command) -> None:
    for expected in ("runs/xor", "runs/xor-2", "runs/xor-3"):
        _, out, _ = command("fit", "xor", "--epochs", 1, "--quiet")
        assert f"written to {expected}:" in out


def test_options_reach_the_network(command) -> None:
    options = "--hidden 5,4 --activation tanh --optimizer sgd --lr 0.5 --l2 0 --seed 7"
    command("fit", "iris", *options.split(), "--epochs", 3, "--batch-size", 16, "--out", "run")
    run = Run.load("run")
    assert [w.shape for w in run.model.get_weights()] == [(4, 5), (5,), (5, 4), (4,), (4, 3), (3,)]
    assert run.model.config()["layers"][1]["activation"] == "tanh"
    assert repr(run.model.setup.optimizer) == "SGD(learning_rate=0.5, momentum=0, nesterov=False)"
    assert (run.settings.seed, run.settings.l2, run.settings.batch_size) == (7, 0.0, 16)
    assert len(run.history.epoch) == 3


def test_no_hidden_layer_is_a_linear_model(command) -> None:
    command("fit", "iris", "--hidden", "none", "--epochs", 1, "--out", "run")
    assert [w.shape for w in Run.load("run").model.get_weights()] == [(4, 3), (3,)]


def test_nothing_held_out_is_said(command) -> None:
    status, out, _ = command("fit", "iris", "--test", 0, "--validation", 0, "--epochs", 2)
    assert status == 0
    assert "no rows were held out: nothing says how well it predicts new ones" in out
    assert "no rows validate, so the last weights are kept" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--activation", "rleu"], "--activation: got 'rleu'; expected one of linear, "),
        (["--activation", "rleu"], "Did you mean 'relu' or"),
        (["--optimizer", "adm"], "--optimizer: got 'adm'; expected one of sgd, "),
        (["--epochs", "0"], "--epochs: got 0; expected a whole number from 1."),
        (["--batch-size", "0"], "--batch-size: got 0; expected a whole number from 1."),
        (["--patience", "-1"], "--patience: got -1; expected a whole number from 0."),
        (["--lr", "-1"], "--lr: got -1.0; expected a finite number from 0."),
        (["--lr", "nan"], "--lr: got nan; expected a finite number from 0."),
        (["--l2", "-1"], "--l2: got -1.0; expected a finite number from 0."),
        (["--seed", "-1"], "--seed: got -1; expected a whole number from 0 to 2**64 - 1."),
        (["--test", "1"], "--test: got 1; expected a share of the rows, from 0 up to 1."),
        (["--validation", "nan"], "--validation: got nan; expected a share of the rows"),
        (["--hidden", "4,x"], "'4,x' is not a list of layer sizes such as 64,64"),
        (["--hidden", "4,0"], "'4,0' has a layer without neurons"),
    ],
)
def test_wrong_options(command, arguments: list[str], text: str) -> None:
    status, _, err = command("fit", "iris", *arguments)
    assert status == 2
    assert text in err
    assert not Path("runs").exists()


def write(name: str, text: str | bytes) -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


ROWS = "".join(f"{i},{i % 3}.5,{'ab'[i % 2]}\n" for i in range(40))


@pytest.mark.parametrize(
    ("content", "target", "text"),
    [
        (f"x,y,label\n{ROWS}", "lable", "Did you mean 'label'?"),
        (f"x,y,label\n{ROWS.replace('a', 'b')}", "label", "the same value in every"),
        (f"x,y,label\n{ROWS}9,,a\n", "label", "column 'y': got 1 missing value, first in row 41"),
        (f"x,y,label\n{ROWS}9,1.5,\n", "label", "column 'label': got 1 missing value"),
        (f"x,y,label\n{ROWS}9,inf,a\n", "label", "column 'y': got 1 infinite value"),
        (f"x,y,label\n{ROWS}9,1,a,b,c\n", "label", "line"),
        (b"\x00\xff\xfe\x00\x01PK\x03\x04", "label", "data.csv"),
        ("", "label", "empty"),
        ("x,y,label\n", "label", "row"),
    ],
)
def test_bad_tables(command, content: str | bytes, target: str, text: str) -> None:
    status, _, err = command("fit", write("data.csv", content), "--target", target)
    assert status == 1
    assert err.startswith("chainrule fit: ")
    assert text in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_missing_file_with_the_nearest_names(command, table: Path) -> None:
    status, _, err = command("fit", "friut.csv", "--target", "kind")
    assert status == 1
    assert "Did you mean 'fruit.csv'?" in err


def test_a_file_needs_a_target(command, table: Path) -> None:
    status, _, err = command("fit", table)
    assert status == 2
    assert "say which column to predict: --target COLUMN, one of weight, color, ripe, kind" in err


def test_a_run_is_not_overwritten_unless_asked(command, trained: Path, table: Path) -> None:
    before = (trained / "model.json").read_bytes()
    status, out, err = command("fit", table, "--target", "kind", "--out", trained)
    assert (status, out) == (1, "")
    assert "--overwrite" in err
    assert (trained / "model.json").read_bytes() == before
    options = ("--target", "kind", "--out", trained, "--overwrite", "--epochs", 1)
    assert command("fit", table, *options)[0] == 0
    assert (trained / "model.json").read_bytes() != before


def test_a_directory_with_other_files_is_refused_before_training(command) -> None:
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear")
    status, out, err = command("fit", "iris", "--out", "mine")
    assert (status, out) == (1, "")
    assert "a directory that holds other files" in err
    assert [file.name for file in Path("mine").iterdir()] == ["letter.txt"]


def test_divergence_writes_nothing(command) -> None:
    status, _, err = command("fit", "diabetes", "--optimizer", "sgd", "--lr", "1e4")
    assert status == 1
    assert "training has diverged" in err
    assert "it is 10000; try a tenth of it" in err
    assert not Path("runs").exists()


def test_ctrl_c_keeps_the_best_weights_so_far(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "chainrule", "fit", "digits", "--out", "run"),
            *("--epochs", "100000", "--patience", "100000"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch"):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted\n"
    assert "interrupted after " in out
    assert "whose weights are kept" in out
    assert "written to run:" in out
    run = Run.load(tmp_path / "run")
    assert run.facts["interrupted"] is True
    assert run.facts["scores"]["accuracy"] > 0.2
