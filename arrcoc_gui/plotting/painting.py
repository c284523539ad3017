"""How a chart looks: functions that paint one thing each on a QPainter, in the colours of a theme.

Two layers. The *still* layer (grid, curves) is kept as a pixmap and painted again only when data, view or theme
change; the *live* layer (cursor, labels, values, zoom box) goes on top of it at each repaint, so a cursor that is
shared by a dozen charts costs next to nothing.

Antialiased lines wider than one pixel are 10 to 200 times slower than thin ones where a curve is dense: thickness
is made by drawing the thin line again beside itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from arrcoc_gui.plotting.curve import PyramidCurve, polylines
from arrcoc_gui.plotting.grid import XMode
from arrcoc_gui.plotting.labels import EndLabel, place_labels
from arrcoc_gui.plotting.view import View
from arrcoc_gui.theme import Theme

FEW_POINTS = 6000  # drawn in all: up to here lines are thick
FEW_CURVES = 3
FAINT = 0.28  # how much of its colour the raw line behind a smoothed one keeps
Offsets = tuple[tuple[float, float], ...]
_THIN: Offsets = ((0.0, 0.0),)
_THICK: Offsets = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5))
_BOLD: Offsets = ((-0.7, 0.0), (0.7, 0.0), (0.0, -0.7), (0.0, 0.7))
DOT_SPACING_PX = 12  # points further apart than this are drawn as dots too
_LABEL_SHARE = 0.38  # of the chart's width that labels may take

Right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
Left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
Center = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class Tick:
    """A grid line: its pixel position and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Reference:
    """A constant line."""

    value: float
    label: str
    color: str


@dataclass(frozen=True)
class ValueRow:
    """A line of the box at the cursor."""

    key: str
    name: str
    value: str
    color: str


def curve_color(theme: Theme, color: int | str) -> QColor:
    """The colour of a curve: an index of the palette, a token or #rrggbb."""
    return theme.color(theme.series_color(color) if isinstance(color, int) else color)


@cache
def font(theme: Theme, *, bold: bool = False) -> QFont:
    """The font of all that is written in a chart."""
    return theme.font("small", bold=bold)


@lru_cache(4096)
def advance(theme: Theme, text: str, *, bold: bool = False) -> float:
    """How wide a text is, in pixels."""
    return QFontMetricsF(font(theme, bold=bold)).horizontalAdvance(text)


@lru_cache(4096)
def elided(theme: Theme, text: str, width: int, *, bold: bool = False) -> str:
    """A text with its middle left out where it is too wide: names often share their beginnings."""
    return QFontMetricsF(font(theme, bold=bold)).elidedText(text, Qt.TextElideMode.ElideMiddle, width)


def blend(front: QColor, back: QColor, share: float) -> QColor:
    """An opaque mix: a see-through pen would darken where a line crosses itself."""
    pairs = zip(front.getRgb()[:3], back.getRgb()[:3], strict=True)  # type: ignore[index]
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in pairs)
    return QColor(red, green, blue)


def paint_grid(painter: QPainter, theme: Theme, view: View, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick]) -> None:
    """Hairlines across and their labels; the marks of x without theirs, see `paint_x_labels`."""
    area = view.area
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(theme.color("line"), 1))
    for tick in y_ticks:
        painter.drawLine(QPointF(area.left(), round(tick.at)), QPointF(area.right(), round(tick.at)))
    painter.setPen(QPen(blend(theme.color("line"), theme.color("faint"), 0.5), 1))
    painter.drawLine(area.bottomLeft(), area.bottomRight())
    for tick in x_ticks:
        painter.drawLine(QPointF(round(tick.at), area.bottom()), QPointF(round(tick.at), area.bottom() + theme.px(4)))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setFont(font(theme))
    painter.setPen(theme.color("muted"))
    height = theme.px(16)
    for tick in y_ticks:
        painter.drawText(QRectF(0, tick.at - height / 2, area.left() - theme.px(8), height), int(Right), tick.text)


