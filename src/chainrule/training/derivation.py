"""One weight's gradient, spelled out: the lecture's equations with the numbers in them."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.training.arithmetic import number
from chainrule.training.arrays import check_count
from chainrule.training.equations import Writer
from chainrule.training.loss_equations import Step
from chainrule.training.notation import markup
from chainrule.training.record import Record, index, needs_targets


@dataclass(frozen=True)
class Derivation:
    """How the loss of one sample moves with one weight; ``record.explain`` makes it.

    Attributes:
        name: the gradient, in the lecture's notation.
        layer: l.
        unit: i.
        sample: row of the sample.
        weight: j, or ``None`` for the bias.
        value: the gradient of the sample's own loss.
        mean: the mean of this gradient over all samples of the record: the entry of ``dW[l]``.
        penalty: what the penalty adds to it, λ w and the regularizers': the entry of
            ``penalty_dW[l]``; 0 for a bias.
        steps: the equations that lead to it.
        heading: what is explained, in words.
        footing: where the numbers stand in the record.
    """

    name: str
    layer: int
    unit: int
    sample: int
    weight: int | None
    value: float
    mean: float
    penalty: float
    steps: tuple[Step, ...]
    heading: str
    footing: str

    def __str__(self) -> str:
        wide = max(len(step.title) for step in self.steps)
        lines = [self.heading, ""]
        for step in self.steps:
            first, *others = step.lines
            indent = " " * (wide + 4 + first.index(" = ") + 1)
            lines.append(f"  {step.title.ljust(wide)}  {first}")
            lines += [indent + line for line in others]
        return "\n".join([*lines, "", self.footing])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        style = 'style="text-align:left;vertical-align:top;padding:2px 12px"'
        rows = "".join(
            f"<tr><th {style}>{html.escape(step.title)}</th>"
            f"<td {style}>{'<br>'.join(map(markup, step.lines))}</td></tr>"
            for step in self.steps
        )
        return (
            f"<table><caption>{markup(self.heading)}</caption><tbody>{rows}</tbody></table>"
            f"<p>{markup(self.footing)}</p>"
        )


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # it shows in the numbers
def derive(
    record: Record,
    layer: int,
    unit: int,
    sample: int,
    weight: int | str,
    *,
    digits: int = 6,
    terms: int = 6,
) -> Derivation:
    """Spell out the gradient of one weight; see ``Record.explain``.

    Raises:
        ChainruleError: the record has no errors δ.
        ArgumentError: an argument out of range.
    """
    needs_targets(record)
    layer = record.W.number_of(layer)
    units, inputs = record.W[layer].shape
    i = index("unit", unit, units, f"units of layer {layer}")
    s = index("sample", sample, len(record), "samples")
    j = None if weight == "bias" else _column(weight, inputs, layer)
    if j is None and record.b[layer] is None:
        raise ArgumentError("weight", "'bias'", f"a weight's column: layer {layer} has no bias")
    digits = min(check_count("digits", digits), 17)
    writer = Writer(record, layer, i, s, digits, check_count("terms", terms))
    last = writer.gradient(j)
    of_penalty = 0.0 if j is None else float(record.penalty_dW[layer][i, j])
    added = [writer.penalized(j, of_penalty)] if j is not None and of_penalty else []
    name, _, _ = last.lines[0].partition(" = ")
    gradients: Any = record.db[layer] if j is None else record.dW[layer][:, j]
    place = f"db[{layer}][{i}]" if j is None else f"dW[{layer}][{i},{j}]"
    what = f"bias of unit {i}" if j is None else f"weight from input {j} to unit {i}"
    losses: Any = record.losses
    n, is_first = len(record), layer == 1 and bool(record.before)
    return Derivation(
        name=name,
        layer=layer,
        unit=i,
        sample=s,
        weight=j,
        value=last.value,
        mean=float(gradients[i]),
        penalty=of_penalty,
        steps=(*writer.forward(j), *writer.backward(), last, *added),
        heading=f"{name}, {what} of layer {layer} ({record.f[layer]}), for sample {s} "
        f"({record.loss_name} {number(losses[s], digits)})",
        footing=f"Mean over {n} sample{'s' * (n != 1)}: record.{place} = "
        f"{number(gradients[i], digits)}"
        + (f"; the penalty adds record.penalty_{place}" if added else "")
        + ". Samples, units and inputs count from 0."
        + (f" a⁽⁰⁾ is {' → '.join(('input', *record.before))}." if is_first else ""),
    )


def _column(weight: int | str, inputs: int, layer: int) -> int:
    if isinstance(weight, str):
        raise ArgumentError("weight", repr(weight), "a column of W, or 'bias'")
    return index("weight", weight, inputs, f"inputs of layer {layer}; or 'bias'")
