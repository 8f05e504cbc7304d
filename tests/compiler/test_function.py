"""cr.compile: one compilation a signature, any number of rows, the same results and errors."""

from __future__ import annotations

import functools
import traceback
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.function import CompiledFunction
from chainrule.core.errors import ArgumentError, ShapeError, TracingError
from chainrule.core.tree import leaves

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 3)).astype(np.float32)
W = RNG.normal(size=(3, 2)).astype(np.float32)


def agree(found: Any, expected: Any, rtol: float = 1e-5) -> None:
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-6)


def layer(x: Any, w: Any) -> Any:
    return cr.relu(x @ w).sum(axis=1)


# Signatures ------------------------------------------------------------------------------------


def test_any_number_of_rows_is_one_compilation() -> None:
    fast = cr.compile(layer)
    for n in (32, 1, 2, 7, 3, 500, 0, 32):
        x = RNG.normal(size=(n, 3)).astype(np.float32)
        agree(fast(x, W), layer(x, W))
    assert len(fast.compilations) == 1


@pytest.mark.parametrize("first", [1, 2, 3])
def test_whatever_number_of_rows_comes_first(first: int) -> None:
    fast = cr.compile(layer)
    for n in (first, 32, 1, 5):
        x = RNG.normal(size=(n, 3)).astype(np.float32)
        agree(fast(x, W), layer(x, W))
    assert len(fast.compilations) == 1


def test_a_mean_over_rows_follows_their_number() -> None:
    def f(x: Any) -> Any:
        return cr.square(x - x.mean(axis=0)).mean(), cr.arange(len(x)), cr.ones(len(x)) / len(x)

    fast = cr.compile(f)
    for n in (32, 8, 3, 1):
        agree(fast(X[:n]), f(X[:n]))
    assert len(fast.compilations) == 1


def test_a_function_that_treats_a_number_of_rows_apart() -> None:
    def f(x: Any) -> Any:
        return x.sum() if len(x) == 2 else (x * 2.0).sum()

    fast = cr.compile(f)
    for n in (5, 2, 3, 2, 7):
        agree(fast(X[:n]), f(X[:n]))
    assert len(fast.compilations) == 2
    assert fast.compilations[1].reasons == [
        "the function does something else at 2 rows (compilation 1)"
    ]


def test_rows_that_a_threshold_tells_apart() -> None:
    def f(x: Any) -> Any:
        return x.sum() if len(x) > 20 else x.mean()

    fast = cr.compile(f)
    for n in (5, 2, 30, 19, 21, 20):
        agree(fast(X[:n]), f(X[:n]))
    assert len(fast.compilations) == 2


def test_rows_that_meet_another_size() -> None:
    def f(x: Any) -> Any:
        return x @ x.T + cr.eye(len(x))  # both axes of the result follow the rows

    fast = cr.compile(f)
    for n in (4, 3, 9):
        agree(fast(X[:n]), f(X[:n]))
    assert len(fast.compilations) == 1


def test_weights_of_as_many_rows_as_the_data() -> None:
    """The rows are found although the hidden size is the number of rows."""

    def f(w: Any, v: Any, x: Any) -> Any:
        return cr.tanh(x @ w) @ v

    w, v = np.ones((3, 4), np.float32), np.ones((4, 1), np.float32)
    fast = cr.compile(f)
    for n in (4, 5, 6, 7):
        agree(fast(w, v, X[:n]), f(w, v, X[:n]))
    assert len(fast.compilations) == 1


def test_another_dtype_or_inner_shape_is_exactly_one_more() -> None:
    fast = cr.compile(layer)
    fast(X, W)
    fast(X.astype(np.float64), W)
    assert len(fast.compilations) == 2
    assert fast.compilations[1].reasons == ["x is float64[n,3], was float32[n,3] (compilation 1)"]
    fast(X[:, :2], W[:2])
    assert len(fast.compilations) == 3
    assert fast.compilations[2].reasons == [
        "x is float32[n,2], was float32[n,3] (compilation 1)",
        "w is float32[2,2], was float32[3,2] (compilation 1)",
    ]
    fast(X, W)
    fast(X[:4].astype(np.float64), W)
    assert len(fast.compilations) == 3


