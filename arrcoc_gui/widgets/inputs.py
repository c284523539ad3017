"""A check box and a number field that draw their own marks: a style sheet can only take them from files."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QSpinBox, QWidget

from arrcoc_gui.icons import paint_icon
from arrcoc_gui.theme import theme


class CheckBox(QCheckBox):
    """As QCheckBox; its text is shown as it is, without mnemonics."""

    def sizeHint(self) -> QSize:
        px = theme().px
        metrics = QFontMetrics(theme().font("body"))
        return QSize(px(16 + 8 + 8) + metrics.horizontalAdvance(self.text()), max(metrics.height(), px(16)) + px(8))

    def minimumSizeHint(self) -> QSize:
        return QSize(theme().px(60), self.sizeHint().height())

    def hitButton(self, pos) -> bool:
        return self.rect().contains(pos)

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        side = look.px(16)
        box = QRectF(look.px(2), (self.height() - side) / 2, side, side)
        on, enabled = self.isChecked(), self.isEnabled()
        edge = "accent" if on and enabled else "muted" if enabled else "line"
        painter.setPen(QPen(look.color(edge), 1.4))
        painter.setBrush(look.color("accent" if on and enabled else "surface"))
        painter.drawRoundedRect(box.adjusted(0.7, 0.7, -0.7, -0.7), look.px(3), look.px(3))
        if on:
            paint_icon(
                painter, "check", box.adjusted(1, 1, -1, -1), look.color("on_accent" if enabled else "muted"), 2.6
            )
        painter.setPen(look.color("text" if enabled else "muted"))
        painter.setFont(look.font("body"))
        words = QRectF(box.right() + look.px(8), 0, self.width() - box.right() - look.px(10), self.height())
        text = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, int(words.width()))
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), look.px(4), look.px(4))
        painter.end()


class SpinBox(QSpinBox):
    """As QSpinBox, with the arrows of the theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("look", "spin")

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        look = theme()
        size = look.px(11)
        left = self.width() - size - look.px(9)
        painter = QPainter(self)
        color = look.color("muted" if self.isEnabled() else "faint")
        middle = self.height() / 2
        paint_icon(painter, "chevron-up", QRectF(left, middle - size, size, size), color, 2.2)
        paint_icon(painter, "chevron-down", QRectF(left, middle, size, size), color, 2.2)
        painter.end()
