from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from sklearn import metrics

from chainrule.viz.heldout import HeldOutClasses, HeldOutNumbers, held_out
from chainrule.viz.results import headline, results
from chainrule.viz.wording import number, percent

NAN = float("nan")


def words(made: str) -> str:
    return "".join(ET.XML(f"<div>{made}</div>").itertext())


def tables(made: str) -> list[list[list[str]]]:
    return [
        [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        for table in ET.XML(f"<div>{made}</div>").iter("table")
    ]


def classes(observed: list[int], predicted: list[int], n: int) -> HeldOutClasses:
    rows = np.arange(len(observed))
    names = tuple(f"c{i}" for i in range(n))
    sure = np.linspace(0.5, 0.9, len(observed))
    return HeldOutClasses(rows, np.array(observed), np.array(predicted), sure, names)


def test_headline_of_classes(digits: Any) -> None:
    run, frame = digits
    found = held_out(run, frame)
    assert found is not None
    text = words(headline(run, found, "3"))
    accuracy = run.facts["scores"]["accuracy"]
    hits = round(accuracy * 359)
    assert f"Of 359 rows that the network had never seen, it puts {hits} into the right" in text
    assert f"an accuracy of {accuracy:.1%} (95% confidence interval" in text
    assert f"is right for {run.facts['baseline']['accuracy']:.1%}" in text
    assert "clearly better than that" in text


@pytest.mark.parametrize(
    ("hits", "baseline", "verdict"),
    [(9, 0.1, "clearly better"), (5, 0.5, "no clear difference"), (1, 0.9, "is worse than that")],
)
def test_verdicts(hits: int, baseline: float, verdict: str, digits: Any) -> None:
    found = classes([0] * 10, [0] * hits + [1] * (10 - hits), 2)
    facts = {"scores": {"accuracy": hits / 10}, "baseline": {"accuracy": baseline}}
    run = type(digits.run)(**{**vars(digits.run), "facts": facts})
    assert verdict in words(headline(run, found, "c0"))


def test_headline_of_numbers(diabetes: Any) -> None:
    run, frame = diabetes
    found = held_out(run, frame)
    assert found is not None
    text = words(headline(run, found, "150.5"))
    scores, baseline = run.facts["scores"], run.facts["baseline"]
    assert f"{scores['r2']:.3f}" in text
    assert f"{baseline['r2']:.3f}".replace("-", "−") in text
    assert f"are off by {number(scores['mae'])} on average" in text
    assert f"is off by {number(baseline['mae'])}" in text
    assert f"explains {percent(scores['r2'])} of the variance" in text


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"r2": -0.5, "mae": 3.0}, "R² is not above zero"),
        ({"r2": None, "mae": 3.0}, "off by 3 on average"),
        ({"r2": NAN, "mae": NAN}, "off by – on average"),
    ],
)
def test_poor_or_undefined_scores(scores: dict[str, float], said: str, diabetes: Any) -> None:
    found = HeldOutNumbers(np.arange(2), np.array([1.0, 2.0]), np.array([5.0, 1.0]))
    run = type(diabetes.run)(**{**vars(diabetes.run), "facts": {"scores": scores}})
    text = words(headline(run, found, "1"))
    assert said in text
    assert ("variance" in text) is False


def test_matrix_and_classes_of_digits(digits: Any) -> None:
    found = held_out(*digits)
    assert isinstance(found, HeldOutClasses)
    matrix, by_class, wrong = tables(results(found, "digit"))
    expected = metrics.confusion_matrix(found.observed, found.predicted)
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == expected.tolist()
    recall = metrics.recall_score(found.observed, found.predicted, average=None)
    assert [row[2] for row in by_class[1:]] == [percent(share) for share in recall]
    assert wrong[0] == ["row", "observed", "predicted", "probability"]
    assert 2 <= len(wrong) <= 11
    frame = digits.frame
    for row, observed, predicted, _ in wrong[1:]:
        assert str(frame["digit"][int(row) - 1]) == observed != predicted
    shown = [float(row[3].strip("<>%")) for row in wrong[1:]]
    assert shown == sorted(shown, reverse=True)


def test_ten_of_the_wrong_rows() -> None:
    found = classes([0] * 30, [0] * 17 + [1] * 13, 2)
    made = results(found, "t")
    wrong = tables(made)[-1]
    assert [row[0] for row in wrong[1:]] == [f"{row}" for row in range(30, 20, -1)]
    assert "and 3 wrong predictions of less confidence" in made
    assert "The wrong prediction" in results(classes([0, 1], [0, 0], 2), "t")


def test_all_right() -> None:
    made = results(classes([0, 1, 1], [0, 1, 1], 2), "t")
    assert "All 3 held-out rows are classified correctly." in made
    many = results(classes(list(range(30)), list(range(30)), 30), "t")
    assert "Most frequent confusions" not in many


def test_many_classes_have_pairs_instead_of_a_matrix() -> None:
    made = results(classes([i % 21 for i in range(100)], [0] * 100, 21), "t")
    assert "Most frequent confusions" in made
    assert "matrix" not in made
    assert "20 classes with the least recall" in made
    assert "Confusion matrix" in results(classes([0, 1], [1, 0], 20), "t")


def test_unknown_probabilities() -> None:
    found = HeldOutClasses(
        np.arange(2), np.array([0, 1]), np.array([1, 0]), np.array([NAN, 0.7]), ("a", "b")
    )
    wrong = tables(results(found, "t"))[-1]
    assert [row[3] for row in wrong[1:]] == ["70.0%", "–"]


def test_residuals(diabetes: Any) -> None:
    found = held_out(*diabetes)
    assert isinstance(found, HeldOutNumbers)
    sizes, worst = tables(results(found, "progression"))
    values = {row[0]: row[1] for row in sizes[1:]}
    scores = diabetes.run.facts["scores"]
    assert values["mean absolute error (MAE)"] == number(scores["mae"])
    assert values["root mean squared error (RMSE)"] == number(scores["rmse"])
    assert values["median absolute error"] == number(float(np.median(np.abs(found.residuals))))
    assert values["mean residual (bias)"] == number(float(found.residuals.mean()))
    assert len(worst) == 11
    row = int(worst[1][0]) - 1
    assert number(diabetes.frame["progression"][row]) == worst[1][1]
    assert worst[1][3] == number(found.residuals[np.abs(found.residuals).argmax()])


@pytest.mark.parametrize("bad", [NAN, np.inf, 1e308])
def test_predictions_of_a_network_that_diverged(bad: float) -> None:
    found = HeldOutNumbers(np.arange(3), np.array([1.0, 2.0, 3.0]), np.array([bad, 2.0, bad]))
    made = results(found, "t")
    assert not re.search(r"\bnan\b|\binf\b", words(made))


def test_large_regressions_are_thinned(fit_dataset: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=1234)
    made = results(HeldOutNumbers(np.arange(1234), values, values + 0.1), "t")
    assert made.count("<circle") == 500
    assert "500 of 1,234 rows are drawn." in made
