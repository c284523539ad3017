"""A combo box and a button with a menu that draw their own arrow: a style sheet can only take one from a file."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QToolButton, QWidget

from arrcoc_gui.icons import paint_icon
from arrcoc_gui.theme import theme


class ComboBox(QComboBox):
    """As QComboBox, with the arrow of the theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view().setAccessibleName("Choices")

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        _paint_arrow(self)


class MenuButton(QToolButton):
    """A tool button whose click opens its menu, with the arrow of the theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setProperty("look", "menu")

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width() + theme().px(20), hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        _paint_arrow(self)


def _paint_arrow(widget: QWidget) -> None:
    look = theme()
    size = look.px(14)
    left, top = widget.width() - size - look.px(8), (widget.height() - size) / 2
    painter = QPainter(widget)
    paint_icon(painter, "chevron-down", QRectF(left, top, size, size), look.color("muted"))
    painter.end()
