"""A sweep in one picture: accuracy against tokens kept, the best point marked, every point named by its value.

The horizontal axis is logarithmic in tokens (budgets double). Lines across show what all tokens and a random
choice reach, when the runs logged that. A click on a point opens its run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_core.formatting import number, percent
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.shapes import role_color


@dataclass(frozen=True)
class SweepPoint:
    """One run: tokens kept, accuracy (0 to 1), and whether it is the best of the sweep."""

    run_id: str
    tokens: float
    accuracy: float
    best: bool = False


class SweepChart(QWidget):
    """Paints `SweepPoint`s and horizontal references (name, share)."""

    run_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: tuple[SweepPoint, ...] = ()
        self._references: tuple[tuple[str, float], ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Accuracy against tokens kept")
        themes().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(theme().px(480), theme().px(280))

    def minimumSizeHint(self) -> QSize:
        return QSize(theme().px(260), theme().px(200))

    def set_points(self, points: Sequence[SweepPoint], references: Sequence[tuple[str, float]]) -> None:
        self._points = tuple(sorted(points, key=lambda point: point.tokens))
        self._references = tuple(references)
        words = [
            f"{number(point.tokens)} tokens {percent(point.accuracy)}{', best' if point.best else ''}"
            for point in self._points
        ]
        self.setAccessibleDescription("; ".join(words) or "no results yet")
        self.update()

    def place_of(self, point: SweepPoint) -> QPointF:
        """Pixel position of a point."""
        area = self._area()
        low, high = self._token_range()
        share = 0.5 if high == low else (math.log2(point.tokens) - low) / (high - low)
        return QPointF(area.left() + share * area.width(), self._y_of(point.accuracy))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        near = [(self.place_of(point) - event.position(), point) for point in self._points]
        hit = [
            (offset.manhattanLength(), point) for offset, point in near if offset.manhattanLength() <= theme().px(14)
        ]
        if hit:
            self.run_chosen.emit(min(hit, key=lambda pair: pair[0])[1].run_id)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        px = theme().px
        area = self._area()
        painter.setFont(theme().font("small"))
        if not self._points:
            painter.setPen(role_color("muted"))
            painter.drawText(QRectF(self.rect()), int(Qt.AlignmentFlag.AlignCenter), "No run of it has a result yet.")
            return
        for tick in self._ticks():
            y = self._y_of(tick)
            painter.setPen(QPen(role_color("line"), 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(role_color("muted"))
            spot = QRectF(0, y - px(9), area.left() - px(12), px(18))
            painter.drawText(
                spot, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), f"{tick * 100:.0f} %"
            )
        above = float("-inf")
        for name, share in sorted(self._references, key=lambda pair: -pair[1]):
            # A line so near below another says its name below itself.
            near = self._y_of(share) - above < px(34)
            self._paint_reference(painter, area, name, share, below=near)
            above = self._y_of(share)
        painter.setPen(QPen(role_color("accent"), 1.5))
        painter.drawPolyline(QPolygonF([self.place_of(point) for point in self._points]))
        for point in self._points:
            self._paint_point(painter, area, point)
        painter.setPen(role_color("muted"))
        painter.setFont(theme().font("small"))
        spot = QRectF(area.left(), self.height() - px(18), area.width(), px(18))
        painter.drawText(spot, int(Qt.AlignmentFlag.AlignCenter), "visual tokens the language model reads")

    def _paint_point(self, painter: QPainter, area: QRectF, point: SweepPoint) -> None:
        px = theme().px
        place = self.place_of(point)
        painter.setPen(QPen(role_color("surface"), 2))
        painter.setBrush(role_color("good" if point.best else "accent"))
        painter.drawEllipse(place, px(7) if point.best else px(5), px(7) if point.best else px(5))
        painter.setFont(theme().font("small", bold=point.best))
        painter.setPen(role_color("text"))
        words = f"{percent(point.accuracy)} best" if point.best else percent(point.accuracy)
        above = place.y() - area.top() > px(24)
        spot = QRectF(place.x() - px(60), place.y() + (-px(26) if above else px(9)), px(120), px(18))
        painter.drawText(spot, int(Qt.AlignmentFlag.AlignCenter), words)
        painter.setFont(theme().font("small"))
        painter.setPen(role_color("muted"))
        low = QRectF(place.x() - px(40), area.bottom() + px(4), px(80), px(16))
        painter.drawText(low, int(Qt.AlignmentFlag.AlignCenter), number(point.tokens))

    def _paint_reference(self, painter: QPainter, area: QRectF, name: str, share: float, *, below: bool) -> None:
        y = self._y_of(share)
        painter.setPen(QPen(role_color("muted"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(role_color("muted"))
        top = y + theme().px(1) if below else y - theme().px(17)
        spot = QRectF(area.left() + theme().px(4), top, area.width(), theme().px(16))
        painter.drawText(
            spot, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), f"{name} {percent(share)}"
        )

    def _area(self) -> QRectF:
        px = theme().px
        return QRectF(px(60), px(30), max(self.width() - px(110), 10), max(self.height() - px(76), 10))

    def _token_range(self) -> tuple[float, float]:
        logs = [math.log2(max(point.tokens, 0.5)) for point in self._points]
        return min(logs), max(logs)

    def _accuracy_range(self) -> tuple[float, float]:
        shares = [point.accuracy for point in self._points] + [share for _, share in self._references]
        low = math.floor(min(shares) * 10 - 0.2) / 10
        return max(low, 0.0), 1.0

    def _ticks(self) -> list[float]:
        low, high = self._accuracy_range()
        step = 0.1 if high - low <= 0.5 else 0.2
        first = math.ceil(low / step - 1e-9)
        return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]

    def _y_of(self, share: float) -> float:
        low, high = self._accuracy_range()
        area = self._area()
        return area.bottom() - (share - low) / max(high - low, 1e-9) * area.height()
