"""The chain of layers in a recorded graph: z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾, a⁽ˡ⁾ = f_l(z⁽ˡ⁾).

Every product of rows with a parameter matrix begins a layer: z⁽ˡ⁾ is the product (and the bias,
where one is added), and all that happens from there to the next product is f_l. So any module whose
layers follow one after the other has a chain, not only a ``Sequential`` of ``Dense``.
"""

from __future__ import annotations

# ruff: noqa: E741 - l is the lecture's symbol
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.graph import Node, ancestors
from chainrule.core.mode import recording
from chainrule.core.tensor import Tensor
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.layers import Layer
from chainrule.nn.module import Call
from chainrule.ops.contract import matmul_p
from chainrule.ops.elementwise import add_p
from chainrule.ops.promotion import cast_p

#: Layers that change nothing in inference, or only the shape: they are no part of f_l.
_SILENT = ("Dropout", "Flatten", "GaussianNoise")


@dataclass(frozen=True, eq=False)
class Link:
    """One layer of the chain, as nodes of the graph.

    Attributes:
        source: a⁽ˡ⁻¹⁾, shape (n, M_(l-1)).
        kernel: the transpose of W⁽ˡ⁾: a parameter's value.
        bias: b⁽ˡ⁾, or ``None``.
        z: the net input, shape (n, M_l).
        a: the activation, f_l(z).
        between: the nodes that compute ``a`` from ``z``, in order: f_l.
    """

    source: Tensor
    kernel: Tensor
    bias: Tensor | None
    z: Tensor
    a: Tensor
    between: tuple[Tensor, ...]

    @property
    def is_elementwise(self) -> bool:
        """Whether each unit's activation depends on its own net input only."""
        moving = {self.z, *self.between}
        return all(
            node.primitive is not None
            and node.primitive.is_elementwise
            and all(x.type.shape == node.type.shape for x in node.inputs if x in moving)
            for node in self.between
        )


def find_links(source: Tensor, prediction: Tensor) -> list[Link]:
    """Return the layers between the input and the output of a model, in order.

    Args:
        source: the input, a tracked variable.
        prediction: what was computed from it, shape (n, M_L).

    Raises:
        ArgumentError: the layers do not follow one after the other.
        ShapeError: a layer works on something else than one row a sample.
    """
    n = len(source)
    nodes: Any = [node for node in ancestors([prediction], follow=_is_tracked) if node.tracked]
    products = [node for node in nodes if node.primitive is matmul_p]
    if not products:
        raise _no_chain("a model without a layer z = W a + b")
    starts = [_start(product, nodes) for product in products]
    ends = [*(rows for rows, _, _, _ in starts[1:]), prediction]
    _check_rows(starts[0][0], n, "the input of layer 1")
    links = []
    for l, ((rows, kernel, bias, z), a) in enumerate(zip(starts, ends, strict=True), start=1):
        _check_rows(a, n, f"the output of layer {l}")
        on_the_way: Any = ancestors([a], stop=[z], follow=_is_tracked)
        others = {source, *products} - {z}
        if not others.isdisjoint(on_the_way):
            after = "the output" if a is prediction else f"layer {l + 1}"
            raise _no_chain(f"a model in which {after} does not depend on layer {l} alone")
        moving = {z}
        for node in on_the_way:
            if not moving.isdisjoint(node.inputs):
                moving.add(node)
        between = tuple(node for node in on_the_way if node in moving and node is not z)
        links.append(Link(rows, kernel, bias, z, a, between))
    return links


