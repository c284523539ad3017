"""Runs as every door sees them: `Run`, its `Attempt`s and `Progress`. A launched sweep is in `sweep_run.py`.

A `Run` is a handle. Its properties show what was known at the last refresh; `refresh`, `wait` and `cancel` bring it
up to date in place and give it back. Only `progress` and what builds on it (`eta_s`) look at the run's folder each
time, because the trainer tells its progress there, not in the store. Times are aware, in UTC.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.launching import ensure_supervisor
from arrcoc_core.records import Event, RunRecord
from arrcoc_core.run_cloud import InCloud
from arrcoc_core.run_online import OnHub
from arrcoc_core.run_parts import Attempt, Progress, attempt_of, progress_of, utc, utc_or_none, utc_text
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store
from arrcoc_core.targets.local import log_path, read_json, read_lines

if TYPE_CHECKING:
    from arrcoc_core.metrics import RunMetrics, Series
    from arrcoc_core.resolved import ResolvedExperiment
    from arrcoc_core.syncing.state import Sync

POLL_S = 0.15
_LOOK_AFTER_SUPERVISOR_S = 1.0


class Run(InCloud, OnHub):
    """One launched experiment. See the module; made by `launch`, `runs` and `get_run`."""

    def __init__(self, record: RunRecord, root: Path) -> None:
        self.root = root
        self._record = record
        self._state_dir = state_dir(root)
        self.offline = ""
        """Why `metrics` could not ask its W&B server the last time; "": it could, or there is none."""

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self.id)

    # What it is

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return self._record.experiment

    @property
    def fingerprint(self) -> str:
        return self._record.fingerprint

    @property
    def code(self) -> str:
        """Hash of the code it runs."""
        return self._record.code

    @property
    def target(self) -> str:
        return self._record.target

    @property
    def machine(self) -> str:
        return self._record.machine

    @property
    def sweep(self) -> str | None:
        """Id of the sweep it is a point of."""
        return self._record.sweep

    @property
    def sweep_name(self) -> str | None:
        return self._record.sweep_name

    @property
    def max_parallel(self) -> int:
        """How many runs may train at once for this one to start."""
        return self._record.max_parallel

    @property
    def total_steps(self) -> int:
        """Optimizer steps planned; 0 where only the data set itself knows."""
        return self._record.total_steps

    @property
    def estimate_s(self) -> tuple[float, float]:
        """Lowest and highest duration that was planned, in seconds."""
        return self._record.estimate_low_s, self._record.estimate_high_s

    @property
    def directory(self) -> Path:
        """Its folder, the RUN_URI."""
        return self._state_dir / "runs" / self.id

    @property
    def resolved(self) -> ResolvedExperiment:
        """The experiment as it was launched."""
        from arrcoc_core.stored import load_experiment

        return load_experiment(self.directory)

    @property
    def plan(self) -> dict[str, Any]:
        """The plan it was launched from, as `Plan.to_json` gave it; empty where the folder is gone."""
        return read_json(self.directory / "plan.json") or {}

    # How it goes

    @property
    def state(self) -> str:
        """queued, preparing, starting, running, recovering, cancelling, succeeded, failed or cancelled."""
        return self._record.state

    @property
    def cause(self) -> str:
        """Why it is in this state, where that needs saying."""
        return self._record.cause

    @property
    def finished(self) -> bool:
        return self._record.finished

    @property
    def succeeded(self) -> bool:
        return self._record.state == "succeeded"

    @property
    def active(self) -> bool:
        """Not finished, and not waiting in the queue."""
        return not self.finished and self.state != "queued"

    @property
    def created_at(self) -> datetime:
        return utc(self._record.created_at)

    @property
    def started_at(self) -> datetime | None:
        return utc_or_none(self._record.started_at)

    @property
    def ended_at(self) -> datetime | None:
        return utc_or_none(self._record.ended_at)

    @property
    def elapsed_s(self) -> float | None:
        """Seconds since its first attempt was started, up to its end; None while it waits."""
        if self._record.started_at is None:
            return None
        return (self._record.ended_at or time.time()) - self._record.started_at

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return tuple(attempt_of(one) for one in self._record.attempts)

    @property
    def summary(self) -> dict[str, float]:
        """The last value of each metric."""
        return dict(self._record.summary)

    @property
    def progress(self) -> Progress | None:
        """What the trainer told last; None before it has told anything."""
        told = read_json(self.directory / "progress.json")
        return progress_of(told) if told is not None else None

    @property
    def eta_s(self) -> float | None:
        """Seconds until it ends: what the trainer says, else what was planned; None where neither knows."""
        if self.finished:
            return 0.0
        told = self.progress
        if told is not None and told.eta_s is not None and self.state == "running":
            since = (datetime.now(UTC) - told.updated_at).total_seconds() if told.updated_at else 0.0
            return max(0.0, told.eta_s - max(0.0, since))
        expected = self.expected_s
        if not expected:
            return None
        # A resumed run has the part before its checkpoint behind it; the time since its launch says nothing of that.
        fraction = told.fraction if told is not None and len(self.attempts) > 1 else None
        if fraction is not None:
            return expected * (1.0 - fraction)
        return max(0.0, expected - (self.elapsed_s or 0.0))

    @property
    def expected_s(self) -> float | None:
        """The whole duration that was planned: the geometric middle of its range."""
        low, high = self.estimate_s
        return math.sqrt(low * high) or None

    @property
    def wandb_url(self) -> str:
        """Its page at W&B; "" as long as it has not logged online."""
        return str((read_json(self.directory / "wandb.json") or {}).get("url") or "")

    # What can be done with it

    def refresh(self) -> Run:
        """Read its record again."""
        with Store(self._state_dir / "store.db") as store:
            self._record = store.run(self.id)
        return self

    def wait(self, timeout: float | None = None) -> Run:
        """Return when it has ended, however it ended, or after `timeout` seconds.

        Nobody else need be there: a supervisor that has died is replaced.
        """
        wait_for([self], self.root, timeout)
        return self

    def cancel(self, cause: str = "cancelled by the user") -> Run:
        """Ask it to stop: its trainer checkpoints first. A waiting run is cancelled at once, an ended one stays."""
        cancel_all([self], self.root, cause)
        return self

    def series(self, name: str) -> Series:
        """A metric's steps and values, such as `eval/accuracy`, as numpy arrays."""
        return self.metrics().series(name)

    def metrics(self) -> RunMetrics:
        """All metrics, up to date; of a run elsewhere that logs online with what its W&B server has (see `offline`)."""
        from arrcoc_core.metrics import open_metrics

        if self.target != "local":
            from arrcoc_core.online.own import feed

            self.offline = feed(self)
        return open_metrics(self.directory)

    @property
    def log_path(self) -> Path:
        """Log file of the newest attempt (of the first, before there is one)."""
        return log_path(self.directory, max(1, len(self._record.attempts)))

    def logs(self, follow: bool = False) -> Iterator[str]:
        """Log lines of all attempts in order; with `follow`, new ones as they come, until it has ended."""
        n, cursor = 1, 0
        while True:
            self.refresh()
            ended = self.finished  # before reading: what it printed last is then read for sure
            moved_on = len(self._record.attempts) > n or ended or not follow
            lines, cursor = read_lines(log_path(self.directory, n), cursor, partial=moved_on)
            yield from lines
            if len(self._record.attempts) > n:
                n, cursor = n + 1, 0
            elif ended or not follow:
                return
            elif not lines:
                time.sleep(POLL_S)

    def sync(
        self,
        *,
        entity: str | None = None,
        project: str | None = None,
        on_progress: Callable[[Sync], None] = lambda _: None,
    ) -> Sync:
        """Upload to W&B what it does not have of this run, with its true steps, and return when all of it is there.

        It may be interrupted and called again: no row is there twice. `entity` and `project` are where it was logged
        to, else what `.training` says, where they are left out. RunError where it failed.
        """
        from arrcoc_core.syncing import sync_run

        return sync_run(self, entity=entity, project=project, on_progress=on_progress)

    def events(self) -> list[Event]:
        """Everything that happened to it, oldest first; times in Unix seconds. See records.py for the kinds."""
        with Store(self._state_dir / "store.db") as store:
            return store.events(self.id)

    def to_json(self) -> dict[str, Any]:
        """A row of `arrcoc runs --json`."""
        return {
            "id": self.id,
            "experiment": self.experiment,
            "fingerprint": self.fingerprint,
            "code": self.code,
            "target": self.target,
            "state": self.state,
            "cause": self.cause,
            "created_at": utc_text(self.created_at),
            "started_at": utc_text(self.started_at),
            "ended_at": utc_text(self.ended_at),
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "summary": {name: value if math.isfinite(value) else None for name, value in self.summary.items()},
            "cost_usd": self.cost_usd,
            "sweep": self.sweep,
            "directory": str(self.directory),
            "hub_url": self.hub_url,
            "wandb_url": self.wandb_url,
            **self._cloud_json(),
        }

    def _replace(self, record: RunRecord) -> None:
        self._record = record


