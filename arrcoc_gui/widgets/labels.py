"""Labels: one that shortens long text, and a badge that is a word in a tone."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from arrcoc_gui.theme import theme, themes

Tone = Literal["good", "warn", "bad", "accent", "muted"]


def as_written(text: str) -> str:
    """For buttons and menus, where Qt takes an & for the mark of a mnemonic: "W&B" stays "W&B"."""
    return text.replace("&", "&&")


class ElidedLabel(QLabel):
    """One line that is shortened to the room there is; the whole text is its tool tip and accessible name."""

    def __init__(
        self, text: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._full = ""
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.set_full_text(text)

    @property
    def full_text(self) -> str:
        return self._full

    def set_full_text(self, text: str) -> None:
        """The text to show; line breaks become spaces."""
        self._full = " ".join(text.split())
        self.setAccessibleName(self._full)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self._full) + 2, super().sizeHint().height())

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, self._mode, max(self.contentsRect().width(), 0))
        self.setText(shown)
        self.setToolTip(self._full if shown != self._full else "")


class Badge(QWidget):
    """A word in a rounded field; the tone colours it, the word carries the meaning."""

    def __init__(self, word: str = "", tone: Tone = "muted", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._word, self._tone = word, tone
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(word)
        themes().changed.connect(self.updateGeometry)

    @property
    def word(self) -> str:
        return self._word

    def set(self, word: str, tone: Tone) -> None:
        if (word, tone) != (self._word, self._tone):
            self._word, self._tone = word, tone
            self.setAccessibleName(word)
            self.setVisible(bool(word))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return badge_size(self._word)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_badge(painter, QRectF(self.rect()), self._word, self._tone)
        painter.end()


def badge_size(word: str) -> QSize:
    """Room that `paint_badge` needs."""
    from PySide6.QtGui import QFontMetrics

    look = theme()
    metrics = QFontMetrics(look.font("label"))
    return QSize(metrics.horizontalAdvance(word) + 2 * look.px(8), metrics.height() + 2 * look.px(2))


def paint_badge(painter: QPainter, rect: QRectF, word: str, tone: Tone) -> None:
    """The badge filling `rect`; delegates paint it into cells."""
    look = theme()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(look.color(tone, 0.45))
    painter.setBrush(look.color(tone, 0.10))
    radius = look.px(5)
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
    painter.setPen(look.color(tone))
    painter.setFont(look.font("label"))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, word)
    painter.restore()