def test_numbers_are_inputs() -> None:
    def f(x: Any, rate: float, count: int) -> Any:
        return x * rate + rate / 3 - (1 - rate) * count, cr.exp(rate), -x + -count

    fast = cr.compile(f)
    for kind in (np.float32, np.float64):
        for rate, count in ((0.1, 3), (0.2, 4), (1e-9, 0)):
            x = X.astype(kind)
            agree(fast(x, rate, count), f(x, rate, count), rtol=1e-6)
    assert len(fast.compilations) == 2


def test_a_weak_number_keeps_its_digits() -> None:
    x = np.ones(3)
    assert cr.compile(lambda x, k: x * k)(x, 0.1).tolist() == [0.1] * 3


@pytest.mark.parametrize(
    "f",
    [
        lambda x, k: x.sum(axis=k),
        lambda x, k: cr.concatenate([x] * (k + 1)),
        lambda x, k: sum(x[i] for i in range(k)) if k else x,
        lambda x, k: x if k > 0 else -x,
        lambda x, k: x[:, k],
    ],
)
def test_numbers_whose_values_are_needed_count_by_value(f: Any) -> None:
    fast = cr.compile(f)
    for k in (0, 1, 0, 1):
        agree(fast(X, k), f(X, k))
    assert len(fast.compilations) <= 2
    for reason in (c.reasons[0] for c in fast.compilations[1:]):
        assert reason == "k, whose value the function needs, is 1, was 0 (compilation 1)"


def test_text_bools_and_objects_count_by_what_they_are() -> None:
    def f(x: Any, training: bool, how: str = "sum", layer: Any = None) -> Any:
        y = getattr(x, how)()
        return y * 2.0 if training else y

    fast = cr.compile(f)
    for training in (True, False, True):
        for how in ("sum", "mean"):
            agree(fast(X, training, how=how), f(X, training, how=how))
    assert len(fast.compilations) == 4
    assert "training is False, was True (compilation 1)" in fast.compilations[2].reasons


def test_true_is_not_one() -> None:
    fast = cr.compile(lambda x, k: x * 3.0 if k is True else x)
    assert fast(1.0, 1).item() == 1.0
    assert fast(1.0, True).item() == 3.0


def test_containers() -> None:
    def f(batch: Any, *rest: Any, **options: Any) -> Any:
        return {"s": batch["x"] + batch["y"][0], "n": None, "t": "text", "r": rest[0][0]}, options

    fast = cr.compile(f)
    arguments = ({"x": X, "y": (X, 2.0)}, [X[:1], X])
    found, options = fast(*arguments, z=X)
    expected, _ = f(*arguments, z=X)
    agree([found["s"], found["r"], options["z"]], [expected["s"], expected["r"], X])
    assert (found["n"], found["t"]) == (None, "text")
    assert list(found) == ["s", "n", "t", "r"]


def test_array_likes() -> None:
    fast = cr.compile(lambda x: x * 2.0)
    for x in ([1.0, 2.0], np.array([1.0, 2.0], np.float32), cr.tensor([1.0, 2.0])):
        assert fast(x).tolist() == [2.0, 4.0]
    assert len(fast.compilations) == 1


def test_methods_partials_and_decorators() -> None:
    class Scaler:
        def __init__(self, scale: float) -> None:
            self.scale = cr.Parameter(scale)

        @cr.compile
        def __call__(self, x: Any) -> Any:
            """Scale."""
            return x * self.scale

        def plain(self, x: Any) -> Any:
            return x * self.scale

    two, three = Scaler(2.0), Scaler(3.0)
    assert two(5.0).item() == 10.0
    assert three(5.0).item() == 15.0
    fast = cr.compile(two.plain)
    assert fast(5.0).item() == 10.0
    assert cr.compile(functools.partial(two.plain))(5.0).item() == 10.0
    assert cr.compile(fast) is fast
    assert Scaler.__call__.__doc__ == "Scale."


def test_what_is_not_a_function() -> None:
    with pytest.raises(ArgumentError, match=r"^f: got a float; expected a function\.$"):
        cr.compile(3.0)  # type: ignore[arg-type]


