"""Patterns of nodes, written with the names of primitives, and the matcher.

``p.log(p.add(1.0, x))`` is the logarithm of one plus anything, which is called ``x``:

- a variable matches any node, and the same node wherever it stands again;
- a number matches a constant that holds it, in every element;
- ``constant("c")`` matches any constant, ``number("c")`` one that is one number throughout;
- ``p.name(x, y)`` matches the primitive; where it is commutative, in either order of arguments;
  attributes are compared, or captured by a variable: ``p.sum(x, axes=axes, keepdims=True)``;
- ``p.name(...)``, with three dots, matches it on any arguments;
- ``once(pattern)`` matches only what nothing else uses;
- ``moved("m", pattern)`` matches the pattern behind any chain of operations that only move
  elements; ``m(z)`` moves another array in the same way;
- ``spread(reduction)`` matches a reduction as it meets the array that was reduced: with its axes
  kept at size 1, put back by reshape, left out in front, or broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.graph import PRIMITIVES, Node
from chainrule.core.tensor import Tensor, bind
from chainrule.core.types import Dtype, Shape
from chainrule.ops.reduce import reduced_shape

Bindings: TypeAlias = dict[str, Any]
#: What is left to match; true where all of it does.
Rest: TypeAlias = Callable[[Bindings], bool]

COMMUTATIVE = frozenset(
    ("add", "multiply", "equal", "not_equal", "logical_and", "logical_or", "maximum", "minimum")
)
MOVES = frozenset(("reshape", "transpose", "slice", "gather", "broadcast_to", "flip"))


class Context:
    """What a matcher may ask about nodes.

    Args:
        leaves: nodes that are never looked into, nor taken for constants.
        keeps_tracking: whether gradients will flow through the result: then tracked values are no
            constants, and what was cut off from its inputs is not looked into.
    """

    def __init__(self, leaves: frozenset[Node], keeps_tracking: bool) -> None:
        self.leaves = leaves
        self.keeps_tracking = keeps_tracking
        self.uses: dict[Node, int] = {}
        self._fills: dict[Node, float | None] = {}

    def is_constant(self, node: Node) -> bool:
        """Whether the value is known, whatever the inputs are."""
        data: Any = node.data
        if data is None or type(data) is tuple or node in self.leaves:
            return False
        return not (self.keeps_tracking and node.tracked)

    def number(self, node: Node) -> float | None:
        """Return the one number that a constant holds throughout, or ``None``."""
        if not self.is_constant(node):
            return None
        if node not in self._fills:
            self._fills[node] = fill_of(node)
        return self._fills[node]

    def is_open(self, node: Node) -> bool:
        """Whether a pattern may look at what the node was computed from."""
        if node.primitive is None or node.data is not None or node in self.leaves:
            return False
        return not (self.keeps_tracking and turns_tracking(node))


def turns_tracking(node: Node) -> bool:
    """Whether gradients stop here, or the node is a variable to differentiate by."""
    return node.tracked != any(x.tracked for x in node.inputs)


def fill_of(node: Node) -> float | None:
    """Return the one number that a known value holds throughout, or ``None``."""
    data: Any = node.data
    if data.size == 0 or data.dtype.kind not in "fiub":
        return None
    first = data[(0,) * data.ndim].item()
    if data.size > 1 and any(data.strides):
        last = data[(-1,) * data.ndim]
        if last != first or not (data == first).all():
            return None
    return first  # type: ignore[no-any-return]


class Pattern:
    """Matches nodes, and binds names to what it met."""

    #: Names of primitives one of which the node has; ``None``: any.
    roots: frozenset[str] | None = None

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match the node and then the rest; return whether all of it matched."""
        raise NotImplementedError


class Variable(Pattern):
    """Any node; the same name means the same node."""

    def __init__(self, name: str) -> None:
        self.name = name

    def accepts(self, node: Node, context: Context) -> bool:
        """Whether the node may take this place."""
        return True

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match any node that is accepted."""
        if self.name in bound:
            return bound[self.name] is node and rest(bound)
        return self.accepts(node, context) and rest({**bound, self.name: node})


class Constant(Variable):
    """Any constant."""

    roots = frozenset(("constant",))

    def accepts(self, node: Node, context: Context) -> bool:
        """Whether it is a constant."""
        return context.is_constant(node)

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match a constant; two of equal value may bear one name."""
        before = bound.get(self.name)
        if before is not None and before is not node:
            value = context.number(node)
            return value is not None and value == context.number(before) and rest(bound)
        return super().match(node, bound, context, rest)


