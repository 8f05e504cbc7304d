"""From kernels to loop nests: which values are stored, and through which views the rest is read."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.core.graph import Graph, Node
from chainrule.core.tensor import unknown
from chainrule.core.types import Shape
from chainrule.native.loops import Kind, Nest, Program
from chainrule.native.unsupported import UnsupportedError
from chainrule.native.views import View, dense_strides, moved, whole
from chainrule.ops.elementwise import identity_p
from chainrule.passes.cost import MOVEMENTS
from chainrule.passes.fuse import REDUCTIONS, ROWWISE, Kernel

#: Operations that are nests of their own.
_SINGLE: dict[str, Kind] = {
    "gather": "gather", "scatter_add": "scatter", "argmax": "argmax", "cumsum": "cumsum",
    "concatenate": "join", "stack": "join", "pad": "join", "check_range": "check",
    "random_bits": "random", "random_uniform": "random",
}  # fmt: skip
_REASONS = {"check": "a check by a Python function"}


def lower(graph: Graph, kernels: Sequence[Kernel]) -> Program:
    """Turn the kernels of a graph into loop nests.

    Raises:
        UnsupportedError: an operation without a rule.
    """
    return _Lowering(graph, kernels).program()


class _Lowering:
    def __init__(self, graph: Graph, kernels: Sequence[Kernel]) -> None:
        self.graph = graph
        self.kernels = kernels
        self.nests: list[Nest] = []
        #: Copies of right operands whose rows are not dense.
        self.dense: dict[Node, Node] = {}
        #: Arrays that are taken apart into rows.
        self.unstacked: dict[Node, View] = {}
        #: How each value that is in memory is read.
        self.views: dict[Node, View] = {}
        for x in (*graph.inputs, *graph.constants):
            self.views[x] = whole(x)

    def program(self) -> Program:
        """Lower all kernels."""
        for kernel in self.kernels:
            self._kernel(kernel)
        stored = {node for nest in self.nests for node in nest.stores}
        outputs: list[Node] = []
        for node in self.graph.outputs:
            outputs.append(node if node in stored - set(outputs) else self._copied(node))
        offsets, size = _places(self.nests, stored - set(outputs))
        return Program(self.nests, offsets, size, outputs)

    def _copied(self, node: Node) -> Node:
        """Return a copy of a value that is a view, an input, a constant, or given out already."""
        copy = unknown(node.type, identity_p, (node,))
        nest = Nest("copy", node.type.shape, [copy], {node: self.views[node]}, [copy], name="copy")
        self.nests.append(nest)
        self.views[copy] = whole(copy)
        return copy

    def _kernel(self, kernel: Kernel) -> None:
        chain: list[Node] = []
        for node in kernel.nodes:
            assert node.primitive is not None
            name = node.primitive.name
            if name in MOVEMENTS:
                self._move(node, chain, kernel)
            elif name == "matmul":
                self._flush(chain, kernel, node.inputs)
                self._make_dense(node)
                chain.append(node)
            elif name in ROWWISE or name == "logsumexp":
                self._flush(chain, kernel, node.inputs)
                axes = tuple(node.attrs["axes"])
                shape, reads = node.inputs[0].type.shape, self._reads([node])
                self._append(Nest("rows", shape, [node], reads, [node], axes, kernel.name))
            elif name in REDUCTIONS:
                self._reduction(node, chain, kernel)
            elif name in ("unstack", "item"):
                self._flush(chain, kernel, node.inputs)
                self._row_of(node)
            elif node.primitive.is_elementwise:
                chain.append(node)
            else:
                self._flush(chain, kernel, node.inputs)
                self._single(node)
        self._flush(chain, kernel, ())

    def _append(self, nest: Nest) -> None:
        self.nests.append(nest)
        for node in nest.stores:
            self.views[node] = whole(node)

    def _make_dense(self, node: Node) -> None:
        """Copy the right operand of a product if its rows are not dense: lanes run along them."""
        y = node.inputs[1]
        view = self.views[y]
        is_dense = view.shape[-1] <= 1 or view.strides[-1] == 1 or not y.type.size
        if not is_dense and y not in self.dense:
            self.dense[y] = self._copied(y)

    def _move(self, node: Node, chain: list[Node], kernel: Kernel) -> None:
        x = node.inputs[0]
        self._flush(chain, kernel, [x])
        view = moved(node, self.views[x])
        if view is None:
            source = self.views[x]
            target = View(node, source.shape, dense_strides(source.shape))
            self._append(
                Nest(
                    "copy",
                    source.shape,
                    [node],
                    {x: source},
                    [node],
                    name="copy",
                    targets={node: target},
                )
            )
        else:
            self.views[node] = view

    def _reads(self, nodes: Sequence[Node]) -> dict[Node, View]:
        inside = set(nodes)
        return {x: self.views[x] for node in nodes for x in node.inputs if x not in inside}

    def _used_later(self, chain: Sequence[Node], kernel: Kernel) -> list[Node]:
        inside = set(chain)  # tensors compare by value: they are looked up in sets only
        used = {x for node in kernel.nodes if node not in inside for x in node.inputs}
        used |= set(kernel.outputs)
        return [node for node in chain if node in used]

    def _flush(self, chain: list[Node], kernel: Kernel, wanted: Sequence[Node]) -> None:
        """Write a chain as a nest, and store what is used after it."""
        if not chain:
            return
        stores = self._used_later(chain, kernel)
        inside = set(chain)
        stores += [x for x in dict.fromkeys(wanted) if x in inside and x not in set(stores)]
        first, reads = chain[0], self._reads(chain)
        is_product = first.primitive is not None and first.primitive.name == "matmul"
        if is_product and first.inputs[1] in self.dense:
            reads[first.inputs[1]] = self.views[self.dense[first.inputs[1]]]
        kind: Kind = "product" if is_product else "map"
        shape = first.type.shape
        self._append(Nest(kind, shape, list(chain), reads, stores, name=kernel.name))
        chain.clear()

    def _reduction(self, node: Node, chain: list[Node], kernel: Kernel) -> None:
        x = node.inputs[0]
        nodes = [node]
        is_product = bool(chain) and chain[0].primitive is not None
        is_product = is_product and chain[0].primitive.name == "matmul"  # type: ignore[union-attr]
        if (
            x in set(chain)
            and not is_product
            and not self._used_later(chain, _without(kernel, node))
        ):
            nodes = [*chain, node]  # nothing else needs the chain: it runs inside the reduction
            chain.clear()
        else:
            self._flush(chain, kernel, [x])
        axes = tuple(node.attrs["axes"])
        reads = self._reads(nodes)
        self._append(Nest("reduce", x.type.shape, nodes, reads, [node], axes, kernel.name))

    def _row_of(self, node: Node) -> None:
        """Read a row of an array that is taken apart as a view."""
        source = node.inputs[0]
        if node.primitive is not None and node.primitive.name == "unstack":
            self.unstacked[node] = self.views[source]
            return
        if source not in self.unstacked:
            assert source.primitive is not None
            raise UnsupportedError(f"the operation {source.primitive.name}")
        view = self.unstacked[source]
        start = view.offset + node.attrs["index"] * view.strides[0]
        self.views[node] = View(view.base, view.shape[1:], view.strides[1:], start)

    def _single(self, node: Node) -> None:
        assert node.primitive is not None
        name = node.primitive.name
        if name not in _SINGLE:
            raise UnsupportedError(_REASONS.get(name, f"the operation {name}"))
        kind = _SINGLE[name]
        domain: Shape = node.type.shape
        axes: tuple[int, ...] = ()
        if kind == "argmax":
            domain, axes = node.inputs[0].type.shape, (node.attrs["axis"],)
        self._append(Nest(kind, domain, [node], self._reads([node]), [node], axes, name))


def _without(kernel: Kernel, node: Node) -> Kernel:
    return Kernel([n for n in kernel.nodes if n is not node], kernel.inputs, kernel.outputs)


def _places(nests: Sequence[Nest], values: set[Node]) -> tuple[dict[Node, int], int]:
    """Give each value a place in the arena, from the nest that writes it to the last that reads."""
    born: dict[Node, int] = {}
    dies: dict[Node, int] = {}
    for i, nest in enumerate(nests):
        for node in nest.stores:
            born[node] = dies[node] = i
        for view in nest.reads.values():
            if view.base in born:
                dies[view.base] = i
    free: list[tuple[int, int]] = []  # offset and size
    offsets: dict[Node, int] = {}
    top = 0
    for i in range(len(nests)):
        for node in (n for n in nests[i].stores if n in values):
            size = max(64, -(-node.type.size * node.type.dtype.itemsize // 64) * 64)
            fits = [block for block in free if block[1] >= size]
            if fits:
                place = min(fits, key=lambda block: block[1])
                free.remove(place)
                offsets[node] = place[0]
                if place[1] > size:
                    free.append((place[0] + size, place[1] - size))
            else:
                offsets[node] = top
                top += size
        for node in born:  # in a fixed order, so that the same graph has the same code
            if dies[node] == i and node in offsets:
                size = max(64, -(-node.type.size * node.type.dtype.itemsize // 64) * 64)
                free.append((offsets[node], size))
    return offsets, top
