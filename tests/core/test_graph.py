from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import GraphError
from chainrule.core.graph import (
    PRIMITIVES,
    Graph,
    Node,
    PerArgument,
    Primitive,
    ancestors,
    example,
    known_data,
)
from chainrule.core.tensor import Tensor, unknown
from chainrule.core.types import FLOAT32, FLOAT64, ArrayType

VECTOR = ArrayType((3,), FLOAT32)
MULTIPLY = PRIMITIVES["multiply"]


def variable(kind: ArrayType = VECTOR) -> Tensor:
    return unknown(kind)


def example_graph() -> Graph:
    x, w = variable(), variable()
    return Graph([x, w], [cr.tanh(x * w) + 1.0, x], ["x", "w"])


# Printing ------------------------------------------------------------------------------------


def test_printed_text() -> None:
    x, w = variable(), variable(ArrayType((2, 3), FLOAT32))
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    y = cr.exp(-(w * x)) + 1.0
    graph = Graph([x, w], [(1 / y).sum(axis=1), y @ table, x, cr.tensor(2.5)], ["x", "w"])
    assert str(graph) == "\n".join(
        [
            "graph(x: float32[3], w: float32[2,3]) {",
            "  h1: float32[2,3] = multiply(w, x)",
            "  h2: float32[2,3] = negative(h1)",
            "  h3: float32[2,3] = exp(h2)",
            "  h4: float32[2,3] = add(h3, 1)",
            "  h5: float32[2,3] = divide(1, h4)",
            "  h6: float32[2] = sum(h5, axes=(1,), keepdims=False)",
            "  h7: float32[2,2] = matmul(h4, constant:float32[3,2])",
            "  return h6, h7, x, 2.5",
            "}",
        ]
    )
    assert repr(graph) == "<Graph of 7 nodes, 2 inputs>"


def test_names_of_inputs() -> None:
    x, y = variable(), variable()
    unnamed = Graph([x, y], [x * y])
    assert str(unnamed).splitlines()[0] == "graph(x1: float32[3], x2: float32[3]) {"
    taken = Graph([x, y], [x * y * x], ["h1", "h3"])
    assert list(taken.names.values()) == ["h1", "h3", "h2", "h4"]
    with pytest.raises(ValueError, match="zip"):
        Graph([x, y], [x * y], ["only one"])


def test_constants_are_named_by_their_value() -> None:
    x = variable()
    graph = Graph([x], [x * 0.1 + cr.tensor(np.float32(7)), cr.where(x > 0, True, False)])
    assert [graph.name(c) for c in graph.constants].count("7") == 1
    assert "multiply(x1, 0.1)" in str(graph)
    assert "where(h3, 1, 0)" in str(graph)


# Structure -----------------------------------------------------------------------------------


def test_each_node_stands_once_after_its_inputs() -> None:
    x = variable()
    square = x * x
    graph = Graph([x], [square + square, square])
    assert [node.primitive.name for node in graph.nodes if node.primitive] == ["multiply", "add"]


def test_what_does_not_depend_on_an_input_is_a_constant() -> None:
    x = variable()
    table = cr.exp(cr.ones(3)) * 2.0
    graph = Graph([x], [x * table])
    assert graph.constants == [table]
    assert len(graph.nodes) == 1
    assert Graph([], [table]).evaluate()[0] is table.data


def test_what_was_recorded_before_is_a_constant() -> None:
    x, w = variable(), cr.Parameter([1.0, 2.0, 3.0])
    recorded = w * w
    graph = Graph([x], [x * recorded + recorded])
    assert graph.constants == [recorded]
    assert [node.primitive.name for node in graph.nodes if node.primitive] == ["multiply", "add"]


def test_inner_nodes_can_be_inputs() -> None:
    x = variable()
    middle = cr.exp(x)
    graph = Graph([middle], [middle * 2.0])
    np.testing.assert_array_equal(graph.evaluate(np.ones(3, "f4"))[0], np.full(3, 2, "f4"))


def test_a_recorded_graph_is_a_graph() -> None:
    """What eager execution records is of the same nodes: Graph takes it as it is."""
    w = cr.Parameter([1.0, 2.0, 3.0])
    loss = (w * w).sum()
    graph = Graph([w.value], [loss], ["w"])
    assert str(graph).splitlines()[1:-1] == [
        "  h1: float32[3] = multiply(w, w)",
        "  h2: float32[] = sum(h1, axes=(0,), keepdims=False)",
        "  return h2",
    ]
    assert graph.evaluate(np.ones(3, "f4"))[0] == 3.0


def test_evaluate() -> None:
    graph = example_graph()
    x, w = np.array([1, 2, 3], "f4"), np.array([0.5, 0, -1], "f4")
    y, same = graph.evaluate(x, w)
    np.testing.assert_array_equal(y, np.tanh(x * w) + 1)
    assert same is x
    with pytest.raises(ValueError, match="zip"):
        graph.evaluate(x)


