"""The rows as a Qt tree model. A reload changes only what has changed, so selection, expansion and scroll stay.

Cells that a reload has changed flash: the role FLASH is 1.0 and fades to 0 within two seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer

from arrcoc_gui.experiments.rows import COLUMNS, NAME, RIGHT_ALIGNED, STATUS, Row, changed_cells, flatten

Index = QModelIndex | QPersistentModelIndex
ROW = Qt.ItemDataRole.UserRole + 1  # the Row
FLASH = Qt.ItemDataRole.UserRole + 2  # 0.0 to 1.0
TONE = Qt.ItemDataRole.UserRole + 3  # of the status badge
FLASH_MS, FLASH_STEPS = 1800, 12


@dataclass(eq=False)
class _Node:
    number: int
    row: Row
    parent: int = 0  # number of the parent; 0: top level
    children: list[_Node] = field(default_factory=list)


class ExperimentModel(QAbstractItemModel):
    """Two levels: experiments and sweeps, and the points of a sweep."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._numbers = itertools.count(1)
        self._top: list[_Node] = []
        self._by_number: dict[int, _Node] = {}
        self._rows: tuple[Row, ...] = ()
        self._loaded = False
        self._flashing: dict[str, frozenset[int]] = {}
        self._left = 0
        self._fade = QTimer(self, interval=FLASH_MS // FLASH_STEPS)
        self._fade.timeout.connect(self._fade_step)

    # -- rows ---------------------------------------------------------------------------------------------------

    def set_rows(self, rows: Sequence[Row], *, flash: bool = True) -> None:
        """Show these rows, keeping the indexes of those that stay; what has changed flashes, except at the first
        load.
        """
        changed = changed_cells(self._rows, rows) if self._loaded and flash else {}
        self._sync(QModelIndex(), self._top, rows, 0)
        self._rows = tuple(rows)
        self._loaded = True
        if changed:
            self._flashing, self._left = changed, FLASH_STEPS
            self._touch_flashing()
            self._fade.start()

    @property
    def rows(self) -> tuple[Row, ...]:
        return self._rows

    def flashing(self) -> dict[str, frozenset[int]]:
        """Keys and columns that flash now."""
        return dict(self._flashing)

    def row_at(self, index: Index) -> Row | None:
        return self._by_number[index.internalId()].row if index.isValid() else None

    def index_of(self, key: str) -> QModelIndex:
        """The first cell of the row with this key; invalid when it is not there."""
        for i, node in enumerate(self._top):
            if node.row.key == key:
                return self.createIndex(i, 0, node.number)
            for j, child in enumerate(node.children):
                if child.row.key == key:
                    return self.createIndex(j, 0, child.number)
        return QModelIndex()

    def key_of(self, name: str) -> str:
        """The key of the experiment or sweep of this name, or ""."""
        return next((row.key for row in flatten(self._rows) if row.name == name), "")

    # -- QAbstractItemModel -------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        nodes = self._children(parent)
        if 0 <= row < len(nodes) and 0 <= column < len(COLUMNS):
            return self.createIndex(row, column, nodes[row].number)
        return QModelIndex()

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        node = self._by_number.get(index.internalId()) if index.isValid() else None
        if node is None or not node.parent:
            return QModelIndex()
        above = self._by_number[node.parent]
        return self.createIndex(self._top.index(above), 0, above.number)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() and parent.column() > 0 else len(self._children(parent))

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self.row_at(index)
        if row is None:
            return None
        column = index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return row.cells[column]
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{COLUMNS[column]}: {row.cells[column] or 'none'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tool_tip(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == ROW:
            return row
        if role == TONE:
            return row.tone
        if role == FLASH:
            return self._left / FLASH_STEPS if column in self._flashing.get(row.key, ()) else 0.0
        return None

    # -- keeping what stays -------------------------------------------------------------------------------------

    def _children(self, parent: Index) -> list[_Node]:
        return self._by_number[parent.internalId()].children if parent.isValid() else self._top

    def _sync(self, parent: QModelIndex, nodes: list[_Node], rows: Sequence[Row], above: int) -> None:
        """Make `nodes` hold `rows`: remove what has gone, insert and move the rest into place, then update it."""
        wanted = {row.key for row in rows}
        for i in reversed(range(len(nodes))):
            if nodes[i].row.key not in wanted:
                self.beginRemoveRows(parent, i, i)
                self._forget(nodes.pop(i))
                self.endRemoveRows()
        for i, row in enumerate(rows):
            at = next((j for j in range(i, len(nodes)) if nodes[j].row.key == row.key), None)
            if at is None:
                self.beginInsertRows(parent, i, i)
                nodes.insert(i, self._new(row, above))
                self.endInsertRows()
            elif at != i:
                self.beginMoveRows(parent, at, at, parent, i)
                nodes.insert(i, nodes.pop(at))
                self.endMoveRows()
            self._update(nodes[i], i, row)

    def _update(self, node: _Node, i: int, row: Row) -> None:
        self._sync(self.createIndex(i, 0, node.number), node.children, row.children, node.number)
        if node.row != row or node.row.identity != row.identity:
            node.row = row
            last = len(COLUMNS) - 1
            self.dataChanged.emit(self.createIndex(i, 0, node.number), self.createIndex(i, last, node.number))
        node.row = row

    def _new(self, row: Row, above: int) -> _Node:
        node = _Node(next(self._numbers), row, above)
        self._by_number[node.number] = node
        node.children = [self._new(child, node.number) for child in row.children]
        return node

    def _forget(self, node: _Node) -> None:
        del self._by_number[node.number]
        for child in node.children:
            self._forget(child)

    # -- flash --------------------------------------------------------------------------------------------------

    def _fade_step(self) -> None:
        self._left -= 1
        self._touch_flashing()
        if self._left <= 0:
            self._flashing = {}
            self._fade.stop()

    def _touch_flashing(self) -> None:
        for key, columns in self._flashing.items():
            index = self.index_of(key)
            if index.isValid():
                left, right = index.siblingAtColumn(min(columns)), index.siblingAtColumn(max(columns))
                self.dataChanged.emit(left, right, [FLASH])


def _alignment(column: int) -> int:
    side = Qt.AlignmentFlag.AlignRight if column in RIGHT_ALIGNED else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)


def _tool_tip(row: Row, column: int) -> str:
    if row.problem is not None:
        return f"{row.problem.file}:{row.problem.line}: {row.problem.message}"
    if column == NAME:
        return f"{row.name}\n{row.file}:{row.line}"
    if column == STATUS and row.blocked is not None:
        return f"cannot run here: {row.blocked.message}"
    return row.cells[column]
