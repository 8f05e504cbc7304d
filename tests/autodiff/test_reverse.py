from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.autodiff.reverse import pull_back, unbroadcast
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.graph import PRIMITIVES

RNG = np.random.default_rng(0)


# Paths that meet -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x + x, 2.0),
        (lambda x: x * x, 6.0),
        (lambda x: x * x * x, 27.0),
        (lambda x: (x + x) * (x + x), 24.0),
        (lambda x: cr.exp(x) - cr.exp(x), 0.0),
        (lambda x: cr.stack([x, x, x]).sum(), 3.0),
        (lambda x: cr.concatenate([x.reshape(1), x.reshape(1)]).sum(), 2.0),
        (lambda x: cr.maximum(x, x), 1.0),
        (lambda x: cr.where(x > 0, x, x), 1.0),
        (lambda x: x / x, 0.0),
    ],
)
def test_paths_that_meet_are_summed(f: Callable[..., Any], expected: float) -> None:
    x = np.array(3.0)
    assert cr.grad(f)(x).item() == expected
    assert cr.jvp(f, (x,), (np.array(1.0),))[1].item() == expected
    w = cr.Parameter(x)
    f(w).backward()
    assert w.grad.item() == expected


def test_a_ladder_of_diamonds() -> None:
    """2⁶⁰ paths, 60 nodes: each node is visited once, not each path."""

    def f(x: Any) -> Any:
        for _ in range(60):
            x = x + x
        return x

    assert cr.grad(f)(np.array(1.0)).item() == 2.0**60
    assert cr.jvp(f, (np.array(1.0),), (np.array(1.0),))[1].item() == 2.0**60


UNARY = [(cr.sin, np.sin), (cr.tanh, np.tanh), (lambda x: cr.exp(-x * x), lambda x: np.exp(-x * x)),
         (lambda x: x[::-1], lambda x: x[::-1]), (lambda x: x.sum(), lambda x: x.sum()),
         (lambda x: x**3, lambda x: x**3)]  # fmt: skip
