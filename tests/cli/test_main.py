from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule
from chainrule.cli.main import COMMANDS, make_parser


def test_help_names_every_command(command) -> None:
    status, out, _ = command("--help")
    assert status == 0
    for name in COMMANDS:
        assert re.search(rf"^    {name} ", out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_without_useless_defaults(command, name: str) -> None:
    status, out, _ = command(name, "--help")
    assert status == 0
    assert "None" not in out
    assert "(default: False)" not in out


def test_version(command) -> None:
    assert command("--version") == (0, f"chainrule {chainrule.__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["fitt", "iris"], ["fit"], ["fit", "iris", "--epoch=x"]])
def test_wrong_usage_is_2_and_goes_to_standard_error(command, arguments: list[str]) -> None:
    status, out, err = command(*arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("usage: chainrule")


def test_the_contract_of_fit_is_kept() -> None:
    options = (
        "fit DATA --target C --hidden 64,64 --activation relu --optimizer adam --lr 1e-3 "
        "--epochs 100 --batch-size 32 --validation 0.2 --seed 0 --out RUN"
    )
    parsed = make_parser().parse_args(options.split())
    default = make_parser().parse_args(["fit", "DATA"])
    assert parsed.hidden == default.hidden == (64, 64)
    for name in ("activation", "optimizer", "epochs", "batch_size", "validation", "seed"):
        assert getattr(parsed, name) == getattr(default, name)


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "data"], capture_output=True, text=True, check=True
    )
    assert "breast_cancer" in done.stdout
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, trained, table: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    shell = f"'{sys.executable}' -m chainrule predict run '{table}'"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"{shell} | head -1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == "row,observed,prediction,probability\n"
    assert done.stderr == ""
