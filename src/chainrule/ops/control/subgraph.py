"""Graphs inside of graphs: bodies of control flow, traced, closed, and applied again.

A body is traced as part of the trace around it. What it uses of that trace (tensors it closes over,
parameters it reads) becomes further inputs of its graph, its *captures*; what it assigns to
parameters becomes further outputs.

The float inputs of a body's graph are all tracked, and the body is traced with recording on, so
that in its nodes one sees where gradients were stopped: a node is *cut* that is not tracked
although an input is. Whoever makes the graph anew for differentiation keeps the cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.graph import Graph, Node, next_order
from chainrule.core.mode import Tracer, answering, in_place_of, mode, recording
from chainrule.core.tensor import Parameter, Tensor, as_tensor, bind, unknown
from chainrule.core.tree import leaves, rebuild
from chainrule.core.types import ArrayType
from chainrule.ops.elementwise import identity_p
from chainrule.ops.promotion import cast
from chainrule.ops.tuples import item_p

# Graphs in attributes ------------------------------------------------------------------------


def inner_graphs(node: Node) -> dict[str, Graph]:
    """Return the graphs that a node holds in its attributes, by the attribute's name.

    ======  ==============================  ===================================================
    node    graphs                          inputs of each
    ======  ==============================  ===================================================
    cond    ``if_true``, ``if_false``       the node's inputs after the predicate
    scan    ``body``                        carries, a row of each of ``xs``, captures
    while   ``condition``, ``body``         carries, captures
    ======  ==============================  ===================================================
    """
    return {name: value for name, value in node.attrs.items() if isinstance(value, Graph)}


def with_inner_graphs(attrs: Mapping[str, Any], new: Mapping[str, Graph]) -> dict[str, Any]:
    """Return a node's attributes with other graphs: of the same inputs and types of outputs."""
    return {**attrs, **new}