BINARY = [(cr.add, np.add), (cr.subtract, np.subtract), (cr.multiply, np.multiply),
          (lambda x, y: x / (y * y + 1.0), lambda x, y: x / (y * y + 1.0))]  # fmt: skip


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.data())
def test_random_graphs(data: st.DataObject) -> None:
    """Random directed acyclic graphs, against the complex step, exact to the last digits."""
    count = data.draw(st.integers(1, 12))
    steps = []
    for i in range(count):
        if data.draw(st.booleans()):
            steps.append((data.draw(st.sampled_from(UNARY)), [data.draw(st.integers(0, 1 + i))]))
        else:
            two = [data.draw(st.integers(0, 1 + i)) for _ in range(2)]
            steps.append((data.draw(st.sampled_from(BINARY)), two))

    def run(kind: int, *inputs: Any) -> Any:
        values = list(inputs)
        for functions, places in steps:
            values.append(functions[kind](*[values[p] for p in places]))
            if values[-1].shape == ():
                values[-1] = values[-1] * values[0]
        return (values[-1] * values[len(values) // 2]).sum()

    xs = [np.array([0.3, -0.7]), np.array([1.1, 0.4])]
    gradients = cr.grad(lambda *xs: run(0, *xs), argnums=(0, 1))(*xs)
    for i, gradient in enumerate(gradients):
        expected = np.zeros(2)
        for k in range(2):
            moved = [x.astype(complex) for x in xs]
            moved[i][k] += 1e-30j
            expected[k] = run(1, *moved).imag / 1e-30
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-10, atol=1e-10)
        direction = [np.zeros(2), np.zeros(2)]
        direction[i] = np.ones(2)
        tangent = cr.jvp(lambda *xs: run(0, *xs), xs, direction)[1].item()
        np.testing.assert_allclose(tangent, expected.sum(), rtol=1e-9, atol=1e-9)
        w = [cr.Parameter(x) for x in xs]
        run(0, *[p.value for p in w]).backward()
        found = np.zeros(2) if w[i].grad is None else w[i].grad.numpy()
        np.testing.assert_array_equal(found, gradient.numpy())


# grad and value_and_grad ---------------------------------------------------------------------


def test_value_and_grad() -> None:
    value, gradient = cr.value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    assert value.item() == 5.0
    assert gradient.tolist() == [2.0, 4.0]
    assert not value.tracked
    assert not gradient.tracked
    assert not value.inputs


def test_argnums() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y * y + z

    assert cr.grad(f)(2.0, 3.0, 5.0).item() == 9.0
    assert cr.grad(f, argnums=1)(2.0, 3.0, 5.0).item() == 12.0
    assert cr.grad(f, argnums=-1)(2.0, 3.0, 5.0).item() == 1.0
    both = cr.grad(f, argnums=(1, 0))(2.0, 3.0, 5.0)
    assert [g.item() for g in both] == [12.0, 9.0]
    assert isinstance(cr.grad(f, argnums=[0])(2.0, 3.0, 5.0), tuple)
    for argnums in (3, -4, (0, 3)):
        with pytest.raises(
            ArgumentError, match=r"argnums: got .*; expected positions of the 3 arguments given"
        ):
            cr.grad(f, argnums=argnums)(2.0, 3.0, 5.0)


def test_keyword_arguments_are_handed_through() -> None:
    assert cr.grad(lambda x, *, scale: x * scale)(2.0, scale=3.0).item() == 3.0


def test_containers() -> None:
    tree = {"a": np.array(2.0), "b": [(np.ones(2), np.array(3.0)), None], "c": [1.0, 2.0]}

    def f(t: Any) -> Any:
        return t["a"] * t["b"][0][0].sum() * t["b"][0][1] + t["c"][1] * 2.0

    value, gradient = cr.value_and_grad(f)(tree)
    assert value.item() == 16.0
    assert gradient["a"].item() == 6.0
    assert gradient["b"][0][0].tolist() == [6.0, 6.0]
    assert gradient["b"][0][1].item() == 4.0
    assert gradient["b"][1] is None
    assert gradient["c"].tolist() == [0.0, 2.0]
    assert list(gradient) == ["a", "b", "c"]
    first, second = cr.grad(lambda t, y: t[0] * t[1] * y, argnums=(0, 1))((2.0, 3.0), 5.0)
    assert [g.item() for g in first] == [15.0, 10.0]
    assert second.item() == 6.0


def test_parameters_as_arguments() -> None:
    w = cr.Parameter([1.0, 2.0])
    assert cr.grad(lambda w: (w * w).sum())(w).tolist() == [2.0, 4.0]
    assert w.grad is None


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return y.sum(), {"y": y, "note": "kept", "shape": y.shape, "none": None}

    (value, aux), gradient = cr.value_and_grad(f, has_aux=True)([1.0, 2.0])
    assert value.item() == 5.0
    assert gradient.tolist() == [2.0, 4.0]
    assert aux["y"].tolist() == [1.0, 4.0]
    assert (aux["note"], aux["shape"], aux["none"]) == ("kept", (2,), None)
    assert not aux["y"].tracked
    assert not aux["y"].inputs


def test_aux_carries_outer_derivatives() -> None:
    def outer(x: Any) -> Any:
        (_, aux), gradient = cr.value_and_grad(lambda z: (z * z, z * z * z), has_aux=True)(x)
        return aux + gradient

    assert cr.grad(outer)(2.0).item() == 12.0 + 2.0
    w = cr.Parameter(3.0)
    (_, aux), _ = cr.value_and_grad(lambda x: (x, x * w), has_aux=True)(2.0)
    aux.backward()
    assert w.grad.item() == 2.0


def test_no_dependence_gives_zeros() -> None:
    x = np.ones((2, 3))
    assert cr.grad(lambda x: cr.tensor(1.0))(x).tolist() == np.zeros((2, 3)).tolist()
    assert cr.grad(lambda x, y: y * y, argnums=0)(x, 2.0).dtype == "float64"
    assert cr.grad(lambda x: cr.sum(x > 0) * 1.0)(x).tolist() == np.zeros((2, 3)).tolist()
    assert cr.grad(lambda x: 3.0)(1.0).item() == 0.0


def test_integers() -> None:
    assert cr.grad(lambda x: x * x)(3).item() == 6.0
    for x in (np.array([1, 2]), [1, 2], np.int64(3), True, [True]):
        with pytest.raises(
            DtypeError, match=r"argument to differentiate by: got dtype (int64|bool); expected fl"
        ):
            cr.grad(lambda x: cr.sum(x) * 1.0)(x)


def test_results_that_are_not_one_number() -> None:
    for f in (lambda x: x, lambda x: x.reshape(1, 2)):
        with pytest.raises(
            ShapeError,
            match=r"result of the function to differentiate: got shape \(.*\); expected one number,"
            r" shape \(\)\. Reduce it with \.sum\(\) or \.mean\(\), or use cr\.jacobian\.",
        ):
            cr.grad(f)([1.0, 2.0])


def test_dtypes_of_gradients() -> None:
    x32, x64 = np.ones(2, np.float32), np.ones(2)
    g32, g64 = cr.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(x32, x64)
    assert (g32.dtype, g64.dtype) == ("float32", "float64")


def test_results_hold_no_graph() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        y = cr.exp(x)
        kept.append(weakref.ref(y.data))
        return y.sum()

    value, gradient = cr.value_and_grad(f)(np.ones(3))
    gc.collect()
    assert kept[0]() is None
    assert value.item() == pytest.approx(3 * np.e)
    assert gradient.shape == (3,)


def test_grad_inside_no_grad() -> None:
    w = cr.Parameter(3.0)
    with cr.no_grad():
        gradient = cr.grad(lambda x: x * x * w)(2.0)
        assert gradient.item() == 12.0
        assert not gradient.tracked
        value, pull = cr.vjp(lambda x: x * w, 2.0)
        assert not value.tracked
        assert pull(1.0)[0].item() == 3.0

    def f(x: Any) -> Any:
        with cr.no_grad():
            y = x * x
        return x * y

    assert cr.grad(f)(2.0).item() == 4.0


# vjp -----------------------------------------------------------------------------------------


def test_vjp() -> None:
    A = RNG.standard_normal((3, 2))
    y, pull = cr.vjp(lambda x: A @ x, np.array([1.0, 2.0]))
    np.testing.assert_allclose(y.numpy(), A @ [1.0, 2.0])
    for v in np.eye(3):
        np.testing.assert_array_equal(pull(v)[0].numpy(), A.T @ v)
    assert not y.tracked


def test_vjp_of_containers() -> None:
    (total, rest), pull = cr.vjp(lambda t, y: (t["a"] * y, [t["a"] + y]), {"a": 2.0}, 3.0)
    assert (total.item(), rest[0].item()) == (6.0, 5.0)
    first, second = pull((1.0, [cr.tensor(10.0)]))
    assert first["a"].item() == 13.0
    assert second.item() == 12.0


def test_numbers_as_cotangents_and_tangents_keep_their_digits() -> None:
    x = np.array([1.0])
    assert cr.vjp(lambda x: x, x)[1]([0.1])[0].tolist() == [0.1]
    assert cr.jvp(lambda x: x, (x,), ([0.1],))[1].tolist() == [0.1]
    assert cr.vjp(lambda x: x.sum(), x)[1](0.1)[0].tolist() == [0.1]


def test_cotangents_that_do_not_fit() -> None:
    _, pull = cr.vjp(lambda x: x * x, [1.0, 2.0])
    for cotangent in (1.0, [1.0], ([1.0, 2.0], 1.0), ()):
        with pytest.raises(
            ShapeError, match=r"cotangent: got shapes \[.*\]; expected shapes \[\(2,\)\]"
        ):
            pull(cotangent)


# backward ------------------------------------------------------------------------------------


def test_backward_through_a_model() -> None:
    W, b = cr.Parameter(RNG.standard_normal((3, 2)), "W"), cr.Parameter(np.zeros(2), "b")
    x = RNG.standard_normal((5, 3))
    loss = cr.square(cr.tanh(x @ W + b)).mean()
    loss.backward()
    a = np.tanh(x @ W.numpy())
    delta = 2 * a * (1 - a * a) / a.size
    np.testing.assert_allclose(W.grad.numpy(), x.T @ delta, rtol=1e-12)
    np.testing.assert_allclose(b.grad.numpy(), delta.sum(0), rtol=1e-12)
    loss.backward()  # the graph is still there, and gradients add up
    np.testing.assert_allclose(b.grad.numpy(), 2 * delta.sum(0), rtol=1e-12)


def test_backward_with_a_cotangent() -> None:
    w = cr.Parameter([1.0, 2.0])
    (w * w).backward([1.0, 10.0])
    assert w.grad.tolist() == [2.0, 40.0]
    with pytest.raises(
        ShapeError, match=r"gradient: got shapes \[\(\)\]; expected shapes \[\(2,\)\]"
    ):
        (w * w).backward(1.0)


def test_backward_of_a_parameter_itself() -> None:
    w = cr.Parameter(2.0)
    w.backward()
    assert w.grad.item() == 1.0


def test_backward_errors() -> None:
    w = cr.Parameter([1.0, 2.0])
    with pytest.raises(
        ShapeError,
        match=r"backward\(\): got a tensor of shape \(2,\); expected one number, shape \(\)\. .*"
        r" or give backward\(\) a cotangent",
    ):
        (w * w).backward()
    with cr.no_grad():
        silent = (w * w).sum()
    for loss in (silent, cr.tensor(1.0), cr.sum(w > 0)):
        with pytest.raises(
            ArgumentError,
            match=r"backward\(\): got a tensor that was computed from no parameter, or inside "
            r"cr\.no_grad\(\); expected one computed from a cr\.Parameter\. .*cr\.grad\.",
        ):
            loss.backward()


# Only what is wanted -------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Count the calls of the rules of matmul and tanh, argument by argument."""
    counts: dict[str, list[int]] = {}
    for name in ("matmul", "tanh"):
        primitive = PRIMITIVES[name]
        rules = primitive.vjp
        counts[name] = [0] * len(rules)

        def counting(rule: Any, name: str, i: int) -> Any:
            def call(*args: Any, **attrs: Any) -> Any:
                counts[name][i] += 1
                return rule(*args, **attrs)

            return call

        monkeypatch.setattr(
            primitive, "_vjp", tuple(counting(rule, name, i) for i, rule in enumerate(rules))
        )
    return counts


def model(x: Any, W: Any, V: Any) -> Any:
    return (cr.tanh(x @ W) @ V).sum()


def test_grad_computes_only_what_is_wanted(calls: dict[str, list[int]]) -> None:
    x, W, V = np.ones((2, 3)), cr.Parameter(np.ones((3, 3))), cr.Parameter(np.ones((3, 1)))
    cr.grad(lambda x: model(x, W, V))(x)
    assert calls == {"matmul": [2, 0], "tanh": [1]}  # no weight gradients
    assert W.grad is None
    calls["matmul"][:] = [0, 0]
    cr.grad(model, argnums=2)(x, W, V)
    assert calls == {"matmul": [0, 1], "tanh": [1]}  # nothing behind the last layer


def test_backward_computes_nothing_for_data(calls: dict[str, list[int]]) -> None:
    x, W, V = np.ones((2, 3)), cr.Parameter(np.ones((3, 3))), cr.Parameter(np.ones((3, 1)))
    model(x, W, V).backward()
    assert calls == {"matmul": [1, 2], "tanh": [1]}  # no gradient by x
    W.trainable = False
    calls["matmul"][:] = [0, 0]
    model(x, W, V).backward()
    assert calls == {"matmul": [0, 1], "tanh": [1]}  # W is frozen: nothing before V


def test_a_plain_gradient_records_nothing() -> None:
    x = np.ones(3)
    seen: list[bool] = []

    def f(z: Any) -> Any:
        return cr.exp(z).sum()

    gradient = cr.grad(f)(x)
    seen.append(gradient.tracked)
    w = cr.Parameter(2.0)
    seen.append(cr.grad(lambda z: (cr.exp(z) * w).sum())(x).tracked)
    assert seen == [False, True]


# The driver ----------------------------------------------------------------------------------


def test_pull_back_keeps_what_is_asked_for() -> None:
    w = cr.Parameter(2.0)
    a = w * w
    b = cr.exp(a)
    one = cr.ones(())
    assert set(pull_back([b], [one])) == {w.value}
    assert {w.value, a, b} <= set(pull_back([b], [one], keep=True))
    assert set(pull_back([b], [one], [a])) == {a}
    assert pull_back([cr.tensor(1.0)], [one]) == {}


def test_several_outputs() -> None:
    w = cr.Parameter(3.0)
    a = w * w
    found = pull_back([a, a, w.value], [cr.ones(()), cr.ones(()) * 10.0, cr.ones(()) * 100.0])
    assert found[w.value].item() == 11 * 6 + 100


@pytest.mark.parametrize(
    ("full", "shape"),
    [((2, 3), ()), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), (1, 1)), ((0, 3), (1, 3)),
     ((4, 2, 3), (2, 1)), ((0, 2), ()), ((2, 3), (2, 3))],
)  # fmt: skip
def test_unbroadcast_is_the_transpose_of_broadcasting(full: Any, shape: Any) -> None:
    g, x = RNG.standard_normal(full), np.asarray(RNG.standard_normal(shape))
    found = unbroadcast(cr.tensor(g), shape)
    assert found.shape == shape
    np.testing.assert_allclose(np.vdot(found.numpy(), x), np.vdot(g, np.broadcast_to(x, full)))


