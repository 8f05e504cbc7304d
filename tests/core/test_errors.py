from __future__ import annotations

import pytest

from chainrule.core import errors
from chainrule.core.errors import ArgumentError, ChainruleError, nearest


def test_argument_error_text() -> None:
    error = ArgumentError("units", "-1", "a whole number from 1")
    assert str(error) == "units: got -1; expected a whole number from 1."
    assert (error.argument, error.came, error.expected, error.fix) == (
        "units", "-1", "a whole number from 1", "",
    )  # fmt: skip
    with_fix = ArgumentError("x", "shape (2,)", "shape (2, 1)", "Use x.reshape(-1, 1).")
    assert str(with_fix) == "x: got shape (2,); expected shape (2, 1). Use x.reshape(-1, 1)."


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("ArgumentError", (ValueError,)),
        ("ShapeError", (ArgumentError, ValueError)),
        ("DtypeError", (ArgumentError, TypeError)),
        ("DataError", (ArgumentError,)),
        ("FileError", (OSError,)),
        ("GraphError", ()),
        ("TracingError", (TypeError,)),
        ("MissingRuleError", (NotImplementedError,)),
        ("MissingDependencyError", (ImportError,)),
    ],
)
def test_every_error_is_a_chainrule_error_and_of_pythons_kind(
    name: str, bases: tuple[type, ...]
) -> None:
    for base in (ChainruleError, *bases):
        assert issubclass(getattr(errors, name), base)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("rleu", ["relu", "elu", "tanh"], "Did you mean 'relu' or 'elu'?"),
        ("RELU", ["relu"], "Did you mean 'relu'?"),
        ("Sepal_Length", ["sepal length", "petal length"], "Did you mean 'sepal length' or"),
        ("xyz", ["relu"], ""),
        ("", ["relu"], ""),
        ("relu", [], ""),
        (3, [1, 33], "Did you mean '33'?"),
    ],
)
def test_nearest(name: str, known: list[str], expected: str) -> None:
    found = nearest(name, known)
    assert found.startswith(expected) if expected else found == ""


def test_nearest_names_at_most_three() -> None:
    assert nearest("aaaa", ["aaaab", "aaaac", "aaaad", "aaaae"]).count("'") == 6
