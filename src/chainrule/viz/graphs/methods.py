"""Puts the pictures on graphs: ``to_svg``, ``to_dot``, and what a notebook shows.

What draws is imported when something is first drawn.
"""

from __future__ import annotations

from typing import Any

from chainrule.core.graph import Graph

_OPEN = 300  # nodes that are drawn at once where nothing can be opened


def _to_svg(self: Graph, inputs: Any = None, **options: Any) -> str:
    """Return a picture of the graph as SVG; see ``chainrule.viz.graphs.to_svg``."""
    from chainrule.viz.graphs.svg import to_svg

    return to_svg(self, inputs, **options)


def _to_dot(self: Graph, **options: Any) -> str:
    """Return the graph in Graphviz's language; see ``chainrule.viz.graphs.to_dot``."""
    from chainrule.viz.graphs.dot import to_dot

    return to_dot(self, **options)


def _repr_svg_(self: Graph) -> str:
    """Return the picture for where no script runs: with its frames open, if it is not too large."""
    return _to_svg(self, collapsed=False if len(self.nodes) <= _OPEN else None)


def _repr_html_(self: Graph) -> str:
    """Return the picture in a frame of its own, where a click opens and closes the layers."""
    from chainrule.viz.graphs.svg import in_frame

    return in_frame(_to_svg(self), "Computation graph")


def install() -> None:
    """Put the methods on ``Graph``."""
    Graph.to_svg = _to_svg
    Graph.to_dot = _to_dot
    Graph._repr_svg_ = _repr_svg_
    Graph._repr_html_ = _repr_html_