def _start(
    product: Tensor, nodes: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Return the rows, the kernel, the bias and the net input of the layer of a product."""
    inputs: Any = product.inputs
    rows, kernel = inputs[0], _leaf(inputs[1])
    if kernel is None:
        raise _no_chain("a model with a product that is not one of rows with a parameter")
    users: Any = [node for node in nodes if any(x is product for x in node.inputs)]
    if len(users) == 1 and users[0].primitive is add_p:
        for x in users[0].inputs:
            bias = _leaf(x)
            if bias is not None and bias.shape == product.shape[1:]:
                return rows, kernel, bias, users[0]
    return rows, kernel, None, product


def _leaf(node: Any) -> Tensor | None:
    """Return the parameter's value that a node is, whatever its dtype was cast to."""
    while node.primitive is cast_p:
        node = node.inputs[0]
    return node if node.primitive is None and node.cell is not None else None


def _check_rows(x: Tensor, n: int, what: str) -> None:
    if x.ndim != 2 or x.shape[0] != n:
        raise ShapeError("model", f"{what} of shape {x.shape}", f"one row a sample: ({n}, units)")


def _no_chain(came: str) -> ArgumentError:
    return ArgumentError(
        "model",
        came,
        "layers one after the other, z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾ and a⁽ˡ⁾ = f_l(z⁽ˡ⁾): Dense, with "
        "activations and normalizations between",
        "The lecture's notation has no branches; for other models use cr.grad or cr.explain.",
    )


def _is_tracked(node: Node) -> bool:
    return node.tracked


# The names of the f_l ------------------------------------------------------------------------


def names_of(calls: Sequence[Call], links: Sequence[Link]) -> list[str]:
    """Name each f_l after the modules that were called for it."""
    parts: list[list[str]] = [[] for _ in links]
    current, inside = -1, math.inf
    for call, after in zip(calls, [*calls[1:], None], strict=True):
        if call.depth > inside:  # of a layer that names its activation itself
            continue
        inside, module = math.inf, call.module
        own = vars(module).values()
        starts = (
            k
            for k in range(current + 1, len(links))
            if any(value is links[k].kernel.cell for value in own)
        )
        begun = next(starts, None)
        name = module.activation_name if isinstance(module, Layer) else ""
        if begun is not None:
            current, inside = begun, call.depth
            parts[current].append(name)
        elif current >= 0 and (after is None or after.depth <= call.depth):
            kind = type(module).__name__
            parts[current].append("" if kind in _SILENT else name or kind)
    told = [[name for name in given if name not in ("", "linear")] for given in parts]
    return [
        " → ".join(names) if names and link.between else _name(link)
        for names, link in zip(told, links, strict=True)
    ]


def names_before(calls: Sequence[Call], source: Tensor, first: Link) -> tuple[str, ...]:
    """Name the modules that were called between the input and the first layer of the chain."""
    if first.source is source:
        return ()
    names = []
    for call, after in zip(calls, [*calls[1:], None], strict=True):
        module = call.module
        if any(value is first.kernel.cell for value in vars(module).values()):
            break
        is_inner = after is None or after.depth <= call.depth
        if is_inner and type(module).__name__ not in ("Dropout", "GaussianNoise"):
            name = module.activation_name if isinstance(module, Layer) else ""
            names.append(name or type(module).__name__)
    return tuple(names) or ("custom",)


def _name(link: Link) -> str:
    """Name an f_l after its operation."""
    if not link.between:
        return "linear"
    own = _signature(link.z, link.between)
    for name, f in ACTIVATIONS.items():
        z = Tensor(link.z.data, tracked=True)
        with recording(True):
            a = f(z)
        if _signature(z, [n for n in ancestors([a], follow=_is_tracked) if n is not z]) == own:
            return name
    primitives = [node.primitive for node in link.between]
    return primitives[0].name if len(primitives) == 1 and primitives[0] else "custom"


def _signature(z: Tensor, between: Sequence[Any]) -> list[object]:
    """Return what is computed from z, so that it can be compared."""
    places: dict[Node, object] = {z: "z", **{node: k for k, node in enumerate(between)}}
    return [
        (node.primitive, dict(node.attrs), [_operand(x, places) for x in node.inputs])
        for node in between
    ]


def _operand(x: Node, places: dict[Node, object]) -> object:
    if x in places:
        return places[x]
    assert x.data is not None
    return x.type, x.data.tobytes()
