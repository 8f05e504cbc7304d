"""What a function reads beside its arguments, and whether it is as it was.

Tracing turns what is read from elsewhere into constants of the graph. Watched are closure
variables, globals, the attributes of a method's object and of objects among the arguments, and the
same of the Python functions found there: numbers, text, small arrays, containers of these, and
which object it is for all else. What code reaches in other ways is not seen.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.core.origin import PACKAGE
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import ArrayType

_PLAIN = (int, float, complex, str, bytes, bool, type(None), np.dtype, enum.Enum, range, type)
#: Bytes up to which an array's content is watched, elements of a container, and how deep it goes.
_SMALL, _ELEMENTS, _DEPTH = 1 << 16, 200, 3

Place = tuple[str, Callable[[], Any]]


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()


def snapshot(value: Any, depth: int = _DEPTH) -> Any:  # noqa: PLR0911 - one a kind
    """Return something that equals another snapshot where tracing would find the same."""
    if isinstance(value, float):
        return (float, np.float64(value).tobytes())  # -0.0 is not 0.0, and NaN is NaN
    if isinstance(value, _PLAIN):
        return (type(value), value)
    if isinstance(value, slice):
        return (slice, *[snapshot(part, 0) for part in (value.start, value.stop, value.step)])
    if isinstance(value, np.ndarray):
        content = value.tobytes() if value.nbytes <= _SMALL else b""
        return (_Same(value), value.shape, value.dtype, content)
    if isinstance(value, MethodType):  # made anew each time that it is read
        return (MethodType, _Same(value.__self__), value.__func__)
    if depth and isinstance(value, _CONTAINERS) and len(value) <= _ELEMENTS:
        return (type(value), _contents(value, depth - 1))
    return _Same(value)


_CONTAINERS = (dict, list, tuple, set, frozenset)


def _contents(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        pairs = value.items()
        return tuple((_Same(k) if _is_odd(k) else k, snapshot(v, depth)) for k, v in pairs)
    parts = (snapshot(part, depth) for part in value)
    return frozenset(parts) if isinstance(value, set | frozenset) else tuple(parts)


def _is_odd(key: Any) -> bool:
    return not isinstance(key, str | int | bytes | tuple)


class _Same:
    """Which object it is; the object is kept, so that no other can have its identity."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class Surroundings:
    """What is read from outside, as it was when this was made.

    Args:
        functions: functions that are traced.
        objects: name and object of what is among the arguments and counts by which object it is.
    """

    def __init__(
        self, functions: Iterable[Callable[..., Any]], objects: Iterable[tuple[str, Any]] = ()
    ) -> None:
        seen: set[int] = set()
        places: list[Place] = []
        for f in functions:
            places += _places(f, seen)
        for name, thing in objects:
            places += _attributes(name, thing, seen)
        self._places = places
        self._before = [snapshot(read()) for _, read in places]

    def settle(self) -> list[str]:
        """Stop watching what is not as it was, and return the names: tracing itself changed it."""
        kept = [snapshot(read()) == before for (_, read), before in self._pairs()]
        names = [name for (name, _), keep in zip(self._places, kept, strict=True) if not keep]
        self._places = [p for p, keep in zip(self._places, kept, strict=True) if keep]
        self._before = [b for b, keep in zip(self._before, kept, strict=True) if keep]
        return names

    def _pairs(self) -> Iterator[tuple[Place, Any]]:
        return zip(self._places, self._before, strict=True)

    def changed(self) -> list[str]:
        """Say what is not as it was."""
        found = []
        for (name, read), before in self._pairs():
            now = read()
            if snapshot(now) != before:
                found.append(f"{name}, read from outside, is {_short(now)}, was {_told(before)}")
        return found

    def holds(self) -> bool:
        """Whether all is as it was."""
        return all(snapshot(read()) == before for (_, read), before in self._pairs())


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray | Tensor):
        return f"an array of type {ArrayType(value.shape, value.dtype)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _told(before: Any) -> str:
    if isinstance(before, tuple) and len(before) == 2 and before[0] is float:
        return repr(float(np.frombuffer(before[1])[0]))
    if isinstance(before, tuple) and len(before) == 2 and not isinstance(before[1], tuple):
        return _short(before[1])
    return "something else"


def _unwrapped(f: Any) -> Iterator[Any]:
    """Return a function and all that it wraps, and the objects that its methods belong to."""
    while f is not None:
        yield f
        if isinstance(f, MethodType):
            yield f.__self__
            f = f.__func__
        elif hasattr(f, "func") and hasattr(f, "args"):  # functools.partial
            f = f.func
        elif not isinstance(f, FunctionType | type) and not hasattr(f, "__wrapped__"):
            call = inspect.getattr_static(type(f), "__call__", None)
            f = call if isinstance(call, FunctionType) else None
        else:
            f = getattr(f, "__wrapped__", None)


def _places(f: Any, seen: set[int]) -> Iterator[Place]:
    for part in _unwrapped(f):
        if id(part) in seen:
            continue
        if isinstance(part, FunctionType):
            seen.add(id(part))
            if not part.__code__.co_filename.startswith(PACKAGE):
                yield from _of_function(part, seen)
        elif not isinstance(part, MethodType):
            yield from _attributes(type(part).__name__, part, seen)


def _of_function(f: FunctionType, seen: set[int]) -> Iterator[Place]:
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=False):
        yield name, lambda cell=cell: _content(cell)  # type: ignore[misc]
        yield from _inside(name, _content(cell), seen)
    for name in sorted(_global_names(f.__code__)):
        if name in f.__globals__:
            yield name, lambda name=name: f.__globals__.get(name, _MISSING)  # type: ignore[misc]
            yield from _inside(name, f.__globals__[name], seen)


def _inside(name: str, value: Any, seen: set[int]) -> Iterator[Place]:
    """Follow the functions and objects that a function reads."""
    if isinstance(value, FunctionType | MethodType):
        yield from _places(value, seen)
    else:
        yield from _attributes(name, value, seen)


def _attributes(name: str, thing: Any, seen: set[int]) -> Iterator[Place]:
    """Watch the attributes of an object of the user's."""
    kind = type(thing)
    if id(thing) in seen or isinstance(thing, Tensor | Parameter | ModuleType | type):
        return
    if kind.__module__.split(".")[0] in (object.__module__, "numpy", "chainrule", "functools"):
        return
    seen.add(id(thing))
    for attribute in sorted(getattr(thing, "__dict__", ())):
        yield (
            f"{name}.{attribute}",
            lambda attribute=attribute: thing.__dict__.get(attribute, _MISSING),  # type: ignore[misc]
        )


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
