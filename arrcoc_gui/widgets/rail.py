"""The narrow navigation rail: an icon and a word for each page, tools at its foot."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from arrcoc_gui.icons import paint_icon
from arrcoc_gui.theme import theme, themes

Kind = Literal["page", "tool", "switch"]


class RailButton(QAbstractButton):
    """Icon above a word. A page's button is checkable, one of many; a switch is on or off; a tool has no word."""

    def __init__(self, title: str, icon: str, hint: str, kind: Kind, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.icon_name = icon
        self.setText(title)
        self.setCheckable(kind != "tool")
        self.setAutoExclusive(kind == "page")
        self._switch = kind == "switch"
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(title)
        self.setToolTip(f"{title}  ({hint})" if hint else title)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        themes().changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        look = theme()
        if not self.isCheckable():
            return QSize(look.px(44), look.px(44))
        word = QFontMetrics(look.font("small", bold=True)).horizontalAdvance(self.text())
        return QSize(max(look.px(76), word + look.px(22)), look.px(56))

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(look.px(5), look.px(2), -look.px(5), -look.px(2))
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked() or self.underMouse() or self.isDown():
            if self._switch and self.isChecked():
                painter.setBrush(look.color("warn", 0.20))
            else:
                painter.setBrush(look.color("accent_soft" if self.isChecked() or self.isDown() else "hover"))
            painter.drawRoundedRect(area, look.px(8), look.px(8))
        color = look.color(("warn" if self._switch else "accent") if self.isChecked() else "muted")
        size = look.px(22)
        word = self.isCheckable()
        top = area.top() + (look.px(7) if word else (area.height() - size) / 2)
        paint_icon(painter, self.icon_name, QRectF(area.center().x() - size / 2, top, size, size), color)
        if word:
            painter.setFont(look.font("small", bold=self.isChecked()))
            painter.setPen(look.color("text" if self.isChecked() else "muted"))
            foot = area.adjusted(0, top - area.top() + size, 0, -look.px(3))
            painter.drawText(foot, Qt.AlignmentFlag.AlignCenter, self.text())
        if self.hasFocus():
            pen = painter.pen()
            pen.setColor(look.color("accent"))
            pen.setWidth(2)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), look.px(7), look.px(7))
        painter.end()


class NavRail(QWidget):
    """Emits `chosen` with the id of a page; `tool` adds a button at the foot."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, RailButton] = {}
        self.setAccessibleName("Navigation")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 6, 0, 6)
        self._layout.setSpacing(2)
        self._layout.addStretch()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def add_page(self, page: str, title: str, icon: str, hint: str) -> None:
        button = RailButton(title, icon, hint, "page")
        button.clicked.connect(lambda: self.chosen.emit(page))
        self._layout.insertWidget(len(self.buttons), button)
        self.buttons[page] = button

    def add_tool(self, title: str, icon: str, hint: str) -> RailButton:
        button = RailButton(title, icon, hint, "tool")
        self._layout.addWidget(button)
        return button

    def add_switch(self, title: str, icon: str) -> RailButton:
        """A button that stays pressed while something is on."""
        button = RailButton(title, icon, "", "switch")
        self._layout.addWidget(button)
        return button

    def set_current(self, page: str) -> None:
        self.buttons[page].setChecked(True)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().color("rail"))
        painter.setPen(theme().color("line"))
        painter.drawLine(self.rect().topRight(), self.rect().bottomRight())
        painter.end()
