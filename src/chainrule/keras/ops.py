"""Keras's functions of tensors that dense networks use, on Chainrule's operations.

On placeholders of the functional API they become layers of the model.

>>> relu([-1.0, 2.0]).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Operand, Tensor, as_tensor
from chainrule.core.types import Array, as_dtype
from chainrule.keras import activations
from chainrule.keras import losses as _losses
from chainrule.keras.arguments import missing
from chainrule.keras.layers.base import Adapted
from chainrule.keras.layers.weighted import new_name
from chainrule.keras.symbolic import apply, array_of, symbols
from chainrule.ops import comparison, creation, elementwise, functional, index, promotion, reduce
from chainrule.ops import contract as _contract
from chainrule.ops import shape as _shape
from chainrule.ops import softmax as _softmax

_FUNCTIONS: dict[str, Callable[..., Any]] = {}


class Operation(Adapted):
    """One of these functions as a layer of a model, where it was called on placeholders.

    Args:
        function: its name.
        name: the layer's name.

    >>> Operation("square")([3.0]).tolist()
    [9.0]
    """

    def __init__(self, function: str, name: str | None = None, **common: Any) -> None:
        self.function = function
        self.adopt({"name": name or new_name(function), **common})
        self._is_built = True

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function."""
        if symbols((args, options)):
            return apply(self, args, options)
        options.pop("training", None)
        if self.function == "get_item" and isinstance(args[1], list):  # as a file has it
            args = (args[0], tuple(args[1]))
        return _FUNCTIONS[self.function](*args, **options)

    def get_config(self) -> dict[str, Any]:
        """Return the name of the function."""
        return {"function": self.function, "name": self.name}


