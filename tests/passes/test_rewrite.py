from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.reverse import fresh, pull_back
from chainrule.compiler.trace import TracedGraph
from chainrule.core.graph import Graph, Node
from chainrule.core.mode import no_grad
from chainrule.core.tensor import Tensor, bind, unknown
from chainrule.core.types import ArrayType
from chainrule.ops.elementwise import exp, log1p, maximum_p
from chainrule.passes import canonicalize, optimize, specialize, stabilize, stabilized
from chainrule.passes.patterns import constant, number, once, p, variables
from chainrule.passes.rewrite import rewrite, rewrite_values
from chainrule.passes.rules import Rules

x, y = variables("x y")

FLOATS = ArrayType((3, 4), np.dtype("float32"))


def primitives(graph: Graph) -> list[str]:
    return [node.primitive.name for node in graph.nodes if node.primitive]


def simplified(f: Callable[..., Any], *args: Any, rules: Rules | None = None) -> list[str]:
    return primitives(rewrite(cr.trace(f)(*args), Rules() if rules is None else rules)[0])


X = np.ones((3, 4), np.float32)


# Equal nodes -----------------------------------------------------------------------------------


def test_common_subexpressions_become_one() -> None:
    graph, counts = rewrite(cr.trace(lambda x, y: [(x + y) * 2, (x + y) * 3])(X, X), Rules())
    assert primitives(graph) == ["add", "multiply", "multiply"]
    assert counts == {"common_subexpression": 1}


def test_order_does_not_matter_where_an_operation_is_commutative() -> None:
    assert simplified(lambda x, y: (x + y) * (y + x), X, X) == ["add", "multiply"]
    assert simplified(lambda x, y: (x - y) * (y - x), X, X) == ["subtract", "subtract", "multiply"]


def test_maxima_whose_ties_belong_to_one_side_stay_apart() -> None:
    """Their values are equal, but not their gradients."""

    def count(share: float) -> int:
        names = simplified(
            lambda x, y: bind(maximum_p, x, y, share=share) - bind(maximum_p, y, x, share=share),
            X,
            X,
        )
        return names.count("maximum")

    assert (count(0.5), count(0.0), count(1.0)) == (1, 2, 2)


def test_attributes_and_dtypes_keep_nodes_apart() -> None:
    assert simplified(lambda x: x.sum(0).sum() + x.sum(1).sum(), X).count("sum") == 4
    assert simplified(lambda x: x.astype("float64").sum() + x.sum(), X).count("sum") == 2


def test_constants_are_one_by_value() -> None:
    graph, _ = rewrite(cr.trace(lambda x: cr.exp(x * 2.0) + cr.exp(x * 2.0))(X), Rules())
    assert primitives(graph) == ["multiply", "exp", "add"]
    graph, _ = rewrite(cr.trace(lambda x: (x * 0.0) - (x * -0.0))(X), Rules())
    assert primitives(graph) == ["multiply", "multiply", "subtract"]  # 0.0 == -0.0, but not here


def test_random_numbers_of_one_state_are_the_same_numbers() -> None:
    state = np.array([1, 2, 3, 4], np.uint32)

    def f(state: Any, x: Any) -> Any:
        from chainrule.ops.random import random_bits_p

        def draw() -> Any:
            return bind(random_bits_p, state, shape=(3, 4)).astype("float32")

        return x * draw() + draw()

    assert simplified(f, state, X).count("random_bits") == 1


# Constants -------------------------------------------------------------------------------------


def test_constants_are_folded() -> None:
    rules = canonicalize + specialize
    graph, _ = rewrite(cr.trace(lambda x: x * 2.0 * 3.0 / 12.0)(X), rules)
    assert primitives(graph) == ["multiply"]
    assert [c.data.item() for c in graph.constants if c.data is not None] == [0.5]


