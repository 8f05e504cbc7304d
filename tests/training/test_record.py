"""The record as something to hold: numbered, printed, rendered, as a dictionary."""

# ruff: noqa: E741 - l, α, λ and δ are the lecture's symbols

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.training.record import Numbered, Record, describe

XOR_X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
XOR_Y = [0.0, 1.0, 1.0, 0.0]


def small(y: Any = XOR_Y, l2: float = 0.0, loss: str = "squared_error", units: int = 1) -> Record:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(3, "tanh"), cr.Dense(units)])
    model.compile(loss=loss, l2=l2)
    return model.inspect(XOR_X, y)


def large() -> Record:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(50, "relu", use_bias=False), cr.Dense(10)])
    model.compile(loss="cross_entropy")
    rng = np.random.default_rng(0)
    return model.inspect(rng.standard_normal((20, 30)), rng.integers(0, 10, 20))


# By number -----------------------------------------------------------------------------------


def test_layers_are_numbered_as_in_the_lecture() -> None:
    record = small()
    assert record.L == 2
    for quantity in (record.z, record.delta, record.da, record.df, record.f, record.db, record.b):
        assert list(quantity) == [1, 2]  # type: ignore[call-overload]
    assert list(record.a) == list(record.M) == [0, 1, 2]
    assert [record.M[l] for l in record.M] == [2, 3, 1]
    assert record.W[1].shape == record.dW[1].shape == (3, 2)
    assert record.W[2].shape == record.dW[2].shape == (1, 3)
    assert len(record) == 4


def test_numbered_values_are_a_mapping() -> None:
    z = Numbered("z", ["first", "second"])
    assert isinstance(z, Mapping)
    assert dict(z) == {1: "first", 2: "second"}
    assert 2 in z
    assert 0 not in z
    assert z.get(3, "none") == "none"
    assert z[np.int64(1)] == "first"
    assert repr(z) == "z by layer: {1: 'first', 2: 'second'}"
    assert repr(Numbered("a", [np.zeros((2, 3))], first=0)) == "a by layer: {0: array(2, 3)}"


@pytest.mark.parametrize("number", [0, 3, -1, 1.5, "1", True, None])
def test_a_number_that_no_layer_has(number: Any) -> None:
    record = small()
    for error_type in (ArgumentError, KeyError):
        with pytest.raises(error_type) as error:
            record.z[number]
        assert str(error.value) == f"z[l]: got l = {number!r}; expected a layer, 1 to 2."
    with pytest.raises(ArgumentError, match="expected a layer, 0 to 2"):
        record.a[3]


def test_without_targets_there_are_no_errors() -> None:
    record = small(y=None)
    for quantity in (record.delta, record.dW, record.db, record.da, record.penalty_dW):
        with pytest.raises(ArgumentError) as error:
            quantity[1]
        assert str(error.value) == (
            f"{quantity.name}: got a record without targets; expected one with a loss to "
            "differentiate. Give them: model.inspect(x, y)."
        )
    with pytest.raises(
        cr.ChainruleError, match=r"no δ and no gradients: call model.inspect\(x, y\)"
    ):
        record.explain(1, 0, 0)


# Printed -------------------------------------------------------------------------------------


def test_small_arrays_are_printed_whole() -> None:
    record = small(l2=0.5)
    text = str(record)
    assert text == repr(record)
    head, *lines = text.splitlines()
    assert head == (
        f"4 samples, float32, L = 2; loss {record.loss:.6g} (squared_error, mean); "
        f"penalty {record.penalty:.6g} (λ = 0.5)"
    )
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "input",
        "layer 1: tanh, 2 → 3",
        "layer 2: linear, 3 → 1",
        "output",
    ]
    names = [
        "a[0]",
        *[f"{q}[{l}]" for l in (1, 2) for q in ("W", "b", "z", "a", "delta", "dW", "db")],
    ]
    assert re.findall(r"^  (\S+) +\(", text, re.M) == [*names, "y", "losses"]
    # every number of W[1], to four digits, row by row
    start = next(k for k, line in enumerate(lines) if line.startswith("  W[1] "))
    shown = [
        [float(t) for t in re.findall(r"-?\d+\.\d*", line.split(")")[-1])]
        for line in lines[start : start + 3]
    ]
    np.testing.assert_allclose(shown, record.W[1], atol=5e-5)


def test_of_large_arrays_statistics_are_printed() -> None:
    record = large()
    text = str(record)
    assert max(map(len, text.splitlines())) <= 100
    assert "b[1]" not in text  # there is none
    (line,) = [line for line in text.splitlines() if line.startswith("  a[1] ")]
    found = re.fullmatch(
        r"  a\[1\] +\(20, 50\) +from (\S+) to (\S+), mean (\S+), standard deviation (\S+), "
        r"(\d+)% zeros",
        line,
    )
    assert found
    a = record.a[1]
    expected = [a.min(), a.max(), a.mean(), a.std(), 100 * (a == 0).mean()]
    np.testing.assert_allclose([float(t) for t in found.groups()], expected, rtol=1e-3, atol=0.5)
    assert "zeros" not in describe(np.ones(100))
    assert describe(np.full(100, np.nan)) == "100 of 100 values are NaN or infinite"


