"""The package loads nothing heavier than NumPy until a table is touched."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from chainrule.data import lazy

HEAVY = ("polars", "pandas", "pyarrow", "sklearn", "scipy")


def heavy_after(code: str) -> str:
    code = f"{code}; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    assert heavy_after("import chainrule.data; list(chainrule.data.DATASETS.values())") == "[]"


def test_polars_loads_when_a_table_is_read() -> None:
    code = "import chainrule.data; chainrule.data.read_table({'a': [1]})"
    assert heavy_after(code) == "['polars']"


def test_lazy_polars_is_polars() -> None:
    assert lazy.pl.DataFrame is pl.DataFrame
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        lazy.pl.nothing_of_the_kind  # noqa: B018