class Number(Constant):
    """A constant that is one number throughout and passes a test."""

    def __init__(self, name: str, test: Callable[[float], bool]) -> None:
        super().__init__(name)
        self.test = test

    def accepts(self, node: Node, context: Context) -> bool:
        """Whether it is such a constant."""
        value = context.number(node)
        return value is not None and self.test(value)


class Literal(Pattern):
    """A constant that is a given number throughout."""

    roots = frozenset(("constant",))

    def __init__(self, value: float) -> None:
        self.value = value

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match the number in any dtype."""
        value = context.number(node)
        if value is None:
            return False
        dtype = node.type.dtype
        rounded = dtype.type(self.value) if dtype.kind == "f" else self.value
        return value in (self.value, rounded) and rest(bound)


class Apply(Pattern):
    """A primitive applied to what matches its arguments; without any given, to whatever it is."""

    def __init__(self, name: str, args: Sequence[Pattern], attrs: Mapping[str, Any]) -> None:
        assert name in PRIMITIVES, name
        self.name = name
        self.args = tuple(args)
        self.attrs = attrs
        self.roots = frozenset((name,))
        self.is_commutative = name in COMMUTATIVE

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match the primitive, its attributes, and its arguments in one order or the other."""
        inputs = node.inputs
        if not _is(node, self.name, context) or (self.args and len(inputs) != len(self.args)):
            return False
        if self.attrs:
            bound = dict(bound)
            if not all(_agrees(node.attrs[key], a, bound) for key, a in self.attrs.items()):
                return False
        if not self.args:
            return rest(bound)
        if _match_all(self.args, inputs, bound, context, rest):
            return True
        return self.is_commutative and _match_all(
            self.args, (inputs[1], inputs[0]), bound, context, rest
        )


def _agrees(value: Any, wanted: Any, bound: Bindings) -> bool:
    """Whether an attribute is what the pattern says; a variable is bound to it."""
    if isinstance(wanted, Variable):
        wanted = bound.setdefault(wanted.name, value)
    return bool(wanted == value)


def _match_all(
    patterns: Sequence[Pattern],
    nodes: Sequence[Node],
    bound: Bindings,
    context: Context,
    rest: Rest,
) -> bool:
    if len(patterns) == 1:
        return patterns[0].match(nodes[0], bound, context, rest)
    return patterns[0].match(
        nodes[0],
        bound,
        context,
        lambda b: _match_all(patterns[1:], nodes[1:], b, context, rest),
    )


class Once(Pattern):
    """What nothing else uses."""

    def __init__(self, inner: Pattern) -> None:
        self.inner = inner
        self.roots = inner.roots

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match where the node is used once."""
        if context.uses.get(node, 1) > 1:
            return False
        return self.inner.match(node, bound, context, rest)


class Named(Pattern):
    """A pattern whose node gets a name."""

    def __init__(self, name: str, inner: Pattern) -> None:
        self.name = name
        self.inner = inner
        self.roots = inner.roots

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match, and bind the node as well."""
        if bound.get(self.name, node) is not node:
            return False
        return self.inner.match(node, {**bound, self.name: node}, context, rest)


