from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError

RNG = np.random.default_rng(0)


def test_value_and_tangent() -> None:
    x, t = RNG.standard_normal(3), RNG.standard_normal(3)
    y, moved = cr.jvp(lambda x: cr.sin(x) * x, (x,), (t,))
    np.testing.assert_array_equal(y.numpy(), np.sin(x) * x)
    np.testing.assert_allclose(moved.numpy(), (np.cos(x) * x + np.sin(x)) * t, rtol=1e-14)
    assert not y.tracked
    assert not moved.tracked
    assert not moved.inputs


def test_several_arguments() -> None:
    y, t = cr.jvp(lambda x, y: x * y, (2.0, 3.0), (10.0, 100.0))
    assert (y.item(), t.item()) == (6.0, 230.0)


def test_containers() -> None:
    def f(tree: Any, s: Any) -> Any:
        return {"product": tree["a"] * tree["b"][0], "sum": (tree["a"] + s, None)}

    y, t = cr.jvp(
        f, ({"a": 2.0, "b": [np.array(3.0)]}, 1.0), ({"a": 1.0, "b": [np.array(10.0)]}, 5.0)
    )
    assert y["product"].item() == 6.0
    assert t["product"].item() == 23.0
    assert t["sum"][0].item() == 6.0
    assert t["sum"][1] is None


def test_broadcasting() -> None:
    """A rule may return a tangent as it came; the driver broadcasts it."""
    for f in (cr.add, cr.subtract, cr.multiply, cr.maximum, lambda x, y: cr.where(x > y, x, y)):
        x, y = RNG.standard_normal((3, 1)), RNG.standard_normal(4)
        tx, ty = np.ones((3, 1)), np.ones(4)
        both = cr.jvp(f, (x, y), (tx, ty))[1]
        assert both.shape == (3, 4)
        alone = cr.jvp(lambda x: f(x, y), (x,), (tx,))[1]  # noqa: B023
        assert alone.shape == (3, 4)
        other = cr.jvp(lambda y: f(x, y), (y,), (ty,))[1]  # noqa: B023
        np.testing.assert_allclose((alone + other).numpy(), both.numpy())


def test_what_does_not_move_has_a_zero_tangent() -> None:
    x = np.ones((2, 2))
    y, t = cr.jvp(lambda x: (cr.ones(3), x > 0, cr.argmax(x), x.sum()), (x,), (x,))
    assert [part.tolist() for part in t] == [[0.0] * 3, [[False] * 2] * 2, 0, 4.0]
    assert [part.dtype for part in t] == [part.dtype for part in y]


def test_parameters_stand_still() -> None:
    w = cr.Parameter(3.0)
    y, t = cr.jvp(lambda x: x * w + w, (2.0,), (1.0,))
    assert (y.item(), t.item()) == (9.0, 3.0)
    t.backward()
    assert w.grad.item() == 1.0
    w.grad = None
    y.backward()
    assert w.grad.item() == 3.0  # x + 1
    with cr.no_grad():
        y, t = cr.jvp(lambda x: x * w, (2.0,), (1.0,))
        assert not y.tracked
        assert not t.tracked


def test_jacobian_columns() -> None:
    x = RNG.standard_normal(4)

    def f(x: Any) -> Any:
        return cr.softmax(x)[:3]

    J = cr.jacobian(f)(x).numpy()
    for k, unit in enumerate(np.eye(4)):
        np.testing.assert_allclose(cr.jvp(f, (x,), (unit,))[1].numpy(), J[:, k], rtol=1e-13)


def test_dtypes() -> None:
    y, t = cr.jvp(lambda x: x * 2.0, (np.float32(1.0),), (np.array(0.5),))
    assert y.dtype == t.dtype == "float32"
    assert cr.jvp(lambda x: x * x, (3,), (1,))[1].item() == 6.0
    with pytest.raises(DtypeError, match="argument to differentiate by: got dtype int64"):
        cr.jvp(lambda x: x, (np.array([1]),), (np.array([1.0]),))


def test_errors() -> None:
    with pytest.raises(
        ArgumentError, match=r"tangents: got 1 tangents; expected one for each of 2"
    ):
        cr.jvp(lambda x, y: x, (1.0, 2.0), (1.0,))
    with pytest.raises(
        ShapeError, match=r"tangents: got shapes \[\(\)\]; expected shapes \[\(2,\)\]"
    ):
        cr.jvp(lambda x: x, ([1.0, 2.0],), (1.0,))
    with pytest.raises(ShapeError, match="tangents"):
        cr.jvp(lambda x: x[0], ((1.0, 2.0),), ((1.0,),))


def test_a_deep_chain() -> None:
    def chain(x: Any) -> Any:
        for _ in range(100_000):
            x = x + 1e-6
        return x

    y, t = cr.jvp(chain, (np.array(1.0),), (np.array(2.0),))
    assert t.item() == 2.0
    assert y.item() == pytest.approx(1.1)
