"""Lists that load independently of one another: each is a command of its own, with its own state and error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.cloud_task import CloudTask, Ending

LoadState = Literal["empty", "loading", "loaded", "failed"]


class Load(QObject):
    """The lines of one command, as far as they have come. `changed` tells of lines and of the end."""

    changed = Signal()

    def __init__(self, root: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._root = root
        self._task: CloudTask | None = None
        self.state: LoadState = "empty"
        self.lines: list[dict[str, Any]] = []
        self.trouble: Trouble | None = None

    def load(self, arguments: Sequence[str]) -> None:
        """Begin anew; what was under way is dropped."""
        self.drop()
        self.lines, self.trouble, self.state = [], None, "loading"
        self._task = CloudTask(self._root, arguments, self)
        self._task.said.connect(self._said)
        self._task.ended.connect(self._ended)
        self._task.start()
        self.changed.emit()

    def drop(self) -> None:
        """Forget what is under way."""
        if self._task is not None:
            self._task.drop()
            self._task = None
            self.state = "empty"

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("type") == kind]

    def _said(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self.changed.emit()

    def _ended(self, ending: Ending) -> None:
        if self._task is not None:
            self._task.deleteLater()
            self._task = None
        self.trouble = ending.trouble
        self.state = "loaded" if ending.ok else "failed"
        self.changed.emit()