def test_evaluate_keeps_0d_arrays_arrays() -> None:
    """NumPy returns scalars for 0-d arrays, and a scalar float64 counts as a Python number."""
    kind = ArrayType((), FLOAT64)
    x = unknown(kind)
    found = Graph([x], [cr.exp(x) * 2.0]).evaluate(np.array(0.1))[0]
    assert isinstance(found, np.ndarray)
    assert cr.trace(lambda x: cr.exp(x) * 2.0)(np.array(0.1))(np.array(0.1)).dtype == "float64"


def test_interpret_runs_any_meaning() -> None:
    """The same loop that evaluates can count operations, or anything else."""
    graph = example_graph()
    depth = graph.interpret([0, 0], lambda node, xs: max(xs) + 1, lambda constant: 0)
    assert depth == [3, 0]


def test_ancestors() -> None:
    x = variable()
    a = cr.exp(x)
    b = cr.tanh(a)
    c = a * b
    assert ancestors([c]) == [x, a, b, c]
    assert ancestors([b, c, b], stop=[a]) == [a, b, c]
    assert ancestors([c], follow=lambda node: node is not b) == [x, a, c]
    assert ancestors([c], follow=lambda node: node is not c) == []


# verify --------------------------------------------------------------------------------------


def test_a_good_graph_passes() -> None:
    example_graph().verify()


def test_an_input_that_stands_twice() -> None:
    x = variable()
    with pytest.raises(GraphError, match="an input stands twice in the list of inputs"):
        Graph([x, x], [x * x])


def test_a_value_of_another_trace() -> None:
    x, stranger = variable(), variable()
    text = (
        "a value of type float32[3] is used but is neither an input nor computed: it belongs to "
        "another trace"
    )
    with pytest.raises(GraphError, match=re.escape(text)):
        Graph([x], [x * stranger])


def test_a_value_that_escapes_from_a_trace() -> None:
    kept: list[Any] = []
    cr.trace(lambda x: kept.append(x) or x)(1.0)
    with pytest.raises(GraphError, match="it belongs to another trace"):
        cr.trace(lambda y: y + kept[0])(1.0)


def test_nodes_out_of_order() -> None:
    graph = example_graph()
    graph.nodes.reverse()
    with pytest.raises(GraphError, match="h3 uses a value that is not defined before it"):
        graph.verify()


def test_a_node_that_is_missing() -> None:
    graph = example_graph()
    del graph.nodes[0]
    with pytest.raises(GraphError, match="h2 uses a value that is not defined before it"):
        graph.verify()


def test_a_wrong_type() -> None:
    graph = example_graph()
    graph.nodes[1]._type = ArrayType((3,), FLOAT64)
    text = "h2 = tanh(...) is of type float64[3]; its type rule says float32[3]"
    with pytest.raises(GraphError, match=re.escape(text)):
        graph.verify()


def test_inputs_that_the_type_rule_refuses() -> None:
    graph = example_graph()
    graph.constants.append(Tensor(np.zeros(2, np.float32)))
    graph.nodes[0].inputs = (graph.inputs[0], graph.constants[-1])
    with pytest.raises(GraphError, match=r"h1 = multiply\(\.\.\.\): shapes: got \(3,\) and \(2,\)"):
        graph.verify()


def test_an_output_that_is_not_defined() -> None:
    graph = example_graph()
    graph.outputs = (*graph.outputs, variable())
    with pytest.raises(GraphError, match="an output is not defined in the graph"):
        graph.verify()


# Primitives ----------------------------------------------------------------------------------


def test_a_name_is_taken_once() -> None:
    with pytest.raises(GraphError, match="a primitive named 'add' exists already"):
        Primitive("add", eval=np.add, type_rule=lambda x, y: x)
    assert PRIMITIVES["add"].eval is np.add


def test_primitives_are_registered_by_name() -> None:
    assert all(primitive.name == name for name, primitive in PRIMITIVES.items())
    assert repr(MULTIPLY) == "<primitive multiply>"


def test_example() -> None:
    index = np.array([0])
    made = example((2, 3), (1,), arrays={1: index}, axis=0)
    assert made.shapes == ((2, 3), (1,))
    assert made.attrs == {"axis": 0}
    assert made.arrays[1] is index
    assert example(()).arrays == {}


def test_rules_for_any_number_of_arguments() -> None:
    rules = PerArgument(lambda i: lambda g, ans, *xs: i)
    assert rules[3](None, None) == 3
    with pytest.raises(TypeError, match="has no number of rules"):
        len(rules)


def test_known_data() -> None:
    assert known_data(cr.tensor(2.0)) == 2.0
    with pytest.raises(AssertionError):
        known_data(variable())
    assert isinstance(variable(), Node)