def apply_graph(graph: Graph, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Apply a graph's nodes to new tensors: trace or evaluate, and record, as ``bind`` does.

    Gradients stop where they stopped in the graph.

    Args:
        graph: the graph.
        tensors: one for each of its inputs.

    Returns:
        A tensor for each of its outputs.
    """

    def apply(node: Node, xs: list[Any]) -> Tensor:
        assert node.primitive is not None
        if node.origin is None:
            y = bind(node.primitive, *xs, **node.attrs)
        else:
            with in_place_of(node):
                y = bind(node.primitive, *xs, **node.attrs)
        if y.tracked and is_cut(node):
            y.tracked = False
        return y

    found: list[Any] = graph.interpret(list(tensors), apply, lambda node: node)
    return found


def is_cut(node: Node) -> bool:
    """Whether gradients stop here."""
    return not node.tracked and any(x.tracked for x in node.inputs)


def placeholder(kind: ArrayType) -> Tensor:
    """Return an input for a body's graph."""
    return unknown(kind, tracked=kind.dtype.kind == "f")


def closed(inputs: Sequence[Node], outputs: Sequence[Node], names: Sequence[str] = ()) -> Graph:
    """Return the graph from inputs to outputs, made anew of nodes that nothing else uses.

    Args:
        inputs: any nodes; what is behind them is left out.
        outputs: computed from them and from constants.
        names: names of the inputs.
    """
    fresh = [placeholder(x.type) for x in inputs]
    with recording(True):
        results = apply_graph(Graph(inputs, outputs), fresh)
    return Graph(fresh, results, names)


def numbered(**counts: int) -> list[str]:
    """Return names for inputs, kind by kind.

    >>> numbered(c=2, k=1)
    ['c1', 'c2', 'k1']
    """
    return [f"{kind}{i + 1}" for kind, count in counts.items() for i in range(count)]


# Parameters ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Cell:
    """What a body may assign: a parameter's value, or its gradient."""

    parameter: Parameter
    is_grad: bool = False

    def __eq__(self, other: object) -> bool:
        # Parameters compare element by element.
        return (
            isinstance(other, Cell)
            and self.parameter is other.parameter
            and self.is_grad == other.is_grad
        )

    def __hash__(self) -> int:
        return hash((id(self.parameter), self.is_grad))

    def content(self) -> Tensor:
        """Return what is in it in the trace around the body; zeros for a gradient that is not."""
        if not self.is_grad:
            return self.parameter.tensor()
        found = self.parameter.grad
        return self.zeros() if found is None else found

    def put(self, value: Tensor | None) -> None:
        """Set it in the trace around the body."""
        if self.is_grad:
            self.parameter.grad = value
        else:
            assert value is not None
            self.parameter.assign(value)

    def zeros(self) -> Tensor:
        """Return zeros of the parameter's type."""
        return Tensor(np.zeros(self.parameter.shape, self.parameter.dtype))


class Noting(Tracer):
    """Stands in for the parameters while a body is traced, and notes what it does with them.

    Args:
        assumed: gradients that are to be there, as zeros, although they are not.
    """

    def __init__(self, assumed: frozenset[Cell] = frozenset()) -> None:
        self.assumed = assumed
        #: What stands for the content that a cell has before the body.
        self.lifted: dict[Cell, Tensor] = {}
        self.current: dict[Cell, Tensor | None] = {}
        #: Gradients that were asked for and were not there.
        self.empty: set[Cell] = set()
        self._outer = mode.tracer
        self._assigned: list[tuple[Tensor, Tensor]] = []

    def read(self, parameter: Parameter) -> Tensor:
        """Return what stands for the parameter's value."""
        found = self.before(Cell(parameter))
        assert found is not None
        return found

    def assign(self, parameter: Parameter, value: Tensor) -> None:
        """Note the value; what is read from here on is a leaf, as with an eager parameter."""
        leaf = _leaf(parameter)
        self._assigned.append((leaf, cast(value, parameter.dtype)))
        self.current[Cell(parameter)] = leaf

    def read_grad(self, parameter: Parameter) -> Tensor | None:
        """Return what stands for the parameter's gradient."""
        cell = Cell(parameter, is_grad=True)
        if cell in self.current:
            return self.current[cell]
        outer = self._outer.read_grad(parameter) if self._outer else parameter._grad
        if outer is None and cell not in self.assumed:
            self.empty.add(cell)
            return None
        return self.before(cell)

    def assign_grad(self, parameter: Parameter, grad: Tensor | None) -> None:
        """Note the gradient."""
        self.current[Cell(parameter, is_grad=True)] = grad

    def before(self, cell: Cell) -> Tensor | None:
        """Return a cell's content at this point; at first it is lifted."""
        if cell not in self.current:
            leaf = unknown(cell.parameter.type) if cell.is_grad else _leaf(cell.parameter)
            self.lifted[cell] = self.current[cell] = leaf
        return self.current[cell]

    def finish(self) -> None:
        """Link what was read after an assignment to what was assigned, without its gradient."""
        for leaf, value in self._assigned:
            leaf.primitive, leaf.inputs, leaf.tracked, leaf.cell = identity_p, (value,), False, None

    def assigned(self) -> list[Cell]:
        """Return the cells that hold something else than before."""
        return [
            cell
            for cell, value in self.current.items()
            if not (cell in self.lifted and value is self.lifted[cell])
            and not (value is None and cell in self.empty)
        ]


def _leaf(parameter: Parameter) -> Tensor:
    kind = parameter.type
    leaf = unknown(kind, tracked=parameter.trainable and kind.dtype.kind == "f")
    leaf.cell = parameter
    return leaf


# Tracing a body ------------------------------------------------------------------------------


class Body:
    """A function, traced inside of another trace on placeholders of its own.

    Args:
        f: the function.
        args: its arguments; their leaves give the types.
        assumed: see ``Noting``.

    Attributes:
        inputs: the placeholders.
        result: what the function returned.
        cells: what it did with parameters.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        assumed: frozenset[Cell] = frozenset(),
    ) -> None:
        self._start = next_order()
        self.inputs = [placeholder(as_tensor(leaf).type) for leaf in leaves(args)]
        self.cells = Noting(assumed)
        with answering(self.cells), recording(True):
            self.result = f(*rebuild(tuple(args), self.inputs))
        self.cells.finish()

    def closed_over(self, outputs: Sequence[Node]) -> dict[Node, Tensor]:
        """Return what the outputs use of the trace around, and the tensor that it is there.

        Constants stay: only what is traced, or may be differentiated by, is found.
        """
        mine = {*self.inputs, *self.cells.lifted.values()}
        found: dict[Node, Tensor] = {}
        seen: set[Node] = set()
        stack = list(reversed(outputs))
        while stack:
            node = stack.pop()
            if node in seen or node in mine or (node.data is not None and not node.tracked):
                continue
            seen.add(node)
            if self._is_outside(node):
                assert isinstance(node, Tensor)
                found[node] = node
            elif node.primitive is item_p and self._is_outside(node.inputs[0]):
                found[node] = bind(item_p, node.inputs[0], **node.attrs)  # type: ignore[arg-type]
            else:
                stack += reversed(node.inputs)
        return found

    def _is_outside(self, node: Node) -> bool:
        return node.order < self._start


class Captures:
    """What bodies use of the trace around them: one list of operands for all of them.

    Args:
        bodies: the bodies, each with the outputs that it will have.
        carried: cells that are no captures, since they change.
    """

    def __init__(
        self,
        bodies: Sequence[tuple[Body, Sequence[Node]]],
        carried: Sequence[Cell] = (),
    ) -> None:
        keys: dict[Any, Tensor] = {}
        self._keys: list[dict[Any, Node]] = []
        for body, outputs in bodies:
            own: dict[Any, Node] = {}
            for node, tensor in body.closed_over(outputs).items():
                key = (tensor.inputs[0], tensor.attrs["index"]) if tensor is not node else node
                keys.setdefault(key, tensor)
                own[key] = node
            for cell, lifted in body.cells.lifted.items():
                if cell not in carried:
                    if cell not in keys:
                        keys[cell] = cell.content()
                    own[cell] = lifted
            self._keys.append(own)
        self._all = list(keys)
        self.tensors = list(keys.values())

    def inputs(self, index: int) -> list[Node]:
        """Return the nodes that stand for the captures in one of the bodies."""
        own = self._keys[index]
        return [
            own[key] if key in own else placeholder(tensor.type)
            for key, tensor in zip(self._all, self.tensors, strict=True)
        ]