def _exported(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        if symbols((args, options)):
            return Operation(name)(*args, **options)
        return function(*args, **options)

    called.__name__ = called.__qualname__ = name
    called.__module__ = __name__
    _FUNCTIONS[name] = called
    return called


def _op(function: Callable[..., Any]) -> Callable[..., Any]:
    return _exported(function, function.__name__.strip("_"))


abs = absolute = _exported(elementwise.abs, "abs")
add = _exported(elementwise.add, "add")
subtract = _exported(elementwise.subtract, "subtract")
multiply = _exported(elementwise.multiply, "multiply")
divide = true_divide = _exported(elementwise.divide, "divide")
power = _exported(elementwise.power, "power")
negative = _exported(elementwise.negative, "negative")
exp, log = _exported(elementwise.exp, "exp"), _exported(elementwise.log, "log")
log1p, expm1 = _exported(elementwise.log1p, "log1p"), _exported(elementwise.expm1, "expm1")
sqrt, rsqrt = _exported(elementwise.sqrt, "sqrt"), _exported(elementwise.rsqrt, "rsqrt")
square = _exported(elementwise.square, "square")
sin, cos = _exported(elementwise.sin, "sin"), _exported(elementwise.cos, "cos")
sign, floor = _exported(elementwise.sign, "sign"), _exported(elementwise.floor, "floor")
erf = _exported(elementwise.erf, "erf")
maximum = _exported(elementwise.maximum, "maximum")
minimum = _exported(elementwise.minimum, "minimum")
equal = _exported(comparison.equal, "equal")
not_equal = _exported(comparison.not_equal, "not_equal")
less, less_equal = (
    _exported(comparison.less, "less"),
    _exported(comparison.less_equal, "less_equal"),
)
greater = _exported(comparison.greater, "greater")
greater_equal = _exported(comparison.greater_equal, "greater_equal")
logical_and = _exported(comparison.logical_and, "logical_and")
logical_or = _exported(comparison.logical_or, "logical_or")
logical_not = _exported(comparison.logical_not, "logical_not")
isnan, isfinite = (
    _exported(comparison.isnan, "isnan"),
    _exported(comparison.isfinite, "isfinite"),
)
matmul = _exported(_contract.matmul, "matmul")
sum, mean = _exported(reduce.sum, "sum"), _exported(reduce.mean, "mean")
max = amax = _exported(reduce.max, "max")
min = amin = _exported(reduce.min, "min")
var, std = _exported(functional.var, "var"), _exported(functional.std, "std")
logsumexp = _exported(_softmax.logsumexp, "logsumexp")
cumsum = _exported(reduce.cumsum, "cumsum")
expand_dims = _exported(_shape.expand_dims, "expand_dims")
squeeze = _exported(_shape.squeeze, "squeeze")
broadcast_to = _exported(_shape.broadcast_to, "broadcast_to")
swapaxes = _exported(_shape.swapaxes, "swapaxes")
flip = _exported(_shape.flip, "flip")
zeros_like = _exported(creation.zeros_like, "zeros_like")
ones_like = _exported(creation.ones_like, "ones_like")
stop_gradient = _exported(functional.stop_gradient, "stop_gradient")
take_along_axis = _exported(index.take_along_axis, "take_along_axis")
relu, elu = _exported(activations.relu, "relu"), _exported(activations.elu, "elu")
leaky_relu = _exported(activations.leaky_relu, "leaky_relu")
sigmoid = _exported(activations.sigmoid, "sigmoid")
softmax = _exported(activations.softmax, "softmax")
log_softmax = _exported(activations.log_softmax, "log_softmax")
tanh, softplus = (
    _exported(activations.tanh, "tanh"),
    _exported(activations.softplus, "softplus"),
)
softsign, selu = (
    _exported(activations.softsign, "softsign"),
    _exported(activations.selu, "selu"),
)
silu = swish = _exported(activations.silu, "silu")
relu6 = _exported(activations.relu6, "relu6")
hard_sigmoid = _exported(activations.hard_sigmoid, "hard_sigmoid")
hard_silu = hard_swish = _exported(activations.hard_silu, "hard_silu")
hard_tanh = _exported(activations.hard_tanh, "hard_tanh")
log_sigmoid = _exported(activations.log_sigmoid, "log_sigmoid")


@_op
def get_item(x: Any, key: Any) -> Tensor:
    """Return ``x[key]``."""
    return index.getitem(x, key)


@_op
def gelu(x: Any, approximate: bool = True) -> Tensor:
    """Gaussian error linear unit; unlike the activation, by a hyperbolic tangent by default."""
    return activations.gelu(x, approximate)


@_op
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return where the largest element stands."""
    found = reduce.argmax(x, axis)
    return _shape.expand_dims(found, axis) if keepdims and axis is not None else found


@_op
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return where the smallest element stands."""
    found = reduce.argmax(elementwise.negative(x), axis)
    return _shape.expand_dims(found, axis) if keepdims and axis is not None else found


@_op
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return whether all elements are true."""
    return reduce.min(promotion.cast(x, "int32"), axis, keepdims) > 0


@_op
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return whether an element is true."""
    return reduce.max(promotion.cast(x, "int32"), axis, keepdims) > 0


@_op
def clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    """Return elements brought into [x_min, x_max]."""
    return elementwise.minimum(elementwise.maximum(x, x_min), x_max)


@_op
def where(condition: Any, x1: Any = None, x2: Any = None) -> Tensor:
    """Return elements of one tensor where a condition holds, else of another."""
    return elementwise.where(condition, x1, x2)


@_op
def reciprocal(x: Any) -> Tensor:
    """Return ``1 / x``."""
    return elementwise.divide(1.0, x)


@_op
def log2(x: Any) -> Tensor:
    """Return the logarithm to base 2."""
    return elementwise.log(x) * (1.0 / float(np.log(2.0)))


@_op
def log10(x: Any) -> Tensor:
    """Return the logarithm to base 10."""
    return elementwise.log(x) * (1.0 / float(np.log(10.0)))


@_op
def sinh(x: Any) -> Tensor:
    """Return the hyperbolic sine."""
    return 0.5 * (elementwise.expm1(x) - elementwise.expm1(elementwise.negative(x)))


@_op
def cosh(x: Any) -> Tensor:
    """Return the hyperbolic cosine."""
    return 0.5 * (elementwise.exp(x) + elementwise.exp(elementwise.negative(x)))


@_op
def ceil(x: Any) -> Tensor:
    """Return the next whole number from above."""
    return elementwise.negative(elementwise.floor(elementwise.negative(x)))


@_op
def divide_no_nan(x1: Any, x2: Any) -> Tensor:
    """Return ``x1 / x2``, and 0 where the divisor is 0."""
    y = as_tensor(x2)
    safe = elementwise.where(comparison.equal(y, 0), elementwise.add(y * 0.0, 1.0), y)
    return elementwise.where(comparison.equal(y, 0), 0.0, elementwise.divide(x1, safe))


@_op
def dot(x1: Any, x2: Any) -> Tensor:
    """Return the product of matrices and vectors."""
    a, b = as_tensor(x1), as_tensor(x2)
    return a * b if 0 in (a.ndim, b.ndim) else _contract.matmul(a, b)


@_op
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the Euclidean norm, or that of absolute values (1), or of the largest (inf)."""
    if ord in (None, 2, "euclidean", "fro"):
        return elementwise.sqrt(reduce.sum(elementwise.square(x), axis, keepdims))
    if ord == 1:
        return reduce.sum(elementwise.abs(x), axis, keepdims)
    if ord == np.inf:
        return reduce.max(elementwise.abs(x), axis, keepdims)
    raise ArgumentError("ord", repr(ord), "None, 1, 2 or inf")


@_op
def normalize(x: Any, axis: int = -1, order: Any = 2, epsilon: float | None = None) -> Tensor:
    """Return vectors divided by their norms."""
    length = norm(x, order, axis, keepdims=True)
    return elementwise.divide(x, elementwise.maximum(length, 1e-7 if epsilon is None else epsilon))


@_op
def cast(x: Any, dtype: Any) -> Tensor:
    """Return a tensor in another dtype."""
    return promotion.cast(x, as_dtype(dtype))


@_op
def reshape(x: Any, newshape: Any) -> Tensor:
    """Return a tensor in another shape; of a placeholder, the batch's size is -1."""
    return _shape.reshape(x, tuple(newshape))


@_op
def ravel(x: Any) -> Tensor:
    """Return all elements in one row."""
    return _shape.reshape(x, (-1,))


@_op
def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """Return a tensor with its axes in another order."""
    return _shape.transpose(x) if axes is None else _shape.transpose(x, tuple(axes))


@_op
def concatenate(xs: Sequence[Any], axis: int = -1) -> Tensor:
    """Join tensors along an axis, by default the last one, as in Keras."""
    return _shape.concatenate(xs, axis)


@_op
def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along a new axis."""
    return _shape.stack(x, axis)


@_op
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Split a tensor into equal parts, or before given places."""
    if isinstance(indices_or_sections, int):
        return functional.split(x, indices_or_sections, axis)
    x = as_tensor(x)
    ends = [0, *indices_or_sections, x.shape[axis]]
    return [_shape.slice_axis(x, axis, a, b) for a, b in pairwise(ends)]


@_op
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Return elements by their places along an axis."""
    return index.take(ravel(x), indices, 0) if axis is None else index.take(x, indices, axis)


@_op
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Tensor:
    """Return one-hot rows for labels."""
    rows = functional.one_hot(promotion.cast(x, "int64"), num_classes, dtype or "float32")
    if axis in (-1, rows.ndim - 1):
        return rows
    order = list(range(rows.ndim - 1))
    order.insert(axis % rows.ndim, rows.ndim - 1)
    return _shape.transpose(rows, tuple(order))


@_op
def moments(x: Any, axes: Any, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """Return mean and variance."""
    return reduce.mean(x, axes, keepdims), functional.var(x, axes, keepdims)


@_op
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Return the loss of each output."""
    y, p = as_tensor(target), promotion.as_float(output)
    values = _losses.binary_crossentropy(
        _shape.expand_dims(y, -1), _shape.expand_dims(p, -1), from_logits
    )
    return _shape.reshape(values, p.shape)


@_op
def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Return the loss of each sample, given one-hot rows."""
    return _losses.categorical_crossentropy(target, output, from_logits)


@_op
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Return the loss of each sample, given labels."""
    return _losses.sparse_categorical_crossentropy(target, output, from_logits)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None) -> Tensor:
    """Return a tensor."""
    return creation.asarray(x, None if dtype is None else as_dtype(dtype))


