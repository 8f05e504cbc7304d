"""Epochs as machine code: many batches in a call, in pieces of about 20 milliseconds."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.core.types import Array
from chainrule.native import jit
from chainrule.native.unsupported import UnsupportedError
from chainrule.training.weights import Samples

if TYPE_CHECKING:
    from chainrule.compiler.compilation import Compilation
    from chainrule.native.training import TrainingLoop
    from chainrule.training.steps import Steps

#: Seconds between two looks at the clock, the callbacks, and Ctrl-C.
_PIECE = 0.02
#: Estimated seconds on NumPy from which compiling to machine code pays for itself.
_WORTH = 0.5
#: What an operation takes on NumPy beside its arithmetic, in seconds, and how fast that is.
_PER_OPERATION, _FLOPS_A_SECOND = 0.9e-6, 1.5e10

#: Environment variable: ``auto`` (machine code where it pays), ``native`` or ``numpy``.
ENGINE = "CHAINRULE_ENGINE"


def chosen_engine() -> str:
    """Return what the environment asks for.

    Raises:
        ArgumentError: neither auto, native nor numpy.
    """
    engine = os.environ.get(ENGINE, "auto")
    if engine not in ("auto", "native", "numpy"):
        raise ArgumentError(ENGINE, repr(engine), "'auto', 'native' or 'numpy'")
    return engine


class MachineEpochs:
    """Runs the updates of epochs as machine code.

    Args:
        steps: the model's functions on batches.
        data: samples, targets and weights.
        batch_size: samples an update.
        epochs: how often the samples will be gone through.

    Raises:
        UnsupportedError: it cannot, or compiling would take longer than it saves; with the reason.
    """

    def __init__(self, steps: Steps, data: Samples, batch_size: int, epochs: int) -> None:
        engine = chosen_engine()
        if engine == "numpy":
            raise UnsupportedError(f"{ENGINE} asks for NumPy")
        if not jit.is_available():
            raise UnsupportedError(f"LLVM is missing: {jit.why_not()}")
        setup = steps.setup
        if "update" not in steps.compiled:
            raise UnsupportedError("the step is run eagerly")
        if setup.optimizer.schedule is not None and setup.optimizer.schedule.is_python:
            raise UnsupportedError("the learning rate is computed by Python code in each step")
        self._arrays = [np.ascontiguousarray(x) for x in (data.x, data.y)]
        if data.weight is not None:
            self._arrays.append(np.ascontiguousarray(data.weight))
        self._steps, self._n, self._batch_size = steps, len(data), batch_size
        if engine == "auto":
            self._check_worth(epochs)
        sizes = {min(batch_size, len(data)), len(data) % batch_size} - {0}
        self._loops = {size: self._loop(size) for size in sizes}
        #: Batches in a piece, for each of their sizes; found while running.
        self._pieces = dict.fromkeys(sizes, 1)

    def _compilation(self, size: int) -> tuple[Compilation, Any]:
        rows = [Tensor(x[:size]) for x in self._arrays]
        given = [*rows, None] if len(rows) == 2 else rows
        return self._steps.compiled["update"].prepare(*given)

    def _check_worth(self, epochs: int) -> None:
        size = min(self._batch_size, self._n)
        _, instance = self._compilation(size)
        flops = sum(kernel.flops for kernel in instance.executor.kernels)
        each = len(instance.optimized.nodes) * _PER_OPERATION + flops / _FLOPS_A_SECOND
        total = epochs * math.ceil(self._n / self._batch_size) * each
        if total < _WORTH:
            raise UnsupportedError(
                f"so little work ({total:.2g} s on NumPy, estimated) that compiling would not pay"
            )

    def _loop(self, size: int) -> tuple[TrainingLoop, Compilation]:
        from chainrule.native.training import TrainingLoop

        compilation, instance = self._compilation(size)
        kept = self._steps.loops.get(size)
        if kept is not None and kept[1] is compilation:
            return kept
        first = compilation.first
        count = len(self._arrays)
        if len(first.outputs) - len(first.written) != 2:
            raise UnsupportedError("a step with other results than the loss and the prediction")
        place = {slot: count + i for i, slot in enumerate(first.read)}
        successors = [place.get(slot) for slot in first.written]
        made = TrainingLoop(instance.optimized, count, successors), compilation
        self._steps.loops[size] = made
        return made

    def run(self, order: Array, each: bool = False) -> Iterator[tuple[slice, Array, Array]]:
        """Train on all samples in an order.

        Args:
            order: the samples.
            each: whether to stop after each batch.

        Parameters have their new values whenever this yields.

        Yields:
            A stretch of the order, the loss of each batch in it, and the prediction for each of
            its samples. A loss that is not finite is the last.
        """
        order = np.ascontiguousarray(order, np.int64)
        size = min(self._batch_size, self._n)
        full, rest = divmod(len(order), size)
        stretches = [(size, full, 0)] if full else []
        stretches += [(rest, 1, full * size)] if rest else []
        for rows, batches, start in stretches:
            for stretch, losses, predictions in self._stretch(rows, batches, order[start:], each):
                here = slice(start + stretch.start, start + stretch.stop)
                yield here, losses, predictions
                if not np.isfinite(losses[-1]):
                    return

    def _stretch(
        self, rows: int, batches: int, order: Array, each: bool
    ) -> Iterator[tuple[slice, Array, Array]]:
        loop, compilation = self._loops[rows]
        output = loop.graph.outputs[1].type
        predictions = np.empty((batches * rows, *output.shape[1:]), output.dtype)
        done = 0
        while done < batches:
            loop.set_state(compilation.first.contents())
            count = 1 if each else min(self._pieces[rows], batches - done)
            begin = time.perf_counter()
            try:
                losses = loop.run(self._arrays, order, done, count, predictions)
            except Exception:
                compilation.first.put_written(loop.results())  # of the steps before
                raise
            seconds = time.perf_counter() - begin
            compilation.first.put_written(loop.results())
            stretch = slice(done * rows, (done + len(losses)) * rows)
            done += len(losses)
            yield stretch, losses, predictions[stretch]
            if len(losses) < count:
                return
            fits = int(count * _PIECE / max(seconds, 1e-7))
            self._pieces[rows] = max(1, min(8 * count, fits), min(self._pieces[rows], fits))
