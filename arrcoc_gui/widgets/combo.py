"""A combo box that draws its own arrow: a style sheet can only take one from a file."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QWidget

from arrcoc_gui.icons import paint_icon
from arrcoc_gui.theme import theme


class ComboBox(QComboBox):
    """As QComboBox, with the arrow of the theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view().setAccessibleName("Choices")

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        look = theme()
        size = look.px(14)
        left, top = self.width() - size - look.px(8), (self.height() - size) / 2
        painter = QPainter(self)
        paint_icon(painter, "chevron-down", QRectF(left, top, size, size), look.color("muted"))
        painter.end()
