"""The switch between the services themselves (Google Cloud, W&B, the Hub) and the sandbox that stands in for them.

It holds for this process and for everything it starts.

On, `ARRCOC_CLOUD_ENDPOINTS` names the sandbox's folder in this process's environment, which child processes, plans and
launches read; a server is started in a child process where none runs. Off, the variable is gone again, and a server
that this app started ends, unless runs in it go on. A folder that came from the shell (`arrcoc --sandbox gui`) is taken
as it is. The choice is remembered.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Signal

from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.cloud_task import CloudTask, Ending
from arrcoc_gui.prefs import Prefs

VARIABLE = "ARRCOC_CLOUD_ENDPOINTS"
PREF = "sandbox"
State = Literal["off", "starting", "on", "failed"]
WORDS = "Sandbox: Google Cloud, W&B and the Hub are pretended; nothing is real or costs anything"


class SandboxSwitch(QObject):
    """`changed` comes with every change of `state`; pages then show the other world."""

    changed = Signal()

    def __init__(
        self, root: Path, prefs: Prefs, parent: QObject | None = None, *, in_use: Callable[[], bool] = lambda: False
    ) -> None:
        """`in_use`: whether runs go on in the sandbox."""
        super().__init__(parent)
        self._root = root
        self._prefs = prefs
        self._in_use = in_use
        self._mine = False
        self._task: CloudTask | None = None
        self._ending: CloudTask | None = None
        self.trouble: Trouble | None = None
        self.state: State = "on" if os.environ.get(VARIABLE) else "off"

    @property
    def on(self) -> bool:
        """Whether what the app does now goes to the sandbox (or would, were it up)."""
        return self.state != "off"

    @property
    def ready(self) -> bool:
        """Whether commands can be sent: to the services themselves, or to a sandbox that answers."""
        return self.state in ("off", "on")

    def restore(self) -> None:
        """As it was left the last time, unless the shell has said."""
        if self.state == "off" and self._prefs.get(PREF, False):
            self.turn_on()

    def toggle(self) -> None:
        if self.on:
            self.turn_off()
        else:
            self.turn_on()

    def turn_on(self) -> None:
        """Point at the sandbox from this moment on, and start it where it does not run."""
        from arrcoc_core.settings import state_dir

        if self.state in ("starting", "on"):
            return
        os.environ[VARIABLE] = str(state_dir(self._root) / "sandbox")
        self._prefs.set(PREF, True)
        self.trouble = None
        if self._ending is None:
            self._start()
        self._set("starting")

    def _start(self) -> None:
        self._task = CloudTask(self._root, ["sandbox", "start"], self)
        self._task.said.connect(self._told)
        self._task.ended.connect(self._started)
        self._task.start()

    def turn_off(self) -> None:
        """Back to the services themselves."""
        if self.state == "off":
            return
        if self._task is not None:
            self._task.drop()
            self._task = None
        os.environ.pop(VARIABLE, None)
        self._prefs.set(PREF, False)
        self.trouble = None
        if self._mine and not self._in_use() and self._ending is None:
            self._mine = False
            self._ending = CloudTask(self._root, ["sandbox", "stop"], self)
            self._ending.ended.connect(self._stopped)
            self._ending.start()
        self._set("off")

    def _stopped(self, _ending: Ending) -> None:
        """The server is down. Turned on again meanwhile, it starts anew."""
        self._ending = None
        if self.state == "starting":
            self._start()

    def _told(self, line: dict) -> None:
        if line.get("folder") and self.state == "starting":
            os.environ[VARIABLE] = str(line["folder"])
            self._mine = bool(line.get("started"))

    def _started(self, ending: Ending) -> None:
        self._task = None
        self.trouble = ending.trouble
        self._set("on" if ending.ok else "failed")

    def _set(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit()
