from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.ops import functional

X = np.array([-3.0, -0.5, 0.25, 4.0])


@pytest.mark.parametrize(
    ("f", "oracle"),
    [
        (cr.relu, lambda x: np.maximum(0, x)),
        (cr.leaky_relu, lambda x: np.maximum(0, x) + 0.01 * np.minimum(0, x)),
        (lambda x: cr.leaky_relu(x, 0.3), lambda x: np.maximum(0, x) + 0.3 * np.minimum(0, x)),
        (cr.elu, lambda x: np.maximum(0, x) + np.minimum(0, np.expm1(x))),
        (lambda x: cr.elu(x, 0.3), lambda x: np.maximum(0, x) + np.minimum(0, 0.3 * np.expm1(x))),
        (functional.linear, lambda x: x),
        (lambda x: cr.prelu(x, 0.3), lambda x: np.maximum(0, x) + 0.3 * np.minimum(0, x)),
        (
            lambda x: cr.prelu(x, [0.1, 0.2, 0.3, 0.4]).astype(x.dtype),
            lambda x: np.maximum(0, x) + np.array([0.1, 0.2, 0.3, 0.4], "f4") * np.minimum(0, x),
        ),
        (
            cr.selu,
            lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        ),
        (cr.gelu, lambda x: x * scipy.special.ndtr(x)),
        (
            cr.gelu_tanh,
            lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        ),
        (cr.silu, lambda x: x * scipy.special.expit(x)),
        (cr.mish, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        (cr.softsign, lambda x: x / (1 + np.abs(x))),
        (cr.hard_sigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
        (cr.hard_tanh, lambda x: np.clip(x, -1, 1)),
        (cr.hard_silu, lambda x: x * (np.clip(x + 3, 0, 6) / 6)),
        (cr.relu6, lambda x: np.clip(x, 0, 6)),
        (cr.log_sigmoid, scipy.special.log_expit),
        (lambda x: cr.maxout(x, 2), lambda x: x.reshape(2, 2).max(axis=1)),
        (cr.softmax, scipy.special.softmax),
        (cr.log_softmax, scipy.special.log_softmax),
        (lambda x: cr.clip(x, -1.0, 0.5), lambda x: np.clip(x, -1.0, 0.5)),
        (cr.var, np.var),
        (cr.std, np.std),
        (lambda x: cr.one_hot(cr.argmax(x), 4), lambda x: np.eye(4)[3]),
    ],
)
def test_values(f: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    np.testing.assert_allclose(f(X).numpy(), oracle(X), rtol=2e-14)
    assert f(X.astype(np.float32)).dtype == "float32"
    assert f(np.array([-3, 0, 1, 4])).dtype in ("float32", "int64")


@pytest.mark.parametrize(
    "f",
    [
        *(cr.relu, cr.leaky_relu, cr.elu, functional.linear, cr.selu, cr.gelu, cr.gelu_tanh),
        *(cr.silu, cr.mish, cr.softsign, cr.hard_sigmoid, cr.hard_tanh, cr.hard_silu, cr.relu6),
        *(cr.log_sigmoid, cr.softmax, cr.log_softmax, cr.var, cr.std),
        *(lambda x: cr.maxout(x, 2), lambda x: cr.prelu(x, 0.3)),
    ],
)
def test_derivatives(f: Callable[..., Any]) -> None:
    cr.check_grads(f, [X + 0.1])


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (cr.relu, 0.0),
        (cr.leaky_relu, 0.01),
        (lambda x: cr.leaky_relu(x, 0.3), 0.3),
        (cr.elu, 1.0),
        (lambda x: cr.elu(x, 0.3), 0.3),
        (lambda x: cr.clip(x, -1.0, 1.0), 1.0),
        (lambda x: cr.clip(x, 1.0, 2.0), 0.0),
        (lambda x: cr.prelu(x, 0.3), 0.3),
        (cr.selu, 1.7580993408473766),
        (cr.softsign, 1.0),
        (cr.relu6, 0.0),
        (lambda x: cr.relu6(x + 6.0), 0.0),
        (lambda x: cr.hard_tanh(x + 1.0), 0.0),
        (lambda x: cr.hard_tanh(x - 1.0), 0.0),
        (lambda x: cr.hard_sigmoid(x + 3.0), 0.0),
        (lambda x: cr.hard_sigmoid(x - 3.0), 0.0),
        (lambda x: cr.hard_silu(x + 3.0), 1.0),
        (lambda x: cr.hard_silu(x - 3.0), 0.0),
    ],
)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_derivative_at_the_kink(f: Callable[..., Any], expected: float, zero: float) -> None:
    """Gradients at kinks follow the lecture: I(x > 0) for ReLU, γ for those with a slope γ."""
    assert cr.grad(f)(np.array(zero)).item() == expected
    assert cr.jvp(f, (np.array(zero),), (np.array(1.0),))[1].item() == expected


def test_clip_at_its_bounds() -> None:
    """Outside the derivative is 0; the bounds themselves are as minimum and maximum have them."""
    gradient = cr.grad(lambda x: cr.clip(x, -1.0, 1.0).sum())(np.array([-2.0, -1.0, 1.0, 2.0]))
    assert gradient.tolist()[0] == gradient.tolist()[3] == 0.0
    assert set(gradient.tolist()[1:3]) <= {0.0, 1.0}


@pytest.mark.parametrize("f", [cr.relu, cr.leaky_relu, cr.elu, cr.softmax, cr.log_softmax])
@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 100.0), (np.float64, 1000.0)])
def test_large_arguments_without_warnings(f: Callable[..., Any], dtype: Any, large: float) -> None:
    x = np.array([large, -large, 0.0], dtype)
    y = f(x).numpy()
    assert y.dtype == dtype
    assert np.isfinite(y).all()
    w = np.array([1.0, -2.0, 3.0], dtype)
    assert np.isfinite(cr.grad(lambda x: (w * f(x)).sum())(x).numpy()).all()
    second = cr.hessian(lambda x: (w * f(x)).sum())(x).numpy()
    assert np.isfinite(second).all()


