from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.core.errors import ArgumentError
from chainrule.data import load_dataset
from chainrule.viz.heldout import HeldOutClasses, HeldOutNumbers, class_name, held_out


def test_classes(digits: Any) -> None:
    run, frame = digits
    found = held_out(run, frame)
    assert isinstance(found, HeldOutClasses)
    rows = run.rows(frame, "held-out")
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.observed, frame["digit"].to_numpy()[rows])
    predictions = run.predict(frame[rows])
    np.testing.assert_array_equal(found.predicted, predictions["prediction"].to_numpy())
    assert found.names == tuple("0123456789")
    assert found.hits / len(rows) == run.facts["scores"]["accuracy"]
    assert found.notes == ()


def test_mistakes_are_the_most_confident_first(digits: Any) -> None:
    found = held_out(*digits)
    assert isinstance(found, HeldOutClasses)
    wrong = found.mistakes()
    assert len(wrong) == len(found.rows) - found.hits > 1
    assert (found.observed[wrong] != found.predicted[wrong]).all()
    assert (np.diff(found.probability[wrong]) <= 0).all()


def test_numbers(diabetes: Any) -> None:
    run, frame = diabetes
    found = held_out(run, frame)
    assert isinstance(found, HeldOutNumbers)
    observed = frame["progression"].to_numpy()[run.rows(frame, "held-out")]
    np.testing.assert_array_equal(found.observed, observed)
    assert np.abs(found.residuals).mean() == pytest.approx(run.facts["scores"]["mae"])
    assert (np.diff(np.abs(found.residuals[found.mistakes()])) <= 0).all()


def test_no_held_out_rows(fit_dataset: Callable[..., Any]) -> None:
    assert held_out(*fit_dataset("iris", test=0.0)) is None


def test_another_table_is_refused(digits: Any) -> None:
    with pytest.raises(ArgumentError, match="a table that the run was not trained on"):
        held_out(digits.run, load_dataset("digits").frame.head(100))


def test_unseen_categories_are_noted_not_warned_of(fit_table: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    places = [f"town {i % 3}" for i in range(200)]
    places[7], places[41] = "Nowhere", "Nowhere"
    frame = pl.DataFrame({"x": x, "place": places, "y": np.where(x > 0, "yes", "no")})
    for seed in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run, _ = fit_table(frame, "y", seed=seed, epochs=1)
        if {7, 41} <= set(run.rows(frame, "held-out").tolist()):
            break
    found = held_out(run, frame)  # warnings are errors in tests
    assert found is not None
    (note,) = found.notes
    assert note.startswith("column 'place': 'Nowhere' did not occur in training")


def test_other_warnings_pass(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, frame = digits
    predict = run.predict

    def warn(part: pl.DataFrame) -> pl.DataFrame:
        warnings.warn("strange", RuntimeWarning, stacklevel=2)
        return predict(part)

    monkeypatch.setattr(run, "predict", warn)
    with pytest.raises(RuntimeWarning, match="strange"):
        held_out(run, frame)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        held_out(run, frame)
    assert [str(warning.message) for warning in caught] == ["strange"]


def test_class_names() -> None:
    assert [class_name(v) for v in (True, False, 3, 1.0, "a")] == ["true", "false", "3", "1.0", "a"]
