"""Signatures: what of a call a compiled function is specialized on.

Arrays count by dtype and shape, Python's floats and integers by their kind alone, and everything
else by its value (text, bools) or by which object it is (modules, parameters).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.compiler.surroundings import snapshot
from chainrule.core.graph import known_data
from chainrule.core.mode import mode
from chainrule.core.tensor import Number, Operand, Parameter, Tensor, as_tensor, unknown
from chainrule.core.types import FLOAT64, INT64, Array, ArrayType

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

    def described(self, any_rows: bool) -> str:
        """Return what is known as text, with ``n`` for the first size where it may be any."""
        if self.kind == _ARRAY and any_rows and self.known.ndim:
            sizes = ",".join(["n", *map(str, self.known.shape[1:])])
            return f"{self.known.dtype}[{sizes}]"
        return str(self)

    def __str__(self) -> str:
        if self.kind == _ARRAY:
            return str(self.known)
        if self.kind == _NUMBER:
            return f"a Python {self.known}"
        value = self.known.value
        text = repr(value)
        return text if len(text) <= 60 else f"another {type(value).__name__}"


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

    def numbers(self) -> list[int]:
        """Return which leaves are numbers, whose values need not count."""
        return [i for i, leaf in enumerate(self.leaves) if leaf.kind == _NUMBER]

    def key_of_numbers(self, chosen: Collection[int]) -> tuple[Any, ...]:
        """Return the values of chosen numbers, on which a graph depends."""
        return tuple(snapshot(self.values[i]) for i in sorted(chosen))

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
    elif _is_number(value):
        _add(call, name, _NUMBER, _number_kind(value), value)
    elif isinstance(value, dict):
        call.structure.append((kind, tuple(value)))
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
        _add(call, name, _STATIC, Static(value), value)


class Static:
    """A value that counts by what it is (text, bools, slices) or by which object it is."""

    __slots__ = ("key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key = snapshot(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key) if not isinstance(self.value, np.ndarray) else id(self.value)


def _is_number(value: Any) -> bool:
    """Whether it is a number, or a few integers, whose value a function might need."""
    kind = type(value)
    if kind is float or kind is np.float64 or (kind is int and -(2**63) <= value < 2**63):
        return True
    if isinstance(value, np.integer | np.bool_):
        return True
    return kind is list and 0 < len(value) <= 16 and all(type(part) is int for part in value)


def _number_kind(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {len(value)} integers"
    return "float" if isinstance(value, float) else type(value).__name__


def placeholder(value: Any) -> tuple[Tensor, Any]:
    """Return what stands for a number in a trace: the input, and what the function is given."""
    if isinstance(value, float) or type(value) is int:
        kind = float if isinstance(value, float) else int
        node = unknown(ArrayType((), FLOAT64 if kind is float else INT64))
        return node, Number(node, kind)
    node = unknown(as_tensor(value).type)
    return node, node


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


def put_together(arg: Any, leaves: Iterator[Any]) -> Any:
    """Return an argument of the same structure with other leaves."""
    if isinstance(arg, dict):
        made = copy.copy(arg)
        made.update({key: put_together(part, leaves) for key, part in arg.items()})
        return made
    is_tuple = isinstance(arg, tuple)
    if is_tuple or (type(arg) is list and not _is_number(arg) and not _holds_numbers(arg)):
        parts = [put_together(part, leaves) for part in arg]
        if not is_tuple:
            return parts
        kind = type(arg)
        if kind is tuple:
            return tuple(parts)
        return kind(*parts) if hasattr(arg, "_fields") else tuple.__new__(kind, parts)
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


def differences(old: Call, new: Call, rows: Sequence[int] = ()) -> list[str]:
    """Say in what a call differs from an earlier one.

    Args:
        old: the earlier call.
        new: the call.
        rows: leaves whose first axis may have any size.
    """
    if old.structure[1:] != new.structure[1:]:
        return ["another structure of the arguments"]
    found = []
    if old.structure != new.structure:
        found.append("gradients are recorded now" if mode.recording else "inside no_grad() now")
    for i, (before, now) in enumerate(zip(old.leaves, new.leaves, strict=True)):
        if before.described(i in rows) != now.described(i in rows):
            found.append(
                f"{now.name} is {now.described(i in rows)}, was {before.described(i in rows)}"
            )
        if before.is_tracked != now.is_tracked:
            flow = "flow" if now.is_tracked else "do not flow"
            found.append(f"gradients {flow} through {now.name} now")
    return found


def changed_rows(old: Call, new: Call) -> tuple[int, ...]:
    """Return the leaves in which two calls differ, if it is in one first axis only."""
    if old.structure != new.structure:
        return ()
    changed, sizes = [], set()
    for i, (before, now) in enumerate(zip(old.leaves, new.leaves, strict=True)):
        if before.key == now.key:
            continue
        a, b = before.known, now.known
        if before.kind != "array" or now.kind != "array" or a.dtype != b.dtype:
            return ()
        if before.is_tracked != now.is_tracked:
            return ()
        if not a.ndim or not b.ndim or a.shape[1:] != b.shape[1:]:
            return ()
        changed.append(i)
        sizes.add((a.shape[0], b.shape[0]))
    return tuple(changed) if len(sizes) == 1 else ()


def array_of(value: Any) -> Array:
    """Return a number as the array that a graph takes for it."""
    if isinstance(value, float) or type(value) is int:
        return np.asarray(value, np.float64 if isinstance(value, float) else np.int64)
    return known_data(as_tensor(value))
