"""The public face: ``cr.activations.table()`` and ``cr.activations.plot(names)``."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.activations.table import wrap
from chainrule.core.errors import ArgumentError, FileError
from chainrule.nn.activations import KINDS

SVG = "{http://www.w3.org/2000/svg}"


# What is there -------------------------------------------------------------------------------


def test_every_activation_is_an_attribute() -> None:
    for kind in KINDS:
        assert getattr(cr.activations, kind.name) is kind
    assert cr.activations.logistic is cr.activations.sigmoid
    assert cr.activations.swish is cr.activations.silu
    assert set(cr.activations.__all__) <= set(dir(cr.activations))


def test_they_compute() -> None:
    assert cr.activations.relu([-1.0, 2.0]).tolist() == [0.0, 2.0]
    assert cr.activations.relu.derivative([-1.0, 2.0]).tolist() == [0.0, 1.0]
    assert cr.activations.LeakyReLU(0.5)([-1.0]).tolist() == [-0.5]
    assert cr.activations.ELU(gamma=2)([0.0]).tolist() == [0.0]


def test_drawing_is_loaded_only_to_draw() -> None:
    code = (
        "import sys, chainrule; chainrule.activations.table().to_text(80);"
        "print(sorted(m for m in sys.modules if m.startswith(('chainrule.viz', 'rich'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    light = ["", ".graphs", ".graphs.methods", ".sheet"]  # what puts the methods on graphs
    assert done.stdout == f"{[f'chainrule.viz{name}' for name in light]}\n"


# The table -----------------------------------------------------------------------------------

LECTURE = {  # the lecture's table, in its order
    "Logistic": ("1/(1 + exp(−x))", "f(x)(1 − f(x))"),
    "Tanh": ("(exp(x) − exp(−x))/(exp(x) + exp(−x))", "1 − f(x)²"),
    "ReLU": ("max(0, x)", "I(x > 0)"),
    "ELU": ("max(0, x) + min(0, γ(exp(x) − 1))", "I(x > 0) + I(x ≤ 0) · γ exp(x)"),
    "SoftPlus": ("log(1 + exp(x))", "1/(1 + exp(−x))"),
}


def test_the_table_holds_the_lectures() -> None:
    rows = {row["activation"]: (row["f"], row["derivative"]) for row in cr.activations.table()}
    assert [title for title in rows if title in LECTURE] == list(LECTURE)
    assert {title: rows[title] for title in LECTURE} == LECTURE


def test_the_table_has_a_row_for_each() -> None:
    table = cr.activations.table()
    assert [row["name"] for row in table] == [kind.name for kind in KINDS]
    assert len(table) == len(table.rows) == len(KINDS) >= 23


def test_rows_are_data() -> None:
    rows = cr.activations.table(["hard_silu", cr.activations.ELU(0.5), cr.relu, "maxout"]).rows
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0] == {
        "activation": "HardSwish",
        "name": "hard_silu",
        "parameters": {},
        "f": "x min(max(0, x + 3), 6)/6",
        "derivative": "I(x ≥ 3) + I(−3 < x < 3)(2x + 3)/6",
        "range": "[−0.375, ∞)",
        "derivative_range": "(−0.5, 1.5)",
        "zero_centered": False,
        "saturates": "left",
        "monotone": False,
        "smoothness": "C⁰",
        "smooth": False,
        "not_differentiable": [-3.0, 3.0],
        "derivative_there": [0.0, 1.0],
        "source": "Howard and others, arXiv 1905.02244",
    }
    assert rows[1]["parameters"] == {"gamma": 0.5}
    assert (rows[1]["range"], rows[1]["derivative_there"]) == ("(−0.5, ∞)", [0.5])
    assert rows[2]["name"] == "relu"
    assert rows[3]["not_differentiable"] == "ties (shared)"


def test_one_name_is_enough() -> None:
    assert [row["name"] for row in cr.activations.table("Swish")] == ["silu"]
    assert [row["name"] for row in cr.activations.table(cr.activations.gelu)] == ["gelu"]
    assert len(cr.activations.table([])) == 0


@pytest.mark.parametrize("width", [40, 50, 60, 72, 79, 80, 81, 100, 132, 180, 192, 250])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    lines = cr.activations.table().to_text(width).split("\n")
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [40, 50, 80, 132, 250])
def test_nothing_is_lost_by_wrapping(width: int) -> None:
    """Column by column, the lines of a row hold its cell."""
    table = cr.activations.table()
    found: dict[str, dict[str, str]] = {}
    for block in table.to_text(width).split("\n\n")[:-1]:
        lines = block.split("\n")
        bar = next(i for i, line in enumerate(lines) if line.startswith("─"))
        spans = [match.span() for match in re.finditer("─+", lines[bar])]
        pieces = [[line[a:b].strip() for a, b in spans] for line in lines]
        heads = ["".join(column) for column in zip(*pieces[:bar], strict=True)]
        rows: list[list[str]] = []
        for cells in pieces[bar + 1 :]:
            if cells[0]:
                rows.append(cells)
            else:
                rows[-1] = [a + b for a, b in zip(rows[-1], cells, strict=True)]
        for row in rows:
            found.setdefault(row[0], {}).update(zip(heads, row, strict=True))
    head, *body = [[squeezed(cell) for cell in row] for row in table.cells()]
    for row in body:
        shown = next(cells for title, cells in found.items() if squeezed(title) == row[0])
        assert {squeezed(k): squeezed(v) for k, v in shown.items()} == dict(
            zip(head, row, strict=True)
        )
    assert len(found) == len(body)


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_a_wide_terminal_has_one_table_and_others_two() -> None:
    table = cr.activations.table()
    assert table.to_text(200).count("Logistic  ") == 1
    assert table.to_text(80).count("Logistic  ") == 2


def test_the_table_at_80_columns() -> None:
    assert (
        cr.activations.table(["tanh", "elu(0.5)", "hard_tanh", "softmax"]).to_text(80)
        == """\
