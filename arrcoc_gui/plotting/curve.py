"""`PyramidCurve`: one line of a chart. Draws the envelope of a `Series` at the resolution of the view.

The cost of a view is that of its pixels, not of the points behind it: the pyramid gives at most two points a
bucket, one to two pixels wide. Zoomed in, the points themselves are drawn, all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QPolygonF
from shiboken6 import VoidPtr

from arrcoc_core.metrics.pyramid import Pyramid
from arrcoc_core.metrics.series import Series
from arrcoc_gui.plotting.grid import XMode

Floats = NDArray[np.float64]
_FAR = 2**62


@dataclass
class PyramidCurve:
    """A series and how it is to look."""

    key: str
    series: Series
    label: str
    color: int | str  # index into the theme's series palette, a token, or #rrggbb
    origin: float | None = None  # unix seconds that are 0 of "relative"; None: the first point
    dashed: bool = False
    visible: bool = True
    _asked: tuple[object, ...] = ()
    _window: tuple[int, int] = (0, 0)

    def start(self) -> float:
        """The zero of relative time, unix seconds."""
        if self.origin is not None:
            return self.origin
        return float(self.series.time[0]) if len(self.series) else 0.0

    def x_limits(self, mode: XMode) -> tuple[float, float] | None:
        """First and last x; None without points."""
        if not len(self.series):
            return None
        axis, shift = self._axis(mode)
        return float(axis[0]) - shift, float(axis[-1]) - shift

    def window(self, mode: XMode, low: float, high: float) -> tuple[int, int]:
        """The points in [low, high] and one neighbour on each side, as a range of indices."""
        asked = (mode, low, high, len(self.series), self.series.rewritten, self.origin)
        if asked != self._asked:  # several questions about one view follow each other
            axis, shift = self._axis(mode)
            first = _search(axis, low + shift, "left")
            last = _search(axis, high + shift, "right")
            self._asked, self._window = asked, (max(0, first - 1), min(len(axis), last + 1))
        return self._window

    def nearest(self, mode: XMode, x: float) -> int | None:
        """Index of the point whose x is nearest; None without points."""
        axis, shift = self._axis(mode)
        if not len(axis):
            return None
        after = min(_search(axis, x + shift, "left"), len(axis) - 1)
        before = max(0, after - 1)
        return before if abs(float(axis[before]) - x - shift) <= abs(float(axis[after]) - x - shift) else after

    def x_of(self, mode: XMode, index: int) -> float:
        """The x of a point."""
        axis, shift = self._axis(mode)
        return float(axis[index]) - shift

    def envelope(self, mode: XMode, low: float, high: float, buckets: int, alpha: float = 0.0) -> tuple[Floats, Floats]:
        """(x, y) to draw for the view [low, high]: of the values, or of those smoothed with `alpha`."""
        first, last = self.window(mode, low, high)
        index, values = self.pyramid(alpha).query(first, last, buckets)
        axis, shift = self._axis(mode)
        x = axis[index].astype(np.float64)
        return (x - shift if shift else x), values

    def pyramid(self, alpha: float = 0.0) -> Pyramid:
        """The envelope of the values, or of those smoothed with `alpha`."""
        return self.series.smoothed_pyramid(alpha) if alpha else self.series.pyramid

    def gaps(self, mode: XMode, low: float, high: float) -> Floats:
        """The x of the points in [low, high] that are NaN or infinite."""
        gaps = self.series.pyramid.gaps
        if not len(gaps):
            return np.zeros(0)
        first, last = self.window(mode, low, high)
        gaps = gaps[np.searchsorted(gaps, first) : np.searchsorted(gaps, last)]
        axis, shift = self._axis(mode)
        x = axis[gaps].astype(np.float64) - shift
        return x[(x >= low) & (x <= high)]

    def _axis(self, mode: XMode) -> tuple[NDArray[np.int64] | Floats, float]:
        """The x of all points, ascending, and what to take off it."""
        if mode == "step":
            return self.series.step, 0.0
        return self.series.clock, self.start() if mode == "relative" else 0.0


def polylines(x: Floats, y: Floats) -> list[QPolygonF]:
    """Pixel coordinates as polylines, interrupted where y is NaN; a point between two gaps becomes a short dash."""
    finite = np.isfinite(y)
    if finite.all():
        return [_polygon(x, y)] if len(x) else []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]])))
    parts: list[QPolygonF] = []
    for first, last in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        if last - first == 1:
            parts.append(_polygon(np.array([x[first] - 1, x[first] + 1]), np.array([y[first], y[first]])))
        else:
            parts.append(_polygon(x[first:last], y[first:last]))
    return parts


def _polygon(x: Floats, y: Floats) -> QPolygonF:
    polygon = QPolygonF()
    polygon.resize(len(x))
    # The points are written into the polygon's own memory: a QPointF object each would cost more than the drawing.
    memory = np.frombuffer(VoidPtr(polygon.data(), len(x) * 16, True), dtype=np.float64).reshape(-1, 2)
    memory[:, 0] = x
    memory[:, 1] = y
    return polygon


def _search(axis: NDArray[np.int64] | Floats, x: float, side: str) -> int:
    if axis.dtype.kind == "f":
        return int(axis.searchsorted(x, side=side))  # type: ignore[arg-type]
    # A whole key of the axis' own type: a float would turn the whole axis into floats first.
    whole = math.ceil(x) if side == "left" else math.floor(x)
    return int(axis.searchsorted(np.int64(min(max(whole, -_FAR), _FAR)), side=side))  # type: ignore[arg-type]
