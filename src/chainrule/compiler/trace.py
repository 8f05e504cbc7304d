"""Tracing: a function runs once on tensors without values, and what it did becomes a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.graph import Graph, Node
from chainrule.core.mode import Tracer, answering, mode
from chainrule.core.tensor import Operand, Parameter, Tensor, as_tensor, known, unknown
from chainrule.core.tree import leaves, rebuild, tree_map
from chainrule.core.types import Array

#: See ``mode.rewriter``.
Rewriter = Callable[[Sequence[Tensor], Sequence[Node]], list[Tensor]]


class Slot(NamedTuple):
    """What a traced function reads from a parameter or puts there: its value or its gradient."""

    parameter: Parameter
    is_grad: bool = False

    @property
    def name(self) -> str:
        """Name for printing."""
        return (self.parameter.name or "parameter") + (".grad" if self.is_grad else "")

    def content(self) -> Tensor | None:
        """Return what is in the slot now."""
        return self.parameter.grad if self.is_grad else self.parameter.tensor()

    def put(self, value: Tensor | None) -> None:
        """Set the slot."""
        parameter = self.parameter
        if self.is_grad:
            parameter.grad = value
        elif value is not None and value.data is not None and mode.tracer is None:
            parameter._value = parameter._leaf(value.data)  # its type is known to fit
        else:
            assert value is not None
            parameter.assign(value)


class Lifting(Tracer):
    """Turns the parameters that a function reads into inputs, and what it assigns into outputs.

    Attributes:
        read_slots: what stands for the content of each slot that was read.
        current: the content of each slot at this point of the trace.
        empty: gradients that were asked for and were not there.
    """

    def __init__(self) -> None:
        self.read_slots: dict[Slot, Tensor] = {}
        self.current: dict[Slot, Tensor | None] = {}
        self.empty: set[Slot] = set()

    def read(self, parameter: Parameter) -> Tensor:
        """Return what stands for the parameter's value; at first an input."""
        slot = Slot(parameter)
        if slot not in self.current:
            lifted = self._lift(slot, parameter._value)
            lifted.tracked = parameter.trainable and lifted.dtype.kind == "f"
            lifted.cell = parameter
        found = self.current[slot]
        assert found is not None
        return found

    def assign(self, parameter: Parameter, value: Tensor) -> None:
        """Make the value an output, and what is read from here on."""
        self.current[Slot(parameter)] = value.astype(parameter.dtype)

    def read_grad(self, parameter: Parameter) -> Tensor | None:
        """Return what stands for the parameter's gradient."""
        slot = Slot(parameter, is_grad=True)
        if slot not in self.current:
            before = parameter._grad
            if before is None:
                self.empty.add(slot)
                return None
            self._lift(slot, before)
        return self.current[slot]

    def assign_grad(self, parameter: Parameter, grad: Tensor | None) -> None:
        """Make the gradient an output."""
        self.current[Slot(parameter, is_grad=True)] = grad

    def _lift(self, slot: Slot, content: Tensor) -> Tensor:
        lifted = unknown(content.type)
        self.read_slots[slot] = self.current[slot] = lifted
        return lifted

    def assigned(self) -> dict[Slot, Tensor | None]:
        """Return the slots that hold something else than at the start."""
        return {
            slot: value
            for slot, value in self.current.items()
            if not (slot in self.read_slots and value is self.read_slots[slot])
            and not (value is None and slot in self.empty)
        }


