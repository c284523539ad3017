"""Paints the lines of a log: only those in view, however many there are.

A fixed line height and a scroll bar counted in lines make a million lines cost the same as forty. The lines
come from a `LogReader`; one that is not held yet is blank for a moment. A click or Up and Down choose a line,
which asks for the shared time cursor (`time_wanted`); Shift extends a selection, Ctrl+C copies it. Scrolled
to the end the view follows new lines; scrolled away it stays (`following_changed`).
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime

from PySide6.QtCore import QPoint, QRect, Qt, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from arrcoc_gui.monitor.line_index import LogLine
from arrcoc_gui.monitor.log_reader import LogReader
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.shapes import role_color

_TROUBLE = ("Traceback (most recent", "Error:", "ERROR", "error:", "Killed", "out of memory")


class LogView(QAbstractScrollArea):
    """See the module's docstring."""

    time_wanted = Signal(float)
    following_changed = Signal(bool)

    def __init__(self, reader: LogReader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self._following = True
        self._current = -1
        self._anchor = -1
        self._hits: list[int] = []
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Log")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.verticalScrollBar().setAccessibleName("Scroll the log")
        self.horizontalScrollBar().setAccessibleName("Scroll the log sideways")
        reader.grown.connect(self._grown)
        reader.lines_ready.connect(self.viewport().update)
        reader.copied.connect(lambda text: QGuiApplication.clipboard().setText(text))
        themes().changed.connect(self._measure)
        self._measure()

    # -- what the pane says

    @property
    def following(self) -> bool:
        """Whether new lines scroll the view."""
        return self._following

    def set_following(self, following: bool) -> None:
        if following != self._following:
            self._following = following
            self.following_changed.emit(following)
        if following:
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def set_hits(self, hits: list[int]) -> None:
        """Lines to mark as found, ascending."""
        self._hits = hits
        self.viewport().update()

    def show_line(self, number: int, *, choose: bool = True) -> None:
        """Scroll a line into view, and make it the current one."""
        if choose:
            self._choose(number, extend=False, tell=False)
        bar = self.verticalScrollBar()
        if not bar.value() <= number < bar.value() + self._page() - 1:
            bar.setValue(max(number - self._page() // 2, 0))

    @property
    def current_line(self) -> int:
        """The chosen line's number, -1 when none is."""
        return self._current

    # -- geometry

    def _measure(self) -> None:
        metrics = QFontMetrics(theme().font("mono_small"))
        self._line_height = metrics.height() + theme().px(3)
        self._advance = metrics.horizontalAdvance("0")
        self._ranges()
        self.viewport().update()

    def _page(self) -> int:
        return max(self.viewport().height() // self._line_height, 1)

    def _ranges(self) -> None:
        bar = self.verticalScrollBar()
        bar.setPageStep(self._page())
        bar.setRange(0, max(len(self._reader) - self._page(), 0))
        if self._following:
            bar.setValue(bar.maximum())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._ranges()

    def _grown(self, count: int) -> None:
        if count == 0:
            self._current = self._anchor = -1
            self._hits = []
        # Following is decided by the user's scrolling, not by the range growing under the scroll bar.
        bar = self.verticalScrollBar()
        bar.blockSignals(True)
        self._ranges()
        bar.blockSignals(False)
        self.viewport().update()

    def _scrolled(self, value: int) -> None:
        at_end = value >= self.verticalScrollBar().maximum()
        if at_end != self._following:
            self._following = at_end
            self.following_changed.emit(at_end)
        self.viewport().update()

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setFont(theme().font("mono_small"))
        first = self.verticalScrollBar().value()
        last = min(first + self._page() + 1, len(self._reader))
        self._reader.want(first, last)
        low, high = sorted((self._anchor, self._current))
        shift = self.horizontalScrollBar().value()
        longest = 0
        for number in range(first, last):
            box = QRect(0, (number - first) * self._line_height, self.viewport().width(), self._line_height)
            if 0 <= low <= number <= high:
                painter.fillRect(box, role_color("accent_soft"))
            if self._is_hit(number):
                painter.fillRect(QRect(0, box.top(), theme().px(3), box.height()), role_color("warn"))
            line = self._reader.line(number)
            if line is not None:
                longest = max(longest, len(line.text) + 14)
                self._paint_line(painter, line, box.translated(-shift, 0))
        if self.hasFocus() and first <= self._current < last:
            painter.setPen(role_color("accent"))
            top = (self._current - first) * self._line_height
            painter.drawRect(0, top, self.viewport().width() - 1, self._line_height - 1)
        self._widen(longest)

    def _paint_line(self, painter: QPainter, line: LogLine, box: QRect) -> None:
        align = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        left = theme().px(10)
        if line.heading:
            painter.setPen(role_color("muted"))
            painter.drawText(box.adjusted(left, 0, 0, 0), align, f"── {line.text} ──")
            return
        if line.time is not None:
            painter.setPen(role_color("muted"))
            stamp = datetime.fromtimestamp(line.time).strftime("%H:%M:%S.%f")[:-4]
            painter.drawText(box.adjusted(left, 0, 0, 0), align, stamp)
        painter.setPen(role_color("bad" if any(word in line.text for word in _TROUBLE) else "text"))
        place = QRect(box.left() + left + 13 * self._advance, box.top(), 1 << 20, box.height())
        painter.drawText(place, align, line.text)

    def _is_hit(self, number: int) -> bool:
        place = bisect_left(self._hits, number)
        return place < len(self._hits) and self._hits[place] == number

    def _widen(self, columns: int) -> None:
        room = self.viewport().width() // max(self._advance, 1) - 4
        bar = self.horizontalScrollBar()
        bar.setRange(0, max(columns - room, 0) * self._advance)
        bar.setSingleStep(4 * self._advance)
        bar.setPageStep(self.viewport().width())

    # -- the user

    def mousePressEvent(self, event: QMouseEvent) -> None:
        number = self._line_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and number is not None:
            self._choose(number, extend=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        number = self._line_at(event.position().toPoint())
        if event.buttons() & Qt.MouseButton.LeftButton and number is not None:
            self._choose(number, extend=True, tell=False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy) and self._current >= 0:
            low, high = sorted((self._anchor, self._current))
            self._reader.copy(low, high + 1)
            return
        moves = {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_PageUp: -self._page(),
            Qt.Key.Key_PageDown: self._page(),
            Qt.Key.Key_Home: -len(self._reader),
            Qt.Key.Key_End: len(self._reader),
        }
        by = moves.get(Qt.Key(event.key()))
        if by is None or not len(self._reader):
            super().keyPressEvent(event)
            return
        start = self._current if self._current >= 0 else len(self._reader) - 1
        number = min(max(start + by, 0), len(self._reader) - 1)
        self._choose(number, extend=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        self.show_line(number, choose=False)

    def _line_at(self, point: QPoint) -> int | None:
        number = self.verticalScrollBar().value() + point.y() // self._line_height
        return number if 0 <= number < len(self._reader) else None

    def _choose(self, number: int, *, extend: bool, tell: bool = True) -> None:
        self._current = number
        if not extend:
            self._anchor = number
        line = self._reader.line(number)
        if line is not None:
            self.setAccessibleDescription(line.text)
            if tell and line.time is not None:
                self.time_wanted.emit(line.time)
        self.viewport().update()
