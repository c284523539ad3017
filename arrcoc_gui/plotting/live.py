"""`LiveMetrics`: the metrics of runs that are being followed, kept up to date by the reader child process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from arrcoc_core.metrics.follower import follow_command
from arrcoc_core.metrics.reading import RunMetrics, open_metrics

RESTART_MS = 500


class LiveMetrics(QObject):
    """Owns one child process for all runs; started with the first `watch`, started again should it die."""

    changed = Signal(str, dict)  # run directory, the child's line (arrcoc_core/metrics/follow.py)
    failed = Signal(str, str)  # run directory, what is wrong with its files

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._metrics: dict[str, RunMetrics] = {}
        self._live: dict[str, bool] = {}
        self._process: QProcess | None = None
        self._rest = b""

    def watch(self, run_dir: Path | str, *, live: bool = True) -> RunMetrics:
        """Follows a run (`live=False`: an ended one, looked at seldom) and gives what is known of it already."""
        key = str(Path(run_dir).resolve())
        if key not in self._metrics:
            self._metrics[key] = open_metrics(key, refresh=False)
        if self._live.get(key) != live:
            self._live[key] = live
            self._tell({"watch": key, "live": live})
        return self._metrics[key]

    def metrics(self, run_dir: Path | str) -> RunMetrics:
        """The metrics of a run that is being followed; already refreshed when `changed` is emitted."""
        return self._metrics[str(Path(run_dir).resolve())]

    def unwatch(self, run_dir: Path | str) -> None:
        """Leaves a run alone; one that is not followed is no error."""
        key = str(Path(run_dir).resolve())
        self._metrics.pop(key, None)
        if self._live.pop(key, None) is not None:
            self._tell({"unwatch": key})

    def close(self) -> None:
        """Ends the child and waits for it."""
        self._live.clear()
        self._metrics.clear()
        process, self._process = self._process, None
        if process is not None:
            process.readyReadStandardOutput.disconnect(self._read)
            process.finished.disconnect(self._restart)
            process.closeWriteChannel()
            if not process.waitForFinished(2000):
                process.kill()
                process.waitForFinished(2000)
            process.deleteLater()

    def _tell(self, command: dict[str, object]) -> None:
        if self._process is not None:
            self._process.write(json.dumps(command).encode() + b"\n")
        else:
            self._start()

    def _start(self) -> None:
        """Start the child and tell it all that is to be followed."""
        if self._process is not None or not self._live:
            return
        self._process = process = QProcess(self)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._restart)
        program, *arguments = follow_command()
        process.start(program, arguments)
        for key, live in self._live.items():
            self._tell({"watch": key, "live": live})

    def _restart(self) -> None:
        """The child died: a new one goes on from what the old one has counted, after a pause: one that cannot
        start at all must not be started in a loop."""
        process, self._process, self._rest = self._process, None, b""
        if process is not None:
            process.deleteLater()
        QTimer.singleShot(RESTART_MS, self, self._start)

    def _read(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (self._rest + self._process.readAllStandardOutput().data()).split(b"\n")
        newest: dict[str, dict[str, Any]] = {}
        for raw in lines:
            line: dict[str, Any] = json.loads(raw)
            if "error" in line:
                self.failed.emit(line["run"], line["error"])
            else:
                newest[line["run"]] = line
        for key, line in newest.items():
            if key in self._metrics:
                self._metrics[key].refresh()
                self.changed.emit(key, line)
