"""The table of a model's layers."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.core.types import ArrayType
from chainrule.nn.layers import Layer
from chainrule.nn.module import Module


@dataclass(frozen=True)
class SummaryRow:
    """One layer.

    Attributes:
        layer: type of the layer, with its place.
        output_shape: shape of its output for one sample, or "" where it is not known.
        parameters: number of parameters.
        activation: name of f_l.
    """

    layer: str
    output_shape: str
    parameters: int
    activation: str


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
        """Return the table, its head first."""
        head = ["layer", "output shape", "activation", "parameters"]
        return [
            head,
            *[[r.layer, r.output_shape, r.activation, f"{r.parameters:,}"] for r in self.rows],
        ]

    def _title(self) -> str:
        return f"{self.name}: input {_shape(self.input_shape)}"

    def _totals(self) -> str:
        frozen = self.total - self.trainable
        size = f"{self.bytes / 1024:.1f} KiB" if self.bytes >= 1024 else f"{self.bytes} bytes"
        also = f", {frozen:,} of them not trainable" if frozen else ""
        return f"{self.total:,} parameters{also} ({size})"

    def __str__(self) -> str:
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for row in cells:
            padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
            padded[-1] = row[-1].rjust(widths[-1])
            lines.append("  ".join(padded))
        lines.insert(1, "  ".join("─" * width for width in widths))
        return "\n".join([self._title(), "", *lines, "", self._totals()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head, *body = self.cells()
        heads = "".join(f"<th>{html.escape(text)}</th>" for text in head)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>"
            for row in body
        )
        return (
            f"<table><caption>{html.escape(self._title())}</caption><thead><tr>{heads}</tr></thead>"
            f"<tbody>{rows}</tbody></table><p>{html.escape(self._totals())}</p>"
        )


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})" if len(shape) != 1 else str(shape[0])


def summarize(
    model: Module,
    layers: Sequence[tuple[Module, ArrayType | None]],
    input_shape: tuple[int, ...],
) -> Summary:
    """Describe a model whose parameters are made.

    Args:
        model: the model.
        layers: the modules to show, in order, each with the type of its output where that is known.
        input_shape: shape of one sample.
    """
    rows = [
        SummaryRow(
            f"{i} {type(layer).__name__}",
            "" if output is None else _shape(output.shape[1:]),
            sum(p.size for p in layer.parameters().values()),
            layer.activation_name if isinstance(layer, Layer) else "",
        )
        for i, (layer, output) in enumerate(layers, start=1)
    ]
    # Asked last: layers name their parameters from themselves, the model from itself.
    parameters = list(model.parameters().values())
    return Summary(
        type(model).__name__,
        input_shape,
        tuple(rows),
        sum(p.size for p in parameters if p.trainable),
        sum(p.size for p in parameters),
        sum(p.size * p.dtype.itemsize for p in parameters),
    )