# Parameters ------------------------------------------------------------------------------------


def test_parameters_are_inputs_and_outputs() -> None:
    w, count = cr.Parameter(W, "w"), cr.Parameter(0, "count")

    def step(x: Any) -> Any:
        count.assign(count + 1)
        w.assign(w * 0.5)
        return (x @ w).sum()

    fast = cr.compile(step)
    old = w.value
    first = fast(X).item()
    assert np.isclose(first, (X @ (W * 0.5)).sum(), rtol=1e-5)
    np.testing.assert_array_equal(old.numpy(), W)  # a tensor does not change
    fast(X)
    assert count.item() == 2
    np.testing.assert_allclose(w.numpy(), W * 0.25)
    w.assign(W)  # from outside
    assert fast(X).item() == first
    assert len(fast.compilations) == 1


def test_a_training_step_by_hand() -> None:
    def step_of(w: cr.Parameter) -> Any:
        def step(x: Any, rate: float) -> Any:
            w.grad = None
            loss = cr.square(x @ w - 1.0).mean()
            loss.backward()
            with cr.no_grad():
                w.assign(w - rate * w.grad)
            return loss

        return step

    eager, static = cr.Parameter(W, "w"), cr.Parameter(W, "w")
    slow, fast = step_of(eager), cr.compile(step_of(static))
    for i in range(10):
        agree(fast(X[: 32 - i], 0.1 / (i + 1)), slow(X[: 32 - i], 0.1 / (i + 1)))
    agree(static.value, eager.value)
    agree(static.grad, eager.grad)
    assert len(fast.compilations) == 1


def test_gradients_accumulate_as_in_eager_execution() -> None:
    w = cr.Parameter([1.0, 2.0], "w")

    def add_gradient(x: Any) -> None:
        (w * x).sum().backward()

    fast = cr.compile(add_gradient)
    for expected in ([1.0, 1.0], [2.0, 2.0], [3.0, 3.0]):
        fast(cr.ones(2))
        assert w.grad is not None
        assert w.grad.tolist() == expected
    assert len(fast.compilations) == 2
    assert fast.compilations[1].reasons == ["w.grad is there, was None (compilation 1)"]


def test_schedules_seeds_and_learning_rates_do_not_compile_again() -> None:
    w = cr.Parameter(W, "w")
    optimizer = cr.optim.Adam(cr.optim.schedules.CosineDecay(0.1, 50))
    dropout = cr.Dropout(0.5)

    def step(x: Any) -> Any:
        return optimizer.minimize(lambda: cr.square(dropout(x @ w, training=True)).mean(), [w])

    fast = cr.compile(step)
    for i in range(6):
        fast(X)
        cr.random.seed(i)
    assert len(fast.compilations) == 1


def test_draws_are_those_of_eager_execution() -> None:
    def draw(x: Any) -> Any:
        return x + cr.random.normal(shape=(3,)), cr.random.uniform(shape=(2, 2))

    fast = cr.compile(draw)
    cr.random.seed(7)
    expected = [draw(1.0), draw(1.0)]
    cr.random.seed(7)
    agree([fast(1.0), fast(1.0)], expected)


def test_freezing_a_parameter_compiles_again() -> None:
    w = cr.Parameter(W, "w")
    fast = cr.compile(lambda x: (x @ w).sum())
    fast(X)
    w.trainable = False
    fast(X)
    assert fast.compilations[1].reasons == [
        "w is float32[3,2], was float32[3,2], trained (compilation 1)"
    ]


# What is read from outside ----------------------------------------------------------------------


def test_a_closure_variable_that_changes() -> None:
    scale: Any = 2.0
    fast = cr.compile(lambda x: x * scale)
    assert fast(1.0).item() == 2.0
    scale = 3.0
    assert fast(1.0).item() == 3.0
    assert fast.compilations[1].reasons == [
        "scale, read from outside, is 3.0, was 2.0 (compilation 1)"
    ]
    scale = cr.tensor(4.0)
    assert fast(1.0).item() == 4.0


SCALE: Any = 2.0


