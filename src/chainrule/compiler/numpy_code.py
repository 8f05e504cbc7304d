"""Straight-line Python that runs a graph with NumPy: one statement a node, into given arrays."""

from __future__ import annotations

import keyword
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.compiler.layout import Layouts, is_same, like
from chainrule.core.graph import PRIMITIVES, Graph, Node
from chainrule.core.types import Array, TupleType
from chainrule.passes.cost import MOVEMENTS
from chainrule.passes.fuse import Kernel
from chainrule.passes.memory import ALIGNMENT, MemoryPlan

_REDUCE: dict[str, Any] = {
    "sum": np.add.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
}
_HELPERS = ("array", "asarray", "contiguous", "copyto", "empty", "empty_like")
#: What tracebacks call the program.
FILENAME = "<chainrule graph>"


class Statement(NamedTuple):
    """A line of the program.

    Attributes:
        text: the line.
        node: what it computes, if it computes a node.
    """

    text: str
    node: Node | None = None


class Program:
    """The program of a graph.

    Args:
        graph: the graph.
        kernels: its nodes in the order of execution.
        layouts: where values lie.
        plan: places in the arena.
        replace: what takes the place of an attribute of a node.
    """

    def __init__(
        self,
        graph: Graph,
        kernels: Sequence[Kernel],
        layouts: Layouts,
        plan: MemoryPlan,
        replace: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.graph = graph
        self.kernels = kernels
        self.layouts = layouts
        self.plan = plan
        self._replace = replace
        #: What the program refers to, other than its arrays in the arena.
        self.namespace: dict[str, Any] = {}
        self.names: dict[Node, str] = {}
        #: Output position to node, of those that are computed straight into the caller's arrays.
        self.direct: dict[int, Node] = {}
        self._position: dict[Node, int] = {}
        self._computed = frozenset(graph.nodes)
        #: Values that are there before the program runs: constants, the arena, and views of both.
        self._static: set[Node] = set()
        self.statements: list[Statement] = []
        self._name_values()
        self._choose_outputs()
        self._write()
        self.code = self._compile()

    # Names -------------------------------------------------------------------------------------

    def _name_values(self) -> None:
        taken = {*PRIMITIVES, *_HELPERS, *keyword.kwlist}
        own = {self.graph.names[node] for node in self.graph.nodes}
        taken |= own
        for x in self.graph.inputs:
            name = "".join(c if c.isalnum() and c.isascii() else "_" for c in self.graph.names[x])
            if not name or not name[0].isalpha():
                name = f"x_{name.lstrip('_')}"
            while name in taken or name.startswith(("out_", "constant_", "attribute_")):
                name = f"x_{name}"
            taken.add(name)
            self.names[x] = name
        for node in self.graph.nodes:
            self.names[node] = self.graph.names[node]
        for i, node in enumerate(self.graph.constants):
            self.names[node] = f"constant_{i + 1}"
            self.namespace[self.names[node]] = node.data
            self._static.add(node)

    def _refer(self, name: str, value: Any) -> str:
        """Return a name for a function or value; make it known to the program."""
        self.namespace[name] = value
        return name

    def _attribute(self, value: Any) -> str:
        value = self._replace(value)
        if _is_literal(value):
            return repr(value)
        if isinstance(value, np.dtype):
            return self._refer(f"dtype_{value.name}", value)
        return self._refer(f"attribute_{len(self.namespace)}", value)

    def _attributes(self, node: Node) -> str:
        return "".join(f", {key}={self._attribute(value)}" for key, value in node.attrs.items())

    # Outputs -----------------------------------------------------------------------------------

    def _choose_outputs(self) -> None:
        for i, node in enumerate(self.graph.outputs):
            if (
                node in self._computed
                and node not in self.layouts.views
                and node not in self._position
            ):
                self.direct[i] = node
                self._position[node] = i

    # Statements --------------------------------------------------------------------------------

    def _write(self) -> None:
        for x in self.graph.inputs:
            if x.type.ndim:
                name = self.names[x]
                self._refer("contiguous", np.ascontiguousarray)
                check = f"if not {name}.flags.c_contiguous: {name} = contiguous({name})"
                self.statements.append(Statement(check))
        for kernel in self.kernels:
            for node in kernel.nodes:
                self._write_node(node)
        results = []
        for i, node in enumerate(self.graph.outputs):
            name = self.names[node]
            results.append(
                name if i in self.direct else f"{self._refer('array', np.array)}({name})"
            )
        self.statements.append(Statement(f"return [{', '.join(results)}]"))

    def _write_node(self, node: Node) -> None:
        primitive = node.primitive
        assert primitive is not None
        name = self.names[node]
        if node in self.layouts.views:
            if all(x in self._static for x in node.inputs) and node not in self.layouts.opaque:
                self._static.add(node)
                self._add(node, f"# {name} = {self._moved(node)}, made once")
            else:
                self._write_view(node, name)
            return
        position = self._position.get(node)
        if position is None:
            self._static.add(node)
            target, prefix = name, ""
        else:
            target, prefix = f"out_{position}", f"{name} = "
        given = [self.names[x] for x in node.inputs]
        ufunc = _ufunc(primitive)
        reduces = primitive.name in _REDUCE
        if position is not None and not (node.type.ndim and (ufunc is not None or reduces)):
            self._write_allocation(node, target)
        if ufunc is not None:
            function = self._refer(primitive.name, ufunc)
            # Positional is faster, and deprecated where it could be taken for a third operand.
            where = f"out={target}" if ufunc in (np.maximum, np.minimum) else target
            self._add(node, f"{prefix}{function}({', '.join([*given, where])})")
        elif reduces:
            function = self._refer(f"{primitive.name}_reduce", _REDUCE[primitive.name])
            axes, keepdims = tuple(node.attrs["axes"]), node.attrs["keepdims"]
            dtype = self._attribute(node.type.dtype)
            call = f"{function}({given[0]}, {axes}, {dtype}, {target}, {keepdims})"
            self._add(node, prefix + call)
        else:
            if position is not None:
                self._add(node, f"{name} = {target}")
            if primitive.into is not None:
                function = self._refer(f"{primitive.name}_into", primitive.into)
                arguments = ", ".join([target, *given])
                self._add(node, f"{function}({arguments}{self._attributes(node)})")
            else:
                copyto = self._refer("copyto", np.copyto)
                self._add(node, f"{copyto}({target}, {self._evaluation(node)})")

    def _write_allocation(self, node: Node, target: str) -> None:
        probe = self.layouts.probes.get(node)
        if probe is None:
            dtype = self._attribute(node.type.dtype)
            new = f"{self._refer('empty', np.empty)}({node.type.shape}, {dtype})"
        else:
            like_what = self._refer(f"attribute_{len(self.namespace)}", probe)
            new = f"{self._refer('empty_like', np.empty_like)}({like_what})"
        self._add(node, f"if {target} is None: {target} = {new}")

    def _write_view(self, node: Node, name: str) -> None:
        assert node.primitive is not None
        if node.primitive.name == "item":
            view = f"{self.names[node.inputs[0]]}[{node.attrs['index']}]"
        elif node.primitive.name in MOVEMENTS:
            view = self._moved(node)
        elif _is_tuple(node):
            view = self._evaluation(node)
        else:
            view = f"{self._refer('asarray', np.asarray)}({self._evaluation(node)})"
        self._add(node, f"{name} = {view}")

    def _moved(self, node: Node) -> str:
        """Return the expression of a movement, as NumPy's methods where there are such."""
        assert node.primitive is not None
        x, name, attrs = self.names[node.inputs[0]], node.primitive.name, node.attrs
        if is_same(node):
            return x
        if name == "reshape":
            return f"{x}.reshape({tuple(attrs['shape'])})"
        if name == "transpose":
            return f"{x}.transpose({tuple(attrs['axes'])})"
        if name == "slice":
            ranges = zip(attrs["start"], attrs["stop"], attrs["step"], strict=True)
            return f"{x}[{', '.join(f'{a}:{b}:{c}' for a, b, c in ranges)}]"
        return self._evaluation(node)

    def _evaluation(self, node: Node) -> str:
        assert node.primitive is not None
        function = self._refer(f"{node.primitive.name}_of", node.primitive.eval)
        given = ", ".join(self.names[x] for x in node.inputs)
        return f"{function}({given}{self._attributes(node)})".replace("(, ", "(")

    def _add(self, node: Node, text: str) -> None:
        self.statements.append(Statement(text, node))

    # The function ------------------------------------------------------------------------------

    @property
    def header(self) -> str:
        """The line that names the arguments."""
        arguments = [self.names[x] for x in self.graph.inputs]
        arguments += [f"out_{i}=None" for i in self.direct]
        return f"def run({', '.join(arguments)}):"

    def _compile(self) -> types.CodeType:
        lines = [self.header, *(f"    {statement.text}" for statement in self.statements)]
        module = compile("\n".join(lines), FILENAME, "exec")
        return next(c for c in module.co_consts if isinstance(c, types.CodeType))

    def node_at(self, line: int) -> Node | None:
        """Return the node that a line of the program computes."""
        return self.statements[line - 2].node if 2 <= line < len(self.statements) + 2 else None

    def instance(self) -> Callable[..., list[Array]]:
        """Return the program, bound to an arena of its own."""
        memory = np.empty(self.plan.arena_bytes + 2 * ALIGNMENT, np.uint8)
        start = -memory.__array_interface__["data"][0] % ALIGNMENT
        arena = memory[start:]
        namespace = {**self.namespace, "__name__": __name__}
        # Equal places are the same object: rules see by ``is`` that they work in place.
        known: dict[tuple[Any, ...], Array] = {}
        for kernel in self.kernels:
            for node in kernel.nodes:
                if node in self._static:
                    namespace[self.names[node]] = self._placed(node, arena, namespace, known)
        # A copy of the code has inline caches of its own.
        return types.FunctionType(self.code.replace(), namespace, argdefs=self._defaults())

    def _defaults(self) -> tuple[None, ...]:
        return (None,) * len(self.direct)

    def _placed(
        self,
        node: Node,
        arena: Array,
        namespace: Mapping[str, Any],
        known: dict[tuple[Any, ...], Array],
    ) -> Array:
        if node in self.layouts.views:
            assert node.primitive is not None
            x = namespace[self.names[node.inputs[0]]]
            array = x if is_same(node) else node.primitive.eval(x, **node.attrs)
            assert not array.size or np.may_share_memory(array, x)
        else:
            offset, kind = self.plan.offsets[node], node.type
            probe = self.layouts.probes.get(node)
            array = (
                np.ndarray(kind.shape, kind.dtype, arena.data, offset)
                if probe is None
                else like(probe, arena, offset)
            )
        key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype)
        return known.setdefault(key, array)


def _ufunc(primitive: Any) -> np.ufunc | None:
    for rule in (primitive.eval, primitive.into):
        if isinstance(rule, np.ufunc):
            return rule
    return None


def _is_tuple(node: Node) -> bool:
    kind: Any = node.type
    return isinstance(kind, TupleType)


def _is_literal(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_literal, value))
    return value is None or type(value) in (bool, int, str)


def commented(program: Program, users_line: Callable[[Node], str]) -> str:
    """Return the program's text, with the kernels and the user's lines as comments."""
    kernel_of = {node: i for i, kernel in enumerate(program.kernels) for node in kernel.nodes}
    lines = [program.header, "    # The last array in a call is where its result goes."]
    kernel, line = -1, ""
    for text, node in program.statements:
        if node is not None:
            if kernel_of[node] != kernel:
                kernel, line = kernel_of[node], ""
                lines.append(f"    # {kernel + 1}. {program.kernels[kernel].name}")
            now = users_line(node)
            if now and now != line:
                lines.append(f"    #    {now}")
                line = now
        where = program.plan.taken_over.get(node) if node is not None else None
        note = "" if where is None else f"  # in place of {program.names[where]}"
        lines.append(f"    {text}{note}")
    return "\n".join(lines) + "\n"
