"""A graph as a list of things to draw: operations, inputs, constants, results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from chainrule.compiler.trace import TracedGraph
from chainrule.core.graph import Graph, Node, known_data
from chainrule.core.origin import Part
from chainrule.core.tensor import Tensor
from chainrule.core.types import Array, TupleType
from chainrule.viz.graphs import labels
from chainrule.viz.graphs.scopes import part_of, scopes_of
from chainrule.viz.markup import clip

Kind: TypeAlias = Literal[
    "operation", "input", "parameter", "state", "constant", "output", "reference"
]
_LONGEST = 34  # characters of a name


class Kernel(Protocol):
    """What is drawn in one frame: nodes that one kernel computes."""

    @property
    def name(self) -> str:
        """What is written on the frame."""

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes that it computes."""


class Frame(NamedTuple):
    """A group that a leaf belongs to; leaves with equal frames stand together.

    Attributes:
        kind: a module's scope, a run of equal ones, a kernel, or the inner graph of a loop or a
            branch.
        part: what its nodes are for.
        label: what is written on it.
        key: tells frames of one label apart.
    """

    kind: Literal["scope", "run", "kernel", "body"]
    part: Part
    label: str
    key: int = 0


class Value(NamedTuple):
    """What a line carries: a result of a leaf.

    Attributes:
        leaf: number of the leaf that makes it.
        port: which of its results.
    """

    leaf: int
    port: int = 0


@dataclass(slots=True)
class Leaf:
    """One thing to draw.

    Attributes:
        kind: what it is.
        part: what it is for.
        text: what it does, or is.
        name: its name in the graph, where it has one.
        tip: what the pointer tells.
        arguments: what it is computed from, in the order of the operands.
        ports: what is written at each of its results.
        path: the frames around it, the outermost first.
        commutes: whether its operands may change places.
        value: its value, as text.
        adjoint: the derivative of the result by it, as text.
        port_values: where it has several results, the value of each, as text.
        port_adjoints: likewise, the derivatives.
        holds_bodies: whether graphs of its own are drawn below it.
    """

    kind: Kind
    part: Part
    text: str
    name: str = ""
    tip: str = ""
    arguments: list[Value] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    path: tuple[Frame, ...] = ()
    commutes: bool = False
    value: str = ""
    adjoint: str = ""
    port_values: dict[int, str] = field(default_factory=dict)
    port_adjoints: dict[int, str] = field(default_factory=dict)
    holds_bodies: bool = False


def leaves_of(
    graph: Graph,
    kernels: Sequence[Kernel] | None = None,
    values: Mapping[Node, Array] | None = None,
    adjoints: Mapping[Node, Array] | None = None,
) -> list[Leaf]:
    """Return what to draw of a graph, in an order of execution.

    Constants of one element stand in the operations that use them; the items of a value that is
    several arrays are results of the operation that makes it; results are leaves of their own.

    Args:
        graph: the graph.
        kernels: nodes to frame, instead of the modules' scopes.
        values: values by node.
        adjoints: derivatives of the result by node.
    """
    collector = _Collector(graph, kernels, values or {}, adjoints or {})
    collector.collect()
    _drop_unused_ports(collector.leaves)
    return collector.leaves


def _drop_unused_ports(leaves: Sequence[Leaf]) -> None:
    """Leave out results that nothing uses: a tuple of which only the items are used."""
    used = {value for leaf in leaves for value in leaf.arguments}
    moved: dict[Value, Value] = {}
    for n, leaf in enumerate(leaves):
        if len(leaf.ports) > 1:
            kept = [k for k in range(len(leaf.ports)) if Value(n, k) in used] or [0]
            moved |= {Value(n, k): Value(n, i) for i, k in enumerate(kept)}
            leaf.ports = [leaf.ports[k] for k in kept]
            for texts in (leaf.port_values, leaf.port_adjoints):
                found = {i: texts[k] for i, k in enumerate(kept) if k in texts}
                texts.clear()
                texts.update(found)
    for leaf in leaves:
        leaf.arguments = [moved.get(value, value) for value in leaf.arguments]