def test_a_global_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = cr.compile(lambda x: x * SCALE)
    assert fast(1.0).item() == 2.0
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    assert fast(1.0).item() == 5.0


# Derivatives -----------------------------------------------------------------------------------


def f_of(w: Any, x: Any) -> Any:
    return cr.tanh(x @ w).sum()


@pytest.mark.parametrize(
    "transform",
    [
        cr.grad,
        lambda f: cr.grad(f, argnums=(0, 1)),
        cr.hessian,
        lambda f: cr.grad(lambda w, x: cr.square(cr.grad(f)(w, x)).sum()),
        lambda f: lambda w, x: cr.jvp(f, (w, x), (w * 0.1, x)),
        lambda f: lambda w, x: cr.jvp(cr.grad(f), (w, x), (w * 0.1, x)),
        lambda f: lambda w, x: cr.vjp(f, w, x)[1](2.0),
    ],
)
def test_derivatives_inside_and_outside(transform: Any) -> None:
    w, x = cr.tensor(W.astype(np.float64)), X[:5].astype(np.float64)
    expected = transform(f_of)(w, x)
    agree(transform(cr.compile(f_of))(w, x), expected)
    agree(cr.compile(transform(f_of))(w, x), expected)
    agree(cr.compile(transform(cr.compile(f_of)))(w, x), expected)


def test_backward_through_a_compiled_function() -> None:
    w = cr.Parameter(W, "w")
    fast = cr.compile(lambda x: cr.square(x @ w).mean())
    for n in (32, 5, 9):
        w.grad = None
        fast(X[:n]).backward()
        expected = 2 * X[:n].T @ (X[:n] @ W) / (n * 2)
        assert w.grad is not None
        np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-4)
    assert len(fast.compilations) == 1


def test_no_grad_is_kept() -> None:
    w = cr.Parameter(W, "w")
    fast = cr.compile(lambda x: (x @ w).sum())
    assert fast(X).tracked
    with cr.no_grad():
        assert not fast(X).tracked


def test_gradients_stop_where_they_do_in_eager_execution() -> None:
    def f(w: Any) -> Any:
        with cr.no_grad():
            target = w * 2.0
        return (w * target * cr.stop_gradient(w)).sum()

    w = cr.tensor(W)
    expected = cr.grad(f)(w)
    agree(cr.grad(cr.compile(f))(w), expected)
    agree(cr.compile(cr.grad(f))(w), expected)
    agree(cr.grad(lambda w: cr.compile(f)(w) * 2.0)(w), expected * 2.0)


def test_a_compiled_function_inside_another() -> None:
    inner = cr.compile(lambda x: cr.exp(x))
    outer = cr.compile(lambda x: cr.log(1.0 + inner(x)))
    x = np.float32(100.0)
    assert np.isfinite(outer(x).item())
    assert [n.primitive.name for n in outer.graph(x).nodes if n.primitive] == ["softplus"]
    assert not inner.compilations


# Errors ----------------------------------------------------------------------------------------


def test_shape_errors_are_those_of_eager_execution() -> None:
    def broken(x: Any) -> Any:
        y = cr.multiply(x, 2.0)
        return y @ y  # the users line

    with pytest.raises(ShapeError) as eager:
        broken(X)
    with pytest.raises(ShapeError) as static:
        cr.compile(broken)(X)
    assert str(static.value) == str(eager.value)
    assert "the users line" in "".join(traceback.format_exception(static.value))


def test_errors_while_running_show_the_users_line() -> None:
    table = cr.tensor(np.arange(4.0))

    def look_up(i: Any) -> Any:
        return cr.gather(table, i) * 2.0  # the users line

    fast = cr.compile(look_up)
    assert fast(np.array([1, 2])).tolist() == [2.0, 4.0]
    with pytest.raises(IndexError) as eager:
        look_up(np.array([1, 7]))
    with pytest.raises(IndexError) as static:
        fast(np.array([1, 7]))
    assert str(static.value) == str(eager.value)
    assert "the users line" in "".join(traceback.format_exception(static.value))
    assert fast(np.array([3])).tolist() == [6.0]  # nothing is broken


