from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError, TracingError
from chainrule.core.graph import PRIMITIVES
from chainrule.core.mode import recording
from chainrule.core.tensor import Operand, bind, unknown
from chainrule.core.types import FLOAT32, ArrayType

# Attributes and conversions ------------------------------------------------------------------


@pytest.mark.parametrize("make", [cr.tensor, cr.Parameter])
def test_attributes(make: Any) -> None:
    x = make([[1.0, 2.0, 3.0]])
    assert x.shape == (1, 3)
    assert x.dtype == "float32"
    assert x.ndim == 2
    assert x.size == 3
    assert x.type == ArrayType((1, 3), FLOAT32)
    assert len(x) == 1
    assert x.tolist() == [[1.0, 2.0, 3.0]]
    assert x[0, 1].item() == 2.0
    assert [row.shape for row in x] == [(3,)]
    assert 2.0 in x[0]
    assert 5.0 not in x[0]
    assert hash(x) == hash(x)
    assert len({x, x, make(1.0)}) == 2


def test_numbers_out() -> None:
    assert float(cr.tensor(1.5)) == 1.5
    assert int(cr.tensor([[2]])) == 2
    assert isinstance(cr.tensor(1.5).item(), float)
    assert isinstance(cr.tensor(True).item(), bool)
    assert [10, 20, 30][cr.tensor(1)] == 20
    assert list(range(cr.tensor(3))) == [0, 1, 2]
    assert bool(cr.tensor([1.0]))
    assert not cr.tensor(0.0)


def test_errors_of_conversions() -> None:
    x = cr.ones((2, 3))
    text = (
        r"condition: got a tensor of shape \(2, 3\); expected one element\. Reduce it first, for "
    )
    with pytest.raises(ShapeError, match=text):
        bool(x)
    with pytest.raises(ShapeError, match=text):
        _ = x and x
    for convert, name in ((float, "float"), (int, "int"), (lambda x: x.item(), "item")):
        with pytest.raises(
            ShapeError, match=rf"^{name}\(\): got a tensor of shape \(2, 3\); expected ex"
        ):
            convert(x)
    with pytest.raises(
        TypeError, match="only an integer tensor can be used as an index, not float"
    ):
        range(cr.tensor(1.0))
    for ask in (len, list, iter):
        with pytest.raises(TypeError, match="a 0-d tensor has no length"):
            ask(cr.tensor(1.0))
    with pytest.raises(NotImplementedError):
        Operand().tensor()
    with pytest.raises(NotImplementedError):
        _ = Operand().type


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda x: x.numpy(), r"numpy\(\)"),
        (lambda x: x.item(), r"item\(\)"),
        (float, r"float\(\)"),
        (int, r"int\(\)"),
        (range, r"a Python integer \(range\(\), an index, a size\)"),
        (lambda x: x.tolist(), r"tolist\(\)"),
        (np.asarray, r"np\.asarray\(\)"),
        (np.from_dlpack, "DLPack"),
        (lambda x: 1 if x > 0 else 0, r"a Python condition \(if, while, and, or, not\)"),
        (lambda x: not x, r"a Python condition \(.*\)"),
        (cr.Parameter, "a parameter's value"),
    ],
)
def test_a_traced_tensor_has_no_value(ask: Any, name: str) -> None:
    x = unknown(ArrayType((), FLOAT32))
    assert repr(x) == "Tensor(traced, float32[])"
    with pytest.raises(
        TracingError,
        match=rf"{name} needs a value, and this tensor \(.*\) has none: it is being traced \(.*"
        r"cr\.where\(condition, a, b\)",
    ):
        ask(x)


def test_repr() -> None:
    assert repr(cr.tensor([[1.0, 2.0], [3.0, 4.0]])) == (
        "Tensor([[1., 2.],\n        [3., 4.]], dtype=float32)"
    )
    assert repr(cr.tensor(1)) == "Tensor(1, dtype=int64)"
    assert repr(cr.Parameter([1.0], name="w")) == "Parameter('w', float32[1])"


# Tensors do not change -----------------------------------------------------------------------


def test_tensors_do_not_change() -> None:
    x = cr.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"tensors do not change: build a new one with cr\.where"):
        x[0] = 5.0
    with pytest.raises(TypeError, match="tensors do not change"):
        cr.Parameter(x)[0] = 5.0
    for array in (x.numpy(), np.asarray(x), np.asarray(x, np.float32), x[:1].numpy(), x.T.numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    for array in (
        np.array(x),
        np.asarray(x, np.float64),
        np.from_dlpack(x),
        np.asarray(x, copy=True),
    ):
        array[0] = 5.0
    assert x.tolist() == [1.0, 2.0]


def test_arrays_are_not_copied_without_need() -> None:
    x = cr.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, np.float64, copy=False)
    w = cr.Parameter(x)
    assert not np.shares_memory(w.numpy(), x.numpy())
    array = np.zeros(2, np.float32)
    w.assign(array)
    array[:] = 7.0
    assert w.tolist() == [0.0, 0.0]


# Parameters ----------------------------------------------------------------------------------


def test_a_recorded_graph_keeps_the_values_it_was_recorded_with() -> None:
    w = cr.Parameter([2.0], name="w")
    y = (w * w * w).sum()
    w.assign([100.0])
    assert y.item() == 8.0
    y.backward()
    assert w.grad.tolist() == [12.0]
    assert w.tolist() == [100.0]


