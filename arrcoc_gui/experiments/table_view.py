"""The tree of experiments: look, keys, and the search above it."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSortFilterProxyModel, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QTreeView, QWidget

from arrcoc_gui.experiments.model import FLASH, ROW, TONE, ExperimentModel
from arrcoc_gui.experiments.rows import (
    COLUMNS,
    DATA,
    ESTIMATE,
    KEEPS,
    LAST,
    MODEL,
    NAME,
    STATUS,
    TARGET,
    Row,
    flatten,
    matches,
)
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.cells import TextDelegate
from arrcoc_gui.widgets.labels import badge_size, paint_badge

Index = QModelIndex | QPersistentModelIndex
# What gives way first when the name has too little room: all of it stands in the sheet beside as well.
YIELDING = (TARGET, MODEL, DATA, ESTIMATE, KEEPS)
NAME_LEAST, WIDEST = 190, 150


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


class RowDelegate(TextDelegate):
    """Flash behind changed cells, the status as a badge, secondary cells muted."""

    def font(self, index: Index) -> QFont:
        return theme().font("body", bold=index.column() == NAME)

    def ink(self, index: Index) -> QColor:
        row: Row | None = index.data(ROW)
        if row is not None and row.kind == "broken":
            return theme().color("bad" if index.column() == NAME else "muted")
        return theme().color("text" if index.column() in (NAME, KEEPS, ESTIMATE, LAST) else "muted")

    def fill(self, index: Index) -> QColor | None:
        flash = index.data(FLASH) or 0.0
        return theme().color("flash", flash) if flash else None

    def paint_content(self, painter: QPainter, area: QRectF, index: Index) -> None:
        word = index.data()
        if index.column() != STATUS or not word:
            super().paint_content(painter, area, index)
            return
        size = badge_size(word)
        width = min(size.width(), area.width() + theme().px(6))
        place = QRectF(area.left(), area.center().y() - size.height() / 2, width, size.height())
        paint_badge(painter, place, word, index.data(TONE))


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
        self._fit_soon = QTimer(self, interval=0, singleShot=True)
        self._fit_soon.timeout.connect(self._fit)
        self._apply_theme()
        themes().changed.connect(self._apply_theme)
        self.selectionModel().currentRowChanged.connect(lambda now, _: self.current_changed.emit(now.data(ROW)))
        self.proxy.rowsInserted.connect(self._keep_current)
        for changed in (model.rowsInserted, model.rowsRemoved, model.dataChanged):
            changed.connect(self._fit_later)

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

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _apply_theme(self) -> None:
        self.setIndentation(theme().px(16))
        self.header().setMinimumSectionSize(theme().px(40))
        self.doItemsLayout()
        self._fit()

    def _fit_later(self, *what: object) -> None:
        if len(what) < 3 or what[2] != [FLASH]:
            self._fit_soon.start()

    def _fit(self) -> None:
        """Columns as wide as their words; those in YIELDING go one by one until the name has room."""
        look = theme()
        body, label = QFontMetrics(look.font("body")), QFontMetrics(look.font("label"))
        widths: dict[int, int] = {}
        for column in range(len(COLUMNS)):
            if column == NAME:
                continue
            metrics, room = (label, 36) if column == STATUS else (body, 18)
            texts = (row.cells[column] for row in flatten(self.rows.rows))
            widest = max((metrics.horizontalAdvance(text) for text in texts), default=0)
            width = max(widest + look.px(room), label.horizontalAdvance(COLUMNS[column]) + look.px(18))
            widths[column] = min(width, look.px(WIDEST))
        left = self.viewport().width() - sum(widths.values())
        hidden: set[int] = set()
        for column in YIELDING:
            if left < look.px(NAME_LEAST):
                hidden.add(column)
                left += widths[column]
        for column, width in widths.items():
            self.setColumnHidden(column, column in hidden)
            self.header().resizeSection(column, width)