array = convert_to_tensor


def convert_to_numpy(x: Any) -> Array:
    """Return a NumPy array."""
    return np.asarray(x)


def is_tensor(x: Any) -> bool:
    """Whether this is a tensor or a variable."""
    return isinstance(x, Operand)


def ndim(x: Any) -> int:
    """Return the number of axes."""
    return len(np.shape(x) if not hasattr(x, "shape") else x.shape)


def size(x: Any) -> int:
    """Return the number of elements."""
    return int(np.prod(as_tensor(x).shape))


def dtype(x: Any) -> str:
    """Return the name of the dtype."""
    return str(x.dtype)


def shape(x: Any) -> tuple[int | None, ...]:
    """Return the shape."""
    return tuple(x.shape)


def zeros(shape: Any, dtype: Any = "float32") -> Tensor:
    """Return zeros."""
    return creation.zeros(shape, as_dtype(dtype))


def ones(shape: Any, dtype: Any = "float32") -> Tensor:
    """Return ones."""
    return creation.ones(shape, as_dtype(dtype))


def full(shape: Any, fill_value: float, dtype: Any = None) -> Tensor:
    """Return one number everywhere."""
    return creation.full(shape, fill_value, as_dtype(dtype or "float32"))


def eye(N: int, M: int | None = None, dtype: Any = "float32") -> Tensor:
    """Return the identity matrix."""
    return creation.eye(N, M, as_dtype(dtype))


def arange(start: float, stop: float | None = None, step: float = 1, dtype: Any = None) -> Tensor:
    """Return numbers at equal distances."""
    bounds = (0, start, step) if stop is None else (start, stop, step)
    return creation.arange(*bounds, dtype=None if dtype is None else as_dtype(dtype))


def linspace(start: float, stop: float, num: int = 50) -> Tensor:
    """Return so many numbers at equal distances."""
    return creation.linspace(start, stop, num)


def described(value: Any) -> Any:
    """Return an argument of an operation as JSON values: slices and arrays, too."""
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": True}
    return array_of(value)


def restored(value: Any) -> Any:
    """Return what ``described`` was given."""
    if isinstance(value, Mapping) and set(value) == {"slice"}:
        return slice(*value["slice"])
    if isinstance(value, Mapping) and set(value) == {"ellipsis"}:
        return Ellipsis
    return value


__getattr__ = missing(__name__, globals())
