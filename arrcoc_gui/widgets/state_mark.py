"""A state as shape and word, side by side: never colour alone."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.shapes import StateLook, draw_shape, role_color


class StateMark(QWidget):
    """`widest` keeps a column of marks aligned: the longest word it will ever show."""

    def __init__(self, look: StateLook, widest: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._widest = widest
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(look.word)
        themes().changed.connect(self._restyle)

    def set_look(self, look: StateLook) -> None:
        if look != self._look:
            self._look = look
            self.setAccessibleName(look.word)
            self._restyle()

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(theme().font("small", bold=True))
        width = max(metrics.horizontalAdvance(self._look.word), metrics.horizontalAdvance(self._widest))
        return QSize(width + theme().px(24), theme().px(20))

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        side = theme().px(12)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = role_color(self._look.role)
        draw_shape(painter, self._look.shape, QRectF(1, (self.height() - side) / 2, side, side), color)
        painter.setFont(theme().font("small", bold=True))
        painter.setPen(role_color("muted" if self._look.role == "faint" else self._look.role))
        spot = QRectF(side + theme().px(7), 0, self.width() - side - theme().px(7), self.height())
        painter.drawText(spot, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), self._look.word)
        painter.end()

    def _restyle(self) -> None:
        self.updateGeometry()
        self.update()
