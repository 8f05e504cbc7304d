"""The report of a run: one HTML page that needs nothing beside itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.version import __version__
from chainrule.viz.heldout import class_name, held_out
from chainrule.viz.inputs import data_section, settings_section
from chainrule.viz.learning import ending, learning_section
from chainrule.viz.markup import Markup, element, join, name_of
from chainrule.viz.page import definitions, page, section
from chainrule.viz.results import headline, results
from chainrule.viz.wording import count, number, percent

if TYPE_CHECKING:
    import polars as pl

    from chainrule.training.run import Run


def run_report(run: Run, frame: pl.DataFrame) -> str:
    """Describe a run on one HTML page.

    The page holds no script and loads nothing; whatever the data hold is shown as text.

    Args:
        run: a run; one that was interrupted, or has no held-out or validation rows, will do.
        frame: the table that it was trained on.

    Returns:
        The page, to be written as ``report.html``.

    Raises:
        ArgumentError: the table is another one.

    >>> from chainrule.data import load_dataset
    >>> from chainrule.training.run import Run, Settings
    >>> table = load_dataset("xor").frame
    >>> run = Run.prepare(table, "label", Settings(epochs=2), "xor")
    >>> run.fit(table)
    >>> "<h1>" in run_report(run, table)
    True
    """
    found = held_out(run, frame)  # also refuses another table
    name = run.data.get("name") or "a table"
    scored = found is not None and "scores" in run.facts
    return page(
        f"{run.preprocessor.target} – {name}",
        _heading(run, name),
        _notice(run),
        headline(run, found, _usual(run, frame)) if found is not None and scored else None,
        _measurement(run, scored),
        learning_section(run),
        results(found, run.preprocessor.target) if found is not None and scored else None,
        settings_section(run),
        data_section(run, frame, found.notes if found is not None else ()),
        _use(run),
        _footer(run),
    )


def _heading(run: Run, name: str) -> Markup:
    pre = run.preprocessor
    what = f"one of {count(pre.n_classes, 'class', 'classes')}" if pre.classes else "a number"
    return element(
        "header",
        element("p", "Chainrule run report", class_="eyebrow"),
        element("h1", name_of(name, 80)),
        element(
            "p",
            "Predicts ",
            name_of(pre.target, 80),
            f", {what} ({pre.task}), from {count(len(pre.input_columns), 'column')} of "
            f"{count(run.data['rows'], 'row')}.",
            class_="lead",
        ),
    )


def _notice(run: Run) -> Markup | None:
    """Say first what a reader must know before believing anything else."""
    if not run.facts.get("interrupted", False):
        untrained = "interrupted" not in run.facts and not run.history.epoch
        words = "This run has not been trained: its weights are the initial ones."
        return element("p", words, class_="notice") if untrained else None
    done = len(run.history.epoch)
    if not done:
        words = "Training ended before the first epoch was over: the weights are of little use."
    else:
        words = f"Training was cut short after {count(done, 'epoch')} of {run.settings.epochs}."
    return element("p", words, class_="notice")


def _measurement(run: Run, scored: bool) -> Markup:
    rows, settings = run.facts["rows"], run.settings
    held = rows["held-out"]
    if held:
        how = (
            f"{held:,} ({percent(held / run.data['rows'])}), chosen at random with seed "
            f"{settings.seed}"
            + (", each class in proportion" if run.preprocessor.classes else "")
            + "; neither training, nor preprocessing, nor the choice of the epoch looked at them"
        )
    else:
        how = "none: nothing says how well the network predicts new rows"
    validated = f"{rows['validation']:,}, to tell when to stop" if rows["validation"] else "none"
    pairs = [
        ("training rows", f"{rows['train']:,}"),
        ("validation rows", validated),
        ("held-out rows", how),
        ("training", ending(run)),
    ]
    title = "How it was measured" if scored else "How it was trained"
    return section(title, definitions(pairs))


def _usual(run: Run, frame: pl.DataFrame) -> str:
    """Return what the baseline always answers."""
    pre = run.preprocessor
    if not pre.classes:
        return number(float(pre.decode(np.zeros(1))[0]))
    labels = pre.transform_target(frame[run.rows(frame, "train")])
    return class_name(pre.classes[int(np.bincount(labels).argmax())])


def _use(run: Run) -> Markup:
    commands = "chainrule predict RUN DATA --out FILE\nchainrule evaluate RUN DATA"
    names = [name_of(name, 40) for name in run.preprocessor.input_columns]
    listed = join(*[join(", " if i else None, name) for i, name in enumerate(names[:12])])
    rest = f" and {len(names) - 12:,} more" if len(names) > 12 else ""
    return section(
        "Use it again",
        element("pre", commands),
        element(
            "p",
            "RUN is the directory that holds this report; DATA a CSV, TSV, Parquet or Arrow file "
            "with the columns ",
            listed,
            f"{rest}, and to evaluate also ",
            name_of(run.preprocessor.target, 40),
            ".",
        ),
    )


def _footer(run: Run) -> Markup:
    mark = run.data.get("fingerprint", "")
    return element("footer", f"Chainrule {__version__}. Fingerprint of the table: {str(mark)[:16]}")
