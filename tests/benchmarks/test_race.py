"""The race against peers: what it checks, measures and writes. Its entries need their libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from race import reference, report  # noqa: E402
from race.contest import Contest  # noqa: E402
from race.entry import PEERS  # noqa: E402
from race.worker import AnswerError, Worker  # noqa: E402
from race.workloads import ACTIVATIONS, LOSSES, WORKLOADS, Goal, Workload  # noqa: E402

TINY = Workload("tiny", (3, 5, 4, 3), batch=4, rows=22, learning_rate=0.2, goal=Goal(1.0, 2.0, 3.0))


def outputs(loss: str) -> tuple[int, ...]:
    return (3, 5, 4, 1 if loss == "binary_cross_entropy" else 3)


# The reference --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_of_the_reference_goes_down_the_gradient(activation: str, loss: str) -> None:
    rate, h = 0.1, 1e-6
    workload = Workload("w", outputs(loss), activation, 22, 22, "sgd", loss, rate)
    (x, y), start = workload.data(), workload.start()
    end, told = reference.train(workload, start, x, y, 1)
    assert told == pytest.approx(reference.mean_loss(workload, start, x, y), rel=1e-12)
    for i, array in enumerate(start):
        for place in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [np.array(w, np.float64) for w in start]
                moved[i][place] += sign * h
                sides.append(reference.mean_loss(workload, moved, x, y))
            slope = (sides[0] - sides[1]) / (2 * h)
            assert (array[place] - end[i][place]) / rate == pytest.approx(slope, abs=1e-7)


def test_the_references_first_step_of_adam_is_the_rate_against_the_sign() -> None:
    workload = replace(TINY, optimizer="adam", batch=22)
    (x, y), start = workload.data(), workload.start()
    plain, _ = reference.train(replace(workload, optimizer="sgd"), start, x, y, 1)
    end, _ = reference.train(workload, start, x, y, 1)
    for w, by_sgd, by_adam in zip(start, plain, end, strict=True):
        np.testing.assert_allclose(by_adam - w, 0.2 * np.sign(by_sgd - w), rtol=1e-5)


# Workloads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"layers": (3,)}, "--layers"),
        ({"activation": "tan"}, "--activation: one of tanh"),
        ({"rows": 3}, "--rows"),
        ({"batch": 0}, "--batch"),
        ({"loss": "binary_cross_entropy"}, "1 output"),
        ({"loss": "cross_entropy", "layers": (3, 1)}, "2 outputs"),
    ],
)
def test_workloads_that_make_no_sense_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        replace(TINY, **change)


def test_the_first_rows_show_every_class() -> None:
    x, y = WORKLOADS["medium-sgd"].data()
    assert set(y[:10]) == set(range(10))
    assert x.dtype == np.float32


# Checking and measuring, with entries that are made up -------------------------------------------


class Made:
    """Answers like a worker, with the reference's results, unless it is told otherwise."""

    def __init__(self, microseconds: list[float] = [1.0], **answers: Any) -> None:  # noqa: B006
        self.times, self.answers = iter(microseconds), answers

    def ask(self, what: str, *args: Any) -> Any:
        if what in self.answers:
            if isinstance(self.answers[what], Exception):
                raise self.answers[what]
            return self.answers[what]
        if what == "check":
            return trained()
        if what == "time":
            return {"microseconds": next(self.times), "cores": 1.0, "seconds": 0.1}
        return {
            "enter": {"load": 0.0, "versions": {"numpy": np.__version__}},
            "prepare": {"compile": 0.5, "rows": 22, "epochs": 1},
            "leave": {"finite": True, "threads": "1"},
        }[what]


def trained(learning_rate: float = 0.2, at_end: float = 0.0) -> dict[str, Any]:
    (x, y), rows = TINY.data(), TINY.check_rows
    weights, loss = reference.train(
        replace(TINY, learning_rate=learning_rate),
        TINY.start(),
        x[:rows],
        y[:rows],
        TINY.check_epochs,
    )
    weights[0][0] += at_end
    return {"loss": loss, "weights": [w.astype(np.float32) for w in weights]}


def turned() -> dict[str, Any]:
    """The same network with its hidden units in another order, so of the same loss."""
    found = trained()
    kernel, bias, above = found["weights"][:3]
    found["weights"][:3] = [kernel[:, ::-1], bias[::-1], above[::-1]]
    return found


def raced(repeats: int = 1, **entries: Made) -> dict[str, Any]:
    made = {name.replace("_", "-"): entry for name, entry in entries.items()}
    contest = Contest(TINY, lambda name: made[name], lambda text: None)  # type: ignore[arg-type,return-value]
    contest.enter(list(made))
    contest.take_turns(repeats, 0.1)
    return contest.results()


def test_medians_and_ratios_are_of_rounds() -> None:
    found = raced(
        3,
        chainrule=Made([1.0, 10.0, 2.0]),
        pytorch=Made([3.0, 20.0, 8.0]),
        jax_scan=Made([1.5, 15.0, 3.0]),
    )
    ours, pytorch = found["entries"]["chainrule"], found["entries"]["pytorch"]
    assert (ours["median"], ours["min"], ours["max"], ours["ratio"]) == (2.0, 1.0, 10.0, 1.0)
    assert pytorch["median"] == pytorch["processor"] == 8.0
    assert pytorch["ratio"] == 3.0  # of 3, 2 and 4
    assert [(goal["is"], goal["met"]) for goal in found["goals"]] == [
        (2.0, False),
        (1.5, False),
        (3.0, True),
    ]
    assert "JAX, epoch in a scan" in found["goals"][1]["what"]


