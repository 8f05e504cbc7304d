"""What stands on a node: operation, type, value, and where it comes from, in few words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from chainrule.core.graph import Graph, Node
from chainrule.core.types import FLOAT32, Array, ArrayType, TupleType
from chainrule.viz.markup import clip

#: Two operands and what stands between them: "{0} + {1}".
_BETWEEN = re.compile(r"\{0\} (\S+) \{1\}")
#: Operations whose operands may change places.
COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "equal", "not_equal", "logical_and", "logical_or"}
)
#: Shorter names.
_NAMES = {"maximum": "max", "minimum": "min", "select": "where", "negative": "× −1"}
#: Attributes that the shapes on the lines tell, and those that are seldom other than usual.
_TOLD = frozenset({"shape", "keepdims", "share"})
#: Attributes of control flow that its frame tells, or that tell nothing to its user.
_INTERNAL = frozenset({"carries", "xs", "length"})
_CONTROL = frozenset({"cond", "scan", "while"})
_LONGEST = 30
_FEW = 4  # numbers of an array that are shown one by one
_LONGEST_VALUE = 26


def operation(node: Node, scalars: Sequence[str | None]) -> str:
    """Return what a node does, with the operands that are numbers.

    Args:
        node: an application of a primitive.
        scalars: for each operand its number as text, or ``None`` where a line leads to it.

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda x: 1 / x)(2.0)
    >>> operation(graph.nodes[0], ["1", None])
    '1 / ·'
    """
    primitive = node.primitive
    assert primitive is not None
    between = _BETWEEN.fullmatch(primitive.symbol)
    if between:
        left, right = scalars
        return _infix(between.group(1), left, right, primitive.name in COMMUTATIVE)
    given = [f"{key}={_short(value)}" for key, value in node.attrs.items() if _matters(key, value)]
    if primitive.name in _CONTROL:
        shown = {k: v for k, v in node.attrs.items() if k not in _INTERNAL and _matters(k, v)}
        given = [k if v is True else f"{k}={_short(v)}" for k, v in shown.items() if v]
        if len(scalars) > _FEW:
            scalars = []
    if primitive.name == "cast":
        return f"to {node.type.dtype}"
    name = _NAMES.get(primitive.name, primitive.name)
    if any(s is not None for s in scalars):
        name = f"{name}({', '.join([s or '·' for s in scalars] + given)})"
        return clip(name, _LONGEST)
    return clip(" ".join([name, *given]), _LONGEST)


def _infix(sign: str, left: str | None, right: str | None, commutes: bool) -> str:
    sign = sign.replace("-", "−")
    if left is None:
        return sign if right is None else f"{sign} {right}"
    return f"{sign} {left}" if commutes else f"{left} {sign} ·"


def _matters(key: str, value: Any) -> bool:
    return key not in _TOLD and not isinstance(value, Graph) and not _holds_graphs(value)


def _holds_graphs(value: Any) -> bool:
    return isinstance(value, tuple | list) and any(isinstance(v, Graph) for v in value)


def _short(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    text = str(value).replace("(", "").replace(")", "") if isinstance(value, tuple) else str(value)
    return _minus(text) if isinstance(value, tuple | int | float) else text


def _minus(text: str) -> str:
    return text.replace("-", "−")


def short_type(kind: ArrayType | TupleType) -> str:
    """Return a shape, and the dtype where it is not float32; nothing for one float32 number.

    >>> from chainrule.core.types import FLOAT64
    >>> short_type(ArrayType((32, 64), FLOAT32)), short_type(ArrayType((), FLOAT64))
    ('32×64', 'float64')
    """
    if isinstance(kind, TupleType):
        return f"{len(kind.items)} values"
    shape = "×".join(map(str, kind.shape))
    return " ".join(filter(None, [shape, "" if kind.dtype == FLOAT32 else str(kind.dtype)]))


def number(value: Any) -> str:
    """Return one number in few digits.

    >>> number(-0.0), number(0.123456), number(True)
    ('0', '0.1235', 'True')
    """
    value = value.item() if isinstance(value, np.generic | np.ndarray) else value
    return _minus(f"{value + 0.0:.4g}" if isinstance(value, float) else str(value))


def value_text(value: Array) -> str:
    """Return an array's value: its numbers, or from where to where they reach.

    >>> value_text(np.array([0.5, 1.0])), value_text(np.arange(10.0))
    ('[0.5 1]', '0 … 9')
    """
    if value.size == 0:
        return "empty"
    if value.ndim == 0:
        return number(value[()])
    if value.size <= _FEW:
        text = f"[{' '.join(map(number, value.flat))}]"
        if len(text) <= _LONGEST_VALUE:
            return text
    if value.dtype.kind == "b":
        return f"{np.count_nonzero(value)} of {value.size} true"
    finite = value[np.isfinite(value)] if value.dtype.kind == "f" else value
    wrong = value.size - finite.size
    reach = _reach(finite, "all " if not wrong else "") if finite.size else ""
    return " ".join(filter(None, [reach, f"({wrong} not finite)" if wrong else ""]))


def _reach(finite: Array, every: str) -> str:
    least, most = finite.min(), finite.max()
    if least == most:
        return f"{every}{number(least)}"
    low, high = number(least), number(most)
    return f"≈ {low}" if low == high else f"{low} … {high}"


def statistics(value: Array) -> str:
    """Return a line for the tooltip: mean and spread of an array of several numbers."""
    if value.dtype.kind != "f" or value.size <= _FEW or not np.isfinite(value).all():
        return value_text(value)
    wide = value.astype(np.float64)
    return f"{value_text(value)}, mean {number(wide.mean())}, std {number(wide.std())}"


def tooltip(name: str, node: Node, operands: Sequence[str]) -> str:
    """Return all that is known of a node: formula, type, attributes, module, the user's line."""
    lines = []
    if node.primitive is None:
        lines.append(f"{name}: {node.type}")
    else:
        lines.append(f"{name}: {node.type} = {node.primitive.name}({', '.join(operands)})")
        lines += [f"{key} = {clip(repr(value), 120)}" for key, value in node.attrs.items()]
    origin = node.origin
    if origin is not None:
        if origin.scope:
            lines.append(" / ".join(origin.scope))
        if origin.source is not None:
            # The file's name only: a picture travels, the folders of this machine stay.
            file = PurePath(origin.source.file).name
            lines.append(f"{file}:{origin.source.line}, in {origin.source.function}")
            text = origin.source.text
            if text:
                lines.append(clip(text, 120))
    return "\n".join(lines)