# Jacobians and Hessians ----------------------------------------------------------------------

A = RNG.standard_normal((3, 2))


def test_jacobian() -> None:
    x = np.array([0.5, -1.0])
    found = cr.jacobian(lambda x: cr.tanh(A @ x))(x)
    y = np.tanh(A @ x)
    np.testing.assert_allclose(found.numpy(), (1 - y * y)[:, None] * A, rtol=1e-14)
    assert not found.tracked
    by_second = cr.jacobian(lambda s, x: s * (A @ x), argnums=-1)(2.0, x)
    np.testing.assert_allclose(by_second.numpy(), 2 * A, rtol=1e-14)


def test_jacobian_shapes() -> None:
    X = RNG.standard_normal((2, 3))
    assert cr.jacobian(lambda x: x.sum())(X).shape == (2, 3)
    assert cr.jacobian(lambda s: s * cr.ones((4, 1)))(1.0).shape == (4, 1)
    product = cr.jacobian(lambda x: x @ np.eye(3))(X)
    np.testing.assert_array_equal(product.numpy().reshape(6, 6), np.eye(6))
    assert cr.jacobian(lambda x: x[:, :0])(X).shape == (2, 0, 2, 3)
    assert cr.jacobian(lambda x: cr.ones(2))(X).tolist() == np.zeros((2, 2, 3)).tolist()
    assert cr.jacobian(lambda x: cr.concatenate([x, x]))(np.zeros(0)).shape == (0, 0)
    with pytest.raises(
        ArgumentError, match=r"argument to differentiate by: got 2 arrays; expected one array"
    ):
        cr.jacobian(lambda t: t[0] * t[1])((1.0, 2.0))


