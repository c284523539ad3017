"""The sheet of values: a read-only table that keeps its scroll over reloads and flashes what changed."""

from __future__ import annotations

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QBrush, QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QTableView, QWidget

from arrcoc_gui.experiments.sheet import SheetRow, changed_paths
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.cells import TextDelegate

Index = QModelIndex | QPersistentModelIndex
FIELD, VALUE, OTHER, SOURCE = range(4)
FLASH_MS = 1800


class SheetModel(QAbstractTableModel):
    """Rows of `build_sheet`; `other` is the name of the experiment beside, "" for none."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[SheetRow, ...] = ()
        self.other = ""
        self.flashing: frozenset[str] = frozenset()
        self._name = ""
        self._end = QTimer(self, interval=FLASH_MS, singleShot=True)
        self._end.timeout.connect(lambda: self._flash(frozenset()))

    def show_sheet(self, name: str, rows: tuple[SheetRow, ...], other: str = "") -> None:
        """Show the sheet of experiment `name`; the same paths as before keep their cells, and changed ones flash."""
        same = name == self._name and other == self.other and [r.path for r in rows] == [r.path for r in self.rows]
        if not same:
            self.beginResetModel()
            self._name, self.other, self.rows, self.flashing = name, other, rows, frozenset()
            self.endResetModel()
            return
        changed = changed_paths(self.rows, rows)
        self.rows = rows
        if rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, SOURCE))
        if changed:
            self._flash(changed)
            self._end.start()

    def _flash(self, paths: frozenset[str]) -> None:
        self.flashing = paths
        if self.rows:
            self.dataChanged.emit(
                self.index(0, 0), self.index(len(self.rows) - 1, SOURCE), [Qt.ItemDataRole.BackgroundRole]
            )

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 4

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return ("Field", "Value", self.other, "Source")[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row, column, look = self.rows[index.row()], index.column(), theme()
        if role == Qt.ItemDataRole.DisplayRole:
            label = row.label if row.heading else f"  {row.label}"
            return (label, row.value, row.other, row.source)[column]
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return row.label if row.heading else f"{row.path} = {row.value}, {row.source}"
        if role == Qt.ItemDataRole.ToolTipRole and not row.heading:
            return f"{row.path} = {row.value}\n{row.source}"
        if role == Qt.ItemDataRole.FontRole:
            if column == SOURCE:
                return look.font("small")
            return look.font("mono_small", bold=row.heading or (row.changed and column in (VALUE, OTHER)))
        if role == Qt.ItemDataRole.ForegroundRole:
            quiet = column == SOURCE or row.heading or (column == FIELD and not row.changed)
            return QBrush(look.color("muted" if quiet else "text"))
        if role == Qt.ItemDataRole.BackgroundRole and row.path in self.flashing and not row.heading:
            return QBrush(look.color("flash"))
        return None


class SheetView(QTableView):
    """Enter or a double click on a value opens the editor where it was written; Ctrl+C copies the selected lines."""

    opened = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sheet = SheetModel(self)
        self.setModel(self.sheet)
        self.setProperty("look", "bare")
        self.setItemDelegate(TextDelegate(self, 22))
        self.setAccessibleName("Values")
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        self.doubleClicked.connect(lambda index: self._open(index.row()))
        self.sheet.modelReset.connect(self._lay_out)
        themes().changed.connect(self._lay_out)
        self._lay_out()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.currentIndex().row())
        elif event.matches(QKeySequence.StandardKey.Copy):
            rows = sorted({index.row() for index in self.selectionModel().selectedRows()})
            lines = [self.sheet.rows[i] for i in rows]
            QGuiApplication.clipboard().setText("\n".join(f"{r.path} = {r.value}" for r in lines if not r.heading))
        else:
            super().keyPressEvent(event)

    def _open(self, row: int) -> None:
        if 0 <= row < len(self.sheet.rows) and self.sheet.rows[row].file:
            self.opened.emit(self.sheet.rows[row].file, self.sheet.rows[row].line)

    def _lay_out(self) -> None:
        look = theme()
        self.verticalHeader().setDefaultSectionSize(look.px(22))
        # Beside another experiment the source gives way: it is in the tool tip as well.
        self.setColumnHidden(OTHER, not self.sheet.other)
        self.setColumnHidden(SOURCE, bool(self.sheet.other))
        header = self.horizontalHeader()
        header.setMinimumSectionSize(look.px(60))
        metrics = QFontMetrics(look.font("mono_small", bold=True))
        longest = max((len(row.label) + 2 for row in self.sheet.rows), default=12)
        width = max(self.viewport().width(), look.px(200))
        field = metrics.horizontalAdvance("m") * longest + look.px(18)
        share, most = (0.29, 0.42) if self.sheet.other else (0.27, 0.50)
        header.resizeSection(FIELD, round(min(field, width * most)))
        header.resizeSection(VALUE, round(width * share))
        header.resizeSection(OTHER, round(width * share))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out()
