"""``compile``: a function whose calls run an optimized static graph."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from chainrule.compiler.report import Explanation, explanation
from chainrule.compiler.signature import Call, changed_rows, distance, take_apart
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph
from chainrule.core.mode import mode

if TYPE_CHECKING:
    from chainrule.compiler.compilation import Compilation, Instance

#: Compilations of one function from which a warning says why there are so many.
_MANY = 32


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
        any_rows: whether to look for a first axis that may have any size.
        why: reasons for the first compilation.

    Attributes:
        compilations: one for each signature that came, in order.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        is_recorded: bool = True,
        any_rows: bool = True,
        why: Sequence[str] = ("the first call",),
    ) -> None:
        functools.update_wrapper(self, f)
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self._f = f
        self._is_recorded = is_recorded
        self._any_rows = any_rows
        self._why = list(why)
        self._names = _names(f)
        self.compilations: list[Compilation] = []
        self._by_key: dict[Any, list[Compilation]] = {}
        #: For some keys, the numbers whose values count, too.
        self._by_value: dict[Any, frozenset[int]] = {}

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the graph that was compiled for arguments like these."""
        call = take_apart(args, options, self._names)
        is_inside = mode.tracer is not None or mode.notebook is not None
        if is_inside or any(x.data is None for x in call.arrays()):
            return self._f(*args, **options)  # it becomes part of the graph around it
        return self._find(call, args, options).run(call, self._is_recorded)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else BoundFunction(self, instance)

    def __reduce__(self) -> Any:
        return (CompiledFunction, (self._f, self._is_recorded, self._any_rows))

    def explain(self) -> Explanation:
        """Say what was compiled, why, how long it took, and what runs.

        Returns:
            A dictionary, which prints as text.
        """
        return explanation(self)

    def graph(self, *args: Any, **options: Any) -> Graph:
        """Return the optimized graph for arguments like these, compiling it if need be."""
        return self.prepare(*args, **options)[1].optimized

    def prepare(self, *args: Any, **options: Any) -> tuple[Compilation, Instance]:
        """Compile for arguments like these, if need be, without running anything.

        Returns:
            The compilation, and what of it runs this number of rows.
        """
        call = take_apart(args, options, self._names)
        found = self._find(call, args, options)
        return found, found.instance(call)

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
        chosen = self._by_value.get(key)
        return key if chosen is None else (key, call.key_of_numbers(chosen))

    def _keep(self, key: Any, compilation: Compilation) -> None:
        if len(self._by_key) > 1000:  # as many sizes as that came; what is compiled stays
            self._by_key.clear()
        self._by_key.setdefault(key, []).append(compilation)

    def _compile(self, call: Call, args: Any, options: Any) -> Compilation:
        """Compile for a call; where a number's value is needed, for this value."""
        # The passes' tables take a while to build: nothing compiles, nothing waits.
        from chainrule.compiler.compilation import Compilation

        chosen = self._by_value.get(call.key)
        numbers = call.numbers()
        tries = [chosen] if chosen is not None else [
            frozenset(),
            *([frozenset({i}) for i in numbers] if len(numbers) > 1 else []),
            *([frozenset(numbers)] if numbers else []),
        ]  # fmt: skip
        problem: Exception | None = None
        for by_value in tries:
            made = Compilation(self._f, call, self._reasons(call), by_value)
            try:
                made.build(args, options, self._likely_rows(call))
            except Exception as error:
                problem = error  # the last one's numbers are what they are: as in eager execution
            else:
                if by_value:
                    self._by_value[call.key] = by_value
                self._warn_of_many(made)
                return made
        assert problem is not None
        raise problem

    def _warn_of_many(self, made: Compilation) -> None:
        if len(self.compilations) + 1 == _MANY:
            warnings.warn(
                f"{self.__name__} is compiled for the {_MANY}th time, because "
                f"{'; '.join(made.reasons)}. Its explain() lists all reasons.",
                stacklevel=4,
            )

    def _reasons(self, call: Call) -> list[str]:
        """Say why this is not a call of an earlier compilation: in what it differs least."""
        if not self.compilations:
            return self._why
        nearest = min(self.compilations, key=lambda c: distance(c.call, call))
        place = self.compilations.index(nearest) + 1
        return [f"{reason} (compilation {place})" for reason in nearest.differences(call)]

    def _likely_rows(self, call: Call) -> list[tuple[int, ...]]:
        """Return groups of leaves whose first axis may be the rows, the likeliest first."""
        groups: dict[int, list[int]] = {}
        if not self._any_rows:
            return []
        for i, leaf in enumerate(call.leaves):
            if leaf.kind == "array" and leaf.known.ndim:
                groups.setdefault(leaf.known.shape[0], []).append(i)
        found = [part for size in sorted(groups, reverse=True)[:4] for part in _parts(groups[size])]
        for earlier in reversed(self.compilations):
            changed = changed_rows(earlier.call, call)
            if changed:
                return [changed, *found]
        return found


class BoundFunction:
    """A compiled method of one object."""

    def __init__(self, function: CompiledFunction, instance: Any) -> None:
        functools.update_wrapper(self, function)
        self.__func__, self.__self__ = function, instance

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the graph that was compiled for this object and arguments like these."""
        return self.__func__(self.__self__, *args, **options)

    @property
    def compilations(self) -> list[Compilation]:
        """What was compiled, for all objects."""
        return self.__func__.compilations

    def explain(self) -> Explanation:
        """Say what was compiled, for all objects."""
        return self.__func__.explain()

    def graph(self, *args: Any, **options: Any) -> Graph:
        """Return the optimized graph for this object and arguments like these."""
        return self.__func__.graph(self.__self__, *args, **options)


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
