"""The tree of experiments: look, keys, and the search above it."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTreeView, QWidget

from arrcoc_gui.experiments.model import FLASH, ROW, TONE, ExperimentModel
from arrcoc_gui.experiments.rows import COLUMNS, DATA, ESTIMATE, KEEPS, LAST, MODEL, NAME, STATUS, TARGET, Row, matches
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.labels import badge_size, paint_badge

Index = QModelIndex | QPersistentModelIndex
# Widths at 100 %; the name takes what is left.
WIDTHS = {STATUS: 124, MODEL: 74, KEEPS: 64, DATA: 84, TARGET: 104, ESTIMATE: 78, LAST: 96}
NAME_LEAST = 150


class SearchProxy(QSortFilterProxyModel):
    """Rows that match every word of the search; the points of a sweep stay with it."""

    def __init__(self, source: ExperimentModel) -> None:
        super().__init__(source)
        self._query = ""
        self.setSourceModel(source)

    def search(self, query: str) -> None:
        self.beginFilterChange()
        self._query = query
        self.endFilterChange()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        if parent.isValid() or not self._query.strip():
            return True
        found: Row = self.sourceModel().index(row, 0, parent).data(ROW)
        return matches(found, self._query)


class RowDelegate(QStyledItemDelegate):
    """Flash behind changed cells, the status as a badge, muted secondary cells, numbers in one width."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(super().sizeHint(option, index).width(), theme().px(30))

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        look = theme()
        option.font = look.font("body", bold=index.column() == NAME)
        option.palette.setColor(option.palette.ColorRole.Text, look.color(_ink(index)))
        option.textElideMode = Qt.TextElideMode.ElideMiddle
        flash = index.data(FLASH) or 0.0
        if flash:
            option.backgroundBrush = look.color("flash", flash)
        if index.column() == STATUS:
            option.text = ""
        # The ring of the whole table shows the focus; a second one around a cell would only be noise.
        option.state &= ~QStyle.StateFlag.State_HasFocus

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        word = index.data()
        if index.column() == STATUS and word:
            size = badge_size(word)
            area = QRectF(option.rect)
            left = area.left() + theme().px(6)
            width = min(size.width(), area.right() - left)
            paint_badge(
                painter,
                QRectF(left, area.center().y() - size.height() / 2, width, size.height()),
                word,
                index.data(TONE),
            )


class ExperimentTree(QTreeView):
    """`current_changed` carries the Row (or None); Enter emits `confirmed`."""

    current_changed = Signal(object)
    confirmed = Signal()

    def __init__(self, model: ExperimentModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = model
        self.proxy = SearchProxy(model)
        self.setModel(self.proxy)
        self.setItemDelegate(RowDelegate(self))
        self.setAccessibleName("Experiments")
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setVerticalScrollMode(QTreeView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._apply_theme()
        themes().changed.connect(self._apply_theme)
        self.selectionModel().currentRowChanged.connect(lambda now, _: self.current_changed.emit(now.data(ROW)))
        self.proxy.rowsInserted.connect(self._keep_current)

    @property
    def current_row(self) -> Row | None:
        return self.currentIndex().data(ROW) if self.currentIndex().isValid() else None

    def select_key(self, key: str) -> bool:
        """Make the row current, opening its sweep; False when it is not there."""
        index = self.proxy.mapFromSource(self.rows.index_of(key))
        if not index.isValid():
            return False
        if index.parent().isValid():
            self.expand(index.parent())
        self.setCurrentIndex(index)
        self.scrollTo(index)
        return True

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.confirmed.emit()
            return
        super().keyPressEvent(event)

    def _keep_current(self) -> None:
        if not self.currentIndex().isValid() and self.proxy.rowCount():
            self.setCurrentIndex(self.proxy.index(0, 0))

    def _apply_theme(self) -> None:
        look = theme()
        self.setIndentation(look.px(16))
        header = self.header()
        header.setMinimumSectionSize(look.px(40))
        for column in range(len(COLUMNS)):
            if column != NAME:
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
                header.resizeSection(column, look.px(WIDTHS[column]))
        self.doItemsLayout()


def _ink(index: Index) -> str:
    row: Row | None = index.data(ROW)
    if row is not None and row.kind == "broken":
        return "bad" if index.column() == NAME else "muted"
    return "text" if index.column() in (NAME, KEEPS, ESTIMATE, LAST) else "muted"