def test_checks_of_values_stay() -> None:
    fast = cr.compile(lambda labels: cr.one_hot(labels, 3))
    assert fast(np.array([0, 2])).shape == (2, 3)
    with pytest.raises(ArgumentError, match="labels from 1 to 3; expected integers from 0 to 2"):
        fast(np.array([1, 3]))


def test_conditions_on_values_say_what_to_write() -> None:
    with pytest.raises(TracingError, match=r"cr\.where.*cr\.cond.*cr\.scan or cr\.while_loop"):
        cr.compile(lambda x: x if x.sum() > 0 else -x)(X)


def test_a_failed_call_changes_nothing() -> None:
    w, table = cr.Parameter(1.0, "w"), cr.tensor([1.0])

    def step(i: Any) -> Any:
        w.assign(w * 2.0)
        return cr.gather(table, i)

    fast = cr.compile(step)
    with pytest.raises(IndexError):
        fast(np.array([3]))
    assert w.item() == 1.0


# Results are nobody else's ---------------------------------------------------------------------


def test_results_stay_as_they_are() -> None:
    fast = cr.compile(lambda x: (x * 2.0, x, x.T, x + 1.0))
    first = [np.array(y) for y in fast(X)]
    kept = fast(X)
    fast(X * 5.0)
    agree(kept, first)


def test_an_input_that_is_changed_afterwards() -> None:
    x = X.copy()
    fast = cr.compile(lambda x: x)
    y = fast(x)
    x[:] = 0.0
    np.testing.assert_array_equal(y.numpy(), X)


def test_explanation() -> None:
    fast = cr.compile(layer)
    assert str(fast.explain()) == "layer is not compiled yet: it was not called."
    fast(X, W)
    fast(X.astype(np.float64), W)
    found = fast.explain()
    assert found["engine"] == "numpy"
    first, second = found["compilations"]
    assert first["reasons"] == ["the first call"]
    assert first["signature"] == {"x": "float32[n,3]", "w": "float32[3,2]"}
    assert first["rows"] == "any"
    assert set(first["seconds"]) == {"trace", "optimize", "plan"}
    assert first["flops"] == sum(kernel["flops"] for kernel in first["kernels"])
    assert sum(len(k["operations"]) for k in first["kernels"]) == first["nodes_rewritten"]
    assert second["reasons"] == ["x is float64[n,3], was float32[n,3] (compilation 1)"]
    text = str(found)
    for part in ("compiled 2 times", "any number n", "matmul", "arena", "traced"):
        assert part in text
    assert "<pre>" in found._repr_html_()
    assert repr(found) == text


def test_explanation_is_of_what_runs_most() -> None:
    fast = cr.compile(layer)
    for n in (3, 32, 32, 3, 32, 1):
        fast(X[:n], W)
    (found,) = fast.explain()["compilations"]
    assert found["rows_shown"] == 32
    assert found["flops"] == 32 * (2 * 2 * 3 + 2 + 2)


def test_explanation_of_gradients_from_outside() -> None:
    fast = cr.compile(f_of)
    cr.grad(fast)(cr.tensor(W), X)
    cr.grad(fast)(cr.tensor(W), X[:3])
    (found,) = fast.explain()["compilations"]
    (pull,) = found["pull_backs"]
    assert len(pull["compilations"]) == 1
    assert "pull: compiled once" in str(fast.explain())
    fast(cr.tensor(W), X[:2])
    assert fast.explain()["compilations"][1]["reasons"] == [
        "gradients do not flow through w now (compilation 1)"
    ]


def test_graph_of_a_call() -> None:
    assert isinstance(cr.compile(layer), CompiledFunction)
    assert "matmul(x, w)" in str(cr.compile(layer).graph(X, W))


# What a stranger tried -------------------------------------------------------------------------


def test_slices_and_sets_count_by_all_that_they_are() -> None:
    fast = cr.compile(lambda x, s: x[s])
    for s in (slice(0, 4, 1), slice(0, 4, 2), slice(None, None, -1)):
        agree(fast(X, s), X[s])
    both = cr.compile(lambda x, k: x * 2.0 if next(iter(k)) is True else x)
    assert both(1.0, frozenset([1])).item() == 1.0
    assert both(1.0, frozenset([True])).item() == 2.0


