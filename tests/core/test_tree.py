from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.tree import leaves, rebuild, tree_map


class Pair(NamedTuple):
    first: Any
    second: Any


X = np.ones(2)
T = cr.ones(2)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (None, []),
        (1.0, [1.0]),
        ("a", ["a"]),
        ((), []),
        ([], []),
        ({}, []),
        ([1.0, 2.0], [[1.0, 2.0]]),
        ([[1, 2], [3, 4]], [[[1, 2], [3, 4]]]),
        ((1.0, 2.0), [1.0, 2.0]),
        ([(1.0, 2.0)], [1.0, 2.0]),
        ([T, 1.0], [T, 1.0]),
        ({"b": 1, "a": [T, (2, None)]}, [1, T, 2]),
        (Pair(1, Pair(2, 3)), [1, 2, 3]),
        (X, [X]),
    ],
)
def test_leaves(tree: Any, expected: list[Any]) -> None:
    found = leaves(tree)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a is b or a == b


@pytest.mark.parametrize(
    "tree",
    [
        None, 1.0, (), [], {}, [1.0, 2.0], (1.0, 2.0), [T, 1.0], {"b": 1, "a": [T, (2, None)]},
        Pair(1, Pair(2, None)), [[], {}, ((),)],
    ],
)  # fmt: skip
def test_rebuild_is_the_inverse_of_leaves(tree: Any) -> None:
    again = rebuild(tree, leaves(tree))
    assert type(again) is type(tree)
    assert str(again) == str(tree)


def test_rebuild() -> None:
    assert rebuild(Pair(1, (2, None)), "ab") == Pair("a", ("b", None))
    assert rebuild({"b": 1, "a": 2}, [3, 4]) == {"b": 3, "a": 4}
    assert rebuild(OrderedDict(a=1), [2]) == {"a": 2}
    assert rebuild([1.0, 2.0], ["x"]) == "x"


@pytest.mark.parametrize("tree", [(1, 2), [T, T], {"a": 1, "b": 2}, Pair(1, 2)])
def test_rebuild_errors(tree: Any) -> None:
    for given in ([1, 2, 3], [1, 2, None]):
        with pytest.raises(ArgumentError, match=r"leaves: got more leaves than the tree has"):
            rebuild(tree, given)
    with pytest.raises(ArgumentError, match=r"leaves: got fewer leaves than the tree has"):
        rebuild(tree, [1])


def test_tree_map() -> None:
    assert tree_map(lambda x: x + 1, {"a": 1, "b": (2, None)}) == {"a": 2, "b": (3, None)}
    assert tree_map(lambda a, b: a * b, (1, [(2,)]), (3, [(4,)])) == (3, [(8,)])
    with pytest.raises(ValueError, match="zip"):
        tree_map(lambda a, b: a, (1, 2), (1,))


def test_deep_lists_of_numbers_stay_one_leaf() -> None:
    deep: Any = 1.0
    for _ in range(20):
        deep = [deep]
    assert leaves(deep) == [deep]
