"""Compilations: a function traced and optimized for one signature, ready to run."""

from __future__ import annotations

import gc
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chainrule.compiler.batch import BatchGraph, NotUniform
from chainrule.compiler.call import pulled, recorded
from chainrule.compiler.executor import Executor
from chainrule.compiler.signature import (
    Call,
    array_of,
    changed_rows,
    differences,
    placeholder,
    put_together,
)
from chainrule.compiler.surroundings import Surroundings
from chainrule.compiler.trace import Lifting, TracedGraph, tracing
from chainrule.core.errors import ChainruleError
from chainrule.core.graph import Graph, known_data
from chainrule.core.mode import mode
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import Array, ArrayType
from chainrule.passes import optimize, stabilized

#: Numbers of rows at which functions are traced, to see what follows it.
_PROBES = (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


class Instance:
    """A compilation for one number of rows, ready to run.

    Attributes:
        graph: the graph as it was traced.
        optimized: the graph that is run.
        runs: how often it ran.
        executor: what runs it.
    """

    def __init__(self, owner: Compilation, graph: Graph, optimized: Graph) -> None:
        self._owner = owner
        self.graph = graph
        self.optimized = optimized
        self.runs = 0
        start = time.perf_counter()
        self.executor = Executor(optimized)
        self.seconds = time.perf_counter() - start

    def evaluate(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs for the inputs."""
        return self.executor.run(list(arrays))

    def pull(self, wanted: tuple[bool, ...], given: tuple[bool, ...]) -> Callable[..., Any]:
        """Return the compiled pull-back ``(inputs, cotangents)`` to the wanted cotangents."""
        pulled_back: Callable[..., Any] = self._owner.pull(wanted, given)
        return pulled_back


class Compilation:
    """A function compiled for one signature.

    Args:
        f: the function.
        call: the call that it was compiled for.
        reasons: why.
        by_value: numbers for whose values only it holds.

    Attributes:
        seconds: time of each stage.
        rewrites: how often each rewrite was applied.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        call: Call,
        reasons: list[str],
        by_value: frozenset[int] = frozenset(),
    ) -> None:
        self.f = f
        self.call = call
        self.reasons = reasons
        self.by_value = by_value
        self.rows: tuple[int, ...] = ()
        self.seconds: dict[str, float] = {}
        self.rewrites: Counter[str] = Counter()
        self.instances: dict[int, Instance] = {}
        #: Numbers of rows at which the function is known to do the same.
        self._verified: set[int] = set()
        #: Compiled pull-backs, by the inputs that are wanted and the outputs that are given.
        self.pulls: dict[Any, Any] = {}
        self.raw: TracedGraph | BatchGraph
        self.optimized: Graph | BatchGraph | None = None

    # Building -------------------------------------------------------------------------------

    def build(self, args: Any, options: Any, likely_rows: Sequence[tuple[int, ...]]) -> None:
        """Trace and optimize, for any number of rows where that is possible."""
        with _without_collection():
            self._build(args, options, likely_rows)

    def _build(self, args: Any, options: Any, likely_rows: Sequence[tuple[int, ...]]) -> None:
        start = time.perf_counter()
        call = self.call
        objects = [
            (leaf.name, value)
            for leaf, value in zip(call.leaves, call.values, strict=True)
            if leaf.kind == "static"
        ]
        self._surroundings = Surroundings([self.f], objects)
        graph = self._trace(self.call, args, options, {})
        changed = self._surroundings.settle()
        if changed:
            warnings.warn(
                f"while it is traced, {getattr(self.f, '__name__', 'the function')} changes "
                f"{', '.join(changed)}: the graph keeps the value of now. Use a cr.Parameter for "
                "what changes from call to call.",
                stacklevel=6,
            )
        self.first = graph
        probes = None
        for rows in likely_rows:
            probes = self._probe(graph, rows, args, options)
            if probes is not None:
                self.rows = rows
                break
        self._kinds = [_kind_of_slot(slot.content()) for slot in graph.read]
        traced = time.perf_counter()
        self.seconds["trace"] = traced - start
        if probes is None:
            self.raw = graph
            self.optimized, self.rewrites = optimize(graph)
        else:
            self.raw = probes
            self.optimized, self.rewrites = _optimize_any(probes)
        self.seconds["optimize"] = time.perf_counter() - traced
        self.instance(self.call)

    def _probe(
        self, graph: TracedGraph, rows: tuple[int, ...], args: Any, options: Any
    ) -> BatchGraph | None:
        """Trace at two other numbers of rows; return the graph for all if there is one."""
        taken = {n for leaf in self.call.leaves if leaf.kind == "array" for n in leaf.known.shape}
        taken |= {n for slot in graph.read for n in slot.parameter.shape}
        size = self.call.leaves[rows[0]].known.shape[0]
        small = [n for n in _PROBES if n not in taken][:2]
        # Where the function does something else for few rows, it may not for a few more than here.
        near = [n for n in range(size + 1, size + 100) if n not in taken][:2]
        for sizes in (small, near):
            found = self._probe_at(graph, rows, sizes, args, options)
            if found is not None:
                return found
        return None

    def _probe_at(
        self, graph: TracedGraph, rows: tuple[int, ...], sizes: list[int], args: Any, options: Any
    ) -> BatchGraph | None:
        n1, n2 = sizes
        size = self.call.leaves[rows[0]].known.shape[0]
        try:
            first = self._trace(self.call, args, options, dict.fromkeys(rows, n1))
            second = self._trace(self.call, args, options, dict.fromkeys(rows, n2))
            both = BatchGraph(first, second, n1, n2)
        except Exception:  # the user's code, at sizes that it may not be made for
            return None
        size = self.call.leaves[rows[0]].known.shape[0]
        return both if both.matches(graph, size) else None

    def _trace(self, call: Call, args: Any, options: Any, sizes: dict[int, int]) -> TracedGraph:
        """Trace on placeholders, some of which have another first axis."""
        placeholders: list[Any] = []
        inputs: list[Tensor] = []
        for i, (leaf, value) in enumerate(zip(call.leaves, call.values, strict=True)):
            if leaf.kind == "array":
                kind = leaf.known
                if i in sizes:
                    kind = ArrayType((sizes[i], *kind.shape[1:]), kind.dtype)
                inputs.append(unknown(kind, tracked=leaf.is_tracked))
                placeholders.append(inputs[-1])
            elif self._is_input(call, i):
                node, given = placeholder(value)
                inputs.append(node)
                placeholders.append(given)
            else:
                placeholders.append(value)
        names = [leaf.name for i, leaf in enumerate(call.leaves) if self._is_input(call, i)]
        remaining = iter(placeholders)
        new_args = [put_together(arg, remaining) for arg in args]
        new_options = {name: put_together(options[name], remaining) for name in sorted(options)}
        lifting = Lifting()
        with tracing(lifting, stabilized):
            result = self.f(*new_args, **new_options)
        return TracedGraph(inputs, result, lifting, names)

    def _is_input(self, call: Call, i: int) -> bool:
        kind = call.leaves[i].kind
        return kind == "array" or (kind == "number" and i not in self.by_value)

    # Does it fit? ---------------------------------------------------------------------------

    def still_holds(self) -> bool:
        """Whether what the function reads beside its arguments is of the same kind as before."""
        if not self._surroundings.holds():
            return False
        for slot, kind in zip(self.first.read, self._kinds, strict=True):
            if _kind_of_slot(slot.content()) != kind:
                return False
        return not self.first.empty or not self._changed()

    def _changed(self) -> list[str]:
        changed = self._surroundings.changed()
        for slot, kind in zip(self.first.read, self._kinds, strict=True):
            now = _kind_of_slot(slot.content())
            if now != kind:
                changed.append(f"{slot.name} is {_say(now)}, was {_say(kind)}")
        for slot in self.first.empty:
            if slot.content() is not None:
                changed.append(f"{slot.name} is there, was None")
        return changed

    def differences(self, call: Call) -> list[str]:
        """Say in what a call does not fit."""
        found = differences(self.call, call, self.rows) + self._changed()
        if len(call.values) == len(self.call.values):
            for i in sorted(self.by_value):
                now, before = call.values[i], self.call.values[i]
                if call.key_of_numbers([i]) != self.call.key_of_numbers([i]):
                    name = call.leaves[i].name
                    found.append(
                        f"{name}, whose value the function needs, is {now!r}, was {before!r}"
                    )
        n = self._size(call)
        return found or [f"the function does something else at {n} row{'s' if n != 1 else ''}"]

    def extends_to(self, call: Call, f: Callable[..., Any], args: Any, options: Any) -> bool:
        """Whether this is compiled for calls like this one, but for the number of rows."""
        if not self.rows or not isinstance(self.raw, BatchGraph):
            return False
        changed = changed_rows(self.call, call)
        if changed != self.rows:
            return False
        if call.key_of_numbers(self.by_value) != self.call.key_of_numbers(self.by_value):
            return False
        n = self._size(call)
        if n not in self._verified:
            try:
                graph = self._trace(call, args, options, {})
            except Exception:  # it comes again when this call is compiled
                return False
            if not self.raw.matches(graph, n):
                return False
            self._verified.add(n)
        return True

    # Running --------------------------------------------------------------------------------

    def _size(self, call: Call) -> int:
        """Return the number of rows of a call, 0 where there is none."""
        return int(call.leaves[self.rows[0]].known.shape[0]) if self.rows else 0

    def instance(self, call: Call) -> Instance:
        """Return what runs calls of this number of rows."""
        n = self._size(call)
        found = self.instances.get(n)
        if found is None:
            raw = self.raw.at(n) if isinstance(self.raw, BatchGraph) else self.raw
            if isinstance(self.optimized, BatchGraph):
                optimized = self.optimized.at(n)
            else:
                optimized = self.optimized or optimize(raw)[0]
            if len(self.instances) > 16:
                self.instances.pop(next(iter(self.instances)))
            found = self.instances[n] = Instance(self, raw, optimized)
            self.seconds["plan"] = self.seconds.get("plan", 0.0) + found.seconds
        return found

    def run(self, call: Call, is_recorded: bool = True) -> Any:
        """Evaluate the graph, put parameters' new values where they belong; return the result."""
        instance = self.instance(call)
        instance.runs += 1
        contents = [slot.content() for slot in self.first.read]
        inputs = [*self._inputs(call), *[c for c in contents if c is not None]]
        values = instance.executor.run([known_data(x) for x in inputs])
        if is_recorded and mode.recording and any(x.tracked for x in inputs):
            return self.first.finish_with(recorded(instance, inputs, values))
        return self.first.finish(values)

    def _inputs(self, call: Call) -> Iterator[Tensor]:
        for i, (leaf, value) in enumerate(zip(call.leaves, call.values, strict=True)):
            if leaf.kind == "array":
                yield value
            elif self._is_input(call, i):
                yield Tensor(array_of(value))

    def pull(self, wanted: tuple[bool, ...], given: tuple[bool, ...]) -> Any:
        """Return the compiled pull-back through this graph, for any number of rows."""
        found = self.pulls.get((wanted, given))
        if found is None:
            from chainrule.compiler.function import CompiledFunction  # which is made of these

            found = self.pulls[wanted, given] = CompiledFunction(
                pulled(self._graph_for, wanted, given), any_rows=isinstance(self.raw, BatchGraph)
            )
        return found

    def _graph_for(self, inputs: Sequence[Tensor]) -> Graph:
        if isinstance(self.raw, BatchGraph):
            count = len(self.call.leaves)
            places = [i for i in range(count) if self._is_input(self.call, i)]
            return self.raw.at(inputs[places.index(self.rows[0])].shape[0])
        return self.raw


@contextmanager
def _without_collection() -> Iterator[None]:
    """Put the garbage collector off: many nodes are made, and all of them are needed."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _kind_of_slot(content: Tensor | None) -> Any:
    return None if content is None else (content.shape, content.dtype, content.tracked)


def _say(kind: Any) -> str:
    if kind is None:
        return "None"
    shape, dtype, is_tracked = kind
    return f"{ArrayType(shape, dtype)}{', trained' if is_tracked else ''}"


def _optimize_any(graph: BatchGraph) -> tuple[BatchGraph | None, Counter[str]]:
    """Optimize for any number of rows; nothing, where the optimized graphs are not uniform."""
    n1, n2 = graph.sizes
    first, counts = optimize(graph.template)
    try:
        return BatchGraph(first, optimize(graph.at(n2))[0], n1, n2), counts
    except (NotUniform, ChainruleError):
        return None, counts
