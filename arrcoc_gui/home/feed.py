"""Keeps the columns of running runs fresh while Home shows them: the reader's child process, one for all of them.

The child starts with the first run to watch and ends when there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, QProcess

JOIN_MS = 1000


class HomeFeed(QObject):
    """`watch` names the run directories to read from now on."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._watched: set[str] = set()
        self._child: QProcess | None = None
        self._ending: list[QProcess] = []

    def watch(self, directories: Iterable[Path]) -> None:
        """Exactly these, from now on."""
        wanted = {str(directory) for directory in directories}
        if not wanted:
            self._let_go()
            return
        if self._child is None:
            self._start()
        for directory in sorted(wanted - self._watched):
            self._tell({"watch": directory, "live": True})
        for directory in sorted(self._watched - wanted):
            self._tell({"unwatch": directory})
        self._watched = wanted

    def close(self) -> None:
        """End the child and wait for its end, for a second at most."""
        self._let_go()
        for child in self._ending:
            if not child.waitForFinished(JOIN_MS):
                child.kill()
                child.waitForFinished(JOIN_MS)
        self._ending.clear()

    def _let_go(self) -> None:
        """The child stops when its input ends; nobody waits for it here."""
        self._watched = set()
        if self._child is not None:
            child, self._child = self._child, None
            self._ending.append(child)
            child.finished.connect(lambda: self._ended(child))
            child.closeWriteChannel()

    def _ended(self, child: QProcess) -> None:
        if child in self._ending:
            self._ending.remove(child)
        child.deleteLater()

    def _start(self) -> None:
        from arrcoc_core.metrics import follow_command

        program, *arguments = follow_command()
        self._child = QProcess(self)
        # Its news are not needed here: the page looks at the columns once a second.
        self._child.setStandardOutputFile(QProcess.nullDevice())
        self._child.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
        self._child.start(program, arguments)

    def _tell(self, command: dict[str, object]) -> None:
        if self._child is not None:
            self._child.write(json.dumps(command).encode() + b"\n")
