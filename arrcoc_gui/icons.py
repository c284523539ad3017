"""Icons as vector paths on a 24 x 24 grid, drawn as strokes in any colour and size: no files, no fonts."""

from __future__ import annotations

import re
from functools import cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

# Path letters as in SVG (absolute): M L H V C Z; O cx cy r is a circle.
PATHS = {
    "home": "M3.5 11.5 L12 4 L20.5 11.5 M6 9.5 V20 H18 V9.5 M10 20 V14 H14 V20",
    "experiments": "M9.5 3.5 H14.5 M10.5 3.5 V9.5 L5 18.5 C4.3 19.8 5 20.5 6.2 20.5 H17.8 C19 20.5 19.7 19.8 19 18.5"
    " L13.5 9.5 V3.5 M7.6 14.5 H16.4",
    "monitor": "M4 4 V20 H20.5 M7.5 15.5 L11 11 L14 13.5 L19.5 6.5",
    "setup": "M4 16.5 L12 21 L20 16.5 M4 12 L12 16.5 L20 12 L12 7.5 Z M12 2.5 V10 M9 7.2 L12 10.2 L15 7.2",
    "infra": "M4 4.5 H20 V10 H4 Z M4 14 H20 V19.5 H4 Z M7 7.2 H7.4 M7 16.7 H7.4 M11 7.2 H17 M11 16.7 H17",
    "teardown": "M5 7 H19 M9.5 7 V4.5 H14.5 V7 M7 7 L8 20 H16 L17 7 M10.5 10.5 V16.5 M13.5 10.5 V16.5",
    "sandbox": "M3.5 18 H20.5 L19 21 H5 Z M6 18 C7 12 10 13 11 9.5 C12.5 13 16.5 12.5 18 18 M11 9.5 V3 L16 5 L11 7",
    "search": "O10.5 10.5 6 M15 15 L20 20",
    "settings": "M4 7 H13 M18 7 H20 M4 17 H6 M11 17 H20 O15.5 7 2.2 O8.5 17 2.2",
    "help": "O12 12 8.5 M9.6 9.6 C9.6 6.6 14.4 6.6 14.4 9.6 C14.4 11.6 12 11.6 12 13.6 M12 16.4 V16.7",
    "play": "M8 5 L19 12 L8 19 Z",
    "edit": "M4.5 19.5 L5.5 15.5 L16 5 L19 8 L8.5 18.5 Z M14 7 L17 10",
    "warning": "M12 4 L21 19.5 H3 Z M12 10 V14.5 M12 17 V17.2",
    "close": "M6 6 L18 18 M18 6 L6 18",
    "check": "M5 12.5 L10 17.5 L19.5 7",
    "copy": "M8.5 8.5 H19.5 V19.5 H8.5 Z M15.5 8.5 V4.5 H4.5 V15.5 H8.5",
    "stop": "M6.5 6.5 H17.5 V17.5 H6.5 Z",
    "eye": "M2.5 12 C6.5 5 17.5 5 21.5 12 C17.5 19 6.5 19 2.5 12 Z O12 12 3",
    "eye-off": "M2.5 12 C6.5 5 17.5 5 21.5 12 C17.5 19 6.5 19 2.5 12 Z M4 20 L20 4",
    "chevron-right": "M9 5.5 L15.5 12 L9 18.5",
    "chevron-up": "M5.5 15.5 L12 9 L18.5 15.5",
    "chevron-down": "M5.5 9 L12 15.5 L18.5 9",
    "picture": "M4 5 H20 V19 H4 Z M4 16 L9 11 L13 15 L16 12.5 L20 16 O15.5 9 1.4",
}


@cache
def path(name: str) -> QPainterPath:
    """The path of an icon; KeyError for a name that is not in PATHS."""
    result = QPainterPath()
    for letter, rest in re.findall(r"([MLHVCZO])([^MLHVCZO]*)", PATHS[name]):
        n = [float(value) for value in rest.split()]
        here = result.currentPosition()
        if letter == "M":
            result.moveTo(n[0], n[1])
        elif letter == "L":
            result.lineTo(n[0], n[1])
        elif letter == "H":
            result.lineTo(n[0], here.y())
        elif letter == "V":
            result.lineTo(here.x(), n[0])
        elif letter == "C":
            result.cubicTo(QPointF(n[0], n[1]), QPointF(n[2], n[3]), QPointF(n[4], n[5]))
        elif letter == "O":
            result.addEllipse(QPointF(n[0], n[1]), n[2], n[2])
        else:
            result.closeSubpath()
    return result


def paint_icon(painter: QPainter, name: str, rect: QRectF, color: QColor, width: float = 1.6) -> None:
    """Draw the icon into `rect`; `width` is the stroke on the 24-pixel grid."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(rect.topLeft())
    painter.scale(rect.width() / 24, rect.height() / 24)
    pen = QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path(name))
    painter.restore()


def icon(name: str, color: QColor, size: int = 16) -> QIcon:
    """A QIcon at 1x, 2x and 3x; make it again when the theme changes."""
    result = QIcon()
    for ratio in (1, 2, 3):
        pixmap = QPixmap(size * ratio, size * ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        paint_icon(painter, name, QRectF(0, 0, size * ratio, size * ratio), color)
        painter.end()
        pixmap.setDevicePixelRatio(ratio)
        result.addPixmap(pixmap)
    return result