activation  name       f(x)                       f′(x)
──────────  ─────────  ─────────────────────────  ──────────────────────────────
Tanh        tanh       (exp(x) − exp(−x))         1 − f(x)²
                       /(exp(x) + exp(−x))
ELU         elu        max(0, x)                  I(x > 0) + I(x ≤ 0) · γ exp(x)
                       + min(0, γ(exp(x) − 1))
HardTanh    hard_tanh  min(max(−1, x), 1)         I(−1 < x < 1)
Softmax     softmax    exp(xᵢ)/Σⱼ exp(xⱼ)         diag(y) − y yᵀ

activation  range of   range    zero-     saturates  monotone  smooth  kinks
            f          of f′    centered                               (f′)
──────────  ─────────  ───────  ────────  ─────────  ────────  ──────  ─────────
Tanh        (−1, 1)    (0, 1]   yes       both       yes       C∞      none
ELU         (−0.5, ∞)  (0, 1]   no        left       yes       C⁰      0 (0.5)
HardTanh    [−1, 1]    {0, 1}   yes       both       yes       C⁰      −1 (0),
                                                                       1 (0)
Softmax     (0, 1)     [−0.25,  no        both       yes       C∞      none
                       0.25]

ELU: γ = 0.5.
Softmax: y = softmax(x).
I(·) is 1 where the condition holds, else 0.
zero-centered: f is odd, so inputs symmetric about 0 give the mean 0.
range of f′: its values where f is differentiable, kinks left out.
saturates: f′ → 0 as x → −∞ (left), as x → ∞ (right).
smooth: Cᵏ has k continuous derivatives.
kinks: where f is not differentiable, and the value that f′ is given there."""
    )


def test_the_table_says_why_a_range_may_lack_the_value_at_a_kink() -> None:
    selu = cr.activations.get("selu")
    assert selu.derivative(np.zeros(1)).item() == selu.derivative_range.high
    assert selu.derivative_range.high not in selu.derivative_range
    text = cr.activations.table("selu").to_text(300)
    assert "(0, 1.76)" in text
    assert "0 (1.76)" in text
    assert "range of f′: its values where f is differentiable, kinks left out." in text


def test_printing_follows_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    table = cr.activations.table()
    for columns in (80, 220):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert str(table) == repr(table) == table.to_text(columns)


def test_notes_belong_to_what_is_shown() -> None:
    relu = cr.activations.table("relu").notes()
    assert not any(note.startswith(("GELU", "ELU", "ReLU")) for note in relu)
    notes = cr.activations.table(["silu", "mish", cr.activations.LeakyReLU(0.2)]).notes()
    assert notes[:3] == [
        "SiLU, Swish; Mish: σ(x) = 1/(1 + exp(−x)), the logistic function.",
        "Mish: s = log(1 + exp(x)).",
        "LeakyReLU: γ = 0.2.",
    ]
    assert notes[3:] == relu


def test_html() -> None:
    text = cr.activations.table()._repr_html_()
    root = parsed(text)
    cells = [[cell.text for cell in row] for row in root.iter("tr")]
    assert cells == cr.activations.table().cells()
    assert "I(x &gt; 0)" in text
    assert [div.text for div in root.iter("div") if div.text] == cr.activations.table().notes()


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a b c", 3, ["a b", "c"]),
        ("zero-centered", 9, ["zero-", "centered"]),
        ("(a + b)/(c + d)", 9, ["(a + b)", "/(c + d)"]),
        ("f(a, b) + g(c, d) − h", 12, ["f(a, b)", "+ g(c, d)", "− h"]),
        ("f(a, b, c)", 6, ["f(a,", "b, c)"]),
        ("unbreakable", 4, ["unbreakable"]),
        ("", 4, [""]),
    ],
)
def test_wrap(text: str, width: int, lines: list[str]) -> None:
    assert wrap(text, width) == lines


def test_unknown_names() -> None:
    for ask in (cr.activations.table, cr.activations.plot):
        with pytest.raises(ArgumentError, match=r"^activation: got 'rleu'; .* Did you mean 'relu'"):
            ask(["tanh", "rleu"])
        with pytest.raises(ArgumentError) as caught:
            ask([np.tanh])
        assert str(caught.value) == (
            "names: got the function 'tanh'; expected activations of which something is known, or "
            "their names."
        )


# The plot ------------------------------------------------------------------------------------


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def charts(svg: str) -> dict[str, ET.Element]:
    root = parsed(svg)
    found = [g for g in root.iter(f"{SVG}g") if "transform" in g.attrib]
    return {str(next(g.iter(f"{SVG}text")).text): g for g in found}


def points(chart: ET.Element) -> list[tuple[bool, np.ndarray]]:
    """Return the curves' pieces: whether f′ is drawn (dashed), and its points in pixels."""
    return [
        (
            "stroke-dasharray" in line.attrib,
            np.array([pair.split(",") for pair in line.attrib["points"].split()], float),
        )
        for line in chart.iter(f"{SVG}polyline")
    ]


