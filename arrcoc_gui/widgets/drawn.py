"""Small self-painting widgets: sparkline, progress line, picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_gui.theme import theme, themes


class Sparkline(QWidget):
    """A small line without axes: the shape of a series; its last point is marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: tuple[float, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        themes().changed.connect(self.updateGeometry)

    @property
    def values(self) -> tuple[float, ...]:
        return self._values

    def set_values(self, values: Sequence[float], what: str = "") -> None:
        """Values in order; those that are not finite leave a gap. `what` names the series for screen readers."""
        self._values = tuple(values)
        finite = [value for value in values if math.isfinite(value)]
        self.setAccessibleName(
            f"{what}: {len(values)} points, last {finite[-1]:.4g}" if finite else f"{what}: no points"
        )
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme().px(180), theme().px(40))

    def paintEvent(self, event: QPaintEvent) -> None:
        finite = [value for value in self._values if math.isfinite(value)]
        if len(finite) < 2:
            return
        look = theme()
        low, high = min(finite), max(finite)
        area = QRectF(self.rect()).adjusted(3, 4, -5, -4)
        step = area.width() / (len(self._values) - 1)
        span = (high - low) or 1.0
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.color("accent"), 1))
        part = QPolygonF()
        last = QPointF()
        for index, value in enumerate((*self._values, math.nan)):
            if math.isfinite(value):
                last = QPointF(area.left() + index * step, area.bottom() - (value - low) / span * area.height())
                part.append(last)
            elif not part.isEmpty():
                painter.drawPolyline(part)
                part = QPolygonF()
        painter.setBrush(look.color("accent"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(last, 2.5, 2.5)
        painter.end()


class ProgressLine(QWidget):
    """A thin bar. `fraction` None draws an empty track: how far is not known."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fraction: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Progress")
        themes().changed.connect(self.updateGeometry)

    def set_fraction(self, fraction: float | None) -> None:
        """0 to 1, or None."""
        if fraction != self._fraction:
            self._fraction = fraction
            self.setAccessibleName("Progress unknown" if fraction is None else f"Progress {fraction:.0%}")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme().px(120), theme().px(6))

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        area = QRectF(self.rect())
        radius = area.height() / 2
        painter.setBrush(look.color("line"))
        painter.drawRoundedRect(area, radius, radius)
        if self._fraction:
            area.setWidth(max(area.width() * min(self._fraction, 1.0), area.height()))
            painter.setBrush(look.color("accent"))
            painter.drawRoundedRect(area, radius, radius)
        painter.end()


class PictureLabel(QWidget):
    """A picture scaled to fit, its pixels kept sharp."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def image(self) -> QImage:
        return self._image

    def set_image(self, image: QImage, caption: str = "") -> None:
        """`image` may be null: then nothing is drawn. `caption` is the tool tip and the accessible name."""
        self._image = image
        self.setToolTip(caption)
        self.setAccessibleName(caption or "Picture")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme().px(200), theme().px(100))

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image.isNull():
            return
        painter = QPainter(self)
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, size.width() < self._image.width())
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        painter.drawImage(QRectF(left, top, size.width(), size.height()), self._image)
        painter.end()
