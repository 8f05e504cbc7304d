from __future__ import annotations

import pytest

from chainrule.cli.terminal import number, plural, scores_in_words


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (1, ("row",), "1 row"),
        (0, ("row",), "0 rows"),
        (1797, ("row",), "1,797 rows"),
        (2, ("class", "classes"), "2 classes"),
    ],
)
def test_plural(count: int, words: tuple[str, ...], expected: str) -> None:
    assert plural(count, *words) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ""), (1797, "1,797"), (0.123456, "0.1235"), (1e9, "1e+09")]
)
def test_number(value: float | None, expected: str) -> None:
    assert number(value) == expected


def test_scores_in_words() -> None:
    assert scores_in_words({"accuracy": 0.975}) == "accuracy 97.5 %"
    assert scores_in_words({"r2": 0.5, "mae": 40.0, "rmse": 50.123}) == (
        "R² 0.5, mean absolute error 40, RMSE 50.12"
    )
    assert scores_in_words({"r2": None}) == "R² not defined"
