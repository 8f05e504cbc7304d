"""The dtype in which operands meet: promotion, weak Python numbers, conversion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Number, Parameter, Tensor, TensorLike, as_tensor, bind
from chainrule.core.types import (
    BOOL,
    DEFAULT_FLOAT,
    ArrayType,
    as_dtype,
    is_float,
    promote_dtypes,
)


def promote(x: TensorLike, y: TensorLike) -> tuple[Tensor, Tensor]:
    """Return two operands as tensors of one dtype; Python numbers take the other's dtype."""
    if type(x) is Parameter:
        x = x.tensor()
    if type(y) is Parameter:
        y = y.tensor()
    if type(x) is Tensor and type(y) is Tensor:
        a, b = x.data, y.data
        if a is not None and b is not None and a.dtype is b.dtype:
            return x, y
    elif type(y) is float or (type(y) is int and not isinstance(x, int)):
        x = as_tensor(x)
        return _meet_number(x, y)
    elif type(x) is float or type(x) is int:
        y, x = _meet_number(as_tensor(y), x)
        return x, y
    x, y = _as_operand(x, y), _as_operand(y, x)
    dtype = promote_dtypes(x.dtype, y.dtype)
    return cast(x, dtype), cast(y, dtype)


def _meet_number(x: Tensor, number: int | float | Number) -> tuple[Tensor, Tensor]:
    """Promote ``x`` with a Python number, which is weak: it takes the dtype of the array."""
    dtype = x.dtype
    if dtype.kind != "f":
        if isinstance(number, float) or (type(number) is Number and number.kind is float):
            dtype = DEFAULT_FLOAT
        elif dtype == BOOL:
            dtype = np.dtype("int64")
        x = cast(x, dtype)
    return x, number.in_dtype(dtype) if type(number) is Number else Tensor(
        np.asarray(number, dtype)
    )


def _as_operand(x: TensorLike, other: TensorLike) -> Tensor:
    """Turn a number met by an array into the array's dtype, where its kind allows."""
    if type(x) is Number:
        return x.tensor() if type(other) is Number else _meet_number(as_tensor(other), x)[1]
    if isinstance(x, float | int | bool):
        number = float(x) if isinstance(x, float) else x
        if not isinstance(other, float | int | bool):
            return (
                _meet_number(as_tensor(other), number)[1] if type(x) is not bool else as_tensor(x)
            )
        return as_tensor(number)
    return as_tensor(x)


def as_float(x: TensorLike) -> Tensor:
    """Return ``x`` as a tensor of floats; integers and bools become float32."""
    x = as_tensor(x)
    return x if is_float(x.dtype) else cast(x, DEFAULT_FLOAT)


cast_p: Primitive = Primitive(
    "cast",
    eval=lambda x, *, dtype: x.astype(dtype),
    type_rule=lambda x, *, dtype: ArrayType(x.shape, dtype),
    vjp=(lambda g, ans, x, *, dtype: cast(g, x.dtype),),
    jvp=lambda ts, ans, x, *, dtype: cast(ts[0], dtype),
    examples=(
        example((2, 3), dtype=np.dtype("float64")),
        example((), dtype=np.dtype("int32")),
        example((0,), dtype=BOOL),
    ),
    is_elementwise=True,
    lower=lambda f, x, *, dtype: f.cast(x, dtype),
    into=lambda out, x, *, dtype: np.copyto(out, x, casting="unsafe"),
)


def cast(x: TensorLike, dtype: npt.DTypeLike) -> Tensor:
    """Convert to another dtype; between floats it carries gradients.

    Args:
        x: array of any shape.
        dtype: the dtype to convert to.

    Returns:
        Array of the same shape.

    Raises:
        DtypeError: ``dtype`` is not one that Chainrule computes with.

    >>> cast([1, 0], "bool")
    Tensor([ True, False], dtype=bool)
    """
    given = as_tensor(x)
    if given.data is not None and given.data.dtype is dtype:
        return given
    dtype = as_dtype(dtype)
    return given if given.dtype == dtype else bind(cast_p, given, dtype=dtype)