def paint_x_labels(painter: QPainter, theme: Theme, view: View, ticks: Sequence[Tick], taken: QRectF | None) -> None:
    """The labels of the x axis, without those that the cursor's position (`taken`) would cover in part."""
    painter.setFont(font(theme))
    painter.setPen(theme.color("muted"))
    for tick in ticks:
        width = advance(theme, tick.text) + theme.px(4)
        spot = QRectF(tick.at - width / 2, view.area.bottom() + theme.px(6), width, theme.px(16))
        if taken is None or not spot.intersects(taken):
            painter.drawText(spot, int(Center), tick.text)


def paint_references(painter: QPainter, theme: Theme, view: View, references: Sequence[Reference]) -> None:
    """Dashed lines across the whole chart."""
    for reference in references:
        y = view.py(reference.value)
        if y == y and view.area.top() - 1 <= y <= view.area.bottom() + 1:
            pen = QPen(theme.color(reference.color), 1)
            pen.setDashPattern([4, 4])
            painter.setPen(pen)
            y = math.floor(y) + 0.5  # on one row of pixels: a hairline between two is a blur
            painter.drawLine(QPointF(view.area.left(), y), QPointF(view.area.right(), y))


def paint_curves(
    painter: QPainter, theme: Theme, view: View, curves: Sequence[PyramidCurve], mode: XMode, alpha: float
) -> None:
    """All curves: with smoothing the raw ones first, faint, then the smoothed ones; gaps are marked at the bottom."""
    buckets = bucket_count(view, len(curves))
    surface = theme.color("surface")
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    lines: list[tuple[PyramidCurve, QColor, list[QPolygonF]]] = []
    if alpha:
        for curve in curves:
            if not curve.dashed:
                color = blend(curve_color(theme, curve.color), surface, FAINT)
                lines.append((curve, color, curve_lines(view, curve, mode, 0.0, buckets)))
    for curve in curves:
        smooth = 0.0 if curve.dashed else alpha
        lines.append((curve, curve_color(theme, curve.color), curve_lines(view, curve, mode, smooth, buckets)))
    few = sum(len(line) for _, _, parts in lines for line in parts) <= FEW_POINTS
    for curve, color, parts in lines:
        thick = few and not curve.dashed
        stroke(painter, color, parts, scaled(theme, _THICK) if thick else _THIN, dashed=curve.dashed)
    for curve in curves:
        paint_dots(painter, theme, view, curve, mode, 0.0 if curve.dashed else alpha)
        paint_gaps(painter, theme, view, curve, mode)


def bucket_count(view: View, curves: int) -> int:
    """Buckets of one to two pixels; of half that where there are few curves, so that noise looks solid."""
    return max(16, round(view.area.width()) * (2 if curves <= FEW_CURVES else 1))


def curve_lines(view: View, curve: PyramidCurve, mode: XMode, alpha: float, buckets: int) -> list[QPolygonF]:
    """The polylines of one curve in pixels. A single point becomes a short dash."""
    x, y = curve.envelope(mode, view.x[0], view.x[1], buckets, alpha)
    return polylines(*view.to_pixels(x, y))


def scaled(theme: Theme, offsets: Offsets) -> Offsets:
    """Offsets that make a line thicker on a larger theme, but leave no gap between its strokes."""
    factor = min(theme.scale, 1.6)
    return tuple((dx * factor, dy * factor) for dx, dy in offsets)


def stroke(
    painter: QPainter,
    color: QColor,
    parts: Sequence[QPolygonF],
    offsets: Offsets = _THIN,
    *,
    dashed: bool = False,
) -> None:
    """Draws polylines one pixel wide, once for each offset."""
    pen = QPen(color, 1)
    pen.setCosmetic(True)
    if dashed:
        pen.setDashPattern([5, 4])
    painter.setPen(pen)
    for dx, dy in offsets:
        painter.translate(dx, dy)
        for part in parts:
            painter.drawPolyline(part)
        painter.translate(-dx, -dy)


