"""What all tests share."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings

# The same examples on every machine and in every run; a deadline would time a busy machine.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a parameter whose text holds a memory address by all but the address.

    Test processes that run side by side must agree on the tests' names.
    """
    text = repr(val)
    return re.sub(r" at 0x[0-9a-f]+", "", text) if " at 0x" in text else None
