"""How the training went: its end in words, the curves, and the figures behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.viz.chart import line_chart
from chainrule.viz.markup import Markup, element, join
from chainrule.viz.page import columns, section, table
from chainrule.viz.wording import count, duration, is_finite, number, percent

if TYPE_CHECKING:
    from chainrule.training.run import Run

_TITLES = {"accuracy": "Accuracy", "r2": "R²"}
#: Epochs in the table of figures.
_MAX_ROWS = 100


def ending(run: Run) -> str:
    """Say when training ended, why, and which weights were kept."""
    facts, settings = run.facts, run.settings
    done = facts.get("epochs", len(run.history.epoch))
    if "interrupted" not in facts and not done:
        return "not yet"
    took = f" in {duration(facts['seconds'])}" if is_finite(facts.get("seconds")) else ""
    best = facts.get("best_epoch")
    words = f"{count(done, 'epoch')}{took}"
    if facts.get("interrupted"):
        words += ", then cut short"
    elif done < settings.epochs:
        words = f"{done:,} of at most {count(settings.epochs, 'epoch')}{took}"
        if best is not None:
            waited = count(settings.patience, "epoch")
            words += f": the validation loss had not fallen for more than {waited}"
    if best is None:
        return f"{words}; the last weights are kept"
    words += f"; the weights kept are those of epoch {best}, where the validation loss was lowest"
    if best == done == settings.epochs:
        words += ". That was the last one: more epochs may help"
    return words


def learning_section(run: Run) -> Markup | None:
    """Return the curves of the loss and of the metric, or nothing if no epoch was completed."""
    history = run.history.history
    if not run.history.epoch or not history:
        return None
    epochs = [epoch + 1 for epoch in run.history.epoch]
    best = run.facts.get("best_epoch")
    mark = (best, f"epoch {best} is kept") if best in epochs else None
    figures = [
        _figure(
            "Loss",
            line_chart(epochs, _pair(history, "loss"), title="Loss", mark=mark),
            _about_loss(run),
        )
    ]
    for metric, title in _TITLES.items():
        if pair := _pair(history, metric):
            chart = line_chart(epochs, pair, title=title, mark=mark, may_be_log=False)
            figures.append(_figure(title, chart, _about_metric(metric)))
    return section("How it learned", columns(*figures), _figures_in_full(epochs, history, best))


def _pair(history: dict[str, list[float]], name: str) -> dict[str, list[float]]:
    named = {"training": history.get(name), "validation": history.get(f"val_{name}")}
    return {label: values for label, values in named.items() if values is not None}


def _figure(title: str, chart: Markup, caption: str) -> Markup:
    return element("figure", element("h3", title), chart, element("figcaption", caption))


def _about_loss(run: Run) -> str:
    kind = "Cross-entropy" if run.preprocessor.classes else "Squared error of the scaled target"
    penalty = f" + ½ λ ‖W‖² with λ = {number(run.settings.l2)}" if run.settings.l2 else ""
    return (
        f"{kind}{penalty}. The training loss is the mean while the epoch ran, the validation loss "
        "that after it."
    )


def _about_metric(metric: str) -> str:
    if metric == "accuracy":
        return "Share of the rows that are put into the right class."
    return "Share of the variance that is explained; zero is no better than the mean."


def _figures_in_full(
    epochs: list[int], history: dict[str, list[float]], best: int | None
) -> Markup:
    places = np.linspace(0, len(epochs) - 1, min(len(epochs), _MAX_ROWS)).round().astype(int)
    shown = set(places.tolist()) | {i for i, epoch in enumerate(epochs) if epoch == best}
    names = {
        "loss": "training loss",
        "val_loss": "validation loss",
        **{metric: f"training {title}" for metric, title in _TITLES.items()},
        **{f"val_{metric}": f"validation {title}" for metric, title in _TITLES.items()},
    }
    rows = [
        [f"{epochs[i]:,}{' (kept)' if epochs[i] == best else ''}"]
        + [
            percent(values[i]) if name.endswith("accuracy") else number(values[i])
            for name, values in history.items()
        ]
        for i in sorted(shown)
    ]
    head = ["epoch", *[names.get(name, name).replace("Acc", "acc") for name in history]]
    left_out = len(epochs) - len(rows)
    made = table(
        head,
        rows,
        numeric=range(len(head)),
        more=f"{count(left_out, 'epoch')} between them not shown" if left_out else "",
    )
    return element("details", element("summary", "The figures, epoch by epoch"), join(made))