def wait_for(runs: list[Run], root: Path, timeout: float | None) -> None:
    """Wait until all have ended, keeping a supervisor alive meanwhile."""
    deadline = None if timeout is None else time.monotonic() + timeout
    state = state_dir(root)
    token, looked = -1, float("-inf")
    with Store(state / "store.db") as store:
        while True:
            now = time.monotonic()
            newest = store.changes_token()
            if newest != token:
                refresh_all(runs, store)
                token = newest
            if all(run.finished for run in runs) or (deadline is not None and now >= deadline):
                return
            if now - looked >= _LOOK_AFTER_SUPERVISOR_S:
                ensure_supervisor(store)
                looked = now
            time.sleep(POLL_S if deadline is None else min(POLL_S, max(0.0, deadline - now)))


def cancel_all(runs: list[Run], root: Path, cause: str) -> None:
    """Ask all of them to stop, in one transaction."""
    state = state_dir(root)
    now = time.time()
    with Store(state / "store.db") as store:
        store.append([Event(run.id, "cancel_requested", now, cause=cause) for run in runs])
        refresh_all(runs, store)
        if any(not run.finished for run in runs):
            ensure_supervisor(store)


def refresh_all(runs: list[Run], store: Store) -> None:
    """Read the records of those that had not ended."""
    for run in runs:
        if not run.finished:
            run._replace(store.run(run.id))  # pyright: ignore[reportPrivateUsage]
