from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import (
    ArgumentError,
    ChainruleError,
    GraphError,
    TracingError,
)
from chainrule.core.mode import mode

RNG = np.random.default_rng(0)


def mlp(x: Any, W: Any, b: Any, V: Any) -> Any:
    return cr.log_softmax(cr.relu(x @ W + b) @ V).mean()


MLP = [RNG.standard_normal(s).astype("f4") for s in [(5, 3), (3, 4), (4,), (4, 2)]]


# Functions -----------------------------------------------------------------------------------


def test_a_graph_computes_what_the_function_computes() -> None:
    graph = cr.trace(mlp)(*MLP)
    again = [RNG.standard_normal(x.shape).astype("f4") for x in MLP]
    for arguments in (MLP, again):
        np.testing.assert_array_equal(graph(*arguments).numpy(), mlp(*arguments).numpy())
    assert str(graph).startswith(
        "graph(x: float32[5,3], W: float32[3,4], b: float32[4], V: float32[4,2]) {\n"
        "  h1: float32[5,4] = matmul(x, W)\n"
        "  h2: float32[5,4] = add(h1, b)\n"
        "  h3: float32[5,4] = maximum(h2, 0, share=0.0)\n"
    )


def test_printed_text() -> None:
    graph = cr.trace(lambda x, w, b: 1 / (cr.exp(-(w * x + b)) + 1))(1.0, 0.0, 0.0)
    assert str(graph) == "\n".join(
        [
            "graph(x: float32[], w: float32[], b: float32[]) {",
            "  h1: float32[] = multiply(w, x)",
            "  h2: float32[] = add(h1, b)",
            "  h3: float32[] = negative(h2)",
            "  h4: float32[] = exp(h3)",
            "  h5: float32[] = add(h4, 1)",
            "  h6: float32[] = divide(1, h5)",
            "  return h6",
            "}",
        ]
    )
    assert repr(graph) == "<Graph of 6 nodes, 3 inputs>"


def test_only_shapes_and_dtypes_of_the_examples_count() -> None:
    a, b = (cr.trace(lambda x: cr.exp(x) * 2.0)(np.full(3, c)) for c in (0.0, np.nan))
    assert str(a) == str(b)
    wide = cr.trace(lambda x: cr.exp(x) * 2.0)(np.zeros(3, np.float32))
    assert "float32[3]" in str(wide)


def test_calls_of_another_shape_or_dtype() -> None:
    graph = cr.trace(lambda x, y: x * y)(np.ones((2, 3), "f4"), 1.0)
    with pytest.raises(
        ChainruleError,
        match=r"argument x: got float32\[2\]; the graph was traced for float32\[2,3\]",
    ):
        graph(cr.ones(2), 1.0)
    with pytest.raises(
        ChainruleError, match=r"argument x: got float64\[2, ?3\]; the graph was traced for float32"
    ):
        graph(np.ones((2, 3)), 1.0)
    with pytest.raises(ChainruleError, match="the graph takes 2 arrays, not 1"):
        graph(1.0)


def test_control_flow_on_shapes() -> None:
    def f(x: Any) -> Any:
        if x.ndim == 2 and len(x) > 1 and x.dtype == "float32":
            for row in x:
                x = x + row
        return x.reshape(-1) if x.size > 3 else x

    for shape in [(3, 2), (1, 2), (4,)]:
        x = RNG.standard_normal(shape).astype("f4")
        graph = cr.trace(f)(x)
        np.testing.assert_array_equal(graph(x).numpy(), f(cr.tensor(x)).numpy())
    assert len(cr.trace(f)(cr.ones((3, 2))).nodes) > len(cr.trace(f)(cr.ones((1, 2))).nodes)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x > 0 else -x,
        lambda x: [x for _ in range(x)],
        lambda x: x * float(x),
        lambda x: x * x.item(),
        lambda x: x and x,
        lambda x: max(x, 0.0),
        lambda x: np.asarray(x),
        lambda x: cr.Parameter(x).value,
        lambda x: cr.tensor([1.0, 2.0])[: x > 0],
    ],
)
def test_control_flow_on_values(f: Any) -> None:
    with pytest.raises(
        TracingError,
        match=r"needs a value, and this tensor \((float32|bool)\[\]\) has none: it is being traced "
        r"\(line \d+ of .*test_trace\.py: lambda x: .*\)\. Shapes and dtypes are known while "
        r"tracing, values are not\. Choose between values with cr\.where\(condition, a, b\), "
        r"between computations with cr\.cond, and repeat with cr\.scan or cr\.while_loop; or keep "
        r"this part outside the traced function\.",
    ):
        cr.trace(f)(1.0)


