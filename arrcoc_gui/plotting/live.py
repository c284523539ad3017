"""`LiveMetrics`: the metrics of runs that are being followed, kept up to date by the reader child process.

A run may have rows on a W&B server, too (`remote`): the child then asks there, often while `set_visible` says that
somebody looks, and tells how far it lies behind (`stood`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    stood = Signal(str, dict)  # run directory, a line that tells how the run stands with its W&B server
    fetched = Signal(str, list)  # run directory, pictures that have come, as paths below it

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._metrics: dict[str, RunMetrics] = {}
        self._watched: dict[str, dict[str, Any]] = {}
        self._visible = True
        self._process: QProcess | None = None
        self._rest = b""

    def watch(self, run_dir: Path | str, *, live: bool = True, remote: Mapping[str, Any] | None = None) -> RunMetrics:
        """Follows a run (`live=False`: an ended one, looked at seldom) and gives what is known of it already.

        `remote`: where at W&B it is, as the child takes it ("online").
        """
        key = str(Path(run_dir).resolve())
        if key not in self._metrics:
            self._metrics[key] = open_metrics(key, refresh=False)
        wanted: dict[str, Any] = {"live": live, **({"online": dict(remote)} if remote else {})}
        if self._watched.get(key) != wanted:
            self._watched[key] = wanted
            self._tell_watch(key)
        return self._metrics[key]

    def set_visible(self, visible: bool) -> None:
        """Whether somebody looks at what is followed: servers are asked seldom while nobody does."""
        if visible != self._visible:
            self._visible = visible
            for key in (key for key, wanted in self._watched.items() if "online" in wanted):
                self._tell_watch(key)

    def fetch(self, run_dir: Path | str, pictures: Sequence[Path]) -> None:
        """Have pictures of a followed run fetched from its server; `fetched` says which have come."""
        folder = Path(run_dir).resolve()
        names = [path.relative_to(folder).as_posix() for path in pictures if path.is_relative_to(folder)]
        if names and str(folder) in self._watched:
            self._tell({"run": str(folder), "pictures": names})

    def metrics(self, run_dir: Path | str) -> RunMetrics:
        """The metrics of a run that is being followed; already refreshed when `changed` is emitted."""
        return self._metrics[str(Path(run_dir).resolve())]

    def unwatch(self, run_dir: Path | str) -> None:
        """Leaves a run alone; one that is not followed is no error."""
        key = str(Path(run_dir).resolve())
        self._metrics.pop(key, None)
        if self._watched.pop(key, None) is not None:
            self._tell({"unwatch": key})

    def close(self) -> None:
        """Ends the child and waits for it."""
        self._watched.clear()
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

    def _tell_watch(self, key: str) -> None:
        self._tell({"watch": key, "visible": self._visible, **self._watched[key]})

    def _start(self) -> None:
        """Start the child and tell it all that is to be followed."""
        if self._process is not None or not self._watched:
            return
        self._process = process = QProcess(self)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._restart)
        program, *arguments = follow_command()
        process.start(program, arguments)
        for key in self._watched:
            self._tell_watch(key)

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
            key = line["run"]
            if "pictures" in line:
                self.fetched.emit(key, line["pictures"])
            elif "error" in line:
                self._refused(key, line)
            else:
                if "behind_s" in line:
                    self.stood.emit(key, line)
                if "rows" in line:
                    # Pictures of an earlier line of the same batch are new, too.
                    media = line["media"] + newest.get(key, {}).get("media", 0)
                    newest[key] = {**line, "media": media}
        for key, line in newest.items():
            if key in self._metrics:
                self._metrics[key].refresh()
                self.changed.emit(key, line)

    def _refused(self, key: str, line: dict[str, Any]) -> None:
        """What is wrong with files is said aloud; what a server refuses, calmly beside the run."""
        if "online" in self._watched.get(key, {}):
            self.stood.emit(key, line)
        else:
            self.failed.emit(key, line["error"])
