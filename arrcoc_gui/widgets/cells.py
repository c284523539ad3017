"""Cells of tables: text with the same margin as the header's, the cell's own background, long text shortened."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from arrcoc_gui.theme import theme

Index = QModelIndex | QPersistentModelIndex
MARGIN = 8  # as QHeaderView::section in the style sheet


class TextDelegate(QStyledItemDelegate):
    """Reads font, colours and alignment from the model's roles; subclasses override `font`, `ink` and `fill`."""

    def __init__(self, parent: object, row_height: int = 30) -> None:
        super().__init__(parent)  # type: ignore[arg-type]
        self._row_height = row_height

    def font(self, index: Index) -> QFont:
        font = index.data(Qt.ItemDataRole.FontRole)
        return font if isinstance(font, QFont) else theme().font("body")

    def ink(self, index: Index) -> QColor:
        brush = index.data(Qt.ItemDataRole.ForegroundRole)
        return brush.color() if isinstance(brush, QBrush) else theme().color("text")

    def fill(self, index: Index) -> QColor | None:
        """Colour behind the cell, over the selection."""
        brush = index.data(Qt.ItemDataRole.BackgroundRole)
        return brush.color() if isinstance(brush, QBrush) else None

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        width = QFontMetrics(self.font(index)).horizontalAdvance(str(index.data() or ""))
        return QSize(width + 2 * theme().px(MARGIN), theme().px(self._row_height))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, theme().color("accent_soft"))
        fill = self.fill(index)
        if fill is not None:
            painter.fillRect(option.rect, fill)
        self.paint_content(painter, QRectF(option.rect).adjusted(theme().px(MARGIN), 0, -theme().px(MARGIN), 0), index)
        painter.restore()

    def paint_content(self, painter: QPainter, area: QRectF, index: Index) -> None:
        """What stands in the cell; `area` is without the margins."""
        font = self.font(index)
        text = QFontMetrics(font).elidedText(str(index.data() or ""), Qt.TextElideMode.ElideMiddle, int(area.width()))
        right = int(index.data(Qt.ItemDataRole.TextAlignmentRole) or 0) & int(Qt.AlignmentFlag.AlignRight)
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        painter.setFont(font)
        painter.setPen(self.ink(index))
        painter.drawText(area, side | Qt.AlignmentFlag.AlignVCenter, text)
