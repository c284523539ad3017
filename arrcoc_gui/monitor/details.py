"""What has to be read from disk about the run (or sweep) in focus: checkpoints, result, values, sweep summary.

Each is gathered in a background thread when asked and delivered by a signal with the id it belongs to; an
answer about something no longer in focus is for the receiver to drop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from arrcoc_core.sweep_results import summarize_sweep
from arrcoc_gui.background import Task, run_in_background
from arrcoc_gui.monitor.result_facts import gather_result
from arrcoc_gui.monitor.run_values import RunValues, gather_values
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.timeline import Mark, find_checkpoints, merge_marks

if TYPE_CHECKING:
    from arrcoc_core.api import Run


class Details(QObject):
    """See the module's docstring."""

    marks_found = Signal(str, tuple)  # run id, tuple[Mark, ...]: all seen so far, also those pruned since
    result_ready = Signal(object)  # ResultFacts
    values_ready = Signal(object)  # RunValues
    sweep_ready = Signal(str, object, dict)  # sweep id, SweepSummary, {run id: summary}

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._marks: dict[str, tuple[Mark, ...]] = {}
        self._marking: Task | None = None
        self._valuing: Task | None = None
        self._values_next: RunView | None = None

    def marks(self, run_id: str) -> tuple[Mark, ...]:
        """Checkpoints of a run seen so far."""
        return self._marks.get(run_id, ())

    def look_for_marks(self, run_id: str, directory: Path) -> None:
        """Look for checkpoints, unless a look is under way."""
        if self._marking is None or self._marking.finished:
            self._marking = run_in_background(
                lambda: find_checkpoints(directory),
                lambda found: self._found(run_id, found),
                parent=self,
                name="looking for checkpoints",
            )

    def gather_result(self, run: Run, runs: Sequence[Run]) -> None:
        """Gather what an ended run came to."""
        run_in_background(
            lambda: gather_result(run, runs),
            self.result_ready.emit,
            parent=self,
            name=f"reading the result of {run.id}",
        )

    def gather_values(self, run: RunView) -> None:
        """Gather configuration and last values; one at a time, the newest wish of those that come meanwhile."""
        if self._valuing is not None and not self._valuing.finished:
            self._values_next = run
            return
        self._valuing = run_in_background(
            lambda: gather_values(run), self._valued, parent=self, name=f"reading the values of {run.id}"
        )

    def _valued(self, values: RunValues) -> None:
        self.values_ready.emit(values)
        wish, self._values_next = self._values_next, None
        if wish is not None:
            self.gather_values(wish)

    def gather_sweep(self, sweep: str, members: Sequence[Run]) -> None:
        """Gather what a sweep's runs (in the order of the sweep) came to so far."""
        members = list(members)

        def gather() -> tuple[object, dict[str, dict[str, float]]]:
            name = members[0].sweep_name or "" if members else ""
            return summarize_sweep(members, name=name), {run.id: dict(run.summary) for run in members}

        run_in_background(
            gather,
            lambda answer: self.sweep_ready.emit(sweep, *answer),
            parent=self,
            name=f"reading the results of {sweep}",
        )

    def _found(self, run_id: str, found: tuple[Mark, ...]) -> None:
        merged = merge_marks(self.marks(run_id), found)
        if merged != self.marks(run_id):
            self._marks[run_id] = merged
            self.marks_found.emit(run_id, merged)
