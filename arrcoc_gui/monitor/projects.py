"""Which runs the monitor lists: this project's own, and those of W&B projects that a person has chosen.

One child process (arrcoc_core/online/listed.py) keeps the lists of the chosen projects fresh; it is there only while
the monitor shows and a project is chosen. The choice is remembered.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.cloud_task import CloudTask, Ending
from arrcoc_gui.monitor.online_runs import OWN, OnlineRuns, Place
from arrcoc_gui.monitor.run_view import RunView

CHILD = ["-m", "arrcoc_core.online.listed"]
LET_GO_MS = 60_000
"""How long after the monitor was left the lists are kept fresh: one who comes back finds them so."""
RESTART_MS = 10_000


class Projects(QObject):
    """`changed`: another choice, other runs, or another state of a project."""

    changed = Signal()
    known_changed = Signal()

    def __init__(self, root: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._root = root
        self._visible = False
        self._task: CloudTask | None = None
        self._asking: CloudTask | None = None
        self._online = OnlineRuns()
        self.here = True
        self.chosen: list[str] = []
        self.known: list[str] = []
        self.known_state = "unknown"  # unknown, loading, known or failed
        self.known_trouble: Trouble | None = None
        self._let_go = QTimer(self, interval=LET_GO_MS, singleShot=True)
        self._let_go.timeout.connect(self._stop)
        self._restart = QTimer(self, interval=RESTART_MS, singleShot=True)
        self._restart.timeout.connect(self._start)

    # -- what a person chooses

    def choose(self, *, here: bool, chosen: list[str]) -> None:
        """List the runs of this project's store (`here`), and those of these W&B projects."""
        if (here, chosen) == (self.here, self.chosen):
            return
        self.here, self.chosen = here, list(chosen)
        self._online.expect(self.chosen)
        self._stop()
        self._start()
        self.changed.emit()

    def toggle(self, place: str) -> None:
        """List a W&B project, or do not any more."""
        chosen = [one for one in self.chosen if one != place]
        self.choose(here=self.here, chosen=chosen if place in self.chosen else [*self.chosen, place])

    def toggle_here(self) -> None:
        """List this project's own runs, or do not."""
        self.choose(here=not self.here, chosen=self.chosen)

    def settings(self) -> dict[str, Any]:
        """The choice, for the preferences."""
        return {"here": self.here, "chosen": list(self.chosen)}

    def apply_settings(self, saved: dict[str, Any]) -> None:
        chosen = saved.get("chosen")
        places = [str(one) for one in chosen] if isinstance(chosen, list) else []
        self.choose(here=bool(saved.get("here", True)) or not places, chosen=places)

    # -- what there is

    @property
    def runs(self) -> list[RunView]:
        """Runs of the chosen W&B projects."""
        return self._online.views()

    @property
    def places(self) -> list[Place]:
        return list(self._online.places.values())

    def ask_known(self) -> None:
        """Ask which projects this machine's key may read, unless that is known or under way."""
        if self.known_state in ("loading", "known"):
            return
        self.known_state, self.known_trouble = "loading", None
        found: list[str] = []
        self._asking = CloudTask(self._root, [*CHILD, "projects"], self, program=sys.executable)
        self._asking.said.connect(lambda line: found.append(f"{line.get('entity')}/{line.get('name')}"))
        self._asking.ended.connect(lambda ending: self._known(found, ending))
        self._asking.start()
        self.known_changed.emit()

    def _known(self, found: list[str], ending: Ending) -> None:
        if self._asking is not None:
            self._asking.deleteLater()
            self._asking = None
        self.known_state = "known" if ending.ok else "failed"
        self.known_trouble = ending.trouble
        self.known = found if ending.ok else self.known
        self.known_changed.emit()

    # -- the child

    def set_visible(self, visible: bool) -> None:
        """Whether the monitor shows."""
        self._visible = visible
        if visible:
            self._let_go.stop()
            self._start()
        elif self._task is not None:
            self._let_go.start()

    def world_changed(self) -> None:
        """Another account, another server: nothing of what is known is true there."""
        self.known, self.known_state, self.known_trouble = [], "unknown", None
        self._online = OnlineRuns()
        self._online.expect(self.chosen)
        self._stop()
        self._start()
        self.changed.emit()

    def again(self) -> None:
        """Try at once again what could not be read."""
        self._stop()
        self._start()

    def shutdown(self) -> None:
        self._let_go.stop()
        self._stop()
        if self._asking is not None:
            self._asking.drop()
            self._asking = None

    def _start(self) -> None:
        if self._task is not None or not self.chosen or not self._visible:
            return
        self._task = CloudTask(self._root, [*CHILD, "runs", *self.chosen], self, program=sys.executable)
        self._task.said.connect(self._said)
        self._task.ended.connect(self._ended)
        self._task.start()

    def _stop(self) -> None:
        self._restart.stop()
        task, self._task = self._task, None
        if task is not None:
            task.drop()

    def _said(self, line: dict[str, Any]) -> None:
        if self._online.take(line):
            self.changed.emit()

    def _ended(self, ending: Ending) -> None:
        """It never ends by itself but where it cannot begin: no settings, no key at all."""
        if self._task is not None:
            self._task.deleteLater()
            self._task = None
        self._online.ended(ending.trouble)
        self._restart.start()
        self.changed.emit()


def place_title(place: str) -> str:
    """What a place is called in the menu."""
    return "The W&B project of .training" if place == OWN else f"W&B: {place}"
