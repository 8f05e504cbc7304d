from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError, TracingError

deterministic = settings(deadline=None, derandomize=True, max_examples=400)

# x[key] --------------------------------------------------------------------------------------


def integer_arrays(size: int, shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    drawn = hnp.arrays(np.int64, shape, elements=st.integers(-size, size - 1))
    return st.one_of(drawn, drawn.map(lambda a: a.tolist() if a.ndim else a), drawn.map(cr.tensor))


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw a NumPy index of every kind: integers, slices, None, ..., arrays, masks, mixed."""
    places = draw(st.sampled_from([(), (1,), (2,), (2, 2), (0,)]))
    advanced = draw(st.booleans())
    first = draw(st.integers(0, len(shape)))
    if draw(st.booleans()):
        return tuple(draw(parts(shape[:first], places, advanced)))
    last = draw(st.integers(first, len(shape)))
    start, end = (draw(parts(s, places, advanced)) for s in (shape[:first], shape[last:]))
    return (*start, Ellipsis, *end)


@st.composite
def parts(draw: st.DrawFn, shape: tuple[int, ...], places: Any, advanced: bool) -> list[Any]:
    """Draw what indexes axes that stand side by side."""
    drawn: list[Any] = []
    axis = 0
    while axis < len(shape):
        size = shape[axis]
        kinds = ["slice", *["integer"] * 2 * (size > 0)]
        if advanced:
            kinds += ["mask", *["array"] * 3 * (size > 0)]
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            bound = st.one_of(st.none(), st.integers(-size - 1, size + 1))
            step = st.sampled_from([None, 1, 2, 3, -1, -2, -3])
            drawn.append(slice(draw(bound), draw(bound), draw(step)))
        elif kind == "integer":
            i = draw(st.integers(-size, size - 1))
            drawn.append(draw(st.sampled_from([i, np.int64(i), np.array(i), cr.tensor(i)])))
        elif kind == "array":
            drawn.append(draw(integer_arrays(size, draw(st.sampled_from([places, places[-1:]])))))
        else:
            ndim = draw(st.integers(1, len(shape) - axis))
            drawn.append(draw(hnp.arrays(bool, shape[axis : axis + ndim])))
            axis += ndim - 1
        axis += 1
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        drawn.insert(draw(st.integers(0, len(drawn))), None)
    return drawn


def numpy_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(p.numpy() if isinstance(p, cr.Tensor) else p for p in key)


@deterministic
@given(st.data(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
def test_getitem_is_that_of_numpy(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = np.asarray(np.random.default_rng(0).standard_normal(shape))
    key = data.draw(keys(shape))
    try:
        expected = np.asarray(x[numpy_key(key)])
    except IndexError:  # arrays and masks whose lengths do not broadcast
        with pytest.raises((IndexError, ShapeError)):
            cr.tensor(x)[key]
        return
    found = cr.tensor(x)[key]
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.numpy(), expected)
    w = np.asarray(np.random.default_rng(1).standard_normal(expected.shape))
    gradient = np.zeros_like(x)
    np.add.at(gradient, numpy_key(key), w)
    pulled = cr.grad(lambda x: (w * x[key]).sum())(x)
    np.testing.assert_allclose(pulled.numpy(), gradient, rtol=1e-12, atol=1e-14)
    t = np.asarray(np.random.default_rng(2).standard_normal(shape))
    tangent = cr.jvp(lambda x: x[key], (x,), (t,))[1]
    np.testing.assert_array_equal(tangent.numpy(), t[numpy_key(key)])
    traced = cr.trace(lambda x: x[key])(x)(x)
    np.testing.assert_array_equal(traced.numpy(), expected)


@pytest.mark.parametrize("separator", [None, Ellipsis, slice(None)])
def test_arrays_that_are_separated_put_their_axes_first(separator: Any) -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    a, b = np.array([0, 1, 1]), np.array([2, 0, 1])
    for key in [
        (a, separator, b),
        (slice(None), a, separator, b),
        (a, separator, 1),
        (0, separator, b),
        (slice(None), 0, separator, b),
        (a, b, separator),
        (separator, a, b),
        (separator, a, 1),
    ]:
        np.testing.assert_array_equal(cr.tensor(x)[key].numpy(), x[key])


def test_second_order_and_repeated_indices() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    key = (np.array([0, 0, 3, -1]), slice(None, None, -2))
    cr.check_grads(lambda x: cr.square(x[key]), [x])
    assert cr.grad(lambda x: x[np.array([1, 1, 1])].sum())(np.zeros(2)).tolist() == [0.0, 3.0]


def test_keys_of_other_kinds() -> None:
    x = cr.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert x[cr.tensor(1), np.uint8(2)].item() == 6.0
    assert x[[True, False]].tolist() == [[1.0, 2.0, 3.0]]
    assert x[[]].shape == (0, 3)
    assert x[cr.tensor(0) : cr.tensor(1)].shape == (1, 3)
    assert x[np.int64(0) : np.int64(1)].shape == (1, 3)
    assert x[x > 2].tolist() == [3.0, 4.0, 5.0, 6.0]
    assert cr.Parameter(x)[1, 1].item() == 5.0
    assert [row.tolist() for row in x] == x.tolist()
    assert x[()] is x


def test_a_traced_integer_is_an_index() -> None:
    graph = cr.trace(lambda x, i: (x[i], x[1, i]))(np.ones((3, 3)), 0)
    x = np.arange(9.0).reshape(3, 3)
    for i in (0, 2, -1):
        row, element = graph(x, i)
        np.testing.assert_array_equal(row.numpy(), x[i])
        assert element.item() == x[1, i]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((0, 0, 0), "too many indices: 3 for an array of shape (2, 3)"),
        ((..., 0, ...), "an index can have only one '...'"),
        ((2,), "index 2 is out of bounds for axis 0 with size 2"),
        ((0, -4), "index -4 is out of bounds for axis 1 with size 3"),
        (([2],), "index 2 is out of bounds for axis 0 with size 2"),
        ((True,), "a bool is not an index here; use cr.where or a mask of x's shape"),
        ((np.True_,), "a bool is not an index here"),
        ((np.array(True),), "a bool is not an index here"),
        ((cr.tensor(True),), "a bool is not an index here"),
        (("a",), "an index must be an integer, a slice, '...', None, or an array of integers or"),
        ((1.0,), "not float"),
        ((np.array([True, False, True]),), "mask of shape (3,) for axis 0 of an array of shape"),
        ((0, np.array([True])), "mask of shape (1,) for axis 1 of an array of shape (2, 3)"),
        ((np.ones((2, 2), bool),), "mask of shape (2, 2) for axis 0 of an array of shape (2, 3)"),
        ((..., np.ones(4, bool)), "mask of shape (4,) for axis 1 of an array of shape (2, 3)"),
        ((None, [False]), "mask of shape (1,) for axis 0 of an array of shape (2, 3)"),
    ],
)
def test_key_errors(key: Any, message: str) -> None:
    with pytest.raises(IndexError, match=re.escape(message)):
        cr.ones((2, 3))[key]


def test_key_dtype_errors() -> None:
    x = cr.ones((2, 3))
    with pytest.raises(DtypeError, match=r"indices: got dtype float32; expected integers"):
        x[[0.5]]
    with pytest.raises(DtypeError, match=r"indices: got dtype float32; expected integers"):
        x[cr.tensor(1.0)]
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        x[0:1.5]
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        x[::0]
    with pytest.raises(TracingError, match=r"a boolean mask cannot index while tracing.*cr\.where"):
        cr.trace(lambda x: x[x > 0])([1.0])


# Gather and scatter --------------------------------------------------------------------------


@deterministic
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_gather_and_scatter_add(data: st.DataObject, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    count = data.draw(st.integers(1, len(shape)))
    place = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    indices = tuple(
        data.draw(hnp.arrays(np.int32, place, elements=st.integers(-n, n - 1)))
        for n in shape[:count]
    )
    given_indices = indices if count > 1 else indices[0]
    np.testing.assert_array_equal(cr.gather(x, given_indices).numpy(), x[indices])
    values = np.asarray(rng.standard_normal(x[indices].shape))
    expected = x.copy()
    np.add.at(expected, indices, values)
    found = cr.scatter_add(x, given_indices, values)
    np.testing.assert_array_equal(found.numpy(), expected)
    w = rng.standard_normal(shape)
    gx, gv = cr.grad(lambda x, v: (w * cr.scatter_add(x, given_indices, v)).sum(), argnums=(0, 1))(
        x, values
    )
    np.testing.assert_array_equal(gx.numpy(), w)
    np.testing.assert_array_equal(gv.numpy(), w[indices])


def test_scatter_add_broadcasts_and_promotes() -> None:
    y = cr.scatter_add(cr.zeros((3, 2), "int64"), [0, 0, 2], 1.5)
    assert y.dtype == "float32"
    assert y.tolist() == [[3.0, 3.0], [0.0, 0.0], [1.5, 1.5]]
    gradient = cr.grad(lambda v: cr.scatter_add(np.zeros((3, 2)), [0, 0, 2], v).sum())(1.0)
    assert gradient.item() == 6.0
    assert cr.jvp(lambda x: cr.scatter_add(x, [0], 1.0), ([1.0],), ([5.0],))[1].tolist() == [5.0]


def test_gather_and_scatter_errors() -> None:
    for function in (
        lambda i: cr.gather(cr.ones(2), i),
        lambda i: cr.scatter_add(cr.ones(2), i, 1.0),
    ):
        with pytest.raises(IndexError, match="index 2 is out of bounds"):
            function([2])
        with pytest.raises(DtypeError, match=r"indices: got dtype float32; expected integers"):
            function([0.0])
        with pytest.raises(DtypeError, match=r"indices: got dtype bool; expected integers"):
            function([True, False])
    with pytest.raises(ShapeError, match=r"shape: got \(2,\) for an array of shape \(2, 2\)"):
        cr.scatter_add(cr.ones(3), [0, 1], cr.ones((2, 2)))
    with pytest.raises(ShapeError, match="expected shapes that broadcast"):
        cr.scatter_add(cr.ones(3), [0, 1], cr.ones(3))


@deterministic
@given(st.data(), st.integers(0, 6), st.integers(1, 4))
def test_segment_sum(data: st.DataObject, n: int, count: int) -> None:
    values = np.random.default_rng(0).standard_normal((n, 2))
    segments = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, count - 1)))
    expected = np.stack([values[segments == s].sum(axis=0) for s in range(count)])
    found = cr.segment_sum(values, segments, count)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)
    w = np.random.default_rng(1).standard_normal(expected.shape)
    gradient = cr.grad(lambda v: (w * cr.segment_sum(v, segments, count)).sum())(values)
    np.testing.assert_array_equal(gradient.numpy(), w[segments])
    assert cr.segment_sum(values.astype(np.float32), segments, count).dtype == "float32"


def test_segment_sum_errors() -> None:
    with pytest.raises(ShapeError, match=r"segments: got shape \(3,\); expected shape \(2,\)"):
        cr.segment_sum(np.ones((2, 2)), [0, 1, 1], 2)
    for segments in ([0, 2], [-1, 0]):
        with pytest.raises(ArgumentError, match=r"segments: got .*; expected integers from 0 to 1"):
            cr.segment_sum(np.ones(2), segments, 2)
    with pytest.raises(DtypeError, match="expected integers"):
        cr.segment_sum(np.ones(2), [0.0, 1.0], 2)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_take_and_take_along_axis(axis: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4))
    for indices in (np.array([1, 0, -1]), [[0, 1], [1, 1]], 1, (1, 0), np.zeros((0, 2), int)):
        np.testing.assert_array_equal(cr.take(x, indices, axis).numpy(), np.take(x, indices, axis))
    order = np.argsort(x, axis)
    found = cr.take_along_axis(x, order, axis)
    np.testing.assert_array_equal(found.numpy(), np.sort(x, axis))
    few = np.argmax(x, axis, keepdims=True)
    np.testing.assert_array_equal(
        cr.take_along_axis(x, few, axis).numpy(), np.max(x, axis, keepdims=True)
    )
    w = rng.standard_normal(x.shape)
    gradient = cr.grad(lambda x: (w * cr.take_along_axis(x, order, axis)).sum())(x)
    expected = np.zeros_like(x)
    np.put_along_axis(expected, order, w, axis)
    np.testing.assert_array_equal(gradient.numpy(), expected)
    assert cr.take_along_axis(x, few.tolist(), axis).shape == few.shape


def test_take_errors() -> None:
    with pytest.raises(ArgumentError, match=r"indices: got 1 axes; expected as many as x has, 2"):
        cr.take_along_axis(cr.ones((2, 2)), [0], 1)
    with pytest.raises(ArgumentError, match="axis: got 2"):
        cr.take(cr.ones((2, 2)), [0], 2)
    with pytest.raises(IndexError, match="out of bounds"):
        cr.take(cr.ones((2, 2)), [2], 1)
