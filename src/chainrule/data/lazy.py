"""Polars, imported when it is first used.

``import chainrule`` must load nothing heavier than NumPy, and the modules of this package speak
polars throughout; so they take ``pl`` from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, final

__all__ = ["pl"]


@final
class LazyModule:
    """A module that is imported when one of its names is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next look-up does not come here
        return value


if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")
