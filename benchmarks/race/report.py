"""Results as text, as a page of the documentation, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from race.entry import OURS, PEERS
from race.picture import picture, short

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"

BUSY = (
    "THE MACHINE WAS BUSY with something else: times are too long, those of libraries whose "
    "threads wait for each other (PyTorch) by far; measure again on a quiet one"
)

PAGE = f"""# Benchmarks

{BEGIN}
{END}
"""

ABOUT = """\
Each table is one network, trained by all in one run of `benchmarks/peers.py`. All begin with the
same weights and take the same batches in the same order, in float32. Before anything is timed, each
must end at the loss (within a relative 1e-4) and at the weights (within 1 % of the way that they
went) of the same training in NumPy, float64. Who does not is not timed.

A time is the wall time of a loop over epochs divided by its steps: the median of {repeats} turns of
about {seconds:g} s, warmed up. The entries take turns, each in a process of its own that sleeps
while another is timed (in one process their pools of threads would disturb each other), so that
whatever else the machine does falls on all alike. Where an epoch would take much longer than a
turn, the turn trains on its first rows. *Times Chainrule's* is the median of the ratios turn by
turn: above 1, the entry is slower than Chainrule. *Cores* is processor time over wall time: each
library starts the threads that it starts by default. *Compile* is how much longer the first call
took than the same call again, with no cache of compiled code from before, after the library has
trained another network.

Chainrule is told to compile (`CHAINRULE_ENGINE=native`) so that the check, which is short, runs
what is timed; by itself it compiles when the work is worth it.

Losses: `squared_error` is the mean of (y - ŷ)² over outputs; `cross_entropy` comes with softmax.
"""


def joined(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return several runs on one machine as one; a workload that was run again counts once, last.

    Raises:
        ValueError: runs on different machines, or with different settings.
    """
    same = [
        ({k: v for k, v in run["machine"].items() if k != "date"}, run["repeats"], run["seconds"])
        for run in runs
    ]
    if any(description != same[0] for description in same):
        raise ValueError("the files differ in machine, --repeats or --seconds: show each by itself")
    found = dict(runs[-1]) | {"load_before": runs[0]["load_before"]}
    found["versions"] = {k: v for run in runs for k, v in run["versions"].items()}
    workloads = {w["name"]: w for run in runs for w in run["workloads"]}
    found["workloads"] = list(workloads.values())
    return found


def text(results: dict[str, Any]) -> str:
    """Return the tables for a terminal, with the goals."""
    lines = [*_machine(results), ""]
    for workload in results["workloads"]:
        unit = workload["unit"]
        lines.append(f"{workload['title']} ({workload['name']}; {_settings(workload)})")
        lines.append(
            f"  {'':24}{f'µs {unit}':>12}{'from':>10}{'to':>10}{'× ours':>10}"
            f"{'cores':>7}{'cpu µs':>9}{'compile s':>11}"
        )
        for name, entry in _ranked(workload):
            if entry["status"] == "timed":
                ratio = f"{entry['ratio']:10.2f}" if "ratio" in entry else f"{'':10}"
                lines.append(
                    f"  {PEERS[name].title:24}{short(entry['median']):>12}"
                    f"{short(entry['min']):>10}{short(entry['max']):>10}{ratio}"
                    f"{entry['cores']:7.1f}{short(entry['processor']):>9}{entry['compile']:11.2f}"
                )
            else:
                lines.append(f"  {PEERS[name].title:24}{entry['status']}: {entry['reason']}")
        lines += [f"  {_engine(workload)}"] if _engine(workload) else []
        for goal in workload.get("goals", ()):
            bound = f"≤ {goal['at_most']:g}" if "at_most" in goal else f"≥ {goal['at_least']:g}"
            met = "met" if goal["met"] else "not met"
            lines.append(f"  goal: {goal['what']}: {short(goal['is'])} ({bound}: {met})")
        lines.append("")
    return "\n".join(lines)


