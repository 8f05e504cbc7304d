"""Pictures and pages as text: charts in SVG, the report of a run in HTML. Nothing is written."""

from chainrule.viz.chart import line_chart
from chainrule.viz.report import run_report
from chainrule.viz.scatter import scatter_chart
from chainrule.viz.sheet import sheet
from chainrule.viz.surface import heat_map

__all__ = ["heat_map", "line_chart", "run_report", "scatter_chart", "sheet"]
