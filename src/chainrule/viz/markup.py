"""HTML and SVG as text in which nothing is left unescaped by oversight."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import final

#: What neither HTML nor XML may hold: control characters, lone surrogates, non-characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"br", "col", "hr", "meta"})


@final
class Markup(str):
    """Text that is HTML or SVG already, and is not escaped again."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Return a value as text that is safe between tags and in attributes.

    Args:
        value: anything; ``Markup`` is returned as it is.

    >>> escape("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", str(value))))


def join(*parts: object) -> Markup:
    """Put parts one after the other; text among them is escaped, ``None`` left out."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element, well-formed both as HTML and as XML.

    Args:
        name: name of the element.
        children: its content; text is escaped, ``None`` left out.
        attributes: ``class_`` stands for ``class`` and ``text_anchor`` for ``text-anchor``; floats
            are rounded to hundredths, ``None`` leaves the attribute out.

    >>> element("td", "a < b", class_="number", title=None)
    '<td class="number">a &lt; b</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given} />")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def _attribute(value: object) -> Markup:
    return Markup(f"{round(value, 2):g}") if isinstance(value, float) else escape(value)


def clip(text: object, length: int) -> str:
    """Return text on one line and of limited length, with an ellipsis where it was cut.

    >>> clip("sepal length (cm)", 8)
    'sepal l…'
    """
    line = str(text).replace("\r", " ").replace("\n", " ").replace("\t", " ")
    return line if len(line) <= length else line[: length - 1] + "…"


def name_of(text: object, length: int = 60) -> Markup:
    """Return a name that the data brought, clipped, and kept from reordering its neighbors.

    Args:
        text: a column, a class, a file.
        length: what to clip it to; the whole (up to 500 characters) is its tooltip then.
    """
    shown = clip(text, length)
    whole = None if shown == str(text) else clip(text, 500)
    return element("bdi", shown, class_="name", title=whole)


def text_width(text: str, size: float) -> float:
    """Estimate how wide a line of text will be; fonts differ, so it is generous."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return size * (0.6 * (len(text) - wide) + 1.05 * wide)
