"""The banner above every page while the app points at the sandbox: nobody is to mistake it for the cloud."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from arrcoc_gui.theme import theme, themes


class SandboxBanner(QFrame):
    """One line with a hatched edge, and the way back."""

    off_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.words = QLabel()
        self.words.setProperty("look", "strong")
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.button = QPushButton("Leave the sandbox")
        self.button.setProperty("look", "quiet")
        self.button.setAccessibleName("Leave the sandbox")
        self.button.clicked.connect(self.off_wanted)
        self._row = QHBoxLayout(self)
        self._row.addWidget(self.words, stretch=1)
        self._row.addWidget(self.button)
        themes().changed.connect(self._restyle)
        self._restyle()
        self.hide()

    def show_words(self, words: str) -> None:
        """Say it; "" hides the banner."""
        self.words.setText(words)
        self.setAccessibleName(words)
        self.setVisible(bool(words))

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.fillRect(self.rect(), look.color("warn", 0.14))
        edge = QRectF(0, 0, look.px(10), self.height())
        painter.fillRect(edge, look.color("warn", 0.25))
        painter.fillRect(edge, QBrush(look.color("warn"), Qt.BrushStyle.BDiagPattern))
        painter.setPen(look.color("warn", 0.6))
        painter.drawLine(self.rect().bottomLeft(), self.rect().bottomRight())
        painter.end()

    def _restyle(self) -> None:
        px = theme().px
        self._row.setContentsMargins(px(22), px(3), px(8), px(3))
        self.update()
