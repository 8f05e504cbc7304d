"""Pictures and pages as text: charts in SVG, the report of a run in HTML. Nothing is written."""

from chainrule.viz.chart import line_chart
from chainrule.viz.report import run_report
from chainrule.viz.scatter import scatter_chart

__all__ = ["line_chart", "run_report", "scatter_chart"]
