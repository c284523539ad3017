"""How one row of the run list is painted: swatch, name, live value; below, the state and its progress.

    [swatch] quickstart            96.1 %  (eye)
             > running   ----------
    [swatch] k64-baseline         340 rows  (eye)
             > running · behind 12 s    ada

A run that is read from a W&B server has a hollow swatch, and at the right the name of who logged it.
The eye is painted here and toggled by the view (a click on it, or the space bar).
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from arrcoc_gui.monitor.run_model import EyeRole, RowRole
from arrcoc_gui.monitor.run_rows import RunRow
from arrcoc_gui.monitor.states import look_of
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.shapes import draw_eye, draw_shape, role_color

Index = QModelIndex | QPersistentModelIndex


class RunDelegate(QStyledItemDelegate):
    """Paints `RunRow`s. `color_of(run_id)` gives the run's series colour as `#rrggbb`."""

    def __init__(self, color_of: Callable[[str], str]) -> None:
        super().__init__()
        self._color_of = color_of

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme().px(160), theme().px(46))

    @staticmethod
    def eye_box(rect: QRect) -> QRect:
        """Where the eye is within a row's rectangle: also where a click toggles it."""
        side = theme().px(28)
        return QRect(rect.right() - side, rect.top() + (rect.height() - side) // 2, side, side)

    @staticmethod
    def fold_box(rect: QRect) -> QRect:
        """Where a sweep's row is folded and unfolded by a click."""
        return QRect(rect.left(), rect.top() + theme().px(22), theme().px(22), theme().px(20))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row = index.data(RowRole)
        if not isinstance(row, RunRow):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = option.rect
        self._paint_ground(painter, option, rect)
        px = theme().px
        box = QRect(rect.left() + px(6), rect.top() + px(6), px(10), px(14))
        self._paint_swatch(painter, row, box)
        if row.is_sweep:
            unfolded = bool(option.state & QStyle.StateFlag.State_Open)
            self._paint_fold(painter, self.fold_box(rect), unfolded=unfolded)
        eye = self.eye_box(rect)
        shown = bool(index.data(EyeRole))
        side = px(14)
        draw_eye(
            painter,
            QRectF(eye.center().x() - side / 2, eye.center().y() - side / 2, side, side),
            role_color("text" if shown else "faint"),
            open_=shown,
        )
        self._paint_words(
            painter, row, QRect(box.right() + px(8), rect.top(), eye.left() - box.right() - px(10), rect.height())
        )
        painter.restore()

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, rect: QRect) -> None:
        inner = QRectF(rect).adjusted(1, 1, -1, -1)
        radius = theme().px(6)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(role_color("accent_soft"))
            painter.drawRoundedRect(inner, radius, radius)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(role_color("hover"))
            painter.drawRoundedRect(inner, radius, radius)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(role_color("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(inner, radius, radius)

    def _paint_fold(self, painter: QPainter, box: QRect, *, unfolded: bool) -> None:
        reach = theme().px(4)
        middle = QPointF(box.center())
        a, b, c = (-reach, -reach / 2), (0, reach / 2), (reach, -reach / 2)
        if not unfolded:
            a, b, c = (-reach / 2, -reach), (reach / 2, 0), (-reach / 2, reach)
        painter.setPen(QPen(role_color("muted"), 1.4))
        painter.drawPolyline([middle + QPointF(*point) for point in (a, b, c)])

    def _paint_swatch(self, painter: QPainter, row: RunRow, box: QRect) -> None:
        """A run's colour; a sweep's as stripes of its runs' colours."""
        colors = list(dict.fromkeys(self._color_of(run_id) for run_id in row.run_ids))[:4]
        if row.place:
            painter.setPen(QPen(QColor(colors[0]), theme().px(2)))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), 2, 2)
            return
        painter.setPen(Qt.PenStyle.NoPen)
        height = box.height() / len(colors)
        for number, color in enumerate(colors):
            painter.setBrush(QColor(color))
            piece = QRectF(box.left(), box.top() + number * height, box.width(), height - (1 if len(colors) > 1 else 0))
            painter.drawRoundedRect(piece, 2, 2)

    def _paint_user(self, painter: QPainter, user: str, area: QRect, needed: int) -> QRect:
        """Who logged it, at the right; returns what is left for the state, which comes first."""
        px = theme().px
        room = area.width() - needed - px(8)
        if room < px(36):
            return area
        metrics = painter.fontMetrics()
        shown = metrics.elidedText(user, Qt.TextElideMode.ElideRight, room)
        ink = painter.pen()
        painter.setPen(role_color("muted"))
        painter.drawText(area, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), shown)
        painter.setPen(ink)
        return area.adjusted(0, 0, -metrics.horizontalAdvance(shown) - px(8), 0)

    def _paint_words(self, painter: QPainter, row: RunRow, area: QRect) -> None:
        px = theme().px
        font = theme().font("body")
        metrics = QFontMetrics(font)
        value_width = metrics.horizontalAdvance(row.value)
        top = QRect(area.left(), area.top() + px(4), area.width(), px(18))
        value_fits = value_width < area.width() * 0.62
        painter.setFont(font)
        if row.value and value_fits:
            painter.setPen(role_color("text" if row.value[:1].isdigit() or row.is_sweep else "muted"))
            painter.drawText(top, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), row.value)
        painter.setPen(role_color("text"))
        room = area.width() - (value_width + px(8) if value_fits else 0)
        name = metrics.elidedText(row.name, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(top, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)

        look = look_of(row.state)
        low = QRect(area.left(), area.top() + px(24), area.width(), px(16))
        mark = px(11)
        draw_shape(
            painter, look.shape, QRectF(low.left(), low.center().y() - mark / 2 + 1, mark, mark), role_color(look.role)
        )
        painter.setFont(theme().font("small"))
        painter.setPen(role_color(look.role if look.role != "accent" else "muted"))
        words = look.word + (f" · {len(row.run_ids)} runs" if row.is_sweep else "")
        words += " · sandbox" if row.sandbox else ""
        words += f" · {row.note}" if row.note else ""
        left = low.left() + mark + px(5)
        spot = QRect(left, low.top(), low.right() - left, low.height())
        if row.user:
            spot = self._paint_user(painter, row.user, spot, painter.fontMetrics().horizontalAdvance(words))
        shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, spot.width())
        painter.drawText(spot, int(Qt.AlignmentFlag.AlignVCenter), shown)
        if row.fraction is None:
            return
        used = left + QFontMetrics(theme().font("small")).horizontalAdvance(words) + px(10)
        groove = QRectF(used, low.center().y() - 1, max(low.right() - used, 0), px(3))
        if groove.width() > px(20):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(role_color("line"))
            painter.drawRoundedRect(groove, 1.5, 1.5)
            groove.setWidth(groove.width() * row.fraction)
            painter.setBrush(role_color("accent"))
            painter.drawRoundedRect(groove, 1.5, 1.5)
