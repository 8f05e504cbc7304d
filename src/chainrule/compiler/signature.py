"""Signatures: what of a call a compiled function is specialized on.

Arrays count by dtype and shape, Python's floats and integers by their kind alone, and everything
else by its value (text, bools) or by which object it is (modules, parameters).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from chainrule.core.tensor import Operand, Parameter, Tensor, as_tensor, mode
from chainrule.core.types import Array, ArrayType

_ARRAY, _NUMBER, _STATIC = "array", "number", "static"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is known of one leaf of the arguments.

    Attributes:
        name: the argument's name, and the way from there, such as ``x`` or ``batch['y']``.
        kind: ``"array"``, ``"number"`` or ``"static"``.
        known: an array's type; a number's Python type; a static value itself, by which it counts.
        is_tracked: whether an array may be differentiated by, from outside.
    """

    name: str
    kind: str
    known: Any
    is_tracked: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """What counts of it."""
        return (self.kind, self.known, self.is_tracked)

    def __str__(self) -> str:
        if self.kind == _ARRAY:
            return str(self.known)
        if self.kind == _NUMBER:
            return f"a Python {self.known.__name__}"
        return repr(self.known.value) if isinstance(self.known, _ById) else repr(self.known)


class _ById:
    """An object that counts as which object it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(slots=True)
class Call:
    """The arguments of one call, taken apart.

    Attributes:
        leaves: what is known of each leaf.
        structure: how the leaves stand in containers.
        values: an array's tensor, a number, or the static object, for each leaf.
    """

    leaves: list[Leaf] = field(default_factory=list)
    structure: list[Any] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @property
    def key(self) -> tuple[Any, ...]:
        """What a compiled graph is kept under."""
        return (*self.structure, *[leaf.key for leaf in self.leaves])

    def key_of_numbers(self) -> tuple[Any, ...]:
        """Return the values of Python's numbers, where the graph depends on them."""
        return tuple(
            value
            for leaf, value in zip(self.leaves, self.values, strict=True)
            if leaf.kind == _NUMBER
        )

    def arrays(self) -> list[Tensor]:
        """Return the tensors of the array leaves."""
        return [v for leaf, v in zip(self.leaves, self.values, strict=True) if leaf.kind == _ARRAY]


def take_apart(args: Sequence[Any], options: Mapping[str, Any], names: Sequence[str]) -> Call:
    """Return what is known of the arguments of a call."""
    call = Call()
    call.structure.append(mode.recording)  # backward() inside finds nothing without it
    for i, arg in enumerate(args):
        _visit(arg, names[i] if i < len(names) else f"x{i + 1}", call)
    call.structure.append("|")
    for name in sorted(options):
        call.structure.append(name)
        _visit(options[name], name, call)
    return call


def _visit(value: Any, name: str, call: Call) -> None:
    kind = type(value)
    if kind is Tensor:
        _add(call, name, _ARRAY, value.type, value)
    elif kind is float or kind is int:
        _add(call, name, _NUMBER, kind, value)
    elif value is None or kind is bool or kind is str or kind is bytes or kind is complex:
        _add(call, name, _STATIC, value, value)
        call.structure.append(kind)  # True is 1, but not the same signature
    elif isinstance(value, dict):
        call.structure.append(("dict", tuple(value)))
        for key, part in value.items():
            _visit(part, f"{name}[{key!r}]", call)
    elif isinstance(value, tuple) or (kind is list and not _holds_numbers(value)):
        call.structure.append((kind, len(value)))
        for i, part in enumerate(value):
            _visit(part, f"{name}[{i}]", call)
    elif isinstance(value, Operand) and not isinstance(value, Parameter):
        _visit(value.tensor(), name, call)
    elif _is_array_like(value):
        tensor = as_tensor(value)
        _add(call, name, _ARRAY, tensor.type, tensor)
    else:
        _add(call, name, _STATIC, _static(value), value)


def _add(call: Call, name: str, kind: str, known: Any, value: Any) -> None:
    call.structure.append("*")
    is_tracked = kind == _ARRAY and mode.recording and value.tracked
    call.leaves.append(Leaf(name, kind, known, is_tracked))
    call.values.append(value)


def _holds_numbers(value: list[Any]) -> bool:
    return bool(value) and all(
        _holds_numbers(part) if isinstance(part, list) else isinstance(part, int | float)
        for part in value
    )


