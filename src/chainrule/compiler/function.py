"""``compile``: a function whose calls run an optimized static graph."""

from __future__ import annotations

import functools
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

from chainrule.compiler.batch import BatchGraph, NotUniform
from chainrule.compiler.call import pulled, recorded
from chainrule.compiler.executor import Executor
from chainrule.compiler.report import Explanation, explanation
from chainrule.compiler.signature import (
    Call,
    Leaf,
    Surroundings,
    array_of,
    differences,
    distance,
    put_together,
    take_apart,
)
from chainrule.compiler.trace import Lifting, TracedGraph, tracing
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph, known_data
from chainrule.core.tensor import Number, Tensor, mode, unknown
from chainrule.core.types import FLOAT64, INT64, Array, ArrayType
from chainrule.passes import optimize, stabilized

#: Numbers of rows at which functions are traced, to see what follows it.
_PROBES = (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


def compile(f: Callable[..., Any]) -> CompiledFunction:
    """Compile a function: trace it once a signature, optimize the graph, and run that.

    The function runs as ordinary Python while it is traced; its calls then cost what the optimized
    graph does. It is specialized on the structure, dtypes and inner shapes of the arguments; the
    number of rows, the size of the first axis of the arguments that share it, may change freely
    where the function allows it. Python's floats and integers are inputs, unless the function
    needs their values. Parameters that it reads are inputs, and those that it assigns are updated.
    Text, bools, modules and other objects count by what they are.

    What else the function does (printing, appending to a list) happens while it is traced only,
    which may be more than once. Values that it reads from elsewhere are constants of the graph;
    closure variables and globals are watched, and where one changes it is compiled again.

    Args:
        f: function of tensors, or of nested containers of them, to the same.

    Returns:
        A function of the same arguments, with the same results, which can be differentiated.
        ``explain()`` says what was compiled and why.

    >>> import chainrule as cr
    >>> fast = cr.compile(lambda x, w: cr.relu(x @ w).sum())
    >>> fast([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor(11., dtype=float32)
    >>> fast([[1.0, 2.0], [1.0, 0.0]], [[3.0], [4.0]])
    Tensor(14., dtype=float32)
    >>> len(fast.compilations)
    1
    """
    if isinstance(f, CompiledFunction):
        return f
    if not callable(f):
        raise ArgumentError("f", f"a {type(f).__name__}", "a function")
    return CompiledFunction(f)


class CompiledFunction:
    """What ``compile`` returns.

    Args:
        f: the function.
        is_recorded: whether a call can be differentiated from outside.

    Attributes:
        compilations: one for each signature that came, in order.
    """

    def __init__(self, f: Callable[..., Any], is_recorded: bool = True) -> None:
        functools.update_wrapper(self, f)
        self._f = f
        self._is_recorded = is_recorded
        self._names = _names(f)
        self.compilations: list[Compilation] = []
        self._by_key: dict[Any, list[Compilation]] = {}
        #: Keys for which the values of Python's numbers count, too.
        self._by_value: set[Any] = set()

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the graph that was compiled for arguments like these."""
        call = take_apart(args, options, self._names)
        if mode.tracer is not None or any(x.data is None for x in call.arrays()):
            return self._f(*args, **options)  # it becomes part of the graph around it
        return self._find(call, args, options).run(call, self._is_recorded)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def explain(self) -> Explanation:
        """Say what was compiled, why, how long it took, and what runs.

        Returns:
            A dictionary, which prints as text.
        """
        return explanation(self)

    def graph(self, *args: Any, **options: Any) -> Graph:
        """Return the optimized graph for arguments like these, compiling it if need be."""
        call = take_apart(args, options, self._names)
        return self._find(call, args, options).instance(call).optimized

    def _find(self, call: Call, args: Any, options: Any) -> Compilation:
        key = self._key(call)
        for found in self._by_key.get(key, ()):
            if found.still_holds():
                return found
        for found in self.compilations:
            if found.extends_to(call, self._f, args, options) and found.still_holds():
                self._keep(key, found)
                return found
        made = self._compile(call, args, options)
        self.compilations.append(made)
        self._keep(self._key(call), made)
        return made

    def _key(self, call: Call) -> Any:
        key = call.key
        return (key, call.key_of_numbers()) if key in self._by_value else key

    def _keep(self, key: Any, compilation: Compilation) -> None:
        if len(self._by_key) > 1000:  # as many sizes as that came; what is compiled stays
            self._by_key.clear()
        self._by_key.setdefault(key, []).append(compilation)

    def _compile(self, call: Call, args: Any, options: Any) -> Compilation:
        made = Compilation(self._f, call, self._reasons(call))
        try:
            made.build(args, options, self._likely_rows(call))
        except Exception:
            if not call.key_of_numbers() or made.numbers_count:
                raise
            # Something wanted a number's value: then it counts as text does, by its value.
            self._by_value.add(call.key)
            made = Compilation(self._f, call, self._reasons(call), numbers_count=True)
            made.build(args, options, self._likely_rows(call))
        return made

    def _reasons(self, call: Call) -> list[str]:
        """Say why this is not a call of an earlier compilation: in what it differs least."""
        if not self.compilations:
            return ["the first call"]
        nearest = min(self.compilations, key=lambda c: distance(c.call, call))
        place = self.compilations.index(nearest) + 1
        return [f"{reason} (compilation {place})" for reason in nearest.differences(call)]

    def _likely_rows(self, call: Call) -> list[tuple[int, ...]]:
        """Return groups of leaves whose first axis may be the rows, the likeliest first."""
        groups: dict[int, list[int]] = {}
        for i, leaf in enumerate(call.leaves):
            if leaf.kind == "array" and leaf.known.ndim:
                groups.setdefault(leaf.known.shape[0], []).append(i)
        found = [part for size in sorted(groups, reverse=True)[:4] for part in _parts(groups[size])]
        for earlier in reversed(self.compilations):
            changed = _changed_rows(earlier.call, call)
            if changed:
                return [changed, *found]
        return found


def _names(f: Callable[..., Any]) -> list[str]:
    code = getattr(getattr(f, "__func__", f), "__code__", None)
    if code is None:
        return []
    names = list(code.co_varnames[: code.co_argcount])
    return names[1:] if hasattr(f, "__self__") else names


def _parts(group: list[int]) -> list[tuple[int, ...]]:
    """Return a group and, where it is small, all parts of it: some may share a size by chance."""
    smallest = 1 if len(group) <= 3 else len(group)
    return [
        part for size in range(len(group), smallest - 1, -1) for part in combinations(group, size)
    ]


def _changed_rows(old: Call, new: Call) -> tuple[int, ...]:
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


class Instance:
    """A compilation for one number of rows, ready to run.

    Attributes:
        graph: the graph as it was traced.
        optimized: the graph that is run.
        executor: what runs it.
    """

    def __init__(self, owner: Compilation, graph: Graph, optimized: Graph) -> None:
        self._owner = owner
        self.graph = graph
        self.optimized = optimized
        start = time.perf_counter()
        self.executor = Executor(optimized)
        self.seconds = time.perf_counter() - start

    def evaluate(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs for the inputs."""
        return self.executor.run(list(arrays))

    def pull(self, wanted: tuple[bool, ...], given: tuple[bool, ...]) -> Callable[..., Any]:
        """Return the compiled pull-back ``(inputs, cotangents)`` to the wanted cotangents."""
        return self._owner.pull(wanted, given)


class Compilation:
    """A function compiled for one signature.

    Args:
        f: the function.
        call: the call that it was compiled for.
        reasons: why.
        numbers_count: whether it holds for the values of Python's numbers only.

    Attributes:
        seconds: time of each stage.
        rewrites: how often each rewrite was applied.
    """

    def __init__(
        self, f: Callable[..., Any], call: Call, reasons: list[str], numbers_count: bool = False
    ) -> None:
        self.f = f
        self.call = call
        self.reasons = reasons
        self.numbers_count = numbers_count
        self.rows: tuple[int, ...] = ()
        self.seconds: dict[str, float] = {}
        self.rewrites: Counter[str] = Counter()
        self.instances: dict[int, Instance] = {}
        #: Numbers of rows at which the function is known to do the same.
        self._verified: set[int] = set()
        self._pulls: dict[Any, CompiledFunction] = {}
        self.raw: TracedGraph | BatchGraph
        self.optimized: Graph | BatchGraph | None = None

    # Building -------------------------------------------------------------------------------

    def build(self, args: Any, options: Any, likely_rows: Sequence[tuple[int, ...]]) -> None:
        """Trace and optimize, for any number of rows where that is possible."""
        with _without_collection():
            self._build(args, options, likely_rows)

    def _build(self, args: Any, options: Any, likely_rows: Sequence[tuple[int, ...]]) -> None:
        start = time.perf_counter()
        self._surroundings = Surroundings(self.f)
        graph = self._trace(self.call, args, options, {})
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
        first = self.instance(self.call)
        self.seconds["plan"] = first.seconds

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
            elif leaf.kind == "number" and not self.numbers_count:
                inputs.append(unknown(ArrayType((), FLOAT64 if leaf.known is float else INT64)))
                placeholders.append(Number(inputs[-1], leaf.known))
            else:
                placeholders.append(value)
        names = [leaf.name for leaf in call.leaves if self._is_input(leaf)]
        remaining = iter(placeholders)
        new_args = [put_together(arg, remaining) for arg in args]
        new_options = {name: put_together(options[name], remaining) for name in sorted(options)}
        lifting = Lifting()
        with tracing(lifting, stabilized):
            result = self.f(*new_args, **new_options)
        return TracedGraph(inputs, result, lifting, names)

    def _is_input(self, leaf: Leaf) -> bool:
        return leaf.kind == "array" or (leaf.kind == "number" and not self.numbers_count)

    # Does it fit? ---------------------------------------------------------------------------

    def still_holds(self) -> bool:
        """Whether what the function reads beside its arguments is of the same kind as before."""
        if self._surroundings.changed():
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
        found = differences(self.call, call) + self._changed()
        if self.numbers_count:
            pairs = zip(self.call.leaves, self.call.values, call.values, strict=False)
            found += [
                f"{leaf.name}, whose value the function needs, is {now!r}, was {before!r}"
                for leaf, before, now in pairs
                if leaf.kind == "number" and before != now
            ]
        return found or ["the function does something else at this number of rows"]

    def extends_to(self, call: Call, f: Callable[..., Any], args: Any, options: Any) -> bool:
        """Whether this is compiled for calls like this one, but for the number of rows."""
        if not self.rows or not isinstance(self.raw, BatchGraph):
            return False
        changed = _changed_rows(self.call, call)
        if changed != self.rows or (
            self.numbers_count and call.key_of_numbers() != self.call.key_of_numbers()
        ):
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
        return found

    def run(self, call: Call, is_recorded: bool = True) -> Any:
        """Evaluate the graph, put parameters' new values where they belong; return the result."""
        instance = self.instance(call)
        contents = [slot.content() for slot in self.first.read]
        inputs = [*self._inputs(call), *[c for c in contents if c is not None]]
        values = instance.executor.run([known_data(x) for x in inputs])
        if is_recorded and mode.recording and any(x.tracked for x in inputs):
            return self.first.finish_with(recorded(instance, inputs, values))
        return self.first.finish(values)

    def _inputs(self, call: Call) -> Iterator[Tensor]:
        for leaf, value in zip(call.leaves, call.values, strict=True):
            if leaf.kind == "array":
                yield value
            elif self._is_input(leaf):
                yield Tensor(array_of(value))

    def pull(self, wanted: tuple[bool, ...], given: tuple[bool, ...]) -> CompiledFunction:
        """Return the compiled pull-back through this graph, for any number of rows."""
        found = self._pulls.get((wanted, given))
        if found is None:
            found = self._pulls[wanted, given] = CompiledFunction(
                pulled(self._graph_for, wanted, given)
            )
        return found

    def _graph_for(self, inputs: Sequence[Tensor]) -> Graph:
        if isinstance(self.raw, BatchGraph):
            places = [i for i, leaf in enumerate(self.call.leaves) if self._is_input(leaf)]
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
    except NotUniform:
        return None, counts
