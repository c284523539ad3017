"""Paints one evaluation picture: the picture, and the same with its relevance map.

The trainer logs both halves as one composite, two squares with a gap between. They are drawn side by side or
one above the other, whichever makes them larger in the space there is; a picture of another shape is drawn
whole. Pixels stay square and sharp: these pictures are small, and smoothing would invent detail.
"""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_gui.theme import theme, themes


def halves(width: int, height: int, *, ours: bool = True) -> tuple[QRect, ...]:
    """The parts of a composite: two squares at its ends, or the whole when it has another shape or is not `ours`."""
    if ours and height and 2 * height <= width <= 2 * height + height // 4:
        return (QRect(0, 0, height, height), QRect(width - height, 0, height, height))
    return (QRect(0, 0, width, height),)


def layout_boxes(parts: tuple[QRect, ...], area: QRectF, gap: float, label: float) -> tuple[QRectF, ...]:
    """Where each part is drawn within `area`: as large as fits, with `label` px of text above each."""
    ratio = parts[0].width() / max(parts[0].height(), 1)
    count = len(parts)
    beside = min((area.width() - gap * (count - 1)) / count, (area.height() - label) * ratio)
    stacked = min(area.width(), ((area.height() - gap * (count - 1)) / count - label) * ratio)
    width = max(beside, stacked, 1.0)
    height = width / ratio
    if beside >= stacked:
        left = area.left() + (area.width() - count * width - gap * (count - 1)) / 2
        return tuple(QRectF(left + i * (width + gap), area.top() + label, width, height) for i in range(count))
    left = area.left() + (area.width() - width) / 2
    return tuple(QRectF(left, area.top() + label + i * (height + gap + label), width, height) for i in range(count))


class PictureView(QWidget):
    """The picture itself. `show_image(None)` shows the words of `set_message` instead."""

    LABELS = ("picture", "relevance, kept patches outlined")

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._message = ""
        self._ours = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Picture and relevance map")
        themes().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(theme().px(280), theme().px(420))

    def minimumSizeHint(self) -> QSize:
        return QSize(theme().px(160), theme().px(120))

    @property
    def image(self) -> QImage | None:
        """What is shown now."""
        return self._image

    def show_image(self, image: QImage | None) -> None:
        self._image = image
        self.update()

    def set_ours(self, ours: bool) -> None:
        """Whether our trainer has drawn it: then its two halves mean something."""
        if ours != self._ours:
            self._ours = ours
            self.update()

    def set_message(self, message: str) -> None:
        """Words for the time when there is no picture."""
        if message != self._message:
            self._message = message
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = QRectF(self.rect())
        if self._image is None or self._image.isNull():
            painter.setPen(theme().color("muted"))
            flags = int(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap)
            painter.drawText(area.adjusted(0, theme().px(8), 0, 0), flags, self._message)
            return
        parts = halves(self._image.width(), self._image.height(), ours=self._ours)
        label = theme().px(18) if len(parts) > 1 else 0
        boxes = layout_boxes(parts, area, theme().px(8), label)
        painter.setFont(theme().font("small"))
        for number, (part, box) in enumerate(zip(parts, boxes, strict=True)):
            painter.drawImage(box, self._image, QRectF(part))
            if label:
                painter.setPen(theme().color("muted"))
                spot = QRectF(box.left(), box.top() - label, max(box.width(), 1), label)
                text = painter.fontMetrics().elidedText(
                    self.LABELS[number], Qt.TextElideMode.ElideRight, int(spot.width())
                )
                painter.drawText(spot, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
