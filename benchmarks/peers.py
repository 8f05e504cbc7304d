"""Training side by side: Chainrule, PyTorch, JAX, Keras and scikit-learn, in one run.

All begin with the same weights, take the same batches in the same order, and must end at the loss
and the weights of a reference in float64; only then are they timed, in turns, so that whatever else
the machine does falls on all alike. A time is the wall time of many epochs, divided by their steps,
everything compiled and warmed up before; what compiling takes stands in a column of its own.

Run: ``make bench-peers``, or ``python benchmarks/peers.py [--workloads medium-sgd,predict]``. Any
other network: ``--layers 784,128,10 --activation relu --batch 64 --rows 20000 --optimizer adam
--loss cross_entropy``. Who is not installed is named as missing.
Threads are as many as each library starts by itself; ``OMP_NUM_THREADS`` and its like reach them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from race import report
from race.contest import race
from race.entry import PEERS
from race.workloads import ACTIVATIONS, LOSSES, OPTIMIZERS, WORKLOADS, Workload

ROOT = Path(__file__).parent.parent


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--workloads", default="all", help=f"some of: {', '.join(WORKLOADS)} (all of them)"
    )
    parser.add_argument("--peers", default="all", help=f"some of: {', '.join(PEERS)} (all of them)")
    parser.add_argument("--repeats", type=int, default=7, help="how often each is timed (7)")
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long each time (0.3)")
    parser.add_argument(
        "--patience", type=float, default=240, help="seconds until an entry counts as hanging (240)"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "peers", help="folder for peers.json, peers.svg"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the results into docs/benchmarks.md, too"
    )
    parser.add_argument("--docs-folder", type=Path, default=ROOT / "docs", help=argparse.SUPPRESS)
    parser.add_argument(
        "--from", dest="given", type=Path, nargs="+", help="show files of earlier runs; run nothing"
    )
    own = parser.add_argument_group("another network, instead of the workloads")
    own.add_argument("--layers", help="number of inputs and units of each layer: 64,32,32,10")
    own.add_argument("--activation", choices=ACTIVATIONS, default="tanh")
    own.add_argument("--batch", type=int, default=32)
    own.add_argument("--rows", type=int, default=9600, help="samples an epoch (9600)")
    own.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    own.add_argument("--learning-rate", type=float, default=0.01)
    own.add_argument("--loss", choices=LOSSES, default="squared_error")
    own.add_argument("--predict", action="store_true", help="time the prediction of one row")
    return parser


def chosen(parser: argparse.ArgumentParser, option: str, text: str, known: Any) -> list[str]:
    """Return names from a comma-separated list, or end with what is known."""
    names = list(known) if text == "all" else text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"{option}: {name!r} is not one of {', '.join(known)}")
    return names


def workloads(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[Workload]:
    """Return what to race."""
    if options.layers is None:
        names = chosen(parser, "--workloads", options.workloads, WORKLOADS)
        return [WORKLOADS[name] for name in names]
    try:
        own = Workload(
            "own",
            tuple(int(n) for n in options.layers.split(",")),
            options.activation,
            options.batch,
            options.rows,
            None if options.predict else options.optimizer,
            options.loss,
            options.learning_rate,
        )
    except ValueError as error:
        parser.error(str(error))
    return [own]


def main() -> int:
    """Race; return 1 if an entry failed or disagrees."""
    parser = arguments()
    options = parser.parse_args()
    if options.given:
        try:
            results = report.joined([json.loads(file.read_text("utf-8")) for file in options.given])
        except (OSError, ValueError) as error:
            parser.error(f"--from: {error}")
    else:
        if options.repeats < 1 or options.seconds <= 0 or options.patience <= 0:
            parser.error("--repeats, --seconds and --patience are above 0")
        results = race(
            workloads(parser, options),
            chosen(parser, "--peers", options.peers, PEERS),
            repeats=options.repeats,
            seconds=options.seconds,
            patience=options.patience,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    print(report.text(results))
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in report.files(results, "peers").items():
        (options.out / name).write_text(content, "utf-8")
        print(f"wrote {options.out / name}")
    if options.docs:
        for file in report.write_page(results, options.docs_folder):
            print(f"wrote {file}")
    entries = [entry for found in results["workloads"] for entry in found["entries"].values()]
    return int(any(entry["status"] in ("failed", "disagrees") for entry in entries))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
