"""Graphs drawn: a layered layout, pictures in SVG, Graphviz's language."""

from chainrule.viz.graphs.methods import install

install()