def frame_label(node: Node) -> str:
    """Return what is written on the frame of a node that holds graphs.

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda x: cr.scan(lambda c, _: (c * x, None), x, length=5)[0])(1.0)
    >>> frame_label(graph.nodes[0])
    'scan · 5 steps'
    """
    assert node.primitive is not None
    name, length = node.primitive.name, node.attrs.get("length")
    if name != "scan" or length is None:
        return name
    return f"{name} · {length} step{'s' * (length != 1)}"


def body_names(
    node: Node, body: Graph, operands: Sequence[str]
) -> tuple[list[str], list[str]] | None:
    """Return names for the inputs and the results of a body of control flow.

    What a body uses from outside has the name that it has there.

    Args:
        node: the loop or branch.
        body: one of its graphs.
        operands: the names of the node's operands.

    Returns:
        The names, or ``None`` where the node is not one of Chainrule's own.
    """
    assert node.primitive is not None
    name, attrs = node.primitive.name, node.attrs
    if name not in _CONTROL:
        return None
    if name == "cond":
        return list(operands[1:]), _counted("result", len(body.outputs))
    carries, rows = attrs["carries"], attrs.get("xs", 0)
    names = _counted("carry", carries)
    names += [f"row of {x}" for x in operands[carries : carries + rows]]
    names += operands[carries + rows :]
    if body is attrs.get("condition"):
        return names, ["goes on"]
    results = _counted("next carry", carries)
    return names, results + _counted("row", len(body.outputs) - carries)


def _counted(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name} {i + 1}" for i in range(count)]


def inner_graphs(attrs: Mapping[str, Any]) -> list[tuple[str, Graph]]:
    """Return the graphs among a node's attributes, by name: the bodies of loops and branches."""
    found = []
    for key, value in attrs.items():
        if isinstance(value, Graph):
            found.append((key, value))
        elif _holds_graphs(value):
            found += [(f"{key}[{i}]", v) for i, v in enumerate(value) if isinstance(v, Graph)]
    return found
