from __future__ import annotations

import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.compiler.executor import Executor
from chainrule.compiler.layout import layouts
from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.graph import PRIMITIVES, Graph, Primitive
from chainrule.core.tensor import Tensor, bind, unknown
from chainrule.core.types import Array, ArrayType, TupleType
from chainrule.ops.elementwise import identity
from chainrule.ops.rows import unstack
from chainrule.passes.fuse import fuse

RNG = np.random.default_rng(0)


def drawn(kind: ArrayType, rng: np.random.Generator | None = None) -> Array:
    rng = rng or np.random.default_rng(kind.size)
    if kind.dtype.kind == "f":
        return rng.standard_normal(kind.shape).astype(kind.dtype)
    if kind.dtype.kind == "b":
        return rng.integers(0, 2, kind.shape).astype(bool)
    return rng.integers(0, 3, kind.shape).astype(kind.dtype)


def assert_same_bits(got: Sequence[Array], wanted: Sequence[Array]) -> None:
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert type(a) is np.ndarray
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        # ascontiguousarray would give 0-d arrays an axis
        assert np.array(a, order="C").tobytes() == np.array(b, order="C").tobytes()


def agrees(graph: Graph, arrays: Sequence[Array]) -> Executor:
    """Hold an executor against ``evaluate``: bits, freshness, inputs, and a second run."""
    executor = Executor(graph)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [np.array(x) for x in graph.evaluate(*arrays)]
        before = [x.copy() for x in arrays]
        got = executor.run(arrays)
        assert_same_bits(got, wanted)
        assert_same_bits(arrays, before)
        others = [*arrays, *[x.data for x in graph.constants if isinstance(x.data, np.ndarray)]]
        for i, a in enumerate(got):
            assert a.flags.writeable
            assert not any(np.shares_memory(a, b) for b in [*others, *got[:i]])
        # What another run does, or whoever got the outputs, is not seen in any other.
        changed = [drawn(x.type, np.random.default_rng(7)) for x in graph.inputs]
        changed = [
            b if x.dtype.kind != "f" else a for x, a, b in zip(arrays, changed, arrays, strict=True)
        ]
        again = executor.run(changed)
        assert_same_bits(again, graph.evaluate(*changed))
        assert_same_bits(got, wanted)
        for a in [*got, *again]:
            a.fill(0)
        assert_same_bits(executor.run(arrays), wanted)
    return executor


# Random programs -----------------------------------------------------------------------------

UNARY: list[Callable[[Any], Any]] = [
    *(cr.exp, cr.sin, cr.tanh, cr.sigmoid, cr.softplus, cr.relu, cr.square, cr.abs, cr.erf),
    *(cr.sign, cr.negative, lambda x: cr.sqrt(cr.abs(x)), lambda x: x.T, lambda x: x[::-1]),
    *(lambda x: x[..., ::-1], lambda x: x[1:], lambda x: x.reshape(-1)),
    *(lambda x: cr.flip(x).reshape(-1), lambda x: cr.expand_dims(x, 0), lambda x: x * 2.0),
    *(lambda x: cr.cast(x > 0.0, x.dtype), lambda x: cr.broadcast_to(x, (2, *x.shape))),
    *(lambda x: x.sum(), lambda x: x.sum(axis=0), lambda x: x.max(axis=-1, keepdims=True)),
    *(lambda x: x.min(axis=0), lambda x: cr.cumsum(x, axis=0), lambda x: cr.softmax(x, axis=0)),
    *(lambda x: cr.log_softmax(x), lambda x: cr.logsumexp(x, axis=0), lambda x: cr.pad(x, 1)),
    *(lambda x: cr.concatenate([x, x], axis=0), lambda x: identity(x)),
    *(lambda x: bind(PRIMITIVES["cumsum"], x, axis=0, reverse=True) if x.ndim else x,),
    *(lambda x: bind(PRIMITIVES["rsqrt"], cr.abs(x) + 1.0), lambda x: cr.argmax(x, axis=0) * 1.0),
    *(
        lambda x: cr.swapaxes(x, 0, -1),
        lambda x: x[cr.tensor([0, 0])] if x.shape[0] else x,
        lambda x: cr.floor(x),
    ),
    *(lambda x: cr.softmax(x, axis=1), lambda x: cr.log_softmax(x, axis=1) * 2.0),
    *(lambda x: cr.isfinite(x), lambda x: cr.cast(x, "float64"), lambda x: cr.cast(x, "int32")),
    *(lambda x: cr.logical_not(x > 0.5), lambda x: cr.cast(x * 2.0, "int64").sum() + 1),
    *(lambda x: cr.logical_and(x > 0.0, x.T < 1.0), lambda x: (x > 0.0)[..., ::-1].max(axis=0)),
]
BINARY: list[Callable[[Any, Any], Any]] = [
    *(cr.add, cr.subtract, cr.multiply, cr.maximum, cr.minimum, lambda x, y: x / (cr.abs(y) + 1.0)),
    *(lambda x, y: cr.where(x > y, x, y), lambda x, y: cr.where(x > 0.0, y, x), lambda x, y: x @ y),
    *(lambda x, y: x @ y.T, lambda x, y: x[:, None] * y if x.ndim == y.ndim == 1 else x + y),
    *(lambda x, y: cr.where(x > y, x, 1.0), lambda x, y: x == y),
]
SHAPES = [(), (3,), (3, 3), (2, 3), (3, 1), (1, 3), (0, 3), (2, 3, 3)]


