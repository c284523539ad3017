"""The Experiments page: the list at the left, the selected one at the right, Launch at the foot.

It reloads by itself when a file is saved, the code or the settings change, or a run ends. Loading happens in the
background; the page keeps selection, expansion and scroll.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.actions import Action
from arrcoc_gui.background import Task, run_in_background
from arrcoc_gui.cloud.trouble import Fix
from arrcoc_gui.experiments.cloud_launch import CloudLaunch
from arrcoc_gui.experiments.detail import Detail, ProblemView
from arrcoc_gui.experiments.footer import LaunchFooter
from arrcoc_gui.experiments.loading import Table, load_table
from arrcoc_gui.experiments.model import ExperimentModel
from arrcoc_gui.experiments.rows import Problem, Row, build_rows
from arrcoc_gui.experiments.table_view import ExperimentTree
from arrcoc_gui.experiments.watching import FilesWatcher
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme

BESIDE_LEAST = 860  # pixels at 100 % below which list and sheet stand one above the other


class ExperimentsPage(QWidget):
    """Listens to `AppState`; everything it asks for goes through it."""

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.setProperty("look", "page")
        self._task: Task | None = None
        self._again = False
        self._runs_seen: list[tuple[str, str]] | None = None
        self._wish = state.selection
        self._first = True
        self._with_runs = self._asked_with_runs = False  # whether the rows shown, and those asked for, know the runs
        self._launching = False
        self.model = ExperimentModel(self)
        self.tree = ExperimentTree(self.model)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search: name, status, model, data")
        self.search.setAccessibleName("Search the experiments")
        self.search.setClearButtonEnabled(True)
        self.count = QLabel()
        self.count.setProperty("look", "small")
        self.empty = QLabel()
        self.empty.setProperty("look", "muted")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.detail = Detail()
        self.footer = LaunchFooter()
        self.cloud = CloudLaunch(state, self.detail.cloud, self)
        self.settings_problem = ProblemView()
        self.watcher = FilesWatcher(self)
        self._lay_out()
        self._connect()
        self.detail.show_row(None, ())
        self._say_if_empty(())
        if state.discovery is not None:
            self.reload()

    def actions(self) -> list[Action]:  # type: ignore[override] - the page's own actions, not QWidget's
        """The actions of this page, for the table of the window."""
        scope, menu = "experiments", "Experiment"
        can_launch = lambda: bool(self.tree.current_row and self.tree.current_row.launch)  # noqa: E731
        has_row = lambda: self.tree.current_row is not None  # noqa: E731
        make = lambda **k: Action(scope=scope, menu=menu, **k)  # noqa: E731
        return [
            make(
                id="experiments.launch",
                title="Launch the selected",
                keys=("Ctrl+Return",),
                run=self.launch,
                enabled=can_launch,
            ),
            make(id="experiments.edit", title="Open in editor", keys=("E", "Ctrl+E"), run=self.edit, enabled=has_row),
            make(
                id="experiments.search", title="Search the experiments", keys=("/", "Ctrl+F"), run=self.search.setFocus
            ),
            make(id="experiments.list", title="Go to the list", keys=("L",), run=self.tree.setFocus),
            make(id="experiments.compare", title="Compare with another", keys=("C",), run=self.detail.compare.setFocus),
            make(id="experiments.values", title="Show the values", keys=("V",), run=lambda: self._tab(0)),
            make(
                id="experiments.check",
                title="Check the cloud for the selected (preflight)",
                keys=("K",),
                run=self.check_in_cloud,
                enabled=lambda: bool(self.tree.current_row and self.tree.current_row.in_cloud),
            ),
            make(id="experiments.plan", title="Show the plan", keys=("P",), run=lambda: self._tab(1)),
        ]

    def focus_first(self) -> None:
        """Launch is what one comes for; the list where nothing can be launched."""
        (self.footer.button if self.footer.button.isEnabled() or not self.model.rows else self.tree).setFocus()

    def shutdown(self) -> None:
        self.watcher.stop()
        self.cloud.shutdown()
        if self._task is not None:
            self._task.cancel()

    def launch(self) -> None:
        """Launch the selected row."""
        row = self.tree.current_row
        if row is None or not row.launch or self._launching:
            return
        if row.in_cloud:
            self.launch_in_cloud(row.launch)
        else:
            self.state.launch([row.launch])

    def check_in_cloud(self) -> None:
        """The preflight of the selected row."""
        row = self.tree.current_row
        point = row.first_point if row is not None else None
        if row is not None and point is not None and row.in_cloud:
            self.detail.show_plan_tab()
            self.cloud.check(point.name)

    def launch_in_cloud(self, name: str, sets: tuple[str, ...] = ()) -> None:
        """Check, ask with the dollars, launch; the plan shows meanwhile."""
        row = self.tree.current_row
        if row is None or row.name != name:
            self._select(name)
            row = self.tree.current_row
        point = row.first_point if row is not None and row.name == name else None
        self.detail.show_plan_tab()
        self.cloud.ask(point.name if point is not None else name, name, sets)

    def ask_fix(self, fix: Fix) -> None:
        """Ask whether to run the command of a repair; Setup does it, where its progress shows."""
        self.state.fix_wanted.emit(fix)

    def edit(self) -> None:
        """Open the selected row's file: at the error, where it has one."""
        row = self.tree.current_row
        if row is not None:
            at = row.problem or row
            self.state.open_in_editor(at.file, at.line)

    def reload(self) -> None:
        """Load the table anew from the last discovery; one load at a time."""
        if self.state.discovery is None:
            return
        if self._task is not None and not self._task.finished:
            self._again = True
            return
        self._asked_with_runs = self.state.runs_loaded
        root, discovery, runs = self.state.root, self.state.discovery, list(self.state.runs)
        self._task = run_in_background(
            lambda: _load(root, discovery, runs), self._loaded, self._failed, self, name="planning the experiments"
        )

    # -- answers ------------------------------------------------------------------------------------------------

    def _loaded(self, answer: tuple[Table, tuple[Row, ...]]) -> None:
        table, rows = answer
        self.watcher.watch(table.watch)
        if table.problem is not None:
            error = table.problem
            file = error.file or ".training"
            self.settings_problem.show_problem(Problem(str(error), file, error.line or 1, error.remedy))
        self._stack.setCurrentIndex(1 if table.problem is not None else 0)
        # That the runs are known now is no change of anything.
        self.model.set_rows(rows, flash=self._with_runs)
        self._with_runs = self._asked_with_runs
        broken = sum(row.kind == "broken" for row in rows)
        self.count.setText(f"{len(rows)} · {broken} broken" if broken else f"{len(rows)}")
        self._take_wish()
        if self.tree.current_row is None and self.tree.proxy.rowCount():
            self.tree.setCurrentIndex(self.tree.proxy.index(0, 0))
        self._show_current()
        self._say_if_empty(rows)
        if self._first and rows:
            self._first = False
            if self.isVisible() and not isinstance(QApplication.focusWidget(), QLineEdit):
                self.focus_first()
        if self._again:
            self._again = False
            self.reload()

    def _say_if_empty(self, rows: tuple[Row, ...]) -> None:
        self.empty.setText(
            "Loading the experiments …"
            if self.state.discovery is None
            else ""
            if rows
            else "No experiment yet. In a terminal: arrcoc new NAME --from quickstart"
        )
        self.empty.setVisible(not rows)
        self.tree.setVisible(bool(rows))

    def _failed(self, error: Exception) -> None:
        self.state.report(error)
        self._again = False

    def _take_wish(self) -> None:
        """Select what was asked for before the list was there."""
        if not self.model.rows:
            return
        key = self.model.key_of(self._wish)
        if self._wish and key:
            self.tree.select_key(key)
        elif self._wish and self._wish != "quickstart":
            self.state.notice.emit(f"No experiment is called {self._wish}")
        self._wish = ""

    def _select(self, name: str) -> None:
        row = self.tree.current_row
        if row is None or row.name != name:
            self._wish = name
            self._take_wish()

    def _current(self, row: Row | None) -> None:
        self.detail.show_row(row, self.model.rows)
        self.footer.show_row(row)
        if row is not None and not self._wish:
            self.state.select(row.name)

    def _show_current(self) -> None:
        self._current(self.tree.current_row)

    def _files_changed(self, paths: list[str]) -> None:
        experiments = str(self.state.root / "experiments")
        if any(path.startswith(experiments) for path in paths):
            self.state.discover()
        else:
            self.reload()

    def _runs_changed(self) -> None:
        seen = [(run.id, run.state) for run in self.state.runs]
        if seen != self._runs_seen:
            self._runs_seen = seen
            self.reload()

    def _launch_started(self) -> None:
        self._launching = True
        self.footer.set_launching(True)

    def _launch_ended(self) -> None:
        self._launching = False
        self.footer.set_launching(False)

    def _tab(self, index: int) -> None:
        self.detail.tabs.setCurrentIndex(index)
        (self.detail.sheet if index == 0 else self.detail.plan.currentWidget()).setFocus()

    # -- making -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.search.textChanged.connect(self.tree.proxy.search)
        self.search.returnPressed.connect(self.tree.setFocus)
        self.tree.current_changed.connect(self._current)
        self.tree.confirmed.connect(self.launch)
        self.footer.launch.connect(self.launch)
        self.cloud.busy_changed.connect(self.footer.set_checking)
        self.detail.cloud.check_wanted.connect(self.check_in_cloud)
        self.detail.cloud.fix_wanted.connect(self.ask_fix)
        self.detail.rehearse_wanted.connect(self.state.sandbox.turn_on)
        self.detail.opened.connect(self.state.open_in_editor)
        self.settings_problem.opened.connect(self.state.open_in_editor)
        self.watcher.changed.connect(self._files_changed)
        self.state.discovery_changed.connect(lambda _: self.reload())
        self.state.runs_changed.connect(lambda _: self._runs_changed())
        self.state.selection_changed.connect(self._select)
        self.state.launch_started.connect(self._launch_started)
        self.state.launch_ended.connect(self._launch_ended)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Side by side where there is room for both, else one above the other (a large scale on a small screen)."""
        super().resizeEvent(event)
        wide = self.width() >= theme().px(BESIDE_LEAST)
        orientation = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if orientation == self.split.orientation():
            return
        self.split.setOrientation(orientation)
        whole = self.width() if wide else self.height()
        self.split.setSizes([whole * 6 // 10, whole * 4 // 10] if wide else [whole * 45 // 100, whole * 55 // 100])
        edge = theme().px(12)
        for side, (left, top, right, bottom) in (
            (0, (edge, edge, 0, edge) if wide else (edge, edge, edge, 0)),
            (1, (0, edge, edge, edge) if wide else (edge, 0, edge, edge)),
        ):
            self.split.widget(side).layout().setContentsMargins(left, top, right, bottom)

    def _lay_out(self) -> None:
        look = theme()
        edge = look.px(12)
        bar = QHBoxLayout()
        bar.addWidget(self.search, stretch=1)
        bar.addWidget(self.count)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(edge, edge, 0, edge)
        column.setSpacing(look.px(8))
        column.addLayout(bar)
        column.addWidget(self.tree, stretch=1)
        column.addWidget(self.empty, stretch=1)
        self.split = split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(left)
        right = QWidget()
        beside = QVBoxLayout(right)
        beside.setContentsMargins(0, edge, edge, edge)
        beside.addWidget(self.detail)
        split.addWidget(right)
        split.setHandleWidth(edge)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([700, 500])
        problem = QWidget()
        inner = QVBoxLayout(problem)
        inner.setContentsMargins(2 * edge, 2 * edge, 2 * edge, edge)
        heading = QLabel("The settings cannot be read")
        heading.setProperty("look", "title")
        inner.addWidget(heading)
        inner.addWidget(self.settings_problem, stretch=1)
        self._stack = QStackedWidget()
        self._stack.addWidget(split)
        self._stack.addWidget(problem)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._stack, stretch=1)
        layout.addWidget(self.footer)
        QWidget.setTabOrder(self.search, self.tree)
        QWidget.setTabOrder(self.tree, self.detail.place)


def _load(root, discovery, runs) -> tuple[Table, tuple[Row, ...]]:
    table = load_table(root, discovery, runs)
    return table, build_rows(table)