def test_prelu_has_a_gradient_for_each_unit() -> None:
    x = np.array([[-1.0, 2.0, 0.0], [-3.0, -0.5, 1.0]])
    gamma = np.array([0.25, -0.5, 0.1])
    cr.check_grads(cr.prelu, [x + 0.01, gamma])
    by_x, by_gamma = cr.grad(lambda x, gamma: cr.prelu(x, gamma).sum(), argnums=(0, 1))(x, gamma)
    np.testing.assert_allclose(by_x.numpy(), np.where(x > 0, 1.0, gamma))
    np.testing.assert_allclose(by_gamma.numpy(), np.minimum(0, x).sum(axis=0))
    parameter = cr.Parameter(gamma)
    cr.prelu(x, parameter).sum().backward()
    np.testing.assert_allclose(parameter.grad.numpy(), by_gamma.numpy())
    with np.errstate(over="raise", invalid="raise"):
        huge = cr.grad(lambda g: cr.prelu(np.array([-1000.0, 1000.0]), g).sum())(np.array(0.25))
    assert huge.item() == -1000.0


def test_maxout_takes_the_largest_piece_of_each_unit() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 12))
    for pieces in (1, 2, 3, 12):
        expected = x.reshape(2, 3, -1, pieces).max(axis=-1)
        np.testing.assert_array_equal(cr.maxout(x, pieces).numpy(), expected)
    assert cr.maxout(np.zeros((0, 4), np.float32), 2).shape == (0, 2)
    gradient = cr.grad(lambda x: (cr.maxout(x, 3) * np.array([1.0, 2.0])).sum())
    assert gradient(np.array([1.0, 5.0, 2.0, 4.0, 0.0, 4.0])).tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("x", "pieces", "text"),
    [
        ([1.0, 2.0, 3.0], 2, "pieces: got 2; expected a divisor of the size of the last axis, 3."),
        ([1.0, 2.0], 0, "pieces: got 0; expected a whole number from 1."),
        ([1.0, 2.0], 2.0, "pieces: got 2.0; expected a whole number from 1."),
        ([1.0, 2.0], True, "pieces: got True; expected a whole number from 1."),
        (
            3.0,
            2,
            "input of maxout: got a single number; expected shape (..., units · pieces).",
        ),
    ],
)
def test_maxout_errors(x: Any, pieces: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.maxout(x, pieces)
    assert str(caught.value) == text


def test_gelus_differ_by_little() -> None:
    x = np.linspace(-6, 6, 2001)
    assert 1e-4 < np.abs(cr.gelu(x).numpy() - cr.gelu_tanh(x).numpy()).max() < 5e-4


def test_small_results_keep_their_digits() -> None:
    """Far left, where 1 + tanh and the like would cancel to nothing."""
    x = np.array([-30.0, -20.0])
    for f, expected in (
        (cr.silu, x * np.exp(x)),
        (cr.mish, x * np.exp(x)),
        (cr.log_sigmoid, x),
    ):
        np.testing.assert_allclose(f(x).numpy(), expected, rtol=1e-8)
    x = np.array([-5.0, -4.5])
    u = 2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(cr.gelu_tanh(x).numpy(), x * np.exp(u), rtol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_along_an_axis(axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4)) * 50
    np.testing.assert_allclose(
        cr.softmax(x, axis).numpy(), scipy.special.softmax(x, axis), rtol=1e-13
    )
    np.testing.assert_allclose(
        cr.log_softmax(x, axis).numpy(), scipy.special.log_softmax(x, axis), rtol=1e-13, atol=1e-15
    )
    np.testing.assert_allclose(cr.softmax(x, axis).sum(axis).numpy(), 1.0, rtol=1e-15)
    with pytest.raises(ArgumentError, match="axis: got 2"):
        cr.softmax(x, 2)


def test_softmax_of_large_logits_keeps_its_digits() -> None:
    """The largest logit is subtracted first, so what is lost does not grow with it."""
    x = np.array([[100.0, 96.5, 90.25], [-100.0, -96.5, -110.0]], np.float32)
    expected = scipy.special.log_softmax(x.astype(np.float64), axis=1)
    np.testing.assert_allclose(cr.log_softmax(x).numpy(), expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(cr.softmax(x).numpy(), np.exp(expected), rtol=2e-6)
    np.testing.assert_array_equal(cr.log_softmax(x).numpy(), cr.log_softmax(x + 64).numpy())


def test_masked_softmax() -> None:
    x = np.array([0.0, -np.inf, 0.0])
    assert cr.softmax(x).tolist() == [0.5, 0.0, 0.5]
    gradient = cr.grad(lambda x: cr.softmax(x)[0])(x)
    assert gradient.tolist() == [0.25, 0.0, -0.25]


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_var_and_std_over_axes(axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for name in ("var", "std"):
        found = getattr(cr, name)(x, axis, keepdims).numpy()
        expected = getattr(np, name)(x, axis, keepdims=keepdims)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_one_hot() -> None:
    labels = np.array([[0, 2], [1, 1]], np.uint8)
    np.testing.assert_array_equal(cr.one_hot(labels, 3).numpy(), np.eye(3, dtype="f4")[labels])
    assert cr.one_hot(2, 3).tolist() == [0.0, 0.0, 1.0]
    assert cr.one_hot([0], 2, dtype="int64").tolist() == [[1, 0]]
    assert cr.one_hot(np.zeros((0,), int), 3).shape == (0, 3)
    assert cr.trace(lambda y: cr.one_hot(y, 3))([1, 0])([2, 2]).tolist() == [[0.0, 0.0, 1.0]] * 2


def test_one_hot_errors() -> None:
    with pytest.raises(DtypeError, match=r"labels: got dtype float32; expected integers"):
        cr.one_hot([1.0], 2)
    for labels, came in [([0, 2], "from 0 to 2"), ([-1, 1], "from -1 to 1")]:
        with pytest.raises(
            ArgumentError,
            match=rf"labels: got labels {came}; expected integers from 0 to 1 \(2 classes\)\. Num",
        ):
            cr.one_hot(labels, 2)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split(axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((4, 6))
    for found, expected in zip(cr.split(x, 2, axis), np.split(x, 2, axis), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)
    first, second = cr.vjp(lambda x: tuple(cr.split(x, 2, axis)), x)[0]
    np.testing.assert_array_equal(cr.concatenate([first, second], axis).numpy(), x)
    with pytest.raises(ArgumentError, match=r"parts: got 5; expected a divisor of the axis's size"):
        cr.split(x, 5, axis)


def test_stop_gradient() -> None:
    def f(x: Any) -> Any:
        return x * cr.stop_gradient(x * x)

    assert cr.grad(f)(3.0).item() == 9.0
    assert cr.jvp(f, (3.0,), (1.0,))[1].item() == 9.0
    assert cr.grad(cr.grad(f))(3.0).item() == 0.0
    assert cr.grad(lambda x: cr.stop_gradient(x))(3.0).item() == 0.0
    assert cr.trace(cr.grad(f))(3.0)(3.0).item() == 9.0
    w = cr.Parameter(3.0)
    assert not cr.stop_gradient(w).tracked
    f(w).backward()
    assert w.grad.item() == 9.0
