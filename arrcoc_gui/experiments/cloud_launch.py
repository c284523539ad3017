"""A launch in the cloud, from the button to the run: preflight, one question with the dollars, then the launch.

Both commands run in child processes. A preflight that is under way when another experiment is chosen is dropped; a
launch is not: the run it makes is opened when it is there.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.cloud_task import CloudTask, Ending
from arrcoc_gui.experiments.cloud_plan import CloudPlanView, check_line
from arrcoc_gui.experiments.cloud_view import CloudPlanPane
from arrcoc_gui.state import AppState
from arrcoc_gui.widgets.question import Role, ask


class CloudLaunch(QObject):
    """Drives one `CloudPlanPane`. `busy_changed` tells the footer."""

    busy_changed = Signal(bool)

    def __init__(self, state: AppState, pane: CloudPlanPane, page: QWidget) -> None:
        super().__init__(page)
        self._state = state
        self._pane = pane
        self._page = page
        self._checking: CloudTask | None = None
        self._launching: CloudTask | None = None
        self._name = ""
        self._launch_name = ""
        self._sets: tuple[str, ...] = ()
        self._ask_after = False
        self._run = ""
        self.box: QMessageBox | None = None
        state.sandbox.changed.connect(self.drop)

    @property
    def busy(self) -> bool:
        return self._launching is not None or self._ask_after

    def check(self, name: str, sets: tuple[str, ...] = ()) -> None:
        """The preflight of one experiment (of a sweep: of one of its points)."""
        if self._checking is not None:
            self._checking.drop()
        self._name, self._sets = name, sets
        self._pane.preflight.expect()
        self._pane.trouble.show_trouble(None)
        self._pane.set_checking(True)
        self._pane.reveal(self._pane.preflight)
        self._checking = CloudTask(self._state.root, ["plan", name, *_set(sets), "--events"], self)
        self._checking.said.connect(self._said)
        self._checking.ended.connect(self._checked)
        self._checking.start()

    def ask(self, name: str, launch: str, sets: tuple[str, ...] = ()) -> None:
        """Check, then ask, then launch `launch`: the experiment itself, or the sweep that `name` is a point of."""
        if self.busy:
            return
        self._launch_name = launch
        self._ask_after = True
        self.busy_changed.emit(True)
        self.check(name, sets)

    def drop(self) -> None:
        """Forget a preflight under way."""
        if self._checking is not None:
            self._checking.drop()
            self._checking = None
            self._pane.set_checking(False)
            self._pane.preflight.stop("stopped")
        if self._ask_after:
            self._ask_after = False
            self.busy_changed.emit(False)

    def shutdown(self) -> None:
        self.drop()
        if self._launching is not None:
            self._launching.drop()
            self._launching = None

    # -- what comes

    def _said(self, line: dict[str, Any]) -> None:
        if line.get("plan") and line["plan"].get("cloud"):
            view = self._pane.view
            if view is None or view.name != self._launch_name or view.runs == 1:
                self._pane.show_plan(CloudPlanView(self._launch_name or self._name, line["plan"]))
            for failed in (check for check in line["plan"].get("checks") or () if not check.get("ok")):
                self._pane.preflight.apply(check_line(failed))
        for name in line.get("checking") or ():
            self._pane.preflight.apply(check_line(name))
        if line.get("check"):
            self._pane.preflight.apply(check_line(line["check"]))
        if line.get("run"):
            self._run = self._run or str(line["run"]["id"])
        if line.get("sweep"):
            self._run = f"sweep:{line['sweep']['id']}"

    def _checked(self, ending: Ending) -> None:
        self._checking = None
        self._pane.set_checking(False)
        self._pane.preflight.stop("not reached")
        rows = self._pane.preflight.rows
        self._pane.trouble.show_trouble(_said_by_rows(ending.trouble, bool(rows.troubles())))
        self._reveal_trouble()
        if not self._ask_after:
            return
        self._ask_after = False
        self.busy_changed.emit(False)
        view = self._pane.view
        if not ending.ok or view is None:
            self._state.notice.emit("Not launched: the preflight found what has to be repaired first")
            return
        title, text, button = view.question()
        acts = [(button, "go", Role.AcceptRole)]
        self.box = ask(title, text, "Not now", acts, self._answered, self._page)
        self.box.destroyed.connect(self._box_gone)

    def _reveal_trouble(self) -> None:
        pane = self._pane
        failed = pane.preflight.rows.troubles()
        if failed:
            pane.reveal(pane.preflight.lines_by_key[failed[0].key])
        elif pane.trouble.trouble is not None:
            pane.reveal(pane.trouble)

    def _box_gone(self) -> None:
        self.box = None

    def _answered(self, answer: str) -> None:
        if answer != "go" or self._launching is not None:
            return
        self._run = ""
        self._pane.preflight.expect()
        self._launching = CloudTask(
            self._state.root, ["launch", self._launch_name, *_set(self._sets), "--events"], self
        )
        self._launching.said.connect(self._said)
        self._launching.ended.connect(self._launched)
        self._launching.start()
        self._state.launch_started.emit([self._launch_name])
        self.busy_changed.emit(True)

    def _launched(self, ending: Ending) -> None:
        self._launching = None
        self._pane.preflight.stop("not reached")
        self._state.launch_ended.emit()
        self.busy_changed.emit(False)
        if self._run:
            self._state.poll()
            self._state.open_run(self._run)
        if not ending.ok:
            self._pane.trouble.show_trouble(_said_by_rows(ending.trouble, bool(self._pane.preflight.rows.troubles())))


def _said_by_rows(trouble: Trouble | None, told: bool) -> Trouble | None:
    """An error that a row already tells is not told again."""
    return None if told else trouble


def _set(sets: tuple[str, ...]) -> list[str]:
    return ["--set", *sets] if sets else []