@pytest.mark.parametrize(
    "came",
    [
        trained(learning_rate=0.205),
        trained(at_end=0.05),
        turned(),
        {**trained(), "loss": trained()["loss"] * 1.001},
        {**trained(), "loss": float("nan")},
        {**trained(), "weights": [w * np.float32("nan") for w in trained()["weights"]]},
    ],
)
def test_who_ends_elsewhere_is_not_timed(came: dict[str, Any]) -> None:
    entry = raced(chainrule=Made(), pytorch=Made(check=came))["entries"]["pytorch"]
    assert entry["status"] == "disagrees"
    assert "from the same training in float64" in entry["reason"]
    assert "times" not in entry


@pytest.mark.parametrize("when", ["enter", "check", "prepare", "time", "leave"])
def test_who_fails_is_named_and_the_others_go_on(when: str) -> None:
    broken = Made(**{when: AnswerError("failed", "it broke")})
    found = raced(chainrule=Made(), pytorch=broken)
    assert (
        found["entries"]["pytorch"] | {"status": "failed", "reason": "it broke"}
        == (found["entries"]["pytorch"])
    )
    assert found["entries"]["chainrule"]["median"] == 1.0
    assert "it broke" in report.text(results(found))


def test_weights_that_are_no_longer_finite_are_a_failure() -> None:
    entries = raced(chainrule=Made(leave={"finite": False, "threads": ""}))["entries"]
    assert entries["chainrule"]["status"] == "failed"


def test_a_process_that_dies_is_a_failure(tmp_path: Path) -> None:
    worker = Worker("no such entry", str(tmp_path), 30.0)
    with pytest.raises(AnswerError, match=r"its process died in 'check' \(exit 1\)"):
        worker.ask("check")
    assert not worker.alive


# What is written ------------------------------------------------------------------------------


def results(*found: dict[str, Any], **machine: Any) -> dict[str, Any]:
    description = {"processor": "a & b", "cores": 2, "system": "s", "python": "3"}
    return {
        "machine": description | {"date": "today", "thread_settings": {}} | machine,
        "load_before": [0.0],
        "load_after": [0.0],
        "repeats": 1,
        "seconds": 0.1,
        "versions": {"numpy": "2"},
        "workloads": list(found),
    }


def test_the_page_keeps_what_else_it_holds(tmp_path: Path) -> None:
    found = results(raced(chainrule=Made([2.0]), pytorch=Made([4.0])))
    page = tmp_path / "benchmarks.md"
    report.write_page(found, tmp_path)
    page.write_text("Before.\n" + page.read_text() + "After.\n")
    report.write_page(found, tmp_path)
    content = page.read_text()
    assert content.startswith("Before.\n# Benchmarks")
    assert content.endswith("After.\n")
    assert content.count("| **Chainrule** | 2.00 | 2.00 to 2.00 | 1.00 | 1.0 | 0.50 |") == 1
    assert content.count("| PyTorch eager | 4.00 | 4.00 to 4.00 | 2.00 | 1.0 | 0.50 |") == 1
    assert json.loads((tmp_path / "benchmarks.json").read_text()) == found
    page.write_text("No marks.")
    with pytest.raises(ValueError, match="lacks the lines"):
        report.write_page(found, tmp_path)


def test_a_busy_machine_is_told() -> None:
    calm = results(raced(chainrule=Made([1.0])))
    assert report.BUSY not in report.text(calm)
    calm["workloads"][0]["entries"]["chainrule"]["cores"] = 0.6
    assert report.BUSY in report.text(calm)


def test_a_picture_shows_everyone() -> None:
    missing = Made(enter=AnswerError("missing", "No module named 'torch'"))
    found = results(raced(chainrule=Made([0.1]), pytorch=missing, scikit_learn=Made([1234.5])))
    texts = [e.text for e in ET.fromstring(report.files(found, "x")["x.svg"]).iter() if e.text]
    assert {"Chainrule", "PyTorch eager", "missing", "1,234", "12,345×"} <= set(texts)


def test_runs_are_joined_only_on_one_machine() -> None:
    first, second = (raced(chainrule=Made([time])) for time in (1.0, 2.0))
    joined = report.joined([results(first, date="then"), results(second)])
    assert [w["entries"]["chainrule"]["median"] for w in joined["workloads"]] == [2.0]
    with pytest.raises(ValueError, match="differ in machine"):
        report.joined([results(first, cores=4), results(second)])


def test_chainrule_and_scikit_learn_race(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/peers.py", "--peers", "chainrule,scikit-learn"]
    own = ["--layers", "3,5,4,3", "--activation", "relu", "--batch", "8", "--rows", "44"]
    how = ["--optimizer", "adam", "--loss", "cross_entropy", "--repeats", "2"]
    where = ["--seconds", "0.02", "--out", str(tmp_path), "--docs", "--docs-folder", str(tmp_path)]
    done = subprocess.run(
        [*command, *own, *how, *where], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "peers.json").read_text())["workloads"][0]["entries"]
    assert set(found) == {"chainrule", "scikit-learn"}
    for name, entry in found.items():
        assert entry["status"] == "timed"
        assert len(entry["times"]["microseconds"]) == 2
        assert entry["weights_off"] < 1e-3
        assert PEERS[name].title in done.stdout
    assert found["chainrule"]["engine"] in ("native", "numpy")
    assert found["scikit-learn"]["ratio"] > 0
    assert "3-5-4-3 relu, batch 8, Adam" in (tmp_path / "benchmarks.md").read_text()