class Moves:
    """A chain of operations that only move elements: ``moves(z)`` applies them to ``z``."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)  # from the last to the first

    def __call__(self, z: Tensor) -> Tensor:
        """Move the elements of another array of the same shape in the same way."""
        for node in reversed(self.nodes):
            assert node.primitive is not None
            others: Any = node.inputs[1:]
            z = bind(node.primitive, z, *others, **node.attrs)
        return z


class Moved(Pattern):
    """A pattern behind a chain of moves, which may be empty unless ``some`` is set."""

    def __init__(self, name: str, inner: Pattern, some: bool = False) -> None:
        self.name = name
        self.inner = inner
        self.some = some
        inner_roots = inner.roots
        self.roots = None if inner_roots is None else MOVES | (frozenset() if some else inner_roots)

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match behind the longest chain, then behind shorter ones."""
        chain: list[Node] = []
        while node.primitive is not None and node.primitive.name in MOVES and context.is_open(node):
            chain.append(node)
            node = node.inputs[0]
        least = 1 if self.some else 0
        for length in range(len(chain), least - 1, -1):
            behind = node if length == len(chain) else chain[length]
            found = {**bound, self.name: Moves(chain[:length])}
            if self.inner.match(behind, found, context, rest):
                return True
        return False


class Spread(Pattern):
    """A reduction that was brought back against the array that it reduced."""

    def __init__(self, reduction: Apply) -> None:
        self.reduction = reduction
        assert reduction.roots is not None
        self.roots = reduction.roots | {"broadcast_to", "reshape"}

    def match(self, node: Node, bound: Bindings, context: Context, rest: Rest) -> bool:
        """Match the reduction where the shapes say that each result meets what it came from."""
        shown = node
        if _is(node, "broadcast_to", context):
            node = node.inputs[0]
        seen = node.type.shape
        while _is(node, "reshape", context):
            node = node.inputs[0]
        if not _is(node, self.reduction.name, context):
            return False
        whole = node.inputs[0].type.shape
        kept = reduced_shape(whole, node.attrs["axes"], True)
        if (1,) * (len(kept) - len(seen)) + seen != kept:
            return False
        if shown.type.shape not in (seen, whole):
            return False
        return self.reduction.match(node, bound, context, rest)


def _is(node: Node, name: str, context: Context) -> bool:
    return node.primitive is not None and node.primitive.name == name and context.is_open(node)


class _Primitives:
    """Makes patterns: ``p.add(x, y)``."""

    def __getattr__(self, name: str) -> Callable[..., Apply]:
        return lambda *args, **attrs: Apply(
            name, [as_pattern(a) for a in args if a is not ...], attrs
        )


#: Patterns by the name of the primitive.
p = _Primitives()


def as_pattern(x: Pattern | float) -> Pattern:
    """Return a number as the pattern of a constant."""
    return x if isinstance(x, Pattern) else Literal(x)


def variables(names: str) -> tuple[Variable, ...]:
    """Make variables of names that are separated by spaces."""
    return tuple(Variable(name) for name in names.split())


def constant(name: str) -> Constant:
    """Make a pattern of any constant."""
    return Constant(name)


def number(name: str, test: Callable[[float], bool] = lambda value: True) -> Number:
    """Make a pattern of a constant that is one number throughout and passes the test."""
    return Number(name, test)


def once(pattern: Pattern) -> Once:
    """Make a pattern of what nothing else uses."""
    return Once(pattern)


def named(name: str, pattern: Pattern) -> Named:
    """Give the node that a pattern matches a name."""
    return Named(name, pattern)


def moved(name: str, pattern: Pattern, some: bool = False) -> Moved:
    """Make a pattern of another behind moves (``some``: behind one at least)."""
    return Moved(name, pattern, some)


def spread(reduction: Apply) -> Spread:
    """Make a pattern of a reduction that meets the array that it reduced."""
    return Spread(reduction)


def value_of(constant: Node) -> float:
    """Return the number that a matched ``number(...)`` is."""
    found = fill_of(constant)
    assert found is not None
    return found


def is_even(shape: Shape, whole: Shape, axes: Sequence[int]) -> bool:
    """Whether what broadcasts from one shape to another is the same along the axes."""
    padded = (1,) * (len(whole) - len(shape)) + shape
    return len(padded) == len(whole) and all(padded[i] == 1 for i in axes)


def is_normal(value: float, dtype: Dtype) -> bool:
    """Whether a number keeps all its digits in a dtype: it neither overflows nor is subnormal."""
    limits = np.finfo(dtype)
    return float(limits.tiny) <= abs(value) <= float(limits.max)


def broadcast_of(*shapes: Shape) -> Shape:
    """Return the shape that arrays of these shapes broadcast to."""
    return np.broadcast_shapes(*shapes)
