"""What all tests share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator

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


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled code in a folder of this run, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def count_calls() -> Callable[[Callable[[], object]], int]:
    """Return a function that runs another and counts the calls, of Python's and C's functions.

    What grows with the size of a problem is told by counts, which are the same on a busy machine.
    """

    def count(run: Callable[[], object]) -> int:
        calls = 0

        def profile(frame: object, event: str, arg: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            run()
        finally:
            sys.setprofile(before)
        return calls

    return count
