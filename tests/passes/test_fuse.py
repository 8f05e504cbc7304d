from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.graph import PRIMITIVES, Graph, Node
from chainrule.core.tensor import bind, unknown
from chainrule.core.types import ArrayType
from chainrule.passes.cost import Cost, cost, graph_cost
from chainrule.passes.fuse import Kernel, fuse

F4 = np.dtype("f4")


def ones(*shape: int) -> Any:
    return np.ones(shape, F4)


def names(graph: Graph) -> list[str]:
    return [kernel.name for kernel in fuse(graph)]


def assert_sound(
    graph: Graph, kernels: list[Kernel], after: dict[Node, list[Node]] | None = None
) -> None:
    """An exact partition, executable kernel by kernel, with true inputs and outputs."""
    ids = [id(node) for kernel in kernels for node in kernel.nodes]
    assert sorted(ids) == sorted(map(id, graph.nodes))
    available = {id(x) for x in (*graph.inputs, *graph.constants)}
    home = {id(node): i for i, kernel in enumerate(kernels) for node in kernel.nodes}
    for i, kernel in enumerate(kernels):
        outside = set(available)
        for node in kernel.nodes:
            for x in node.inputs:
                # What a kernel reads was there before it ran, or is made in it: it is convex.
                assert id(x) in outside or home[id(x)] == i
                assert id(x) in available
            for x in (after or {}).get(node, ()):
                assert id(x) in available
            available.add(id(node))
        read = {id(x) for node in kernel.nodes for x in node.inputs}
        assert {id(x) for x in kernel.inputs} == {x for x in read if home.get(x) != i}
    used = {id(x) for x in graph.outputs}
    for node in graph.nodes:
        used |= {id(x) for x in node.inputs if home.get(id(x)) != home[id(node)]}
    for kernel in kernels:
        assert [id(x) for x in kernel.outputs] == [id(x) for x in kernel.nodes if id(x) in used]


# What is fused -------------------------------------------------------------------------------


def test_elementwise_chains_are_one_kernel() -> None:
    graph = cr.trace(lambda x, b: cr.exp(cr.sin(x) + b) * 2.0)(ones(4, 3), ones(3))
    (kernel,) = fuse(graph)
    assert kernel.name == "sin·add·exp·multiply"
    assert [x.type.shape for x in kernel.inputs] == [(4, 3), (3,), ()]
    assert kernel.outputs == (graph.outputs[0],)


def test_reductions_end_a_chain_of_several_inputs() -> None:
    graph = cr.trace(lambda x, y: cr.square(x - y).sum(axis=1))(ones(4, 3), ones(4, 3))
    assert names(graph) == ["sum of subtract·square"]
    two = cr.trace(lambda x: (cr.exp(x).sum(axis=0), (x * 2.0).max()))(ones(4, 3))
    assert names(two) == ["sum of exp", "max of multiply"]

    def f(x: Any) -> Any:
        e = cr.exp(x)
        return e.sum(axis=0), e.max()

    assert names(cr.trace(f)(ones(4, 3))) == ["sum, max of exp"]


def test_a_chain_and_its_own_sum_cannot_fuse_whole() -> None:
    def f(x: Any) -> Any:
        e = cr.exp(x)
        return cr.sin(e) + e.sum()

    graph = cr.trace(f)(ones(4))
    kernels = fuse(graph)
    assert [sorted(n.primitive.name for n in k.nodes if n.primitive) for k in kernels] == [
        ["exp", "sin", "sum"],
        ["add"],
    ]
    assert_sound(graph, kernels)


def test_products_have_epilogues() -> None:
    graph = cr.trace(lambda x, W, b: cr.relu(x @ W + b))(ones(4, 3), ones(3, 2), ones(2))
    assert names(graph) == ["matmul+add+relu"]
    two = cr.trace(lambda x, W, V: cr.relu(x @ W) * (x @ V))(ones(4, 3), ones(3, 2), ones(3, 2))
    assert sorted(names(two)) == ["matmul", "matmul+relu+multiply"]
    assert names(cr.trace(lambda x, W: (x @ W).sum(axis=0))(ones(4, 3), ones(3, 2))) == [
        "matmul",
        "sum",
    ]
    softmax = cr.trace(lambda x, W: cr.softmax(x @ W))(ones(4, 3), ones(3, 2))
    assert names(softmax) == ["matmul", "softmax"]


def test_a_product_takes_up_the_update_of_what_it_is_the_gradient_of() -> None:
    graph = cr.trace(lambda W, X, D: W - 0.1 * (X.T @ D))(ones(3, 2), ones(5, 3), ones(5, 2))
    (kernel,) = fuse(graph)
    assert kernel.name == "matmul+multiply+subtract"

    def momentum(W: Any, V: Any, X: Any, D: Any, rate: Any) -> Any:
        V = V * 0.9 - rate * 2.0 * (X.T @ D)  # V * 0.9 comes before the product
        return W + V, V

    graph = cr.trace(momentum)(ones(3, 2), ones(3, 2), ones(5, 3), ones(5, 2), 0.1)
    assert names(graph) == ["multiply", "matmul+multiply+multiply+… (5 operations)"]


