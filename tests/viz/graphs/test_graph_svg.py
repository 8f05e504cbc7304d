"""Pictures of graphs: well-formed, complete, escaped, and the same without a script."""

from __future__ import annotations

import re
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.recording import record
from chainrule.core.graph import Graph
from chainrule.core.tensor import bind
from chainrule.ops.tuples import item_p

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in root.iter() if name in e.get("class", "").split()]


def texts(root: ET.Element, name: str) -> list[str]:
    return ["".join(e.itertext()) for e in of_class(root, name)]


def training_graph(layers: int = 3) -> Graph:
    model = cr.Sequential([*_dense(layers), cr.Dense(3)])
    x, y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)
    model(x)
    loss = cr.losses.loss("cross_entropy")
    optimizer = cr.optim.SGD(0.1)

    def step(x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        parameters = list(model.parameters().values())
        return optimizer.minimize(lambda: loss(y, model(x)).mean(), parameters)

    return cr.trace(step)(x, y)


def _dense(count: int) -> list[cr.Dense]:
    return [cr.Dense(6, activation="tanh") for _ in range(count - 1)]


def test_every_node_and_every_argument_is_drawn() -> None:
    graph = cr.trace(lambda x, w: (x @ w + cr.tanh(x @ w)).sum())(np.ones((2, 3)), np.ones((3, 2)))
    root = parse(graph.to_svg())
    assert len(of_class(root, "operation")) == len(graph.nodes)
    assert len(of_class(root, "input")) == 2
    assert len(of_class(root, "output")) == 1
    arguments = sum(len(n.inputs) for n in graph.nodes) + len(graph.outputs)
    assert len(of_class(root, "line")) == arguments
    assert {t.split()[0] for t in texts(root, "name")} == {graph.names[n] for n in graph.nodes}
    assert "2×3 float64" in texts(root, "type")


def test_lecture_graph_shows_values_and_derivatives() -> None:
    graph = cr.trace(lambda x, w, b: 1 / (cr.exp(-(x * w + b)) + 1))(1.0, 0.0, 0.0)
    root = parse(graph.to_svg([1.0, 0.0, 0.0]))
    assert texts(root, "main") == [
        *("x", "w", "b", "h1×", "h2+", "h3× -1", "h4exp", "h5+ 1", "h61 / ·", "result")
    ]
    assert texts(root, "value")[:9] == ["1", "0", "0", "0", "0", "0", "1", "2", "0.5"]
    assert texts(root, "adjoint")[:9] == [
        *("∂ 0", "∂ 0.25", "∂ 0.25", "∂ 0.25", "∂ 0.25", "∂ -0.25", "∂ -0.25", "∂ -0.25", "∂ 1")
    ]


def test_an_argument_used_twice_gives_two_lines() -> None:
    root = parse(cr.trace(lambda x: x * x)(1.0).to_svg())
    assert len(of_class(root, "line")) == 3


def test_a_graph_without_operations() -> None:
    root = parse(cr.trace(lambda x, y: (y, x))(1.0, 2.0).to_svg())
    assert len(of_class(root, "input")) == 2
    assert texts(root, "output")
    assert len(of_class(root, "line")) == 2


def test_constants_stand_in_the_formula_or_as_boxes() -> None:
    large = np.arange(12.0).reshape(3, 4)
    graph = cr.trace(lambda x: x * 0.5 + large + np.array([1.0, 2.0, 3.0, 4.0]))(np.ones((3, 4)))
    root = parse(graph.to_svg())
    assert "h1× 0.5" in texts(root, "main")
    assert [t for e in of_class(root, "constant") for t in texts(e, "main")] == [
        "constant",
        "[1 2 3 4]",
    ]


@pytest.mark.parametrize("collapsed", [True, False])
def test_parts_have_their_tints_and_layers_their_frames(collapsed: bool) -> None:
    graph = training_graph()
    root = parse(graph.to_svg(collapsed=collapsed))
    leaves = [e for e in of_class(root, "operation") if "transform" in e.attrib]
    for part in ("forward", "gradient", "update"):
        expected = sum(n.origin.part == part for n in graph.nodes)
        legend = 1
        assert len([e for e in leaves if part in e.get("class", "")]) == expected + legend
    titles = texts(root, "title")
    assert {"layers.0 Dense", "layers.1 Dense", "layers.2 Dense"} <= set(titles)
    assert "layers.1 Dense · update" in titles
    insides = list(of_class(root, "inside"))[1:]
    hidden = [e.get("style") == "display:none" for e in insides]
    assert all(hidden) is collapsed
    assert any(hidden) is collapsed
    names = texts(root, "main")
    assert {"layers.0.kernel", "layers.0.kernel.grad", "new layers.0.kernel"} <= set(names)


def test_large_graphs_start_collapsed() -> None:
    assert 'style="display:none" transform' in training_graph(6).to_svg()
    assert 'style="display:none" transform' not in training_graph(1).to_svg()


def test_everything_is_inside_the_view_box() -> None:
    root = parse(training_graph().to_svg(collapsed=False))
    _, _, width, height = map(float, root.get("viewBox", "").split())

    def check(element: ET.Element, x: float, y: float) -> None:
        moved = re.match(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        if element.tag == f"{SVG}rect" and element.get("class") != "paper":
            left, top = x + float(element.get("x", 0)), y + float(element.get("y", 0))
            assert left >= -0.1
            assert top >= -0.1
            assert left + float(element.get("width", 0)) <= width + 0.1
            assert top + float(element.get("height", 0)) <= height + 0.1
        for child in element:
            check(child, x, y)

    check(root, 0, 0)


def test_text_is_escaped() -> None:
    w = cr.Parameter([1.0], name='<script>&"')
    svg = cr.trace(lambda x: x * w)([1.0]).to_svg([[2.0]], title="a < b & c")
    root = parse(svg)
    assert '<script>&"' in texts(root, "main")
    assert "<script>&" not in svg
    assert root.get("aria-label") == "a < b & c"


def test_picture_stands_by_itself() -> None:
    svg = training_graph().to_svg()
    root = parse(svg)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title") is not None
    assert not [e for e in root.iter() if "id" in e.attrib]
    addresses = set(re.findall(r"[a-z]+://[^\"' )]+", svg))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme:dark" in svg
    (script,) = root.iter(f"{SVG}script")
    assert "document.currentScript.parentNode" in (script.text or "")
    assert "<" not in (script.text or "")
    assert "<script" not in cr.trace(lambda x: x * 2)(1.0).to_svg()


def test_tooltips_tell_the_line_and_the_module() -> None:
    tips = [e.text or "" for e in parse(training_graph().to_svg()).iter(f"{SVG}title")]
    tip = next(t for t in tips if t.startswith("h1:"))
    assert "h1: float32[8,6] = matmul(x, layers.0.kernel)" in tip
    assert "layers.0 Dense" in tip
    assert "test_graph_svg.py:" in tip


def test_recorded_graphs_show_their_values() -> None:
    x, w = cr.tensor(2.0), cr.Parameter(3.0, name="w")
    with record() as recording:
        y = x * w + 1.0
    root = parse(recording.graph(y).to_svg())
    assert [t for e in of_class(root, "operation") for t in texts(e, "value")] == ["6", "7"]
    assert len([e for e in of_class(root, "parameter") if e.find(f"{SVG}title") is not None]) == 1


def test_kernels_are_frames() -> None:
    graph = cr.trace(lambda x, w: cr.exp(cr.tanh(x @ w)).sum())(np.ones((2, 3)), np.ones((3, 2)))
    kernels = [
        SimpleNamespace(name="gemm+tanh", nodes=graph.nodes[:2]),
        SimpleNamespace(name="reduce", nodes=graph.nodes[2:]),
    ]
    root = parse(graph.to_svg(kernels=kernels))
    frames = of_class(root, "kernel")
    assert [texts(f, "title")[0] for f in frames] == ["gemm+tanh", "reduce"]
    assert [len(of_class(f, "operation")) for f in frames] == [2, len(graph.nodes) - 2]


@pytest.fixture(scope="module")
def divmod_p() -> cr.core.graph.Primitive:
    from chainrule.core.types import TupleType

    return cr.core.graph.Primitive(
        "divmod_for_pictures",
        eval=lambda x, y: tuple(np.divmod(x, y)),
        type_rule=lambda x, y: TupleType((x, y)),
    )


def test_items_of_a_tuple_are_ports(divmod_p: cr.core.graph.Primitive) -> None:
    def f(x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        both = bind(divmod_p, x, y)
        return bind(item_p, both, index=0) + 2 * bind(item_p, both, index=1)

    root = parse(cr.trace(f)(np.ones(3, np.float32), np.ones(3, np.float32)).to_svg())
    assert [t for t in texts(root, "type") if "[" in t] == ["[0] 3", "[1] 3"]
    assert not [t for t in texts(root, "main") if "item" in t]
    assert len(of_class(root, "operation")) == 3


def test_inner_graphs_are_drawn_inside_their_operation() -> None:
    body = cr.trace(lambda s: cr.tanh(s) * 2)(1.0)
    loop = cr.core.graph.Primitive(
        "loop_for_pictures", eval=lambda x, *, body, steps: x, type_rule=lambda x, **_: x
    )
    graph = cr.trace(lambda x: bind(loop, x, body=body, steps=3) + 1)(1.0)
    root = parse(graph.to_svg())
    outer, inner = of_class(root, "body")
    assert texts(outer, "title")[0] == "loop_for_pictures h1"
    assert texts(inner, "title") == ["body"]
    assert "h1loop_for_pictures steps=3" in texts(outer, "main")
    assert texts(inner, "main") == ["s", "h1tanh", "h2× 2", "result"]


def test_long_lines_become_references_in_deep_graphs() -> None:
    def f(x: cr.Tensor) -> cr.Tensor:
        kept = []
        for _ in range(60):
            x = cr.tanh(x)
            kept.append(x)
        for h in reversed(kept):
            x = x * h
        return x

    graph = cr.trace(f)(1.0)
    root = parse(graph.to_svg())
    references = of_class(root, "reference")
    assert len(references) > 10
    names = {graph.names[n] for n in graph.nodes}
    assert {t for e in references for t in texts(e, "main")} <= names
    arguments = sum(len(n.inputs) for n in graph.nodes) + 1
    assert len(of_class(root, "line")) == arguments


def test_notebooks_show_the_picture() -> None:
    graph = cr.trace(lambda x: x * 2)(1.0)
    assert graph._repr_svg_() == graph.to_svg()
    assert graph.to_svg() == graph.to_svg()


def test_lines_lead_from_box_to_box_or_branch_off_another_line() -> None:
    def f(x: cr.Tensor) -> cr.Tensor:
        a = cr.tanh(x)
        b = cr.exp(a)
        c = cr.sin(b)
        return (a * c + b) * a

    root = parse(cr.trace(f)([1.0, 2.0]).to_svg())
    bottoms, tops = set(), set()
    for leaf in of_class(root, "leaf"):
        place = re.match(r"translate\((\S+) (\S+)\)", leaf.get("transform", ""))
        box = leaf.find(f"{SVG}rect")
        assert place is not None
        assert box is not None
        half = float(box.get("height", 0)) / 2
        bottoms.add((float(place[1]), round(float(place[2]) + half, 1)))
        tops.add(round(float(place[2]) - half, 1))
    ways = [e.get("d", "") for e in of_class(root, "line")]
    assert len(ways) == 10
    branches = 0
    for way in ways:
        x, y = map(float, re.findall(r"M(\S+) ([\d.]+)", way)[0])
        if (x, y) not in bottoms:
            branches += 1
            others = [other for other in ways if other != way]
            assert any(re.search(rf" {x:.1f} [\d.]+V{y:.1f}", other) for other in others) or any(
                re.search(rf" {x:.1f} [\d.V]*V{y:.1f}", other) for other in others
            )
        assert float(way.rpartition("V")[2]) in tops
    assert branches == 1


def test_operands_arrive_in_order_unless_they_may_change_places() -> None:
    def ends(f: object) -> list[float]:
        root = parse(cr.trace(f)(1.0, 2.0).to_svg())
        ways = [e.get("d", "") for e in of_class(root, "line")][:2]
        return [float(re.findall(r"([\d.]+) [\d.]+V[\d.]+$", way)[0]) for way in ways]

    left, right = ends(lambda x, y: x - y)
    assert left < right
    left, right = ends(lambda x, y: y - x)
    assert left < right
    assert ends(lambda x, y: x + y) == sorted(ends(lambda x, y: y + x))


def test_operands_that_may_change_places_do_not_cross() -> None:
    root = parse(cr.trace(lambda x, y: (x - y, y + x))(1.0, 2.0).to_svg())
    ways = [e.get("d", "") for e in of_class(root, "line")][2:4]  # of y + x
    starts = [float(re.findall(r"M([\d.]+)", way)[0]) for way in ways]
    ends = [float(re.findall(r"([\d.]+) [\d.]+V[\d.]+$", way)[0]) for way in ways]
    assert (starts[0] < starts[1]) is (ends[0] < ends[1])
