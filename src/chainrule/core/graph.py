"""The one graph: primitives, the nodes that apply them, and graphs of nodes.

A node is a value: an input, a constant, or a primitive applied to nodes. The nodes that eager
execution records for ``backward()`` and the nodes of a traced ``Graph`` are the same objects; a
node whose ``data`` is ``None`` is one whose value is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import numpy as np

from chainrule.core.errors import ChainruleError, GraphError, MissingRuleError
from chainrule.core.origin import Origin
from chainrule.core.types import Array, ArrayType, TupleType

Rule = Callable[..., Any]
Value = TypeVar("Value")

#: Every primitive by its name, in the order of definition.
PRIMITIVES: dict[str, Primitive] = {}


@dataclass(frozen=True, slots=True)
class Example:
    """Arguments on which a primitive must work; the conformance tests run every one of them.

    Args:
        shapes: shape of each argument. An argument is drawn from the primitive's ``domain``.
        attrs: the primitive's attributes.
        arrays: argument position to a fixed array, for arguments such as indices.
    """

    shapes: tuple[tuple[int, ...], ...]
    attrs: Mapping[str, Any]
    arrays: Mapping[int, Array]


def example(
    *shapes: tuple[int, ...], arrays: Mapping[int, Array] | None = None, **attrs: Any
) -> Example:
    """Write an ``Example`` shortly: ``example((2, 3), axes=(0,), keepdims=False)``."""
    return Example(shapes, attrs, arrays or {})


class PerArgument(Sequence[Rule]):
    """The rules of a primitive with any number of arguments: ``rule_of(i)`` is argument i's."""

    def __init__(self, rule_of: Callable[[int], Rule]) -> None:
        self.rule_of = rule_of

    def __getitem__(self, index: Any) -> Any:
        return self.rule_of(index)

    def __len__(self) -> int:
        raise TypeError("a primitive with any number of arguments has no number of rules")


class Primitive:
    """One operation, and all that is known of it.

    The vocabulary of the rules is fixed: ``g`` is the cotangent of the result, ``t`` a tangent,
    ``ans`` the result, and the arguments come under their own names. Rules are written with
    Chainrule's own operations, so that they can be recorded, traced and differentiated again.
    Un-broadcasting and summing over paths is the driver's work (``chainrule.autodiff``).

    Args:
        name: unique name.
        eval: ``eval(*arrays, **attrs)``, the value by NumPy.
        type_rule: ``type_rule(*types, **attrs)``, the result's type from the arguments'.
        vjp: for each argument, ``(g, ans, *xs, **attrs)`` to its cotangent (``None``: the
            argument is an integer or bool and has none).
        joint_vjp: instead of ``vjp``, one rule ``(g, ans, xs, wanted, **attrs)`` to the list of
            all cotangents, where those whose ``wanted`` is false may be ``None``. Where the result
            is a tuple, ``g`` is one, with ``None`` where no cotangent came.
        jvp: ``(ts, ans, *xs, **attrs)`` to the tangent of the result, where ``ts`` holds
            ``None`` for an argument that does not move.
        domain: open interval from which the float arguments may come.
        examples: arguments for the conformance tests.
        symbol: how to write it in a formula, with ``{0}``, ``{1}`` for the arguments.
        lower: of an elementwise primitive, ``lower(f, *values, **attrs)``: its native code, written
            with the builder ``f`` of ``native.ir``.
        is_elementwise: whether each element of the result depends on those at its own place only.
        into: ``into(out, *arrays, **attrs)``, which writes into an array what ``eval`` returns,
            bit for bit; or a ufunc that does so with its own ``out``, where attributes do not
            matter. Of an elementwise primitive, ``out`` may be one of the arrays.
    """

    __slots__ = (
        "_jvp",
        "_vjp",
        "domain",
        "eval",
        "examples",
        "into",
        "is_elementwise",
        "joint_vjp",
        "lower",
        "name",
        "symbol",
        "type_rule",
    )

    def __init__(
        self,
        name: str,
        *,
        eval: Rule,
        type_rule: Rule,
        vjp: Sequence[Rule | None] | None = None,
        joint_vjp: Rule | None = None,
        jvp: Rule | None = None,
        domain: tuple[float, float] = (-2.0, 2.0),
        examples: Iterable[Example] = (),
        symbol: str = "",
        is_elementwise: bool = False,
        into: Rule | None = None,
        lower: Rule | None = None,
    ) -> None:
        if name in PRIMITIVES:
            raise GraphError(f"a primitive named {name!r} exists already")
        self.name = name
        self.eval = eval
        self.type_rule = type_rule
        self._vjp = vjp
        self.joint_vjp = joint_vjp
        self._jvp = jvp
        self.domain = domain
        self.examples = tuple(examples)
        self.symbol = symbol
        self.is_elementwise = is_elementwise
        self.into = into
        self.lower = lower
        PRIMITIVES[name] = self

    @property
    def vjp(self) -> Sequence[Rule | None]:
        """The reverse rules, one an argument."""
        if self._vjp is None:
            raise MissingRuleError(f"the primitive {self.name!r} has no VJP rule")
        return self._vjp

    @property
    def jvp(self) -> Rule:
        """The forward rule."""
        if self._jvp is None:
            raise MissingRuleError(f"the primitive {self.name!r} has no JVP rule")
        return self._jvp

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


