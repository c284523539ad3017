"""The Monitor page: what a run (or a sweep) is doing, and what came of it.

    +-------+--------------------------------------+-----------+
    | runs  | header: name, state, progress, acts  |           |
    |       +--------------------------------------+ picture   |
    |       | charts | phases | result | sweep      | and map   |
    |       +--------------------------------------+-----------+
    |       | attempts                                         |
    |       | log                                              |
    +-------+--------------------------------------------------+

The page wires panes to each other: one selection, one time cursor, one source of data. Runs come from
`AppState`, copied in the background (`run_view.py`); logged data from `RunFeed`; what lies on disk from
`Details`. Nothing here reads a file or computes more than a lookup.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from arrcoc_core.results import SweepSummary
from arrcoc_core.settings import state_dir
from arrcoc_gui.background import Task, run_in_background
from arrcoc_gui.monitor.acts import MonitorActs
from arrcoc_gui.monitor.colours import RunColours
from arrcoc_gui.monitor.cursor import TimeCursor
from arrcoc_gui.monitor.details import Details
from arrcoc_gui.monitor.focus import CHARTS, RESULT, Focus, first_choice, first_view, focus_of_sweep, members_of
from arrcoc_gui.monitor.keys import monitor_actions
from arrcoc_gui.monitor.layout import MonitorPanes
from arrcoc_gui.monitor.result_facts import ResultFacts
from arrcoc_gui.monitor.run_feed import RunFeed
from arrcoc_gui.monitor.run_rows import sweep_row
from arrcoc_gui.monitor.run_view import RunView, view_runs
from arrcoc_gui.monitor.run_words import freshness, phase_of
from arrcoc_gui.monitor.timeline import build_timeline
from arrcoc_gui.theme import theme

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_gui.actions import Action
    from arrcoc_gui.state import AppState

TICK_MS = 250


class MonitorPage(QWidget):
    """See the module's docstring. `show_run` selects a run."""

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("look", "page")
        self._state = state
        self._views: list[RunView] = []
        self._focus = Focus()
        self._wanted = ""
        self._mode = CHARTS
        self._copying: Task | None = None
        self._copy_again = False
        self.acts = MonitorActs(state, self)
        self._colours = RunColours(state_dir(state.root) / "colours.json")
        self.cursor = TimeCursor(self)
        self.feed = RunFeed(self)
        self.details = Details(self)
        self.panes = MonitorPanes(self, self.color_of)
        self._connect()
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._ticked)
        self.panes.show_nothing("Launch an experiment, and watch it learn here.")
        if state.runs_loaded:
            self._copy_runs()

    # -- what the window asks

    def show_run(self, run_id: str) -> None:
        """Select a run, now or as soon as it is known."""
        self._wanted = run_id
        self._take_wanted()

    def actions(self) -> list[Action]:
        """What can be done here, for menus, keys and the command palette."""
        return monitor_actions(self)

    def focus_first(self) -> None:
        """Put the keyboard where a user starts: on the run list."""
        self.panes.runs.tree.setFocus()

    def shutdown(self) -> None:
        """Stop timers and end the reading child process."""
        self._tick.stop()
        self.panes.log.close_reader()
        self.feed.close()

    def color_of(self, run_id: str) -> str:
        """The run's own colour in the present theme."""
        return theme().series_color(self._colours.index(run_id))

    @property
    def run(self) -> RunView | None:
        """The run in focus."""
        return next((run for run in self._views if run.id == self._focus.run_id), None)

    @property
    def mode(self) -> str:
        """`charts` or `result`."""
        return self._mode

    # -- runs

    def _copy_runs(self, _runs: object = None) -> None:
        if self._copying is not None and not self._copying.finished:
            self._copy_again = True
            return
        runs = list(self._state.runs)
        known = {view.id: view for view in self._views}
        colours = self._colours

        def copy() -> list[RunView]:
            views = view_runs(runs, known)
            if colours.assign(view.id for view in reversed(views)):
                colours.save()
            return views

        self._copying = run_in_background(copy, self._copied, parent=self, name="reading how the runs stand")

    def _copied(self, views: list[RunView]) -> None:
        before = self.run
        self._views = views
        self.panes.runs.set_runs(views)
        if not views:
            self.panes.show_nothing("Launch an experiment, and watch it learn here.")
        elif not self._take_wanted() and not self._focus.run_id:
            self.show_run(first_choice(views))
        elif self._focus.run_id:
            self._refresh_focus(before)
        if self._copy_again:
            self._copy_again = False
            self._copy_runs()

    def _take_wanted(self) -> bool:
        """Select the run that was asked for, once it is there."""
        if not self._wanted or all(view.id != self._wanted for view in self._views):
            return False
        wanted, self._wanted = self._wanted, ""
        self.panes.runs.choose(wanted)
        if self._focus != Focus(wanted):
            self._set_focus(Focus(wanted))
        return True

    # -- the focus

    def _set_focus(self, focus: Focus) -> None:
        self._focus = focus
        run = self.run
        if run is None:
            return
        self.cursor.follow()
        self._watch()
        self.panes.log.open(run.directory / "logs", live=not run.finished)
        self.panes.charts.set_focus(run.id)
        self._run_grown(run.id)
        sweep_over = focus.sweep and all(view.finished for view in members_of(self._views, focus.sweep))
        self.set_mode(RESULT if sweep_over else CHARTS if focus.sweep else first_view(run))
        self._refresh_focus(None)

    def _watch(self) -> None:
        """Charts and reading follow what is selected and which eyes are open."""
        shown = self.panes.runs.model.shown_runs() | {self._focus.run_id}
        runs = [view for view in reversed(self._views) if view.id in shown]
        self.feed.watch(runs)
        self.panes.charts.set_runs(runs, self.feed)

    def _refresh_focus(self, before: RunView | None) -> None:
        """Show how the run in focus stands now; `before`: how it stood at the last look."""
        if self._focus.sweep:
            self._refresh_sweep()
        run = self.run
        if run is None:
            return
        if not self._focus.sweep:
            self.panes.header.show_run(run)
        self.panes.waiting.show_run(run)
        self.panes.pictures.set_waiting(self._picture_words(run))
        self.panes.log.set_live(not run.finished)
        self.details.look_for_marks(run.id, run.directory)
        self.acts.set_context(self._views, self._focus, self.details.marks(run.id))
        self._draw_strip()
        self._place_view()
        ended = before is not None and not before.finished and run.finished
        if run.finished and (before is None or ended):
            self._gather_result()
        if ended and run.state == "failed" and not self._focus.sweep:
            self.set_mode(RESULT)
        self._tick_while_needed()

    def _sweep_chosen(self, sweep: str) -> None:
        members = members_of(self._views, sweep)
        if members and self._focus.sweep != sweep:
            self._set_focus(Focus(focus_of_sweep(members), sweep))

    def _run_chosen(self, run_id: str) -> None:
        if self._focus != Focus(run_id):
            self._set_focus(Focus(run_id))

    def _refresh_sweep(self) -> None:
        members = members_of(self._views, self._focus.sweep)
        if not members:
            return
        best = focus_of_sweep(members)
        if best != self._focus.run_id:
            self._set_focus(replace(self._focus, run_id=best))
            return
        row = sweep_row(members)
        words = f"{sum(view.finished for view in members)} of {len(members)} runs ended · {row.value}"
        self.panes.header.show_sweep(row.name, row.state, words, row.fraction)
        by_id = {run.id: run for run in self._state.runs}
        self.details.gather_sweep(self._focus.sweep, [by_id[view.id] for view in members if view.id in by_id])

    def _draw_strip(self) -> None:
        run = self.run
        if run is not None:
            marks = self.details.marks(run.id)
            line = build_timeline(run.created_at, run.ended_at, run.attempts, marks, datetime.now(UTC))
            self.panes.strip.set_timeline(line)

    def _gather_result(self) -> None:
        run = self._core_run()
        if run is not None:
            self.details.gather_result(run, list(self._state.runs))

    def _core_run(self) -> Run | None:
        return self._state.find_run(self._focus.run_id)

    def _picture_words(self, run: RunView) -> str:
        if run.finished:
            return "This run logged no pictures."
        return f"Pictures appear at the first evaluation. Now: {phase_of(run)}."

    # -- the view

    def set_mode(self, mode: str) -> None:
        """Show the charts or the result."""
        self._mode = mode
        self.panes.header.set_view(mode)
        self._place_view()
        if mode == RESULT and not self._focus.sweep:
            self._gather_result()

    def _place_view(self) -> None:
        run = self.run
        if self._mode == RESULT and self._focus.sweep:
            self.panes.show_sweep()
        elif self._mode == RESULT:
            self.panes.show_result()
        elif run is not None and not self.panes.charts.has_points():
            self.panes.show_waiting()
        else:
            self.panes.show_charts()

    def _result_ready(self, facts: ResultFacts) -> None:
        if facts.run_id == self._focus.run_id:
            self.panes.result.show_facts(facts)
            self.panes.header.set_result_words(facts.summary.sentence if facts.state == "succeeded" else "")

    def _sweep_ready(self, sweep: str, summary: SweepSummary, summaries: dict[str, dict[str, float]]) -> None:
        if sweep == self._focus.sweep:
            self.panes.sweep.show_summary(summary, summaries)

    # -- logged data and the cursor

    def _run_grown(self, run_id: str) -> None:
        self.panes.charts.run_grown(run_id)
        if run_id != self._focus.run_id:
            return
        self.cursor.set_map(self.feed.time_map(run_id))
        self.panes.pictures.set_album(self.feed.album(run_id))
        self._place_view()
        self._show_freshness()

    def _cursor_moved(self) -> None:
        step, time = self.cursor.step, self.cursor.time
        self.panes.charts.set_cursor(step, time)
        self.panes.charts.set_moment("" if self.cursor.following or step is None else f"step {step:,.0f}")
        self.panes.pictures.set_step(step)
        self.panes.strip.set_cursor_time(time)
        self.panes.log.set_cursor_time(time)

    def _show_freshness(self) -> None:
        run = self.run
        if run is not None and not self._focus.sweep:
            metrics = self.feed.metrics(run.id)
            last = None if metrics is None else metrics.last_time
            training = run.state == "running" and last is not None
            self.panes.header.set_freshness(freshness(last, datetime.now(UTC).timestamp(), live=training))

    # -- time goes on

    def _ticked(self) -> None:
        self._show_freshness()
        self._draw_strip()

    def _tick_while_needed(self) -> None:
        run = self.run
        needed = self.isVisible() and run is not None and not run.finished
        if needed and not self._tick.isActive():
            self._tick.start()
        elif not needed and self._tick.isActive():
            self._tick.stop()
            self._ticked()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._tick_while_needed()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._tick.stop()

    def _connect(self) -> None:
        panes, state = self.panes, self._state
        state.runs_changed.connect(self._copy_runs)
        panes.runs.run_chosen.connect(self._run_chosen)
        panes.runs.sweep_chosen.connect(self._sweep_chosen)
        panes.runs.model.eyes_changed.connect(self._watch)
        panes.header.view_wanted.connect(self.set_mode)
        panes.header.cancel_wanted.connect(self.acts.ask_cancel)
        panes.header.launch_wanted.connect(self.acts.ask_launch_again)
        panes.result.next_wanted.connect(self.acts.ask_next)
        panes.result.log_wanted.connect(lambda: panes.log.set_expanded(True))
        panes.result.notice.connect(state.notice)
        panes.sweep.run_chosen.connect(self.show_run)
        panes.charts.step_wanted.connect(self.cursor.set_step)
        panes.charts.time_wanted.connect(self.cursor.set_time)
        panes.charts.step_hovered.connect(self.cursor.hover_step)
        panes.charts.time_hovered.connect(self.cursor.hover_time)
        panes.charts.run_clicked.connect(self.show_run)
        panes.pictures.step_wanted.connect(self.cursor.set_step)
        panes.strip.time_wanted.connect(self.cursor.set_time)
        panes.log.time_wanted.connect(self.cursor.set_time)
        self.cursor.moved.connect(self._cursor_moved)
        self.feed.grown.connect(self._run_grown)
        self.details.marks_found.connect(self._marks_found)
        self.details.result_ready.connect(self._result_ready)
        self.details.sweep_ready.connect(self._sweep_ready)

    def _marks_found(self, run_id: str, marks: tuple) -> None:
        if run_id == self._focus.run_id:
            self.acts.set_context(self._views, self._focus, marks)
            self._draw_strip()
