"""What the package as a whole promises: it imports lightly, and its examples run."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import chainrule

HEAVY = [
    *("polars", "rich", "safetensors", "sklearn", "pandas", "pyarrow", "scipy", "llvmlite"),
    *("torch", "jax", "matplotlib"),
]


def test_import_loads_nothing_heavier_than_numpy() -> None:
    code = "import sys, json, chainrule; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "numpy" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert not done.stderr


@pytest.mark.slow
def test_import_is_quick() -> None:
    """Under 0.25 s: the best of several, since the machine is shared."""
    code = "import time; t = time.perf_counter(); import chainrule; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(7)
    ]
    assert min(times) < 0.25


def modules() -> list[str]:
    found = pkgutil.walk_packages(chainrule.__path__, "chainrule.")
    return ["chainrule", *(module.name for module in found if "__main__" not in module.name)]


@pytest.mark.parametrize("name", modules())
def test_doctests(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert results.failed == 0


def test_every_public_function_of_the_core_has_an_example() -> None:
    missing = [
        name
        for name, value in vars(chainrule).items()
        if getattr(value, "__module__", "").startswith(("chainrule.ops", "chainrule.autodiff"))
        and not isinstance(value, type)
        and ">>>" not in (value.__doc__ or "")
    ]
    comparisons = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
    logic = {"logical_and", "logical_or", "logical_not", "isfinite", "isnan"}
    assert set(missing) <= comparisons | logic