@st.composite
def programs(draw: st.DrawFn) -> Graph:
    """Draw a graph: what fits of randomly chosen operations on randomly chosen values."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    inputs = [
        unknown(ArrayType(shape, np.dtype(dtype)))
        for shape in draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4))
    ]
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    values: list[Any] = [*inputs, Tensor(rng.standard_normal((3, 3)).astype(dtype))]
    values.append(Tensor(rng.standard_normal((3, 3)).astype(dtype).T))
    for _ in range(draw(st.integers(1, 25))):
        x, y = (values[max(0, len(values) - 1 - draw(st.integers(0, 6)))] for _ in range(2))
        # of bools and integers what NumPy and type rules have in common is not the subject here
        x, y = (v if v.dtype.kind == "f" else cr.cast(v, dtype) for v in (x, y))
        number = draw(st.integers(0, len(UNARY) + len(BINARY) * 2 - 1))
        try:
            with np.errstate(all="ignore"):  # in what is computed of constants
                if number < len(UNARY):
                    values.append(UNARY[number](x))
                else:
                    values.append(BINARY[(number - len(UNARY)) % len(BINARY)](x, y))
        except (ValueError, TypeError, IndexError):  # does not fit
            continue
        assert not isinstance(values[-1].type, TupleType)
        if values[-1].type.size > 300:
            values.pop()
    outputs = [draw(st.sampled_from(values)) for _ in range(draw(st.integers(1, 5)))]
    return Graph(inputs, [values[-1], *outputs])


@settings(max_examples=300, deadline=None)
@given(programs())
def test_the_bits_of_random_programs(graph: Graph) -> None:
    agrees(graph, [drawn(x.type) for x in graph.inputs])


def strides_that_count(array: Array) -> list[int]:
    return [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1]


@settings(max_examples=300, deadline=None)
@given(programs())
def test_layouts_are_those_that_numpy_makes(graph: Graph) -> None:
    order = [node for kernel in fuse(graph) for node in kernel.nodes]
    found = layouts(graph, order)
    values: dict[int, Array] = {id(x): drawn(x.type) for x in graph.inputs}
    values |= {id(x): x.data for x in graph.constants if x.data is not None}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for node in order:
            assert node.primitive is not None
            given_ = [values[id(x)] for x in node.inputs]
            array = values[id(node)] = np.asarray(node.primitive.eval(*given_, **node.attrs))
            if array.size:
                probe = found.probes.get(node, np.empty(array.shape, array.dtype))
                assert strides_that_count(array) == strides_that_count(probe)
                if node not in found.views:
                    assert not any(np.may_share_memory(array, x) for x in given_)


def test_sums_run_in_the_order_in_which_numpy_lays_out_what_they_sum() -> None:
    def f(x: Any, y: Any) -> Any:
        h = cr.exp(x.T) * y.T
        return h.sum(), h.sum(axis=0), (h.T + cr.sin(h.T)).sum(axis=0), cr.flip(cr.cos(x)).sum()

    graph = cr.trace(f)(np.ones((130, 70), "f4"), np.ones((130, 70), "f4"))
    agrees(graph, [drawn(x.type) for x in graph.inputs])


def test_what_lies_otherwise_is_not_taken_over() -> None:
    def f(c: Any, x: Any, y: Any) -> Any:
        return cr.where(c > 0.0, cr.exp(x.T), y).sum()

    graph = cr.trace(f)(*[np.ones((5, 5), "f4")] * 3)
    rng = np.random.default_rng(3)
    agrees(graph, [drawn(x.type, rng) for x in graph.inputs])


@settings(max_examples=150, deadline=None)
@given(programs(), st.data())
def test_outputs_in_given_arrays(graph: Graph, data: st.DataObject) -> None:
    arrays = [drawn(x.type) for x in graph.inputs]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [np.array(x) for x in graph.evaluate(*arrays)]
        out: dict[int, Array] = {}
        free = list(range(len(arrays)))
        updates = {}
        for i, node in enumerate(graph.outputs):
            same = [j for j in free if graph.inputs[j].type == node.type]
            choice = data.draw(st.sampled_from(["none", "new", "transposed", "input"]))
            if choice == "new":
                out[i] = np.empty(node.type.shape, node.type.dtype)
            elif choice == "transposed":
                out[i] = np.empty(node.type.shape[::-1], node.type.dtype).T
            elif choice == "input" and same:
                j = data.draw(st.sampled_from(same))
                free.remove(j)
                out[i] = arrays[j]
                updates[i] = j
        executor = Executor(graph, updates if data.draw(st.booleans()) else None)
        got = executor.run(arrays, out)
    assert_same_bits(got, wanted)
    for i, array in out.items():
        assert got[i] is array


@pytest.mark.parametrize("name", list(PRIMITIVES))
def test_every_primitive_on_its_examples(name: str) -> None:
    primitive: Primitive = PRIMITIVES[name]
    for case in primitive.examples:
        for dtype in (np.float32, np.float64):
            arrays = [
                case.arrays.get(i, np.asarray(RNG.uniform(*_inner(primitive), shape).astype(dtype)))
                for i, shape in enumerate(case.shapes)
            ]
            inputs = [unknown(ArrayType(x.shape, x.dtype)) for x in arrays]
            ans: Any = bind(primitive, *inputs, **case.attrs)
            if isinstance(ans.type, ArrayType):
                outputs = [ans]
            else:
                outputs = [
                    bind(PRIMITIVES["item"], ans, index=i) for i in range(len(ans.type.items))
                ]
            assert_same_bits(
                Executor(Graph(inputs, outputs)).run(arrays),
                Graph(inputs, outputs).evaluate(*arrays),
            )
            # in the arena
            again = [cr.where(y == y, y, y) for y in outputs]  # noqa: PLR0124
            graph = Graph(inputs, again)
            assert_same_bits(Executor(graph).run(arrays), graph.evaluate(*arrays))


def _inner(primitive: Primitive) -> tuple[float, float]:
    low, high = primitive.domain
    margin = 0.05 * (high - low)
    return low + margin, high - margin


@pytest.mark.parametrize(
    "name", [p.name for p in PRIMITIVES.values() if p.is_elementwise and p.into is not None]
)
def test_elementwise_primitives_work_in_place(name: str) -> None:
    primitive = PRIMITIVES[name]
    assert primitive.into is not None
    for case in primitive.examples:
        for dtype in (np.float32, np.float64):
            arrays = [
                case.arrays.get(i, RNG.uniform(*_inner(primitive), shape).astype(dtype))
                for i, shape in enumerate(case.shapes)
            ]
            arrays = [np.asarray(x) for x in arrays]
            wanted = np.asarray(primitive.eval(*arrays, **case.attrs))
            for i, x in enumerate(arrays):
                if (x.shape, x.dtype) != (wanted.shape, wanted.dtype):
                    continue
                given = [y.copy() for y in arrays]
                if isinstance(primitive.into, np.ufunc):
                    primitive.into(*given, out=given[i])
                else:
                    primitive.into(given[i], *given, **case.attrs)
                assert_same_bits([given[i]], [wanted])


# The corners ---------------------------------------------------------------------------------


def test_outputs_that_are_inputs_constants_views_or_twice_the_same() -> None:
    constant = cr.tensor([1.0, 2.0, 3.0])

    def f(x: Any) -> Any:
        h = cr.exp(x)
        return x, x, constant, h, h, h.T, x.T, h.T.reshape(-1), identity(h), 3.0

    graph = cr.trace(f)(np.ones((2, 3), "f4"))
    executor = agrees(graph, [drawn(graph.inputs[0].type)])
    assert "return [array(x), array(x), array(constant_1), h1, array(h1)" in executor.source


def test_a_graph_without_nodes_and_one_without_outputs() -> None:
    graph = cr.trace(lambda x: x)(1.0)
    agrees(graph, [np.array(2.0, "f4")])
    assert Executor(Graph([], [])).run([]) == []


def test_inputs_in_other_orders_are_read_as_they_are() -> None:
    graph = cr.trace(lambda x, w: cr.softmax(x @ w + x.reshape(3, 3).T))(
        np.ones((3, 3), "f4"), np.ones((3, 3), "f4")
    )
    wide = drawn(ArrayType((6, 6), np.dtype("f4")))
    x, w = wide[::2, 1::2], np.asfortranarray(wide[:3, :3])
    executor = Executor(graph)
    assert_same_bits(
        executor.run([x, w]), graph.evaluate(np.ascontiguousarray(x), np.ascontiguousarray(w))
    )


def test_swapping_in_place() -> None:
    graph = cr.trace(lambda x, y: (y, x, x - y))(cr.ones(3), cr.ones(3))
    x, y = np.array([1, 2, 3], "f4"), np.array([4, 5, 6], "f4")
    results = Executor(graph).run([x, y], {0: x, 1: y})
    assert x.tolist() == [4, 5, 6]
    assert y.tolist() == [1, 2, 3]
    assert results[2].tolist() == [-3, -3, -3]


def test_arrays_of_another_type_are_refused_as_outputs() -> None:
    executor = Executor(cr.trace(lambda x: x + 1.0)(cr.ones(3)))
    with pytest.raises(
        ArgumentError,
        match=r"out\[0\]: got float64\[3\]; expected an array of type float32\[3\]",
    ):
        executor.run([np.ones(3, "f4")], {0: np.ones(3)})


def test_names_of_inputs_that_python_or_numpy_has_taken() -> None:
    def f(add: Any, out_0: Any, copyto: Any, h1: Any) -> Any:
        return add + out_0 * copyto, h1 - 1.0

    graph = cr.trace(f)(*[cr.ones(3)] * 4)
    names = ["class", "add", "layers.0 'kernel'", "h1"]
    agrees(graph, [drawn(x.type) for x in graph.inputs])
    named = Graph(graph.inputs, graph.outputs, names)
    assert Executor(named).source.startswith("def run(x_class, x_add, layers_0__kernel_, h1, out_0")


# Updates -------------------------------------------------------------------------------------


def sgd(x: Any, y: Any, W: Any, b: Any) -> Any:
    """One step of gradient descent on a layer and what it hands back to the layer before."""
    D = x @ W + b - y
    return (cr.square(D)).mean(), D @ W.T, W - 0.1 * (x.T @ D), b - 0.1 * D.sum(axis=0)


SGD = [drawn(ArrayType(s, np.dtype("f4"))) for s in [(5, 4), (5, 3), (4, 3), (3,)]]


def test_updates_are_written_over_what_they_update_without_a_copy() -> None:
    graph = cr.trace(sgd)(*SGD)
    executor = Executor(graph, updates={2: 2, 3: 3})
    assert 2 not in executor._hazards[2]
    assert 3 not in executor._hazards[3]
    wanted = graph.evaluate(*SGD)
    arrays = [x.copy() for x in SGD]
    W, b = arrays[2:]
    got = executor.run(arrays, {2: W, 3: b})
    assert_same_bits(got, wanted)
    assert got[2] is W
    assert got[3] is b


def test_without_knowing_of_updates_they_are_right_all_the_same() -> None:
    def read_late(x: Any, W: Any) -> Any:
        new = W - 1.0
        return new, (x @ W) @ cr.exp(new)

    graph = cr.trace(read_late)(np.ones((2, 2), "f4"), np.ones((2, 2), "f4"))
    arrays = [drawn(x.type) for x in graph.inputs]
    wanted = graph.evaluate(*arrays)
    for updates in (None, {0: 1}):
        given = [x.copy() for x in arrays]
        assert_same_bits(Executor(graph, updates).run(given, {0: given[1]}), wanted)


def test_what_a_node_reads_in_another_order_is_not_overwritten_by_it() -> None:
    graph = cr.trace(lambda c, x, y: cr.where(c > 0.0, x.T, y))(*[np.ones((5, 5), "f4")] * 3)
    rng = np.random.default_rng(4)
    arrays = [drawn(x.type, rng) for x in graph.inputs]
    wanted = graph.evaluate(*arrays)
    assert_same_bits(Executor(graph).run(arrays, {0: arrays[1]}), wanted)


# Tuples and control flow ---------------------------------------------------------------------


def test_values_that_are_tuples() -> None:
    def f(x: Any) -> Any:
        rows = list(cr.exp(x))
        return rows[0] + rows[1], rows[1], rows[0].sum() * x

    agrees(cr.trace(f)(np.ones((2, 3), "f4")), [drawn(ArrayType((2, 3), np.dtype("f4")))])


def test_rows_are_not_overwritten_while_they_are_needed() -> None:
    x = unknown(ArrayType((4, 16), np.dtype("f4")))
    rows = unstack(cr.exp(x))
    t = cr.sin(cr.cumsum(cr.cos(x), axis=0) * 2.0) + 1.0
    graph = Graph([x], [rows[0] * rows[1] + t.sum(axis=0), rows[2]])
    agrees(graph, [drawn(x.type)])


def test_bodies_of_control_flow_are_executors() -> None:
    def f(x: Any, w: Any) -> Any:
        h = cr.cond(x.sum() > 0.0, lambda z: z @ w, lambda z: z, cr.tanh(x))
        carry, rows = cr.scan(lambda c, row: (c * 0.5 + row, c.sum()), h[0] * 1.0, cr.exp(h))
        return cr.sin(h) + carry, rows

    graph = cr.trace(f)(np.ones((3, 3), "f4"), np.ones((3, 3), "f4"))
    for sign in (1.0, -1.0):
        x = np.abs(drawn(graph.inputs[0].type)) * np.float32(sign)
        executor = agrees(graph, [x, drawn(graph.inputs[1].type)])
    kept = [v for v in executor._program.namespace.values() if isinstance(v, Executor)]
    kept += [
        part
        for value in executor._program.namespace.values()
        if isinstance(value, tuple)
        for part in value
        if isinstance(part, Executor)
    ]
    assert len(kept) == 3


def test_what_control_flow_hands_through_is_not_overwritten() -> None:
    def f(x: Any) -> Any:
        h = cr.exp(x)
        kept = cr.cond(x.sum() > 0.0, lambda z: z, lambda z: z * 2.0, h)
        return cr.sin(cr.cos(cr.tanh(x) * 2.0) + 1.0) + kept

    graph = cr.trace(f)(np.ones(64, "f4"))
    agrees(graph, [np.abs(drawn(graph.inputs[0].type))])


# Errors and warnings -------------------------------------------------------------------------


def picks(table: Any, rows: Any) -> Any:
    h = cr.exp(table)
    return h[rows].sum()  # the line that fails


def test_errors_show_the_users_line() -> None:
    graph = cr.trace(picks)(np.ones((3, 2), "f4"), np.array([0, 1]))
    executor = Executor(graph)
    table = np.ones((3, 2), "f4")
    with pytest.raises(IndexError, match="index 5 is out of bounds") as caught:
        executor.run([table, np.array([0, 5])])
    text = "".join(traceback.format_exception(caught.value))
    assert "return h[rows].sum()  # the line that fails" in text
    assert "in picks" in text
    assert "<chainrule graph>" not in text
    assert "^^^^" not in text.split("in picks")[1].split("File")[0]
    # and the arena is not lost
    assert_same_bits(
        executor.run([table, np.array([0, 1])]), graph.evaluate(table, np.array([0, 1]))
    )


def test_errors_in_bodies_show_both_lines() -> None:
    def f(table: Any, rows: Any) -> Any:
        def pick(c: Any, row: Any) -> Any:
            return c + table[row].sum(), c  # inside

        return cr.scan(pick, 0.0, rows)[0]  # outside

    graph = cr.trace(f)(np.ones((3, 2), "f4"), np.array([0, 1]))
    with pytest.raises(IndexError) as caught:
        Executor(graph).run([np.ones((3, 2), "f4"), np.array([0, 5])])
    text = "".join(traceback.format_exception(caught.value))
    assert text.index("# outside") < text.index("# inside")


def test_errors_of_numpy_are_worded_as_in_eager() -> None:
    def refuse(x: Array) -> Array:
        raise ValueError("no")

    primitive = Primitive("refusing", eval=refuse, type_rule=lambda x: x, vjp=(None,))
    try:
        x = unknown(ArrayType((2,), np.dtype("f4")))
        graph = Graph([x], [bind(primitive, x)])
        given = np.ones(2, "f4")
        with pytest.raises(ShapeError) as eager:
            bind(primitive, Tensor(given))
        with pytest.raises(ShapeError) as compiled:
            Executor(graph).run([given])
        assert str(compiled.value) == str(eager.value)
        assert isinstance(compiled.value.__cause__, ValueError)
    finally:
        del PRIMITIVES["refusing"]


def test_numpys_warnings_are_those_of_eager() -> None:
    graph = cr.trace(lambda x: cr.exp(cr.log(x)) * 2.0)(1.0)
    executor = Executor(graph)
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in log"):
        executor.run([np.array(0.0, "f4")])
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="in log"):
        executor.run([np.array(0.0, "f4")])
    with np.errstate(all="ignore"):
        executor.run([np.array(0.0, "f4")])


# Threads -------------------------------------------------------------------------------------


def test_several_threads_run_one_executor() -> None:
    graph = cr.trace(sgd)(*SGD)
    executor = Executor(graph)
    failures: list[Any] = []
    start = threading.Barrier(4)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        arrays = [drawn(x.type, rng) for x in graph.inputs]
        wanted = graph.evaluate(*arrays)
        start.wait()
        for _ in range(200):
            try:
                assert_same_bits(executor.run(arrays), wanted)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert 1 <= len(executor._idle) <= 4


def test_a_run_inside_a_run_has_its_own_arena() -> None:
    executor: Executor

    def again(x: Array) -> Array:
        if x[0] > 0:
            executor.run([x - 1])
        return x * 2

    primitive = Primitive("reentering", eval=again, type_rule=lambda x: x, vjp=(None,))
    try:
        x = unknown(ArrayType((4,), np.dtype("f8")))
        h = cr.exp(x)
        graph = Graph([x], [h * bind(primitive, x) + h])
        executor = Executor(graph)
        given = np.full(4, 3.0)
        np.testing.assert_array_equal(
            executor.run([given])[0], np.exp(given) * given * 2 + np.exp(given)
        )
        assert len(executor._idle) == 4
    finally:
        del PRIMITIVES["reentering"]


# The program ---------------------------------------------------------------------------------


def test_the_source_names_kernels_places_and_lines() -> None:
    def f(x: Any, W: Any, b: Any) -> Any:
        z = x @ W + b
        return cr.relu(z).T.sum(axis=1)

    graph = cr.trace(f)(*[cr.ones(s) for s in [(2, 3), (3, 4), (4,)]])
    source = Executor(graph).source
    assert "# 1. matmul+add+relu\n" in source
    assert "z = x @ W + b\n" in source
    assert "    add(h1, b, h2)  # in place of h1\n" in source
    assert "    # h4 = h3.transpose((1, 0)), made once\n" in source
    assert "    h5 = sum_reduce(h4, (1,), dtype_float32, out_0, False)\n" in source


def test_a_long_program_is_built_by_work_linear_in_its_length(
    count_calls: Callable[[Callable[[], object]], int],
) -> None:
    def calls(n: int) -> int:
        x = h = unknown(ArrayType((8, 8), np.dtype("f4")))
        for i in range(n):
            h = cr.sin(h @ x) if i % 3 == 0 else h + 1.0
        graph = Graph([x], [h])
        return count_calls(lambda: Executor(graph))

    calls(50)
    assert calls(4000) < 11 * calls(400)