#: Creation order of nodes: sorting by it is a topological order, without recursion.
next_order: Callable[[], int] = count().__next__


class Node:
    """A value in a graph: an input, a constant, or a primitive applied to nodes.

    Attributes:
        data: the value, or ``None`` where it is not known yet (tracing).
        primitive: what was applied, or ``None`` for an input or a constant.
        inputs: what it was applied to.
        attrs: the primitive's attributes.
        order: creation order; inputs come before what is computed from them.
        tracked: whether a derivative with respect to something before it may be asked for.
    """

    __slots__ = ("_origin", "_type", "attrs", "data", "inputs", "order", "primitive", "tracked")

    data: Array | None
    primitive: Primitive | None
    inputs: tuple[Node, ...]
    attrs: Mapping[str, Any]
    order: int
    tracked: bool
    _type: ArrayType | None
    _origin: Origin | None

    @property
    def type(self) -> ArrayType:
        """Shape and dtype (of a value that is several arrays: a ``TupleType``)."""
        data: Any = self.data
        if data is not None:
            if type(data) is tuple:
                items = tuple(ArrayType(part.shape, part.dtype) for part in data)
                return TupleType(items)  # type: ignore[return-value]
            return ArrayType(data.shape, data.dtype)
        assert self._type is not None
        return self._type

    @property
    def origin(self) -> Origin | None:
        """Where the node comes from, if that was asked for: while tracing, and by ``cr.record``."""
        return getattr(self, "_origin", None)


def known_data(node: Node) -> Array:
    """Return the value of a node that has one."""
    assert node.data is not None
    return node.data


_by_order = attrgetter("order")


