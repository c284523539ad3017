"""A drawing of the idea: a picture of 8 x 8 visual tokens, of which the four that matter are kept."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_gui.theme import theme, themes

SIDE = 8
KEPT = frozenset({(4, 2), (5, 2), (4, 3), (5, 3)})
# Series colour, left, top, size in tokens, round or square.
SHAPES = ((0, 0.6, 4.6, 2.5, False), (1, 4.15, 2.15, 1.7, True), (2, 5.4, 5.4, 1.9, True))


class TokenPicture(QWidget):
    """Decoration: it says nothing that the text beside it does not say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Drawing: a picture of 64 tokens, four of them kept")
        themes().changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        return QSize(theme().px(208), theme().px(208))

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(1, 1)
        cell = (self.width() - 2) / SIDE
        gap = cell * 0.07
        painter.setPen(Qt.PenStyle.NoPen)
        for column, row in ((column, row) for row in range(SIDE) for column in range(SIDE)):
            painter.setOpacity(1.0 if (column, row) in KEPT else 0.42)
            area = QRectF(column * cell + gap, row * cell + gap, cell - 2 * gap, cell - 2 * gap)
            painter.setClipRect(area)
            painter.fillRect(area, look.color("line"))
            for color, left, top, size, round_ in SHAPES:
                painter.setBrush(look.color(look.series_color(color)))
                shape = QRectF(left * cell, top * cell, size * cell, size * cell)
                (painter.drawEllipse if round_ else painter.drawRect)(shape)
        painter.setClipping(False)
        painter.setOpacity(1.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.color("accent"), look.px(2)))
        for column, row in KEPT:
            painter.drawRoundedRect(QRectF(column * cell, row * cell, cell, cell), 3, 3)
        painter.end()
