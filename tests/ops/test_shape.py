from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.ops.shape import slice_axis

deterministic = settings(deadline=None, derandomize=True, max_examples=150)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape)


def check_moves(f: Callable[[Any], cr.Tensor], x: np.ndarray, expected: np.ndarray) -> None:
    """Hold a function that only moves elements against NumPy: value, gradient, tangent, trace.

    Every element of ``x`` is a number of its own, so the value says where each went, and the
    gradient of Σ w·f(x) is, at each element, the sum of w over the places it went to.
    """
    found = f(x)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.numpy(), expected)
    w = np.asarray(np.random.default_rng(0).standard_normal(expected.shape))
    gradient = cr.grad(lambda x: (f(x) * w).sum())(x).numpy()
    pulled = [w[expected == element].sum() for element in x.reshape(-1)]
    np.testing.assert_allclose(gradient, np.reshape(pulled, x.shape), rtol=1e-12, atol=1e-14)
    tangent = cr.jvp(f, (x,), (x,))[1].numpy()
    moved = np.isin(expected, x)
    np.testing.assert_array_equal(tangent, np.where(moved, expected, 0.0))
    np.testing.assert_array_equal(cr.trace(f)(x)(x).numpy(), expected)


@deterministic
@given(st.data(), SHAPES)
def test_reshape(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = numbered(shape)
    divisors = [n for n in range(1, x.size + 1) if x.size % n == 0] or [0]
    n = data.draw(st.sampled_from(divisors))
    wanted: tuple[int, ...] = (n, x.size // n) if n else (0, 3)
    if n and data.draw(st.booleans()):
        wanted = data.draw(st.sampled_from([(-1, wanted[1]), (wanted[0], -1), (-1,)]))
    check_moves(lambda x: cr.reshape(x, wanted), x, x.reshape(wanted))
    assert cr.tensor(x).reshape(*wanted).shape == cr.tensor(x).reshape(list(wanted)).shape


def test_reshape_errors() -> None:
    for wanted in [(4,), (-1, 4), (-1, -1), (-2, -3), (-1, 0), (0, 6)]:
        with pytest.raises(ShapeError, match=r"shape: got .* for an array of shape \(2, 3\); exp"):
            cr.reshape(np.ones((2, 3)), wanted)
    assert cr.reshape(np.ones((0, 3)), (-1, 3)).shape == (0, 3)
    x = cr.ones((2, 3))
    assert cr.reshape(x, 2, -1) is x


@deterministic
@given(st.data(), SHAPES)
def test_transpose_and_swapaxes(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = numbered(shape)
    order = data.draw(st.permutations(range(x.ndim)))
    signs = data.draw(st.lists(st.sampled_from([0, x.ndim]), min_size=x.ndim, max_size=x.ndim))
    axes = [i - s for i, s in zip(order, signs, strict=True)]
    check_moves(lambda x: cr.transpose(x, axes), x, x.transpose(axes))
    check_moves(cr.transpose, x, x.T)
    if axes:
        assert cr.tensor(x).transpose(*axes).shape == x.transpose(axes).shape
        check_moves(lambda x: cr.swapaxes(x, axes[0], axes[-1]), x, x.swapaxes(axes[0], axes[-1]))
    np.testing.assert_array_equal(cr.tensor(x).T.numpy(), x.T)


def test_transpose_errors() -> None:
    for axes in [(0, 0), (0,), (0, 1, 1)]:
        with pytest.raises(ArgumentError, match=r"axes: got .*; expected each of the 2 axes once"):
            cr.transpose(np.ones((2, 3)), axes)
    with pytest.raises(ArgumentError, match="axis: got 2"):
        cr.transpose(np.ones((2, 3)), (0, 2))
    with pytest.raises(ArgumentError, match="axis: got -3"):
        cr.swapaxes(np.ones((2, 3)), -3, 0)


@deterministic
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3))
def test_broadcast_to(shapes: Any) -> None:
    x = numbered(shapes.input_shapes[0])
    wanted = shapes.result_shape
    check_moves(lambda x: cr.broadcast_to(x, wanted), x, np.broadcast_to(x, wanted))


def test_broadcast_to_errors() -> None:
    with pytest.raises(ShapeError, match=r"shape: got \(1, 3\) for an array of shape \(2, 3\)"):
        cr.broadcast_to(np.ones((2, 3)), (1, 3))
    with pytest.raises(ShapeError, match="expected shapes that broadcast"):
        cr.broadcast_to(np.ones((2, 3)), (2, 4))


@deterministic
@given(st.data(), SHAPES)
def test_expand_dims_squeeze_flatten(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = numbered(shape)
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    check_moves(lambda x: cr.expand_dims(x, axis), x, np.expand_dims(x, axis))
    check_moves(cr.squeeze, x, x.squeeze())
    check_moves(cr.flatten, x, x.flatten())
    ones = [i - data.draw(st.sampled_from([0, x.ndim])) for i, n in enumerate(shape) if n == 1]
    chosen = tuple(data.draw(st.lists(st.sampled_from(ones), unique=True)) if ones else ())
    check_moves(lambda x: cr.squeeze(x, chosen), x, x.squeeze(chosen))


def test_squeeze_errors() -> None:
    with pytest.raises(ShapeError, match=r"axis: got 0 of an array of shape \(2, 1\); expected ax"):
        cr.squeeze(np.ones((2, 1)), 0)
    with pytest.raises(ArgumentError, match="axis: got 3"):
        cr.expand_dims(np.ones(2), 3)


@deterministic
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
def test_concatenate(data: st.DataObject, shape: tuple[int, ...]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    shapes = [tuple(n if i == axis % len(shape) else m for i, m in enumerate(shape)) for n in sizes]
    xs, start = [], 0
    for s in shapes:
        xs.append(numbered(s) + start)
        start += xs[-1].size
    expected = np.concatenate(xs, axis)
    np.testing.assert_array_equal(cr.concatenate(xs, axis).numpy(), expected)
    for i, x in enumerate(xs):
        # One of them moves: the tangents of the others are zero, their gradients not asked for.
        y, t = cr.jvp(lambda x: cr.concatenate([*xs[:i], x, *xs[i + 1 :]], axis), (x,), (x,))  # noqa: B023
        np.testing.assert_array_equal(y.numpy(), expected)
        np.testing.assert_array_equal(t.numpy(), np.where(np.isin(expected, x), expected, 0))
    w = np.random.default_rng(0).standard_normal(expected.shape)
    gradients = cr.grad(lambda xs: (cr.concatenate(xs, axis) * w).sum())(tuple(xs))
    for g, x in zip(gradients, xs, strict=True):
        places = [w[expected == element].sum() for element in x.reshape(-1)]
        np.testing.assert_allclose(g.numpy(), np.reshape(places, x.shape), rtol=1e-15)


@deterministic
@given(st.data(), SHAPES, st.integers(1, 3))
def test_stack(data: st.DataObject, shape: tuple[int, ...], count: int) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    x = numbered(shape)
    others = [np.zeros(shape)] * (count - 1)
    check_moves(lambda x: cr.stack([x, *others], axis), x, np.stack([x, *others], axis))


def test_joining_promotes() -> None:
    assert cr.concatenate([[1], [2.5]]).dtype == "float32"
    assert cr.stack([np.ones(2), cr.ones(2)]).dtype == "float64"
    assert cr.concatenate([[True], [2]]).dtype == "int64"
    g = cr.grad(lambda x: (cr.concatenate([x, np.ones(1)]) * 2.0).sum())(cr.ones(1))
    assert g.dtype == "float32"


def test_joining_errors() -> None:
    with pytest.raises(ShapeError, match=r"xs: got shapes \(2,\) and \(2, 1\); expected shapes eq"):
        cr.concatenate([np.ones(2), np.ones((2, 1))])
    with pytest.raises(ShapeError, match="equal outside of axis 1"):
        cr.concatenate([np.ones((2, 2)), np.ones((3, 2))], axis=-1)
    with pytest.raises(ArgumentError, match=r"concatenate: got no arrays; expected at least one"):
        cr.concatenate([])
    with pytest.raises(ArgumentError, match=r"stack: got no arrays"):
        cr.stack([])
    with pytest.raises(ShapeError, match=r"xs: got shapes \[\(2,\), \(3,\)\]; expected arrays of"):
        cr.stack([np.ones(2), np.ones(3)])
    with pytest.raises(ArgumentError, match="the array has no axes"):
        cr.concatenate([1.0, 2.0])


@deterministic
@given(st.data(), SHAPES)
def test_flip(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = numbered(shape)
    axes = data.draw(st.sets(st.integers(0, x.ndim - 1))) if x.ndim else set()
    axis = data.draw(st.sampled_from([None, tuple(axes)]))
    check_moves(lambda x: cr.flip(x, axis), x, np.flip(x, axis))


@deterministic
@given(st.data(), SHAPES, st.sampled_from([0.0, -2.5]))
def test_pad(data: st.DataObject, shape: tuple[int, ...], value: float) -> None:
    x = numbered(shape)
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    each = st.lists(pair, min_size=x.ndim, max_size=x.ndim).map(tuple)
    width = data.draw(st.one_of(st.integers(0, 2), pair, each) if x.ndim else st.integers(0, 2))
    expected = np.pad(x, width, constant_values=value) if x.ndim else x
    check_moves(lambda x: cr.pad(x, width, value), x, expected)


def test_pad_errors_and_dtypes() -> None:
    for width in [-1, ((1, 2), (3, 4), (5, 6)), 0.5, ((0, -1), (0, 0))]:
        with pytest.raises(
            ArgumentError, match=r"pad_width: got .*; expected whole numbers from 0"
        ):
            cr.pad(np.ones((2, 2)), width)
    with pytest.raises(DtypeError, match=r"x: got dtype bool; expected numbers"):
        cr.pad([True], 1)
    assert cr.pad([1, 2], 1).tolist() == [0, 1, 2, 0]


@deterministic
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6))
def test_slice_axis(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = numbered(shape)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    start, stop = data.draw(st.integers(-8, 8)), data.draw(st.integers(-8, 8))
    step = data.draw(st.integers(1, 4))
    key = [slice(None)] * x.ndim
    key[axis] = slice(start, stop, step)
    check_moves(lambda x: slice_axis(x, axis, start, stop, step), x, x[tuple(key)])


def test_slice_axis_errors() -> None:
    with pytest.raises(
        ArgumentError, match=r"step: got -1; expected a positive step\. Use cr\.flip"
    ):
        slice_axis(np.ones(3), 0, 2, 0, -1)


def test_pad_and_slice_are_each_others_transpose_to_second_order() -> None:
    x = np.random.default_rng(0).standard_normal((5, 4))
    cr.check_grads(lambda x: cr.square(x[1:5:3, ::-2]), [x])
    cr.check_grads(lambda x: cr.square(cr.pad(x, ((1, 0), (2, 1)), 3.0)), [x])
