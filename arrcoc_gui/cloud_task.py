"""Whatever talks to the cloud does so in a child process: `CloudTask` runs `arrcoc --json …` and hears its lines.

    task = CloudTask(root, ["setup", "--dry-run"], parent=page)
    task.said.connect(on_line)         # one JSON object a line
    task.ended.connect(on_end)         # Ending(code, cancelled, trouble)
    task.start()

The client libraries take seconds to import and would hold the GIL; a child that crashes takes nothing with it. A task
that is cancelled gets SIGTERM, and SIGKILL after a short grace. Nothing survives the app: `end_cloud_tasks` is called
when the window closes. Every command that runs this way can be run again after an interruption.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from arrcoc_gui.cloud.trouble import Trouble, redact

GRACE_MS = 3000
END_MS = 1500
KEPT_BYTES = 64_000  # of standard error: its tail is what explains a crash


@dataclass(frozen=True)
class Ending:
    """How a task ended. `trouble` is None where it did what it was asked, and where it was cancelled."""

    code: int
    cancelled: bool = False
    trouble: Trouble | None = None

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.cancelled


class CloudTask(QObject):
    """One command. `program` replaces `arrcoc --json` for a repair that another tool does; its output is text."""

    said = Signal(dict)
    ended = Signal(object)

    def __init__(
        self, root: Path, arguments: Sequence[str], parent: QObject | None = None, *, program: str = ""
    ) -> None:
        super().__init__(parent)
        self.arguments = list(arguments)
        self.name = redact(" ".join([program or "arrcoc", *arguments]))
        self.ending: Ending | None = None
        self._trouble: Trouble | None = None
        self._cancelled = False
        self._half = b""
        self._strange: list[bytes] = []
        self._errors = b""
        self._process = QProcess(self)
        self._process.setWorkingDirectory(str(root))
        self._process.setProgram(program or sys.executable)
        self._process.setArguments(self.arguments if program else ["-m", "arrcoc_core.cli", "--json", *self.arguments])
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.finished.connect(lambda *_: self._finished())
        self._process.errorOccurred.connect(self._failed)
        self._kill = QTimer(self, interval=GRACE_MS, singleShot=True)
        self._kill.timeout.connect(self._process.kill)

    @property
    def running(self) -> bool:
        return self.ending is None and self._process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> CloudTask:
        """Begin. The signals come later, never from inside this call."""
        _live.add(self)
        self._process.start()
        self._process.closeWriteChannel()  # it never asks
        return self

    def cancel(self) -> None:
        """Ask it to stop; `ended` comes when it has."""
        if self.running:
            self._cancelled = True
            self._process.terminate()
            self._kill.start()

    def drop(self) -> None:
        """Forget it: no signal comes any more, and the process ends with the app at the latest."""
        self.blockSignals(True)
        self.cancel()

    def _end_now(self, *, hard: bool) -> None:
        self.blockSignals(True)
        self._cancelled = True
        if not hard:
            self._process.terminate()
        elif not self._process.waitForFinished(END_MS):
            self._process.kill()
            self._process.waitForFinished(END_MS)

    def _read(self) -> None:
        self._half += self._process.readAllStandardOutput().data()
        *lines, self._half = self._half.split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            held: Any = json.loads(line)
        except ValueError:
            held = None
        if not isinstance(held, dict):
            if line.strip():
                self._strange.append(line)
            return
        if set(held) & {"resource", "name", "table"} or not held.get("error"):
            self.said.emit(held)
            return
        # A line that is nothing but an error is about the command as a whole.
        self._trouble = Trouble.of(held["error"])

    def _read_errors(self) -> None:
        self._errors = (self._errors + self._process.readAllStandardError().data())[-KEPT_BYTES:]

    def _finished(self) -> None:
        if not shiboken6.isValid(self._process):  # it goes with its page, in the middle: nobody is to be told
            _live.discard(self)
            return
        self._kill.stop()
        self._read()
        self._read_errors()
        if self._half:
            self._take(self._half)
        self._take_whole()
        crashed = self._process.exitStatus() == QProcess.ExitStatus.CrashExit
        code = self._process.exitCode()
        self._end(code if not crashed else 128 + code, crashed)

    def _take_whole(self) -> None:
        """Output that was one object over many lines."""
        if self._strange:
            text = b"\n".join(self._strange)
            try:
                held: Any = json.loads(text)
            except ValueError:
                held = None
            if isinstance(held, dict):
                self.said.emit(held)
                self._strange.clear()

    def _end(self, code: int, crashed: bool) -> None:
        if self.ending is not None:
            return
        trouble = self._trouble
        said = self._errors.decode("utf-8", "replace")
        if self._cancelled:
            trouble = None
        elif crashed:
            trouble = Trouble.of_text(said, f"{self.name} ended in the middle.")
        elif code and trouble is None and said.strip():
            trouble = Trouble.of_text(said, f"{self.name} failed with exit code {code}.")
        self.ending = Ending(code, self._cancelled, trouble)
        _live.discard(self)
        self.ended.emit(self.ending)

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._errors += redact(self._process.errorString()).encode()
            self._end(127, crashed=True)


_live: set[CloudTask] = set()


def cloud_tasks() -> list[CloudTask]:
    """Those that have been started and have not ended."""
    return [task for task in _live if shiboken6.isValid(task) and task.running]


def end_cloud_tasks() -> None:
    """End all of them and wait for it: no process stays behind."""
    tasks = cloud_tasks()
    for task in tasks:
        task._end_now(hard=False)
    for task in tasks:
        task._end_now(hard=True)
    _live.clear()
