"""The training loop as machine code: rows gathered, a step, its loss kept; batch after batch.

What a step reads and writes (weights, moments, counters) has two buffers. Each step reads one and
writes the other, so nothing is overwritten that is still to be read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.graph import Graph
from chainrule.core.types import Array
from chainrule.native.engine import Body
from chainrule.native.ir import Function, Kind, Value, module_text
from chainrule.native.jit import compile_module
from chainrule.native.places import stored_kind
from chainrule.native.target import host_target
from chainrule.native.unsupported import UnsupportedError

#: Vectors of a row up to which copying it is written out.
_WRITTEN_OUT = 8


class TrainingLoop:
    """Runs a traced step over batches of rows.

    Args:
        graph: the step for batches of this size. Its first inputs are rows of the data, the others
            are state; its outputs are the loss, the prediction, and then new state.
        data: how many inputs are rows.
        successors: for each output after the prediction, which input it is the next value of, or
            ``None`` if no step reads it.

    Raises:
        UnsupportedError: the step has something that native code cannot do yet.
    """

    def __init__(self, graph: Graph, data: int, successors: Sequence[int | None]) -> None:
        self.graph = graph
        self.data = data
        self.successors = tuple(successors)
        self.rows = graph.inputs[0].type.shape[0]
        if any(x.type.shape[:1] != (self.rows,) for x in graph.inputs[:data]):
            raise UnsupportedError("inputs that are no rows of the data")
        self._compile()
        #: For each input that is state: its two buffers, the same one twice if no step writes it.
        self.state = [self._buffers(i) for i in range(data, len(graph.inputs))]
        self.unread = {
            place: np.empty(self._output(place).shape, self._output(place).dtype)
            for place, source in enumerate(self.successors)
            if source is None
        }

    def _output(self, place: int) -> Any:
        return self.graph.outputs[2 + place].type

    def _buffers(self, i: int) -> tuple[Array, Array]:
        kind = self.graph.inputs[i].type
        first = np.empty(kind.shape, kind.dtype)
        return first, np.empty_like(first) if i in self.successors else first

    # Code -----------------------------------------------------------------------------------

    def _compile(self) -> None:
        graph = self.graph
        step = Body(graph, "step", host_target().vector_bits)
        self.kernels, self.program = step.kernels, step.program
        self._batch_offsets, size = [], -(-step.program.arena_bytes // 64) * 64
        for x in graph.inputs[: self.data]:
            self._batch_offsets.append(size)
            size += -(-x.type.size * x.type.dtype.itemsize // 64) * 64
        self._raw = np.zeros(size + 64, np.uint8)
        self._arena = self._raw.ctypes.data + (-self._raw.ctypes.data) % 64
        text = module_text([step.function, self._loop(step)], step.globals)
        self.compiled = compile_module(text)
        self._run = self.compiled.function(
            "train",
            ctypes.c_int64,
            [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64],
        )

    def _loop(self, step: Body) -> Function:
        """Write ``train(pointers, arena, first, steps, parity)``: the number of good steps.

        The pointers are: each array of data; the order of the rows; where losses and predictions
        go; for each further input its two buffers; for each unread output its buffer. A step whose
        loss is not finite is the last one, and so is one in which something was wrong: then the
        result is its number, counted from 1, with a minus.
        """
        f = Function(
            "train",
            [("ptr", "pointers"), ("ptr", "arena"), ("i64", "first"), ("i64", "steps"),
             ("i64", "parity")],
            "i64",
        )  # fmt: skip
        taken = iter(range(1 << 30))

        def pointer() -> str:
            return f.element_pointer("%pointers", next(taken))

        graph = self.graph
        data = [pointer() for _ in range(self.data)]
        order, losses, predictions = pointer(), pointer(), pointer()
        state = [(pointer(), pointer()) for _ in graph.inputs[self.data :]]
        unread = [pointer() for source in self.successors if source is None]
        batches = [f.pointer("%arena", offset, "i8") for offset in self._batch_offsets]
        error, done = f.variable(f.i64(0)), f.variable(f.i64(0))
        going = f.variable(Value("%steps", "i64"))
        with f.loop(Value("%steps", "i64"), hint="s") as s:  # noqa: SIM117 - s is used inside
            with f.when(f.compare("lt", s, f.load(going, "i64"))):
                place = f.add(Value("%first", "i64"), s)
                row = f.mul(place, f.i64(self.rows))
                self._gather(f, row, order, data, batches)
                is_odd = f.convert(f.bits_and(f.add(Value("%parity", "i64"), s), f.i64(1)), "i1")
                reads, writes = [], []
                for a, b in state:
                    reads.append(_choose(f, is_odd, b, a))
                    writes.append(_choose(f, is_odd, a, b))
                kind = stored_kind(graph.outputs[1].type.dtype)
                width = graph.outputs[1].type.size // self.rows
                out = f.pointer(predictions, f.mul(row, f.i64(width)), kind)
                loss_kind = stored_kind(graph.outputs[0].type.dtype)
                loss = f.pointer(losses, s, loss_kind)
                results, free = [loss, out], iter(unread)
                for source in self.successors:
                    results.append(next(free) if source is None else writes[source - self.data])
                step.call(f, [*batches, *reads, *results], error)
                f.store(f.add(s, f.i64(1)), done)
                finite = f.is_finite(f.load(loss, loss_kind))
                wrong = f.compare("ne", f.load(error, "i64"), f.i64(0))
                stop = f.bits_or(wrong, f.bits_xor(finite, f.constant(1, "i1")))
                with f.when(stop):
                    f.store(f.i64(0), going)
        wrong = f.compare("ne", f.load(error, "i64"), f.i64(0))
        f.return_value(f.select(wrong, f.neg(f.load(done, "i64")), f.load(done, "i64")))
        return f

    def _gather(
        self, f: Function, row: Value, order: str, data: list[str], batches: list[str]
    ) -> None:
        """Copy the rows of a batch, as the order chooses them."""
        with f.loop(self.rows, hint="r") as r:
            chosen = f.load(f.pointer(order, f.add(row, r), "i64"), "i64")
            for x, source, target in zip(self.graph.inputs, data, batches, strict=False):
                kind = stored_kind(x.type.dtype)
                width = x.type.size // self.rows
                lanes = min(host_target().vector_bits // 32, 1 << max(width - 1, 0).bit_length())
                read = f.pointer(source, f.mul(chosen, f.i64(width)), kind)
                write = f.pointer(target, f.mul(r, f.i64(width)), kind)
                _copy(f, read, write, kind, width, lanes)

    # Running --------------------------------------------------------------------------------

    def set_state(self, arrays: Sequence[Array]) -> None:
        """Begin from these values of the inputs that are state."""
        for (first, second), array in zip(self.state, arrays, strict=True):
            np.copyto(first, array)
            if second is not first:
                np.copyto(second, array)
        self._parity = 0

    def results(self) -> list[Array]:
        """Return copies of the state's newest values, one for each output after the prediction."""
        found = []
        for place, source in enumerate(self.successors):
            if source is None:
                found.append(self.unread[place].copy())
            else:
                found.append(self.state[source - self.data][self._parity].copy())
        return found

    def run(
        self, data: Sequence[Array], order: Array, first: int, steps: int, predictions: Array
    ) -> Array:
        """Make steps over batches, and return their losses.

        Args:
            data: arrays whose rows are drawn, C-ordered.
            order: the rows of all batches, int64.
            first: number of the first batch.
            steps: how many batches.
            predictions: where the prediction for each row goes, in the order of ``order``.

        Returns:
            A loss a step: fewer than ``steps`` if one was not finite, which is the last.

        Raises:
            ArgumentError: arrays that do not fit the step, or rows that the data does not have.
            Exception: what ``graph.evaluate`` raises for a batch with a bad value in it. The state
                is then as it was before that batch.
        """
        self._check(data, order, first, steps, predictions)
        losses = np.empty(steps, self.graph.outputs[0].type.dtype)
        pairs = [array for pair in self.state for array in pair]
        arrays = [*data, order, losses, predictions, *pairs, *self.unread.values()]
        pointers = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
        done = self._run(ctypes.addressof(pointers), self._arena, first, steps, self._parity)
        if done < 0:
            self._parity = (self._parity - done - 1) % 2
            self._explain(data, order[(first - done - 1) * self.rows :][: self.rows])
        self._parity = (self._parity + done) % 2
        return losses[:done]

    def _check(
        self, data: Sequence[Array], order: Array, first: int, steps: int, predictions: Array
    ) -> None:
        """Refuse what the code would read or write outside of."""
        for i, (x, node) in enumerate(zip(data, self.graph.inputs, strict=False)):
            kind = node.type
            fits = x.shape[1:] == kind.shape[1:] and x.dtype == kind.dtype
            if not fits or not x.flags.c_contiguous or len(x) != len(data[0]):
                rows = f"C-ordered rows of type {kind.dtype}{list(kind.shape[1:])}"
                raise ArgumentError(f"data[{i}]", f"{x.dtype}{list(x.shape)}", rows)
        end = (first + steps) * self.rows
        chosen = order[first * self.rows : end]
        if first < 0 or len(chosen) != steps * self.rows or order.dtype != np.int64:
            raise ArgumentError("order", f"{order.dtype}{list(order.shape)}", f"{end} rows, int64")
        # Seen as numbers without a sign, negative ones are the largest: one pass is enough.
        if steps and int(np.maximum.reduce(chosen.view(np.uint64))) >= len(data[0]):
            came = f"rows from {chosen.min()} to {chosen.max()}"
            raise ArgumentError("order", came, f"rows of the {len(data[0])} that there are")
        kind = self.graph.outputs[1].type
        fits = predictions.dtype == kind.dtype and predictions.flags.c_contiguous
        if not fits or predictions.size < end * (kind.size // self.rows):
            came = f"{predictions.dtype}{list(predictions.shape)}"
            raise ArgumentError("predictions", came, f"{end} C-ordered rows of type {kind.dtype}")

    def _explain(self, data: Sequence[Array], chosen: Array) -> NoReturn:
        """Evaluate a batch that has something wrong in it, to raise what NumPy raises."""
        state = [pair[self._parity] for pair in self.state]
        with np.errstate(all="ignore"):
            self.graph.evaluate(*[x[chosen] for x in data], *state)
        raise ChainruleError("native code found an error that NumPy does not find; please report")


def _copy(f: Function, read: str, write: str, kind: Kind, count: int, lanes: int) -> None:
    """Copy elements that lie side by side, so many at once."""
    full, left = divmod(count, lanes)

    def one(at: Value | int) -> None:
        f.store(f.load(f.pointer(read, at, kind), kind, lanes), f.pointer(write, at, kind))

    if full <= _WRITTEN_OUT:
        for i in range(full):
            one(i * lanes)
    else:
        with f.loop(full * lanes, lanes) as at:
            one(at)
    if left:
        last = f.load_first(f.pointer(read, full * lanes, kind), kind, lanes, left)
        f.store_first(last, f.pointer(write, full * lanes, kind), left)


def _choose(f: Function, condition: Value, if_true: str, if_false: str) -> str:
    if if_true == if_false:
        return if_true
    name = f"%{f.fresh('choice')}"
    f.emit(f"{name} = select i1 {condition.text}, ptr {if_true}, ptr {if_false}")
    return name
