"""Tracebacks that show a line of the user's program which ran, if at all, long before."""

from __future__ import annotations

import ast
import linecache
import sys
import types

from chainrule.core.origin import Source


def with_users_line(
    error: Exception, source: Source | None, rest: types.TracebackType | None
) -> Exception:
    """Return the error with a traceback that begins at a line of the user's.

    Args:
        error: the error.
        source: the line; ``None``: it is not known.
        rest: the frames that the line called, innermost last.

    Returns:
        The same error. Raising it puts the frames of those who raise it in front.

    Source: the traceback rewriting of Jinja (``jinja2.debug``).
    """
    if source is None:
        return error.with_traceback(rest)
    frame = _frame(source)
    return error.with_traceback(types.TracebackType(rest, frame, frame.f_lasti, source.line))


class _Reached(Exception):  # noqa: N818 - nothing went wrong
    """What the line that stands for the user's raises, to make a frame."""


def _frame(source: Source) -> types.FrameType:
    """Return a frame that says it is at a line: of code that does nothing but raise there."""
    text = linecache.getline(source.file, source.line).rstrip()
    # Columns of the whole line: a part of it would be underlined.
    at = {
        "lineno": source.line,
        "end_lineno": source.line,
        "col_offset": len(text) - len(text.lstrip()),
        "end_col_offset": len(text.encode()),
    }
    statement = ast.Raise(ast.Name("reached", ast.Load(), **at), None, **at)
    module = compile(ast.Module([statement], []), source.file, "exec")
    name = source.function
    function = types.FunctionType(
        module.replace(co_name=name, co_qualname=name), {"reached": _Reached, "__name__": name}
    )
    try:
        function()
    except _Reached:
        traceback = sys.exc_info()[2]
        assert traceback is not None
        assert traceback.tb_next is not None
        return traceback.tb_next.tb_frame
    raise AssertionError("the probe was not raised")
