"""Charts: `Chart` draws `Series` that grow; `LiveMetrics` keeps them up to date from the reader child process."""

from arrcoc_gui.plotting.chart import Chart
from arrcoc_gui.plotting.curve import PyramidCurve
from arrcoc_gui.plotting.live import LiveMetrics

__all__ = ["Chart", "LiveMetrics", "PyramidCurve"]
