"""Pictures and pages as text: charts in SVG, the report of a run in HTML. Nothing is written.

What draws is imported when it is first asked for: ``import chainrule`` only puts the pictures'
methods on graphs (``graphs.methods``).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.viz.sheet import sheet  # now: its module has the same name

if TYPE_CHECKING:
    from chainrule.viz.chart import line_chart
    from chainrule.viz.landscape import relief
    from chainrule.viz.report import run_report
    from chainrule.viz.scatter import scatter_chart
    from chainrule.viz.surface import heat_map

__all__ = ["heat_map", "line_chart", "relief", "run_report", "scatter_chart", "sheet"]

_MODULES = {
    "heat_map": "surface",
    "line_chart": "chart",
    "relief": "landscape",
    "run_report": "report",
    "scatter_chart": "scatter",
}  # by name, the module


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"chainrule.viz.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
