"""Tracing: a function runs once on tensors without values, and what it did becomes a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.core.errors import ChainruleError
from chainrule.core.graph import Graph
from chainrule.core.tensor import Operand, Parameter, Tensor, as_tensor, known, mode, unknown
from chainrule.core.tree import leaves, rebuild


class TracedGraph(Graph):
    """A graph that a function was traced into.

    The parameters that the function read are inputs after its arguments; the values that it
    assigned to parameters are outputs after its results.
    """

    def __init__(
        self,
        arguments: list[Tensor],
        result: Any,
        read: dict[Parameter, Tensor],
        assigned: dict[Parameter, Tensor],
        names: list[str],
    ) -> None:
        self.result = result
        self.parameters = tuple(read)
        self.assigned = tuple(assigned)
        self._results = [as_tensor(leaf) for leaf in leaves(result)]
        super().__init__(
            [*arguments, *read.values()],
            [*self._results, *assigned.values()],
            [*names, *_unique([p.name or "parameter" for p in read], set(names))],
        )

    def __call__(self, *args: Any) -> Any:
        """Evaluate with NumPy on new arguments and the parameters' values of the moment.

        Parameters that the function assigned get their new values.
        """
        given = [known(as_tensor(leaf), "a traced graph") for leaf in leaves(args)]
        count = len(self.inputs) - len(self.parameters)
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
        values = self.evaluate(
            *given, *[known(p.tensor(), "a traced graph") for p in self.parameters]
        )
        results, updates = values[: len(self._results)], values[len(self._results) :]
        for parameter, value in zip(self.assigned, updates, strict=True):
            parameter.assign(value)
        return rebuild(self.result, [as_tensor(value) for value in results])


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
        names = _argument_names(f, args)
        arguments = [unknown(as_tensor(leaf).type) for leaf in leaves(args)]
        read: dict[Parameter, Tensor] = {}
        current: dict[Parameter, Tensor] = {}
        with _lifting_parameters(read, current):
            result = f(*rebuild(args, arguments))
        assigned = {p: value for p, value in current.items() if value is not read.get(p)}
        return TracedGraph(arguments, result, read, assigned, names)

    return trace_with


@contextmanager
def _lifting_parameters(
    read: dict[Parameter, Tensor], current: dict[Parameter, Tensor]
) -> Iterator[None]:
    def reader(parameter: Parameter) -> Tensor:
        if parameter not in current:
            lifted = unknown(parameter.type, tracked=parameter.trainable)
            lifted.cell = parameter
            read[parameter] = current[parameter] = lifted
        return current[parameter]

    def writer(parameter: Parameter, value: Tensor) -> None:
        current[parameter] = value.astype(parameter.dtype)

    before = mode.reader, mode.writer
    mode.reader, mode.writer = reader, writer
    try:
        yield
    finally:
        mode.reader, mode.writer = before


def _argument_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
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