def test_folding_does_not_make_constants_larger() -> None:
    """A column and a row stay so; their sum over a large grid is made when it is needed."""
    column, row = np.ones((300, 1), np.float32), np.ones((1, 400), np.float32)
    with_data = Tensor(column), Tensor(row)

    swap = Rules()

    @swap.rule(p.exp(x))
    def into_a_constant_sum(x: Tensor) -> Tensor:
        return unknown(ArrayType((300, 400), np.dtype("float32")), add_p, with_data)

    from chainrule.ops.elementwise import add_p

    graph, counts = rewrite(cr.trace(cr.exp)(np.ones((300, 400), np.float32)), swap)
    assert primitives(graph) == ["add"]
    assert "constant_folding" not in counts
    assert max(c.type.size for c in graph.constants) == 400


def test_folding_of_small_constants_is_counted() -> None:
    swap = Rules()

    @swap.rule(p.exp(x))
    def into_a_constant(x: Tensor) -> Tensor:
        from chainrule.ops.elementwise import add_p

        number = Tensor(np.ones((3, 4), np.float32))
        return unknown(FLOATS, add_p, (number, number))

    graph, counts = rewrite(cr.trace(lambda x: cr.exp(x) * x)(X), swap)
    assert primitives(graph) == ["multiply"]
    assert counts["constant_folding"] == 1


# What must not be done --------------------------------------------------------------------------

ALL = stabilize + canonicalize + specialize


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x, y: (x + y) * y, ["add", "multiply"]),
        (lambda x, y: x * y / x, ["multiply", "divide"]),
        (lambda x, y: x * 0.0 + y, ["multiply", "add"]),
        (lambda x, y: x - x + y, ["subtract", "add"]),
        (lambda x, y: x / x + y, ["divide", "add"]),
        (lambda x, y: cr.exp(cr.log(x)) + y, ["log", "exp", "add"]),
        (lambda x, y: cr.square(cr.sqrt(x)) + y, ["sqrt", "square", "add"]),
        (lambda x, y: x / 3.0 + y, ["divide", "add"]),
        (lambda x, y: x * 1e-30 * 1e-30 + y, ["multiply", "multiply", "add"]),
        (lambda x, y: cr.log(cr.exp(x) + y), ["exp", "add", "log"]),
        (lambda x, y: cr.log(cr.softmax(x) + 1e-7) + y, ["softmax", "add", "log", "add"]),
    ],
)
def test_no_rule_changes(f: Callable[..., Any], expected: list[str]) -> None:
    assert simplified(f, X, X, rules=ALL) == expected


def test_sums_along_the_wrong_axis_are_no_softmax() -> None:
    square = np.ones((3, 3), np.float32)
    assert "softmax" not in simplified(lambda x: cr.exp(x) / cr.exp(x).sum(1), square, rules=ALL)
    assert "softmax" in simplified(lambda x: cr.exp(x) / cr.exp(x).sum(0), square, rules=ALL)
    assert "softmax" not in simplified(lambda x: cr.exp(x) / cr.exp(x.T).sum(0), square, rules=ALL)


def test_a_sum_that_meets_another_broadcast_is_no_shifted_logsumexp() -> None:
    def f(x: Any) -> Any:
        m = cr.max(x, 1, keepdims=True)
        return m + cr.logsumexp(x - m, 1)  # (3, 1) and (3,): a square by mistake

    x = np.random.default_rng(0).normal(size=(3, 4))
    graph, _ = rewrite(cr.trace(f)(x), ALL)
    np.testing.assert_allclose(graph.evaluate(x)[0], f(x).numpy(), rtol=1e-14)


def test_a_shift_that_differs_along_the_axis_stays() -> None:
    graph, _ = rewrite(cr.trace(lambda x: cr.softmax(x - x[0], 1))(X), ALL)
    assert "subtract" in primitives(graph)


def test_integers_keep_their_own_algebra() -> None:
    integers = np.array([[-7, 3], [2, 200]])
    for f in (
        lambda n: n * n * n,
        lambda n: -(n - 3) * 5,
        lambda n: (n * 2).sum(0),
        lambda n: cr.abs(-n),
    ):
        graph, _ = rewrite(cr.trace(f)(integers), ALL)
        np.testing.assert_array_equal(graph.evaluate(integers)[0], f(cr.asarray(integers)).numpy())
    unsigned = np.array([1, 250], np.uint8)
    graph, _ = rewrite(cr.trace(lambda n: cr.abs(-n))(unsigned), ALL)
    np.testing.assert_array_equal(graph.evaluate(unsigned)[0], [255, 6])


