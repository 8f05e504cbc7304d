"""Train a network on a table, report how well it predicts held-out rows, and keep it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.cli.terminal import UsageError, console, plural, scores_in_words
from chainrule.core.errors import ArgumentError
from chainrule.data import DATASETS
from chainrule.nn.activations import activation
from chainrule.optim import OPTIMIZERS
from chainrule.training.run import Run, Settings
from chainrule.training.saving import check_directory

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

_DEFAULTS = Settings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "data", metavar="DATA", help="CSV, TSV, Parquet or Arrow file, or a built-in name"
    )
    parser.add_argument(
        "--target", metavar="COLUMN", help="column to predict (a built-in set knows its own)"
    )
    parser.add_argument(
        "--hidden",
        type=_hidden,
        default=",".join(map(str, _DEFAULTS.hidden)),
        metavar="64,64",
        help="neurons of each hidden layer; 'none' for a linear model",
    )
    parser.add_argument(
        "--activation", default=_DEFAULTS.activation, help="activation of the hidden layers"
    )
    parser.add_argument("--optimizer", default=_DEFAULTS.optimizer, help=", ".join(OPTIMIZERS))
    parser.add_argument(
        "--lr",
        type=float,
        metavar="RATE",
        help="learning rate (default: the optimizer's own: adam 0.001, sgd 0.01)",
    )
    parser.add_argument(
        "--l2",
        type=float,
        default=_DEFAULTS.l2,
        metavar="LAMBDA",
        help="λ of the penalty ½ λ ‖W‖² on the weights",
    )
    parser.add_argument("--epochs", type=int, default=_DEFAULTS.epochs, help="at most so many")
    parser.add_argument(
        "--batch-size", type=int, default=_DEFAULTS.batch_size, help="rows an update"
    )
    parser.add_argument(
        "--test",
        type=float,
        default=_DEFAULTS.test,
        metavar="SHARE",
        help="share of the rows to hold out; no decision looks at them",
    )
    parser.add_argument(
        "--validation",
        type=float,
        default=_DEFAULTS.validation,
        metavar="SHARE",
        help="share of the other rows that tell when to stop",
    )
    parser.add_argument(
        "--patience",
        type=int,
        default=_DEFAULTS.patience,
        help="epochs to wait for a lower validation loss",
    )
    parser.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="same seed, same result")
    parser.add_argument(
        "--task",
        choices=["classification", "regression"],
        help="what to predict (default: found from the target column)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="directory to write (default: runs/NAME, numbered if it exists)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> None:
    """Train, report, and write the run directory."""
    from chainrule.data import read_table
    from chainrule.training.progress import Progress

    settings = _settings(arguments)
    name = Path(arguments.data).stem if arguments.data not in DATASETS else arguments.data
    directory = arguments.out or _free_directory(Path("runs") / name)
    check_directory(directory, arguments.overwrite)
    frame = read_table(arguments.data)
    target = _target(arguments, frame)
    out = console()
    made = Run.prepare(frame, target, settings, name)
    _describe(out, made)
    try:
        made.fit(frame, [] if arguments.quiet else [Progress(out)])
    except KeyboardInterrupt:
        if not made.history.epoch:
            out.print("interrupted before the first epoch was over: nothing to keep", markup=False)
            raise
        _write(out, made, frame, directory, arguments)
        raise
    _write(out, made, frame, directory, arguments)


def _hidden(text: str) -> tuple[int, ...]:
    """Parse ``64,64``; ``none`` is no hidden layer."""
    if text.strip().lower() in ("none", ""):
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of layer sizes such as 64,64"
        ) from error
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} has a layer without neurons")
    return sizes


def _settings(arguments: argparse.Namespace) -> Settings:
    try:
        activation(arguments.activation)
        return Settings(
            hidden=arguments.hidden,
            activation=arguments.activation,
            optimizer=arguments.optimizer,
            learning_rate=arguments.lr,
            l2=arguments.l2,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            test=arguments.test,
            validation=arguments.validation,
            patience=arguments.patience,
            seed=arguments.seed,
            task=arguments.task,
        )
    except ArgumentError as error:
        flags = {"learning_rate": "lr", "batch_size": "batch-size"}
        flag = flags.get(error.argument, error.argument)
        raise UsageError(f"--{flag}{str(error).removeprefix(error.argument)}") from error


def _target(arguments: argparse.Namespace, frame: pl.DataFrame) -> str:
    if arguments.target is not None:
        return str(arguments.target)
    if arguments.data in DATASETS:
        return DATASETS[arguments.data].target
    columns = ", ".join(frame.columns[:20]) + (", ..." if frame.width > 20 else "")
    raise UsageError(f"say which column to predict: --target COLUMN, one of {columns}")


def _free_directory(wanted: Path) -> Path:
    """Return the directory, numbered if there is one already."""
    candidate, i = wanted, 2
    while candidate.exists():
        candidate, i = wanted.with_name(f"{wanted.name}-{i}"), i + 1
    return candidate


def _describe(out: Console, made: Run) -> None:
    pre, rows = made.preprocessor, made.facts["rows"]
    kind = plural(pre.n_classes, "class", "classes") if pre.classes else "a number"
    columns = plural(len(pre.input_columns), "column")
    inputs = f" ({plural(pre.n_features, 'input')})" if pre.n_features != len(pre.columns) else ""
    out.print(
        f"{made.data['name']}: {plural(made.data['rows'], 'row')}, {columns}{inputs}, "
        f"to predict {pre.target!r} ({kind})",
        markup=False,
    )
    out.print(
        f"{rows['train']:,} rows train, {rows['validation']:,} validate, {rows['held-out']:,} are "
        f"held out (seed {made.settings.seed})",
        markup=False,
    )
    for note in pre.notes[:5]:
        out.print(f"note: {note}", markup=False)
    if len(pre.notes) > 5:
        out.print(f"note: {len(pre.notes) - 5} more such notes are in the report", markup=False)
    out.print()
    out.print(str(made.model.summary()), markup=False)
    out.print()


def _write(
    out: Console, made: Run, frame: pl.DataFrame, directory: Path, arguments: argparse.Namespace
) -> None:
    from chainrule.viz.report import run_report

    facts = made.facts
    out.print()
    out.print(_ending(made), markup=False)
    if "scores" in facts:
        base = scores_in_words(facts["baseline"])
        simple = "the most frequent class" if made.preprocessor.classes else "the mean"
        rows = plural(facts["rows"]["held-out"], "held-out row")
        out.print(f"{rows}: [bold]{scores_in_words(facts['scores'])}[/bold]")
        out.print(f"always answering {simple}: {base}", markup=False)
    else:
        out.print("no rows were held out: nothing says how well it predicts new ones", markup=False)
    report = {"report.html": run_report(made, frame).encode()}
    made.save(directory, report, overwrite=arguments.overwrite)
    out.print(f"written to {directory}: chainrule predict {directory} DATA", markup=False)


def _ending(made: Run) -> str:
    facts = made.facts
    epochs, best = facts["epochs"], facts.get("best_epoch")
    how = f"{plural(epochs, 'epoch')} in {facts['seconds']:.1f} s"
    if facts["interrupted"]:
        how = f"interrupted after {how}"
    if best is None:
        return f"{how}; no rows validate, so the last weights are kept"
    return f"{how}; the validation loss was lowest after epoch {best}, whose weights are kept"
