"""The left pane of the monitor: a search field over the tree of runs and sweeps.

Arrow keys move, Enter or a click shows a run, Space (or a click on the eye) keeps it in the charts, `/` goes
to the search. Emits `run_chosen` and `sweep_chosen` with ids; `choose` selects without a user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QLabel, QLineEdit, QTreeView, QVBoxLayout, QWidget

from arrcoc_gui.monitor.online_runs import Place
from arrcoc_gui.monitor.place_notes import PlaceNotes
from arrcoc_gui.monitor.run_delegate import RunDelegate
from arrcoc_gui.monitor.run_model import RunModel
from arrcoc_gui.monitor.run_rows import build_rows
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.standing import Standing
from arrcoc_gui.theme import theme, themes


class RunTree(QTreeView):
    """The tree itself: eye by mouse and keyboard, and a reset that keeps what was open and current."""

    def __init__(self, model: RunModel, delegate: RunDelegate) -> None:
        super().__init__()
        self._runs = model
        self._delegate = delegate
        self._folded: set[str] = set()
        self._current_key = ""
        self.setModel(model)
        self.setItemDelegate(delegate)
        self.setHeaderHidden(True)
        # The delegate paints the fold mark and the ground of the whole row by itself.
        self.setRootIsDecorated(False)
        # So does the focus: a ring round the row, not round the list.
        self.setStyleSheet(
            "QTreeView, QTreeView:focus { border: none; } QTreeView::branch { background: transparent; }"
        )
        self.setIndentation(theme().px(14))
        self.setUniformRowHeights(True)
        self.setMouseTracking(True)
        self.setProperty("look", "bare")
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAccessibleName("Runs")
        self.setAccessibleDescription("Enter shows a run, Space keeps it in the charts")
        self.collapsed.connect(lambda index: self._folded.add(self._key(index)))
        self.expanded.connect(lambda index: self._folded.discard(self._key(index)))
        model.modelAboutToBeReset.connect(self._remember)
        model.modelReset.connect(self._restore)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        index = self.indexAt(point)
        if index.isValid() and self._delegate.eye_box(self.visualRect(index)).contains(point):
            self._runs.toggle_eye(index)
            event.accept()
            return
        row = self._runs.row_of(index)
        if row is not None and row.is_sweep and self._delegate.fold_box(self.visualRect(index)).contains(point):
            self.setExpanded(index, not self.isExpanded(index))
            event.accept()
            return
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self._runs.toggle_eye(self.currentIndex())
            return
        super().keyPressEvent(event)

    def _key(self, index: QModelIndex) -> str:
        row = self._runs.row_of(index)
        return row.key if row is not None else ""

    def _remember(self) -> None:
        self._current_key = self._key(self.currentIndex()) or self._current_key
        self._scroll = self.verticalScrollBar().value()

    def _restore(self) -> None:
        for number, row in enumerate(self._runs.rows):
            if row.is_sweep and row.key not in self._folded:
                self.setExpanded(self._runs.index(number, 0), True)
        index = self._runs.index_of(self._current_key)
        if index.isValid():
            # The same row as before the reset: no one has chosen anything new.
            blocked = self.selectionModel().blockSignals(True)
            self.setCurrentIndex(index)
            self.selectionModel().blockSignals(blocked)
        self.verticalScrollBar().setValue(self._scroll)


class RunList(QWidget):
    """Search, tree, and the words that stand there when nothing does."""

    run_chosen = Signal(str)
    sweep_chosen = Signal(str)

    def __init__(self, color_of: Callable[[str], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: Sequence[RunView] = ()
        self._standings: Mapping[str, Standing] = {}
        self.model = RunModel(self)
        self._delegate = RunDelegate(color_of)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search runs")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search runs by name or state")
        self.search.textChanged.connect(lambda _: self._rebuild())
        self.search.installEventFilter(self)
        self.tree = RunTree(self.model, self._delegate)
        self.tree.selectionModel().currentChanged.connect(self._chosen)
        self.notes = PlaceNotes()
        self.empty = QLabel()
        self.empty.setProperty("look", "muted")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme().px(6))
        layout.addWidget(self.search)
        layout.addWidget(self.tree, 1)
        layout.addWidget(self.empty)
        layout.addWidget(self.notes)
        self._show_empty()
        themes().changed.connect(self._restyle)

    def set_runs(self, runs: Sequence[RunView]) -> None:
        """Show these runs (newest first), under the present search."""
        self._runs = runs
        self._rebuild()

    def set_places(self, places: Sequence[Place]) -> None:
        """Say how the lists of the chosen W&B projects stand."""
        self.notes.show_places(places)
        self._show_empty()

    def set_standings(self, standings: Mapping[str, Standing]) -> None:
        """Say which runs lie behind their server."""
        if standings != self._standings:
            self._standings = standings
            self._rebuild()

    def choose(self, key: str) -> None:
        """Select a run by its id, or a sweep by `sweep:<id>`; a search that hides it is cleared."""
        if not self.model.index_of(key).isValid() and self.search.text():
            self.search.clear()
        index = self.model.index_of(key)
        if index.isValid():
            self.tree.setCurrentIndex(index)
            self.tree.scrollTo(index)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Down:
            self.tree.setFocus()
            if not self.tree.currentIndex().isValid() and self.model.rows:
                self.tree.setCurrentIndex(self.model.index(0, 0))
            return True
        return super().eventFilter(watched, event)

    def _rebuild(self) -> None:
        self.model.set_rows(build_rows(self._runs, self.search.text(), self._standings))
        self._show_empty()

    def _show_empty(self) -> None:
        nothing = not self.model.rows
        self.tree.setVisible(not nothing)
        self.empty.setVisible(nothing)
        if nothing and self._runs:
            self.empty.setText(f"No run matches “{self.search.text()}”. Clear the search to see all {len(self._runs)}.")
        elif nothing and self.notes.words:
            self.empty.setText("No runs to show.")
        elif nothing:
            self.empty.setText("No runs yet. Launch an experiment and it appears here.")

    def _chosen(self, index: QModelIndex) -> None:
        row = self.model.row_of(index)
        if row is None:
            return
        # Qt makes the first row current without selecting it when an unused list gets the focus.
        self.tree.selectionModel().select(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.model.set_selected(row.run_ids)
        if row.is_sweep:
            self.sweep_chosen.emit(row.key.removeprefix("sweep:"))
        else:
            self.run_chosen.emit(row.key)

    def _restyle(self) -> None:
        self.tree.setIndentation(theme().px(14))
        self.tree.doItemsLayout()
        self.tree.viewport().update()