def test_used_once() -> None:
    """(x @ W).T is turned around only where x @ W is not needed as it is."""
    W = np.ones((4, 2), np.float32)
    graph, _ = rewrite(cr.trace(lambda x, W: (x @ W).T)(X, W), canonicalize)
    assert primitives(graph) == ["transpose", "transpose", "matmul"]
    graph, _ = rewrite(cr.trace(lambda x, W: ((x @ W).T, x @ W))(X, W), canonicalize)
    assert primitives(graph) == ["matmul", "transpose"]


def test_selections_meet_in_products() -> None:
    """a * where(c, 0, f) * b → where(c, 0, a * b * f)."""
    c = np.zeros((3, 4), bool)
    graph, _ = rewrite(
        cr.trace(lambda c, a, b, f: a * cr.where(c, 0.0, f) * b)(c, X, X, X), canonicalize
    )
    assert primitives(graph) == ["multiply", "multiply", "where"]


# The matcher -----------------------------------------------------------------------------------


def applied(rules: Rules, f: Callable[..., Any], *args: Any) -> int:
    return rewrite(cr.trace(f)(*args), rules)[1].total()


def test_numbers_match_in_every_shape_and_dtype() -> None:
    rules = Rules()

    @rules.rule(p.add(0.1, x))
    def a_tenth_more(x: Tensor) -> Tensor:
        return log1p(x)

    tenth = np.full((3, 4), 0.1, np.float32)
    stretched = np.broadcast_to(np.float32(0.1), (3, 4))
    assert applied(rules, lambda x: x + 0.1, X)
    assert applied(rules, lambda x: 0.1 + x, X.astype(np.float64))
    assert applied(rules, lambda x: x + tenth, X)
    assert applied(rules, lambda x: stretched + x, X)
    assert not applied(rules, lambda x: x + 0.2, X)
    assert not applied(rules, lambda x: x + np.arange(12, dtype=np.float32).reshape(3, 4), X)


def test_one_name_is_one_node() -> None:
    rules = Rules()

    @rules.rule(p.add(p.exp(x), p.multiply(x, y)))
    def nested(x: Tensor, y: Tensor) -> Tensor:
        return y - x

    # Only the second order of either argument fits: the matcher goes back on its first choice.
    assert applied(rules, lambda x, y: y * x + cr.exp(x), X, X)
    assert applied(rules, lambda x, y: cr.exp(y) + y * x, X, X)
    assert not applied(rules, lambda x, y: cr.exp(x + 1.0) + y * x, X, X)


def test_constants_with_conditions() -> None:
    rules = Rules()

    @rules.rule(p.multiply(number("k", lambda k: k > 1), constant("table")))
    def never(k: Tensor) -> Tensor:
        raise AssertionError

    @rules.rule(p.multiply(x, number("k", lambda k: k > 1)))
    def large(x: Tensor, k: Tensor) -> Tensor:
        return x + k

    assert applied(rules, lambda x: x * 2.0, X)
    assert not applied(rules, lambda x: x * 0.5, X)


def test_conditions_on_attributes_and_uses() -> None:
    rules = Rules()
    (axes,) = variables("axes")

    @rules.rule(p.exp(once(p.sum(x, axes=axes, keepdims=True))), where=lambda axes: axes == (1,))
    def kept(x: Tensor) -> Tensor:
        return cr.sum(x, 1, keepdims=True)

    assert applied(rules, lambda x: cr.exp(x.sum(1, keepdims=True)), X)
    assert not applied(rules, lambda x: cr.exp(x.sum(0, keepdims=True)), X)
    assert not applied(rules, lambda x: cr.exp(x.sum(1)), X)

    def used_twice(x: Any) -> Any:
        total = x.sum(1, keepdims=True)
        return cr.exp(total) * total

    assert not applied(rules, used_twice, X)


def test_a_rule_whose_result_does_not_fit_does_not_fire() -> None:
    rules = Rules()

    @rules.rule(p.exp(x))
    def other_dtype(x: Tensor) -> Tensor:
        return x.astype("float64")

    @rules.rule(p.log(x))
    def other_shape(x: Tensor) -> Tensor:
        return x[:2]

    assert not applied(rules, lambda x: cr.log(cr.exp(x)), X)