def test_what_methods_closures_and_helpers_read_is_watched() -> None:
    class Scaler:
        def __init__(self) -> None:
            self.k = 2.0

        def f(self, x: Any) -> Any:
            return x * self.k

        @cr.compile
        def g(self, x: Any) -> Any:
            return x * self.k

    scaler = Scaler()
    fast = cr.compile(scaler.f)
    assert (fast(1.0).item(), scaler.g(1.0).item()) == (2.0, 2.0)
    scaler.k = 3.0
    assert (fast(1.0).item(), scaler.g(1.0).item()) == (3.0, 3.0)
    assert "Scaler.k, read from outside, is 3.0, was 2.0" in fast.compilations[1].reasons[0]
    assert len(scaler.g.explain()["compilations"]) == 2

    numbers, table = [2.0], {"w": np.array([1.0, 2.0], np.float32)}

    def helper(x: Any) -> Any:
        return x * numbers[0] + table["w"]

    outer = cr.compile(lambda x: helper(x))
    assert outer(1.0).tolist() == [3.0, 4.0]
    numbers[0] = 3.0
    assert outer(1.0).tolist() == [4.0, 5.0]
    table["w"][0] = 5.0
    assert outer(1.0).tolist() == [8.0, 5.0]


def test_what_tracing_itself_changes_is_said() -> None:
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def f(self, x: Any) -> Any:
            self.n += 1
            return x * 2.0

    fast = cr.compile(Counter().f)
    with pytest.warns(UserWarning, match=r"while it is traced, f changes Counter\.n: the graph"):
        fast(1.0)
    fast(2.0)
    assert len(fast.compilations) == 1


def test_second_derivatives_outside_a_function_of_fixed_sizes() -> None:
    def f(z: Any) -> Any:
        return cr.sin(z[:, None] * z[None, :]).reshape(-1).sum()

    z = cr.tensor(np.linspace(0.1, 1.0, 5))
    agree(cr.jacobian(cr.grad(cr.compile(f)))(z), cr.hessian(f)(z))


def test_sizes_below_those_at_which_it_is_tried() -> None:
    def f(x: Any) -> Any:
        return (x[10:] * cr.ones((max(len(x) - 10, 0), 3))).sum()

    fast = cr.compile(f)
    for n in (4, 20, 4, 30):
        agree(fast(X[:n]), f(X[:n]))


def test_numpy_scalars_and_lists_of_integers() -> None:
    x = cr.tensor(X)
    fast = cr.compile(lambda x, rate: x - rate * x)
    for rate in np.linspace(0.1, 0.5, 4):
        agree(fast(x, rate), x - rate * x)
    assert len(fast.compilations) == 1
    assert cr.compile(lambda x, k: x[:k])(X, np.int64(3)).shape == (3, 3)
    assert cr.compile(lambda x, k: x if k else -x)(X, np.bool_(False)).tolist() == (-X).tolist()
    assert cr.compile(lambda x, shape: x.reshape(shape))(X, [3, 32]).shape == (3, 32)
    assert cr.compile(lambda x, n: x * n)(1.5, 2**70).item() == pytest.approx(1.5 * 2.0**70)


def test_only_the_number_whose_value_is_needed_counts_by_value() -> None:
    fast = cr.compile(lambda x, rate, n: sum(x * rate for _ in range(n)))
    for i in range(5):
        assert fast(1.0, 0.1 * i, 3).item() == pytest.approx(0.3 * i)
    assert len(fast.compilations) == 1
    fast(1.0, 0.1, 4)
    assert len(fast.compilations) == 2


def test_an_error_of_the_users_is_raised_and_forgotten() -> None:
    is_broken = True

    def f(x: Any, rate: float) -> Any:
        if is_broken:
            raise RuntimeError("not now")
        return x * rate

    fast = cr.compile(f)
    with pytest.raises(RuntimeError, match="not now"):
        fast(X, 0.1)
    is_broken = False
    for i in range(4):
        fast(X, 0.1 * i)
    assert len(fast.compilations) == 1