def test_hessian_of_a_quadratic_form() -> None:
    M = RNG.standard_normal((4, 4))
    found = cr.hessian(lambda x: x @ M @ x)(RNG.standard_normal(4))
    np.testing.assert_allclose(found.numpy(), M + M.T, rtol=1e-13)


def test_hessian_of_rosenbrocks_function() -> None:
    def f(v: Any) -> Any:
        return (1 - v[0]) ** 2 + 100 * (v[1] - v[0] ** 2) ** 2

    x, y = 0.7, -0.4
    expected = [[2 - 400 * y + 1200 * x * x, -400 * x], [-400 * x, 200]]
    np.testing.assert_allclose(cr.hessian(f)(np.array([x, y])).numpy(), expected, rtol=1e-13)
    assert cr.hessian(lambda s, v: s * f(v), argnums=1)(2.0, np.array([x, y])).shape == (2, 2)


def test_hessian_of_logsumexp() -> None:
    x = RNG.standard_normal(5)
    p = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(
        cr.hessian(cr.logsumexp)(x).numpy(), np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-15
    )


# Depth ---------------------------------------------------------------------------------------

DEPTH = 100_000


def chain(x: Any) -> Any:
    for _ in range(DEPTH):
        x = x + 1e-6
    return x


def test_a_deep_chain_backward_and_freed() -> None:
    w = cr.Parameter(1.0)
    y = chain(w)
    y.backward()
    assert w.grad.item() == 1.0
    last, middle = weakref.ref(y.data), weakref.ref(y.inputs[0].inputs[0].data)
    del y
    gc.collect()
    assert last() is None
    assert middle() is None


def test_a_deep_chain_by_grad_and_trace() -> None:
    assert cr.grad(lambda x: chain(x) * x)(np.array(2.0)).item() == pytest.approx(4.1)
    graph = cr.trace(chain)(1.0)
    assert len(graph.nodes) == DEPTH
    assert graph(1.0).item() == pytest.approx(1.1, rel=1e-2)
    assert len(str(graph).splitlines()) == DEPTH + 3


def test_a_deep_chain_to_second_order() -> None:
    def f(x: Any) -> Any:
        for _ in range(DEPTH // 10):
            x = cr.sin(x)
        return x

    second = cr.grad(cr.grad(f))(np.array(1.0)).item()
    a, b = (cr.grad(f)(np.array(1.0 + h)).item() for h in (1e-6, -1e-6))
    assert second == pytest.approx((a - b) / 2e-6, rel=1e-4)
