"""The command palette: one line to type into, and everything the app can do, launch or show below it.

Its entries come from the table of actions, the experiments found and the runs. Up, Down, Enter and Esc; the keyboard
focus stays in the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.actions import ActionTable, key_text
from arrcoc_gui.fuzzy import rank
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme

Index = QModelIndex | QPersistentModelIndex
MATCHES = Qt.ItemDataRole.UserRole + 1
KIND = Qt.ItemDataRole.UserRole + 2
HINT = Qt.ItemDataRole.UserRole + 3
RUNS_SHOWN = 50
ROWS_SHOWN = 12


@dataclass(frozen=True)
class Entry:
    """One thing that can be chosen. `kind` groups it ("Action", "Experiment", "Run"); `hint` is a key or a state."""

    title: str
    kind: str
    hint: str
    run: Callable[[], object]


def entries(actions: ActionTable, scope: str, state: AppState) -> list[Entry]:
    """Everything that can be chosen while page `scope` shows."""
    found = [
        Entry(action.title, "Action", "  ".join(map(key_text, action.keys)), action.run)
        for action in actions.available(scope)
    ]
    for action in (action for action in actions if action.scope in ("window", scope) and not action.enabled()):
        if action.why():
            found.append(Entry(action.title, "not now", action.why(), partial(state.notice.emit, action.words())))
    if state.discovery is not None:
        names = {entry.name: entry for entry in state.discovery.entries if entry.error is None}
        sweeps = dict.fromkeys(entry.sweep for entry in names.values() if entry.sweep)
        for name in (*(name for name, entry in names.items() if entry.sweep is None), *sweeps):
            show, launch = partial(state.show_experiment, name), partial(state.launch, [name])
            found.append(Entry(f"Show experiment {name}", "Experiment", "", show))
            found.append(Entry(f"Launch {name}", "Experiment", "", launch))
    for run in state.runs[:RUNS_SHOWN]:
        found.append(Entry(f"Open run {run.id}", "Run", run.state, partial(state.open_run, run.id)))
    return found


class EntryModel(QAbstractListModel):
    """The entries that match, best first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[tuple[Entry, tuple[int, ...]]] = []

    def show_matches(self, query: str, found: Sequence[Entry]) -> None:
        self.beginResetModel()
        self.rows = rank(query, found, lambda entry: entry.title)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        entry, positions = self.rows[index.row()]
        return {
            Qt.ItemDataRole.DisplayRole: entry.title,
            Qt.ItemDataRole.AccessibleTextRole: f"{entry.title}, {entry.kind}, {entry.hint}",
            MATCHES: positions,
            KIND: entry.kind,
            HINT: entry.hint,
        }.get(role)


class EntryDelegate(QStyledItemDelegate):
    """Title with its matched letters in bold, the kind and the key at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme().px(200), theme().px(30))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        look = theme()
        painter.save()
        area = QRectF(option.rect)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.color("accent_soft"))
            painter.drawRoundedRect(area.adjusted(2, 1, -2, -1), look.px(5), look.px(5))
        area.adjust(look.px(10), 0, -look.px(10), 0)
        right = "   ".join(part for part in (index.data(HINT), index.data(KIND)) if part)
        small = look.font("small")
        painter.setFont(small)
        painter.setPen(look.color("muted"))
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right)
        area.setWidth(area.width() - QFontMetrics(small).horizontalAdvance(right) - look.px(12))
        painter.setPen(look.color("text"))
        self._paint_title(painter, area, str(index.data()), set(index.data(MATCHES)))
        painter.restore()

    def _paint_title(self, painter: QPainter, area: QRectF, title: str, bold: set[int]) -> None:
        look = theme()
        metrics = QFontMetrics(look.font("body", bold=True))
        title = metrics.elidedText(title, Qt.TextElideMode.ElideMiddle, int(area.width()))
        start = 0
        while start < len(title):
            end = start + 1
            while end < len(title) and (end in bold) == (start in bold):
                end += 1
            font = look.font("body", bold=start in bold)
            painter.setFont(font)
            painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, title[start:end])
            area.setLeft(area.left() + QFontMetrics(font).horizontalAdvance(title[start:end]))
            start = end


class CommandPalette(QDialog):
    """Opens over the window; choosing closes it first and then acts."""

    def __init__(self, found: Sequence[Entry], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Command palette")
        self.setObjectName("palette")
        self._found = list(found)
        self.line = QLineEdit()
        self.line.setPlaceholderText("Type what you want to do, an experiment or a run")
        self.line.setAccessibleName("Command")
        self.line.textChanged.connect(self._search)
        self.line.installEventFilter(self)
        self.model = EntryModel(self)
        self.list = QListView()
        self.list.setProperty("look", "bare")
        self.list.setModel(self.model)
        self.list.setItemDelegate(EntryDelegate(self.list))
        self.list.setAccessibleName("Matches")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.clicked.connect(lambda _: self._choose())
        layout = QVBoxLayout(self)
        space = theme().px(8)
        layout.setContentsMargins(space, space, space, space)
        layout.addWidget(self.line)
        self.none = QLabel("Nothing matches")
        self.none.setProperty("look", "muted")
        self.none.setContentsMargins(space, 0, 0, space)
        layout.addWidget(self.list)
        layout.addWidget(self.none)
        width = min(theme().px(620), parent.width() - 2 * space)
        self.setFixedWidth(width)
        corner = parent.mapToGlobal(parent.rect().topLeft())
        self.move(corner.x() + (parent.width() - width) // 2, corner.y() + theme().px(64))
        self._search("")
        self.line.setFocus()

    def _search(self, text: str) -> None:
        self.model.show_matches(text, self._found)
        self.list.setCurrentIndex(self.model.index(0))
        # As high as what there is, so that few matches do not hang in the air.
        self.list.setVisible(self.model.rowCount() > 0)
        self.none.setVisible(self.model.rowCount() == 0)
        rows = min(max(self.model.rowCount(), 1), ROWS_SHOWN)
        self.list.setFixedHeight(rows * theme().px(30) + theme().px(8))
        self.adjustSize()

    def _choose(self) -> None:
        index = self.list.currentIndex()
        if index.isValid():
            entry = self.model.rows[index.row()][0]
            self.close()
            entry.run()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            step = {
                Qt.Key.Key_Down: 1,
                Qt.Key.Key_Up: -1,
                Qt.Key.Key_PageDown: 10,
                Qt.Key.Key_PageUp: -10,
            }.get(Qt.Key(event.key()))
            if step is not None and self.model.rowCount():
                row = min(max(self.list.currentIndex().row() + step, 0), self.model.rowCount() - 1)
                self.list.setCurrentIndex(self.model.index(row))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._choose()
                return True
        return super().eventFilter(watched, event)
