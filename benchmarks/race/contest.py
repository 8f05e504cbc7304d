"""One workload, all entries: the same weights at the end, then times in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from race import reference
from race.entry import EAGER, OURS, PEERS
from race.machine import loads, machine
from race.worker import AnswerError, Worker
from race.workloads import Array, Workload

#: By how much losses may differ from the reference's, relatively.
LOSS_TOLERANCE = 1e-4
#: By how much weights may, relative to the way that they went.
WEIGHT_TOLERANCE = 1e-2

Say = Callable[[str], None]


def race(
    workloads: Sequence[Workload],
    names: Sequence[str],
    *,
    repeats: int,
    seconds: float,
    patience: float,
    say: Say,
) -> dict[str, Any]:
    """Race entries over workloads.

    Args:
        workloads: what to do.
        names: keys of ``PEERS``.
        repeats: how often each is timed.
        seconds: about how long each time.
        patience: seconds after which an entry counts as hanging.
        say: told what happens.

    Returns:
        All that was found, as JSON values.
    """
    workers: dict[str, Worker] = {}
    results: dict[str, Any] = {"machine": machine(), "load_before": loads()}
    results |= {"repeats": repeats, "seconds": seconds, "versions": {}, "workloads": []}
    with tempfile.TemporaryDirectory(prefix="race-") as scratch:

        def worker(name: str) -> Worker:
            if name not in workers or not workers[name].alive:
                folder = tempfile.mkdtemp(dir=scratch)
                workers[name] = Worker(name, folder, patience)
            return workers[name]

        try:
            for workload in workloads:
                say(workload.title)
                contest = Contest(workload, worker, say)
                contest.enter(names)
                contest.take_turns(repeats, seconds)
                results["versions"] |= contest.versions
                results["workloads"].append(contest.results())
        finally:
            for each in workers.values():
                each.close()
    results["load_after"] = loads()
    return results


class Contest:
    """A workload, and what became of each entry."""

    def __init__(self, workload: Workload, worker: Callable[[str], Worker], say: Say) -> None:
        self.workload, self.worker, self.say = workload, worker, say
        self.found: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, str] = {}
        x, y = workload.data()
        start, rows = workload.start(), workload.check_rows
        self.x, self.y = x[:rows], y[:rows]
        if workload.optimizer is None:
            self.prediction = reference.predict(workload, start, x[:1])
            return
        self.start = _flat(start)
        self.first = reference.mean_loss(workload, start, self.x, self.y)
        weights, self.epoch_loss = reference.train(
            workload, start, self.x, self.y, workload.check_epochs
        )
        self.end, self.last = (
            _flat(weights),
            reference.mean_loss(workload, weights, self.x, self.y),
        )
        if abs(self.last - self.first) < 20 * LOSS_TOLERANCE * abs(self.last):
            raise ValueError(
                f"{workload.name}: the check trains too little to tell entries apart (the loss "
                f"goes from {self.first:.6g} to {self.last:.6g}): give a larger --learning-rate"
            )

    def enter(self, names: Sequence[str]) -> None:
        """Let each build its network, and check where its training leads."""
        for name in names:
            entry = self.found[name] = {"status": "timed"}
            with _Failing(self, name):
                told = self.worker(name).ask("enter", self.workload)
                entry["load"] = told["load"]
                self.versions |= told["versions"]
                self._check(entry, self.worker(name).ask("check"))
            reason = f": {entry['reason']}" if "reason" in entry else ""
            self.say(f"  {PEERS[name].title:24}{entry.get('agreement', entry['status'])}{reason}")

    def _check(self, entry: dict[str, Any], came: dict[str, Any]) -> None:
        if "prediction" in came:
            wanted = self.prediction
            if came["probabilities"]:
                wanted = _probabilities(wanted)
            off = float(np.max(np.abs(came["prediction"] - wanted)))
            entry["agreement"] = f"prediction within {off:.0e}"
            problem = off > LOSS_TOLERANCE * max(1.0, float(np.abs(wanted).max()))
        else:
            end = _flat(came["weights"])
            loss = reference.mean_loss(self.workload, came["weights"], self.x, self.y)
            away = float(np.linalg.norm(end - self.end) / np.linalg.norm(self.end - self.start))
            off = abs(loss - self.last) / abs(self.last)
            told = abs(came["loss"] - self.epoch_loss) / abs(self.epoch_loss)
            entry |= {"loss": loss, "loss_off": off, "told_off": told, "weights_off": away}
            entry["agreement"] = f"loss {loss:.6f}, off by {off:.0e}; weights by {away:.0e}"
            entry["agreement"] += f"; the loss that it tells by {told:.0e}"
            # Written so that NaN is a problem.
            fine = off <= LOSS_TOLERANCE and told <= LOSS_TOLERANCE and away <= WEIGHT_TOLERANCE
            problem = not fine
        if problem:
            entry["status"] = "disagrees"
            entry["reason"] = f"{entry['agreement']}, from the same training in float64"

    def take_turns(self, repeats: int, seconds: float) -> None:
        """Time those who agree: one after the other, again and again."""
        for name in self._running():
            with _Failing(self, name):
                self.found[name] |= self.worker(name).ask("prepare", seconds)
        for repeat in range(repeats):
            names = self._running()
            shift = repeat % max(1, len(names))
            for name in names[shift:] + names[:shift]:
                with _Failing(self, name):
                    time.sleep(0.02)  # threads that still spin come to rest
                    told = self.worker(name).ask("time")
                    for key, value in told.items():
                        self.found[name].setdefault("times", {}).setdefault(key, []).append(value)
        for name in self._running():
            with _Failing(self, name):
                self.found[name] |= self.worker(name).ask("leave")
                if not self.found[name]["finite"]:
                    raise AnswerError("failed", "its weights are no longer finite")

    def _running(self) -> list[str]:
        return [name for name, entry in self.found.items() if entry["status"] == "timed"]

    def results(self) -> dict[str, Any]:
        """Return medians and ratios: of the times of one round, then their median."""
        workload, timed = self.workload, self._running()
        rounds = {name: self.found[name]["times"]["microseconds"] for name in timed}
        for name, times in rounds.items():
            entry = self.found[name]
            entry["median"], entry["min"], entry["max"] = (
                statistics.median(times),
                min(times),
                max(times),
            )
            busy = entry["times"]["cores"]
            entry["cores"] = statistics.median(busy)
            entry["processor"] = statistics.median(n * t for n, t in zip(busy, times, strict=True))
            if OURS in rounds:
                pairs = zip(times, rounds[OURS], strict=True)
                entry["ratio"] = statistics.median(theirs / ours for theirs, ours in pairs)
        found = {
            "name": workload.name,
            "title": workload.title,
            "unit": workload.unit,
            "layers": list(workload.layers),
            "activation": workload.activation,
            "batch": workload.batch,
            "rows": workload.rows,
            "optimizer": workload.optimizer,
            "learning_rate": workload.learning_rate,
            "loss": workload.loss,
            "entries": self.found,
        }
        if workload.optimizer is not None:
            found["check"] = {
                "steps": workload.check_epochs * workload.steps(workload.check_rows),
                "loss_before": self.first,
                "loss_after": self.last,
            }
        if workload.goal is not None and OURS in rounds:
            found["goals"] = self._goals(rounds)
        return found

    def _goals(self, rounds: dict[str, list[float]]) -> list[dict[str, Any]]:
        goal = self.workload.goal
        assert goal is not None
        ours = self.found[OURS]["median"]
        goals = [
            {
                "what": f"µs {self.workload.unit}",
                "is": ours,
                "at_most": goal.microseconds,
                "met": ours <= goal.microseconds,
            }
        ]
        peers = {name: self.found[name]["ratio"] for name in rounds if name != OURS}
        if peers:
            best = min(peers, key=lambda name: peers[name])
            goals.append(
                {
                    "what": f"the best peer, {PEERS[best].title}, takes times as long",
                    "is": peers[best],
                    "at_least": goal.best,
                    "met": peers[best] >= goal.best,
                }
            )
        if EAGER in peers:
            goals.append(
                {
                    "what": "PyTorch eager takes times as long",
                    "is": peers[EAGER],
                    "at_least": goal.pytorch,
                    "met": peers[EAGER] >= goal.pytorch,
                }
            )
        return goals


class _Failing:
    """Write what a worker could not do into its result."""

    def __init__(self, contest: Contest, name: str) -> None:
        self.contest, self.name = contest, name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, AnswerError):
            return False
        self.contest.found[self.name] |= {"status": error.status, "reason": str(error)}
        return True


def _flat(weights: Sequence[Array]) -> Array:
    return np.concatenate([np.asarray(w, np.float64).ravel() for w in weights])


def _probabilities(output: Array) -> Array:
    if output.shape[1] == 1:
        return 1.0 / (1.0 + np.exp(-output))
    powers = np.exp(output - output.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