def test_a_smaller_result_is_broadcast() -> None:
    graph, _ = rewrite(cr.trace(lambda v: v * np.ones((3, 4), np.float32))(X[0]), canonicalize)
    assert primitives(graph) == ["broadcast_to"]
    assert graph.outputs[0].type == FLOATS


def test_rules_that_undo_each_other_end() -> None:
    rules = Rules()

    @rules.rule(p.exp(x))
    def there(x: Tensor) -> Tensor:
        return log1p(x)

    @rules.rule(p.log1p(x))
    def back(x: Tensor) -> Tensor:
        return exp(x)

    assert len(rewrite(cr.trace(cr.exp)(X), rules)[0].nodes) == 1


def test_sets_of_rules_are_joined_in_order() -> None:
    both = stabilize + canonicalize
    assert len(both) == len(stabilize) + len(canonicalize)
    assert [r.name for r in both][: len(stabilize)] == [r.name for r in stabilize]


# Parts of graphs, before they are differentiated ------------------------------------------------


def test_nodes_that_someone_holds_stay() -> None:
    v = unknown(FLOATS, tracked=True)
    inner = cr.exp(v)
    outer = cr.log(1.0 + inner)
    (result,) = rewrite_values([outer], [v], stabilize)
    assert result.primitive is not None
    assert result.primitive.name == "softplus"
    assert result.inputs == (v,)
    assert result.tracked
    assert outer.primitive is not None
    assert outer.primitive.name == "log"
    assert inner.inputs == (v,)


def test_only_what_depends_on_the_variables_is_rewritten() -> None:
    v, w = unknown(FLOATS, tracked=True), unknown(FLOATS, tracked=True)
    beside = cr.log(1.0 + cr.exp(w))
    output = cr.exp(v) * beside
    (result,) = rewrite_values([output], [v], stabilize)
    assert result is output


def test_variables_are_not_looked_into() -> None:
    """grad by exp(x) of log(1 + exp(x)) is not the gradient by x."""
    x = unknown(FLOATS, tracked=True)
    e = fresh(cr.exp(x))
    (result,) = rewrite_values([cr.log(1.0 + e)], [e], stabilize)
    assert result.primitive is not None
    assert result.primitive.name == "log1p"
    assert result.inputs == (e,)


def test_gradients_stay_cut_off() -> None:
    x = unknown(FLOATS, tracked=True)
    with no_grad():
        hidden = cr.exp(x)
    (result,) = rewrite_values([cr.log(hidden * 1.0) * x], [x], canonicalize)
    assert "exp" in {n.primitive.name for n in _behind(result) if n.primitive}

    def f(x: Any) -> Any:
        return (cr.stop_gradient(x) * x + cr.log(cr.stop_gradient(cr.exp(x))) * x).sum()

    def gradient(x: Any) -> Any:
        from chainrule.core.mode import mode

        mode.rewriter = stabilized
        return cr.grad(f)(x)

    values = np.random.default_rng(0).normal(size=(3, 4))
    graph, _ = optimize(cr.trace(gradient)(values))
    np.testing.assert_allclose(graph.evaluate(values)[0], cr.grad(f)(values).numpy(), rtol=1e-14)


def test_tracked_values_are_no_constants() -> None:
    """A factor that is 1 now still has a gradient."""
    one = fresh(np.ones((3, 4), np.float32))
    x = unknown(FLOATS, tracked=True)
    output = (x * one).sum()
    (result,) = rewrite_values([output], [x, one], canonicalize)
    assert result is output
    found = pull_back([result], [cr.asarray(np.float32(1))], [one])
    assert one in found


def test_a_broadcast_that_is_cut_off_is_not_looked_into() -> None:
    x, v = unknown(FLOATS, tracked=True), unknown(ArrayType((4,), FLOATS.dtype), tracked=True)
    with no_grad():
        b = cr.broadcast_to(v, (3, 4))
    output = x + b
    (result,) = rewrite_values([output], [x, v], canonicalize)
    assert result is output


