"""The lecture's notation as text and as HTML: ``w⁽²⁾[0,1]`` is row 0, column 1 of layer 2's W."""

from __future__ import annotations

import html
import re

_DIGITS, _RAISED, _LOWERED = "0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"
_RAISE, _LOWER = str.maketrans(_DIGITS, _RAISED), str.maketrans(_DIGITS, _LOWERED)
_UNRAISE = str.maketrans(_RAISED, _DIGITS)

#: f(x) or x in the formula of an activation, with what stands before it.
_VARIABLE = re.compile(r"(^|.)(f\(x\)|(?<![A-Za-z])x(?![A-Za-z]))")
#: A letter with the number of its layer, perhaps, and its indices.
_SYMBOL = re.compile(rf"([a-zδŷ])(?:⁽([{_RAISED}]+)⁾)?\[([^\]]*)\]")


def at(letter: str, layer: int, *indices: int | str) -> str:
    """Write an entry of a layer's quantity.

    >>> at("w", 2, 0, "j")
    'w⁽²⁾[0,j]'
    """
    return f"{letter}⁽{str(layer).translate(_RAISE)}⁾[{','.join(map(str, indices))}]"


def f_of(layer: int) -> str:
    """Write the activation of a layer.

    >>> f_of(12)
    'f₁₂'
    """
    return f"f{str(layer).translate(_LOWER)}"


def substitute(formula: str, a: str, z: str) -> str:
    """Put z for x, and a for f(x), into the formula of an activation.

    Args:
        formula: as the table of activations has it.
        a: a symbol, or a number.
        z: likewise.

    >>> substitute("1 − f(x)²", "a", "z"), substitute("1 − f(x)²", "-0.5", "")
    ('1 - a²', '1 - (-0.5)²')
    >>> substitute("I(−3 < x < 3)(2x + 3)/6", "", "1.5")
    'I(-3 < 1.5 < 3)(2(1.5) + 3)/6'
    """

    def put(found: re.Match[str]) -> str:
        before, value = found[1], z if found[2] == "x" else a
        joins = before.isdecimal() and value[:1].isdecimal()
        if joins or (value.startswith("-") and before not in ("(", "|")):
            value = f"({value})"
        return before + value

    return _VARIABLE.sub(put, formula.replace("−", "-"))


def markup(text: str) -> str:
    """Set a line in HTML: the layer above, indices below.

    >>> markup("z⁽²⁾[0] < 1")
    '<i>z</i><sup>(2)</sup><sub>0</sub> &lt; 1'
    """

    def symbol(found: re.Match[str]) -> str:
        above = f"<sup>({found[2].translate(_UNRAISE)})</sup>" if found[2] else ""
        return f"<i>{found[1]}</i>{above}<sub>{found[3]}</sub>"

    return _SYMBOL.sub(symbol, html.escape(text))
