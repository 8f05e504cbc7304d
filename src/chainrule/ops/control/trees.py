"""Checks of what users' functions return, against what they were given or against each other."""

from __future__ import annotations

from typing import Any

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.core.tree import leaves, rebuild
from chainrule.core.types import BOOL


class _Shown:
    """A leaf as it is printed inside of its containers."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def tensors_of(tree: Any) -> list[Tensor]:
    """Return the leaves as tensors."""
    return [as_tensor(leaf) for leaf in leaves(tree)]


def shown(tree: Any) -> str:
    """Write a tree with the types of its leaves.

    >>> shown({"h": [[1.0, 2.0]], "t": 0})
    "{'h': float32[1,2], 't': int64[]}"
    """
    return str(rebuild(tree, [_Shown(str(x.type)) for x in tensors_of(tree)]))


def matching(tree: Any, like: Any, what: str, expected: str, fix: str = "") -> list[Tensor]:
    """Return the leaves of a tree in the order of another one's.

    Args:
        tree: what came.
        like: a tree of the structure, shapes and dtypes that were expected.
        what: what it is, for the error.
        expected: whose structure it must have: ``"as init"``.
        fix: the usual fix of another dtype.

    Raises:
        ArgumentError: another structure; of another shape a ``ShapeError``, of another dtype a
            ``DtypeError``.
    """
    paired: list[tuple[Any, Any]] = []
    if not _pair(tree, like, paired):
        raise ArgumentError(what, shown(tree), f"{shown(like)}, {expected}")
    pairs = [(as_tensor(a), as_tensor(b)) for a, b in paired]
    if any(a.shape != b.shape for a, b in pairs):
        raise ShapeError(what, shown(tree), f"{shown(like)}, {expected}")
    if any(a.dtype != b.dtype for a, b in pairs):
        raise DtypeError(what, shown(tree), f"{shown(like)}, {expected}", fix)
    return [a for a, _ in pairs]


def _pair(tree: Any, like: Any, paired: list[tuple[Any, Any]]) -> bool:
    """Add the pairs of leaves; return whether the structures are equal."""
    if like is None or tree is None:
        return like is None and tree is None
    if isinstance(like, dict):
        return (
            isinstance(tree, dict)
            and tree.keys() == like.keys()
            and all(_pair(tree[key], like[key], paired) for key in like)
        )
    if _is_container(like) or _is_container(tree):
        return (
            isinstance(tree, list) == isinstance(like, list)
            and isinstance(tree, tuple) == isinstance(like, tuple)
            and len(tree) == len(like)
            and all(_pair(a, b, paired) for a, b in zip(tree, like, strict=True))
        )
    paired.append((tree, like))
    return not isinstance(tree, dict)


def _is_container(tree: Any) -> bool:
    return isinstance(tree, list | tuple) and [id(x) for x in leaves(tree)] != [id(tree)]


def condition_of(value: Any, what: str) -> Tensor:
    """Return a predicate as a tensor.

    Raises:
        ArgumentError: anything but one bool.
    """
    if value is None or isinstance(value, dict) or _is_container(value):
        raise ArgumentError(what, f"a {type(value).__name__}", "one bool, shape ()")
    found = as_tensor(value)
    if found.shape != ():
        raise ShapeError(
            what,
            f"{found.type}",
            "one bool, shape ()",
            "Reduce it first, for example with (x > 0).min(); to choose element by element use "
            "cr.where.",
        )
    if found.dtype != BOOL:
        raise DtypeError(what, f"{found.type}", "one bool", "Compare first, for example x > 0.")
    return found


def callable_of(f: Any, argument: str) -> None:
    """Raise ``ArgumentError`` for what is no function."""
    if not callable(f):
        raise ArgumentError(
            argument,
            f"a {type(f).__name__}",
            "a function",
            "Give a function that computes it, for example lambda x: x.",
        )
