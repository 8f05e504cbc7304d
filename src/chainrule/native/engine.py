"""The native executor: a graph as one machine-code function, called from Python."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph, Node
from chainrule.core.types import Array
from chainrule.native.emit import Emitter
from chainrule.native.ir import Function, module_text
from chainrule.native.jit import compile_module
from chainrule.native.lower import lower
from chainrule.native.target import host_target
from chainrule.passes.fuse import fuse


def write_program(graph: Graph, vector_bits: int = 512) -> tuple[str, Any]:
    """Return the LLVM module of a graph, and the program that it was written from.

    The function ``run(pointers, arena)`` takes an array of pointers to the inputs and then the
    outputs, and returns 1 if it found something wrong.

    Raises:
        UnsupportedError: the graph has something that native code cannot do yet.
    """
    kernels = fuse(graph)
    program = lower(graph, kernels)
    ends = [*graph.inputs, *program.outputs]
    body = Function(
        "body",
        [*[("ptr", f"a{i}") for i in range(len(ends))], ("ptr", "arena"), ("ptr", "error")],
        linkage="internal",
    )
    pointers: dict[Node, str] = {node: f"%a{i}" for i, node in enumerate(ends)}
    emitter = Emitter(program, body, pointers, "%arena", vector_bits)
    emitter.emit()
    body.return_value()
    run = Function("run", [("ptr", "pointers"), ("ptr", "arena")], "i64")
    error = f"%{run.fresh('error')}"
    run.emit(f"{error} = alloca i64")
    run.store(run.i64(0), error)
    given = []
    for i in range(len(ends)):
        slot = f"%{run.fresh('slot')}"
        run.emit(f"{slot} = getelementptr ptr, ptr %pointers, i64 {i}")
        pointer = f"%{run.fresh('a')}"
        run.emit(f"{pointer} = load ptr, ptr {slot}")
        given.append(f"ptr {pointer}")
    run.emit(f"call void @body({', '.join([*given, 'ptr %arena', f'ptr {error}'])})")
    run.return_value(run.load(error, "i64"))
    return module_text([body, run], emitter.globals), program


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
        self.kernels = fuse(graph)
        text, self.program = write_program(graph, host_target().vector_bits)
        self.compiled = compile_module(text)
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
