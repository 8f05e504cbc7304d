"""Control flow: eager, traced and NumPy's own loops agree; parameters, captures, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import (
    ArgumentError,
    ChainruleError,
    DtypeError,
    GraphError,
    ShapeError,
    TracingError,
)
from chainrule.core.graph import Graph
from chainrule.core.tensor import Tensor, bind, unknown
from chainrule.core.tree import leaves
from chainrule.core.types import FLOAT32, ArrayType, TupleType
from chainrule.ops.control import apply_graph, inner_graphs, with_inner_graphs
from chainrule.ops.control.scanning import scan_p

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 3)) * 0.5
X = RNG.normal(size=(5, 3))
H = RNG.normal(size=3)


def both(f: Callable[..., Any], *args: Any) -> tuple[Any, Graph]:
    """Return what ``f`` returns eagerly, having checked that its traced graph returns the same."""
    eager = f(*[cr.tensor(a) if isinstance(a, np.ndarray) else a for a in args])
    graph = cr.trace(f)(*args)
    traced = graph(*args)
    for a, b in zip(leaves(ordered(eager)), leaves(ordered(traced)), strict=True):
        assert a.type == b.type
        assert a.numpy().tobytes() == b.numpy().tobytes()
    return eager, graph


def ordered(tree: Any) -> Any:
    """Sort the keys: the branches of a traced cond share one order, not those of an eager one."""
    return dict(sorted(tree.items())) if isinstance(tree, dict) else tree


def names(graph: Graph) -> list[str]:
    return [node.primitive.name for node in graph.nodes if node.primitive]


def the(graph: Graph, name: str) -> Any:
    (node,) = [n for n in graph.nodes if n.primitive and n.primitive.name == name]
    return node


# cond ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_computes_one_branch(sign: float) -> None:
    def f(x: Any, w: Any) -> Any:
        return cr.cond(x.sum() > 0, lambda x: {"y": x @ w, "n": 1}, lambda x: {"n": 2, "y": -x}, x)

    x = np.abs(H) * sign
    result, graph = both(f, x, W)
    np.testing.assert_allclose(result["y"].numpy(), x @ W if sign > 0 else -x)
    assert result["n"].item() == (1 if sign > 0 else 2)
    assert names(graph).count("cond") == 1
    assert "matmul" not in names(graph)


def test_a_known_predicate_chooses_in_python() -> None:
    ran: list[str] = []

    def f(x: Any) -> Any:
        return cr.cond(True, lambda: ran.append("yes") or x * 2.0, lambda: ran.append("no") or x)

    assert f(cr.tensor(3.0)).item() == 6.0
    assert ran == ["yes"]
    assert names(cr.trace(f)(3.0)) == ["multiply"]
    assert ran == ["yes", "yes"]


def test_only_the_chosen_branch_is_evaluated() -> None:
    def f(x: Any) -> Any:
        return cr.cond(x > 0, lambda x: cr.log(x), lambda x: x, x)

    # The logarithm of -1 would warn, and warnings are errors.
    assert cr.trace(f)(1.0)(-1.0).item() == -1.0


def test_cond_without_results() -> None:
    counter = cr.Parameter(np.array(0), trainable=False)

    def f(x: Any) -> Any:
        cr.cond(x > 0, lambda: counter.assign(counter.value + 1), lambda: None)

    graph = cr.trace(f)(1.0)
    for x in (1.0, -1.0, 2.0):
        graph(x)
    assert counter.numpy() == 2


@pytest.mark.parametrize(
    ("branch", "error", "text"),
    [
        (lambda x: (x, x), ArgumentError, r"if_false: got \(float32\[2\], float32\[2\]\); expect"),
        (lambda x: x[:1], ShapeError, r"got float32\[1\]; expected float32\[2\], as if_true ret"),
        (lambda x: x > 0, DtypeError, r"bool\[2\]; expected float32\[2\].*\.astype: if_true"),
    ],
)
def test_branches_must_fit(branch: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        cr.trace(lambda x: cr.cond(x.sum() > 0, lambda x: x, branch, x))([1.0, 2.0])


@pytest.mark.parametrize(
    ("predicate", "error", "text"),
    [
        ([True, False], ShapeError, r"predicate: got bool\[2\]; expected one bool.*cr\.where"),
        (1.0, DtypeError, r"predicate: got float32\[\]; expected one bool\. Compare first"),
        (None, ArgumentError, "got a NoneType"),
        ((True,), ArgumentError, "got a tuple"),
    ],
)
def test_the_predicate_is_one_bool(predicate: Any, error: type[Exception], text: str) -> None:
    def f(p: Any) -> Any:
        return cr.cond(p, lambda: 1.0, lambda: 2.0)

    with pytest.raises(error, match=text):
        f(predicate)
    if predicate is not None and not isinstance(predicate, tuple):
        with pytest.raises(error, match=text):
            cr.trace(f)(predicate)


def test_branches_are_functions() -> None:
    with pytest.raises(ArgumentError, match="if_false: got a float; expected a function"):
        cr.cond(True, lambda: 1.0, 2.0)  # type: ignore[arg-type]


# scan ----------------------------------------------------------------------------------------


def by_hand(
    w: np.ndarray, x: np.ndarray, h: np.ndarray, reverse: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, sums = np.empty((len(x), 3)), np.empty(len(x))
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        h = np.tanh(h @ w + x[t])
        rows[t], sums[t] = h, (h * t).sum()
    return h, rows, sums


@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 5])
def test_scan_is_the_loop(length: int, reverse: bool, remat: bool) -> None:
    def f(w: Any, x: Any, h: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            h = cr.tanh(carry["h"] @ w + row[0])
            return {"h": h}, (h, [(h * row[1]).sum(), None])

        counted = np.arange(length, dtype=np.float64)
        return cr.scan(step, {"h": h}, (x, counted), reverse=reverse, remat=remat)

    result, graph = both(f, W, X[:length], H)
    carry, (rows, (sums, nothing)) = result
    expected = by_hand(W, X[:length], H, reverse)
    assert nothing is None
    for a, b in zip((carry["h"], rows, sums), expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-14)
    assert names(graph) == ["scan", "item", "item", "item"]
    assert the(graph, "scan").attrs["remat"] is remat


def test_scan_without_xs() -> None:
    def f(x: Any) -> Any:
        return cr.scan(lambda c, nothing: (c * 2.0, c if nothing is None else None), x, length=4)

    (carry, ys), _ = both(f, 1.5)
    assert carry.item() == 24.0
    assert ys.tolist() == [1.5, 3.0, 6.0, 12.0]


def test_integer_and_bool_carries() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, v: Any) -> Any:
            n, any_negative, best = c
            return (n + 1, any_negative | (v < 0), cr.maximum(best, v)), n

        return cr.scan(step, (0, False, x[0]), x)

    ((n, negative, best), ys), _ = both(f, np.array([1.0, -2.0, 3.0]))
    assert (n.item(), negative.item(), best.item()) == (3, True, 3.0)
    assert ys.dtype == np.int64
    assert ys.tolist() == [0, 1, 2]


def test_the_result_has_the_structure_of_init() -> None:
    def f(x: Any) -> Any:
        return cr.scan(lambda c, v: ({"b": c["a"], "a": c["b"] + v}, v), {"a": x[0], "b": x[1]}, x)

    (carry, _), _ = both(f, np.array([1.0, 2.0, 4.0]))
    assert list(carry) == ["a", "b"]
    # (a, b) = (1, 2) -> (3, 1) -> (3, 3) -> (7, 3)
    assert (carry["a"].item(), carry["b"].item()) == (7.0, 3.0)


@settings(max_examples=30, deadline=None)
@given(
    x=st.lists(st.floats(-2, 2), min_size=0, max_size=7),
    reverse=st.booleans(),
    remat=st.booleans(),
)
def test_cumulative_products(x: list[float], reverse: bool, remat: bool) -> None:
    def f(x: Any) -> Any:
        one = cr.ones((), "float64")
        return cr.scan(lambda c, v: (c * v, c * v), one, x, reverse=reverse, remat=remat)

    (_, ys), _ = both(f, np.array(x))
    ordered = np.array(x)[::-1] if reverse else np.array(x)
    expected = np.cumprod(ordered)[::-1] if reverse else np.cumprod(ordered)
    np.testing.assert_array_equal(ys.numpy(), expected)


def test_what_a_body_closes_over_becomes_operands() -> None:
    scale = cr.tensor([2.0, 3.0, 4.0], "float64")

    def f(w: Any, x: Any) -> Any:
        wide = w * 2.0  # computed outside of the body

        def step(c: Any, row: Any) -> Any:
            return c + row @ wide + wide[0] + scale, None

        return cr.scan(step, cr.zeros(3, "float64"), x)[0]

    result, graph = both(f, W, X)
    expected = (X @ (W * 2) + W[0] * 2 + np.array([2.0, 3.0, 4.0])).sum(0)
    np.testing.assert_allclose(result.numpy(), expected)
    node = the(graph, "scan")
    body = inner_graphs(node)["body"]
    assert len(node.inputs) == len(body.inputs) == 3  # the carry, the rows, and w * 2
    assert [c.data.tolist() for c in body.constants] == [[2.0, 3.0, 4.0]]
    assert all(x.tracked for x in body.inputs)


def test_a_body_is_traced_once() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        return cr.scan(lambda c, v: (calls.append(1) or c + v, None), 0.0, x)[0]

    cr.trace(f)(np.zeros(100, np.float32))
    assert len(calls) == 1


def test_control_flow_nests() -> None:
    def f(w: Any, x: Any) -> Any:
        def outer(c: Any, row: Any) -> Any:
            def inner(c: Any, v: Any) -> Any:
                c = cr.cond(v > 0, lambda c: cr.tanh(c @ w) * v, lambda c: c - v, c)
                return c, c.sum()

            c, ys = cr.scan(inner, c, row)
            c = cr.while_loop(lambda c: (c * c).sum() > 1.0, lambda c: c * 0.5, c)
            return c, ys

        return cr.cond(x.sum() > -100, lambda: cr.scan(outer, x[0], x), lambda: (x[0], x))

    (carry, ys), graph = both(f, W, X)
    c, rows = X[0], np.empty((5, 3))
    for i, row in enumerate(X):
        for j, v in enumerate(row):
            c = np.tanh(c @ W) * v if v > 0 else c - v
            rows[i, j] = c.sum()
        while (c * c).sum() > 1:
            c = c * 0.5
    np.testing.assert_allclose(carry.numpy(), c, rtol=1e-13)
    np.testing.assert_allclose(ys.numpy(), rows, rtol=1e-12)
    inner = inner_graphs(the(graph, "cond"))["if_true"]
    assert "scan" in names(inner)


def test_eager_scan_has_plain_python_bodies() -> None:
    seen: list[float] = []

    def step(c: Any, v: Any) -> Any:
        seen.append(float(v))
        return (c + v if v > 0 else c), None

    assert cr.scan(step, 0.0, [1.0, -2.0, 3.0])[0].item() == 4.0
    assert seen == [1.0, -2.0, 3.0]
    with pytest.raises(TracingError, match=r"cr\.cond.*cr\.scan or cr\.while_loop"):
        cr.scan(step, 0.0, [1.0, -2.0], remat=True)


@pytest.mark.parametrize("tracing", [False, True])
@pytest.mark.parametrize(
    ("f", "options", "error", "text"),
    [
        (lambda c, v: (c[:1], v), {}, ShapeError, r"carry that f returns: got float32\[1\]; expec"),
        (lambda c, v: (c > 0, v), {}, DtypeError, r"bool\[2\]; expected float32\[2\], as init"),
        (lambda c, v: ((c, c), v), {}, ArgumentError, r"got \(float32\[2\], float32\[2\]\); expec"),
        (lambda c, v: ({"a": c}, v), {}, ArgumentError, r"got \{'a': float32\[2\]\}; expected flo"),
        (lambda c, v: c, {}, ArgumentError, "result of f: got Tensor; expected a pair"),
        (lambda c, v: (c, v, v), {}, ArgumentError, r"a tuple of 3.*Return \(carry, None\)"),
        (lambda c, v: (c, v), {"length": 2}, ArgumentError, "length: got 2; expected 3, the numb"),
        (lambda c, v: (c, v), {"length": -1}, ArgumentError, "length: got -1; expected a whole"),
    ],
)
def test_scan_errors(
    f: Any, options: Any, error: type[Exception], text: str, tracing: bool
) -> None:
    def run(x: Any) -> Any:
        return cr.scan(f, cr.zeros(2), x, **options)

    with pytest.raises(error, match=text):
        (cr.trace(run) if tracing else run)([1.0, 2.0, 3.0])


def test_scan_errors_about_xs() -> None:
    with pytest.raises(ShapeError, match=r"xs: got leading axes of sizes \[2, 3\]"):
        cr.scan(lambda c, v: (c, None), 0.0, (cr.zeros(2), cr.zeros(3)))
    with pytest.raises(ShapeError, match=r"xs: got float32\[\], a single number.*close over"):
        cr.scan(lambda c, v: (c, None), 0.0, 1.0)
    with pytest.raises(ArgumentError, match=r"length: got None, and no xs.*length=10"):
        cr.scan(lambda c, v: (c, None), 0.0)
    with pytest.raises(ArgumentError, match="f: got a Tensor; expected a function"):
        cr.scan(cr.zeros(2), 0.0, length=1)  # type: ignore[arg-type]
    sizes = iter((1, 2))
    with pytest.raises(ShapeError, match="y that f returns"):
        cr.scan(lambda c, v: (c, cr.zeros(next(sizes))), 0.0, length=2)


# while_loop ----------------------------------------------------------------------------------


@pytest.mark.parametrize("max_steps", [None, 9])
def test_while_is_the_loop(max_steps: int | None) -> None:
    def f(w: Any, h: Any) -> Any:
        return cr.while_loop(
            lambda c: (c["h"] * c["h"]).sum() < 50.0 + w[0, 0],
            lambda c: {"n": c["n"] + 1, "h": cr.sin(c["h"] @ w) + c["h"] * 1.5},
            {"h": h, "n": 0},
            max_steps,
        )

    result, graph = both(f, W, H)
    h, n = H, 0
    while (h * h).sum() < 50 + W[0, 0]:
        h, n = np.sin(h @ W) + h * 1.5, n + 1
    assert 2 < n < 9
    assert result["n"].item() == n
    np.testing.assert_allclose(result["h"].numpy(), h)
    assert set(inner_graphs(the(graph, "while"))) == {"condition", "body"}


def test_while_that_never_runs() -> None:
    result, _ = both(lambda x: cr.while_loop(lambda c: c > 5.0, lambda c: c * 2.0, x), 1.0)
    assert result.item() == 1.0


def test_while_with_a_traced_condition_outside_of_a_tracer() -> None:
    x = unknown(ArrayType((), FLOAT32))
    y = cr.while_loop(lambda c: c < x, lambda c: c * 2.0, 1.0)
    assert Graph([x], [y]).evaluate(np.float32(10))[0] == 16.0


@pytest.mark.parametrize("tracing", [False, True])
def test_too_many_steps(tracing: bool) -> None:
    def f(x: Any) -> Any:
        return cr.while_loop(lambda c: c < 0, lambda c: c + 1.0, x, max_steps=10)

    run = cr.trace(f)(1.0) if tracing else f
    with pytest.raises(ArgumentError, match="max_steps: got a loop whose condition still holds"):
        run(cr.tensor(-11.0))
    assert run(cr.tensor(-10.0)).item() == 0.0  # 10 steps are not too many


@pytest.mark.parametrize("tracing", [False, True])
@pytest.mark.parametrize(
    ("condition", "body", "error", "text"),
    [
        (lambda c: c > 0, lambda c: c, ShapeError, r"result of condition: got bool\[2\]"),
        (lambda c: c.sum(), lambda c: c, DtypeError, r"result of condition: got float32\[\]; exp"),
        (lambda c: c.sum() > 0, lambda c: c[:1], ShapeError, r"result of body: got float32\[1\]"),
        (lambda c: c.sum() > 0, lambda c: (c,), ArgumentError, r"got \(float32\[2\],\); expected"),
        (lambda c: c.sum() > 0, lambda c: c > 0, DtypeError, r"result of body: got bool\[2\]"),
    ],
)
def test_while_errors(
    condition: Any, body: Any, error: type[Exception], text: str, tracing: bool
) -> None:
    def f(x: Any) -> Any:
        return cr.while_loop(condition, body, x)

    with pytest.raises(error, match=text):
        (cr.trace(f) if tracing else f)(cr.tensor([1.0, 2.0]))


def test_while_arguments() -> None:
    with pytest.raises(ArgumentError, match="max_steps: got 0; expected a whole number from 1"):
        cr.while_loop(lambda c: c > 0, lambda c: c, 1.0, max_steps=0)
    with pytest.raises(ArgumentError, match=r"condition: got a bool; expected a function"):
        cr.while_loop(True, lambda c: c, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"assigns the parameter 'random_state'.*in body"):
        cr.trace(lambda x: cr.while_loop(lambda c: cr.random.uniform() < c, lambda c: c / 2, x))(
            1.0
        )


# Parameters and random numbers ---------------------------------------------------------------


def same_draws(f: Callable[..., Any], *args: Any) -> None:
    cr.random.seed(7)
    eager = [f(*map(cr.tensor, args)), cr.random.uniform(), f(*map(cr.tensor, args))]
    graph = cr.trace(f)(*args)
    cr.random.seed(7)
    traced = [graph(*args), cr.random.uniform(), graph(*args)]
    for a, b in zip(leaves(eager), leaves(traced), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_random_draws_in_a_scan() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, v: Any) -> Any:
            u = cr.random.uniform(shape=(2,))
            return c + u * v, (u, cr.random.normal())

        return cr.scan(step, cr.zeros(2), x), cr.random.normal(shape=(2,))

    same_draws(f, np.float32([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("x", [1.0, -1.0])
def test_random_draws_in_one_branch(x: float) -> None:
    def f(x: Any) -> Any:
        y = cr.cond(x > 0, lambda x: x * cr.random.uniform(), lambda x: x, x)
        return y, cr.random.uniform()

    same_draws(f, np.float32(x))


def test_random_draws_in_a_while_loop() -> None:
    def f(x: Any) -> Any:
        y = cr.while_loop(lambda c: c < 3.0, lambda c: c + cr.random.uniform(), x)
        return y, cr.random.uniform()

    same_draws(f, np.float32(0))


def test_random_draws_in_nested_control_flow() -> None:
    def f(x: Any) -> Any:
        def outer(c: Any, row: Any) -> Any:
            def inner(c: Any, v: Any) -> Any:
                return cr.cond(v > 0, lambda: c + cr.random.uniform(), lambda: c), None

            return cr.scan(inner, c, row)[0], cr.random.uniform()

        return cr.scan(outer, cr.zeros(()), x)

    same_draws(f, X.astype(np.float32))


def test_dropout_and_batch_statistics_in_a_scan() -> None:
    def run(f: Any) -> list[np.ndarray]:
        cr.random.seed(1)
        model = cr.Sequential([cr.BatchNorm(), cr.Dropout(0.5)])
        x = cr.tensor(RNG_ROWS)
        model(x[0])

        def g(x: Any) -> Any:
            return cr.scan(lambda c, row: (c, model(row, training=True)), None, x)[1]

        y = f(g)(x)
        return [y.numpy(), *[p.numpy() for p in model.parameters().values()]]

    for a, b in zip(run(lambda g: g), run(lambda g: lambda x: cr.trace(g)(x)(x)), strict=True):
        np.testing.assert_array_equal(a, b)


RNG_ROWS = np.random.default_rng(1).normal(size=(3, 4, 2)).astype(np.float32)


def test_parameters_are_read_and_assigned_in_order() -> None:
    p = cr.Parameter([1.0, 2.0], name="p", trainable=False)
    q = cr.Parameter(10.0, name="q", trainable=False)

    def f(x: Any) -> Any:
        p.assign(p.value + 1.0)
        before = p.value

        def step(c: Any, v: Any) -> Any:
            old = p.value
            p.assign(p.value * v + q.value)
            return c + old, p.value - before

        c, ys = cr.scan(step, cr.zeros(2), x)
        return c, ys, p.value * 2.0

    x = np.float32([1.0, 0.5, 2.0])
    eager = [t.numpy() for t in f(cr.tensor(x))]
    after = p.numpy().copy()
    p.assign([1.0, 2.0])
    graph = cr.trace(f)(x)
    np.testing.assert_array_equal(p.numpy(), [1.0, 2.0])
    for a, b in zip(eager, graph(x), strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    np.testing.assert_array_equal(p.numpy(), after)
    node = the(graph, "scan")
    # carry, p; rows; p before the loop, q
    assert (node.attrs["carries"], node.attrs["xs"], len(node.inputs)) == (2, 1, 5)


def test_a_training_loop_in_a_scan() -> None:
    w = cr.Parameter([1.0, 2.0], name="w")

    def train(xs: Any, ys: Any) -> Any:
        def step(_: None, batch: Any) -> Any:
            x, y = batch
            w.grad = None
            loss = ((x @ w.value - y) ** 2.0).mean()
            loss.backward()
            assert w.grad is not None
            with cr.no_grad():
                w.assign(w.value - 0.1 * w.grad)
            return None, loss

        return cr.scan(step, None, (xs, ys))[1]

    xs, ys = RNG_ROWS, RNG_ROWS.sum(-1)
    eager = train(cr.tensor(xs), cr.tensor(ys)).numpy()
    expected = [w.numpy().copy(), w.grad.numpy().copy()]  # type: ignore[union-attr]
    w.assign([1.0, 2.0])
    w.grad = None
    graph = cr.trace(train)(xs, ys)
    np.testing.assert_allclose(graph(xs, ys).numpy(), eager, rtol=1e-6)
    np.testing.assert_allclose(w.numpy(), expected[0], rtol=1e-6)
    np.testing.assert_allclose(w.grad.numpy(), expected[1], rtol=1e-6)  # type: ignore[union-attr]
    assert names(graph).count("scan") == 1


def test_gradients_accumulate_over_steps_and_branches() -> None:
    w = cr.Parameter(2.0, name="w")

    def in_scan(x: Any) -> None:
        cr.scan(lambda c, v: ((w.value * w.value * v).backward(), None), None, x)

    def in_cond(x: Any) -> None:
        cr.cond(x[0] > 0, lambda: (w.value * x[1]).backward(), lambda: None)

    for f, x in (
        (in_scan, [1.0, 2.0, 3.0]),
        (in_cond, [1.0, 5.0]),
        (in_cond, [-1.0, 5.0]),
    ):
        for before in (None, cr.tensor(10.0)):
            w.grad = before
            f(cr.tensor(x))
            eager = 0.0 if w.grad is None else w.grad.item()
            w.grad = before
            cr.trace(f)(x)(x)
            assert w.grad is not None
            assert w.grad.item() == eager


def in_scan(f: Callable[[], None], x: Any) -> None:
    cr.scan(lambda c, _: (f(), None), None, length=2)


def in_cond(f: Callable[[], None], x: Any) -> None:
    cr.cond(x > 0, f, f)


def in_while(f: Callable[[], None], x: Any) -> None:
    def body(c: Any) -> Any:
        f()
        return c - 1.0

    cr.while_loop(lambda c: c > 0, body, x)


@pytest.mark.parametrize("inside", [in_scan, in_cond, in_while])
def test_gradients_can_be_cleared_in_bodies(inside: Any) -> None:
    w = cr.Parameter(2.0, name="w")

    def clear() -> None:
        w.grad = None

    w.grad = cr.tensor(5.0)
    graph = cr.trace(lambda x: inside(clear, x))(1.0)
    assert w.grad.item() == 5.0
    graph(1.0)
    assert w.grad is None


def test_backward_in_a_body_reaches_what_was_computed_before_it() -> None:
    w = cr.Parameter([1.0, 2.0], name="w")

    def f(x: Any) -> None:
        carry, _ = cr.scan(lambda c, v: (cr.sin(c * w.value) + v, None), cr.ones(2), x)
        carry = cr.while_loop(lambda c: c.sum() < 9.0, lambda c: c * c + w.value, carry)
        cr.cond(x[0] > 0, lambda: (carry * carry).sum().backward(), lambda: None)

    x = cr.tensor([1.0, 0.5])
    w.grad = None
    f(x)
    expected = w.grad
    w.grad = None
    graph = cr.trace(f)(x)
    graph(x)
    np.testing.assert_allclose(w.grad.numpy(), expected.numpy(), rtol=1e-6)  # type: ignore[union-attr]
    node = the(graph, "cond")  # takes elements of the loops' results, not the tuples
    assert not any(isinstance(x.type, TupleType) for x in node.inputs)


def test_a_value_read_after_an_assignment_is_a_leaf() -> None:
    """As with eager parameters: gradients do not flow through what is assigned."""
    p = cr.Parameter(3.0, name="p")

    def f(x: Any) -> Any:
        def step(c: Any, v: Any) -> Any:
            p.assign(c * v)
            return c * 2.0 + p.value, None

        return cr.scan(step, x[0], x)[0]

    x = np.float32([1.0, 2.0, 3.0])
    g = cr.grad(f)
    np.testing.assert_array_equal(cr.trace(g)(x)(x).numpy(), g(cr.tensor(x)).numpy())
    assert g(cr.tensor(x)).tolist() == [8.0, 0.0, 0.0]


# Graphs in attributes ------------------------------------------------------------------------


def test_inner_graphs_can_be_replaced() -> None:
    graph = cr.trace(lambda x: cr.scan(lambda c, v: (c + v, c), 0.0, x))([1.0, 2.0])
    node = the(graph, "scan")
    (name,) = inner_graphs(node)
    assert name == "body"
    doubled = cr.trace(lambda c, v: (c + 2.0 * v, c))(0.0, 0.0)
    attrs = with_inner_graphs(node.attrs, {"body": doubled})
    found = bind(scan_p, *[Tensor(np.float32(0)), cr.tensor([1.0, 2.0])], **attrs)
    assert [y.tolist() for y in found.data] == [6.0, [0.0, 2.0]]  # type: ignore[union-attr]
    wrong = cr.trace(lambda c: c)([0.0])
    with pytest.raises(GraphError, match=r"body takes \(float32\[1\]\) and is given"):
        scan_p.type_rule(*[x.type for x in node.inputs], **{**node.attrs, "body": wrong})


def test_apply_graph_evaluates_records_and_keeps_cuts() -> None:
    x = unknown(ArrayType((), FLOAT32), tracked=True)
    graph = Graph([x], [x * cr.stop_gradient(x * 2.0)])
    (y,) = apply_graph(graph, [cr.tensor(3.0)])
    assert y.item() == 18.0
    assert cr.grad(lambda x: apply_graph(graph, [x])[0])(3.0).item() == 6.0


def test_the_origin_of_a_bodys_nodes_is_the_users_line() -> None:
    graph = cr.trace(lambda x: cr.scan(lambda c, v: (c + cr.exp(v), c), 0.0, x))([1.0])
    node = the(graph, "scan")
    for found in (node, *node.attrs["body"].nodes):
        assert found.origin.source.file == __file__
        assert "cr.scan" in found.origin.source.text


def test_errors_inside_a_traced_body_name_the_users_line() -> None:
    def f(x: Any) -> Any:
        return cr.scan(lambda c, v: (c if v > 0 else v, None), 0.0, x)  # here

    with pytest.raises(TracingError, match=r"test_control\.py.*# here"):
        cr.trace(f)([1.0])


@pytest.mark.parametrize(
    ("f", "x", "text"),
    [
        (lambda x: [x for _ in range(x)], 2, r"a Python integer \(range\(\), an index, a size\) n"),
        (lambda x: x if x > 0 else -x, 2.0, r"a Python condition \(if, while, and, or, not\) need"),
        (lambda x: float(x), 2.0, r"^float\(\) needs a value"),
        (lambda x: int(x), 2.0, r"^int\(\) needs a value"),
    ],
)
def test_what_asks_for_a_value_while_tracing(f: Any, x: Any, text: str) -> None:
    with pytest.raises(TracingError, match=text) as caught:
        cr.trace(f)(x)
    assert "test_control.py" in str(caught.value)
    for name in ("cr.where", "cr.cond", "cr.scan", "cr.while_loop"):
        assert name in str(caught.value)


def test_a_range_check_inside_a_scan() -> None:
    def f(labels: Any) -> Any:
        return cr.scan(lambda c, v: (c + cr.one_hot(v, 3), None), cr.zeros(3), labels)[0]

    graph = cr.trace(f)([0, 1, 1])
    assert graph([0, 1, 1]).tolist() == [1.0, 2.0, 0.0]
    with pytest.raises(ArgumentError, match="labels from 3 to 3; expected integers from 0 to 2"):
        graph([0, 3, 1])
    assert issubclass(ArgumentError, ChainruleError)