def test_a_chart_for_each() -> None:
    plot = cr.activations.plot()
    titles = list(charts(plot.svg))
    assert len(titles) == len(KINDS)
    assert titles[:4] == ["Logistic", "Tanh", "ReLU", "LeakyReLU (γ = 0.01)"]
    assert titles[-2:] == ["Softmax of (x, 0)", "LogSoftmax of (x, 0)"]
    assert "Maxout (K = 2) of (x, 0)" in titles
    assert plot.names[:2] == ("sigmoid", "tanh")


@pytest.mark.parametrize("name", ["sigmoid", "elu(0.3)", "hard_silu", "gelu", "relu6"])
def test_the_curves_are_f_and_its_derivative(name: str) -> None:
    """From pixels back to values, by the labels of the axes."""
    (chart,) = charts(cr.activations.plot(name).svg).values()
    labels = [
        (float(t.attrib["x"]), float(t.attrib["y"]), float(str(t.text).replace("−", "-")), t.attrib)
        for t in list(chart.iter(f"{SVG}text"))[1:]
    ]
    xs = [(x, v) for x, _, v, given in labels if given["text-anchor"] == "middle"]
    ys = [(y - 4, v) for _, y, v, given in labels if given["text-anchor"] == "end"]
    to_x = np.polynomial.Polynomial.fit(*zip(*xs, strict=True), 1)
    to_y = np.polynomial.Polynomial.fit(*zip(*ys, strict=True), 1)
    kind = cr.activations.get(name)
    pieces = points(chart)
    assert len(pieces) == 2 * (len(kind.kinks) + 1)
    for is_slope, pixels in pieces:
        x, y = to_x(pixels[:, 0]), to_y(pixels[:, 1])
        inner = slice(1, -1) if len(x) > 2 else slice(None)
        if len(x) == 2:
            x, y = x.mean(keepdims=True), y.mean(keepdims=True)
        expected = kind.derivative(x) if is_slope else kind(x)
        np.testing.assert_allclose(y[inner], expected.numpy()[inner], atol=0.03)


def test_kinks_are_marked() -> None:
    (chart,) = charts(cr.activations.plot("relu").svg).values()
    titles = [str(t.text) for t in chart.iter(f"{SVG}title")]
    assert titles == ["x = 0: f′ = 0 is taken there"] * 2
    rings = [c for c in chart.iter(f"{SVG}circle") if "stroke" in c.attrib]
    assert len(rings) == 1  # the limit from the right; that from the left is what is taken
    (smooth,) = charts(cr.activations.plot("tanh").svg).values()
    assert not list(smooth.iter(f"{SVG}circle"))
    assert "kink" in cr.activations.plot(["tanh", "relu"]).svg
    assert "kink" not in cr.activations.plot(["tanh", "elu"]).svg


