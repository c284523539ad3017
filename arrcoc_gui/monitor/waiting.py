"""What stands in the place of the charts until the first row is there: the phases, and which one it is in.

A trainer needs some seconds to start; the page says what happens in them instead of showing empty axes.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.run_words import PhaseLine, phase_lines
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.shapes import draw_shape, role_color

_SHAPES = {"done": ("tick", "good"), "now": ("triangle", "accent"), "later": ("circle", "faint")}


class WaitingPanel(QWidget):
    """The phases as a list with marks; a title above says what to expect."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ""
        self._lines: tuple[PhaseLine, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Before the first point")
        themes().changed.connect(self.update)

    @property
    def lines(self) -> tuple[PhaseLine, ...]:
        return self._lines

    def show_run(self, run: RunView) -> None:
        """Show how far `run` has come on its way to the first point."""
        if run.finished:
            self.set_words("This run ended before its first point. Its result says why.")
            return
        self._set(f"{run.experiment} is on its way", phase_lines(run))

    def set_words(self, words: str) -> None:
        """One sentence instead of phases."""
        self._set(words, ())

    def sizeHint(self) -> QSize:
        return QSize(theme().px(420), theme().px(300))

    def _set(self, title: str, lines: tuple[PhaseLine, ...]) -> None:
        if (title, lines) != (self._title, self._lines):
            self._title, self._lines = title, lines
            now = next((line.name for line in lines if line.state == "now"), "")
            self.setAccessibleDescription(f"{title}: {now}" if now else title)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        px = theme().px
        step = px(30)
        height = px(40) + step * len(self._lines)
        width = min(px(460), self.width() - px(24))
        left = (self.width() - width) / 2
        top = max((self.height() - height) * 0.42, px(8))
        painter.setFont(theme().font("title"))
        painter.setPen(role_color("text"))
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(left, top, width, px(60)), int(flags), self._title)
        middle = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for number, line in enumerate(self._lines):
            y = top + px(40) + number * step
            shape, role = _SHAPES[line.state]
            draw_shape(painter, shape, QRectF(left, y + (step - px(14)) / 2, px(14), px(14)), role_color(role))
            painter.setFont(theme().font("body", bold=line.state == "now"))
            painter.setPen(role_color("text" if line.state == "now" else "muted"))
            painter.drawText(QRectF(left + px(26), y, px(140), step), middle, line.name)
            painter.setFont(theme().font("small"))
            painter.setPen(role_color("muted"))
            spot = QRectF(left + px(150), y, width - px(150), step)
            words = painter.fontMetrics().elidedText(line.detail, Qt.TextElideMode.ElideRight, int(spot.width()))
            painter.drawText(spot, middle, words)
