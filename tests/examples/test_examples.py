"""Every example runs in seconds, finds what its text says, and leaves a picture."""

from __future__ import annotations

import importlib.util
import math
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
        f["dead before"] < 0.2
        and f["dead after"] == 1.0
        and f["dead cured"] == 0.0
        and f["bias after"] < f["bias before"] - 1.0
        and f["loss after"] > 20 * f["loss before"]
        and f["loss not cured"] > 0.9 * f["loss after"]  # waiting does not help
        and f["loss cured"] < 0.2 * f["loss after"]
    ),
    "loss_surfaces": lambda f: (
        set(f) == {"squared error", "cross-entropy"}
        and all(v["curvature"] < -0.05 and v["above its chord"] > 0.2 for v in f.values())
        # B runs onto the plateau where the network answers ½
        and f["squared error"]["from B"] == pytest.approx(1 / 8, abs=0.01)
        and f["cross-entropy"]["from B"] == pytest.approx(math.log(2), abs=0.02)
        and all(v["from A"] < 0.01 for v in f.values())
    ),
    "non_monotone": lambda f: min(f.values()) > 0.9 and {"gelu", "mish", "sine"} <= set(f),
    "three_steps": lambda f: (
        f["accuracy"] > 0.9
        and f["best one found"] < 0.3 * min(f["one function of the set"], f["another one"])
    ),
    "vanishing_gradients": lambda f: (
        # the initial weights decide for tanh and ReLU, and cannot help the logistic function
        max(f["logistic, Glorot"], f["logistic, He"]) < 0.4
        and 0.9 < f["tanh, Glorot"] < 1.1
        and 0.9 < f["ReLU, He"] < 1.1
        and f["ReLU, Glorot"] == pytest.approx(f["ReLU, He"] / math.sqrt(2), rel=0.02)
    ),
    "xor": lambda f: (
        f["linear, farthest from ½"] < 1e-4 and f["best straight line"] == 3 and f["2-4-1"] == 4
    ),
    "zero_centered": lambda f: (
        {kind: round(of["one sign"], 2) for kind, of in f.items()}
        == {"logistic": 1.0, "tanh": 0.0, "logistic + batch norm": 0.0}
        and max(f["tanh"]["loss"], f["logistic + batch norm"]["loss"]) < 0.3 * f["logistic"]["loss"]
    ),
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
