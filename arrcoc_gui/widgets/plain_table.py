"""A table of short texts: rows with a key, cells with a colour role and, for states, a shape.

    table = PlainTable("Quota", ("GPU", "Region", "Granted"), right={2}, stretch=1)
    table.show_rows([TableRow("l4", (Cell("L4"), Cell("us-central1"), Cell("8")))])

An update keeps the current row by its key; the same rows in the same order change only their cells. The table is as
high as its rows, up to `most`, so that several of them can stand on a page that scrolls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QTableView, QWidget

from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.cells import MARGIN, TextDelegate
from arrcoc_gui.widgets.shapes import StateLook, draw_shape

Index = QModelIndex | QPersistentModelIndex
CELL = int(Qt.ItemDataRole.UserRole) + 1
ROW_HEIGHT = 28
_NO_PARENT = QModelIndex()


@dataclass(frozen=True)
class Cell:
    """`role`: colour of the text. `look`: a state, whose shape stands before the text. `tip`: "" = the text."""

    text: str = ""
    role: str = "text"
    look: StateLook | None = None
    tip: str = ""
    bold: bool = False

    @classmethod
    def of(cls, look: StateLook) -> Cell:
        """A state by shape and word."""
        return cls(look.word, "muted" if look.role == "faint" else look.role, look)


@dataclass(frozen=True)
class TableRow:
    key: str
    cells: tuple[Cell, ...]


class PlainModel(QAbstractTableModel):
    """The rows."""

    def __init__(self, headers: Sequence[str], right: frozenset[int], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.headers = tuple(headers)
        self.rows: tuple[TableRow, ...] = ()
        self._right = right

    def set_rows(self, rows: Sequence[TableRow]) -> None:
        rows = tuple(rows)
        if rows == self.rows:
            return
        if [row.key for row in rows] == [row.key for row in self.rows]:
            self.rows = rows
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(self.headers) - 1))
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.headers[section]
        return self._alignment(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        cell = self.rows[index.row()].cells[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == Qt.ItemDataRole.ToolTipRole:
            return cell.tip or cell.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{self.headers[index.column()]}: {cell.text or 'none'}"
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.column())
        return cell if role == CELL else None

    def _alignment(self, column: int) -> int:
        side = Qt.AlignmentFlag.AlignRight if column in self._right else Qt.AlignmentFlag.AlignLeft
        return int(side | Qt.AlignmentFlag.AlignVCenter)


class CellDelegate(TextDelegate):
    """The cell's own font and colour, its shape first."""

    def font(self, index: Index) -> QFont:
        cell: Cell | None = index.data(CELL)
        return theme().font("body", bold=cell is not None and (cell.bold or cell.look is not None))

    def ink(self, index: Index) -> QColor:
        cell: Cell | None = index.data(CELL)
        return theme().color(cell.role if cell is not None else "text")

    def paint_content(self, painter: QPainter, area: QRectF, index: Index) -> None:
        cell: Cell | None = index.data(CELL)
        if cell is not None and cell.look is not None:
            side = theme().px(12)
            spot = QRectF(area.left(), area.center().y() - side / 2, side, side)
            draw_shape(painter, cell.look.shape, spot, theme().color(cell.look.role))
            area = area.adjusted(side + theme().px(6), 0, 0, 0)
        super().paint_content(painter, area, index)


class PlainTable(QTableView):
    """`current_changed` carries the key of the current row (""); `confirmed` that of the one Enter was pressed on."""

    current_changed = Signal(str)
    confirmed = Signal(str)

    def __init__(
        self,
        name: str,
        headers: Sequence[str],
        *,
        right: Iterable[int] = (),
        stretch: int = 0,
        most: int = 14,
        least: int = 120,
        give_way: Sequence[int] = (),
        widest: Mapping[int, int] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """`give_way`: columns hidden, in this order, while the one that stretches has less than `least` pixels.

        `widest`: pixels at 100 % that a column takes at most; longer texts are shortened.
        """
        super().__init__(parent)
        self.table = PlainModel(headers, frozenset(right), self)
        self.setModel(self.table)
        self._widest = dict(widest or {})
        self._stretch, self._most, self._least, self._give_way = stretch, most, least, tuple(give_way)
        self.setProperty("look", "bare")
        self.setAccessibleName(name)
        self.setItemDelegate(CellDelegate(self, ROW_HEIGHT))
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.selectionModel().currentRowChanged.connect(lambda now, _: self.current_changed.emit(self._key(now)))
        self.doubleClicked.connect(lambda index: self.confirmed.emit(self._key(index)))
        themes().changed.connect(self._fit)
        self._fit()

    @property
    def current_key(self) -> str:
        return self._key(self.currentIndex())

    def show_rows(self, rows: Sequence[TableRow]) -> None:
        """Replace the rows; the current one stays current where it is still there."""
        key = self.current_key
        self.table.set_rows(rows)
        if key and self.current_key != key:
            self.select_key(key)
        self._fit()

    def select_key(self, key: str) -> None:
        """Make the row current; nothing happens where it is not there."""
        for number, row in enumerate(self.table.rows):
            if row.key == key:
                self.selectRow(number)

    def text(self) -> str:
        """All of it, tab-separated, for the clipboard and for tests."""
        lines = [self.table.headers, *(tuple(cell.text for cell in row.cells) for row in self.table.rows)]
        return "\n".join("\t".join(line) for line in lines)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current_key:
            self.confirmed.emit(self.current_key)
        elif event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.text())
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()

    def _key(self, index: Index) -> str:
        return self.table.rows[index.row()].key if index.isValid() and index.row() < len(self.table.rows) else ""

    def _fit(self) -> None:
        px = theme().px
        self.verticalHeader().setDefaultSectionSize(px(ROW_HEIGHT))
        shown = min(max(len(self.table.rows), 1), self._most)
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + shown * px(ROW_HEIGHT) + px(6))
        self._fit_columns()

    def _fit_columns(self) -> None:
        px = theme().px
        body, label = QFontMetrics(theme().font("body", bold=True)), QFontMetrics(theme().font("label"))
        widths: list[int] = []
        for column, header in enumerate(self.table.headers):
            widest = label.horizontalAdvance(header)
            for row in self.table.rows:
                cell = row.cells[column]
                mark = px(18) if cell.look is not None else 0
                widest = max(widest, body.horizontalAdvance(cell.text) + mark)
            width = widest + px(2 * MARGIN + 4)
            widths.append(min(width, px(self._widest[column])) if column in self._widest else width)
        room = self.viewport().width()
        least = px(self._least)
        hidden: set[int] = set()
        for column in self._give_way:
            if sum(w for i, w in enumerate(widths) if i not in hidden and i != self._stretch) + least > room:
                hidden.add(column)
        rest = room - sum(w for i, w in enumerate(widths) if i not in hidden and i != self._stretch)
        for column, width in enumerate(widths):
            self.setColumnHidden(column, column in hidden)
            self.horizontalHeader().resizeSection(column, max(rest, least) if column == self._stretch else width)
