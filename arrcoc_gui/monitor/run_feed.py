"""The logged data of the runs that the monitor shows, kept fresh by the reading child process.

`LiveMetrics` (plotting) owns the child and says which run directory has grown; this turns it into runs: their
metrics, their time map, their pictures. Only shown runs are watched; those that leave the page are let go.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from arrcoc_core.metrics import RunMetrics
from arrcoc_gui.monitor.pictures import PictureAlbum
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.time_map import TimeMap
from arrcoc_gui.plotting import LiveMetrics

STEP = "trainer/step"


class RunFeed(QObject):
    """Metrics by run id, for the runs given to `watch`."""

    grown = Signal(str)  # run id: new rows, or rewritten ones
    pictured = Signal(str)  # run id: new pictures
    failed = Signal(str, str)  # run id, what is wrong with its files

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._live = LiveMetrics(self)
        self._live.changed.connect(self._changed)
        self._live.failed.connect(self._failed)
        self._directory: dict[str, Path] = {}
        self._metrics: dict[str, RunMetrics] = {}
        self._ended: dict[str, bool] = {}
        self._run_of: dict[Path, str] = {}

    def watch(self, runs: Iterable[RunView]) -> None:
        """Watch exactly these runs."""
        wanted = {run.id: run for run in runs}
        for run_id in set(self._directory) - set(wanted):
            directory = self._directory.pop(run_id)
            del self._metrics[run_id], self._run_of[directory], self._ended[run_id]
            self._live.unwatch(directory)
        for run_id, run in wanted.items():
            if self._directory.get(run_id) is None or self._ended[run_id] != run.finished:
                directory = self._directory[run_id] = run.directory.resolve()
                self._run_of[directory] = run_id
                self._ended[run_id] = run.finished
                self._metrics[run_id] = self._live.watch(directory, live=not run.finished)

    def metrics(self, run_id: str) -> RunMetrics | None:
        """A watched run's metrics, empty until its first row; None for a run that is not watched."""
        return self._metrics.get(run_id)

    def time_map(self, run_id: str) -> TimeMap:
        """Steps and wall times of all rows of a watched run."""
        metrics = self.metrics(run_id)
        if metrics is None:
            return TimeMap.empty()
        rows = metrics.series(STEP)
        return TimeMap(rows.step, rows.clock)

    def album(self, run_id: str) -> PictureAlbum:
        """Pictures of a watched run."""
        metrics = self.metrics(run_id)
        return PictureAlbum() if metrics is None else PictureAlbum(metrics.media())

    def close(self) -> None:
        """End the child process; what was read stays."""
        self._live.close()

    def _changed(self, run_dir: str, line: dict) -> None:
        run_id = self._run_of.get(Path(run_dir))
        if run_id is not None:
            self.grown.emit(run_id)
            if line.get("media"):
                self.pictured.emit(run_id)

    def _failed(self, run_dir: str, trouble: str) -> None:
        run_id = self._run_of.get(Path(run_dir))
        if run_id is not None:
            self.failed.emit(run_id, trouble)
