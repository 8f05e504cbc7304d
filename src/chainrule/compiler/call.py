"""A compiled call as one node of the recording: it can be differentiated like any operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from chainrule.autodiff.forward import push_forward
from chainrule.autodiff.reverse import fresh, pull_back
from chainrule.core.graph import Graph, Primitive
from chainrule.core.mode import recording
from chainrule.core.tensor import Tensor
from chainrule.core.types import Array, TupleType
from chainrule.ops.control.subgraph import apply_graph
from chainrule.ops.creation import zeros_like
from chainrule.ops.tuples import item_p


class Callee(Protocol):
    """What a compiled call calls."""

    #: The graph as it was traced, for the sizes of the call.
    graph: Graph

    def evaluate(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs for the inputs."""

    def pull(self, wanted: tuple[bool, ...], given: tuple[bool, ...]) -> Callable[..., Any]:
        """Return the compiled pull-back ``(inputs, cotangents)`` to the wanted cotangents."""


def _type_rule(*types: Any, callee: Callee) -> TupleType:
    return TupleType(tuple(y.type for y in callee.graph.outputs))


def _joint_vjp(
    g: Sequence[Tensor | None],
    ans: Tensor,
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
    *,
    callee: Callee,
) -> list[Tensor | None]:
    """Pull back through the graph, itself compiled."""
    given = tuple(cotangent is not None for cotangent in g)
    pull = callee.pull(tuple(wanted), given)
    found = iter(pull(list(inputs), [cotangent for cotangent in g if cotangent is not None]))
    return [next(found) if is_wanted else None for is_wanted in wanted]


def _jvp(ts: Sequence[Tensor | None], ans: Tensor, *inputs: Tensor, callee: Callee) -> list[Tensor]:
    moving = [i for i, t in enumerate(ts) if t is not None]
    new = [fresh(x) if i in moving else x for i, x in enumerate(inputs)]
    with recording(True):
        outputs = apply_graph(callee.graph, new)
    tangents = [t for t in ts if t is not None]
    return push_forward(outputs, [new[i] for i in moving], tangents)


call_p: Primitive = Primitive(
    "compiled_call",
    eval=lambda *arrays, callee: tuple(callee.evaluate(arrays)),
    type_rule=_type_rule,
    joint_vjp=_joint_vjp,
    jvp=_jvp,
)


def recorded(callee: Callee, inputs: Sequence[Tensor], values: Sequence[Array]) -> list[Tensor]:
    """Return the outputs of a compiled call as values that are linked to its inputs."""
    node = Tensor(tuple(values), call_p, tuple(inputs), {"callee": callee}, True)  # type: ignore[arg-type]
    return [
        Tensor(value, item_p, (node,), {"index": i}, True)
        if value.dtype.kind == "f"
        else Tensor(value)
        for i, value in enumerate(values)
    ]


def pulled(
    graph_of: Callable[[Sequence[Tensor]], Graph], wanted: Sequence[bool], given: Sequence[bool]
) -> Callable[..., Any]:
    """Return the pull-back of a graph as a function to compile.

    Args:
        graph_of: the graph for inputs of these sizes.
        wanted: which inputs' cotangents to return.
        given: which outputs' cotangents come in.
    """

    def pull(inputs: list[Tensor], cotangents: list[Tensor]) -> list[Tensor]:
        variables = [fresh(x) for x, yes in zip(inputs, wanted, strict=True) if yes]
        remaining = iter(variables)
        new = [next(remaining) if yes else x for x, yes in zip(inputs, wanted, strict=True)]
        with recording(True):
            outputs = apply_graph(graph_of(inputs), new)
        chosen = [y for y, yes in zip(outputs, given, strict=True) if yes]
        found = pull_back(chosen, cotangents, variables)
        return [found[v] if v in found else zeros_like(v) for v in variables]

    return pull
