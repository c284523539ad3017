"""`Chart`: lines that grow while one looks at them, with a shared cursor, zoom and labels at the line ends.

Mouse: drag zooms (a flat box: x only), Shift+drag or the middle button pans, the wheel zooms x around the mouse,
a double click shows all. Keys: left and right move the cursor (Shift: ten points), Home and End, + and - zoom,
0 shows all, Escape takes the cursor away. After a zoom x stays, and y too if the box was a high one.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from arrcoc_gui.plotting.canvas import ChartCanvas
from arrcoc_gui.plotting.view import View

DRAG_PX = 5  # a press that moves less is a click
FLAT_PX = 16  # a zoom box lower than this zooms x only
KEY_ZOOM = 1.5


class Chart(ChartCanvas):
    """One panel of curves."""

    clicked = Signal(object)  # float: x of a click without a drag
    curve_hovered = Signal(str)  # key, or "" when the mouse is near none
    curve_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None, *, title: str = "", percent: bool = False) -> None:
        super().__init__(parent, title=title, percent=percent)
        self._press: QPointF | None = None
        self._drag: QPointF | None = None
        self._pan_from: View | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        pan = event.button() == Qt.MouseButton.MiddleButton or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._press, self._drag = event.position(), None
            self._pan_from = self._current_view() if pan else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        view = self._current_view()
        if self._press is not None and (self._drag is not None or (at - self._press).manhattanLength() > DRAG_PX):
            self._drag = at
            if self._pan_from is not None:
                start = self._pan_from
                shift = start.x_at(self._press.x()) - start.x_at(at.x())
                rise = start.y_at(self._press.y()) - start.y_at(at.y())
                y = (start.y[0] + rise, start.y[1] + rise) if self.model.y_range is not None else None
                self._show((start.x[0] + shift, start.x[1] + shift), y)
            else:
                self._marked = self._zoom_box(self._press, at)
            self.update()
            return
        inside = view.area.adjusted(-4, -4, 4, 4).contains(at) and self.model.has_points
        self._hovering = inside
        self._set_near(self.model.nearest_curve(view, at) if inside else "")
        if inside:
            x = self.model.snap(min(max(view.x_at(at.x()), view.x[0]), view.x[1]))
            if x != self._cursor:
                self._move_cursor(x)
        elif self._cursor is not None:
            self._move_cursor(None)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        press, drag, panned = self._press, self._drag, self._pan_from
        self._press = self._drag = self._pan_from = self._marked = None
        if press is None:
            return
        view = self._current_view()
        if drag is None:
            if event.button() == Qt.MouseButton.LeftButton and view.area.contains(press) and self.model.has_points:
                if self._near:
                    self.curve_clicked.emit(self._near)
                self.clicked.emit(self.model.snap(view.x_at(press.x())))
        elif panned is None:
            box = self._zoom_box(press, drag)
            flat = abs(drag.y() - press.y()) < FLAT_PX
            y = None if flat else (view.y_at(box.bottom()), view.y_at(box.top()))
            self._show((view.x_at(box.left()), view.x_at(box.right())), y)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._press = self._drag = self._marked = None
        self.reset_view()

    def wheelEvent(self, event: QWheelEvent) -> None:
        view = self._current_view()
        if not (self.model.has_points and view.area.contains(event.position())):
            event.ignore()
            return
        turns = event.angleDelta().y() / 120
        sideways = event.angleDelta().x() / 120
        if sideways and not turns:
            shift = -sideways * (view.x[1] - view.x[0]) * 0.1
            self._show((view.x[0] + shift, view.x[1] + shift), self.model.y_range)
        else:
            self.zoom(1.25**turns, view.x_at(event.position().x()))

    def leaveEvent(self, event: QEvent) -> None:
        self._hovering = False
        self._set_near("")
        if self._cursor is not None:
            self._move_cursor(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        points = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        actions: dict[int, Callable[[], object]] = {
            Qt.Key.Key_Left: lambda: self._step_cursor(-points),
            Qt.Key.Key_Right: lambda: self._step_cursor(points),
            Qt.Key.Key_Home: lambda: self._step_cursor(-(10**12)),
            Qt.Key.Key_End: lambda: self._step_cursor(10**12),
            Qt.Key.Key_Plus: lambda: self.zoom(KEY_ZOOM),
            Qt.Key.Key_Equal: lambda: self.zoom(KEY_ZOOM),
            Qt.Key.Key_Minus: lambda: self.zoom(1 / KEY_ZOOM),
            Qt.Key.Key_0: self.reset_view,
        }
        if event.key() == Qt.Key.Key_Escape and self._cursor is not None:
            self._move_cursor(None)
        elif event.key() in actions and self.model.has_points:
            actions[event.key()]()
        else:
            super().keyPressEvent(event)

    def _step_cursor(self, points: int) -> None:
        x = self.model.stepped(self._cursor, points, prefer=self._pinned)
        if x is not None:
            self._move_cursor(x)

    def _set_near(self, key: str) -> None:
        if key != self._near:
            self._near = key
            self.update()
            self.curve_hovered.emit(key)

    def _zoom_box(self, press: QPointF, drag: QPointF) -> QRectF:
        area = self._view.area
        if abs(drag.y() - press.y()) < FLAT_PX:
            press, drag = QPointF(press.x(), area.top()), QPointF(drag.x(), area.bottom())
        return QRectF(press, drag).normalized().intersected(area)
