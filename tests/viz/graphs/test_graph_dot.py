"""Graphviz's language, checked by a small reader of it: Graphviz itself is not needed."""

from __future__ import annotations

import re

import numpy as np

import chainrule as cr
from chainrule.viz.graphs.dot import quote

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[A-Za-z_][A-Za-z_0-9]*|-?[0-9.]+|[{}\[\];=,])')


def tokens(dot: str) -> list[str]:
    found, at = [], 0
    while at < len(dot.rstrip()):
        match = _TOKEN.match(dot, at)
        assert match, dot[at : at + 40]
        found.append(match[1])
        at = match.end()
    return found


def test_syntax_nodes_and_edges() -> None:
    model = cr.Sequential([cr.Dense(3, activation="tanh"), cr.Dense(2)])
    x = np.ones((4, 5), np.float32)
    model(x)
    graph = cr.trace(lambda x: model(x).sum())(x)
    dot = graph.to_dot()
    found = tokens(dot)
    for opening, closing in ("{}", "[]"):
        assert found.count(opening) == found.count(closing) > 0
    nodes = re.findall(r"^ +(n\d+) \[label=", dot, re.MULTILINE)
    assert len(nodes) == len(set(nodes)) == len(graph.inputs) + len(graph.nodes) + 1
    edges = re.findall(r"(n\d+) -> (n\d+)", dot)
    assert len(edges) == sum(len(n.inputs) for n in graph.nodes) + 1
    assert {end for edge in edges for end in edge} <= set(nodes)
    assert dot.count("subgraph cluster_") == 2
    assert '[label="4×3"]' in dot


def test_quotes_backslashes_and_lines_are_escaped() -> None:
    assert tokens(quote('a "b" \\ \n c')) == ['"a \\"b\\" \\\\ \\n c"']
    w = cr.Parameter(1.0, name='w"]; evil [label="')
    dot = cr.trace(lambda x: x * w)(1.0).to_dot()
    assert "evil" not in [t for t in tokens(dot) if not t.startswith('"')]


def test_output_does_not_depend_on_the_run() -> None:
    graph = cr.trace(lambda x: cr.exp(x) + 1)(1.0)
    assert graph.to_dot() == graph.to_dot()