def test_gradients_accumulate() -> None:
    w = cr.Parameter(3.0)
    assert w.grad is None
    (w * w).backward()
    (w * 10.0).backward()
    assert w.grad.item() == 16.0
    w.assign(1.0)
    assert w.grad.item() == 16.0
    w.grad = None
    (w * w).backward()
    assert w.grad.item() == 2.0
    assert not w.grad.tracked


def test_a_parameter_used_twice_in_two_versions() -> None:
    w = cr.Parameter(3.0)
    before = w.value
    w.assign(5.0)
    (before * w).backward()
    assert w.grad.item() == 8.0  # both are readings of w: 3 + 5


def test_assign() -> None:
    w = cr.Parameter([1.0, 2.0], name="layer/kernel")
    w.assign(np.array([3, 4]))
    assert w.dtype == "float32"
    assert w.tolist() == [3.0, 4.0]
    w.assign(w * 2)
    assert w.tolist() == [6.0, 8.0]
    assert not w.value.inputs
    wide = cr.Parameter(np.zeros(1))
    wide.assign([0.1])
    assert wide.tolist() == [0.1]
    with pytest.raises(
        ShapeError,
        match=r"value for parameter 'layer/kernel': got shape \(3,\); expected shape \(2,\)",
    ):
        w.assign([1.0, 2.0, 3.0])
    with pytest.raises(TracingError, match=r"assign\(\) needs a value"):
        w.assign(unknown(w.type))
    assert w.tolist() == [6.0, 8.0]


def test_values_that_are_no_parameter() -> None:
    with pytest.raises(DtypeError, match="array: got a value of type str"):
        cr.Parameter("a")


@pytest.mark.parametrize("value", [[1, 2], [True, False]])
def test_parameters_of_integers_are_not_tracked(value: Any) -> None:
    w = cr.Parameter(value)
    assert not w.value.tracked
    assert not (w * 2.0).tracked


def test_trainable() -> None:
    w = cr.Parameter(2.0, trainable=False)
    assert not (w * w).tracked
    with pytest.raises(
        ArgumentError, match=r"backward\(\): got a tensor that was computed from no"
    ):
        (w * w).backward()
    w.trainable = True
    (w * w).backward()
    assert w.grad.item() == 4.0
    w.trainable = False
    assert not (w * w).tracked
    assert w.tolist() == 2.0
    w.assign(3.0)
    assert not (w * w).tracked


def test_frozen_parameters_get_no_gradient() -> None:
    w, frozen = cr.Parameter(2.0), cr.Parameter(3.0)
    frozen.trainable = False
    (w * frozen).backward()
    assert w.grad.item() == 3.0
    assert frozen.grad is None


def test_no_grad() -> None:
    w = cr.Parameter(2.0)
    with cr.no_grad():
        y = w * w
        with recording(True):
            assert (w * w).tracked
        assert not (w * w).tracked
    assert not y.tracked
    assert not y.inputs
    assert (w * w).tracked
    with pytest.raises(RuntimeError, match="inside"), cr.no_grad():
        raise RuntimeError("inside")
    assert (w * w).tracked


def test_recording_is_switched_thread_by_thread() -> None:
    w = cr.Parameter(2.0)
    found = []
    with cr.no_grad():
        thread = threading.Thread(target=lambda: found.append((w * w).tracked))
        thread.start()
        thread.join()
    assert found == [True]


# bind ----------------------------------------------------------------------------------------


def test_only_what_leads_to_a_parameter_is_recorded() -> None:
    x, w = cr.ones(2), cr.Parameter([1.0, 2.0])
    assert not (x * x + 1.0).inputs
    y = x * w
    assert y.tracked
    assert y.primitive is PRIMITIVES["multiply"]
    assert y.inputs == (x, w.value)
    assert not (y > 0).tracked
    assert not cr.argmax(y).tracked


def test_recorded_values_are_freed_with_the_result() -> None:
    w = cr.Parameter(np.ones(1000))
    y = cr.exp(w * 2.0)
    middle = weakref.ref(y.inputs[0].data)
    loss = y.sum()
    del y
    assert middle() is not None
    del loss
    gc.collect()
    assert middle() is None


def test_a_numpy_error_names_the_operation_and_the_types() -> None:
    with pytest.raises(
        ShapeError, match=r"transpose: got float32\[2,3\]; expected arguments that fit \(axes"
    ):
        bind(PRIMITIVES["transpose"], cr.ones((2, 3)), axes=(0, 1, 1))


def test_a_list_of_tensors_that_carry_gradients_is_refused() -> None:
    w = cr.Parameter(2.0)
    with pytest.raises(ArgumentError, match=r"Join tensors with cr\.stack"):
        cr.sum([w * 1.0, w * 2.0])
    with cr.no_grad():
        assert cr.sum([w * 1.0, w * 2.0]).item() == 6.0
    cr.sum(cr.stack([w * 1.0, w * 2.0])).backward()
    assert w.grad is not None
    assert w.grad.item() == 3.0


def test_a_number_is_formatted_as_a_number() -> None:
    assert f"{cr.tensor(0.123456):.3f}" == "0.123"
    assert f"{cr.tensor([1.0])}" == "Tensor([1.], dtype=float32)"
    with pytest.raises(ShapeError):
        f"{cr.tensor([1.0, 2.0]):.3f}"


def test_logic_is_reflected() -> None:
    x = cr.tensor([True, False])
    assert (np.array([True, True]) & x).tolist() == [True, False]
    assert (False | x).tolist() == [True, False]