def ancestors(
    outputs: Iterable[Node],
    stop: Iterable[Node] = (),
    follow: Callable[[Node], bool] = lambda node: True,
) -> list[Node]:
    """Return the outputs and all that they are computed from, inputs first, each once.

    Args:
        outputs: where to start.
        stop: nodes to include without looking behind them.
        follow: nodes for which this is false are left out.
    """
    stop = set(stop)
    seen: set[Node] = set()
    stack = [node for node in outputs if follow(node)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node not in stop:
                stack += [x for x in node.inputs if x not in seen and follow(x)]
    return sorted(seen, key=_by_order)


class Graph:
    """A traced function: inputs, the nodes in an order of execution, and outputs.

    Args:
        inputs: the arguments, in the function's order.
        outputs: the results.
        names: names of the inputs, for printing (default: ``x1``, ``x2``, ...).
    """

    # Filled by chainrule.compiler.trace
    optimize: ClassVar[Callable[[Any], Graph]]
    # Filled by chainrule.viz.graphs.methods
    to_svg: ClassVar[Callable[..., str]]
    to_dot: ClassVar[Callable[..., str]]
    _repr_svg_: ClassVar[Callable[..., str]]
    _repr_html_: ClassVar[Callable[..., str]]

    def __init__(
        self, inputs: Sequence[Node], outputs: Sequence[Node], names: Sequence[str] = ()
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        #: The applications of primitives, in an order of execution.
        self.nodes: list[Node] = []
        #: Values that are known without the inputs.
        self.constants: list[Node] = []
        computed = set(self.inputs)
        for node in ancestors(outputs, stop=inputs):
            if node in computed:
                continue
            if node.data is None or not computed.isdisjoint(node.inputs):
                (self.nodes if node.primitive else self.constants).append(node)
                computed.add(node)
            else:
                self.constants.append(node)
        self._drop_what_only_constants_use()
        given = list(names) or [f"x{i + 1}" for i in range(len(self.inputs))]
        self.names: dict[Node, str] = dict(zip(self.inputs, given, strict=True))
        taken = set(given)
        fresh = (name for i in count(1) if (name := f"h{i}") not in taken)
        self.names.update(zip(self.nodes, fresh, strict=False))
        self.verify()

    def _drop_what_only_constants_use(self) -> None:
        used = {x for node in self.nodes for x in node.inputs} | set(self.outputs)
        self.constants = [node for node in self.constants if node in used]

    def rebuilt(self, outputs: Sequence[Node]) -> Graph:
        """Return a graph of the same inputs and names that computes the results otherwise."""
        return Graph(self.inputs, outputs, [self.names[x] for x in self.inputs])

    def moved(self, made: Mapping[Node, Node]) -> Graph:
        """Return a graph of other nodes that correspond to those of this one."""
        inputs = [made[x] for x in self.inputs]
        outputs = [made.get(y, y) for y in self.outputs]
        return Graph(inputs, outputs, [self.names[x] for x in self.inputs])

    def verify(self) -> None:
        """Check the graph's own rules.

        Every node's inputs are defined before it; every unknown value is an input or computed;
        every node's type is what its primitive's type rule says.

        Raises:
            GraphError: with the node that breaks a rule.
        """
        defined = {*self.inputs, *self.constants}
        if len(self.inputs) != len(set(self.inputs)):
            raise GraphError("an input stands twice in the list of inputs")
        for node in self.constants:
            if node.data is None:
                raise GraphError(
                    f"a value of type {node.type} is used but is neither an input nor computed: "
                    "it belongs to another trace"
                )
        for node in self.nodes:
            assert node.primitive is not None
            for x in node.inputs:
                if x not in defined:
                    raise GraphError(
                        f"{self.names[node]} uses a value that is not defined before it"
                    )
            try:
                expected = node.primitive.type_rule(*[x.type for x in node.inputs], **node.attrs)
            except ChainruleError as error:
                raise GraphError(
                    f"{self.names[node]} = {node.primitive.name}(...): {error}"
                ) from error
            if node.type != expected:
                raise GraphError(
                    f"{self.names[node]} = {node.primitive.name}(...) is of type {node.type}; "
                    f"its type rule says {expected}"
                )
            defined.add(node)
        for node in self.outputs:
            if node not in defined:
                raise GraphError("an output is not defined in the graph")

    def interpret(
        self,
        values: Sequence[Value],
        apply: Callable[[Node, list[Value]], Value],
        constant: Callable[[Node], Value],
    ) -> list[Value]:
        """Run the environment loop: read the inputs, apply, write the output, node by node.

        Args:
            values: a value for each input.
            apply: the value of a node, given those of its inputs.
            constant: the value of a constant.
        """
        environment: dict[Node, Value] = dict(zip(self.inputs, values, strict=True))
        environment |= {node: constant(node) for node in self.constants}
        for node in self.nodes:
            environment[node] = apply(node, [environment[x] for x in node.inputs])
        return [environment[node] for node in self.outputs]

    def evaluate(self, *arrays: Array) -> list[Array]:
        """Evaluate with NumPy: arrays in the order of ``inputs`` to arrays for ``outputs``."""

        def apply(node: Node, xs: list[Any]) -> Any:
            assert node.primitive is not None
            value = node.primitive.eval(*xs, **node.attrs)
            # NumPy makes scalars of 0-d arrays.
            return value if type(value) is tuple else np.asarray(value)

        return self.interpret(list(arrays), apply, known_data)

    def name(self, node: Node) -> str:
        """Return a node's name in this graph; a constant's is its value where it is one number."""
        if node in self.names:
            return self.names[node]
        assert node.data is not None
        return f"{node.data.item():.7g}" if node.data.ndim == 0 else f"constant:{node.type}"

    def __str__(self) -> str:
        arguments = ", ".join(f"{self.names[x]}: {x.type}" for x in self.inputs)
        lines = [f"graph({arguments}) {{"]
        for node in self.nodes:
            assert node.primitive is not None
            parts = [self.name(x) for x in node.inputs]
            parts += [f"{key}={value}".replace("\n", "\n  ") for key, value in node.attrs.items()]
            call = f"{node.primitive.name}({', '.join(parts)})"
            lines.append(f"  {self.names[node]}: {node.type} = {call}")
        lines += [f"  return {', '.join(self.name(x) for x in self.outputs)}", "}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes, {len(self.inputs)} inputs>"
