"""Words on nodes."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.types import BOOL, FLOAT32, INT64, ArrayType
from chainrule.viz.graphs.labels import short_type, statistics, value_text
from chainrule.viz.graphs.leaves import leaves_of


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: x + 1, "+ 1"),
        (lambda x: 1 + x, "+ 1"),
        (lambda x: 2 - x, "2 − ·"),
        (lambda x: x - 2, "− 2"),
        (lambda x: x / 3, "/ 3"),
        (lambda x: -x, "× −1"),
        (lambda x: cr.maximum(x, 0.0), "max(·, 0)"),
        (lambda x: x.sum(axis=0), "sum axes=0"),
        (lambda x: x.sum(), "sum axes=0, 1"),
        (lambda x: x.T, "transpose axes=1, 0"),
        (lambda x: x.astype("float64"), "to float64"),
        (lambda x: x > 0.5, "> 0.5"),
        (lambda x: cr.reshape(x, (3, 2)), "reshape"),
        (lambda x: x @ x.T, "@"),
    ],
)
def test_operations(f: object, text: str) -> None:
    graph = cr.trace(f)(np.ones((2, 3), np.float32))
    operations = [leaf for leaf in leaves_of(graph) if leaf.kind == "operation"]
    assert operations[-1].text == text


def test_types() -> None:
    assert short_type(ArrayType((32, 64), FLOAT32)) == "32×64"
    assert short_type(ArrayType((), FLOAT32)) == ""
    assert short_type(ArrayType((), BOOL)) == "bool"
    assert short_type(ArrayType((5,), INT64)) == "5 int64"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.25), "0.25"),
        (np.array(-0.0), "0"),
        (np.array(7), "7"),
        (np.array([[1.0, 2.5]]), "[1 2.5]"),
        (np.arange(100.0), "0 … 99"),
        (np.zeros((0, 3)), "empty"),
        (np.array([True] * 3 + [False] * 5), "3 of 8 true"),
        (np.array([1.0, np.nan, 2.0, 3.0, np.inf]), "1 … 3 (2 not finite)"),
        (np.full(5, np.nan), "(5 not finite)"),
        (np.array(np.nan), "nan"),
    ],
)
def test_values(value: np.ndarray, text: str) -> None:
    assert value_text(np.asarray(value)) == text


def test_statistics_do_not_overflow() -> None:
    assert "mean 3e+38" in statistics(np.full(10, 3e38, np.float32))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones(9), "all 1"),
        (np.full(9, -2, np.int64), "all −2"),
        (np.linspace(1.0, 1.0 + 1e-9, 9), "≈ 1"),
        (np.array([1.0] * 5 + [np.nan]), "1 (1 not finite)"),
        (np.array(-1e-9), "−1e−09"),
        (np.array(-np.inf), "−inf"),
        (np.array([-1.2346e-8, -1.2345e-9, 1.2345e-9, 1.0]), "−1.235e−08 … 1"),
        (np.arange(9) - 4, "−4 … 4"),
    ],
)
def test_short_values(value: np.ndarray, text: str) -> None:
    assert value_text(value) == text


def test_long_names_are_clipped() -> None:
    w = cr.Parameter(1.0, name="a.very.long.path.to.some.module.in.a.model.kernel")
    (leaf,) = [x for x in leaves_of(cr.trace(lambda x: x * w)(1.0)) if x.kind == "parameter"]
    assert len(leaf.text) == 34
    assert w.name in leaf.tip


def test_moving_statistics_are_state() -> None:
    model = cr.Sequential([cr.BatchNorm()])
    x = np.ones((4, 3), np.float32)
    model(x)
    kinds = {x.text: x.kind for x in leaves_of(cr.trace(model)(x))}
    assert kinds["moving_mean"] == kinds["moving_variance"] == "state"
    assert kinds["gamma"] == "parameter"


def scanned(x: cr.Tensor) -> cr.Tensor:
    return cr.scan(lambda c, row: (c * x + row, row), x, np.ones(5, np.float32))[0]


def test_control_flow_shows_what_matters_to_its_user() -> None:
    leaves = leaves_of(cr.trace(scanned)(1.0))
    (loop,) = [leaf for leaf in leaves if leaf.holds_bodies]
    assert loop.text == "scan"
    assert [frame.label for frame in loop.path] == ["scan · 5 steps"]
    inputs = [leaf.text for leaf in leaves if leaf.kind == "input" and leaf.path]
    assert inputs == ["carry", "row of constant", "x"]
    results = [leaf.text for leaf in leaves if leaf.kind == "output"]
    assert results == ["next carry", "row", "result"]
    backwards = cr.trace(
        lambda x: cr.scan(lambda c, _: (c * x, None), x, length=1, reverse=True, remat=True)
    )(1.0)
    (loop,) = [leaf for leaf in leaves_of(backwards) if leaf.holds_bodies]
    assert (loop.text, loop.path[-1].label) == ("scan reverse remat", "scan · 1 step")


def test_branches_and_loops() -> None:
    graph = cr.trace(lambda x, y: cr.cond(x > 0, lambda t: t * y, lambda t: t, x))(1.0, 2.0)
    leaves = leaves_of(graph)
    frames = {leaf.path[-1].label for leaf in leaves if leaf.path}
    assert frames == {"cond", "if true", "if false"}
    assert [x.text for x in leaves if x.path and x.kind == "input"] == ["x", "y"] * 2
    graph = cr.trace(lambda x: cr.while_loop(lambda c: c < 9, lambda c: c * 2, x, max_steps=7))(1.0)
    leaves = leaves_of(graph)
    assert next(x.text for x in leaves if x.holds_bodies) == "while max_steps=7"
    assert [x.text for x in leaves if x.kind == "output"] == ["goes on", "next carry", "result"]


def test_the_loop_that_a_gradient_runs_forward_is_forward() -> None:
    leaves = leaves_of(cr.trace(cr.value_and_grad(lambda x: cr.sin(scanned(x))))(1.0))
    loops = [leaf for leaf in leaves if leaf.holds_bodies]
    assert [leaf.part for leaf in loops] == ["forward", "forward", "gradient"]
    assert loops[-1].text == "scan(·, 0, ·, ·, reverse)"
    for leaf in leaves:
        labels = [frame.label for frame in leaf.path]
        assert "gradient" not in labels[labels.index("body") :] if "body" in labels else True


def test_tooltips_hold_no_folders() -> None:
    tips = [leaf.tip for leaf in leaves_of(cr.trace(lambda x: x * 2)(1.0))]
    assert any("test_graph_labels.py:" in tip for tip in tips)
    assert not any("/" in tip for tip in tips)


def test_numbers_among_many_operands_are_left_out() -> None:
    def f(a: cr.Tensor, b: cr.Tensor, c: cr.Tensor) -> object:
        return cr.scan(
            lambda s, x: (s * a + b * c * x, None), 0.0, np.ones(3, np.float32), reverse=True
        )

    (loop,) = [x for x in leaves_of(cr.trace(f)(1.0, 2.0, 3.0)) if x.holds_bodies]
    assert loop.text == "scan reverse"
