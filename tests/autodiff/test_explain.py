from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, ShapeError, TracingError

LECTURE = """\
f = 0.5 at x = 1, w = 0, b = 0

node          value  local derivatives           adjoint
────────────  ─────  ──────────────────────────  ──────────────
h1 = w × x    0      ∂h1/∂w = x = 1              ∂f/∂h1 = 0.25
                     ∂h1/∂x = w = 0
h2 = h1 + b   0      ∂h2/∂h1 = 1                 ∂f/∂h2 = 0.25
                     ∂h2/∂b = 1
h3 = h2 × -1  0      ∂h3/∂h2 = -1                ∂f/∂h3 = -0.25
h4 = exp(h3)  1      ∂h4/∂h3 = h4 = 1            ∂f/∂h4 = -0.25
h5 = h4 + 1   2      ∂h5/∂h4 = 1                 ∂f/∂h5 = -0.25
h6 = 1 / h5   0.5    ∂h6/∂h5 = -1 / h5² = -0.25  ∂f/∂h6 = 1

∂f/∂x = 0    ∂f/∂w = 0.25    ∂f/∂b = 0.25"""


def lecture(x: Any, w: Any, b: Any) -> Any:
    return 1 / (cr.exp(-(w * x + b)) + 1)


def test_the_lectures_table() -> None:
    table = cr.explain(lecture, x=1.0, w=0.0, b=0.0)
    assert [row.name for row in table.rows] == ["h1", "h2", "h3", "h4", "h5", "h6"]
    assert [row.value.item() for row in table.rows] == [0.0, 0.0, 0.0, 1.0, 2.0, 0.5]
    assert [row.adjoint.item() for row in table.rows] == [0.25, 0.25, -0.25, -0.25, -0.25, 1.0]
    local = {(e.of, e.by): e.value.item() for row in table.rows for e in row.local}
    assert local == {
        ("h1", "w"): 1.0, ("h1", "x"): 0.0, ("h2", "h1"): 1.0, ("h2", "b"): 1.0,
        ("h3", "h2"): -1.0, ("h4", "h3"): 1.0, ("h5", "h4"): 1.0, ("h6", "h5"): -0.25,
    }  # fmt: skip
    assert {name: g.item() for name, g in table.gradient.items()} == {"x": 0, "w": 0.25, "b": 0.25}
    assert table.value == 0.5
    assert {name: x.item() for name, x in table.inputs.items()} == {"x": 1.0, "w": 0.0, "b": 0.0}


def test_the_lectures_table_as_text() -> None:
    table = cr.explain(lecture, x=1.0, w=0.0, b=0.0)
    assert str(table) == repr(table) == LECTURE


def test_adjoints_follow_the_chain_rule() -> None:
    """An adjoint is the sum, over a node's users, of their adjoint times their derivative."""

    def f(x: Any, y: Any) -> Any:
        a = x * y
        return cr.sin(a) * a + cr.log(y) / a

    table = cr.explain(f, x=0.7, y=1.9)
    adjoints = {row.name: row.adjoint.item() for row in table.rows} | {
        name: g.item() for name, g in table.gradient.items()
    }
    sums = dict.fromkeys(adjoints, 0.0)
    for row in table.rows:
        for entry in row.local:
            assert entry.value is not None
            sums[entry.by] += adjoints[row.name] * entry.value.item()
    last = table.rows[-1].name
    assert adjoints.pop(last) == 1.0
    for name, adjoint in adjoints.items():
        assert sums[name] == pytest.approx(adjoint, rel=1e-14)
    expected = [cr.grad(f, argnums=i)(np.array(0.7), np.array(1.9)).item() for i in (0, 1)]
    assert [g.item() for g in table.gradient.values()] == expected


@pytest.mark.parametrize(
    ("f", "arguments", "formula"),
    [
        (lambda x: cr.maximum(x, 0), {"x": 2.0}, "I(x > 0)"),
        (lambda x: x**2, {"x": 3.0}, "2 × x"),
        (lambda x: x**3, {"x": 3.0}, "3 × (x ** 2)"),
        (cr.tanh, {"x": 0.5}, "1 - h1²"),
        (cr.sigmoid, {"x": 0.5}, "h1 × (1 - h1)"),
        (cr.sqrt, {"x": 4.0}, "0.5 / h1"),
        (cr.log, {"x": 4.0}, "1 / x"),
        (cr.softplus, {"x": 4.0}, "sigmoid(x)"),
        (lambda x: -x, {"x": 4.0}, "-1"),
        (lambda x: x / 4.0, {"x": 4.0}, "0.25"),
        (lambda x: cr.sin(x), {"x": 0.5}, "cos(x)"),
        (lambda x: cr.cos(x), {"x": 0.5}, "-sin(x)"),
        (lambda x: cr.abs(x), {"x": -0.5}, "sign(x)"),
        (lambda x: cr.cast(x, "float32"), {"x": 0.5}, "1"),
        (lambda x: cr.where(x > 0, x, 0.0), {"x": 0.5}, "1"),
    ],
)
def test_formulas_of_local_derivatives(f: Any, arguments: Any, formula: str) -> None:
    table = cr.explain(f, **arguments)
    entry = table["h1"].local[0]
    assert entry.formula == formula
    (x,) = (np.array(x) for x in arguments.values())
    assert entry.value is not None
    assert entry.value.item() == cr.grad(f)(x).item()
    assert str(entry).startswith(f"∂h1/∂x = {formula}")