def test_a_failed_trace_leaves_nothing_behind() -> None:
    w = cr.Parameter(2.0)
    with pytest.raises(TracingError):
        cr.trace(lambda x: float(x * w))(1.0)
    assert mode.tracer is None
    assert w.value.item() == 2.0


def test_constants_from_closures() -> None:
    table, factor = np.arange(3.0), 2.0
    graph = cr.trace(lambda x: x * table + factor * cr.exp(cr.ones(3, "float64")))(np.zeros(3))
    assert "exp" not in str(graph)  # computed once, while tracing
    np.testing.assert_allclose(graph(np.ones(3)).numpy(), table + 2 * np.e)


def test_functions_that_return_what_they_got_or_a_constant() -> None:
    graph = cr.trace(lambda x, y: (y, x, 3.0, cr.ones(2)))(1.0, np.zeros(2))
    y, x, three, ones = graph(5.0, np.array([1.0, 2.0]))
    assert (y.tolist(), x.item(), three.item(), ones.tolist()) == ([1.0, 2.0], 5.0, 3.0, [1.0, 1.0])
    assert cr.trace(lambda: 2.0)()().item() == 2.0


class Pair(NamedTuple):
    first: Any
    second: Any


def test_nested_containers() -> None:
    def f(batch: Any, scale: Any) -> Any:
        return {"out": [batch["x"] * scale, None], "pair": Pair(batch["y"][0], (batch["y"][1],))}

    batch = {"x": np.ones(2), "y": (np.zeros(1), 3)}
    graph = cr.trace(f)(batch, 2.0)
    assert [graph.names[x] for x in graph.inputs] == ["batch_1", "batch_2", "batch_3", "scale"]
    found = graph(batch, 4.0)
    assert found["out"][0].tolist() == [4.0, 4.0]
    assert found["out"][1] is None
    assert isinstance(found["pair"], Pair)
    assert found["pair"].second[0].item() == 3
    assert found["pair"].second[0].dtype == "int64"


def test_names_of_arguments() -> None:
    class Callable:
        def __call__(self, first: Any, *rest: Any) -> Any:
            return first + sum(rest)

    graph = cr.trace(Callable())(1.0, 2.0, 3.0)
    assert [graph.names[x] for x in graph.inputs] == ["first", "x2", "x3"]
    assert graph(1.0, 2.0, 3.0).item() == 6.0


def test_a_numpy_function_can_be_traced() -> None:
    graph = cr.trace(np.exp)(1.0)
    assert len(graph.nodes) == 1
    assert graph(0.0).item() == 1.0


# Derivatives ---------------------------------------------------------------------------------


