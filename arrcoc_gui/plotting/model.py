"""What a chart shows, without any widget: its curves, ranges, ticks, labels and the values at its cursor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF

from arrcoc_gui.plotting import grid
from arrcoc_gui.plotting.curve import PyramidCurve
from arrcoc_gui.plotting.grid import XMode
from arrcoc_gui.plotting.labels import EndLabel
from arrcoc_gui.plotting.painting import Reference, Tick, ValueRow, advance, curve_color
from arrcoc_gui.plotting.view import Range, View, is_usable, padded
from arrcoc_gui.theme import Theme

NEAR_PX = 24  # a curve further from the mouse than this is not meant
RANGE_BUCKETS = 512
SECONDS_SHOWN_S = 600  # a wall-time view shorter than this may have its ticks at seconds


@dataclass(frozen=True)
class CursorPoint:
    """The point of a curve nearest to the cursor."""

    key: str
    label: str
    color: int | str
    x: float
    value: float  # as it was logged
    drawn: float  # smoothed, if that is what the line shows
    dashed: bool


class ChartModel:
    """The state of a chart. `x_range` and `y_range` are None while the view follows the data."""

    def __init__(self, *, percent: bool = False) -> None:
        self.curves: dict[str, PyramidCurve] = {}
        self.references: dict[str, Reference] = {}
        self.mode: XMode = "step"
        self.log = False
        self.alpha = 0.0
        self.percent = percent
        self.x_range: Range | None = None
        self.y_range: Range | None = None  # in powers of ten with `log`

    @property
    def is_zoomed(self) -> bool:
        """True while someone has chosen a part."""
        return self.x_range is not None or self.y_range is not None

    @property
    def has_points(self) -> bool:
        """True when there is anything to draw."""
        return any(len(curve.series) for curve in self.visible())

    def visible(self) -> list[PyramidCurve]:
        """The curves that are not hidden."""
        return [curve for curve in self.curves.values() if curve.visible]

    def view(self, area: QRectF) -> View:
        """The ranges to show in `area`."""
        x = self.x_range or self._whole_x()
        y = self.y_range or self._whole_y(x)
        return View(area, x, y, self.log)

    def zoom_to(self, x: Range, y: Range | None) -> bool:
        """Shows this part, `y=None`: all the values in it. False, and nothing changes, when it is too small."""
        whole = self._whole_x()
        if not is_usable(x, whole):
            return False
        if x[0] <= whole[0] and x[1] >= whole[1] and y is None:
            self.x_range = self.y_range = None
            return True
        self.x_range, self.y_range = x, y
        return True

    def y_ticks(self, view: View, look: Theme) -> list[Tick]:
        """The grid lines across, in pixels."""
        rows = max(2, int(view.area.height() // look.px(38)))
        if view.log:
            values = grid.log_ticks(*view.y, rows)
            names = grid.log_labels(values, percent=self.percent)
        else:
            values = grid.linear_ticks(*view.y, rows)
            names = grid.value_labels(values, percent=self.percent)
        return [Tick(view.py(value), name) for value, name in zip(values, names, strict=True)]

    def x_ticks(self, view: View, look: Theme) -> list[Tick]:
        """The marks of the x axis, in pixels."""
        longest = "0:00:00" if self.mode == "relative" or view.x[1] - view.x[0] < SECONDS_SHOWN_S else "00:00"
        widest = advance(look, "000.0k" if self.mode == "step" else longest)
        columns = max(1, int(view.area.width() // (widest + look.px(18))))
        make = {"step": grid.whole_ticks, "relative": grid.time_ticks, "wall": grid.wall_ticks}[self.mode]
        places = make(*view.x, columns)
        return [Tick(view.px(x), name) for x, name in zip(places, grid.x_labels(places, self.mode), strict=True)]

    def end_labels(self, view: View, look: Theme, cursor: float | None, strong: str) -> list[EndLabel]:
        """A label a line: its value at the end of the view, or at the cursor where there is one."""
        labels = [
            EndLabel(
                point.key,
                point.label,
                grid.value_text(point.value, percent=self.percent),
                curve_color(look, point.color).name(),
                _inside(view, point.drawn),
                rank=3 if point.key == strong else 2 if point.dashed else 1,
                dashed=point.dashed,
            )
            for point in self.values_at(view.x[1] if cursor is None else cursor)
        ]
        labels += [
            EndLabel(
                key,
                reference.label,
                grid.value_text(reference.value, percent=self.percent),
                look.color(reference.color).name(),
                _inside(view, reference.value),
                rank=2,
                dashed=True,
            )
            for key, reference in self.references.items()
        ]
        return labels

    def values_at(self, x: float) -> list[CursorPoint]:
        """The point of each visible curve nearest to x."""
        points: list[CursorPoint] = []
        for curve in self.visible():
            index = curve.nearest(self.mode, x)
            if index is not None:
                value = float(curve.series.value[index])
                drawn = value if curve.dashed or not self.alpha else float(curve.series.smoothed(self.alpha)[index])
                at = curve.x_of(self.mode, index)
                points.append(CursorPoint(curve.key, curve.label, curve.color, at, value, drawn, curve.dashed))
        return points

    def value_rows(self, points: list[CursorPoint], look: Theme) -> list[ValueRow]:
        """The rows of the box at the cursor, highest value first, NaN last."""
        ordered = sorted(
            points, key=lambda point: (math.isnan(point.value), -point.value if point.value == point.value else 0)
        )
        return [
            ValueRow(
                point.key,
                point.label,
                grid.value_text(point.value, percent=self.percent),
                curve_color(look, point.color).name(),
            )
            for point in ordered
        ]

    def snap(self, x: float) -> float:
        """The x of the point nearest to x, of all curves."""
        places = [point.x for point in self.values_at(x)]
        return min(places, key=lambda place: abs(place - x)) if places else x

    def stepped(self, x: float | None, points: int, *, prefer: str = "") -> float | None:
        """The x that lies `points` points on, on the preferred or the longest curve; from nowhere: its last point."""
        curves = [curve for curve in self.visible() if len(curve.series)]
        if not curves:
            return None
        curve = next((curve for curve in curves if curve.key == prefer), None)
        curve = curve or max(curves, key=lambda candidate: len(candidate.series))
        last = len(curve.series) - 1
        index = curve.nearest(self.mode, x) if x is not None else None
        index = last if index is None else min(max(index + points, 0), last)
        return curve.x_of(self.mode, index)

    def nearest_curve(self, view: View, at: QPointF) -> str:
        """The key of the curve whose line passes near a pixel position; "" when none does."""
        best, distance = "", float(NEAR_PX)
        for point in self.values_at(view.x_at(at.x())):
            away = abs(view.py(point.drawn) - at.y())
            if away < distance:
                best, distance = point.key, away
        return best

    def description(self) -> str:
        """The newest values in words, for screen readers."""
        parts = [
            f"{curve.label or curve.key} {grid.value_text(curve.series.last or 0.0, percent=self.percent)}"
            f" at step {curve.series.last_step:,}"
            for curve in self.visible()
            if len(curve.series)
        ]
        parts += [
            f"{line.label} {grid.value_text(line.value, percent=self.percent)}" for line in self.references.values()
        ]
        return "; ".join(parts)

    def _whole_x(self) -> Range:
        limits = [limit for curve in self.visible() if (limit := curve.x_limits(self.mode)) is not None]
        if not limits:
            return 0.0, 1.0
        low, high = min(limit[0] for limit in limits), max(limit[1] for limit in limits)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def _whole_y(self, x: Range) -> Range:
        values: list[float] = []
        for curve in self.visible():
            first, last = curve.window(self.mode, *x)
            if self.log:
                _, drawn = curve.pyramid().query(first, last, RANGE_BUCKETS)
                values += drawn[drawn > 0].tolist()
            else:
                values += [value for value in curve.pyramid().range(first, last) if math.isfinite(value)]
        values += [line.value for line in self.references.values() if not self.log or line.value > 0]
        if not values:
            return 0.0, 1.0
        low, high = min(values), max(values)
        return padded(math.log10(low), math.log10(high)) if self.log else padded(low, high)


def _inside(view: View, value: float) -> float:
    """The pixel row of a value, kept inside the area; NaN goes to the bottom."""
    y = view.py(value) if math.isfinite(value) else math.nan
    return view.area.bottom() if math.isnan(y) else min(max(y, view.area.top()), view.area.bottom())
