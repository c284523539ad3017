"""`arrcoc monitor [RUN]`: watch a run, or a sweep, until it ends.

On a terminal one frame is redrawn in place twice a second (`frames.py` composes it); anywhere else a plain line is
printed whenever something worth a line happened. Watching changes nothing: Ctrl-C leaves and the run goes on. Each
round also calls `reconcile`, so that a run whose supervisor has died goes on while it is watched.

The exit code is the run's: 0 succeeded, 1 not, 130 when left with Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.cli.find import anything
from arrcoc_core.cli.online_view import follow_online
from arrcoc_core.cli.result_view import result_text, sweep_text
from arrcoc_core.cli.terminal import is_tty, paint, printable, say, say_json, shorten, width
from arrcoc_core.references import accuracy_of
from arrcoc_core.results import previous_of, summarize
from arrcoc_core.sweep_results import summarize_sweep

if TYPE_CHECKING:
    from arrcoc_core.api import Run, SweepRun
    from arrcoc_core.metrics import RunMetrics
    from arrcoc_core.online.own import OwnFeed

REDRAW_S = 0.5
RECONCILE_S = 5.0
QUIET_S = 15.0
TAIL_BYTES = 16 * 1024
INTERRUPTED = 130


def monitor(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import reconcile
    from arrcoc_core.online.run import OnlineRun

    target = anything(arguments.run)
    if isinstance(target, OnlineRun):
        if arguments.json:
            say_json({**target.to_json(), "behind_s": target.behind_s, "offline": target.offline})
            return 0
        return follow_online(target)
    reconcile()
    if arguments.json:
        say_json(snapshot(target))
        return 0
    return follow(target)


def follow(target: Run | SweepRun) -> int:
    """Show `target` until it has ended, then what it came to; the exit code says whether it succeeded."""
    try:
        _watch(target)
    except KeyboardInterrupt:
        say(f"\nLeft. It goes on; come back with: arrcoc monitor {target.id}")
        return INTERRUPTED
    say(outcome(target))
    return 0 if target.succeeded else 1


def outcome(target: Run | SweepRun) -> str:
    """What an ended run, or sweep, came to."""
    from arrcoc_core.api import SweepRun, runs

    if isinstance(target, SweepRun):
        return sweep_text(summarize_sweep(target.runs, name=target.name))
    return result_text(summarize(target, previous_of(target, runs(root=target.root))))


def snapshot(target: Run | SweepRun) -> dict[str, object]:
    """The present state for programs: the row of `arrcoc runs --json` with progress and the time left."""
    from arrcoc_core.api import SweepRun

    if isinstance(target, SweepRun):
        rows = [snapshot(run) for run in target.runs]
        return {"id": target.id, "name": target.name, "progress": target.progress, "eta_s": target.eta_s, "runs": rows}
    progress = target.progress
    return {
        **target.to_json(),
        "phase": progress.phase if progress is not None else None,
        "step": progress.step if progress is not None else None,
        "total_steps": target.total_steps,
        "eta_s": target.eta_s,
        "directory": str(target.directory),
    }


def log_tail(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log that may be growing; none while there is no log."""
    if count <= 0 or not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return [printable(line) for line in lines[-count:]]


def _watch(target: Run | SweepRun) -> None:
    from arrcoc_core.api import SweepRun, reconcile

    show = _Frames() if is_tty() else _Lines()
    reconciled = time.monotonic()
    try:
        while True:
            target.refresh()
            if isinstance(target, SweepRun):
                show.sweep(target)
            else:
                show.run(target)
            if target.finished:
                return
            if time.monotonic() - reconciled > RECONCILE_S:
                reconcile(target.root)
                reconciled = time.monotonic()
            time.sleep(REDRAW_S)
    finally:
        show.close()


class _Frames:
    """A frame redrawn in place on a terminal."""

    def __init__(self) -> None:
        self._drawn = 0
        self._metrics: RunMetrics | None = None
        self._feed: OwnFeed | None = None
        sys.stdout.write("\x1b[?25l")

    def run(self, run: Run) -> None:
        from arrcoc_core.cli.frames import run_frame
        from arrcoc_core.metrics import open_metrics

        behind = self._fed(run) if run.target != "local" else ""
        if self._metrics is None:
            self._metrics = open_metrics(run.directory)
        else:
            self._metrics.refresh(ingest_first=True)
        lines = run_frame(run, self._metrics, lambda count: log_tail(run.log_path, count), datetime.now(UTC))
        self._draw([*lines, paint(shorten(printable(behind), width() - 1), "warn")] if behind else lines)

    def sweep(self, sweep: SweepRun) -> None:
        from arrcoc_core.cli.frames import sweep_frame

        self._draw(sweep_frame(sweep))

    def close(self) -> None:
        sys.stdout.write("\x1b[?25h\n")
        sys.stdout.flush()
        if self._feed is not None:
            self._feed.close()

    def _fed(self, run: Run) -> str:
        """See that what its W&B server has comes here too; how far behind that is."""
        from arrcoc_core.online.own import OwnFeed

        self._feed = self._feed or OwnFeed()
        return self._feed.watch(run)

    def _draw(self, lines: list[str]) -> None:
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stdout.write(up + "\x1b[J" + "\n".join(lines) + "\n")
        sys.stdout.flush()
        self._drawn = len(lines)


class _Lines:
    """A line whenever something happened: a change of state or phase, an evaluation, a tenth of the way."""

    def __init__(self) -> None:
        self._seen: dict[str, object] = {}
        self._at = time.monotonic()

    def run(self, run: Run) -> None:
        from arrcoc_core.cli.frames import progress_line

        progress = run.progress
        tenth = int(10 * progress.fraction) if progress is not None and progress.fraction is not None else 0
        phase = progress.phase if progress is not None else ""
        now = (run.state, len(run.attempts), phase, tenth, accuracy_of(run.summary))
        if now != self._seen.get(run.id) or (time.monotonic() - self._at > QUIET_S and not run.finished):
            self._seen[run.id] = now
            self._at = time.monotonic()
            say(progress_line(run))
            sys.stdout.flush()

    def sweep(self, sweep: SweepRun) -> None:
        for run in sweep.runs:
            self.run(run)

    def close(self) -> None:
        sys.stdout.flush()