def test_tracing_a_gradient() -> None:
    gradient = cr.grad(mlp, argnums=(1, 2, 3))
    graph = cr.trace(gradient)(*MLP)
    for found, expected in zip(graph(*MLP), gradient(*MLP), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    value_too = cr.trace(cr.value_and_grad(mlp))(*MLP)
    value, by_x = value_too(*MLP)
    assert value.item() == mlp(*MLP).item()
    assert by_x.shape == (5, 3)


def test_tracing_forward_mode_and_a_hessian() -> None:
    f = lambda x: cr.tanh(x * x).sum()  # noqa: E731
    x = np.array([0.5, -1.0])
    pushed = cr.trace(lambda x, t: cr.jvp(f, (x,), (t,))[1])(x, x)
    np.testing.assert_array_equal(pushed(x, x).numpy(), cr.jvp(f, (x,), (x,))[1].numpy())
    np.testing.assert_array_equal(cr.trace(cr.hessian(f))(x)(x).numpy(), cr.hessian(f)(x).numpy())


def test_gradient_by_a_parameter_inside_a_trace() -> None:
    w = cr.Parameter([1.0, 2.0], "w")

    def loss(x: Any) -> Any:
        return cr.square(w * x).sum()

    graph = cr.trace(lambda x: cr.grad(lambda v: cr.square(v * x).sum())(w))(cr.ones(2))
    assert graph.parameters == (w,)
    assert graph(cr.full(2, 3.0)).tolist() == [18.0, 36.0]
    by_x = cr.trace(cr.grad(loss))(cr.ones(2))
    assert by_x.parameters == (w,)
    assert by_x(cr.ones(2)).tolist() == [2.0, 8.0]


# Parameters ----------------------------------------------------------------------------------


def test_parameters_that_are_read_become_inputs() -> None:
    w, b = cr.Parameter([1.0, 2.0], "w"), cr.Parameter(0.5, "b")
    unused = cr.Parameter(1.0, "unused")
    graph = cr.trace(lambda x: x * w + b + w * (unused.shape == ()))(cr.ones(2))
    assert graph.parameters == (w, b)
    assert graph.assigned == ()
    assert str(graph).startswith("graph(x: float32[2], w: float32[2], b: float32[]) {")
    assert graph(cr.ones(2)).tolist() == [2.5, 4.5]
    w.assign([10.0, 20.0])
    assert graph(cr.ones(2)).tolist() == [20.5, 40.5]  # never baked in as a constant


def test_parameters_that_are_assigned_become_outputs() -> None:
    w, count = cr.Parameter([1.0, 2.0], "w"), cr.Parameter(0, "count")

    def step(gradient: Any) -> Any:
        w.assign(w - 0.5 * gradient)
        count.assign(count + 1)
        return w.sum()

    graph = cr.trace(step)(cr.ones(2))
    assert (w.tolist(), count.item()) == ([1.0, 2.0], 0)  # tracing assigns nothing
    assert w.value.data is not None
    assert set(graph.parameters) == set(graph.assigned) == {w, count}
    assert len(graph.outputs) == 3
    assert graph(cr.ones(2)).item() == 2.0
    assert (w.tolist(), count.item()) == ([0.5, 1.5], 1)
    assert graph(cr.full(2, 2.0)).item() == 0.0
    assert (w.tolist(), count.item()) == ([-0.5, 0.5], 2)
    assert w.value.tracked
    (w * w).sum().backward()
    assert w.grad.tolist() == [-1.0, 1.0]


def test_a_traced_training_step_is_the_eager_one() -> None:
    start = RNG.standard_normal((3, 1)).astype("f4")
    x, y = RNG.standard_normal((8, 3)).astype("f4"), RNG.standard_normal((8, 1)).astype("f4")

    def make() -> tuple[Any, cr.Parameter, cr.Parameter]:
        w, velocity = cr.Parameter(start, "w"), cr.Parameter(np.zeros_like(start), "velocity")

        def step(x: Any, y: Any, rate: Any) -> Any:
            loss, g = cr.value_and_grad(lambda v: cr.square(x @ v - y).mean())(w)
            velocity.assign(0.9 * velocity - rate * g)
            w.assign(w + velocity)
            return loss

        return step, w, velocity

    eager, w1, v1 = make()
    step, w2, v2 = make()
    graph = cr.trace(step)(x, y, 0.1)
    for rate in (0.1, 0.1, 0.05):  # a schedule does not need another graph
        assert eager(x, y, rate).item() == graph(x, y, rate).item()
    np.testing.assert_array_equal(w1.numpy(), w2.numpy())
    np.testing.assert_array_equal(v1.numpy(), v2.numpy())


def test_reading_after_assigning_gives_the_new_value() -> None:
    w = cr.Parameter(1.0, "w")

    def f(x: Any) -> Any:
        before = w * 1.0
        w.assign(x)
        middle = w * 1.0
        w.assign(w * 10.0)
        return before, middle, w.value

    graph = cr.trace(f)(2.0)
    assert [y.item() for y in graph(2.0)] == [1.0, 2.0, 20.0]
    assert w.item() == 20.0


def test_assigning_without_reading() -> None:
    w = cr.Parameter(1.0, "w")
    graph = cr.trace(lambda x: w.assign(x * 2.0))(1.0)
    assert graph.parameters == ()
    assert graph.assigned == (w,)
    assert graph(3.0) is None
    assert w.item() == 6.0


def test_exchanging_two_parameters() -> None:
    a, b = cr.Parameter(1.0, "a"), cr.Parameter(2.0, "b")

    def swap() -> None:
        old = a.value
        a.assign(b)
        b.assign(old)

    graph = cr.trace(swap)()
    graph()
    assert (a.item(), b.item()) == (2.0, 1.0)
    graph()
    assert (a.item(), b.item()) == (1.0, 2.0)


def test_assigning_what_was_there_changes_nothing() -> None:
    w = cr.Parameter(1.0, "w")
    graph = cr.trace(lambda: w.assign(w.value))()
    assert graph.assigned == ()


def test_assigned_values_take_the_parameters_dtype() -> None:
    w = cr.Parameter([1.0], "w")
    graph = cr.trace(lambda x: w.assign(x))(np.zeros(1))
    graph(np.array([2.0]))
    assert w.dtype == "float32"
    with pytest.raises(ArgumentError, match=r"value for parameter 'w': got shape \(2,\)"):
        cr.trace(lambda x: w.assign(x))(np.zeros(2))


def test_parameters_of_the_same_name() -> None:
    w, v, x = cr.Parameter(1.0, "w"), cr.Parameter(2.0, "w"), cr.Parameter(3.0, "x")
    unnamed = cr.Parameter(4.0)
    graph = cr.trace(lambda x_: x_ * w * v * x * unnamed)(1.0)
    names = [graph.names[i] for i in graph.inputs]
    assert names == ["x_", "w", "w_2", "x", "parameter"]
    # An argument may have a parameter's name, and three may have the same.
    graph = cr.trace(lambda x: x * w * v * cr.Parameter(5.0, "x") * cr.Parameter(6.0, "w"))(1.0)
    assert [graph.names[i] for i in graph.inputs] == ["x", "w", "w_2", "x_2", "w_3"]
    assert graph(1.0).item() == 60.0


def test_frozen_parameters_are_inputs_too() -> None:
    w = cr.Parameter(2.0, "w", trainable=False)
    graph = cr.trace(lambda x: x * w)(1.0)
    w.assign(5.0)
    assert graph(1.0).item() == 5.0


# Traces inside traces ------------------------------------------------------------------------


def test_a_trace_inside_a_trace() -> None:
    w = cr.Parameter(2.0, "w")
    inner: list[Any] = []

    def f(x: Any) -> Any:
        inner.append(cr.trace(lambda y: y * w)(1.0))
        return x + w

    outer = cr.trace(f)(1.0)
    assert inner[0].parameters == outer.parameters == (w,)
    assert inner[0](3.0).item() == 6.0
    assert outer(3.0).item() == 5.0
    with pytest.raises(GraphError, match="it belongs to another trace"):
        cr.trace(lambda x: cr.trace(lambda y: y * x)(1.0)(x))(1.0)


def test_a_graph_wants_values() -> None:
    graph = cr.trace(lambda y: y * 2.0)(1.0)
    with pytest.raises(TracingError, match="needs a value"):
        cr.trace(lambda x: graph(x))(1.0)
    w = cr.Parameter(1.0, "w")
    reader = cr.trace(lambda: w * 2.0)()
    with pytest.raises(TracingError, match="needs a value"):
        cr.trace(lambda: reader())()


def test_results_that_are_no_arrays_are_handed_through() -> None:
    marker = object()
    graph = cr.trace(lambda x: (x * 2.0, "text", {"a": marker}, 3))(1.0)
    assert len(graph.outputs) == 2
    twice, text, found, number = graph(2.0)
    assert (twice.item(), text, found["a"], number.item()) == (4.0, "text", marker, 3)


def test_a_graph_refuses_to_lose_gradients() -> None:
    graph = cr.trace(lambda x: x * x)(3.0)
    w = cr.Parameter(3.0)
    with pytest.raises(ChainruleError, match="carries no gradients"):
        graph(w * 1.0)
    with cr.no_grad():
        assert graph(w * 1.0).item() == 9.0