class _Collector:
    def __init__(
        self,
        graph: Graph,
        kernels: Sequence[Kernel] | None,
        values: Mapping[Node, Array],
        adjoints: Mapping[Node, Array],
        leaves: list[Leaf] | None = None,
        around: tuple[Frame, ...] = (),
        called: tuple[list[str], list[str]] | None = None,
    ) -> None:
        self.graph = graph
        self.values, self.adjoints = values, adjoints
        self.leaves = [] if leaves is None else leaves
        self.around = around
        self.made: dict[Node, Value] = {}
        self.called = called
        self.scopes = scopes_of(graph, bool(around)) if kernels is None else {}
        self.framed: dict[Node, Frame] = {}
        for i, kernel in enumerate(kernels or ()):
            # The frame has one part, whatever its nodes are for: that of the most of them.
            if kernel.nodes:
                ((part, _),) = Counter(map(part_of, kernel.nodes)).most_common(1)
                frame = Frame("kernel", part, kernel.name, i + 1)
                self.framed.update((node, frame) for node in kernel.nodes)

    def collect(self) -> None:
        graph = self.graph
        read = graph.read if isinstance(graph, TracedGraph) else ()
        last = graph.inputs[len(graph.inputs) - len(read) :]
        # In a recorded graph the parameters' values know which cell they are from.
        parameters = [
            x
            for i, x in enumerate(graph.inputs)
            if i >= len(graph.inputs) - len(read) or (isinstance(x, Tensor) and x.cell is not None)
        ]
        self.parameters = frozenset(parameters)
        self.slots = {slot: graph.names[x] for slot, x in zip(read, last, strict=True)}
        self.slot_of = dict(zip(last, read, strict=True))
        for i, x in enumerate(graph.inputs):
            if x not in self.parameters:
                name = self.called[0][i] if self.called else self.graph.names[x]
                self._add(x, Leaf("input", "forward", clip(name, _LONGEST), path=self.around))
        for node in graph.nodes:
            if node.primitive is not None and node.primitive.name == "item" and node.inputs:
                self._project(node)
            else:
                self._apply(node)
        for x in parameters:
            if x not in self.made:
                self._parameter(x, self.around)
        self._results()

    def _add(self, node: Node, leaf: Leaf) -> Value:
        name = self.graph.name(node)
        leaf.ports = leaf.ports or [labels.short_type(node.type)]
        operands = [self.graph.name(x) for x in node.inputs]
        tips = [leaf.tip or labels.tooltip(name, node, operands)]
        if node in self.values:
            leaf.value = labels.value_text(self.values[node])
            tips.append(f"value: {labels.statistics(self.values[node])}")
        if node in self.adjoints:
            leaf.adjoint = labels.value_text(self.adjoints[node])
            tips.append(f"derivative of the result by it: {labels.statistics(self.adjoints[node])}")
        leaf.tip = "\n".join(tips)
        self.leaves.append(leaf)
        self.made[node] = Value(len(self.leaves) - 1)
        return self.made[node]

    def _path(self, node: Node) -> tuple[Frame, ...]:
        if node in self.framed:
            return (*self.around, self.framed[node])
        part = part_of(node)
        return (*self.around, *(Frame("scope", part, label) for label in self.scopes.get(node, ())))

    def _home(self, path: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """Return where what a node uses stands: with it, but outside of a kernel."""
        return tuple(frame for frame in path if frame.kind != "kernel")

    def _parameter(self, x: Node, path: tuple[Frame, ...]) -> None:
        text = clip(self.graph.names[x], _LONGEST)
        kind: Kind = "state" if self._is_state(x) else "parameter"
        self._add(x, Leaf(kind, "forward", text, path=self._home(path)))

    def _is_state(self, x: Node) -> bool:
        """Whether it is no trained parameter: moving statistics, a counter, a frozen weight."""
        slot = self.slot_of.get(x)
        cell = slot.parameter if slot is not None else getattr(x, "cell", None)
        return cell is not None and not cell.trainable

    def _operands(self, node: Node, path: tuple[Frame, ...]) -> list[str | None]:
        """Make leaves of parameters and constants that are used first here; return the numbers."""
        numbers: list[str | None] = []
        for x in node.inputs:
            number = None
            if x not in self.made:
                if x in self.parameters:
                    self._parameter(x, path)
                elif isinstance(x.data, np.ndarray) and x.data.size == 1:
                    number = labels.number(x.data.reshape(())[()])
                else:
                    self._constant(x, path)
            numbers.append(number)
        return numbers

    def _constant(self, x: Node, path: tuple[Frame, ...]) -> None:
        few = isinstance(x.data, np.ndarray) and x.data.size <= 4
        text = labels.value_text(known_data(x)) if few else "constant"
        self._add(x, Leaf("constant", "forward", text, path=self._home(path)))

    def _apply(self, node: Node) -> None:
        assert node.primitive is not None
        path = self._path(node)
        bodies = labels.inner_graphs(node.attrs)
        if bodies:
            name = labels.frame_label(node)
            path = (*path, Frame("body", part_of(node), name, id(node)))
        numbers = self._operands(node, path[:-1] if bodies else path)
        leaf = Leaf(
            "operation",
            part_of(node),
            labels.operation(node, numbers),
            self.graph.names[node],
            arguments=[self.made[x] for x in node.inputs if x in self.made],
            path=path,
            commutes=node.primitive.name in labels.COMMUTATIVE,
            holds_bodies=bool(bodies),
        )
        self._add(node, leaf)
        operands = [self._called(x) for x in node.inputs] if bodies else []
        for label, body in bodies:
            around = (*path, Frame("body", part_of(node), label.replace("_", " "), id(body)))
            called = labels.body_names(node, body, operands)
            _Collector(body, None, {}, {}, self.leaves, around, called).collect()

    def _called(self, x: Node) -> str:
        """Return what a value is called in this picture."""
        if x in self.made and self.leaves[self.made[x].leaf].kind == "input":
            return self.leaves[self.made[x].leaf].text
        if x in self.graph.names:
            return self.graph.names[x]
        small = isinstance(x.data, np.ndarray) and x.data.size <= 4
        return labels.value_text(known_data(x)) if small else "constant"

    def _project(self, node: Node) -> None:
        """Make a result of the leaf that computes several arrays, instead of a leaf."""
        whole = node.inputs[0]
        if whole not in self.made:
            self._operands(node, self._path(node))
        index = next((v for v in node.attrs.values() if isinstance(v, int)), 0)
        number = self.made[whole].leaf
        leaf = self.leaves[number]
        label = labels.short_type(node.type)
        kind: Any = whole.type
        if not isinstance(kind, TupleType) or len(kind.items) > 1:
            label = f"[{index}] {label}".rstrip()
        if label not in leaf.ports:
            leaf.ports.append(label)
        port = leaf.ports.index(label)
        self.made[node] = Value(number, port)
        shown = [f"{self.graph.names[node]} = item {index}: {node.type}"]
        if node in self.values:
            leaf.port_values[port] = labels.value_text(self.values[node])
            shown.append(f"value: {labels.statistics(self.values[node])}")
        if node in self.adjoints:
            leaf.port_adjoints[port] = labels.value_text(self.adjoints[node])
            told = labels.statistics(self.adjoints[node])
            shown.append(f"derivative of the result by it: {told}")
        leaf.tip = "\n".join([leaf.tip, *shown])

    def _results(self) -> None:
        graph = self.graph
        written = graph.written if isinstance(graph, TracedGraph) else ()
        results = len(graph.outputs) - len(written)
        for i, node in enumerate(graph.outputs):
            if node not in self.made:
                self._operands_of_result(node)
            made = self.made[node]
            part: Part = "forward"
            if i < results:
                text, path = "result" if results == 1 else f"result {i + 1}", self.around
                if self.called:
                    text = self.called[1][i]
            else:
                slot = written[i - results]
                part = "gradient" if slot.is_grad else "update"
                name = self.slots.get(slot, slot.name)
                text = name if slot.is_grad else f"new {name}"
                path = self._home(self.leaves[made.leaf].path)
            leaf = Leaf("output", part, clip(text, _LONGEST), arguments=[made], path=path)
            leaf.tip = f"{text}: {node.type} = {graph.name(node)}"
            self.leaves.append(leaf)

    def _operands_of_result(self, node: Node) -> None:
        if node in self.parameters:
            self._parameter(node, self.around)
        else:
            self._constant(node, self.around)
