"""The run's attempts on a time axis, above the log: running, waiting, preempted, resumed, checkpoints.

A span's state shows as colour, hatching and its word; a checkpoint is a tick below; the shared time cursor is a
line. Hovering names the span, its times and its cause; a click or a drag asks for the cursor at that time
(`time_wanted`). With the focus, Left and Right go from one event to the next, End follows the present.
"""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from arrcoc_core.formatting import duration
from arrcoc_gui.monitor.states import look_of
from arrcoc_gui.monitor.timeline import Span, Timeline
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.shapes import draw_shape, role_color


class AttemptStrip(QWidget):
    """Paints a `Timeline`."""

    time_wanted = Signal(object)  # unix seconds, or None for "the present, and follow"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._timeline = Timeline()
        self._cursor: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Attempts")
        themes().changed.connect(self._restyle)

    def sizeHint(self) -> QSize:
        return QSize(theme().px(400), theme().px(40))

    @property
    def timeline(self) -> Timeline:
        return self._timeline

    def set_timeline(self, timeline: Timeline) -> None:
        if timeline != self._timeline:
            self._timeline = timeline
            self.setAccessibleDescription(timeline.sentence())
            self.update()

    def set_cursor_time(self, time: float | None) -> None:
        """Where the shared cursor stands (unix seconds); None draws none."""
        if time != self._cursor:
            self._cursor = time
            self.update()

    def x_of(self, time: float) -> float:
        """Pixel position of a wall time."""
        area = self._bar()
        length = max(self._timeline.end - self._timeline.start, 1e-9)
        return area.left() + (time - self._timeline.start) / length * area.width()

    def time_at(self, x: float) -> float:
        """Wall time at a pixel position, within the strip's ends."""
        area = self._bar()
        share = min(max((x - area.left()) / max(area.width(), 1), 0.0), 1.0)
        return self._timeline.start + share * (self._timeline.end - self._timeline.start)

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._timeline.spans:
            painter.setPen(role_color("muted"))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter), "The attempts of the run appear here.")
            return
        for span in self._timeline.spans:
            self._paint_span(painter, span)
        bar = self._bar()
        painter.setPen(QPen(role_color("text"), 1.5))
        for mark in self._timeline.marks:
            x = self.x_of(mark.time)
            painter.drawLine(QPointF(x, bar.bottom() + 2), QPointF(x, bar.bottom() + theme().px(6)))
        if self._cursor is not None and self._timeline.start <= self._cursor <= self._timeline.end:
            x = self.x_of(self._cursor)
            painter.setPen(QPen(role_color("text"), 1))
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        if self.hasFocus():
            painter.setPen(QPen(role_color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)

    def _paint_span(self, painter: QPainter, span: Span) -> None:
        bar = self._bar()
        left, right = self.x_of(span.start), self.x_of(span.end)
        box = QRectF(left, bar.top(), max(right - left, 2.0), bar.height()).adjusted(0.5, 0, -0.5, 0)
        look = look_of(span.kind)
        painter.setPen(Qt.PenStyle.NoPen)
        if span.kind == "waiting":
            painter.setBrush(role_color("line"))
            painter.drawRect(QRectF(box.left(), box.center().y() - 1, box.width(), 2))
            return
        painter.setBrush(role_color(look.role, 0.22))
        painter.drawRoundedRect(box, 3, 3)
        if span.kind in ("preempted", "cancelled"):
            painter.setBrush(QBrush(role_color(look.role, 0.35), Qt.BrushStyle.BDiagPattern))
            painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QPen(role_color(look.role), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 3, 3)
        painter.setFont(theme().font("small"))
        words = span.title
        side = theme().px(11)
        room = box.width() - side - theme().px(14)
        if room < painter.fontMetrics().horizontalAdvance("attempt 9"):
            words = span.title.split(" ")[1] if room > painter.fontMetrics().horizontalAdvance("9") else ""
        if box.width() > side + theme().px(8):
            place = QRectF(box.left() + theme().px(5), box.center().y() - side / 2, side, side)
            draw_shape(painter, look.shape, place, role_color(look.role))
        if words:
            painter.setPen(role_color("text"))
            text = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(room))
            spot = box.adjusted(side + theme().px(10), 0, -theme().px(2), 0)
            painter.drawText(spot, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)

    def _bar(self) -> QRectF:
        px = theme().px
        return QRectF(px(4), px(6), max(self.width() - px(8), 1), px(20))

    # -- the user

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.words_at(event.pos().x()), self)
            return True
        return super().event(event)

    def words_at(self, x: float) -> str:
        """What stands at a pixel position, in words: the tooltip."""
        if not self._timeline.spans:
            return ""
        reach = theme().px(4)
        near = [mark for mark in self._timeline.marks if abs(self.x_of(mark.time) - x) <= reach]
        if near:
            return f"checkpoint at step {near[-1].step:,}, {_clock(near[-1].time)}"
        span = self._timeline.span_at(self.time_at(x))
        if span is None:
            return ""
        lines = [f"{span.title}, {_clock(span.start)}, {duration(span.end - span.start)}"]
        return "\n".join([*lines, span.cause] if span.cause else lines)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._timeline.spans:
            self.time_wanted.emit(self.time_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._timeline.spans:
            self.time_wanted.emit(self.time_at(event.position().x()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.time_wanted.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        stops = sorted({span.start for span in self._timeline.spans} | {mark.time for mark in self._timeline.marks})
        here = self._cursor if self._cursor is not None else self._timeline.end
        if event.key() == Qt.Key.Key_Left and stops:
            self.time_wanted.emit(max((stop for stop in stops if stop < here), default=stops[0]))
        elif event.key() == Qt.Key.Key_Right and stops:
            self.time_wanted.emit(min((stop for stop in stops if stop > here), default=None))
        elif event.key() == Qt.Key.Key_End:
            self.time_wanted.emit(None)
        else:
            super().keyPressEvent(event)

    def _restyle(self) -> None:
        self.updateGeometry()
        self.update()


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time).astimezone().strftime("%H:%M:%S")
