"""Every example runs in seconds, finds what its text says, and leaves a picture."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


FINDINGS = {
    "activation_functions": lambda f: f["sigmoid"] == pytest.approx(0.25) and f["relu"] == 1.0,
    "dying_relu": lambda f: (
        f["ReLU dead"] == 1.0
        and f["LeakyReLU dead"] == 0.0
        and f["LeakyReLU loss"] < 0.5 * f["ReLU loss"]
    ),
    "loss_surfaces": lambda f: f["squared error"] < -0.01 and f["cross-entropy"] < -0.01,
    "non_monotone": lambda f: min(f.values()) > 0.9 and {"gelu", "mish", "sine"} <= set(f),
    "three_steps": lambda f: f["accuracy"] > 0.88,
    "vanishing_gradients": lambda f: f["sigmoid"] < 0.4 and f["relu"] > 0.8 > f["sigmoid"],
    "xor": lambda f: f["linear"] < 4 and f["2-4-1"] == 4,
    "zero_centered": lambda f: f["tanh"] < f["logistic + batch norm"] < f["logistic"],
}


def test_every_example_is_tested_and_listed() -> None:
    scripts = {file.stem for file in EXAMPLES.glob("*.py")}
    assert scripts == set(FINDINGS)
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"`{name}.py`" in text for name in scripts)


@pytest.mark.parametrize("name", FINDINGS)
def test_it_finds_what_it_says_and_leaves_a_picture(name: str, tmp_path: Path) -> None:
    found = load(name).main(tmp_path)
    assert FINDINGS[name](found), found
    picture = ET.XML((tmp_path / f"{name}.svg").read_text())
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"


def test_one_runs_as_a_script(tmp_path: Path) -> None:
    script = EXAMPLES / "xor.py"
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "2-4-1: 4 of 4 right" in done.stdout
    assert done.stderr == ""
    assert (tmp_path / "pictures" / "xor.svg").exists()
