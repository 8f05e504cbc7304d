"""Errors that say which argument is meant, what came, what was expected, and the usual fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ChainruleError(Exception):
    """Base of every error that Chainrule raises on purpose."""


class ArgumentError(ChainruleError, ValueError):
    """An argument does not fit.

    The text reads ``argument: got CAME; expected EXPECTED. FIX``.

    Args:
        argument: name of the argument, as the caller wrote it.
        came: what came, in words or as a value already formatted.
        expected: what would have been right.
        fix: the usual fix, as a sentence (optional).
    """

    def __init__(self, argument: str, came: str, expected: str, fix: str = "") -> None:
        self.argument, self.came, self.expected, self.fix = argument, came, expected, fix
        super().__init__(f"{argument}: got {came}; expected {expected}.{' ' + fix if fix else ''}")


class ShapeError(ArgumentError):
    """Shapes do not go together."""


class DtypeError(ArgumentError, TypeError):
    """A dtype, or the type of an argument, does not fit."""


class DataError(ArgumentError):
    """A table or a column does not hold what is needed."""


class FileError(ChainruleError, OSError):
    """A file is missing, unreadable, truncated, or from a newer version."""


class GraphError(ChainruleError):
    """A graph breaks one of its own rules (see ``Graph.verify``)."""


class TracingError(ChainruleError, TypeError):
    """A value was asked for that does not exist while a graph is traced."""


class MissingRuleError(ChainruleError, NotImplementedError):
    """A primitive has no rule of the kind that was needed."""


class MissingDependencyError(ChainruleError, ImportError):
    """An optional package is needed; the text holds the command that installs it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the known names nearest to a misspelled one, as a sentence, or nothing.

    >>> nearest("rleu", ["relu", "elu", "tanh"])
    "Did you mean 'relu' or 'elu'?"
    """
    folded = {str(k).casefold(): str(k) for k in known}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.5)
    if not close:
        return ""
    return f"Did you mean {' or '.join(repr(folded[c]) for c in close)}?"
