"""Sending what is missing through wandb's own client, as `deciding.py` says.

Rows go as they were logged: nested values and media as the dictionaries that the files hold, so that nothing is encoded
anew; the files of media are saved at the paths that the rows name. What is handed over is not yet there: a thread asks
the server how much it has, tells it, and the sender never gets far ahead, so that a kill costs little. Nothing of this
machine is recorded (its system metrics, its code, its packages), and nothing more is written to the disk.

Beside the public interface, two things of wandb 0.31 are used that it does not promise:
- samples of system metrics are published as records, because `run.log` would make them metrics;
- a run begins when its first attempt began: `wandb.init` sets `x_start_time` itself, and system metrics would lie
  before the run's beginning.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arrcoc_core.errors import CloudError
from arrcoc_core.metrics import open_metrics
from arrcoc_core.metrics.cache import STEP
from arrcoc_core.syncing.deciding import Decision
from arrcoc_core.syncing.logged import Logged, System
from arrcoc_core.syncing.remote import Remote, There
from arrcoc_core.syncing.state import Sync

AHEAD = 20_000
"""Rows that may be on their way at once."""
LOOK_S = 1.0
PATIENCE_S = 600.0
"""How long the server may be silent."""
_FOR_EVER = 1_000_000
_ROOT_FILES = ("wandb-metadata.json", "requirements.txt")
"""What the client says of the machine that a run was on; offline it lies beside the log."""


@dataclass(frozen=True)
class Parcel:
    """All that is to be sent."""

    decision: Decision
    files: Mapping[str, Path]
    """Path on the server -> file here."""
    console: tuple[int, int]
    """Pieces that are there already, and lines of those behind them."""
    system: int
    """Samples that are there already."""
    new: bool
    """The server does not know the run: its name, tags and configuration go along."""


@dataclass(frozen=True)
class Target:
    entity: str
    project: str
    exit_code: int
    folder: Path
    """For what the client writes; may be deleted."""


def pack(logged: Logged, decision: Decision, there: There, remote: Remote, before: Sync | None) -> Parcel:
    """What is missing there. `before`: what an upload that was complete has sent.

    Console and system metrics have no key: their lines are counted. Those of an attempt that was logged online are the
    client's own affair.
    """
    pieces, lines, samples = 0, there.console, there.system
    if before is not None:
        pieces, lines, samples = before.console, 0, before.system
    if not logged.offline:
        pieces, lines, samples = len(logged.console), 0, len(logged.system)
    wanted = dict(logged.media)
    if logged.folder is not None:
        wanted |= {name: logged.folder / name for name in _ROOT_FILES if (logged.folder / name).is_file()}
    sizes = remote.sizes(sorted(wanted))
    files = {name: path for name, path in sorted(wanted.items()) if sizes.get(name) != path.stat().st_size}
    return Parcel(decision, files, (pieces, lines), samples, not there.known)


def is_empty(logged: Logged, parcel: Parcel) -> bool:
    lines = sum(text.count("\n") for _, text in logged.console[parcel.console[0] :])
    nothing = not len(parcel.decision.steps) and not parcel.files and not parcel.new
    return nothing and lines <= parcel.console[1] and len(logged.system) <= parcel.system


def send(logged: Logged, parcel: Parcel, target: Target, watch: Watch) -> None:
    """Send it, and return once the client has nothing left."""
    run = _begin(logged, parcel, target)
    if logged.keyed:
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP)
    for name, path in parcel.files.items():
        run.save(str(path), base_path=str(path).removesuffix(name), policy="now", glob=False)
    decision = parcel.decision
    rows = logged.rows(decision.steps)
    for sent, ((_, row), place) in enumerate(zip(rows, decision.places.tolist(), strict=True), start=1):
        run.log(row, step=place, commit=True)  # else the last row would come after the summary
        if sent % 100 == 0:
            watch.keep_near(sent)
    _send_console(logged.console[parcel.console[0] :], parcel.console[1])
    _send_system(run, logged.system[parcel.system :])
    summary = {name: value for name, value in logged.summary.items() if not name.startswith("_")}
    if decision.appended:  # the rows sent last are not the last rows
        summary = {**_last_values(logged), **summary}
    run.summary.update(summary)
    run.finish(exit_code=target.exit_code)


class Watch(threading.Thread):
    """Tells how much the server has, every second or so."""

    def __init__(self, remote: Remote, there: There, sync: Sync, tell: Callable[[Sync], None]) -> None:
        super().__init__(name="sync-watch", daemon=True)
        self.remote = remote
        self._before = there.rows
        self._sync = sync
        self._tell = tell
        self._arrived = 0
        self._silent = ""
        self._begun = time.monotonic()
        self._ended = threading.Event()

    def run(self) -> None:
        heard = time.monotonic()
        while not self._ended.wait(LOOK_S + self.remote.client.limits.wait_s):
            try:
                if not self._arrived:  # what came before the first row is no part of the rate
                    self._begun = time.monotonic()
                self._arrived = max(0, self.remote.look(patience_s=0).rows - self._before)
                self._silent, heard = "", time.monotonic()
            except CloudError as error:  # the client goes on trying, and so does this
                self._silent = error.message
                if time.monotonic() - heard > PATIENCE_S:
                    minutes = f"{PATIENCE_S / 60:.0f} minutes"
                    again = "What has arrived stays: call it again."
                    self._tell(self._now().but(state="failed", detail=f"{error.message}, for {minutes}", remedy=again))
                    os._exit(1)  # the client would wait on, and cannot be told
            self._tell(self._now())

    def keep_near(self, sent: int) -> None:
        """Wait while too much is on its way."""
        while sent - self._arrived > AHEAD and not self._ended.wait(0.05):
            continue

    def end(self) -> Sync:
        self._ended.set()
        self.join()
        return self._now()

    def _now(self) -> Sync:
        passed = time.monotonic() - self._begun
        rate = self._arrived / passed if self._arrived else None
        left = max(0, self._sync.sent - self._arrived)
        return self._sync.but(
            rows=self._sync.rows + min(self._arrived, self._sync.sent),
            rows_per_s=rate,
            left_s=left / rate if rate else None,
            detail=self._silent,
        )


def _begin(logged: Logged, parcel: Parcel, target: Target) -> Any:
    import wandb

    _let_it_begin_at(logged.start)
    settings = wandb.Settings(
        console="wrap",
        disable_git=True,
        save_code=False,
        disable_job_creation=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        x_skip_transaction_log=True,
        x_file_stream_transmit_interval=1.0,
        x_file_stream_retry_max=_FOR_EVER,
        x_file_stream_retry_wait_max_seconds=10.0,
        x_file_transfer_retry_max=_FOR_EVER,
        x_file_transfer_retry_wait_max_seconds=10.0,
    )
    head = logged.head
    about: dict[str, Any] = {}
    if parcel.new:  # what a person has changed there since stays
        about = {"name": head.name or head.run_id, "tags": head.tags, "notes": head.notes or None}
        about |= {"group": head.group or None, "job_type": head.job_type or None, "config": head.config}
    return wandb.init(
        id=head.run_id,
        resume="allow",
        entity=target.entity,
        project=target.project,
        dir=str(target.folder),
        settings=settings,
        **about,
    )


def _let_it_begin_at(start: float) -> None:
    """Runs of this process begin at that time (wandb 0.31, sdk/interface/interface.py:_make_run reads it)."""
    from wandb.sdk import wandb_init

    module: Any = wandb_init
    ordinary: Any = module.Run

    class RunOfThen(ordinary):
        def _set_backend(self, backend: Any) -> None:
            self._start_time = start
            ordinary._set_backend(self, backend)

    module.Run = RunOfThen


def _send_console(pieces: Sequence[tuple[str, str]], lines: int) -> None:
    """What is written behind that many lines: the client takes what this process prints for the run's."""
    for stream, text in pieces:
        skipped = 0
        while lines > 0 and (found := text.find("\n", skipped)) >= 0:
            skipped, lines = found + 1, lines - 1
        if lines == 0 and skipped < len(text):
            (sys.stdout if stream == "stdout" else sys.stderr).write(text[skipped:])


def _send_system(run: Any, samples: list[System]) -> None:
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    interface = run._interface
    for sample in samples:
        stats = messages.StatsRecord(stats_type=messages.StatsRecord.StatsType.SYSTEM)
        stats.timestamp.FromMicroseconds(int(sample.time * 1e6))
        for name, value in sample.values.items():
            item = stats.item.add()
            item.key, item.value_json = name, json.dumps(value)
        interface._publish(interface._make_record(stats=stats))


def _last_values(logged: Logged) -> Mapping[str, float]:
    metrics = open_metrics(logged.run_dir)
    found = {name: metrics.last(name) for name in metrics.names if "." not in name}
    return {name: value for name, value in found.items() if value is not None}
