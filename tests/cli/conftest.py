"""What the tests of the commands share: a small table, and a run trained on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chainrule.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run a command in an empty directory; return its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(a) for a in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def fruit(n: int = 120, seed: int = 0) -> pl.DataFrame:
    """A table of numbers, text and bools in which the kind follows from weight and color."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["apple", "pear", "plum"], n)
    center = {"apple": 150.0, "pear": 250.0, "plum": 50.0}
    color = {"apple": "red", "pear": "green", "plum": "blue"}
    return pl.DataFrame(
        {
            "weight": [round(center[k] + rng.normal(0, 10), 1) for k in kind],
            "color": [color[k] if rng.random() < 0.8 else "yellow" for k in kind],
            "ripe": rng.random(n) < 0.5,
            "kind": kind,
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a CSV file of fruit."""
    file = tmp_path / "fruit.csv"
    fruit().write_csv(file)
    return file


@pytest.fixture
def trained(table: Path, command: Command) -> Path:
    """Return the directory of a run trained on the file of fruit."""
    status, _, err = command("fit", table, "--target", "kind", "--epochs", 30, "--out", "run")
    assert (status, err) == (0, "")
    return Path("run")
