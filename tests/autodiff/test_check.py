from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.check import GradientError, check_grads, numerical_jvp
from chainrule.core.errors import ChainruleError
from chainrule.core.graph import Primitive
from chainrule.core.tensor import Tensor, bind


def wrong(name: str, vjp: Any, jvp: Any) -> Primitive:
    """Return x³ with rules of our choice."""
    return Primitive(
        name, eval=lambda x: x**3, type_rule=lambda x: x, vjp=(vjp,), jvp=jvp, is_elementwise=True
    )


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("chainrule.core.graph.PRIMITIVES", {})
    return


def right_vjp(g: Tensor, ans: Tensor, x: Tensor) -> Tensor:
    return g * 3.0 * cr.square(x)


def right_jvp(ts: Any, ans: Tensor, x: Tensor) -> Tensor:
    return right_vjp(ts[0], ans, x)


X = [np.array([0.5, -1.5, 2.0])]


@pytest.mark.parametrize("x", [np.array(0.5), np.array([0.5, -1.5]), np.zeros((0, 2)), 0.5, [0.5]])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_accepts_right_rules(x: Any, order: int) -> None:
    cube = wrong("cube", right_vjp, right_jvp)
    check_grads(lambda x: bind(cube, x), [x], order=order)


def test_accepts_tight_tolerances() -> None:
    for x in (np.array(0.5), np.array([0.5, -1.5])):
        check_grads(lambda x: cr.exp(x) * x, [x], rtol=1e-9, atol=1e-9)


def test_finds_a_wrong_forward_rule() -> None:
    cube = wrong("cube", right_vjp, lambda ts, ans, x: ts[0] * 3.001 * cr.square(x))
    with pytest.raises(
        GradientError,
        match=r"check_grads: forward mode against finite differences, derivative 1: .* and .* at "
        r"index \(2,\); 3 of 3 differ by more than 1e-06 relative and 1e-06 absolute",
    ):
        check_grads(lambda x: bind(cube, x), X)


def test_finds_a_wrong_reverse_rule() -> None:
    cube = wrong("cube", lambda g, ans, x: g * 3.001 * cr.square(x), right_jvp)
    with pytest.raises(GradientError, match=r"reverse mode against forward mode, derivative 1"):
        check_grads(lambda x: bind(cube, x), X)


def test_finds_both_wrong_alike() -> None:
    cube = wrong("cube", lambda g, ans, x: g * x, lambda ts, ans, x: ts[0] * x)
    with pytest.raises(GradientError, match="forward mode against finite differences"):
        check_grads(lambda x: bind(cube, x), X, order=1)


def test_finds_a_wrong_second_derivative() -> None:
    """The slope is right and its own derivative, by a detached value, is not."""
    cube = wrong(
        "cube",
        lambda g, ans, x: g * 3.0 * cr.stop_gradient(cr.square(x)),
        lambda ts, ans, x: ts[0] * 3.0 * cr.stop_gradient(cr.square(x)),
    )
    check_grads(lambda x: bind(cube, x), X, order=1)
    with pytest.raises(GradientError, match=r"derivative 2"):
        check_grads(lambda x: bind(cube, x), X, order=2)


def test_finds_nan() -> None:
    cube = wrong("cube", lambda g, ans, x: g * np.nan, right_jvp)
    with pytest.raises(GradientError, match="nan"):
        check_grads(lambda x: bind(cube, x), X, order=1)


def test_finds_a_derivative_that_is_cut_off() -> None:
    with pytest.raises(GradientError, match="forward mode against finite differences"):
        check_grads(lambda x: x * cr.stop_gradient(x), X)


def test_wrong_in_one_argument_of_two() -> None:
    def f(x: Tensor, y: Tensor) -> Tensor:
        return x * cr.stop_gradient(y) + y

    with pytest.raises(GradientError):
        check_grads(f, [np.ones(2), np.ones(2)])


def test_a_result_without_derivative() -> None:
    with pytest.raises(GradientError, match=r"the result has dtype int64 and no derivative"):
        check_grads(lambda x: cr.argmax(x), X)
    assert issubclass(GradientError, ChainruleError)
    assert issubclass(GradientError, AssertionError)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_numerical_jvp(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, t = np.asarray(rng.standard_normal(shape)), np.asarray(rng.standard_normal(shape))
    found = numerical_jvp(cr.sin, [x], [t])
    np.testing.assert_allclose(found, np.cos(x) * t, rtol=1e-9, atol=1e-10)


def test_the_seed_chooses_the_directions() -> None:
    """A derivative that is wrong in one element is found from any seed."""
    mask = np.array([0.0, 1.0, 0.0])
    cube = wrong("cube", right_vjp, lambda ts, ans, x: right_jvp(ts, ans, x) + ts[0] * mask)
    for seed in range(5):
        with pytest.raises(GradientError, match=r"at index \(1,\); 1 of 3"):
            check_grads(lambda x: bind(cube, x), X, seed=seed)