def test_arrays() -> None:
    W, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])
    table = cr.explain(lambda W, x: cr.sigmoid(W @ x).sum(), W=W, x=x)
    (product,) = [row for row in table.rows if "@" in row.formula]
    assert [entry.formula for entry in product.local] == ["g @ h1ᵀ", "Wᵀ @ g"]
    assert all(entry.value is None for entry in product.local)
    (activation,) = [row for row in table.rows if row.formula.startswith("sigmoid")]
    assert activation.local[0].formula == f"{activation.name} × (1 - {activation.name})"
    a = activation.value
    np.testing.assert_array_equal(activation.local[0].value, a * (1 - a))
    np.testing.assert_allclose(table.gradient["W"], np.outer(a * (1 - a), x), rtol=1e-15)
    assert "value" in str(table)


def test_what_is_computed_from_large_arrays_is_shown_by_its_type() -> None:
    table = cr.explain(lambda x: (x * x).sum(), x=np.arange(12.0).reshape(3, 4))
    assert str(table).startswith("f = 506 at x = float64[3,4]\n")
    assert "∂f/∂x = float64[3,4]" in str(table)


def test_parameters_count_as_constants() -> None:
    w = cr.Parameter(3.0, name="w")
    table = cr.explain(lambda x: (w * w) * x + w, x=2.0)
    assert [row.formula for row in table.rows] == ["9 × x", "h1 + 3"]
    assert [[entry.by for entry in row.local] for row in table.rows] == [["x"], ["h1"]]
    assert table.gradient["x"] == 9.0
    assert w.grad is None


def test_inside_no_grad_and_grad() -> None:
    with cr.no_grad():
        assert cr.explain(lecture, x=1.0, w=0.0, b=0.0).gradient["w"] == 0.25


def test_functions_that_compute_nothing() -> None:
    same = cr.explain(lambda x: x, x=2.0)
    assert same.rows == ()
    assert same.gradient["x"] == 1.0
    constant = cr.explain(lambda x: cr.tensor(3.0), x=[2.0, 1.0])
    assert constant.gradient["x"].tolist() == [0.0, 0.0]
    assert "∂f/∂x = 1" in str(same)


def test_rows_by_name() -> None:
    table = cr.explain(lambda x: cr.exp(x) * 2.0, x=0.0)
    assert table["h2"].formula == "h1 × 2"
    with pytest.raises(KeyError, match="h3"):
        table["h3"]


def test_computed_in_float64() -> None:
    table = cr.explain(lambda x: x * 0.1, x=1)
    assert table.value.dtype == np.float64
    assert table.value == 0.1
    for x in (0.1, [0.1], np.array(0.1)):
        assert cr.explain(lambda x: x.sum(), x=x).value == 0.1
    assert cr.explain(lambda x: x.sum(), x=np.ones(2, np.float32)).inputs["x"].dtype == np.float64


def test_html() -> None:
    table = cr.explain(lecture, x=1.0, w=0.0, b=0.0)
    html = table._repr_html_()
    assert html.count("<tr>") == 7
    assert "h6 = 1 / h5" in html
    assert "∂h1/∂w = x = 1<br>∂h1/∂x = w = 0" in html
    assert "<caption>f = 0.5 at x = 1, w = 0, b = 0</caption>" in html
    assert html.endswith("<p>∂f/∂x = 0    ∂f/∂w = 0.25    ∂f/∂b = 0.25</p>")
    tags = re.findall(r"</?(\w+)", html)
    assert set(tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "br", "p"}


def test_html_is_escaped() -> None:
    evil = "<script>alert('&')</script>"
    table = cr.explain(lambda **named: cr.maximum(named[evil], 0.0), **{evil: 1.0})
    html = table._repr_html_()
    assert "<script" not in html
    assert "'&'" not in html
    assert html.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") >= 4
    assert "I(" in html
    assert "&gt; 0)" in html


def test_errors() -> None:
    with pytest.raises(
        ArgumentError, match=r"arguments: got none; expected the function's argumen"
    ):
        cr.explain(lambda: cr.tensor(1.0))
    with pytest.raises(
        ShapeError,
        match=r"result of the function to explain: got shape \(2,\); expected one number",
    ):
        cr.explain(lambda x: x * x, x=[1.0, 2.0])
    with pytest.raises(TracingError, match="explain needs a value"):
        cr.trace(lambda x: cr.explain(lambda y: y * y, y=x))(1.0)
