"""What went into a run: its network and settings, its table and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.data import describe
from chainrule.data.columns import CategoryColumn
from chainrule.data.report import ColumnReport
from chainrule.viz.markup import Markup, element, join, name_of
from chainrule.viz.page import columns, definitions, section, table
from chainrule.viz.wording import NOTHING, count, number, percent

if TYPE_CHECKING:
    import polars as pl

    from chainrule.training.run import Run

#: Columns of the table that are described.
_MAX_COLUMNS = 40
_MAX_NOTES = 200


def settings_section(run: Run) -> Markup:
    """Return the network's layers and all settings."""
    summary = run.model.summary()
    head, *rows = summary.cells()
    size = f"{summary.bytes / 1024:,.1f} KiB" if summary.bytes >= 1024 else f"{summary.bytes} bytes"
    s = run.settings
    rate = s.make_optimizer().learning_rate
    pairs = [
        ("hidden layers", ", ".join(map(str, s.hidden)) or "none"),
        ("activation", s.activation if s.hidden else NOTHING),
        ("optimizer", f"{s.optimizer}, learning rate {rate:g}"),
        ("L2 penalty λ", f"{s.l2:g}"),
        ("batch size", f"{s.batch_size:,}"),
        ("epochs", f"at most {s.epochs:,}, patience {s.patience:,}"),
        ("rows held out", percent(s.test)),
        ("rows to validate", f"{percent(s.validation)} of the others"),
        ("seed", f"{s.seed}"),
    ]
    layers = join(
        element("h3", "Layers"),
        table(head, rows, numeric=(1, 3)),
        element(
            "p",
            f"{count(run.preprocessor.n_features, 'input')}; {count(summary.total, 'parameter')} "
            f"({size}).",
            class_="small",
        ),
    )
    chosen = join(element("h3", "Settings"), definitions(pairs))
    return section("The network", columns(element("div", layers), element("div", chosen)))


def data_section(run: Run, frame: pl.DataFrame, remarks: Sequence[str] = ()) -> Markup:
    """Return what the table holds, and how its columns become inputs.

    Args:
        run: the run.
        frame: the table that it was trained on.
        remarks: further notes, one sentence each.
    """
    return section(
        "The data",
        element("p", _encoding(run)),
        _notes([*run.preprocessor.notes, *remarks]),
        _columns(run, frame),
    )


def _encoding(run: Run) -> str:
    pre = run.preprocessor
    texts = sum(isinstance(column, CategoryColumn) for column in pre.columns)
    numeric = len(pre.columns) - texts
    parts = []
    if numeric:
        verb = "is" if numeric == 1 else "are"
        parts.append(f"{count(numeric, 'numeric column')} {verb} scaled to mean 0, deviation 1")
    if texts:
        verb = "is" if texts == 1 else "are"
        parts.append(f"{count(texts, 'text column')} {verb} one-hot encoded")
    return (
        f"{', and '.join(parts)}: {count(pre.n_features, 'input')}. Means, deviations and "
        "categories are those of the training rows."
    )


def _notes(notes: Sequence[str]) -> Markup | None:
    if not notes:
        return None
    items = [element("li", _sentence(note)) for note in notes[:_MAX_NOTES]]
    if len(notes) > _MAX_NOTES:
        items.append(element("li", f"and {count(len(notes) - _MAX_NOTES, 'note')} more"))
    return join(element("h3", "Notes"), element("ul", *items))


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:400]}{'…' if len(note) > 400 else '.'}"


def _columns(run: Run, frame: pl.DataFrame) -> Markup:
    target = run.preprocessor.target
    names = frame.columns
    places = [names.index(target), *[i for i, name in enumerate(names) if name != target]]
    # By number: polars reads the names "*" and "^...$" as patterns.
    reports = [describe(frame[:, [i]])[0] for i in places[:_MAX_COLUMNS]]
    rest = len(names) - len(reports)
    head = ["column", "type", "missing", "distinct", "min", "mean", "max"]
    return join(
        element("h3", "Columns"),
        table(
            head,
            [_cells(report, report.name == target) for report in reports],
            numeric=range(2, len(head)),
            more=f"and {count(rest, 'column')} more" if rest else "",
        ),
    )


def _cells(report: ColumnReport, is_target: bool) -> list[object]:
    name = name_of(report.name, 60)
    return [
        join(name, element("span", " (target)", class_="small")) if is_target else name,
        report.dtype[:40],
        f"{report.missing:,}",
        NOTHING if report.distinct is None else f"{report.distinct:,}",
        number(report.minimum),
        number(report.mean),
        number(report.maximum),
    ]
