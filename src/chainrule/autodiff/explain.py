"""One computation, spelled out: every intermediate with its local derivatives and its adjoint."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.autodiff.reverse import freshen, pull_back
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.graph import Node, ancestors
from chainrule.core.mode import recording
from chainrule.core.tensor import Tensor, as_tensor, known, unknown
from chainrule.core.types import BOOL, FLOAT64, Array, ArrayType
from chainrule.ops.creation import ones_like

#: Primitives whose local derivative is an array of the result's shape; for the others it is a rule.
_ONE = "g"


@dataclass(frozen=True)
class LocalDerivative:
    """One entry of a row: how an intermediate moves with one of its inputs.

    Attributes:
        of: name of the intermediate.
        by: name of the input.
        formula: the derivative in the names of the table (with ``g``, the cotangent, where the
            operation is not elementwise).
        value: its value, or ``None`` where the operation is not elementwise.
    """

    of: str
    by: str
    formula: str
    value: Array | None

    def __str__(self) -> str:
        shown = "" if self.value is None or _shown(self.value) == self.formula else self.value
        return f"∂{self.of}/∂{self.by} = {self.formula}" + (
            f" = {_shown(shown)}" if isinstance(shown, np.ndarray) else ""
        )


@dataclass(frozen=True)
class Row:
    """One intermediate of the computation.

    Attributes:
        name: ``h1``, ``h2``, ... in the order of computation.
        formula: what it is, in the names of the table.
        value: its value.
        local: its derivatives by its own inputs.
        adjoint: the derivative of the result by it.
    """

    name: str
    formula: str
    value: Array
    local: tuple[LocalDerivative, ...]
    adjoint: Array


@dataclass(frozen=True)
class Explanation:
    """The table that ``explain`` returns; prints in a terminal, renders in a notebook.

    Attributes:
        inputs: the arguments by name.
        rows: the intermediates, in the order of computation.
        gradient: the derivative of the result by each argument.
        value: the result.
    """

    inputs: dict[str, Array]
    rows: tuple[Row, ...]
    gradient: dict[str, Array]
    value: Array

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def _cells(self) -> list[list[list[str]]]:
        """Return the table as rows of cells of lines."""
        head = [["node"], ["value"], ["local derivatives"], ["adjoint"]]
        body = [
            [
                [f"{row.name} = {row.formula}"],
                [_shown(row.value)],
                [str(entry) for entry in row.local] or [""],
                [f"∂f/∂{row.name} = {_shown(row.adjoint)}"],
            ]
            for row in self.rows
        ]
        return [head, *body]

    def _caption(self) -> tuple[str, str]:
        at = ", ".join(f"{name} = {_shown(value)}" for name, value in self.inputs.items())
        slopes = "    ".join(f"∂f/∂{n} = {_shown(g)}" for n, g in self.gradient.items())
        return f"f = {_shown(self.value)} at {at}", slopes

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(len(line) for row in cells for line in row[j]) for j in range(4)]
        lines = []
        for row in cells:
            for k in range(max(map(len, row))):
                texts = [cell[k] if k < len(cell) else "" for cell in row]
                padded = [text.ljust(width) for text, width in zip(texts, widths, strict=True)]
                lines.append("  ".join(padded).rstrip())
        lines.insert(1, "  ".join("─" * width for width in widths))
        title, slopes = self._caption()
        return "\n".join([title, "", *lines, "", slopes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        title, slopes = (html.escape(text) for text in self._caption())

        def row(cells: list[list[str]], tag: str) -> str:
            style = 'style="text-align:left;vertical-align:top;padding:2px 12px"'
            inner = "".join(
                f"<{tag} {style}>{'<br>'.join(map(html.escape, cell))}</{tag}>" for cell in cells
            )
            return f"<tr>{inner}</tr>"

        return (
            f"<table><caption>{title}</caption><thead>{row(head, 'th')}</thead>"
            f"<tbody>{''.join(row(cells, 'td') for cells in body)}</tbody></table><p>{slopes}</p>"
        )


def explain(f: Callable[..., Any], **arguments: Any) -> Explanation:
    """Compute ``f`` and its derivatives, showing every step: the textbook's table.

    Each operation becomes a row ``h1``, ``h2``, ...: its value, its derivatives by its own inputs,
    and its adjoint, the derivative of the result by it, found by reverse mode.

    Args:
        f: function whose result is one number.
        arguments: its arguments by name: numbers or arrays; computed in float64.

    Returns:
        The table.

    Raises:
        ArgumentError: no argument was given.
        ShapeError: the result is not one number.

    >>> import chainrule as cr
    >>> table = explain(lambda x, w, b: 1 / (cr.exp(-(w * x + b)) + 1), x=1.0, w=0.0, b=0.0)
    >>> float(table.gradient["w"]), [row.name for row in table.rows]
    (0.25, ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'])
    """
    if not arguments:
        raise ArgumentError("arguments", "none", "the function's arguments by name: x=1.0, w=0.0")
    given = [
        as_tensor(np.asarray(known(as_tensor(a, FLOAT64), "explain"), FLOAT64))
        for a in arguments.values()
    ]
    new, variables = freshen(given, range(len(given)))
    with recording(True):
        result = as_tensor(f(**dict(zip(arguments, new, strict=True))))
    if result.shape != ():
        raise ShapeError(
            "result of the function to explain",
            f"shape {result.shape}",
            "one number, shape ()",
            "Reduce it with .sum() or .mean().",
        )
    adjoints = pull_back([result], [ones_like(result)], variables, keep=True)
    nodes = [
        node
        for node in ancestors([result], stop=variables)
        if node.primitive is not None and node in adjoints and node not in set(variables)
    ]
    names: dict[Node, str] = dict(zip(variables, arguments, strict=True))
    names.update((node, f"h{i}") for i, node in enumerate(nodes, start=1))
    return Explanation(
        {name: _value(v) for name, v in zip(arguments, variables, strict=True)},
        tuple(
            Row(
                names[node],
                _formula(node, names),
                _value(node),
                tuple(_local(node, i, names) for i, x in enumerate(node.inputs) if x in names),
                _value(adjoints[node]),
            )
            for node in nodes
        ),
        {
            name: _value(adjoints[v]) if v in adjoints else np.zeros(v.shape)
            for name, v in zip(arguments, variables, strict=True)
        },
        _value(result),
    )


def _value(x: Node) -> Array:
    assert x.data is not None
    return x.data


def _local(node: Node, i: int, names: dict[Node, str]) -> LocalDerivative:
    """Trace the VJP rule of input ``i`` on symbols, so that it can be read, and evaluate it."""
    assert node.primitive is not None
    rule = node.primitive.vjp[i]
    assert rule is not None
    of, by = names[node], names[node.inputs[i]]
    elementwise = node.primitive.is_elementwise
    symbols: dict[Node, str] = {}

    def symbol(x: Node, name: str | None) -> Tensor:
        if name is None and x.data is not None and x.data.ndim == 0:
            return Tensor(x.data)  # a constant stands for itself
        made = unknown(x.type)
        symbols[made] = name or "constant"
        return made

    g = Tensor(np.ones(())) if elementwise else symbol(node, _ONE)  # 1 broadcasts
    ans = symbol(node, of)
    xs = [symbol(x, names.get(x)) for x in node.inputs]
    formula = _formula_of(rule(g, ans, *xs, **node.attrs), symbols)
    if not elementwise:
        return LocalDerivative(of, by, formula, None)
    value = rule(ones_like(node), node, *node.inputs, **node.attrs)
    return LocalDerivative(of, by, formula, np.broadcast_to(_value(value), node.type.shape))


def _formula(node: Node, names: dict[Node, str]) -> str:
    """Write one operation in the names of its inputs; a negative is a product with -1."""
    if node.primitive is not None and node.primitive.name == "negative":
        return f"{_operand(_name(node.inputs[0], names))} × -1"
    return _apply(node, [_name(x, names) for x in node.inputs])


def _name(x: Node, names: dict[Node, str]) -> str:
    return names.get(x) or (_shown(x.data) if x.data is not None else "?")


def _formula_of(node: Node, names: dict[Node, str]) -> str:
    """Write all that leads to a node as one formula, leaving out what changes nothing."""
    texts: dict[Node, str] = {}
    for n in ancestors([node]):
        operands = [texts[x] for x in n.inputs]
        name = n.primitive.name if n.primitive is not None and n not in names else ""
        if not name:
            texts[n] = _name(n, names)
        elif name == "multiply" and "1" in operands:
            texts[n] = operands[operands[0] == "1"]
        elif name == "multiply" and "-1" in operands:
            texts[n] = "-" + _operand(operands[operands[0] == "-1"])
        elif name == "cast" and n.inputs[0].type.dtype == BOOL:
            texts[n] = f"I({operands[0]})"
        elif name in ("cast", "identity", "reshape", "broadcast_to"):
            texts[n] = operands[0]
        else:
            texts[n] = _apply(n, operands)
    return texts[node]


def _apply(node: Node, operands: list[str]) -> str:
    assert node.primitive is not None
    symbol = node.primitive.symbol
    if not symbol:
        shown = [
            f"{k}={v}" for k, v in node.attrs.items() if k in ("axes", "axis", "dtype", "shape")
        ]
        return f"{node.primitive.name}({', '.join(operands + shown)})"
    inside = symbol.startswith(("exp", "log", "max", "min", "|"))
    return symbol.format(*(operands if inside else map(_operand, operands)))


def _operand(text: str) -> str:
    """Put a formula in parentheses where it is an operand of another."""
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == " " and depth == 0:
            return f"({text})"
    return text


def _shown(value: Any) -> str:
    array = np.asarray(value)
    if array.size == 1 or (array.size and (array == array.flat[0]).all() and array.size > 6):
        return f"{array.flat[0] + 0.0:.6g}"  # adding 0 turns -0 into 0
    if array.size <= 6:
        return np.array2string(array + 0.0, precision=4, separator=" ").replace("\n", "")
    return str(ArrayType(array.shape, array.dtype))
