"""The table of a model's layers."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.core.tensor import unknown
from chainrule.core.types import ArrayType
from chainrule.nn.layers import Layer
from chainrule.nn.module import Call, Module, watching

#: How far each level stands in.
_INDENT = "  "


@dataclass(frozen=True)
class SummaryRow:
    """One layer.

    Attributes:
        layer: type of the layer, with its place, and where it stood first if it comes again.
        output_shape: shape of its output for one sample, or "" where it is not known.
        neurons: M_l, where the layer is one of the lecture's: it computes ``a = f(W a + b)``.
        activation: name of f_l.
        parameters: number of parameters, those of layers within it included; 0 if it comes again.
        frozen: how many of them are not trainable.
        depth: 0, or how many layers it stands in.
    """

    layer: str
    output_shape: str
    neurons: int | None
    activation: str
    parameters: int
    frozen: int
    depth: int = 0


@dataclass(frozen=True)
class Summary:
    """The table of a model's layers; prints in a terminal, renders in a notebook.

    Attributes:
        name: type of the model.
        input_shape: shape of one sample.
        rows: the layers.
        trainable: number of parameters that training changes.
        total: number of parameters.
        bytes: what they take in memory.
    """

    name: str
    input_shape: tuple[int, ...]
    rows: tuple[SummaryRow, ...]
    trainable: int
    total: int
    bytes: int

    def cells(self) -> list[list[str]]:
        """Return the table, its head first; the last column only if something is not trainable."""
        head = ["layer", "output shape", "M_l", "activation", "parameters", "frozen"]
        body = [
            [
                _INDENT * row.depth + row.layer,
                row.output_shape,
                "" if row.neurons is None else str(row.neurons),
                row.activation,
                f"{row.parameters:,}",
                f"{row.frozen:,}" if row.frozen else "",
            ]
            for row in self.rows
        ]
        shown = len(head) if any(row.frozen for row in self.rows) else len(head) - 1
        return [line[:shown] for line in [head, *body]]

    def _title(self) -> str:
        return f"{self.name}: input {_shape(self.input_shape)}"

    def _totals(self) -> str:
        frozen = self.total - self.trainable
        size = f"{self.bytes / 1024:.1f} KiB" if self.bytes >= 1024 else f"{self.bytes} bytes"
        also = f", {frozen:,} of them not trainable" if frozen else ""
        return f"{self.total:,} parameters{also} ({size})"

    def __str__(self) -> str:
        cells = _fitted(self.cells())
        widths = _widths(cells)
        lines = []
        for row in cells:
            padded = [
                text.rjust(width) if name in _NUMBERS else text.ljust(width)
                for name, text, width in zip(cells[0], row, widths, strict=True)
            ]
            lines.append("  ".join(padded).rstrip())
        lines.insert(1, "  ".join("─" * width for width in widths))
        return "\n".join([self._title(), "", *lines, "", self._totals()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head, *body = self.cells()
        heads = "".join(f"<th>{html.escape(text)}</th>" for text in head)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_indented(text)}</td>" for text in row) + "</tr>"
            for row in body
        )
        return (
            f"<table><caption>{html.escape(self._title())}</caption><thead><tr>{heads}</tr></thead>"
            f"<tbody>{rows}</tbody></table><p>{html.escape(self._totals())}</p>"
        )


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _fitted(cells: list[list[str]]) -> list[list[str]]:
    """Shorten what is long in the columns of names, as far as the table is too wide."""
    for name, least in (("activation", 14), ("layer", 24)):
        column = cells[0].index(name)
        widths = _widths(cells)
        too_wide = sum(widths) + 2 * (len(widths) - 1) - _COLUMNS
        limit = max(least, widths[column] - too_wide)
        if too_wide > 0 and widths[column] > limit:
            for row in cells:
                if len(row[column]) > limit:
                    row[column] = row[column][: limit - 1] + "…"
    return cells


#: Columns of a terminal.
_COLUMNS = 80

#: Columns of numbers: they end at one place.
_NUMBERS = frozenset({"M_l", "parameters", "frozen"})


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})" if len(shape) != 1 else str(shape[0])


def _indented(text: str) -> str:
    """Return a cell's text as HTML, which would not keep spaces at the beginning."""
    kept = text.lstrip(" ")
    return "&nbsp;" * (len(text) - len(kept)) + html.escape(kept)


def summarize(model: Module, input_type: ArrayType) -> Summary:
    """Describe a model whose parameters are made.

    The model is run without values, and the modules that it calls are noted. Those that it holds
    but does not call come after them.

    Args:
        model: the model.
        input_type: type of a batch of one sample.
    """
    with watching() as calls:
        model(unknown(input_type))
    parameters = list(model.parameters().values())
    return Summary(
        type(model).__name__,
        input_type.shape[1:],
        tuple(_rows(model, calls)),
        sum(p.size for p in parameters if p.trainable),
        sum(p.size for p in parameters),
        sum(p.size * p.dtype.itemsize for p in parameters),
    )


def _rows(model: Module, calls: Sequence[Call]) -> Iterator[SummaryRow]:
    places: list[int] = []  # 2, 1 is the first module within the second
    called = [call for call in calls if call.depth]  # the first is the model itself
    seen = {id(call.module) for call in called}
    first: dict[int, str] = {}  # where a module stood first
    idle = [Call(m, 1) for m in _children(model) if id(m) not in seen and m.parameters()]
    for call in [*called, *idle]:
        del places[call.depth :]
        places += [0] * (call.depth - len(places))
        places[-1] += 1
        place = ".".join(map(str, places))
        yield _row(call, place, first.setdefault(id(call.module), place))


def _children(model: Module) -> list[Module]:
    """Return the modules of a model that stand in no other module of it."""
    found = list(model.modules().values())[1:]
    inner = {id(m) for module in found for m in list(module.modules().values())[1:]}
    return [module for module in found if id(module) not in inner]


def _row(call: Call, place: str, first: str) -> SummaryRow:
    """Return a row; a module that stands there again has its parameters in its first one."""
    module, again = call.module, first != place
    parameters = [] if again else list(module.parameters().values())
    layer = module if isinstance(module, Layer) else Layer()
    return SummaryRow(
        f"{place} {type(module).__name__}" + (f" (again {first})" if again else ""),
        "" if call.output is None else _shape(call.output.shape[1:]),
        layer.neurons,
        layer.activation_name,
        sum(p.size for p in parameters),
        sum(p.size for p in parameters if not p.trainable),
        call.depth - 1,
    )