def _behind(output: Node) -> list[Node]:
    found, stack = [], [output]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += node.inputs
    return found


def test_origins_stay() -> None:
    graph = cr.trace(lambda x: cr.log(1.0 + cr.exp(x)))(X)
    before = graph.nodes[-1].origin
    after = rewrite(graph, stabilize)[0].nodes[-1].origin
    assert before is not None
    assert after is not None
    assert before.source is not None
    assert after.source == before.source


# The whole --------------------------------------------------------------------------------------


def test_nodes_run_where_those_that_they_replace_did() -> None:
    def f(x: Any) -> Any:
        first = cr.log(1.0 + cr.exp(x))
        return cr.tanh(first) * cr.sin(x)

    assert primitives(rewrite(cr.trace(f)(X), stabilize)[0]) == [
        "softplus",
        "tanh",
        "sin",
        "multiply",
    ]


def test_inputs_names_and_results_stay() -> None:
    graph = cr.trace(lambda first, second: {"a": first * 1.0, "b": [second, first]})(X, X)
    after, _ = optimize(graph)
    assert isinstance(after, TracedGraph)
    assert after.inputs == graph.inputs
    assert [after.names[x] for x in after.inputs] == ["first", "second"]
    result = after(X, 2 * X)
    assert result["a"].tolist() == X.tolist()
    assert result["b"][0].tolist() == (2 * X).tolist()


def deep(depth: int) -> TracedGraph:
    """Trace a step of training of a network of so many layers."""
    rng = np.random.default_rng(0)
    W = [cr.Parameter(rng.normal(size=(4, 4)).astype(np.float32)) for _ in range(depth)]
    b = [cr.Parameter(np.zeros(4, np.float32)) for _ in range(depth)]
    optimizer = cr.optim.Adam()

    def loss(x: Any) -> Any:
        for k in range(depth):
            x = cr.relu(x @ W[k] + b[k])
        return cr.log(cr.softmax(x))[:, 0].mean()

    return cr.trace(lambda x: optimizer.minimize(lambda: loss(x), [*W, *b]))(
        np.ones((2, 4), np.float32)
    )


def test_work_is_linear_in_the_number_of_nodes(
    count_calls: Callable[[Callable[[], object]], int],
) -> None:
    graphs = {depth: deep(depth) for depth in (10, 100)}
    assert len(graphs[100].nodes) > 3000
    optimize(graphs[10])
    calls = {depth: count_calls(lambda: optimize(graph)) for depth, graph in graphs.items()}  # noqa: B023
    assert calls[100] < 11 * calls[10]


@pytest.mark.parametrize("activation", ["relu", "elu", "gelu", "sigmoid", "softplus", "leaky_relu"])
@pytest.mark.parametrize("loss", ["cross_entropy", "categorical_focal"])
def test_optimizing_again_changes_nothing(activation: str, loss: str) -> None:
    model = cr.Sequential([cr.Dense(4, activation=activation), cr.BatchNorm(), cr.Dense(3)])
    inputs = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    model(inputs)
    optimizer = cr.optim.AdamW()
    each = cr.losses.loss(loss)
    parameters = [q for q in model.parameters().values() if q.trainable]

    def step(x: Any, y: Any) -> Any:
        return optimizer.minimize(lambda: each(y, model(x)).mean(), parameters)

    graph = cr.trace(step)(inputs, np.zeros(5, int))
    once_, _ = optimize(graph)
    twice, counts = optimize(once_)
    assert str(twice) == str(once_)
    assert not counts
    assert len(once_.nodes) < len(graph.nodes)
    values = [np.abs(np.random.default_rng(i).normal(size=n.type.shape)).astype(n.type.dtype)
              for i, n in enumerate(graph.inputs)]  # fmt: skip
    for mine, theirs in zip(once_.evaluate(*values), graph.evaluate(*values), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)


def test_constants_do_not_stay_broadcast() -> None:
    two = cr.asarray(np.float32(2))
    graph, _ = rewrite(cr.trace(lambda x: x + cr.broadcast_to(two, (3, 4)))(X), canonicalize)
    assert [c.type.size for c in graph.constants] == [1]
