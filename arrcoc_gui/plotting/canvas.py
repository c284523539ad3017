"""`ChartCanvas`: what a chart shows and when it paints; `Chart` adds the mouse and the keys.

It holds `PyramidCurve`s over `Series` that others extend; `data_changed` says that they have. It then paints again,
at most 20 times a second and only while it can be seen. The view follows all of the data until someone zooms.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_core.metrics.series import Series
from arrcoc_gui.plotting import painting
from arrcoc_gui.plotting.curve import PyramidCurve
from arrcoc_gui.plotting.grid import XMode, position_text
from arrcoc_gui.plotting.labels import EndLabel
from arrcoc_gui.plotting.model import ChartModel
from arrcoc_gui.plotting.view import View, zoomed
from arrcoc_gui.theme import Theme, theme, themes

FRAME_MS = 50  # the least time between two repaints because of new data
VALUES_SHOWN = 14  # rows of the box at the cursor


class ChartCanvas(QWidget):
    """One panel of curves, without hands."""

    cursor_moved = Signal(object)  # float: x in units of the mode; None: the cursor is gone
    view_changed = Signal(bool)  # True: zoomed in; False: all is shown

    def __init__(self, parent: QWidget | None = None, *, title: str = "", percent: bool = False) -> None:
        super().__init__(parent)
        self.model = ChartModel(percent=percent)
        self._title = title
        self._empty_text = "No values yet"
        self._theme: Theme | None = None
        self._still: QPixmap | None = None  # the layer that does not change with the cursor
        self._view = View(QRectF())
        self._x_ticks: list[painting.Tick] = []
        self._labels: list[EndLabel] = []  # without a cursor
        self._cursor: float | None = None
        self._hovering = False
        self._pinned = self._highlighted = self._near = ""
        self._marked: QRectF | None = None  # what a drag would zoom to
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._repaint_if_stale)
        self._stale = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName(title or "Chart")
        themes().changed.connect(self._restyle)

    # What is shown

    def set_title(self, title: str) -> None:
        """The heading; also the accessible name."""
        self._title = title
        self.setAccessibleName(title or "Chart")
        self.invalidate()

    def set_empty_text(self, text: str) -> None:
        """What stands in the chart while it has no points."""
        self._empty_text = text
        self.invalidate()

    def set_curve(
        self,
        key: str,
        series: Series,
        *,
        label: str,
        color: int | str,
        origin: float | None = None,
        dashed: bool = False,
    ) -> None:
        """Adds a curve, or changes the one of this key. `color`: index of the palette, token or #rrggbb; `origin`:
        the unix time that is 0 in the mode "relative" (without it the first point)."""
        shown = self.model.curves[key].visible if key in self.model.curves else True
        self.model.curves[key] = PyramidCurve(key, series, label, color, origin, dashed, shown)
        self.invalidate()

    def remove_curve(self, key: str) -> None:
        """Takes a curve away; an unknown key is no error."""
        if self.model.curves.pop(key, None) is not None:
            self.invalidate()

    def clear(self) -> None:
        """Takes all curves and references away and shows all again."""
        self.model.curves.clear()
        self.model.references.clear()
        self.reset_view()

    def keys(self) -> list[str]:
        """The keys of the curves, in the order in which they were added."""
        return list(self.model.curves)

    def set_curve_visible(self, key: str, visible: bool) -> None:
        """Hides or shows a curve; an unknown key is no error."""
        if key in self.model.curves and self.model.curves[key].visible != visible:
            self.model.curves[key].visible = visible
            self.invalidate()

    def set_pinned(self, key: str | None) -> None:
        """This curve is drawn bold from now on."""
        self._pinned = key or ""
        self.update()

    def set_highlighted(self, key: str | None) -> None:
        """This curve is drawn bold while the mouse is elsewhere (on its row of a table)."""
        self._highlighted = key or ""
        self.update()

    def set_reference(self, key: str, value: float | None, *, label: str = "", color: str = "muted") -> None:
        """A constant line, dashed and labelled at its end; None removes it."""
        if value is None:
            self.model.references.pop(key, None)
        else:
            self.model.references[key] = painting.Reference(value, label or key, color)
        self.invalidate()

    def set_x_mode(self, mode: XMode) -> None:
        """x as "step", "relative" (seconds since each run's origin) or "wall" (unix seconds); shows all again."""
        if mode != self.model.mode:
            self.model.mode = mode
            self._cursor = None
            self.reset_view()

    def set_log_y(self, on: bool) -> None:
        """A logarithmic y axis; values at or below zero lie below its edge."""
        if on != self.model.log:
            self.model.log = on
            self.model.y_range = None
            self.invalidate()

    def set_smoothing(self, alpha: float) -> None:
        """Smooths with this weight of the past, 0 (none) to below 1; the raw lines stay faint behind."""
        if alpha != self.model.alpha:
            for curve in self.model.curves.values():
                curve.series.forget_smoothed(self.model.alpha)
            self.model.alpha = alpha
            self.invalidate()

    def set_theme(self, new: Theme) -> None:
        """Paints with this theme, whatever the application's is."""
        self._theme = new
        self.invalidate()

    def data_changed(self) -> None:
        """Some series has grown: paints soon, if the chart can be seen."""
        self._stale = True
        if not self._timer.isActive():
            self._repaint_if_stale()

    def invalidate(self) -> None:
        """Paints all anew at the next chance."""
        self._still = None
        self.update()

    # The view

    def reset_view(self) -> None:
        """Shows all of the data and follows it."""
        was = self.model.is_zoomed
        self.model.x_range = self.model.y_range = None
        self.invalidate()
        if was:
            self.view_changed.emit(False)

    def zoom(self, factor: float, at: float | None = None) -> None:
        """Shows a `factor` times smaller (or larger) part of x, around the cursor, `at`, or the middle."""
        view = self._current_view()
        centre = at if at is not None else self._cursor
        if centre is None or not view.x[0] <= centre <= view.x[1]:
            centre = (view.x[0] + view.x[1]) / 2
        self._show(zoomed(view.x, factor, centre), None)

    def x_range(self) -> tuple[float, float]:
        """The x range that is shown."""
        return self._current_view().x

    def curve_area(self) -> QRectF:
        """The rectangle of the curves, in pixels of the widget."""
        return self._current_view().area

    def set_x_range(self, low: float, high: float) -> None:
        """Shows this part of x."""
        self._show((low, high), None)

    def _show(self, x: tuple[float, float], y: tuple[float, float] | None) -> None:
        if self.model.zoom_to(x, y):
            self.invalidate()
            self.view_changed.emit(self.model.is_zoomed)

    # The cursor

    def set_cursor(self, x: float | None) -> None:
        """Shows the cursor at an x that another chart or pane has; emits nothing."""
        if x != self._cursor and not self._hovering:
            self._cursor = x
            self.update()

    @property
    def cursor_x(self) -> float | None:
        """Where the cursor is, in units of the mode."""
        return self._cursor

    def _move_cursor(self, x: float | None) -> None:
        self._cursor = x
        self.update()
        self.cursor_moved.emit(x)

    # Painting

    def sizeHint(self) -> QSize:
        scale = self._current_theme().px
        return QSize(scale(420), scale(240))

    def minimumSizeHint(self) -> QSize:
        scale = self._current_theme().px
        return QSize(scale(180), scale(110))

    def paintEvent(self, event: QPaintEvent) -> None:
        look = self._current_theme()
        if self._still is None:
            self._stale = False
            self._still = self._paint_still(look)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._still)
        if self.model.has_points:
            self._paint_live(painter, look)
        if self._marked is not None:
            painting.paint_zoom_box(painter, look, self._marked)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), look.px(4), look.px(4))

    def _paint_still(self, look: Theme) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(look.color("surface"))
        painter = QPainter(pixmap)
        model = self.model
        rough = model.view(QRectF(0, 0, max(1, self.width()), max(1, self.height() - look.px(60))))
        self._labels = model.end_labels(rough, look, None, "")
        self._view = view = replace(rough, area=self._area(look, rough))
        if model.has_points:
            self._x_ticks = model.x_ticks(view, look)
            painting.paint_grid(painter, look, view, self._x_ticks, model.y_ticks(view, look))
            clip = view.area.adjusted(0, -look.px(4), 0, look.px(2))
            painter.setClipRect(clip)
            painting.paint_references(painter, look, view, list(model.references.values()))
            painting.paint_curves(painter, look, view, model.visible(), model.mode, model.alpha)
            painter.setClipping(False)
        else:
            painting.paint_empty(painter, look, view.area, self._empty_text)
        if self._title:
            painter.setFont(look.font("label"))
            painter.setPen(look.color("text"))
            spot = QRectF(look.px(12), look.px(6), self.width() - look.px(24), look.px(20))
            title = painter.fontMetrics().elidedText(self._title, Qt.TextElideMode.ElideRight, int(spot.width()))
            painter.drawText(spot, int(painting.Left), title)
        painter.end()
        self._describe()
        return pixmap

    def _paint_live(self, painter: QPainter, look: Theme) -> None:
        view, model = self._view, self.model
        strong = self._near or self._highlighted or self._pinned
        painter.save()
        painter.setClipRect(view.area.adjusted(0, -look.px(4), 0, look.px(2)))
        for key in dict.fromkeys((self._pinned, strong)):
            if key in model.curves and model.curves[key].visible:
                painting.paint_highlight(painter, look, view, model.curves[key], model.mode, model.alpha)
        painter.restore()
        cursor = self._cursor
        text = position_text(cursor, model.mode) if cursor is not None else ""
        chip = painting.cursor_chip(look, view, cursor, text) if cursor is not None else None
        painting.paint_x_labels(painter, look, view, self._x_ticks, chip)
        points = model.values_at(cursor) if cursor is not None else []
        labels = model.end_labels(view, look, cursor, strong)
        painting.paint_labels(painter, look, view, labels, self.width() - 2)
        if cursor is None or chip is None:
            return
        dots = [
            (view.px(point.x), view.py(point.drawn), painting.curve_color(look, point.color).name())
            for point in points
            if view.x[0] <= point.x <= view.x[1]
            and view.area.top() - 1 <= view.py(point.drawn) <= view.area.bottom() + 1
        ]
        painting.paint_cursor(painter, look, view, cursor, dots, chip, text)
        if self._hovering and self._marked is None and len(points) > 1:
            rows = model.value_rows(points, look)
            shown = rows[:VALUES_SHOWN]
            painting.paint_values(painter, look, view, view.px(cursor), shown, len(rows) - len(shown), strong)

    def _area(self, look: Theme, rough: View) -> QRectF:
        """The rectangle of the curves: what the labels at the left, below and at the right leave."""
        top = look.px(34) if self._title else look.px(14)
        widest = max((painting.advance(look, tick.text) for tick in self.model.y_ticks(rough, look)), default=0.0)
        left = max(widest, painting.advance(look, "0.000")) + look.px(16)
        right = painting.label_width(look, self._labels, self.width())
        area = QRectF(left, top, self.width() - left - right, self.height() - top - look.px(28))
        return area if area.width() > 8 and area.height() > 8 else QRectF(left, top, 8, 8)

    def _current_view(self) -> View:
        if self._still is None:
            self._still = self._paint_still(self._current_theme())
        return self._view

    def _current_theme(self) -> Theme:
        return self._theme or theme()

    def _restyle(self) -> None:
        self.updateGeometry()
        self.invalidate()

    def _repaint_if_stale(self) -> None:
        if self._stale and self.isVisible():
            self.invalidate()
            self._timer.start()

    def _describe(self) -> None:
        text = self.model.description() or self._empty_text
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._still = None
        super().resizeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        if self._stale:
            self._still = None
        super().showEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._still = None
        super().changeEvent(event)
