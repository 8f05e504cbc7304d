"""The native executor: a graph as one machine-code function, called from Python."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph
from chainrule.core.types import Array
from chainrule.native.emit import Emitter
from chainrule.native.ir import Function, module_text
from chainrule.native.jit import compile_module
from chainrule.native.lower import lower
from chainrule.native.target import host_target
from chainrule.passes.fuse import fuse


class Body:
    """A graph's nests as a function ``(inputs..., outputs..., arena, error)`` of an LLVM module.

    Args:
        graph: the graph.
        name: name of the function; nothing outside of the module calls it.
        vector_bits: width of the target's vector registers.

    Attributes:
        kernels: what the graph was fused into.
        program: their nests, and where values lie.
        function: the code.
        globals: definitions of the constants that it reads.
        pointers: how many pointers it takes before the arena's.

    Raises:
        UnsupportedError: the graph has something that native code cannot do yet.
    """

    def __init__(self, graph: Graph, name: str, vector_bits: int) -> None:
        self.kernels = fuse(graph)
        self.program = lower(graph, self.kernels)
        ends = [*graph.inputs, *self.program.outputs]
        self.pointers = len(ends)
        names = [f"a{i}" for i in range(len(ends))]
        taken = [("ptr", each) for each in (*names, "arena", "error")]
        self.function = Function(name, taken, linkage="internal")
        places = {node: f"%{each}" for node, each in zip(ends, names, strict=True)}
        emitter = Emitter(self.program, self.function, places, "%arena", vector_bits)
        emitter.emit()
        self.function.return_value()
        self.globals = emitter.globals

    def call(self, f: Function, pointers: Sequence[str], error: str) -> None:
        """Call it from another function of the module."""
        given = ", ".join(f"ptr {p}" for p in (*pointers, "%arena", error))
        f.emit(f"call void @{self.function.name}({given})")


def write_module(body: Body) -> str:
    """Return the LLVM module of a graph.

    Its function ``run(pointers, arena)`` takes an array of pointers to the inputs and then the
    outputs, and returns 1 if it found something wrong.
    """
    run = Function("run", [("ptr", "pointers"), ("ptr", "arena")], "i64")
    error = run.variable(run.i64(0))
    pointers = [run.element_pointer("%pointers", i) for i in range(body.pointers)]
    body.call(run, pointers, error)
    run.return_value(run.load(error, "i64"))
    return module_text([body.function, run], body.globals)


class NativeExecutor:
    """Runs a graph as machine code, with the interface of ``compiler.executor.Executor``.

    It may be run from several threads at once; they take turns.

    Args:
        graph: the graph; its sizes are those of every run.

    Raises:
        UnsupportedError: the graph has something that native code cannot do yet.

    >>> import chainrule as cr
    >>> executor = NativeExecutor(cr.trace(lambda x: cr.relu(x) + 1.0)([2.0, -2.0]))
    >>> executor.run([np.array([3.0, -3.0], np.float32)])
    [array([4., 1.], dtype=float32)]
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        body = Body(graph, "body", host_target().vector_bits)
        self.kernels, self.program = body.kernels, body.program
        self.compiled = compile_module(write_module(body))
        self._run = self.compiled.function(
            "run", ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p]
        )
        raw = np.zeros(self.program.arena_bytes + 64, np.uint8)
        self._arena_memory = raw
        self._arena = raw.ctypes.data + (-raw.ctypes.data) % 64
        self._pointers = (ctypes.c_void_p * (len(graph.inputs) + len(graph.outputs)))()
        self._types = [(x.type.shape, x.type.dtype) for x in graph.inputs]
        self._lock = threading.Lock()

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs for the inputs.

        Raises:
            ArgumentError: other arrays than those of the graph's types.
            Exception: what ``graph.evaluate`` raises, where a value is bad.
        """
        self._check(arrays)
        given = [x if x.flags.c_contiguous else np.array(x, order="C") for x in arrays]
        results: list[Array] = [np.empty(y.type.shape, y.type.dtype) for y in self.program.outputs]
        with self._lock:
            for i, x in enumerate((*given, *results)):
                self._pointers[i] = x.ctypes.data
            if not self._run(ctypes.addressof(self._pointers), self._arena):
                return results
        return self.graph.evaluate(*arrays)  # raises what is wrong

    def _check(self, arrays: Sequence[Array]) -> None:
        if len(arrays) != len(self._types):
            raise ArgumentError("arrays", f"{len(arrays)} arrays", f"{len(self._types)} arrays")
        for i, (x, (shape, dtype)) in enumerate(zip(arrays, self._types, strict=True)):
            if x.shape != shape or x.dtype != dtype:
                raise ArgumentError(
                    f"arrays[{i}]", f"{x.dtype}{list(x.shape)}", f"{dtype}{list(shape)}"
                )
