"""What the user can do from the monitor, each after a question: cancel, launch again, launch a variation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMessageBox, QWidget

from arrcoc_core.results import NextStep
from arrcoc_gui.monitor import confirm
from arrcoc_gui.monitor.focus import Focus, members_of
from arrcoc_gui.monitor.run_rows import sweep_name
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.run_words import cancel_question
from arrcoc_gui.monitor.timeline import Mark

if TYPE_CHECKING:
    from arrcoc_gui.state import AppState


class MonitorActs:
    """Asks and does. The page says what is in focus by `set_context`."""

    def __init__(self, state: AppState, page: QWidget) -> None:
        self._state = state
        self._page = page
        self._runs: list[RunView] = []
        self._focus = Focus()
        self._marks: tuple[Mark, ...] = ()
        self.box: QMessageBox | None = None

    def set_context(self, runs: list[RunView], focus: Focus, marks: tuple[Mark, ...]) -> None:
        self._runs, self._focus, self._marks = runs, focus, marks

    def ask_cancel(self) -> None:
        """Ask whether to cancel the run in focus, or what is left of the selected sweep."""
        run = self._run()
        if run is None:
            return
        if self._focus.sweep:
            self._ask_cancel_sweep(run, self._focus.sweep)
        elif not run.finished:
            question = cancel_question(run, self._marks, self._runs)
            self._keep(confirm.ask_cancel(question, lambda answer: self._cancel(run, answer), self._page))

    def _ask_cancel_sweep(self, run: RunView, sweep: str) -> None:
        members = members_of(self._runs, sweep)
        rest = sum(not member.finished for member in members)
        if rest:
            done = len(members) - rest
            name = sweep_name(members)
            box = confirm.ask_cancel_sweep(name, rest, done, lambda answer: self._cancel(run, answer), self._page)
            self._keep(box)

    def ask_launch_again(self) -> None:
        """Ask whether to launch what is in focus again, as it is written now: the run's experiment, or the sweep."""
        run = self._run()
        if run is None:
            return
        name = sweep_name(members_of(self._runs, self._focus.sweep)) if self._focus.sweep else run.experiment
        text = f"{name} as it is written now. What has ended stays as it is."
        self._ask_launch(f"Launch {name} again?", text, name, ())

    def ask_next(self, step: NextStep) -> None:
        """Ask whether to launch what a result proposes."""
        if step.experiment:
            text = f"{step.text}\n\nThe same on the command line:\n{step.command}"
            self._ask_launch(f"Launch {' '.join([step.experiment, *step.sets])}?", text, step.experiment, step.sets)

    def _ask_launch(self, title: str, text: str, name: str, sets: tuple[str, ...]) -> None:
        def answered(answer: str) -> None:
            if answer == "launch":
                self._state.launch([name], sets)

        self._keep(confirm.ask_launch(title, text, answered, self._page))

    def _cancel(self, run: RunView, answer: str) -> None:
        if answer == "run":
            self._state.cancel(run.id)
        elif answer == "sweep" and run.sweep is not None:
            self._state.cancel_sweep(run.sweep)

    def _run(self) -> RunView | None:
        return next((run for run in self._runs if run.id == self._focus.run_id), None)

    def _keep(self, box: QMessageBox) -> None:
        self.box = box
        box.destroyed.connect(self._gone)

    def _gone(self) -> None:
        self.box = None