def _is_array_like(value: Any) -> bool:
    return (
        isinstance(value, np.ndarray | np.generic | list)
        or hasattr(value, "__array__")
        or hasattr(value, "__dlpack__")
    ) and not isinstance(value, Parameter | type)


def _static(value: Any) -> Any:
    """Return by what a value that is no array counts: frozen plain values, else which it is."""
    if isinstance(value, range | frozenset | slice | np.dtype) or type(value).__module__ == "enum":
        return value if not isinstance(value, slice) else (slice, value.start, value.stop)
    return _ById(value)


def put_together(arg: Any, leaves: Iterator[Any]) -> Any:
    """Return an argument of the same structure with other leaves."""
    if isinstance(arg, dict):
        return {key: put_together(part, leaves) for key, part in arg.items()}
    if isinstance(arg, tuple) or (type(arg) is list and not _holds_numbers(arg)):
        parts = [put_together(part, leaves) for part in arg]
        if isinstance(arg, list):
            return parts
        return type(arg)(*parts) if hasattr(arg, "_fields") else tuple(parts)
    return next(leaves)


def distance(old: Call, new: Call) -> float:
    """Return in how many ways two calls differ: the structure, dtypes, inner shapes, rows."""
    if old.structure != new.structure:
        return float("inf")
    found = 0.0
    for before, now in zip(old.leaves, new.leaves, strict=True):
        if before.key == now.key:
            continue
        if before.kind == now.kind == _ARRAY:
            found += 0.5 * (before.is_tracked != now.is_tracked)
            found += before.known.dtype != now.known.dtype
            found += before.known.shape[1:] != now.known.shape[1:]
            found += 0.1 * (before.known.shape[:1] != now.known.shape[:1])
        else:
            found += 1
    return found


def differences(old: Call, new: Call) -> list[str]:
    """Say in what a call differs from an earlier one."""
    if old.structure[1:] != new.structure[1:]:
        return ["another structure of the arguments"]
    found = []
    if old.structure != new.structure:
        found.append("gradients are recorded now" if mode.recording else "inside no_grad() now")
    for before, now in zip(old.leaves, new.leaves, strict=True):
        if (before.kind, before.known) != (now.kind, now.known):
            found.append(f"{now.name} is {now}, was {before}")
        elif before.is_tracked != now.is_tracked:
            flow = "flow" if now.is_tracked else "do not flow"
            found.append(f"gradients {flow} through {now.name} now")
    return found


# What a function reads beside its arguments ----------------------------------------------------


class Surroundings:
    """What a function reads from outside: closure variables, globals; and whether they changed.

    Only what tracing turns into constants is watched: numbers, text, arrays and tensors.
    """

    _WATCHED = (int, float, complex, str, bytes, bool, type(None), Tensor, np.ndarray, np.generic)

    def __init__(self, f: Callable[..., Any]) -> None:
        self._places = list(_places(f))
        self._values = [read() for _, read in self._places]

    def changed(self) -> list[str]:
        """Say what is not as it was."""
        found = []
        for (name, read), before in zip(self._places, self._values, strict=True):
            now = read()
            if now is before:
                continue
            if not isinstance(now, self._WATCHED) and not isinstance(before, self._WATCHED):
                continue
            if not _is_same_plain(now, before):
                found.append(f"{name}, read from outside, is {_short(now)}, was {_short(before)}")
        return found


def _is_same_plain(now: Any, before: Any) -> bool:
    plain = (int, float, complex, str, bytes)
    return type(now) is type(before) and isinstance(now, plain) and bool(now == before)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray | Tensor):
        kind = ArrayType(value.shape, value.dtype)
        return f"another array of type {kind}"
    return repr(value)


_MISSING = object()


def _places(f: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    while hasattr(f, "__wrapped__") or hasattr(f, "func") or inspect.ismethod(f):
        f = f.__func__ if inspect.ismethod(f) else getattr(f, "func", None) or f.__wrapped__
    if not isinstance(f, FunctionType):
        return
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=False):
        yield name, lambda cell=cell: _content(cell)  # type: ignore[misc]
    for name in sorted(_global_names(f.__code__)):
        if name in f.__globals__:
            yield name, lambda name=name: f.__globals__.get(name, _MISSING)  # type: ignore[misc]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _MISSING


def _global_names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _global_names(constant)
    return names


def array_of(value: Any) -> Array:
    """Return a number as the array that a graph takes for it: float64 or int64, 0-d."""
    return np.asarray(value, np.float64 if type(value) is float else np.int64)
