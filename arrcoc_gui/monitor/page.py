"""The Monitor page: what a run (or a sweep) is doing, and what came of it.

    +-------+--------------------------------------+-----------+
    | runs  | header: name, state, progress, acts  |           |
    |       +--------------------------------------+ picture   |
    |       | charts | phases | result | attempts   | and map   |
    |       +--------------------------------------+-----------+
    |       | attempts                                         |
    |       | log                                              |
    +-------+--------------------------------------------------+

The page holds the selection. Runs come from `AppState`, copied in the background (`run_view.py`), and from the W&B
projects that were chosen (`projects.py`), in one list; logged data from `RunFeed`; the `Presenter` shows what is in
focus. Nothing here reads a file or computes more than a lookup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from arrcoc_core.settings import state_dir
from arrcoc_gui.background import Task, run_in_background
from arrcoc_gui.monitor.acts import MonitorActs
from arrcoc_gui.monitor.colours import RunColours
from arrcoc_gui.monitor.cursor import TimeCursor
from arrcoc_gui.monitor.focus import Focus, first_choice, focus_of_sweep, members_of
from arrcoc_gui.monitor.keys import monitor_actions
from arrcoc_gui.monitor.layout import MonitorPanes
from arrcoc_gui.monitor.online_runs import side_by_side
from arrcoc_gui.monitor.outward import Outward
from arrcoc_gui.monitor.presenter import Presenter
from arrcoc_gui.monitor.projects import Projects
from arrcoc_gui.monitor.run_feed import RunFeed
from arrcoc_gui.monitor.run_view import RunView, view_runs
from arrcoc_gui.monitor.transfers import Transfers
from arrcoc_gui.theme import theme

if TYPE_CHECKING:
    from arrcoc_gui.actions import Action
    from arrcoc_gui.state import AppState

SWEEP = "sweep:"
STOOD_MS = 150
NOTHING_YET = "Launch an experiment, and watch it learn here."


class MonitorPage(QWidget):
    """See the module's docstring. `show_run` selects a run."""

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("look", "page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state = state
        self._views: list[RunView] = []
        self._focus = Focus()
        self._wanted = ""
        self._copying: Task | None = None
        self._copy_again = False
        self._colours = RunColours(state_dir(state.root) / "colours.json")
        self.acts = MonitorActs(state, self)
        self.feed = RunFeed(self)
        self.projects = Projects(state.root, self)
        self.panes = MonitorPanes(self, self.color_of, self.projects)
        self.transfers = Transfers(state.root, self)
        self.presenter = Presenter(state, self.panes, self.feed, self.transfers, self)
        self.outward = Outward(state, self.transfers, self._single, self)
        self.panes.header.offer(self.outward.actions("monitor"))
        self.panes.result.outward.offer(self.outward.actions("monitor"))
        self._connect()
        self.panes.show_nothing(NOTHING_YET)
        self.panes.restore_sizes(state.prefs.get("monitor.sizes", {}))
        self.panes.charts.apply_settings(state.prefs.get("monitor.charts", {}))
        self.projects.apply_settings(state.prefs.get("monitor.projects", {}))
        if state.runs_loaded:
            self._copy_runs()

    # -- what the window asks

    def show_run(self, run_id: str) -> None:
        """Select a run, or a sweep by `sweep:<id>`, now or as soon as it is known."""
        self._wanted = run_id
        self._take_wanted()

    def actions(self) -> list[Action]:
        """What can be done here, for menus, keys and the command palette."""
        return monitor_actions(self)

    def focus_first(self) -> None:
        """Put the keyboard where a user starts: on the run list."""
        self.panes.runs.tree.setFocus()

    def shutdown(self) -> None:
        """Remember sizes and settings, stop timers, end the reading child process."""
        self._state.prefs.set("monitor.sizes", self.panes.save_sizes())
        self._state.prefs.set("monitor.charts", self.panes.charts.settings())
        self._state.prefs.set("monitor.projects", self.projects.settings())
        self.presenter.stop()
        self._stood.stop()
        self.panes.log.close_reader()
        self.feed.close()
        self.projects.shutdown()
        self.transfers.shutdown()

    # -- what is shown

    @property
    def run(self) -> RunView | None:
        """The run in focus."""
        return self.presenter.run

    def _single(self) -> RunView | None:
        """The run in focus, where not a sweep as a whole is."""
        return None if self._focus.sweep else self.run

    @property
    def mode(self) -> str:
        """`charts`, `result`, `attempts` or `values`."""
        return self.presenter.mode

    @property
    def cursor_moment(self) -> TimeCursor:
        """The moment that all panes show."""
        return self.presenter.cursor

    def set_mode(self, mode: str) -> None:
        """Show the charts, the result, the attempts or the values."""
        self.presenter.set_mode(mode)

    def color_of(self, run_id: str) -> str:
        """The run's own colour in the present theme."""
        return theme().series_color(self._colours.index(run_id))

    # -- runs

    def _copy_runs(self, _runs: object = None) -> None:
        if self._copying is not None and not self._copying.finished:
            self._copy_again = True
            return
        runs = list(self._state.runs) if self.projects.here else []
        known = {view.id: view for view in self._views if not view.read_only}
        online, colours = self.projects.runs, self._colours

        def copy() -> list[RunView]:
            views = side_by_side(view_runs(runs, known), online)
            if colours.assign(view.id for view in reversed(views)):
                colours.save()
            return views

        self._copying = run_in_background(copy, self._copied, parent=self, name="reading how the runs stand")

    def _copied(self, views: list[RunView]) -> None:
        self._views = views
        self.panes.runs.set_places(self.projects.places)
        self.panes.runs.set_runs(views)
        if not views:
            self._focus = Focus()
            self.panes.show_nothing(NOTHING_YET)
        elif not self._take_wanted():
            if all(view.id != self._focus.run_id for view in views):  # none yet, or its project is not listed any more
                self.show_run(first_choice(views))
            else:
                self._refresh()
        if self._copy_again:
            self._copy_again = False
            self._copy_runs()

    def _projects_changed(self) -> None:
        self.panes.runs.set_places(self.projects.places)
        self._copy_runs()

    def _refresh(self) -> None:
        if self._focus.sweep:
            # The run of a sweep that is shown is the one under way: it moves on with the queue.
            run_id = focus_of_sweep(members_of(self._views, self._focus.sweep))
            if run_id != self._focus.run_id:
                self._set_focus(Focus(run_id, self._focus.sweep))
                return
        self.presenter.refresh(self._views)
        self._watch()
        self._tell_acts()

    # -- the selection

    def _take_wanted(self) -> bool:
        """Select the run or sweep that was asked for, once it is there."""
        wanted = self._wanted
        sweep = wanted.removeprefix(SWEEP) if wanted.startswith(SWEEP) else ""
        if not wanted or all(wanted != view.id and (not sweep or sweep != view.sweep) for view in self._views):
            return False
        self._wanted = ""
        self.panes.runs.choose(wanted)
        if sweep:
            self._sweep_chosen(sweep)
        else:
            self._run_chosen(wanted)
        return True

    def _run_chosen(self, run_id: str) -> None:
        if self._focus != Focus(run_id):
            self._set_focus(Focus(run_id))

    def _sweep_chosen(self, sweep: str) -> None:
        members = members_of(self._views, sweep)
        if members and self._focus.sweep != sweep:
            self._set_focus(Focus(focus_of_sweep(members), sweep))

    def _set_focus(self, focus: Focus) -> None:
        self._focus = focus
        self._watch()
        self.presenter.focus_on(focus, self._views)
        self._tell_acts()

    def _watch(self) -> None:
        """Charts and reading follow what is selected and which eyes are open."""
        shown = self.panes.runs.model.shown_runs() | {self._focus.run_id}
        runs = [view for view in reversed(self._views) if view.id in shown]
        self.feed.watch(runs, self._focus.run_id)
        self.panes.charts.set_runs(runs, self.feed)

    def _tell_acts(self, *_found: object) -> None:
        marks = self.presenter.details.marks(self._focus.run_id)
        self.acts.set_context(self._views, self._focus, marks)
        self.presenter.draw_strip()

    # -- Qt

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.presenter.tick_while(True)
        self.feed.set_visible(True)
        self.projects.set_visible(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.presenter.tick_while(False)
        self.feed.set_visible(False)
        self.projects.set_visible(False)

    def _connect(self) -> None:
        panes, state = self.panes, self._state
        state.runs_changed.connect(self._copy_runs)
        state.sandbox.changed.connect(self.projects.world_changed)
        self.projects.changed.connect(self._projects_changed)
        panes.runs.notes.again_wanted.connect(self.projects.again)
        panes.runs.notes.why_wanted.connect(lambda trouble: state.problem.emit(trouble.message, trouble.remedy))
        panes.runs.run_chosen.connect(self._run_chosen)
        panes.runs.sweep_chosen.connect(self._sweep_chosen)
        panes.runs.model.eyes_changed.connect(self._watch)
        panes.header.cancel_wanted.connect(self.acts.ask_cancel)
        panes.header.launch_wanted.connect(self.acts.ask_launch_again)
        transfer = panes.header.transfer
        transfer.again_wanted.connect(self.outward.again)
        transfer.cancel_wanted.connect(self.outward.stop)
        transfer.dismissed.connect(self.outward.dismiss)
        transfer.why_wanted.connect(lambda trouble: state.problem.emit(trouble.message, trouble.remedy))
        panes.result.next_wanted.connect(self.acts.ask_next)
        panes.result.log_wanted.connect(lambda: panes.log.set_expanded(True))
        panes.result.notice.connect(state.notice)
        panes.sweep.run_chosen.connect(self.show_run)
        panes.charts.run_clicked.connect(self.show_run)
        self.presenter.details.marks_found.connect(self._tell_acts)
        # Fifty runs that are behind say so each second: one change of the list for all of them.
        self._stood = QTimer(self, interval=STOOD_MS, singleShot=True)
        self._stood.timeout.connect(lambda: self.panes.runs.set_standings(self.feed.standings))
        self.feed.stood.connect(lambda _: self._stood.isActive() or self._stood.start())
        self.feed.failed.connect(lambda run_id, trouble: state.problem.emit(f"Metrics of {run_id}: {trouble}", ""))
