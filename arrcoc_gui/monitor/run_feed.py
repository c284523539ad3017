"""The logged data of the runs that the monitor shows, kept fresh by the reading child process.

`LiveMetrics` (plotting) owns the child and says which run directory has grown; this turns it into runs: their
metrics, their time map, their pictures, and how far they lie behind their W&B server where they have one. Only shown
runs are watched; those that leave the page are let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from arrcoc_core.metrics import RunMetrics
from arrcoc_gui.monitor.pictures import PictureAlbum
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.standing import CAUGHT_UP, Standing
from arrcoc_gui.monitor.time_map import TimeMap
from arrcoc_gui.plotting import LiveMetrics

STEP = "trainer/step"


class RunFeed(QObject):
    """Metrics by run id, for the runs given to `watch`."""

    grown = Signal(str)  # run id: new rows, or rewritten ones
    pictured = Signal(str)  # run id: new pictures
    failed = Signal(str, str)  # run id, what is wrong with its files
    stood = Signal(str)  # run id: how far it lies behind its server has changed

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._live = LiveMetrics(self)
        self._live.changed.connect(self._changed)
        self._live.failed.connect(self._failed)
        self._live.stood.connect(self._stood)
        self._live.fetched.connect(self._fetched)
        self._directory: dict[str, Path] = {}
        self._metrics: dict[str, RunMetrics] = {}
        self._told: dict[str, tuple[bool, dict[str, Any]]] = {}
        self._standings: dict[str, Standing] = {}
        self._run_of: dict[Path, str] = {}

    def watch(self, runs: Iterable[RunView], focus: str = "") -> None:
        """Watch exactly these runs; of `focus` also what it prints is read."""
        wanted = {run.id: run for run in runs}
        for run_id in set(self._directory) - set(wanted):
            directory = self._directory.pop(run_id)
            del self._metrics[run_id], self._run_of[directory], self._told[run_id]
            if self._standings.pop(run_id, None) is not None:
                self.stood.emit(run_id)
            self._live.unwatch(directory)
        for run_id, run in wanted.items():
            remote = {**run.remote, **_wishes(run, focus)} if run.remote else {}
            told = (run.finished, remote)
            if self._told.get(run_id) != told:
                directory = self._directory[run_id] = run.directory.resolve()
                self._run_of[directory] = run_id
                self._told[run_id] = told
                self._metrics[run_id] = self._live.watch(directory, live=not run.finished, remote=remote)

    def set_visible(self, visible: bool) -> None:
        """Whether the monitor shows: servers are asked seldom while it does not."""
        self._live.set_visible(visible)

    def fetch(self, run_id: str, pictures: Sequence[Path]) -> None:
        """Have pictures fetched from the run's server, where it has one."""
        if run_id in self._directory and self._told[run_id][1]:
            self._live.fetch(self._directory[run_id], pictures)

    def standing(self, run_id: str) -> Standing:
        """How far a watched run lies behind its server."""
        return self._standings.get(run_id, CAUGHT_UP)

    @property
    def standings(self) -> dict[str, Standing]:
        """Those of the runs that lie behind, by id."""
        return dict(self._standings)

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

    def _stood(self, run_dir: str, line: dict) -> None:
        run_id = self._run_of.get(Path(run_dir))
        if run_id is None:
            return
        standing = Standing.of(line)
        before = self.standing(run_id)
        if standing.caught_up:
            self._standings.pop(run_id, None)
        else:
            self._standings[run_id] = standing
        if self.standing(run_id) != before:
            self.stood.emit(run_id)

    def _fetched(self, run_dir: str, pictures: list[str]) -> None:
        run_id = self._run_of.get(Path(run_dir))
        if run_id is not None and pictures:
            self.pictured.emit(run_id)


def _wishes(run: RunView, focus: str) -> dict[str, bool]:
    """What of a run is wanted from its server besides its rows: of our own runs the rest comes with their files."""
    return {"system": run.read_only, "console": run.read_only and run.id == focus}
