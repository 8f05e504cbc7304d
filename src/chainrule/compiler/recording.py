"""Recordings: the dynamic graph of what ran inside a block, with the values that it had."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph, Node, ancestors, next_order
from chainrule.core.mode import mode
from chainrule.core.tensor import Operand, Tensor


class Recording:
    """What ``record`` gives: the operations that ran, in order.

    Attributes:
        nodes: the value of each operation, linked to those that it was computed from.
    """

    def __init__(self, start: int, names: dict[int, str]) -> None:
        self.nodes: list[Tensor] = []
        self._start = start
        self._names = names

    def graph(self, *outputs: Tensor) -> Graph:
        """Return what ran as a graph, whose nodes have values.

        Args:
            outputs: the results (default: every value that nothing in the block used).

        Raises:
            ArgumentError: nothing ran inside the block.
        """
        if not outputs:
            used = {x for node in self.nodes for x in node.inputs}
            outputs = tuple(node for node in self.nodes if node not in used)
        inside = set(self.nodes)
        for y in outputs:
            if not isinstance(y, Tensor) or (y not in inside and y.order >= self._start):
                raise ArgumentError(
                    "outputs", f"{y!r}", "tensors that were computed inside the block"
                )
        if not outputs:
            raise ArgumentError("recording", "a block in which nothing was computed", "operations")
        nodes = ancestors(outputs, stop=[x for n in inside for x in n.inputs if x not in inside])
        inputs = [node for node in nodes if node not in inside and self._is_input(node)]
        return Graph(inputs, outputs, self._named(inputs))

    def _is_input(self, node: Node) -> bool:
        """Whether it was there before, or is a parameter: the numbers in formulas are neither."""
        return node.order < self._start or getattr(node, "cell", None) is not None

    def _named(self, inputs: list[Node]) -> list[str]:
        names: list[str] = []
        for i, node in enumerate(inputs):
            cell = getattr(node, "cell", None)
            name = self._names.get(id(node if cell is None else cell))
            name = name or (cell.name if cell is not None else "") or f"x{i + 1}"
            names.append(name if name not in names else f"{name}_{i + 1}")
        return names


@contextmanager
def record() -> Iterator[Recording]:
    """Record what runs inside the block: the dynamic graph, with its values.

    Python runs as it is written, branches and loops included; what is recorded is the path that
    was taken. Inputs are the tensors that were there before and the parameters; they are named
    after the variables that hold them.

    Yields:
        The recording; its ``graph()`` can be printed, drawn, and differentiated.

    >>> import chainrule as cr
    >>> x = cr.tensor(2.0)
    >>> with record() as recording:
    ...     y = x * x if x > 1.0 else x
    >>> print(recording.graph(y))
    graph(x: float32[]) {
      h1: float32[] = multiply(x, x)
      return h1
    }
    """
    frame = sys._getframe(2)  # past contextlib
    recording = Recording(next_order(), _names_in(frame))
    before = mode.notebook
    mode.notebook = recording.nodes
    try:
        yield recording
    finally:
        mode.notebook = before
        if before is not None:
            before += recording.nodes
        for node, name in _names_in(frame).items():
            recording._names.setdefault(node, name)


def _names_in(frame: FrameType) -> dict[int, str]:
    """Return the names of variables that hold tensors, by the identity of these."""
    found: dict[int, str] = {}
    for name, value in (*frame.f_locals.items(), *frame.f_globals.items()):
        if isinstance(value, Operand) and not name.startswith("_"):
            found.setdefault(id(value), name)
    return found
