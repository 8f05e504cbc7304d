"""How well a run predicts: the score beside its baseline, and where it errs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.types import Array
from chainrule.viz.confusion import (
    MAX_CLASSES,
    ClassScores,
    class_table,
    confusion_matrix,
    confusion_table,
    pair_table,
)
from chainrule.viz.heldout import HeldOutClasses, HeldOutNumbers
from chainrule.viz.markup import Markup, element, join, name_of
from chainrule.viz.page import columns, scrolled, section, table
from chainrule.viz.scatter import MAX_POINTS, scatter_chart
from chainrule.viz.wording import NOTHING, count, is_finite, number, percent, wilson_interval

if TYPE_CHECKING:
    from chainrule.training.run import Run

#: Rows in the table of the worst mistakes.
_WORST = 10

Scores = Mapping[str, float | None]


def headline(run: Run, found: HeldOutClasses | HeldOutNumbers, usual: object) -> Markup:
    """Return the score beside the baseline, and both in plain words.

    Args:
        run: a run with scores.
        found: its predictions for the held-out rows.
        usual: the most frequent class of the training rows, or their mean.
    """
    scores, baseline = run.facts["scores"], run.facts.get("baseline") or {}
    if isinstance(found, HeldOutClasses):
        return _accuracy(found, scores, baseline, usual)
    return _errors(run.preprocessor.target, found, scores, baseline, usual)


def results(found: HeldOutClasses | HeldOutNumbers, target: str) -> Markup:
    """Return the sections on what is predicted rightly and wrongly."""
    return _classes(found) if isinstance(found, HeldOutClasses) else _numbers(found, target)


def _score(label: object, value: str, share: float | None, baseline: bool = False) -> Markup:
    within = min(max(share, 0.0), 1.0) if share is not None and is_finite(share) else 0.0
    bar = element("i", style=f"--share:{within:.4f}")
    return element(
        "div",
        element("span", label),
        element("b", value),
        element("div", bar, class_="track", aria_hidden="true"),
        class_="score baseline" if baseline else "score",
    )


def _accuracy(found: HeldOutClasses, scores: Scores, baseline: Scores, usual: object) -> Markup:
    n, hits = len(found.rows), found.hits
    accuracy, simple = scores.get("accuracy"), baseline.get("accuracy")
    low, high = wilson_interval(hits, n)
    words = [
        f"Of {count(n, 'row')} that the network had never seen, it puts {hits:,} into the right "
        f"class: an accuracy of {percent(accuracy)} (95% confidence interval {percent(low)} to "
        f"{percent(high)}). "
    ]
    bars = [_score("accuracy on held-out rows", percent(accuracy), accuracy)]
    if simple is not None:
        always = join("always answering ", name_of(usual, 40))
        bars.append(_score(always, percent(simple), simple, baseline=True))
        words += [
            "Always answering ",
            name_of(usual, 40),
            f", the most frequent class of the training rows, is right for {percent(simple)}. ",
            _verdict(low, high, simple),
        ]
    return join(element("div", *bars, class_="scores"), element("p", *words))


def _verdict(low: float, high: float, simple: float) -> str:
    if low > simple:
        return "The network is clearly better than that."
    if high < simple:
        return "The network is worse than that: something is wrong with the data or the training."
    return "On these rows that is no clear difference."


def _errors(
    target: str, found: HeldOutNumbers, scores: Scores, baseline: Scores, usual: object
) -> Markup:
    r2, mae = scores.get("r2"), scores.get("mae")
    bars = [_score("R² on held-out rows", _r2(r2), r2)]
    words = [
        f"For {count(len(found.rows), 'row')} that the network had never seen, its predictions of ",
        name_of(target),
        f" are off by {number(mae)} on average (mean absolute error). ",
    ]
    if baseline:
        label = f"always answering the mean, {usual}"
        bars.append(_score(label, _r2(baseline.get("r2")), baseline.get("r2"), baseline=True))
        words.append(
            f"Always answering the training rows' mean, {usual}, is off by "
            f"{number(baseline.get('mae'))}. "
        )
    if r2 is not None and is_finite(r2):
        words.append(
            f"The network explains {percent(r2)} of the variance (R²)."
            if r2 > 0
            else "R² is not above zero: the mean of these rows would have been the better answer."
        )
    return join(element("div", *bars, class_="scores"), element("p", *words))


def _classes(found: HeldOutClasses) -> Markup:
    scores = ClassScores.of(found.observed, found.predicted, len(found.names))
    if len(found.names) <= MAX_CLASSES:
        counts = confusion_matrix(found.observed, found.predicted, len(found.names))
        matrix = join(
            element("h3", "Confusion matrix"),
            scrolled("Confusion matrix", confusion_table(counts, found.names)),
        )
    elif found.hits < len(found.rows):
        matrix = join(
            element("h3", "Most frequent confusions"),
            pair_table(found.observed, found.predicted, found.names),
        )
    else:
        matrix = Markup("")
    many = len(found.names) > MAX_CLASSES
    by_class = join(
        element("h3", f"{MAX_CLASSES} classes with the least recall" if many else "Class by class"),
        class_table(scores, found.names),
        element(
            "p",
            "Recall: share of a class's rows that are found. Precision: share of the rows taken "
            "for a class that are of it.",
            class_="small",
        ),
    )
    return section(
        "What it gets right, and wrong",
        columns(element("div", matrix), element("div", by_class)),
        _wrong_rows(found),
    )


def _wrong_rows(found: HeldOutClasses) -> Markup:
    wrong = found.mistakes()
    if not len(wrong):
        words = f"All {count(len(found.rows), 'held-out row')} are classified correctly."
        return element("p", words)
    rows = [
        [
            f"{found.rows[i] + 1}",
            name_of(found.names[found.observed[i]], 40),
            name_of(found.names[found.predicted[i]], 40),
            percent(float(found.probability[i])),
        ]
        for i in wrong[:_WORST].tolist()
    ]
    title = "The wrong prediction" if len(wrong) == 1 else "Most confidently wrong"
    rest = len(wrong) - len(rows)
    return join(
        element("h3", title),
        table(
            ["row", "observed", "predicted", "probability"],
            rows,
            numeric=(0, 3),
            more=f"and {count(rest, 'wrong prediction')} of less confidence" if rest else "",
        ),
        _about_rows("The probability is what the network gives to the class that it predicts."),
    )


def _numbers(found: HeldOutNumbers, target: str) -> Markup:
    names = [f"row {row + 1}" for row in found.rows]
    scatter = scatter_chart(
        found.observed, found.predicted, title="Held-out rows", unit=target, names=names
    )
    caption = "Each dot is a held-out row; on the dashed line the prediction is exact."
    if len(names) > MAX_POINTS:
        caption += f" {MAX_POINTS} of {count(len(names), 'row')} are drawn."
    worst = [
        [
            f"{found.rows[i] + 1}",
            number(found.observed[i]),
            number(found.predicted[i]),
            number(found.residuals[i]),
        ]
        for i in found.mistakes()[:_WORST].tolist()
    ]
    facts = join(
        element("h3", "Size of the errors"),
        _residuals(found.residuals),
        element("h3", "Largest errors"),
        table(["row", "observed", "predicted", "residual"], worst, numeric=(0, 1, 2, 3)),
        _about_rows("A residual is observed minus predicted, in the target's own unit."),
    )
    return section(
        "How far off it is",
        columns(
            element(
                "figure",
                element("h3", "Predicted against observed"),
                scatter,
                element("figcaption", caption),
            ),
            element("div", facts),
        ),
    )


def _residuals(residuals: Array) -> Markup:
    with np.errstate(over="ignore", invalid="ignore"):  # a network that diverged predicts anything
        sizes = np.abs(residuals)
        median, most = np.quantile(sizes, [0.5, 0.9])
        rmse = np.sqrt(np.mean(np.square(residuals)))
        facts = [
            ("mean absolute error (MAE)", float(sizes.mean())),
            ("root mean squared error (RMSE)", float(rmse)),
            ("median absolute error", float(median)),
            ("90% of the absolute errors are below", float(most)),
            ("mean residual (bias)", float(residuals.mean())),
        ]
    return table(
        ["measure", "value"], [[name, number(value)] for name, value in facts], numeric=(1,)
    )


def _r2(value: float | None) -> str:
    return NOTHING if value is None or not is_finite(value) else f"{value:.3f}".replace("-", "−")


def _about_rows(words: str) -> Markup:
    return element(
        "p", f"{words} Rows are counted from 1; a header line is not a row.", class_="small"
    )
