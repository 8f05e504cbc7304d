"""Nested containers of tensors: taken apart into a list of leaves, and put together again.

Containers are tuples, dicts, and lists; a (nested) list of nothing but numbers is not a container
but an array, as it is everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from chainrule.core.errors import ArgumentError

_END = object()


def leaves(tree: Any) -> list[Any]:
    """Return what is not a tuple, list, dict or ``None``, in order (a dict's: that of its keys).

    >>> leaves({"a": 1, "b": (2, [[3.0, 4.0], None])})
    [1, 2, [3.0, 4.0]]
    """
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if _is_sequence(tree):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def _is_sequence(tree: Any) -> bool:
    return isinstance(tree, tuple) or (isinstance(tree, list) and not _is_array(tree))


def _is_array(tree: list[Any]) -> bool:
    return bool(tree) and all(
        _is_array(value) if isinstance(value, list) else isinstance(value, int | float)
        for value in tree
    )


def rebuild(tree: Any, new_leaves: Iterable[Any]) -> Any:
    """Return a tree of the same structure with other leaves.

    >>> rebuild({"a": 1, "b": (2, [3, None])}, [10, 20, 30])
    {'a': 10, 'b': (20, [30, None])}
    """
    remaining = iter(new_leaves)
    try:
        result = _rebuild(tree, remaining)
    except StopIteration:
        raise ArgumentError("leaves", "fewer leaves than the tree has", "as many") from None
    if next(remaining, _END) is not _END:
        raise ArgumentError("leaves", "more leaves than the tree has", "as many")
    return result


def _rebuild(tree: Any, remaining: Iterator[Any]) -> Any:
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _rebuild(value, remaining) for key, value in tree.items()}
    if _is_sequence(tree):
        parts = [_rebuild(value, remaining) for value in tree]
        if isinstance(tree, list):
            return parts
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return next(remaining)


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply a function to each leaf, and to the leaves of other trees of the same structure.

    >>> tree_map(lambda x: x + 1, [1, (2,)])
    [2, (3,)]
    """
    columns = [leaves(other) for other in others]
    return rebuild(tree, [function(*row) for row in zip(leaves(tree), *columns, strict=True)])