def paint_highlight(
    painter: QPainter, theme: Theme, view: View, curve: PyramidCurve, mode: XMode, alpha: float
) -> None:
    """The one curve that is pinned or under the mouse, on top of the others and bold."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    parts = curve_lines(view, curve, mode, 0.0 if curve.dashed else alpha, bucket_count(view, 1))
    stroke(painter, curve_color(theme, curve.color), parts, scaled(theme, _BOLD))


def paint_dots(painter: QPainter, theme: Theme, view: View, curve: PyramidCurve, mode: XMode, alpha: float) -> None:
    """The points themselves, where they are few (evaluations, a run that has just begun)."""
    first, last = curve.window(mode, *view.x)
    if curve.dashed or (last - first) * theme.px(DOT_SPACING_PX) > view.area.width():
        return
    x, y = view.to_pixels(*curve.envelope(mode, *view.x, last - first, alpha))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(curve_color(theme, curve.color))
    radius = theme.px(5) / 2
    for dot_x, dot_y in zip(x.tolist(), y.tolist(), strict=True):
        if dot_y == dot_y:
            painter.drawEllipse(QPointF(dot_x, dot_y), radius, radius)


def paint_gaps(painter: QPainter, theme: Theme, view: View, curve: PyramidCurve, mode: XMode) -> None:
    """A small cross above the axis wherever the curve has a NaN or an infinity; at most one a pixel column."""
    x = curve.gaps(mode, *view.x)
    if not len(x):
        return
    columns = np.unique(np.round(view.area.left() + (x - view.x[0]) / (view.x[1] - view.x[0]) * view.area.width()))
    painter.setPen(QPen(curve_color(theme, curve.color), 1.4))
    size, y = theme.px(3), view.area.bottom() - theme.px(6)
    for column in columns.tolist():
        painter.drawLine(QPointF(column - size, y - size), QPointF(column + size, y + size))
        painter.drawLine(QPointF(column - size, y + size), QPointF(column + size, y - size))


def label_width(theme: Theme, labels: Sequence[EndLabel], chart_width: float) -> float:
    """How much room the labels at the right want; less where the chart is narrow."""
    if not labels:
        return float(theme.px(12))
    widest = max(
        advance(theme, label.name) + advance(theme, stable(label.value), bold=True) + theme.px(8 if label.name else 0)
        for label in labels
    )
    # In steps, so that a value that gains a digit does not move the chart.
    step = theme.px(12)
    wanted = (widest // step + 1) * step + theme.px(26)
    return min(wanted, max(theme.px(64), chart_width * _LABEL_SHARE))


def stable(text: str) -> str:
    """A text as wide as any with the same places: every digit a zero."""
    return "".join("0" if c.isdigit() else c for c in text)


def paint_labels(painter: QPainter, theme: Theme, view: View, labels: Sequence[EndLabel], right: float) -> None:
    """Name and value at the end of each line, with a leader where the label had to move."""
    area = view.area
    height = float(theme.px(17))
    placed, left_out = place_labels(labels, area.top() - theme.px(8), area.bottom() + theme.px(4), height)
    plain, bold = font(theme), font(theme, bold=True)
    bar = area.right() + theme.px(12)
    text_left = bar + theme.px(7)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    for label, y in placed:
        color = theme.color(label.color)
        painter.setPen(QPen(blend(color, theme.color("surface"), 0.7), 1))
        end = min(max(label.y, area.top()), area.bottom())
        path = QPainterPath(QPointF(area.right() + theme.px(2), end))
        path.cubicTo(QPointF(area.right() + theme.px(7), end), QPointF(bar - theme.px(5), y), QPointF(bar, y))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(QRectF(bar, y - theme.px(5), theme.px(3), theme.px(10)), 1.5, 1.5)
        value_width = advance(theme, label.value, bold=True)
        name_room = right - text_left - value_width - theme.px(6)
        name = elided(theme, label.name, int(name_room)) if label.name and name_room > 0 else ""
        shown = name if name_room > theme.px(18) else ""
        painter.setFont(plain)
        painter.setPen(theme.color("muted"))
        painter.drawText(QRectF(text_left, y - height / 2, max(0.0, name_room), height), int(Left), shown)
        start = text_left + (advance(theme, shown) + theme.px(6) if shown else 0)
        painter.setFont(bold)
        painter.setPen(theme.color("text"))
        painter.drawText(QRectF(start, y - height / 2, right - start + theme.px(8), height), int(Left), label.value)
    if left_out:
        painter.setFont(plain)
        painter.setPen(theme.color("muted"))
        spot = QRectF(text_left, area.bottom() + theme.px(6), right - text_left, theme.px(16))
        painter.drawText(spot, int(Left), f"{left_out} more")


def cursor_chip(theme: Theme, view: View, x: float, text: str) -> QRectF | None:
    """Where the position of the cursor is written; None when the cursor is outside of the view."""
    area, column = view.area, view.px(x)
    if not area.left() - 1 <= column <= area.right() + 1:
        return None
    width = advance(theme, stable(text), bold=True) + theme.px(14)
    left = min(max(column - width / 2, area.left()), max(area.left(), area.right() - width))
    return QRectF(left, area.bottom() + theme.px(4), width, theme.px(20))


def paint_cursor(
    painter: QPainter,
    theme: Theme,
    view: View,
    x: float,
    dots: Sequence[tuple[float, float, str]],
    chip: QRectF,
    text: str,
) -> None:
    """The line at the cursor, a dot on each curve and the position below; `dots` are (x px, y px, colour)."""
    area, column = view.area, view.px(x)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(theme.color("muted"), 1))
    painter.drawLine(QPointF(column, area.top()), QPointF(column, area.bottom()))
    for dot_x, dot_y, color in dots:
        painter.setPen(QPen(theme.color("surface"), 2))
        painter.setBrush(theme.color(color))
        painter.drawEllipse(QPointF(dot_x, dot_y), theme.px(4), theme.px(4))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("text"))
    painter.drawRoundedRect(chip, theme.px(4), theme.px(4))
    painter.setFont(font(theme, bold=True))
    painter.setPen(theme.color("surface"))
    painter.drawText(chip, int(Center), text)


def paint_values(
    painter: QPainter, theme: Theme, view: View, at: float, rows: Sequence[ValueRow], hidden: int, strong: str
) -> None:
    """The box beside the cursor: the values of all curves, highest first."""
    if not rows:
        return
    plain, bold = font(theme), font(theme, bold=True)
    names = max(advance(theme, row.name) for row in rows)
    values = max(advance(theme, stable(row.value), bold=True) for row in rows)
    line, pad = theme.px(19), theme.px(9)
    width = pad * 2 + theme.px(12) + min(names, view.area.width() * 0.5) + theme.px(12) + values
    height = line * (len(rows) + (1 if hidden else 0)) + pad * 1.4
    left = at + theme.px(14)
    if left + width > view.area.right():
        left = max(view.area.left() + theme.px(2), at - theme.px(14) - width)
    box = QRectF(left, view.area.top() + theme.px(4), width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(theme.color("line"), 1))
    painter.setBrush(theme.color("raised", 0.96))
    painter.drawRoundedRect(box, theme.px(6), theme.px(6))
    top = box.top() + pad * 0.7
    for row in rows:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(row.color))
        painter.drawRoundedRect(QRectF(left + pad, top + line / 2 - theme.px(4), theme.px(8), theme.px(8)), 2, 2)
        painter.setFont(bold if row.key == strong else plain)
        painter.setPen(theme.color("text" if row.key == strong else "muted"))
        name_spot = QRectF(left + pad + theme.px(16), top, width - values - pad * 2 - theme.px(20), line)
        name = elided(theme, row.name, int(name_spot.width()), bold=row.key == strong)
        painter.drawText(name_spot, int(Left), name)
        painter.setFont(bold)
        painter.setPen(theme.color("text"))
        painter.drawText(QRectF(box.right() - pad - values, top, values, line), int(Right), row.value)
        top += line
    if hidden:
        painter.setFont(plain)
        painter.setPen(theme.color("muted"))
        painter.drawText(QRectF(left + pad, top, width - 2 * pad, line), int(Left), f"and {hidden} more")


def paint_zoom_box(painter: QPainter, theme: Theme, box: QRectF) -> None:
    """The part that a drag has marked."""
    painter.setPen(QPen(theme.color("accent"), 1))
    painter.setBrush(theme.color("accent", 0.15))
    painter.drawRect(box)


def paint_empty(painter: QPainter, theme: Theme, area: QRectF, text: str) -> None:
    """What stands in a chart without points."""
    painter.setFont(theme.font("body"))
    painter.setPen(theme.color("muted"))
    painter.drawText(area, int(Center | Qt.TextFlag.TextWordWrap), text)