def markdown(results: dict[str, Any], drawing: str) -> str:
    """Return the part of the page that the race fills."""
    seconds, repeats = results["seconds"], results["repeats"]
    parts = [ABOUT.format(repeats=repeats, seconds=seconds), "## The machine\n"]
    parts.append("".join(f"- {line}\n" for line in _machine(results)))
    parts.append("## Who takes part\n")
    raced = list(dict.fromkeys(n for w in results["workloads"] for n in w["entries"]))
    rows = [
        (PEERS[n].title, PEERS[n].about, _last(results, n, "threads") or "as the library decides")
        for n in raced
    ]
    parts.append(_table(("entry", "what is timed", "threads"), rows, right=()))
    parts.append(f"## Results\n\n![Time a step of each entry, by workload]({drawing})\n")
    for workload in results["workloads"]:
        parts.append(f"### {workload['title']}\n\n{_settings(workload)}.\n")
        cells = []
        for name, entry in _ranked(workload):
            title = f"**{PEERS[name].title}**" if name == OURS else PEERS[name].title
            if entry["status"] == "timed":
                ratio = f"{short(entry['ratio'])}" if "ratio" in entry else ""
                spread = f"{short(entry['min'])} to {short(entry['max'])}"
                numbers = f"{entry['cores']:.1f}", f"{entry['compile']:.2f}"
                cells.append((title, short(entry["median"]), spread, ratio, *numbers))
            else:
                reason = str(entry["reason"]).replace("|", "\\|")
                cells.append((title, f"{entry['status']}: {reason}", "", "", "", ""))
        unit = f"µs {workload['unit']}"
        head = ("entry", unit, "least to most", "times Chainrule's", "cores", "compile, s")
        parts.append(_table(head, cells, right=(1, 2, 3, 4, 5)))
        parts += [f"{_engine(workload)}.\n"] if _engine(workload) else []
    return "\n".join(parts)


def files(results: dict[str, Any], stem: str) -> dict[str, str]:
    """Return the contents of the JSON and SVG files by their names."""
    data = json.dumps(results, indent=1, ensure_ascii=False)
    return {f"{stem}.json": data + "\n", f"{stem}.svg": picture(results) + "\n"}


def write_page(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write the results into ``benchmarks.md``, between its marks; what else it holds stays.

    Args:
        results: of all workloads.
        folder: the documentation's.

    Returns:
        The files written: the page, its picture, and the data behind it.

    Raises:
        ValueError: a page without the marks.
    """
    page = folder / "benchmarks.md"
    content = page.read_text("utf-8") if page.exists() else PAGE
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks the lines {BEGIN} and {END}, between which results go")
    filled = markdown(results, "benchmarks.svg")
    contents = {"benchmarks.md": f"{before}{BEGIN}\n\n{filled}\n{END}{after}"}
    contents |= files(results, "benchmarks")
    for name, written in contents.items():
        (folder / name).write_text(written, "utf-8")
    return [folder / name for name in contents]


def _ranked(workload: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield entries: Chainrule, the others from the fastest to the slowest, those not timed."""
    last = float("inf")
    yield from sorted(
        workload["entries"].items(), key=lambda item: (item[0] != OURS, item[1].get("median", last))
    )


def _engine(workload: dict[str, Any]) -> str:
    engine = workload["entries"].get(OURS, {}).get("engine")
    if not engine:
        return ""
    return f"Chainrule ran {'machine code' if engine == 'native' else f'on the engine {engine!r}'}"


def _settings(workload: dict[str, Any]) -> str:
    if workload["optimizer"] is None:
        return "NumPy array in, NumPy array out; a call from Python"
    text = f"`{workload['loss']}`, {workload['rows']:,} rows, α = {workload['learning_rate']:g}"
    check = workload["check"]
    before, after = check["loss_before"], check["loss_after"]
    return f"{text}; checked after {check['steps']} steps, at loss {before:.4f} → {after:.4f}"


def _machine(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    lines = [
        f"{machine['processor']}; {machine['cores']} cores; {machine['system']}",
        f"Python {machine['python']}, {versions}",
        f"{machine['date']}; load {results['load_before']} before, {results['load_after']} after "
        "(means over 1, 5 and 15 minutes)",
    ]
    settings = ", ".join(f"{k}={v}" for k, v in machine["thread_settings"].items())
    lines += [f"set from outside: {settings}"] if settings else []
    return [*lines, BUSY] if is_busy(results) else lines


def is_busy(results: dict[str, Any]) -> bool:
    """Whether something else ran meanwhile: entries, which never rest, lacked a processor."""
    entries = [e for w in results["workloads"] for e in w["entries"].values()]
    shares = [entry["cores"] for entry in entries if entry["status"] == "timed"]
    return sum(share < 0.9 for share in shares) > 0.1 * len(shares)


def _last(results: dict[str, Any], name: str, key: str) -> str:
    told = [w["entries"].get(name, {}).get(key, "") for w in results["workloads"]]
    return next((str(value) for value in reversed(told) if value), "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    marks = ["---:" if i in right else "---" for i in range(len(head))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, marks, *rows))