def test_printing_without_targets_and_of_one_sample() -> None:
    record = small(y=None)
    assert str(record).splitlines()[0] == "4 samples, float32, L = 2; no targets"
    assert "delta" not in str(record)
    model = cr.Sequential([cr.Dense(2)])
    model.compile(loss="cross_entropy")
    record = model.inspect([[1.0]], [1])
    assert str(record).startswith("1 sample, float32, L = 1; loss ")
    assert "probabilities" in str(record)


class Balance(HTMLParser):
    """Checks that tags close in order, and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("record", [small(), large(), small(y=None)])
def test_the_notebook_shows_the_same(record: Record) -> None:
    page = Balance()
    page.feed(record._repr_html_())
    assert not page.open
    assert page.text.startswith(str(record).splitlines()[0])
    for _, arrays in record.sections():
        for name, array in arrays:
            assert f"{name}{array.shape}{describe(array)}" in page.text


def test_html_escapes_names() -> None:
    def f(z: Any) -> Any:
        return cr.tanh(z)

    f.__name__ = "<b>"
    model = cr.Sequential([cr.Dense(2, f)])
    html = model.inspect(XOR_X)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


# As a dictionary -----------------------------------------------------------------------------


def test_as_a_dictionary() -> None:
    record = small(y=[0, 1, 1, 0], loss="cross_entropy", units=2)
    shown = record.to_dict()
    assert (shown["n"], shown["L"], shown["M"]) == (4, 2, [2, 3, 2])
    assert shown["f"] == ["tanh", "linear"]
    assert len(shown["a"]) == 3
    for name in ("W", "b", "z", "df", "delta", "da", "dW", "db", "penalty_dW"):
        for l, array in enumerate(shown[name], start=1):
            assert array is getattr(record, name)[l]
    assert shown["loss"] == shown["risk"] == record.loss
    assert (shown["loss_name"], shown["dtype"]) == ("cross_entropy", "float32")
    assert list(shown["gradients"]) == [
        f"layers.{k}.{p}" for k in (0, 1) for p in ("kernel", "bias")
    ]
    np.testing.assert_array_equal(shown["probabilities"], record.probabilities)
    without = small(y=None).to_dict()
    assert without["delta"] is without["loss"] is without["y"] is None
    assert len(without["z"]) == 2


# Jacobians -----------------------------------------------------------------------------------


def test_slopes_and_jacobians() -> None:
    record = small()
    jacobian = record.jacobian(1, sample=3)
    np.testing.assert_allclose(jacobian, np.diag(1 - np.tanh(record.z[1][3]) ** 2), rtol=1e-5)
    np.testing.assert_array_equal(record.slopes(1, sample=3, unit=1), jacobian[:, 1])
    with pytest.raises(ArgumentError, match=r"unit: got 3; expected a whole number from 0 to 2"):
        record.slopes(1, 0, 3)
    with pytest.raises(ArgumentError, match=r"sample: got -1; .* from 0 to 3: samples\."):
        record.jacobian(1, -1)


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ([cr.BatchNorm()], ("BatchNorm",)),
        ([cr.Flatten(), cr.LayerNorm(), cr.Activation("tanh")], ("Flatten", "LayerNorm", "tanh")),
        ([cr.Sequential([cr.LayerNorm()])], ("LayerNorm",)),
    ],
)
def test_layers_before_the_first_are_named(first: list[Any], names: tuple[str, ...]) -> None:
    model = cr.Sequential([*first, cr.Dense(2)], dtype="float64")
    model.compile(loss="squared_error")
    x = np.array([[1.0, 2.0], [0.0, 5.0]])
    record = model.inspect(x, np.zeros((2, 2)))
    assert record.before == names
    np.testing.assert_array_equal(record.x, x)
    received = x
    for layer in first:
        received = layer(received)
    np.testing.assert_allclose(record.a[0], received, rtol=1e-12)
    assert [heading for heading, _ in record.sections()[:2]] == [
        "input",
        " → ".join(("input", *names)),
    ]
    assert f"a⁽⁰⁾ is {' → '.join(('input', *names))}." in str(record.explain(1, 0))


@pytest.mark.parametrize("first", [[], [cr.Dropout(0.5)], [cr.GaussianNoise(0.1)]])
def test_without_layers_before_the_first_a0_is_the_input(first: list[Any]) -> None:
    model = cr.Sequential([*first, cr.Dense(2)])
    record = model.inspect([[1.0, 2.0]])
    assert record.before == ()
    np.testing.assert_array_equal(record.x, record.a[0])
    assert [heading for heading, _ in record.sections()][:2] == ["input", "layer 1: linear, 2 → 2"]


def test_an_embedding_stands_before_the_first_layer() -> None:
    model = cr.Sequential([cr.Embedding(5, 3), cr.Flatten(), cr.Dense(2)])
    record = model.inspect([[1, 2], [4, 0]])
    assert record.before == ("Embedding", "Flatten")
    assert record.x.tolist() == [[1, 2], [4, 0]]
