"""One set of checks that every registered primitive passes, on every one of its examples.

A new primitive enters by being registered; nothing here names one. Arguments are drawn away from
ties, from whole numbers and from zero, so that primitives with kinks need no exception.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.ops
from chainrule.autodiff.reverse import fresh
from chainrule.core.errors import MissingRuleError
from chainrule.core.graph import PRIMITIVES, Example, Graph, PerArgument, Primitive
from chainrule.core.tensor import Tensor, bind, unknown
from chainrule.core.types import (
    FLOAT32,
    FLOAT64,
    Array,
    ArrayType,
    Dtype,
    TupleType,
    is_float,
)
from chainrule.ops.tuples import items

for module in pkgutil.iter_modules(chainrule.ops.__path__, "chainrule.ops."):
    importlib.import_module(module.name)


@dataclass(frozen=True)
class Case:
    """A primitive applied to the arguments of one of its examples, in one float dtype.

    Of a primitive whose result is a tuple, each element is a case: the primitive, then ``item``.
    """

    primitive: Primitive
    example: Example
    dtype: Dtype
    index: int
    element: int | None = None

    def __str__(self) -> str:
        element = "" if self.element is None else f"[{self.element}]"
        return f"{self.primitive.name}-{self.index}{element}-{self.dtype}"

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.primitive.name}-{self.index}".encode()))

    def arguments(self) -> list[Array]:
        """Return the arguments, read-only: a primitive changes none of them."""
        drawn = iter(self._draw())
        arguments = []
        for i, shape in enumerate(self.example.shapes):
            x = self.example.arrays[i].copy() if i in self.example.arrays else next(drawn)
            assert x.shape == shape
            x.flags.writeable = False
            arguments.append(x)
        return arguments

    def _draw(self) -> list[Array]:
        """Draw the float arguments: no two elements closer than a step, none near an integer."""
        shapes = [s for i, s in enumerate(self.example.shapes) if i not in self.example.arrays]
        count = sum(map(math.prod, shapes))
        low, high = self.primitive.domain
        rng = self.rng
        places = rng.permutation(count)

        def elements() -> Array:
            return low + (high - low) * (places + rng.uniform(0.25, 0.75, count)) / count

        values = elements()
        while (near := np.abs(values - np.round(values)) < 0.01).any():
            values = np.where(near, elements(), values)
        ends = np.cumsum([math.prod(s) for s in shapes], dtype=int)
        return [
            values[end - math.prod(s) : end].reshape(s).astype(self.dtype)
            for s, end in zip(shapes, ends, strict=True)
        ]

    def floats(self) -> list[int]:
        """Return the positions of the arguments that can carry a derivative."""
        return [i for i, x in enumerate(self.arguments()) if is_float(x.dtype)]

    def eval(self, *arguments: Array) -> Array:
        result = self.primitive.eval(*arguments, **self.example.attrs)
        return np.asarray(result if self.element is None else result[self.element])

    def bind(self, *arguments: Tensor) -> Tensor:
        result = bind(self.primitive, *arguments, **self.example.attrs)
        return result if self.element is None else items(result)[self.element]

    def type(self, *kinds: ArrayType) -> Any:
        kind: Any = self.primitive.type_rule(*kinds, **self.example.attrs)
        return kind if self.element is None else kind.items[self.element]

    def of(self, moving: list[int]) -> Callable[..., Tensor]:
        """Return the primitive as a function of some of its arguments, the others held fixed."""
        fixed = self.arguments()

        def f(*xs: Tensor) -> Tensor:
            arguments = [Tensor(x) for x in fixed]
            for i, x in zip(moving, xs, strict=True):
                arguments[i] = x
            return self.bind(*arguments)

        return f

    def eval_of(self, moving: list[int]) -> Callable[..., Array]:
        """Return the same function by NumPy alone."""
        fixed = self.arguments()

        def f(*xs: Array) -> Array:
            arguments = list(fixed)
            for i, x in zip(moving, xs, strict=True):
                arguments[i] = x
            return self.eval(*arguments)

        return f

    def is_differentiable(self) -> bool:
        return bool(self.floats()) and is_float(self.eval(*self.arguments()).dtype)

    def choices(self) -> list[list[int]]:
        """Return which arguments move: each alone, then all together."""
        floats = self.floats()
        alone = [[i] for i in floats]
        return alone if len(floats) == 1 else [*alone, floats]


def elements(case: Case) -> list[Case]:
    """Return the case itself, or one for each element of its result."""
    kind: Any = case.type(*map(type_of, case.arguments()))
    if not isinstance(kind, TupleType):
        return [case]
    return [replace(case, element=i) for i in range(len(kind.items))]


def type_of(x: Array) -> ArrayType:
    return ArrayType(x.shape, x.dtype)


ALL = [
    case
    for primitive in PRIMITIVES.values()
    for i, example in enumerate(primitive.examples)
    for dtype in (FLOAT32, FLOAT64)
    for case in elements(Case(primitive, example, dtype, i))
]
FLOATS = [case for case in ALL if case.is_differentiable()]
#: Held against finite differences, which see that a stopped gradient is none.
WIDE = [case for case in FLOATS if case.dtype == FLOAT64 and case.primitive.name != "stop_gradient"]

every_case = pytest.mark.parametrize("case", ALL, ids=str)
every_float_case = pytest.mark.parametrize("case", FLOATS, ids=str)
every_wide_case = pytest.mark.parametrize("case", WIDE, ids=str)


def assert_same_bits(found: Array, expected: Array) -> None:
    assert type_of(found) == type_of(expected)
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()


def directions(case: Case, moving: list[int]) -> list[Array]:
    xs = case.arguments()
    rng = case.rng
    return [np.asarray(rng.uniform(-1, 1, xs[i].shape), xs[i].dtype) for i in moving]


def tolerance(result: Array) -> float:
    """Return what a difference over a step of 2e-4 can lose to rounding."""
    return 1e-8 if result.dtype == FLOAT64 else 5e-3


def first_difference(f: Callable[..., Array], xs: list[Array], ts: list[Array]) -> Array:
    """Differentiate along a direction by NumPy alone: central, of fourth order."""
    h = 2e-4
    at = {k: f(*[x + k * h * t for x, t in zip(xs, ts, strict=True)]) for k in (-2, -1, 1, 2)}
    return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)


def second_difference(f: Callable[..., Array], xs: list[Array], ts: list[Array]) -> Array:
    h = 1e-3
    at = {k: f(*[x + k * h * t for x, t in zip(xs, ts, strict=True)]) for k in range(-2, 3)}
    return (16 * (at[1] + at[-1]) - (at[2] + at[-2]) - 30 * at[0]) / (12 * h * h)


@pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=lambda p: p.name)
def test_has_examples(primitive: Primitive) -> None:
    # A tuple is no argument that can be drawn: item is tried with the primitives that return one.
    # A compiled call is the function that it calls, which tests/compiler tries.
    assert primitive.examples or primitive.name in ("item", "compiled_call")


@pytest.mark.parametrize(
    "primitive", [p for p in PRIMITIVES.values() if p.is_elementwise], ids=lambda p: p.name
)
def test_elementwise_examples_cover_the_shapes(primitive: Primitive) -> None:
    results = [np.broadcast_shapes(*e.shapes) for e in primitive.examples]
    assert () in results, "a 0-d example"
    assert any(0 in shape for shape in results), "a zero-size example"
    if len(primitive.examples[0].shapes) > 1:
        assert any(len(set(e.shapes)) > 1 for e in primitive.examples), "a pair that broadcasts"


@every_case
def test_type_rule_says_what_eval_returns(case: Case) -> None:
    xs = case.arguments()
    expected = case.type(*map(type_of, xs))
    assert expected == type_of(case.eval(*xs))
    assert expected == case.bind(*map(Tensor, xs)).type


@every_case
def test_tracing_gives_the_same_type_and_the_same_bits(case: Case) -> None:
    xs = case.arguments()
    eager = case.bind(*map(Tensor, xs))
    inputs = [unknown(type_of(x)) for x in xs]
    traced = case.bind(*inputs)
    assert traced.data is None
    assert traced.type == eager.type
    graph = Graph(inputs, [traced])
    graph.verify()
    assert len(graph.nodes) == (1 if case.element is None else 2)
    assert_same_bits(np.asarray(graph.evaluate(*xs)[0]), eager.numpy())


@every_float_case
def test_tracing_with_constants(case: Case) -> None:
    """Only one argument is unknown; the others are constants of the graph."""
    xs = case.arguments()
    for i in case.floats():
        x = unknown(type_of(xs[i]))
        graph = Graph([x], [case.of([i])(x)])
        assert len(graph.constants) == len(xs) - 1
        assert_same_bits(np.asarray(graph.evaluate(xs[i])[0]), case.eval(*xs))


@every_float_case
def test_derivatives_keep_the_dtype(case: Case) -> None:
    xs, moving = case.arguments(), case.floats()
    f, given = case.of(moving), [Tensor(xs[i]) for i in moving]
    y, pull = cr.vjp(f, *given)
    for g, x in zip(pull(cr.ones_like(y)), given, strict=True):
        assert g.type == x.type
    y, t = cr.jvp(f, given, [cr.ones_like(x) for x in given])
    assert t.type == y.type == type_of(case.eval(*xs))


@every_float_case
def test_traced_derivatives_are_the_eager_ones(case: Case) -> None:
    xs, moving = case.arguments(), case.floats()
    f, given = case.of(moving), [Tensor(xs[i]) for i in moving]
    weights = Tensor(np.asarray(case.rng.standard_normal(f(*given).shape), f(*given).dtype))

    def pulled(*zs: Tensor) -> Any:
        return cr.vjp(f, *zs)[1](weights)

    def pushed(*zs: Tensor) -> Any:
        return cr.jvp(f, zs, [cr.ones_like(z) for z in zs])[1]

    for derivative in (pulled, pushed):
        graph = cr.trace(derivative)(*given)
        graph.verify()
        eager, traced = derivative(*given), graph(*given)
        pairs = zip(eager, traced, strict=True) if derivative is pulled else [(eager, traced)]
        for a, b in pairs:
            assert_same_bits(b.numpy(), a.numpy())
        if case.dtype == f(*given).dtype == FLOAT32:
            found = {node.type.dtype for node in graph.nodes}
            assert FLOAT64 not in found, f"float64 inside the derivative:\n{graph}"


@every_wide_case
def test_forward_mode_agrees_with_finite_differences(case: Case) -> None:
    xs = case.arguments()
    limit = tolerance(case.eval(*xs))
    for moving in case.choices():
        given, ts = [xs[i] for i in moving], directions(case, moving)
        _, t = cr.jvp(case.of(moving), list(map(Tensor, given)), list(map(Tensor, ts)))
        expected = first_difference(case.eval_of(moving), given, ts)
        np.testing.assert_allclose(t.numpy(), expected, rtol=limit, atol=limit)


@every_float_case
def test_reverse_mode_agrees_with_forward_mode(case: Case) -> None:
    """⟨v, J t⟩ = ⟨Jᵀ v, t⟩ for random v and t."""
    xs = case.arguments()
    limit = 1e-12 if case.dtype == case.eval(*xs).dtype == FLOAT64 else 2e-5
    for moving in case.choices():
        given, ts = [Tensor(xs[i]) for i in moving], directions(case, moving)
        y, t = cr.jvp(case.of(moving), given, list(map(Tensor, ts)))
        v = np.asarray(case.rng.standard_normal(y.shape), y.dtype)
        gs = cr.vjp(case.of(moving), *given)[1](Tensor(v))
        forward = np.vdot(v, t.numpy())
        reverse = sum(np.vdot(g.numpy(), d) for g, d in zip(gs, ts, strict=True))
        size = np.vdot(np.abs(v), np.abs(t.numpy())) + 1
        assert abs(forward - reverse) <= limit * size


@every_wide_case
def test_second_order_agrees_with_finite_differences(case: Case) -> None:
    """tᵀ H t by four combinations of the modes, against a second difference by NumPy alone."""
    xs, moving = case.arguments(), case.floats()
    f, f_numpy = case.of(moving), case.eval_of(moving)
    given, ts = [Tensor(xs[i]) for i in moving], directions(case, moving)
    tangents = list(map(Tensor, ts))
    y = case.eval(*xs)
    v = np.asarray(case.rng.standard_normal(y.shape), y.dtype)
    if y.dtype != FLOAT64:
        return

    def total(*zs: Tensor) -> Tensor:
        return (f(*zs) * Tensor(v)).sum()

    def slope_forward(*zs: Tensor) -> Tensor:
        return cr.jvp(total, zs, tangents)[1]

    def slope_reverse(*zs: Tensor) -> Tensor:
        gradients = cr.grad(total, argnums=range(len(zs)))(*zs)
        return sum((g * t).sum() for g, t in zip(gradients, tangents, strict=True))

    expected = second_difference(lambda *zs: np.vdot(f_numpy(*zs), v), [xs[i] for i in moving], ts)
    for slope in (slope_forward, slope_reverse):
        by_forward = cr.jvp(slope, given, tangents)[1]
        by_reverse = sum(
            np.vdot(g.numpy(), t)
            for g, t in zip(cr.grad(slope, argnums=range(len(given)))(*given), ts, strict=True)
        )
        np.testing.assert_allclose(by_forward.numpy(), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(by_reverse, by_forward.numpy(), rtol=1e-10, atol=1e-12)


@every_wide_case
def test_check_grads_accepts_it(case: Case) -> None:
    xs, moving = case.arguments(), case.floats()
    if case.eval(*xs).dtype == FLOAT64:
        cr.check_grads(case.of(moving), [xs[i] for i in moving], order=2)


@every_case
def test_only_float_results_are_tracked(case: Case) -> None:
    xs = [fresh(x) if is_float(x.dtype) else Tensor(x) for x in case.arguments()]
    any_tracked = any(x.tracked for x in xs)
    for arguments in (xs, [unknown(x.type, tracked=x.tracked) for x in xs]):
        y = case.bind(*arguments)
        assert y.tracked == (any_tracked and is_float(y.dtype))
    with cr.no_grad():
        assert not case.bind(*xs).tracked


@every_float_case
def test_there_is_a_rule_for_every_float_argument(case: Case) -> None:
    assert callable(case.primitive.jvp)
    if case.primitive.joint_vjp is not None:
        return  # one rule for all of them
    rules = case.primitive.vjp
    assert all(rules[i] is not None for i in case.floats())
    if not isinstance(rules, PerArgument):
        assert len(rules) <= len(case.example.shapes)


def test_a_missing_rule_is_an_error_that_names_the_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chainrule.core.graph.PRIMITIVES", {})
    opaque = Primitive("opaque", eval=np.array, type_rule=lambda x: x)
    with pytest.raises(MissingRuleError, match="'opaque' has no VJP rule"):
        cr.grad(lambda x: bind(opaque, x))(1.0)
    with pytest.raises(MissingRuleError, match="'opaque' has no JVP rule"):
        cr.jvp(lambda x: bind(opaque, x), (1.0,), (1.0,))
    assert cr.grad(lambda x: cr.stop_gradient(bind(opaque, x)) + x)(1.0).item() == 1.0
