"""A process for each entry, which does one thing at a time, when it is asked.

The libraries do not tolerate each other in one process: PyTorch, XLA and BLAS each keep threads,
some of which spin for a while after their work, and PyTorch's and scikit-learn's OpenMP runtimes
differ. So each entry lives in a process of its own as long as the race lasts, and sleeps on its
pipe while another is being timed. What crashes or hangs takes nobody along.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from race.entry import PEERS, Entry, NotRacedError
from race.workloads import Workload


class AnswerError(Exception):
    """A worker did not do what it was asked.

    Attributes:
        status: ``"missing"``, ``"not raced"`` or ``"failed"``.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Worker:
    """The process of one entry, seen from the race."""

    def __init__(self, name: str, scratch: str, patience: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(name, theirs, scratch), daemon=True)
        self.process.start()
        theirs.close()
        self.patience = patience

    def ask(self, what: str, *args: Any) -> Any:
        """Have something done, and return its result.

        Raises:
            AnswerError: it could not be done, took too long, or the process died.
        """
        try:
            self.pipe.send((what, args))
            if not self.pipe.poll(self.patience):
                self.close()
                raise AnswerError("failed", f"no answer to {what!r} in {self.patience:g} s")
            status, result = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.close()
            code = self.process.exitcode
            raise AnswerError("failed", f"its process died in {what!r} (exit {code})") from error
        if status != "done":
            raise AnswerError(status, result)
        return result

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.process.is_alive()

    def close(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join(0.5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def serve(name: str, pipe: Connection, scratch: str) -> None:
    """Answer until nobody asks any more: the body of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the race's, which ends this process
    # What is compiled is compiled anew: no cache of an earlier run.
    folder = Path(scratch, name)
    folder.mkdir()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.environ["CHAINRULE_CACHE_DIR"] = str(folder)
    # The check is too short for Chainrule to compile by itself, and must run what is timed.
    os.environ.setdefault("CHAINRULE_ENGINE", "native")
    served = Served(name)
    while True:
        try:
            what, args = pipe.recv()
        except EOFError:
            return
        try:
            answer = "done", getattr(served, what)(*args)
        except ModuleNotFoundError as error:
            own = (error.name or "").partition(".")[0] in ("chainrule", "race")
            answer = "failed" if own else "missing", str(error)
        except NotRacedError as error:
            answer = "not raced", str(error)
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines()
            answer = "failed", f"{type(error).__name__}: {lines[0] if lines else ''}"
        pipe.send(answer)


class Served:
    """What a worker can be asked."""

    def __init__(self, name: str) -> None:
        self.peer = PEERS[name]
        self.made: type[Entry] | None = None

    def enter(self, workload: Workload) -> dict[str, Any]:
        """Build the network of a workload; import the library first, and try it, if need be."""
        began = time.perf_counter()
        if self.made is None:
            made = self.peer.load()
            self._try(made)
            self.made = made
        loaded = time.perf_counter() - began
        self.workload = workload
        self.x, self.y = workload.data()
        self.entry = self.made(workload, self.x, self.y, workload.start())
        return {"load": loaded, "versions": _versions(self.peer.packages)}

    def _try(self, made: type[Entry]) -> None:
        """Train another network, so that what a library imports late is not counted later."""
        tiny = Workload("tiny", (3, 5, 1), batch=2, rows=4)
        x, y = tiny.data()
        made(tiny, x, y, tiny.start()).train(1, 4)

    def check(self) -> dict[str, Any]:
        """Train for a while from the initial weights; return where that ended."""
        workload = self.workload
        began = time.perf_counter()
        if workload.optimizer is None:
            found: dict[str, Any] = {"prediction": self.entry.predict(self.x[:1])}
            self.first = time.perf_counter() - began
            found["probabilities"] = self.entry.probabilities
            return found
        loss = self.entry.train(workload.check_epochs, workload.check_rows)
        self.first = time.perf_counter() - began
        return {"loss": loss, "weights": self.entry.weights()}

    def prepare(self, seconds: float) -> dict[str, Any]:
        """Warm up; find out how much to do so that it takes about these seconds."""
        workload = self.workload
        if workload.optimizer is None:
            again = _timed(lambda: self.entry.predict(self.x[:1]))
            self.calls = max(1, round(0.1 * seconds / again))
            self.calls = max(1, round(seconds / self.time()["microseconds"] * 1e6))
            self.time()
            return {"compile": max(0.0, self.first - again), "calls": self.calls}
        again = _timed(lambda: self.entry.train(workload.check_epochs, workload.check_rows))
        step = again / workload.check_epochs / workload.steps(workload.check_rows)
        self.epochs, self.rows = 1, workload.rows
        if step * workload.steps(workload.rows) > 2 * seconds:  # a part of an epoch will do
            part = workload.batch * math.ceil(seconds / step)
            self.rows = min(workload.rows, max(part, workload.classes))
        self.time()  # compiles for this many rows, where the library does
        epoch = self.time()["microseconds"] * 1e-6 * workload.steps(self.rows)
        self.epochs = max(1, round(seconds / epoch))
        self.time()
        return {
            "compile": max(0.0, self.first - again),
            "rows": self.rows,
            "epochs": self.epochs,
        }

    def time(self) -> dict[str, float]:
        """Do it once; return the time a step, and how many processors worked on average."""
        gc.collect()
        processor, began = time.process_time(), time.perf_counter()
        if self.workload.optimizer is None:
            steps, row, predict = self.calls, self.x[:1], self.entry.predict
            for _ in range(steps):
                predict(row)
        else:
            steps = self.epochs * self.workload.steps(self.rows)
            self.entry.train(self.epochs, self.rows)
        wall = time.perf_counter() - began
        return {
            "microseconds": wall / steps * 1e6,
            "cores": (time.process_time() - processor) / wall,
            "seconds": wall,
        }

    def leave(self) -> dict[str, Any]:
        """Let go of the network; say what is known only at the end."""
        finite = all(np.isfinite(w).all() for w in self.entry.weights())
        told = {"finite": finite, "threads": self.entry.threads(), "engine": self.entry.engine()}
        del self.entry
        gc.collect()
        return told


def _timed(f: Callable[[], object]) -> float:
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