def test_kinks_beyond_the_usual_interval_are_shown() -> None:
    (chart,) = charts(cr.activations.plot("relu6").svg).values()
    assert len(list(chart.iter(f"{SVG}title"))) == 4
    (narrow,) = charts(cr.activations.plot("relu6", interval=(-1, 1)).svg).values()
    assert len(list(narrow.iter(f"{SVG}title"))) == 2


def test_kinks_far_to_the_left_are_shown_too() -> None:
    hinge = dataclasses.replace(
        cr.activations.relu,
        function=lambda x: cr.relu(x + 7.0),
        closed_form=lambda x: cr.activations.relu.derivative(x + 7.0),
        kinks={-7.0: 0.0},
    )
    svg = cr.activations.plot(hinge).svg
    assert parsed(svg).attrib["aria-label"].startswith("ReLU, x from −8 to 4, f between 0 and 11,")
    assert "x = −7: f′ = 0 is taken there" in svg


def test_the_legend_fits_above_a_single_chart() -> None:
    root = parsed(cr.activations.plot("relu").svg)
    legend = next(root.iter(f"{SVG}g"))
    texts = list(legend.iter(f"{SVG}text"))
    assert [t.text for t in texts] == [*("f(x)", "f′(x)", "kink of f", "limits of f′", "f′ there")]
    ends = [float(t.attrib["x"]) + 0.55 * 12 * len(str(t.text)) for t in texts]
    starts = [float(t.attrib["x"]) for t in texts]
    assert all(end < start for end, start in zip(ends[:-1], starts[1:], strict=True))
    assert ends[-1] < float(root.attrib["width"])


def test_what_a_screen_reader_says() -> None:
    root = parsed(cr.activations.plot(["tanh", "relu"], interval=(-2, 2)).svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == (
        "Tanh, x from −2 to 2, f between −0.964 and 0.964, f′ between 0.0707 and 1; "
        "ReLU, x from −2 to 2, f between 0 and 2, f′ between 0 and 1"
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 9])
def test_charts_lie_apart_and_inside(count: int) -> None:
    names = [kind.name for kind in KINDS if kind.elementwise][:count]
    svg = cr.activations.plot(names).svg
    root = parsed(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    corners = set()
    for chart in charts(svg).values():
        x, y = map(float, re.findall(r"[\d.]+", chart.attrib["transform"]))
        corners.add((x, y))
        for _, pixels in points(chart):
            assert (pixels >= 0).all()
            assert (pixels + np.array([x, y]) <= np.array([width, height])).all()
    assert len(corners) == count


def test_columns() -> None:
    widths = [
        float(parsed(cr.activations.plot(["relu"] * 4, columns=n).svg).attrib["width"])
        for n in (1, 2, 3, 4)
    ]
    assert widths == sorted(widths)
    assert len(set(widths)) == 4


def test_a_picture_shows_itself_and_goes_into_files(tmp_path: Path) -> None:
    plot = cr.activations.plot(["relu", cr.activations.ELU(0.5)])
    assert repr(plot) == "<plot of relu, elu(gamma=0.5)>"
    assert str(plot) == plot.svg == plot._repr_svg_()
    assert plot.svg.startswith("<svg ")
    file = plot.save(tmp_path / "relu.svg")
    assert file.read_text("utf-8") == plot.svg + "\n"
    assert [each.name for each in tmp_path.iterdir()] == ["relu.svg"]
    for text in ("<script", "http-equiv", "url(", "@import"):
        assert text not in plot.svg
    assert "prefers-color-scheme:dark" in plot.svg
    assert html.unescape(plot.svg).count("http") == 1  # the namespace: nothing is loaded


def test_wrong_files(tmp_path: Path) -> None:
    plot = cr.activations.plot("relu")
    with pytest.raises(ArgumentError) as caught:
        plot.save("relu.png")
    assert str(caught.value) == (
        "path: got 'relu.png'; expected a name that ends in .svg. Browsers open SVG."
    )
    with pytest.raises(FileError, match="a folder that does not exist"):
        plot.save(tmp_path / "missing" / "relu.svg")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"names": []}, "names: got no names; expected at least one activation, or None for all."),
        (
            {"interval": (2.0, 2.0)},
            "interval: got (2, 2); expected two finite numbers, ascending.",
        ),
        (
            {"interval": (-np.inf, 0)},
            "interval: got (-inf, 0); expected two finite numbers, ascending.",
        ),
        ({"columns": 0}, "columns: got 0; expected a whole number from 1."),
        ({"columns": 1.5}, "columns: got 1.5; expected a whole number from 1."),
    ],
)
def test_wrong_plots(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.activations.plot(**arguments)  # type: ignore[arg-type]
    assert str(caught.value) == text
