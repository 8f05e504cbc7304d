"""Where a node comes from: the user's line, the modules around it, and what it is part of."""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal, TypeAlias

#: What a node of a training graph is for.
Part: TypeAlias = Literal["forward", "gradient", "update"]

#: Folder of Chainrule's own code.
PACKAGE = str(Path(__file__).resolve().parents[1]) + "/"


@dataclass(frozen=True, slots=True)
class Source:
    """A line of a user's program.

    Attributes:
        file: path of the file, or what Python calls it (``<stdin>``).
        line: number of the line, from 1.
        function: name of the function that the line stands in.
    """

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The line itself, or nothing where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node comes from.

    Attributes:
        source: the user's line that asked for it.
        scope: labels of the modules inside whose ``forward`` it was made, the outermost first.
        part: whether it computes the result, a gradient, or an update.
    """

    source: Source | None
    scope: tuple[str, ...] = ()
    part: Part = "forward"


def users_line() -> Source | None:
    """Return the innermost line of the call stack that is not Chainrule's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return Source(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    return None