def test_errors_in_gradients_show_the_users_line() -> None:
    def g(x: Any, i: Any) -> Any:
        h = x * 2.0
        return (h[i] + 1.0).sum()  # the line of the gather

    with pytest.raises(IndexError) as static:
        cr.compile(cr.grad(g))(cr.ones((3, 4)), cr.tensor([0, 7]))
    assert "the line of the gather" in "".join(traceback.format_exception(static.value))


def test_containers_keep_their_classes() -> None:
    from collections import defaultdict

    class Named(dict[str, Any]):
        def __getattr__(self, name: str) -> Any:
            return self[name]

    class Pair(tuple[Any, ...]):
        def total(self) -> Any:
            return self[0] + self[1]

    assert cr.compile(lambda d: d["x"] + d["missing"])(defaultdict(float, x=1.0)).item() == 1.0
    assert cr.compile(lambda d: d.x * 2.0)(Named(x=1.0)).item() == 2.0
    assert cr.compile(lambda p: p.total())(Pair((1.0, 2.0))).item() == 3.0


def test_numbers_that_look_alike() -> None:
    import math

    fast = cr.compile(lambda x, k: x * math.copysign(1.0, k))
    assert [fast(1.0, k).item() for k in (0.0, -0.0, 0.0)] == [1.0, -1.0, 1.0]
    nan = cr.compile(lambda x, k: x if math.isnan(k) else -x)
    assert [nan(1.0, float("nan")).item() for _ in range(3)] == [1.0] * 3
    assert len(nan.compilations) == 1


def test_generators_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"a generator, which has not run yet.*Return list"):
        cr.compile(lambda x: (x * i for i in range(3)))(1.0)


def test_many_compilations_are_reported() -> None:
    fast = cr.compile(lambda x, name: x * len(name))
    for i in range(31):
        fast(1.0, "a" * i)
    with pytest.warns(UserWarning, match=r"compiled for the 32th time, because name is"):
        fast(1.0, "b")
    fast(1.0, "c")


def test_compiled_functions_can_be_pickled() -> None:
    import pickle

    fast = cr.compile(layer)
    fast(X, W)
    again = pickle.loads(pickle.dumps(fast))  # noqa: S301
    agree(again(X, W), layer(X, W))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, n: x * (n in {3, 4}),
        lambda x, n: x * {3: 2.0}.get(n, 1.0),
        lambda x, n: x * isinstance(n, int),
        lambda x, n: x * n.bit_length() if isinstance(n, int) else x,
        lambda x, n: x * {"3": 2.0}.get(str(n), 9.0),
        lambda x, n: x * len(f"{n}"),
        lambda x, n: x * len(f"{n!r}"),
        lambda x, n: x * np.sqrt(n),
        lambda x, n: x * np.exp(-n),
        lambda x, n: x * (n**2 + abs(n)),
        lambda x, n: x**n,
        lambda x, n: n**x,
        lambda x, n: np.multiply(x, n),
    ],
)
def test_whatever_is_done_with_a_number(f: Any) -> None:
    x = cr.tensor(np.array([1.0, 2.0]))
    for n in (3, 4, 3):
        agree(cr.compile(f)(x, n), f(x, n), rtol=1e-13)


@pytest.mark.parametrize(
    ("f", "n"),
    [
        (lambda x, n: cr.reshape(x, (n, -1)), 3),
        (lambda x, n: cr.split(x, n)[0], 9),
        (lambda x, n: x * [1.0, 2.0][n], 2),
        (lambda x, n: x + cr.tensor(np.arange(n + 8.0)), 2),
        (lambda x, n: sum(x for _ in range(n)), 2.0),
    ],
)
def test_errors_about_numbers_are_those_of_eager_execution(f: Any, n: Any) -> None:
    x = cr.tensor(np.arange(8.0))
    with pytest.raises(Exception) as eager:  # noqa: PT011 - whichever it is
        f(x, n)
    with pytest.raises(type(eager.value)) as static:
        cr.compile(f)(x, n)
    assert str(static.value) == str(eager.value)
