"""The run list for Qt: a tree of `RunRow`s with an eye per run.

Values change many times a second, the structure seldom: an update that keeps every row's key in its place
becomes `dataChanged` of the rows that differ; any other resets the model and the view restores what was
open, current and scrolled to (`run_list.py`).

A run is drawn in the charts while its eye is open, and while it is the selected one: opening an eye keeps a
run in the charts when the selection moves on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from arrcoc_gui.monitor.run_rows import RunRow
from arrcoc_gui.monitor.states import look_of

Index = QModelIndex | QPersistentModelIndex
RowRole = int(Qt.ItemDataRole.UserRole)
EyeRole = RowRole + 1
_NO_PARENT = QModelIndex()


class RunModel(QAbstractItemModel):
    """Two levels: runs and sweeps, and the runs of a sweep."""

    eyes_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[RunRow, ...] = ()
        self._open_eyes: set[str] = set()
        self._selected: frozenset[str] = frozenset()

    # -- what the page asks

    @property
    def rows(self) -> tuple[RunRow, ...]:
        return self._rows

    def shown_runs(self) -> set[str]:
        """Ids of the runs that the charts draw: open eyes and the selection."""
        return self._open_eyes | self._selected

    def set_rows(self, rows: Sequence[RunRow]) -> None:
        """Take a new list; see the module's docstring for what that emits."""
        rows = tuple(rows)
        if _keys(rows) != _keys(self._rows):
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()
            return
        before, self._rows = self._rows, rows
        for number, (old, new) in enumerate(zip(before, rows, strict=True)):
            if old == new:
                continue
            index = self.index(number, 0)
            self.dataChanged.emit(index, index)
            if new.children:
                self.dataChanged.emit(self.index(0, 0, index), self.index(len(new.children) - 1, 0, index))

    def set_selected(self, run_ids: Sequence[str]) -> None:
        """Say which runs are selected; they are drawn whatever their eyes say."""
        if frozenset(run_ids) != self._selected:
            self._selected = frozenset(run_ids)
            self._eyes_changed()

    def toggle_eye(self, index: Index) -> None:
        """Open or close the eye of a run, or of all runs of a sweep (open if any is closed)."""
        row = self.row_of(index)
        if row is None:
            return
        runs = set(row.run_ids)
        self._open_eyes = self._open_eyes - runs if runs <= self._open_eyes else self._open_eyes | runs
        self._eyes_changed()

    def close_all_eyes(self) -> None:
        """Leave only the selection in the charts."""
        self._open_eyes.clear()
        self._eyes_changed()

    def index_of(self, key: str) -> QModelIndex:
        """Index of a row by its key; invalid when it is filtered out or unknown."""
        for number, row in enumerate(self._rows):
            if row.key == key:
                return self.index(number, 0)
            for child_number, child in enumerate(row.children):
                if child.key == key:
                    return self.index(child_number, 0, self.index(number, 0))
        return QModelIndex()

    def row_of(self, index: Index) -> RunRow | None:
        """The row behind an index."""
        if not index.isValid():
            return None
        parent = index.internalId()
        rows = self._rows if parent == 0 else self._rows[parent - 1].children
        return rows[index.row()] if index.row() < len(rows) else None

    # -- what Qt asks

    def index(self, row: int, column: int, parent: Index = _NO_PARENT) -> QModelIndex:
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        # The internal id is 0 for a top row, and 1 + the top row's number for its children.
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else 0)

    def parent(self, index: Index | None = None) -> Any:  # Qt overloads this name
        if index is None:
            return super().parent()
        if not index.isValid() or index.internalId() == 0:
            return QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, 0)

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        if not parent.isValid():
            return len(self._rows)
        return len(self._rows[parent.row()].children) if parent.internalId() == 0 else 0

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row_of(index)
        if row is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return row.name
        if role == RowRole:
            return row
        if role == EyeRole:
            return set(row.run_ids) <= self.shown_runs()
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return self._in_words(row)
        return None

    def _in_words(self, row: RunRow) -> str:
        parts = [row.name, look_of(row.state).word, row.value]
        if row.fraction is not None:
            parts.append(f"{row.fraction:.0%} done")
        if row.is_sweep:
            parts.insert(1, f"sweep of {len(row.run_ids)}")
        if row.place:
            parts.append(f"read from W&B, {row.place}{f', logged by {row.user}' if row.user else ''}")
        if row.sandbox:
            parts.append("in the sandbox")
        parts.append(row.note)
        shown = "in the charts" if set(row.run_ids) <= self.shown_runs() else "not in the charts"
        return ", ".join(part for part in [*parts, shown] if part)

    def _eyes_changed(self) -> None:
        for index in self._all_indices():
            self.dataChanged.emit(index, index, [EyeRole])
        self.eyes_changed.emit()

    def _all_indices(self) -> Iterator[QModelIndex]:
        for number, row in enumerate(self._rows):
            top = self.index(number, 0)
            yield top
            yield from (self.index(child, 0, top) for child in range(len(row.children)))


def _keys(rows: Sequence[RunRow]) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.key, tuple(child.key for child in row.children)) for row in rows]
