"""Tensors, parameters, and ``bind``: the one door through which operations pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import (
    ArgumentError,
    ChainruleError,
    DtypeError,
    ShapeError,
    TracingError,
)
from chainrule.core.graph import Node, Primitive, known_data, next_order
from chainrule.core.mode import current_origin, mode
from chainrule.core.origin import Source, users_line
from chainrule.core.types import (
    BOOL,
    DEFAULT_FLOAT,
    FLOAT64,
    INT64,
    Array,
    ArrayType,
    Dtype,
    Shape,
    TupleType,
    as_dtype,
)

#: Whatever can be turned into a tensor: tensors, parameters, numbers, lists, arrays, frames.
TensorLike: TypeAlias = Any

_ndarray = np.ndarray


class Operand:
    """What tensors and parameters have in common: NumPy's attributes, methods and operators.

    The operators and the methods that compute are operations of ``chainrule.ops``, which puts
    them here when it is imported (``ops.methods``); ``backward`` comes from ``autodiff.reverse``.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    # Filled by chainrule.ops.methods
    __neg__: ClassVar[Callable[[Any], Tensor]]
    __abs__: ClassVar[Callable[[Any], Tensor]]
    __invert__: ClassVar[Callable[[Any], Tensor]]
    __add__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __radd__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __sub__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __rsub__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __mul__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __rmul__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __truediv__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __rtruediv__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __pow__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __rpow__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __matmul__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __rmatmul__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __and__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __rand__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __ror__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __or__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __eq__: ClassVar[Callable[[Any, TensorLike], Tensor]]  # type: ignore[assignment]
    __ne__: ClassVar[Callable[[Any, TensorLike], Tensor]]  # type: ignore[assignment]
    __lt__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __le__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __gt__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __ge__: ClassVar[Callable[[Any, TensorLike], Tensor]]
    __getitem__: ClassVar[Callable[[Any, Any], Tensor]]
    sum: ClassVar[Callable[..., Tensor]]
    mean: ClassVar[Callable[..., Tensor]]
    max: ClassVar[Callable[..., Tensor]]
    min: ClassVar[Callable[..., Tensor]]
    argmax: ClassVar[Callable[..., Tensor]]
    cumsum: ClassVar[Callable[..., Tensor]]
    astype: ClassVar[Callable[[Any, npt.DTypeLike], Tensor]]
    reshape: ClassVar[Callable[..., Tensor]]
    transpose: ClassVar[Callable[..., Tensor]]
    flatten: ClassVar[Callable[[Any], Tensor]]
    squeeze: ClassVar[Callable[..., Tensor]]
    # Filled by chainrule.autodiff.reverse
    backward: ClassVar[Callable[..., None]]

    def tensor(self) -> Tensor:
        """Return the value as a tensor."""
        raise NotImplementedError

    @property
    def type(self) -> ArrayType:
        """Shape and dtype."""
        raise NotImplementedError

    @property
    def shape(self) -> Shape:
        """Size along each axis."""
        return self.type.shape

    @property
    def dtype(self) -> Dtype:
        """NumPy dtype of the elements."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.type.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.type.size

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """The array with its axes reversed."""
        return self.transpose()

    def numpy(self) -> Array:
        """Return the value as a NumPy array, read-only: tensors do not change."""
        view = known(self.tensor(), "numpy()").view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """Return the value of a one-element tensor as a Python number."""
        return self._element("item()")

    def _element(self, wanted_by: str) -> Any:
        data = known(self.tensor(), wanted_by)
        if data.size != 1:
            raise ShapeError(wanted_by, f"a tensor of shape {data.shape}", "exactly one element")
        return data.item()

    def tolist(self) -> Any:
        """Return the value as nested lists of Python numbers."""
        return known(self.tensor(), "tolist()").tolist()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        view = known(self.tensor(), "np.asarray()").view()
        view.flags.writeable = False
        return np.array(view, dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        # A consumer may write into what it gets; tensors do not change, so it gets a copy.
        return known(self.tensor(), "DLPack").copy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __float__(self) -> float:
        return float(self._element("float()"))

    def __int__(self) -> int:
        return int(self._element("int()"))

    def __index__(self) -> int:
        value = self._element("a Python integer (range(), an index, a size)")
        if not isinstance(value, int):
            raise TypeError(f"only an integer tensor can be used as an index, not {self.dtype}")
        return value

    def __bool__(self) -> bool:
        data = known(self.tensor(), "a Python condition (if, while, and, or, not)")
        if data.size != 1:
            raise ShapeError(
                "condition",
                f"a tensor of shape {data.shape}",
                "one element",
                "Reduce it first, for example with (x > 0).min().",
            )
        return bool(data)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            "tensors do not change: build a new one with cr.where(mask, new, old) or "
            "cr.scatter_add(x, indices, values), or assign a cr.Parameter as a whole"
        )


class Tensor(Node, Operand):
    """An array that does not change, with NumPy's semantics, and the node that computed it.

    Made by ``cr.tensor``, ``cr.zeros`` and their like, and by every operation.
    """

    __slots__ = ("cell",)
    __hash__ = object.__hash__

    #: The parameter that this value was read from, if it was.
    cell: Parameter | None

    def __init__(
        self,
        data: Array | None,
        primitive: Primitive | None = None,
        inputs: tuple[Node, ...] = (),
        attrs: Mapping[str, Any] | None = None,
        tracked: bool = False,
    ) -> None:
        self.data = data
        self.primitive = primitive
        self.inputs = inputs
        self.attrs = attrs or _NO_ATTRS
        self.tracked = tracked
        self.order = next_order()
        self.cell = None

    def tensor(self) -> Tensor:
        """Return the tensor itself."""
        return self

    @property
    def shape(self) -> Shape:
        """Size along each axis."""
        return self.type.shape if self.data is None else self.data.shape

    @property
    def dtype(self) -> Dtype:
        """NumPy dtype of the elements."""
        return self.type.dtype if self.data is None else self.data.dtype

    def __repr__(self) -> str:
        if self.data is None:
            return f"Tensor(traced, {self.type})"
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        return f"Tensor({body}, dtype={self.data.dtype})"


_NO_ATTRS: Mapping[str, Any] = {}


def unknown(
    kind: ArrayType,
    primitive: Primitive | None = None,
    inputs: tuple[Node, ...] = (),
    attrs: Mapping[str, Any] | None = None,
    tracked: bool = False,
) -> Tensor:
    """Return a tensor of which only the type is known: an input of a trace, or computed in one."""
    result = Tensor(None, primitive, inputs, attrs, tracked)
    result._type = kind
    return result


def known(x: Tensor, wanted_by: str) -> Array:
    """Return the value, or say that it does not exist while tracing."""
    if x.data is None:
        raise TracingError(
            f"{wanted_by} needs a value, and this tensor ({x.type}) has none: it is being traced"
            f"{_at(users_line())}. Shapes and dtypes are known while tracing, values are not. "
            "Choose between values with cr.where(condition, a, b), between computations with "
            "cr.cond, and repeat with cr.scan or cr.while_loop; or keep this part outside the "
            "traced function."
        )
    return x.data


def _at(source: Source | None) -> str:
    if source is None:
        return ""
    return f" (line {source.line} of {source.file}{': ' + source.text if source.text else ''})"


class Parameter(Operand):
    """A named cell that holds a tensor; what training changes.

    Reading gives the value of the moment, so that a recorded graph keeps the values it was
    recorded with when the parameter is assigned later.

    Args:
        value: initial value; copied.
        name: name for summaries, files and messages.
        trainable: whether gradients are recorded for it.

    >>> import chainrule as cr
    >>> w = cr.Parameter([1.0, 2.0], name="w")
    >>> (w * w).sum().backward()
    >>> w.grad.tolist()
    [2.0, 4.0]
    """

    __slots__ = ("_grad", "_trainable", "_value", "name")

    def __init__(self, value: TensorLike, name: str = "", trainable: bool = True) -> None:
        self.name = name
        self._trainable = trainable
        self._grad: Tensor | None = None
        self._value = self._leaf(np.array(known(as_tensor(value), "a parameter's value")))

    def _leaf(self, data: Array) -> Tensor:
        leaf = Tensor(data, tracked=self._trainable and data.dtype.kind == "f")
        leaf.cell = self
        return leaf

    @property
    def trainable(self) -> bool:
        """Whether gradients are recorded for it, from the moment that this is set."""
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = trainable
        self._value = self._leaf(known_data(self._value))

    def tensor(self) -> Tensor:
        """Return the value of the moment."""
        return self._value if mode.tracer is None else mode.tracer.read(self)

    @property
    def value(self) -> Tensor:
        """The value of the moment."""
        return self.tensor()

    @property
    def type(self) -> ArrayType:
        """Shape and dtype."""
        return self._value.type

    @property
    def grad(self) -> Tensor | None:
        """Sum of the gradients that ``backward()`` found since this was last set to ``None``."""
        return self._grad if mode.tracer is None else mode.tracer.read_grad(self)

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        if mode.tracer is None:
            self._grad = grad
        else:
            mode.tracer.assign_grad(self, grad)

    def assign(self, value: TensorLike) -> None:
        """Put a value of the same shape into the cell; it is cast to the cell's dtype.

        Raises:
            ShapeError: a value of another shape.
        """
        new = as_tensor(value, self.dtype)
        if new.shape != self.shape:
            raise ShapeError(
                f"value for parameter {self.name!r}", f"shape {new.shape}", f"shape {self.shape}"
            )
        if mode.tracer is not None:
            mode.tracer.assign(self, new)
        else:
            data = known(new, "assign()")
            # A tensor does not change and can be shared; other arrays are their owner's to change.
            shared = isinstance(value, Operand) and data.dtype == self.dtype
            self._value = self._leaf(data if shared else np.array(data, dtype=self.dtype))

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, {self.type})"


class Number(Operand):
    """A Python number that is an input of a trace.

    Like a number it is weak, which is to say that it takes the dtype of the array that it meets,
    and with other numbers it makes numbers. Where its value is asked for there is none.

    Args:
        node: the number in 64 bits, 0-d.
        kind: ``float`` or ``int``.
    """

    __slots__ = ("kind", "node")

    def __init__(self, node: Tensor, kind: type) -> None:
        self.node = node
        self.kind = kind

    def tensor(self) -> Tensor:
        """Return the number as an array of its own: float32 or int64."""
        return self.in_dtype(_default_dtype(self.kind))

    def in_dtype(self, dtype: Dtype) -> Tensor:
        """Return the number as an array of a dtype."""
        return self.node.astype(dtype)

    @property
    def type(self) -> ArrayType:
        """Shape and dtype of the number as an array of its own."""
        return ArrayType((), _default_dtype(self.kind))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What ``isinstance`` sees: the kind of number that it stands for."""
        return self.kind

    def _needs_value(self, *args: Any) -> Any:
        known(self.node, f"what is done with a Python {self.kind.__name__}")

    # Looking a number up, writing it down, and Python's arithmetic beyond + - * / take its value.
    __hash__ = __str__ = __repr__ = __format__ = __abs__ = _needs_value  # type: ignore[assignment]

    def __pow__(self, other: Any) -> Any:
        return self._needs_value() if _is_number(other) else Operand.__pow__(self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._needs_value() if _is_number(other) else Operand.__rpow__(self, other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if all(map(_is_number, inputs)):
            return self._needs_value()  # NumPy makes numbers of numbers
        return Operand.__array_ufunc__(self, ufunc, method, *inputs, **options)  # type: ignore[attr-defined]


def _is_number(x: Any) -> bool:
    return type(x) is Number or isinstance(x, int | float | np.generic)


def _on_numbers(name: str) -> Any:
    """Return an operator that makes a number of two, and else does what arrays do."""

    def operator(self: Number, other: Any) -> Any:
        kind: Any = other.kind if type(other) is Number else type(other)
        if kind is not float and kind is not int:
            return getattr(Operand, name)(self, other)
        is_float = float in (self.kind, kind) or "div" in name
        mine = self.node.astype(FLOAT64) if is_float else self.node
        value = other.node if type(other) is Number else Tensor(np.asarray(other, mine.dtype))
        return Number(getattr(mine, name)(value), float if is_float else int)

    return operator


def _negative(self: Number) -> Any:
    return Number(-self.node, self.kind)


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv"):
    setattr(Number, f"__{_name}__", _on_numbers(f"__{_name}__"))
Number.__neg__ = _negative


def bind(primitive: Primitive, *inputs: Tensor, **attrs: Any) -> Tensor:
    """Apply a primitive: evaluate it, record it where a gradient may be asked for, or trace it.

    Args:
        primitive: the operation.
        inputs: tensors, their dtypes already promoted.
        attrs: the primitive's attributes: hashable Python values.
    """
    tracked = False
    arrays = []
    for x in inputs:
        if x.data is None:
            return _trace(primitive, inputs, attrs)
        arrays.append(x.data)
        if x.tracked:
            tracked = True
    try:
        data = primitive.eval(*arrays, **attrs)
    except ChainruleError:
        raise
    except ValueError as error:
        # NumPy's message lacks the operation; the type rule knows what was expected.
        primitive.type_rule(*[x.type for x in inputs], **attrs)
        raise ShapeError(
            primitive.name, ", ".join(str(x.type) for x in inputs), f"arguments that fit ({error})"
        ) from error
    if type(data) is not _ndarray and type(data) is not tuple:
        data = np.asarray(data)
    if mode.notebook is not None:
        return _noted(mode.notebook, data, primitive, inputs, attrs, tracked)
    if tracked and mode.recording and (type(data) is tuple or data.dtype.kind == "f"):
        return Tensor(data, primitive, inputs, attrs, True)
    return Tensor(data)


def _noted(
    notebook: list[Tensor],
    data: Any,
    primitive: Primitive,
    inputs: tuple[Tensor, ...],
    attrs: Mapping[str, Any],
    tracked: bool,
) -> Tensor:
    """Return a value that is linked to what it was computed from, whether it is tracked or not."""
    tracked = tracked and mode.recording and (type(data) is tuple or data.dtype.kind == "f")
    result = Tensor(data, primitive, inputs, attrs, tracked)
    result._origin = current_origin()
    notebook.append(result)
    return result


def _trace(primitive: Primitive, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any]) -> Tensor:
    kind: Any = primitive.type_rule(*[x.type for x in inputs], **attrs)
    moves = isinstance(kind, TupleType) or kind.dtype.kind == "f"
    tracked = mode.recording and moves and any(x.tracked for x in inputs)
    result = unknown(kind, primitive, inputs, attrs, tracked)
    result._origin = current_origin()
    return result


def as_tensor(x: TensorLike, dtype: Dtype | None = None) -> Tensor:
    """Return ``x`` as a tensor without copying where possible.

    Args:
        x: tensor, parameter, number, nested lists, NumPy array, or anything with ``__array__``
            or DLPack.
        dtype: dtype for Python numbers and lists (default: float32, int64 or bool).
    """
    kind = type(x)
    if kind is Tensor:
        return x  # type: ignore[no-any-return]
    if kind is float or kind is int or kind is bool:
        return Tensor(np.asarray(x, dtype or _default_dtype(kind)))
    if kind is Number and dtype is not None:
        return x.in_dtype(dtype)  # type: ignore[no-any-return]
    if isinstance(x, Operand):
        return x.tensor()
    if isinstance(x, float | int) and not isinstance(x, np.generic):  # np.float64 is a float
        return as_tensor(x + 0, dtype)
    return Tensor(_as_array(x, dtype))


def _default_dtype(kind: type) -> Dtype:
    return BOOL if kind is bool else INT64 if kind is int else DEFAULT_FLOAT


def _as_array(x: Any, dtype: Dtype | None) -> Array:
    if isinstance(x, _ndarray | np.generic):
        array = np.asarray(x)
    elif isinstance(x, list | tuple):
        array = _from_sequence(x, dtype)
    elif hasattr(x, "__array__"):
        array = np.asarray(x)
    elif hasattr(x, "__dlpack__"):
        array = np.from_dlpack(x)
    else:
        raise DtypeError(
            "array", f"a value of type {type(x).__name__}", "numbers or an array of them"
        )
    if array.dtype.kind in "OUSV":
        raise DtypeError(
            "array", f"values of dtype {array.dtype}", "numbers", "Encode text as numbers first."
        )
    as_dtype(array.dtype)
    return array


def _from_sequence(x: Any, dtype: Dtype | None) -> Array:
    if mode.recording and any(isinstance(e, Operand) and e.tensor().tracked for e in x):
        raise ArgumentError(
            "array",
            "a list of tensors through which gradients flow",
            "numbers, or one tensor",
            "Join tensors with cr.stack or cr.concatenate, which carry the gradients.",
        )
    try:
        array = np.asarray(
            [e.numpy() if isinstance(e, Operand) else e for e in x] if _has_operand(x) else x
        )
    except ValueError as error:
        raise ShapeError(
            "array", "nested lists of uneven lengths", "lists of equal length"
        ) from error
    if array.dtype == FLOAT64 and not _holds_arrays(x):
        return array.astype(dtype or DEFAULT_FLOAT)
    return array if dtype is None or array.dtype.kind in "OUSV" else array.astype(dtype)


def _has_operand(x: Any) -> bool:
    return any(isinstance(e, Operand) for e in x)


def _holds_arrays(x: Any) -> bool:
    """Whether the innermost elements are NumPy's, and so carry a dtype that someone chose."""
    while isinstance(x, list | tuple) and x:
        x = x[0]
    return isinstance(x, _ndarray | np.generic)
