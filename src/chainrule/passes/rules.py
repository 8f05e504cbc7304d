"""Rules of rewriting, and sets of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.tensor import Tensor
from chainrule.core.types import ArrayType
from chainrule.ops.shape import broadcast_to
from chainrule.passes.patterns import Apply, Context, Pattern


class Rule:
    """A rewrite of one node: a pattern, and a function from what it bound to what takes its place.

    Args:
        build: function of the names that it uses of the pattern's (``node``: the node itself,
            ``context``: what is known around it) to a tensor, or to ``None`` where the rule does
            not hold.
        pattern: what the node must look like; the outermost pattern is ``p.name(...)``.
        where: condition on bound names.
        floats_only: whether the node must be of floats.
        given: for the rule's test, types or values of the names in its docstring.
    """

    def __init__(
        self,
        build: Callable[..., Tensor | None],
        pattern: Apply,
        where: Callable[..., bool] | None = None,
        floats_only: bool = True,
        given: dict[str, Any] | None = None,
    ) -> None:
        self.name = build.__name__
        self.docstring = inspect.getdoc(build) or ""
        self.pattern = pattern
        self.floats_only = floats_only
        self.given = given or {}
        self.root = pattern.name
        self._build = build
        self._wanted = tuple(inspect.signature(build).parameters)
        self._where = where
        self._where_wanted = tuple(inspect.signature(where).parameters) if where else ()
        #: For each argument that must be one of certain primitives: those. Checked before matching.
        needs: list[frozenset[str]] = []
        for arg in pattern.args:
            if arg.roots is not None:
                needs.append(arg.roots)
        self.needs = tuple(needs)

    def apply(self, node: Node, names: list[str], context: Context) -> Tensor | None:
        """Return what takes the node's place, or ``None`` where the rule does not apply.

        Args:
            node: its inputs are rewritten already.
            names: of its inputs' primitives, ``"constant"`` for constants.
            context: what is known of the nodes around it.
        """
        for roots in self.needs:
            if roots.isdisjoint(names):
                return None
        kind = node.type
        if self.floats_only and kind.dtype.kind != "f":
            return None
        found: list[Tensor] = []

        def finish(bound: dict[str, Any]) -> bool:
            bound = {**bound, "node": node, "context": context}
            where = self._where
            if where is not None and not where(*[bound[name] for name in self._where_wanted]):
                return False
            result = self._build(*[bound[name] for name in self._wanted])
            fitted = None if result is None else fit(result, kind)
            if fitted is None or fitted is node:
                return False
            found.append(fitted)
            return True

        return found[0] if self.pattern.match(node, {}, context, finish) else None

    def __repr__(self) -> str:
        return f"<rule {self.name}>"


def fit(x: Tensor, kind: ArrayType) -> Tensor | None:
    """Broadcast a result to the type of the node that it replaces; ``None`` where it cannot be."""
    if x.dtype != kind.dtype:
        return None
    if x.shape == kind.shape:
        return x
    try:
        fits = np.broadcast_shapes(x.shape, kind.shape) == kind.shape
    except ValueError:
        return None
    return broadcast_to(x, kind.shape) if fits else None


class Rules:
    """A set of rules, in the order in which they are tried; sets are joined with ``+``."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = list(rules)
        self._by_root: dict[str, list[Rule]] = {}
        for rule in self._rules:
            self._by_root.setdefault(rule.root, []).append(rule)

    def rule(
        self,
        *patterns: Pattern,
        where: Callable[..., bool] | None = None,
        floats_only: bool = True,
        given: dict[str, Any] | None = None,
    ) -> Callable[[Callable[..., Tensor | None]], Callable[..., Tensor | None]]:
        """Add the decorated function as a rule for each of the patterns."""

        def add(build: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
            for pattern in patterns:
                assert isinstance(pattern, Apply)
                rule = Rule(build, pattern, where, floats_only, given)
                self._rules.append(rule)
                self._by_root.setdefault(rule.root, []).append(rule)
            return build

        return add

    def at(self, name: str) -> Sequence[Rule]:
        """Return the rules for nodes of a primitive."""
        return self._by_root.get(name, ())

    def named(self, name: str) -> Rules:
        """Return the rules of one name."""
        return Rules(rule for rule in self._rules if rule.name == name)

    def __add__(self, other: Rules) -> Rules:
        return Rules([*self._rules, *other._rules])

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)