def test_all_updates_of_a_parameter_are_one_kernel() -> None:
    def adam(w: Any, g: Any, m: Any, v: Any, rate: Any) -> Any:
        g = g.sum(axis=0)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * cr.square(g)
        return w - rate * m / (cr.sqrt(v) + 1e-8), m, v

    graph = cr.trace(adam)(ones(3), ones(5, 3), ones(3), ones(3), 0.1)
    kernels = fuse(graph)
    assert [len(kernel.nodes) for kernel in kernels] == [1, len(graph.nodes) - 1]
    assert len(kernels[1].outputs) == 3


def test_softmax_has_elementwise_neighbors_of_its_shape() -> None:
    graph = cr.trace(lambda x, y: cr.log_softmax(x * 2.0) * y)(ones(4, 3), ones(4, 3))
    assert names(graph) == ["multiply·log_softmax·multiply"]
    loss = cr.trace(lambda x, y: -(cr.log_softmax(x) * y).sum(axis=1))(ones(4, 3), ones(4, 3))
    assert names(loss) == ["sum of log_softmax·multiply", "negative"]
    across = cr.trace(lambda x: cr.softmax(cr.softmax(x, axis=0), axis=1))(ones(4, 3))
    assert names(across) == ["softmax", "softmax"]
    along = cr.trace(lambda x: cr.logsumexp(cr.exp(x) + 1.0, axis=1))(ones(4, 3))
    assert names(along) == ["logsumexp of exp·add"]


def test_movements_belong_to_what_reads_them() -> None:
    def f(x: Any, b: Any) -> Any:
        return cr.exp(x).T[1:] + cr.broadcast_to(b, (2, 4))

    graph = cr.trace(f)(ones(4, 3), ones(4))
    kernels = fuse(graph)
    assert [[n.primitive.name for n in k.nodes if n.primitive] for k in kernels] == [
        ["exp"],
        ["transpose", "slice", "broadcast_to", "add"],
    ]
    left = cr.trace(lambda x: (x.T, cr.exp(x).T))(ones(4, 3))
    assert [[n.primitive.name for n in k.nodes if n.primitive] for k in fuse(left)] == [
        ["transpose"],
        ["exp", "transpose"],
    ]


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: cr.exp(x)[cr.tensor([0, 1])] * 2.0, ["exp", "gather", "multiply"]),
        (lambda x: cr.concatenate([x * 2.0, x + 1.0]) * 2.0, ["multiply", "add", "concatenate"]),
        (lambda x: cr.cumsum(cr.exp(x), axis=0) + 1.0, ["exp", "cumsum", "add"]),
        (lambda x: cr.pad(x * 2.0, 1) + 1.0, ["multiply", "pad", "add"]),
    ],
)
def test_what_needs_its_result_whole_is_a_kernel_of_its_own(f: Any, wanted: list[str]) -> None:
    assert names(cr.trace(f)(ones(2, 2)))[: len(wanted)] == wanted


def test_control_flow_and_its_items_are_a_kernel() -> None:
    graph = cr.trace(
        lambda x: cr.cond(x.sum() > 0.0, lambda z: (z * 2.0, z), lambda z: (z, z), x)[0] * 3.0
    )(ones(4))
    kernels = fuse(graph)
    assert [k.name for k in kernels] == ["sum", "greater", "cond·item", "multiply"]


def test_what_was_read_does_not_rise_above_its_reader() -> None:
    def f(x: Any, y: Any) -> Any:
        e = cr.exp(x)
        k = y * 2.0 + e.sum(axis=1, keepdims=True)  # reads the kernel of e, and is not in it
        return e + cr.sin(cr.cumsum(k, axis=0))

    graph = cr.trace(f)(ones(4, 4), ones(4, 4))
    kernels = fuse(graph)
    assert_sound(graph, kernels)
    assert [k.name for k in kernels] == ["sum of exp", "multiply·add", "cumsum", "sin·add"]


def test_what_must_come_before_does() -> None:
    def f(W: Any, X: Any, D: Any) -> Any:
        return W - X.T @ D, D @ W.T

    graph = cr.trace(f)(ones(3, 2), ones(5, 3), ones(5, 2))
    new, back = graph.outputs
    kernels = fuse(graph, {new: [back]})
    assert [k.name for k in kernels] == ["matmul", "matmul+subtract"]
    assert_sound(graph, kernels, {new: [back]})


