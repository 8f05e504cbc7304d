"""The error of what native code cannot do."""

from __future__ import annotations

from chainrule.core.errors import ChainruleError


class UnsupportedError(ChainruleError):
    """A graph has something that native code cannot do yet; the text says what."""
