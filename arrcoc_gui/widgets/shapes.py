"""Small drawings used in several places: one shape per state, so that state never rests on colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from arrcoc_gui.theme import theme


@dataclass(frozen=True)
class StateLook:
    """How a state is shown: its word, a shape of `draw_shape`, a colour of the theme. `live`: it is still going on."""

    word: str
    shape: str
    role: str
    live: bool = False


def draw_shape(painter: QPainter, shape: str, box: QRectF, color: QColor) -> None:
    """Draw one of the shapes that a `StateLook` names into the square `box`."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(color, max(1.4, box.width() / 7))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    inner = box.adjusted(1.5, 1.5, -1.5, -1.5)
    hollow = shape.endswith("-hollow") or shape in ("circle", "tick", "cross", "loop")
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush if hollow else color)
    left, top, right, bottom = inner.left(), inner.top(), inner.right(), inner.bottom()
    width, height = inner.width(), inner.height()
    if shape == "circle":
        painter.drawEllipse(inner)
    elif shape.startswith("triangle"):
        tip = QPointF(right, inner.center().y())
        painter.drawPolygon(QPolygonF([QPointF(left + width * 0.12, top), tip, QPointF(left + width * 0.12, bottom)]))
    elif shape.startswith("square"):
        painter.drawRect(inner.adjusted(0.5, 0.5, -0.5, -0.5))
    elif shape == "bars":
        painter.drawLine(QPointF(left + width * 0.25, top), QPointF(left + width * 0.25, bottom))
        painter.drawLine(QPointF(right - width * 0.25, top), QPointF(right - width * 0.25, bottom))
    elif shape == "tick":
        middle = QPointF(left + width * 0.38, bottom - height * 0.08)
        painter.drawPolyline(
            QPolygonF([QPointF(left, top + height * 0.55), middle, QPointF(right, top + height * 0.1)])
        )
    elif shape == "cross":
        painter.drawLine(inner.topLeft(), inner.bottomRight())
        painter.drawLine(inner.topRight(), inner.bottomLeft())
    elif shape == "loop":
        path = QPainterPath()
        path.arcMoveTo(inner, 60)
        path.arcTo(inner, 60, 280)
        painter.drawPath(path)
        end = path.currentPosition()
        painter.drawLine(end, end + QPointF(-width * 0.3, -height * 0.02))
        painter.drawLine(end, end + QPointF(width * 0.02, -height * 0.32))
    painter.restore()


def draw_eye(painter: QPainter, box: QRectF, color: QColor, *, open_: bool) -> None:
    """An open eye, or one struck through."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 1.4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    middle, reach = box.center(), box.width() / 2
    path = QPainterPath(QPointF(middle.x() - reach, middle.y()))
    path.quadTo(QPointF(middle.x(), middle.y() - reach * 1.15), QPointF(middle.x() + reach, middle.y()))
    path.quadTo(QPointF(middle.x(), middle.y() + reach * 1.15), QPointF(middle.x() - reach, middle.y()))
    painter.drawPath(path)
    if open_:
        painter.setBrush(color)
        painter.drawEllipse(middle, reach * 0.28, reach * 0.28)
    else:
        painter.drawLine(
            QPointF(middle.x() - reach * 0.75, middle.y() + reach * 0.75),
            QPointF(middle.x() + reach * 0.75, middle.y() - reach * 0.75),
        )
    painter.restore()


def role_color(role: str, alpha: float = 1.0) -> QColor:
    """The theme's colour of a role such as `good` or `muted`."""
    return theme().color(role, alpha)
