"""Pictures of graphs: well-formed, complete, escaped, and the same without a script."""

from __future__ import annotations

import re
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.recording import record
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Graph
from chainrule.core.tensor import bind
from chainrule.ops.tuples import item_p
from chainrule.passes.fuse import fuse
from chainrule.viz.graphs.groups import fold, group
from chainrule.viz.graphs.leaves import leaves_of
from chainrule.viz.graphs.placement import place
from chainrule.viz.graphs.runs import gather

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
        *("x", "w", "b", "h1×", "h2+", "h3× −1", "h4exp", "h5+ 1", "h61 / ·", "result")
    ]
    assert texts(root, "value")[:9] == ["1", "0", "0", "0", "0", "0", "1", "2", "0.5"]
    assert texts(root, "adjoint")[:9] == [
        *("∂ 0", "∂ 0.25", "∂ 0.25", "∂ 0.25", "∂ 0.25", "∂ −0.25", "∂ −0.25", "∂ −0.25", "∂ 1")
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
        assert len([e for e in leaves if part in e.get("class", "")]) == expected
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
    assert texts(outer, "title")[0] == "loop_for_pictures"
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


def test_control_flow_shows_values_at_its_results() -> None:
    def f(w: cr.Tensor, xs: cr.Tensor) -> cr.Tensor:
        carry, ys = cr.scan(lambda c, x: (c * w + x, c), 1.0, xs)
        return 2 * carry + ys.sum()

    xs = np.arange(3.0, dtype=np.float32)
    graph = cr.trace(f)(0.5, xs)
    for collapsed in (False, True):
        root = parse(graph.to_svg([0.5, xs], collapsed=collapsed))
        (frame, *_) = of_class(root, "body")
        loop = next(e for e in of_class(frame, "operation") if "h1scan" in texts(e, "main")[0])
        assert texts(loop, "value") == ["2.625", "[1 0.5 1.25]"]
        assert texts(loop, "adjoint") == ["∂ 2", "∂ [1 1 1]"]
        (labels,) = [e for e in frame if e.get("class") == "labels"]
        assert texts(labels, "type") == ["[0] 2.625 ∂ 2", "[1] 3 [1 0.5 1.25] ∂ [1 1 1]"]
        assert labels.get("style") == (None if collapsed else "display:none")
    (branch,) = of_class(
        parse(cr.trace(lambda x: cr.cond(x > 0, cr.sin, cr.cos, x))(1.0).to_svg([0.0])), "body"
    )[:1]
    assert texts(branch, "adjoint")[0] == "∂ 1"
    assert "[0]" not in "".join(branch.itertext())


def test_a_line_has_its_type_once() -> None:
    graph = cr.trace(lambda x: cr.scan(lambda c, _: (c * x, c), x, length=5)[1] + 1)(1.0)
    root = parse(graph.to_svg(collapsed=False))
    for hidden in [e for e in root.iter() if e.get("style") == "display:none"]:
        hidden.clear()
    assert [t for t in texts(root, "type") if "[" in t] == ["[1] 5"]


def test_operation_stands_above_its_bodies() -> None:
    graph = cr.trace(lambda x: cr.cond(x > 0, cr.sin, cr.cos, x))(1.0)
    root = parse(graph.to_svg())
    (frame, *bodies) = of_class(root, "body")
    (inside,) = [e for e in frame if e.get("class") == "inside"]
    (items,) = [e for e in inside if e.get("class") == "items"]

    def y(element: ET.Element) -> float:
        return float(re.findall(r" (\S+)\)", element.get("transform", ""))[0])

    (loop,) = [e for e in items if "operation" in e.get("class", "")]
    assert all(y(loop) < y(body) for body in bodies)


def test_kernels_true_frames_what_is_fused() -> None:
    fast = cr.compile(lambda x, w: cr.exp(cr.tanh(x @ w)).sum())
    graph = fast.graph(np.ones((2, 3), np.float32), np.ones((3, 2), np.float32))
    frames = of_class(parse(graph.to_svg(kernels=True)), "kernel")
    expected = [kernel.name for kernel in fuse(graph)]
    assert [texts(f, "title")[0] for f in frames] == expected
    assert graph.to_dot(kernels=True).count("subgraph") == len(expected)
    assert not of_class(parse(graph.to_svg(kernels=False)), "kernel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"collapsed": "yes"}, r"collapsed: got 'yes'; expected True, False or None"),
        ({"kernels": 3}, r"kernels: got 3; expected True, or a list of objects"),
        ({"kernels": [1]}, r"kernels: got \[1\]; expected True, or a list of objects"),
        ({"title": 3}, r"title: got 3; expected text"),
    ],
)
def test_wrong_arguments_are_explained(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        cr.trace(lambda x: x * 2)(1.0).to_svg(**options)


def test_kernels_of_another_graph_are_refused() -> None:
    graph, other = cr.trace(cr.exp)(1.0), cr.trace(cr.exp)(1.0)
    with pytest.raises(ArgumentError, match="nodes of another graph"):
        graph.to_svg(kernels=fuse(other))


def test_notebooks_get_a_page_whose_script_runs_and_an_image_with_open_frames() -> None:
    graph = training_graph(6)
    frame = ET.fromstring(graph._repr_html_())
    assert frame.tag == "iframe"
    assert frame.get("sandbox") == "allow-scripts"
    assert " ".join(graph.to_svg().split()) in " ".join(frame.get("srcdoc", "").split())
    assert "height:" in frame.get("style", "")
    assert "<script>" in frame.get("srcdoc", "")
    assert not any(
        e.get("style") == "display:none" for e in of_class(parse(graph._repr_svg_()), "inside")
    )


def test_legend_tells_only_what_is_to_be_seen() -> None:
    graph = training_graph()

    def legend(**options: bool) -> list[str]:
        (found,) = of_class(parse(graph.to_svg(**options)), "legend")
        return [t for e in found if e.get("style") is None for t in texts(e, "note")]

    parts = ["computes the result", "computes gradients", "updates parameters"]
    assert legend(collapsed=False) == [*parts, "parameter", "state, not trained"]
    assert legend(collapsed=True) == parts
    (found,) = of_class(parse(cr.trace(lambda x: x * 2)(1.0).to_svg()), "legend")
    assert not texts(found, "note")


def test_narrow_graphs_stand_in_the_middle_above_a_wrapped_legend() -> None:
    graph = cr.trace(lambda x: cr.exp(x))(1.0)
    root = parse(graph.to_svg([1.0]))
    width = float(root.get("width", 0))
    (inside,) = [e for e in root if e.get("class") == "inside"]
    start = float(re.findall(r"\((\S+) ", inside.get("transform", ""))[0])
    xs = [
        float(m)
        for e in of_class(inside, "leaf")
        for m in re.findall(r"\((\S+) ", e.get("transform", ""))
    ]
    assert start + xs[0] == pytest.approx(width / 2, abs=1)
    assert width < 220
    ys = {e.get("transform", "").split()[-1] for e in of_class(root, "legend")[0]}
    assert len(ys) == 2
    assert f"min-width:{width:.0f}px" in root.get("style", "")


def test_pictures_shrink_only_so_far() -> None:
    root = parse(training_graph().to_svg(collapsed=True))
    width = float(root.get("width", 0))
    least = float(re.findall(r"min-width:(\d+)px", root.get("style", ""))[0])
    assert least >= 0.74 * width


def test_deep_networks_are_drawn_compactly() -> None:
    graph = training_graph(40)
    root = parse(graph.to_svg())
    assert float(root.get("width", 0)) < 1000
    assert float(root.get("height", 0)) < 1200
    titles = texts(root, "title")
    for part in ("", " · gradient", " · update"):
        assert f"layers.0–39 Dense ×40{part}" in titles
    assert "layers.17 Dense" in titles
    assert len(of_class(root, "operation")) >= len(graph.nodes)


def test_deep_networks_without_runs_are_gathered_by_part() -> None:
    layers = [layer for _ in range(16) for layer in (cr.Dense(4, "tanh"), cr.LayerNorm())]
    model = cr.Sequential([*layers, cr.Dense(3)])
    x = np.zeros((8, 4), np.float32)
    model(x)

    def step(x: cr.Tensor) -> cr.Tensor:
        parameters = list(model.parameters().values())
        return cr.optim.SGD(0.1).minimize(lambda: cr.square(model(x)).mean(), parameters)

    root = parse(cr.trace(step)(x).to_svg())
    assert {"result", "gradients", "updates"} <= set(texts(root, "title"))
    assert float(root.get("width", 0)) < 1200


def test_a_kernel_has_the_tint_of_most_of_its_nodes() -> None:
    graph = training_graph()
    forward = [n for n in graph.nodes if n.origin.part == "forward"][:2]
    gradient = [n for n in graph.nodes if n.origin.part == "gradient"][:1]
    kernel = SimpleNamespace(name="mixed", nodes=[*forward, *gradient])
    frames = of_class(parse(graph.to_svg(kernels=[kernel])), "kernel")
    assert {e.get("class") for e in frames} == {"frame kernel forward"}


def test_pictures_show_what_is_not_finite_without_warnings() -> None:
    def naive(x: cr.Tensor) -> cr.Tensor:
        e = cr.exp(x)
        return cr.log((e / e.sum())[2])

    x = np.array([1e3, -1e3, 0.0, 1.0], np.float32)
    graph = cr.trace(naive)(x)
    assert "−inf" in graph.to_svg([x])
    assert "−1000" in graph.optimize().to_svg([x])
    assert "nan" not in graph.optimize().to_svg([x])


def test_an_opened_run_is_narrow() -> None:
    leaves = leaves_of(training_graph(40))
    gather(leaves)
    root = group(leaves)
    fold(root, leaves, None)
    for run in root.groups():
        run.is_open = True
    placed = place(root, leaves)
    runs = [i.inside for i in placed.items if i.inside and i.inside.group.frame_kind() == "run"]
    assert len(runs) == 3
    for run in runs:
        assert len(run.group.groups()) == 40
    assert [run.width < most for run, most in zip(runs, (500, 600, 1500), strict=True)] == [
        True
    ] * 3
