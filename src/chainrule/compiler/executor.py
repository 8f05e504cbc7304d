"""The NumPy executor: runs an optimized graph in a planned arena, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.compiler.layout import Layouts, layouts, same_layout
from chainrule.compiler.numpy_code import FILENAME, Program, commented
from chainrule.compiler.user_frames import with_users_line
from chainrule.core.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.core.graph import Graph, Node
from chainrule.core.types import Array
from chainrule.passes.cost import MOVEMENTS
from chainrule.passes.fuse import fuse
from chainrule.passes.memory import plan_memory


class Executor:
    """Runs a graph with NumPy, with its values in between in one arena.

    The results are those of ``graph.evaluate`` for inputs in C order, bit for bit. An executor may
    be run from several threads at once; each run has an arena of its own.

    Args:
        graph: the graph, optimized or not.
        updates: output to input, by position: outputs that will be written over inputs (see
            ``run``). The order of execution is chosen so that they can be.

    Attributes:
        graph: the graph.
        kernels: its nodes, as they are fused, in the order of execution.
        memory: the plan of the arena.

    >>> import chainrule as cr
    >>> executor = Executor(cr.trace(lambda x, w: cr.relu(x @ w))([[1.0, -1.0]], [[3.0], [4.0]]))
    >>> executor.run([np.ones((1, 2), np.float32), np.ones((2, 1), np.float32)])
    [array([[2.]], dtype=float32)]
    >>> executor.kernels, executor.memory.arena_bytes
    ([<Kernel matmul+relu>], 64)
    """

    def __init__(self, graph: Graph, updates: Mapping[int, int] | None = None) -> None:
        self.graph = graph
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self.kernels = fuse(graph, _readers_first(graph, updates or {}))
        order = [node for kernel in self.kernels for node in kernel.nodes]
        found = layouts(graph, order)
        self.memory = plan_memory(graph, order, found.views, matches=partial(same_layout, found))
        self._program = Program(graph, self.kernels, found, self.memory, _executable)
        #: Output position to the inputs that it must not be written over.
        self._hazards = _hazards(graph, order, found, self._program.direct)
        # Arenas that are not in use. Appending to a list and popping from it are atomic.
        self._idle: list[Callable[..., list[Array]]] = [self._program.instance()]

    @property
    def source(self) -> str:
        """The program that runs: one statement a node."""
        return commented(self._program, _users_line)

    def run(self, arrays: Sequence[Array], out: Mapping[int, Array] | None = None) -> list[Array]:
        """Return the outputs for the inputs.

        Args:
            arrays: of the types of the graph's inputs, which is not checked.
            out: output position to an array of its type to write it into. It may be one of
                ``arrays``, which is then overwritten; otherwise it shares memory with none.

        Returns:
            Arrays of the outputs' types: those given in ``out``, the others new.

        Raises:
            ArgumentError: an array in ``out`` is of another type than the output.
        """
        try:
            program = self._idle.pop()
        except IndexError:
            program = self._program.instance()
        try:
            if out:
                return self._run_into(program, arrays, out)
            return program(*arrays)
        except Exception as error:
            raise self._located(error)  # noqa: B904 - it has the cause that it should have
        finally:
            self._idle.append(program)

    def evaluate(self, *arrays: Array) -> list[Array]:
        """Return the outputs for the inputs, as ``Graph.evaluate`` does."""
        return self.run(arrays)

    def _run_into(
        self, program: Callable[..., list[Array]], arrays: Sequence[Array], out: Mapping[int, Array]
    ) -> list[Array]:
        given: dict[str, Array] = {}
        later: dict[int, Array] = {}
        for i, array in out.items():
            kind = self.outputs[i].type
            if array.shape != kind.shape or array.dtype != kind.dtype:
                raise ArgumentError(
                    f"out[{i}]", f"{array.dtype}{list(array.shape)}", f"an array of type {kind}"
                )
            hazards = self._hazards.get(i)
            if (
                hazards is None
                or not array.flags.c_contiguous
                or any(arrays[j] is array for j in hazards)
            ):
                later[i] = array
            else:
                given[f"out_{i}"] = array
        results = program(*arrays, **given)
        for i, array in later.items():
            np.copyto(array, results[i])
            results[i] = array
        return results

    def _located(self, error: Exception) -> Exception:
        """Return the error, with the user's line in its traceback."""
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename != FILENAME:
            traceback = traceback.tb_next
        if traceback is None:
            return error
        node = self._program.node_at(traceback.tb_lineno)
        if node is None:
            return error
        if isinstance(error, ValueError) and not isinstance(error, ChainruleError):
            error = _as_eager(error, node)
        source = None if node.origin is None else node.origin.source
        return with_users_line(error, source, traceback.tb_next)


