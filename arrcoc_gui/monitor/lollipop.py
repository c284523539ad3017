"""Accuracies side by side at a glance: one line each from 0 to 100 %, ending in a dot and its value.

The selector's own line is thick and in the accent colour; the references are thin. A screen reader gets the
same as a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from arrcoc_core.references import NAMES
from arrcoc_core.results import ResultRow
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.shapes import role_color


class Lollipop(QWidget):
    """Paints `ResultRow`s in their order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[ResultRow, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Accuracy against the references")
        themes().changed.connect(self._restyle)

    def set_rows(self, rows: Sequence[ResultRow]) -> None:
        self._rows = tuple(rows)
        self.setAccessibleDescription("; ".join(f"{row.label} {row.text}" for row in self._rows))
        self.setToolTip("\n".join(f"{row.label}, {row.text}: {row.note}" for row in self._rows))
        self._restyle()

    def sizeHint(self) -> QSize:
        return QSize(theme().px(420), theme().px(36) * max(len(self._rows), 1) + theme().px(26))

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._rows:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        px = theme().px
        label_width = max(QFontMetrics(theme().font("body", bold=True)).horizontalAdvance(r.label) for r in self._rows)
        left = label_width + px(16)
        value_width = QFontMetrics(theme().font("body", bold=True)).horizontalAdvance("100.0 %") + px(14)
        right = self.width() - value_width
        step = px(36)
        bottom = step * len(self._rows)

        def x_of(share: float) -> float:
            return left + min(max(share, 0.0), 1.0) * (right - left)

        painter.setFont(theme().font("small"))
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            x = x_of(tick)
            painter.setPen(QPen(role_color("line"), 1))
            painter.drawLine(QPointF(x, px(4)), QPointF(x, bottom))
            painter.setPen(role_color("muted"))
            spot = QRectF(x - px(30), bottom + px(4), px(60), px(18))
            painter.drawText(spot, int(Qt.AlignmentFlag.AlignCenter), f"{tick:.0%}".replace("%", " %"))
        for number, row in enumerate(self._rows):
            self._paint_row(painter, row, number * step, left, x_of(row.value))

    def _paint_row(self, painter: QPainter, row: ResultRow, top: float, left: float, x: float) -> None:
        px = theme().px
        own = row.metric in NAMES
        middle = top + px(14)
        color = role_color("accent" if own else "muted")
        right = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.setFont(theme().font("body", bold=own))
        painter.setPen(role_color("text"))
        painter.drawText(QRectF(0, top + px(4), left, px(20)), right, row.label)
        painter.setPen(QPen(color, px(4) if own else px(2)))
        painter.drawLine(QPointF(left, middle), QPointF(x, middle))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        radius = px(7) if own else px(4)
        painter.drawEllipse(QPointF(x, middle), radius, radius)
        painter.setPen(role_color("text"))
        painter.drawText(QRectF(x + px(12), top + px(4), px(90), px(20)), right, row.text)
        painter.setFont(theme().font("small"))
        painter.setPen(role_color("muted"))
        spot = QRectF(left + px(6), top + px(20), self.width() - left - px(6), px(16))
        note = painter.fontMetrics().elidedText(row.note, Qt.TextElideMode.ElideRight, int(spot.width()))
        painter.drawText(spot, right, note)

    def _restyle(self) -> None:
        self.updateGeometry()
        self.update()