# Any graph -----------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn, most: int = 40) -> Graph:
    shapes = [(4, 4), (4,), ()]
    inputs = [unknown(ArrayType(shape, F4)) for shape in shapes]
    values: list[Any] = list(inputs)
    for _ in range(draw(st.integers(1, most))):
        x, y = (values[max(0, len(values) - 1 - draw(st.integers(0, 12)))] for _ in range(2))
        kind = draw(st.integers(0, 9))
        if kind < 3:
            values.append(x + y)
        elif kind == 3:
            values.append(cr.exp(x))
        elif kind == 4:
            values.append(x.sum(axis=0) if x.ndim else cr.sin(x))
        elif kind == 5:
            values.append(x @ y if x.shape == y.shape == (4, 4) else x * y)
        elif kind == 6:
            values.append(x.T if x.ndim == 2 else cr.broadcast_to(x, (4, 4)))
        elif kind == 7:
            values.append(cr.softmax(x) if x.ndim else x - y)
        elif kind == 8:
            values.append(cr.cumsum(x, axis=0) if x.ndim else x * y)
        else:
            values.append(cr.softmax(x, axis=0) if x.ndim == 2 else x * 2.0)
    outputs = [draw(st.sampled_from(values)) for _ in range(draw(st.integers(0, 3)))]
    return Graph(inputs, [values[-1], *outputs])


@settings(max_examples=300, deadline=None)
@given(graphs(), st.data())
def test_the_partition_is_exact_and_the_kernels_are_convex(
    graph: Graph, data: st.DataObject
) -> None:
    assert_sound(graph, fuse(graph))
    if len(graph.nodes) > 1:
        i = data.draw(st.integers(1, len(graph.nodes) - 1))
        earlier = data.draw(st.lists(st.sampled_from(range(i)), max_size=3))
        after = {graph.nodes[i]: [graph.nodes[j] for j in earlier]}
        assert_sound(graph, fuse(graph, after), after)


def test_work_is_linear_in_the_number_of_nodes(
    count_calls: Callable[[Callable[[], object]], int],
) -> None:
    def calls(n: int) -> int:
        x = h = unknown(ArrayType((8, 8), F4))
        kept = []
        for i in range(n // 4):
            h = cr.tanh(h @ x + x.T)
            kept.append(h)
            h = h * kept[i // 2]
        graph = Graph([x], [h, *kept])
        return count_calls(lambda: fuse(graph))

    calls(40)
    assert calls(5000) < 11 * calls(500)


# Costs ---------------------------------------------------------------------------------------


def test_costs() -> None:
    graph = cr.trace(lambda x, W, b: cr.tanh(x @ W + b).sum(axis=0))(
        ones(5, 3), ones(3, 4), ones(4)
    )
    assert [cost(node) for node in graph.nodes] == [
        Cost(2 * 5 * 3 * 4),
        Cost(5 * 4),
        Cost(5 * 4, 5 * 4),
        Cost(5 * 4),
    ]
    product, total = fuse(graph)
    assert (product.flops, product.transcendental) == (160, 20)
    assert product.bytes == 4 * (15 + 12 + 4 + 20)
    assert total.bytes == 4 * (20 + 4)
    assert graph_cost(graph) == Cost(180, 20)


def test_costs_of_views_and_of_what_is_read_in_part() -> None:
    graph = cr.trace(lambda x: x[:2] * 2.0)(ones(100, 3))
    (kernel,) = fuse(graph)
    assert kernel.bytes == 4 * (2 * 3 + 1 + 2 * 3)
    assert kernel.flops == 6
    rows = cr.trace(lambda x, i: x[i])(ones(100, 3), np.array([1, 2]))
    (kernel,) = fuse(rows)
    assert kernel.bytes == 4 * (2 * 3) + 8 * 2 + 4 * (2 * 3)


def test_costs_of_control_flow() -> None:
    scanned = cr.trace(lambda x: cr.scan(lambda c, row: (c + row, c), x[0] * 1.0, x)[0])(ones(7, 3))
    (node,) = [n for n in scanned.nodes if n.primitive is PRIMITIVES["scan"]]
    assert cost(node) == Cost(7 * 3)
    chosen = cr.trace(
        lambda x: cr.cond(x[0] > 0.0, lambda z: cr.exp(z) + 1.0, lambda z: z * 2.0, x)
    )(ones(3))
    (node,) = [n for n in chosen.nodes if n.primitive is PRIMITIVES["cond"]]
    assert cost(node) == Cost(6, 3)


def test_names() -> None:
    x = unknown(ArrayType((3,), F4))
    h = x
    for _ in range(10):
        h = bind(PRIMITIVES["sin"], h)
    (kernel,) = fuse(Graph([x], [h]))
    assert repr(kernel) == "<Kernel sin·sin·sin·… (10 operations)>"
    assert names(cr.trace(lambda x: cr.maximum(x, 1.0))(ones(3))) == ["maximum"]
