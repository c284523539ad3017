"""What the whole app knows: the runs, the experiments found, and the acts a user can ask for.

`AppState` is the one bridge between the pages and `arrcoc_core`. Every call into the core goes through a
background thread; the pages only listen to signals and call the methods below. It polls the store's change
token, the progress of unfinished runs and what uploads leave in their folders three times a second, and lets
`reconcile` replace a dead supervisor now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from arrcoc_gui.background import Task, background, run_in_background
from arrcoc_gui.prefs import Prefs
from arrcoc_gui.sandbox_switch import SandboxSwitch

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.discovery import Discovery

POLL_MS = 300
RECONCILE_MS = 5000
UPLOADS_WATCHED = 60
LEFT_BY_UPLOADS = ("upload.json", "wandb.json")


@dataclass(frozen=True)
class CloudWish:
    """A launch that has to be asked about first."""

    name: str
    sets: tuple[str, ...]


class AppState(QObject):
    """Lives on the GUI thread; `start` begins to look, `stop` ends it."""

    runs_changed = Signal(list)  # list[Run], newest first; also when only the progress of one has changed
    discovery_changed = Signal(object)  # Discovery
    discovery_started = Signal()
    selection_changed = Signal(str)  # the experiment the user looks at
    experiment_opened = Signal(str)  # experiment or sweep the list is to show
    run_opened = Signal(str)  # run id the monitor is to show
    page_wanted = Signal(str)  # page the window is to show
    cloud_launch_wanted = Signal(str, tuple)  # experiment or sweep, sets: it costs money, so it asks first
    fix_wanted = Signal(object)  # Fix: a repair that a person wants run
    accounts_changed = Signal()  # something was set up, or a key may be another one
    launch_started = Signal(list)  # names
    launched = Signal(object)  # Run or SweepRun
    launch_ended = Signal()  # well or not
    problem = Signal(str, str)  # message, remedy: shown as a banner
    notice = Signal(str)  # one calm line in the status bar

    def __init__(self, root: Path, prefs: Prefs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.root = root
        self.prefs = prefs
        self.runs: list[Run] = []
        self.runs_loaded = False
        self.discovery: Discovery | None = None
        self.selection = ""
        self._token: int | None = None
        self._progress: dict[str, object] = {}
        self._uploads: dict[Path, float] = {}
        self._poll_task: Task | None = None
        self._reconcile_task: Task | None = None
        self._discovery_task: Task | None = None
        self._discover_again = False
        self._last_poll_error = ""
        self._poll_timer = QTimer(self, interval=POLL_MS)
        self._poll_timer.timeout.connect(self.poll)
        self._reconcile_timer = QTimer(self, interval=RECONCILE_MS)
        self._reconcile_timer.timeout.connect(self._reconcile)
        background().failed.connect(self.report)
        self.sandbox = SandboxSwitch(root, prefs, self, in_use=lambda: any(run.sandbox for run in self.active_runs))
        self.sandbox.changed.connect(self._world_changed)

    # -- looking ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to poll the store and look for experiments."""
        self.sandbox.restore()
        self.discover()
        self.poll()
        self._reconcile()
        self._poll_timer.start()
        self._reconcile_timer.start()

    def stop(self) -> None:
        """Stop polling; work under way is dropped."""
        self._poll_timer.stop()
        self._reconcile_timer.stop()
        for task in (self._poll_task, self._reconcile_task, self._discovery_task):
            if task is not None:
                task.cancel()

    def find_run(self, run_id: str) -> Run | None:
        """The run of that id among those loaded."""
        return next((run for run in self.runs if run.id == run_id), None)

    @property
    def active_runs(self) -> list[Run]:
        """Runs that have not ended, newest first."""
        return [run for run in self.runs if not run.finished]

    def poll(self) -> None:
        """Look at the store once, unless a look is still under way."""
        if self._poll_task is not None and not self._poll_task.finished:
            return
        root, token, seen, uploads = self.root, self._token, self._progress, self._uploads
        self._poll_task = run_in_background(
            lambda: _look(root, token, seen, uploads), self._polled, self._poll_failed, self, name="reading the runs"
        )

    def discover(self) -> None:
        """Load the experiments anew (unchanged files come from the cache). One at a time; a call meanwhile
        queues one.
        """
        if self._discovery_task is not None and not self._discovery_task.finished:
            self._discover_again = True
            return
        root = self.root

        def load() -> object:
            from arrcoc_core.discovery import discover

            return discover(root)

        self.discovery_started.emit()
        self._discovery_task = run_in_background(
            load, self._discovered, self._discovery_failed, self, name="loading the experiments"
        )

    # -- acting ----------------------------------------------------------------------------------------------

    def select(self, name: str) -> None:
        """Make `name` the experiment the user looks at."""
        if name != self.selection:
            self.selection = name
            self.selection_changed.emit(name)

    def show_experiment(self, name: str) -> None:
        """Show the experiment (or sweep) in the list."""
        self.select(name)
        self.experiment_opened.emit(name)

    def launch(self, names: Sequence[str], sets: Sequence[str] = ()) -> None:
        """Launch each of `names` (an experiment, or a sweep as a whole) and open the first in the monitor.

        One for the cloud is not launched here: it talks to the cloud and costs money, so `cloud_launch_wanted` says it
        and the Experiments page asks.
        """
        root, names, sets = self.root, list(names), tuple(sets)

        def start() -> list[Any]:
            from arrcoc_core import api

            started: list[Any] = []
            for name in names:
                staged = api.stage(name, root=root, sets=sets)
                started.append(CloudWish(name, sets) if staged.in_cloud else api.launch(name, root=root, sets=sets))
            return started

        def failed(error: Exception) -> None:
            self.launch_ended.emit()
            self.report(error)

        self.launch_started.emit(names)
        run_in_background(start, self._launched, failed, self, name=f"launching {', '.join(names)}")

    def cancel(self, run_id: str) -> None:
        """Ask the run to stop after its next checkpoint. Confirmation is the caller's."""
        root = self.root

        def ask() -> None:
            from arrcoc_core import api

            api.get_run(run_id, root=root).cancel()

        run_in_background(ask, lambda _: self.poll(), self.report, self, name=f"cancelling {run_id}")

    def cancel_sweep(self, sweep_id: str) -> None:
        """Ask all runs of a sweep that have not ended to stop. Confirmation is the caller's."""
        root = self.root

        def ask() -> None:
            from arrcoc_core import api

            api.get_sweep(sweep_id, root=root).cancel()

        run_in_background(ask, lambda _: self.poll(), self.report, self, name=f"cancelling {sweep_id}")

    def open_run(self, run_id: str) -> None:
        """Show the run in the monitor; `sweep:<id>` shows a sweep as a whole."""
        self.run_opened.emit(run_id)

    def open_in_editor(self, file: str | Path, line: int = 1) -> None:
        """Open `file` (absolute, or relative to the project root) at `line` in the user's editor."""
        path = Path(file) if Path(file).is_absolute() else self.root / file

        def go() -> bool:
            from arrcoc_core.scaffold import open_in_editor

            return open_in_editor(path, line)

        def done(opened: bool) -> None:
            self.notice.emit(f"Opened {path.name}:{line}" if opened else f"No editor found. The file is {path}:{line}")

        run_in_background(go, done, self.report, self, name=f"opening {path.name}")

    def report(self, error: Exception) -> None:
        """Show a failure as a banner, with its remedy; an unexpected one also goes to the log."""
        from arrcoc_gui.errors import explain

        self.problem.emit(*explain(error))

    # -- answers of the background ---------------------------------------------------------------------------

    def _polled(self, answer: tuple[int, list[Run] | None, dict[str, object], dict[Path, float]]) -> None:
        self._token, runs, self._progress, self._uploads = answer
        self._last_poll_error = ""
        if runs is not None:
            self.runs = runs
            self.runs_loaded = True
            self.runs_changed.emit(runs)

    def _poll_failed(self, error: Exception) -> None:
        # The same failure three times a second is one banner.
        if str(error) != self._last_poll_error:
            self._last_poll_error = str(error)
            self.report(error)

    def _discovered(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.discovery_changed.emit(discovery)
        self._rediscover()

    def _discovery_failed(self, error: Exception) -> None:
        self.report(error)
        self._rediscover()

    def _rediscover(self) -> None:
        if self._discover_again:
            self._discover_again = False
            self.discover()

    def _launched(self, launched: list[Any]) -> None:
        self.launch_ended.emit()
        for wish in (item for item in launched if isinstance(item, CloudWish)):
            self.cloud_launch_wanted.emit(wish.name, wish.sets)
        launched = [item for item in launched if not isinstance(item, CloudWish)]
        self.poll()
        for run in launched:
            self.launched.emit(run)
        if launched:
            first = launched[0]
            self.open_run(f"sweep:{first.id}" if hasattr(first, "runs") else first.id)

    def _world_changed(self) -> None:
        """Google's cloud or the sandbox: plans and prices are made anew."""
        if self.sandbox.trouble is not None:
            self.problem.emit(self.sandbox.trouble.message, self.sandbox.trouble.cause)
        if self.discovery is not None:
            self.discovery_changed.emit(self.discovery)

    def _reconcile(self) -> None:
        if self._reconcile_task is not None and not self._reconcile_task.finished:
            return
        root = self.root

        def look() -> None:
            from arrcoc_core import api

            api.reconcile(root)

        self._reconcile_task = run_in_background(look, None, self._poll_failed, self, name="checking the supervisor")


def _look(
    root: Path, token: int | None, seen: dict[str, object], uploads: dict[Path, float]
) -> tuple[int, list[Run] | None, dict[str, object], dict[Path, float]]:
    """The store's token; all runs when anything has changed since `token`, `seen` and `uploads`; progress by id of
    unfinished runs; when each file that an upload leaves was written last.
    """
    from arrcoc_core import api

    now = api.changes_token(root)
    told = {path: _written(path) for path in uploads}
    if now == token and not seen and told == uploads:
        return now, None, seen, uploads
    runs = list(api.runs(root=root))
    progress: dict[str, object] = {run.id: run.progress for run in runs if not run.finished}
    # One who uploads an old run by hand is found with the next change; the newest are looked at.
    files = [run.directory / name for run in runs[:UPLOADS_WATCHED] for name in LEFT_BY_UPLOADS]
    stamps = {path: told[path] if path in told else _written(path) for path in files}
    changed = now != token or progress != seen or stamps != uploads
    return now, runs if changed else None, progress, stamps


def _written(path: Path) -> float:
    """When a file was written last; 0 while there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