def _as_eager(error: ValueError, node: Node) -> ShapeError:
    """Return the error that ``bind`` makes of one of NumPy's."""
    assert node.primitive is not None
    types = ", ".join(str(x.type) for x in node.inputs)
    raised = ShapeError(node.primitive.name, types, f"arguments that fit ({error})")
    raised.__cause__ = error
    return raised


def _executable(value: Any) -> Any:
    """Return an attribute with its graphs replaced by what runs them."""
    if isinstance(value, Graph):
        return Executor(value)
    if isinstance(value, tuple) and any(isinstance(part, Graph) for part in value):
        return tuple(map(_executable, value))
    return value


def _users_line(node: Node) -> str:
    source = None if node.origin is None else node.origin.source
    return "" if source is None else f"{source}  {source.text}".rstrip()


def _readers_first(graph: Graph, updates: Mapping[int, int]) -> dict[Node, list[Node]]:
    """Return for each output that is written over an input the nodes that read the input."""
    if not updates:
        return {}
    over = {graph.inputs[j]: graph.outputs[i] for i, j in updates.items()}
    #: What a node lies in, of the inputs that are written over.
    lies_in: dict[Node, Node] = {x: x for x in over}
    readers: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for x in node.inputs:
            if x in lies_in:
                readers.setdefault(lies_in[x], []).append(node)
        assert node.primitive is not None
        if node.primitive.name in MOVEMENTS and node.inputs[0] in lies_in:
            lies_in[node] = lies_in[node.inputs[0]]
    before = {over[x]: nodes for x, nodes in readers.items()}
    return {
        output: allowed
        for output, nodes in before.items()
        if (allowed := _not_after(graph, output, nodes))
    }


def _not_after(graph: Graph, output: Node, nodes: list[Node]) -> list[Node]:
    """Return those of the nodes that do not depend on the output, other than itself."""
    after = {output}
    for node in graph.nodes:
        if node not in after and any(x in after for x in node.inputs):
            after.add(node)
    return [node for node in nodes if node not in after]


def _hazards(
    graph: Graph, order: Sequence[Node], found: Layouts, direct: Mapping[int, Node]
) -> dict[int, tuple[int, ...]]:
    """Return the outputs that can be written into given arrays, and the inputs these must not be.

    Those are the inputs that are read after the output is written, or by the same node in another
    order than it writes.
    """
    lies_in: dict[Node, frozenset[int]] = {x: frozenset({j}) for j, x in enumerate(graph.inputs)}
    none: frozenset[int] = frozenset()
    last = [-1] * len(graph.inputs)
    written: dict[Node, int] = {}
    apart: dict[Node, set[int]] = {}
    for step, node in enumerate(order):
        written[node] = step
        assert node.primitive is not None
        for x in node.inputs:
            for j in lies_in.get(x, none):
                last[j] = step
                if not (
                    node.primitive.is_elementwise and x is graph.inputs[j] and x.type == node.type
                ):
                    apart.setdefault(node, set()).add(j)
        if node in found.views:
            lies_in[node] = none.union(*(lies_in.get(x, none) for x in found.views[node]))
    for node in graph.outputs:
        for j in lies_in.get(node, none):
            last[j] = len(order)
    return {
        i: tuple(j for j in range(len(last)) if last[j] > written[node] or j in apart.get(node, ()))
        for i, node in direct.items()
        if node not in found.probes
    }
