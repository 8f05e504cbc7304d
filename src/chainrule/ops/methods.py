"""Puts the operations on tensors and parameters: operators, methods, and NumPy's functions.

The functions themselves become the methods: ``x * y`` costs what ``cr.multiply(x, y)`` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import DtypeError
from chainrule.core.tensor import Operand, Tensor, TensorLike, as_tensor
from chainrule.core.types import BOOL
from chainrule.ops import comparison, contract, elementwise, index, promotion, reduce, shape


def _reflected(function: Any) -> Any:
    return lambda self, other: function(other, self)


def _both(x: TensorLike, y: TensorLike) -> Tensor:
    return comparison.logical_and(*_bools("&", x, y))


def _either(x: TensorLike, y: TensorLike) -> Tensor:
    return comparison.logical_or(*_bools("|", x, y))


def _bools(operator: str, x: TensorLike, y: TensorLike) -> tuple[Tensor, Tensor]:
    """Return both operands of ``&`` or ``|``, which in NumPy work on the bits of integers."""
    x, y = as_tensor(x), as_tensor(y)
    if x.dtype != BOOL or y.dtype != BOOL:
        raise DtypeError(
            operator,
            f"dtypes {x.dtype} and {y.dtype}",
            "bools",
            "Compare first: (x > 0) & (y > 0).",
        )
    return x, y


def _reduction(name: str) -> Any:
    function = getattr(reduce, name)

    def method(self: Any, *args: Any, **options: Any) -> Tensor:
        # np.sum(tensor) calls tensor.sum(axis=None, out=None, ...)
        given = {k: v for k, v in options.items() if k not in ("out", "dtype") or v is not None}
        result: Tensor = function(self, *args, **given)
        return result

    method.__doc__ = function.__doc__
    return method


_METHODS: dict[str, Any] = {
    "__neg__": elementwise.negative,
    "__abs__": elementwise.abs,
    "__invert__": comparison.logical_not,
    "__add__": elementwise.add,
    "__radd__": _reflected(elementwise.add),
    "__sub__": elementwise.subtract,
    "__rsub__": _reflected(elementwise.subtract),
    "__mul__": elementwise.multiply,
    "__rmul__": _reflected(elementwise.multiply),
    "__truediv__": elementwise.divide,
    "__rtruediv__": _reflected(elementwise.divide),
    "__pow__": elementwise.power,
    "__rpow__": _reflected(elementwise.power),
    "__matmul__": contract.matmul,
    "__rmatmul__": _reflected(contract.matmul),
    "__and__": _both,
    "__rand__": _reflected(_both),
    "__or__": _either,
    "__ror__": _reflected(_either),
    "__eq__": comparison.equal,
    "__ne__": comparison.not_equal,
    "__lt__": comparison.less,
    "__le__": comparison.less_equal,
    "__gt__": comparison.greater,
    "__ge__": comparison.greater_equal,
    "__getitem__": index.getitem,
    "sum": _reduction("sum"),
    "mean": _reduction("mean"),
    "max": _reduction("max"),
    "min": _reduction("min"),
    "argmax": _reduction("argmax"),
    "cumsum": _reduction("cumsum"),
    "astype": promotion.cast,
    "reshape": shape.reshape,
    "transpose": shape.transpose,
    "flatten": shape.flatten,
    "squeeze": shape.squeeze,
}

#: NumPy's elementwise functions and their counterparts: ``np.exp(tensor)`` is ``cr.exp(tensor)``.
_UFUNCS: dict[Any, Any] = {
    np.negative: elementwise.negative,
    np.add: elementwise.add,
    np.subtract: elementwise.subtract,
    np.multiply: elementwise.multiply,
    np.divide: elementwise.divide,
    np.power: elementwise.power,
    np.matmul: contract.matmul,
    np.square: elementwise.square,
    np.exp: elementwise.exp,
    np.log: elementwise.log,
    np.log1p: elementwise.log1p,
    np.expm1: elementwise.expm1,
    np.sqrt: elementwise.sqrt,
    np.sin: elementwise.sin,
    np.cos: elementwise.cos,
    np.tanh: elementwise.tanh,
    np.absolute: elementwise.abs,
    np.sign: elementwise.sign,
    np.floor: elementwise.floor,
    np.maximum: elementwise.maximum,
    np.minimum: elementwise.minimum,
    np.equal: comparison.equal,
    np.not_equal: comparison.not_equal,
    np.less: comparison.less,
    np.less_equal: comparison.less_equal,
    np.greater: comparison.greater,
    np.greater_equal: comparison.greater_equal,
    np.logical_and: comparison.logical_and,
    np.bitwise_and: _both,
    np.bitwise_or: _either,
    np.logical_or: comparison.logical_or,
    np.logical_not: comparison.logical_not,
    np.isfinite: comparison.isfinite,
    np.isnan: comparison.isnan,
}


def _array_ufunc(self: Operand, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """Answer NumPy, which asks here when one of its functions meets a tensor."""
    function = _UFUNCS.get(ufunc)
    if method != "__call__" or options or function is None:
        return NotImplemented
    return function(*inputs)


def install() -> None:
    """Put the operations on ``Operand``."""
    for name, function in _METHODS.items():
        setattr(Operand, name, function)
    Operand.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
