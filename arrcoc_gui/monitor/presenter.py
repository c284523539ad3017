"""Shows the run (or sweep) in focus in all panes, and keeps them at one moment.

The page decides which run is in focus and hands over copies of the runs; this turns them, the logged data and
the shared cursor into what the panes show, and switches between charts, phases, result and sweep.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from arrcoc_core.sweep_results import SweepSummary
from arrcoc_gui.monitor.console_log import ConsoleDocument
from arrcoc_gui.monitor.cursor import TimeCursor
from arrcoc_gui.monitor.details import Details
from arrcoc_gui.monitor.focus import (
    ATTEMPTS,
    CHARTS,
    RESULT,
    VALUES,
    Focus,
    first_view,
    members_of,
    possible_view,
)
from arrcoc_gui.monitor.layout import MonitorPanes
from arrcoc_gui.monitor.line_index import LogDocument
from arrcoc_gui.monitor.result_facts import ResultFacts
from arrcoc_gui.monitor.run_feed import RunFeed
from arrcoc_gui.monitor.run_rows import sweep_row
from arrcoc_gui.monitor.run_values import RunValues
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.run_words import freshness, phase_of, status_line
from arrcoc_gui.monitor.timeline import build_timeline
from arrcoc_gui.monitor.transfers import Transfers

if TYPE_CHECKING:
    from arrcoc_gui.state import AppState

TICK_MS = 250
VALUES_MS = 1000


class Presenter(QObject):
    """See the module's docstring."""

    def __init__(
        self, state: AppState, panes: MonitorPanes, feed: RunFeed, transfers: Transfers, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._transfers = transfers
        self._panes = panes
        self._feed = feed
        self._views: list[RunView] = []
        self._focus = Focus()
        self._ended = ""
        self._gathered: list[tuple[str, str, dict[str, float]]] = []
        self.mode = CHARTS
        self.cursor = TimeCursor(self)
        self.details = Details(self)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._ticked)
        self._values_later = QTimer(self, interval=VALUES_MS, singleShot=True)
        self._values_later.timeout.connect(self._gather_values)
        self._connect()

    @property
    def run(self) -> RunView | None:
        """The run in focus."""
        return next((run for run in self._views if run.id == self._focus.run_id), None)

    # -- what the page says

    def focus_on(self, focus: Focus, views: list[RunView]) -> None:
        """Show another run or sweep."""
        self._focus, self._views = focus, views
        run = self.run
        if run is None:
            return
        self.cursor.follow()
        log = ConsoleDocument(run.directory) if run.read_only else LogDocument(run.directory / "logs")
        self._panes.log.open(log, live=not run.finished)
        self._panes.pictures.set_on_server(bool(run.remote))
        self._panes.charts.set_focus(run.id)
        self.run_grown(run.id)
        self._run_pictured(run.id)
        if focus.sweep:
            over = all(view.finished for view in members_of(views, focus.sweep))
            self.set_mode(RESULT if over else CHARTS)
        else:
            self.set_mode(first_view(run))
        self.refresh(views)

    def refresh(self, views: list[RunView]) -> None:
        """Show how what is in focus stands now."""
        before, self._views = self.run, views
        run = self.run
        if run is None:
            return
        self._show_header()
        if self._focus.sweep:
            self._gather_sweep()
        self._panes.waiting.show_run(run)
        self._panes.attempts.show_run(run)
        self._panes.result.outward.show_run(run)
        self._panes.pictures.set_waiting(
            "This run logged no pictures."
            if run.finished
            else f"Pictures appear at the first evaluation. Now: {phase_of(run)}."
        )
        if not run.read_only:
            self.details.look_for_marks(run.id, run.directory)
        self.draw_strip()
        if self.mode == VALUES and before != run:
            self._gather_values()
        if before is not None and not before.finished and run.finished:
            self._gather_result()
            self._ended = run.id
            if run.state == "failed" and not self._focus.sweep:
                self.set_mode(RESULT)
        self._place_view()
        self.tick_while(self._panes.stack.isVisible())

    def set_mode(self, mode: str) -> None:
        """Show the charts, the result, the attempts or the values."""
        self.mode = mode = possible_view(self.run, mode, sweep=bool(self._focus.sweep))
        self._panes.header.set_view(mode)
        self._show_header()
        self._place_view()
        if mode == RESULT and not self._focus.sweep:
            self._gather_result()
        if mode == VALUES:
            self._gather_values()

    def tick_while(self, visible: bool) -> None:
        """Let time go on in the panes while they are seen and the run lives."""
        run = self.run
        needed = visible and run is not None and not run.finished
        self._panes.log.set_live(needed)
        if needed and not self._tick.isActive():
            self._tick.start()
        elif not needed and self._tick.isActive():
            self._tick.stop()
            self._ticked()

    def stop(self) -> None:
        """For the end of the app."""
        self._tick.stop()
        self._values_later.stop()

    # -- header, strip, view

    def _show_header(self) -> None:
        """Beside the charts of an ended run the header says what came of it; beside its result, how it ended."""
        run, facts = self.run, self._panes.result.facts
        if run is None:
            return
        if self._focus.sweep:
            members = members_of(self._views, self._focus.sweep)
            row = sweep_row(members)
            words = f"{sum(view.finished for view in members)} of {len(members)} runs ended · {row.value}"
            self._panes.header.show_sweep(row.name, row.state, words, row.fraction)
            return
        told = facts is not None and facts.run_id == run.id and run.finished and self.mode == CHARTS
        words = facts.summary.sentence if told and facts is not None else ""
        why = self._feed.standing(run.id).reason()
        self._panes.header.show_run(run, " · ".join(part for part in (why, words or status_line(run)) if part))
        self.show_transfer(run.id)

    def show_transfer(self, run_id: str) -> None:
        """What of the run is on its way to the Hub or to W&B."""
        run = self.run
        if run is not None and run.id == run_id and not self._focus.sweep:
            self._panes.header.transfer.show_state(self._transfers.of_run(run.id), run.upload)
            self._panes.result.outward.show_run(run)

    def draw_strip(self) -> None:
        """Attempts and checkpoints up to now."""
        run = self.run
        if run is not None:
            marks = self.details.marks(run.id)
            queued_at = None if run.preparation is None else run.preparation.queued_at
            line = build_timeline(
                run.created_at, run.ended_at, run.attempts, marks, datetime.now(UTC), queued_at=queued_at
            )
            self._panes.strip.set_timeline(line)

    def _place_view(self) -> None:
        if self.mode == ATTEMPTS:
            self._panes.show_attempts()
        elif self.mode == VALUES:
            self._panes.show_values()
        elif self.mode == RESULT and self._focus.sweep:
            self._panes.show_sweep()
        elif self.mode == RESULT:
            self._panes.show_result()
        elif self.run is not None and not self._panes.charts.has_points():
            self._panes.show_waiting()
        else:
            self._panes.show_charts()

    def _gather_values(self) -> None:
        if self.run is not None and self.mode == VALUES:
            self.details.gather_values(self.run)

    def _values_ready(self, values: RunValues) -> None:
        if values.run_id == self._focus.run_id:
            self._panes.values.show_values(values)

    def _gather_result(self) -> None:
        run = self._state.find_run(self._focus.run_id)
        if run is not None:
            self.details.gather_result(run, list(self._state.runs))

    def _gather_sweep(self) -> None:
        members = members_of(self._views, self._focus.sweep)
        standing = [(view.id, view.state, dict(view.summary)) for view in members]
        if standing == self._gathered:
            return
        self._gathered = standing
        by_id = {run.id: run for run in self._state.runs}
        self.details.gather_sweep(self._focus.sweep, [by_id[view.id] for view in members if view.id in by_id])

    def _result_ready(self, facts: ResultFacts) -> None:
        if facts.run_id == self._focus.run_id:
            self._panes.result.show_facts(facts)
            self._show_header()
        if facts.run_id == self._ended:
            self._ended = ""
            self._state.notice.emit(facts.summary.sentence)

    def _sweep_ready(self, sweep: str, summary: SweepSummary, summaries: dict[str, dict[str, float]]) -> None:
        if sweep == self._focus.sweep:
            self._panes.sweep.show_summary(summary, summaries)

    # -- logged data and the cursor

    def run_grown(self, run_id: str) -> None:
        """A run has logged more."""
        self._panes.charts.run_grown(run_id)
        if run_id == self._focus.run_id:
            self.cursor.set_map(self._feed.time_map(run_id))
            self._place_view()
            self._show_freshness()
            if self.mode == VALUES and not self._values_later.isActive():
                self._values_later.start()

    def run_stood(self, run_id: str) -> None:
        """How far a run lies behind its server has changed."""
        if run_id == self._focus.run_id:
            self._show_header()
            self._show_freshness()
            standing = self._feed.standing(run_id)
            if standing.trouble:  # a disk that is full, a permission: somebody has to mend it
                self._state.problem.emit(standing.trouble, standing.remedy)

    def _run_pictured(self, run_id: str) -> None:
        if run_id == self._focus.run_id:
            self._panes.pictures.set_album(self._feed.album(run_id))
            self._panes.pictures.look_again()

    def _cursor_moved(self) -> None:
        step, time = self.cursor.step, self.cursor.time
        self._panes.charts.set_cursor(step, time)
        self._panes.charts.set_following(self.cursor.following)
        self._panes.pictures.set_step(step)
        self._panes.strip.set_cursor_time(time)
        self._panes.log.set_cursor_time(time)

    def _show_freshness(self) -> None:
        run = self.run
        if run is None or self._focus.sweep:
            return
        standing = self._feed.standing(run.id)
        if not standing.caught_up:
            self._panes.header.set_freshness(standing.words(), standing.reason())
            return
        metrics = self._feed.metrics(run.id)
        last = None if metrics is None else metrics.last_time
        training = run.state == "running" and last is not None
        self._panes.header.set_freshness(freshness(last, datetime.now(UTC).timestamp(), live=training))

    def _ticked(self) -> None:
        self._show_freshness()
        self.draw_strip()
        if self.mode == ATTEMPTS:
            self._panes.attempts.tick()

    def _connect(self) -> None:
        panes = self._panes
        panes.header.view_wanted.connect(self.set_mode)
        panes.attempts.log_wanted.connect(lambda: panes.log.set_expanded(True))
        panes.attempts.fix_wanted.connect(self._state.fix_wanted)
        panes.charts.step_wanted.connect(self.cursor.set_step)
        panes.charts.time_wanted.connect(self.cursor.set_time)
        panes.charts.step_hovered.connect(self.cursor.hover_step)
        panes.charts.time_hovered.connect(self.cursor.hover_time)
        panes.pictures.step_wanted.connect(self.cursor.set_step)
        panes.strip.time_wanted.connect(self.cursor.set_time)
        panes.log.time_wanted.connect(self.cursor.set_time)
        self.cursor.moved.connect(self._cursor_moved)
        self._feed.grown.connect(self.run_grown)
        self._feed.pictured.connect(self._run_pictured)
        self._feed.stood.connect(self.run_stood)
        self._transfers.changed.connect(self.show_transfer)
        panes.pictures.wanted.connect(lambda path: self._feed.fetch(self._focus.run_id, [path]))
        self.details.result_ready.connect(self._result_ready)
        self.details.values_ready.connect(self._values_ready)
        self.details.sweep_ready.connect(self._sweep_ready)