class TracedGraph(Graph):
    """A graph that a function was traced into.

    The parameters that the function read are inputs after its arguments; the values that it
    assigned to parameters are outputs after its results.

    Attributes:
        result: the function's result, with traced tensors as leaves.
        read: the slots of parameters that are the last inputs.
        written: the slots that the last outputs belong to.
        cleared: gradients that the function set to ``None``.
    """

    def __init__(
        self, arguments: Sequence[Tensor], result: Any, lifting: Lifting, names: Sequence[str]
    ) -> None:
        self.result = result
        assigned = lifting.assigned()
        self.read = tuple(lifting.read_slots)
        self.written = tuple(slot for slot, value in assigned.items() if value is not None)
        self.cleared = tuple(slot for slot, value in assigned.items() if value is None)
        self.empty = frozenset(lifting.empty)
        for leaf in leaves(result):
            if isinstance(leaf, Iterator):
                raise ArgumentError(
                    "result of the traced function",
                    f"a {type(leaf).__name__}, which has not run yet",
                    "tensors",
                    "Return list(...), so that it runs while it is traced.",
                )
        outputs = [as_tensor(leaf) for leaf in leaves(result) if _is_output(leaf)]
        super().__init__(
            [*arguments, *lifting.read_slots.values()],
            [*outputs, *(value for value in assigned.values() if value is not None)],
            [*names, *_unique([slot.name for slot in self.read], set(names))],
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters whose values are the last inputs."""
        return tuple(slot.parameter for slot in self.read if not slot.is_grad)

    @property
    def assigned(self) -> tuple[Parameter, ...]:
        """The parameters that the function assigned."""
        return tuple(slot.parameter for slot in self.written if not slot.is_grad)

    def rebuilt(self, outputs: Sequence[Node]) -> TracedGraph:
        """Return a graph of the same inputs and names that computes the results otherwise."""
        return self._like(self.inputs, outputs)

    def moved(self, made: Mapping[Node, Node]) -> TracedGraph:
        """Return a graph of other nodes that correspond to those of this one."""
        return self._like([made[x] for x in self.inputs], [made.get(y, y) for y in self.outputs])

    def _like(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> TracedGraph:
        new: TracedGraph = object.__new__(type(self))
        new.result, new.read, new.written = self.result, self.read, self.written
        new.cleared, new.empty = self.cleared, self.empty
        Graph.__init__(new, inputs, outputs, [self.names[x] for x in self.inputs])
        return new

    def __call__(self, *args: Any) -> Any:
        """Evaluate with NumPy on new arguments and the parameters' values of the moment.

        Parameters that the function assigned get their new values.
        """
        given = [known(as_tensor(leaf), "a traced graph") for leaf in leaves(args)]
        count = len(self.inputs) - len(self.read)
        if len(given) != count:
            raise ChainruleError(f"the graph takes {count} arrays, not {len(given)}")
        if mode.recording and any(
            isinstance(leaf, Operand) and leaf.tensor().tracked for leaf in leaves(args)
        ):
            raise ChainruleError(
                "a traced graph is evaluated with NumPy and carries no gradients: differentiate "
                "the function itself, or trace its gradient, cr.trace(cr.grad(f))"
            )
        for x, array in zip(self.inputs, given, strict=False):
            if array.shape != x.type.shape or array.dtype != x.type.dtype:
                raise ChainruleError(
                    f"argument {self.names[x]}: got {array.dtype}{list(array.shape)}; "
                    f"the graph was traced for {x.type}"
                )
        return self.finish(self.evaluate(*given, *self.contents()))

    def contents(self) -> list[Array]:
        """Return what is now in the slots that were read."""
        found = [slot.content() for slot in self.read]
        return [known(content, "a traced graph") for content in found if content is not None]

    def put_written(self, values: Sequence[Array]) -> None:
        """Put values, which nobody else holds, into the parameters that the function assigned."""
        for slot, value in zip(self.written, values, strict=True):
            slot.put(Tensor(value))
        for slot in self.cleared:
            slot.put(None)

    def finish(self, values: Sequence[Array]) -> Any:
        """Put the outputs' values where they belong: into parameters, and into the result."""
        return self.finish_with([Tensor(value) for value in values])

    def finish_with(self, outputs: Sequence[Tensor]) -> Any:
        """Put outputs where they belong: into parameters, and into the result."""
        count = len(outputs) - len(self.written)
        for slot, value in zip(self.written, outputs[count:], strict=True):
            slot.put(value)
        for slot in self.cleared:
            slot.put(None)
        remaining = iter(outputs[:count])
        return tree_map(lambda x: next(remaining) if _is_output(x) else x, self.result)


def _is_output(leaf: Any) -> bool:
    """Whether a leaf of a result is an array; text and other objects are handed through."""
    return isinstance(leaf, Operand | np.ndarray | np.generic | float | int | list)


def _unique(names: list[str], taken: set[str]) -> list[str]:
    """Number the names that occur more than once."""
    result = []
    for name in names:
        candidate, i = name, 2
        while candidate in taken:
            candidate, i = f"{name}_{i}", i + 1
        taken.add(candidate)
        result.append(candidate)
    return result


def trace(f: Callable[..., Any]) -> Callable[..., TracedGraph]:
    """Return a function that, given example arguments, traces ``f`` into a graph.

    Only the shapes and dtypes of the arguments count. Python's control flow runs as written, once;
    parameters that ``f`` reads become inputs, and those that it assigns become outputs.

    Args:
        f: function of tensors, or of nested containers of them, to the same.

    Returns:
        A function of the same arguments that returns the graph.

    Raises:
        TracingError: ``f`` asks for a value, for example in ``if x > 0``.

    >>> graph = trace(lambda x, w: (x @ w).sum())([[1.0, 2.0]], [[3.0], [4.0]])
    >>> print(graph)
    graph(x: float32[1,2], w: float32[2,1]) {
      h1: float32[1,1] = matmul(x, w)
      h2: float32[] = sum(h1, axes=(0, 1), keepdims=False)
      return h2
    }
    """

    def trace_with(*args: Any) -> TracedGraph:
        arguments = [unknown(as_tensor(leaf).type) for leaf in leaves(args)]
        return traced(f, args, arguments, argument_names(f, args))

    return trace_with


def traced(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    arguments: Sequence[Tensor],
    names: Sequence[str],
    options: dict[str, Any] | None = None,
    rewriter: Rewriter | None = None,
) -> TracedGraph:
    """Trace a function on given placeholders.

    Args:
        f: the function.
        args: its arguments; the leaves are replaced by ``arguments``.
        arguments: tensors without values, one a leaf.
        names: names of these.
        options: keyword arguments, passed as they are.
        rewriter: what backward passes do first (see ``mode.rewriter``).
    """
    lifting = Lifting()
    with tracing(lifting, rewriter):
        result = f(*rebuild(args, arguments), **(options or {}))
    return TracedGraph(arguments, result, lifting, names)


@contextmanager
def tracing(tracer: Tracer, rewriter: Rewriter | None = None) -> Iterator[None]:
    """Lift parameters, and rewrite before differentiating, inside the block."""
    before = mode.rewriter, mode.scope, mode.part
    mode.rewriter, mode.scope, mode.part = rewriter, (), "forward"
    try:
        with answering(tracer):
            yield
    finally:
        mode.rewriter, mode.scope, mode.part = before


def argument_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """Name the leaves of the arguments after the function's own parameters."""
    try:
        own = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        own = []
    names: list[str] = []
    for i, arg in enumerate(args):
        name = own[i] if i < len(own) else f"x{i + 1}"
        count = len(leaves(arg))
        names += [name] if count == 1 else [f"{name}_{k + 1}" for k in range(count)]
    return names


def _optimized(self: Graph) -> Graph:
    """Return an equal graph: accurate at the extremes, and with less to compute.

    >>> import chainrule as cr
    >>> print(cr.trace(lambda x: cr.log(1.0 + cr.exp(x)))(1.0).optimize())
    graph(x: float32[]) {
      h1: float32[] = softplus(x)
      return h1
    }
    """
    from chainrule.passes import optimize  # its tables take a while to build

    return optimize(self)[0]


Graph.optimize = _optimized
